"""The state of a mail from its JSON: what convert() needs beside the MIME.

Rules of this file: pure. An extended property goes before the JSON (it is the store's own value), the JSON before the headers.
Nothing here is content: subject, bodies, attachments and persons are those of the MIME, but for recipients that no header names.
Source: reference/mapi-mapping.md §0, §1.4, §1.5, §1.9, §1.10.
"""

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from exporters.mail.compose.addresses import Address
from exporters.mail.compose.box import Box
from exporters.mail.compose.calendar_times import Moment
from exporters.mail.compose.extended_properties import by_id, extended
from exporters.mail.compose.facts import Facts
from exporters.mail.compose.graph_item import CREATED, IMPORTANCES, MODIFIED, SENSITIVITY, Item, mapping, origin
from exporters.mail.compose.graph_people import person, recipients
from exporters.mail.compose.losses import Losses
from exporters.mail.compose.property_sets import (
    BOOLEAN,
    COMMON,
    DOUBLE,
    INTEGER,
    PRIVATE,
    STRING,
    TASK,
    TIME,
    Properties,
    overlay,
)
from exporters.pst import NamedProperty, Value

DELIVERED, SUBMITTED = 0x0E060040, 0x00390040
_READ, _DRAFT, _FROM_ME = 0x01, 0x08, 0x20
_UNMODIFIED, _RESEND, _RECEIPTS, _EVER_READ = 0x02, 0x80, 0x300, 0x400
# Ids that stand in a message beside what comes of its MIME
_STATE = frozenset({0x1080, 0x1081, 0x1082, 0x0036, 0x0E2B, 0x1035, 0x1090, 0x1091, 0x1095, 0x5D01, 0x5D02})
_RED = 6
_MEETINGS = {
    "meetingrequest": "IPM.Schedule.Meeting.Request",
    "meetingcancelled": "IPM.Schedule.Meeting.Canceled",
    "meetingaccepted": "IPM.Schedule.Meeting.Resp.Pos",
    "meetingtenativelyaccepted": "IPM.Schedule.Meeting.Resp.Tent",  # so it is spelt
    "meetingtentativelyaccepted": "IPM.Schedule.Meeting.Resp.Tent",
    "meetingdeclined": "IPM.Schedule.Meeting.Resp.Neg",
}
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)


def message_facts(
    graph: Mapping[str, Any], box: Box, *, sent_items: bool = False, search_key: bytes | None = None, label: str = ""
) -> Facts:
    """What the JSON of a mail says beside its MIME.

    `sent_items`: it lies in Sent Items. `search_key`: 16 bytes, taken where the service names none. What cannot be read is left
    out; `facts_of` says so.
    """
    return facts_of(graph, box, Losses(), sent_items=sent_items, search_key=search_key, label=label)


def facts_of(
    graph: Mapping[str, Any],
    box: Box,
    losses: Losses,
    *,
    sent_items: bool = False,
    search_key: bytes | None = None,
    label: str = "",
) -> Facts:
    """The same, with what of it could not be read."""
    item = Item({"graph": graph}, box, losses)
    more = extended(graph, losses)
    flags = by_id(more, 0x0E07)
    bits = flags if isinstance(flags, int) else 0
    is_read, is_draft = _flag(graph, "isRead", bits, _READ), _flag(graph, "isDraft", bits, _DRAFT)
    is_read = True if is_read is None else is_read
    properties = _properties(item, more, is_read=is_read, is_draft=bool(is_draft))
    times = _times(item, more, properties)
    key = by_id(more, 0x300B)
    others = _UNMODIFIED | _RESEND | _EVER_READ | (_RECEIPTS if is_read else 0)  # a reader would send the receipt
    return Facts(
        is_read=is_read,
        is_draft=bool(is_draft),
        from_me=True if sent_items or bits & _FROM_ME else None,
        message_class=_class(item, more),
        importance=IMPORTANCES.get(item.line(graph.get("importance")).lower()),
        own_addresses=box.own_addresses,
        search_key=key if isinstance(key, bytes) and len(key) == 16 else search_key,
        conversation_index=_conversation_index(graph, more),
        conversation_id=item.line(graph.get("conversationId")) or None,
        categories=item.categories() if "categories" in graph else None,
        recipients=tuple(recipients(item)),
        sender=_sender(item),
        more_flags=bits & others,
        properties=properties,
        label=label or item.id,
        **times,
    )


def _sender(item: Item) -> Address | None:
    """Who sent it on behalf of another; None if the author did, or has no address to tell the two apart by."""
    author, sender = person(item, item.graph.get("from")), person(item, item.graph.get("sender"))
    if author is None or sender is None or sender.kind != "SMTP" or not author.address or not sender.address:
        return None
    return None if sender.address.lower() == author.address.lower() else sender


def _flag(graph: Mapping[str, Any], name: str, bits: int, bit: int) -> bool | None:
    value = graph.get(name)
    return value if isinstance(value, bool) else bool(bits & bit) if bits else None


def _class(item: Item, more: Properties) -> str | None:
    own = by_id(more, 0x001A)
    if isinstance(own, str) and own.strip():
        return own.strip()
    return _MEETINGS.get(item.line(item.graph.get("meetingMessageType")).lower())


def _conversation_index(graph: Mapping[str, Any], more: Properties) -> bytes | None:
    own = by_id(more, 0x0071)
    if isinstance(own, bytes):
        return own
    given = graph.get("conversationIndex")
    try:
        found = base64.b64decode(given, validate=True) if isinstance(given, str) else b""
    except (binascii.Error, ValueError):
        return None
    return found if len(found) >= 22 else None


def _times(item: Item, more: Properties, properties: Properties) -> dict[str, datetime]:
    """The dates; what a `datetime` cannot hold of them goes into `properties`."""
    found: dict[str, datetime] = {}
    for name, field, tag in (
        ("received", "receivedDateTime", DELIVERED),
        ("sent", "sentDateTime", SUBMITTED),
        ("created", "createdDateTime", CREATED),
        ("modified", "lastModifiedDateTime", MODIFIED),
    ):
        own = by_id(more, tag >> 16)
        value = own if isinstance(own, int) and own > 0 else item.time(item.graph.get(field), field)
        if value is None:
            continue
        found[name] = _EPOCH + timedelta(microseconds=value // 10)
        if value % 10 and not (name == "sent" and item.graph.get("isDraft") is True):
            properties[tag] = value
    return found


def _properties(item: Item, more: Properties, *, is_read: bool, is_draft: bool) -> Properties:
    """What is set beside the facts that have a name of their own."""
    graph = item.graph
    if isinstance(sensitivity := by_id(more, SENSITIVITY >> 16), int):
        item.properties[PRIVATE] = sensitivity >= 2
    for field, tag in (("isDeliveryReceiptRequested", 0x0023000B), ("isReadReceiptRequested", 0x0029000B)):
        wanted = graph.get(field)
        if isinstance(wanted, bool):
            # on an unread mail, readers would send a receipt
            item.tag(tag, wanted and (tag == 0x0023000B or is_read or is_draft))
    set_flag(item, by_id(more, 0x0037) or graph.get("subject"))
    item.properties.update(origin(graph, item.losses))
    overlay(
        item.properties,
        {key: value for key, value in more.items() if isinstance(key, NamedProperty) or key >> 16 in _STATE},
    )
    return item.properties


def set_flag(item: Item, subject: object) -> None:
    """The follow-up flag (§1.5)."""
    flag = mapping(item.graph.get("flag"))
    status = item.line(flag.get("flagStatus")).lower()
    if status not in ("flagged", "complete"):
        return
    done = status == "complete"
    item.tag(0x10900003, 1 if done else 2)
    item.tag(0x0E2B0003, 1)
    if not done:
        item.tag(0x10950003, _RED)
    item.put(COMMON, 0x8530, STRING, "Follow up")
    item.put(TASK, 0x8101, INTEGER, 2 if done else 0)
    item.put(TASK, 0x8102, DOUBLE, 1.0 if done else 0.0)
    item.put(TASK, 0x811C, BOOLEAN, done)
    item.put(COMMON, 0x85A4, STRING, item.line(subject))
    for field, name, common in (("startDateTime", 0x8104, 0x8516), ("dueDateTime", 0x8105, 0x8517)):
        set_day(item, flag.get(field), f"flag, {field}", name, common)
    completed = item.moment(flag.get("completedDateTime"), "flag, completedDateTime") if done else None
    if completed is not None:
        item.tag(0x10910040, completed.utc.replace(second=0, microsecond=0))
        item.put(TASK, 0x810F, TIME, as_utc(day_of(item, completed)[0]))


def set_day(
    item: Item, value: object, where: str, name: int, common: int | None, *, loss: str = "date-without-day"
) -> None:
    """A date of a task or flag: as if it were UTC, and (`common`) as the instant of the mailbox's midnight."""
    moment = item.moment(value, where)
    if moment is None:
        return
    day, is_midnight = day_of(item, moment)
    if not is_midnight:
        item.losses.add(loss, f"{where}: {moment.wall.isoformat()} {moment.key}")
    item.put(TASK, name, TIME, as_utc(day))
    if common is not None:
        item.put(COMMON, common, TIME, midnight(day, item.box))


def day_of(item: Item, moment: Moment) -> tuple[date, bool]:
    """The date that a moment means, and whether it is a midnight (§4.1): of its own zone, else of the mailbox's."""
    if moment.wall.time() == time():
        return moment.wall.date(), True
    local = moment.utc.astimezone(item.box.zone[0])
    return local.date(), local.time() == time()


def as_utc(day: date) -> datetime:
    """A date as if it were UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def midnight(day: date, box: Box) -> Value:
    """The instant at which a day begins in the mailbox's zone."""
    zone = box.zone
    return Moment(datetime(day.year, day.month, day.day), *zone).utc  # noqa: DTZ001 - its zone comes with it
