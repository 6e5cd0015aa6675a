"""Keeps one process's budget in step with all others' that spend under the same tenant and client id.

Rules of this file: the only place where a budget meets I/O, in one thread of its own, so that no request waits for a transaction
unless it needs units that must be leased first. Exchanges come a handful a second at most, and none while nothing is spent. If
the others cannot be reached the process goes on alone, and comes back when they can. Source: design §9; docs/decisions/0009.

    with Keeper(gate, store, clock, history=lambda since: ...) as keeper: ...
"""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import structlog

from exporters.clock import Clock
from exporters.graph.budget import Budget
from exporters.graph.gate import Gate
from exporters.graph.sharing import BudgetStore, History, Picture

_LONGEST_SLEEP = 60.0


def exchange(
    budget: Budget, store: BudgetStore, readings: Callable[[], tuple[float, float]], *, leaving: bool = False
) -> Picture | None:
    """One transaction of a budget with all others at the store; None if they cannot be reached.

    readings: gives the monotonic time, and what it lacks of the time since 1970. leaving: give the lease back, take none.
    """
    now, offset = readings()
    report = budget.report(now, offset, leaving=leaving)
    granted = 0

    def decide(picture: Picture) -> int:
        nonlocal granted
        granted = 0 if leaving else budget.adopt(picture, report.kept, readings()[0], offset)
        return granted

    picture = store.exchange(report, decide)
    if picture is None:
        budget.away(readings()[0])
    else:
        budget.leased(granted)
    return picture


class Keeper:
    """Shares the budget of a gate through a store while it is open.

    history: what was spent before the given instant, read from elsewhere; asked once, and only if the store does not know.
    """

    def __init__(self, gate: Gate, store: BudgetStore, clock: Clock, history: Callable[[datetime], History]) -> None:
        self._gate, self._budget, self._store, self._clock, self._history = gate, gate.budget, store, clock, history
        self._bell = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._loop, name="lastcopy-budget", daemon=True)

    def __enter__(self) -> Self:
        """Learn what was spent, and begin to share. Raises: what `history` raises."""
        self._budget.join()
        picture = self._exchange()
        if picture is None or not picture.has_history:
            made_at = self._clock.now() if picture is None else datetime.fromtimestamp(picture.made_at, UTC)
            history = self._history(made_at)
            now, offset = self._readings()
            self._budget.restore(history, now, offset)
            if picture is not None:
                self._store.remember(history)
                self._exchange()
        self._gate.waits = self._gate.has_news = self._bell.set
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give back what is left of the lease."""
        self._ended = True
        self._bell.set()
        self._thread.join()
        self._gate.waits = self._gate.has_news = lambda: None
        self._exchange(leaving=True)

    def _loop(self) -> None:
        while not self._ended:
            self._bell.clear()
            due = self._budget.next_exchange(self._clock.monotonic())
            if due > 0:
                self._clock.wait(self._bell, min(due, _LONGEST_SLEEP))
                continue
            try:
                self._exchange()
            except Exception as error:  # noqa: BLE001 - a thread's edge: without it, requests would wait for leases for ever
                structlog.get_logger().warning("defect", where="budget", error=type(error).__name__)
                self._budget.away(self._clock.monotonic())
            self._gate.wake()

    def _exchange(self, *, leaving: bool = False) -> Picture | None:
        """One transaction with the others; None if they cannot be reached."""
        return exchange(self._budget, self._store, self._readings, leaving=leaving)

    def _readings(self) -> tuple[float, float]:
        now = self._clock.monotonic()
        return now, self._clock.now().timestamp() - now
