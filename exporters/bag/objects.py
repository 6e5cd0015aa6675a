"""The objects that hold many entries, while they are made: a file of lines, and what other kinds of objects have in common.

Rules of this file: rows are written when their object is whole in the store, together; an object is closed at 256 MiB, 60 seconds
or `CLOSED_AT` items. While the store still takes its end, and its rows are written, a few items gather in the next one: together
no more than 1,000, so that a kill loses no more than that. Numbers follow what lies in the store, whatever was cut off. One
thread only. Source: design §4, §5; docs/formats.md (bag of a mailbox, bag of a site).

    objects = LineObjects(writer, clock)
    lines = objects.lines("data/lists/Tasks/items")
    lines.add_row(line, row, held)
    objects.close_due()
    objects.finish()  # or abandon()
"""

import re
from collections import deque
from collections.abc import Callable, Iterable

from exporters.bag.digests import Hashed
from exporters.bag.formats import JsonObject, dump_json
from exporters.bag.ledger import BagWriter
from exporters.bag.uploads import Upload
from exporters.clock import Clock, timestamp

Rows = list[tuple[str, JsonObject]]
ENTRIES = 1_000
BYTES = 256 << 20
SECONDS = 60.0
CLOSED_AT, BESIDE = 880, 96
"""Items of a whole object; and of the next one, as long as the rows of that are not on record. Some more wait elsewhere."""
_OF_VERSION = (
    "key",
    "size",
    "sha256",
    "captured",
    "run",
    "name",
    "path",
    "service",
    "created",
    "modified",
    "versionId",
)


class Filling:
    """An object in work: when it began, what it holds, and the rows that wait for its end."""

    def __init__(self, writer: BagWriter, clock: Clock, key: str) -> None:
        """key: inside the bag, of an object that is not there."""
        self.key = key
        self.items = 0
        self.rows: Rows = []
        self._writer, self._clock = writer, clock
        self._began = clock.monotonic()
        self._size = 0
        self._upload = Upload(lambda chunks: writer.put_payload(self.key, chunks))

    @property
    def is_due(self) -> bool:
        """Whether it has lasted long enough, or holds enough."""
        return self.items >= ENTRIES or self._size >= BYTES or self._clock.monotonic() - self._began >= SECONDS

    def end(self) -> None:
        """It is whole: nothing more goes into it. The store may still be at work."""
        self._upload.end()

    @property
    def is_stored(self) -> bool:
        """Once it has ended: whether the store has it, or has refused it."""
        return self._upload.is_done

    def keep(self) -> int:
        """Once it has ended: write its rows; the number of the segment that they go into. Waits for the store. Raises: what the
        store raised."""
        stored = self._upload.stored()
        row: JsonObject = {"kind": "original", "scope": "", "id": self.key, "key": self.key, "outcome": "copied"}
        row.update(
            size=stored.size, sha256=stored.sha256, run=self._writer.run.id, captured=timestamp(self._clock.now())
        )
        if stored.version_id is not None:
            row["versionId"] = stored.version_id
        return self._writer.emit_together([("item", row), *self.rows])

    def finish(self) -> None:
        """Close it, and write its rows at once."""
        self.end()
        self.keep()
        self._writer.flush()

    def abandon(self) -> None:
        """It will not become whole."""
        self._upload.abandon()


class Lines(Filling):
    """A file of lines in work: each an item, as JSON."""

    def add(self, line: JsonObject) -> tuple[str, int, str]:
        """Add an item; return (`key` of its row, size, SHA-256 of the line without its newline)."""
        return self.add_pieces([dump_json(line)])

    def add_pieces(self, pieces: Iterable[bytes]) -> tuple[str, int, str]:
        """As `add`, for a line that is too long to be held: its pieces, without the newline. What they raise goes through."""
        hashed = Hashed(pieces)
        for piece in hashed:
            self._upload.write(piece)
        self._upload.write(b"\n")
        self._size += hashed.size + 1
        self.items += 1
        return f"{self.key}!{self.items}", hashed.size, hashed.sha256

    def add_row(self, line: JsonObject, row: JsonObject, held: JsonObject | None = None) -> None:
        """Add an item and its row, which gets its key, size and SHA-256. held: the row so far; what it names stays named."""
        if held is not None and held.get("key") is not None:
            self.rows.append(("item", earlier_entry(held)))
        row["key"], row["size"], row["sha256"] = self.add(line)
        self.rows.append(("item", row))


class ObjectsInWork:
    """The objects in work of one bag, by name. What they are, the caller says."""

    def __init__(self, writer: BagWriter, clock: Clock) -> None:
        self._writer, self._clock = writer, clock
        self._open: dict[str, Filling] = {}
        self._ended: deque[Filling] = deque()
        self._segment = 0  # of the rows that were written last

    def _opened(self, name: str, make: Callable[[], Filling]) -> Filling:
        """The object in work of this name; made if there is none."""
        found = self._open.get(name)
        if found is None:
            found = self._open[name] = make()
        return found

    def close_due(self) -> None:
        """Close what has lasted long enough, or holds enough; write the rows of what the store has. Does not wait for the store,
        unless too much would be lost by a kill."""
        for name, held in list(self._open.items()):
            if held.is_due or held.items >= CLOSED_AT:
                self._settle()  # of those that have ended before
                held.end()
                self._ended.append(self._open.pop(name))
        while self._ended and self._ended[0].is_stored:
            self._keep_first()
            self._writer.write_down()
        if self._is_on_its_way and max((held.items for held in self._open.values()), default=0) >= BESIDE:
            self._settle()

    @property
    def _is_on_its_way(self) -> bool:
        """Whether something has ended whose rows are not on record."""
        return bool(self._ended) or self._segment > self._writer.position.number

    def _keep_first(self) -> None:
        self._segment = self._ended[0].keep()
        self._ended.popleft()

    def _settle(self) -> None:
        """Wait until all that has ended is on record."""
        while self._ended:
            self._keep_first()
        if self._is_on_its_way:
            self._writer.flush()

    def finish(self) -> None:
        """Close all; nothing is in work any more."""
        while self._open:
            name = next(iter(self._open))
            self._open[name].end()
            self._ended.append(self._open.pop(name))
        self._settle()

    def abandon(self) -> None:
        """None of what is in work becomes whole."""
        for held in (*self._open.values(), *self._ended):
            held.abandon()
        self._open.clear()
        self._ended.clear()


class LineObjects(ObjectsInWork):
    """Files of lines in work, each known by its stem: `data/lists/Tasks/items`."""

    def __init__(self, writer: BagWriter, clock: Clock) -> None:
        super().__init__(writer, clock)
        self._used: dict[str, int] = {}

    def lines(self, stem: str) -> Lines:
        """The file of lines in work."""
        found = self._opened(stem, lambda: Lines(self._writer, self._clock, f"{stem}-{self._number(stem):05d}.jsonl"))
        if not isinstance(found, Lines):
            raise TypeError("a file of lines was expected")
        return found

    def _number(self, stem: str) -> int:
        """A number that no object of this stem has in the store."""
        if stem not in self._used:
            start = f"{self._writer.bag}/{stem}-"
            numbered = re.compile(r"([0-9]{5,})\.jsonl")
            found = (numbered.fullmatch(info.key[len(start) :]) for info in self._writer.store.list(start))
            self._used[stem] = max((int(one[1]) for one in found if one is not None), default=0)
        self._used[stem] += 1
        return self._used[stem]


def earlier_entry(held: JsonObject) -> JsonObject:
    """The bytes so far of an entry or page of a site as a row of kind `version`, where they lie. held: its row."""
    row: JsonObject = {name: held[name] for name in _OF_VERSION if name in held}
    scope = f"{held['scope']}/{held['id']}" if held["scope"] else held["id"]
    row.update(kind="version", scope=scope, id=held["captured"], parent=held["id"], outcome="copied")
    return row
