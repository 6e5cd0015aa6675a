"""Resource units of the service, as the segments of bags tell them.

Rules of this file: what was spent stands in the store, whichever bag the segment is of. Source: design §4 (the ledger: `units`),
§9; docs/decisions/0010.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from exporters.bag.ledger import BagWriter
from exporters.graph.session import GraphSession


class UnitMeter:
    """Resource units spent since the last segment of whichever bag. Safe from many threads.

    While it is open, a segment is also written when requests have to wait for long: then all that was spent is on record, and
    a run that goes on without the state (after a kill, say) knows it to the second (docs/decisions/0010).
    """

    def __init__(self, graph: GraphSession | None) -> None:
        self._graph, self._taken, self._lock = graph, 0, threading.Lock()
        self._writers: list[BagWriter] = []

    def take(self) -> int:
        """Units since the last call."""
        with self._lock:
            units = self._pending()
            self._taken += units
            return units

    @contextmanager
    def writing(self, writer: BagWriter) -> Iterator[None]:
        """While it lasts, this writer can be asked for a segment."""
        with self._lock:
            self._writers.append(writer)
        try:
            yield
        finally:
            with self._lock:
                self._writers.remove(writer)

    def __enter__(self) -> Self:
        if self._graph is not None:
            self._graph.on_long_wait(self._write_down)
        return self

    def __exit__(self, *_: object) -> None:
        if self._graph is not None:
            self._graph.on_long_wait(lambda: None)

    def _pending(self) -> int:
        return 0 if self._graph is None else self._graph.counts.resource_units - self._taken

    def _write_down(self) -> None:
        with self._lock:
            writer = self._writers[0] if self._writers and self._pending() else None
        if writer is not None:
            writer.write_down()
