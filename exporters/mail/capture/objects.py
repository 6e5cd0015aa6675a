"""The objects of `data/originals/` that are being made: a zip of messages, a file of lines for each other kind.

Rules of this file: as those of `exporters.bag.objects`, which says when an object is closed and when its rows are written.
Numbers follow what lies in the store, whatever was cut off. One thread only. Source: design §5, docs/formats.md (bag of a
mailbox).
"""

import tempfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, cast

from exporters.bag.formats import JsonObject, dump_row
from exporters.bag.ledger import BagWriter
from exporters.bag.objects import Filling, Lines, ObjectsInWork
from exporters.bag.uploads import PIECE
from exporters.clock import Clock
from exporters.mail.capture.packing import Packer
from exporters.mail.originals import (
    MAIL,
    ORIGINALS,
    RECORDS,
    Entry,
    bytes_key,
    entry_key,
    mail_entry,
    number_of,
    object_key,
)

_EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)
_LATEST = datetime(2107, 12, 31, tzinfo=UTC)


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


class MailZip(Filling):
    """A zip of messages in work."""

    def __init__(self, writer: BagWriter, clock: Clock, number: int, kind: str = MAIL) -> None:
        super().__init__(writer, clock, object_key(kind, number, "zip"))
        self.number = number
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


class MailLines(Lines):
    """A file of lines in work, with the bytes that its items need beside it."""

    def __init__(self, writer: BagWriter, clock: Clock, number: int, kind: str) -> None:
        super().__init__(writer, clock, object_key(kind, number, "jsonl"))
        self.number = number


class Objects(ObjectsInWork):
    """All objects in work of one mailbox."""

    def __init__(self, writer: BagWriter, clock: Clock) -> None:
        super().__init__(writer, clock)
        self._numbers = Numbers(writer)
        self._pieces: dict[str, tuple[int, int]] = {}

    def mail(self) -> MailZip:
        """The zip of messages in work."""
        found = self._opened(MAIL, lambda: MailZip(self._writer, self._clock, self._numbers.take(MAIL)))
        return cast("MailZip", found)

    def lines(self, kind: str) -> MailLines:
        """The file of lines in work. kind: contacts, events, …"""
        found = self._opened(kind, lambda: MailLines(self._writer, self._clock, self._numbers.take(kind), kind))
        return cast("MailLines", found)

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


def _pieces_of(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece
