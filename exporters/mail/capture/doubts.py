"""Listings that leave out what is there: how that is noticed where the service tells no count.

Rules of this file: asks the service, writes nothing. What a listing from the start does not bring is asked for by its id before
it counts as gone: a few of very many tell enough. A deleted event may still be had by its id (it lies in Deleted Items), so an
event's absence is believed unless nearly all of a calendar is absent; the caller lists calendars twice. Messages have counts.
Source: design §2.3, §4 (Whole), docs/decisions/0047.
"""

from collections.abc import Sequence

from exporters.bag.state import State
from exporters.errors import ItemError
from exporters.graph.answers import identifier_of
from exporters.graph.calls import segment
from exporters.graph.errors import NotFoundError, UserNotFoundError
from exporters.graph.mailbox import Mailbox
from exporters.mail.capture.collections import Collection
from exporters.mail.capture.exceptions import incomplete
from exporters.mail.capture.walk import CONTACTS

SAMPLE = 20
_FEW, _MANY = 3, 10  # events of a calendar that was emptied, or lost more than half
_MISSED = (
    "FROM tree WHERE scope = '' AND parent = ? AND alive = 1 AND kind = ? AND NOT EXISTS"
    " (SELECT 1 FROM seen WHERE seen.scope = ? AND seen.id = tree.id)"
)


def missed(state: State, collection: Collection, most: int) -> list[tuple[str, bytes]]:
    """(id, name) of what lies in a folder as far as we know, and what its listing from the start has not brought."""
    values = (*_values(collection), most)
    return list(state.db.execute(f"SELECT id, name {_MISSED} LIMIT ?", values))


def is_odd(state: State, collection: Collection) -> bool:
    """Whether a listing from the start brought nothing, or not all that we know of."""
    return not _seen(state, collection) or bool(missed(state, collection, 1))


def confirm(mailbox: Mailbox, state: State, collection: Collection) -> None:
    """A listing from the start has ended: doubt what it did not bring. Raises: SourceError (listing_incomplete), other
    GraphErrors, RunError."""
    if collection.word == "messages":
        return
    seen = _seen(state, collection)
    missing = [item_id for item_id, _ in missed(state, collection, SAMPLE)]
    if missing:
        number = state.count(f"SELECT count(*) {_MISSED}", _values(collection))
        _confirm_missing(mailbox, collection, missing, number, seen)
    elif not seen:
        _confirm_empty(mailbox, collection)


def _seen(state: State, collection: Collection) -> int:
    return state.count("SELECT count(*) FROM seen WHERE scope = ?", (collection.scope,))


def _values(collection: Collection) -> tuple[str, str, str]:
    return collection.folder, collection.kind, collection.scope


def _confirm_missing(mailbox: Mailbox, collection: Collection, missing: Sequence[str], number: int, seen: int) -> None:
    """missing: some of the ids; number: of all of them; seen: how many the listing brought."""
    if collection.word == "events":
        is_odd = number >= _FEW if not seen else number >= _MANY and number > seen
        if not is_odd or not all(_is_there(mailbox, collection, one) for one in missing):
            return
    elif not any(_is_there(mailbox, collection, one) for one in missing):
        return
    raise incomplete("A listing leaves out items that are there.")


def _confirm_empty(mailbox: Mailbox, collection: Collection) -> None:
    """Ask for one item in another way; a thread always has a post."""
    if collection.word == "threads":
        raise incomplete("A listing is empty, and a thread is not.")
    if collection.word not in {"contacts", "tasks"}:
        return
    for page in mailbox.pages(collection.plain_path, params={"$top": "1"}):
        if page:
            raise incomplete("A listing is empty, and the folder is not.")


def _is_there(mailbox: Mailbox, collection: Collection, item_id: str) -> bool:
    """Whether an item is where the listing should have found it."""
    folder, item = segment(collection.folder), segment(item_id)
    path, params = {
        "contacts": (f"/contacts/{item}", {"$select": "id,parentFolderId"}),
        "events": (f"/events/{item}", {"$select": "id"}),
        "tasks": (f"/todo/lists/{folder}/tasks/{item}", None),
        "threads": (f"/threads/{folder}/posts/{item}", None),
    }[collection.word]
    try:
        served = mailbox.get(path, params=params)
    except UserNotFoundError:
        raise
    except NotFoundError:
        return False
    except ItemError:
        return True  # it is refused, so it is there
    if collection.word != "contacts":
        return True
    return collection.folder != CONTACTS and identifier_of(served.get("parentFolderId")) == collection.folder
