"""Property contexts: the properties of a store, folder, message or attachment.

Rules of this file: values are encoded as they are set; what is longer than 3,580 bytes goes into a subnode at once, so
at most that much per property is held. A record holds the value, its HID, its subnode, or 0 if it is empty. The size of
the whole object can be one of its own properties: it is filled in last.
Source: [MS-PST] 2.3.3; reference/pst-format.md §5.3, §6.7.
"""

import struct
from collections.abc import Iterable, Iterator

from exporters.pst.errors import PstError, ValueRefused
from exporters.pst.ltp.heap import CLIENT_PC, MAX_ITEM, BthBuilder, Heap
from exporters.pst.ltp.values import IN_PIECES, INLINE, PropertyType, Value, encode, pieces
from exporters.pst.ndb import NidType, Node, NodeDatabase, SubnodeTree, ValueStream

_RECORD = struct.Struct("<HHI")  # property id, type, value or HNID
_BTHHEADER_HID = 0x20
_ABSENT = (0, b"", 0)
_CUT = 510  # bytes of a long string that tables repeat: 255 characters


class PropertyContext:
    """One property context, and the subnode tree of its node. A property id is set once."""

    def __init__(self, database: NodeDatabase) -> None:
        self._database = database
        self.subnodes = SubnodeTree(database)
        self._values: dict[int, tuple[int, bytes, int]] = {}  # id -> type, bytes (of large ones the start), subnode
        self.value_bytes = 0

    def set(self, tag: int, value: Value) -> None:
        """Store a property; `tag` is id << 16 | type.

        Raises ValueRefused for a value that its type cannot hold, LimitReached over 2 GiB, both with the tag as place.
        """
        kind, pid = tag & 0xFFFF, tag >> 16
        try:
            if pid in self._values:
                raise ValueRefused("set twice")
            stream = pieces(kind, value) if kind in IN_PIECES else None
            data = encode(kind, value) if stream is None else b""
            if stream is None and len(data) <= MAX_ITEM:
                self._values[pid] = kind, data, 0
                self.value_bytes += len(data)
            else:
                self._set_pieces(tag, iter((data,)) if stream is None else stream)
        except PstError as error:
            raise error.inside(f"property 0x{tag:08X}") from error.__cause__

    def _set_pieces(self, tag: int, stream: Iterator[bytes]) -> None:
        pid, kind = tag >> 16, tag & 0xFFFF
        start = bytearray()
        for piece in stream:
            start += piece
            if len(start) > MAX_ITEM:
                break
        if len(start) <= MAX_ITEM and kind != PropertyType.OBJECT:
            self._values[pid] = kind, bytes(start), 0
            self.value_bytes += len(start)
            return
        value = ValueStream(self._database)
        value.feed(start)
        for piece in stream:
            value.feed(piece)
        tree = value.finish()
        if not tree.bid:
            raise ValueRefused("an object without contents")
        nid = self._database.nids.take(NidType.LTP)
        self.subnodes.add(nid, Node(tree.bid, 0, tree.size))
        self.value_bytes += value.length
        if kind == PropertyType.OBJECT:
            self._values[pid] = kind, struct.pack("<II", nid, value.length), 0
        else:
            self._values[pid] = kind, bytes(start[: _CUT + 2]), nid

    def amend(self, tag: int, value: int) -> None:
        """Change a 32-bit integer that was set before; over 4 GiB it stays at the highest number."""
        self._values[tag >> 16] = tag & 0xFFFF, min(value, 0xFFFFFFFF).to_bytes(4, "little"), 0

    def set_object(self, tag: int, nid: int, node: Node) -> None:
        """Store an object property whose value is the subnode `nid` (an embedded message; [MS-PST] 2.3.3.5)."""
        self.subnodes.add(nid, node)
        self._values[tag >> 16] = PropertyType.OBJECT, struct.pack("<II", nid, node.size & 0xFFFFFFFF), 0
        self.value_bytes += node.size

    def cells(self, tags: Iterable[int]) -> dict[int, bytes]:
        """What a table row repeats: the bytes of those properties that are present and not empty, by tag.

        Strings are cut to 255 characters; binary values that went into a subnode are not repeated.
        """
        values = self._values
        cells = {}
        for tag in tags:
            kind, data, nid = values.get(tag >> 16, _ABSENT)
            if not data or kind != tag & 0xFFFF or (nid and kind != PropertyType.STRING):
                continue
            if kind == PropertyType.STRING and len(data) > _CUT:
                split = 0xD8 <= data[_CUT - 1] <= 0xDB  # the cut would leave half a surrogate pair
                data = data[: _CUT - 2 if split else _CUT]
            cells[tag] = data
        return cells

    def finish(self, size_tag: int | None = None) -> Node:
        """Write the context and its subnodes. `size_tag`, set to 0 before, becomes the data bytes of the whole node."""
        heap = Heap(self._database, CLIENT_PC, keep=True)
        heap.add(bytes(8))
        bth = BthBuilder(heap, 2, 6)
        order = sorted(self._values)
        records = []
        for pid in order:
            kind, data, hnid = self._values[pid]
            if kind in INLINE:
                hnid = int.from_bytes(data, "little")
            elif data and not hnid:
                hnid = heap.add(data)
            records.append(_RECORD.pack(pid, kind, hnid))
        bth.extend(b"".join(records))
        heap.patch(_BTHHEADER_HID, 0, bth.finish())
        size = heap.measure() + self.subnodes.size
        if size_tag is not None:
            leaf, index = divmod(order.index(size_tag >> 16), bth.records_per_leaf)
            heap.patch(bth.leaves[leaf], index * _RECORD.size + 4, min(size, 0xFFFFFFFF).to_bytes(4, "little"))
        tree = heap.finish(_BTHHEADER_HID)
        return Node(tree.bid, self.subnodes.finish(), size)
