"""Sources that are copied side by side: so many of each kind, the others in a line.

Rules of this file: a source has its turn once in a run; what took the place of one that is gone comes next. Source: design §9.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Self

from exporters.results import SourceResult
from exporters.sources import FINDABLE, Source, SourceKind

AHEAD = 64
"""Sources of one kind that wait for their turn, so that those behind them in the directory are found meanwhile."""
Copy = Callable[[Source], SourceResult | None]


class Places:
    """Threads for each kind of source, and the sources that are in them or wait for one. Belongs to one thread."""

    def __init__(self, copy: Copy, at_once: Callable[[SourceKind], int], stop: threading.Event) -> None:
        """copy: copies one source; None if it was too late to begin. at_once: how many of a kind."""
        self._copy, self._at_once, self._stop = copy, at_once, stop
        self._pools = {
            kind: ThreadPoolExecutor(at_once(kind), thread_name_prefix=f"lastcopy-{kind}") for kind in FINDABLE
        }
        self.under_way: dict[Future[SourceResult | None], SourceKind] = {}
        self._given: set[str] = set()

    def give(self, source: Source) -> None:
        """Have a source copied as soon as there is a place; once: what took the place of another may be listed as well."""
        if source.key in self._given:
            return
        self._given.add(source.key)
        future = self._pools[source.kind].submit(self._copy, source)
        self.under_way[future] = source.kind

    def is_full(self, kind: SourceKind) -> bool:
        """Whether as many sources of a kind wait as may."""
        return sum(k is kind for k in self.under_way.values()) >= self._at_once(kind) + AHEAD

    def done(self, *, wait_for_one: bool) -> Iterator[SourceResult]:
        """Results since the last call. What came in the place of a source that is gone is copied next. Raises: RunError."""
        if wait_for_one:
            wait(self.under_way, return_when=FIRST_COMPLETED)
        for future in [future for future in self.under_way if future.done()]:
            del self.under_way[future]
            result = future.result()
            if result is None:
                continue
            yield result
            if result.successor is not None and not self._stop.is_set():
                self.give(result.successor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pool in self._pools.values():
            pool.shutdown(wait=True)
