"""Who does the work that needs requests: threads for small files, and a few of their own for big ones.

Rules of this file: a big file never keeps small ones waiting, so that the service's budget of requests is used while bytes
flow; small ones go to a thread by the handful, since handing one over costs as much as a request; results come in the order
in which they are done; what is under way, and how many big ones wait, is bounded. Source: design §9.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from queue import SimpleQueue
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

SMALL_AT_ONCE = 16
BIG_AT_ONCE = 4
BIG_BYTES = 16 << 20
BIG_WAITING = 500
HANDFUL = 8
HANDFUL_BYTES = 1 << 20


class Sized(Protocol):
    """A piece of work. `size`: bytes to move, as far as they are known."""

    @property
    def size(self) -> int: ...


T = TypeVar("T", bound=Sized)
R = TypeVar("R")


class Crew:
    """The threads of a process; shared by all its drives. Close it, or use it as a context manager."""

    def __init__(self, small: int = SMALL_AT_ONCE, big: int = BIG_AT_ONCE) -> None:
        self.small_at_once, self.big_at_once = small, big
        self.small = ThreadPoolExecutor(small, thread_name_prefix="lastcopy-small")
        self.big = ThreadPoolExecutor(big, thread_name_prefix="lastcopy-big")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.small.shutdown(wait=True)
        self.big.shutdown(wait=True)


class Shift(Generic[T, R]):
    """One go through many tasks by a crew: `for results in Shift(crew, work, stop.is_set).through(tasks)`."""

    def __init__(self, crew: Crew, work: Callable[[T], R], is_stopped: Callable[[], bool]) -> None:
        self._crew, self._work, self._is_stopped = crew, work, is_stopped
        self._done: SimpleQueue[Future[list[R]]] = SimpleQueue()
        self._small: set[Future[list[R]]] = set()
        self._big: set[Future[list[R]]] = set()
        self._waiting: deque[T] = deque()
        self._handful: list[T] = []
        self._handful_bytes = 0

    def through(self, tasks: Iterator[T]) -> Iterator[list[R]]:
        """Give results as they are done, a handful at a time, until tasks end or the shift is stopped.

        Raises: what `work` raises, when nothing is under way any more.
        """
        try:
            for task in tasks:
                if self._is_stopped():
                    break
                self._take(task)
                while self._is_full():
                    yield self._next()
                while not self._done.empty():
                    yield self._next()
            if not self._is_stopped():
                self._start_small()
            while self._small or self._big or (self._waiting and not self._is_stopped()):
                yield self._next()
        finally:
            under_way = self._small | self._big
            for future in under_way:
                future.cancel()
            wait(under_way)

    def _take(self, task: T) -> None:
        if task.size >= BIG_BYTES:
            self._waiting.append(task)
            self._start_big()
            return
        self._handful.append(task)
        self._handful_bytes += task.size
        if len(self._handful) >= HANDFUL or self._handful_bytes >= HANDFUL_BYTES:
            self._start_small()

    def _is_full(self) -> bool:
        return len(self._small) >= 2 * self._crew.small_at_once or len(self._waiting) >= BIG_WAITING

    def _start_small(self) -> None:
        if self._handful:
            self._small.add(self._start(self._handful, self._crew.small))
            self._handful, self._handful_bytes = [], 0

    def _start_big(self) -> None:
        while self._waiting and len(self._big) < self._crew.big_at_once:
            self._big.add(self._start([self._waiting.popleft()], self._crew.big))

    def _start(self, tasks: list[T], pool: ThreadPoolExecutor) -> Future[list[R]]:
        future = pool.submit(self._do, tasks)
        future.add_done_callback(self._done.put)
        return future

    def _do(self, tasks: list[T]) -> list[R]:
        results: list[R] = []
        for task in tasks:
            if self._is_stopped():
                break
            results.append(self._work(task))
        return results

    def _next(self) -> list[R]:
        future = self._done.get()
        self._small.discard(future)
        if future in self._big:
            self._big.discard(future)
            if not self._is_stopped():
                self._start_big()
        return future.result()
