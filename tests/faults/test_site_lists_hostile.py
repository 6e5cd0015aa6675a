"""Lists whose names, ids and files are made to do harm: nothing leaves the bag, nothing ends the run, nothing is lost."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.faults.list_desk import list_desk
from tests.unit.rehearsal import list_data as data

Row = dict[str, Any]
NAMES = (
    "..",
    "../../../../tmp/evil",
    "CON",
    "items",
    "\ud83d bad",
    "L" * 400,
    "data/lists",
    "DATA~lists",
    "dup",
    "Dup",
)
"""Of lists."""
FILES = (
    *("..", "../../evil", "con.txt", "a/b.txt", "x\u202etxt.exe", "n" * 300, " lead", "trail. ", "A.txt"),
    *("\u00e9", "e\u0301", "*", "?", "\ud800.bin", ""),
)
"""Attached to one item. The last two cannot be asked for."""
IDS = ("9" * 30, "../../x", "a b", "\u0663", "2", "1/2", "0002")


def item(item_id: str, **fields: Any) -> Row:
    row = data.item(1, **fields)
    return {**row, "id": item_id, "fields": {**row["fields"], "id": item_id}}


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = data.write_tenant(tmp_path_factory.mktemp("hostile") / "tenant")
    with_files = item("1", Attachments=True)
    with_files["_attachments"] = [
        {"fileName": name, "_c": data.content(root, name.encode("utf-8", "surrogatepass"))} for name in FILES
    ]
    lists = [(name, [item("1", Title="=1+1")]) for name in NAMES]
    lists += [
        ("Ids", [item(one) for one in IDS]),
        ("Files", [with_files]),
        ("Huge", [item("1", Title="A" * 5_000_000)]),
    ]
    url = f"https://{data.HOST}/sites/harbour"
    data.write_site(root, 0, [(data.list_row(list_id(n), name, "genericList", data.TITLE_ALONE, url), items)
                              for n, (name, items) in enumerate(lists)])  # fmt: skip
    return root


def list_id(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-0000000000aa"


def test_hostile_lists_stay_in_their_bag_and_whole(tenant: Path, tmp_path: Path) -> None:
    with list_desk(tenant, tmp_path / "store") as desk:
        assert desk.run().problems == []
        desk.verified()
        rows = desk.rows()
        held = {row["id"]: row for row in rows if row["kind"] == "list_item" and row["scope"] == list_id(len(NAMES))}
        assert held.keys() == {*IDS} and {row["outcome"] for row in held.values()} == {"copied"}
        files = [row["name"] for row in rows if row["kind"] == "attachment"]
        assert sorted(files) == sorted([*FILES[:-1], "?"])
        codes = sorted(row["code"] for row in rows if row["outcome"] == "excepted")
        assert codes == ["attachment_unreadable", "not_found_while_listed"]
        for row in rows:
            if row["kind"] == "attachment" and row["outcome"] == "copied":
                content = (desk.bag / row["key"]).read_bytes()
                assert content == row["name"].encode() and hashlib.sha256(content).hexdigest() == row["sha256"]
        assert len({row["key"].split("/")[2] for row in rows if row["kind"] == "list_item"}) == len(NAMES) + 3
        assert {path.parent for path in tmp_path.rglob("*evil*")} <= {*desk.bag.rglob("*")}
        assert {row["ID"] for row in desk.table("Ids")} == {*IDS}
        assert desk.run().copied == 1  # the item whose files could not all be had, once more
