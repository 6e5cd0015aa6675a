"""The writer's surface: folders and messages in, one PST or several parts out.

Rules of this file: no clock and no random numbers: the same calls with the same seed give the same bytes. A part is
closed when the next message could pass the limit, and the next one begins with the same folders under the same numbers.
An error that names an item leaves the writer usable; one of the sink or the temporary folder does not, and the file in
work then has no header.
Source: [MS-PST] 2.4, 2.7; reference/pst-format.md §8.6, §8.7.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from exporters.pst.errors import FolderRefused, PstError, SinkFailed, SpillFailed, WriterUnusable
from exporters.pst.ltp.values import Value, encode, text
from exporters.pst.messaging.items import Attachment, Message
from exporters.pst.messaging.named_properties import NamedProperty
from exporters.pst.messaging.store import BUILT_IN, DELETED_ITEMS, TOP, Folder, MessageStore
from exporters.pst.ndb.identifiers import MAX_INDEX
from exporters.pst.sinks import Sink

MAX_NAME = 255
_FIRST_INDEX = 0x405  # of folders beside the built-in ones
_FOLDER_BYTES = 3000  # property context and three empty tables, with their index entries
_SPARE_NIDS = 1 << 20


@dataclass(frozen=True)
class Place:
    """Where a message went: number of the part (1, 2, ...) and NID in it."""

    part: int
    nid: int


@dataclass(frozen=True)
class Part:
    """A finished file: its number, bytes, messages, and record key (the provider UID of its entry ids)."""

    number: int
    size: int
    messages: int
    record_key: bytes


class Writer:
    """Writes Unicode PST files as a stream, in memory that does not grow with messages or attachments.

    `open_part(number)` gives the sink of part 1, 2, ...; `seed` (any bytes, e.g. tenant and mailbox) is what record keys derive
    from; `display_name` is what Outlook shows for the file. `part_limit`, in bytes, ends a part before it is passed, as far as
    sizes are known beforehand (`Message.size_hint`); a single larger message still goes into a part of its own. `temporary` is
    the folder for what is put aside (about 300 bytes a message). `first_part`: its number, where earlier parts exist.
    Raises SinkFailed, SpillFailed.
    """

    top = TOP
    deleted_items = DELETED_ITEMS

    def __init__(
        self,
        open_part: Callable[[int], Sink],
        *,
        seed: bytes,
        display_name: str,
        part_limit: int | None = None,
        temporary: Path | None = None,
        first_part: int = 1,
    ) -> None:
        text(display_name)
        self._open_part = open_part
        self._seed = seed
        self._display_name = display_name
        self._limit = part_limit
        self._temporary = temporary
        self._folders: list[Folder] = []
        self._names = {(folder.parent, folder.name.lower()) for folder in BUILT_IN}
        self._nids = {folder.nid for folder in BUILT_IN}
        self._first_part = first_part
        self._parts: list[Part] = []
        self._usable = True
        self._is_writing = False
        self._sink, self._store = self._begin()

    @property
    def part(self) -> int:
        """Number of the part in work."""
        return self._first_part + len(self._parts)

    def _begin(self) -> tuple[Sink, MessageStore]:
        number = self.part
        seed = hashlib.sha256(self._seed + b"\0part %d" % number).digest()
        try:
            sink = self._open_part(number)
        except Exception as error:
            raise SinkFailed(f"part {number} cannot be begun: {error}") from error
        store = MessageStore(sink, seed, temporary=self._temporary)
        for folder in self._folders:
            store.prepare(folder)
        return sink, store

    def add_folder(
        self,
        parent: Folder,
        name: str,
        *,
        container_class: str = "",
        comment: str = "",
        properties: Mapping[int | NamedProperty, Value] | None = None,
    ) -> Folder:
        """Add a folder below another (`Writer.top` for the uppermost ones). Container classes: IPF.Note, IPF.Contact, ...

        Raises FolderRefused for an empty name, one over 255 characters, one that a sibling has (case apart), and for a parent
        that is not of this writer; ValueRefused for NULs and lone surrogates and for properties ([MS-PST] 2.4.4.1).
        """
        self._check_usable()
        place = f"folder {name!r}"
        if parent.nid not in self._nids:
            raise FolderRefused("its parent is not a folder of this writer").inside(place)
        if not 0 < len(name) <= MAX_NAME:
            raise FolderRefused(f"a name of {len(name)} characters; 1 to {MAX_NAME} are possible").inside(place)
        if (parent.nid, name.lower()) in self._names:
            raise FolderRefused("its parent has a folder of that name").inside(place)
        if _FIRST_INDEX + len(self._folders) > MAX_INDEX:
            raise FolderRefused("all numbers of folders are used").inside(place)
        nid = (_FIRST_INDEX + len(self._folders)) << 5 | 2
        folder = Folder(nid, parent.nid, name, container_class, comment, dict(properties or {}))
        try:
            for words in (name, container_class, comment):
                text(words)
            for key, value in folder.properties.items():
                encode((key.kind if isinstance(key, NamedProperty) else key) & 0xFFFF, value)
            self._store.prepare(folder)
        except PstError as error:
            raise error.inside(place) from error.__cause__
        self._folders.append(folder)
        self._names.add((parent.nid, name.lower()))
        self._nids.add(nid)
        return folder

    def add_message(self, folder: Folder, message: Message) -> Place:
        """Write a message into a folder.

        Raises ValueRefused, LimitReached, MessageRefused (the writer goes on without the message), whatever the message's own
        streams raise (likewise), SinkFailed and SpillFailed (the writer is at its end), WriterUnusable after those, and where
        a message's streams write or close themselves.
        """
        self._check_usable()
        self._check_not_writing()
        if folder.nid not in self._nids:
            raise FolderRefused("not a folder of this writer").inside(f"folder {folder.name!r}")
        if self._must_split(folder, message):
            self._split()
        self._is_writing = True
        try:
            place = Place(self.part, self._store.add_message(folder, message))
            self._check_usable()  # a stream of the message could have given up
            return place
        except (SinkFailed, SpillFailed):
            self.abort()
            raise
        except PstError as error:
            label = message.label or f"message {self._store.message_count + 1}"
            raise error.inside(label).inside(f"folder {folder.name!r}") from error.__cause__
        finally:
            self._is_writing = False

    def _split(self) -> None:
        try:
            self._end_part()
            self._sink, self._store = self._begin()
        except BaseException:
            self.abort()
            raise

    def _must_split(self, folder: Folder, message: Message) -> bool:
        store = self._store
        if not store.message_count:
            return False
        if store.is_full(folder) or max(store.database.nids.rgnid) > MAX_INDEX - _SPARE_NIDS:
            return True
        if self._limit is None:
            return False
        projected = store.projected_size + (len(self._folders) + len(BUILT_IN)) * _FOLDER_BYTES
        return projected + _estimate(message) > self._limit

    def _end_part(self) -> None:
        number = self.part
        name = self._display_name if number == 1 else f"{self._display_name} ({number})"
        size = self._store.finish(self._folders, name)
        self._parts.append(Part(number, size, self._store.message_count, self._store.record_key))

    def close(self) -> Sequence[Part]:
        """Finish the part in work: its sink gets the beginning and the file is whole. The parts, in order."""
        self._check_usable()
        self._check_not_writing()
        try:
            self._end_part()
        except BaseException:
            self.abort()
            raise
        self._usable = False
        return tuple(self._parts)

    def abort(self) -> None:
        """Give up the part in work; it never gets a header."""
        if self._usable:
            self._usable = False
            self._store.close()
            self._sink.abort()

    def _check_usable(self) -> None:
        if not self._usable:
            raise WriterUnusable("the writer was closed, or its sink or temporary folder failed before")

    def _check_not_writing(self) -> None:
        if self._is_writing:
            raise WriterUnusable("a message is being written; its streams cannot use the writer")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close after success, give up after an error."""
        if kind is not None:
            self.abort()
        elif self._usable:
            self.close()


def _estimate(message: Message) -> int:
    """About how many bytes a message takes, as far as that can be seen without reading streams."""
    size = 2048 + message.size_hint + 600 * len(message.recipients) + _lengths(message.properties)
    if isinstance(message.attachments, Sequence):
        for attachment in message.attachments:
            size += 1024 + _attachment_estimate(attachment)
    return size


def _attachment_estimate(attachment: Attachment) -> int:
    inner = _estimate(attachment.message) if attachment.message is not None else 0
    data = len(attachment.data) if isinstance(attachment.data, bytes) else 0
    return inner + data + _lengths(attachment.properties)


def _lengths(properties: Mapping[int | NamedProperty, Value]) -> int:
    return sum(
        2 * len(value) if isinstance(value, str) else len(value) if isinstance(value, bytes) else 16
        for value in properties.values()
    )
