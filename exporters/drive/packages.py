"""Notebooks and other packages: folders of parts, if the service lists their parts (Q-027).

Rules of this file: decided when the work of a round is done, from the tree alone; a package whose parts are not listed is an
exception, since its content is nowhere else. Source: graph.md §5.2 (`package.type`); quirk Q-027.
"""

from exporters.bag.formats import JsonObject, load_json
from exporters.bag.ledger import BagWriter
from exporters.outcomes import CAUSES, ExceptionCode, Outcome

_CODE = ExceptionCode.ONENOTE_PARTS_NOT_LISTED


def settle_packages(writer: BagWriter, scope: str, at: str) -> None:
    """Rows of packages whose outcome does not fit their parts are written anew."""
    has_parts = "EXISTS (SELECT 1 FROM tree WHERE tree.scope = rows.scope AND tree.parent = rows.id AND tree.alive = 1)"
    query = (
        f"SELECT row, outcome FROM rows WHERE kind = 'package' AND scope = ? AND {has_parts} != (outcome = 'copied')"  # noqa: S608
        " AND outcome != 'gone' AND (code IS NULL OR code != 'vanished')"
        " AND NOT EXISTS (SELECT 1 FROM owed WHERE owed.scope = rows.scope AND owed.id = rows.id)"  # its row would settle that
    )
    for data, outcome in writer.state.db.execute(query, (scope,)).fetchall():
        writer.emit("item", _judged(load_json(data), outcome != Outcome.COPIED, at, writer.run.id))


def _judged(row: JsonObject, has_parts: bool, at: str, run_id: str) -> JsonObject:
    rest = {name: value for name, value in row.items() if name not in ("code", "reason")}
    rest.update(captured=at, run=run_id)
    if has_parts:
        return {**rest, "outcome": Outcome.COPIED.value}
    return {**rest, "outcome": Outcome.EXCEPTED.value, "code": _CODE.value, "reason": CAUSES[_CODE].reason}
