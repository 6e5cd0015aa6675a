"""Calendars and events: series and single events in lists, what unfolds from them in views, exceptions with their masters.

Rules of this file: times come in UTC unless `Prefer: outlook.timezone` names another zone; exceptions and cancelled occurrences
of a series come only if they are asked for; views and instances need both ends of their window.
Source: reference/graph.md 3.6; quirks Q-078 to Q-080.
"""

from collections.abc import Sequence
from datetime import UTC

from exporters.rehearsal.calendar_truth import Window, masters, occurrence, original_start, unfolded
from exporters.rehearsal.documents import Row
from exporters.rehearsal.event_times import Zones
from exporters.rehearsal.mailbox_rows import IdError, made_id, read_id
from exporters.rehearsal.mailboxes import Mailbox
from exporters.rehearsal.routes.answers import ApiError, bad_request, collection, entity, public
from exporters.rehearsal.routes.mail_access import (
    CALENDARS,
    LIST_OPTIONS,
    Preferences,
    answer,
    exchange,
    find_item,
    find_mailbox,
    item_id,
    page,
    preferences,
    selected,
    shown,
)
from exporters.rehearsal.routes.mail_attachments import listed_attachments
from exporters.rehearsal.routes.mail_delta import Listing, delta
from exporters.rehearsal.routes.mail_expand import MULTI, SINGLE, expansions, with_extended
from exporters.rehearsal.routes.mail_filters import chosen, instant
from exporters.rehearsal.routes.query import parse_query, selection
from exporters.rehearsal.routes.router import Call, Route
from exporters.rehearsal.wire import Response

_ENDS = frozenset({"startDateTime", "endDateTime"})
_ONLY_WHEN_ASKED = ("cancelledOccurrences", "exceptionOccurrences", "occurrenceId")
_GROUP = "Rehearsal calendars"


def routes() -> list[Route]:
    """The routes of calendars."""
    user = "users/{user}"
    found = [
        exchange(f"{user}/calendarGroups", groups, CALENDARS),
        exchange(f"{user}/calendarGroups/{{group}}/calendars", calendars, CALENDARS),
        exchange(f"{user}/calendars", calendars, CALENDARS),
        exchange(f"{user}/calendar", calendar, CALENDARS),
        exchange(f"{user}/calendars/{{calendar}}", calendar, CALENDARS),
    ]
    for top in (user, f"{user}/calendar", f"{user}/calendars/{{calendar}}"):
        found += [
            exchange(f"{top}/events", events, CALENDARS),
            exchange(f"{top}/events/{{event}}", event, CALENDARS),
            exchange(f"{top}/events/{{event}}/instances", instances, CALENDARS),
            exchange(f"{top}/calendarView", view, CALENDARS),
            exchange(f"{top}/calendarView/delta", view_delta, CALENDARS),
            exchange(f"{top}/calendarView/delta()", view_delta, CALENDARS),
        ]
    return found


def zones_of(call: Call) -> Zones:
    """The zones of the tenant."""
    return Zones(call.service.tenant.info.get("timeZones", {}))


def _find_calendar(call: Call, box: Mailbox) -> int:
    """The calendar of the path, the default one if it names none. Raises ApiError 404."""
    if "calendar" in call.names:
        return find_item(box, "calendar", call.names["calendar"])[0]
    for n in box.live("calendar"):
        if box.row("calendar", n).get("isDefaultCalendar"):
            return n
    raise ApiError(404, "ErrorItemNotFound", "There is no default calendar.")


# ---------------------------------------------------------------------------------------------------- calendars


def _calendar_row(call: Call, box: Mailbox, n: int, options: dict[str, str], wants: Preferences) -> Row:
    row = {key: value for key, value in shown(box, "calendar", n, wants).items() if key != "@odata.etag"}
    own = {
        "hexColor": "",
        "canShare": True,
        "canViewPrivateItems": True,
        "isRemovable": not row.get("isDefaultCalendar"),
    }
    meetings = {
        "allowedOnlineMeetingProviders": ["teamsForBusiness"],
        "defaultOnlineMeetingProvider": "teamsForBusiness",
        "isTallyingResponses": bool(row.get("isDefaultCalendar")),
    }
    asked = expansions(options.get("$expand"))
    found = selected(own | meetings | row, selection(options, "calendar"))
    return with_extended(found, asked, call.service.tenant.content, box, "calendar", n)


def groups(call: Call) -> Response:
    parameters, wants = parse_query(call.request.query, LIST_OPTIONS), preferences(call)
    box = find_mailbox(call)
    row = {"id": _group_id(box), "name": _GROUP, "classId": "0006f0b7-0000-0000-c000-000000000046"}
    rows = [selected(row, selection(parameters, "calendarGroup"))]
    return answer(call, collection(call.service.root, f"users('{call.names['user']}')/calendarGroups", rows), wants)


def _group_id(box: Mailbox) -> str:
    return made_id("calendar", box.user, 1 << 20, f"{box.folder}|group")


def calendars(call: Call) -> Response:
    parameters, wants = parse_query(call.request.query, LIST_OPTIONS), preferences(call)
    box = find_mailbox(call)
    if "group" in call.names and call.names["group"] != _group_id(box):
        raise ApiError(404, "ErrorItemNotFound", "The specified object was not found in the store.")
    served, following = page(call, parameters, list(box.live("calendar")))
    rows = [_calendar_row(call, box, n, parameters, wants) for n in served]
    body = collection(call.service.root, f"users('{call.names['user']}')/calendars", rows, next=following)
    return answer(call, body, wants)


def calendar(call: Call) -> Response:
    parameters, wants = parse_query(call.request.query, {"$select", "$expand"}), preferences(call)
    box = find_mailbox(call)
    row = _calendar_row(call, box, _find_calendar(call, box), parameters, wants)
    return answer(call, entity(call.service.root, f"users('{call.names['user']}')/calendars/$entity", row), wants)


# ------------------------------------------------------------------------------------------------------- events


def _event_row(
    call: Call, box: Mailbox, n: int, options: dict[str, str], wants: Preferences, made: Row | None = None
) -> Row:
    """An event as the service shows it. made: the row of an occurrence, which the data does not have."""
    zones, zone = zones_of(call), wants.zone or "UTC"
    found = shown(box, "event", n, wants)
    if made is not None:
        found |= public(made)
    row = made if made is not None else box.row("event", n)
    found["seriesMasterId"] = _series_id(box, found.get("seriesMasterId"), wants)
    if row.get("recurrence") is not None:
        found.setdefault("cancelledOccurrences", [])
    if wants.immutable and found.get("cancelledOccurrences"):
        own, days = item_id(box, "event", n, wants), [one.rpartition(".")[2] for one in found["cancelledOccurrences"]]
        found["cancelledOccurrences"] = [f"OID.{own}.{day}" for day in days]
    if found.get("body"):
        found.setdefault("bodyPreview", "")
    found |= {key: zones.shown(found[key], zone) for key in ("start", "end") if key in found}
    if (original := original_start(row, zones)) is not None:
        found["originalStart"] = original
    elif made is not None and (at := zones.instant(made["start"])) is not None:
        found["originalStart"] = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    names, asked = selection(options, "event"), expansions(options.get("$expand"))
    if unknown := set(asked) - {SINGLE, MULTI, "attachments", "exceptionOccurrences", "calendar"}:
        raise bad_request(f"$expand={', '.join(unknown)} is not served on events here.")
    result = selected(found, names, _ONLY_WHEN_ASKED)
    if "exceptionOccurrences" in asked and names is not None and "recurrence" in row:
        others = box.exceptions().get(n, [])
        result["exceptionOccurrences"] = [_event_row(call, box, other, {}, wants) for other in others]
    if "attachments" in asked:
        result["attachments"] = listed_attachments(call, box, "event", n, wants, asked["attachments"])
    return with_extended(result, asked, call.service.tenant.content, box, "event", n)


def _series_id(box: Mailbox, series: str | None, wants: Preferences) -> str | None:
    """The id of a series in the form that is preferred, whatever form its exceptions tell it in."""
    if series is None:
        return None
    n = read_id(series)[2]
    return series if n in box.rows["event"].gone else item_id(box, "event", n, wants)


def _without_navigation(options: dict[str, str]) -> dict[str, str]:
    """`$select` without `exceptionOccurrences`, which is no property but may be named there."""
    if "$select" not in options:
        return options
    names = [name for name in options["$select"].split(",") if name.strip() != "exceptionOccurrences"]
    return {**options, "$select": ",".join(names)}


def events(call: Call) -> Response:
    """Series masters and single events; no occurrences, no exceptions."""
    parameters, wants = parse_query(call.request.query, LIST_OPTIONS), preferences(call)
    parameters = _without_navigation(parameters)
    box = find_mailbox(call)
    numbers = chosen(parameters, masters(box, _find_calendar(call, box)), lambda n: box.row("event", n), "event")
    served, following = page(call, parameters, numbers)
    rows = [_event_row(call, box, n, parameters, wants) for n in served]
    return answer(call, collection(call.service.root, _context(call, "events"), rows, next=following), wants)


def _context(call: Call, what: str) -> str:
    return f"users('{call.names['user']}')/{what}"


def event(call: Call) -> Response:
    parameters = _without_navigation(parse_query(call.request.query, {"$select", "$expand"}))
    wants = preferences(call)
    box = find_mailbox(call)
    if "calendar" in call.names:
        _find_calendar(call, box)
    n, made = _find_event(call, box)
    row = _event_row(call, box, n, parameters, wants, made)
    return answer(call, entity(call.service.root, _context(call, "events/$entity"), row), wants)


def _find_event(call: Call, box: Mailbox) -> tuple[int, Row | None]:
    try:
        found = occurrence(box, call.names["event"])
    except IdError as error:
        raise ApiError(400, "ErrorInvalidIdMalformed", "Id is malformed.") from error
    return found if found is not None else (find_item(box, "event", call.names["event"])[0], None)


# -------------------------------------------------------------------------------------------------------- views


def _window(parameters: dict[str, str]) -> Window:
    """Raises ApiError 400 without both ends."""
    if _ENDS - parameters.keys():
        text = "This request requires a time window specified by the query string parameters StartDateTime and EndDateTime."
        raise ApiError(400, "ErrorInvalidParameter", text)
    try:
        ends = [instant(parameters[name]) for name in ("startDateTime", "endDateTime")]
    except ValueError as error:
        raise bad_request("The window is not of dates.", "ErrorInvalidParameter") from error
    start, end = (at if at.tzinfo is not None else at.replace(tzinfo=UTC) for at in ends)
    if end < start:
        raise bad_request("The window ends before it starts.", "ErrorInvalidParameter")
    return Window(start, end)


def _unfolded(call: Call, box: Mailbox, numbers: Sequence[int], parameters: dict[str, str], what: str) -> Response:
    wants, window, zones = preferences(call), _window(parameters), zones_of(call)
    found = [one for n in numbers for one in unfolded(box, n, window, zones)]
    served, following = page(call, parameters, range(len(found)))
    rows = [_instance(call, box, found[place], parameters, wants) for place in served]
    return answer(call, collection(call.service.root, _context(call, what), rows, next=following), wants)


def _instance(call: Call, box: Mailbox, one: tuple[int, Row], options: dict[str, str], wants: Preferences) -> Row:
    n, row = one
    made = row if row.get("type") == "occurrence" else None
    given = {name: value for name, value in options.items() if name in ("$select", "$expand")}
    return _event_row(call, box, n, given, wants, made)


def instances(call: Call) -> Response:
    """Occurrences and exceptions of one series in a window."""
    parameters = parse_query(call.request.query, LIST_OPTIONS | _ENDS)
    box = find_mailbox(call)
    n, row = find_item(box, "event", call.names["event"])
    if "recurrence" not in row:
        raise ApiError(400, "ErrorInvalidRequest", "Instances are those of a series master.")
    return _unfolded(call, box, [n], parameters, "events('x')/instances")


def view(call: Call) -> Response:
    parameters = parse_query(call.request.query, LIST_OPTIONS | _ENDS)
    box = find_mailbox(call)
    return _unfolded(call, box, masters(box, _find_calendar(call, box)), parameters, "calendarView")


def view_delta(call: Call) -> Response:
    """Of a window of one calendar; a change to one occurrence arrives as the whole series."""
    options = frozenset({"$select", "$expand", "$top"}) | _ENDS
    parameters = parse_query(call.request.query, options | {"$deltatoken", "$skiptoken"})
    box, zones = find_mailbox(call), zones_of(call)
    place = _find_calendar(call, box)
    if not {"$deltatoken", "$skiptoken"} & parameters.keys():
        _window(parameters)

    def rows(n: int, given: dict[str, str], wants: Preferences) -> list[Row]:
        if (above := box.row("event", n).get("seriesMasterId")) is not None:
            n = read_id(above)[2]  # a change to one occurrence
        found = unfolded(box, n, _window(given), zones)
        series = [(n, box.row("event", n))] if found and "recurrence" in box.row("event", n) else []
        return [_instance(call, box, one, given, wants) for one in [*series, *found]]

    def numbers(until: int) -> Sequence[int]:
        apart = {n for some in box.exceptions().values() for n in some}  # they come with their series
        come = [n for at, n in box.arrivals("event", place) if at < until]
        return [n for n in (*box.base("event", place), *come) if n not in apart]

    listing = Listing(
        box=box,
        kind="event",
        place=place,
        name="event",
        rows=rows,
        numbers=numbers,
        there=lambda n: box.lies_in("event", n, place),
        options=options,
    )
    return delta(call, listing, parameters)
