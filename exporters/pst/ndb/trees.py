"""Data trees and subnode trees: values longer than a block, and the nodes inside a node.

Rules of this file: written as the data comes, without knowing its length; 8 bytes are held per block, an XBLOCK leaves
when it is full. Every block but the last has 8,176 bytes. `size` counts the bytes in data blocks only, as
PidTagMessageSize does.
Source: [MS-PST] 2.2.2.8.3.2 (XBLOCK, XXBLOCK), 2.2.2.8.3.3 (SLBLOCK, SIBLOCK); reference/pst-format.md §4.
"""

import struct
from collections.abc import Iterable
from typing import NamedTuple

from exporters.pst.errors import LimitReached
from exporters.pst.ndb.database import MAX_DATA, NodeDatabase

XBLOCK_MAX = 1021
SLBLOCK_MAX = 340
SIBLOCK_MAX = 510
MAX_VALUE = (1 << 31) - 1  # lcbTotal has 32 bits, but readers take it for signed


class Tree(NamedTuple):
    """A finished tree: the BID of its root (0 if empty) and the bytes in its data blocks."""

    bid: int
    size: int


class Node(NamedTuple):
    """A finished node: root BIDs of its data and subnode tree, and the data bytes of both."""

    data: int
    sub: int
    size: int


class DataTree:
    """One data tree ([MS-PST] 2.2.2.8.3.2): blocks are added in order, by whoever cuts them."""

    def __init__(self, database: NodeDatabase) -> None:
        self._database = database
        self._bids: list[int] = []
        self._bytes = 0
        self._xblocks: list[int] = []
        self.size = 0

    def write(self, block: bytes | bytearray) -> None:
        """Write the next block; all but the last are 8,176 bytes long."""
        self.add(self._database.write_block(block), len(block))

    def add(self, bid: int, size: int) -> None:
        """Take a block of `size` bytes that was written before as the next one."""
        if self.size + size > MAX_VALUE:
            raise LimitReached(f"longer than {MAX_VALUE} bytes, the longest value that readers of PST files accept")
        if len(self._bids) == XBLOCK_MAX:
            self._flush()
        self._bids.append(bid)
        self._bytes += size
        self.size += size

    def _flush(self) -> None:
        self._xblocks.append(self._xblock(1, self._bids, self._bytes))
        self._bids = []
        self._bytes = 0

    def _xblock(self, level: int, bids: list[int], total: int) -> int:
        head = struct.pack("<BBHI", 1, level, len(bids), total)
        return self._database.write_block(head + struct.pack(f"<{len(bids)}Q", *bids), internal=True)

    def finish(self) -> Tree:
        """Write the XBLOCKs that are needed; BID 0 if no block was added."""
        if not self._xblocks:
            if len(self._bids) < 2:
                return Tree(self._bids[0] if self._bids else 0, self.size)
            return Tree(self._xblock(1, self._bids, self._bytes), self.size)
        self._flush()
        return Tree(self._xblock(2, self._xblocks, self.size), self.size)


class ValueStream:
    """A value that comes in pieces of any length, cut into the blocks of a data tree."""

    def __init__(self, database: NodeDatabase) -> None:
        self._tree = DataTree(database)
        self._waiting = bytearray()
        self.length = 0

    def feed(self, piece: bytes | bytearray | memoryview) -> None:
        """Take the next bytes."""
        self.length += len(piece)
        waiting = self._waiting
        if len(waiting) + len(piece) < MAX_DATA:
            waiting += piece
            return
        view = memoryview(piece)
        first = MAX_DATA - len(waiting)
        waiting += view[:first]
        self._tree.write(waiting)
        at = first
        while len(view) - at >= MAX_DATA:
            self._tree.write(bytes(view[at : at + MAX_DATA]))
            at += MAX_DATA
        self._waiting = bytearray(view[at:])

    def finish(self) -> Tree:
        """Write the rest."""
        if self._waiting:
            self._tree.write(self._waiting)
        return self._tree.finish()


def write_value(database: NodeDatabase, pieces: Iterable[bytes | bytearray | memoryview]) -> Tree:
    """A whole value as a data tree."""
    stream = ValueStream(database)
    for piece in pieces:
        stream.feed(piece)
    return stream.finish()


class SubnodeTree:
    """The subnodes of one node ([MS-PST] 2.2.2.8.3.3), held (24 bytes each) until `finish`; 173,400 at most."""

    def __init__(self, database: NodeDatabase) -> None:
        self._database = database
        self._entries: list[tuple[int, int, int]] = []
        self.size = 0

    def add(self, nid: int, node: Node) -> None:
        """Name a subnode; NIDs are unique within this tree and come in any order."""
        if len(self._entries) == SLBLOCK_MAX * SIBLOCK_MAX:
            raise LimitReached(f"more than {SLBLOCK_MAX * SIBLOCK_MAX} attachments and large values in one node")
        self._entries.append((nid, node.data, node.sub))
        self.size += node.size

    def finish(self) -> int:
        """Write the SLBLOCKs; the BID of the tree, 0 if it has no entry."""
        self._entries.sort()
        leaves = [
            (entries[0][0], self._slblock(entries))
            for at in range(0, len(self._entries), SLBLOCK_MAX)
            if (entries := self._entries[at : at + SLBLOCK_MAX])
        ]
        if len(leaves) < 2:
            return leaves[0][1] if leaves else 0
        head = struct.pack("<BBHI", 2, 1, len(leaves), 0)
        return self._database.write_block(head + b"".join(struct.pack("<QQ", *leaf) for leaf in leaves), internal=True)

    def _slblock(self, entries: list[tuple[int, int, int]]) -> int:
        head = struct.pack("<BBHI", 2, 0, len(entries), 0)
        return self._database.write_block(
            head + b"".join(struct.pack("<QQQ", *entry) for entry in entries), internal=True
        )
