"""What a PST holds: its store, its folders, how many items of which kind.

Rules of this file: the folders are walked by their hierarchy tables and the items by the contents tables, as Outlook
does; nothing is held but the counts of each folder. Numbers are counted, not taken from what a folder says of itself;
where the two differ, the difference is told. Source: [MS-PST] 2.4.3, 2.4.4.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from exporters.pst.errors import Unreadable
from exporters.pst.ndb import NidType, SpecialNid
from exporters.pst.reading import Database, NodeEntry, Properties, Table

_NAME, _CONTAINER, _COUNT = 0x3001001F, 0x3613001F, 0x36020003
_CLASS, _FLAGS, _SIZE, _RECORD_KEY, _TOP = 0x001A001F, 0x0E070003, 0x0E080003, 0x0FF90102, 0x35E00102
_READ, _HAS_ATTACHMENTS = 0x01, 0x10
_DEEPEST = 256
MAIL = "IPM.Note"


@dataclass
class FolderContents:
    """One folder: its path below the top of personal folders (or below the root, with `is_internal`), and its counts.

    `told` is the number of items that the folder says it has; `size` the bytes of its items as they are stored.
    """

    path: tuple[str, ...]
    container_class: str
    is_internal: bool
    told: int
    items: int = 0
    unread: int = 0
    hidden: int = 0
    with_attachments: int = 0
    size: int = 0
    classes: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class StoreFacts:
    """The file as a whole: bytes, version of the format, name and record key of the store."""

    size: int
    version: int
    is_permuted: bool
    maps_are_valid: bool
    display_name: str
    record_key: bytes


class Inventory:
    """The contents of one file, opened for reading in binary mode. Raises Unreadable."""

    def __init__(self, file: BinaryIO) -> None:
        self._database = Database(file)
        store = Properties(self._database, self._node(SpecialNid.MESSAGE_STORE))
        self._top = int.from_bytes(store.data(_TOP)[20:24], "little")
        self.facts = StoreFacts(
            size=self._database.size,
            version=self._database.version,
            is_permuted=self._database.encoding == 1,
            maps_are_valid=self._database.maps_are_valid,
            display_name=store.text(_NAME),
            record_key=store.data(_RECORD_KEY),
        )

    def _node(self, nid: int) -> NodeEntry:
        node = self._database.node(nid)
        if node is None:
            raise Unreadable(f"node {nid:#x} is missing")
        return node

    def folders(self) -> Iterator[FolderContents]:
        """Every folder, parents first, in the order of the hierarchy tables. Search folders are left out."""
        yield from self._below(SpecialNid.ROOT_FOLDER, (), is_internal=True, seen=set())

    def _below(
        self, parent: int, path: tuple[str, ...], *, is_internal: bool, seen: set[int]
    ) -> Iterator[FolderContents]:
        if len(path) > _DEEPEST:
            raise Unreadable(f"folders more than {_DEEPEST} deep")
        for nid, _ in Table(self._database, self._node(parent & ~0x1F | NidType.HIERARCHY_TABLE)).rows():
            if nid & 0x1F != NidType.NORMAL_FOLDER:
                continue
            if nid in seen:
                raise Unreadable(f"folder {nid:#x} stands in two places")
            seen.add(nid)
            properties = Properties(self._database, self._node(nid))
            is_top = nid == self._top
            inner = () if is_top else (*path, properties.text(_NAME))
            contents = FolderContents(
                inner, properties.text(_CONTAINER), is_internal and not is_top, properties.integer(_COUNT)
            )
            self._count(nid, contents)
            if not is_top or contents.items or contents.hidden:
                yield contents
            yield from self._below(nid, inner, is_internal=is_internal and not is_top, seen=seen)

    def _count(self, nid: int, contents: FolderContents) -> None:
        table = Table(self._database, self._node(nid & ~0x1F | NidType.CONTENTS_TABLE))
        for _, cells in table.rows(_CLASS, _FLAGS, _SIZE):
            flags = int.from_bytes(cells.get(_FLAGS, b""), "little")
            contents.items += 1
            contents.unread += not flags & _READ
            contents.with_attachments += bool(flags & _HAS_ATTACHMENTS)
            contents.size += int.from_bytes(cells.get(_SIZE, b""), "little")
            contents.classes[cells.get(_CLASS, b"").decode("utf-16-le", "replace") or MAIL] += 1
        hidden = self._database.node(nid & ~0x1F | NidType.ASSOC_CONTENTS_TABLE)
        if hidden is not None:
            contents.hidden = sum(1 for _ in Table(self._database, hidden).rows())
