"""Paths of folders, and what a folder that got another one takes with it.

Rules of this file: a path is for people: names joined by `/`, whatever stands in them (Q-069); what is beneath a folder that
was renamed is not listed again, so its rows are written anew here; the folder's own row comes last, so that a run that is cut
off begins anew. Source: docs/formats.md (rows of a mailbox), design §4 (owed).
"""

from collections.abc import Iterator

from exporters.bag.formats import JsonObject, load_json
from exporters.bag.ledger import BagWriter
from exporters.bag.state import State
from exporters.clock import Clock, timestamp
from exporters.outcomes import Outcome

_BATCH = 500
_DEEPEST = 400


class Paths:
    """Names of the folders above an item, by the newest facts. To be made anew for each round."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._names: dict[str, tuple[str, ...]] = {}

    def names(self, folder: str) -> tuple[str, ...]:
        """Of this folder and those above it, the root's left out."""
        known = self._names.get(folder)
        if known is None:
            known = self._names[folder] = self._find(folder)
        return known

    def _find(self, folder: str) -> tuple[str, ...]:
        found: list[str] = []
        at: str | None = folder
        passed: set[str] = set()
        while at and at not in passed and len(passed) < _DEEPEST:
            passed.add(at)
            node = self._state.node("", at)
            if node is None:
                break
            parent, name, _, _ = node
            if parent is None and self._is_root(at):
                break
            found.append(name)
            at = parent
        return tuple(reversed(found))

    def _is_root(self, item_id: str) -> bool:
        facts = self._state.listed("", item_id) or self._state.row(("folder", "", item_id)) or {}
        return bool(facts.get("service", {}).get("wellKnownName") == "msgfolderroot")

    def path(self, folder: str) -> str:
        """`/` and the names joined."""
        return "/" + "/".join(self.names(folder))


def settle_folders(writer: BagWriter, paths: Paths, clock: Clock) -> tuple[int, int]:
    """Write the rows of folders that are new, changed or have another path, after those of what lies in them.

    Return (how many, how many of them are new).
    """
    state, settled, new = writer.state, 0, 0
    for item_id, facts, row in list(_live_folders(state)):
        path = paths.path(item_id)
        if facts is None and row is not None and row.get("path") == path:
            continue
        if row is not None and row.get("path") != path:
            _take_along(writer, item_id, path)
        known = (
            facts
            if facts is not None
            else {k: v for k, v in (row or {}).items() if k not in ("since", "code", "reason")}
        )
        settled, new = settled + 1, new + (row is None)
        at = {"run": writer.run.id, "captured": timestamp(clock.now())}
        writer.emit("item", {**known, "path": path, "outcome": Outcome.COPIED.value, **at})
    return settled, new


def _live_folders(state: State) -> Iterator[tuple[str, JsonObject | None, JsonObject | None]]:
    """(id, owed facts or None, row or None) of each folder that is there. A mailbox has some thousands of folders at most."""
    query = (
        "SELECT tree.id, owed.listed, rows.row FROM tree"
        " LEFT JOIN owed ON owed.scope = tree.scope AND owed.id = tree.id"
        " LEFT JOIN rows ON rows.kind = 'folder' AND rows.scope = tree.scope AND rows.id = tree.id"
        " WHERE tree.scope = '' AND tree.kind = 'folder' AND tree.alive = 1 ORDER BY tree.id"
    )
    for item_id, listed, row in state.db.execute(query).fetchall():
        yield item_id, None if listed is None else load_json(listed), None if row is None else load_json(row)


def _take_along(writer: BagWriter, folder: str, path: str) -> None:
    """The items of a folder that has another path now; those that are owed get their row by their own work."""
    query = (
        "SELECT rows.id, rows.row FROM tree JOIN rows ON rows.kind = tree.kind AND rows.scope = tree.scope AND rows.id = tree.id"
        " WHERE tree.scope = '' AND tree.parent = ? AND tree.alive = 1 AND tree.kind != 'folder' AND tree.id > ?"
        " AND NOT EXISTS (SELECT 1 FROM owed WHERE owed.scope = tree.scope AND owed.id = tree.id) ORDER BY tree.id LIMIT ?"
    )
    after = ""
    while found := writer.state.db.execute(query, (folder, after, _BATCH)).fetchall():
        after = found[-1][0]
        rows = [load_json(data) for _, data in found]
        start = "" if path == "/" else path
        writer.emit_all(("item", {**row, "path": f"{start}/{row.get('name', '')}", "folder": path}) for row in rows)
