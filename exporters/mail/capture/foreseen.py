"""Answers of a mailbox that are asked for as soon as it is known that they will be wanted.

Rules of this file: whoever asks gets what it would have got alone: the same answer, or the same error, once; what was not
foreseen is asked for there and then. A foreseen answer may let others be foreseen. The service takes four requests at a time of
a mailbox (the budget sees to it). Source: design §9; quirk Q-043.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, NamedTuple, Self

from exporters.bag.formats import JsonObject
from exporters.graph.mailbox import Mailbox
from exporters.mail.capture.ahead import THREADS

Params = Mapping[str, str] | None


class _Key(NamedTuple):
    what: str
    path: str
    params: tuple[tuple[str, str], ...]


class Foreseen:
    """A mailbox, some of whose answers are on their way already; use it as a context manager. One thread takes."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._lock = threading.Lock()
        self._under_way: dict[_Key, Future[Any]] = {}
        self._is_over = False
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="lastcopy-ask")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._is_over = True
            self._under_way.clear()
        self._pool.shutdown(wait=True, cancel_futures=True)

    # -- what is going to be wanted ---------------------------------------------------------------------------------

    def expect(self, path: str, params: Params = None, then: Callable[[JsonObject], None] | None = None) -> None:
        """`get` will be called so. then: sees the answer, in another thread."""
        self._expect(_key("get", path, params), lambda: self._mailbox.get(path, params=params), then)

    def expect_pages(
        self, path: str, params: Params = None, then: Callable[[list[JsonObject]], None] | None = None
    ) -> None:
        """`rows` will be called so. then: sees all rows, in another thread."""
        self._expect(_key("pages", path, params), lambda: self._all(path, params), then)

    def _expect(self, key: _Key, ask: Callable[[], Any], then: Callable[[Any], None] | None) -> None:
        def asked() -> Any:
            found = ask()
            if then is not None:
                then(found)
            return found

        with self._lock:
            if not self._is_over and key not in self._under_way:
                self._under_way[key] = self._pool.submit(asked)

    # -- what is wanted ---------------------------------------------------------------------------------------------

    def get(self, path: str, params: Params = None) -> JsonObject:
        """As of `Mailbox`."""
        future = self._taken(_key("get", path, params))
        found: JsonObject = self._mailbox.get(path, params=params) if future is None else future.result()
        return found

    def rows(self, path: str, params: Params = None) -> Iterator[JsonObject]:
        """The rows of all pages; those before an error too, unless they were foreseen. Raises: as `Mailbox.pages`."""
        future = self._taken(_key("pages", path, params))
        if future is not None:
            yield from future.result()
            return
        for page in self._mailbox.pages(path, params=params):
            yield from page

    def _taken(self, key: _Key) -> "Future[Any] | None":
        with self._lock:
            return self._under_way.pop(key, None)

    def _all(self, path: str, params: Params) -> list[JsonObject]:
        return [row for page in self._mailbox.pages(path, params=params) for row in page]


def _key(what: str, path: str, params: Params) -> _Key:
    return _Key(what, path, tuple(sorted((params or {}).items())))
