"""From what is owed to tasks.

Rules of this file: what needs no request is done at once (an item that was only moved); the rest is given out in the order of the
ids.
Source: design §4 (the ledger), docs/formats.md.
"""

from collections.abc import Callable, Iterator
from datetime import datetime

from exporters.bag.formats import LISTED_KINDS, JsonObject, load_json
from exporters.bag.state import State
from exporters.mail.capture.contents import is_refused
from exporters.mail.capture.exceptions import worth_another_try
from exporters.mail.capture.fetched import Task
from exporters.mail.capture.folders import Paths
from exporters.outcomes import Outcome

_BATCH = 200
_ITEMS = LISTED_KINDS - {"folder"}
Move = Callable[[JsonObject, JsonObject, str, str], None]
"""Takes an item that needs nothing but a row: (facts, row so far, path, path of its folder)."""


class Planner:
    """Plans the work of one round."""

    def __init__(self, state: State, paths: Paths, move: Move) -> None:
        self._state, self._paths, self._move = state, paths, move

    def count_owed(self) -> int:
        """How many items are owed."""
        return self._state.count("SELECT count(*) FROM owed WHERE scope = '' AND deleted = 0")

    def tasks(self, *, extra: bool, now: datetime) -> Iterator[Task]:
        """What is to be fetched. extra: also what failed, and is worth another try."""
        query = "SELECT id, listed FROM owed WHERE scope = '' AND deleted = 0 AND kind != 'folder' AND id > ? ORDER BY id LIMIT ?"
        after = ""
        while found := self._state.db.execute(query, (after, _BATCH)).fetchall():
            after = found[-1][0]
            known = self._state.known("", [item_id for item_id, _ in found])
            for item_id, listed in found:
                task = self._planned(load_json(listed), known[item_id][1])
                if task is not None:
                    yield task
        if extra:
            yield from self._failed(now)

    def _planned(self, facts: JsonObject, row: JsonObject | None) -> Task | None:
        names = self._paths.names(str(facts.get("parent") or ""))
        task = Task(facts, row, names)
        if row is None or row["kind"] != facts["kind"] or not _is_only_moved(facts, row) or self._lacks_pieces(row):
            return task
        self._move(facts, row, f"/{'/'.join((*names, str(facts.get('name', ''))))}", f"/{task.folder}")
        return None

    def _lacks_pieces(self, row: JsonObject) -> bool:
        """Whether an item that is there again was removed with attachments that could not be had then."""
        query = "SELECT count(*) FROM rows WHERE kind = 'attachment' AND scope = ? AND code = 'vanished'"
        return row["outcome"] == Outcome.GONE and self._state.count(query, (row["id"],)) > 0

    def _failed(self, now: datetime) -> Iterator[Task]:
        """Items, and items of which something, failed in an earlier run."""
        query = "outcome = 'excepted' AND code != 'vanished'"
        ids: set[str] = set()
        for row in map(load_json, list(self._state.rows(query))):
            if worth_another_try(row, now):
                ids.add(row["scope"] if row["kind"] == "attachment" else row["id"])
        for item_id in sorted(ids):
            found = self._state.item_row("", item_id)
            is_there = found is not None and found["outcome"] != Outcome.GONE and found["kind"] in _ITEMS
            if found is None or not is_there or self._state.listed("", item_id) is not None:
                continue
            row = found
            names = ("scope", "id", "kind", "name", "parent", "created", "modified", "service", "internetMessageId")
            facts = {name: row[name] for name in names if name in row}
            yield Task(facts, row, self._paths.names(str(row.get("parent") or "")))


def _is_only_moved(facts: JsonObject, row: JsonObject) -> bool:
    """Whether all that we keep of an item is as it was, but where it lies (or it is there again)."""
    is_whole = row["outcome"] != Outcome.EXCEPTED and row.get("key") is not None
    if not is_whole and not is_refused(facts, row):
        return False
    new, old = facts["service"], row.get("service", {})
    if "state" in new:
        return bool(new["state"] == old.get("state") and new.get("content") == old.get("content"))
    return bool(new.get("changeKey")) and all(new.get(name) == old.get(name) for name in ("changeKey", "asked"))
