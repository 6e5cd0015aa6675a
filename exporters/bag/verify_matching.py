"""What rows name beside what is there: two sorted streams of keys, merged many keys at a time.

Rules of this file: no I/O, no judgement; holds one piece of each stream. Where both agree, which is nearly always, lists are
compared at once and no key is looked at by itself. Source: design §9.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

TOGETHER = 512

Piece = tuple[list[bytes], Sequence[list[Any]]]
"""Sorted keys, and columns of what is known of each."""


class Matched(NamedTuple):
    """Keys that are in both streams, at most 512, and the columns of both."""

    keys: list[bytes]
    named: Sequence[list[Any]]
    there: Sequence[list[Any]]


class _Side:
    """One stream; `keys[at]` is the next key."""

    def __init__(self, pieces: Iterator[Piece]) -> None:
        self._pieces = pieces
        self.keys: list[bytes] = []
        self._columns: Sequence[list[Any]] = ()
        self.at = 0

    def fill(self) -> bool:
        """Whether there is a next key; takes the next piece if this one is used up."""
        while self.at >= len(self.keys):
            piece = next(self._pieces, None)
            if piece is None:
                return False
            (self.keys, self._columns), self.at = piece, 0
        return True

    def take(self, number: int) -> Sequence[list[Any]]:
        """The columns of the next so many keys, which are then behind us."""
        start, self.at = self.at, self.at + number
        return [column[start : self.at] for column in self._columns]


def matched(
    rows: Iterator[Piece], objects: Iterator[Piece], missing: Callable[[bytes], None], stray: Callable[[bytes], None]
) -> Iterator[Matched]:
    """Yield what is in both streams; tell `missing` and `stray` of what is in one alone, in the order of the keys."""
    named, there = _Side(rows), _Side(objects)
    while named.fill() and there.fill():
        most = min(TOGETHER, len(named.keys) - named.at, len(there.keys) - there.at)
        ours, theirs = named.keys[named.at : named.at + most], there.keys[there.at : there.at + most]
        same = most if ours == theirs else next(n for n in range(most) if ours[n] != theirs[n])
        if same:
            yield Matched(ours[:same], named.take(same), there.take(same))
        if same < most:
            one, side = (stray, there) if theirs[same] < ours[same] else (missing, named)
            one(side.keys[side.at])
            side.at += 1
    for side, one in ((named, missing), (there, stray)):
        while side.fill():
            one(side.keys[side.at])
            side.at += 1
