"""Processes with many threads, one service, one clock that jumps from event to event: days of budget in seconds.

Rules of this file: the budget, the store (SQLite) and the service (the rehearsal's throttle) are the real ones; only threads and
time are played. Nothing here decides what is right: it records what the service counted, and when.
"""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from exporters.clock import ManualClock
from exporters.graph.budget import Budget, Ticket
from exporters.graph.headers import parse_rate_limit, parse_retry_after
from exporters.graph.keeper import exchange
from exporters.graph.limits import LicenceClass, Limit, Scope
from exporters.graph.sharing import BudgetStore, History, Picture
from exporters.rehearsal.throttling import Throttle

START = datetime(2026, 11, 23, 12, 0, 13, tzinfo=UTC)
LOOK = 1.0


@dataclass
class Counted:
    """One request as the service saw it. at: seconds since the start."""

    at: float
    units: int
    status: int
    avoidable: bool
    process: int


class World:
    """The service and the time. phase: seconds of the calendar's minute at the start."""

    def __init__(self, *, phase: float = 13.0, seed: int = 1, **throttle: object) -> None:
        start = START.replace(second=0) + timedelta(seconds=phase)
        self.clock = ManualClock(start)
        self.throttle = Throttle(self.clock, **{"licences": 100, "users": 10, "real": self.clock, **throttle})  # type: ignore[arg-type]
        self.random = random.Random(seed)
        self.counted: list[Counted] = []
        self.processes: list[Process] = []
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    @property
    def now(self) -> float:
        return self.clock.monotonic()

    def at(self, moment: float, then: Callable[[], None]) -> None:
        """Do something later."""
        heapq.heappush(self._events, (max(moment, self.now), next(self._numbers), then))

    def run(self, until: float) -> None:
        """Let time pass, until so many seconds after the start."""
        while self._events and self._events[0][0] <= until:
            moment, _, then = heapq.heappop(self._events)
            if moment > self.now:
                self.clock.advance(moment - self.now)
            then()
        self.clock.advance(max(0.0, until - self.now))

    def used(self, since: float, until: float) -> int:
        """Units of useful requests in that time."""
        return sum(c.units for c in self.counted if since <= c.at < until and not c.status)

    @property
    def refused(self) -> int:
        return sum(1 for c in self.counted if c.status)

    @property
    def avoidable(self) -> int:
        return sum(c.avoidable for c in self.counted)

    def most_in_any(self, seconds: float) -> int:
        """The most units that the service counted in any window of so many seconds."""
        most = total = first = 0
        for entry in self.counted:
            total += entry.units
            while self.counted[first].at <= entry.at - seconds:
                total -= self.counted[first].units
                first += 1
            most = max(most, total)
        return most


@dataclass
class Process:
    """A process with `threads` that have one request after the other to send."""

    world: World
    number: int
    threads: int = 16
    latency: float = 0.1
    units: Callable[[], int] = lambda: 1
    store: BudgetStore | None = None
    licences: int | None = 100
    limits: tuple[int, int] | None = None
    """Minute and day as published, instead of what `licences` say."""
    think: float = 0.0
    """Seconds of work of a thread between two requests."""
    budget: Budget = field(init=False)
    exchanges: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def start(self, history: Callable[[datetime], History] = lambda before: History()) -> "Process":
        """Join the others, and begin."""
        self.budget = Budget(licences=self.licences)
        if self.limits is not None:
            minute, day = self.limits
            size = LicenceClass(None, Limit(minute, 60, "test"), Limit(day, 86_400, "test"))
            self.budget._sharepoint.publish(size)
        self.alive, self._line, self._look, self._due = True, deque(range(self.threads)), 0, 0
        self._owed: list[int | None] = [None] * self.threads
        if self.store is not None:
            self.budget.join()
            picture = self._exchange()
            if picture is None or not picture.has_history:
                now = self.world.clock.now()
                past = history(now if picture is None else datetime.fromtimestamp(picture.made_at, UTC))
                self.budget.restore(past, self.world.now, self._offset)
                if picture is not None:
                    self.store.remember(past)
                    self._exchange()
        self._keep()
        self._try()
        return self

    def kill(self) -> None:
        """Nothing more is sent; what is on its way arrives."""
        self.alive = False

    def stop(self) -> None:
        """End in order."""
        self.alive = False
        self._exchange(leaving=True)

    @property
    def _offset(self) -> float:
        return self.world.clock.now().timestamp() - self.world.now

    def _try(self) -> None:
        """The head of the line claims, as in `gate`."""
        self._look += 1
        look = self._look
        while self.alive and self._line:
            lane = self._line[0]
            units = self._owed[lane] = self._owed[lane] or self.units()
            claim = self.budget.claim(Scope.SHAREPOINT, units, self.world.now)
            if claim.ticket is None:
                self.reasons[claim.reason] = self.reasons.get(claim.reason, 0) + 1
                self._keep()
                self.world.at(
                    self.world.now + max(min(claim.wait_seconds, LOOK), 1e-6),
                    lambda: self._try() if self._look == look else None,
                )
                return
            self._line.popleft()
            self._owed[lane] = None
            self._send(lane, claim.ticket)

    def _send(self, lane: int, ticket: Ticket) -> None:
        world = self.world
        latency = self.latency * (0.5 + world.random.random())
        there = world.now + latency * world.random.random()

        def arrive() -> None:
            verdict = world.throttle.charge("sharepoint", ticket.units, f"{self.number} {id(ticket)}")
            world.counted.append(Counted(world.now, ticket.units, verdict.status, verdict.avoidable, self.number))
            world.at(there + latency * 0.3, lambda: answer(verdict.status, verdict.headers))

        def answer(status: int, headers: dict[str, str]) -> None:
            if not self.alive:
                return
            rate = parse_rate_limit(headers)
            pause = None
            if status:
                told = parse_retry_after(headers, world.clock.now())
                pause = max([s for s in (told, rate.reset if rate else None) if s is not None], default=2.0)
            self.budget.settle(ticket, world.now, rate_limit=rate, served=not status, pause_seconds=pause)
            if pause is not None:
                self._keep()
            world.at(world.now + self.think, lambda: back(lane))
            self._try()

        def back(lane: int) -> None:
            self._line.append(lane)
            if len(self._line) == 1:
                self._try()

        world.at(there, arrive)

    def _keep(self) -> None:
        """The keeper's loop: exchange when due."""
        if self.store is None or not self.alive:
            return
        self._due += 1
        mine = self._due
        due = self.budget.next_exchange(self.world.now)

        def look() -> None:
            if self._due != mine or not self.alive:
                return
            if self.budget.next_exchange(self.world.now) <= 0:
                self._exchange()
                self._try()
            self._keep()

        self.world.at(self.world.now + max(min(due, 60.0), 1e-4), look)

    def _exchange(self, *, leaving: bool = False) -> Picture | None:
        assert self.store is not None
        self.exchanges += 1
        return exchange(self.budget, self.store, lambda: (self.world.now, self._offset), leaving=leaving)
