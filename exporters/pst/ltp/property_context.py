"""Property contexts: the properties of a store, folder, message or attachment.

Rules of this file: values are encoded as they are set; what is longer than 3,580 bytes goes into a subnode at once, so
at most that much per property is held. A record holds the value, its HID, its subnode, or 0 if it is empty. The size of
the whole object can be one of its own properties: it is filled in last.
Source: [MS-PST] 2.3.3; reference/pst-format.md §5.3, §6.7.
"""

import struct
from collections.abc import Iterator
from itertools import chain

from exporters.pst.errors import PstError, ValueRefused
from exporters.pst.ltp.heap import CLIENT_PC, MAX_ITEM, BthBuilder, Heap
from exporters.pst.ltp.values import INLINE, PropertyType, Value, encode, pieces
from exporters.pst.ndb import NidType, Node, NodeDatabase, SubnodeTree, ValueStream

_RECORD = struct.Struct("<HHI")  # property id, type, value or HNID
_BTHHEADER_HID = 0x20
_CUT = 510  # bytes of a long string that tables repeat: 255 characters


class PropertyContext:
    """One property context, and the subnode tree of its node. A property id is set once."""

    def __init__(self, database: NodeDatabase) -> None:
        self._database = database
        self.subnodes = SubnodeTree(database)
        self._small: dict[int, tuple[int, bytes]] = {}
        self._large: dict[int, tuple[int, int, bytes]] = {}
        self.value_bytes = 0

    def __contains__(self, tag: int) -> bool:
        return tag >> 16 in self._small or tag >> 16 in self._large

    def set(self, tag: int, value: Value) -> None:
        """Store a property; `tag` is id << 16 | type.

        Raises ValueRefused for a value that its type cannot hold, LimitReached over 2 GiB, both with the tag as place.
        """
        kind = tag & 0xFFFF
        try:
            if tag in self:
                raise ValueRefused("set twice")
            stream = pieces(kind, value)
            data = encode(kind, value) if stream is None else None
            if data is not None and len(data) <= MAX_ITEM:
                self._small[tag >> 16] = kind, data
                self.value_bytes += len(data)
            else:
                self._set_pieces(tag, stream if data is None and stream is not None else iter((data or b"",)))
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
            self._small[pid] = kind, bytes(start)
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
            self._small[pid] = kind, struct.pack("<II", nid, value.length)
        else:
            self._large[pid] = kind, nid, bytes(start[: _CUT + 2])

    def amend(self, tag: int, value: int) -> None:
        """Change a 32-bit integer that was set before; over 4 GiB it stays at the highest number."""
        self._small[tag >> 16] = tag & 0xFFFF, min(value, 0xFFFFFFFF).to_bytes(4, "little")

    def set_object(self, tag: int, nid: int, node: Node) -> None:
        """Store an object property whose value is the subnode `nid` (an embedded message; [MS-PST] 2.3.3.5)."""
        self.subnodes.add(nid, node)
        self._small[tag >> 16] = PropertyType.OBJECT, struct.pack("<II", nid, node.size & 0xFFFFFFFF)
        self.value_bytes += node.size

    def cell(self, tag: int) -> bytes | None:
        """What a table row repeats of this property: its bytes, strings cut to 255 characters; None if absent or empty.

        Binary values that went into a subnode are not repeated.
        """
        kind, data = self._small.get(tag >> 16, (0, b""))
        if not data:
            kind, _, data = self._large.get(tag >> 16, (0, 0, b""))
            if kind != PropertyType.STRING:
                return None
        if kind != tag & 0xFFFF:
            return None
        if kind == PropertyType.STRING and len(data) > _CUT:
            split = 0xD8 <= data[_CUT - 1] <= 0xDB  # the cut would leave half a surrogate pair
            return data[: _CUT - 2 if split else _CUT]
        return data or None

    def finish(self, size_tag: int | None = None) -> Node:
        """Write the context and its subnodes. `size_tag`, set to 0 before, becomes the data bytes of the whole node."""
        heap = Heap(self._database, CLIENT_PC, keep=True)
        heap.add(bytes(8))
        bth = BthBuilder(heap, 2, 6)
        order = sorted(chain(self._small, self._large))
        bth.extend(b"".join([self._record(heap, pid) for pid in order]))
        heap.patch(_BTHHEADER_HID, 0, bth.finish())
        size = heap.measure() + self.subnodes.size
        if size_tag is not None:
            leaf, index = divmod(order.index(size_tag >> 16), bth.records_per_leaf)
            heap.patch(bth.leaves[leaf], index * _RECORD.size + 4, min(size, 0xFFFFFFFF).to_bytes(4, "little"))
        tree = heap.finish(_BTHHEADER_HID)
        return Node(tree.bid, self.subnodes.finish(), size)

    def _record(self, heap: Heap, pid: int) -> bytes:
        if pid in self._large:
            kind, nid, _ = self._large[pid]
            return _RECORD.pack(pid, kind, nid)
        kind, data = self._small[pid]
        if kind in INLINE:
            return _RECORD.pack(pid, kind, int.from_bytes(data, "little"))
        return _RECORD.pack(pid, kind, heap.add(data) if data else 0)
