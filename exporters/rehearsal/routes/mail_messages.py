"""Messages: lists of a folder and of the mailbox, delta of a folder, one message, and its MIME.

Rules of this file: what is large is served when it is asked for and streamed; `$value` works on the short path only; the list of
the whole mailbox has Deleted Items too, and nothing of Recoverable Items.
Source: reference/graph.md 3.3; quirks Q-002, Q-008, Q-010, Q-070, Q-074, Q-075, Q-077.
"""

import html
import re
from collections.abc import Sequence

from exporters.rehearsal.documents import Row
from exporters.rehearsal.mailboxes import Mailbox
from exporters.rehearsal.mime_streams import header_lines, mime_pieces
from exporters.rehearsal.routes.answers import ApiError, bad_request, collection, entity, identity
from exporters.rehearsal.routes.mail_access import (
    LIST_OPTIONS,
    MAIL,
    Preferences,
    answer,
    exchange,
    find_item,
    find_mailbox,
    page,
    preferences,
    selected,
    shown,
)
from exporters.rehearsal.routes.mail_attachments import listed_attachments
from exporters.rehearsal.routes.mail_delta import Listing, delta
from exporters.rehearsal.routes.mail_expand import MULTI, SINGLE, expansions, with_extended
from exporters.rehearsal.routes.mail_filters import chosen, filtered
from exporters.rehearsal.routes.mail_folders import find_folder, is_search, messages_in
from exporters.rehearsal.routes.query import parse_query, selection
from exporters.rehearsal.routes.router import Call, Route
from exporters.rehearsal.wire import Response

_ONLY_WHEN_ASKED = ("internetMessageHeaders", "uniqueBody", "conversationIndex")
_DELTA_OPTIONS = frozenset({"$select", "$top", "$expand", "$filter", "$orderby", "changeType"})
_FILTER_MOST = 5000  # messages that a filtered delta gives
_TAG = re.compile(r"<[^>]*>")


def routes() -> list[Route]:
    """The routes of messages."""
    within, alone = "users/{user}/mailFolders/{folder}/messages", "users/{user}/messages"
    return [
        exchange(within, folder_messages, MAIL),
        exchange(f"{within}/delta", messages_delta, MAIL),
        exchange(f"{within}/delta()", messages_delta, MAIL),
        exchange(f"{within}/{{message}}", message, MAIL),
        exchange(f"{within}/{{message}}/$value", no_value_here, MAIL),
        exchange(alone, all_messages, MAIL),
        exchange(f"{alone}/{{message}}", message, MAIL),
        exchange(f"{alone}/{{message}}/$value", value, MAIL),
    ]


def message_row(call: Call, box: Mailbox, n: int, options: dict[str, str], wants: Preferences) -> Row:
    """A message as the service shows it, with what `$select` and `$expand` ask for. Raises ApiError 400."""
    names = selection(options, "eventMessage" if "@odata.type" in box.row("message", n) else "message")
    asked = expansions(options.get("$expand"))
    if unknown := set(asked) - {SINGLE, MULTI, "attachments"}:
        raise bad_request(f"$expand={', '.join(unknown)} is not served on messages here.")
    found = shown(box, "message", n, wants)
    if wants.body is not None and found.get("body"):
        found["body"] = _body_as(wants.body, found["body"])
    if names is not None and "internetMessageHeaders" in names:
        found["internetMessageHeaders"] = _headers(call, box.row("message", n))
    if names is not None and "uniqueBody" in names:
        found["uniqueBody"] = found.get("body")
    row = selected(found, names, _ONLY_WHEN_ASKED)
    if "attachments" in asked:
        row["attachments"] = listed_attachments(call, box, "message", n, wants, asked["attachments"])
    return with_extended(row, asked, call.service.tenant.content, box, "message", n)


def _body_as(kind: str, body: Row) -> Row:
    is_html = str(body.get("contentType")).lower() == "html"
    text = str(body.get("content") or "")
    if kind == "text" and is_html:
        return {"contentType": "text", "content": html.unescape(_TAG.sub("", text)).strip()}
    if kind == "html" and not is_html:
        return {"contentType": "html", "content": f"<html><body><pre>{html.escape(text)}</pre></body></html>"}
    return body


def _headers(call: Call, row: Row) -> list[Row]:
    """The header of the MIME, unfolded; drafts have none."""
    if row.get("isDraft") or "_mime" not in row:
        return []
    text = header_lines(call.service.tenant.content, row["_mime"]).decode("utf-8", "replace")
    unfolded = re.sub(r"\r?\n(?=[ \t])", "", text)
    parts = [line.partition(":") for line in unfolded.splitlines()]
    return [{"name": name, "value": value.strip()} for name, colon, value in parts if colon]


# -------------------------------------------------------------------------------------------------------- lists


def _listed(call: Call, box: Mailbox, numbers: Sequence[int], context: str) -> Response:
    parameters = parse_query(call.request.query, LIST_OPTIONS | {"includeHiddenMessages"})
    wants = preferences(call)
    numbers = chosen(parameters, numbers, lambda n: box.row("message", n), "message")
    served, following = page(call, parameters, numbers)
    rows = [message_row(call, box, n, parameters, wants) for n in served]
    body = collection(call.service.root, f"users('{call.names['user']}')/{context}", rows, next=following)
    if parameters.get("$count") == "true":
        body["@odata.count"] = len(numbers)
    return answer(call, body, wants)


def folder_messages(call: Call) -> Response:
    box = find_mailbox(call)
    n = find_folder(call, box)
    return _listed(call, box, messages_in(box, n), "mailFolders('x')/messages")


def all_messages(call: Call) -> Response:
    box = find_mailbox(call)
    return _listed(call, box, box.messages_below_root(), "messages")


def messages_delta(call: Call) -> Response:
    """Of one folder; there is none of the mailbox (Q-008)."""
    parameters = parse_query(call.request.query, _DELTA_OPTIONS | {"$deltatoken", "$skiptoken"})
    box = find_mailbox(call)
    place = find_folder(call, box)
    if is_search(box, place):
        raise ApiError(501, "NotSupported", "Search folders have no delta.")
    if "$orderby" in parameters and parameters["$orderby"] != "receivedDateTime desc":
        raise bad_request("Delta of messages sorts by 'receivedDateTime desc' only.", "ErrorInvalidRequest")
    if "$filter" in parameters and not re.match(r"receivedDateTime g[et] \S+$", parameters["$filter"]):
        raise bad_request("Delta of messages filters by receivedDateTime ge or gt only.", "ErrorInvalidRequest")
    if parameters.get("changeType", "created") not in ("created", "updated", "deleted"):
        raise bad_request("changeType is one of created, updated, deleted.")

    def rows(n: int, options: dict[str, str], wants: Preferences) -> list[Row]:
        test, _ = filtered(options, "message")
        if test is not None and not test(box.row("message", n)):
            return []
        return [message_row(call, box, n, options, wants)]

    def numbers(until: int) -> Sequence[int]:
        come = [n for at, n in box.arrivals("message", place) if at < until]
        base = box.base("message", place)
        return [*base, *come] if come else base

    listing = Listing(
        box=box,
        kind="message",
        place=place,
        name="message",
        rows=rows,
        numbers=numbers,
        there=lambda n: box.lies_in("message", n, place),
        options=_DELTA_OPTIONS,
        most=_FILTER_MOST if "$filter" in parameters else None,
    )
    return delta(call, listing, parameters)


# ---------------------------------------------------------------------------------------------------------- one


def message(call: Call) -> Response:
    parameters = parse_query(call.request.query, {"$select", "$expand", "includeHiddenMessages"})
    wants = preferences(call)
    box = find_mailbox(call)
    if "folder" in call.names:
        find_folder(call, box)
    n, _ = find_item(box, "message", call.names["message"])
    context = f"users('{call.names['user']}')/messages/$entity"
    return answer(call, entity(call.service.root, context, message_row(call, box, n, parameters, wants)), wants)


def value(call: Call) -> Response:
    """The MIME, as text/plain."""
    parse_query(call.request.query, set())
    _, row = find_item(find_mailbox(call), "message", call.names["message"])
    if "smime-opaque" in row.get("_traits", ()):
        raise ApiError(500, "ErrorMimeContentConversionFailed", "MIME content conversion failed.")
    mime = row["_mime"]
    headers = {"Content-Type": "text/plain", "OData-Version": "4.0", **identity(call.request)}
    pieces = mime_pieces(call.service.tenant.content, mime)
    return Response(200, headers=headers, stream=pieces, length=int(mime["len"]))


def no_value_here(call: Call) -> Response:
    """Q-070."""
    raise ApiError(405, "ErrorInvalidRequest", "The OData request is not supported.")
