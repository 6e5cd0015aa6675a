"""The objects of `data/originals/` that are being made: a zip of messages, a file of lines for each other kind.

Rules of this file: rows are written when their object is whole in the store, together; an object is closed at 256 MiB, 60 seconds
or `CLOSED_AT` items. While the store still takes its end, and its rows are written, a few items gather in the next one: together
no more than 1,000, so that a kill loses no more than that. Numbers follow what lies in the store, whatever was cut off. One
thread only. Source: design §5, docs/formats.md (bag of a mailbox).
"""

import tempfile
import zipfile
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, cast

from exporters.bag.digests import Hashed
from exporters.bag.formats import JsonObject, dump_json, dump_row
from exporters.bag.ledger import BagWriter
from exporters.clock import Clock, timestamp
from exporters.mail.capture.packing import Packer
from exporters.mail.capture.uploads import PIECE, Upload
from exporters.mail.originals import (
    BYTES,
    ENTRIES,
    MAIL,
    ORIGINALS,
    RECORDS,
    SECONDS,
    Entry,
    bytes_key,
    entry_key,
    mail_entry,
    number_of,
    object_key,
)

Rows = list[tuple[str, JsonObject]]
_EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)
_LATEST = datetime(2107, 12, 31, tzinfo=UTC)
CLOSED_AT, BESIDE = 880, 96
"""Items of a whole object; and of the next one, as long as the rows of that are not on record. Some more wait elsewhere."""


class Numbers:
    """The next free number of each kind of object."""

    def __init__(self, writer: BagWriter) -> None:
        self._writer = writer
        self._used: dict[str, int] | None = None

    def take(self, kind: str) -> int:
        """A number that no object in the store has."""
        if self._used is None:
            self._used = {}
            prefix = f"{self._writer.bag}/"
            for info in self._writer.store.list(f"{prefix}{ORIGINALS}/"):
                found = number_of(info.key[len(prefix) :])
                if found is not None:
                    self._used[found[0]] = max(self._used.get(found[0], 0), found[1])
        self._used[kind] = self._used.get(kind, 0) + 1
        return self._used[kind]


class _Object:
    """What a zip and a file of lines have in common: when it began, what it holds, and the rows that wait for its end."""

    def __init__(self, writer: BagWriter, clock: Clock, kind: str, number: int, suffix: str) -> None:
        self.kind, self.number = kind, number
        self.key = object_key(kind, number, suffix)
        self.items = 0
        self.rows: Rows = []
        self._writer, self._clock = writer, clock
        self._began = clock.monotonic()
        self._size = 0
        self._upload = Upload(lambda chunks: writer.put_payload(self.key, chunks))

    @property
    def is_due(self) -> bool:
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


class MailZip(_Object):
    """A zip of messages in work."""

    def __init__(self, writer: BagWriter, clock: Clock, number: int, kind: str = MAIL) -> None:
        super().__init__(writer, clock, kind, number, "zip")
        self._packer = Packer(self._upload)
        self._entries = 0
        self._records = tempfile.SpooledTemporaryFile(4 << 20)  # noqa: SIM115 - closed when it is packed

    def name(self, folder: str, subject: str, item_id: str, suffix: str = "eml") -> str:
        """The name of the next entry."""
        return mail_entry(self.number, self._entries + 1, folder, subject, item_id, suffix)

    def add(self, name: str, file: IO[bytes], size: int, at: datetime | None, *, keeps_file: bool = True) -> str:
        """Add an entry; return the `key` of its row. file: read from its start; closed by and by, unless the caller keeps it.
        at: its date. Raises: what the store raised."""
        self._packer.add(_info(name, at), file, keeps_file=keeps_file)
        self._size += size
        self._entries += 1
        return entry_key(Entry(self.key, name))

    def record(self, line: JsonObject) -> None:
        """Add the record of an item: its entry, if it has one, was added just before."""
        self._records.write(dump_row(line))
        self.items += 1

    def end(self) -> None:
        self._packer.add(_info(RECORDS, None), cast("IO[bytes]", self._records), keeps_file=False)
        self._packer.end()

    @property
    def is_stored(self) -> bool:
        return self._packer.is_done

    def keep(self) -> int:
        self._packer.join()
        return super().keep()

    def abandon(self) -> None:
        self._packer.abandon()
        self._records.close()


def _info(name: str, at: datetime | None) -> zipfile.ZipInfo:
    at = _EARLIEST if at is None else at.replace(tzinfo=at.tzinfo or UTC)
    moment = min(max(at, _EARLIEST), _LATEST).astimezone(UTC)
    info = zipfile.ZipInfo(name, (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second))
    info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
    return info


class Lines(_Object):
    """A file of lines in work, with the bytes that its items need beside it."""

    def __init__(self, writer: BagWriter, clock: Clock, number: int, kind: str) -> None:
        super().__init__(writer, clock, kind, number, "jsonl")

    def add(self, line: JsonObject) -> tuple[str, int, str]:
        """Add an item; return (`key` of its row, size, SHA-256 of the line without its newline)."""
        data = dump_json(line)
        self._upload.write(data + b"\n")
        self._size += len(data) + 1
        self.items += 1
        return entry_key(Entry(self.key, str(self.items))), len(data), Hashed.of(data)


class Objects:
    """All objects in work of one mailbox."""

    def __init__(self, writer: BagWriter, clock: Clock) -> None:
        self._writer, self._clock = writer, clock
        self._numbers = Numbers(writer)
        self._open: dict[str, MailZip | Lines] = {}
        self._pieces: dict[str, tuple[int, int]] = {}
        self._ended: deque[MailZip | Lines] = deque()
        self._segment = 0  # of the rows that were written last

    def mail(self) -> MailZip:
        """The zip of messages in work."""
        found = self._open.get(MAIL)
        if not isinstance(found, MailZip):
            found = self._open[MAIL] = MailZip(self._writer, self._clock, self._numbers.take(MAIL))
        return found

    def lines(self, kind: str) -> Lines:
        """The file of lines in work. kind: contacts, events, …"""
        found = self._open.get(kind)
        if not isinstance(found, Lines):
            found = self._open[kind] = Lines(self._writer, self._clock, self._numbers.take(kind), kind)
        return found

    def put_piece(self, kind: str, name: str, item_id: str, file: IO[bytes], size: int) -> tuple[str, str | None]:
        """Put bytes that an item needs beside the object of its kind that is in work; return (key, version id).

        kind: mail, contacts, … Raises: errors of the store.
        """
        number = (self.mail() if kind == MAIL else self.lines(kind)).number
        held, place = self._pieces.get(kind, (0, 0))
        place = place + 1 if held == number else 1
        self._pieces[kind] = (number, place)
        key = bytes_key(kind, number, place, name, item_id)
        file.seek(0)
        stored = self._writer.put_payload(key, _pieces_of(file), size=size)
        return key, stored.version_id

    def close_due(self) -> None:
        """Close what has lasted long enough, or holds enough; write the rows of what the store has. Does not wait for the store,
        unless too much would be lost by a kill."""
        for kind, held in list(self._open.items()):
            if held.is_due or held.items >= CLOSED_AT:
                self._settle()  # of those that have ended before
                held.end()
                self._ended.append(self._open.pop(kind))
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
            kind = next(iter(self._open))
            self._open[kind].end()
            self._ended.append(self._open.pop(kind))
        self._settle()

    def abandon(self) -> None:
        """None of what is in work becomes whole."""
        for held in (*self._open.values(), *self._ended):
            held.abandon()
        self._open.clear()
        self._ended.clear()


def _pieces_of(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece
