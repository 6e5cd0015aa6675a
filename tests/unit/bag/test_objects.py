"""Files of lines while they are made: keys, numbers, and rows that stand together."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exporters.bag.catalogue import Catalogue
from exporters.bag.digests import Hashed
from exporters.bag.formats import load_json
from exporters.bag.ledger import BagWriter, Run, open_bag
from exporters.bag.objects import LineObjects, earlier_entry
from exporters.clock import ManualClock
from exporters.sources import Source, SourceKind
from exporters.store.folder import FolderStore

START = datetime(2026, 11, 23, 15, 40, tzinfo=UTC)
TASKS, OTHERS = "data/lists/Tasks/items", "data/lists/Tasks 2/items"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FolderStore]:
    found = FolderStore(tmp_path)
    yield found
    found.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def writer(store: FolderStore, clock: ManualClock) -> Iterator[BagWriter]:
    source = Source(SourceKind.SHAREPOINT, "site", "sites/red")
    bag = Catalogue(store).bag_of(source, cloud="custom", at="2026-11-23T15:40:00Z")
    row = {"kind": "sharepoint", "id": "site", "owner": None, "cloud": "custom", "name": source.name, "settings": {}}
    with open_bag(store, bag, row, Run("20261123T154000Z-000000", clock, lambda: 0)) as opened:
        yield opened


def row(item_id: str) -> dict[str, object]:
    return {"kind": "list_item", "scope": "tasks", "id": item_id, "outcome": "copied", "captured": f"of {item_id}"}


def test_lines_become_rows_that_name_them(store: FolderStore, writer: BagWriter, clock: ManualClock) -> None:
    objects = LineObjects(writer, clock)
    for number in range(3):
        objects.lines(TASKS).add_row({"id": str(number)}, row(str(number)))
    objects.lines(OTHERS).add_row({"id": "x"}, {**row("x"), "scope": "others"})
    assert not [*writer.state.rows("kind = 'list_item'")], "no row before its object is whole"
    objects.finish()
    content = store.read(f"{writer.bag}/{TASKS}-00001.jsonl")
    for number, line in enumerate(content.splitlines()):
        held = writer.state.row(("list_item", "tasks", str(number)))
        assert held is not None and held["key"] == f"{TASKS}-00001.jsonl!{number + 1}"
        assert (held["size"], held["sha256"]) == (len(line), Hashed.of(line)) and load_json(line) == {"id": str(number)}
    original = writer.state.row(("original", "", f"{TASKS}-00001.jsonl"))
    assert original is not None and original["sha256"] == Hashed.of(content)
    assert writer.state.row(("list_item", "others", "x"))["key"] == f"{OTHERS}-00001.jsonl!1"  # type: ignore[index]


def test_numbers_follow_what_lies_in_the_store(store: FolderStore, writer: BagWriter, clock: ManualClock) -> None:
    """Of that stem alone: neither of another list, nor of attachments."""
    for key in ("items-00007.jsonl", "items-00009.txt", "columns-00012.jsonl", "attachments/1/items-00040.jsonl"):
        store.put(f"{writer.bag}/data/lists/Tasks/{key}", b"x")
    objects = LineObjects(writer, clock)
    assert objects.lines(TASKS).key == f"{TASKS}-00008.jsonl"
    assert objects.lines(OTHERS).key == f"{OTHERS}-00001.jsonl"
    objects.abandon()
    assert objects.lines(TASKS).key == f"{TASKS}-00009.jsonl", "a number is not used again"
    objects.abandon()


def test_earlier_bytes_stay_named(writer: BagWriter, clock: ManualClock) -> None:
    objects = LineObjects(writer, clock)
    objects.lines(TASKS).add_row({"id": "1"}, row("1"))
    objects.finish()
    held = writer.state.row(("list_item", "tasks", "1"))
    objects.lines(TASKS).add_row({"id": "1", "graph": {}}, {**row("1"), "captured": "later"}, held)
    objects.finish()
    assert held is not None
    earlier = writer.state.row(("version", "tasks/1", "of 1"))
    assert earlier is not None and earlier["key"] == held["key"] and earlier["sha256"] == held["sha256"]
    assert writer.state.row(("list_item", "tasks", "1"))["key"] == f"{TASKS}-00002.jsonl!1"  # type: ignore[index]


def test_an_earlier_entry_without_a_scope_is_known_by_its_id() -> None:
    assert earlier_entry({**row("u"), "scope": "", "key": "k"})["scope"] == "u"
