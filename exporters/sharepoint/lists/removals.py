"""What a round's end says about items of a list that are not there any more.

Rules of this file: removals are decided after the round; if too much vanishes at once, nothing is marked gone until a person
accepts it; what hangs on a removed item is settled with it. Source: design §4 (Whole), docs/formats.md (bag of a
site).
"""

from collections.abc import Iterator

from exporters.bag.formats import JsonObject, load_json
from exporters.bag.removed import begin_removed
from exporters.bag.state import State
from exporters.outcomes import Outcome
from exporters.sharepoint.lists.exceptions import settled, vanished
from exporters.sharepoint.lists.facts import ATTACHMENT, KIND, item_scope

_BATCH = 500


def find_removed(state: State, list_id: str) -> None:
    """Fill the temporary table `removed` with the ids of items that were listed as deleted."""
    begin_removed(state)
    state.db.execute("INSERT INTO removed SELECT id FROM owed WHERE scope = ? AND deleted = 1", (list_id,))


def find_all(state: State, list_id: str) -> None:
    """The same with all that there is of a list: it was deleted itself."""
    begin_removed(state)
    state.db.execute("INSERT INTO removed SELECT id FROM tree WHERE scope = ? AND alive = 1", (list_id,))
    state.db.execute("INSERT OR IGNORE INTO removed SELECT id FROM owed WHERE scope = ?", (list_id,))


def removal_rows(state: State, list_id: str, name: str, run_id: str, at: str) -> Iterator[JsonObject]:
    """The rows that settle the ids in `removed`. name: of the list, for the path of what was never captured."""
    after = ""
    while found := state.db.execute(
        "SELECT id FROM removed WHERE id > ? ORDER BY id LIMIT ?", (after, _BATCH)
    ).fetchall():
        for (item_id,) in found:
            yield from _removal(state, list_id, item_id, name, run_id, at)
            yield from _hanging(state, list_id, item_id, run_id, at)
        after = found[-1][0]


def _removal(state: State, list_id: str, item_id: str, name: str, run_id: str, at: str) -> Iterator[JsonObject]:
    row = state.item_row(list_id, item_id)
    if row is not None:
        yield settled(row, run_id, at) or row
        return
    listed = state.listed(list_id, item_id)
    if listed is not None:
        facts = {key: value for key, value in listed.items() if key not in ("deleted", "graph")}
        yield vanished({"kind": KIND, "path": f"/{name}/{item_id}", **facts}, run_id, at)


def _hanging(state: State, list_id: str, item_id: str, run_id: str, at: str) -> Iterator[JsonObject]:
    """Files of a removed item, and what could not be had of its states."""
    query = "kind IN ('attachment', 'versions') AND scope = ?"
    for row in map(load_json, list(state.rows(query, (item_scope(list_id, item_id),)))):
        is_over = row["kind"] == ATTACHMENT or row["outcome"] == Outcome.EXCEPTED
        if is_over and (found := settled(row, run_id, at)) is not None:
            yield found
