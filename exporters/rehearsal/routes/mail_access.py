"""The way into a mailbox: who it is, what the app may, which preferences a request states, and how rows are shown.

Rules of this file: a user without a mailbox is 404 in Exchange's own words; ids are ordinary unless `Prefer` asks for
immutable ones, on each request anew; whatever was followed is told in `Preference-Applied`.
Source: reference/graph.md 2.1, 3.1, 3.3, 11; quirks Q-057, Q-058, Q-077.
"""

import base64
import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from exporters.rehearsal.documents import Row
from exporters.rehearsal.mailbox_rows import IdError, Kind
from exporters.rehearsal.mailboxes import Mailbox
from exporters.rehearsal.routes.answers import ApiError, bad_request, denied, no_mailbox, public, success
from exporters.rehearsal.routes.query import top
from exporters.rehearsal.routes.router import Action, Call, Route
from exporters.rehearsal.wire import Response

MAIL = frozenset({"Mail.Read", "Mail.ReadWrite"})
MAIL_FOLDERS = MAIL | {"Mail.ReadBasic.All"}
CALENDARS = frozenset({"Calendars.Read", "Calendars.ReadWrite"})
CONTACTS = frozenset({"Contacts.Read", "Contacts.ReadWrite"})
TASKS = frozenset({"Tasks.Read.All", "Tasks.ReadWrite.All"})
MAILBOX_SETTINGS = frozenset({"MailboxSettings.Read", "MailboxSettings.ReadWrite"})
MOST = 1000  # rows of a page
LIST_OPTIONS = frozenset({"$select", "$top", "$skip", "$expand", "$filter", "$orderby", "$count"})
_PREFERENCE = re.compile(r'\s*([\w.-]+)\s*(?:=\s*(?:"([^"]*)"|([^,;\s]*)))?\s*(?:[,;]|$)')


def exchange(template: str, action: Action, roles: frozenset[str]) -> Route:
    """A route into the mailbox of `{user}`."""
    return Route(template, action, 1, "exchange", "exchange", roles, mailbox=mailbox_of)


def mailbox_of(call: Call) -> str:
    """What the limits of a mailbox are kept under: its user's id, whatever the path calls the user."""
    user = call.service.tenant.user(call.names["user"])
    return str(user["id"] if user is not None else call.names["user"]).lower()


def find_owner(call: Call) -> Row:
    """The user of the path, with a mailbox. Raises ApiError 404, 403."""
    user = call.service.tenant.user(call.names["user"])
    if user is None:
        raise ApiError(404, "ErrorInvalidUser", f"The requested user '{call.names['user']}' is invalid.")
    if user["id"] in call.service.settings.denied_mailboxes:
        raise denied("exchange")
    return user


def find_mailbox(call: Call) -> Mailbox:
    """The mailbox of the path. Raises ApiError 404, 403."""
    box = call.service.tenant.mailbox(find_owner(call))
    if box is None:
        raise no_mailbox()
    return box


def not_found() -> ApiError:
    """For whatever there is not, or no longer, in a mailbox."""
    return ApiError(404, "ErrorItemNotFound", "The specified object was not found in the store.")


def find_item(box: Mailbox, kind: Kind, item_id: str) -> tuple[int, Row]:
    """A live item of the mailbox. Raises ApiError 404, and 400 for an id that is none."""
    try:
        n = box.find(kind, item_id)
    except IdError as error:
        raise ApiError(400, "ErrorInvalidIdMalformed", "Id is malformed.") from error
    if n is None:
        raise not_found()
    row = box.row(kind, n)
    if row.get("_goneAfterListing"):
        raise not_found()
    return n, row


# ------------------------------------------------------------------------------------------------ preferences


@dataclass(frozen=True)
class Preferences:
    """What the header `Prefer` of a request asks for. page: rows of a page of delta; zone: of dates of events."""

    immutable: bool = False
    page: int | None = None
    body: str | None = None
    zone: str | None = None
    applied: tuple[str, ...] = ()


def preferences(call: Call) -> Preferences:
    """Read the header; what is not known is left out, as the service does. Raises ApiError 400 for wrong values."""
    found: dict[str, str] = {}
    for name, quoted, plain in _PREFERENCE.findall(call.request.headers.get("prefer", "")):
        found[name.lower()] = quoted or plain
    page, body, immutable = found.get("odata.maxpagesize"), found.get("outlook.body-content-type"), found.get("idtype")
    if page is not None and not (page.isdecimal() and int(page) > 0):
        raise bad_request("The preference odata.maxpagesize takes a number from 1 on.")
    if body is not None and body.lower() not in ("text", "html"):
        raise bad_request("The preference outlook.body-content-type takes text or html.")
    told = {
        "IdType": immutable if (immutable or "").lower() == "immutableid" else None,
        "odata.maxpagesize": page,
        "outlook.body-content-type": body,
        "outlook.timezone": found.get("outlook.timezone"),
    }
    applied = tuple(
        f"{name}={value}" if name == "odata.maxpagesize" else f'{name}="{value}"'
        for name, value in told.items()
        if value is not None
    )
    return Preferences(
        immutable=told["IdType"] is not None,
        page=min(int(page), MOST) if page is not None else None,
        body=body.lower() if body is not None else None,
        zone=told["outlook.timezone"],
        applied=applied,
    )


def answer(call: Call, body: Row, wants: Preferences) -> Response:
    """200 with JSON, and what was preferred."""
    response = success(body, call.request)
    if wants.applied:
        response.headers["Preference-Applied"] = ", ".join(wants.applied)
    return response


# -------------------------------------------------------------------------------------------------- rows, pages


def shown(box: Mailbox, kind: Kind, n: int, wants: Preferences) -> Row:
    """A row as the service shows it, before `$select`: with etag and change key, and the id that is preferred."""
    row = box.row(kind, n)
    change_key = _change_key(box, kind, n, row)
    found = {"@odata.etag": f'W/"{change_key}"', **public(row), "changeKey": change_key}
    if wants.immutable:
        found["id"] = box.rows[kind].immutable_id(n, row)
    return found


def item_id(box: Mailbox, kind: Kind, n: int, wants: Preferences) -> str:
    """The id of an item in the form that is preferred."""
    row = box.row(kind, n)
    return box.rows[kind].immutable_id(n, row) if wants.immutable else str(row["id"])


def _change_key(box: Mailbox, kind: Kind, n: int, row: Row) -> str:
    state = f"{box.folder}|{kind}|{n}|{row['id']}|{row.get('lastModifiedDateTime')}|{row.get('isRead')}"
    return "CQAAABYA" + base64.b64encode(hashlib.sha256(state.encode()).digest()[:24]).decode()


def selected(row: Row, names: Collection[str] | None, only_when_asked: Collection[str] = ()) -> Row:
    """Cut down to `$select`; id and annotations come in any case. only_when_asked: left out without `$select`."""
    if names is None:
        return {key: value for key, value in row.items() if key not in only_when_asked}
    wanted = {name.partition("/")[0] for name in names}
    return {key: value for key, value in row.items() if key in wanted or key == "id" or key.startswith("@odata")}


def page(call: Call, parameters: dict[str, str], numbers: Sequence[int]) -> tuple[Sequence[int], str | None]:
    """The items of this page, and the link to the next, which pages by `$skip` (Q-010). Raises ApiError 400."""
    settings = call.service.settings
    text = parameters.get("$skip", "0")
    if not text.isdecimal():
        raise bad_request("Invalid value for $skip: a number is expected.")
    start, size = int(text), top(parameters, settings.mail_page, MOST)
    if settings.odd_delta and start and size > 3 and start // size % 2:
        size -= 3  # the service may give fewer, so that no `$skip` need be a multiple of anything
    end = start + size
    if end >= len(numbers):
        return numbers[start:], None
    kept = [part for part in call.request.query.split("&") if part and not part.startswith(("$skip=", "%24skip="))]
    link = f"{call.service.hosts.graph}{call.request.path}?{'&'.join([*kept, f'%24skip={end}'])}"
    return numbers[start:end], link
