"""Entries put aside on disk and given back in order: what a sorted tree or table needs when its entries come in any order.

Rules of this file: memory is bounded by `buffered` bytes and one reading window per run; never more than 48 runs, older
ones are merged. Records are compared as bytes, so callers put a big-endian key in front. Temporary files have no name
and vanish with the process. Errors of the operating system become SpillFailed. Source: reference/pst-format.md §8.3,
§8.5."""

import heapq
import struct
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from exporters.pst.errors import SpillFailed

_LENGTH = struct.Struct("<I")
_WINDOW = 1 << 15  # bytes that are written at once
_READ = 1 << 13  # bytes that are read ahead of each run
_MOST_RUNS = 48
_OBJECT = 57  # what CPython adds to each bytes object, with its place in the list


class SortedRuns:
    """Add records in any order, read all of them once in ascending order; equal records come back as often as they were added."""

    def __init__(self, directory: Path | None = None, *, buffered: int = 2 << 20) -> None:
        self._directory = directory
        self._buffered = buffered
        self._buffer: list[bytes] = []
        self._held = 0
        self._file: IO[bytes] | None = None
        self._runs: list[tuple[int, int]] = []
        self.size = 0
        self.count = 0

    def add(self, record: bytes) -> None:
        """Put one record aside. Raises SpillFailed when the temporary folder refuses it."""
        self._buffer.append(record)
        self.count += 1
        self.size += len(record)
        self._held += len(record) + _OBJECT
        if self._held >= self._buffered:
            self._spill()

    def _spill(self) -> None:
        self._buffer.sort()
        if len(self._runs) >= _MOST_RUNS:
            self._merge_runs()
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115  # closed by close()
            self._runs.append(_write_run(self._file, self._buffer))
        except OSError as error:
            raise SpillFailed(f"the temporary folder refuses what is put aside: {error.strerror or error}") from error
        self._buffer = []
        self._held = 0

    def _merge_runs(self) -> None:
        old = self._file
        try:
            new = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115  # closed by close()
            self._runs = [_write_run(new, self._read_runs())]
        except OSError as error:
            raise SpillFailed(f"the temporary folder refuses what is put aside: {error.strerror or error}") from error
        self._file = new
        if old is not None:
            old.close()

    def _read_runs(self) -> Iterator[bytes]:
        file = self._file
        if file is None:
            return iter(())
        return heapq.merge(*(_read_run(file, start, end) for start, end in self._runs))

    def merged(self) -> Iterator[bytes]:
        """All records in ascending order. Nothing may be added while they are read."""
        self._buffer.sort()
        try:
            yield from heapq.merge(self._read_runs(), self._buffer) if self._runs else self._buffer
        except OSError as error:
            raise SpillFailed(f"the temporary folder does not give back what was put aside: {error}") from error

    def close(self) -> None:
        """Forget everything and free the disk."""
        self._buffer = []
        self._runs = []
        if self._file is not None:
            self._file.close()
            self._file = None


def _write_run(file: IO[bytes], records: Iterable[bytes]) -> tuple[int, int]:
    start = file.seek(0, 2)
    window = bytearray()
    for record in records:
        window += _LENGTH.pack(len(record))
        window += record
        if len(window) >= _WINDOW:
            file.write(window)
            window.clear()
    file.write(window)
    file.flush()
    return start, file.tell()


def _read_run(file: IO[bytes], start: int, end: int) -> Iterator[bytes]:
    window = b""
    at = 0
    while start < end or at < len(window):
        if len(window) - at < 4 or len(window) - at < 4 + _LENGTH.unpack_from(window, at)[0]:
            file.seek(start)
            more = file.read(min(max(_READ, _wanted(window, at)), end - start))
            if not more:
                raise OSError("a run is shorter than it was written")
            start += len(more)
            window = window[at:] + more
            at = 0
            continue
        length = _LENGTH.unpack_from(window, at)[0]
        yield window[at + 4 : at + 4 + length]
        at += 4 + length


def _wanted(window: bytes, at: int) -> int:
    return 4 + int(_LENGTH.unpack_from(window, at)[0]) if len(window) - at >= 4 else 4
