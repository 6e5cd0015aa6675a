"""From elements to a message: its properties, recipients, attachments, and the messages inside, all the way down.

Rules of this file: pure. Sub-objects may come in any order of their kinds, and note what is not as it should be; an object that
ends without having begun, or is still open at the end, refuses the whole: a part of an item is none.
Source: reference/fasttransfer.md 3, 6; MS-OXCFXICS 2.2.4.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, TypeAlias

from exporters.mail.compose import fasttransfer as ft
from exporters.mail.compose.fasttransfer import Elements, Joined, Marker, Name, Property
from exporters.mail.compose.losses import Losses
from exporters.mail.compose.stream_errors import StreamFailed, StreamLimit, StreamRefused, StreamTruncated

MAX_DEPTH = 32
Key: TypeAlias = int | Name
"""The number of a property, or its name."""
Properties: TypeAlias = dict[Key, Property]
_NAMES = {
    ft.END_RECIP: "EndToRecip", ft.END_ATTACH: "EndAttach", ft.END_EMBED: "EndEmbed", ft.END_MESSAGE: "EndMessage",
    ft.START_RECIP: "StartRecip", ft.NEW_ATTACH: "NewAttach", ft.START_EMBED: "StartEmbed", ft.START_MESSAGE: "StartMessage",
    ft.START_FAI: "StartFAIMsg", ft.ERROR_INFO: "FXErrorInfo",
}  # fmt: skip


@dataclass
class Content:
    """A message. `start`, `end`: where its properties begin and its last part ends, in bytes of the stream."""

    properties: Properties = field(default_factory=dict)
    recipients: list[Properties] = field(default_factory=list)
    attachments: list["Part"] = field(default_factory=list)
    is_associated: bool = False
    start: int = 0
    end: int = 0


@dataclass
class Part:
    """An attachment."""

    properties: Properties = field(default_factory=dict)
    message: Content | None = None


@dataclass(frozen=True)
class Parsed:
    """A whole item. version: of the server that wrote it, three numbers as they stand in the container."""

    content: Content
    version: tuple[int, int, int] | None
    joined: Joined


def parse(file: BinaryIO, losses: Losses) -> Parsed:
    """An item from a container. The file must stay open for as long as large values are read.

    Raises StreamUndecodable, StreamTruncated, StreamFailed, StreamLimit.
    """
    joined = Joined(file, losses)
    return Parsed(_Parser(joined, losses).item(), joined.version, joined)


class _Parser:
    def __init__(self, joined: Joined, losses: Losses) -> None:
        self._elements = Elements(joined)
        self._end = joined.size
        self._losses = losses
        self._found: Iterator[Marker | Property] = self._without_meta()

    def _without_meta(self) -> Iterator[Marker | Property]:
        """Markers and properties; what is said about the stream itself is noted here."""
        for element in self._elements:
            if isinstance(element, Marker):
                if element.value == ft.ERROR_INFO:
                    raise StreamFailed("the service says that it failed (FXErrorInfo)", offset=element.at)
                yield element
            elif element.pid not in ft.META:
                yield element
            elif element.pid in (ft.PARTIAL, ft.GROUP):
                raise StreamFailed("it is a part of an item only", offset=element.at)
            elif element.pid == ft.WARNING:
                code = element.value if isinstance(element.value, int) else 0
                self._losses.add("ft-warning", f"error code 0x{code & 0xFFFFFFFF:08X}")

    def item(self) -> Content:
        content = Content()
        wrapped = self._fill(content, None, 0)
        if wrapped is not None:
            if content.properties or content.recipients or content.attachments:
                raise self._misplaced(wrapped)
            content.is_associated = wrapped.value == ft.START_FAI
            self._fill(content, ft.END_MESSAGE, 0)
            behind = next(self._found, None)
            if behind is not None:
                raise self._elements.refused("something stands behind the end of the message", behind.at)
        return content

    def _fill(self, content: Content, end: int | None, depth: int) -> Marker | None:
        """Read a message up to its end marker. None for the end; where no marker is expected, also the one of a wrapper."""
        for element in self._found:
            if isinstance(element, Property):
                if content.recipients or content.attachments:
                    self._losses.add("ft-order", f"{described(element)} comes after recipients or attachments")
                self._add(content.properties, element)
            elif element.value == ft.START_RECIP:
                content.recipients.append(self._recipient())
            elif element.value == ft.NEW_ATTACH:
                content.attachments.append(self._attachment(depth))
            elif element.value == end:
                content.end = element.at
                return None
            elif end is None and element.value in (ft.START_MESSAGE, ft.START_FAI):
                return element
            else:
                raise self._misplaced(element)
        if end is not None:
            raise self._cut(f"before {_NAMES[end]}")
        content.end = self._end
        return None

    def _recipient(self) -> Properties:
        properties: Properties = {}
        for element in self._found:
            if isinstance(element, Property):
                self._add(properties, element)
            elif element.value == ft.END_RECIP:
                return properties
            else:
                raise self._misplaced(element)
        raise self._cut("inside a recipient")

    def _attachment(self, depth: int) -> Part:
        part = Part()
        for element in self._found:
            if isinstance(element, Property):
                if part.message is not None:
                    self._losses.add("ft-order", f"{described(element)} comes after the message of its attachment")
                self._add(part.properties, element)
            elif element.value == ft.START_EMBED and part.message is None:
                if depth == MAX_DEPTH:
                    raise StreamLimit(f"more than {MAX_DEPTH} messages inside each other", offset=element.at)
                part.message = Content(start=element.at + 4)
                self._fill(part.message, ft.END_EMBED, depth + 1)
            elif element.value == ft.END_ATTACH:
                return part
            else:
                raise self._misplaced(element)
        raise self._cut("inside an attachment")

    def _add(self, properties: Properties, found: Property) -> None:
        key: Key = found.pid if found.name is None else found.name
        if key in properties:
            self._losses.add("ft-duplicate", f"{described(found)} comes twice, the last value is kept")
        properties[key] = found

    def _misplaced(self, marker: Marker) -> StreamRefused:
        return self._elements.refused(f"{_NAMES[marker.value]} does not belong there", marker.at)

    def _cut(self, where: str) -> StreamTruncated:
        return StreamTruncated(f"the stream ends {where}", offset=self._end)


def described(found: Property) -> str:
    """A property by its number, or its name: never its value."""
    if found.name is None:
        return f"property 0x{found.pid << 16 | found.kind:08X}"
    name = found.name.name
    return f"property {{{found.name.property_set}}}:{name if isinstance(name, str) else f'0x{name:04X}'}"
