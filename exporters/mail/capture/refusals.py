"""A mailbox that gives nothing any more: left alone after some tries, so that what was not asked for stays owed.

Rules of this file: counts what may concern all of a mailbox (throttling or trouble without end, no connection, no access) and
comes in a row; one answer ends the row, so that no single item or folder ever stops the rest. Source: quirks Q-032, Q-042, Q-050.
"""

import threading

from exporters.errors import LastcopyError, SourceError
from exporters.graph.errors import AccessDeniedError, GaveUpError, ItemGaveUpError, PermissionMissingError

MOST_ITEMS, MOST_FOLDERS = 60, 3
"""So many in a row are enough: each of them was tried again and again already."""
_ENDLESS = frozenset({"throttled", "connection_failed", "transient"})


class Refusals:
    """Of one mailbox in one run. most: how many in a row are enough. Safe from many threads."""

    def __init__(self, most: int) -> None:
        self._most, self._in_a_row, self._lock = most, 0, threading.Lock()

    def served(self) -> None:
        """Something was given, or refused for a reason of its own."""
        with self._lock:
            self._in_a_row = 0

    def refused(self, error: LastcopyError) -> None:
        """Something was refused. Raises: SourceError if that was enough."""
        if not _may_concern_all(error):
            self.served()
            return
        with self._lock:
            self._in_a_row += 1
            if self._in_a_row < self._most:
                return
        code = "permission_missing" if isinstance(error, AccessDeniedError) else error.code
        text = f"The service refused {self._most} things of this mailbox in a row, the last one so: {error}"
        raise SourceError(
            text, code=code, action=error.action or "Run the export again; what was not asked for is pending."
        )


def _may_concern_all(error: LastcopyError) -> bool:
    is_endless = isinstance(error, GaveUpError | ItemGaveUpError) and error.code in _ENDLESS
    return is_endless or isinstance(error, AccessDeniedError | PermissionMissingError)
