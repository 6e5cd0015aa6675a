"""Whether a state was made by a rehearsal: only there may the time be told on the command line.

Rules of this file: the mark is a row of the journal before all others of the clock, written where the folder of the configuration
bears the mark of `lastcopy rehearse`; a folder that gets that mark later changes nothing. Source: design §6 (`--now`).
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from exporters.clock import Clock, SystemClock

if TYPE_CHECKING:
    from retention.config import Config
    from retention.state.index import Index

MARKER = "REHEARSAL.txt"
MARKER_ROW = "rehearsal"


def is_rehearsal_folder(base: Path) -> bool:
    """Whether `lastcopy rehearse` made this folder."""
    return (base / MARKER).is_file()


class ShiftedClock(SystemClock):
    """The clock of this machine, so far ahead or behind that it began at an instant that was told."""

    def __init__(self, start: datetime) -> None:
        self._shift: timedelta = start - super().now()

    def now(self) -> datetime:
        return super().now() + self._shift


def is_rehearsed(config: "Config", clock: Clock) -> bool:
    """Whether the state of a configuration was, or is about to be, made by a rehearsal."""
    from retention.books import opened_books

    with opened_books(config, clock) as books:
        if not is_untouched(books.index):
            return bool(books.index.fact(MARKER_ROW))
    return is_rehearsal_folder(config.base)


def is_untouched(index: "Index") -> bool:
    """Whether the clock has not written anything yet."""
    return index.fact(MARKER_ROW) is None and not any(index.counts().values())


def told_time(text: str, zone: str) -> datetime:
    """The instant of --now; a date is its first moment in the zone. Raises: EventError."""
    from retention.events import EventError, read_time, zone_of

    if ".." in text:
        raise EventError(f"--now {text} is a range", "Give one instant.")
    when = read_time(text, zone=zone)
    if when.day is not None:
        return datetime(when.day.year, when.day.month, when.day.day, tzinfo=zone_of(zone)).astimezone(UTC)
    return when.earliest
