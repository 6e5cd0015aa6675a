"""What a person states of subscriptions: on the command line, or many in a file.

Rules of this file: a statement that corrects an event keeps the event's id, so that those who were warned are told that dates
moved; what is stated is checked whole before anything is written. What the service was seen to say earlier is not pushed to
later: the earlier reading rules. Source: design §6 (`track`), retention-domain §5 (exactly once); docs/decisions/0074.
"""

import shutil
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from exporters.bag.formats import JsonObject, load_json
from exporters.clock import timestamp
from exporters.errors import ConfigurationError
from retention.events import (
    CHANNELS,
    EVENT_TYPES,
    OBJECT_TYPES,
    SEGMENTS,
    TERMS,
    Event,
    EventError,
    read_event,
    read_time,
    zone_of,
)
from retention.related_clocks import read_object_event
from retention.tracked import NAME_LENGTH, Subscription, one_line

TRIGGERS = frozenset({"cancel", "term_end", "suspend", "delete_subscription", "expedited_deprovision"})
_FIELDS = ("name", "channel", "term", "segment", "services", "time_zone")
_KEYS = frozenset({*_FIELDS, "id", "events", "sources", "object_event"})
_SERVICES = frozenset({"exchange", "sharepoint"})
_ALLOWED = {"channel": CHANNELS, "term": TERMS, "segment": SEGMENTS}
RESTORED = "licence_restored"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Statement:
    """What is stated of one subscription. events: as in data/retention; is_whole: they are all there are (a file), else each
    adds to, or corrects, what is known; sources: (kind, name), None if nothing is said of them; thing: what happened
    to a user, drive, file, group or package, in place of a subscription: a case's `object_event`."""

    id: str
    body: JsonObject = field(default_factory=dict)
    events: tuple[JsonObject, ...] | None = None
    is_whole: bool = False
    sources: tuple[tuple[str, str], ...] | None = None
    thing: JsonObject | None = None


def stated_event(text: str) -> JsonObject:
    """The event that TYPE=TIME means; the time is read when channel and zone are known. Raises: EventError."""
    kind, equals, time = text.partition("=")
    kind, time = kind.strip(), time.strip()
    if not equals or not time:
        raise EventError(f"--event {text!r} is not TYPE=TIME", "Write it as cancel=2026-03-01T10:15:00Z.")
    allowed = (*EVENT_TYPES, *OBJECT_TYPES, RESTORED)
    if kind not in allowed:
        raise EventError(f"there is no event type {kind!r}", f"Allowed: {', '.join(allowed)}.")
    return {"type": kind, "text": time}


def stated_thing(events: Sequence[JsonObject], zone: str | None) -> JsonObject | None:
    """What the events of a command line say of a user, drive, file, group or package; None if they are about a subscription.

    Raises: EventError.
    """
    things = [one for one in events if one["type"] in OBJECT_TYPES]
    restored = [one for one in events if one["type"] == RESTORED]
    if not things and not restored:
        return None
    if len(things) != 1 or len(restored) > 1 or len(events) != len(things) + len(restored):
        raise EventError(
            "these events do not belong together",
            f"State one of {', '.join(OBJECT_TYPES)}, with {RESTORED} beside licence_removed where it is so.",
        )
    thing = resolved(things[0], zone, None)
    if restored:
        thing["restored_at"] = timestamp(read_time(str(restored[0]["text"]), zone=zone).latest)
    return thing


def thing_row(name: str, shown: str, event: Mapping[str, Any], zone: str | None) -> JsonObject:
    """The row of the journal that says what happened to one thing. Raises: EventError."""
    kind = event.get("type")
    if kind in OBJECT_TYPES and event.get("withdrawn") is True:
        said = None
    else:
        read_object_event(event, zone=zone)
        said = dict(event)
    return {"type": "object", "object": f"{kind} {name}", "name": shown, "event": said, "origin": "stated"}


def resolved(event: Mapping[str, Any], zone: str | None, channel: str | None) -> JsonObject:
    """An event of the command line in a form of data/retention. Raises: EventError."""
    found = read_time(str(event["text"]), zone=zone, channel=channel)
    kept = {key: value for key, value in event.items() if key != "text"}
    if found.day is not None:
        return {**kept, "date": found.day.isoformat()}
    if found.earliest == found.latest:
        return {**kept, "at": timestamp(found.earliest)}
    return {**kept, "between": [timestamp(found.earliest), timestamp(found.latest)]}


@contextmanager
def opened_statements(file: Path) -> Iterator[BinaryIO]:
    """A file of JSON lines, to be read more than once: what comes out of a pipe is laid by. Raises: ConfigurationError."""
    with ExitStack() as stack:
        try:
            lines: Any = stack.enter_context(file.open("rb"))
            if not lines.seekable():
                kept = stack.enter_context(tempfile.TemporaryFile())
                shutil.copyfileobj(lines, kept)
                lines = kept
        except OSError as error:
            raise ConfigurationError(
                f"{file} cannot be read ({error.strerror})", code="file_unreadable", action="Name a file of JSON lines."
            ) from None
        yield lines


def read_statements(lines: BinaryIO, name: str) -> Iterator[Statement]:
    """The statements of JSON lines, one subscription each: `id`, `name`, `channel`, `term`, `events`, `sources`, …; from the
    beginning of the file. name: of the file.

    Raises: ConfigurationError naming the line.
    """
    lines.seek(0)
    for number, line in enumerate(lines, 1):
        if number == 1 and line.startswith(_UTF_16):
            raise ConfigurationError(
                f"{name} is no UTF-8", code="statement_unreadable", action="Save it as UTF-8; nothing was written."
            )
        if line.strip():
            yield _read_line(line, f"{name}, line {number}")


def check_statements(lines: BinaryIO, name: str) -> None:
    """Read all of them, so that nothing is written if one is wrong. Raises: ConfigurationError, also where a subscription is
    stated twice, or none is."""
    seen = set[str]()
    for statement in read_statements(lines, name):
        place = f"{(statement.thing or {}).get('type', '')} {statement.id.casefold()}"
        if place in seen:
            raise _wrong(name, f"states {statement.id!r} twice")
        seen.add(place)
    if not seen:
        raise _wrong(name, "states no subscription, and nothing else")


def row_of(statement: Statement, known: Subscription | None, zone: str | None) -> JsonObject:
    """The row of the journal that a statement is. zone: of the tenant. Raises: EventError."""
    row: JsonObject = {"type": "stated", "subscription": statement.id, "set": statement.body}
    if statement.events is not None:
        body = {**(known.body if known else {}), **statement.body}
        zone, channel = body.get("time_zone") or zone, body.get("channel")
        news = [resolved(one, zone, channel) if "text" in one else dict(one) for one in statement.events]
        before = [] if statement.is_whole or known is None else list(known.events)
        row["events"] = merged(before, news, zone=zone, channel=channel)
    if statement.sources is not None:
        row["sources"] = [list(source) for source in statement.sources]
    return row


def merged(
    before: Sequence[JsonObject], news: Iterable[JsonObject], *, zone: str | None, channel: str | None
) -> list[JsonObject]:
    """The events after a statement, each with an id. What is said again of the same event corrects its time; what comes in
    another episode (a reactivation lies between) is another event. Two of one statement are always two. Raises: EventError."""
    events, fresh = [dict(event) for event in before], list[JsonObject]()

    def read(event: JsonObject) -> Event:
        return read_event(event, zone=zone, channel=channel)

    for new in news:
        same = None if new.get("id") else _corrected(events, fresh, new, read)
        if new.get("id"):
            same = next((one for one in events if one.get("id") == new["id"]), None)
        if same is None:
            used = {one.get("id") for one in events}
            count = next(n for n in range(1, len(used) + 2) if f"{new['type']}#{n}" not in used)
            made = {**new, "id": new.get("id") or f"{new['type']}#{count}"}
            events.append(made)
            fresh.append(made)
            continue
        if same.get("origin") == "observed" and read(new).earliest > read(same).latest:
            continue  # the service was seen in that state before: the earlier reading rules
        events[events.index(same)] = {**new, "id": same["id"]}
    read_all = [read(event) for event in events]
    return [event for _, event in sorted(zip(read_all, events, strict=True), key=lambda pair: pair[0].earliest)]


def _corrected(
    events: Sequence[JsonObject], fresh: Sequence[JsonObject], new: JsonObject, read: Any
) -> JsonObject | None:
    """The event that a new statement corrects: of its type, with no event of the other side between the two."""
    at = read(new).earliest
    other = TRIGGERS if new["type"] == "reactivate" else frozenset({"reactivate"})
    walls = [read(one).earliest for one in events if one["type"] in other]
    for one in reversed(events):
        if one["type"] != new["type"] or one in fresh:
            continue
        low, high = sorted((read(one).earliest, at))
        if not any(low < wall < high for wall in walls):
            return one
    return None


def _read_line(line: bytes, place: str) -> Statement:
    try:
        document = load_json(line)
    except ValueError:
        raise _wrong(place, "is no JSON object") from None
    unknown = set(document) - _KEYS
    if unknown:
        raise _wrong(place, f"has the unknown key {min(unknown)!r}; allowed: {', '.join(sorted(_KEYS))}")
    name = checked_id(document.get("id"), place)
    body = {key: document[key] for key in _FIELDS if document.get(key) is not None}
    check_body(body, place)
    thing = document.get("object_event")
    if thing is not None:
        return Statement(name, body, thing=_thing(document, thing, name, place))
    events = document.get("events")
    if events is not None and not (isinstance(events, list) and all(isinstance(one, dict) for one in events)):
        raise _wrong(place, "has events that are no list of objects")
    for event in events or ():
        try:
            read_event(event, zone=body.get("time_zone"), channel=body.get("channel"))
        except EventError as error:
            raise _wrong(place, f"has an event that cannot be read: {error}") from None
        if event.get("id"):
            checked_id(event["id"], f"an event in {place}")
    sources = document.get("sources")
    found = None if sources is None else tuple(_source(one, place) for one in _list(sources, place))
    return Statement(name, body, None if events is None else tuple(events), True, found)


def _thing(document: Mapping[str, Any], thing: Any, name: str, place: str) -> JsonObject:
    if not isinstance(thing, dict) or set(document) - {"id", "name", "time_zone", "object_event"}:
        raise _wrong(place, "has an object_event that is no object, or stands beside what belongs to a subscription")
    try:
        thing_row(name, name, thing, document.get("time_zone"))
    except EventError as error:
        raise _wrong(place, f"has an object_event that cannot be read: {error}") from None
    return dict(thing)


def checked_id(value: Any, place: str) -> str:
    """An id as it may be used. Raises: ConfigurationError."""
    if not isinstance(value, str) or not value.strip() or len(value) > NAME_LENGTH or one_line(value) != value:
        raise _wrong(place, f"needs an id (one line of text, at most {NAME_LENGTH} characters)")
    return value.strip()


def check_body(body: Mapping[str, Any], place: str) -> None:
    """Raises: ConfigurationError (also EventError) for a value that is not allowed."""
    for key, allowed in _ALLOWED.items():
        if key in body and body[key] not in allowed:
            raise _wrong(place, f"has the {key} {body[key]!r}; allowed: {', '.join(allowed)}")
    zone = body.get("time_zone")
    if zone is not None:
        zone_of(str(zone))  # raises: a zone that nobody knows would silence it for ever
    if "name" in body and not isinstance(body["name"], str):
        raise _wrong(place, "has a name that is no text")
    services = body.get("services")
    if services is not None and not (isinstance(services, list) and set(services) <= _SERVICES):
        raise _wrong(place, f"has services that are no list of {', '.join(sorted(_SERVICES))}")


def _list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong(place, "has sources that are no list")
    return value


def _source(value: Any, place: str) -> tuple[str, str]:
    """`mail/anna@contoso.com`, or {"kind", "name"} (or `id`)."""
    if isinstance(value, str) and value:
        kind, slash, name = value.partition("/")
        found = (kind, name) if slash and name else ("", value)
    elif isinstance(value, dict) and (value.get("name") or value.get("id")):
        found = str(value.get("kind") or ""), str(value.get("name") or value.get("id"))
    else:
        raise _wrong(place, "has a source that is neither KIND/NAME nor an object with kind and name")
    if any(unicodedata.category(c) in {"Cc", "Cs"} for c in "".join(found)):  # no name, and no database takes it
        raise _wrong(place, "has a source whose name holds control characters, or halves of characters")
    return found


def _wrong(place: str, what: str) -> ConfigurationError:
    return ConfigurationError(f"{place} {what}", code="statement_unreadable", action="Correct it; nothing was written.")
