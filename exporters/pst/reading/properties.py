"""Property contexts and table contexts of a node, read.

Rules of this file: as in `database`, nothing is believed. Values stay bytes until they are asked for by type; a large
one comes in pieces. Rows of a table come one by one.
Source: [MS-PST] 2.3; reference/pst-format.md §5.
"""

import struct
from collections.abc import Iterator

from exporters.pst.errors import Unreadable
from exporters.pst.reading.database import BlockList, Database, NodeEntry

_PC, _TC = 0xBC, 0x7C
_INLINE = frozenset({0x0002, 0x0003, 0x0004, 0x000A, 0x000B})
_WHOLE_VALUE = 16 << 20  # bytes of a value that is asked for whole


class _Heap:
    """A heap-on-node ([MS-PST] 2.3.1) with the subnodes of its node."""

    def __init__(self, database: Database, node: NodeEntry, client: int) -> None:
        self._database, self._nid = database, node.nid
        self._blocks = database.blocks(node.data)
        self._sub = node.sub
        self._subnodes: dict[int, NodeEntry] | None = None
        first = self._blocks[0] if self._blocks.count else b""
        if len(first) < 12 or first[2] != 0xEC or first[3] != client:
            raise Unreadable(f"node {node.nid:#x} holds something else than it should")
        self.root = int.from_bytes(first[4:8], "little")

    def item(self, hid: int) -> bytes:
        """The bytes of a heap item; none for 0."""
        if not hid:
            return b""
        number, index = hid >> 16, (hid >> 5) & 0x7FF
        try:
            block = self._blocks[number]
            at = int.from_bytes(block[:2], "little")
            count = int.from_bytes(block[at : at + 2], "little")
            start, end = struct.unpack_from("<HH", block, at + 4 + 2 * (index - 1))
        except (IndexError, struct.error) as error:
            raise Unreadable(f"node {self._nid:#x} refers to what its heap does not hold") from error
        if not 0 < index <= count or not start <= end <= at:
            raise Unreadable(f"node {self._nid:#x} refers to what its heap does not hold")
        return block[start:end]

    def records(self, hid: int) -> Iterator[bytes]:
        """All records of a B-tree on the heap, in order ([MS-PST] 2.3.2)."""
        header = self.item(hid)
        if len(header) != 8 or header[0] != 0xB5 or header[3] > 8:
            raise Unreadable(f"node {self._nid:#x} has no index where it should")
        key, data, levels = header[1], header[2], header[3]
        yield from self._level(int.from_bytes(header[4:], "little"), key, data, levels)

    def _level(self, hid: int, key: int, data: int, level: int) -> Iterator[bytes]:
        item, size = self.item(hid), key + (4 if level else data)
        for at in range(0, len(item) - size + 1, size):
            if level:
                yield from self._level(int.from_bytes(item[at + key : at + size], "little"), key, data, level - 1)
            else:
                yield item[at : at + size]

    def pieces(self, hnid: int) -> Iterator[bytes]:
        """The bytes of a value, from the heap or from a subnode."""
        if hnid & 0x1F:
            yield from self.subtree(hnid)
        elif hnid:
            yield self.item(hnid)

    def subtree(self, nid: int) -> BlockList:
        """The data of a subnode."""
        return self._database.blocks(self.subnode(nid).data)

    def subnode(self, nid: int) -> NodeEntry:
        """A subnode of the node. Raises Unreadable if there is none."""
        if self._subnodes is None:
            self._subnodes = {entry.nid: entry for entry in self._database.subnodes(self._sub)}
        if nid not in self._subnodes:
            raise Unreadable(f"node {self._nid:#x} lacks its part {nid:#x}")
        return self._subnodes[nid]


class Properties:
    """A property context ([MS-PST] 2.3.3): values by tag."""

    def __init__(self, database: Database, node: NodeEntry) -> None:
        self._heap = _Heap(database, node, _PC)
        self._records: dict[int, int] = {}
        for record in self._heap.records(self._heap.root):
            pid, kind, value = struct.unpack("<HHI", record) if len(record) == 8 else (0, 0, 0)
            self._records[pid << 16 | kind] = value

    def __contains__(self, tag: int) -> bool:
        return tag in self._records

    def pieces(self, tag: int) -> Iterator[bytes]:
        """The stored bytes of a value, block by block; nothing if it is absent or empty."""
        value = self._records.get(tag, 0)
        return iter((value.to_bytes(4, "little"),)) if tag & 0xFFFF in _INLINE else self._heap.pieces(value)

    def integer(self, tag: int) -> int:
        """A 32-bit integer or boolean; 0 if it is absent."""
        return self._records.get(tag, 0)

    def data(self, tag: int) -> bytes:
        """A whole value of at most 16 MiB. Raises Unreadable for a longer one."""
        out = bytearray()
        for piece in self.pieces(tag):
            out += piece
            if len(out) > _WHOLE_VALUE:
                raise Unreadable(f"property {tag:#010x} is longer than anything that is read whole")
        return bytes(out)

    def text(self, tag: int) -> str:
        """A string; "" if it is absent."""
        return self.data(tag).decode("utf-16-le", "replace")


class Table:
    """A table context ([MS-PST] 2.3.4): rows in the order of the matrix, with the columns that are asked for."""

    def __init__(self, database: Database, node: NodeEntry) -> None:
        self._heap = _Heap(database, node, _TC)
        info = self._heap.item(self._heap.root)
        if len(info) < 22 or info[0] != _TC or len(info) < 22 + 8 * info[1]:
            raise Unreadable(f"the table {node.nid:#x} makes no sense")
        self._bitmap, self._row = struct.unpack_from("<HH", info, 6)
        self._rows = int.from_bytes(info[14:18], "little")
        described = struct.iter_unpack("<IHBB", info[22 : 22 + 8 * info[1]])
        self._columns = {tag: (place, width, bit) for tag, place, width, bit in described}
        if self._row < 8 or any(place + width > self._row for place, width, _ in self._columns.values()):
            raise Unreadable(f"the table {node.nid:#x} makes no sense")

    def rows(self, *tags: int) -> Iterator[tuple[int, dict[int, bytes]]]:
        """(row id, stored bytes of the columns `tags` that the row has)."""
        wanted = [(tag, *self._columns[tag]) for tag in tags if tag in self._columns]
        blocks = self._heap.subtree(self._rows) if self._rows & 0x1F else [self._heap.item(self._rows)]
        for block in blocks:
            for at in range(0, len(block) - self._row + 1, self._row):
                row = block[at : at + self._row]
                if row_id := int.from_bytes(row[:4], "little"):
                    yield row_id, {tag: self._cell(row, tag, place, width) for tag, place, width, bit in wanted
                                   if row[self._bitmap + (bit >> 3)] & 0x80 >> (bit & 7)}  # fmt: skip

    def _cell(self, row: bytes, tag: int, place: int, width: int) -> bytes:
        data = row[place : place + width]
        if tag & 0xFFFF in (0x001F, 0x0102, 0x0048) or tag & 0x1000:
            return b"".join(self._heap.pieces(int.from_bytes(data, "little")))
        return data
