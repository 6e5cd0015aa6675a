"""The node database of one file: blocks and nodes go in, a PST comes out.

Rules of this file: append-only and in constant memory. Blocks get ascending BIDs as they are written, and their BBT
entries are kept apart until `commit`, so that `rollback` leaves no block that nothing refers to (SCANPST calls those
errors); NBT entries are sorted at the end. No block is shared: every reference count is 2. The header is the last thing
that leaves.
Source: [MS-PST] 2.2.2.8.1 (blocks), 2.2.2.7.7.3 (BBT), 2.2.2.7.7.4 (NBT); reference/pst-format.md §3, §4, §8.
"""

import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from exporters.pst.errors import SpillFailed
from exporters.pst.ndb.btree import BBT_ENTRY, NBT_ENTRY, PAGE_BBT, PAGE_NBT, Bref, BTreeBuilder
from exporters.pst.ndb.header import Header
from exporters.pst.ndb.identifiers import NidCounters
from exporters.pst.ndb.integrity import PERMUTE, crc
from exporters.pst.ndb.sections import Sections
from exporters.pst.ndb.sorted_runs import SortedRuns
from exporters.pst.sinks import Sink

MAX_DATA = 8176  # bytes of data in one block ([MS-PST] 2.2.2.8.1)
_TRAILER = struct.Struct("<HHIQ")  # cb, wSig, dwCRC, bid
_PENDING = BBT_ENTRY.size << 14  # BBT entries of one commit in memory; more go to a temporary file


class NodeDatabase:
    """One file. Call `write_block`, `add_node`, `commit` (or `rollback`) as often as needed, then `finish` once."""

    def __init__(self, sink: Sink, *, temporary: Path | None = None) -> None:
        self._sections = Sections(sink)
        self._temporary = temporary
        self.nids = NidCounters()
        self._next_block = 4
        self._next_page = 1
        self._bbt = BTreeBuilder(PAGE_BBT, BBT_ENTRY.size, self._write_page)
        self._nodes = SortedRuns(temporary, buffered=1 << 20)
        self._pending = bytearray()
        self._overflow: IO[bytes] | None = None
        self._mark = self._sections.mark()
        self._mark_block = self._next_block
        self.row_version = 0

    @property
    def position(self) -> int:
        """Bytes of the file that are taken so far, without what is still put aside."""
        return self._sections.position

    @property
    def node_count(self) -> int:
        """Nodes added so far."""
        return self._nodes.count

    def write_block(self, data: bytes | bytearray, *, internal: bool = False) -> int:
        """Write 1 to 8,176 bytes as one block; its BID. Internal blocks (trees) are stored as they are, data is permuted."""
        size = len(data)
        if not 0 < size <= MAX_DATA:
            raise ValueError(f"a block holds 1 to {MAX_DATA} bytes, not {size}")
        total = (size + 16 + 63) & ~63
        bid = self._next_block
        self._next_block = bid + 4
        if internal:
            bid |= 2
        else:
            data = data.translate(PERMUTE)
        sections = self._sections
        at = sections.place(total, 64)
        ib = sections.start + at
        mixed = (ib ^ bid) & 0xFFFFFFFF
        buffer = sections.buffer
        buffer[at : at + size] = data
        _TRAILER.pack_into(buffer, at + total - 16, size, (mixed >> 16 ^ mixed) & 0xFFFF, crc(data), bid)
        self._pending += BBT_ENTRY.pack(bid, ib, size, 2, 0)
        if len(self._pending) >= _PENDING:
            self._put_aside()
        return bid

    def _put_aside(self) -> None:
        with _temporary_errors():
            if self._overflow is None:
                self._overflow = tempfile.TemporaryFile(dir=self._temporary)  # noqa: SIM115  # closed by commit
            self._overflow.write(self._pending)
        self._pending.clear()

    def add_node(self, nid: int, data: int, sub: int = 0, parent: int = 0) -> None:
        """Name a node ([MS-PST] 2.2.2.7.7.4); `data` and `sub` are BIDs, 0 for none; `parent` only for folders and messages."""
        self._nodes.add(nid.to_bytes(4, "big") + NBT_ENTRY.pack(nid, data, sub, parent, 0))

    def next_row_version(self) -> int:
        """PidTagLtpRowVer of the next row of any table: ascending through the file."""
        self.row_version += 1
        return self.row_version

    def commit(self) -> None:
        """All blocks so far stay: each is referred to by a node, or will be."""
        if self._overflow is not None:
            with _temporary_errors():
                self._overflow.seek(0)
                while chunk := self._overflow.read(_PENDING):
                    self._bbt.extend(chunk)
                self._overflow.close()
            self._overflow = None
        self._bbt.extend(self._pending)
        self._pending.clear()
        self._mark = self._sections.mark()
        self._mark_block = self._next_block

    def rollback(self) -> None:
        """Forget the blocks since the last commit. Where their sections have left, their room stays unused."""
        self._pending.clear()
        if self._overflow is not None:
            self._overflow.close()
            self._overflow = None
        if self._sections.rewind(self._mark):
            self._next_block = self._mark_block
        else:
            self.commit()

    def _write_page(self, page_type: int, contents: bytes) -> Bref:
        bid = self._next_page
        self._next_page = bid + 1
        return Bref(bid, self._sections.write_page(page_type, contents, bid))

    def finish(self) -> int:
        """Write both trees, the last section and the header; the size of the file in bytes."""
        self.commit()
        nbt = BTreeBuilder(PAGE_NBT, NBT_ENTRY.size, self._write_page)
        for record in self._nodes.merged():
            nbt.extend(record[4:])
        self.close()
        roots = (nbt.finish(), self._bbt.finish())
        size = self._sections.finish()
        header = Header(
            file_size=size,
            free_bytes=self._sections.free_slots * 64,
            nbt=roots[0],
            bbt=roots[1],
            next_page_bid=self._next_page,
            next_block_bid=self._next_block,
            unique=self.row_version + 1,
            rgnid=tuple(self.nids.rgnid),
            first_fmap=bytes(self._sections.first_fmap),
        )
        self._sections.deliver(header.beginning())
        return size

    def close(self) -> None:
        """Free temporary files; the file stays unfinished unless `finish` was called."""
        self._nodes.close()
        if self._overflow is not None:
            self._overflow.close()
            self._overflow = None


@contextmanager
def _temporary_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SpillFailed(f"the temporary folder refuses what is put aside: {error.strerror or error}") from error
