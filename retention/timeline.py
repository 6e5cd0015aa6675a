"""When what becomes deletable: phases and boundaries of one subscription, from its policy and its events.

Rules of this file: pure, no clock, no I/O, neither state nor configuration; a day is 86,400 s of UTC. Whoever protects data
gets the earliest reading, whoever claims an erasure the latest; no date without the name of its boundary. `now` decides
nothing but which phase it is. Source: retention-domain §2.1, §2.2, §2.5; data/retention/README.md.

    drawn = draw(policy, Purchase("direct", time_zone="Europe/Amsterdam"), [cancel])
    drawn.boundary("at_risk_from").at, drawn.phase_at(now).state, drawn.days_left(now)
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from retention.events import Event
from retention.policy import Alternative, Basis, Policy, Says

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
    raise NotImplementedError
