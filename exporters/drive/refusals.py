"""A drive that refuses every download: asked a few times in other places, then left alone (Q-032).

Rules of this file: refusals of a kind that may concern the whole drive are counted in a row, and one content that is served ends
the row; before a drive is given up, items from all over it are tried, so that one folder that nobody may read never stops the
rest. What was not asked for stays owed. Source: quirks Q-032, Q-050, Q-055; docs/decisions/0020.
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
from exporters.store.errors import KeyRefusedError, ObjectTooLargeError

DOUBTFUL, ENOUGH, SAMPLE = 10, 60, 10
_OF_ONE_ITEM = (
    NotFoundError,
    MalwareError,
    RightsProtectedError,
    ContentChangedError,
    CurrentVersionError,
    KeyRefusedError,  # said by the store, not by the drive
    ObjectTooLargeError,
)


class Refusals:
    """Of the contents of one drive in one run. Safe from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._sampled = False
        self._awaited: set[str] = set()
        """Of the sample: ids of items whose contents were neither served nor refused yet."""
        self._last: LastcopyError | None = None

    def served(self, item_id: str) -> None:
        """A content came."""
        if self._in_a_row:
            with self._lock:
                self._in_a_row, self._sampled = 0, False
                self._awaited.clear()

    def refused(self, item_id: str, error: LastcopyError) -> None:
        """A content was refused."""
        with self._lock:
            self._awaited.discard(item_id)
            if not isinstance(error, _OF_ONE_ITEM):
                self._in_a_row, self._last = self._in_a_row + 1, error

    def check(self) -> None:
        """Raises: SourceError once enough has been refused, in places all over the drive."""
        with self._lock:
            if self._in_a_row >= ENOUGH and self._sampled and not self._awaited:
                raise _given_up(self._last, self._in_a_row)

    def watching(self, tasks: Iterable[Task], sample: Callable[[int], Iterable[Task]]) -> Iterator[Task]:
        """The tasks; where a row of refusals has become doubtful, some from all over the drive first."""
        for task in tasks:
            if self._in_a_row >= DOUBTFUL and not self._sampled:
                chosen = list(sample(SAMPLE))
                with (
                    self._lock
                ):  # they come after what is queued already: until they are asked, nothing is known of the rest
                    self._awaited = {one.facts["id"] for one in chosen if one.key is not None}
                    self._sampled = True
                yield from chosen
            yield task


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
