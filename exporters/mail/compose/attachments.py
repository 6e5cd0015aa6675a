"""Parts of a mail as attachments of a message.

Rules of this file: one attachment per part, in order, whatever its name. Messages inside are converted by the caller's function;
other parts of type message/* are kept as the bytes that they are. Large data is decoded when it is written.
Source: reference/mapi-mapping.md §1.7; [MS-OXCMSG] 2.2.2; quirks.md Q-071, Q-073, Q-084.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from exporters.mail.compose import names, payloads
from exporters.mail.compose.charsets import storable, unescaped
from exporters.mail.compose.dates import parsed
from exporters.mail.compose.headers import SUBJECT
from exporters.mail.compose.losses import Losses
from exporters.mail.compose.parsing import Entity, Source
from exporters.mail.compose.property_sets import Properties
from exporters.mail.compose.words import unfolded
from exporters.pst import Attachment, Message, NamedProperty, Value

_LONG_NAME, _NAME, _EXTENSION, _SHOWN = 0x3707001F, 0x3704001F, 0x3703001F, 0x3001001F
_MIME_TAG, _CONTENT_ID, _LOCATION, _BASE = 0x370E001F, 0x3712001F, 0x3713001F, 0x3711001F
_FLAGS, _HIDDEN, _CREATED, _MODIFIED = 0x37140003, 0x7FFE000B, 0x30070040, 0x30080040
_REFERENCED = 4
_MAX_KIND = 255
EMBEDDED = frozenset({"message/rfc822", "message/global"})
_REPORTS = frozenset({"message/delivery-status", "message/global-delivery-status", "message/disposition-notification"})
_NOTED = {"message/external-body": "external-body", "message/partial": "partial-message"}

Embed = Callable[[Source, Entity], Message | None]


class Shown(NamedTuple):
    """What the HTML body refers to: content ids and locations."""

    ids: frozenset[str]
    locations: frozenset[str]


def attachments(source: Source, files: list[Entity], shown: Shown, embed: Embed, losses: Losses) -> list[Attachment]:
    """The attachments of a message. `embed` converts a message inside, or gives None if it must stay a file."""
    return [_attachment(source, part, number, shown, embed, losses) for number, part in enumerate(files, 1)]


def is_protected(properties: Mapping[int | NamedProperty, Value]) -> bool:
    """Whether an attachment is a rights-managed mail (message.rpmsg)."""
    return "rpmsg" in str(properties[_MIME_TAG]) or str(properties[_LONG_NAME]).lower().endswith(".rpmsg")


def size_hint(files: list[Entity]) -> int:
    """About how many bytes the attachments that are decoded later will take."""
    return sum(len(part.text) for part in files if len(part.text) > payloads.LAZY)


def named(name: str, kind: str) -> Properties:
    """The properties of an attachment that has a name and a type."""
    found: Properties = {_LONG_NAME: name, _NAME: name, _SHOWN: name, _MIME_TAG: kind}
    extension = names.extension(name)
    if extension:
        found[_EXTENSION] = extension
    return found


def _attachment(source: Source, part: Entity, number: int, shown: Shown, embed: Embed, losses: Losses) -> Attachment:
    kind = part.get_content_type()
    given = names.given(part, losses)
    if kind in EMBEDDED:
        message = _embedded(source, part, embed)
        if message is not None:
            return _with_message(message, part, given, number, kind, losses)
        losses.add("too-deep", f"attachment {number}")
    if kind in _NOTED:
        losses.add(_NOTED[kind], f"attachment {number}")
    if not given and kind in _REPORTS:
        given = "details.txt"
    name = names.file_name(given, number, kind, losses)
    properties = named(name, _clean_kind(kind, losses))
    _set_details(part, properties, shown, losses)
    if is_protected(properties):
        losses.add("irm", f"attachment {number}")
    if kind.startswith("message/") or part.parts:
        return Attachment(properties, payloads.apply(source.body(part), payloads.encoding(part)))
    return Attachment(properties, payloads.data_of(part, losses))


def _embedded(source: Source, part: Entity, embed: Embed) -> Message | None:
    encoding = payloads.encoding(part).strip()
    if encoding in ("base64", "quoted-printable"):  # forbidden, but common: `email` took the code for the message
        raw = source.body(part)
        data = payloads.apply(raw, encoding)
        if encoding == "base64" or data != raw:
            inner = Source(data)
            return embed(inner, inner.root)
    return embed(source, part.parts[0]) if part.parts else None


def _with_message(message: Message, part: Entity, given: str, number: int, kind: str, losses: Losses) -> Attachment:
    """Method 5: shown under the subject of the message inside; a file name only if the part has one."""
    subject = message.properties.get(SUBJECT)
    title = subject if isinstance(subject, str) else ""
    quiet = Losses()  # a name made from the subject is no loss
    name = names.file_name(given, number, kind, losses) if given else names.file_name(title, number, kind, quiet)
    properties: Properties = {_NAME: name, _LONG_NAME: name, _SHOWN: title or name, _MIME_TAG: kind}
    _set_details(part, properties, Shown(frozenset(), frozenset()), losses)
    return Attachment(properties, message=message)


def _clean_kind(kind: str, losses: Losses) -> str:
    return storable(unescaped(kind), losses, "content type")[:_MAX_KIND]


def _set_details(part: Entity, properties: Properties, shown: Shown, losses: Losses) -> None:
    fields = part.fields
    referenced = False
    if "content-id" in fields:
        content_id = _line(fields["content-id"], losses).strip("<> ")
        if content_id:
            properties[_CONTENT_ID] = content_id
            referenced = content_id in shown.ids
    if "content-location" in fields:
        location = "".join(_line(fields["content-location"], losses).split())
        if location:
            properties[_LOCATION] = location
            referenced = referenced or location in shown.locations
    if "content-base" in fields:
        properties[_BASE] = _line(fields["content-base"], losses)
    properties[_FLAGS] = _REFERENCED if referenced else 0
    properties[_HIDDEN] = referenced
    for tag, moment in _dates(part):
        properties[tag] = moment


def _dates(part: Entity) -> Iterator[tuple[int, datetime]]:
    value = part.fields.get("content-disposition", "")
    if "-date" not in value:
        return
    for tag, name in ((_CREATED, "creation-date"), (_MODIFIED, "modification-date")):
        moment = parsed(part.disposition.plain(name))
        if moment is not None:
            yield tag, moment


def _line(value: str, losses: Losses) -> str:
    return storable(unescaped(unfolded(value)).strip(), losses, "attachment header")
