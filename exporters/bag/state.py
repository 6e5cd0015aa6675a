"""What follows from the segments of a ledger: rows, what is owed, the tree by id, cursors.

Rules of this file: a pure function of the rows applied, in their order; it spills to a temporary SQLite file, so that memory
does not grow with the drive; it knows ids and parents, never what a download is. Rows are kept as the bytes that were
written, and are taken in many at a time. Source: design §4 (the ledger, the fold), docs/formats.md (state).

    state = State()
    state.apply_lines(segment.lines, segment.position.number)
"""

import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from exporters.bag.formats import ENTRY_KINDS, OBJECT, PLACED_KINDS, Identity, JsonObject, kind_and_value, load_json

# key: of an object of the payload; NULL where a row has none, and where its bytes are an entry (the object has its own row)
_SCHEMA = """
CREATE TABLE rows (kind TEXT, scope TEXT, id TEXT, key TEXT, outcome TEXT, code TEXT, size INT, sha256 TEXT, agreement TEXT,
                   row BLOB, PRIMARY KEY (kind, scope, id)) WITHOUT ROWID;
CREATE INDEX rows_by_key ON rows (key) WHERE key IS NOT NULL;
CREATE INDEX rows_in_doubt ON rows (agreement) WHERE agreement IN ('differs', 'rewritten');
CREATE INDEX rows_excepted ON rows (kind, scope, id) WHERE outcome = 'excepted';
CREATE TABLE owed (scope TEXT, id TEXT, kind TEXT, deleted INT, listed BLOB, PRIMARY KEY (scope, id)) WITHOUT ROWID;
CREATE TABLE tree (scope TEXT, id TEXT, parent TEXT, name BLOB, kind TEXT, alive INT,
                   PRIMARY KEY (scope, id)) WITHOUT ROWID;
CREATE INDEX tree_by_parent ON tree (scope, parent, alive, kind);  -- covers what is asked of children: else all is read
CREATE TABLE seen (scope TEXT, id TEXT, PRIMARY KEY (scope, id)) WITHOUT ROWID;
CREATE TABLE permissions (scope TEXT, id TEXT, row BLOB, PRIMARY KEY (scope, id)) WITHOUT ROWID;
"""
_BATCH = 500
_ENTRY_KEY = re.compile(rf"{OBJECT}!.+", re.DOTALL)
_KINDS = ", ".join(f"'{kind}'" for kind in sorted(PLACED_KINDS))
_PUT_ROW = "INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_NODE = "INSERT OR REPLACE INTO tree VALUES (?, ?, ?, ?, ?, ?)"
_PUT_OWED = "INSERT OR REPLACE INTO owed VALUES (?, ?, ?, ?, ?)"
_SETTLE = "DELETE FROM owed WHERE scope = ? AND id = ?"


class Heads:
    """The small part of the state, which needs no rows: cursors, round, closed."""

    def __init__(self) -> None:
        self.cursors: dict[str, JsonObject] = {}
        self.round: int | None = None
        self.since: int | None = None
        self.scopes: set[str] = set()  # of the rounds that are unfinished
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
                self.round, self.since, self.scopes = None, None, set()
            elif value["full"]:
                self._begin_round(value["scope"], segment)
        elif kind == "closed":
            self.closed = True
        elif kind in {"item", "listed", "permissions"}:
            self.touched = True

    def _begin_round(self, scope: str, segment: int) -> None:
        if self.begins_anew(scope):
            self.since = None
        elif self.since is None:
            self.since = self.round
        self.round = segment
        self.scopes.add(scope)
        self.cursors.pop(scope, None)  # no cursor before it counts: a full listing begins at its start

    def begins_anew(self, scope: str) -> bool:
        """Whether a full round of `scope` that begins now leaves no other unfinished one."""
        return self.since is None and self.scopes <= {scope}

    @property
    def first_round(self) -> int | None:
        """Segment in which the first of the unfinished full rounds began: what was listed since then stands from there on."""
        return self.round if self.since is None else self.since


class State:
    """Rows, owed and tree of one bag, in a temporary SQLite file. One thread at a time."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="lastcopy-")
        self.db = sqlite3.connect(
            str(Path(self._folder.name) / "state.sqlite"), isolation_level=None, check_same_thread=False
        )
        self.db.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-8000; PRAGMA temp_store=FILE;"
            + _SCHEMA
        )
        self.db.execute("BEGIN")
        self.heads = Heads()
        self._has_leftovers = False
        self._kinds: set[str] = set()  # of all rows so far

    def close(self) -> None:
        """Remove the temporary file."""
        self.db.close()
        self._folder.cleanup()

    # -- taking rows in ---------------------------------------------------------------------------------------------

    def apply(self, kind: str, value: Mapping[str, Any], data: bytes, segment: int) -> None:
        """Take in one row of segment number `segment`. data: the value as it was written."""
        take = self._taker(kind)
        if take is not None:
            self.heads.touched = True
            take([(value, data)])
            return
        if kind == "seen" and self.heads.round is not None:
            self.mark_seen(value["scope"], value["ids"])
        elif kind == "round" and value["full"] and value["state"] == "begun":
            self.forget_seen(None if self.heads.begins_anew(value["scope"]) else value["scope"])
        self.heads.apply(kind, value, segment)

    def apply_all(self, kind: str, batch: Sequence[tuple[Mapping[str, Any], bytes]], segment: int) -> None:
        """Take in rows of one type that follow each other: (value, value as it was written)."""
        take = self._taker(kind)
        if take is not None:
            self.heads.touched = True
            take(batch)
        else:
            for value, data in batch:
                self.apply(kind, value, data, segment)

    def _taker(self, kind: str) -> Callable[[Sequence[tuple[Mapping[str, Any], bytes]]], None] | None:
        takers = {"item": self._put_rows, "listed": self._put_listed, "permissions": self._put_permissions}
        return takers.get(kind)

    def apply_lines(self, lines: Iterable[bytes], segment: int) -> None:
        """Take in lines of segment number `segment`, each with its newline; rows of one type that follow each other together."""
        typed = (kind_and_value(line) for line in lines)
        for kind, group in groupby(typed, key=lambda entry: entry[0]):
            while batch := [(load_json(data), data) for _, data in islice(group, _BATCH)]:
                self.apply_all(kind, batch, segment)

    def put_rows(self, lines: Iterator[bytes]) -> None:
        """Take in lines of `items.jsonl`."""
        while batch := [(load_json(line), line) for line in islice(lines, _BATCH)]:
            self._put_rows(batch)

    def put_all_listed(self, lines: Iterator[bytes]) -> None:
        """Take in lines of `owed.jsonl`."""
        while batch := [(load_json(line), line) for line in islice(lines, _BATCH)]:
            self._put_listed(batch)

    def put_all_permissions(self, lines: Iterator[bytes]) -> None:
        """Take in lines of `permissions.jsonl`."""
        while batch := [(load_json(line), line) for line in islice(lines, _BATCH)]:
            self._put_permissions(batch)

    def _put_rows(self, batch: Sequence[tuple[Mapping[str, Any], bytes]]) -> None:
        db, settled = self.db, []
        rows: list[tuple[Any, ...]] = []
        named: list[tuple[str]] = []
        nodes: list[tuple[Any, ...]] = []
        for row, data in batch:
            kind, scope, item_id, key = row["kind"], row["scope"], row["id"], _payload_key(row)
            facts = (row.get(name) for name in ("code", "size", "sha256", "agreement"))
            if kind == "leftover":
                self._has_leftovers = True
                self._put_and_forget_leftovers(rows, named)  # what named its key before does not take it away
                rows, named = [], []
            elif key is not None:
                named.append((key,))
            rows.append((kind, scope, item_id, key, row["outcome"], *facts, data))
            self._kinds.add(kind)
            if kind in PLACED_KINDS:
                settled.append((scope, item_id))
                alive = row["outcome"] != "gone" and row.get("code") != "vanished"
                if not alive:  # whether another kind of it lives depends on what came before
                    db.executemany(_PUT_NODE, nodes)
                    nodes = []
                if alive or not self._is_other_kind_alive(kind, scope, item_id):
                    nodes.append(_node(scope, item_id, row, kind, alive))
        self._put_and_forget_leftovers(rows, named)
        db.executemany(_SETTLE, settled)
        db.executemany(_PUT_NODE, nodes)

    def _put_and_forget_leftovers(self, rows: list[tuple[Any, ...]], named: list[tuple[str]]) -> None:
        """named: keys that these rows name; a leftover is none any more once a row names its key."""
        self.db.executemany(_PUT_ROW, rows)
        if self._has_leftovers:
            self.db.executemany("DELETE FROM rows WHERE kind = 'leftover' AND scope = '' AND id = ?", named)

    def _put_listed(self, batch: Sequence[tuple[Mapping[str, Any], bytes]]) -> None:
        """Facts as listed are owed until an item row settles them."""
        owed: list[tuple[Any, ...]] = []
        nodes: list[tuple[Any, ...]] = []
        seen: list[tuple[str, str]] = []
        for facts, data in batch:
            scope, item_id = facts["scope"], facts["id"]
            deleted = bool(facts.get("deleted"))
            owed.append((scope, item_id, facts.get("kind"), deleted, data))
            if deleted:
                self._put_nodes_and_seen(nodes, seen)
                nodes, seen = [], []
                self.unmark_seen(scope, item_id)
                self._put_deleted_node(facts)
            else:
                nodes.append(_node(scope, item_id, facts, facts["kind"], True))
                seen.append((scope, item_id))
        self.db.executemany(_PUT_OWED, owed)
        self._put_nodes_and_seen(nodes, seen)

    def _put_nodes_and_seen(self, nodes: list[tuple[Any, ...]], seen: list[tuple[str, str]]) -> None:
        self.db.executemany(_PUT_NODE, nodes)
        if self.heads.round is not None:
            self.db.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", seen)

    def _put_permissions(self, batch: Sequence[tuple[Mapping[str, Any], bytes]]) -> None:
        """Who can see an item; the newest counts."""
        self.db.executemany(
            "INSERT OR REPLACE INTO permissions VALUES (?, ?, ?)",
            [(value["scope"], value["id"], data) for value, data in batch],
        )

    def mark_seen(self, scope: str, ids: Iterable[str]) -> None:
        """The full round that is under way has listed these."""
        self.db.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", ((scope, i) for i in ids))

    def unmark_seen(self, scope: str, item_id: str) -> None:
        """It was listed in this round, and then listed as deleted."""
        self.db.execute("DELETE FROM seen WHERE scope = ? AND id = ?", (scope, item_id))

    def forget_seen(self, scope: str | None) -> None:
        """A full round of `scope` begins; None: and none beside it is under way."""
        if scope is None:
            self.db.execute("DELETE FROM seen")
        else:
            self.db.execute("DELETE FROM seen WHERE scope = ?", (scope,))

    def _put_deleted_node(self, facts: Mapping[str, Any]) -> None:
        """Where a deleted item stood follows from rows and owed alone: from the value itself, else from its row."""
        scope, item_id = facts["scope"], facts["id"]
        known = facts if "name" in facts else self.item_row(scope, item_id)
        if known is None:
            self.db.execute("DELETE FROM tree WHERE scope = ? AND id = ?", (scope, item_id))
        else:
            self.db.execute(_PUT_NODE, _node(scope, item_id, known, str(known.get("kind") or "file"), False))

    def _is_other_kind_alive(self, kind: str, scope: str, item_id: str) -> bool:
        found = self.db.execute("SELECT kind, alive FROM tree WHERE scope = ? AND id = ?", (scope, item_id)).fetchone()
        return bool(found and found[1] and found[0] != kind)

    # -- asking -----------------------------------------------------------------------------------------------------

    def row(self, of: Identity) -> JsonObject | None:
        """The row of an identity."""
        found = self.db.execute("SELECT row FROM rows WHERE kind = ? AND scope = ? AND id = ?", of).fetchone()
        return load_json(found[0]) if found else None

    def item_row(self, scope: str, item_id: str) -> JsonObject | None:
        """The row of a listed item, of whatever kind; the one that is neither gone nor vanished if there are several."""
        found = self.db.execute(
            f"SELECT row FROM rows WHERE kind IN ({_KINDS}) AND scope = ? AND id = ?"  # noqa: S608
            " ORDER BY outcome = 'gone' OR code IS 'vanished', outcome = 'gone'",
            (scope, item_id),
        ).fetchone()
        return load_json(found[0]) if found else None

    def has_items(self, scope: str) -> bool:
        """Whether there is a row of any listed item."""
        query = f"SELECT EXISTS (SELECT 1 FROM rows WHERE kind IN ({_KINDS}) AND scope = ?)"  # noqa: S608 - constants
        return bool(self.count(query, (scope,)))

    def listed(self, scope: str, item_id: str) -> JsonObject | None:
        """The owed facts of an item."""
        found = self.db.execute("SELECT listed FROM owed WHERE scope = ? AND id = ?", (scope, item_id)).fetchone()
        return load_json(found[0]) if found else None

    def known(self, scope: str, ids: Sequence[str]) -> dict[str, tuple[JsonObject | None, JsonObject | None]]:
        """What is known of items: (owed facts, row) by id; the row as `item_row` gives it. ids: some thousands at most."""
        marks = ",".join("?" * len(ids))
        owed = f"SELECT id, listed FROM owed WHERE scope = ? AND id IN ({marks})"  # noqa: S608 - marks only
        facts = {found[0]: load_json(found[1]) for found in self.db.execute(owed, (scope, *ids))}
        rows: dict[str, tuple[int, JsonObject]] = {}
        over = "CASE WHEN outcome = 'gone' THEN 2 ELSE code IS 'vanished' END"
        query = f"SELECT id, {over}, row FROM rows WHERE kind = ? AND scope = ? AND id IN ({marks})"  # noqa: S608
        for kind in sorted(PLACED_KINDS & self._kinds):
            for item_id, rank, data in self.db.execute(query, (kind, scope, *ids)):
                if item_id not in rows or rank < rows[item_id][0]:
                    rows[item_id] = rank, load_json(data)
        return {item_id: (facts.get(item_id), rows[item_id][1] if item_id in rows else None) for item_id in ids}

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

    def manifest(self) -> Iterator[tuple[str, str]]:
        """(key, SHA-256) of each key of a row, sorted by key as bytes."""
        query = "SELECT key, min(sha256) FROM rows WHERE key IS NOT NULL GROUP BY key ORDER BY key"
        return iter(self.db.execute(query))

    def payload_sum(self) -> tuple[int, int]:
        """(bytes, files) of what the manifest lists."""
        keys = "SELECT min(size) AS size FROM rows WHERE key IS NOT NULL GROUP BY key"
        octets, files = self.db.execute(f"SELECT ifnull(sum(size), 0), count(*) FROM ({keys})").fetchone()  # noqa: S608
        return int(octets), int(files)

    def agreements(self) -> dict[str, int]:
        """Number of rows whose bytes are not as listed, by agreement (differs, rewritten)."""
        query = "SELECT agreement, count(*) FROM rows WHERE agreement IN ('differs', 'rewritten') GROUP BY agreement"
        return dict(self.db.execute(query).fetchall())

    def holds_key(self, key: str) -> bool:
        """Whether a row names this object of the payload."""
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


def _payload_key(row: Mapping[str, Any]) -> str | None:
    """The object that a row names; None where it names none, or an entry of one that has a row of its own."""
    key: str | None = row.get("key")
    if key is None or row["kind"] in ENTRY_KINDS or (row["kind"] == "version" and _ENTRY_KEY.fullmatch(key)):
        return None
    return key


def _node(scope: str, item_id: str, facts: Mapping[str, Any], kind: str, alive: bool) -> tuple[Any, ...]:
    name = str(facts.get("name") or "").encode("utf-8", "surrogatepass")
    return scope, item_id, facts.get("parent"), name, kind, int(alive)
