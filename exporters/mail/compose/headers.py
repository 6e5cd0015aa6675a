"""Headers of a mail as properties: subject, identifiers, conversation, importance, dates, and the block itself.

Rules of this file: a header that is absent gives no property; values are storable; facts win. Persons are in people.py.
Source: reference/mapi-mapping.md §0, §1.1, §1.4; [MS-OXCMAIL] 2.2.3 for Keywords, receipts, Expires and Reply-By.
"""

import base64
import binascii
import hashlib
import re
from datetime import UTC, datetime
from uuid import UUID

from exporters.mail.compose.charsets import header_bytes, storable, unescaped
from exporters.mail.compose.dates import FIRST, LAST, parsed
from exporters.mail.compose.facts import Facts
from exporters.mail.compose.losses import Losses
from exporters.mail.compose.parsing import Entity
from exporters.mail.compose.property_sets import Properties
from exporters.mail.compose.words import text_of, unfolded
from exporters.pst import NamedProperty, filetime

INET = UUID("00020386-0000-0000-c000-000000000046")
_PUBLIC = UUID("00020329-0000-0000-c000-000000000046")
COMMON = UUID("00062008-0000-0000-c000-000000000046")
SUBJECT, DELIVERY_TIME, SUBMIT_TIME = 0x0037001F, 0x0E060040, 0x00390040
_TOPIC, _INDEX, _HEADERS = 0x0070001F, 0x00710102, 0x007D001F
_CREATED, _MODIFIED, _EXPIRES, _REPLY_BY = 0x30070040, 0x30080040, 0x00150040, 0x00300040
_IMPORTANCE, _PRIORITY, _SENSITIVITY = 0x00170003, 0x00260003, 0x00360003
_IDS = (("message-id", 0x1035001F), ("in-reply-to", 0x1042001F), ("references", 0x1039001F))
_KEYWORDS = NamedProperty(_PUBLIC, "Keywords", 0x101F)
_PRIVATE = NamedProperty(COMMON, 0x8506, 0x000B)
# Headers that Outlook looks at, beside those that have a property of their own
_NAMED = tuple(
    (name, NamedProperty(INET, name, 0x001F))
    for name in ("x-mailer", "acceptlanguage", "content-class", "list-unsubscribe", "x-priority")
)
_LEVELS = {"high": 2, "urgent": 2, "normal": 1, "low": 0, "non-urgent": 0, "1": 2, "2": 2, "3": 1, "4": 0, "5": 0}
_SENSITIVITIES = {"personal": 1, "private": 2, "company-confidential": 3, "confidential": 3}
_PREFIX = re.compile(r"\A[^\W\d_]{1,3}:\s")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def subject(entity: Entity, losses: Losses) -> str:
    """The subject as people read it; "" if there is none."""
    value = entity.fields.get("subject")
    if value is None:
        return ""
    text = text_of(value, losses, "subject").strip()
    if text.startswith("\x01"):  # would be read as the mark of a prefix
        losses.add("text-replaced", "subject")
        text = "\ufffd" + text[1:]
    return text


def set_texts(entity: Entity, facts: Facts, properties: Properties, losses: Losses) -> None:
    """Subject, topic, identifiers, importance and what else is text; the conversation index is set by set_times."""
    fields = entity.fields
    title = subject(entity, losses)
    if title:
        properties[SUBJECT] = title
    topic = text_of(fields["thread-topic"], losses, "thread topic").strip() if "thread-topic" in fields else ""
    topic = topic or without_prefix(title)
    if topic:
        properties[_TOPIC] = topic
    for name, tag in _IDS:
        if name in fields and (value := _line(fields[name], losses, name)):
            properties[tag] = value
    _set_levels(fields, facts, properties)
    if "disposition-notification-to" in fields and (facts.is_read or facts.is_draft):
        properties[0x0029000B] = True  # on an unread mail, readers would send a receipt
    if "return-receipt-to" in fields:
        properties[0x0023000B] = True
    for name, key in _NAMED:
        if name in fields and (value := _line(fields[name], losses, name)):
            properties[key] = value
    categories = _keywords(entity, losses) if facts.categories is None else list(facts.categories)
    if categories:
        properties[_KEYWORDS] = categories


def without_prefix(title: str) -> str:
    """A subject without one `RE:` and the like."""
    return _PREFIX.sub("", title, count=1)


def _line(value: str, losses: Losses, where: str) -> str:
    """An identifier: one line, blanks between parts, no encoded words."""
    return storable(" ".join(unescaped(unfolded(value)).split()), losses, where)


def _keywords(entity: Entity, losses: Losses) -> list[str]:
    value = entity.fields.get("keywords", "")
    if "keywords" in entity.repeated:  # RFC 5322 section 3.6 allows any number of them
        value = ",".join(text for name, text in entity.raw_items() if name.lower() == "keywords")
    words = text_of(value, losses, "keywords").split(",")
    return [word.strip() for word in words if word.strip()]


def _set_levels(fields: dict[str, str], facts: Facts, properties: Properties) -> None:
    level = facts.importance
    if level is None:
        for name in ("importance", "x-priority", "x-msmail-priority", "priority"):
            value = fields.get(name)
            if value is not None and (level := _LEVELS.get(value.strip().lower().partition(" ")[0])) is not None:
                break
    level = 1 if level is None else level
    properties[_IMPORTANCE] = level
    properties[_PRIORITY] = level - 1
    sensitivity = _SENSITIVITIES.get(fields.get("sensitivity", "").strip().lower(), 0)
    properties[_SENSITIVITY] = sensitivity
    if sensitivity >= 2:
        properties[_PRIVATE] = True


def set_times(entity: Entity, facts: Facts, fallback: datetime, properties: Properties, losses: Losses) -> datetime:
    """Submission and delivery (always), creation, modification, conversation index; the delivery time.

    `fallback`: for a mail without any date (embedded: the outer mail's).
    """
    sent = _usable(facts.sent, losses) or _dated(entity, "date", losses)
    if sent is not None and not facts.is_draft:
        properties[SUBMIT_TIME] = sent
    created, modified = _usable(facts.created, losses), _usable(facts.modified, losses)
    delivered = _usable(facts.received, losses) or sent
    if delivered is None:
        stamp = entity.fields.get("received", "").rpartition(";")[2]
        for name, moment in (
            ("Received", parsed(stamp)),
            ("created", created),
            ("modified", modified),
            ("none", fallback),
        ):
            if moment is not None:
                losses.add("date-fallback", f"delivery time from: {name}")
                delivered = moment
                break
    delivered = delivered or fallback
    properties[DELIVERY_TIME] = delivered
    for tag, moment in ((_CREATED, created), (_MODIFIED, modified)):
        if moment is not None:
            properties[tag] = moment
    for tag, names in ((_EXPIRES, ("expires", "expiry-date")), (_REPLY_BY, ("reply-by",))):
        found = next((moment for name in names if (moment := _dated(entity, name, losses)) is not None), None)
        if found is not None:
            properties[tag] = found
    properties[_INDEX] = _index(entity, facts, sent or delivered, properties)
    return delivered


def _usable(moment: datetime | None, losses: Losses) -> datetime | None:
    """Year 1 means "not set" (Q-076)."""
    if moment is None or moment.year == 1:
        return None
    if FIRST <= moment <= LAST:
        return moment
    losses.add("date-unreadable", moment.isoformat())
    return None


def _dated(entity: Entity, name: str, losses: Losses) -> datetime | None:
    value = entity.fields.get(name)
    if value is None:
        return None
    moment = parsed(unfolded(value))
    if moment is None and value.strip():
        losses.add("date-unreadable", f"{name}: {unescaped(value).strip()[:60]!a}")
    return moment


def _index(entity: Entity, facts: Facts, moment: datetime, properties: Properties) -> bytes:
    """The conversation index: given, or of the header, or its first block alone; replies are never invented."""
    value = entity.fields.get("thread-index")
    if value is not None and not facts.conversation_index:
        try:
            index = base64.b64decode("".join(value.split()), validate=True)
        except (binascii.Error, ValueError):
            index = b""
        if len(index) >= 22 and index[0] == 1:
            return index
    return conversation_index(facts, moment, properties)


def conversation_index(facts: Facts, moment: datetime, properties: Properties) -> bytes:
    """The conversation index of a mail without such a header: given, or its first block alone."""
    if facts.conversation_index:
        return facts.conversation_index
    return filetime(moment).to_bytes(8, "big")[:6] + _conversation(facts, properties)


def _conversation(facts: Facts, properties: Properties) -> bytes:
    """16 bytes that the mails of a thread share as far as one can tell: of the first identifier that they have in common."""
    if facts.conversation_id:
        return hashlib.sha256(facts.conversation_id.encode()).digest()[:16]
    for tag in (0x1039001F, 0x1042001F, 0x1035001F, _TOPIC):
        value = properties.get(tag)
        if isinstance(value, str) and value:
            first = value if tag == _TOPIC else value.split()[0]
            return hashlib.sha256(first.encode()).digest()[:16]
    return bytes(16)


def set_block(block: bytes, properties: Properties, losses: Losses) -> None:
    """The header block as received: CRLF line ends, UTF-8 if it is that, else windows-1252."""
    if not block:
        return
    text = block.decode("ascii") if block.isascii() else header_bytes(block)
    text = with_crlf(text)
    properties[_HEADERS] = storable(text, losses, "transport headers")


def with_crlf(text: str) -> str:
    """The text with every line end as CRLF."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
