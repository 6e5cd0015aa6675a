"""What Graph says of a mail's attachments beside its MIME: links to files in the cloud, and which calendars and cards are items.

Rules of this file: pure. MIME has the bytes, so only what it cannot say is taken from here: a link is added (Q-072), and a
calendar or a card that Graph calls an attached item becomes a message inside (Q-071); all else stays as the MIME has it.
Source: reference/mapi-mapping.md §1.7; docs/formats.md (attachments of a record).
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from exporters.mail.compose.box import Box
from exporters.mail.compose.contact import contact_message
from exporters.mail.compose.event import event_message
from exporters.mail.compose.graph_attachments import attached_item, link
from exporters.mail.compose.graph_item import Item, listing, mapping
from exporters.mail.compose.losses import Losses
from exporters.pst import Attachment, Message

_LONG_NAME = 0x3707001F
_BEGINS = {"event": b"BEGIN:VCALENDAR", "contact": b"BEGIN:VCARD"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def with_listed(message: Message, record: Mapping[str, Any], box: Box, losses: Losses) -> Message:
    """The message with what its record says further of its attachments."""
    entries = [mapping(entry) for entry in listing(record.get("attachments"))]
    links = [entry for entry in entries if _kind(entry) == "referenceattachment"]
    items = [entry for entry in entries if _kind(entry) == "itemattachment"]
    if not (links or items):
        return message
    item = Item(dict(record), box, losses)
    found = list(message.attachments)
    for entry in items:
        graph = mapping(entry.get("item"))
        place = _place_of(found, item.line(entry.get("name"), "file name"), graph)
        if place is not None:
            raw, given = _bytes_of(found[place], _kind(graph)), item.line(entry.get("name"))
            inside = _of_json(graph, box, losses)
            found[place] = attached_item(item, entry, given, place + 1, raw, _EPOCH, 1, inside=inside)
    found += [
        link(item, entry, item.line(entry.get("name"), "file name"), number)
        for number, entry in enumerate(links, len(found) + 1)
    ]
    return replace(message, attachments=found)


def _of_json(graph: Mapping[str, Any], box: Box, losses: Losses) -> Message | None:
    """An attached event or contact that Graph gave as JSON, which says more than the calendar or card of it."""
    make = {"event": event_message, "contact": contact_message}.get(_kind(graph))
    if make is None:
        return None
    converted = make({"id": str(graph.get("id") or ""), "graph": dict(graph)}, box, _nothing)
    losses.extend(converted.losses)
    return converted.message


def _nothing(key: str) -> Iterable[bytes]:
    raise KeyError(key)  # what is attached to an attached item stands in the JSON itself


def _kind(entry: Mapping[str, Any]) -> str:
    return str(entry.get("@odata.type") or "").rpartition(".")[2].lower()


def _place_of(found: list[Attachment], name: str, graph: Mapping[str, Any]) -> int | None:
    """Which of the files an attached item is: of its kind, with its name, or with its subject inside."""
    kind = _kind(graph)
    files = [(place, _bytes_of(one, kind)) for place, one in enumerate(found) if one.message is None]
    title = str(graph.get("subject") or graph.get("displayName") or name)
    for place, data in files:
        if data and _bare(str(found[place].properties.get(_LONG_NAME) or "")) == _bare(name):
            return place
    return next((place for place, data in files if data and title and title.encode("utf-8", "replace") in data), None)


def _bare(name: str) -> str:
    return name.casefold().removesuffix(".ics").removesuffix(".vcf").strip()


def _bytes_of(attachment: Attachment, kind: str) -> bytes:
    """The bytes of a calendar (of an event) or a card (of a contact), empty for anything else."""
    data = attachment.data
    if not isinstance(data, bytes):
        return b""
    start = data[:200].lstrip(b"\xef\xbb\xbf \t\r\n").upper()
    return data if kind in _BEGINS and start.startswith(_BEGINS[kind]) else b""
