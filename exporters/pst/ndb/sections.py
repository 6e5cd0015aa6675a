"""The file in sections of 253,952 bytes: where blocks and pages are put, and the maps that say what is taken.

Rules of this file: one section is in memory, it leaves when it is full; its allocation map is filled in then. Nothing
crosses a section. The map pages of old formats (PMap, FMap, FPMap) stand where readers expect them; FMap pages are
exact when the sink can amend them. Errors of the sink become SinkFailed. The file ends with a section.
Source: [MS-PST] 2.2.2.7.2 to 2.2.2.7.6, 2.6.1.1; reference/pst-format.md §2, §8.2, §8.4.
"""

import struct
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from exporters.pst.errors import SinkFailed
from exporters.pst.ndb.integrity import crc, signature
from exporters.pst.sinks import BEGINNING, Sink

SECTION = 496 * 8 * 64
PAGE = 512
PAGE_FMAP, PAGE_PMAP, PAGE_AMAP, PAGE_FPMAP = 0x82, 0x83, 0x84, 0x85
_SLOT = 64
_SLOTS = SECTION // _SLOT
_PMAP_EVERY = 8
_FMAP_FIRST, _FMAP_EVERY = 128, 496
_FPMAP_FIRST, _FPMAP_EVERY = 128 * 64, 496 * 64
_TRAILER = struct.Struct("<BBHIQ")  # ptype, ptypeRepeat, wSig, dwCRC, bid
_UNKNOWN = b"\xff" * 496
_T = TypeVar("_T")


def page(page_type: int, contents: bytes, bid: int, ib: int) -> bytes:
    """512 bytes: 496 of contents and their trailer. Map pages have no signature and their own offset as bid."""
    wsig = 0 if PAGE_FMAP <= page_type <= PAGE_FPMAP else signature(ib, bid)
    return contents + _TRAILER.pack(page_type, page_type, wsig, crc(contents), bid)


class Mark(NamedTuple):
    """A position that `rewind` can go back to while its section is in memory."""

    number: int
    position: int
    gaps: int


class Sections:
    """The data part of one file. `buffer` holds the open section, which starts at `start` in the file."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.number = -1
        self.start = 0
        self.buffer = bytearray()
        self._position = 0
        self._gaps: list[tuple[int, int]] = []
        self.free_slots = 0
        self.first_fmap = bytearray()
        self._fmap: tuple[int, bytearray] | None = None
        self._open()

    @property
    def position(self) -> int:
        """Bytes of the file that are taken so far, the held-back beginning included."""
        return self.start + self._position

    def place(self, size: int, step: int) -> int:
        """Room for `size` bytes at a multiple of `step` (64 or 512): the offset within `buffer`."""
        at = (self._position + step - 1) & -step
        if at + size > SECTION:
            self._close()
            self._open()
            at = (self._position + step - 1) & -step
        if at - self._position >= _SLOT:
            self._gaps.append((-(-self._position // _SLOT), at // _SLOT - -(-self._position // _SLOT)))
        self._position = at + size
        return at

    def write_page(self, page_type: int, contents: bytes, bid: int) -> int:
        """Put a B-tree page; its absolute offset."""
        at = self.place(PAGE, PAGE)
        ib = self.start + at
        self.buffer[at : at + PAGE] = page(page_type, contents, bid, ib)
        return ib

    def mark(self) -> Mark:
        """Remember this position."""
        return Mark(self.number, self._position, len(self._gaps))

    def rewind(self, mark: Mark) -> bool:
        """Give back all that was placed since `mark`; False if its section has left already."""
        if mark.number != self.number:
            return False
        self.buffer[mark.position : self._position] = bytes(self._position - mark.position)
        self._position = mark.position
        del self._gaps[mark.gaps :]
        return True

    def _open(self) -> None:
        self.number += 1
        self.start = BEGINNING + self.number * SECTION
        self.buffer = bytearray(SECTION)
        self._gaps = []
        self._position = PAGE  # of the AMap, filled in when the section closes
        if self.number % _PMAP_EVERY == 0:
            self._map_page(PAGE_PMAP)
        if self.number >= _FMAP_FIRST and (self.number - _FMAP_FIRST) % _FMAP_EVERY == 0:
            self._settle_fmap()
            ib = self.start + self._map_page(PAGE_FMAP)
            if self._told(lambda: self._sink.reserve(ib, PAGE)):
                self._fmap = (ib, bytearray())
        elif self.number >= _FPMAP_FIRST and (self.number - _FPMAP_FIRST) % _FPMAP_EVERY == 0:
            self._map_page(PAGE_FPMAP)

    def _map_page(self, page_type: int) -> int:
        at = self._position
        self.buffer[at : at + PAGE] = page(page_type, _UNKNOWN, self.start + at, self.start + at)
        self._position += PAGE
        return at

    def _close(self) -> None:
        used = -(-self._position // _SLOT)
        bits = ((1 << used) - 1) << (_SLOTS - used)
        for first, count in self._gaps:
            bits &= ~(((1 << count) - 1) << (_SLOTS - first - count))
        runs = [count for _, count in self._gaps] + [_SLOTS - used]
        self.free_slots += sum(runs)
        longest = min(255, max(runs))
        if self.number < _FMAP_FIRST:
            self.first_fmap.append(longest)
        elif self._fmap is not None:
            self._fmap[1].append(longest)
        self.buffer[:PAGE] = page(PAGE_AMAP, bits.to_bytes(496, "big"), self.start, self.start)
        self._told(lambda: self._sink.append(self.buffer))

    def _settle_fmap(self) -> None:
        if self._fmap is not None:
            ib, runs = self._fmap
            contents = bytes(runs).ljust(496, b"\xff")  # sections that do not exist: unknown
            self._told(lambda: self._sink.amend(ib, page(PAGE_FMAP, contents, ib, ib)))
            self._fmap = None

    def finish(self) -> int:
        """Send the last section whole; the size of the file."""
        self._close()
        self._settle_fmap()
        return self.start + SECTION

    def deliver(self, beginning: bytes) -> None:
        """Hand over the held-back beginning: the file is whole."""
        self._told(lambda: self._sink.finish(beginning))

    def _told(self, call: Callable[[], _T]) -> _T:
        try:
            return call()
        except Exception as error:
            raise SinkFailed(f"the sink does not take the file: {error}") from error
