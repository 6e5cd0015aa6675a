"""How a run on one source comes to its end: the same for every exporter.

Rules of this file: whatever ended the copy, the bag is closed if the store is still ours. Source: design §4 (the ledger).
"""

import threading
from collections.abc import Callable
from typing import Protocol

from exporters.errors import RunError
from exporters.graph.errors import GraphError, StoppedError


class Finish(Protocol):
    """Counts and closes the bag."""

    def __call__(self, *, whole: bool) -> None:
        """whole: the copy went to its end (or was asked to stop); else the service refused."""
        ...


def to_its_end(copy: Callable[[], object], finish: Finish, stop: threading.Event) -> None:
    """Copy, and close the bag, also if the service refuses. Raises: SourceError, RunError, errors of the store."""
    try:
        copy()
    except StoppedError:  # in a listing, or where a request would have waited for longer than a stop may take
        if not stop.is_set():
            raise
    except Exception as error:
        if isinstance(error, GraphError) or not isinstance(error, RunError):  # else the store is gone, or another's
            finish(whole=False)
        raise
    finish(whole=True)
