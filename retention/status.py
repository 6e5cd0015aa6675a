"""Where each subscription stands: how long there is left, what happens next, what is not copied yet.

Rules of this file: reads and computes, writes nothing; the rows of `status --json` are fixed. Source: design §6 (`status`).
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from exporters.bag.formats import JsonObject
from exporters.clock import Clock, timestamp
from exporters.errors import LastcopyError
from retention.books import Books, opened_books
from retention.config import Config
from retention.inference import differences
from retention.reckoning import Reckoning
from retention.sweep import Sweep
from retention.timeline import Timeline
from retention.timeline_shown import boundary_json, next_json, next_reminder
from retention.tracked import SENT, Said, Standing, Subscription, one_line

if TYPE_CHECKING:
    from retention.personal import Mark


@dataclass(slots=True)
class Row:
    """One subscription. missing: its sources that are not copied, None if none of it are known; waiting: keys of
    critical warnings that nobody has acknowledged; differences: where the service's word is another one."""

    subscription: Subscription
    timeline: Timeline
    missing: list[str] | None
    waiting: list[str]
    differences: list[str]

    def days_left(self, now: datetime) -> int | None:
        return self.timeline.days_left(now)

    def as_json(self, now: datetime) -> JsonObject:
        """A row of `status --json` (design §6), and more behind it."""
        timeline, phase = self.timeline, self.timeline.phase_at(now)
        return {
            "id": self.subscription.id,
            "name": self.subscription.name,
            "policy": timeline.policy_id,
            "phase": phase.state if phase else None,
            "boundaries": [boundary_json(timeline, one) for one in timeline.boundaries],
            "next": next_json(next_reminder(timeline, now)),
            "days_left": self.days_left(now),
            "uncovered_sources": self.missing or [],
            "sources": self.subscription.sources,
            "channel": timeline.purchase.channel,
            "trigger": timeline.trigger,
            "event": timeline.event_id,
            "possible_end": timeline.possible,
            "unacknowledged": self.waiting,
            "differences": self.differences,
            "flags": list(timeline.flags),
        }


@dataclass(slots=True)
class Status:
    """Where everything stands. tenant: as configured; unreachable_since: of the tenant, None if it answered last;
    personal: marks of users, drives and the like that lie ahead, or passed today."""

    now: datetime
    tenant: str
    zone: str
    rows: list[Row] = field(default_factory=list)
    standing: Standing = field(default_factory=Standing)
    unreachable_since: str | None = None
    observed_at: str | None = None
    policy: str = ""
    is_rehearsal: bool = False
    problems: list[str] = field(default_factory=list)
    personal: "list[Mark]" = field(default_factory=list)

    def as_json(self) -> JsonObject:
        """The document of `status --json`."""
        return {
            "now": timestamp(self.now),
            "subscriptions": [row.as_json(self.now) for row in self.rows],
            "tenant": {"id": self.tenant, "observed_at": self.observed_at, "unreachable_since": self.unreachable_since},
            "undelivered": self.standing.undelivered,
            "unacknowledged": self.standing.unacknowledged,
            "rehearsal": self.is_rehearsal,
            "problems": self.problems,
            "personal": [mark.as_json() for mark in self.personal],
        }


def status_of(config: Config, clock: Clock) -> Status:
    """Read and reckon. Raises: ConfigurationError, RunError, errors of the store."""
    from retention.sweeping import health_of

    reckoning, now = Reckoning(config), clock.now()
    with opened_books(config, clock) as books:
        sweep = Sweep(config, books, clock)
        status = Status(now, sweep.tenant, reckoning.zone.key)
        observed = books.index.fact("observed") or {}
        status.observed_at = observed.get("at")
        if observed.get("reached") is False:
            status.unreachable_since = observed.get("since") or observed.get("at")
        status.is_rehearsal = bool(books.index.fact("rehearsal"))
        status.standing = books.index.standing(len(reckoning.contacts))
        status.policy = f"{reckoning.policy.policy_id}, verified {reckoning.policy.verified_on}"
        status.rows = _rows(books, reckoning, sweep, now, status.problems)
        status.problems += _oversights(reckoning, [row.subscription for row in status.rows])
        status.personal = _personal(books, reckoning, now, status.problems)
        problem = health_of(config, now)
        if problem is not None:
            status.problems.append(problem)
    status.rows.sort(key=lambda row: _soonest(row, now))
    return status


def _rows(books: Books, reckoning: Reckoning, sweep: Sweep, now: datetime, problems: list[str]) -> list[Row]:
    subscriptions = books.index.subscriptions()
    said = books.index.said([one.id for one in subscriptions])
    missing = sweep.all_missing([one.id for one in subscriptions])
    rows = []
    for one in subscriptions:
        try:
            timeline = reckoning.timeline(one)
        except LastcopyError as error:
            problems.append(f"{one.name}: {error}")
            continue
        told = differences(one, timeline, reckoning.policy, now)
        rows.append(Row(one, timeline, missing[one.id], _waiting(said[one.id], timeline), told))
    return rows


def _personal(books: Books, reckoning: Reckoning, now: datetime, problems: list[str]) -> "list[Mark]":
    things = books.index.aside().things
    if not things:
        return []
    from retention.personal import ahead

    try:
        return ahead(reckoning.marks(things), now)
    except LastcopyError as error:
        problems.append(f"personal clocks cannot be reckoned: {error}")
        return []


def _oversights(reckoning: Reckoning, subscriptions: list[Subscription]) -> list[str]:
    """What in the configuration cannot have been meant."""
    found = [
        f"retention.subscriptions names {one_line(name)}, which is not tracked: run lastcopy track, or correct the id"
        for name in (reckoning.strangers(subscriptions) if subscriptions else ())
    ]
    if not reckoning.contacts and subscriptions:
        found.append("nobody is warned: `notify` is empty in the configuration")
    return found


def _waiting(said: Said, timeline: Timeline) -> list[str]:
    """Keys of critical warnings of the clock that runs, acknowledged by nobody who had them."""
    mine = [claim for claim in said.claims if claim.event == timeline.event_id and isinstance(claim.threshold, int)]
    known = {(claim.boundary, claim.instant, claim.threshold) for claim in mine if claim.acknowledged}
    return [
        claim.key
        for claim in mine
        if claim.status == SENT
        and claim.severity == "critical"
        and (claim.boundary, claim.instant, claim.threshold) not in known
    ]


def _soonest(row: Row, now: datetime) -> tuple[int, float, str]:
    """The one that presses most comes first; those without a clock last."""
    ahead = [
        one.at for one in row.timeline.boundaries if one.kind in {"at_risk_from", "deletable_from"} and one.at > now
    ]
    if not row.timeline.boundaries:
        return 2, 0.0, row.subscription.name
    return (0, min(ahead).timestamp(), row.subscription.name) if ahead else (1, 0.0, row.subscription.name)
