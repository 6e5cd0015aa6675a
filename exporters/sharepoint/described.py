"""The site itself, its lists and its libraries as they were served: lines of `data/site/site-…`, written when they change.

Rules of this file: what changes with every file (dates, sizes) makes no new line; a list that is not copied has its line, too; a
library that is not served any more stays known until it is decided what becomes of its files. Source: docs/formats.md (bag of a
site), docs/decisions/0048.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from exporters.bag.digests import Hashed
from exporters.bag.formats import JsonObject, dump_json, load_json
from exporters.bag.ledger import BagWriter
from exporters.bag.objects import LineObjects
from exporters.bag.state import State
from exporters.clock import timestamp
from exporters.graph.answers import text_of
from exporters.outcomes import Outcome
from exporters.sharepoint.inventory import Inventory
from exporters.sharepoint.run import SiteRun

CURSOR = "site"
STEM = "data/site/site"
DRIVE = "drive"
"""Scope of the rows of libraries."""
_UNSTEADY = frozenset({"lastModifiedDateTime", "lastModifiedBy", "eTag", "cTag", "quota"})


def known_libraries(writer: BagWriter) -> dict[str, str]:
    """{drive id: list id, empty where it is not known} of libraries that an inventory named and that are not settled."""
    return dict(writer.heads.cursors.get(CURSOR, {}).get("libraries", {}))


def describe(run: SiteRun, inventory: Inventory) -> None:
    """Write down what is new; nothing is read or written if nothing is. Raises: errors of the store."""
    cursor = run.writer.heads.cursors.get(CURSOR, {})
    served = [*inventory.served()]
    digest = Hashed.of(dump_json({"served": [[kind, item_id, _steady(graph)] for kind, item_id, graph in served]}))
    libraries = known_libraries(run.writer) | {one.drive_id: one.list_id or "" for one in inventory.libraries}
    if cursor.get("digest") != digest:
        _write(run, served)
    _put_cursor(run.writer, cursor, {"digest": digest, "libraries": libraries})


def former_addresses(state: State) -> Iterator[tuple[str, str]]:
    """(drive id, address) of libraries, as they were before their site or they themselves were called otherwise."""
    low, high = f"{DRIVE}/", f"{DRIVE}0"
    for row in map(load_json, state.rows("kind = 'version' AND scope > ? AND scope < ?", (low, high))):
        if (url := text_of((row.get("service") or {}).get("webUrl"))) is not None:
            yield row["scope"].removeprefix(low), url


def forget_library(writer: BagWriter, drive: str) -> None:
    """It is settled: no run has to ask what became of it."""
    cursor = writer.heads.cursors.get(CURSOR, {})
    libraries = {one: of for one, of in known_libraries(writer).items() if one != drive}
    _put_cursor(writer, cursor, {"digest": cursor.get("digest", ""), "libraries": libraries})


def _put_cursor(writer: BagWriter, before: Mapping[str, Any], value: JsonObject) -> None:
    if any(before.get(name) != value[name] for name in value):
        writer.emit("cursor", {"scope": CURSOR, "kind": "listed", "link": "", **value})


def _steady(graph: JsonObject) -> JsonObject:
    return {name: value for name, value in graph.items() if name not in _UNSTEADY and not name.startswith("@")}


def _write(run: SiteRun, served: list[tuple[str, str, JsonObject]]) -> None:
    state, at = run.writer.state, {"run": run.writer.run.id, "captured": timestamp(run.clock.now())}
    objects = LineObjects(run.writer, run.clock)
    try:
        for kind, item_id, graph in served:
            held = state.row(("site", kind, item_id))
            content = Hashed.of(dump_json(_steady(graph)))
            if _says(held, content):
                continue
            name = text_of(graph.get("displayName")) or text_of(graph.get("name")) or ""
            row: JsonObject = {"kind": "site", "scope": kind, "id": item_id, "name": name, "outcome": "copied", **at}
            row["service"] = {"content": content}
            if kind == DRIVE and (url := text_of(graph.get("webUrl"))) is not None:
                row["service"]["webUrl"] = url
            objects.lines(STEM).add_row({"kind": kind, "id": item_id, "graph": graph}, row, held)
            objects.close_due()
        objects.finish()
    except BaseException:
        run.writer.orphans_possible = True  # what was put has no row yet: named before the bag closes
        objects.abandon()
        raise
    there = {(kind, item_id) for kind, item_id, _ in served}
    lost = state.rows("kind = 'site' AND scope IN ('list', 'drive') AND outcome = 'copied'")
    rows = [load_json(data) for data in lost]
    gone = {"outcome": Outcome.GONE.value, "since": at["captured"], "run": at["run"]}
    run.writer.emit_all([("item", {**row, **gone}) for row in rows if (row["scope"], row["id"]) not in there])


def _says(held: JsonObject | None, content: str) -> bool:
    if held is None or held["outcome"] != Outcome.COPIED:
        return False
    return bool((held.get("service") or {}).get("content") == content)
