"""Attachments of messages and events: lists with and without content, one, its bytes, and the item inside.

Rules of this file: without `$select` a list carries every content; many contents in one answer are refused; a link to a file in
the cloud has no bytes; the id follows its owner's, so it is immutable if that is.
Source: reference/graph.md 3.4; quirks Q-045, Q-071 to Q-073.
"""

import base64
from typing import Any

from exporters.rehearsal.attached_items import item_content
from exporters.rehearsal.documents import Row
from exporters.rehearsal.mailbox_rows import Kind
from exporters.rehearsal.mailboxes import Mailbox
from exporters.rehearsal.routes.answers import ApiError, bad_request, collection, entity, identity, public
from exporters.rehearsal.routes.mail_access import (
    CALENDARS,
    LIST_OPTIONS,
    MAIL,
    Preferences,
    answer,
    exchange,
    find_item,
    find_mailbox,
    item_id,
    not_found,
    page,
    preferences,
    selected,
)
from exporters.rehearsal.routes.mail_expand import expansions
from exporters.rehearsal.routes.query import parse_query, selection
from exporters.rehearsal.routes.router import Call, Route
from exporters.rehearsal.wire import Response

_ITEM = "microsoft.graph.itemattachment/item"
_FILE = "#microsoft.graph.fileAttachment"
_BASE = frozenset({"@odata.type", "id", "name", "contentType", "size", "isInline", "lastModifiedDateTime"})


def routes() -> list[Route]:
    """The routes of attachments."""
    found = []
    for owner, roles in (
        ("users/{user}/messages/{message}", MAIL),
        ("users/{user}/mailFolders/{folder}/messages/{message}", MAIL),
        ("users/{user}/events/{event}", CALENDARS),
        ("users/{user}/calendars/{calendar}/events/{event}", CALENDARS),
    ):
        found += [
            exchange(f"{owner}/attachments", attachments, roles),
            exchange(f"{owner}/attachments/{{attachment}}", attachment, roles),
            exchange(f"{owner}/attachments/{{attachment}}/$value", value, roles),
        ]
    return found


def _owner(call: Call) -> tuple[Mailbox, Kind, int, Row]:
    box = find_mailbox(call)
    kind: Kind = "message" if "message" in call.names else "event"
    n, row = find_item(box, kind, call.names[kind])
    return box, kind, n, row


def _id_of(row: Row, one: Row, owner_id: str) -> str:
    """The id of an attachment under the id of its owner; what tells it apart is the end of the data's own."""
    return owner_id[:-1] + str(one["id"])[len(row["id"]) - 1 :]


def _shown(call: Call, one: Row, own_id: str, names: tuple[str, ...] | None) -> Row:
    found: Row = {**public(one), "id": own_id}
    found.pop("item", None)
    if found.get("@odata.type") != _FILE:
        return selected({key: value for key, value in found.items() if key in _BASE}, names)
    found["@odata.mediaContentType"] = one.get("contentType")
    found.setdefault("contentLocation", None)
    if names is None or "contentBytes" in names:
        found["contentBytes"] = base64.b64encode(_content(call, one)).decode()
    return selected(found, names)


def _content(call: Call, one: Row) -> bytes:
    reference: dict[str, Any] | None = one.get("_c")
    return b"" if reference is None else call.service.tenant.content.read(reference, 0, int(reference["len"]))


def listed_attachments(
    call: Call, box: Mailbox, kind: Kind, n: int, wants: Preferences, options: dict[str, str]
) -> list[Row]:
    """All attachments of an item, for `$expand`. Raises ApiError 429 for too many contents at once, 400."""
    if unknown := set(options) - {"$select"}:
        raise bad_request(f"{', '.join(unknown)} inside of $expand=attachments is not served here.")
    row = box.row(kind, n)
    names = selection(options, "fileAttachment")
    _refuse_many(call, row, names)
    owner_id = item_id(box, kind, n, wants)
    return [_shown(call, one, _id_of(row, one, owner_id), names) for one in row.get("_attachments", ())]


def _refuse_many(call: Call, row: Row, names: tuple[str, ...] | None) -> None:
    many = len(row.get("_attachments", ())) > call.service.settings.expanded_attachments
    if many and (names is None or "contentBytes" in names):
        raise ApiError(429, "ErrorTooManyObjectsOpened", "Too many objects opened.")


def attachments(call: Call) -> Response:
    parameters, wants = parse_query(call.request.query, LIST_OPTIONS), preferences(call)
    names = selection(parameters, "fileAttachment")
    asked = expansions(parameters.get("$expand"))
    box, kind, n, row = _owner(call)
    _refuse_many(call, row, names)
    owner_id, found = item_id(box, kind, n, wants), row.get("_attachments", ())
    served, following = page(call, {"$top": "1000", **parameters}, range(len(found)))
    rows = []
    for place in served:
        shown = _shown(call, found[place], _id_of(row, found[place], owner_id), names)
        rows.append(_with_item(call, shown, found[place], asked))
    context = f"users('{call.names['user']}')/{kind}s('x')/attachments"
    return answer(call, collection(call.service.root, context, rows, next=following), wants)


def _find(call: Call) -> tuple[Row, str, Preferences]:
    wants = preferences(call)
    box, kind, n, row = _owner(call)
    known = (str(row["id"]), box.rows[kind].immutable_id(n, row))
    for one in row.get("_attachments", ()):
        if call.names["attachment"] in [_id_of(row, one, owner_id) for owner_id in known]:
            return one, _id_of(row, one, item_id(box, kind, n, wants)), wants
    raise not_found()


def attachment(call: Call) -> Response:
    parameters = parse_query(call.request.query, {"$select", "$expand"})
    names = selection(parameters, "fileAttachment")
    one, own_id, wants = _find(call)
    found = _with_item(call, _shown(call, one, own_id, names), one, expansions(parameters.get("$expand")))
    context = f"users('{call.names['user']}')/messages('x')/attachments/$entity"
    return answer(call, entity(call.service.root, context, found), wants)


def _with_item(call: Call, shown: Row, one: Row, asked: dict[str, dict[str, str]]) -> Row:
    """With the attached item, and its own attachments if they are asked for: one level inside."""
    for name, options in asked.items():
        if name.lower() != _ITEM:
            raise bad_request(f"$expand={name} is not served on attachments here.")
        if "item" in one:
            item: Row = {"id": "", **public(one["item"])}
            if options.get("$expand", "").lower() in ("attachments", "microsoft.graph.message/attachments"):
                inside = one["item"].get("_attachments", ())
                item["attachments"] = [_shown(call, deep, str(deep.get("id", "")), None) for deep in inside]
            shown["item"] = item
    return shown


def value(call: Call) -> Response:
    """Bytes of a file; MIME, iCalendar or vCard of an item; nothing of a link."""
    parse_query(call.request.query, set())
    one, _, _ = _find(call)
    headers = {"OData-Version": "4.0", **identity(call.request)}
    if "item" in one:
        data, kind = item_content(one["item"], call.service.tenant.content)
        return Response(200, data, {"Content-Type": kind, **headers})
    if one.get("@odata.type") != _FILE:
        raise ApiError(405, "ErrorInvalidRequest", "A reference attachment has no content.")
    headers["Content-Type"] = str(one.get("contentType") or "application/octet-stream")
    reference = one.get("_c")
    if reference is None:
        return Response(200, b"", headers)
    length = int(reference["len"])
    pieces = call.service.tenant.content.pieces(reference, 0, length)
    return Response(200, headers=headers, stream=pieces, length=length)
