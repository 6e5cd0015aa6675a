"""What is accepted of whole sources: what the last run that ended showed, and nothing else (docs/decisions/0022)."""

import json
from datetime import timedelta
from pathlib import Path
from unittest import mock

import pytest

from exporters.store.errors import StoreFullError
from retention.journal import Journal
from tests.end_to_end.driving import Result, Row, Tenant
from tests.faults.desk import CLOCK, DELTA, Desk, HurriedClock, exported, no_sites, problems, rule
from tests.faults.test_quirk_items import Made, item, only_drive
from tests.independent import tiny
from tests.independent.reader import read_store
from tests.independent.truth import DriveTruth

BY = ("--by", "Anna Berg", "--reason", "looked at")
LOCKED = rule("423", DELTA)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A tenant of one drive with two files."""
    made = Made(tmp_path / "tenant")
    for name in ("a.txt", "b.txt"):
        made.drive.file_in(name, made.drive.root)
    return made


def change(tenant: Tenant, drive: DriveTruth, *changes: Row) -> None:
    """Changes of a drive, on the server alone."""
    rows = (json.dumps({"kind": "driveItem", "drive": drive.folder, **row}).encode() for row in changes)
    tenant.control("POST", "changes", b"\n".join(rows))


def rename(tenant: Tenant, user: Row, name: str) -> None:
    row = {"kind": "user", "op": "rename", "id": user["id"], "userPrincipalName": name}
    tenant.control("POST", "changes", json.dumps(row).encode())


def users_of(folder: Path) -> list[Row]:
    return [json.loads(line) for line in (folder / "users.jsonl").read_text().splitlines()]


def accept(product: Desk, code: str, *more: str, code_of_exit: int = 0) -> Result:
    return product.run("accept", code, *more, *BY, code=code_of_exit)


# ---------------------------------------------------------------------------------------------------------- refusals


def test_a_locked_file_that_is_accepted_is_no_locked_drive(made: Made, tmp_path: Path) -> None:
    """Both have the code `locked`; the text says which is which."""
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant, versions="current")
        tenant.faults(rule("423", f"drives/*/items/{item(tenant, '/a.txt')}/content"))
        exported(product, code=3)
        accept(product, "locked")
        exported(product, code=0)
        tenant.faults(LOCKED)
        said = product.run("export", code=3).out
        assert "✗ onedrive/person0@tiny.onmicrosoft.example: The site is locked or archived" in said
        accept(product, "locked")
        exported(product, code=0)
        tenant.faults(rule("404", DELTA))
        assert problems(exported(product, code=3)) == {"not_found", "mass_disappearance"}, "another refusal"


def test_nothing_is_accepted_in_advance(made: Made, tmp_path: Path) -> None:
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant, versions="current")
        exported(product, code=0)
        for code in ("permission_missing", "mass_disappearance", "malware"):
            refused = product.run("accept", code, *BY, "--json", code=2).document
            assert refused["error"]["code"] == "code_not_shown"
        tenant.faults(rule("status", DELTA, status=403, code="accessDenied"))
        exported(product, code=3)


def test_a_drive_that_is_locked_again_is_open_again(made: Made, tmp_path: Path) -> None:
    """And while it is accepted, the text says of what, and by whom."""
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant, versions="current")
        exported(product, code=0)
        tenant.faults(LOCKED)
        exported(product, code=3)
        accept(product, "locked")
        said = product.run("export", code=0).out
        assert "Complete, but for what was accepted: onedrive/person0@" in said and "locked (Anna Berg)" in said
        assert exported(product, code=0)["sources"][0]["coverage"][0]["accepted"] == ["Anna Berg"]
        tenant.faults()
        assert "✓ Complete.\n" in product.run("export", code=0).out
        tenant.faults(LOCKED)
        exported(product, code=3)


def test_a_user_without_a_drive_is_not_a_drive_that_is_lost(tmp_path: Path) -> None:
    """`not_found`, accepted for all sources that showed it, covers no other."""
    folder = tiny.make(tmp_path / "tenant", drives=3, files=2, odd=False)
    with Tenant(folder, clock=CLOCK) as tenant:
        product = Desk(tmp_path / "work", tenant, versions="current")
        absent = rule("404", f"users/{users_of(folder)[0]['id']}/drive")
        tenant.faults(absent, no_sites())
        exported(product, code=3)
        accept(product, "not_found")
        exported(product, code=0)
        lost = max(tenant.truth.drives.values(), key=lambda drive: drive.folder)
        tenant.faults(absent, no_sites(), rule("404", f"drives/{lost.id}/root/delta"))
        exported(product, code=3)
        accept(product, "not_found", "--source", lost.id)
        exported(product, code=0)


# ------------------------------------------------------------------------------------------------------------- names


def test_an_acceptance_does_not_pass_to_the_next_holder_of_a_name(tmp_path: Path) -> None:
    """The bag of the former holder is called like the new one; a name of both means nobody."""
    folder = tiny.make(tmp_path / "tenant", drives=2, files=130, odd=False)
    with Tenant(folder, clock=CLOCK) as tenant:
        product = Desk(tmp_path / "work", tenant, versions="current")
        exported(product, code=0)
        former, new = users_of(folder)[:2]
        rename(tenant, former, "former@x.example")
        rename(tenant, new, former["userPrincipalName"])
        exported(product, code=0)
        first, second = sorted(tenant.truth.drives.values(), key=lambda drive: drive.folder)
        tenant.faults(rule("404", f"drives/{first.id}/root/delta"))
        exported(product, code=3)
        name = f"onedrive/{former['userPrincipalName']}"
        refused = product.run("accept", "mass_disappearance", "--source", name, *BY, "--json", code=2).document["error"]
        assert (
            refused["code"] == "source_ambiguous" and first.id in refused["action"] and second.id in refused["action"]
        )
        accept(product, "mass_disappearance", "--source", "onedrive/former@x.example")
        exported(product, code=0)
        plain = next(item_id for item_id in second.items if second.path(item_id) == "/Plain")
        change(tenant, second, {"op": "delete", "id": plain})
        document = exported(product, code=3)
        assert document["totals"]["gone"] == 0
        assert "mass_disappearance" in problems(document)


# ---------------------------------------------------------------------------------------- findings that have a content


def test_a_mass_that_was_accepted_is_no_other_mass(made: Made, tmp_path: Path) -> None:
    """Also if the run that used the acceptance could not write its end."""
    for number in range(330):
        made.drive.file_in(f"{number:03}.txt", made.drive.root)
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant, versions="current")
        drive = only_drive(tenant)
        exported(product, code=0)
        ids = [item(tenant, f"/{number:03}.txt") for number in range(330)]
        change(tenant, drive, *({"op": "delete", "id": item_id} for item_id in ids[:110]))
        exported(product, code=3)
        accept(product, "mass_disappearance")
        append = Journal.append

        def full(self: Journal, rows: list[Row], *, run: str | None = None) -> None:
            if rows[0]["type"] == "run_ended":
                raise StoreFullError("disk full", code="store_full")
            append(self, rows, run=run)

        with mock.patch.object(Journal, "append", full):
            exported(product, code=1)
        change(tenant, drive, *({"op": "delete", "id": item_id} for item_id in ids[110:220]))
        document = exported(product, code=3)
        assert document["totals"]["gone"] == 0 and "mass_disappearance" in problems(document)
        accept(product, "mass_disappearance")
        assert exported(product, code=0)["totals"]["gone"] == 110


def test_a_mass_that_a_whole_listing_shows_is_the_same_in_the_next_run(made: Made, tmp_path: Path) -> None:
    folder = made.drive.folder_in("folder", made.drive.root)
    for number in range(130):
        made.drive.file_in(f"{number:03}.txt", folder)
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant, versions="current")
        exported(product, code=0)
        tenant.faults(rule("410", DELTA, count=1))
        change(tenant, only_drive(tenant), {"op": "delete", "id": item(tenant, "/folder")})
        assert "mass_disappearance" in problems(exported(product, code=3))
        assert tenant.fired() == 1
        tenant.faults()
        accept(product, "mass_disappearance")
        assert exported(product, code=0)["totals"]["gone"] == 131
        (bag,) = read_store(product.store).bags.values()
        assert sum(row["outcome"] == "gone" for row in bag.rows.values()) == 131


def test_bytes_that_differ_are_accepted_as_they_are(made: Made, tmp_path: Path) -> None:
    """One file that differs, accepted; another that differs later is open."""
    odd = {"mimeType": "text/plain", "hashes": {"quickXorHash": tiny.quick_xor(b"as it was uploaded")}}
    made.drive.file_in("odd.bin", made.drive.root, file=odd)
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant, versions="current")
        assert "content_differs" in problems(exported(product, code=3))
        accept(product, "content_differs")
        tenant.faults(rule("500", f"drives/*/items/{item(tenant, '/odd.bin')}/content"))
        assert "content_differs" in problems(exported(product, code=0)), "it could not be read again: as it was"
        tenant.faults(rule("corrupt", host="download"))
        change(tenant, only_drive(tenant), {"op": "modify", "id": item(tenant, "/b.txt"), "_c": tiny.recipe("bb", 100)})
        assert "content_differs" in problems(exported(product, code=3))


def test_folders_that_are_not_counted_are_accepted_one_by_one(made: Made, tmp_path: Path) -> None:
    """The same with news and without: the digest is of the folders that nobody counts."""
    folders = [made.drive.folder_in(name, made.drive.root) for name in ("one", "two")]
    for folder in folders:
        made.drive.file_in("file.txt", folder)
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant, versions="current")
        uncounted = rule("edit", "drives/*/items/*", edits=[{"at": "folder/childCount"}])
        listed = rule("edit", DELTA, edits=[{"at": "value/*/folder/childCount"}])
        tenant.faults(listed, uncounted)
        assert "count_unavailable" in problems(exported(product, code=3))
        accept(product, "count_unavailable")
        for _ in range(2):
            assert "count_unavailable" in problems(exported(product, code=0))
        root = next(i for i, row in only_drive(tenant).items.items() if "root" in row)
        change(
            tenant, only_drive(tenant), {"op": "create", "parent": root, "name": "three", "folder": {"childCount": 0}}
        )
        exported(product, code=3)


# ------------------------------------------------------------------------------------------------------------- clocks


def test_a_clock_that_goes_back_makes_nothing_accepted(made: Made, tmp_path: Path) -> None:
    """What is found later is found later, whatever the time is said to be."""
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant, versions="current")
        tenant.faults(rule("403", f"drives/*/items/{item(tenant, '/a.txt')}/content"))
        exported(product, code=3)
        accept(product, "access_denied")
        exported(product, code=0)
        product.clock = HurriedClock(skew=timedelta(hours=-2))
        change(tenant, only_drive(tenant), {"op": "modify", "id": item(tenant, "/b.txt"), "_c": tiny.recipe("bb", 100)})
        tenant.faults(rule("403", "drives/*/items/*/content"))
        exported(product, code=3)
        exported(product, code=3)


# ----------------------------------------------------------------------------------------------------------- pending


def test_a_drive_that_is_gone_for_good_and_half_copied_can_be_accepted(tmp_path: Path) -> None:
    """What was listed and never copied is part of that finding: it is said, and covered as long as it is the same."""
    folder = tiny.make(tmp_path / "tenant", drives=1, files=20, odd=False)
    with Tenant(folder, clock=CLOCK) as tenant:
        product = Desk(tmp_path / "work", tenant, versions="current")
        tenant.settings(delta_page=5, empty_pages=False)
        tenant.faults(rule("404", DELTA, after=1))
        first = exported(product, code=3)
        assert first["totals"]["pending"] > 0 and tenant.fired()
        tenant.faults(rule("404", DELTA))
        assert problems(exported(product, code=3)) >= {"not_found"}
        accept(product, "pending", code_of_exit=2)
        accept(product, "not_found")
        document = exported(product, code=0)
        assert document["totals"]["pending"] == first["totals"]["pending"], "it is still said"
        said = product.run("export", code=0).out
        assert f"{first['totals']['pending']} items that it listed are not copied" in said
        product.run("verify", "--json", code=3)
        tenant.faults(rule("404", DELTA, after=1))
        exported(product, code=3)
        tenant.faults(rule("404", DELTA))
        exported(product, code=3)
