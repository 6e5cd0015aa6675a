"""What could be lost without a word: each of these once ended with exit 0, or with counts that did not add up.

Rules of this file: through whole exports by the command line; what the tenant holds is in the store, or it is said.
"""

import json
import threading
from pathlib import Path

import pytest

from exporters.rehearsal.changes import apply_changes
from tests.end_to_end.driving import Row, Tenant, rows_of
from tests.faults.desk import DELTA, Desk, exported, problems, rule
from tests.faults.test_quirk_items import Made, item, only_drive
from tests.independent import tiny

ONE_ITEM = "drives/*/items/*"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    found = Made(tmp_path / "tenant")
    for name in ("a.txt", "b.txt"):
        found.drive.file_in(name, found.drive.root, tiny.recipe(name, 100))
    return found


def change(tenant: Tenant, **what: object) -> None:
    """Change the drive on the server; the truth is not asked here."""
    row = {"kind": "driveItem", "drive": only_drive(tenant).folder, **what}
    tenant.control("POST", "changes", json.dumps(row).encode())


def told(name: str, field: str, **edit: object) -> tuple[Row, Row]:
    """An item of that name is told otherwise, in listings and by itself: `to` a value, or `drop`."""
    edits = [{"at": f"value/[name={name}]/{field}", "add": True, **edit}]
    alone = [{"at": field, "add": True, **edit}]
    return rule("edit", DELTA, edits=edits), rule("edit", ONE_ITEM, edits=alone)


def by_path(product: Desk, path: str, kind: str = "file") -> Row:
    return next(row for spot, row in rows_of(product.store).items() if spot[0] == kind and row.get("path") == path)


def hashes(product: Desk) -> set[str]:
    """SHA-256 of all that is held."""
    return {row["sha256"] for row in rows_of(product.store).values() if "sha256" in row}


def coverage(document: Row) -> dict[str, str]:
    return {row["class"]: row["state"] for row in document["sources"][0]["coverage"]}


def set_drive(product: Desk, **settings: object) -> None:
    product.settings["drive"].update(settings)
    product.configure()


# ---------------------------------------------------------------------------------------------------------- versions


def test_a_version_between_two_equal_ones_is_copied(made: Made, tmp_path: Path) -> None:
    """Edited and set back between two runs: size and hash are as before, and there is a version that we do not hold."""
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant, versions="all")
        exported(product, code=0)
        for text in ("in between", "a.txt"):
            change(tenant, op="modify", id=item(tenant, "/a.txt"), _c=tiny.recipe(text, 100))
        exported(product, code=0)
        assert tiny.recipe("in between", 100)["sha256"] in hashes(product)


def test_versions_that_came_while_none_were_asked_for_are_copied_when_they_are(made: Made, tmp_path: Path) -> None:
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant, versions="all")
        exported(product, code=0)
        for text in ("two", "three"):
            change(tenant, op="modify", id=item(tenant, "/a.txt"), _c=tiny.recipe(text, 100))
        set_drive(product, versions="current")
        exported(product, code=0)
        set_drive(product, versions="all")
        exported(product, code=0)
        assert {tiny.recipe(text, 100)["sha256"] for text in ("two", "three")} <= hashes(product)


def test_a_version_without_an_id_is_said(tmp_path: Path) -> None:
    made = Made(tmp_path / "tenant")
    made.drive.file_in("a.txt", made.drive.root, _versions=made.drive.versions(b"1", b"2"))
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant, versions="all")
        edits = [{"at": "value/[id=1.0]/id", "to": 1.0}]
        tenant.faults(rule("edit", "drives/*/items/*/versions", edits=edits))
        assert exported(product, code=3)["exceptions"] == {"version_unavailable": 1}
        tenant.faults()
        assert exported(product, code=0)["exceptions"] == {}


def test_coverage_of_versions_that_are_all_refused(tmp_path: Path) -> None:
    made = Made(tmp_path / "tenant")
    made.drive.file_in("a.txt", made.drive.root, _versions=made.drive.versions(b"1", b"2"))
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant, versions="all")
        tenant.faults(rule("403", "drives/*/items/*/versions/*/content"))
        found = coverage(exported(product, code=3))
        assert (found["files"], found["earlier_versions"]) == ("covered", "in part")


# ----------------------------------------------------------------------------------------------------------- listing


def test_an_item_without_an_id_is_said_though_the_counts_agree(made: Made, tmp_path: Path) -> None:
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant)
        fewer = [{"at": "value/[name=root]/folder/childCount", "to": 1}]
        nameless = [{"at": "value/[name=b.txt]/id", "drop": True}]
        tenant.faults(
            rule("edit", DELTA, edits=[*nameless, *fewer]),
            rule("edit", ONE_ITEM, edits=[{"at": "folder/childCount", "to": 1}]),
        )
        for _ in range(2):
            assert "item_without_id" in problems(exported(product, code=3))
        tenant.faults()
        exported(product, code=0)
        assert by_path(product, "/b.txt")["outcome"] == "copied"


def test_an_item_that_is_file_and_folder_is_not_taken_for_a_folder(made: Made, tmp_path: Path) -> None:
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant)
        tenant.faults(*told("a.txt", "folder", to={"childCount": 0}))
        assert exported(product, code=3)["exceptions"] == {"unknown_kind": 1}


def test_what_is_told_a_page_late_after_removals_alone_is_not_gone(tmp_path: Path) -> None:
    """A round of removals alone is followed by another one, as any other (a move out of a deleted folder may be told there)."""
    made = Made(tmp_path / "tenant")
    folder = made.drive.folder_in("F", made.drive.root)
    made.drive.folder_in("G", made.drive.root)
    made.drive.file_in("x.txt", folder)
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant)
        exported(product, code=0)
        change(tenant, op="move", id=item(tenant, "/F/x.txt"), to=item(tenant, "/G"))
        change(tenant, op="delete", id=item(tenant, "/F"))
        tenant.faults(
            rule(
                "edit",
                DELTA,
                count=1,
                edits=[{"at": f"value/[name={n}]", "drop": True} for n in ("x.txt", "G", "root")],
            )
        )
        tenant.forget_requests()
        exported(product, code=0)
        assert tenant.routes()["graph drives/{drive}/root/delta"] >= 2, "removals alone get their closing round too"


def test_parts_of_a_notebook_that_are_refused_once_are_not_gone(made: Made, tmp_path: Path) -> None:
    """In a drive without delta."""
    made.drive.package("Notebook", 2)
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant)
        no_delta = rule("no-delta", DELTA, status=501)
        tenant.faults(no_delta)
        exported(product)
        parts = f"drives/*/items/{item(tenant, '/Notebook')}/children"
        tenant.faults(no_delta, rule("status", parts, status=405, code="x"))
        document = exported(product, code=3)
        assert document["totals"]["gone"] == 0 and "parts_not_listed" in problems(document)
        tenant.faults(no_delta)
        assert "parts_not_listed" not in problems(exported(product))


# ------------------------------------------------------------------------------------------------------------- bytes


def test_the_first_block_page_is_read_again_once_it_is_known_for_one(tmp_path: Path) -> None:
    """It came for a type that SharePoint rewrites, and was kept, before the same bytes came for two others."""
    made = Made(tmp_path / "tenant")
    for number in range(3):
        content = tiny.recipe(f"document {number}", 20 + number)
        made.drive.file_in(f"{number}.docx", made.drive.root, content)
    page = "BLOCKED BY POLICY OF THE APPLIANCE " * 3
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant)
        tenant.faults(rule("wrong-bytes", host="download", text=page))
        assert exported(product, code=3)["exceptions"] == {"download_failed": 2}
        tenant.faults()
        exported(product)
        right = {tiny.recipe(f"document {number}", 20 + number)["sha256"] for number in range(3)}
        assert {row["sha256"] for spot, row in rows_of(product.store).items() if spot[0] == "file"} == right


@pytest.mark.parametrize("others", [{"drop": ["file"]}, {"drop": ["file"], "package": {"type": "x"}}], ids=str)
def test_an_item_that_is_something_else_for_a_while_keeps_its_bytes(others: Row, made: Made, tmp_path: Path) -> None:
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant)
        exported(product, code=0)
        rules = list(told("a.txt", "file", drop=True))
        if "package" in others:
            rules += told("a.txt", "package", to=others["package"])
        tenant.faults(*rules)
        change(tenant, op="touch", id=item(tenant, "/a.txt"))
        exported(product)
        tenant.faults()
        tenant.forget_requests()
        change(tenant, op="touch", id=item(tenant, "/a.txt"))
        exported(product, code=0)
        assert tenant.downloads() == 0 and by_path(product, "/a.txt")["outcome"] == "copied"
        product.run("verify", "--json", code=0)
        change(tenant, op="modify", id=item(tenant, "/a.txt"), _c=tiny.recipe("other", 50))
        exported(product, code=0)
        product.run("verify", "--json", code=0)


# ------------------------------------------------------------------------------------------------- sharing and counts


def test_widened_permissions_reach_notebooks(made: Made, tmp_path: Path) -> None:
    made.drive.package("Notebook", 2)
    with made.serve() as tenant:
        found = []
        for first in ("all", "none"):
            product = Desk(tmp_path / first, tenant)
            set_drive(product, permissions=first)
            exported(product)
            set_drive(product, permissions="all")
            exported(product)
            (bag,) = product.store.glob("onedrive/*")
            lines = (bag / "lastcopy/permissions.jsonl").read_text().splitlines()
            found.append({json.loads(line)["id"] for line in lines})
        assert found[0] == found[1]


def test_sharing_that_changed_while_it_was_not_asked_for_is_asked_again(tmp_path: Path) -> None:
    made = Made(tmp_path / "tenant")
    link: Row = {"scope": "users", "type": "view", "webUrl": "https://tiny.example/s"}
    share: Row = {"id": "cGVybQ", "roles": ["read"], "link": link}
    made.drive.file_in("a.txt", made.drive.root, shared={"scope": "users"}, _permissions=[share])
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant)
        exported(product, code=0)
        set_drive(product, permissions="none")
        wider = {**share, "link": {**link, "scope": "anonymous"}}
        change(tenant, op="permissions", id=item(tenant, "/a.txt"), set=[wider])
        tenant.faults(*told("a.txt", "shared", to={"scope": "anonymous"}))
        exported(product, code=0)
        set_drive(product, permissions="shared")
        exported(product, code=0)
        (bag,) = product.store.glob("onedrive/*")
        assert "anonymous" in (bag / "lastcopy/permissions.jsonl").read_text()


def test_an_item_that_changes_in_mid_run_is_counted_once(made: Made, tmp_path: Path) -> None:
    with made.serve() as tenant:
        product = Desk(tmp_path / "work", tenant)
        edited = item(tenant, "/a.txt")
        add = tenant.rehearsal.service.ledger.add
        what = {"kind": "driveItem", "drive": only_drive(tenant).folder, "op": "modify", "id": edited}
        edit = {**what, "_c": tiny.recipe("z", 50)}
        changed: list[threading.Thread] = []

        def watch(row: Row) -> None:
            add(row)
            if not changed and row["path"].endswith(f"{edited}/content"):
                changed.append(threading.Thread(target=apply_changes, args=(tenant.rehearsal.service.tenant, [edit])))
                changed[0].start()

        tenant.rehearsal.service.ledger.add = watch  # type: ignore[method-assign]
        (source,) = exported(product, code=0)["sources"]
        assert changed
        assert source["listed"] == source["copied"] + source["unchanged"] + source["excepted"] + source["pending"]
