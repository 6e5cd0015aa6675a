"""Settings of a mailbox: what kind it is, its zone and language, and its categories.

Rules of this file: the kind follows from the data's `_kind`; what the data lacks is what a new mailbox has. A mailbox that is not
in this cloud has no settings either.
Source: reference/graph.md 3.1, 3.6; data/graph/mail/mailboxSettings.json, masterCategories.json.
"""

import hashlib
import uuid

from exporters.rehearsal.documents import Row
from exporters.rehearsal.mailboxes import Mailbox
from exporters.rehearsal.routes.answers import ApiError, collection, entity
from exporters.rehearsal.routes.mail_access import (
    LIST_OPTIONS,
    MAILBOX_SETTINGS,
    answer,
    exchange,
    find_mailbox,
    find_owner,
    page,
    preferences,
    selected,
)
from exporters.rehearsal.routes.query import parse_query, selection
from exporters.rehearsal.routes.router import Call, Route
from exporters.rehearsal.wire import Response

_PURPOSES = {"shared": "shared", "room": "room", "equipment": "equipment"}
_CATEGORIES = (("Red category", "preset0"), ("Blue category", "preset7"), ("Project Ä", "preset3"), ("Unused", "none"))
_SETTINGS = frozenset(
    {"archiveFolder", "automaticRepliesSetting", "dateFormat", "delegateMeetingMessageDeliveryOptions", "language"}
    | {"timeFormat", "timeZone", "userPurpose", "workingHours"}
)
_UNSET = {"dateTime": "2026-01-01T00:00:00.0000000", "timeZone": "UTC"}


def routes() -> list[Route]:
    """The routes of settings."""
    user = "users/{user}"
    return [
        exchange(f"{user}/mailboxSettings", settings, MAILBOX_SETTINGS),
        exchange(f"{user}/mailboxSettings/{{setting}}", setting, MAILBOX_SETTINGS),
        exchange(f"{user}/outlook/masterCategories", categories, MAILBOX_SETTINGS),
    ]


def settings_of(user: Row, box: Mailbox) -> Row:
    """All settings of a mailbox."""
    given = user.get("mailboxSettings", {})
    zone = given.get("timeZone", "UTC")
    archive = box.named.get("archive")
    return {
        "archiveFolder": box.row("folder", archive)["id"] if archive is not None else None,
        "automaticRepliesSetting": {
            "status": "disabled",
            "externalAudience": "all",
            "internalReplyMessage": "",
            "externalReplyMessage": "",
            "scheduledStartDateTime": _UNSET,
            "scheduledEndDateTime": _UNSET,
        },
        "workingHours": {
            "daysOfWeek": ["monday", "tuesday", "wednesday", "thursday", "friday"],
            "startTime": "08:00:00.0000000",
            "endTime": "17:00:00.0000000",
            "timeZone": {"name": zone},
        },
        "dateFormat": "yyyy-MM-dd",
        "timeFormat": "HH:mm",
        "delegateMeetingMessageDeliveryOptions": "sendToDelegateOnly",
        "userPurpose": _PURPOSES.get(str(user.get("_kind")), "user"),
        **given,
    }


def settings(call: Call) -> Response:
    parameters, wants = parse_query(call.request.query, {"$select"}), preferences(call)
    box = find_mailbox(call)
    names = parameters.get("$select")
    row = settings_of(find_owner(call), box)
    row = row if names is None else {name: row[name] for name in names.split(",") if name in row}
    context = f"users('{call.names['user']}')/mailboxSettings"
    return answer(call, entity(call.service.root, context, row), wants)


def setting(call: Call) -> Response:
    """One of them, as `{"value": …}` or as an object."""
    parse_query(call.request.query, set())
    box, name = find_mailbox(call), call.names["setting"]
    known = {one.lower(): one for one in _SETTINGS}
    if name.lower() not in known:
        raise ApiError(400, "BadRequest", f"Resource not found for the segment '{name}'.")
    value = settings_of(find_owner(call), box)[known[name.lower()]]
    context = f"users('{call.names['user']}')/mailboxSettings/{known[name.lower()]}"
    row = value if isinstance(value, dict) else {"value": value}
    return answer(call, entity(call.service.root, context, row), preferences(call))


def categories(call: Call) -> Response:
    parameters, wants = parse_query(call.request.query, LIST_OPTIONS), preferences(call)
    names, box = selection(parameters, "outlookCategory"), find_mailbox(call)
    served, following = page(call, parameters, range(len(_CATEGORIES)))
    rows = [
        selected(
            {"id": _category_id(box, *_CATEGORIES[n]), "displayName": _CATEGORIES[n][0], "color": _CATEGORIES[n][1]},
            names,
        )
        for n in served
    ]
    context = f"users('{call.names['user']}')/outlook/masterCategories"
    return answer(call, collection(call.service.root, context, rows, next=following), wants)


def _category_id(box: Mailbox, name: str, color: str) -> str:
    return str(uuid.UUID(bytes=hashlib.sha256(f"{box.folder}|{name}|{color}".encode()).digest()[:16]))
