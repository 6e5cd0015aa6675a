"""Table contexts of any size, row by row.

Rules of this file: rows come in ascending order of their ids and are never held: the row matrix leaves in blocks, cells
go into the growing heap. A row is encoded apart from its table (`Columns.encode`), so that it can be put aside until
its table is written. A row that does not fit a block whole begins the next one.
Source: [MS-PST] 2.3.4; reference/pst-format.md §5.4, §8.5.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from exporters.pst.errors import LimitReached
from exporters.pst.ltp.heap import CLIENT_TC, MAX_ITEM, BthBuilder, Heap
from exporters.pst.ltp.values import FIXED_SIZE
from exporters.pst.ndb import MAX_DATA, DataTree, NidType, Node, NodeDatabase, SubnodeTree

LTP_ROW_ID = 0x67F20003
LTP_ROW_VER = 0x67F30003
_TCINFO = struct.Struct("<BB4HIII")
_TCOLDESC = struct.Struct("<IHBB")
_CELL = struct.Struct("<HI")  # place in the row, length; the bytes follow
_ROW_INDEX_HID, _TCINFO_HID = 0x20, 0x40


@dataclass(frozen=True)
class Column:
    """One column ([MS-PST] 2.3.4.2): tag, place in the row, width in the row, number of its existence bit."""

    tag: int
    place: int
    width: int
    bit: int


def width_of(kind: int) -> int:
    """Bytes that a value of this type takes in a row; 4 for what is stored elsewhere."""
    size = FIXED_SIZE.get(kind, 4)
    return size if size <= 8 else 4


@dataclass(frozen=True)
class Columns:
    """The columns of a table: sorted by tag, with the ends of the 4-byte, 2-byte and 1-byte groups."""

    columns: tuple[Column, ...]
    ends: tuple[int, int, int]

    @classmethod
    def parse(cls, layout: str, ends: tuple[int, int, int]) -> "Columns":
        """From the notation of reference/pst-format.md §6.6: `tag place/width/bit` separated by blanks."""
        words = layout.split()
        columns = []
        for tag, numbers in zip(words[::2], words[1::2], strict=True):
            place, width, bit = map(int, numbers.split("/"))
            columns.append(Column(int(tag, 16), place, width, bit))
        return cls(tuple(sorted(columns, key=lambda column: column.tag)), ends)

    def extended(self, tags: Iterable[int]) -> "Columns":
        """These columns and more: template columns keep their bits and the order of their groups, new ones stand behind."""
        new = sorted(set(tags) - {column.tag for column in self.columns})
        if len(self.columns) + len(new) > 255:
            raise LimitReached(f"a table of {len(self.columns) + len(new)} columns; 255 are possible")
        bit = len(self.columns)
        ends = list(self.ends)
        columns = list(self.columns)
        for group, widths in enumerate(((4, 8), (2,), (1,))):
            for tag in [tag for tag in new if width_of(tag & 0xFFFF) in widths]:
                width, place = width_of(tag & 0xFFFF), ends[group]
                columns = [_moved(column, width) if column.place >= place else column for column in columns]
                columns.append(Column(tag, place, width, bit))
                ends[group:] = [end + width for end in ends[group:]]
                bit += 1
        return Columns(tuple(sorted(columns, key=lambda column: column.tag)), (ends[0], ends[1], ends[2]))

    @cached_property
    def row_size(self) -> int:
        """TCI_bm: bytes of a row, its existence bitmap included."""
        return self.ends[2] + (len(self.columns) + 7) // 8

    @cached_property
    def by_tag(self) -> dict[int, tuple[int, int, bool, int, int]]:
        """tag -> (place, width, stored elsewhere, byte of the bitmap, mask)."""
        return {
            column.tag: (
                column.place,
                column.width,
                FIXED_SIZE.get(column.tag & 0xFFFF, 16) > 8,
                self.ends[2] + (column.bit >> 3),
                0x80 >> (column.bit & 7),
            )
            for column in self.columns
        }

    @cached_property
    def described(self) -> bytes:
        """The TCOLDESC of every column."""
        return b"".join(_TCOLDESC.pack(column.tag, column.place, column.width, column.bit) for column in self.columns)

    @cached_property
    def _blank(self) -> bytes:
        row = bytearray(self.row_size)
        for tag in (LTP_ROW_ID, LTP_ROW_VER):
            _, _, _, byte, mask = self.by_tag[tag]
            row[byte] |= mask
        return bytes(row)

    def encode(self, row_id: int, cells: Mapping[int, bytes]) -> bytes:
        """One row with these cells (stored bytes by tag; b"" for present and empty). Tags without a column are an error."""
        row = bytearray(self._blank)
        row[:4] = row_id.to_bytes(4, "little")
        elsewhere = []
        by_tag = self.by_tag
        for tag, data in cells.items():
            place, width, apart, byte, mask = by_tag[tag]
            row[byte] |= mask
            if not apart:
                row[place : place + width] = data
            elif data:
                elsewhere.append(_CELL.pack(place, len(data)))
                elsewhere.append(data)
        return b"".join((row, *elsewhere))


def _moved(column: Column, by: int) -> Column:
    return Column(column.tag, column.place + by, column.width, column.bit)


class TableContext:
    """One table. `add` encoded rows in ascending order of their ids, then `finish`."""

    def __init__(self, database: NodeDatabase, columns: Columns) -> None:
        self._database = database
        self._columns = columns
        self._heap = Heap(database, CLIENT_TC)
        self._heap.add(bytes(8))
        self._heap.add(bytes(_TCINFO.size) + columns.described)
        self._index = BthBuilder(self._heap, 4, 4)
        self._subnodes = SubnodeTree(database)
        self._matrix = DataTree(database)
        self._rows = bytearray()
        self._per_block = MAX_DATA // columns.row_size
        self.row_count = 0

    def add(self, encoded: bytes) -> None:
        """Take the next row. Raises LimitReached when the heap of the table is full (about 3 million rows)."""
        size = self._columns.row_size
        row = bytearray(encoded[:size])
        row[4:8] = self._database.next_row_version().to_bytes(4, "little")
        at = size
        while at < len(encoded):
            place, length = _CELL.unpack_from(encoded, at)
            at += _CELL.size
            row[place : place + 4] = self._store(encoded[at : at + length]).to_bytes(4, "little")
            at += length
        if len(self._rows) == self._per_block * size:
            self._matrix.write(self._rows.ljust(MAX_DATA, b"\0"))
            self._rows = bytearray()
        self._rows += row
        self._index.extend(encoded[:4] + self.row_count.to_bytes(4, "little"))
        self.row_count += 1

    def _store(self, cell: bytes) -> int:
        if len(cell) <= MAX_ITEM:
            return self._heap.add(cell)
        tree = DataTree(self._database)
        for at in range(0, len(cell), MAX_DATA):
            tree.write(cell[at : at + MAX_DATA])
        return self._subnode(tree)

    def _subnode(self, tree: DataTree) -> int:
        nid = self._database.nids.take(NidType.LTP)
        stored = tree.finish()
        self._subnodes.add(nid, Node(stored.bid, 0, stored.size))
        return nid

    def _hnid_rows(self) -> int:
        if not self._matrix.size and len(self._rows) <= MAX_ITEM:
            return self._heap.add(bytes(self._rows)) if self._rows else 0
        self._matrix.write(self._rows)
        return self._subnode(self._matrix)

    def finish(self) -> Node:
        """Write the rest of the table."""
        columns = self._columns
        self._heap.patch(_ROW_INDEX_HID, 0, self._index.finish())
        head = (0x7C, len(columns.columns), columns.ends[0], columns.ends[1], columns.ends[2], columns.row_size)
        info = _TCINFO.pack(*head, _ROW_INDEX_HID, self._hnid_rows(), 0)
        self._heap.patch(_TCINFO_HID, 0, info)
        tree = self._heap.finish(_TCINFO_HID)
        return Node(tree.bid, self._subnodes.finish(), tree.size + self._subnodes.size)
