"""A drive that refuses every download: asked a few times in other places, then left alone (Q-032).

Rules of this file: refusals of a kind that may concern the whole drive are counted in a row, and one content that is served ends
the row; before a drive is given up, items from all over it are tried, so that one folder that nobody may read never stops the
rest; meanwhile nobody else asks. What was not asked for stays owed. Source: quirks Q-032, Q-050, Q-055; docs/decisions/0020.
"""

import threading
from collections.abc import Callable, Iterable, Iterator

from exporters.drive.tasks import Task
from exporters.errors import LastcopyError, SourceError
from exporters.graph.errors import (
    AccessDeniedError,
    ContentChangedError,
    CurrentVersionError,
    MalwareError,
    NotFoundError,
    PermissionMissingError,
    RightsProtectedError,
)

DOUBTFUL, ENOUGH, SAMPLE = 10, 60, 10
_OF_ONE_ITEM = (NotFoundError, MalwareError, RightsProtectedError, ContentChangedError, CurrentVersionError)


class Refusals:
    """Of the contents of one drive in one run. Safe from many threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._sampler: int | None = None
        """The thread that tries the sample."""
        self._in_a_row = 0
        self._sampled = False
        self._last: LastcopyError | None = None

    def served(self) -> None:
        """A content came."""
        if self._in_a_row:
            with self._changed:
                self._in_a_row, self._sampled = 0, False
                self._changed.notify_all()

    def refused(self, error: LastcopyError) -> None:
        """A content was refused."""
        if not isinstance(error, _OF_ONE_ITEM):
            with self._changed:
                self._in_a_row, self._last = self._in_a_row + 1, error

    def check(self) -> None:
        """Waits while a sample is tried, if enough has been refused by then. Raises: SourceError once enough has been refused, in
        places all over the drive."""
        if self._sampler == threading.get_ident():
            return
        with self._changed:
            self._changed.wait_for(lambda: self._sampler is None or self._in_a_row < ENOUGH)
            if self._in_a_row >= ENOUGH and self._sampled:
                raise _given_up(self._last, self._in_a_row)

    def watching(
        self, tasks: Iterable[Task], sample: Callable[[int], Iterable[Task]], ask: Callable[[Task], None]
    ) -> Iterator[Task]:
        """The tasks; where a row of refusals has become doubtful, some from all over the drive are asked for first, here and now:
        behind what is queued already, they would come too late."""
        for task in tasks:
            if self._in_a_row >= DOUBTFUL and not self._sampled:
                self._try(sample(SAMPLE), ask)
            yield task

    def _try(self, tasks: Iterable[Task], ask: Callable[[Task], None]) -> None:
        self._sampled, self._sampler = True, threading.get_ident()
        try:
            for task in tasks:
                ask(task)
        finally:
            with self._changed:
                self._sampler = None
                self._changed.notify_all()


def _given_up(last: LastcopyError | None, number: int) -> SourceError:
    if isinstance(last, (AccessDeniedError, PermissionMissingError)):
        return SourceError(
            f"The service lists this drive and refuses its contents: {number} in a row.",
            code="permission_missing",
            action=last.action or "Grant Files.Read.All (application) to the app registration, and run again.",
        )
    return SourceError(
        f"None of the contents of this drive could be had, {number} in a row: {last}",
        code=last.code if last is not None else "refused",
        action=(last.action if last is not None else "") or "Run the export again: it goes on where it stopped.",
    )
