"""What follows from the segments of a ledger: rows, what is owed, the tree by id, cursors.

Rules of this file: a pure function of the rows applied, in their order; it spills to a temporary SQLite file, so that memory
does not grow with the drive; it knows ids and parents, never what a download is. Source: design §4 (the ledger, the fold),
docs/formats.md (state).

    state = State()
    for row in segment.rows(): state.apply(row, segment.position.number)
"""

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from exporters.bag.formats import LISTED_KINDS, Identity, JsonObject, dump_json, identity, load_json

_SCHEMA = """
CREATE TABLE rows (kind TEXT, scope TEXT, id TEXT, key TEXT, outcome TEXT, code TEXT, row BLOB,
                   PRIMARY KEY (kind, scope, id)) WITHOUT ROWID;
CREATE INDEX rows_by_key ON rows (key) WHERE key IS NOT NULL;
CREATE TABLE owed (scope TEXT, id TEXT, kind TEXT, deleted INT, listed BLOB, PRIMARY KEY (scope, id)) WITHOUT ROWID;
CREATE TABLE tree (scope TEXT, id TEXT, parent TEXT, name BLOB, kind TEXT, alive INT,
                   PRIMARY KEY (scope, id)) WITHOUT ROWID;
CREATE INDEX tree_by_parent ON tree (scope, parent);
CREATE TABLE seen (scope TEXT, id TEXT, PRIMARY KEY (scope, id)) WITHOUT ROWID;
CREATE TABLE permissions (scope TEXT, id TEXT, row BLOB, PRIMARY KEY (scope, id)) WITHOUT ROWID;
"""


_KINDS = ", ".join(f"'{kind}'" for kind in sorted(LISTED_KINDS))


class Heads:
    """The small part of the state, which needs no rows: cursors, round, closed."""

    def __init__(self) -> None:
        self.cursors: dict[str, JsonObject] = {}
        self.round: int | None = None
        self.closed = False
        self.touched = False  # rows, owed or permissions changed since the fold

    def begin_segment(self) -> None:
        """A segment is unclosed until its `closed` row."""
        self.closed = False

    def apply(self, kind: str, value: Mapping[str, Any], segment: int) -> None:
        """Take one row in."""
        if kind == "cursor":
            self.cursors[value["scope"]] = {k: v for k, v in value.items() if k != "scope"}
        elif kind == "round":
            if value["state"] == "ended":
                self.round = None
            elif value["full"]:
                self.round = segment
                self.cursors.pop(value["scope"], None)  # no cursor before it counts: a full listing begins at its start
        elif kind == "closed":
            self.closed = True
        elif kind in {"item", "listed", "permissions"}:
            self.touched = True


class State:
    """Rows, owed and tree of one bag, in a temporary SQLite file. One thread at a time."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="lastcopy-")
        self.db = sqlite3.connect(
            str(Path(self._folder.name) / "state.sqlite"), isolation_level=None, check_same_thread=False
        )
        self.db.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-8000;" + _SCHEMA)
        self.db.execute("BEGIN")
        self.heads = Heads()

    def close(self) -> None:
        """Remove the temporary file."""
        self.db.close()
        self._folder.cleanup()

    # -- taking rows in ---------------------------------------------------------------------------------------------

    def apply(self, row: Mapping[str, Any], segment: int) -> None:
        """Take in one row of segment number `segment`."""
        ((kind, value),) = row.items()
        self.heads.apply(kind, value, segment)
        if kind == "item":
            self.put_row(value)
        elif kind == "listed":
            self.put_listed(value)
        elif kind == "seen":
            if self.heads.round is not None:
                self.mark_seen(value["scope"], value["ids"])
        elif kind == "permissions":
            self.put_permissions(value)
        elif kind == "round" and value["full"]:
            self.db.execute("DELETE FROM seen WHERE scope = ?", (value["scope"],))

    def put_row(self, row: Mapping[str, Any], data: bytes | None = None) -> None:
        """Take in a whole row of `items.jsonl`; `data`: the same as it was written."""
        kind, scope, item_id = identity(row)
        key = row.get("key")
        if key is not None and kind != "leftover":
            self.db.execute("DELETE FROM rows WHERE kind = 'leftover' AND scope = '' AND id = ?", (key,))
        self.db.execute(
            "INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?, ?, ?, ?)",
            (kind, scope, item_id, key, row["outcome"], row.get("code"), data or dump_json(row)),
        )
        if kind in LISTED_KINDS:
            alive = row["outcome"] != "gone" and row.get("code") != "vanished"
            self.db.execute("DELETE FROM owed WHERE scope = ? AND id = ?", (scope, item_id))
            if alive or not self._is_other_kind_alive(kind, scope, item_id):
                self._put_node(scope, item_id, row, kind, alive)

    def put_listed(self, facts: Mapping[str, Any], data: bytes | None = None) -> None:
        """Take in facts as listed; they are owed until an item row settles them."""
        scope, item_id = facts["scope"], facts["id"]
        deleted = bool(facts.get("deleted"))
        self.db.execute(
            "INSERT OR REPLACE INTO owed VALUES (?, ?, ?, ?, ?)",
            (scope, item_id, facts.get("kind"), deleted, data or dump_json(facts)),
        )
        if deleted:
            self.db.execute("DELETE FROM seen WHERE scope = ? AND id = ?", (scope, item_id))
            self._put_deleted_node(facts)
        else:
            if self.heads.round is not None:
                self.mark_seen(scope, (item_id,))
            self._put_node(scope, item_id, facts, facts["kind"], True)

    def put_permissions(self, value: Mapping[str, Any], data: bytes | None = None) -> None:
        """Take in who can see an item; the newest counts."""
        self.db.execute(
            "INSERT OR REPLACE INTO permissions VALUES (?, ?, ?)",
            (value["scope"], value["id"], data or dump_json(value)),
        )

    def mark_seen(self, scope: str, ids: Iterable[str]) -> None:
        """The full round that is under way has listed these."""
        self.db.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", ((scope, i) for i in ids))

    def _put_node(self, scope: str, item_id: str, facts: Mapping[str, Any], kind: str, alive: bool) -> None:
        name = str(facts.get("name") or "").encode("utf-8", "surrogatepass")
        self.db.execute(
            "INSERT OR REPLACE INTO tree VALUES (?, ?, ?, ?, ?, ?)",
            (scope, item_id, facts.get("parent"), name, kind, int(alive)),
        )

    def _put_deleted_node(self, facts: Mapping[str, Any]) -> None:
        """Where a deleted item stood follows from rows and owed alone: from the value itself, else from its row."""
        scope, item_id = facts["scope"], facts["id"]
        known = facts if "name" in facts else self.item_row(scope, item_id)
        if known is None:
            self.db.execute("DELETE FROM tree WHERE scope = ? AND id = ?", (scope, item_id))
        else:
            self._put_node(scope, item_id, known, str(known.get("kind") or "file"), False)

    def _is_other_kind_alive(self, kind: str, scope: str, item_id: str) -> bool:
        found = self.db.execute("SELECT kind, alive FROM tree WHERE scope = ? AND id = ?", (scope, item_id)).fetchone()
        return bool(found and found[1] and found[0] != kind)

    # -- asking -----------------------------------------------------------------------------------------------------

    def row(self, of: Identity) -> JsonObject | None:
        """The row of an identity."""
        found = self.db.execute("SELECT row FROM rows WHERE kind = ? AND scope = ? AND id = ?", of).fetchone()
        return load_json(found[0]) if found else None

    def item_row(self, scope: str, item_id: str) -> JsonObject | None:
        """The row of a listed item, of whatever kind; the one that is not gone if there are several."""
        found = self.db.execute(
            f"SELECT row FROM rows WHERE kind IN ({_KINDS}) AND scope = ? AND id = ? ORDER BY outcome = 'gone'",  # noqa: S608
            (scope, item_id),
        ).fetchone()
        return load_json(found[0]) if found else None

    def listed(self, scope: str, item_id: str) -> JsonObject | None:
        """The owed facts of an item."""
        found = self.db.execute("SELECT listed FROM owed WHERE scope = ? AND id = ?", (scope, item_id)).fetchone()
        return load_json(found[0]) if found else None

    def rows(self, where: str = "1", values: tuple[Any, ...] = ()) -> Iterator[bytes]:
        """Rows as bytes (without newline), in the order of `items.jsonl`."""
        query = f"SELECT row FROM rows WHERE {where} ORDER BY kind, scope, id"  # noqa: S608 - constants of ours
        return (found[0] for found in self.db.execute(query, values))

    def owed(self) -> Iterator[bytes]:
        """Owed facts as bytes, in the order of `owed.jsonl`."""
        return (found[0] for found in self.db.execute("SELECT listed FROM owed ORDER BY scope, id"))

    def permissions(self) -> Iterator[bytes]:
        """Permissions as bytes, in the order of `permissions.jsonl`."""
        return (found[0] for found in self.db.execute("SELECT row FROM permissions ORDER BY scope, id"))

    def manifest(self) -> Iterator[tuple[str, str, int]]:
        """(key, SHA-256, size) of each key of a row, sorted by key as bytes."""
        last = None
        for key, data in self.db.execute("SELECT key, row FROM rows WHERE key IS NOT NULL ORDER BY key"):
            if key != last:
                row = load_json(data)
                yield key, row["sha256"], row["size"]
            last = key

    def holds_key(self, key: str) -> bool:
        """Whether a row names this key."""
        return self.db.execute("SELECT 1 FROM rows WHERE key = ?", (key,)).fetchone() is not None

    def node(self, scope: str, item_id: str) -> tuple[str | None, str, str, bool] | None:
        """(parent, name, kind, alive) of an item by its newest facts."""
        found = self.db.execute(
            "SELECT parent, name, kind, alive FROM tree WHERE scope = ? AND id = ?", (scope, item_id)
        ).fetchone()
        if found is None:
            return None
        return found[0], found[1].decode("utf-8", "surrogatepass"), found[2], bool(found[3])

    def count(self, query: str, values: tuple[Any, ...] = ()) -> int:
        """The number that a `SELECT count(*) …` gives."""
        return int(self.db.execute(query, values).fetchone()[0])
