"""The journal and its index, kept together: what is written is in both, what others wrote is taken in first.

Rules of this file: the journal decides; the index follows it segment by segment. A journal that moves into a store while it is in
use is followed. Source: design §4 (the journal); docs/decisions/0070.

    with opened_books(config, clock) as books:
        books.catch_up()
        books.append([{"type": "acknowledged", …}])
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from itertools import islice
from typing import Any

from exporters.bag.formats import JsonObject
from exporters.clock import Clock
from exporters.errors import LastcopyError, RunError
from exporters.store.segments import ReplacedError
from retention.config import Config
from retention.journal import RACES, Head, Journal
from retention.journal_places import LOCAL, Place, moved_to, opened_place
from retention.rehearsed import MARKER_ROW, is_rehearsal_folder, is_untouched
from retention.state.index import Index, open_index

SEGMENT_ROWS = 1000
AT_A_TIME = 50
"""So many segments are taken in at once: a journal of years is never held whole."""

_log = logging.getLogger(__name__)


class Books:
    """An open journal and its index."""

    def __init__(self, config: Config, clock: Clock, index: Index, stack: ExitStack) -> None:
        self._config, self._clock, self._stack = config, clock, stack
        self.index = index
        self._place = self._stack.enter_context(opened_place(config, clock))
        self._journal = self._opened()

    @property
    def head(self) -> Head:
        """How far journal and index have been read."""
        return self._journal.head

    @property
    def place(self) -> Place:
        return self._place

    @property
    def writer(self) -> JsonObject:
        """Who writes here, as the first line of a segment says it."""
        return self._journal.writer

    def written_at(self, segment: int) -> datetime | None:
        """When a segment was written, by the store's clock."""
        return self._journal.written_at(segment)

    def store_now(self) -> datetime:
        """The store's own clock."""
        return self._place.store.now()

    def catch_up(self) -> None:
        """Take in what others wrote. Raises: SegmentDamagedError, RunError, errors of the store."""
        races = 0
        while races < RACES:
            before = self._journal.head
            news = [(segment, self._journal.head) for segment in islice(self._journal.news(), AT_A_TIME)]
            if not news:
                return
            moved = moved_to(row for segment, _ in news for row in segment.rows()) if self._place.is_local else None
            if not self.index.apply(self._place.name, before, news):
                self._journal = self._opened()  # another process took them in: go on from there
                races += 1
            elif moved is not None:
                self._follow()
        raise RunError("the index cannot keep up with the journal", code="index_behind", action="Run it again.")

    def try_append(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        """Append rows right after what was read; False if somebody was faster: what they wrote is taken in then, and the caller
        judges anew. Raises: errors of the store, RunError."""
        before = self._journal.head
        if is_rehearsal_folder(self._config.base) and is_untouched(self.index):
            rows = [{"type": MARKER_ROW}, *rows]
        try:
            segment = self._journal.append_here(rows)
        except ReplacedError:
            self.catch_up()
            return False
        if not self.index.apply(self._place.name, before, [(segment, self._journal.head)]):
            self._journal = self._opened()
            self.catch_up()
        return True

    def give_back(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows into the journal alone, where the index fails: whoever opens it next takes them in."""
        try:
            self._journal.append(rows)
        except LastcopyError as error:
            _log.warning("claims cannot be given back: %s", error)

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append rows after whatever there is, at most a thousand in a segment. Raises: errors of the store, RunError."""
        for start in range(0, len(rows), SEGMENT_ROWS):
            some = rows[start : start + SEGMENT_ROWS]
            for _ in range(RACES):
                if self.try_append(some):
                    break
            else:
                raise RunError("the journal is never free", code="journal_busy", action="Run it again.")

    def _opened(self) -> Journal:
        head = self.index.head(self._place.name)
        journal = Journal(self._place.store, self._clock, head)
        if not head.number:
            self._refuse_other(journal)
        elif not journal.holds(head.number):
            if not journal.holds(1):
                raise _lost(self._place.name)
            self.index.wipe()  # an older journal was put in its place
            journal = Journal(self._place.store, self._clock)
        return journal

    def _refuse_other(self, journal: Journal) -> None:
        """What the index knows of another place must not be forgotten for a journal that lacks it. Raises: RunError."""
        before = self.index.head_elsewhere(self._place.name)
        if before is None:
            return
        place, head = before
        if not journal.holds(1):
            raise _lost(place)
        if place == LOCAL or self._place.is_local:  # it moved: rows that were copied stand in segments of other numbers
            return
        if not journal.holds(head.number) or journal.segment(head.number).position.sha256 != head.position.sha256:
            raise RunError(
                f"the journal in {self._place.name} is another one than that of {place}, which the state was made from",
                code="journal_changed",
                action="Correct `store.url`; or, to go on with that one and forget the other, run `lastcopy recover`.",
            )

    def _follow(self) -> None:
        """The journal goes on in the store."""
        self._place = self._stack.enter_context(opened_place(self._config, self._clock))
        if self._place.is_local:
            raise RunError(
                "the journal moved into a store that is not there",
                code="journal_moved",
                action="Check `store.url`: it must name the store that the last export wrote to.",
            )
        self._journal = self._opened()


def _lost(place: str) -> RunError:
    where = "beside the state" if place == LOCAL else f"in {place}"
    return RunError(
        f"the journal {where}, which the state was made from, is not there any more",
        code="journal_gone",
        action="Bring it back, or correct `store.url`; if it is lost for good, `lastcopy recover` begins anew.",
    )


@contextmanager
def opened_books(config: Config, clock: Clock, *, anew: bool = False) -> Iterator[Books]:
    """The journal and the index of a configuration, caught up. anew: the index is made from the journal that is there now,
    whatever it held. Raises: ConfigurationError, RunError, errors of the store."""
    with ExitStack() as stack:
        index = open_index(config.settings.state, config.base)
        stack.callback(index.close)
        if anew:
            index.wipe()
        books = Books(config, clock, index, stack)
        books.catch_up()
        yield books
