"""The one thread that appends to a ledger: gathers rows, writes them as segments, and so shows that its writer is alive.

Rules of this file: rows are written in the order in which they were added, those added together into one segment; a segment is
written when enough rows wait, when the last one is 45 seconds old (with or without news), and when somebody asks; everything put
before is on disk before a segment names it; whoever finds another's segment stops at once. Rows that wait and rows that are being
written are at most `ROWS` items together, or one addition of more: no more is lost by a kill. Source: design §4 (the ledger).
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from exporters.bag.fence import AnotherWriterError
from exporters.clock import Clock, timestamp
from exporters.store.protocol import Store
from exporters.store.segments import START, Position, ReplacedError, SegmentLog

ROWS = 1_000
"""Most `item` rows that a kill may lose: half of them are written while the other half gathers."""
LISTED_ROWS = 5_000
HEARTBEAT_SECONDS = 45.0
LOOK_EVERY_SECONDS = 5.0
TRUST_SECONDS = 10.0


class Appender:
    """Appends to one ledger. Safe from many threads; `begin` before anything else, `end` in any case."""

    def __init__(
        self, store: Store, bag: str, log: SegmentLog, clock: Clock, first: Callable[[], Mapping[str, Any]]
    ) -> None:
        """first: makes what the first line of a segment says besides `at`, `segment` and `previous`."""
        self._store, self._bag, self._log, self._clock, self._first = store, bag, log, clock, first
        self._changed = threading.Condition()
        self._lines: list[bytes] = []
        self._items = 0
        self._items_being_written = 0
        self._is_writing = self._is_asked = self._is_ended = self._is_closed = False
        self._has_written = False
        self._failure: BaseException | None = None
        self._last_segment = self._last_known = clock.monotonic()
        self._thread = threading.Thread(target=self._run, name="lastcopy-appender", daemon=True)
        self.position: Position = START
        """The newest segment that this writer knows. Replaced whole; may be read without a lock."""
        self.at = ""
        """When that segment was written, if this writer wrote it."""

    def begin(self, position: Position) -> None:
        """Append after `position` from now on."""
        self.position = position
        self._thread.start()

    def end(self) -> None:
        """Write nothing more; what waits is dropped. Twice is as once."""
        with self._changed:
            self._is_ended = True
            self._changed.notify_all()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def add(self, line: bytes, *, is_item: bool = False, is_last: bool = False) -> int:
        """Take a row (with its newline); return the number of the segment that it goes into.

        is_last: the writer ends with it; no segment follows by itself. Raises: what made an earlier write fail.
        """
        return self.add_together([line], items=int(is_item), is_last=is_last)

    def add_together(self, lines: Sequence[bytes], *, items: int, is_last: bool = False) -> int:
        """As `add` for rows that stand in one segment: all of them are written, or none. items: how many are `item` rows."""
        with self._changed:
            while items and (waiting := self._items + self._items_being_written) and waiting + items > ROWS:
                self._is_asked = self._is_asked or (self._items > 0 and not self._is_writing)
                self._changed.notify_all()
                self._raise_failure()
                self._changed.wait()
            self._raise_failure()
            self._lines += lines
            self._items += items
            self._is_closed = self._is_closed or is_last
            if self._is_full():
                self._changed.notify_all()
            return self._next_number()

    def flush(self) -> None:
        """Return when all rows added so far are in a segment; one is written even if there are none.

        Raises: ReplacedError; AnotherWriterError if somebody else wrote what was to be our first one; errors of the store.
        """
        with self._changed:
            while self._is_writing:
                self._changed.wait()
            before = self.position
            self._is_asked = True
            self._changed.notify_all()
            while self.position is before:
                self._raise_failure()
                self._changed.wait()

    def ask(self) -> None:
        """Have a segment written soon, even without rows; nothing once the last row was added."""
        with self._changed:
            if not self._is_closed:
                self._is_asked = True
                self._changed.notify_all()

    def assert_current(self) -> None:
        """Make sure that no newer segment exists, after one of our own: just before each payload write. Raises: ReplacedError.

        A folder is asked always (one stat); a bucket when we have not known for ten seconds of boot time.
        """
        if self._failure is not None:
            self._raise_failure()
        if not self._has_written:
            self.flush()
        now = self._clock.monotonic()
        if not self._store.features.local and now - self._last_known <= TRUST_SECONDS:
            return
        position = self.position
        while self._log.exists(position.number + 1):
            with self._changed:  # it may be our own, written just now
                while self._is_writing:
                    self._changed.wait()
                self._raise_failure()
                if self.position is position:
                    self._failure = self.lost_to(self._log.read(position.number + 1).first)
                    raise self._failure
                position = self.position
        self._last_known = now

    @contextmanager
    def at_rest(self) -> Iterator[list[bytes]]:
        """While it lasts no segment is written; gives the rows that wait."""
        with self._changed:
            while self._is_writing:
                self._changed.wait()
            yield self._lines

    def lost_to(self, first: Mapping[str, Any]) -> ReplacedError | AnotherWriterError:
        """The error for finding another's segment where ours would be: we were replaced; or, before our first one, both found the
        bag free and the other was faster. first: the first line of that segment."""
        if self._has_written:
            return ReplacedError(self._log.key(self.position.number + 1), first)
        return AnotherWriterError(self._bag, first)

    def _next_number(self) -> int:
        return self.position.number + 1 + self._is_writing

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _is_full(self) -> bool:
        return self._items >= ROWS // 2 or len(self._lines) >= LISTED_ROWS

    def _is_due(self) -> bool:
        if self._is_asked or self._is_full():
            return True
        return not self._is_closed and self._clock.monotonic() - self._last_segment >= HEARTBEAT_SECONDS

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._is_ended and not self._is_due():
                    self._changed.wait(LOOK_EVERY_SECONDS)
                if self._is_ended or self._failure is not None:
                    return
                lines, self._lines = self._lines, []
                self._items_being_written, self._items = self._items, 0
                self._is_asked, self._is_writing = False, True
            try:
                at = timestamp(self._clock.now())
                self._store.sync()
                position = self._log.append(self.position, lines, {**self._first(), "at": at})
            except ReplacedError as error:
                self._finish(None, self.lost_to(error.first))
                return
            except BaseException as error:  # noqa: BLE001 - a thread's edge: kept, and raised to whoever adds or waits
                self._finish(None, error)
                return
            self.at = at
            self._finish(position, None)

    def _finish(self, position: Position | None, failure: BaseException | None) -> None:
        with self._changed:
            self.position = position or self.position
            self._failure = failure
            self._has_written = self._has_written or position is not None
            self._items_being_written, self._is_writing = 0, False
            self._last_segment = self._last_known = self._clock.monotonic()
            self._changed.notify_all()
