"""The first 0x4400 bytes: header and DList, known last.

Rules of this file: pure; everything it says is passed in. Reserved fields are zero. The DList is written empty, as
Outlook does in a new file. Source: [MS-PST] 2.2.2.5 (ROOT), 2.2.2.6 (HEADER), 2.2.2.7.4 (DList); reference/pst-
format.md §1, §2.5."""

import struct
from dataclasses import dataclass

from exporters.pst.ndb.btree import Bref
from exporters.pst.ndb.integrity import CRYPT_PERMUTE, crc
from exporters.pst.ndb.sections import SECTION, page
from exporters.pst.sinks import BEGINNING

_DLIST_AT = 0x4200
_PAGE_DLIST = 0x86
_VALID_AMAP2 = 2


@dataclass(frozen=True)
class Header:
    """What differs from file to file. Sizes in bytes; `first_fmap` has one byte per section, at most 128."""

    file_size: int
    free_bytes: int
    nbt: Bref
    bbt: Bref
    next_page_bid: int
    next_block_bid: int
    unique: int
    rgnid: tuple[int, ...]
    first_fmap: bytes

    def beginning(self) -> bytes:
        """The held-back beginning: header, zeros, DList."""
        out = bytearray(BEGINNING)
        struct.pack_into("<4sI2sHHBB", out, 0, b"!BDN", 0, b"SM", 23, 19, 1, 1)
        struct.pack_into("<QQI", out, 24, 0, self.next_page_bid, self.unique)
        struct.pack_into("<32I", out, 44, *self.rgnid)
        last_amap = self.file_size - SECTION
        struct.pack_into("<IQQQQ", out, 180, 0, self.file_size, last_amap, self.free_bytes, 0)
        struct.pack_into("<QQQQB", out, 216, *self.nbt, *self.bbt, _VALID_AMAP2)
        out[256:384] = self.first_fmap.ljust(128, b"\xff")
        out[384:512] = b"\xff" * 128
        struct.pack_into("<BBHQ", out, 512, 0x80, CRYPT_PERMUTE, 0, self.next_block_bid)
        view = memoryview(out)
        struct.pack_into("<I", out, 524, crc(view[8 : 8 + 516]))
        struct.pack_into("<I", out, 4, crc(view[8 : 8 + 471]))
        out[_DLIST_AT : _DLIST_AT + 512] = page(_PAGE_DLIST, bytes(496), self.next_page_bid, _DLIST_AT)
        return bytes(out)
