"""Entries of a bag's objects → files: messages out of zips, contacts and the like out of lines.

Rules of this file: what is to be written is put down first and then taken object by object, so that each is read once and none is
held; a file is hashed as it is written, and one that differs from its row is a failure and is not left lying there. Source:
docs/formats.md (bag of a mailbox).
"""

import contextlib
import hashlib
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import IO, NamedTuple

from exporters.errors import ItemError, TransientError
from exporters.scratch_database import ScratchDatabase
from exporters.store.errors import ObjectMissingError, StoreUnwritableError
from exporters.store.protocol import CHUNK_BYTES, Store
from exporters.target import NO_FOLLOW, target_error

UNREADABLE_ZIP = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, OverflowError, RuntimeError, ValueError,
)  # fmt: skip
"""What reading a damaged zip raises."""
_MISSING = "the object in the store has no such entry"
_DIFFERS = "the bytes in the store have another SHA-256 than the row says"


class Wanted(NamedTuple):
    """An entry, and where it goes. place: a file that is there, and empty; path: true path of the item."""

    holder: str
    name: str
    sha256: str | None
    path: str
    place: str
    modified: str | None


class Written(NamedTuple):
    """What became of it. fault: why it is not there."""

    wanted: Wanted
    size: int
    fault: str | None


class Later:
    """Entries that were put down, in a temporary file. Use as a context manager; one thread only."""

    def __enter__(self) -> "Later":
        schema = "CREATE TABLE wanted (holder, name, sha256, path, place, modified)"
        self._scratch = ScratchDatabase("entries", schema, cache_kib=8000)
        self._db = self._scratch.db
        return self

    def __exit__(self, *_: object) -> None:
        self._scratch.close()

    def add(self, wanted: Wanted) -> None:
        """Put one down."""
        texts = (None if text is None else text.encode("utf-8", "surrogatepass") for text in wanted)
        self._db.execute("INSERT INTO wanted VALUES (?, ?, ?, ?, ?, ?)", (*texts,))

    def by_holder(self) -> Iterator[tuple[str, list[Wanted]]]:
        """All of them, object by object."""
        rows = self._db.execute("SELECT * FROM wanted ORDER BY holder, name, place")
        found = (Wanted(*(text and text.decode("utf-8", "surrogatepass") for text in row)) for row in rows)
        for holder, group in groupby(found, key=lambda wanted: wanted.holder):
            yield holder, list(group)


def write_entries(store: Store, bag: str, holder: str, wanted: Sequence[Wanted]) -> list[Written]:
    """Write entries of one object. Raises: RunError if the target cannot be written."""
    try:
        if holder.endswith(".zip"):
            with tempfile.TemporaryFile(prefix="lastcopy-entries-") as file:
                with store.open(f"{bag}/{holder}") as chunks:
                    for chunk in chunks:
                        file.write(chunk)
                return [*_unzipped(file, wanted)]
        with store.open(f"{bag}/{holder}") as chunks:
            return [*_of_lines(chunks, wanted)]
    except ObjectMissingError:
        fault = f"the store has no {holder!r}"
    except (ItemError, TransientError, StoreUnwritableError) as error:
        fault = f"it cannot be read: {error}"
    return [_given_up(one, fault) for one in wanted]


def _unzipped(file: IO[bytes], wanted: Sequence[Wanted]) -> Iterator[Written]:
    try:
        archive = zipfile.ZipFile(file)
    except UNREADABLE_ZIP as error:
        yield from (_given_up(one, f"{one.holder!r} is no zip that can be read: {error}") for one in wanted)
        return
    with archive:
        for one in wanted:
            try:
                content = archive.open(one.name)
            except KeyError:
                yield _given_up(one, _MISSING)
                continue
            except UNREADABLE_ZIP as error:
                yield _given_up(one, f"it cannot be unzipped: {error}")
                continue
            with content, _Out(one) as out:
                try:
                    while chunk := content.read(CHUNK_BYTES):
                        out.write(chunk)
                except UNREADABLE_ZIP as error:
                    out.fault = f"it cannot be unzipped: {error}"
            yield out.done()


def _of_lines(chunks: Iterator[bytes], wanted: Sequence[Wanted]) -> Iterator[Written]:
    left: dict[int, Wanted] = {}
    for one in wanted:
        if not (one.name.isascii() and one.name.isdigit()) or int(one.name) in left:
            yield _given_up(one, f"{one.name!r} is no line, or another row names it too")
        else:
            left[int(one.name)] = one
    out, number = _Out(left.get(1)), 1
    try:
        for chunk in chunks:
            first, *rest = chunk.split(b"\n")
            out.write(first)
            for part in rest:
                out.close()
                if left.pop(number, None) is not None:
                    yield out.done()
                number += 1
                out = _Out(left.get(number))
                out.write(part)
    finally:
        out.close()
    yield from (_given_up(one, _MISSING) for one in left.values())


class _Out:
    """The file of an entry; nowhere if it is not wanted."""

    def __init__(self, wanted: Wanted | None) -> None:
        self._wanted, self._digest, self._size = wanted, hashlib.sha256(), 0
        self.fault: str | None = None
        self._file = -1
        if wanted is not None:
            try:
                self._file = os.open(wanted.place, os.O_WRONLY | NO_FOLLOW)
            except OSError as error:
                raise target_error(wanted.place, error) from error

    def __enter__(self) -> "_Out":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, chunk: bytes) -> None:
        """The next bytes."""
        if self._wanted is None:
            return
        self._digest.update(chunk)
        self._size += len(chunk)
        view = memoryview(chunk)
        while view:
            try:
                view = view[os.write(self._file, view) :]
            except OSError as error:
                raise target_error(self._wanted.place, error) from error

    def close(self) -> None:
        """Twice is as once."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def done(self) -> Written:
        """What became of it; what differs is removed."""
        one = self._wanted
        assert one is not None  # noqa: S101 - asked of what is wanted only
        if self.fault is None and self._digest.hexdigest() != one.sha256:
            self.fault = _DIFFERS
        return Written(one, self._size, None) if self.fault is None else _given_up(one, self.fault)


def _given_up(wanted: Wanted, fault: str) -> Written:
    with contextlib.suppress(FileNotFoundError):
        Path(wanted.place).unlink()
    return Written(wanted, 0, fault)
