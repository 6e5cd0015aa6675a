"""The judge of sites judged: a right copy passes, and one that is wrong in any single respect does not."""

import ast
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.independent import judge_sites
from tests.independent.differences import Differences
from tests.independent.site_by_hand import AT, HandBag, HandCopy, make_copy
from tests.independent.site_libraries import Asked
from tests.independent.site_truth import TruthBroken, load
from tests.independent.tiny import write_rows

HERE = Path(__file__).parent
TEAM = "sites!team"
Change = Callable[[HandBag], object]


def judged(tenant: Path, copy: HandCopy, store: Path, asked: Asked | None = None, name: str = TEAM) -> Differences:
    """The judge's answer to one bag of a copy."""
    bag = copy.bags[name]
    copy.bags = {name: bag}
    copy.write(store)
    is_directory = name == "directory"
    return judge_sites.judge(tenant, store, asked, directory=is_directory, only=set() if is_directory else {bag.id})


def test_shares_nothing_with_the_exporters() -> None:
    allowed = {"tests", *sys.stdlib_module_names}
    names = ("site_truth", "site_bag", "site_libraries", "site_lists", "site_derived", "site_pages", "directory_judge",
             "judge_directory", "judge_sites", "reader", "truth", "keys", "differences")  # fmt: skip
    for path in (HERE / f"{name}.py" for name in names):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert {alias.name.partition(".")[0] for alias in node.names} <= allowed, path.name
            elif isinstance(node, ast.ImportFrom):
                top, _, rest = (node.module or "").partition(".")
                assert top in allowed and (top != "tests" or rest.startswith("independent")), path.name


@pytest.mark.parametrize(
    ("versions", "certificate"), [(False, True), (True, False)], ids=["as by default", "versions, no certificate"]
)
def test_a_right_copy_has_no_differences(site_tenant: Path, tmp_path: Path, versions: bool, certificate: bool) -> None:
    make_copy(site_tenant, versions=versions, certificate=certificate).write(tmp_path)
    asked = Asked("all" if versions else "current", certificate=certificate)
    found = judge_sites.judge(site_tenant, tmp_path, asked)
    assert not found.found, found.table()
    agreed = found.agreed
    assert (
        agreed["file bytes"] == 26
        and agreed["list items"] == 32
        and agreed["fields"] > 300
        and agreed["page JSON"] == 2
    )
    assert agreed["versions"] >= (4 if versions else 0) and agreed["attachments excepted"] == (not certificate)


def test_the_command(site_tenant: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = make_copy(site_tenant)
    copy.write(tmp_path)
    assert judge_sites.main([str(site_tenant), str(tmp_path)]) == 0
    assert "no differences" in capsys.readouterr().out
    assert judge_sites.main([str(site_tenant), str(tmp_path), "--no-certificate"]) == 3
    assert judge_sites.main([str(tmp_path), str(site_tenant)]) == 2


# -- libraries --------------------------------------------------------------------------------------------------------


def _file(bag: HandBag, name: str) -> dict[str, Any]:
    return bag.row("file", name=name)


def _side(bag: HandBag) -> dict[str, Any]:
    """The list side of a file."""
    graph: dict[str, Any] = bag.line_of(bag.row("columns", of=_file(bag, "empty.txt")["id"]))["graph"]
    return graph


def _a_file(bag: HandBag, **more: Any) -> None:
    row = {**_file(bag, "versions.txt"), "id": "01NOBODY", "path": "/Documents/new.txt", **more}
    bag.rows.append(row | bag.put("data/libraries/Documents/new.txt", b"new"))


def _version(bag: HandBag) -> None:
    row = _file(bag, "versions.txt")
    more = bag.put("data/versions/Documents/versions.txt/2.0", b"two")
    bag.add("version", row["id"], "2.0", parent=row["id"], path=row["path"], agreement="unhashed", **more)


LIBRARIES: dict[str, tuple[Change, str]] = {
    "a file without a row": (lambda b: b.take(_file(b, "Caf\u00e9.txt")), "file rows"),
    "a file of nothing": (_a_file, "nothing else"),
    "a file of another drive": (lambda b: _a_file(b, scope="b!nobody"), "nothing else"),
    "other bytes": (lambda b: b.change_bytes(_file(b, "Caf\u00e9.txt")), "file bytes"),
    "another path": (lambda b: _file(b, "Caf\u00e9.txt").update(path="/Documents/Odd #% names/Cafe\u0301.txt"), "paths"),
    "a path without its library": (lambda b: _file(b, "Caf\u00e9.txt").update(path="/Odd #% names/Caf\u00e9.txt"), "paths"),
    "another name": (lambda b: _file(b, "empty.txt").update(name="x.txt"), "names"),
    "in another folder": (lambda b: _file(b, "empty.txt").update(parent=b.row("folder", name="Empty folder")["id"]), "parents"),
    "another date": (lambda b: _file(b, "empty.txt").update(modified="2025-06-01T10:00:01Z"), "dates"),
    "another agreement": (lambda b: _file(b, "Caf\u00e9.txt").update(agreement="differs"), "agreement"),
    "excepted for no reason": (lambda b: b.withhold(_file(b, "empty.txt")), "file outcomes"),
    "malware by another code": (lambda b: _file(b, "virus.txt").update(code="access_denied"), "excepted files"),
    "protected, and said to be copied": (lambda b: _file(b, "protected.docx").update(
        outcome="copied", agreement="match", **b.put("data/libraries/Documents/protected.docx", b"x")), "excepted files"),
    "vanished that is listed": (lambda b: _file(b, "vanishing.txt").update(code="vanished"), "excepted files"),
    "below another library": (lambda b: b.move(_file(b, "empty.txt"), "data/libraries/Site Assets/empty.txt"), "keys"),
    "under another name": (lambda b: b.move(_file(b, "empty.txt"), "data/libraries/Documents/other.txt"), "keys"),
    "where OneDrives have them": (lambda b: b.move(_file(b, "empty.txt"), "data/files/empty.txt"), "keys"),
    "no empty folder": (lambda b: b.rows.remove(b.row("folder", name="Empty folder")), "folder rows"),
    "no shortcut": (lambda b: b.rows.remove(b.row("shortcut")), "shortcut rows"),
    "a notebook that is excepted": (lambda b: b.row("package").update(outcome="excepted", code="locked", reason="x"), "outcomes"),
    "a version that nobody asked for": (_version, "nothing else"),
    "shared, and nobody knows with whom": (lambda b: b.permissions.pop(-1), "item permissions"),
    "permissions of nobody": (lambda b: b.permit(b.row("package")["scope"], "01NOBODY", []), "permissions"),
    "no columns of a file": (lambda b: b.row("columns", of=_file(b, "empty.txt")["id"]).pop("of"), "columns"),
    "columns with another name": (lambda b: _side(b)["fields"].update(FileLeafRef="x"), "columns"),
    "columns without fields": (lambda b: _side(b).pop("fields"), "columns"),
    "columns.csv with a name less": (lambda b: b.replace("data/lists/Documents/columns.csv", b"virus", b"x"), "columns.csv"),
    "no columns.csv": (lambda b: b.take(b.row("derived", id="data/lists/Documents/columns.csv")), "derived files"),
    "no count of a library": (lambda b: b.independent.pop(0), "counts"),
}  # fmt: skip


@pytest.mark.parametrize("name", LIBRARIES)
def test_libraries_that_are_wrong(site_tenant: Path, tmp_path: Path, name: str) -> None:
    change, kind = LIBRARIES[name]
    copy = make_copy(site_tenant)
    change(copy.bags[TEAM])
    assert kind in judged(site_tenant, copy, tmp_path).kinds()


VERSIONS: dict[str, tuple[Change, str]] = {
    "a version without a row": (lambda b: b.take(b.row("version", id="1.0")), "versions"),
    "a version with other bytes": (lambda b: b.change_bytes(b.row("version", id="1.0")), "versions"),
    "a version of nothing": (lambda b: b.rows.append({**b.row("version", id="1.0"), "id": "0.9"}), "nothing else"),
    "a version in a wrong place": (lambda b: b.move(b.row("version", id="1.0"), "data/versions/x/versions.txt"), "keys"),
    "versions of an item less": (
        lambda b: b.line_of(b.item("Special", "3"))["versions"].pop(),
        "list item versions",
    ),
    "versions of an item with other values": (
        lambda b: b.line_of(b.item("Special", "3"))["versions"][1]["fields"].update(Title="x"),
        "list item versions",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VERSIONS)
def test_versions_that_are_wrong(site_tenant: Path, tmp_path: Path, name: str) -> None:
    change, kind = VERSIONS[name]
    copy = make_copy(site_tenant, versions=True)
    change(copy.bags[TEAM])
    assert kind in judged(site_tenant, copy, tmp_path, Asked("all")).kinds()


# -- the frame, the directory, the store ------------------------------------------------------------------------------


MEMBERS = "data/directory/members.csv"
DIRECTORY: dict[str, tuple[Change, str]] = {
    "a user without a row": (lambda b: b.rows.remove(b.row("user", name="Person 0")), "directory"),
    "a user of nothing": (lambda b: b.rows.append({**b.row("user", name="Person 0"), "id": "x"}), "directory"),
    "a user with another name": (lambda b: b.line_of(b.row("user", name="Person 0"))["graph"].update(mail="x"), "directory"),
    "a group without a row": (lambda b: b.rows.remove(b.row("group")), "directory"),
    "a member less": (lambda b: b.line_of(b.row("group"))["members"].pop(), "directory"),
    "a user that is gone": (lambda b: b.row("user", name="Person 0").update(outcome="gone", since=AT), "directory"),
    "no domain": (lambda b: b.rows.remove(b.row("domain")), "domains"),
    "another organisation": (lambda b: b.row("organization").update(id="x"), "organization"),
    "a table with a line less": (lambda b: b.replace(MEMBERS, b"member,", b"owner,"), "directory"),
    "a table with another state": (lambda b: b.replace("data/directory/users.csv", b"active", b"gone"), "directory"),
}  # fmt: skip


@pytest.mark.parametrize("name", DIRECTORY)
def test_directories_that_are_wrong(site_tenant: Path, tmp_path: Path, name: str) -> None:
    change, kind = DIRECTORY[name]
    copy = make_copy(site_tenant)
    change(copy.bags["directory"])
    assert kind in judged(site_tenant, copy, tmp_path, name="directory").kinds()


FRAME: dict[str, tuple[Change, str]] = {
    "payload that no row names": (lambda b: b.payload.update({"data/files/extra.txt": b""}), "payload"),
    "payload that is not there": (lambda b: b.payload.pop("data/lists/root/items.csv"), "payload"),
    "payload with other bytes": (lambda b: b.payload.update({"data/lists/root/items.csv": b"x"}), "payload"),
    "a leftover": (lambda b: b.add("leftover", "", "data/x", **b.put("data/x", b"x")), "nothing else"),
    "a row of another kind": (lambda b: b.add("message", "", "x"), "nothing else"),
    "a line that no row names": (lambda b: b.lines["data/lists/root/items-00001.jsonl"].append({"id": "9"}), "rows"),
    "a line under two rows": (lambda b: b.rows.append({**b.item("wow!", "2"), "id": "9"}), "rows"),
    "a wrong digest of a line": (lambda b: b.item("wow!", "2").update(size=1, sha256="0" * 64), "rows"),
    "excepted with no code": (lambda b: _file(b, "virus.txt").pop("code"), "bag frame"),
}  # fmt: skip


@pytest.mark.parametrize("name", FRAME)
def test_frames_that_are_wrong(site_tenant: Path, tmp_path: Path, name: str) -> None:
    change, kind = FRAME[name]
    copy = make_copy(site_tenant)
    change(copy.bags["sites!team"])
    assert kind in judged(site_tenant, copy, tmp_path).kinds()


def test_finds_every_flipped_bit(site_tenant: Path, tmp_path: Path) -> None:
    """One flipped bit in the middle of any object of a bag is a difference."""
    copy = make_copy(site_tenant)
    bag = copy.bags["sites!team!sub"]
    assert not judged(site_tenant, copy, tmp_path, name="sites!team!sub").found
    for path in sorted(p for p in (tmp_path / bag.name).rglob("*") if p.is_file()):
        held = path.read_bytes()
        if not held:
            continue
        middle = len(held) // 2
        path.write_bytes(held[:middle] + bytes([held[middle] ^ 1]) + held[middle + 1 :])
        try:
            found = judge_sites.judge(site_tenant, tmp_path, directory=False, only={bag.id}).found
        except (ValueError, KeyError):
            found = {"unreadable": [path.name]}
        assert found, path
        path.write_bytes(held)


@pytest.mark.parametrize(("name", "kind"), [("root", "sites"), ("sites!team!sub", "sites"), ("directory", "directory")])
def test_finds_a_bag_that_is_not_there(site_tenant: Path, tmp_path: Path, name: str, kind: str) -> None:
    copy = make_copy(site_tenant)
    del copy.bags[name]
    copy.write(tmp_path)
    assert kind in judge_sites.judge(site_tenant, tmp_path).kinds()


def test_finds_a_bag_of_no_site(site_tenant: Path, tmp_path: Path) -> None:
    """A personal site is a OneDrive and has a bag of that; it has none below `sharepoint/`."""
    copy = make_copy(site_tenant)
    personal = copy.bags["personal"] = HandBag("sharepoint/personal!person0", "sharepoint", "tiny-my.example,1,2")
    personal.derived("data/about.txt", b"about\n")
    copy.write(tmp_path)
    assert judge_sites.judge(site_tenant, tmp_path).kinds() == {"nothing else"}


def test_finds_another_id_in_a_bag(site_tenant: Path, tmp_path: Path) -> None:
    copy = make_copy(site_tenant)
    copy.bags["root"].id, copy.bags["sites!team!sub"].id = copy.bags["sites!team!sub"].id, copy.bags["root"].id
    copy.write(tmp_path)
    assert "site bags" in judge_sites.judge(site_tenant, tmp_path).kinds()


# -- changes ----------------------------------------------------------------------------------------------------------


def test_knows_what_changes_make_of_the_truth(site_tenant: Path, tmp_path: Path) -> None:
    before = load(site_tenant)
    site = next(one for one in before.sites.values() if one.path == "sites/team")
    special, odd = site.find("special"), site.find("WOW!")
    assert special is not None and odd is not None
    page = next(row for row in site.pages.rows.values() if row["name"] == "Home.aspx")
    about: dict[str, Any] = {"site": "sites/s0001"}
    reference = special.items.rows["1"]["_attachments"][0]["_c"]
    changes = [
        {"kind": "listItem", **about, "list": special.id, "op": "delete", "id": "3"},
        {"kind": "listItem", **about, "list": "Special", "op": "detach", "id": "1", "fileName": "SKETCH #1.png"},
        {"kind": "listItem", **about, "list": "Special", "op": "attach", "id": "4", "fileName": "x", "_c": reference},
        {"kind": "listItem", **about, "list": odd.id, "op": "modify", "id": "1", "fields": {"Title": "new"}},
        {"kind": "listItem", **about, "list": odd.id, "op": "add", "fields": {"Title": "more"}},
        {"kind": "listItem", **about, "list": odd.id, "op": "delete", "id": "2"},
        {"kind": "listItem", **about, "list": odd.id, "op": "restore", "id": "2"},
        {"kind": "list", **about, "list": odd.id, "op": "rename", "displayName": "wow"},
        {"kind": "list", **about, "list": "root", "op": "delete"},
        {"kind": "page", "site": "s0001", "op": "rename", "id": page["id"], "name": "Start.aspx"},
        {"kind": "page", "site": "s0001", "op": "create", "name": "New.aspx", "title": "New", "canvasLayout": {}},
        {"kind": "message", "op": "delete"},
    ]
    write_rows(tmp_path / "changes.jsonl", changes)
    after = load(site_tenant, [tmp_path / "changes.jsonl"])
    site = after.sites[site.id]
    special, odd = site.lists[special.id], site.lists[odd.id]
    assert set(special.items.gone) == {"3"} and len(special.items.rows["1"]["_attachments"]) == 2
    assert special.items.rows["4"]["fields"]["Attachments"] is True
    assert odd.names == ["wow!", "wow"] and set(odd.items.rows) == {"1", "2", "3", "4"} and not odd.items.gone
    assert odd.items.rows["1"]["fields"]["Title"] == "new"
    assert [one.name for one in site.gone_lists.values()] == ["root"]
    assert {row["name"] for row in site.pages.rows.values()} >= {"Start.aspx", "New.aspx"}
    library = next(one for one in site.libraries.values() if one.name == "Site Pages")
    assert "Start.aspx" in {row["name"] for row in library.items.values()}
    write_rows(tmp_path / "changes.jsonl", [{"kind": "list", **about, "list": odd.id, "op": "paint"}])
    with pytest.raises(TruthBroken, match="paint"):
        load(site_tenant, [tmp_path / "changes.jsonl"])


def test_knows_what_becomes_of_sites(site_tenant: Path, tmp_path: Path) -> None:
    root, team, sub = load(site_tenant).sites.values()
    make_copy(site_tenant).write(tmp_path / "store")
    path = tmp_path / "changes.jsonl"
    write_rows(path, [{"kind": "site", "op": "rename", "id": team.id, "path": "/sites/crew"}])
    found = judge_sites.judge(site_tenant, tmp_path / "store", changes=[path])
    assert not found.found, found.table()  # a bag keeps its name
    after = load(site_tenant, [path])
    assert after.sites[sub.id].path == "sites/crew/sub" and after.sites[root.id].path == ""
    write_rows(path, [{"kind": "site", "op": "delete", "id": team.id}, {"kind": "site", "op": "lock", "id": root.id}])
    after = load(site_tenant, [path])
    assert (
        set(after.sites) == {root.id}
        and not after.is_open(after.sites[root.id])
        and set(after.gone_sites) == {team.id, sub.id}
    )
    assert not judge_sites.judge(site_tenant, tmp_path / "store", changes=[path]).found


def test_a_copy_of_yesterday_is_not_one_of_today(site_tenant: Path, tmp_path: Path) -> None:
    make_copy(site_tenant).write(tmp_path / "store")
    about = {"kind": "listItem", "site": "s0001", "list": "wow!"}
    truth = load(site_tenant)
    page = next(row for one in truth.sites.values() for row in one.pages.rows.values())
    changes = [{**about, "op": "modify", "id": "1", "fields": {"Title": "new"}}, {**about, "op": "delete", "id": "2"},
               {"kind": "page", "site": "s0001", "op": "edit", "id": page["id"], "set": {"title": "Other"}}]  # fmt: skip
    write_rows(tmp_path / "changes.jsonl", changes)
    found = judge_sites.judge(site_tenant, tmp_path / "store", changes=[tmp_path / "changes.jsonl"])
    assert {"fields", "nothing else", "page JSON", "items.jsonl"} <= found.kinds()
    assert json.dumps(found.found)
