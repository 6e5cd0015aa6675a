"""Compares the derived files of lists and libraries with the truth: items.jsonl, items.csv, schema.json, columns.csv.

Rules of this file: standard library only; imports nothing of ours. A table is read by Python's csv module, as any reader would.
"""

import contextlib
import csv
import io
import json
import re
from typing import Any

from tests.independent.differences import Differences
from tests.independent.site_bag import SiteBag
from tests.independent.site_lists import missing_of, own_fields
from tests.independent.site_truth import LibraryTruth, ListTruth

Row = dict[str, Any]
COLUMNS = re.compile(r"data/lists/([^/]+)/columns-\d+\.jsonl!")
GUARDED = ("=", "+", "-", "@", "\t", "\r")


class DerivedJudge:
    """Derived files of one list, in its folder below data/lists."""

    def __init__(self, bag: SiteBag, one: ListTruth, place: str, found: Differences) -> None:
        self.bag, self.list, self.found = bag, one, found
        self.folder, self.where = f"data/lists/{place}", f"{bag.name}: list {one.name!r}"

    def judge(self) -> None:
        """All comparisons."""
        self._schema()
        self._lines()
        self._table()

    def _read(self, name: str) -> bytes | None:
        key = f"{self.folder}/{name}"
        row = self.bag.rows.get(("derived", "", key))
        data = self.bag.read(key)
        is_named = row is not None and data is not None
        return data if self.found.check("derived files", f"{self.where}: no {name}", is_named) else None

    def _schema(self) -> None:
        data = self._read("schema.json")
        if data is None:
            return
        schema = json.loads(data)
        told = {one.get("id"): one for one in schema.get("columns", ())}
        for column in self.list.row.get("_columns", ()):
            wrong = missing_of(told.get(column["id"]), column, f"column {column['name']}")
            for text in wrong:
                self.found.say("schema", f"{self.where}: {text}")
            self.found.agreed["schema"] += not wrong
        extra = set(told) - {one["id"] for one in self.list.row.get("_columns", ())}
        self.found.check("schema", f"{self.where}: columns of nothing: {sorted(map(str, extra))}", not extra)

    def _items(self) -> list[Row]:
        return sorted(self.list.items.rows.values(), key=lambda row: int(row["id"]))

    def _lines(self) -> None:
        data = self._read("items.jsonl")
        if data is None:
            return
        lines = [json.loads(line) for line in data.split(b"\n")[:-1]]
        items = self._items()
        self.found.same("items.jsonl", f"{self.where}: ids", [x["id"] for x in lines], [x["id"] for x in items])
        by_id = {line["id"]: line for line in lines}
        for item in items:
            newest = self.bag.line(self.bag.rows.get(("list_item", self.list.id, item["id"]), {})).get("graph")
            self.found.same("items.jsonl", f"{self.where}: item {item['id']}", by_id.get(item["id"]), newest)

    # -- the table --------------------------------------------------------------------------------------------------

    def _table(self) -> None:
        data = self._read("items.csv")
        if data is None:
            return
        text = data.decode("utf-8-sig", "surrogatepass")
        table = list(csv.reader(io.StringIO(text, newline="")))
        items = self._items()
        if not self.found.same("items.csv", f"{self.where}: rows", len(table) - 1, len(items)) or not table:
            return
        head = table[0]
        for column in self.list.row.get("_columns", ()):
            if column.get("hidden") or column.get("readOnly"):
                continue  # such a one is shown where an item has it
            is_shown = any(one.lstrip("'").startswith(column["displayName"].lstrip("'")) for one in head)
            self.found.check("items.csv", f"{self.where}: no column {column['displayName']!r}", is_shown)
        names = {column["name"]: column["displayName"] for column in self.list.row.get("_columns", ())}
        for item, cells in zip(items, table[1:], strict=True):
            self.found.check(
                "items.csv", f"{self.where}: item {item['id']}: {len(cells)} cells", len(cells) == len(head)
            )
            for name, value in item["fields"].items():
                if value is None or value == "" or name in own_fields(item):
                    continue
                own = [cell for title, cell in zip(head, cells, strict=False) if names.get(name) == title]
                is_there = any(holds(cell, value) for cell in own or cells)
                where = f"{self.where}: item {item['id']}: {name} {value!r}: {own or 'in no cell'}"
                self.found.check("items.csv", where[:400], is_there)


def judge_library(bag: SiteBag, library: LibraryTruth, found: Differences) -> None:
    """Derived files of the list side of a library: a line of the table for each line of columns, and the columns."""
    list_id, where = str(library.list_row.get("id")), f"{bag.name}: {library.name!r}"
    rows = list(bag.of("columns", list_id))
    places = {match[1] for row in rows if (match := COLUMNS.match(str(row.get("key"))))}
    if not rows:
        return
    if not found.check("columns", f"{where}: its columns lie in {sorted(places)}", len(places) == 1):
        return
    folder = f"data/lists/{places.pop()}"
    files = {name: bag.read(f"{folder}/{name}") for name in ("columns.csv", "schema.json")}
    for name, data in files.items():
        is_named = ("derived", "", f"{folder}/{name}") in bag.rows and data is not None
        found.check("derived files", f"{where}: no {name}", is_named)
    if (table := files["columns.csv"]) is not None:
        lines = list(csv.reader(io.StringIO(table.decode("utf-8-sig", "surrogatepass"), newline="")))
        found.same("columns.csv", f"{where}: rows", len(lines) - 1, len(rows))
        cells = {cell for line in lines for cell in line}
        for item in library.items.values():
            is_shown = "root" in item or item.get("_goneAfterListing") or _as_text(item["name"]) in cells
            found.check("columns.csv", f"{where}: does not show {item['name']!r}", bool(is_shown))
    if (schema := files["schema.json"]) is not None:
        told = {one.get("id") for one in json.loads(schema).get("columns", ())}
        due = {one["id"] for one in library.list_row.get("_columns", ())}
        found.same("schema", f"{where}: columns", told, due)


def _as_text(value: str) -> str:
    """As a cell of a table shows it."""
    return "'" + value if value.startswith(GUARDED) else value


def holds(cell: str, value: Any) -> bool:
    """Whether a cell shows a value with all its characters: text as it is (guarded where it could be a formula), numbers and
    truth values in some form, of structures what they are for people or all of them as JSON."""
    if isinstance(value, str):
        return cell == _as_text(value)
    shown = cell[1:] if cell.startswith("'") else cell
    if isinstance(value, bool):
        return shown.casefold() == str(value).casefold()
    if isinstance(value, int | float):
        try:
            return float(shown) == value
        except ValueError:
            return False
    with contextlib.suppress(ValueError):
        if json.loads(shown) == value:
            return True
    return all(shows(cell, one) for one in (value if isinstance(value, list) else [value]))


def shows(cell: str, value: Any) -> bool:
    """Whether a cell shows what a structure is for people: text itself; of a link its address; of a term its label, of a person
    or place the name; of a row of another list whatever that row is called now."""
    if isinstance(value, dict):
        named = [str(value[name]) for name in ("Url", "Label", "DisplayName", "Email") if value.get(name)]
        return any(name in cell for name in named) if named and "LookupId" not in value else bool(cell)
    return value is None or str(value) in cell
