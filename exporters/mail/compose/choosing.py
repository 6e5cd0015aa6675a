"""What of a mailbox is to be composed, and the folders that it goes into.

Rules of this file: one pass over the rows, of which nothing is held; an item is chosen if no file that counts has it, or has it
of other bytes; what cannot be chosen is named. Source: design §5 (compose); docs/formats.md (bag of a mailbox).
"""

from collections.abc import Mapping

from exporters.bag.formats import JsonObject, load_json
from exporters.bag.ledger import BagWriter
from exporters.bag.state import State
from exporters.mail.compose.folders import VIEWS, Tree
from exporters.mail.compose.order import Order
from exporters.mail.compose.placed import KINDS, is_changed, is_live, placed
from exporters.mail.compose.placed_rows import PlacedRows

_KINDS = ", ".join(f"'{kind}'" for kind in KINDS)


def choose(writer: BagWriter, order: Order, rows: PlacedRows, files: Mapping[str, str] | None) -> Tree:
    """Fill `order` with what is to be composed; the tree of folders. files: name → SHA-256 of those that count, None to choose
    everything."""
    state = writer.state
    for data in state.rows(f"kind IN ({_KINDS})"):
        row = load_json(data)
        if not is_live(row):
            continue
        order.see(row)
        pst = None if files is None else placed(row, files)
        if pst is None or is_changed(row, pst):
            _add(order, rows, row)
    for data in state.rows("kind = 'stream' AND outcome = 'copied'"):
        row = load_json(data)
        if isinstance(row.get("of"), str) and isinstance(row.get("key"), str):
            order.add_stream(row["of"], row["key"])
    order.drop_empty()
    tree = Tree(
        (load_json(data) for data in state.rows("kind = 'folder' AND outcome != 'gone'")),
        archives=_archives(state, order),
        holding=frozenset(order.parents()),
        has_strays=_has_strays(state, order),
    )
    order.put_places((*parent, tree.of(*parent).ordinal) for parent in order.parents())
    return tree


def _add(order: Order, rows: PlacedRows, row: JsonObject) -> None:
    if row["outcome"] == "excepted" and row["kind"] != "message":
        return  # nothing of it was captured: an exception of the bag
    of = str(row["kind"]), str(row["scope"]), str(row["id"])
    if not rows.may_write(row):
        order.put_refused(*of, "pending", "its newest state is not captured yet")
        return
    try:
        order.add(row)
    except ValueError:
        order.put_refused(*of, "original_missing", "its key names no entry")


def _archives(state: State, order: Order) -> frozenset[str]:
    """Scopes of mailboxes of the export API that are archives: their folders say so; or nothing of what they hold is held by the
    first capture too, as all mail of the mailbox itself is."""
    folders = (load_json(data) for data in state.rows("kind = 'folder' AND scope != '' AND outcome != 'gone'"))
    told = {str(row["scope"]) for row in folders if (row.get("service") or {}).get("isArchive") is True}
    joined = {scope for (scope,) in state.db.execute("SELECT DISTINCT scope FROM rows WHERE kind = 'stream'")}
    return frozenset(told | ({scope for scope, _ in order.parents() if scope} - joined))


def _has_strays(state: State, order: Order) -> bool:
    """Whether there are items in folders of which no row tells."""
    for scope, folder in order.parents():
        row = state.row(("folder", scope, folder))
        if row is None or row["outcome"] == "gone" or (row.get("service") or {}).get("class") in VIEWS:
            return True
    return False
