"""What a round's end says about items of a mailbox that no folder lists any more.

Rules of this file: removals are decided after the round, over all folders, so that a message that was moved is not gone; if too
much vanishes at once, nothing is marked gone until a person accepts it. Source: design §4 (Whole), docs/formats.md.
"""

from collections.abc import Iterable, Iterator

from exporters.bag.formats import JsonObject, load_json
from exporters.bag.removed import add_what_lies_below, begin_removed
from exporters.bag.state import State
from exporters.mail.capture.keeping import settled_piece
from exporters.outcomes import CAUSES, ExceptionCode, Outcome

_BATCH = 500


_KIND_OF = {"messages": "message", "mail": "message", "contacts": "contact", "tasks": "task", "events": "event",
            "calendar": "event", "threads": "post"}  # fmt: skip
"""By the scope of a folder, a part of the walk, or the class of a folder: the kind of its items."""


def kinds_held_back(refused: Iterable[str]) -> frozenset[str]:
    """Kinds of which nothing may be called gone: one that is not listed where it was may be where we could not look.

    refused: scopes of folders, and parts of the walk.
    """
    return frozenset(_KIND_OF[word] for scope in refused if (word := scope.partition("/")[0]) in _KIND_OF)


def find_removed(state: State, held_back: frozenset[str] = frozenset()) -> None:
    """Fill the temporary table `removed` with the ids that the mailbox no longer has, folders' content among them. held_back:
    kinds of items of which nothing is decided, nor of the folders that hold them."""
    begin_removed(state)
    state.db.execute("INSERT INTO removed SELECT id FROM owed WHERE scope = '' AND deleted = 1")
    if held_back:
        query = "SELECT removed.id, owed.kind FROM removed JOIN owed ON owed.scope = '' AND owed.id = removed.id"
        found = [one for one, kind in state.db.execute(query) if _kind_of_items(state, one, kind) in held_back]
        state.db.executemany("DELETE FROM removed WHERE id = ?", ((one,) for one in found))
    add_what_lies_below(state, "")


def _kind_of_items(state: State, item_id: str, kind: str | None) -> str | None:
    if kind != "folder":
        return kind
    row = state.row(("folder", "", item_id)) or {}
    return _KIND_OF.get(str(row.get("service", {}).get("class")))


def removal_rows(state: State, run_id: str, at: str) -> Iterator[JsonObject]:
    """The item rows that settle the ids in `removed`: *gone* if we hold something, else *vanished*."""
    after = ""
    while batch := state.db.execute(
        "SELECT id FROM removed WHERE id > ? ORDER BY id LIMIT ?", (after, _BATCH)
    ).fetchall():
        for (item_id,) in batch:
            row = _removal(state, item_id, run_id, at)
            if row is not None:
                yield row
            yield from _unread_pieces(state, item_id, run_id, at)
        after = batch[-1][0]


def _removal(state: State, item_id: str, run_id: str, at: str) -> JsonObject | None:
    row = state.item_row("", item_id)
    if row is not None and row["outcome"] == Outcome.COPIED:
        return {**row, "outcome": Outcome.GONE.value, "since": at, "run": run_id}
    if row is not None and row["outcome"] == Outcome.GONE:
        return row
    if row is None:
        row = _as_listed(state, item_id)
    if row is None:
        return None
    code = ExceptionCode.VANISHED
    settled = {"outcome": Outcome.EXCEPTED.value, "code": code.value, "reason": CAUSES[code].reason}
    return {**row, **settled, "captured": at, "run": run_id}


def _unread_pieces(state: State, item_id: str, run_id: str, at: str) -> Iterator[JsonObject]:
    """Attachments of a removed item that could not be had, and never will be now."""
    query = "kind = 'attachment' AND scope = ? AND outcome = 'excepted' AND code != 'vanished'"
    for piece in map(load_json, list(state.rows(query, (item_id,)))):
        settled = settled_piece(piece, run_id, at)
        if settled is not None:
            yield settled


def _as_listed(state: State, item_id: str) -> JsonObject | None:
    """What stands in the ledger of an item of which nothing was ever captured."""
    found = state.db.execute("SELECT listed FROM owed WHERE scope = '' AND id = ?", (item_id,)).fetchone()
    if found is None:
        return None
    facts = load_json(found[0])
    for name in ("deleted", "graph"):
        facts.pop(name, None)
    return {"path": f"/{facts.get('name', '')}", **facts}
