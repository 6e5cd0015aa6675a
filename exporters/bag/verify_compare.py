"""A file of the fold beside what the segments give, streamed: rows by their digests, lines of a manifest by their bytes.

Rules of this file: the whole file is read, even after the first difference, so that its SHA-256 is known afterwards; the first
difference is told, with its place. Source: docs/formats.md (fold).
"""

from collections.abc import Iterator

from exporters.bag.verify_processes import Processes
from exporters.bag.verify_reading import Lines

DIGEST_BYTES = 16


def rows_fault(lines: Lines, expected: Iterator[bytes], processes: Processes) -> str | None:
    """The first row that is not the one that the segments give at its place; None if all are.

    expected: digests of the rows (see `verify_segments.digest_of`), many at a time.
    """
    given, row = _Stream(expected), 0
    fault: str | None = None
    for found in processes.in_order("digest_lines", ((piece,) for piece in lines.pieces())):
        if fault is not None:
            continue
        wanted = given.take(len(found))
        if found != wanted:
            at = _first_difference(found, wanted)
            row += at // DIGEST_BYTES + 1
            if at >= len(wanted):
                fault = f"row {row:,} and what follows is in no segment"
            else:
                fault = f"row {row:,} is not the one that the segments give at this place"
        row += len(found) // DIGEST_BYTES
    if fault is None and given.take(1):
        fault = f"it ends before row {row + 1:,}, and the segments have more rows"
    return fault


def lines_fault(lines: Lines, expected: Iterator[bytes]) -> str | None:
    """The first line that is not the expected one; None if all are. expected: the lines, many at a time."""
    given = _Stream(expected)
    fault: str | None = None
    for found in lines.pieces():
        if fault is not None:
            continue
        wanted = given.take(len(found))
        if found != wanted:
            start = found.rfind(b"\n", 0, _first_difference(found, wanted)) + 1
            fault = _told(found[start:], wanted[start:] + given.take(1 << 12))
    if fault is None and (wanted := given.take(1 << 12)):
        fault = _told(b"", wanted)
    return fault


def _told(found: bytes, wanted: bytes) -> str:
    here, there = ((text.split(b"\n", 1)[0][:200] or b"(none)") for text in (found, wanted))
    return f"line {here!r} stands where rows give {there!r}"


def _first_difference(one: bytes, other: bytes) -> int:
    """The first place at which they differ; the length of the shorter if one begins with the other."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


class _Stream:
    """Bytes that come in pieces of any length, taken in others."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = b""
        self._start = 0

    def take(self, length: int) -> bytes:
        """The next so many bytes, fewer at the end."""
        parts = [self._held[self._start : self._start + length]]
        self._start += len(parts[0])
        missing = length - len(parts[0])
        while missing:
            piece = next(self._pieces, None)
            if piece is None:
                break
            parts.append(piece[:missing])
            missing -= len(parts[-1])
            self._held, self._start = piece, len(parts[-1])
        return b"".join(parts)
