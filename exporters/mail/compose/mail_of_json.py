"""The message of a mail that has no MIME, from its JSON: what refused.py and post.py have in common.

Rules of this file: pure but for `open_bytes`. State comes from message_facts.py as for any mail; content from the JSON. The
transport headers are taken where the service served them; an SMTP address that it names beside one of the old organisation wins.
Source: reference/mapi-mapping.md §1; quirks.md Q-075.
"""

from datetime import datetime

from exporters.mail.compose.addresses import Address
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
    listing,
    mapping,
)
from exporters.mail.compose.headers import EPOCH, conversation_index, with_crlf, without_prefix
from exporters.mail.compose.message_facts import DELIVERED, SUBMITTED
from exporters.mail.compose.people import received_by, set_people
from exporters.mail.compose.plain_item import CLASS, HAS_ATTACHMENTS, MESSAGE_FLAGS
from exporters.mail.compose.property_sets import KEYWORDS, SIDE_EFFECTS, Properties, overlay
from exporters.mail.compose.stored_bytes import OpenBytes
from exporters.pst import Message

_TOPIC, _INDEX, _HEADERS, _SEARCH_KEY = 0x0070001F, 0x00710102, 0x007D001F, 0x300B0102
_MESSAGE_ID, _IN_REPLY_TO, _REFERENCES = 0x1035001F, 0x1042001F, 0x1039001F
_SENDER_SMTP, _FROM_SMTP = 0x5D01, 0x5D02
_READ, _DRAFT, _FROM_ME = 0x01, 0x08, 0x20


def mail_of_json(
    item: Item, facts: Facts, found: dict[str, list[Address]], open_bytes: OpenBytes, *, title: str, usual_class: str
) -> Message:
    """The message. `found`: its persons by field; `usual_class`: where the service names none.

    Raises what `open_bytes` raises for the bytes of an attached item; MimeRefused.
    """
    properties = item.properties
    more = extended(item.graph, item.losses)
    _prefer_smtp(found, more)
    properties[CLASS] = facts.message_class or usual_class
    properties[SIDE_EFFECTS] = 0
    item.tag(SUBJECT, title)
    item.tag(_TOPIC, without_prefix(title))
    item.tag(_MESSAGE_ID, item.line(item.graph.get("internetMessageId"), "internetMessageId"))
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


def _prefer_smtp(found: dict[str, list[Address]], more: Properties) -> None:
    """An X.500 name is of no use outside of the tenant."""
    for field, tag in (("sender", _SENDER_SMTP), ("from", _FROM_SMTP)):
        smtp = by_id(more, tag)
        people = found.get(field, [])
        if people and people[0].kind == "EX" and isinstance(smtp, str) and "@" in smtp:
            found[field] = [Address(people[0].name, smtp), *people[1:]]
