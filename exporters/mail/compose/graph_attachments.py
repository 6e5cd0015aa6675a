"""Attachments of an item of Graph, whose bytes lie in the bag, as attachments of its message.

Rules of this file: pure but for `open_bytes`, which gives the bytes of a key; files are read when the writer asks for them, one
at a time; attached items are read whole. One attachment an entry, in order, whatever its name (Q-073); what the service refused
is a text that says so, with a loss. An attached mail, event or contact becomes a message inside (Q-071); a link
stays a link (Q-072).
Source: reference/mapi-mapping.md §1.7; docs/formats.md (attachments of a record); quirks.md Q-071 to Q-073.
"""

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from exporters.mail.compose import html, names
from exporters.mail.compose.attached_calendar import attached_event
from exporters.mail.compose.attached_card import attached_contact
from exporters.mail.compose.attachments import named
from exporters.mail.compose.graph_item import MODIFIED, SUBJECT, Item, listing, mapping
from exporters.mail.compose.losses import Losses
from exporters.mail.compose.mime import embedded
from exporters.mail.compose.property_sets import ATTACHMENT, STRING, Properties
from exporters.mail.compose.stored_bytes import OpenBytes, Stored
from exporters.pst import Attachment, Message, NamedProperty

METHOD, FLAGS, HIDDEN = 0x37050003, 0x37140003, 0x7FFE000B
_CONTENT_ID, _LOCATION, _PATH = 0x3712001F, 0x3713001F, 0x370D001F
_BY_WEB_REFERENCE, _REFERENCED = 7, 4
_PROVIDER = NamedProperty(ATTACHMENT, "AttachmentProviderType", STRING)
_PROVIDERS = {"onedrivebusiness": "OneDrivePro", "onedriveconsumer": "OneDriveConsumer", "dropbox": "Dropbox"}
_MAX_KIND = 255


def graph_attachments(
    item: Item, open_bytes: OpenBytes, body: str, fallback: datetime, *, depth: int = 1
) -> list[Attachment]:
    """The attachments of an item's record. `body`: its HTML, for what it shows. `fallback`: the date of mails inside without one.

    `depth`: of messages inside the item. Raises what `open_bytes` raises for the bytes of an attached item; MimeRefused.
    """
    shown = html.references(body) if body else frozenset[str]()
    entries = listing(item.record.get("attachments"))
    return [
        _attachment(item, mapping(entry), number, open_bytes, shown, fallback, depth)
        for number, entry in enumerate(entries, 1)
    ]


def size_hint(item: Item) -> int:
    """About how many bytes the attachments take that are read later."""
    sizes = [mapping(entry).get("size") for entry in listing(item.record.get("attachments"))]
    return sum(size for size in sizes if isinstance(size, int) and size > 0)


def _attachment(
    item: Item,
    entry: Mapping[str, Any],
    number: int,
    open_bytes: OpenBytes,
    shown: frozenset[str],
    fallback: datetime,
    depth: int,
) -> Attachment:
    kind = item.line(entry.get("@odata.type")).rpartition(".")[2].lower()
    given, key = item.line(entry.get("name"), "file name"), entry.get("key")
    if kind == "referenceattachment":
        return link(item, entry, given, number)
    data = _inline(entry) if not isinstance(key, str) else None
    if data is None and not isinstance(key, str):
        return _refused(item, entry, given, number)
    if kind == "itemattachment":
        raw = data if data is not None else b"".join(open_bytes(str(key)))
        return attached_item(item, entry, given, number, raw, fallback, depth)
    content_type = item.line(entry.get("contentType"), "content type").partition(";")[0].strip().lower()
    content_type = content_type[:_MAX_KIND] or "application/octet-stream"
    properties = named(names.file_name(given, number, content_type, item.losses), content_type)
    _set_details(item, entry, properties, shown)
    if data is not None:
        return Attachment(properties, data)
    return Attachment(properties, b"" if entry.get("size") == 0 else Stored(open_bytes, str(key)))


def _inline(entry: Mapping[str, Any]) -> bytes | None:
    """Bytes that stand in the JSON itself."""
    content = entry.get("contentBytes")
    try:
        return base64.b64decode(content, validate=True) if isinstance(content, str) else None
    except (binascii.Error, ValueError):
        return None


def _set_details(item: Item, entry: Mapping[str, Any], properties: Properties, shown: frozenset[str]) -> None:
    content_id = item.line(entry.get("contentId"), "content id").strip("<> ")
    location = item.line(entry.get("contentLocation"), "content location")
    if content_id:
        properties[_CONTENT_ID] = content_id
    if location:
        properties[_LOCATION] = location
    referenced = content_id in shown
    properties[FLAGS] = _REFERENCED if referenced else 0
    properties[HIDDEN] = referenced
    modified = item.time(entry.get("lastModifiedDateTime"), "attachment")
    if modified is not None:
        properties[MODIFIED] = modified


def link(item: Item, entry: Mapping[str, Any], given: str, number: int) -> Attachment:
    """A link to a file in the cloud: it has no bytes, and is never lost for it."""
    properties = named(names.file_name(given, number, "", item.losses), "")
    properties = {key: value for key, value in properties.items() if value != ""}
    properties[METHOD] = _BY_WEB_REFERENCE
    url = item.line(entry.get("sourceUrl"), "link")
    if url:
        properties[_PATH] = url
    else:
        item.losses.add("reference-no-url", f"attachment {number}")
    provider = item.line(entry.get("providerType"))
    if provider:
        properties[_PROVIDER] = _PROVIDERS.get(provider.lower(), provider)
    _set_details(item, entry, properties, frozenset())
    return Attachment(properties)


def _refused(item: Item, entry: Mapping[str, Any], given: str, number: int) -> Attachment:
    """What the service did not give: a text under the name of the file, that says so."""
    code = item.line(entry.get("code")) or "no content"
    item.losses.add("attachment-unreadable", f"attachment {number}: {code}")
    properties = named(names.file_name(given, number, "text/plain", item.losses), "text/plain")
    _set_details(item, entry, properties, frozenset())
    text = f"This attachment could not be read when the mailbox was copied ({code}).\r\nIts contents are not in this file.\r\n"
    return Attachment(properties, text.encode())


def attached_item(
    item: Item,
    entry: Mapping[str, Any],
    given: str,
    number: int,
    raw: bytes,
    fallback: datetime,
    depth: int,
    *,
    inside: Message | None = None,
) -> Attachment:
    """An attached mail, event or contact: what `/$value` gave for it, as a message inside. inside: where that is made already."""
    start = raw[:200].lstrip(b"\xef\xbb\xbf \t\r\n").upper()
    message: Message | None
    if inside is not None:
        message, kind = inside, "text/vcard" if start.startswith(b"BEGIN:VCARD") else "text/calendar"
    elif start.startswith(b"BEGIN:VCALENDAR"):
        message, kind = attached_event(raw, item.box, item.losses), "text/calendar"
    elif start.startswith(b"BEGIN:VCARD"):
        message, kind = attached_contact(raw, item.box, item.losses), "text/vcard"
    else:
        message, kind = embedded(raw, item.losses, fallback, depth=depth), "message/rfc822"
    if message is None:  # nothing that could be read as an item: the file as it is
        ending = names.extension_for(kind)
        named_so = given if given.lower().endswith(ending) or not given else given + ending
        properties = named(names.file_name(named_so, number, kind, item.losses), kind)
        _set_details(item, entry, properties, frozenset())
        return Attachment(properties, raw)
    subject = message.properties.get(SUBJECT)
    title = given or (subject if isinstance(subject, str) else "")
    properties = named(names.file_name(title, number, kind, Losses()), kind)  # a name made from the subject is no loss
    properties[0x3001001F] = (subject if isinstance(subject, str) else "") or title or f"attachment-{number}"
    _set_details(item, entry, properties, frozenset())
    return Attachment(properties, message=message)
