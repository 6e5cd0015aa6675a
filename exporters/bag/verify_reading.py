"""Reading for those who check: lines with their digest, segments with theirs, work in parallel but answered in order.

Rules of this file: knows `formats` and no writer of bags; nothing is taken on trust, nothing whole is held but one segment.
What is wrong is told in words, never raised, so that a check can go on. Source: design §4 (the ledger), docs/formats.md.
"""

import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from exporters.bag.formats import JsonObject, dump_row, load_json, segment_key
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import Store

SEGMENT_NAME = re.compile(r"([0-9]{9})\.jsonl")
LONGEST_LINE = 64 << 20
"""Bytes; a longer line is damage, and is not held."""

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class Lines:
    """The lines of an object, each with its newline (the last one maybe without); afterwards `sha256` and `size`.

    Iterate once. Raises: ObjectMissingError at the first line.
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
        rest: list[bytes] = []
        held = 0
        with self._store.open(self._key) as chunks:
            for chunk in chunks:
                self._hash.update(chunk)
                self.size += len(chunk)
                *whole, end = chunk.split(b"\n")
                for piece in whole:
                    if rest:
                        rest.append(piece)
                        piece = b"".join(rest)  # noqa: PLW2901
                        rest, held = [], 0
                    yield piece + b"\n"
                if end and held <= LONGEST_LINE:
                    rest.append(end)
                    held += len(end)
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
    found = Segment(key, number, hashlib.sha256(data).hexdigest(), {}, [])
    start_of_last = data.rfind(b"\n", 0, max(len(data) - 1, 0)) + 1
    body, last = data[:start_of_last], data[start_of_last:]
    lines = body.split(b"\n")[:-1]
    if last != dump_row({"end": len(lines) - 1, "sha256": hashlib.sha256(body).hexdigest()}):
        found.problems.append("its last line does not fit its bytes")
        if last and not last.startswith(b'{"end":'):
            lines.append(last.rstrip(b"\n"))  # cut off: what is left is still read, so that the rest can be judged
    if lines:
        found.first = loaded(lines[0]) or {}
        found.lines = [line + b"\n" for line in lines[1:]]
    if found.first.get("segment") != number:
        found.problems.append(f"its first line says segment {found.first.get('segment')!r}")
    return found


def read_chain(store: Store, folder: str, numbers: Iterable[int], pool: ThreadPoolExecutor) -> Iterator[Segment | int]:
    """Yield the segments of `numbers` (ascending) in order, each checked against the one before; a number: not there.

    What does not follow from the segment before is told in `problems`.
    """
    before: Segment | None = None
    for number, segment in in_order(pool, lambda n: (n, read_segment(store, folder, n)), numbers, ahead=4):
        if segment is None:
            yield number
            continue
        previous = segment.first.get("previous")
        if number == 1 and previous is not None:
            segment.problems.append("it is the first and names one before it")
        if before is not None and before.number == number - 1 and previous != before.sha256:
            segment.problems.append(f"it does not follow from segment {before.number}: its `previous` is another")
        yield segment
        before = segment


def loaded(data: bytes) -> JsonObject | None:
    """The JSON object that `data` holds, None if it holds none."""
    try:
        return load_json(data)
    except ValueError:
        return None


def in_order(
    pool: ThreadPoolExecutor, work: Callable[[_In], _Out], items: Iterable[_In], *, ahead: int
) -> Iterator[_Out]:
    """Yield `work(item)` for each item, in the order of the items, with at most `ahead` of them under way."""
    waiting: deque[Future[_Out]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
