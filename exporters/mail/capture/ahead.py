"""Answers that are asked for before their turn: the pages of several folders of a mailbox at once.

Rules of this file: whoever takes sees what it would have seen alone, in its own order: pages of one source come one after the
other, and what a source raises comes out where its pages are taken. What waits is bounded; the first in line may always go on.
The service takes four requests at a time of a mailbox (the budget sees to it). Source: design §9; quirk Q-043.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Self, TypeVar

THREADS = 6
"""Two more than the service takes, so that a place is never empty while an answer is read."""
WAITING = 8
"""Pages that may wait for being taken, of all sources."""
_BEGUN = 24
"""Sources that may have been begun and not been taken; most have one page, and an empty one."""

K = TypeVar("K")
T = TypeVar("T")


class _Source(Generic[T]):
    """One source, its pages that wait, and how it ended."""

    def __init__(self) -> None:
        self.pages: deque[T] = deque()
        self.error: BaseException | None = None
        self.is_over = False
        self.is_given_up = False


class Ahead(Generic[K, T]):
    """Sources that are begun in their order before they are wanted; use it as a context manager. One thread takes.

    wanted: what is going to be taken, each once, in this order. begin: gives the pages of one.
    """

    def __init__(self, wanted: Iterable[K], begin: Callable[[K], Iterator[T]]) -> None:
        self._wanted, self._begin = deque(dict.fromkeys(wanted)), begin
        self._begun: dict[K, _Source[T]] = {}
        self._news = threading.Condition()
        self._waiting = 0
        self._at: _Source[T] | None = None
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="lastcopy-ahead")

    def __enter__(self) -> Self:
        self._go_on()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._news:
            self._wanted.clear()
            for source in self._begun.values():
                source.is_given_up = True
            self._news.notify_all()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def pages(self, key: K) -> Iterator[T] | None:
        """The pages of a source, to be taken to their end; None if it is none of those that were wanted next."""
        source = self._begun.get(key)
        if source is None:
            return None
        with self._news:
            self._at = source
            self._news.notify_all()
        return self._taken(key, source)

    def leave(self, key: K) -> None:
        """Nothing (more) of this source is wanted."""
        with self._news:
            source = self._begun.pop(key, None)
            if source is not None:
                source.is_given_up = True
                self._waiting -= len(source.pages)
                source.pages.clear()
                self._news.notify_all()
        self._go_on()

    def _go_on(self) -> None:
        while self._wanted and len(self._begun) < _BEGUN:
            key, source = self._wanted.popleft(), _Source[T]()
            with self._news:
                self._begun[key] = source
            self._pool.submit(self._run, key, source)

    def _taken(self, key: K, source: _Source[T]) -> Iterator[T]:
        while True:
            with self._news:
                while not source.pages and not source.is_over:
                    self._news.wait()
                if not source.pages:
                    break
                page = source.pages.popleft()
                self._waiting -= 1
                self._news.notify_all()
            yield page
        self.leave(key)
        if source.error is not None:
            raise source.error

    def _run(self, key: K, source: _Source[T]) -> None:
        try:
            for page in self._begin(key):
                if not self._put(source, page):
                    return
        except BaseException as error:  # noqa: BLE001 - it comes out where the pages are taken
            source.error = error
        finally:
            with self._news:
                source.is_over = True
                self._news.notify_all()

    def _put(self, source: _Source[T], page: T) -> bool:
        """Whether more is wanted."""
        with self._news:
            while not source.is_given_up and self._waiting >= WAITING and not self._is_next(source):
                self._news.wait()
            if source.is_given_up:
                return False
            source.pages.append(page)
            self._waiting += 1
            self._news.notify_all()
            return True

    def _is_next(self, source: _Source[T]) -> bool:
        """Whether all wait for it: it is taken just now, or is the first in line, and nothing of it waits."""
        return not source.pages and (source is self._at or source is next(iter(self._begun.values()), None))
