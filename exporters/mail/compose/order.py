"""The order in which items go into a PST, and what of their originals is needed for it, in a temporary SQLite file.

Rules of this file: memory does not grow with the mailbox; the order is (folder path, received, id), and follows from the rows
alone, whatever objects their bytes lie in. Source: design §5 (compose), §9.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from exporters.mail.compose.placed import Superseded
from exporters.mail.originals import Entry, entry_of

_SCHEMA = """
CREATE TABLE items (kind TEXT, scope TEXT, id TEXT, folder_scope TEXT, folder TEXT, received TEXT, holder TEXT, entry TEXT,
                    records TEXT, stream TEXT, PRIMARY KEY (kind, scope, id)) WITHOUT ROWID;
CREATE TABLE parents (scope TEXT, id TEXT, PRIMARY KEY (scope, id)) WITHOUT ROWID;
CREATE TABLE places (scope TEXT, id TEXT, ordinal INT, PRIMARY KEY (scope, id)) WITHOUT ROWID;
CREATE TABLE wanted (holder TEXT, name TEXT, PRIMARY KEY (holder, name)) WITHOUT ROWID;
CREATE TABLE lines (holder TEXT, name TEXT, line BLOB, PRIMARY KEY (holder, name)) WITHOUT ROWID;
CREATE TABLE entries (holder TEXT, name TEXT, at INT, packed INT, method INT, size INT,
                      PRIMARY KEY (holder, name)) WITHOUT ROWID;
CREATE TABLE composed (kind TEXT, scope TEXT, id TEXT, file TEXT, folder TEXT, node INT,
                       PRIMARY KEY (kind, scope, id)) WITHOUT ROWID;
CREATE TABLE refused (kind TEXT, scope TEXT, id TEXT, code TEXT, reason TEXT, PRIMARY KEY (kind, scope, id)) WITHOUT ROWID;
CREATE TABLE superseded (file TEXT, node INT, scope TEXT, id TEXT, why TEXT, PRIMARY KEY (file, node)) WITHOUT ROWID;
"""


class Item(NamedTuple):
    """One item to be composed. ordinal: of its folder. key: where its bytes or its line lie, None for a message without MIME.
    records: the zip whose `records.jsonl` has its state. stream: where its second capture lies, if its MIME is missing."""

    ordinal: int
    kind: str
    scope: str
    id: str
    key: Entry | None
    records: str | None
    stream: Entry | None


class Packed(NamedTuple):
    """Where an entry lies in its zip: offset of its local header, bytes there, method, bytes that it is."""

    at: int
    packed: int
    method: int
    size: int


class Order:
    """The items of one composition. One thread; `close` removes the file."""

    def __init__(self, folder: Path) -> None:
        self.db = sqlite3.connect(str(folder / "order.sqlite"), isolation_level=None)
        self.db.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-4000; PRAGMA temp_store=FILE;"
            + _SCHEMA
        )
        self.db.execute("BEGIN")

    def close(self) -> None:
        """Let go of the file."""
        self.db.close()

    # -- what is to be done -----------------------------------------------------------------------------------------

    def see(self, row: Mapping[str, Any]) -> None:
        """An item of the mailbox is in this folder."""
        self.db.execute("INSERT OR IGNORE INTO parents VALUES (?, ?)", (row["scope"], row.get("parent") or ""))

    def add(self, row: Mapping[str, Any]) -> None:
        """This item is to be composed. Raises: ValueError if its key is none of an entry."""
        key = row.get("key") if row["outcome"] != "excepted" else None
        holder, entry = entry_of(key) if key is not None else (None, None)
        service = row.get("service") or {}
        received = service.get("received") or row.get("created") or ""
        records = row.get("record") if row["kind"] == "message" and row["scope"] == "" else None
        values = (row["kind"], row["scope"], row["id"], row["scope"], row.get("parent") or "", str(received))
        self.db.execute(
            "INSERT OR REPLACE INTO items VALUES (?,?,?,?,?,?,?,?,?,NULL)", (*values, holder, entry, records)
        )

    def add_stream(self, of: str, key: str) -> None:
        """The second capture of an item: wanted only where the first has no MIME."""
        self.db.execute(
            "UPDATE items SET stream = ? WHERE kind = 'message' AND scope = '' AND id = ? AND holder IS NULL", (key, of)
        )

    def drop_empty(self) -> None:
        """Leave out messages of which nothing was captured: exceptions of the bag."""
        self.db.execute("DELETE FROM items WHERE holder IS NULL AND records IS NULL AND stream IS NULL")

    def parents(self) -> Iterator[tuple[str, str]]:
        """(scope, id) of all folders in which there are items."""
        return iter(self.db.execute("SELECT scope, id FROM parents ORDER BY scope, id"))

    def put_places(self, places: Iterable[tuple[str, str, int]]) -> None:
        """(scope, id, ordinal) of each folder."""
        self.db.executemany("INSERT OR REPLACE INTO places VALUES (?, ?, ?)", places)

    def count(self) -> int:
        """Number of items to be composed."""
        return int(self.db.execute("SELECT count(*) FROM items").fetchone()[0])

    def items(self) -> Iterator[Item]:
        """All, in their order."""
        query = (
            "SELECT ordinal, kind, items.scope, items.id, holder, entry, records, stream FROM items JOIN places"
            " ON places.scope = folder_scope AND places.id = folder ORDER BY ordinal, received, items.id, kind, items.scope"
        )
        for ordinal, kind, scope, item_id, holder, entry, records, stream in self.db.execute(query):
            key = None if holder is None else Entry(holder, entry)
            yield Item(ordinal, kind, scope, item_id, key, records, None if stream is None else entry_of(stream))

    # -- what is needed of the originals ----------------------------------------------------------------------------

    def want(self) -> None:
        """Work out which lines and entries of which objects are needed."""
        self.db.execute("INSERT OR IGNORE INTO wanted SELECT records, 'r ' || id FROM items WHERE records IS NOT NULL")
        self.db.execute("INSERT OR IGNORE INTO wanted SELECT holder, 'e ' || entry FROM items WHERE holder IS NOT NULL")
        streams = [row[0] for row in self.db.execute("SELECT stream FROM items WHERE stream IS NOT NULL")]
        found = (entry_of(stream) for stream in streams)
        self.db.executemany("INSERT OR IGNORE INTO wanted VALUES (?, 'e ' || ?)", ((e.key, e.name) for e in found))

    def want_also(self, entries: Iterable[Entry]) -> None:
        """These lines are needed too."""
        self.db.executemany("INSERT OR IGNORE INTO wanted VALUES (?, 'e ' || ?)", entries)

    def holders(self) -> list[str]:
        """Keys of the objects of which something is wanted, in their order (some thousands at most)."""
        return [row[0] for row in self.db.execute("SELECT DISTINCT holder FROM wanted ORDER BY holder")]

    def wanted(self, holder: str) -> tuple[set[str], set[str]]:
        """(names of entries or numbers of lines, ids of records) that are wanted of an object."""
        names = [row[0] for row in self.db.execute("SELECT name FROM wanted WHERE holder = ?", (holder,))]
        return {name[2:] for name in names if name[0] == "e"}, {name[2:] for name in names if name[0] == "r"}

    def put_line(self, holder: str, name: str, line: bytes) -> None:
        """Keep a line: `name` = its number, or the id of the item whose record it is."""
        self.db.execute("INSERT OR REPLACE INTO lines VALUES (?, ?, ?)", (holder, name, line))

    def line(self, holder: str, name: str) -> bytes | None:
        """A line that was kept."""
        found = self.db.execute("SELECT line FROM lines WHERE holder = ? AND name = ?", (holder, name)).fetchone()
        return None if found is None else bytes(found[0])

    def put_entry(self, entry: Entry, packed: Packed) -> None:
        """Keep where an entry lies."""
        self.db.execute("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?)", (*entry, *packed))

    def entry(self, entry: Entry) -> Packed | None:
        """Where an entry lies."""
        query = "SELECT at, packed, method, size FROM entries WHERE holder = ? AND name = ?"
        found = self.db.execute(query, entry).fetchone()
        return None if found is None else Packed(*found)

    def share(self, holder: str) -> int:
        """Bytes in an object that will be read."""
        query = "SELECT ifnull(sum(packed), 0) FROM entries WHERE holder = ?"
        return int(self.db.execute(query, (holder,)).fetchone()[0])

    # -- what came of it --------------------------------------------------------------------------------------------

    def put_composed(self, item: Item, file: str, folder: str, node: int) -> None:
        """It is in a PST."""
        self.db.execute(
            "INSERT INTO composed VALUES (?,?,?,?,?,?)", (item.kind, item.scope, item.id, file, folder, node)
        )

    def composed(self) -> Iterator[tuple[tuple[str, str, str], str, str, int]]:
        """((kind, scope, id), file, folder, node) of all that were composed, in the order of rows."""
        query = "SELECT kind, scope, id, file, folder, node FROM composed ORDER BY kind, scope, id"
        for kind, scope, item_id, file, folder, node in self.db.execute(query):
            yield (kind, scope, item_id), file, folder, node

    def is_composed(self, kind: str, scope: str, item_id: str) -> bool:
        """Whether it is in a PST, from this composition."""
        query = "SELECT 1 FROM composed WHERE kind = ? AND scope = ? AND id = ?"
        return self.db.execute(query, (kind, scope, item_id)).fetchone() is not None

    def put_refused(self, kind: str, scope: str, item_id: str, code: str, reason: str) -> None:
        """It cannot be composed."""
        told = reason.encode("utf-8", "replace").decode()
        self.db.execute("INSERT OR REPLACE INTO refused VALUES (?, ?, ?, ?, ?)", (kind, scope, item_id, code, told))

    def refused(self) -> Iterator[dict[str, Any]]:
        """What could not be composed: kind, scope, id, code, reason."""
        names = ("kind", "scope", "id", "code", "reason")
        for found in self.db.execute("SELECT kind, scope, id, code, reason FROM refused ORDER BY kind, scope, id"):
            yield dict(zip(names, found, strict=True))

    def refused_counts(self) -> dict[str, int]:
        """Numbers by code."""
        return dict(self.db.execute("SELECT code, count(*) FROM refused GROUP BY code ORDER BY code"))

    def put_superseded(self, copies: Iterable[Superseded]) -> None:
        """Copies that are not as the mailbox has the item now; the first reason for one stays."""
        self.db.executemany("INSERT OR IGNORE INTO superseded VALUES (?, ?, ?, ?, ?)", copies)

    def superseded(self) -> Iterator[dict[str, Any]]:
        """Those: file, node, scope (if not empty), id, why."""
        query = "SELECT file, node, scope, id, why FROM superseded ORDER BY file, node"
        for file, node, scope, item_id, why in self.db.execute(query):
            entry = {"file": file, "node": node, "id": item_id, "why": why}
            yield entry | ({"scope": scope} if scope else {})

    def superseded_counts(self) -> dict[str, int]:
        """Numbers by reason."""
        return dict(self.db.execute("SELECT why, count(*) FROM superseded GROUP BY why ORDER BY why"))
