"""Whether a state was made by a rehearsal: only there may the time be told on the command line.

Rules of this file: the mark is a row at the start of the journal, written where the folder of the configuration bears the mark of
`lastcopy rehearse`; a folder that gets that mark later changes nothing. Source: design §6 (`--now`).
"""

from datetime import datetime, timedelta
from pathlib import Path

from exporters.clock import SystemClock

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
