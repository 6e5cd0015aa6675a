"""A user whose OneDrive was deleted and provisioned again: another drive id, a bag of its own; the old bag stays, and is said.

Rules of this file: the tenant holds the second drive from the start, and nobody has it until the change `replace-drive`.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.driving import Row, Tenant
from tests.faults.desk import CLOCK, Desk, exported, problems, rule
from tests.independent import tiny
from tests.independent.judge import Settings, judge
from tests.independent.truth import load

NAME = f"person0@{tiny.DOMAIN}"
BAG = f"onedrive/{NAME}"


class Replaced:
    """A tenant of two users, one of whom gets another drive in place of the first."""

    def __init__(self, folder: Path) -> None:
        data = tiny.make(folder, drives=2, files=6, odd=False)
        self.users = [json.loads(line) for line in (data / "users.jsonl").read_text().splitlines()]
        self.first = next(d for d in load(data).drives.values() if d.folder == self.users[0]["_drive"]).id
        self.second = tiny.Drive(7, self.users[0])
        for number in range(5):
            self.second.file_in(f"new {number}.txt", self.second.root)
        self.second.write(data)
        self.tenant = Tenant(data, clock=CLOCK)

    def replace(self) -> None:
        """On the server, and in the truth."""
        change = {"kind": "user", "op": "replace-drive", "id": self.users[0]["id"], "drive": self.second.folder}
        self.tenant.control("POST", "changes", json.dumps(change).encode())
        users = [{**self.users[0], "_drive": self.second.folder}, *self.users[1:]]
        tiny.write_rows(self.tenant.data / "users.jsonl", users)
        self.tenant.truth.drives = load(self.tenant.data).drives


@pytest.fixture
def replaced(tmp_path: Path) -> Iterator[Replaced]:
    made = Replaced(tmp_path / "tenant")
    with made.tenant:
        yield made


def by_bag(document: Row) -> dict[str, Row]:
    """The sources of a document."""
    return {source["bag"]: source for source in document["sources"]}


def payload(bag: Path) -> dict[str, bytes]:
    """{place: bytes} of what was copied, and of the rows that name it."""
    rows = [bag / "lastcopy/items.jsonl", bag / "manifest-sha256.txt"]
    return {str(path): path.read_bytes() for path in [*bag.glob("data/**/*"), *rows] if path.is_file()}


def asked_for_drives(tenant: Tenant) -> int:
    """Requests for the drive of a user."""
    return tenant.routes()["graph users/{user}/drive"]


def test_a_new_drive_in_place_of_the_old_is_a_bag_of_its_own(replaced: Replaced, tmp_path: Path) -> None:
    """Found and copied in the very run that does not find the old one; the old bag stays as it was, and is said in every run."""
    tenant, product = replaced.tenant, Desk(tmp_path / "work", replaced.tenant)
    exported(product, code=0)
    held = payload(product.store / BAG)
    replaced.replace()
    tenant.forget_requests()
    document = exported(product, code=3)
    sources = by_bag(document)
    (new,) = (bag for bag in sources if bag.startswith(f"{BAG}~"))
    assert sources[new]["copied"] == 6 and sources[new]["coverage"][0]["state"] == "covered"
    assert {row["code"] for row in sources[BAG]["coverage"]} == {"not_found", "mass_disappearance"}
    assert any("its user has another" in row["reason"] for row in sources[BAG]["coverage"])
    assert payload(product.store / BAG) == held
    assert judge(product.store, tenant.truth, Settings(versions="all")) == [f"{BAG}: a bag of a drive that nobody has"]
    assert asked_for_drives(tenant) <= 1  # none if its site was met first
    assert product.run("verify", "--json").document["changed"] == 0


def test_later_runs_know_both(replaced: Replaced, tmp_path: Path) -> None:
    """The new one is the user's; the old one is said until that is accepted, and then is no news."""
    tenant, product = replaced.tenant, Desk(tmp_path / "work", replaced.tenant)
    exported(product, code=0)
    replaced.replace()
    exported(product, code=3)
    tenant.forget_requests()
    document = exported(product, code=3)
    assert asked_for_drives(tenant) == 0 and len(document["sources"]) == 3
    assert any("its user has another" in row["reason"] for row in by_bag(document)[BAG]["coverage"] if "reason" in row)
    product.run("accept", "not_found", "--source", replaced.first, "--by", "Anna Berg", "--reason", "replaced", code=0)
    for _ in range(2):
        assert exported(product, code=0)["totals"]["copied"] == 0
    assert {s["bag"] for s in exported(product, "--source", f"onedrive/{NAME}")["sources"]} > {BAG}


def test_what_is_accepted_of_the_old_drive_says_nothing_of_the_new(replaced: Replaced, tmp_path: Path) -> None:
    """They have a name in common; what vanishes from the new one, or refuses, is another matter."""
    tenant, product = replaced.tenant, Desk(tmp_path / "work", replaced.tenant)
    exported(product, code=0)
    replaced.replace()
    exported(product, code=3)
    product.run(
        "accept", "mass_disappearance", "--source", replaced.first, "--by", "Anna Berg", "--reason", "replaced", code=0
    )
    product.run("accept", "not_found", "--source", replaced.first, "--by", "Anna Berg", "--reason", "replaced", code=0)
    exported(product, code=0)
    tenant.faults(rule("404", f"drives/{replaced.second.id}/root/delta"))
    document = exported(product, code=3)
    assert problems(document) >= {"not_found", "mass_disappearance"}


@pytest.mark.parametrize("fault", ["404", "500", "403"])
def test_a_drive_that_is_not_found_for_now_stays_the_one(fault: str, replaced: Replaced, tmp_path: Path) -> None:
    """The user still has it, or cannot be asked: no second bag, and the next run goes on."""
    tenant, product = replaced.tenant, Desk(tmp_path / "work", replaced.tenant)
    exported(product, code=0)
    (first,) = (d for d in tenant.truth.drives.values() if d.folder == "drives/u00000")
    tenant.faults(rule("404", f"drives/{first.id}/root/delta"), rule(fault, "users/*/drive", after=1))
    assert len(exported(product, code=3)["sources"]) == 2
    tenant.faults(rule("404", f"drives/{first.id}/root/delta"), rule(fault, "users/*/drive"))
    assert len(exported(product, code=3)["sources"]) == 2
    tenant.faults()
    exported(product, code=0)
    assert judge(product.store, tenant.truth, Settings(versions="all")) == []
