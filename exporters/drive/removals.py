"""What a round's end says about items that are no longer listed.

Rules of this file: removals are decided after the round, over all folders; a round that was not whole removes nothing; if too
much vanishes at once, nothing is marked gone until a person accepts it. Source: design §4 (Whole), graph.md §5.2 (deleted).
"""

from collections.abc import Iterator

from exporters.bag.formats import LISTED_KINDS, JsonObject, load_json
from exporters.bag.ledger import BagWriter
from exporters.bag.removed import add_what_lies_below, begin_removed
from exporters.bag.state import State
from exporters.drive.scope import Scope
from exporters.drive.tree import Tree
from exporters.outcomes import CAUSES, ExceptionCode, Outcome

_KINDS = ", ".join(f"'{kind}'" for kind in sorted(LISTED_KINDS))
_VANISHED = {
    "outcome": Outcome.EXCEPTED.value,
    "code": ExceptionCode.VANISHED.value,
    "reason": CAUSES[ExceptionCode.VANISHED].reason,
}


def find_removed(state: State, scope: str, *, full: bool) -> None:
    """Fill the temporary table `removed` with the ids that the source no longer has, folders' content among them."""
    db = state.db
    begin_removed(state)
    db.execute("INSERT INTO removed SELECT id FROM owed WHERE scope = ? AND deleted = 1", (scope,))
    if full:
        db.execute(
            "INSERT OR IGNORE INTO removed SELECT id FROM tree WHERE scope = ? AND alive = 1"
            " AND NOT EXISTS (SELECT 1 FROM seen WHERE seen.scope = tree.scope AND seen.id = tree.id)",
            (scope,),
        )
        _keep_folders_of_what_is_listed(state, scope)
    add_what_lies_below(state, scope)


def _keep_folders_of_what_is_listed(state: State, scope: str) -> None:
    """A folder whose content was listed in this very round is there, though its own row did not come."""
    state.db.execute(
        "WITH RECURSIVE above(id) AS (SELECT tree.parent FROM seen JOIN tree ON tree.scope = seen.scope"
        "  AND tree.id = seen.id WHERE seen.scope = ? AND tree.parent IN (SELECT id FROM removed)"
        "  UNION SELECT tree.parent FROM above JOIN tree ON tree.scope = ? AND tree.id = above.id"
        "  WHERE tree.parent IN (SELECT id FROM removed))"
        " DELETE FROM removed WHERE id IN (SELECT id FROM above)"
        "  AND id NOT IN (SELECT id FROM owed WHERE scope = ? AND deleted = 1)",
        (scope, scope, scope),
    )


def write_down_removed(writer: BagWriter, scope: str) -> None:
    """Ids in `removed` become owed removals, as if the service had listed them so: what is decided of them later, or in another
    run, needs no memory of this round."""
    state, after = writer.state, ""
    query = (
        "SELECT id FROM removed WHERE id > ? AND NOT EXISTS (SELECT 1 FROM owed WHERE owed.scope = ? AND owed.id = removed.id"
        " AND owed.deleted = 1) ORDER BY id LIMIT 500"
    )
    while batch := state.db.execute(query, (after, scope)).fetchall():
        rows = [{**_of_node(state, scope, item_id), "deleted": True} for (item_id,) in batch]
        writer.emit_all([("listed", row) for row in rows])
        after = batch[-1][0]


def removal_rows(state: State, scope: Scope, run_id: str, at: str) -> Iterator[JsonObject]:
    """The item rows that settle the ids in `removed`: *gone* if we hold something, else *vanished*."""
    after, tree, drive = "", Tree(state, scope), scope.drive
    while batch := state.db.execute("SELECT id FROM removed WHERE id > ? ORDER BY id LIMIT 500", (after,)).fetchall():
        for (item_id,) in batch:
            row = _removal(state, drive, item_id, run_id, at)
            if row is not None:
                row.setdefault("path", tree.path(item_id) or tree.lost(row.get("parent"), row.get("name", "")))
                yield row
            yield from _hanging(state, drive, item_id, run_id, at)
        after = batch[-1][0]


def _removal(state: State, scope: str, item_id: str, run_id: str, at: str) -> JsonObject | None:
    row = state.item_row(scope, item_id)
    if row is not None and row["outcome"] == Outcome.COPIED:
        return {**row, "outcome": Outcome.GONE.value, "since": at, "run": run_id}
    if row is None:
        found = state.db.execute(
            "SELECT listed, deleted FROM owed WHERE scope = ? AND id = ?", (scope, item_id)
        ).fetchone()
        row = load_json(found[0]) if found is not None else _of_node(state, scope, item_id)
        row.pop("deleted", None)
        row.setdefault("kind", "file")
    elif row["outcome"] == Outcome.GONE:
        return row
    return {**row, **_VANISHED, "captured": at, "run": run_id}


def _hanging(state: State, scope: str, item_id: str, run_id: str, at: str) -> Iterator[JsonObject]:
    """What could not be had of an item and never will be now: its versions, who could see it."""
    query = (
        "outcome = 'excepted' AND code != 'vanished'"
        " AND ((kind IN ('version', 'versions') AND scope = ?) OR (kind = 'permission' AND scope = ? AND id = ?))"
    )
    for data in list(state.rows(query, (item_id, scope, item_id))):
        yield {**load_json(data), **_VANISHED, "captured": at, "run": run_id}


def _of_node(state: State, scope: str, item_id: str) -> JsonObject:
    node = state.node(scope, item_id)
    parent, name, kind, _ = node or (None, "", "file", False)
    return {"kind": kind, "scope": scope, "id": item_id, "parent": parent, "name": name}


def of_former_kind(row: JsonObject, run_id: str, at: str) -> JsonObject | None:
    """What becomes of the row of an item that is of another kind now: *gone* (a file that became a package), or *vanished* if
    nothing of it was ever held (what the service could not name at first). None if it is either already.

    To be written after the row of the new kind: any item row settles what is owed of that id.
    """
    if row["outcome"] == Outcome.GONE or row.get("code") == ExceptionCode.VANISHED:
        return None
    if row["outcome"] == Outcome.COPIED:
        return {**row, "outcome": Outcome.GONE.value, "since": at, "run": run_id}
    return {**row, **_VANISHED, "captured": at, "run": run_id}


def settle_kind_changes(writer: BagWriter, scope: str, at: str) -> None:
    """Rows of another kind than the item has now, where a run was cut off between the new row and the old one.

    Reads the whole state: only where a run goes on after another.
    """
    query = (
        f"SELECT rows.row FROM rows JOIN tree ON tree.scope = rows.scope AND tree.id = rows.id"  # noqa: S608
        f" WHERE rows.scope = ? AND rows.kind IN ({_KINDS}) AND rows.kind != tree.kind AND tree.alive = 1"
        " AND rows.outcome != 'gone' AND (rows.code IS NULL OR rows.code != 'vanished')"
        " AND EXISTS (SELECT 1 FROM rows AS new WHERE new.kind = tree.kind AND new.scope = tree.scope AND new.id = tree.id)"
    )
    for (data,) in writer.state.db.execute(query, (scope,)).fetchall():
        row = of_former_kind(load_json(data), writer.run.id, at)
        if row is not None:
            writer.emit("item", row)
