"""The journal: what people and the clock did, one log for the whole store.

Rules of this file: segments like the ledger's; each row names the SHA-256 of the line before it; whoever loses the race for a
number reads what came first and takes the next. Source: design §4 (the journal), docs/formats.md (journal).
"""

import getpass
import hashlib
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from exporters.bag.fence import Process, Writer
from exporters.bag.formats import JsonObject, dump_row
from exporters.clock import Clock, timestamp
from exporters.store.protocol import Store
from exporters.store.segments import START, Position, ReplacedError, Segment, SegmentLog

FOLDER = "journal/"
RACES = 100
MOVED = "moved"
"""Type of the last row of a journal that goes on in another store (design §4)."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where a reader of the journal is: the newest segment it has read, and the SHA-256 of the last row up to there."""

    position: Position = START
    last_line: str | None = None

    @property
    def number(self) -> int:
        return self.position.number


class Journal:
    """Appends to, and reads, the journal of one store. head: what the caller has read before."""

    def __init__(self, store: Store, clock: Clock, head: Head | None = None) -> None:
        self._log, self._clock = SegmentLog(store, FOLDER), clock
        self._writer = Writer.new(Process.of_this_machine())
        self._head = head or Head()

    @property
    def head(self) -> Head:
        """How far this object has read or written."""
        return self._head

    @property
    def writer(self) -> JsonObject:
        """Who writes by this object, as the first line of a segment says it."""
        return self._writer.described

    def segment(self, number: int) -> Segment:
        """One segment by itself. Raises: ObjectMissingError; SegmentDamagedError."""
        return self._log.read(number)

    def holds(self, number: int) -> bool:
        """Whether there is a segment with this number."""
        return self._log.exists(number)

    def written_at(self, number: int) -> datetime | None:
        """When a segment was written, by the store's clock."""
        return self._log.modified(number)

    def news(self) -> Iterator[Segment]:
        """The segments after the head, which moves on with each. Raises: SegmentDamagedError."""
        for segment in self._log.follow(self._head.position):
            self._move(segment)
            yield segment

    def append_here(
        self, rows: Sequence[Mapping[str, Any]], *, first: Mapping[str, Any] | None = None, run: str | None = None
    ) -> Segment:
        """Append rows as the segment right after the head, or not at all; return it. Rows keep an `at` and an `actor` that they
        have. first: more for its first line.

        Raises: ReplacedError if somebody else's segment is there: read `news`, and judge anew; errors of the store.
        """
        lines = self._lines(rows, run)
        at = timestamp(self._clock.now())
        described = {**(first or {}), "run": run, "at": at, "writer": self._writer.described}
        position = self._log.append(self._head.position, lines, described)
        segment = Segment(position, described, lines)
        self._move(segment)
        return segment

    def rows(self) -> Iterator[JsonObject]:
        """All rows, oldest first, read as they are asked for. Raises: SegmentDamagedError."""
        for segment in self.segments():
            yield from segment.rows()

    def segments(self) -> Iterator[Segment]:
        """All segments, oldest first, read as they are asked for. Raises: SegmentDamagedError."""
        return self._log.follow(START)

    def append(self, rows: Sequence[Mapping[str, Any]], *, run: str | None = None) -> None:
        """Append rows (`type` and what belongs to it) as one segment. Raises: errors of the store."""
        for _ in range(RACES):
            for _segment in self.news():
                pass
            try:
                self.append_here(rows, run=run)
            except ReplacedError:
                continue  # somebody else's segment came first: read it, take the next number
            return
        raise ReplacedError(FOLDER, {})

    def _lines(self, rows: Sequence[Mapping[str, Any]], run: str | None) -> list[bytes]:
        at, previous, lines = timestamp(self._clock.now()), self._head.last_line, []
        who = actor()
        for row in rows:
            whole = {"at": at, "actor": who, **row, "previous": previous}
            if run is not None:
                whole["run"] = run
            line = dump_row(whole)
            lines.append(line)
            previous = hashlib.sha256(line).hexdigest()
        return lines

    def _move(self, segment: Segment) -> None:
        last = hashlib.sha256(segment.lines[-1]).hexdigest() if segment.lines else self._head.last_line
        self._head = Head(segment.position, last)


def actor() -> JsonObject:
    """Who runs this, as the machine knows it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return {"user": user, "host": socket.gethostname()}
