"""Mail folders: the two listings that differ, their tree, their delta, and inbox rules.

Rules of this file: hidden folders are shown where they are asked for, on each level anew; folders are found by id or by their
well-known name; a search folder shows what lies elsewhere. Counts are those of the moment.
Source: reference/graph.md 3.2, 3.6; quirks Q-008, Q-066 to Q-069.
"""

import hashlib
import uuid
from collections.abc import Sequence

from exporters.rehearsal.documents import Row
from exporters.rehearsal.mailboxes import Mailbox
from exporters.rehearsal.routes.answers import ApiError, bad_request, collection, entity, public
from exporters.rehearsal.routes.mail_access import (
    LIST_OPTIONS,
    MAIL_FOLDERS,
    MAILBOX_SETTINGS,
    Preferences,
    answer,
    exchange,
    find_item,
    find_mailbox,
    not_found,
    page,
    preferences,
    selected,
)
from exporters.rehearsal.routes.mail_delta import Listing, delta
from exporters.rehearsal.routes.mail_expand import MULTI, SINGLE, expansions, with_extended
from exporters.rehearsal.routes.mail_filters import chosen
from exporters.rehearsal.routes.query import parse_query, selection
from exporters.rehearsal.routes.router import Call, Route
from exporters.rehearsal.wire import Response

_HIDDEN = "includeHiddenFolders"
_SEARCH = "#microsoft.graph.mailSearchFolder"
_SEARCHED = 200  # messages of the Inbox that a search folder looks through
_ONLY_BELOW = {"conversationhistory", "syncissues"}  # top folders that `/mailFolders` does not have


def routes() -> list[Route]:
    """The routes of folders."""
    top = "users/{user}/mailFolders"
    return [
        exchange(top, top_folders, MAIL_FOLDERS),
        exchange(f"{top}/delta", folders_delta, MAIL_FOLDERS),
        exchange(f"{top}/delta()", folders_delta, MAIL_FOLDERS),
        exchange(f"{top}/{{folder}}", folder, MAIL_FOLDERS),
        exchange(f"{top}/{{folder}}/childFolders", child_folders, MAIL_FOLDERS),
        exchange(f"{top}/{{folder}}/messageRules", message_rules, MAILBOX_SETTINGS),
    ]


def find_folder(call: Call, box: Mailbox) -> int:
    """The folder of the path, by id or well-known name. Raises ApiError 404, 400."""
    name = call.names["folder"]
    if name.lower() in box.named:
        n = box.named[name.lower()]
        if n in box.rows["folder"].gone:
            raise not_found()
        return n
    if name.isalpha() and len(name) < 40:
        raise not_found()
    return find_item(box, "folder", name)[0]


def is_search(box: Mailbox, n: int) -> bool:
    """Whether a folder is a view of messages that live elsewhere."""
    return box.row("folder", n).get("@odata.type") == _SEARCH


def messages_in(box: Mailbox, n: int) -> Sequence[int]:
    """Messages that a folder lists: its own, or for a search folder unread ones of the Inbox."""
    if not is_search(box, n):
        return box.members("message", n)
    inbox = box.members("message", box.named["inbox"])[:_SEARCHED]
    return [m for m in inbox if not box.row("message", m).get("isRead")]


def folder_row(box: Mailbox, n: int) -> Row:
    """A folder as the service shows it at the moment."""
    row = {key: value for key, value in public(box.row("folder", n)).items() if key != "sizeInBytes"}
    row["childFolderCount"] = len(box.members("folder", n))
    if is_search(box, n):
        found = messages_in(box, n)
        return row | {
            "totalItemCount": len(found),
            "unreadItemCount": len(found),
            "isSupported": True,
            "includeNestedFolders": True,
            "sourceFolderIds": [box.row("folder", box.named["inbox"])["id"]],
            "filterQuery": "isRead eq false",
        }
    return row | {"totalItemCount": len(box.members("message", n)), "unreadItemCount": box.unread(n)}


def _shown(call: Call, box: Mailbox, n: int, options: dict[str, str]) -> Row:
    names = selection(options, "mailSearchFolder")
    asked = expansions(options.get("$expand"))
    if unknown := set(asked) - {SINGLE, MULTI, "childFolders"}:
        raise bad_request(f"$expand={', '.join(unknown)} is not served on folders here.")
    row = selected(folder_row(box, n), names)
    if "childFolders" in asked:
        row["childFolders"] = [folder_row(box, child) for child in _visible(box, n, options)]
    return with_extended(row, asked, call.service.tenant.content, box, "folder", n)


def _visible(box: Mailbox, n: int, options: dict[str, str]) -> list[int]:
    hidden = options.get(_HIDDEN, "false").lower() == "true"
    return [child for child in box.members("folder", n) if hidden or not box.row("folder", child).get("isHidden")]


def _listed(
    call: Call, box: Mailbox, numbers: Sequence[int], parameters: dict[str, str], wants: Preferences
) -> Response:
    numbers = chosen(parameters, numbers, lambda n: folder_row(box, n), "mailFolder")
    served, following = page(call, parameters, numbers)
    rows = [_shown(call, box, n, parameters) for n in served]
    context = f"users('{call.names['user']}')/mailFolders"
    return answer(call, collection(call.service.root, context, rows, next=following), wants)


def top_folders(call: Call) -> Response:
    parameters, wants = parse_query(call.request.query, LIST_OPTIONS | {_HIDDEN}), preferences(call)
    box = find_mailbox(call)
    numbers = _visible(box, box.named["msgfolderroot"], parameters)
    if call.service.settings.odd_folders:
        numbers = [n for n in numbers if box.row("folder", n).get("_wellKnownName") not in _ONLY_BELOW]
    return _listed(call, box, numbers, parameters, wants)


def child_folders(call: Call) -> Response:
    parameters, wants = parse_query(call.request.query, LIST_OPTIONS | {_HIDDEN}), preferences(call)
    box = find_mailbox(call)
    return _listed(call, box, _visible(box, find_folder(call, box), parameters), parameters, wants)


def folder(call: Call) -> Response:
    parameters, wants = parse_query(call.request.query, {"$select", "$expand", _HIDDEN}), preferences(call)
    box = find_mailbox(call)
    row = _shown(call, box, find_folder(call, box), parameters)
    context = f"users('{call.names['user']}')/mailFolders/$entity"
    return answer(call, entity(call.service.root, context, row), wants)


def folders_delta(call: Call) -> Response:
    """All folders below the root, flat, hidden ones too; the root is not among them."""
    options = frozenset({"$select", "$expand", "$top"})
    parameters = parse_query(call.request.query, options | {"$deltatoken", "$skiptoken", _HIDDEN})
    box = find_mailbox(call)
    listing = Listing(
        box=box,
        kind="folder",
        place=None,
        name="mailFolder",
        rows=lambda n, given, _: [_shown(call, box, n, given)],
        numbers=lambda until: range(box.rows["folder"].count),
        there=set(box.below_root()).__contains__,
        options=options,
    )
    return delta(call, listing, parameters)


def message_rules(call: Call) -> Response:
    """Of the Inbox only."""
    parameters, wants = parse_query(call.request.query, LIST_OPTIONS), preferences(call)
    names = selection(parameters, "messageRule")
    box = find_mailbox(call)
    if find_folder(call, box) != box.named["inbox"]:
        raise ApiError(400, "ErrorInvalidRequest", "Rules are those of the Inbox.")
    rules = rules_of(box)
    served, following = page(call, parameters, range(len(rules)))
    context = f"users('{call.names['user']}')/mailFolders('inbox')/messageRules"
    rows = [selected(rules[n], names) for n in served]
    return answer(call, collection(call.service.root, context, rows, next=following), wants)


def rules_of(box: Mailbox) -> list[Row]:
    """Two rules that follow from the mailbox; the data has none."""
    archive = box.row("folder", box.named["archive"])["id"] if "archive" in box.named else None
    stop = {"stopProcessingRules": True}
    parts: list[tuple[str, Row, Row]] = [
        ("Remove offers", {"subjectContains": ["enter to win"]}, {"delete": True, **stop}),
        ("File the newsletters", {"senderContains": ["newsletter"]}, {"moveToFolder": archive, "markAsRead": True}),
    ]
    return [
        {
            "id": "AQAA" + uuid.UUID(bytes=hashlib.sha256(f"{box.folder}|rule|{n}".encode()).digest()[:16]).hex[:12],
            "displayName": name,
            "sequence": n,
            "isEnabled": n == 1,
            "hasError": False,
            "isReadOnly": False,
            "conditions": conditions,
            "actions": actions,
        }
        for n, (name, conditions, actions) in enumerate(parts, 1)
    ]
