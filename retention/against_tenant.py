"""A fresh listing of a drive beside the rows of its bag: is what the tenant lists now what we hold?

Rules of this file: lists from scratch, with no cursor of the bag; the bag is not written to; memory does not grow with the
drive (both sides go to a temporary file). Source: design §6 (`verify --against-tenant`).
"""

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from exporters.bag.formats import HEAD, ITEMS, LEDGER, LISTED_KINDS, SOURCE, JsonObject, load_json
from exporters.bag.verify_reading import Lines
from exporters.drive.facts import SELECT, facts_of
from exporters.errors import LastcopyError, RunError
from exporters.graph.calls import segment
from exporters.graph.errors import ResyncRequiredError
from exporters.graph.session import GraphSession
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import Store
from exporters.store.segments import START, Position, SegmentLog

NAMES_KEPT = 100
_SCHEMA = """
PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-16000;
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
    result: JsonObject = {
        "bag": bag,
        "listed": 0,
        "missing": 0,
        "changed": 0,
        "unexpected": 0,
        "names": {},
        "problem": None,
    }
    with tempfile.TemporaryDirectory(prefix="lastcopy-listing-") as folder:
        db = sqlite3.connect(Path(folder) / "listing.db", isolation_level=None)
        try:
            db.executescript(_SCHEMA)
            db.execute("BEGIN")
            for row in _rows(store, bag):
                _keep(db, "held", row, live=_is_live(row))
            try:
                _list(graph, db, str(load_json(store.read(f"{bag}/{SOURCE}"))["id"]))
            except LastcopyError as error:
                if isinstance(error, RunError):
                    raise
                return {**result, "problem": str(error)}
            result["listed"] = db.execute("SELECT count(*) FROM now").fetchone()[0]
            for sort, query in _COMPARISONS.items():
                names = [row[0] for row in db.execute(f"{query} LIMIT {NAMES_KEPT}")]
                result[sort] = db.execute(f"SELECT count(*) FROM ({query})").fetchone()[0]  # noqa: S608
                result["names"][sort] = [name.decode("utf-8", "replace") for name in names]
        finally:
            db.close()
    return result


def _list(graph: GraphSession, db: sqlite3.Connection, drive: str) -> None:
    """The whole drive, from scratch; once more from the start if the service asks for it."""
    link, params = f"/drives/{segment(drive)}/root/delta", {"$select": SELECT}
    for attempt in range(2):
        try:
            for page in graph.delta(link, params=params):
                for item in page.rows:
                    if isinstance(item.get("id"), str):
                        facts = facts_of(item, drive)
                        _keep(db, "now", facts, live=not facts.get("deleted"))
            return
        except ResyncRequiredError:
            if attempt:
                raise
            db.execute("DELETE FROM now")


def _rows(store: Store, bag: str) -> Iterator[Mapping[str, Any]]:
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


def _is_live(row: Mapping[str, Any]) -> bool:
    vanished = row["outcome"] == "excepted" and row.get("code") == "vanished"
    return row["kind"] in LISTED_KINDS and row["outcome"] != "gone" and not vanished


def _keep(db: sqlite3.Connection, table: str, row: Mapping[str, Any], *, live: bool) -> None:
    if not live and row.get("kind") is not None and row["kind"] not in LISTED_KINDS:
        return
    who = _bytes(row["id"])
    if not live:
        db.execute(f"DELETE FROM {table} WHERE id = ?", (who,))  # noqa: S608
        return
    service = row.get("service") or {}
    told = (row.get("kind"), row.get("name"), row.get("parent"), service.get("size"), service.get("quickXorHash"))
    values = (who, _bytes(repr(told)), _bytes(row.get("path") or row.get("name") or row["id"]))
    db.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", values)  # noqa: S608


def _bytes(text: Any) -> bytes:
    return str(text).encode("utf-8", "surrogatepass")
