"""When what becomes deletable: phases and boundaries of one subscription, from its policy and its events.

Rules of this file: pure, no clock, no I/O, neither state nor configuration; a day is 86,400 s of UTC. Whoever protects data
gets the earliest reading, whoever claims an erasure the latest; no date without the name of its boundary. `now` decides
nothing but which phase it is. Source: retention-domain §2.1, §2.2, §2.5; data/retention/README.md.

    drawn = draw(policy, Purchase("direct", time_zone="Europe/Amsterdam"), [cancel])
    drawn.boundary("at_risk_from").at, drawn.phase_at(now).state, drawn.days_left(now)
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

from retention.episodes import ACTIVE, SHORTCUT_FLAGS, History, history_of
from retention.events import Event
from retention.policy import Policy
from retention.policy_parts import Alternative, Basis, Says, Stage
from retention.running_clock import DAY, Reckoned, RunningClock

BOUNDARIES: Final = ("access_ends", "at_risk_from", "deletable_from", "gone_by")
REACTIVATE: Final = "reactivate_until"
BoundaryKind = Literal["access_ends", "at_risk_from", "deletable_from", "gone_by", "reactivate_until"]


@dataclass(frozen=True, slots=True)
class Purchase:
    """How a subscription was bought. time_zone: IANA name of the tenant's zone, None when unknown."""

    channel: str
    term: str | None = None
    segment: str = "commercial"
    cloud: str = "worldwide"
    time_zone: str | None = None


@dataclass(frozen=True, slots=True)
class Boundary:
    """One instant that matters. at: the one to go by (`earliest`; of gone_by `latest`). explanation: one sentence, how it was
    reckoned. alternative: what another page says instead, and conflicts: the numbers of those disagreements in the policy."""

    kind: BoundaryKind
    at: datetime
    earliest: datetime
    latest: datetime
    basis: Basis
    source: str
    explanation: str
    alternative: Alternative | None = None
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Phase:
    """What holds in [begins, ends); None: without end. episode: 0 while no clock runs.

    users, admins: whether they can work with data; users_can, admins_can: what a source says about it.
    """

    state: str
    begins: datetime | None
    ends: datetime | None
    episode: int
    users: bool
    admins: bool
    reactivate: bool
    users_can: Says | None = None
    admins_can: Says | None = None


@dataclass(frozen=True, slots=True)
class ClosedEpisode:
    """A clock that a reactivation ended. started_at: earliest reading; closed_at: latest reading."""

    episode: int
    trigger: str
    event_id: str
    started_at: datetime
    closed_at: datetime


@dataclass(frozen=True, slots=True)
class Timeline:
    """What the events of a subscription come to.

    trigger, event_id, start, and boundaries are None (empty) while no clock runs; refused: no date is told for this channel.
    possible: the clock starts at an end that may turn out to be a renewal: notices only. cautions: what must not be done now
    (shortcuts leave no time to warn). resolve_by: until when assignments must be brought down after a reduction.
    """

    policy_id: str
    policy_sha256: str
    purchase: Purchase
    episode: int
    trigger: str | None
    event_id: str | None
    window_id: str | None
    starts: tuple[datetime, datetime] | None
    boundaries: tuple[Boundary, ...]
    phases: tuple[Phase, ...]
    closed_episodes: tuple[ClosedEpisode, ...]
    flags: tuple[str, ...]
    cautions: tuple[Says, ...] = ()
    resolve_by: datetime | None = None
    notes: tuple[str, ...] = ()
    possible: bool = False
    refused: Says | None = None

    def boundary(self, kind: str) -> Boundary | None:
        """The boundary of that kind; None while no clock runs, or where there is none (`reactivate_until`)."""
        return next((one for one in self.boundaries if one.kind == kind), None)

    def instants(self) -> dict[str, datetime]:
        """The instant to go by of each boundary that warnings are about (for `retention.reminders`)."""
        return {one.kind: one.at for one in self.boundaries if one.kind != REACTIVATE}

    def phase_at(self, now: datetime) -> Phase | None:
        """The phase that holds at `now`; None when refused."""
        return next((phase for phase in self.phases if phase.ends is None or now < phase.ends), None)

    def days_left(self, now: datetime) -> int | None:
        """Whole days, rounded down, to at_risk_from, or when passed to deletable_from; never negative; None without a clock."""
        ahead = [self.boundary(kind) for kind in ("at_risk_from", "deletable_from")]
        if ahead[0] is None:
            return None
        return next((int((one.at - now).total_seconds() // 86_400) for one in ahead if one and now < one.at), 0)


def draw(policy: Policy, purchase: Purchase, events: Iterable[Event]) -> Timeline:
    """The timeline of a subscription. The order in which events are given does not matter; all count, also future ones."""
    given = list(events)
    refusal = policy.refusal(purchase.channel)
    if refusal is not None:
        return _timeline(policy, purchase, flags=("cloud_closed_refuse",), refused=refusal.why)
    history = history_of(policy, purchase.channel, purchase.term, purchase.segment, purchase.cloud, given)
    clock = history.clock
    return _timeline(
        policy,
        purchase,
        episode=history.number,
        trigger=clock.trigger if clock else None,
        event_id=clock.opened_by.id if clock else None,
        window_id=clock.window_id if clock else None,
        starts=(clock.start.earliest, clock.start.latest) if clock else None,
        boundaries=tuple(_boundaries(clock)) if clock else (),
        phases=tuple(_phases(history)),
        closed_episodes=tuple(
            ClosedEpisode(
                one.number, one.clock.trigger, one.clock.opened_by.id, one.clock.start.earliest, one.at.latest
            )
            for one in history.closed
        ),
        flags=tuple(sorted(history.flags)),
        notes=tuple(history.notes),
        cautions=_cautions(policy, history),
        resolve_by=_resolve_by(policy, purchase.channel, given),
        possible=clock is not None and clock.possible,
    )


def _timeline(policy: Policy, purchase: Purchase, **parts: Any) -> Timeline:
    nothing: dict[str, Any] = {
        "episode": 0,
        "trigger": None,
        "event_id": None,
        "window_id": None,
        "starts": None,
        "boundaries": (),
        "phases": (),
        "closed_episodes": (),
    }
    return Timeline(policy.policy_id, policy.sha256, purchase, **{**nothing, **parts})


def _boundaries(clock: RunningClock) -> Iterator[Boundary]:
    for kind, reckoned in (
        ("access_ends", clock.access_ends),
        ("at_risk_from", clock.at_risk_from),
        ("deletable_from", clock.deletable_from),
        ("gone_by", clock.gone_by),
    ):
        yield _boundary(kind, reckoned, clock)
    if clock.may_reactivate:
        way_back = replace(clock.deletable_from, explanation="Before this instant the subscription can be reactivated.")
        yield _boundary(REACTIVATE, way_back, clock)


def _boundary(kind: Any, reckoned: Reckoned, clock: RunningClock) -> Boundary:
    earliest, latest = reckoned.span
    return Boundary(
        kind,
        latest if kind == "gone_by" else earliest,
        earliest,
        latest,
        reckoned.basis,
        reckoned.source,
        reckoned.explanation,
        reckoned.alternative,
        clock.conflicts,
    )


def _phases(history: History) -> Iterator[Phase]:
    """One after another without a gap: Active from the beginning of time, then each state until the next."""
    before: tuple[str, datetime | None, Stage, int] = ("Active", None, ACTIVE, 0)
    for passage, number in history.passages:
        yield _phase(before, passage.begins)
        before = (passage.state, passage.begins, passage.stage, number)
    yield _phase(before, None)


def _phase(begun: tuple[str, datetime | None, Stage, int], ends: datetime | None) -> Phase:
    state, begins, stage, number = begun
    return Phase(
        state, begins, ends, number, stage.users, stage.admins, stage.reactivate, stage.users_can, stage.admins_can
    )


def _cautions(policy: Policy, history: History) -> tuple[Says, ...]:
    """What is said while there is still something to lose: a shortcut leaves no time to warn of it."""
    taken = history.flags & set(SHORTCUT_FLAGS.values())
    return () if taken else tuple(one.beforehand for one in policy.shortcuts)


def _resolve_by(policy: Policy, channel: str, events: Iterable[Event]) -> datetime | None:
    """Until when more licences may be assigned than there are; of several reductions the earliest."""
    clock = policy.object_clocks.over_assignment
    if clock is None:
        return None
    return min(
        (
            event.earliest + (0 if not event.per_user or channel in clock.at_once else clock.days) * DAY
            for event in events
            if event.type == "reduce_quantity"
        ),
        default=None,
    )
