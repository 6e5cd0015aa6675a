"""Node and block B-trees, built bottom-up from entries that come in ascending order.

Rules of this file: one partly filled page per level is all that is held. Pages are filled to the end, a parent's key is
exactly the first key of its child (SCANPST rebuilds trees where it is not), and the level with exactly one page is the
root.
Source: [MS-PST] 2.2.2.7.7; reference/pst-format.md §3.
"""

import struct
from collections.abc import Callable
from typing import NamedTuple

PAGE_BBT = 0x80
PAGE_NBT = 0x81
BBT_ENTRY = struct.Struct("<QQHHI")  # bid, ib, cb, cRef, dwPadding
NBT_ENTRY = struct.Struct("<QQQII")  # nid, bidData, bidSub, nidParent, dwPadding
_BREF = struct.Struct("<QQ")
_ENTRIES = 488
_INTERMEDIATE = 24
_TAIL = struct.Struct("<BBBBI")  # cEnt, cEntMax, cbEnt, cLevel, dwPadding


class Bref(NamedTuple):
    """Where a page or block lies: its identifier and absolute offset ([MS-PST] 2.2.2.4)."""

    bid: int
    ib: int


class BTreeBuilder:
    """One tree. `write_page(page_type, 496 bytes)` places a page and tells where."""

    def __init__(self, page_type: int, leaf_entry: int, write_page: Callable[[int, bytes], Bref]) -> None:
        self._type = page_type
        self._leaf = leaf_entry
        self._write = write_page
        self._levels: list[bytearray] = [bytearray()]
        self._pages: list[int] = [0]
        self._newest = Bref(0, 0)

    def extend(self, entries: bytes | bytearray) -> None:
        """Add whole leaf entries, ascending, all above those added before."""
        waiting = self._levels[0]
        waiting += entries
        full = _ENTRIES // self._leaf * self._leaf
        while len(waiting) >= full:
            chunk = bytes(waiting[:full])
            del waiting[:full]
            self._flush(0, chunk)

    def _flush(self, level: int, chunk: bytes) -> None:
        size = _INTERMEDIATE if level else self._leaf
        tail = _TAIL.pack(len(chunk) // size, _ENTRIES // size, size, level, 0)
        self._newest = self._write(self._type, chunk.ljust(_ENTRIES, b"\0") + tail)
        self._pages[level] += 1
        if len(self._levels) == level + 1:
            self._levels.append(bytearray())
            self._pages.append(0)
        above = self._levels[level + 1]
        above += chunk[:8] + _BREF.pack(*self._newest)
        if len(above) == _ENTRIES // _INTERMEDIATE * _INTERMEDIATE:
            self._levels[level + 1] = bytearray()
            self._flush(level + 1, bytes(above))

    def finish(self) -> Bref:
        """Write what is left of every level; the root page."""
        level = 0
        while True:
            waiting = bytes(self._levels[level])
            if waiting or not self._pages[level]:
                self._levels[level] = bytearray()
                self._flush(level, waiting)
            if self._pages[level] == 1:
                return self._newest
            level += 1
