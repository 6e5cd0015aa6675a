"""The only reader of the time.

Rules of this file: instants are aware and UTC; everything that waits or dates takes a `Clock`, so that each date can be
tested. `monotonic` counts through suspend where the system can (a laptop that slept must not believe that it still owns a
ledger).
"""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock(Protocol):
    """What code may ask about time. Implementations MUST be safe to use from many threads."""

    def now(self) -> datetime:
        """The present instant: aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary point; never goes back, counts suspended time where the system can."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait; negative and zero return at once."""
        ...

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until the event is set, at most so long; whether it is set."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.clock_gettime(_BOOT_CLOCK)

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return event.wait(max(seconds, 0.0))


class ManualClock:
    """A clock that stands still until it is told to move; `sleep` moves it. For tests and rehearsals."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock needs an aware start")
        self._now = start.astimezone(UTC)
        self._elapsed = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            return self._now

    def monotonic(self) -> float:
        with self._lock:
            return self._elapsed

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.advance(seconds)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Other threads get a moment to set it; then the time has passed."""
        if not event.wait(0.0005):
            self.sleep(seconds)
        return event.is_set()

    def advance(self, seconds: float) -> None:
        """Move on by so many seconds (not negative)."""
        if seconds < 0:
            raise ValueError("time does not go back; set a new clock instead")
        with self._lock:
            self._now += timedelta(seconds=seconds)
            self._elapsed += seconds


def timestamp(at: datetime) -> str:
    """`at` as RFC 3339 in UTC with `Z`: whole seconds if it has no fraction, else microseconds."""
    text = at.astimezone(UTC).isoformat(timespec="microseconds" if at.microsecond else "seconds")
    return text.replace("+00:00", "Z")


def stamp(at: datetime) -> str:
    """`at` as a name component: 20261123T154017Z."""
    return at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def instant_of(value: object) -> datetime | None:
    """The instant that a text tells, with its offset as it stands there; None of what is no text, no time, or has no offset."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
