"""From two observations to an event: what must have happened in between. Pure.

Rules of this file: an event is inferred only where what is known does not explain what the service says; its time is the range
between two polls, or narrower by the service's own dates, never wider. Where the service's date is earlier than the computed
one, the start of the clock becomes uncertain by as much: the earlier rules. Source: retention-domain §1, §2.5; graph.md §8.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from exporters.bag.formats import JsonObject
from exporters.clock import timestamp
from retention.events import PARTNER_CHANNELS
from retention.policy import Policy
from retention.policy_parts import Windows
from retention.reminders import MOVED
from retention.statements import merged
from retention.timeline import Timeline
from retention.tracked import Subscription

CONFIRMED_AFTER = timedelta(hours=24)
"""A row that is missing counts as deleted when it is still missing so long after it was missed first."""
RUNS_OUT, SHUT = frozenset({"Warning"}), frozenset({"Suspended", "LockedOut"})


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one subscription. row: as observed, empty if it is missing; at: now; before: when it was last seen in the
    state before, None if it was never seen."""

    row: JsonObject
    at: datetime
    before: datetime | None

    @property
    def status(self) -> str | None:
        return self.row.get("status")

    @property
    def next(self) -> datetime | None:
        return datetime.fromisoformat(self.row["next"]) if self.row.get("next") else None


def inferred(known: Subscription, seen: Seen, timeline: Timeline, policy: Policy) -> list[JsonObject] | None:
    """The events after an observation, None if it says nothing new. timeline: of what was known before."""
    event = _happened(known, seen, timeline, policy)
    if event is None:
        return _earlier(known, seen, timeline)
    zone, channel = timeline.purchase.time_zone, timeline.purchase.channel
    return merged(known.events, [{**event, "origin": "observed"}], zone=zone, channel=channel)


def is_gone(seen: Seen, missing_since: datetime | None) -> bool:
    """Whether the service says Deleted: by its status, or by a row that is missing twice, 24 hours apart."""
    if seen.status == "Deleted":
        return True
    return not seen.row and missing_since is not None and seen.at - missing_since >= CONFIRMED_AFTER


def differences(known: Subscription, timeline: Timeline, policy: Policy, now: datetime) -> list[str]:
    """Sentences on where the service's word and the computed one differ; the earlier rules."""
    seen, found = known.observed, []
    phase = timeline.phase_at(now)
    status = seen.get("status")
    if status and phase is not None and phase.state in policy.states:
        expected = policy.states[phase.state].graph_status
        if expected and status not in expected and not timeline.possible:
            found.append(f"the service says {status}, reckoned is {phase.state}: the stricter reading rules")
    after = datetime.fromisoformat(seen["next"]) if seen.get("next") else None
    boundary = timeline.boundary("access_ends" if status in RUNS_OUT else "deletable_from" if status in SHUT else "")
    if after is not None and boundary is not None and abs(after - boundary.at) >= MOVED:
        rules = "the service's date" if after < boundary.at else "the computed date"
        found.append(
            f"{boundary.kind}: the service says {timestamp(after)}, reckoned is {timestamp(boundary.at)}: {rules}, the"
            " earlier one, rules"
        )
    if seen.get("missing_since") and (phase is None or phase.state != "Deleted"):
        found.append(f"the service has not listed it since {seen['missing_since']}; that alone does not mean Deleted")
    return found


def _happened(known: Subscription, seen: Seen, timeline: Timeline, policy: Policy) -> JsonObject | None:
    before, status = known.observed.get("status"), seen.status
    phase = timeline.phase_at(seen.at)
    runs = timeline.trigger is not None and not timeline.possible and phase is not None and phase.episode > 0
    if status == "Enabled":
        came_back = before in RUNS_OUT | SHUT and timeline.trigger is not None and not timeline.possible
        return _between("reactivate", seen) if came_back else None
    missing = known.observed.get("missing_since")
    if is_gone(seen, datetime.fromisoformat(missing) if missing else None):
        is_deleted = phase is not None and phase.state == "Deleted"
        return None if is_deleted else _between("delete_subscription", seen)
    if runs or status is None:
        return None
    partner = timeline.purchase.channel in PARTNER_CHANNELS
    if status in RUNS_OUT:
        return _started("term_end", seen, known.observed, _windows(policy, timeline, "term_end"), whole=False)
    if status in SHUT:
        trigger = "suspend" if partner and before == "Enabled" else "cancel"
        return _started(trigger, seen, known.observed, _windows(policy, timeline, trigger), whole=True)
    return None


def _windows(policy: Policy, timeline: Timeline, trigger: str) -> Windows:
    bought = timeline.purchase
    window = policy.window(bought.channel, trigger, term=bought.term, segment=bought.segment, cloud=bought.cloud)
    return window.windows if window is not None else policy.fallback.windows


def _started(trigger: str, seen: Seen, before: Mapping[str, object], windows: Windows, *, whole: bool) -> JsonObject:
    """A clock that has begun. whole: the state that was seen lasts to the end of the protected stages."""
    days = timedelta(days=windows.protected_days if whole else windows.access_days)
    earliest = seen.before if seen.before is not None else seen.at - days
    announced = before.get("next")
    if trigger == "term_end" and isinstance(announced, str) and before.get("status") == "Enabled":
        end = datetime.fromisoformat(announced)
        if earliest <= end <= seen.at:
            return {"type": trigger, "at": timestamp(end)}
    if seen.next is not None and earliest <= seen.next - days <= seen.at:
        return {"type": trigger, "at": timestamp(seen.next - days)}
    return {"type": trigger, "between": [timestamp(earliest), timestamp(seen.at)]}


def _between(kind: str, seen: Seen) -> JsonObject:
    return {"type": kind, "between": [timestamp(seen.before or seen.at), timestamp(seen.at)]}


def _earlier(known: Subscription, seen: Seen, timeline: Timeline) -> list[JsonObject] | None:
    """Where the service's date is earlier than ours: the start may have been as much earlier."""
    kind = "access_ends" if seen.status in RUNS_OUT else "deletable_from" if seen.status in SHUT else ""
    boundary, starts = timeline.boundary(kind), timeline.starts
    if boundary is None or seen.next is None or starts is None or boundary.at - seen.next < MOVED or timeline.possible:
        return None
    moved = [timestamp(starts[0] - (boundary.at - seen.next)), timestamp(starts[1])]
    events = []
    for event in known.events:
        if event.get("id") == timeline.event_id:
            kept = {key: value for key, value in event.items() if key not in {"at", "between", "local", "date"}}
            events.append({**kept, "between": moved})
        else:
            events.append(dict(event))
    return events
