"""The few threads that fetch items of one mailbox.

Rules of this file: the service takes four requests at a time of a mailbox (the budget sees to it); two more threads stand ready,
so that a place is never empty while somebody hashes; what is under way is bounded; results come in the order in which they are
done. Source: design §5, §9; quirk Q-043.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from exporters.clock import Clock
from exporters.mail.capture.fetched import Fetched, Task

THREADS = 6
WAITING = 20
"""Results and tasks that may be under way together."""
_LOOK_SECONDS = 1.0


class Team:
    """Threads of one mailbox; use it as a context manager."""

    def __init__(self, work: Callable[[Task], Fetched], stop: threading.Event, clock: Clock) -> None:
        self._work, self._stop, self._clock = work, stop, clock
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="lastcopy-mail")
        self._under_way: set[Future[Fetched]] = set()
        self._done: queue.SimpleQueue[Future[Fetched]] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for future in self._under_way:
            future.cancel()
        self._pool.shutdown(wait=True)
        for future in self._under_way:
            if future.done() and not future.cancelled() and future.exception() is None:
                future.result().close()

    def through(self, tasks: Iterator[Task], idle: Callable[[], None]) -> Iterator[Fetched]:
        """What came of the tasks. idle: called now and then while nothing comes. Raises: what the work raises."""
        for task in tasks:
            if self._stop.is_set():
                break
            future = self._pool.submit(self._work, task)
            self._under_way.add(future)
            future.add_done_callback(self._done.put)
            while len(self._under_way) >= WAITING or not self._done.empty():
                yield from self._next(idle)
        while self._under_way:
            yield from self._next(idle)

    def _next(self, idle: Callable[[], None]) -> Iterator[Fetched]:
        try:
            future = self._done.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            idle()
            return
        self._under_way.discard(future)
        yield future.result()
