"""The state of a bag, derived again from its segments: by code of its own, in a temporary SQLite file.

Rules of this file: imports nothing of the writers but `formats`; memory does not grow with the bag (rows go to the file,
and come back in the order that is asked for); rows are kept as digests and the few facts that checks need. Source: design
§4 (the ledger), docs/formats.md (State).
"""

import hashlib
import sqlite3
import tempfile
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple

from exporters.bag.formats import LISTED_KINDS, JsonObject
from exporters.bag.verify_reading import Segment, loaded

LISTED, PERMISSIONS = 0, 2
BATCH = 1_000

_ROW_PREFIX: Final = {b'{"item":': 8, b'{"listed': 10, b'{"permis': 15}
_ITEM_KINDS: Final = ",".join(f"'{kind}'" for kind in sorted(LISTED_KINDS))
_SCHEMA = """
CREATE TABLE item (seq INTEGER PRIMARY KEY, identity BLOB, segment INT, digest BLOB, outcome TEXT, code TEXT, live INT,
  key BLOB, size INT, sha256 TEXT, version TEXT, kind TEXT, who BLOB, folder BLOB, children INT);
CREATE TABLE touch (seq INTEGER PRIMARY KEY, who BLOB, segment INT, what INT, digest BLOB, folder BLOB, deleted INT,
  children INT);
"""


def text_bytes(value: str) -> bytes:
    """A string of a row as bytes that sort as docs/formats.md asks; lone surrogates stay what they are."""
    return value.encode("utf-8", "surrogatepass")


def digest_of(line: bytes) -> bytes:
    """What stands for a row in the temporary file: 16 bytes."""
    return hashlib.blake2b(line, digest_size=16).digest()


def value_of(line: bytes) -> bytes:
    """The value of a ledger row as its own line: `{"item":{…}}` → `{…}`, byte for byte."""
    return line[_ROW_PREFIX[line[:8]] : -2] + b"\n"


@dataclass(slots=True)
class Heads:
    """What a segment n says of the whole: newest of each. `round`: segment in which an unfinished full round began."""

    number: int = 0
    sha256: str | None = None
    at: str | None = None
    closed: bool = False
    cursors: dict[str, JsonObject] = field(default_factory=dict)
    round: int | None = None
    source: JsonObject | None = None
    items: int = 0
    """`item` rows so far."""
    listed_whole: bool = False
    """Whether a full round has ever ended."""


class PayloadRow(NamedTuple):
    """A key as the rows name it. `agrees`: False if two rows name it with different bytes."""

    key: str
    size: int | None
    sha256: str | None
    version: str | None
    agrees: bool


class FolderCount(NamedTuple):
    """The service's count of a folder beside ours. verdict: equal, explained, moving or unexplained."""

    scope: str
    id: str
    expected: int
    found: int
    verdict: str


class State:
    """The temporary file: filled segment by segment with `take`, then asked by views `at(segment)`.

    Use as a context manager; one thread only.
    """

    def __init__(self, fold_segment: int | None) -> None:
        """fold_segment: the n of the fold, whose heads are kept apart in `fold_heads`; None if there is no fold."""
        self.heads = Heads()
        self.fold_heads: Heads | None = None
        self._fold_segment = fold_segment
        self._sequence = 0
        self._items: list[tuple[Any, ...]] = []
        self._touches: list[tuple[Any, ...]] = []
        self._view: View | None = None
        self.unreadable_rows = 0

    def __enter__(self) -> "State":
        self._folder = tempfile.TemporaryDirectory(prefix="lastcopy-verify-")
        self._db = sqlite3.connect(Path(self._folder.name) / "state.db", isolation_level=None)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-6000", "temp_store=FILE"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(_SCHEMA)
        self._db.execute("BEGIN")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()
        self._folder.cleanup()

    def take(self, segment: Segment) -> None:
        """Take in the rows of the next segment."""
        heads = self.heads
        heads.number, heads.sha256, heads.at = segment.number, segment.sha256, segment.first.get("at")
        heads.closed = False
        for line in segment.lines:
            row = loaded(line)
            if row is None or len(row) != 1:
                self.unreadable_rows += 1
                continue
            self._sequence += 1
            ((kind, value),) = row.items()
            try:
                self._take_row(kind, value, line, segment.number)
            except (KeyError, TypeError, AttributeError, ValueError):
                self.unreadable_rows += 1
        if len(self._items) + len(self._touches) >= BATCH:
            self._flush()
        if segment.number == self._fold_segment:
            self.fold_heads = deepcopy(heads)

    def _take_row(self, kind: str, value: JsonObject, line: bytes, segment: int) -> None:
        heads = self.heads
        if kind == "item":
            self._take_item(value, line, segment)
            heads.items += 1
        elif kind in {"listed", "permissions"}:
            self._take_listed(LISTED if kind == "listed" else PERMISSIONS, value, line, segment)
        elif kind == "cursor":
            heads.cursors[value["scope"]] = {name: fact for name, fact in value.items() if name != "scope"}
        elif kind == "round" and value["state"] == "ended":
            heads.round = None
            heads.listed_whole = heads.listed_whole or bool(value["full"])
        elif kind == "round" and value["full"]:
            heads.round = segment
            heads.cursors.pop(value["scope"], None)  # a full round begins anew: no cursor before it counts (design §4)
        elif kind == "closed":
            heads.closed = True
        elif kind == "source" and heads.source is None and "id" in value:
            heads.source = value

    def _take_listed(self, what: int, value: JsonObject, line: bytes, segment: int) -> None:
        scope = value["scope"]
        who, folder = text_bytes(f"{scope}\0{value['id']}"), text_bytes(f"{scope}\0{value.get('parent') or ''}")
        digest, deleted = digest_of(value_of(line)), int(bool(value.get("deleted")))
        self._touches.append((self._sequence, who, segment, what, digest, folder, deleted, _child_count(value)))

    def _take_item(self, row: JsonObject, line: bytes, segment: int) -> None:
        get = row.get
        kind, scope, outcome, code, key = row["kind"], row["scope"], row["outcome"], get("code"), get("key")
        who, folder = text_bytes(f"{scope}\0{row['id']}"), text_bytes(f"{scope}\0{get('parent') or ''}")
        size, sha256, version = get("size"), get("sha256"), get("versionId")
        for text in (kind, outcome, code, sha256, version):
            if (
                text is not None and not text.isascii()
            ):  # not a text: AttributeError; rows that were tampered with hold anything
                raise ValueError("an ASCII text was expected")
        if size is not None and not 0 <= size < 1 << 62:
            raise ValueError("a size was expected")
        live = kind in LISTED_KINDS and outcome != "gone" and code != "vanished"
        identity, digest = kind.encode() + b"\0" + who, digest_of(value_of(line))
        place = None if key is None else text_bytes(key)
        children = _child_count(row) if kind == "folder" else None
        self._items.append(
            (
                self._sequence,
                identity,
                segment,
                digest,
                outcome,
                code,
                live,
                place,
                size,
                sha256,
                version,
                kind,
                who,
                folder,
                children,
            )
        )

    def _flush(self) -> None:
        self._db.executemany(f"INSERT INTO item VALUES ({','.join('?' * 15)})", self._items)  # noqa: S608
        self._db.executemany("INSERT INTO touch VALUES (?,?,?,?,?,?,?,?)", self._touches)
        self._items, self._touches = [], []

    def at(self, segment: int) -> "View":
        """The state after `segment`; no more rows may be taken in. A view may not be used after another one was asked for."""
        self._flush()
        if self._view is None or self._view.segment != segment:
            self._view = View(self._db, segment)
        return self._view


def _child_count(facts: JsonObject) -> int | None:
    count = (facts.get("service") or {}).get("childCount")
    return count if isinstance(count, int) and 0 <= count < 1 << 62 else None


class View:
    """The state after one segment. Everything streams, each in the order that the fold has."""

    def __init__(self, db: sqlite3.Connection, segment: int) -> None:
        self._db = db
        self.segment = segment
        self._has_nodes = False
        for table in ("now", "owed", "node"):
            db.execute(f"DROP TABLE IF EXISTS {table}")
        # With max(), SQLite takes the other columns from the row that has it: the newest of each identity.
        db.execute(
            "CREATE TABLE now AS SELECT identity, max(seq) AS seq, digest, outcome, code, live, key, size, sha256,"
            " version, kind, who, folder, children FROM item WHERE segment <= ? GROUP BY identity ORDER BY identity",
            (segment,),
        )
        db.execute("CREATE TABLE owed (who BLOB PRIMARY KEY, digest BLOB, folder BLOB, deleted INT, children INT)")
        settled = f"SELECT who, max(seq) AS seq FROM now WHERE kind IN ({_ITEM_KINDS}) GROUP BY who"  # noqa: S608
        listed = (
            "SELECT who, max(seq) AS seq, digest, folder, deleted, children FROM touch WHERE segment <= ? AND what = 0"
            " GROUP BY who"
        )
        db.execute(
            f"INSERT INTO owed SELECT l.who, digest, folder, deleted, children FROM ({listed}) l LEFT JOIN ({settled}) s"  # noqa: S608
            " ON s.who = l.who WHERE s.seq IS NULL OR s.seq < l.seq",
            (segment,),
        )
        self._drop_adopted_leftovers()

    def _drop_adopted_leftovers(self) -> None:
        """A leftover whose object a later row names is no leftover any more."""
        if not self._number("SELECT count(*) FROM now WHERE kind = 'leftover'"):
            return
        self._db.execute(
            "DELETE FROM now WHERE rowid IN (SELECT n.rowid FROM now n JOIN item i ON i.key = n.key AND i.seq > n.seq"
            " WHERE n.kind = 'leftover' AND i.kind != 'leftover' AND i.segment <= ?)",
            (self.segment,),
        )

    def _number(self, query: str) -> int:
        return int(self._db.execute(query).fetchone()[0])

    def rows(self, outcome: str | None = None) -> Iterator[bytes]:
        """Digests of the rows, sorted by identity; only those with `outcome` if given."""
        where, values = ("", ()) if outcome is None else ("WHERE outcome = ?", (outcome,))
        found = self._db.execute(f"SELECT digest FROM now {where} ORDER BY rowid", values)  # noqa: S608
        return (digest for (digest,) in found)

    def owed(self) -> Iterator[bytes]:
        """Digests of the `listed` values that still owe work, sorted by (scope, id)."""
        return (digest for (digest,) in self._db.execute("SELECT digest FROM owed ORDER BY who"))

    def permissions(self) -> Iterator[bytes]:
        """Digests of the newest `permissions` value of each item, sorted by (scope, id)."""
        query = "SELECT digest, max(seq) FROM touch WHERE what = 2 AND segment <= ? GROUP BY who ORDER BY who"
        return (row[0] for row in self._db.execute(query, (self.segment,)))

    def payload(self) -> Iterator[PayloadRow]:
        """Each key that a row names, once, sorted by its bytes."""
        query = (
            "SELECT key, min(size), max(size), min(sha256), max(sha256), count(sha256) = count(*), max(version)"
            " FROM now WHERE key IS NOT NULL GROUP BY key ORDER BY key"
        )
        for key, size, other_size, sha256, other_sha256, all_hashed, version in self._db.execute(query):
            agrees = size == other_size and sha256 == other_sha256 and bool(all_hashed)
            yield PayloadRow(key.decode("utf-8", "surrogatepass"), size, sha256, version, agrees)

    def kinds(self) -> dict[str, dict[str, int]]:
        """{kind: {outcome: number}} of all rows."""
        kinds: dict[str, dict[str, int]] = {}
        for kind, outcome, number in self._db.execute("SELECT kind, outcome, count(*) FROM now GROUP BY 1, 2"):
            kinds.setdefault(kind, {})[outcome] = number
        return kinds

    def counts(self) -> dict[str, int]:
        """`counts` of `reconciliation.json`: listed = copied + excepted + pending; gone beside them."""
        query = "SELECT outcome, count(*) FROM now WHERE live AND who NOT IN (SELECT who FROM owed) GROUP BY outcome"
        settled = dict(self._db.execute(query).fetchall())
        copied, excepted = settled.get("copied", 0), settled.get("excepted", 0)
        pending = self._number("SELECT count(*) FROM owed")
        return {
            "listed": copied + excepted + pending,
            "copied": copied,
            "excepted": excepted,
            "pending": pending,
            "gone": self._number(f"SELECT count(*) FROM now WHERE outcome = 'gone' AND kind IN ({_ITEM_KINDS})"),  # noqa: S608
        }

    def folders(self) -> Iterator[FolderCount]:
        """Every folder that the service lists and whose `childCount` we know, sorted by (scope, id).

        found: the items whose newest facts (owed, else settled) name it as parent and are not deleted.
        """
        self._make_nodes()
        query = """
            SELECT f.who, ifnull(o.children, f.children) AS expected, ifnull(a.found, 0), ifnull(a.vanished, 0),
              ifnull(a.owed, 0)
            FROM now f LEFT JOIN owed o ON o.who = f.who
              LEFT JOIN (SELECT folder, sum(live) AS found, sum(vanished) AS vanished, sum(owed) AS owed FROM node
                         WHERE folder != who GROUP BY folder) a ON a.folder = f.who
            WHERE f.kind = 'folder' AND f.live AND ifnull(o.deleted, 0) = 0
              AND CASE WHEN o.who IS NULL THEN f.children ELSE o.children END IS NOT NULL
            ORDER BY f.who"""
        for who, expected, found, vanished, owed in self._db.execute(query):
            scope, _, item = who.decode("utf-8", "surrogatepass").partition("\0")
            yield FolderCount(scope, item, expected, found, _verdict(expected, found, vanished, owed))

    def _make_nodes(self) -> None:
        """One node per item: where its newest facts place it, whether it lives, is owed, or is confirmed as vanished."""
        db = self._db
        if self._has_nodes:
            return
        self._has_nodes = True
        db.execute(
            "CREATE TABLE node (who BLOB PRIMARY KEY, folder BLOB, live INT, vanished INT, owed INT) WITHOUT ROWID"
        )
        # An item that changed its kind has two rows; the live one, or else the newest, says where it is.
        listed = f"kind IN ({_ITEM_KINDS})"
        newest = f"SELECT who, folder, live, code, max(live * 9000000000000 + seq) FROM now WHERE {listed} GROUP BY who"  # noqa: S608
        db.execute(f"INSERT INTO node SELECT who, folder, live, code IS 'vanished', 0 FROM ({newest})")  # noqa: S608
        db.execute(
            "INSERT INTO node SELECT who, folder, 1, 0, 1 FROM owed WHERE deleted = 0 AND true"
            " ON CONFLICT (who) DO UPDATE SET folder = excluded.folder, live = 1, vanished = 0, owed = 1"
        )
        db.execute("UPDATE node SET live = 0, owed = 1 WHERE who IN (SELECT who FROM owed WHERE deleted = 1)")


def _verdict(expected: int, found: int, vanished: int, owed: int) -> str:
    if expected == found:
        return "equal"
    if vanished and found < expected <= found + vanished:
        return "explained"
    return "moving" if owed else "unexplained"
