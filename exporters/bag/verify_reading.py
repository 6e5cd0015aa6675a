"""Reading for those who check: lines with their digest, segments with theirs.

Rules of this file: knows `formats` and no writer of bags; nothing is taken on trust, nothing whole is held but one segment.
What is wrong is told in words, never raised, so that a check can go on. Source: design §4 (the ledger), docs/formats.md.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from exporters.bag.formats import JsonObject, segment_key
from exporters.bag.verify_segments import examine, loaded
from exporters.ordered import in_order
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import Store

__all__ = ["LONGEST_LINE", "SEGMENT_NAME", "Lines", "Segment", "loaded", "read_chain", "read_segment"]

SEGMENT_NAME = re.compile(r"([0-9]{9})\.jsonl")
LONGEST_LINE = 64 << 20
"""Bytes; a longer line is damage, and is not held."""


class Lines:
    """The lines of an object, each with its newline (the last one maybe without); afterwards `sha256` and `size`.

    Iterate once, by lines or by `pieces`. Raises: ObjectMissingError at the first line.
    """

    def __init__(self, store: Store, key: str) -> None:
        self._store = store
        self._key = key
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        """Of the bytes read so far."""
        return self._hash.hexdigest()

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces():
            start = 0
            while start < len(piece):
                end = piece.find(b"\n", start) + 1 or len(piece)
                yield piece[start:end]
                start = end

    def pieces(self) -> Iterator[bytes]:
        """Whole lines, about a chunk of the store at a time; what follows the last newline comes last."""
        rest: list[bytes] = []
        held = 0
        with self._store.open(self._key) as chunks:
            for chunk in chunks:
                self._hash.update(chunk)
                self.size += len(chunk)
                end = chunk.rfind(b"\n") + 1
                if end:
                    yield b"".join([*rest, chunk[:end]])
                    rest, held = [], 0
                if end < len(chunk) and held <= LONGEST_LINE:
                    rest.append(chunk[end:])
                    held += len(chunk) - end
        if rest:
            yield b"".join(rest)


@dataclass(slots=True)
class Segment:
    """One segment as found. `problems`: why it is not as it was written; `lines`: rows between first and last."""

    key: str
    number: int
    sha256: str
    first: JsonObject
    lines: list[bytes]
    problems: list[str] = field(default_factory=list)


def read_segment(store: Store, folder: str, number: int) -> Segment | None:
    """Read segment `number` below `folder` (which ends in `/`) and check it in itself; None if it is not there."""
    key = segment_key(folder, number)
    try:
        data = store.read(key)
    except ObjectMissingError:
        return None
    found = examine(number, data)
    lines = [line + b"\n" for line in found.lines]
    return Segment(key, number, found.sha256, found.first, lines, found.problems)


def fault_in_chain(before: tuple[int, str] | None, number: int, first: JsonObject) -> str | None:
    """What is wrong with the place of a segment in its chain. before: number and SHA-256 of the segment before it, if any."""
    previous = first.get("previous")
    if number == 1 and previous is not None:
        return "it is the first and names one before it"
    if before is not None and before[0] == number - 1 and previous != before[1]:
        return f"it does not follow from segment {before[0]}: its `previous` is another"
    return None


def read_chain(store: Store, folder: str, numbers: Iterable[int], pool: ThreadPoolExecutor) -> Iterator[Segment | int]:
    """Yield the segments of `numbers` (ascending) in order, each checked against the one before; a number: not there.

    What does not follow from the segment before is told in `problems`.
    """
    before: tuple[int, str] | None = None
    for number, segment in in_order(pool, lambda n: (n, read_segment(store, folder, n)), numbers, ahead=4):
        if segment is None:
            yield number
            continue
        fault = fault_in_chain(before, number, segment.first)
        if fault is not None:
            segment.problems.append(fault)
        yield segment
        before = number, segment.sha256
