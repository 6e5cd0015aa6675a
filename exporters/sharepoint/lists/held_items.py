"""The items that a bag holds of a list, in the order of their numbers; and what a column says in other lists.

Rules of this file: asks the store alone; each object is read once; what is read lies in a temporary file, so that memory does
not grow with a list. Source: docs/formats.md (bag of a site).
"""

from collections.abc import Callable, Iterator
from itertools import groupby
from types import TracebackType
from typing import Self

from exporters.bag.formats import JsonObject, dump_json, entry_of, load_json
from exporters.bag.ledger import BagWriter
from exporters.errors import SourceError
from exporters.graph.answers import object_of
from exporters.outcomes import Outcome
from exporters.scratch_database import ScratchDatabase
from exporters.sharepoint.lists.cells import PEOPLE_LIST, text_of_value

_BATCH = 500
_LARGEST = 1 << 62
_DIGITS = 18


class HeldItems:
    """The items of one list, or of the list side of a library. Use as a context manager; one thread.

    names: of the fields that any item has.
    """

    def __init__(self, writer: BagWriter, list_id: str, kind: str) -> None:
        """kind: list_item or columns."""
        self._writer, self._list, self._kind = writer, list_id, kind
        self.names: set[str] = set()

    def __enter__(self) -> Self:
        schema = "CREATE TABLE wanted (object, line INT, id); CREATE TABLE item (number INT, id, graph BLOB)"
        self._scratch = ScratchDatabase("items", schema, cache_kib=2000)
        self._db = self._scratch.db
        try:
            self._note_wanted()
            self._read()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scratch.close()

    def graphs(self) -> Iterator[JsonObject]:
        """Each item as it was served, in the order of their numbers."""
        for (graph,) in self._db.execute("SELECT graph FROM item ORDER BY number, id"):
            yield load_json(graph)

    def _note_wanted(self) -> None:
        query = "SELECT id, row FROM rows WHERE kind = ? AND scope = ? AND outcome = ? AND id > ? ORDER BY id LIMIT ?"
        after = ""
        values = (self._kind, self._list, Outcome.COPIED.value)
        while found := self._writer.state.db.execute(query, (*values, after, _BATCH)).fetchall():
            after = found[-1][0]
            entries = [(item_id, entry_of(str(load_json(data).get("key")))) for item_id, data in found]
            self._db.executemany(
                "INSERT INTO wanted VALUES (?, ?, ?)",
                [(entry[0], int(entry[1]), item_id) for item_id, entry in entries if entry is not None],
            )

    def _read(self) -> None:
        rows = self._db.execute("SELECT object, line, id FROM wanted ORDER BY object, line")
        for holder, group in groupby(rows, key=lambda row: row[0]):
            self._read_object(holder, {line: item_id for _, line, item_id in group})

    def _read_object(self, key: str, wanted: dict[int, str]) -> None:
        batch: list[tuple[int, str, bytes]] = []
        with self._writer.store.open(f"{self._writer.bag}/{key}") as chunks:
            for number, line in enumerate(_lines(chunks), 1):
                item_id = wanted.pop(number, None)
                if item_id is None:
                    continue
                graph = object_of(load_json(line).get("graph"))
                self.names.update(object_of(graph.get("fields")))
                batch.append((_number_of(item_id), item_id, dump_json(graph)))
                if len(batch) >= _BATCH:
                    self._db.executemany("INSERT INTO item VALUES (?, ?, ?)", batch)
                    batch = []
        self._db.executemany("INSERT INTO item VALUES (?, ?, ?)", batch)
        if wanted:
            raise SourceError(
                f"an object of the bag ends before the lines that rows name: {key}",
                code="bag_damaged",
                action="Run `lastcopy verify`, and put the object back from a second copy.",
            )


def _number_of(item_id: str) -> int:
    """What items are sorted by; those whose id is no number that fits come last."""
    return int(item_id) if item_id.isdecimal() and len(item_id) <= _DIGITS else _LARGEST


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    if rest:
        yield rest


class LookedUp:
    """What columns of lists say of their items, in a temporary file. Use as a context manager; one thread."""

    def __init__(self, writer: BagWriter, people: str | None, named: Callable[[str], str]) -> None:
        """people: id of the list of people, if the site has one. named: the id of a list as a column has it → as served."""
        self._writer, self._people, self._named = writer, people, named
        self._held: set[tuple[str, str]] = set()
        self._empty: set[str] = set()  # lists of which nothing is held

    def __enter__(self) -> Self:
        schema = "CREATE TABLE value (list, name, id, text, PRIMARY KEY (list, name, id)) WITHOUT ROWID"
        self._scratch = ScratchDatabase("lookups", schema, cache_kib=2000)
        self._db = self._scratch.db
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scratch.close()

    def resolve(self, of: str, name: str, item_id: str) -> str | None:
        """See `cells.Resolve`."""
        list_id = self._people if of == PEOPLE_LIST else self._named(of)
        if list_id is None:
            return ""
        if (list_id, name) not in self._held:
            self._read(list_id, name)
        found = self._db.execute(
            "SELECT text FROM value WHERE list = ? AND name = ? AND id = ?", (list_id, name, item_id)
        ).fetchone()
        if found is None:
            return "" if list_id in self._empty else None
        return str(found[0])

    def _read(self, list_id: str, name: str) -> None:
        self._held.add((list_id, name))
        of_library = "SELECT EXISTS (SELECT 1 FROM rows WHERE kind = 'columns' AND scope = ?)"
        kind = "columns" if self._writer.state.count(of_library, (list_id,)) else "list_item"
        with HeldItems(self._writer, list_id, kind) as items:
            if not items.names:
                self._empty.add(list_id)
            for graph in items.graphs():
                text = text_of_value(object_of(graph.get("fields")).get(name))
                row = (list_id, name, str(graph.get("id")), text.encode("utf-8", "replace").decode())
                self._db.execute("INSERT OR REPLACE INTO value VALUES (?, ?, ?, ?)", row)
