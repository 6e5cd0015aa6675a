"""A fresh listing of a mailbox beside the rows of its bag: is what the tenant lists now what we hold?

Rules of this file: as in `against_tenant`: from scratch, by plain listings and not by the deltas that the bag was made with. What
is compared is which items there are and where they lie, and of events and posts their change keys (those of mail change with
every move); what only the export API reaches is not compared, and the result says how much that is.
Source: design §6 (`verify --against-tenant`); graph.md §3.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from exporters.bag.catalogue import is_group_mailbox
from exporters.bag.formats import SOURCE, JsonObject, load_json
from exporters.errors import LastcopyError, RunError
from exporters.graph.answers import text_of
from exporters.graph.mailbox import Mailbox
from exporters.graph.session import GraphSession
from exporters.mail.capture.collections import collection_of
from exporters.mail.capture.facts import id_of
from exporters.mail.capture.walk import Walker
from exporters.store.protocol import Store
from retention.against_tenant import Sides, is_live, rows_of

ITEM_KINDS = frozenset({"message", "contact", "event", "task", "post"})
_PAGE = "250"


def compare_mailbox(graph: GraphSession, store: Store, bag: str) -> JsonObject:
    """Compare; return what `compare_drive` does, and `not_compared`: how many items only the export API reaches.

    changed: of another kind, in another folder, or (events, posts) with another change key, than the row says. Raises: RunError.
    """
    is_group = is_group_mailbox(store, bag)
    mailbox = Mailbox(
        graph, str(load_json(store.read(f"{bag}/{SOURCE}"))["id"]), route="groups" if is_group else "users"
    )
    with Sides(bag) as sides:
        not_compared, recoverable = _hold(sides, rows_of(store, bag))
        try:
            for kind, folder, served in _listed(mailbox, is_group=is_group, recoverable=recoverable):
                if (item_id := id_of(served)) is not None:
                    sides.keep("now", item_id, _told(kind, folder, _key_of(served)), f"{kind} {item_id}")
        except LastcopyError as error:
            if isinstance(error, RunError):
                raise
            return {**sides.unlisted(error), "not_compared": not_compared}
        return {**sides.result(), "not_compared": not_compared}


def _hold(sides: Sides, rows: Iterator[Mapping[str, Any]]) -> tuple[int, bool]:
    """Take in the rows of the bag; how many items only the export API reaches, and whether Recoverable Items are held."""
    beyond: set[str] = set()
    recoverable = False
    for row in rows:
        if row["kind"] == "folder" and (row.get("service") or {}).get("recoverable"):
            recoverable = True
        if row["kind"] not in ITEM_KINDS:
            continue
        if row.get("scope"):
            (beyond.add if is_live(row) else beyond.discard)(row["id"])
        elif is_live(row):
            key = (row.get("service") or {}).get("changeKey")
            told = _told(row["kind"], row.get("parent"), key)
            sides.keep("held", row["id"], told, row.get("path") or f"{row['kind']} {row['id']}")
        else:
            sides.drop("held", row["id"])
    return len(beyond), recoverable


def _listed(mailbox: Mailbox, *, is_group: bool, recoverable: bool) -> Iterator[tuple[str, str, JsonObject]]:
    """(kind, id of its folder, item as served) of all items. Raises: SourceError, also if a part cannot be listed; RunError."""
    walker = Walker(mailbox, recoverable=recoverable, well_known={})
    walk = walker.group() if is_group else walker.mailbox()
    for error in walk.refused.values():
        raise error
    for facts in walk.folders.values():
        collection = collection_of(facts)
        if collection is None:
            continue
        params = {"$top": _PAGE} if collection.word == "tasks" else {"$top": _PAGE, "$select": "id,changeKey"}
        for page in mailbox.pages(collection.path.removesuffix("/delta"), params=params):
            for served in page:
                yield collection.kind, collection.folder, served


def _told(kind: str, folder: str | None, key: str | None) -> tuple[str, str | None, str | None]:
    return kind, folder, key if kind in {"event", "post"} else None


def _key_of(served: Mapping[str, Any]) -> str:
    return text_of(served.get("changeKey")) or text_of(served.get("@odata.etag")) or ""
