"""Every entry that a row names, beside the object that holds it: there once, as long, and with these bytes.

Rules of this file: an object is read once, for its own SHA-256 and its entries; of a store that is no folder a zip is spooled to
a temporary file, four at a time. Lines and entries are hashed as they stream by: memory does not grow with an object. What is no
zip that every unzip reads is a finding. Source: docs/formats.md (bag of a mailbox), design §5, §6 (levels).
"""

import hashlib
import os
import struct
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import IO, NamedTuple

from exporters.bag.verify_entries import Entry, Holder
from exporters.bag.verify_payload import Choice, Progress, StoppedError
from exporters.bag.verify_report import BagVerification
from exporters.errors import ItemError, TransientError
from exporters.ordered import in_order
from exporters.store.errors import ObjectMissingError, StoreUnwritableError
from exporters.store.local import LocalFiles, LocalReader
from exporters.store.protocol import CHUNK_BYTES, Store

SPOOLED = 4
"""Objects that are looked at together where they are spooled: as many lie in the temporary folder, 256 MiB each and more."""
CAPTURED = (".eml", ".fts")
"""What no row may leave unnamed in a zip."""
_PLAIN = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_ENCRYPTED = 1
_UNREADABLE = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error,
    EOFError, NotImplementedError, OverflowError, RuntimeError, UnicodeError, ValueError,
)  # fmt: skip
"""What reading a damaged zip raises."""
_STRAY = "no row names it"
_DROPPED = "a row named it once, and none does now"


class _Fault(NamedTuple):
    """sort: missing, changed or unexpected; name: the key, with the entry after `!`."""

    sort: str
    name: str
    why: str


class _Looked(NamedTuple):
    """What looking at one object gave. was_read: whether all of it was."""

    was_read: bool
    faults: list[_Fault]


class EntryCheck:
    """One pass over the objects of a bag that hold entries."""

    def __init__(
        self,
        store: Store,
        report: BagVerification,
        pool: ThreadPoolExecutor,
        *,
        local: LocalFiles | None,
        choice: Choice,
        stop: threading.Event,
        progress: Progress | None = None,
    ) -> None:
        """choice: which objects are read; of the others only what rows say is judged. progress: told of the bytes of objects."""
        self._store, self._report, self._pool, self._local = store, report, pool, local
        self._choice, self._stop = choice, stop
        self._progress = progress or (lambda files, size: None)

    def run(self, holders: Iterator[Holder], *, strays_in_flight: bool) -> None:
        """Look at each object. strays_in_flight: entries that no row names are not unexpected: rows may still come."""
        report = self._report
        sorts = {"missing": report.missing, "changed": report.changed, "unexpected": report.unexpected}
        if strays_in_flight:
            sorts["unexpected"] = report.in_flight
        ahead = SPOOLED if self._local is None else max(SPOOLED, os.cpu_count() or 1)
        for looked in in_order(self._pool, self._look_at, holders, ahead=ahead):
            report.files_read += looked.was_read
            for fault in looked.faults:
                sorts[fault.sort].add(fault.name, fault.why)
            if self._stop.is_set():
                raise StoppedError

    def _look_at(self, holder: Holder) -> _Looked:
        faults = [_of_entry("changed", holder, entry.name, entry.fault) for entry in holder.entries if entry.fault]
        if not holder.has_row:
            faults.append(
                _Fault("missing", holder.key, "rows name entries of it, and it has no row of kind `original`")
            )
            return _Looked(False, faults)
        if not self._choice.takes(holder.captured):
            return _Looked(False, faults)
        try:
            found = self._read(holder)
        except ObjectMissingError:  # told with the payload
            return _Looked(False, faults)
        except (ItemError, TransientError, StoreUnwritableError) as error:
            faults.append(_Fault("changed", holder.key, f"it cannot be read: {error}"))
            return _Looked(False, faults)
        return _Looked(True, [*faults, *found])

    def _read(self, holder: Holder) -> list[_Fault]:
        if not holder.is_zip:
            lines = _LineCheck(holder)
            digest, size = self._pass_by(holder, lines.take)
            faults = lines.faults()
        else:
            with self._as_file(holder) as (file, digest, size):
                faults = [*_ZipCheck(holder, file, self._stop).faults()]
        if digest != holder.sha256 and size == holder.size:  # another size is told with the payload
            faults.insert(0, _Fault("changed", holder.key, "its bytes have another SHA-256 than its row says"))
        return faults

    @contextmanager
    def _as_file(self, holder: Holder) -> Iterator[tuple[IO[bytes], str, int]]:
        """The object as a file that can be read at any place, with its SHA-256 and size."""
        if self._local is None:
            with tempfile.TemporaryFile(prefix="lastcopy-verify-") as file:
                digest, size = self._pass_by(holder, file.write)
                yield file, digest, size
            return
        with LocalReader(self._local.root) as reader:
            try:
                descriptor = reader.open(f"{self._report.bag}/{holder.key}".encode())
            except OSError:  # by the way that knows all errors
                descriptor = -1
        if descriptor < 0:
            self._pass_by(holder, len)
            raise ObjectMissingError(holder.key)
        with os.fdopen(descriptor, "rb") as file:
            whole, size = hashlib.sha256(), 0
            while chunk := file.read(CHUNK_BYTES):
                whole.update(chunk)
                size += len(chunk)
                self._passed(len(chunk))
            yield file, whole.hexdigest(), size

    def _pass_by(self, holder: Holder, take: Callable[[bytes], object]) -> tuple[str, int]:
        """Stream an object; return its SHA-256 and size."""
        whole, size = hashlib.sha256(), 0
        with self._store.open(f"{self._report.bag}/{holder.key}") as chunks:
            for chunk in chunks:
                whole.update(chunk)
                size += len(chunk)
                take(chunk)
                self._passed(len(chunk))
        return whole.hexdigest(), size

    def _passed(self, size: int) -> None:
        self._progress(0, size)
        if self._stop.is_set():
            raise StoppedError


class _ZipCheck:
    """The entries of one zip."""

    def __init__(self, holder: Holder, file: IO[bytes], stop: threading.Event) -> None:
        self._holder, self._file, self._stop = holder, file, stop

    def faults(self) -> Iterator[_Fault]:
        """What is wrong with any of them."""
        try:
            archive = zipfile.ZipFile(self._file)
        except _UNREADABLE as error:
            yield _Fault("changed", self._holder.key, f"it is no zip that can be read: {error}")
            return
        with archive:
            there: dict[str, list[zipfile.ZipInfo]] = {}
            for info in archive.infolist():
                there.setdefault(info.filename, []).append(info)
            named = {entry.name for entry in self._holder.entries}
            dropped = {*self._holder.dropped} - named
            for entry in self._holder.entries:
                if self._stop.is_set():
                    raise StoppedError
                yield from self._faults_of(archive, entry, there.get(entry.name, []))
            for name in sorted({name for name in there if name.endswith(CAPTURED)} - named - dropped):
                yield _of_entry("unexpected", self._holder, name, _STRAY)
            for name in sorted(dropped):
                yield _of_entry("unexpected" if name in there else "missing", self._holder, name, _DROPPED)

    def _faults_of(self, archive: zipfile.ZipFile, entry: Entry, found: list[zipfile.ZipInfo]) -> Iterator[_Fault]:
        if not found:
            yield _of_entry("missing", self._holder, entry.name, "a row names it, and the zip does not have it")
            return
        if entry.size < 0 or not entry.sha256:
            return  # told of its rows
        if len(found) > 1:
            yield _of_entry("changed", self._holder, entry.name, f"the zip has {len(found)} entries of this name")
        try:
            why = _bytes_fault(archive, found[-1], entry)
        except _UNREADABLE as error:
            why = f"it cannot be unzipped: {error}"
        if why is not None:
            yield _of_entry("changed", self._holder, entry.name, why)


def _bytes_fault(archive: zipfile.ZipFile, info: zipfile.ZipInfo, entry: Entry) -> str | None:
    if info.compress_type not in _PLAIN or info.flag_bits & _ENCRYPTED:
        return "it is packed in a way that not every unzip knows"
    digest, size = hashlib.sha256(), 0
    with archive.open(info) as content:
        while size <= entry.size and (chunk := content.read(CHUNK_BYTES)):
            digest.update(chunk)
            size += len(chunk)
    return _difference(entry, size, digest.hexdigest())


class _LineCheck:
    """The lines of one object, hashed as they pass by."""

    def __init__(self, holder: Holder) -> None:
        self._holder = holder
        self._wanted = {int(entry.name): entry for entry in holder.entries if _is_number(entry.name)}
        self._number, self._digest, self._size = 1, hashlib.sha256(), 0
        self._found: dict[int, str | None] = {}

    def take(self, chunk: bytes) -> None:
        """The next bytes of the object."""
        first, *rest = chunk.split(b"\n")
        self._add(first)
        for part in rest:
            self._end_line()
            self._add(part)

    def _add(self, part: bytes) -> None:
        self._digest.update(part)
        self._size += len(part)

    def _end_line(self) -> None:
        entry = self._wanted.get(self._number)
        if entry is not None and entry.size >= 0 and entry.sha256:
            self._found[self._number] = _difference(entry, self._size, self._digest.hexdigest())
        self._number, self._digest, self._size = self._number + 1, hashlib.sha256(), 0

    def faults(self) -> list[_Fault]:
        """What is wrong with any of them; after the last byte."""
        lines = self._number - 1
        faults = []
        if self._size:
            faults.append(_Fault("changed", self._holder.key, "its last line does not end"))
        for entry in self._holder.entries:
            if not _is_number(entry.name) or int(entry.name) > lines:
                faults.append(
                    _of_entry("missing", self._holder, entry.name, "a row names it, and there is no such line")
                )
            elif (why := self._found.get(int(entry.name))) is not None:
                faults.append(_of_entry("changed", self._holder, entry.name, why))
        for name in self._holder.dropped:
            there = _is_number(name) and int(name) <= lines
            faults.append(_of_entry("unexpected" if there else "missing", self._holder, name, _DROPPED))
        return faults


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) < 10 and not name.startswith("0")


def _difference(entry: Entry, size: int, sha256: str) -> str | None:
    if size > entry.size:
        return f"it has more than the {entry.size:,} bytes of its row"
    if size < entry.size:
        return f"it has {size:,} bytes where its row says {entry.size:,}"
    return None if sha256 == entry.sha256 else "its bytes have another SHA-256 than its row says"


def _of_entry(sort: str, holder: Holder, name: str, why: str) -> _Fault:
    return _Fault(sort, f"{holder.key}!{name}", why)
