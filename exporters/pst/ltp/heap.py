"""Heap-on-node and the B-tree on it: small items in the data blocks of one node, and sorted records in them.

Rules of this file: items lie back to back and the page map follows them directly; none is empty (HNID 0 says that). A
block leaves as soon as it is full; block 0 and the newest block of the kind 8 + 128 n stay, because they tell how full
later ones are. With `keep`, all stay until the end. Source: [MS-PST] 2.3.1 (HN), 2.3.2 (BTH); reference/pst-format.md
§5.1, §5.2, §8.5."""

import struct
from array import array
from itertools import accumulate

from exporters.pst.errors import LimitReached
from exporters.pst.ndb import MAX_DATA, DataTree, NodeDatabase, Tree

MAX_ITEM = 3580
MAX_BLOCKS = 1 << 16
MAX_ITEMS = 2047
CLIENT_TC, CLIENT_ID_MAP, CLIENT_PC = 0x7C, 0x9C, 0xBC
_HNHDR = struct.Struct("<HBBII")  # ibHnpm, bSig, bClientSig, hidUserRoot, rgbFillLevel
_HNPAGEHDR = struct.Struct("<H")
_HNBITMAPHDR = 66
_TAIL = 9  # cAlloc, cFree, two offsets of the page map, a byte of evenness
_LEVELS = (3584, 2560, 2048, 1792, 1536, 1280, 1024, 768, 512, 256, 128, 64, 32, 16, 8, 0)


def _header_size(number: int) -> int:
    return _HNHDR.size if not number else _HNBITMAPHDR if number % 128 == 8 else _HNPAGEHDR.size


def _room(number: int) -> int:
    """The longest item that an empty block takes, the page map and evenness left aside."""
    return MAX_DATA - _TAIL - _header_size(number)


class Heap:
    """One heap. Items get a HID (block << 16 | number << 5); those of blocks still held can be patched."""

    def __init__(self, database: NodeDatabase, client: int, *, keep: bool = False) -> None:
        self._database = database
        self._client = client
        self._keep = keep
        self._items: list[bytes] = []
        self._number = 0
        self._room = _room(0)
        self._held: dict[int, list[bytes]] = {}
        self._bids = array("Q")  # 8 bytes a block: a folder of half a million messages has ten thousand
        self._levels = bytearray()

    def add(self, item: bytes) -> int:
        """Allocate 1 to 3,580 bytes; the HID."""
        if len(item) > self._room or len(self._items) == MAX_ITEMS:
            self._next_block()
        self._items.append(item)
        self._room -= len(item) + 2
        return self._number << 16 | len(self._items) << 5

    def patch(self, hid: int, at: int, data: bytes) -> None:
        """Overwrite bytes of an item in a block that is still held (block 0 always is)."""
        block, index = hid >> 16, (hid >> 5 & 0x7FF) - 1
        items = self._items if block == self._number else self._held[block]
        items[index] = items[index][:at] + data + items[index][at + len(data) :]

    def measure(self) -> int:
        """Bytes that the heap takes in data blocks as it is now."""
        return self._number * MAX_DATA + self._used()

    def _used(self) -> int:
        """Bytes of the newest block: its items, the byte that makes their end even, the page map."""
        return (MAX_DATA - _TAIL - self._room + 1 & ~1) + _TAIL - 3

    def _level(self) -> int:
        free = MAX_DATA - self._used()
        return next(level for level, least in enumerate(_LEVELS) if free >= least)

    def _next_block(self) -> None:
        number = self._number
        self._levels.append(self._level())
        self._bids.append(0)
        self._held[number] = self._items
        if not self._keep:
            if number and number % 128 != 8:
                self._write(number, last=False)
            if number % 128 == 7 and number > 8:
                self._write(number - 127, last=False)
        if number + 1 == MAX_BLOCKS:
            raise LimitReached("a table or property list that needs more than 65,536 heap blocks")
        self._number = number + 1
        self._items = []
        self._room = _room(self._number)

    def _nibbles(self, first: int, count: int) -> bytes:
        levels = self._levels[first : first + count].ljust(count, b"\0")
        return bytes(low | high << 4 for low, high in zip(levels[::2], levels[1::2], strict=True))

    def _block(self, number: int, items: list[bytes], root: int) -> bytes:
        size = _header_size(number)
        offsets = list(accumulate(map(len, items), initial=size))
        at = offsets[-1] + (offsets[-1] & 1)
        if not number:
            fill = self._levels[0] if len(self._levels) == 1 else int.from_bytes(self._nibbles(0, 8), "little")
            head = _HNHDR.pack(at, 0xEC, self._client, root, fill)
        else:
            head = _HNPAGEHDR.pack(at) + (self._nibbles(number, 128) if size == _HNBITMAPHDR else b"")
        page_map = struct.pack(f"<HH{len(offsets)}H", len(items), 0, *offsets)
        return head + b"".join(items) + bytes(at - offsets[-1]) + page_map

    def _write(self, number: int, *, last: bool, root: int = 0) -> None:
        block = self._block(number, self._held.pop(number), root)
        self._bids[number] = self._database.write_block(block if last else block.ljust(MAX_DATA, b"\0"))

    def finish(self, user_root: int) -> Tree:
        """Write the blocks that are held; the data tree of the heap."""
        if not self._number:  # most heaps: one block
            self._levels.append(self._level())
            block = self._block(0, self._items, user_root)
            return Tree(self._database.write_block(block), len(block))
        size = self.measure()
        self._levels.append(self._level())
        self._bids.append(0)
        self._held[self._number] = self._items
        for number in sorted(self._held):
            self._write(number, last=number == self._number, root=user_root)
        tree = DataTree(self._database)
        for number, bid in enumerate(self._bids):
            tree.add(bid, MAX_DATA if number < self._number else size - self._number * MAX_DATA)
        return tree.finish()


class BthBuilder:
    """A B-tree on a heap from records in ascending order of their keys ([MS-PST] 2.3.2), with as many levels as it takes."""

    def __init__(self, heap: Heap, key_size: int, data_size: int) -> None:
        self._heap = heap
        self._key = key_size
        self._data = data_size
        self._levels: list[bytearray] = [bytearray()]
        self._counts: list[int] = [0]
        self.leaves: list[int] = []
        self._newest = 0

    def extend(self, records: bytes) -> None:
        """Add whole records (key, then data), all above those added before."""
        waiting = self._levels[0]
        waiting += records
        full = self.records_per_leaf * (self._key + self._data)
        while len(waiting) > full:
            chunk = bytes(waiting[:full])
            del waiting[:full]
            self.leaves.append(self._flush(0, chunk))

    @property
    def records_per_leaf(self) -> int:
        """Records in a full leaf item."""
        return MAX_ITEM // (self._key + self._data)

    def _flush(self, level: int, chunk: bytes) -> int:
        hid = self._newest = self._heap.add(chunk)
        self._counts[level] += 1
        if len(self._levels) == level + 1:
            self._levels.append(bytearray())
            self._counts.append(0)
        above = self._levels[level + 1]
        above += chunk[: self._key] + hid.to_bytes(4, "little")
        full = MAX_ITEM // (self._key + 4) * (self._key + 4)
        if len(above) == full:
            self._levels[level + 1] = bytearray()
            self._flush(level + 1, bytes(above))
        return hid

    def finish(self) -> bytes:
        """Write what is left; the eight bytes of the BTHHEADER."""
        level = root = 0
        while self._levels[0] or self.leaves:
            waiting = bytes(self._levels[level])
            if waiting:
                self._levels[level] = bytearray()
                hid = self._flush(level, waiting)
                if not level:
                    self.leaves.append(hid)
            if self._counts[level] == 1:
                root = self._newest
                break
            level += 1
        return struct.pack("<BBBBI", 0xB5, self._key, self._data, level, root)
