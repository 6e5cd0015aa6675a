"""One PST as a message store: its folders, their tables, and the nodes that every store has.

Rules of this file: messages are written as they come, into any folder; their rows are put aside and the tables written
at the end, folder by folder. Folders are held in memory (their names and counts), messages are not. Counts, rows and
parents agree with each other, because readers differ in which of them they believe.
Source: [MS-PST] 2.4.3, 2.4.4, 2.7.1, 2.7.3; reference/pst-format.md §6.1, §6.2, §6.4, §7, §8.5.
"""

import hashlib
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from exporters.pst.errors import SinkFailed, SpillFailed, ValueRefused
from exporters.pst.ltp import BthBuilder, Heap, PropertyContext, TableContext, Value
from exporters.pst.ltp.heap import CLIENT_ID_MAP
from exporters.pst.messaging.items import Message, entry_id
from exporters.pst.messaging.messages import MSGFLAG_READ, MessageWriter, checked_tag
from exporters.pst.messaging.named_properties import NamedProperty, NameToIdMap
from exporters.pst.messaging.templates import (
    ASSOC_CONTENTS,
    ASSOC_CONTENTS_WITH_ROWS,
    CONTENTS,
    EMPTY_TABLES,
    HIERARCHY,
    RECEIVE_FOLDER_TABLE,
)
from exporters.pst.ndb import NidType, Node, NodeDatabase, SortedRuns, SpecialNid
from exporters.pst.sinks import Sink

_NAME, _COMMENT, _CLASS = 0x3001001F, 0x3004001F, 0x3613001F
_COUNT, _UNREAD, _SUBFOLDERS = 0x36020003, 0x36030003, 0x360A000B
_OWN = {tag >> 16 for tag in (_NAME, _COMMENT, _CLASS, _COUNT, _UNREAD, _SUBFOLDERS)}
_KEY = struct.Struct(">II")  # table, row: the order in which rows are needed
_ROWS_IN_MEMORY = 4 << 20
_ROW_OVERHEAD = 24  # of a row in the heap of its table: index record and page map entries
_HEAP_BYTES = 65536 * 7000
_VALID_FOLDER_MASK = 0xC9
_LATEST_PST_ENSURE = 0x000E0011


@dataclass(frozen=True)
class Folder:
    """A folder: its node, its parent's node, and what its property context says. Made by `Writer.add_folder`."""

    nid: int
    parent: int
    name: str
    container_class: str = ""
    comment: str = ""
    properties: Mapping[int | NamedProperty, Value] = field(default_factory=dict)


ROOT = Folder(SpecialNid.ROOT_FOLDER, SpecialNid.ROOT_FOLDER, "")
TOP = Folder(SpecialNid.IPM_SUBTREE, SpecialNid.ROOT_FOLDER, "Top of Outlook data file")
SEARCH_ROOT = Folder(SpecialNid.SEARCH_ROOT, SpecialNid.ROOT_FOLDER, "Search Root")
DELETED_ITEMS = Folder(SpecialNid.DELETED_ITEMS, SpecialNid.IPM_SUBTREE, "Deleted Items")
COMMON_VIEWS = Folder(SpecialNid.COMMON_VIEWS, SpecialNid.ROOT_FOLDER, "IPM_COMMON_VIEWS")
BUILT_IN = (ROOT, TOP, SEARCH_ROOT, DELETED_ITEMS, COMMON_VIEWS)
_SPAM_SEARCH = Folder(SpecialNid.SPAM_SEARCH_FOLDER, SpecialNid.ROOT_FOLDER, "SPAM Search Folder 2")


class MessageStore:
    """One file: add folders and messages in any order, then `finish` with the list of folders."""

    def __init__(self, sink: Sink, seed: bytes, *, temporary: Path | None = None) -> None:
        self._seed = seed
        self.database = NodeDatabase(sink, temporary=temporary)
        self._names = NameToIdMap()
        self._messages = MessageWriter(self.database, self._names, seed)
        self._rows = SortedRuns(temporary, buffered=_ROWS_IN_MEMORY)
        self._counts: dict[int, list[int]] = defaultdict(lambda: [0, 0])  # contents, unread
        self._with_hidden: set[int] = set()
        self._heap_bytes: dict[int, int] = defaultdict(int)
        self.message_count = 0
        self.record_key = self._derived(b"record key")

    def is_full(self, folder: Folder) -> bool:
        """True when the table of a folder can take no more rows ([MS-PST] 2.3.1: 65,536 heap blocks; 3 million rows or so)."""
        return self._heap_bytes[folder.nid] > _HEAP_BYTES

    def _derived(self, purpose: bytes) -> bytes:
        return hashlib.sha256(self._seed + purpose).digest()[:16]

    @property
    def projected_size(self) -> int:
        """About how long the file would be if it were finished now, in bytes, on the safe side, without its folders."""
        return self.database.position + self._rows.size * 5 // 4 + self.database.node_count * 40 + (1 << 19)

    def prepare(self, folder: Folder) -> None:
        """Register the names of a folder's properties. Raises as NameToIdMap.tag does, and for a property set twice."""
        tags = [
            self._names.tag(key) if isinstance(key, NamedProperty) else checked_tag(key) for key in folder.properties
        ]
        for tag in tags:
            if tag >> 16 in _OWN or sum(tag >> 16 == other >> 16 for other in tags) > 1:
                raise ValueRefused("set twice").inside(f"property 0x{tag:08X}")

    def add_message(self, folder: Folder, message: Message) -> int:
        """Write a message; its NID. On any error nothing of it remains, unless the sink or the temporary folder failed."""
        try:
            written = self._messages.write(message)
            kind = NidType.ASSOC_MESSAGE if message.associated else NidType.NORMAL_MESSAGE
            nid = self.database.nids.take(kind)
            table_type = NidType.ASSOC_CONTENTS_TABLE if message.associated else NidType.CONTENTS_TABLE
            columns = ASSOC_CONTENTS_WITH_ROWS if message.associated else CONTENTS
            row = columns.encode(nid, written.cells)
            self._rows.add(_KEY.pack(_table(folder.nid, table_type), nid) + row)
            self.database.add_node(nid, written.node.data, written.node.sub, folder.nid)
        except (SinkFailed, SpillFailed):
            raise
        except BaseException:
            self.database.rollback()
            raise
        self.database.commit()
        self.message_count += 1
        self._heap_bytes[folder.nid] += len(row) - columns.row_size + _ROW_OVERHEAD
        if message.associated:
            self._with_hidden.add(folder.nid)
        else:
            counts = self._counts[folder.nid]
            counts[0] += 1
            counts[1] += not written.flags & MSGFLAG_READ
        return nid

    def finish(self, folders: Iterable[Folder], display_name: str) -> int:
        """Write all that is left and close the file; its size in bytes. `folders` are those beside the built-in ones."""
        ordered = sorted((*BUILT_IN, *folders), key=lambda folder: folder.nid)
        children: dict[int, list[Folder]] = defaultdict(list)
        for folder in (_SPAM_SEARCH, *ordered):
            if folder is not ROOT:
                children[folder.parent].append(folder)
        has_children = {nid for nid, below in children.items() if below}
        groups = _Groups(self._rows.merged())
        for folder in ordered:
            self._write_folder(folder, subfolders=folder.nid in has_children)
            self._write_hierarchy(folder, children[folder.nid], has_children)
            hidden = ASSOC_CONTENTS_WITH_ROWS if folder.nid in self._with_hidden else ASSOC_CONTENTS
            for kind, columns in ((NidType.CONTENTS_TABLE, CONTENTS), (NidType.ASSOC_CONTENTS_TABLE, hidden)):
                nid = _table(folder.nid, kind)
                table = TableContext(self.database, columns)
                for row in groups.of(nid):
                    table.add(row)
                self._add(nid, table.finish())
        self._rows.close()
        self._write_fixed_nodes()
        self._write_store(display_name)
        self._names.write(self.database)
        return self.database.finish()

    def _add(self, nid: int, node: Node, parent: int = 0) -> None:
        self.database.add_node(nid, node.data, node.sub, parent)
        self.database.commit()

    def _write_folder(self, folder: Folder, *, subfolders: bool) -> None:
        contents, unread = self._counts.get(folder.nid, (0, 0))
        context = PropertyContext(self.database)
        context.set(_NAME, folder.name)
        context.set(_COUNT, contents)
        context.set(_UNREAD, unread)
        context.set(_SUBFOLDERS, subfolders)
        for tag, text in ((_CLASS, folder.container_class), (_COMMENT, folder.comment)):
            if text:
                context.set(tag, text)
        for key, value in folder.properties.items():
            context.set(self._names.tag(key) if isinstance(key, NamedProperty) else key, value)
        self.database.nids.use_folder(folder.nid >> 5)
        self._add(folder.nid, context.finish(), folder.parent)

    def _write_hierarchy(self, folder: Folder, below: list[Folder], has_children: set[int]) -> None:
        table = TableContext(self.database, HIERARCHY)
        for child in below:
            contents, unread = self._counts.get(child.nid, (0, 0))
            cells = {
                _NAME: child.name.encode("utf-16-le"),
                _COUNT: contents.to_bytes(4, "little"),
                _UNREAD: unread.to_bytes(4, "little"),
                _SUBFOLDERS: b"\1" if child.nid in has_children else b"\0",
            }
            if child.container_class:
                cells[_CLASS] = child.container_class.encode("utf-16-le")
            table.add(HIERARCHY.encode(child.nid, cells))
        self._add(_table(folder.nid, NidType.HIERARCHY_TABLE), table.finish())

    def _write_fixed_nodes(self) -> None:
        """Templates, queues and the search folder that [MS-PST] 2.7.1 and SCANPST ask for."""
        database = self.database
        for nid, columns in EMPTY_TABLES.items():
            self._add(nid, TableContext(database, columns).finish())
        receive = TableContext(database, RECEIVE_FOLDER_TABLE)
        receive.add(RECEIVE_FOLDER_TABLE.encode(1, {0x001A001F: b"", 0x66050003: ROOT.nid.to_bytes(4, "little")}))
        self._add(SpecialNid.RECEIVE_FOLDER_TABLE, receive.finish())
        for queue in (SpecialNid.SEARCH_MANAGEMENT_QUEUE, SpecialNid.SEARCH_DOMAIN_OBJECT, 0xE41, 0xEC1, 0xF21, 0x2226):
            database.add_node(queue, 0)
        active = SpecialNid.SPAM_SEARCH_FOLDER.to_bytes(4, "little")
        self._add(SpecialNid.SEARCH_ACTIVITY_LIST, Node(database.write_block(active), 0, 4))
        self._write_id_map()
        search = PropertyContext(database)
        for tag, value in ((_NAME, _SPAM_SEARCH.name), (_COUNT, 0), (_UNREAD, 0), (_SUBFOLDERS, False)):
            search.set(tag, value)
        self._add(_SPAM_SEARCH.nid, search.finish(), _SPAM_SEARCH.parent)
        criteria = PropertyContext(database)
        criteria.set(0x660B0003, 0)
        self._add(0x2227, criteria.finish())

    def _write_id_map(self) -> None:
        """Empty, as in every store that was never replicated."""
        heap = Heap(self.database, CLIENT_ID_MAP)
        heap.add(bytes(4))
        bth = heap.add(BthBuilder(heap, 16, 4).finish())
        heap.patch(0x20, 0, bth.to_bytes(4, "little"))
        tree = heap.finish(0x20)
        self._add(SpecialNid.ID_MAP, Node(tree.bid, 0, tree.size))

    def _write_store(self, display_name: str) -> None:
        context = PropertyContext(self.database)
        context.set(0x0E340102, b"\1\0\0\0" + self._derived(b"replica") + b"\1\0\0\0")
        context.set(0x0E380003, 0)
        context.set(0x0FF90102, self.record_key)
        context.set(_NAME, display_name)
        context.set(0x35DF0003, _VALID_FOLDER_MASK)
        for tag, folder in ((0x35E0, TOP), (0x35E3, DELETED_ITEMS), (0x35E6, COMMON_VIEWS), (0x35E7, SEARCH_ROOT)):
            context.set(tag << 16 | 0x0102, entry_id(self.record_key, folder.nid))
        context.set(0x6633000B, True)
        context.set(0x66FA0003, _LATEST_PST_ENSURE)
        context.set(0x67FF0003, 0)
        self._add(SpecialNid.MESSAGE_STORE, context.finish())

    def close(self) -> None:
        """Free temporary files."""
        self._rows.close()
        self.database.close()


class _Groups:
    """Rows grouped by table, asked for in ascending order of the tables."""

    def __init__(self, records: Iterable[bytes]) -> None:
        self._groups = groupby(records, key=lambda record: record[:4])
        self._next = next(self._groups, None)

    def of(self, nid: int) -> Iterator[bytes]:
        """The encoded rows of one table."""
        if self._next is not None and int.from_bytes(self._next[0], "big") == nid:
            for record in self._next[1]:
                yield record[_KEY.size :]
            self._next = next(self._groups, None)


def _table(folder: int, kind: int) -> int:
    return folder & ~0x1F | kind
