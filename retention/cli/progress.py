"""Progress of long work: a bar on a terminal, else one plain line a minute; always on standard error.

Rules of this file: told of from many threads, shown from one; no names of people or files. Source: design §6.
"""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from exporters.clock import Clock
from retention.cli.output import size_text

if TYPE_CHECKING:
    from exporters.graph.session import GraphSession

PLAIN_EVERY_SECONDS = 60.0
LIVE_EVERY_SECONDS = 0.25
_WAITS = {
    "pause": "as the service asked",
    "budget": "the minute's budget is spent",
    "day": "the day's budget is spent",
    "hour": "as many bytes came as may in an hour",
    "backoff": "before another try",
}


class Meter:
    """Counts items and bytes. `show`: whether anything is shown; `graph`: for the share of the budget that is used.

    Has the methods of `exporters.drive.exporter.Progress`, without importing it for verbs that read the store alone.
    """

    def __init__(self, clock: Clock, *, show: bool) -> None:
        self._clock, self._show = clock, show
        self._lock = threading.Lock()
        self._items = self._done = self._bytes = 0
        self._waiting: tuple[float, str] | None = None
        self._began = clock.monotonic()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.graph: GraphSession | None = None

    def listed(self, items: int) -> None:
        with self._lock:
            self._items += items

    def received(self, size: int) -> None:
        with self._lock:
            self._bytes += size

    def finished(self, items: int) -> None:
        with self._lock:
            self._done += items

    def passed(self, items: int, size: int) -> None:
        """So many items, of so many bytes, are done (where nobody knows how many there are)."""
        with self._lock:
            self._done += items
            self._bytes += size

    def __enter__(self) -> Self:
        if self._show:
            loop = self._live if sys.stderr.isatty() else self._plain
            self._thread = threading.Thread(target=loop, name="lastcopy-progress", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def line(self) -> str:
        """Items, bytes, rate, budget used and time left, in one line."""
        with self._lock:
            items, done, size, waiting = self._items, self._done, self._bytes, self._waiting
        now = self._clock.monotonic()
        elapsed = max(now - self._began, 1e-3)
        parts = [
            f"{done:,} of {items:,} items",
            size_text(size),
            f"{size_text(size / elapsed)}/s, {done / elapsed:,.0f} items/s",
        ]
        if self.graph is not None:
            minute, day = self.graph.budget.used(now)
            limits = self.graph.budget.minute_limit, self.graph.budget.day_limit
            parts.append(f"budget {100 * minute // limits[0]} % of the minute, {100 * day // limits[1]} % of the day")
        if 0 < done < items:
            parts.append(f"about {duration_text((items - done) * elapsed / done)} left of what is listed")
        if waiting is not None and waiting[0] > now:
            parts.append(f"waiting {duration_text(waiting[0] - now)} ({_WAITS.get(waiting[1], waiting[1])})")
        return ", ".join(parts)

    def waiting(self, seconds: float, reason: str) -> None:
        """A request, or a source, waits that long."""
        with self._lock:
            self._waiting = (self._clock.monotonic() + seconds, reason)

    def _plain(self) -> None:
        while not self._ended.wait(PLAIN_EVERY_SECONDS):
            sys.stderr.write(self.line() + "\n")
            sys.stderr.flush()

    def _live(self) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        with Live(console=Console(stderr=True), transient=True, auto_refresh=False) as live:
            while not self._ended.wait(LIVE_EVERY_SECONDS):
                live.update(Text(self.line()), refresh=True)


class MeterObserver:
    """Tells a meter of the waits of a session (bytes reach it by the exporter)."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def received(self, size_bytes: int) -> None:
        """The exporter counts them."""

    def waiting(self, seconds: float, reason: str) -> None:
        self._meter.waiting(seconds, reason)


def show_progress(output: Any) -> bool:
    """Whether progress is shown: not with --quiet."""
    return not output.quiet


def duration_text(seconds: float) -> str:
    """2 h 05 min, 3 min, 20 s."""
    if seconds >= 3600:
        return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60):02d} min"
    return f"{int(seconds // 60)} min" if seconds >= 60 else f"{int(seconds)} s"
