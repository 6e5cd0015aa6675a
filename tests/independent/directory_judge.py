"""Compares the bag of the directory with the truth of a tenant whose sites are judged: frame, things, domains, organisation.

Rules of this file: standard library only; imports nothing of ours. What is in users, groups, members and tables is compared by
`judge_directory`; here stands what that does not look at.
"""

from typing import Any

from tests.independent import judge_directory
from tests.independent.differences import Differences
from tests.independent.site_bag import SiteBag
from tests.independent.site_truth import TenantTruth

Row = dict[str, Any]


class DirectoryJudge:
    """The one bag of the directory."""

    def __init__(self, bag: SiteBag, truth: TenantTruth, found: Differences) -> None:
        self.bag, self.truth, self.found = bag, truth, found

    def judge(self) -> None:
        """All comparisons."""
        truth = self.truth
        lists = [[*rows.values()] for rows in (truth.users, truth.groups, truth.deleted_users, truth.deleted_groups)]
        expected = judge_directory.Expected(*lists, gone=set())
        expected.gone = {row["id"] for kind in ("user", "group") for row in self.bag.of(kind, gone=True)
                         if row["outcome"] == "gone" and row["id"] in truth.purged}  # fmt: skip
        for text in judge_directory.judge(self.bag.folder.parent, expected):
            self.found.say("directory", text)
        self.found.agreed["directory"] += len(truth.users) + len(truth.groups)
        self._domains()
        organizations = {row["id"] for row in self.bag.of("organization")}
        self.found.same("organization", "its id", organizations, {truth.info["tenantId"]})
        for kind in ("folder", "licence", "subscription", "organization", "domain", "role", "term", "part"):
            for row in self.bag.of(kind):
                is_said = row["outcome"] == "copied" or bool(row.get("code"))
                self.found.check("other rows", f"{kind} {row['id']}: {row['outcome']}", is_said)

    def _domains(self) -> None:
        """Those of the tenant, and of the principal names of its users (guests apart)."""
        held = {row["id"].lower() for row in self.bag.of("domain")}
        names = [str(user["userPrincipalName"]).lower() for user in self.truth.users.values()]
        due = {name.rpartition("@")[2] for name in names if "#ext#" not in name} | {self.truth.info["domain"].lower()}
        for name in due - held:
            self.found.check("domains", f"domain {name} is not there", self.truth.is_changed)
        self.found.agreed["domains"] += len(due & held)
