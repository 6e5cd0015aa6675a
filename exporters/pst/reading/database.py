"""The node database of a file, read: nodes by NID, blocks by BID, their bytes.

Rules of this file: nothing is believed. Every page and block that is touched must lie inside the file and have the
checksum, the identifier and the size that it claims; whatever does not is an Unreadable that names the place. Memory is
bounded: pages are cached by number, data comes block by block.
Source: [MS-PST] 2.2.2; reference/pst-format.md §1 to §4.
"""

import os
import struct
from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from typing import BinaryIO, NamedTuple

from exporters.pst.errors import Unreadable
from exporters.pst.ndb import MAX_DATA, crc
from exporters.pst.ndb.integrity import PERMUTE

_PLAIN, _PERMUTED = 0, 1
_DECODE = bytes(PERMUTE.index(stored) for stored in range(256))
_HEADER, _PAGE, _ENTRIES = 564, 512, 488
_BBT, _NBT = 0x80, 0x81
_MAX_LEVELS = 8
_ANSI, _UNICODE, _OST_4K = (14, 15), (21, 23), 36
_TRAILER = struct.Struct("<HHIQ")  # cb, wSig, dwCRC, bid


class NodeEntry(NamedTuple):
    """A node of the NBT, or of a subnode tree (`parent` is 0 there)."""

    nid: int
    data: int
    sub: int
    parent: int


class Database:
    """One file, opened for reading in binary mode. Raises Unreadable for what is no whole Unicode PST."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, os.SEEK_END)
        head = self._bytes(0, _HEADER, "header")
        if head[:4] != b"!BDN" or head[8:10] != b"SM":
            unfinished = not any(head) and "; a file whose writing was not finished looks like this"
            raise Unreadable(f"no PST: the first bytes are not those of one{unfinished or ''}")
        self.version = int.from_bytes(head[10:12], "little")
        if self.version in _ANSI:
            raise Unreadable("an ANSI PST of Outlook 97 to 2002; only Unicode files are read")
        if not _UNICODE[0] <= self.version <= _UNICODE[1]:
            kind = "an OST with pages of 4 KiB" if self.version >= _OST_4K else "of an unknown version"
            raise Unreadable(f"{kind} (version {self.version}); only Unicode PSTs are read")
        if int.from_bytes(head[524:528], "little") != crc(head[8:524]):
            raise Unreadable("the checksum of the header is wrong")
        self.encoding = head[513]
        if self.encoding not in (_PLAIN, _PERMUTED):
            raise Unreadable(f"its blocks are encoded by method {self.encoding}, which is not read")
        self.maps_are_valid = head[248] in (1, 2)
        end, _, _, _, _, self._nbt, _, self._bbt = struct.unpack_from("<8Q", head, 184)
        if end > self.size:
            raise Unreadable(f"cut off: it has {self.size:,} bytes and should have {end:,}")
        self._read_page = lru_cache(maxsize=512)(self._page)
        self._read_block = lru_cache(maxsize=64)(self._block)

    def _bytes(self, at: int, length: int, what: str) -> bytes:
        self._file.seek(at)
        data = self._file.read(length)
        if len(data) < length:
            raise Unreadable(f"{what} at {at:#x} lies behind the end of the file")
        return data

    # -- the two B-trees --------------------------------------------------------------------------------------------

    def _page(self, ib: int, page_type: int, level: int) -> tuple[tuple[int, ...], tuple[bytes, ...], int]:
        """(keys, entries, level) of a page; level -1: any."""
        raw = self._bytes(ib, _PAGE, "a page")
        count, _, size, own, _ = struct.unpack_from("<BBBBI", raw, _ENTRIES)
        if raw[496] != page_type or int.from_bytes(raw[500:504], "little") != crc(raw[:496]):
            raise Unreadable(f"the page at {ib:#x} is damaged")
        if not 24 <= size <= 32 or count * size > _ENTRIES or own > _MAX_LEVELS or level not in (-1, own):
            raise Unreadable(f"the page at {ib:#x} makes no sense")
        entries = tuple(raw[at : at + size] for at in range(0, count * size, size))
        return tuple(int.from_bytes(entry[:8], "little") for entry in entries), entries, own

    def _find(self, root: int, page_type: int, key: int) -> bytes | None:
        ib, level = root, -1
        while True:
            keys, entries, own = self._read_page(ib, page_type, level)
            at = bisect_right(keys, key) - 1
            if at < 0:
                return None
            if not own:
                return entries[at] if keys[at] == key else None
            ib, level = int.from_bytes(entries[at][16:24], "little"), own - 1

    def node(self, nid: int) -> NodeEntry | None:
        """A node of the file; None if there is no such NID."""
        entry = self._find(self._nbt, _NBT, nid)
        return None if entry is None else NodeEntry(*struct.unpack_from("<QQQI", entry))

    # -- blocks -----------------------------------------------------------------------------------------------------

    def _block(self, bid: int) -> bytes:
        entry = self._find(self._bbt, _BBT, bid & ~1)
        if entry is None:
            raise Unreadable(f"block {bid:#x} is missing")
        _, ib, size, _ = struct.unpack_from("<QQHH", entry)
        if not 0 < size <= MAX_DATA:
            raise Unreadable(f"block {bid:#x} has an impossible size")
        total = (size + 16 + 63) & ~63
        raw = self._bytes(ib, total, f"block {bid:#x}")
        length, _, check, own = _TRAILER.unpack_from(raw, total - 16)
        data = raw[:size]
        if (length, check, own & ~1) != (size, crc(data), bid & ~1):
            raise Unreadable(f"block {bid:#x} at {ib:#x} is damaged")
        return data if bid & 2 or self.encoding == _PLAIN else data.translate(_DECODE)

    def blocks(self, root: int) -> "BlockList":
        """The data blocks of a data tree, by number ([MS-PST] 2.2.2.8.3.2)."""
        return BlockList(self, root)

    def block(self, bid: int) -> bytes:
        """The decoded bytes of one block."""
        return self._read_block(bid)

    def subnodes(self, root: int) -> Iterator[NodeEntry]:
        """All entries of a subnode tree ([MS-PST] 2.2.2.8.3.3)."""
        if not root:
            return
        raw = self.block(root)
        kind, level, count = struct.unpack_from("<BBH", raw) if len(raw) >= 8 else (0, 0, 0)
        size = 16 if level else 24
        if kind != 2 or level > 1 or 8 + count * size > len(raw):
            raise Unreadable(f"the subnode block {root:#x} makes no sense")
        for at in range(8, 8 + count * size, size):
            if not level:
                nid, data, sub = struct.unpack_from("<QQQ", raw, at)
                yield NodeEntry(nid, data, sub, 0)
                continue
            below = struct.unpack_from("<QQ", raw, at)[1]
            if self.block(below)[1:2] != b"\0":
                raise Unreadable(f"the subnode block {below:#x} makes no sense")
            yield from self.subnodes(below)


class BlockList:
    """The data blocks of one tree; their BIDs are read as they are needed, 1,021 at a time."""

    def __init__(self, database: Database, root: int) -> None:
        self._database, self._root = database, root
        self._lists: tuple[int, ...] = ()
        self.count, self.size = (0, 0) if not root else self._measure(root)

    def _measure(self, root: int) -> tuple[int, int]:
        if not root & 2:
            return 1, len(self._database.block(root))
        level, bids, total = self._listed(root)
        if level == 1:
            self._lists = (root,)
            return len(bids), total
        self._lists = bids
        if not bids:
            raise Unreadable(f"the block {root:#x} lists nothing")
        return (len(bids) - 1) * 1021 + len(self._listed(bids[-1])[1]), total

    def _listed(self, bid: int) -> tuple[int, tuple[int, ...], int]:
        raw = self._database.block(bid)
        kind, level, count, total = struct.unpack_from("<BBHI", raw) if len(raw) >= 8 else (0, 0, 0, 0)
        if kind != 1 or level not in (1, 2) or 8 + 8 * count > len(raw):
            raise Unreadable(f"the block {bid:#x} lists nothing that makes sense")
        return level, struct.unpack_from(f"<{count}Q", raw, 8), total

    def __getitem__(self, number: int) -> bytes:
        """Block `number`. Raises IndexError behind the last one."""
        if not 0 <= number < self.count:
            raise IndexError(number)
        if not self._lists:
            return self._database.block(self._root)
        level, bids, _ = self._listed(self._lists[number // 1021])
        if level != 1 or number % 1021 >= len(bids):
            raise Unreadable(f"the block {self._lists[number // 1021]:#x} lists nothing that makes sense")
        return self._database.block(bids[number % 1021])

    def __iter__(self) -> Iterator[bytes]:
        return (self[number] for number in range(self.count))
