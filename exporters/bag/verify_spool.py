"""Sorted lines that do not fit into memory: written as runs into temporary files, read back range by range.

Rules of this file: knows lines of bytes and nothing of what they mean. A run is sorted; a range takes from each run what belongs
to it, so that many ranges can be worked on at the same time, each in little memory. The files have no name (whatever ends us,
nothing stays behind), and each process writes to its own. Source: design §9 (stream or spill), decision 0012.
"""

import marshal
import os
import tempfile
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

MOST_RANGES = 256
_SAMPLE_BYTES = 1 << 14

Place = tuple[int, int, int]
"""(number of the file, offset, length in bytes)."""


class Run(NamedTuple):
    """Sorted lines in one place. samples: (start of the line, offset inside the run) of a line in about every 16 KiB; parts: how
    many parts, each ended by NUL, make such a start."""

    place: Place
    lines: int
    samples: Sequence[tuple[bytes, int]]
    parts: int


class Range(NamedTuple):
    """Lines from `low` up to, not with, `high` (None: no end). pieces: where they are, with some that lie beside them."""

    low: bytes
    high: bytes | None
    pieces: Sequence[Place]


class Spool:
    """Temporary files by number, of which this process writes one. Not safe from several threads."""

    def __init__(self, files: Sequence[int], own: int) -> None:
        """files: descriptors, the same files in the same order in each process; own: number of the one to write to."""
        self._files, self._own = list(files), own

    @classmethod
    def of(cls, number: int) -> "Spool":
        """A spool of so many new files; the first one is ours to write to."""
        files = []
        for _ in range(number):
            with tempfile.TemporaryFile(prefix="lastcopy-verify-") as file:
                files.append(os.dup(file.fileno()))
        return cls(files, 0)

    @property
    def files(self) -> list[int]:
        """Descriptors, for the processes that share them."""
        return self._files

    def write(self, data: bytes) -> Place:
        """Append to our own file. Raises: OSError (no room)."""
        file = self._files[self._own]
        offset = os.fstat(file).st_size
        done, view = 0, memoryview(data)
        while done < len(data):
            done += os.pwrite(file, view[done:], offset + done)
        return self._own, offset, len(data)

    def read(self, place: Place) -> bytes:
        """What was written there."""
        number, offset, length = place
        data = os.pread(self._files[number], length, offset)
        while len(data) < length:  # a system may read less than asked for, never nothing before the end
            more = os.pread(self._files[number], length - len(data), offset + len(data))
            if not more:
                raise OSError(f"a temporary file ended at byte {offset + len(data):,}")
            data += more
        return data

    def clear(self) -> None:
        """Forget all that was written, by whichever process; nobody may be at work."""
        for file in self._files:
            os.ftruncate(file, 0)

    def close(self) -> None:
        """Let go of the files, with which they are gone. Called twice: nothing."""
        while self._files:
            os.close(self._files.pop())

    # -- runs

    def write_run(self, lines: list[bytes], parts: int) -> Run | None:
        """Sort and write lines (without newlines); None if there are none. parts: those that belong together begin with the
        same so many parts."""
        if not lines:
            return None
        lines.sort()
        offset, next_sample = 0, 0
        samples: list[tuple[bytes, int]] = []
        for line in lines:
            if offset >= next_sample:
                samples.append((_start(line, parts), offset))
                next_sample = offset + _SAMPLE_BYTES
            offset += len(line) + 1
        lines.append(b"")
        return Run(self.write(b"\n".join(lines)), len(lines) - 1, samples, parts)

    def lines(self, wanted: Range) -> list[bytes]:
        """The lines of a range out of all runs, sorted."""
        low, high, pieces = wanted
        found: list[bytes] = []
        for place in pieces:
            data = self.read(place)
            start = first_from(data, low)
            end = len(data) if high is None else first_from(data, high)
            if start < end:
                found += data[start : end - 1].split(b"\n")
        found.sort()
        return found

    # -- values

    def write_values(self, values: Any) -> Place:
        """Append a value of plain types."""
        return self.write(marshal.dumps(values, 2))

    def read_values(self, place: Place) -> Any:
        """The value that was written there."""
        return marshal.loads(self.read(place))  # noqa: S302 - our own temporary file, which has no name


def first_from(lines: bytes, bound: bytes) -> int:
    """Offset of the first of the sorted lines that is not less than `bound`; the length if there is none."""
    low, high = 0, len(lines)
    while low < high:
        start = max(lines.rfind(b"\n", low, (low + high) // 2) + 1, low)
        end = lines.find(b"\n", start)
        if lines[start:end] < bound:
            low = end + 1
        else:
            high = start
    return low


def ranges(runs: Iterable[Run | None], lines_each: int) -> Iterator[Range]:
    """Cut what several runs hold into ranges of about `lines_each` lines, in order; each line lies in one of them, beside all
    that have the same start. Of more than 256 ranges, fewer and larger ones are made: a range has a piece of each run."""
    held = [run for run in runs if run is not None]
    if not held:
        return
    firsts = [[start for start, _ in run.samples] for run in held]
    starts = sorted(start for of_run in firsts for start in of_run)
    total = sum(run.lines for run in held)
    step = max(1, len(starts) * max(lines_each, total // MOST_RANGES) // total)
    bounds = sorted({*starts[step::step]} - {starts[0]})
    for low, high in zip([b"", *bounds], [*bounds, None], strict=True):
        pieces = (_piece(run, first, low, high) for run, first in zip(held, firsts, strict=True))
        yield Range(low, high, [piece for piece in pieces if piece is not None])


def _start(line: bytes, parts: int) -> bytes:
    return b"".join(part + b"\0" for part in line.split(b"\0", parts)[:parts])


def _piece(run: Run, firsts: list[bytes], low: bytes, high: bytes | None) -> Place | None:
    """The part of a run, cut at samples, that holds all its lines from `low` to `high`."""
    file, offset, length = run.place
    start = max(bisect_left(firsts, low) - 1, 0)
    end = len(firsts) if high is None else bisect_left(firsts, high)
    if end <= start:
        return None
    begin = run.samples[start][1]
    stop = length if end == len(firsts) else run.samples[end][1]
    return file, offset + begin, stop - begin
