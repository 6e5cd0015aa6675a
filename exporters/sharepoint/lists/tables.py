"""`items.jsonl` and `items.csv` of lists, `columns.csv` of libraries: made from what the bag holds.

Rules of this file: asks the store alone; made anew where the list had news, or one that its columns look up; the same items
give the same bytes. A table is UTF-8 with a byte order mark, as RFC 4180 has it. Source: docs/formats.md (bag of a site),
quirk Q-063, design §10.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence

from exporters.bag.formats import JsonObject, dump_row, load_json
from exporters.bag.ledger import BagWriter
from exporters.graph.answers import object_of, objects_of, text_of
from exporters.sharepoint.lists.cells import Column, Resolve, columns_of, safe_cell
from exporters.sharepoint.lists.derived import put_derived_file
from exporters.sharepoint.lists.facts import KIND, tables_scope
from exporters.sharepoint.lists.held_items import HeldItems, LookedUp
from exporters.sharepoint.lists.one_list import DONE, DUE
from exporters.sharepoint.lists.places import Places
from exporters.sharepoint.lists.schemas import SCHEMA
from exporters.sharepoint.run import SiteList, SiteRun

ITEMS_JSONL, ITEMS_CSV, COLUMNS_CSV = "items.jsonl", "items.csv", "columns.csv"
PEOPLE = "userInformation"
"""Template of the hidden list that says who the numbers in columns of people are."""
BOM = "\ufeff"
_COLUMNS = "columns"
_ROWS_AT_ONCE = 500


def make_tables(run: SiteRun, places: Places, lists: Sequence[SiteList]) -> None:
    """Make those that are due. Raises: SourceError if the bag is damaged; errors of the store, ReplacedError."""
    due = {one.id for one in lists if _is_due(run.writer, one)}
    if not due:
        return
    people = next((one.id for one in lists if one.template == PEOPLE), None)
    schemas = {one.id: _schema(run.writer, places, one) for one in lists}
    served = {one.id.casefold(): one.id for one in lists}

    def named(list_id: str) -> str:
        return served.get(list_id.strip("{}").casefold(), list_id)

    due |= {one.id for one in lists if _looks_up(schemas[one.id], due, people, named)}
    with LookedUp(run.writer, people, named) as looked_up:
        for one in lists:
            if run.stop.is_set():
                return
            if one.id in due:
                _make(run, places, one, schemas[one.id], looked_up.resolve)
                _note_done(run.writer, one)


def _is_due(writer: BagWriter, one: SiteList) -> bool:
    cursor = writer.heads.cursors.get(tables_scope(one.id), {})
    return cursor.get("kind") == DUE or (
        one.drive_id is not None and cursor.get("made_of", "") != _list_side(writer, one)
    )


def _note_done(writer: BagWriter, one: SiteList) -> None:
    cursor = {**writer.heads.cursors.get(tables_scope(one.id), {}), "kind": DONE, "link": ""}
    if one.drive_id is not None:
        cursor["made_of"] = _list_side(writer, one)
    writer.emit("cursor", {**cursor, "scope": tables_scope(one.id)})


def _list_side(writer: BagWriter, one: SiteList) -> str:
    """Where the listing of a library's list side stands."""
    cursor = writer.heads.cursors.get(f"{_COLUMNS}/{one.id}", {})
    return f"{cursor.get('kind', '')} {cursor.get('link', '')}".strip()


def _schema(writer: BagWriter, places: Places, one: SiteList) -> list[JsonObject]:
    """The columns of a list, as they were served last; none if they were never."""
    row = writer.state.row(("derived", "", f"{places.folder(one.id, one.name)}/{SCHEMA}"))
    if row is None:
        return []
    return objects_of(load_json(writer.store.read(f"{writer.bag}/{row['key']}")).get("columns"))


def _looks_up(schema: Iterable[JsonObject], due: set[str], people: str | None, named: Callable[[str], str]) -> bool:
    """Whether a table tells of items of a list that had news. Every item has an author. named: see `LookedUp`."""
    if people in due:
        return True
    return any(named(text_of(object_of(column.get("lookup")).get("listId")) or "") in due for column in schema)


def _make(run: SiteRun, places: Places, one: SiteList, schema: list[JsonObject], resolve: Resolve) -> None:
    kind = KIND if one.drive_id is None else _COLUMNS
    with HeldItems(run.writer, one.id, kind) as items:
        columns = columns_of(schema, items.names, one.id)
        if one.drive_id is None:
            put_derived_file(run, places, one, ITEMS_JSONL, (dump_row(graph) for graph in items.graphs()))
        name = ITEMS_CSV if one.drive_id is None else COLUMNS_CSV
        put_derived_file(run, places, one, name, as_csv(columns, items.graphs(), resolve))


def as_csv(columns: Sequence[Column], graphs: Iterable[JsonObject], resolve: Resolve) -> Iterator[bytes]:
    """The bytes of a table. graphs: items as served."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    text.write(BOM)
    writer.writerow([safe_cell(column.title) for column in columns])
    for number, graph in enumerate(graphs, 1):
        fields = {**object_of(graph.get("fields")), "id": graph.get("id")}
        writer.writerow([safe_cell(column.cell(fields, resolve)) for column in columns])
        if number % _ROWS_AT_ONCE == 0:
            yield _taken(text)
    yield _taken(text)


def _taken(text: io.StringIO) -> bytes:
    data = text.getvalue().encode("utf-8", "backslashreplace")
    text.seek(0)
    text.truncate()
    return data
