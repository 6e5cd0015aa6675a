"""Writing one message: its attachments, its recipients, its properties, and what the tables around it repeat.

Rules of this file: depth first and in order, so that streams are read once and nothing is held but the properties of
the messages that enclose each other. Errors name the attachment, recipient and property. What a row repeats is what the
object stores.
Source: [MS-PST] 2.4.5, 2.4.6, 2.5.3.1 (subject); reference/pst-format.md §6.5, §6.7 to §6.9, §8.5.
"""

import hashlib
import re
from functools import lru_cache
from typing import NamedTuple

from exporters.pst.errors import LimitReached, MessageRefused, PstError, ValueRefused
from exporters.pst.ltp import Columns, PropertyContext, PropertyType, TableContext, Value, encode
from exporters.pst.ltp.table_context import LTP_ROW_ID, LTP_ROW_VER
from exporters.pst.messaging.items import MAX_DEPTH, Attachment, Message, Properties
from exporters.pst.messaging.named_properties import NamedProperty, NameToIdMap
from exporters.pst.messaging.templates import ASSOC_CONTENTS_WITH_ROWS, ATTACHMENT_TABLE, CONTENTS, RECIPIENT_TABLE
from exporters.pst.ndb import NidType, Node, NodeDatabase, SpecialNid

MESSAGE_CLASS, SUBJECT, SEARCH_KEY = 0x001A001F, 0x0037001F, 0x300B0102
MESSAGE_FLAGS, MESSAGE_SIZE, MESSAGE_STATUS = 0x0E070003, 0x0E080003, 0x0E170003
CREATION_TIME, MODIFICATION_TIME = 0x30070040, 0x30080040
_DELIVERY_TIME, _SUBMIT_TIME = 0x0E060040, 0x00390040
MSGFLAG_READ, MSGFLAG_HASATTACH, MSGFLAG_ASSOCIATED = 0x01, 0x10, 0x40
_TOPIC, _INDEX, _INDEX_TRACKING, _CONVERSATION_ID = 0x0070001F, 0x00710102, 0x3016000B, 0x30130102
_ATTACH_SIZE, _ATTACH_METHOD, _RENDERING = 0x0E200003, 0x37050003, 0x370B0003
_ATTACH_DATA, _ATTACH_OBJECT = 0x37010102, 0x3701000D
_BY_VALUE, _EMBEDDED, _OLE = 1, 5, 6
_PREFIX = re.compile(r"[^\W\d_]{1,3}: ")


def _repeated(columns: Columns) -> tuple[int, ...]:
    return tuple(column.tag for column in columns.columns if column.tag not in (LTP_ROW_ID, LTP_ROW_VER))


_CONTENTS_TAGS, _ASSOC_TAGS, _ATTACHMENT_TAGS = map(_repeated, (CONTENTS, ASSOC_CONTENTS_WITH_ROWS, ATTACHMENT_TABLE))


class Written(NamedTuple):
    """A message whose blocks are written: its node, its flags, and the cells that the folder's table repeats."""

    node: Node
    flags: int
    cells: dict[int, bytes]


class MessageWriter:
    """Writes the messages of one file. `seed` makes the search keys of messages that bring none."""

    def __init__(self, database: NodeDatabase, names: NameToIdMap, seed: bytes) -> None:
        self._database = database
        self._names = names
        self._seed = seed
        self._count = 0

    def write(self, message: Message, depth: int = 0) -> Written:
        """Write all blocks of a message. Raises PstError, naming the place inside the message."""
        context = PropertyContext(self._database)
        self._write_recipients(context, message)
        has_attachments = self._write_attachments(context, message, depth)
        given = self._tags(message.properties)
        flags = self._fill_in(given, associated=message.associated, has_attachments=has_attachments)
        for tag, value in given.items():
            context.set(tag, value)
        node = context.finish(MESSAGE_SIZE)
        return Written(node, flags, {} if depth else _cells(context, node, associated=message.associated))

    def _tags(self, properties: Properties) -> dict[int, Value]:
        given: dict[int, Value] = {}
        for key, value in properties.items():
            try:
                given[self._names.tag(key) if isinstance(key, NamedProperty) else checked_tag(key)] = value
            except PstError as error:
                raise error.inside(f"property {key}") from error
        return given

    def _fill_in(self, given: dict[int, Value], *, associated: bool, has_attachments: bool) -> int:
        """Complete the properties that [MS-PST] 2.4.5.1.1 demands; the flags."""
        flags = given.get(MESSAGE_FLAGS, 0)
        if not isinstance(flags, int):
            raise MessageRefused("the message flags are no integer")
        flags &= ~(MSGFLAG_HASATTACH | MSGFLAG_ASSOCIATED)
        flags |= MSGFLAG_HASATTACH * has_attachments | MSGFLAG_ASSOCIATED * associated
        times = [given[t] for t in (CREATION_TIME, MODIFICATION_TIME, _DELIVERY_TIME, _SUBMIT_TIME) if t in given]
        if not times:
            raise MessageRefused("has no time: neither of creation, modification, delivery nor submission")
        subject = given.get(SUBJECT)
        if isinstance(subject, str):
            given[SUBJECT] = stored_subject(subject)
        self._count += 1
        if SEARCH_KEY not in given:
            given[SEARCH_KEY] = hashlib.sha256(self._seed + b"search key %d" % self._count).digest()[:16]
        if not given.get(MESSAGE_CLASS):  # never empty: readers choose by it how they show the item
            given[MESSAGE_CLASS] = "IPM.Note"
        given.setdefault(MESSAGE_STATUS, 0)
        given.setdefault(MODIFICATION_TIME, times[0])
        given.setdefault(CREATION_TIME, times[0])
        given[MESSAGE_FLAGS] = flags
        given[MESSAGE_SIZE] = 0
        return flags

    def _write_recipients(self, context: PropertyContext, message: Message) -> None:
        tags: set[int] = set()
        for row in message.recipients:
            tags.update(row)
        columns = _recipient_columns(frozenset(tags))
        table = TableContext(self._database, columns)
        for number, row in enumerate(message.recipients, 1):
            cells = {}
            for tag, value in row.items():
                try:
                    data = encode(tag & 0xFFFF, value)
                except PstError as error:
                    raise error.inside(f"property 0x{tag:08X}").inside(f"recipient {number}") from error
                if data:
                    cells[tag] = data
            table.add(columns.encode(number, cells))
        context.subnodes.add(SpecialNid.RECIPIENT_TABLE, table.finish())

    def _write_attachments(self, context: PropertyContext, message: Message, depth: int) -> bool:
        table: TableContext | None = None
        for number, attachment in enumerate(message.attachments, 1):
            nid = self._database.nids.take(NidType.ATTACHMENT)
            try:
                node, cells = self._write_attachment(attachment, depth)
            except PstError as error:
                raise error.inside(f"attachment {number}") from error.__cause__
            context.subnodes.add(nid, node)
            table = table or TableContext(self._database, ATTACHMENT_TABLE)
            table.add(ATTACHMENT_TABLE.encode(nid, cells))
        if table is not None:
            context.subnodes.add(SpecialNid.ATTACHMENT_TABLE, table.finish())
        return table is not None

    def _write_attachment(self, attachment: Attachment, depth: int) -> tuple[Node, dict[int, bytes]]:
        context = PropertyContext(self._database)
        given = self._tags(attachment.properties)
        usual = _EMBEDDED if attachment.message else _BY_VALUE if attachment.data is not None else 0
        method = given.setdefault(_ATTACH_METHOD, usual)
        if attachment.message is not None and (attachment.data is not None or method != _EMBEDDED):
            raise MessageRefused("holds a message, and data or a method that does not go with one")
        if attachment.message is None and (method == _EMBEDDED or (method == _OLE and attachment.data is None)):
            raise MessageRefused(f"lacks what its method {method} needs")
        given.setdefault(_RENDERING, -1)
        given[_ATTACH_SIZE] = 0
        if attachment.message is not None:
            if depth == MAX_DEPTH:
                raise LimitReached(f"more than {MAX_DEPTH} messages inside each other")
            nid = self._database.nids.take(NidType.NORMAL_MESSAGE)
            context.set_object(_ATTACH_OBJECT, nid, self.write(attachment.message, depth + 1).node)
        elif attachment.data is not None or method == _BY_VALUE:
            context.set(_ATTACH_OBJECT if method == _OLE else _ATTACH_DATA, attachment.data or b"")
        for tag, value in given.items():
            context.set(tag, value)
        context.amend(_ATTACH_SIZE, context.value_bytes)
        return context.finish(), context.cells(_ATTACHMENT_TAGS)


def checked_tag(tag: int) -> int:
    """A tag as given. Raises ValueRefused for ids that are no property's or belong to named properties."""
    if not isinstance(tag, int):
        raise ValueRefused("a property is given by its tag or as a NamedProperty")
    if not 0x00010000 <= tag <= 0x7FFFFFFF:
        raise ValueRefused("no tag of a property; those from 0x8000 on are given by name")
    return tag


def stored_subject(subject: str) -> str:
    """PidTagSubject as stored: U+0001, the length of the prefix plus one, the text ([MS-PST] 2.5.3.1.1.1)."""
    if subject.startswith("\x01"):
        return subject
    prefix = _PREFIX.match(subject)
    return f"\x01{chr(prefix.end() + 1 if prefix else 1)}{subject}"


@lru_cache(maxsize=64)
def _recipient_columns(tags: frozenset[int]) -> Columns:
    for tag in tags:
        checked_tag(tag)
    return RECIPIENT_TABLE.extended(tags)


def _cells(context: PropertyContext, node: Node, *, associated: bool) -> dict[int, bytes]:
    cells = context.cells(_ASSOC_TAGS if associated else _CONTENTS_TAGS)
    cells[MESSAGE_SIZE] = min(node.size, 0xFFFFFFFF).to_bytes(4, "little")
    if not associated:
        cells[_CONVERSATION_ID] = _conversation_id(context)
    return cells


def _conversation_id(context: PropertyContext) -> bytes:
    """PidTagConversationId as Outlook computes it for the row of every message ([MS-OXOMSG] 2.2.1.2; checked on samples)."""
    cells = context.cells((_INDEX, _INDEX_TRACKING, _TOPIC))
    index = cells.get(_INDEX, b"")
    if cells.get(_INDEX_TRACKING) == b"\1" and len(index) >= 22:
        return index[6:22]
    topic = cells.get(_TOPIC, b"").decode("utf-16-le")
    upper = "".join(big if len(big := letter.upper()) == 1 else letter for letter in topic)
    return hashlib.md5(encode(PropertyType.STRING, upper), usedforsecurity=False).digest()
