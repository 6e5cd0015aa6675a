"""Where requests wait for the budget: first come, first served, and one waiter at a time looks at the clock.

Rules of this file: `budget` decides, this waits. Whoever must wait stands in a line (one for each limit); only the head of a
line waits by the clock, all others until the one before them has gone. So sixteen threads that wait for a minute cost what one
does, and each goes at the moment at which its units are free. A place at a mailbox goes to whoever asks while it is free, past
the line: those are one another's helpers, and to wake one takes longer than to go on. A line does not outlive its reason: when
the run is asked to stop, who cannot be served within seconds is told so (`StoppedError`), even if its wait were hours.

Source: design §9; quirks Q-040, Q-043; docs/decisions/0009.
"""

import threading
from collections import deque
from collections.abc import Callable

from exporters.clock import Clock
from exporters.graph.budget import UNKNOWN, Budget, Ticket
from exporters.graph.calls import Observer
from exporters.graph.errors import StoppedError
from exporters.graph.headers import RateLimit
from exporters.graph.limits import Scope

STOP_SECONDS = 10.0
"""What can be had within so long after the stop is still waited for: work that is under way ends in order."""
_LOOK_SECONDS = 1.0  # how often the head of a line looks for a stop
_LONG_SECONDS = 3.0
_TOLD_FROM = 1.0  # waits from here on are told to whoever watches


class _Turn(threading.Event):
    """A waiter. is_eager: it does not know when its turn comes, or not soon, and looks again after each answer."""

    is_eager = True


class Gate:
    """One for each budget; sessions of the same tenant and client id share it. Safe from many threads.

    stop: set by whoever wants the run to end in order.
    """

    def __init__(self, budget: Budget, clock: Clock, *, stop: threading.Event | None = None) -> None:
        self.budget = budget
        self._clock, self._stop = clock, stop or threading.Event()
        self._lock = threading.Lock()
        self._lines: dict[str, deque[_Turn]] = {}
        self._closed = False
        self._stop_until: float | None = None
        self.waits: Callable[[], None] = lambda: None
        """Called when a request must wait: units may have to be leased, or others may have given some back (see `keeper`)."""
        self.has_news: Callable[[], None] = lambda: None
        """Called when the service announced a pause."""
        self.waits_long: Callable[[], None] = lambda: None
        """Called, again and again, while the first of a line waits for a while; MUST be quick."""

    def enter(self, scope: Scope, units: int, mailbox: str | None, observer: Observer) -> Ticket:
        """Wait until the budget lets a request go. Raises: StoppedError."""
        key = _key(scope, mailbox)
        if (mailbox is not None or not self._lines.get(key)) and not self._closed:
            claim = self.budget.claim(scope, units, self._clock.monotonic(), mailbox)
            if claim.ticket is not None:
                return claim.ticket
        turn = _Turn()
        with self._lock:
            line = self._lines.setdefault(key, deque())
            line.append(turn)
        try:
            while line[0] is not turn:
                turn.wait()
                turn.clear()
            return self._wait_at_head(turn, scope, units, mailbox, observer)
        finally:
            with self._lock:
                line.remove(turn)
                if line:
                    line[0].set()
                else:
                    self._lines.pop(key, None)

    def leave(
        self,
        ticket: Ticket,
        *,
        rate_limit: RateLimit | None = None,
        served: bool = False,
        pause_seconds: float | None = None,
    ) -> None:
        """Settle (see `Budget.settle`); who waits looks again, since limits and units may have come free."""
        now = self._clock.monotonic()
        self.budget.settle(ticket, now, rate_limit=rate_limit, served=served, pause_seconds=pause_seconds)
        if pause_seconds is not None:
            self.has_news()
        self._wake_eager(ticket)

    def release(self, ticket: Ticket) -> None:
        """The body of a mailbox's answer is done with (see `Budget.release`)."""
        self.budget.release(ticket)
        self._wake_eager(ticket)

    def pause(self, scope: Scope, seconds: float, mailbox: str | None) -> None:
        """Nothing more of this scope for so long."""
        self.budget.pause(scope, self._clock.monotonic(), seconds, mailbox)
        self.has_news()

    def sleep(self, seconds: float, observer: Observer) -> None:
        """Wait before another try. Raises: StoppedError if the run ends before that."""
        until = self._clock.monotonic() + seconds
        if seconds >= _TOLD_FROM:
            observer.waiting(seconds, "backoff")
        while (left := until - self._clock.monotonic()) > 0:
            self._check(left)
            self._clock.sleep(min(left, _LOOK_SECONDS))

    def wake(self) -> None:
        """Let the head of each line look again."""
        with self._lock:
            for line in self._lines.values():
                if line:
                    line[0].set()

    def _wake_eager(self, ticket: Ticket) -> None:
        if self._lines and (line := self._lines.get(_key(ticket.scope, ticket.mailbox))):
            with self._lock:
                if line and line[0].is_eager:
                    line[0].set()

    def close(self) -> None:
        """Nobody gets through any more."""
        self._closed = True
        self.wake()

    def _wait_at_head(self, turn: _Turn, scope: Scope, units: int, mailbox: str | None, observer: Observer) -> Ticket:
        while True:
            turn.clear()  # before the claim: what changes after it sets it again
            turn.is_eager = True
            self._check(0.0)
            claim = self.budget.claim(scope, units, self._clock.monotonic(), mailbox)
            if claim.ticket is not None:
                return claim.ticket
            self.waits()
            if claim.wait_seconds != UNKNOWN:
                self._check(claim.wait_seconds)
                if claim.wait_seconds >= _LONG_SECONDS:
                    self.waits_long()
                if claim.wait_seconds >= _TOLD_FROM:
                    observer.waiting(claim.wait_seconds, claim.reason)
            turn.is_eager = claim.wait_seconds >= _LOOK_SECONDS
            self._clock.wait(turn, min(claim.wait_seconds, _LOOK_SECONDS))

    def _check(self, wait_seconds: float) -> None:
        """Raises: StoppedError if a wait of so long is not to be begun (any more)."""
        if not self._closed:
            if not self._stop.is_set():
                return
            now = self._clock.monotonic()
            if self._stop_until is None:
                self._stop_until = now + STOP_SECONDS
            if now + wait_seconds < self._stop_until:
                return
        raise StoppedError(
            "The run was asked to stop while this request waited." if not self._closed else "The session was closed.",
            code="stopped",
            action="Run again to go on.",
        )


def _key(scope: Scope, mailbox: str | None) -> str:
    return scope if mailbox is None else f"{scope}/{mailbox}"
