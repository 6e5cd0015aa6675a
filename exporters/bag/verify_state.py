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

LISTED, SETTLED, PERMISSIONS = 0, 1, 2
BATCH = 5_000

_ROW_PREFIX: Final = {b'{"item"': 8, b'{"listed': 10, b'{"permis': 15}
_SCHEMA = """
CREATE TABLE item (seq INTEGER PRIMARY KEY, identity BLOB, segment INT, digest BLOB, outcome TEXT, live INT, key BLOB,
  size INT, sha256 TEXT, version TEXT, kind TEXT, who BLOB, folder BLOB);
CREATE TABLE touch (seq INTEGER PRIMARY KEY, who BLOB, segment INT, what INT, digest BLOB, folder BLOB);
CREATE TABLE counted (seq INTEGER PRIMARY KEY, folder BLOB, segment INT, expected INT, by TEXT, scope BLOB, id BLOB);
"""


def text_bytes(value: object) -> bytes:
    """A string of a row as bytes that sort as docs/formats.md asks; lone surrogates stay what they are."""
    return str(value).encode("utf-8", "surrogatepass")


def digest_of(line: bytes) -> bytes:
    """What stands for a row in the temporary file: 16 bytes."""
    return hashlib.blake2b(line, digest_size=16).digest()


def value_of(line: bytes) -> bytes:
    """The value of a ledger row as its own line: `{"item":{…}}` → `{…}`, byte for byte."""
    return line[_ROW_PREFIX[line[:8]] : -2] + b"\n"


@dataclass(slots=True)
class Heads:
    """What a segment n says of the whole: newest of each. `rounds`: scope → segment in which an unfinished one began."""

    number: int = 0
    sha256: str | None = None
    at: str | None = None
    closed: bool = False
    cursors: dict[str, JsonObject] = field(default_factory=dict)
    rounds: dict[str, int] = field(default_factory=dict)
    source: JsonObject | None = None
    items: int = 0
    """`item` rows so far."""


class PayloadRow(NamedTuple):
    """A key as the rows name it. `agrees`: False if two rows name it with different bytes."""

    key: str
    size: int | None
    sha256: str | None
    version: str | None
    agrees: bool


class FolderCount(NamedTuple):
    """An independent count of a folder beside the rows below it. `moving`: a child is owed, or changed after the count."""

    scope: str
    id: str
    by: str
    expected: int
    found: int
    moving: bool


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
        self._counts: list[tuple[Any, ...]] = []
        self.unreadable_rows = 0

    def __enter__(self) -> "State":
        self._folder = tempfile.TemporaryDirectory(prefix="lastcopy-verify-")
        self._db = sqlite3.connect(Path(self._folder.name) / "state.db", isolation_level=None)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-16000", "temp_store=FILE"):
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
        if kind == "item":
            self._take_item(value, line, segment)
            self.heads.items += 1
        elif kind in {"listed", "permissions"}:
            who = text_bytes(value["scope"]) + b"\0" + text_bytes(value["id"])
            what = LISTED if kind == "listed" else PERMISSIONS
            folder = text_bytes(value["scope"]) + b"\0" + text_bytes(value.get("parent") or "")
            self._touches.append((self._sequence, who, segment, what, digest_of(value_of(line)), folder))
        elif kind == "count":
            scope, item = text_bytes(value["scope"]), text_bytes(value["id"])
            folder = scope + b"\0" + item
            by = str(value["by"])
            self._counts.append((self._sequence, folder, segment, int(value["expected"]), by, scope, item))
        elif kind == "cursor":
            self.heads.cursors[value["scope"]] = {name: value.get(name) for name in ("kind", "link", "settings")}
        elif kind == "round":
            self._take_round(value, segment)
        elif kind == "closed":
            self.heads.closed = True
        elif kind == "source" and self.heads.source is None:
            self.heads.source = value

    def _take_round(self, value: JsonObject, segment: int) -> None:
        scope = value["scope"]
        if value["state"] == "ended" or not value["full"]:
            self.heads.rounds.pop(scope, None)
        else:
            self.heads.rounds[scope] = segment

    def _take_item(self, row: JsonObject, line: bytes, segment: int) -> None:
        kind, scope, item = text_bytes(row["kind"]), text_bytes(row["scope"]), text_bytes(row["id"])
        who = scope + b"\0" + item
        is_listed_kind = row["kind"] in LISTED_KINDS
        outcome = row["outcome"]
        vanished = outcome == "excepted" and row.get("code") == "vanished"
        live = is_listed_kind and outcome != "gone" and not vanished
        key = row.get("key")
        facts = (
            text_bytes(key) if key is not None else None,
            row.get("size"),
            row.get("sha256"),
            row.get("versionId"),
            row["kind"],
            who,
            scope + b"\0" + text_bytes(row.get("parent") or ""),
        )
        digest = digest_of(value_of(line))
        self._items.append((self._sequence, kind + b"\0" + who, segment, digest, outcome, int(live), *facts))
        if is_listed_kind:
            self._touches.append((self._sequence, who, segment, SETTLED, None, facts[-1]))

    def _flush(self) -> None:
        self._db.executemany("INSERT INTO item VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", self._items)
        self._db.executemany("INSERT INTO touch VALUES (?,?,?,?,?,?)", self._touches)
        self._db.executemany("INSERT INTO counted VALUES (?,?,?,?,?,?,?)", self._counts)
        self._items, self._touches, self._counts = [], [], []

    def at(self, segment: int) -> "View":
        """The state after `segment`. Only one view may be in use at a time."""
        self._flush()
        return View(self._db, segment)


class View:
    """The state after one segment. Everything streams, each in the order that the fold has."""

    def __init__(self, db: sqlite3.Connection, segment: int) -> None:
        self._db = db
        self._segment = segment
        db.executescript("DROP TABLE IF EXISTS now; DROP TABLE IF EXISTS owed; DROP TABLE IF EXISTS child")
        db.execute(
            "CREATE TABLE now AS SELECT identity, max(seq) AS seq, digest, outcome, live, key, size, sha256, version,"
            " kind, who, folder FROM item WHERE segment <= ? GROUP BY identity ORDER BY identity",
            (segment,),
        )
        db.execute("CREATE TABLE owed (who BLOB PRIMARY KEY, digest BLOB, folder BLOB) WITHOUT ROWID")
        db.execute(
            "INSERT INTO owed SELECT who, digest, folder FROM (SELECT who, max(seq), what, digest, folder FROM touch"
            " WHERE segment <= ? AND what < 2 GROUP BY who) WHERE what = 0",
            (segment,),
        )

    def rows(self, outcome: str | None = None) -> Iterator[bytes]:
        """Digests of the rows, sorted by identity; only those with `outcome` if given."""
        if outcome is None:
            found = self._db.execute("SELECT digest FROM now ORDER BY rowid")
        else:
            found = self._db.execute("SELECT digest FROM now WHERE outcome = ? ORDER BY rowid", (outcome,))
        return (digest for (digest,) in found)

    def owed(self) -> Iterator[bytes]:
        """Digests of the `listed` values that still owe work, sorted by (scope, id)."""
        return (digest for (digest,) in self._db.execute("SELECT digest FROM owed ORDER BY who"))

    def permissions(self) -> Iterator[bytes]:
        """Digests of the newest `permissions` value of each item, sorted by (scope, id)."""
        query = "SELECT digest, max(seq) FROM touch WHERE what = 2 AND segment <= ? GROUP BY who ORDER BY who"
        return (row[0] for row in self._db.execute(query, (self._segment,)))

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

    def pending(self) -> int:
        """How many items are owed."""
        return int(self._db.execute("SELECT count(*) FROM owed").fetchone()[0])

    def settled(self) -> dict[str, int]:
        """{outcome: number} of the items that the service lists now and that are not owed; `gone` beside them."""
        query = (
            "SELECT outcome, count(*) FROM now WHERE (live OR (outcome = 'gone' AND kind IN"
            " ('file','folder','package','shortcut','other'))) AND who NOT IN (SELECT who FROM owed) GROUP BY outcome"
        )
        return dict(self._db.execute(query).fetchall())

    def folders(self) -> Iterator[FolderCount]:
        """Every folder with an independent count (the newest), sorted by (scope, id)."""
        db = self._db
        db.execute("CREATE TABLE child (folder BLOB PRIMARY KEY, found INT, newest INT, owed INT) WITHOUT ROWID")
        db.execute(
            "INSERT INTO child SELECT folder, sum(live), max(seq), sum(owed) FROM ("
            " SELECT folder, live, seq, 0 AS owed FROM now WHERE kind IN ('file','folder','package','shortcut','other')"
            " UNION ALL SELECT folder, 0, 0, 1 FROM owed"
            " UNION ALL SELECT n.folder, 0, 0, 1 FROM owed o JOIN touch n ON n.who = o.who AND n.what = 1"
            ") GROUP BY folder"
            if self.pending() < BATCH
            else "INSERT INTO child SELECT folder, sum(live), max(seq), 0 FROM now"
            " WHERE kind IN ('file','folder','package','shortcut','other') GROUP BY folder"
        )
        query = (
            "SELECT c.scope, c.id, c.by, max(c.seq), c.expected, ifnull(k.found, 0), ifnull(k.newest, 0),"
            " ifnull(k.owed, 0) FROM counted c LEFT JOIN child k ON k.folder = c.folder"
            " WHERE c.segment <= ? AND c.folder IN (SELECT who FROM now WHERE live) GROUP BY c.folder, c.by"
            " ORDER BY c.folder"
        )
        for scope, item, by, seq, expected, found, newest, owed in db.execute(query, (self._segment,)):
            ids = scope.decode("utf-8", "surrogatepass"), item.decode("utf-8", "surrogatepass")
            yield FolderCount(*ids, by, expected, found, bool(owed) or newest > seq)
