"""The truth of a mailbox at the moment, for judges: what an export made now must hold.

Rules of this file: read from the rows and the log's outcome, never from an answer; nothing here is served to clients.
"""

from collections.abc import Iterator

from exporters.rehearsal.documents import Row
from exporters.rehearsal.mailboxes import Mailbox

_SEARCH = "#microsoft.graph.mailSearchFolder"


def mailbox_truth(box: Mailbox) -> Iterator[Row]:
    """One row a live thing, with `kind`: folder, message, event, contact, task, and the lists they lie in.

    All have `id` and, where there is one, `immutableId`. Folders and messages have `folder`: display names from the top of the
    mailbox down, as a list. Messages have `sha256` and `size` of the MIME; `readable` is false for what gives no MIME.
    The rest of a row is under `row`, `_` keys included.
    """
    for n in box.live("folder"):
        row = box.row("folder", n)
        yield {
            "kind": "folder",
            "id": row["id"],
            "folder": folder_path(box, n),
            "search": row.get("@odata.type") == _SEARCH,
            "hidden": bool(row.get("isHidden")),
            "wellKnownName": row.get("_wellKnownName"),
            "messages": len(box.members("message", n)),
        }
    for n in box.live("message"):
        yield _message(box, n)
    for kind in ("calendar", "event", "contactFolder", "contact", "list", "task"):
        for n in box.live(kind):
            row = box.row(kind, n)
            yield {"kind": kind, "id": row["id"], "immutableId": box.rows[kind].immutable_id(n, row), "row": row}


def folder_path(box: Mailbox, n: int) -> list[str]:
    """Display names from the top down, the top left out."""
    names: list[str] = []
    while n >= 0 and n != box.named.get("msgfolderroot"):
        names.append(str(box.row("folder", n)["displayName"]))
        n = box.place("folder", n)
    return names[::-1]


def _message(box: Mailbox, n: int) -> Row:
    row = box.row("message", n)
    return {
        "kind": "message",
        "id": row["id"],
        "immutableId": box.rows["message"].immutable_id(n, row),
        "folder": folder_path(box, box.place("message", n)),
        "sha256": row["_mime"]["sha256"],
        "size": row["_mime"]["len"],
        "readable": not (row.get("_goneAfterListing") or "smime-opaque" in row.get("_traits", ())),
        "row": row,
    }
