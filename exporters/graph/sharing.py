"""What processes that share one budget tell each other: reports, pictures, leases. And how much a lease holds.

Rules of this file: pure data and arithmetic; instants are seconds since 1970, so that they mean the same to everybody. One
exchange is one transaction: a process reports what it spent and still holds, and learns what all have spent, what the others
hold, and what the service told. What a lease holds counts as spent for everybody else; a lease that nobody renews counts as
spent when it ends. Source: design §9 (budgets are shared through `state`); docs/decisions/0009.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

LEASE_SECONDS = 10.0
"""A lease that is not renewed ends after so long: the process is gone, or stands still."""
MINUTE, DAY = 60.0, 86_400.0


class Left(NamedTuple):
    """What the service says is left of the minute: `units` until `until`, less what has no answer yet; told since `at`."""

    units: int
    until: float
    at: float


class Doubt(NamedTuple):
    """Units that may have been spent and of which nobody knows: they count until `until`."""

    units: int
    until: float


@dataclass(frozen=True, slots=True)
class History:
    """What was spent before, by whoever: (instant, units), oldest first. unrecorded: what may have been spent besides, at most,
    by the instant given."""

    spends: Sequence[tuple[float, int]] = ()
    unrecorded: Sequence[tuple[float, int]] = ()

    def doubt(self, now: float) -> Doubt | None:
        """What of the unrecorded may still lie in the last minute."""
        young = [(at, units) for at, units in self.unrecorded if at + MINUTE > now]
        return Doubt(sum(units for _, units in young), max(at for at, _ in young) + MINUTE) if young else None


@dataclass(frozen=True, slots=True)
class Report:
    """What one process has to say. spends: what it has settled since its last report. kept: units without an answer, and what
    it keeps of its lease. hungry: somebody waits. minutes_since, generation: how much of the day it knows."""

    at: float
    spends: Sequence[tuple[float, int]] = ()
    kept: int = 0
    hungry: bool = False
    pause_until: float = 0.0
    left: Left | None = None
    told_limit: int = 0
    told_limit_at: float = 0.0
    doubt: Doubt | None = None
    minutes_since: float = 0.0
    generation: int = -1


@dataclass(frozen=True, slots=True)
class Picture:
    """What all know together. spends: of the last minute, finely, (instant, units); minutes: of the day, since `minutes_since`;
    held: (units, until) of each other process that lives; hungry: how many of them wait. has_history: whether what was spent
    before this database came into being is in it; made_at: when that was. generation: changes when the past was filled in."""

    spends: Sequence[tuple[float, int]] = ()
    minutes: Sequence[tuple[float, int]] = ()
    minutes_since: float = 0.0
    held: Sequence[tuple[int, float]] = ()
    hungry: int = 0
    pause_until: float = 0.0
    left: Left | None = None
    told_limit: int = 0
    told_limit_at: float = 0.0
    doubt: Doubt | None = None
    has_history: bool = True
    made_at: float = 0.0
    generation: int = 0


class BudgetStore(Protocol):
    """Where processes meet. Every method is one transaction, waits for others for moments only, and never raises."""

    def exchange(self, report: Report, decide: Callable[[Picture], int]) -> Picture | None:
        """Take the report, show the picture (with the report in it) to `decide`, and lease what that returns.

        None if the place cannot be used just now: nothing is reported or leased then, though `decide` may have been called.
        """
        ...

    def remember(self, history: History) -> bool:
        """Fill in what was spent before `made_at`, if nobody has done so yet. False if the place cannot be used."""
        ...


@dataclass(slots=True)
class Appetite:
    """How fast a process spends, and so how large its leases are. Neither so small that requests wait for transactions,
    nor so large that a process that dies, or dozes, keeps others from much."""

    claimed: int = 0
    need: int = 0
    rate: float = 0.0
    _since: float = 0.0
    _wanted_at: float = -math.inf

    def measure(self, now: float) -> bool:
        """Look back at the time since the last measure; whether anything was wanted within a second."""
        if self.claimed or self.need:
            self._wanted_at = now
        self.rate = max(self.claimed / max(now - self._since, 0.1), self.rate / 2)
        self.claimed, self._since = 0, now
        return now - self._wanted_at < 1.0

    def portion(self, limit: int) -> int:
        """Units to hold: those of about a second, from a twentieth to a tenth of the limit, and what one request needs."""
        usual = max(limit // 20, min(int(self.rate), limit // 10), 2)
        return max(usual, min(self.need, limit))


def merged_left(one: Left | None, other: Left | None) -> Left | None:
    """The stricter of two tellings of the same window, the later of different ones."""
    if one is None or other is None:
        return one or other
    first, second = sorted((one, other), key=lambda left: left.until)
    if second.until > first.until + SAME_WINDOW:
        return second
    return Left(min(one.units, other.units), first.until, min(one.at, other.at))


SAME_WINDOW = 1.5
"""Seconds by which two tellings of one window's end may differ: `RateLimit-Reset` is in whole seconds."""


def share(wanted: int, free: int, hungry: int) -> int:
    """What one of `hungry` + 1 processes gets of `free` units: all that it wants if that leaves as much for each other."""
    if free <= 0 or wanted <= 0:
        return 0
    return min(wanted, max(-(-free // (hungry + 1)), 1))
