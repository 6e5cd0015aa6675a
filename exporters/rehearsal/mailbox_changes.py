"""Changes to mailboxes while they are served: the rows of changes.jsonl, and operations of our own.

Rules of this file: an id that is no longer there does nothing; dates follow from the number of the change, so that the same
changes give the same mailbox. A message keeps its number through all moves, so a change finds it by its first id as well.
Of the data: message `move`, `move-back`, `delete`, `update`. Our own: message `copy` {to}, `vanish`; folder `create` {name, to},
`rename` {name}, `move` {to}, `delete`; event, contact and task `create` {row, to}, `update` {set}, `delete`; calendar,
contactFolder and list `update` {set}, `delete`, with what lies in them; mailbox
`move-server`: every delta state is lost (Q-002), and `deactivate`: held or soft-deleted from here on (Q-057; done in `changes`).
Source: reference/tenant-data.md, "Changes".
"""

from exporters.rehearsal.documents import Row
from exporters.rehearsal.mailbox_rows import NUMBERS, IdError, Kind, read_id
from exporters.rehearsal.mailboxes import PARENTS, Mailbox

_PLACES = frozenset({"folder", "calendar", "contactFolder", "list"})
KINDS: frozenset[str] = _PLACES | {"message", "event", "contact", "task", "mailbox"}


def apply_to_mailbox(box: Mailbox, change: Row, op: str, at: str) -> bool:
    """Do one change; whether it did something. at: its date. Raises KeyError for a field or an operation that lacks."""
    kind = change["kind"]
    if kind == "mailbox":
        if op != "move-server":
            raise KeyError(op)
        box.generation += 8
        return True
    with box.lock:
        if op == "create":
            return _create(box, kind, change, at)
        n = _number(box, kind, str(change["id"]))
        return n is not None and _apply(box, kind, n, op, change, at)


def _number(box: Mailbox, kind: Kind, item_id: str) -> int | None:
    """The live item that has or had this id."""
    try:
        number, user, n = read_id(item_id)
    except IdError:
        return None
    rows = box.rows[kind]
    fits = number == NUMBERS[kind] and user == box.user and n < rows.count and n not in rows.gone
    return n if fits else None


def _place(box: Mailbox, kind: Kind, item_id: str) -> int | None:
    above = PARENTS[kind][1]
    return box.named.get(item_id) if item_id in box.named and above == "folder" else _number(box, above, item_id)


def _apply(box: Mailbox, kind: Kind, n: int, op: str, change: Row, at: str) -> bool:
    if op in ("move", "move-back", "copy"):
        place = _place(box, kind, str(change["to"]))
        return place is not None and _transfer(box, kind, n, op, place, change, at)
    row = box.row(kind, n)
    if op in ("update", "rename"):
        changed = change["set"] if op == "update" else {"displayName": change["name"]}
        dated = {} if kind in _PLACES else {"lastModifiedDateTime": at}
        box.update(kind, n, {**row, **changed, **dated}, change)
    elif op == "delete":
        box.remove(kind, n, change)
    elif op == "vanish":  # listed still, but no longer to be read
        box.rows[kind].overlay[n] = {**row, "_goneAfterListing": True}
    else:
        raise KeyError(op)
    return True


def _transfer(box: Mailbox, kind: Kind, n: int, op: str, place: int, change: Row, at: str) -> bool:
    before = box.place(kind, n)
    if op == "copy":
        kept = {key: value for key, value in box.row(kind, n).items() if key not in ("id", "_immutableId")}
        box.add(kind, {**kept, "createdDateTime": at, "lastModifiedDateTime": at}, place, change)
        return True
    if (op == "move" and place == before) or (kind == "folder" and place in (n, *_above(box, place))):
        return False
    box.move(kind, n, place, change)
    if op == "move-back":
        box.move(kind, n, before, change)
    return True


def _above(box: Mailbox, folder: int) -> list[int]:
    found: list[int] = []
    while (folder := box.place("folder", folder)) >= 0:
        found.append(folder)
    return found


def _create(box: Mailbox, kind: Kind, change: Row, at: str) -> bool:
    place = _place(box, kind, str(change["to"]))
    if place is None:
        return False
    if kind == "folder":
        row = {"displayName": change["name"], "isHidden": False, "unreadItemCount": 0, "_wellKnownName": None}
    else:
        row = {"createdDateTime": at, "lastModifiedDateTime": at, **change["row"]}
    box.add(kind, row, place, change)
    return True
