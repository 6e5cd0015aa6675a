"""The journal: what people and the clock did, one log for the whole store.

Rules of this file: segments like the ledger's; each row names the SHA-256 of the line before it; whoever loses the race for a
number reads what came first and takes the next. Source: design §4 (the journal), docs/formats.md (journal).
"""

import getpass
import hashlib
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from exporters.bag.fence import Process, Writer
from exporters.bag.formats import JsonObject, dump_row
from exporters.clock import Clock, timestamp
from exporters.store.protocol import Store
from exporters.store.segments import START, Position, ReplacedError, Segment, SegmentLog

FOLDER = "journal/"
RACES = 100


class Journal:
    """Appends to, and reads, the journal of one store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._log, self._clock = SegmentLog(store, FOLDER), clock
        self._writer = Writer.new(Process.of_this_machine())
        self._position: Position = START
        self._last_line: str | None = None

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
            self._catch_up()
            at, previous, lines = timestamp(self._clock.now()), self._last_line, []
            for row in rows:
                whole = {**row, "at": at, "actor": actor(), "previous": previous}
                if run is not None:
                    whole["run"] = run
                line = dump_row(whole)
                lines.append(line)
                previous = hashlib.sha256(line).hexdigest()
            try:
                self._log.append(self._position, lines, {"run": run, "at": at, "writer": self._writer.described})
            except ReplacedError:
                continue  # somebody else's segment came first: read it, take the next number
            return
        raise ReplacedError(FOLDER, {})

    def _catch_up(self) -> None:
        for segment in self._log.follow(self._position):
            if segment.lines:
                self._last_line = hashlib.sha256(segment.lines[-1]).hexdigest()
            self._position = segment.position


def actor() -> JsonObject:
    """Who runs this, as the machine knows it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return {"user": user, "host": socket.gethostname()}
