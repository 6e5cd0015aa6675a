"""Mails that have no MIME: those whose MIME the service refuses, and the posts of group mailboxes.

Rules of this file: pure but for `open_bytes`. State comes from message_facts.py as for any mail; content from the JSON. The
transport headers and the sender's own properties are taken where the service served them.
Source: reference/mapi-mapping.md §1; docs/formats.md (records); quirks.md Q-074, Q-075.
"""

from datetime import datetime

from exporters.mail.compose.addresses import Address
from exporters.mail.compose.box import Box
from exporters.mail.compose.extended_properties import by_id, extended
from exporters.mail.compose.facts import Facts
from exporters.mail.compose.graph_attachments import graph_attachments, size_hint
from exporters.mail.compose.graph_body import body_of, set_body
from exporters.mail.compose.graph_item import (
    CREATED,
    IMPORTANCE,
    MODIFIED,
    PRIORITY,
    SENSITIVITY,
    SUBJECT,
    Item,
    Record,
    listing,
    mapping,
)
from exporters.mail.compose.graph_people import person, persons
from exporters.mail.compose.headers import EPOCH, conversation_index, with_crlf, without_prefix
from exporters.mail.compose.message_facts import DELIVERED, SUBMITTED, facts_of
from exporters.mail.compose.mime import Converted
from exporters.mail.compose.people import received_by, set_people
from exporters.mail.compose.plain_item import CLASS, HAS_ATTACHMENTS, MESSAGE_FLAGS
from exporters.mail.compose.property_sets import KEYWORDS, SIDE_EFFECTS, overlay
from exporters.mail.compose.stored_bytes import OpenBytes
from exporters.pst import Message

_TOPIC, _INDEX, _HEADERS, _SEARCH_KEY = 0x0070001F, 0x00710102, 0x007D001F, 0x300B0102
_MESSAGE_ID, _IN_REPLY_TO, _REFERENCES = 0x1035001F, 0x1042001F, 0x1039001F
_READ, _DRAFT, _FROM_ME = 0x01, 0x08, 0x20


def refused_message(
    record: Record, box: Box, open_bytes: OpenBytes, *, sent_items: bool = False, search_key: bytes | None = None
) -> Converted:
    """A mail of a line of `records.jsonl` that has no MIME, from its JSON and its attachments.

    `sent_items`, `search_key` as for `message_facts`. Raises what `open_bytes` raises for the bytes of an attached item;
    MimeRefused. Files are read when the message is written.
    """
    item = Item(record, box)
    item.losses.add("mime-refused", item.line(record.get("code")) or "no MIME")
    facts = facts_of(item.graph, box, item.losses, sent_items=sent_items, search_key=search_key, label=item.id)
    if facts.is_draft:
        item.losses.add("draft-partial", "an unsent draft")
    message = _message(item, facts, persons(item), open_bytes, item.title(item.graph.get("subject")), "IPM.Note")
    return Converted(message, item.losses.all())


def post_message(
    record: Record, box: Box, open_bytes: OpenBytes, *, topic: str = "", search_key: bytes | None = None
) -> Converted:
    """A post of a group's thread, of a line of `posts-….jsonl`. `topic`: of its thread, where the post does not name it itself.

    Without one, the name of the folder that stands for the thread is taken. Raises as `refused_message`.
    """
    item = Item(record, box)
    graph = item.graph
    facts = facts_of(graph, box, item.losses, search_key=search_key, label=item.id)
    found = persons(item)
    added = [one for value in listing(graph.get("newParticipants")) if (one := person(item, value)) is not None]
    if added:
        found["to"] = [*found.get("to", ()), *added]
    folder = listing(record.get("folder"))
    title = item.title(graph.get("subject")) or item.title(graph.get("topic")) or item.title(topic)
    title = title or (item.title(folder[-1]) if folder else "")
    message = _message(item, facts, found, open_bytes, title, "IPM.Post")
    return Converted(message, item.losses.all())


def _message(
    item: Item, facts: Facts, found: dict[str, list[Address]], open_bytes: OpenBytes, title: str, usual_class: str
) -> Message:
    properties = item.properties
    more = extended(item.graph, item.losses)
    properties[CLASS] = facts.message_class or usual_class
    properties[SIDE_EFFECTS] = 0
    item.tag(SUBJECT, title)
    item.tag(_TOPIC, without_prefix(title))
    for name, tag in (("internetMessageId", _MESSAGE_ID),):
        item.tag(tag, item.line(item.graph.get(name), name))
    _set_headers(item, by_id(more, _HEADERS >> 16))
    level = 1 if facts.importance is None else facts.importance
    properties.update({IMPORTANCE: level, PRIORITY: level - 1, SENSITIVITY: 0})
    if facts.categories:
        properties[KEYWORDS] = tuple(facts.categories)
    people = set_people(found, facts.own_addresses, is_draft=facts.is_draft, properties=properties, losses=item.losses)
    from_me = people.from_me if facts.from_me is None else facts.from_me
    if facts.own_addresses and not from_me and not facts.is_draft:
        received_by(next(iter(facts.own_addresses)), properties)
    delivered = _set_times(item, facts)
    body = body_of(item, item.graph.get("body"))
    set_body(item, body)
    files = graph_attachments(item, open_bytes, body.html, delivered)
    flags = _READ * facts.is_read | _DRAFT * facts.is_draft | _FROM_ME * from_me
    properties[MESSAGE_FLAGS] = flags | facts.more_flags
    properties[HAS_ATTACHMENTS] = bool(files)
    properties[_SEARCH_KEY] = item.search_key(facts.search_key)
    overlay(properties, facts.properties)
    properties[_INDEX] = conversation_index(facts, facts.sent or delivered, properties)
    return Message(properties, people.rows, files, label=facts.label, size_hint=size_hint(item))


def _set_headers(item: Item, block: object) -> None:
    """The header block, as served whole or as a list of lines; and the identifiers in it."""
    lines = [mapping(one) for one in listing(item.graph.get("internetMessageHeaders"))]
    pairs = [(item.line(one.get("name")), item.line(one.get("value"), "header")) for one in lines]
    if isinstance(block, str) and block.strip():
        item.tag(_HEADERS, with_crlf(item.text(block, "headers")))
    elif pairs:
        item.tag(_HEADERS, "".join(f"{name}: {value}\r\n" for name, value in pairs if name))
    for name, tag in (("in-reply-to", _IN_REPLY_TO), ("references", _REFERENCES)):
        item.tag(tag, next((" ".join(value.split()) for field, value in pairs if field.lower() == name), ""))


def _set_times(item: Item, facts: Facts) -> datetime:
    """Submission, delivery, creation and modification; the delivery time."""
    if facts.sent is not None and not facts.is_draft:
        item.tag(SUBMITTED, facts.sent)
    delivered = facts.received or facts.sent
    if delivered is None:
        known = (("created", facts.created), ("modified", facts.modified), ("none", EPOCH))
        name, delivered = next((name, moment) for name, moment in known if moment is not None)
        item.losses.add("date-fallback", f"delivery time from: {name}")
    item.tag(DELIVERED, delivered)
    item.tag(CREATED, facts.created)
    item.tag(MODIFIED, facts.modified)
    return delivered
