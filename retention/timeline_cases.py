"""Answers a case file of data/retention: what each case expects, computed.

Rules of this file: pure; no expected value is ever looked at. A case that cannot be read is an error that names it. Source:
data/retention/README.md.

    answers(policy, json.loads(text))        # {"RT001": {"state_at_now": "Disabled", …}, …}
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from exporters.clock import timestamp
from exporters.errors import LastcopyError
from retention.events import CHANNELS, SEGMENTS, TERMS, EventError, read_event, read_when, zone_of
from retention.policy import Policy
from retention.related_clocks import Covering, PersonalClock, object_marks, read_object_event, together
from retention.reminders import QuietHours, Reminder, scheduled
from retention.timeline import REACTIVATE, Purchase, Timeline, draw
from retention.values import time_of_day

SCHEMA = "lastcopy.retention.timeline-cases/1"


def answers(policy: Policy, document: Any) -> dict[str, dict[str, Any]]:
    """{id: computed `expect`} of every case of a file. Raises: EventError."""
    if not isinstance(document, dict) or not isinstance(document.get("cases"), list):
        raise EventError("the case file holds no cases", f'It begins as {{"schema": "{SCHEMA}", "cases": […]}}.')
    if document.get("schema", SCHEMA) != SCHEMA:
        raise EventError(f"the case file has the schema {document['schema']!r}", f"Allowed: {SCHEMA}.")
    found: dict[str, dict[str, Any]] = {}
    for place, case in enumerate(document["cases"]):
        name = case.get("id") if isinstance(case, dict) else None
        if not isinstance(name, str) or name in found:
            raise EventError(f"case {place + 1} has no id of its own", "Give each case another id.")
        try:
            found[name] = answer(policy, case)
        except LastcopyError as error:
            raise EventError(f"case {name}: {error}", error.action) from None
    return found


def answer(policy: Policy, case: Mapping[str, Any]) -> dict[str, Any]:
    """The computed `expect` of one case. Raises: EventError."""
    kinds = {"subscription": _subscription, "multi": _multi, "object": _object}
    kind = case.get("kind", "subscription")
    if kind not in kinds:
        raise EventError(f"there is no kind {kind!r}", f"Allowed: {', '.join(kinds)}.")
    return kinds[kind](policy, case)


def _subscription(policy: Policy, case: Mapping[str, Any]) -> dict[str, Any]:
    zone = case.get("time_zone")
    timeline = _drawn(policy, case, case)
    now = _instant(case, "now")
    known_at = _instant(case, "known_at") if case.get("known_at") is not None else now
    phase = timeline.phase_at(now)
    found: dict[str, Any] = {
        "state_at_now": phase.state if phase else None,
        "episode": timeline.episode,
        "trigger": timeline.trigger,
        "clock_start": _start(timeline),
        "boundaries": _boundaries(timeline),
        "local": _local(_instants(timeline), zone) if timeline.starts else None,
        "warnings": [_warning(one) for one in _warnings(timeline, case, known_at)],
        "closed_episodes": [
            {
                "episode": one.episode,
                "trigger": one.trigger,
                "clock_start": timestamp(one.started_at),
                "closed_at": timestamp(one.closed_at),
            }
            for one in timeline.closed_episodes
        ],
        "flags": list(timeline.flags),
    }
    if timeline.resolve_by is not None:
        found["resolve_overassignment_by"] = timestamp(timeline.resolve_by)
    return found


def _multi(policy: Policy, case: Mapping[str, Any]) -> dict[str, Any]:
    now = _instant(case, "now")
    covering = {
        _id(one): Covering(_drawn(policy, case, one), frozenset(one.get("services") or ()))
        for one in _records(case, "subscriptions")
    }
    users = {_id(one): list(one.get("subscriptions") or ()) for one in _records(case, "users")}
    found = together(policy, covering, users, segment=_segment(case))
    return {
        "subscriptions": {name: _covered(one.timeline, now) for name, one in covering.items()},
        "services": {
            name: _shown(boundaries) if boundaries is not None else None for name, boundaries in found.services.items()
        },
        "users": {name: {what: _personal(clock) for what, clock in one.items()} for name, one in found.users.items()},
        "flags": list(found.flags),
    }


def _object(policy: Policy, case: Mapping[str, Any]) -> dict[str, Any]:
    record, zone = case.get("object_event"), case.get("time_zone")
    if not isinstance(record, dict):
        raise EventError("there is no object_event", "Add it, with a type and a time.")
    marks = object_marks(policy, read_object_event(record, zone=zone), segment=_segment(case))
    return {"clocks": _shown(marks.clocks), "local": _local(marks.clocks, zone), "flags": list(marks.flags)}


def _drawn(policy: Policy, case: Mapping[str, Any], subscription: Mapping[str, Any]) -> Timeline:
    channel, term, zone = subscription.get("channel"), subscription.get("term"), case.get("time_zone")
    if channel not in CHANNELS:
        raise EventError(f"there is no channel {channel!r}", f"Allowed: {', '.join(CHANNELS)}.")
    if term is not None and term not in TERMS:
        raise EventError(f"there is no term {term!r}", f"Allowed: {', '.join(TERMS)}.")
    zone_of(zone)
    events = [read_event(one, zone=zone, channel=channel) for one in _records(subscription, "events")]
    return draw(policy, Purchase(str(channel), term, _segment(case), time_zone=zone), events)


def _warnings(timeline: Timeline, case: Mapping[str, Any], known_at: datetime) -> list[Reminder]:
    quiet, given = None, case.get("quiet_hours")
    if given:
        try:
            start, end = time_of_day(given["start"]), time_of_day(given["end"])
        except (KeyError, TypeError, ValueError):
            raise EventError("quiet_hours cannot be read", "Write {start: '20:00', end: '07:00'}.") from None
        quiet = QuietHours(start, end, zone_of(case.get("time_zone")) or UTC)
    return scheduled(timeline.instants(), known_at=known_at, quiet=quiet)


def _warning(one: Reminder) -> dict[str, Any]:
    return {
        "boundary": one.boundary,
        "threshold_days": one.threshold_days,
        "send_utc": timestamp(one.send),
        "due_utc": timestamp(one.due),
        "kind": one.kind,
        "severity": one.severity,
    }


def _start(timeline: Timeline) -> dict[str, str] | None:
    if timeline.starts is None:
        return None
    return {"earliest": timestamp(timeline.starts[0]), "latest": timestamp(timeline.starts[1])}


def _instants(timeline: Timeline) -> dict[str, datetime | None]:
    way_back = timeline.boundary(REACTIVATE)
    return {**timeline.instants(), REACTIVATE: way_back.at if way_back else None}


def _boundaries(timeline: Timeline) -> dict[str, str | None] | None:
    return _shown(_instants(timeline)) if timeline.starts else None


def _covered(timeline: Timeline, now: datetime) -> dict[str, Any]:
    phase = timeline.phase_at(now)
    return {"state_at_now": phase.state if phase else None, "boundaries": _boundaries(timeline)}


def _personal(clock: PersonalClock | None) -> dict[str, str | None] | None:
    return None if clock is None else _shown({**clock.marks, "plan_by": clock.plan_by})


def _shown(instants: Mapping[str, datetime | None]) -> dict[str, str | None]:
    return {name: None if at is None else timestamp(at) for name, at in instants.items()}


def _local(instants: Mapping[str, datetime | None], zone: str | None) -> dict[str, str | None]:
    shown_in = zone_of(zone) or UTC
    return {name: None if at is None else at.astimezone(shown_in).isoformat() for name, at in instants.items()}


def _records(record: Mapping[str, Any], name: str) -> Iterable[Mapping[str, Any]]:
    found = record.get(name) or []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise EventError(f"{name} is no list of records", "Write it as data/retention/README.md shows.")
    return found


def _id(record: Mapping[str, Any]) -> str:
    name = record.get("id")
    if not isinstance(name, str):
        raise EventError("a subscription or user has no id", "Give each one.")
    return name


def _segment(case: Mapping[str, Any]) -> str:
    segment = case.get("segment") or "commercial"
    if segment not in SEGMENTS:
        raise EventError(f"there is no segment {segment!r}", f"Allowed: {', '.join(SEGMENTS)}.")
    return str(segment)


def _instant(case: Mapping[str, Any], name: str) -> datetime:
    return read_when({"type": name, "at": case.get(name)}).earliest
