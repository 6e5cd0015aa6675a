"""The tree of a site's lists: a folder for each list, with its tables and the files attached to its items."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporters.bag.verify_rows import AsOf
from exporters.restore import restore_source
from tests.faults.list_desk import ListDesk, list_desk
from tests.unit.rehearsal import list_data as data


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[ListDesk]:
    with list_desk(data.write_tenant(tmp_path / "tenant"), tmp_path / "store") as found:
        yield found


def bag_of(desk: ListDesk) -> str:
    return desk.bag.relative_to(desk.folder).as_posix()


def test_lists_are_folders_with_tables_and_attachments(desk: ListDesk, tmp_path: Path) -> None:
    desk.change("rename", kind="list", list=data.BERTHS, displayName="Berths! now!")
    desk.run()
    desk.change("delete", id="5")
    desk.change("modify", id="1", fields={"Title": "changed"})
    desk.run()
    found = restore_source(desk.store, bag_of(desk), tmp_path / "out")
    assert found.whole and not found.failures.count
    files = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    tables = {"items.csv", "items.jsonl", "schema.json"}
    assert {name for name in files if name.startswith("Tasks/")} == {
        *(f"Tasks/{table}" for table in tables),
        *(f"Tasks/attachments/2/{name}" for name in data.WITH_FILES["2"]),
    }
    assert {name for name in files if name.startswith("Berths! now!/")} == {f"Berths! now!/{table}" for table in tables}
    with (tmp_path / "out/Tasks/items.csv").open(encoding="utf-8-sig", newline="") as table:
        assert [row["Title"] for row in csv.DictReader(table)][:2] == ["changed", "Item 2"]


def test_items_as_they_were_come_one_by_one(desk: ListDesk, tmp_path: Path) -> None:
    """Tables are those of today; a state of the past is told by lines. Earlier states of an item come beside it."""
    desk.run()
    (first,) = {row["run"] for row in desk.rows() if row["kind"] == "list_item"}
    desk.change("modify", id="1", fields={"Title": "changed"})
    desk.run()
    restore_source(desk.store, bag_of(desk), tmp_path / "then", as_of=AsOf(first))
    line = json.loads((tmp_path / "then/Tasks/1.json").read_bytes())
    assert line["graph"]["fields"]["Title"] == "Item 1" and not (tmp_path / "then/Tasks/items.csv").exists()
    restore_source(desk.store, bag_of(desk), tmp_path / "all", versions=True, under="/Tasks")
    (earlier,) = (tmp_path / "all/Tasks").glob("1*.json")
    assert json.loads(earlier.read_bytes())["graph"]["fields"]["Title"] == "Item 1"
    drilled = restore_source(desk.store, bag_of(desk), tmp_path / "drill", drill=5)
    assert (drilled.files, drilled.failures.count) == (5, 0)
