"""A reader of Unicode PST files, straight from [MS-PST]: every property of every message, named ones by their names.

Rules of this file: standard library only; imports nothing of ours and nothing of any writer. pypff shows no named properties
and does not go down into attached messages, so this does. It reads what is there and judges nothing; a broken structure is a
PstBroken. The file is mapped; of values one is in memory at a time.
Source: [MS-PST] 2.2 (nodes and blocks), 2.3 (lists, tables and properties), 2.4 (messages); reference/pst-format.md.
"""

import itertools
import mmap
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

PERMUTED = bytes.fromhex(
    "47f1b4e60b6a7248854e9eebe2f89453e0bba002e85a09abdbe3bac67cc310dd39059630f53760828cc9134a6b1df3fb"
    "8f2697ca911701c4322d6e3195ffd923d1005e79dc443b1a28c5615720903d83b943be67d2464276c06d5b7eb20f16293ca"
    "903540dda5ddff6b7c762cd8d06d3695c86d614f7a56675acb1e94521700c879f74a4224c6fbf1f56aa2eb3783350b0a39"
    "2bccf191ca763cb1e4d3e4b1b9b4fe7f0eead3ab55904ea40552551e57a893868527bfc27aed7bdfa07f4cc8e5fef359c8"
    "42b15d5773449b6120a7f7188fd9d18417d93d8582ccefe24afdeb836c8a180a69998a82f0e816573e4c2a28ad4e111d00"
    "88b2af2ed9a643fc16cf9ec"
)
SETS = {
    "00062008-0000-0000-c000-000000000046": "COMMON", "00062002-0000-0000-c000-000000000046": "APPT",
    "00062003-0000-0000-c000-000000000046": "TASK", "00062004-0000-0000-c000-000000000046": "ADDR",
    "0006200e-0000-0000-c000-000000000046": "NOTE", "0006200a-0000-0000-c000-000000000046": "LOG",
    "6ed8da90-450b-101b-98da-00aa003f1305": "MEETING", "00020329-0000-0000-c000-000000000046": "PUBLIC",
    "00020386-0000-0000-c000-000000000046": "INET", "00020328-0000-0000-c000-000000000046": "MAPI",
}  # fmt: skip
ROOT, STORE, NAMES, RECIPIENTS, ATTACHMENTS = 0x122, 0x21, 0x61, 0x692, 0x671
FIXED = {0x0002: "<h", 0x0003: "<i", 0x0005: "<d", 0x0014: "<q", 0x0040: "<Q"}

Key = int | tuple[str, int | str]  # 0x0037, or ("APPT", 0x8216), ("PUBLIC", "Keywords")
Properties = dict[Key, Any]


class PstBroken(Exception):
    """A structure that is not what [MS-PST] says."""


@dataclass
class Node:
    """A node or subnode: its data blocks and its own subnodes."""

    file: "Pst"
    nid: int
    data: int
    sub: int

    @cached_property
    def blocks(self) -> list[bytes]:
        return list(self.file.leaves(self.data)) if self.data else []

    @cached_property
    def subnodes(self) -> dict[int, "Node"]:
        found = {nid: Node(self.file, nid, data, sub) for nid, data, sub in self.file.subentries(self.sub)}
        return found if self.sub else {}

    def heap(self, hid: int) -> bytes:
        """One allocation of the heap. Raises PstBroken."""
        index, number = hid >> 5 & 0x7FF, hid >> 16
        if hid & 0x1F or not index or number >= len(self.blocks):
            raise PstBroken(f"heap id {hid:#x} in node {self.nid:#x}")
        block = self.blocks[number]
        page = struct.unpack_from("<H", block)[0]
        count = struct.unpack_from("<H", block, page)[0]
        if index > count:
            raise PstBroken(f"heap id {hid:#x} in node {self.nid:#x}")
        start, end = struct.unpack_from("<HH", block, page + 2 + 2 * index)
        return block[start:end]

    def value(self, hnid: int) -> bytes:
        """Of the heap, or of a subnode."""
        if not hnid:
            return b""
        return b"".join(self.child(hnid).blocks) if hnid & 0x1F else self.heap(hnid)

    def child(self, nid: int) -> "Node":
        """A subnode. Raises PstBroken."""
        if nid not in self.subnodes:
            raise PstBroken(f"node {self.nid:#x} has no subnode {nid:#x}")
        return self.subnodes[nid]

    def tree(self, hid: int) -> Iterator[tuple[int, bytes]]:
        """Records of a tree on the heap: (key, data)."""
        kind, key, size, levels, root = struct.unpack("<BBBBI", self.heap(hid))
        if kind != 0xB5:
            raise PstBroken(f"no tree at {hid:#x} in node {self.nid:#x}")
        yield from self._branch(root, key, size, levels)

    def _branch(self, hid: int, key: int, size: int, level: int) -> Iterator[tuple[int, bytes]]:
        if not hid:
            return
        data, step = self.heap(hid), key + (4 if level else size)
        for at in range(0, len(data), step):
            if level:
                yield from self._branch(int.from_bytes(data[at + key : at + step], "little"), key, size, level - 1)
            else:
                yield int.from_bytes(data[at : at + key], "little"), data[at + key : at + step]

    @cached_property
    def properties(self) -> Properties:
        """All of a property context, decoded."""
        if not self.blocks or self.blocks[0][2] != 0xEC or self.blocks[0][3] != 0xBC:
            raise PstBroken(f"node {self.nid:#x} is no property context")
        root = struct.unpack_from("<I", self.blocks[0], 4)[0]
        found: Properties = {}
        for number, record in self.tree(root):
            kind, raw = struct.unpack("<HI", record)
            found[self.file.key(number)] = self._decoded(kind, raw)
        return found

    def _decoded(self, kind: int, raw: int) -> Any:
        data = struct.pack("<I", raw)
        if kind in (0x0002, 0x0003, 0x000B):
            return bool(data[0]) if kind == 0x000B else struct.unpack_from(FIXED[kind], data)[0]
        return decoded(kind, self.value(raw))

    def table(self) -> list[tuple[int, Properties]]:
        """Rows of a table context: (row id, cells that are there)."""
        if not self.blocks or self.blocks[0][3] != 0x7C:
            raise PstBroken(f"node {self.nid:#x} is no table context")
        info = self.heap(struct.unpack_from("<I", self.blocks[0], 4)[0])
        count = info[1]
        ends = struct.unpack_from("<4H", info, 2)
        index, rows = struct.unpack_from("<II", info, 10)
        columns = [struct.unpack_from("<IHBB", info, 22 + 8 * n) for n in range(count)]
        blocks = self.child(rows).blocks if rows & 0x1F else [self.heap(rows)] if rows else []
        per_block = (8192 - 16) // ends[3]
        found = []
        for row_id, record in sorted(self.tree(index), key=lambda pair: int.from_bytes(pair[1], "little")):
            number = int.from_bytes(record, "little")
            at = number % per_block * ends[3]
            row = blocks[number // per_block][at : at + ends[3]]
            if len(row) < ends[3]:
                raise PstBroken(f"row {row_id:#x} of table {self.nid:#x} is not there")
            found.append((row_id, {self.file.key(tag >> 16): self._cell(row, tag & 0xFFFF, place, size)
                                   for tag, place, size, bit in columns
                                   if row[ends[2] + bit // 8] & 0x80 >> bit % 8}))  # fmt: skip
        return found

    def _cell(self, row: bytes, kind: int, place: int, size: int) -> Any:
        data = row[place : place + size]
        if kind == 0x000B:
            return bool(data[0])
        if kind in FIXED:
            return struct.unpack(FIXED[kind], data)[0]
        return decoded(kind, self.value(struct.unpack("<I", data)[0]))


def decoded(kind: int, data: bytes) -> Any:
    """A value by its type; binary and unknown ones as bytes."""
    if kind in FIXED:
        return struct.unpack(FIXED[kind], data)[0]
    if kind == 0x001F:
        return data.decode("utf-16-le", "surrogatepass").rstrip("\0")
    if kind == 0x001E:
        return data.decode("cp1252", "replace").rstrip("\0")
    if kind == 0x000D:
        return struct.unpack("<II", data)
    if kind == 0x1003:
        return list(struct.unpack(f"<{len(data) // 4}i", data))
    if kind in (0x101F, 0x1102):
        count = struct.unpack_from("<I", data)[0] if data else 0
        starts = [*struct.unpack_from(f"<{count}I", data, 4), len(data)] if count else []
        parts = [data[start:end] for start, end in itertools.pairwise(starts)]
        return parts if kind == 0x1102 else [decoded(0x001F, part) for part in parts]
    return data


@dataclass
class Attachment:
    """One attachment. `item`: the message in it (method 5)."""

    properties: Properties
    node: Node

    @property
    def method(self) -> int:
        return int(self.properties.get(0x3705, 0))

    @property
    def name(self) -> str:
        return str(self.properties.get(0x3707) or self.properties.get(0x3704) or "")

    @property
    def data(self) -> bytes | None:
        found = self.properties.get(0x3701)
        return found if isinstance(found, bytes) else None

    @property
    def item(self) -> "Item | None":
        found = self.properties.get(0x3701)
        return Item(self.node.child(found[0])) if isinstance(found, tuple) else None


@dataclass
class Item:
    """A message of any class."""

    node: Node

    @property
    def properties(self) -> Properties:
        return self.node.properties

    @property
    def recipients(self) -> list[Properties]:
        return [cells for _, cells in self.node.child(RECIPIENTS).table()]

    @property
    def attachments(self) -> list[Attachment]:
        if ATTACHMENTS not in self.node.subnodes:
            return []
        rows = self.node.subnodes[ATTACHMENTS].table()
        return [Attachment(self.node.child(nid).properties, self.node.child(nid)) for nid, _ in rows]

    @property
    def subject(self) -> str:
        """Without the mark of its prefix."""
        text = str(self.properties.get(0x0037, ""))
        return text[2:] if text[:1] == "\x01" else text

    def __getitem__(self, key: Key) -> Any:
        """None for what is not there."""
        return self.properties.get(key)


@dataclass
class Folder:
    """A folder: names from the top folder down, and the node ids of its messages."""

    path: tuple[str, ...]
    nid: int
    properties: Properties
    messages: list[int] = field(default_factory=list)
    associated: int = 0


class Pst:
    """One file. Close it when done."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("rb")
        self._map = mmap.mmap(self._stream.fileno(), 0, access=mmap.ACCESS_READ)
        magic, _, version = struct.unpack_from("<4sI2xH", self._map)
        if magic != b"!BDN" or version < 23:
            raise PstBroken(f"{path.name} is no Unicode PST")
        self._crypt = self._map[513]
        nodes, blocks = struct.unpack_from("<Q", self._map, 224)[0], struct.unpack_from("<Q", self._map, 240)[0]
        self._blocks = {bid & ~1: (ib, size) for bid, ib, size in self._tree(blocks, "<QQH", 24)}
        self.nodes = {nid: (data, sub) for nid, data, sub in self._tree(nodes, "<QQQ", 32)}
        self.names: dict[int, Key] = {}
        self._read_names()

    def close(self) -> None:
        self._map.close()
        self._stream.close()

    def _tree(self, at: int, form: str, size: int) -> Iterator[tuple[int, int, int]]:
        page = self._map[at : at + 512]
        count, _, width, level = page[488:492]
        for place in range(0, count * width, width):
            if level:
                yield from self._tree(struct.unpack_from("<QQQ", page, place)[2], form, size)
            else:
                first, second, third = struct.unpack_from(form, page, place)
                yield first, second, third

    def _block(self, bid: int) -> bytes:
        if bid & ~1 not in self._blocks:
            raise PstBroken(f"block {bid:#x} is not there")
        at, size = self._blocks[bid & ~1]
        data = self._map[at : at + size]
        if bid & 2 or not self._crypt:
            return data
        if self._crypt != 1:
            raise PstBroken(f"encryption {self._crypt} is not read here")
        return data.translate(PERMUTED)

    def leaves(self, bid: int) -> Iterator[bytes]:
        """Data blocks below a block, in order."""
        data = self._block(bid)
        if not bid & 2:
            yield data
            return
        kind, _, count = struct.unpack_from("<BBH", data)
        if kind != 1:
            raise PstBroken(f"block {bid:#x} is no data tree")
        for inner in struct.unpack_from(f"<{count}Q", data, 8):
            yield from self.leaves(inner)

    def subentries(self, bid: int) -> Iterator[tuple[int, int, int]]:
        """Entries below a subnode block: (nid, data, sub)."""
        if not bid:
            return
        data = self._block(bid)
        kind, level, count = struct.unpack_from("<BBH", data)
        if kind != 2:
            raise PstBroken(f"block {bid:#x} is no subnode tree")
        for n in range(count):
            if level:
                yield from self.subentries(struct.unpack_from("<QQ", data, 8 + 16 * n)[1])
            else:
                nid, inner, sub = struct.unpack_from("<QQQ", data, 8 + 24 * n)
                yield nid & 0xFFFFFFFF, inner, sub

    def node(self, nid: int) -> Node:
        """Raises PstBroken."""
        if nid not in self.nodes:
            raise PstBroken(f"node {nid:#x} is not there")
        return Node(self, nid, *self.nodes[nid])

    def key(self, number: int) -> Key:
        """What a property id stands for."""
        return self.names.get(number, number) if number >= 0x8000 else number

    def _read_names(self) -> None:
        streams = self.node(NAMES).properties
        guids, entries, strings = (streams.get(n, b"") for n in (2, 3, 4))
        for at in range(0, len(entries), 8):
            number, kind, place = struct.unpack_from("<IHH", entries, at)
            guid, space = kind >> 1, "NONE"
            if guid in (1, 2):
                space = ("MAPI", "PUBLIC")[guid - 1]
            elif guid >= 3:
                text = str(uuid.UUID(bytes_le=guids[16 * (guid - 3) : 16 * (guid - 2)]))
                space = SETS.get(text, text)
            name: int | str = number
            if kind & 1:
                length = struct.unpack_from("<I", strings, number)[0]
                name = strings[number + 4 : number + 4 + length].decode("utf-16-le")
            self.names[0x8000 + place] = (space, name)

    def store(self) -> Properties:
        """Properties of the message store."""
        return self.node(STORE).properties

    def item(self, nid: int) -> Item:
        """A message by its node id."""
        return Item(self.node(nid))

    def folders(self) -> Iterator[Folder]:
        """The top folder (path empty) and all below it."""
        top = struct.unpack("<I", self.store()[0x35E0][20:24])[0]
        yield from self._below(top, ())

    def _below(self, nid: int, path: tuple[str, ...]) -> Iterator[Folder]:
        found = Folder(path, nid, self.node(nid).properties)
        found.messages = [row for row, _ in self.node(nid & ~0x1F | 0x0E).table()]
        found.associated = len(self.node(nid & ~0x1F | 0x0F).table())
        yield found
        for child, _ in self.node(nid & ~0x1F | 0x0D).table():
            if child & 0x1F == 2:
                yield from self._below(child, (*path, str(self.node(child).properties.get(0x3001, ""))))
