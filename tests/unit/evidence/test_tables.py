"""The tables of a package: every row, and cells that no spreadsheet runs."""

import csv
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from exporters.clock import SystemClock
from exporters.errors import RunError
from exporters.store.opening import open_store
from exporters.store.protocol import Store
from retention.evidence.collecting_bags import Bag
from retention.evidence.contents import BagFact
from retention.evidence.tables import EXCEPTION_COLUMNS, ITEM_COLUMNS, exceptions_table, items_table

PLACE = "onedrive/anna"
ROWS: list[dict[str, Any]] = [
    {"kind": "file", "scope": "d", "id": "1", "name": "=HYPERLINK(0)", "path": "/=HYPERLINK(0)", "outcome": "copied", "size": 3,
     "sha256": "ab"},
    {"kind": "file", "scope": "d", "id": "-2", "name": "@sum", "path": '/a "quoted", name', "outcome": "excepted",
     "code": "malware", "reason": "+1", "size": 0},
    {"kind": "file", "scope": "d", "id": "3", "name": "\tTab\r\nand line", "path": "/lone \ud800", "outcome": "copied"},
    {"kind": "file", "scope": "d", "id": "4", "name": "Ünïcode 山田", "path": "/x", "outcome": "copied", "size": 9},
]  # fmt: skip


@pytest.fixture
def held(tmp_path: Path) -> tuple[Store, Bag]:
    folder = tmp_path / "store" / PLACE / "lastcopy"
    folder.mkdir(parents=True)
    data = {
        "lastcopy/items.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS).encode(),
        "lastcopy/exceptions.jsonl": (json.dumps(ROWS[1]) + "\n").encode(),
    }
    for name, content in data.items():
        (folder.parent / name).write_bytes(content)
    bag = Bag(PLACE, BagFact(PLACE, "ab" * 32, 1, "cd" * 32))
    bag.digests = {name: hashlib.sha256(content).hexdigest() for name, content in data.items()}
    bag.excepted["malware"] = object()  # type: ignore[assignment]
    return open_store("file:store", base=tmp_path, clock=SystemClock()), bag


def read(out: io.BytesIO) -> list[list[str]]:
    text = out.getvalue()
    assert text.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(text.decode("utf-8-sig"), newline="")))


def test_items(held: tuple[Store, Bag]) -> None:
    out = io.BytesIO()
    items_table(held[0], [held[1]], None, out)
    head, *rows = read(out)
    assert head == list(ITEM_COLUMNS)
    table = [dict(zip(head, row, strict=True)) for row in rows]
    assert [row["name"] for row in table] == ["'=HYPERLINK(0)", "'@sum", "'\tTab\r\nand line", "Ünïcode 山田"]
    assert [row["id"] for row in table] == ["1", "'-2", "3", "4"]
    assert table[1]["reason"] == "'+1"
    assert table[1]["path"] == '/a "quoted", name'
    assert table[2]["path"] == "/lone \\ud800"
    assert [row["size"] for row in table] == ["3", "0", "", "9"]
    assert out.getvalue().count(b"\r\n") == len(ROWS) + 2  # head, rows, and the line inside of a name


def test_exceptions(held: tuple[Store, Bag]) -> None:
    out = io.BytesIO()
    exceptions_table(held[0], [held[1]], {(PLACE, "malware"): ["Mina Holm", "Ole"]}, None, out)
    head, row = read(out)
    assert head == list(EXCEPTION_COLUMNS)
    assert dict(zip(head, row, strict=True))["accepted_by"] == "Mina Holm; Ole"


def test_a_bag_that_was_written_to_meanwhile(held: tuple[Store, Bag], tmp_path: Path) -> None:
    with (tmp_path / "store" / PLACE / "lastcopy/items.jsonl").open("ab") as file:
        file.write(json.dumps(ROWS[0]).encode() + b"\n")
    with pytest.raises(RunError) as raised:
        items_table(held[0], [held[1]], None, io.BytesIO())
    assert raised.value.code == "store_changed"


class Hiding:
    """A veil that shows what it was asked for."""

    keeps_hashes = False

    def document(self, document: dict[str, Any]) -> dict[str, Any]:
        return document

    def cell(self, column: str, value: Any) -> str:
        return "" if value is None else f"{column}?"


def test_cells_pass_the_veil(held: tuple[Store, Bag]) -> None:
    out = io.BytesIO()
    items_table(held[0], [held[1]], Hiding(), out)
    head, *rows = read(out)
    table = [dict(zip(head, row, strict=True)) for row in rows]
    assert {row["name"] for row in table} == {"name?"}
    assert {row["sha256"] for row in table} == {""}
