"""Tracks subscriptions: what the tenant answers, and what people state, into the journal.

Rules of this file: an observation is written where it says something new, once a day, or because a person asked for it;
events that follow from it stand in the same segment. Source: design §6 (`track`); retention-domain §1; docs/decisions/0074.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from exporters.bag.formats import JsonObject
from exporters.clock import Clock, timestamp
from exporters.errors import ConfigurationError
from retention.books import SEGMENT_ROWS, Books, opened_books
from retention.config import Config
from retention.inference import Seen, differences, inferred
from retention.observing import Observation, observe
from retention.people import People, rows_of
from retention.reckoning import Reckoning
from retention.statements import (
    Statement,
    check_body,
    check_statements,
    checked_id,
    opened_statements,
    read_statements,
    row_of,
    stated_event,
    stated_thing,
    thing_row,
)
from retention.sweep import Sweep
from retention.tracked import Subscription

AT_LEAST_EVERY = timedelta(hours=24)
_RACES = 20


@dataclass(slots=True)
class Tracked:
    """What `track` came to. shown: of the subscriptions that it was about, if they are few; stated, sources: how many; things:
    how many users, drives, files, groups or packages something was stated of."""

    now: datetime
    shown: list[JsonObject] = field(default_factory=list)
    stated: int = 0
    sources: int = 0
    things: int = 0
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> JsonObject:
        """The document of `track --json`."""
        return {
            "now": timestamp(self.now),
            "tracked": self.stated,
            "sources": self.sources,
            "things": self.things,
            "subscriptions": self.shown,
        }


def state_one(
    config: Config,
    clock: Clock,
    name: str,
    body: Mapping[str, Any],
    events: Sequence[str],
    by: str | None,
) -> Tracked:
    """Write down what is stated of one subscription. Raises: ConfigurationError, errors of the store."""
    name = checked_id(name, "--state")
    check_body(body, "the command line")
    statement = Statement(name, dict(body), tuple(map(stated_event, events)) if events else None)
    Reckoning(config).policy  # noqa: B018 - raises: before anything is written
    thing = stated_thing(statement.events or (), body.get("time_zone") or config.settings.retention.known_zone)
    if thing is not None:
        return _state_thing(config, clock, statement, thing, by)
    with opened_books(config, clock) as books:
        for _ in range(_RACES):
            known = _named(books, name)
            row = row_of(statement, known, config.settings.retention.known_zone)
            row["subscription"] = known.id if known is not None else name
            if by is not None:
                row["by"] = by
            if books.try_append([row]):
                break
        Sweep(config, books, clock).schedule()
        return _told(config, books, clock, [str(row["subscription"])])


def _state_thing(config: Config, clock: Clock, statement: Statement, thing: JsonObject, by: str | None) -> Tracked:
    if strange := set(statement.body) - {"name", "time_zone"}:
        raise ConfigurationError(
            f"--{min(strange)} is for subscriptions, and {thing['type']} is about something else",
            code="usage",
            action="State the one and the other by itself.",
        )
    shown = str(statement.body.get("name") or statement.id)
    row = thing_row(statement.id, shown, thing, config.settings.retention.known_zone)
    with opened_books(config, clock) as books:
        books.append([{**row, "by": by} if by is not None else row])
        return Tracked(clock.now(), things=1)


def state_file(config: Config, clock: Clock, file: Path) -> Tracked:
    """Write down what a file of JSON lines states; nothing if a line of it is wrong. Raises: ConfigurationError, errors of
    the store."""
    zone, names, sources, things = config.settings.retention.known_zone, list[str](), 0, 0
    Reckoning(config).policy  # noqa: B018 - raises: before anything is written
    with opened_statements(file) as lines, opened_books(config, clock) as books:
        check_statements(lines, file.name)
        known = known_names(books.index.subscriptions())
        rows: list[JsonObject] = []
        for statement in read_statements(lines, file.name):
            if statement.thing is not None:
                things += 1
                shown, own = str(statement.body.get("name") or statement.id), statement.body.get("time_zone")
                row = thing_row(statement.id, shown, statement.thing, own or zone)
            else:
                row = row_of(statement, None, zone)
                row["subscription"] = known.get(statement.id.casefold(), statement.id)
                names.append(str(row["subscription"]))
            sources += len(row.get("sources") or ())
            rows.append(row)
            if len(rows) == SEGMENT_ROWS:
                books.append(rows)
                rows = []
        if rows:
            books.append(rows)
        Sweep(config, books, clock).schedule()
        found = _told(config, books, clock, names if len(names) <= 20 else [])
        found.stated, found.sources, found.things = len(set(names)), sources, things
        return found


def observe_tenant(config: Config, clock: Clock) -> Tracked:
    """Ask the tenant, and write down what it says. Raises: ConfigurationError, errors of the store."""
    seen = observe(config, clock, with_people=True)
    with opened_books(config, clock) as books:
        note_observation(config, books, clock, seen, asked=True)
        Sweep(config, books, clock).schedule()
        found = _told(config, books, clock, [one.id for one in books.index.subscriptions()][:50])
        if not seen.reached:
            found.notes.append(f"The tenant is not reachable: {seen.why}. Dates stand as they were.")
        return found


def note_observation(config: Config, books: Books, clock: Clock, seen: Observation, *, asked: bool = False) -> None:
    """Write an observation down, with the events that follow from it. asked: also if it says nothing new."""
    for _ in range(_RACES):
        rows = _rows(config, books, clock.now(), seen, asked=asked)
        if not rows or books.try_append(rows):
            break
    if seen.reached:
        books.index.note("local.seen", timestamp(clock.now()))
    if seen.people is not None:
        note_people(books, clock, seen.people)


def note_people(books: Books, clock: Clock, people: People) -> None:
    """Write down who has lost a licence or was deleted since the last look."""
    now = clock.now()
    with closing(people):
        looked = [books.index.fact(name) for name in ("local.people", "licences_at")]
        before = max((datetime.fromisoformat(at) for at in looked if at), default=None)
        for rows in rows_of(people, books.index, now, before):
            books.append(rows)
    books.index.note("local.people", timestamp(now))


def wants_people(books: Books, now: datetime) -> bool:
    """Whether the users have not been looked at for a day."""
    last = books.index.fact("local.people")
    return last is None or not timedelta(0) <= now - datetime.fromisoformat(last) < AT_LEAST_EVERY


def _rows(config: Config, books: Books, now: datetime, seen: Observation, *, asked: bool) -> list[JsonObject]:
    last = books.index.fact("observed") or {}
    row: JsonObject = {"type": "observation", "what": "subscriptions", "reached": seen.reached}
    if seen.service is not None:
        there, here = seen.service
        row |= {"service_date": timestamp(there), "skew_seconds": round((here - there).total_seconds())}
    is_old = "at" not in last or now - datetime.fromisoformat(last["at"]) >= AT_LEAST_EVERY
    if not seen.reached:
        row |= {"code": seen.code, "since": last.get("since") if last.get("reached") is False else timestamp(now)}
        return [row] if asked or is_old or last.get("reached") is not False else []
    known = {one.id: one for one in books.index.subscriptions()}
    names = known_names(known.values())
    rows = []
    for found in seen.subscriptions:
        ours = _ours(found, names)
        rows.append({**found, "subscription": ours})
    here_now = {str(one["subscription"]) for one in rows}
    missing = {
        one.id: one.observed.get("missing_since") or timestamp(now)
        for one in known.values()
        if one.observed.get("status") and one.id not in here_now
    }
    row |= {"subscriptions": rows, "skus": seen.skus} | ({"missing": missing} if missing else {})
    events = _events(config, books, now, known, rows, missing)
    changed = events or any(_is_news(known.get(str(one["subscription"])), one) for one in rows)
    changed = changed or any(not known[name].observed.get("missing_since") for name in missing)
    return [row, *events] if asked or is_old or changed or last.get("reached") is not True else []


def known_names(subscriptions: Collection[Subscription]) -> dict[str, str]:
    """{name: id} of what is tracked: a person may name one by its other id, that of the admin center, and in capitals."""
    found = {str(one.observed["commerce"]).casefold(): one.id for one in subscriptions if one.observed.get("commerce")}
    return found | {one.id.casefold(): one.id for one in subscriptions}


def _ours(found: JsonObject, known: Mapping[str, str]) -> str:
    """The id under which a subscription is tracked."""
    names = (str(found["subscription"]), str(found.get("commerce")))
    return next((known[one.casefold()] for one in names if one.casefold() in known), names[0])


def _is_news(known: Subscription | None, seen: JsonObject) -> bool:
    names = ("status", "next", "total", "trial", "commerce", "sku")
    return (
        known is None
        or any(known.observed.get(name) != seen.get(name) for name in names)
        or "missing_since" in known.observed
    )


def _events(
    config: Config,
    books: Books,
    now: datetime,
    known: Mapping[str, Subscription],
    rows: Sequence[JsonObject],
    missing: Mapping[str, str],
) -> list[JsonObject]:
    reckoning, found = Reckoning(config), []
    looked = books.index.fact("local.seen")
    seen_rows = {str(row["subscription"]): row for row in rows} | {name: {} for name in missing}
    for name, row in seen_rows.items():
        one = known.get(name) or Subscription(name, {}, (), None, {})
        before = max((at for at in (one.observed.get("at"), looked) if at and one.observed.get("status")), default=None)
        seen = Seen(row, now, datetime.fromisoformat(before) if before else None)
        events = inferred(one, seen, reckoning.timeline(one), reckoning.policy)
        if events is not None and events != list(one.events):
            found.append({"type": "inferred", "subscription": name, "events": events})
    return found


def _named(books: Books, name: str) -> Subscription | None:
    """The subscription that has this id, or this id in the admin center."""
    found = books.index.subscriptions([name])
    if found:
        return found[0]
    every = books.index.subscriptions()
    ours = known_names(every).get(name.casefold())
    return next((one for one in every if one.id == ours), None)


def _told(config: Config, books: Books, clock: Clock, names: Sequence[str]) -> Tracked:
    reckoning, now = Reckoning(config), clock.now()
    told = Tracked(now, stated=len(names))
    for one in books.index.subscriptions(names):
        timeline = reckoning.timeline(one)
        phase = timeline.phase_at(now)
        told.shown.append(
            {
                "id": one.id,
                "name": one.name,
                "channel": timeline.purchase.channel,
                "state": phase.state if phase else None,
                "service": {key: one.observed[key] for key in ("status", "next", "at") if key in one.observed} or None,
                "events": list(one.events),
                "boundaries": {boundary.kind: timestamp(boundary.at) for boundary in timeline.boundaries},
                "differences": differences(one, timeline, reckoning.policy, now),
                "flags": list(timeline.flags),
            }
        )
        told.sources += one.sources
    return told
