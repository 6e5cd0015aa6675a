"""Compares the bag of the directory with the truth: users and groups by id, members of groups, domains, the organisation.

Rules of this file: standard library only; imports nothing of ours. Of a user and a group the keys that both sides have must
agree: the service shows those that were asked for.
"""

import csv
import io
from typing import Any

from tests.independent.differences import Differences
from tests.independent.site_bag import SiteBag
from tests.independent.site_truth import TenantTruth

Row = dict[str, Any]
FIRM = {"user": ("displayName", "userPrincipalName", "mail"), "group": ("displayName", "mail", "groupTypes")}
NOT_SERVED = {"mailboxSettings"}


class DirectoryJudge:
    """The one bag of the directory."""

    def __init__(self, bag: SiteBag, truth: TenantTruth, found: Differences) -> None:
        self.bag, self.truth, self.found = bag, truth, found

    def judge(self) -> None:
        """All comparisons."""
        self._of("user", self.truth.users)
        self._of("group", self.truth.groups)
        for group_id, truth in self.truth.groups.items():
            row = self.bag.rows.get(("group", "", group_id))
            if row is not None and row["outcome"] == "copied":
                line = self.bag.line(row)
                held = sorted(str(one.get("id")) for one in line.get("members", ()))
                self.found.same("members", f"group {truth['displayName']!r}", held, sorted(truth.get("_members", ())))
        names = {
            name.rpartition("@")[2].lower() for name in (u["userPrincipalName"] for u in self.truth.users.values())
        }
        held = {row["id"].lower() for row in self.bag.of("domain")}
        self.found.check("domains", f"domains {sorted(held)}", self.truth.info["domain"].lower() in held)
        for name in names - held:
            self.found.check("domains", f"domain {name} of users is not there", self.truth.is_changed)
        organizations = {row["id"] for row in self.bag.of("organization")}
        self.found.same("organization", "its id", organizations, {self.truth.info["tenantId"]})
        for kind in ("licence", "subscription", "organization", "domain", "term"):
            for row in self.bag.of(kind):
                is_said = row["outcome"] == "copied" or bool(row.get("code"))
                self.found.check("other rows", f"{kind} {row['id']}: {row['outcome']}", is_said)
        self._tables()

    def _of(self, kind: str, due: dict[str, Row]) -> None:
        rows = {row["id"]: row for row in self.bag.of(kind)}
        for item_id, truth in due.items():
            row, where = rows.pop(item_id, None), f"{kind} {item_id}"
            if not self.found.check(f"{kind}s", f"{where} has no row", row is not None) or row is None:
                continue
            if not self.found.check(
                f"{kind}s", f"{where}: {row['outcome']} {row.get('code')}", row["outcome"] == "copied"
            ):
                continue
            graph = self.bag.line(row).get("graph", {})
            for key in FIRM[kind]:
                self.found.same(f"{kind} facts", f"{where}: {key}", graph.get(key), truth.get(key))
            for key in set(graph) & set(truth) - set(FIRM[kind]) - NOT_SERVED:
                if not key.startswith("_") and not self.truth.is_changed:
                    self.found.same(f"{kind} facts", f"{where}: {key}", graph[key], truth[key])
        for row in self.bag.of(kind, gone=True):
            if row["outcome"] == "gone":
                self.found.check("gone", f"{kind} {row['id']} is not gone", row["id"] in self.truth.left)
        for item_id in rows:
            self.found.say("nothing else", f"{kind} {item_id} is of nothing in the truth")

    def _tables(self) -> None:
        """One line a user, a group, a membership."""
        members = sum(len(one.get("_members", ())) for one in self.truth.groups.values())
        for name, count in (("users", len(self.truth.users)), ("groups", len(self.truth.groups)), ("members", members)):
            key = f"data/directory/{name}.csv"
            data = self.bag.read(key)
            is_there = ("derived", "", key) in self.bag.rows and data is not None
            if self.found.check("directory tables", f"no {key}", is_there) and data is not None:
                table = list(csv.reader(io.StringIO(data.decode("utf-8-sig", "surrogatepass"), newline="")))
                self.found.same("directory tables", f"{key}: rows", len(table) - 1, count)
