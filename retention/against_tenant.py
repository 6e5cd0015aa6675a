"""A fresh listing of a drive beside the rows of its bag: is what the tenant lists now what we hold?

Rules of this file: lists from scratch, with no cursor of the bag; the bag is not written to; memory does not grow with the
drive (both sides go to a temporary file). Source: design §6 (`verify --against-tenant`).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self

from exporters.bag.formats import HEAD, ITEMS, LEDGER, LISTED_KINDS, SOURCE, JsonObject, load_json
from exporters.bag.verify_reading import Lines
from exporters.drive.facts import SELECT, facts_of
from exporters.errors import LastcopyError, RunError
from exporters.graph.calls import segment
from exporters.graph.errors import ResyncRequiredError
from exporters.graph.session import GraphSession
from exporters.scratch_database import ScratchDatabase
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import Store
from exporters.store.segments import START, Position, SegmentLog

NAMES_KEPT = 100
Side = Literal["held", "now"]
_SCHEMA = """
CREATE TABLE held (id BLOB PRIMARY KEY, facts BLOB, path BLOB) WITHOUT ROWID;
CREATE TABLE now (id BLOB PRIMARY KEY, facts BLOB, path BLOB) WITHOUT ROWID;
"""
_COMPARISONS = {
    "missing": "SELECT path FROM now WHERE id NOT IN (SELECT id FROM held) ORDER BY path",
    "changed": "SELECT held.path FROM now JOIN held USING (id) WHERE now.facts <> held.facts ORDER BY held.path",
    "unexpected": "SELECT path FROM held WHERE id NOT IN (SELECT id FROM now) ORDER BY path",
}


def compare_drive(graph: GraphSession, store: Store, bag: str) -> JsonObject:
    """Compare; return `{"bag", "listed", "missing", "changed", "unexpected", "names", "problem"}`.

    missing: listed now without a row; changed: of another kind, name, parent, size or hash than the row says; unexpected:
    rows that the tenant lists no more. names: the first 100 of each. problem: why the drive could not be listed, else None.
    Raises: RunError.
    """
    with Sides(bag) as sides:
        for row in rows_of(store, bag):
            _keep(sides, "held", row, live=is_live(row))
        try:
            _list(graph, sides, str(load_json(store.read(f"{bag}/{SOURCE}"))["id"]))
        except LastcopyError as error:
            if isinstance(error, RunError):
                raise
            return sides.unlisted(error)
        return sides.result()


class Sides:
    """What a bag holds, and what the tenant lists now: two tables in a temporary file. As a context manager."""

    def __init__(self, bag: str) -> None:
        self._bag = bag
        self._scratch = ScratchDatabase("listing", _SCHEMA, cache_kib=16_000)
        self._db = self._scratch.db

    def keep(self, side: Side, who: str, told: object, path: str) -> None:
        """An item of a side. told: what must be the same on both; path: how it is called for people."""
        values = (_bytes(who), _bytes(repr(told)), _bytes(path))
        self._db.execute(f"INSERT OR REPLACE INTO {side} VALUES (?, ?, ?)", values)  # noqa: S608

    def drop(self, side: Side, who: str) -> None:
        """An item is not on a side any more."""
        self._db.execute(f"DELETE FROM {side} WHERE id = ?", (_bytes(who),))  # noqa: S608

    def empty(self, side: Side) -> None:
        """Nothing is on a side any more."""
        self._db.execute(f"DELETE FROM {side}")  # noqa: S608

    def result(self) -> JsonObject:
        """See `compare_drive`."""
        result = self._result()
        result["listed"] = self._db.execute("SELECT count(*) FROM now").fetchone()[0]
        for sort, query in _COMPARISONS.items():
            names = [row[0] for row in self._db.execute(f"{query} LIMIT {NAMES_KEPT}")]
            result[sort] = self._db.execute(f"SELECT count(*) FROM ({query})").fetchone()[0]  # noqa: S608
            result["names"][sort] = [name.decode("utf-8", "replace") for name in names]
        return result

    def unlisted(self, error: LastcopyError) -> JsonObject:
        """The result where the tenant could not be listed."""
        return {**self._result(), "problem": str(error)}

    def _result(self) -> JsonObject:
        counts = {"listed": 0, "missing": 0, "changed": 0, "unexpected": 0}
        return {"bag": self._bag, **counts, "names": {}, "problem": None}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._scratch.close()


def _list(graph: GraphSession, sides: Sides, drive: str) -> None:
    """The whole drive, from scratch; once more from the start if the service asks for it."""
    link, params = f"/drives/{segment(drive)}/root/delta", {"$select": SELECT}
    for attempt in range(2):
        try:
            for page in graph.delta(link, params=params):
                for item in page.rows:
                    if isinstance(item.get("id"), str):
                        facts = facts_of(item, drive)
                        _keep(sides, "now", facts, live=not facts.get("deleted"))
            return
        except ResyncRequiredError:
            if attempt:
                raise
            sides.empty("now")


def rows_of(store: Store, bag: str) -> Iterator[Mapping[str, Any]]:
    """The rows of the fold, then those of the segments after it (the last one for an item wins)."""
    position = START
    try:
        head = load_json(store.read(f"{bag}/{HEAD}"))
        for line in Lines(store, f"{bag}/{ITEMS}"):
            yield load_json(line)
        position = Position(int(head["segment"]), str(head["sha256"]))
    except (ObjectMissingError, ValueError, KeyError):
        position = START
    for found in SegmentLog(store, f"{bag}/{LEDGER}").follow(position):
        for row in found.rows():
            if "item" in row:
                yield row["item"]


def is_live(row: Mapping[str, Any]) -> bool:
    """Whether a row is of an item that the service listed, and not of one that is gone."""
    vanished = row["outcome"] == "excepted" and row.get("code") == "vanished"
    return row["kind"] in LISTED_KINDS and row["outcome"] != "gone" and not vanished


def _keep(sides: Sides, side: Side, row: Mapping[str, Any], *, live: bool) -> None:
    if not live and row.get("kind") is not None and row["kind"] not in LISTED_KINDS:
        return
    if not live:
        sides.drop(side, row["id"])
        return
    service = row.get("service") or {}
    told = (row.get("kind"), row.get("name"), row.get("parent"), service.get("size"), service.get("quickXorHash"))
    sides.keep(side, row["id"], told, row.get("path") or row.get("name") or row["id"])


def _bytes(text: Any) -> bytes:
    return str(text).encode("utf-8", "surrogatepass")
