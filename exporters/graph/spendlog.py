"""Units spent in a sliding window: what may still count, and when it no longer does.

Rules of this file: pure; no clock, no lock (whoever shares a log brings one). A unit counts from its claim until the window's
span after its answer: the service counted it somewhere between, so no window of the service, fixed or sliding, holds more than
this log says. Source: reference graph.md 7.1, 7.3.

    log = SpendLog(60.0)
    if not log.wait(1, limit, now): log.claim(1); ...; log.settle(1, now)
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator


class SpendLog:
    """Spends of the last `seconds`, summed in slots. Times are seconds of one steady clock."""

    __slots__ = ("_entries", "_next_free", "_seconds", "_settled", "_slot", "in_flight")

    def __init__(self, seconds: float, slots: int = 240) -> None:
        self._seconds = seconds
        self._slot = seconds / slots
        self._entries: deque[list[float]] = deque()  # [when it stops to count, units], oldest first
        self._next_free = math.inf
        self._settled = 0
        self.in_flight = 0

    def used(self, now: float) -> int:
        """Units that some window which holds `now` may hold already."""
        if now >= self._next_free:
            self._expire(now)
        return self._settled + self.in_flight

    def settled(self, now: float) -> int:
        """Those of them that have their answer."""
        if now >= self._next_free:
            self._expire(now)
        return self._settled

    def claim(self, units: int) -> None:
        """A request goes out."""
        self.in_flight += units

    def settle(self, units: int, now: float) -> None:
        """Its answer is there, or it is certain that none will come."""
        self.in_flight -= units
        self.note(units, now)

    def note(self, units: int, at: float) -> None:
        """A spend that is over, counted as of `at`; out of order it counts longer than it must, never shorter."""
        if units <= 0:
            return
        self._settled += units
        free_at = (at // self._slot + 1) * self._slot + self._seconds
        entries = self._entries
        if entries and entries[-1][0] >= free_at:
            entries[-1][1] += units
            return
        if not entries:
            self._next_free = free_at
        entries.append([free_at, units])

    def replace(self, spends: Iterable[tuple[float, int]], since: float = -math.inf) -> None:
        """Take these (moment, units), in order, for all that was settled after `since`. What is in flight stays."""
        entries, cut = self._entries, since + self._seconds
        while entries and entries[-1][0] > cut:
            self._settled -= int(entries.pop()[1])
        for at, units in spends:
            free_at = at + self._seconds
            self._settled += units
            if entries and entries[-1][0] >= free_at:
                entries[-1][1] += units
            else:
                entries.append([free_at, units])
        self._next_free = entries[0][0] if entries else math.inf

    def wait(self, units: int, limit: int, now: float, held: int = 0) -> float:
        """Seconds until `units` more fit under `limit` beside `held`: 0 if now, infinite if only an answer can tell.

        More than the limit itself fits an empty log.
        """
        missing = self.used(now) + held + min(units, limit) - limit
        if missing <= 0:
            return 0.0
        for free_at, spent in self._entries:
            missing -= int(spent)
            if missing <= 0:
                return free_at - now
        return math.inf

    def spends(self, now: float) -> Iterator[tuple[float, int]]:
        """(latest moment, units) of what is settled and still counts, oldest first."""
        self.used(now)
        for free_at, units in self._entries:
            yield min(free_at - self._seconds, now), int(units)

    def _expire(self, now: float) -> None:
        entries = self._entries
        while entries and entries[0][0] <= now:
            self._settled -= int(entries.popleft()[1])
        self._next_free = entries[0][0] if entries else math.inf
