"""A contact of Graph as an IPM.Contact.

Rules of this file: pure but for `open_bytes` (the photo); what is empty gives no property; what Outlook has no field for stands
at the end of the notes, with a loss. Source: reference/mapi-mapping.md §2; [MS-OXOCNTC] 2.2.1.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from exporters.mail.compose.box import Box
from exporters.mail.compose.extended_properties import by_id, extended
from exporters.mail.compose.graph_body import GraphBody, set_body
from exporters.mail.compose.graph_item import SUBJECT, Item, Record, is_unset, listing, mapping
from exporters.mail.compose.graph_people import person
from exporters.mail.compose.message_facts import as_utc, midnight
from exporters.mail.compose.mime import Converted
from exporters.mail.compose.plain_item import finished
from exporters.mail.compose.property_sets import ADDRESS, BINARY, BOOLEAN, INTEGER, INTEGERS, STRING, TIME, Properties
from exporters.mail.compose.stored_bytes import OpenBytes, Stored
from exporters.pst import Attachment, Message, one_off_entry_id

_ICON, _SIDE_EFFECTS = 512, 16
_DISPLAY_NAME, _COMPANY = 0x3001001F, 0x3A16001F
_TEXTS = {
    "givenName": 0x3A06001F, "middleName": 0x3A44001F, "surname": 0x3A11001F, "title": 0x3A45001F, "generation": 0x3A05001F,
    "initials": 0x3A0A001F, "nickName": 0x3A4F001F, "companyName": _COMPANY, "department": 0x3A18001F, "jobTitle": 0x3A17001F,
    "profession": 0x3A46001F, "officeLocation": 0x3A19001F, "manager": 0x3A4E001F, "assistantName": 0x3A30001F,
    "spouseName": 0x3A48001F, "mobilePhone": 0x3A1C001F,
}  # fmt: skip
_YOMI = {"yomiGivenName": 0x802C, "yomiSurname": 0x802D, "yomiCompanyName": 0x802E}
_BUSINESS_PHONES, _HOME_PHONES = (0x3A08001F, 0x3A1B001F), (0x3A09001F, 0x3A2F001F)
_SLOTS = (0x8080, 0x8090, 0x80A0)
_PARTS = ("street", "city", "state", "postalCode", "countryOrRegion")
# Graph's name: tags of the parts (in order of _PARTS), name of the whole, number as the mailing address
_ADDRESSES = {
    "businessAddress": ((0x8045, 0x8046, 0x8047, 0x8048, 0x8049), 0x801B, 2),
    "homeAddress": ((0x3A5D001F, 0x3A59001F, 0x3A5C001F, 0x3A5B001F, 0x3A5A001F), 0x801A, 1),
    "otherAddress": ((0x3A63001F, 0x3A5F001F, 0x3A62001F, 0x3A61001F, 0x3A60001F), 0x801C, 3),
}
_MAILING = (0x3A29001F, 0x3A27001F, 0x3A28001F, 0x3A2A001F, 0x3A26001F)
_FILE_UNDER_LIST = (0x8017, 0x8037, 0x3A16, 0x8019, 0x8018)
_NOON = time(11, 59)  # what ActiveSync and web clients store for a date


def contact_message(record: Record, box: Box, open_bytes: OpenBytes, *, search_key: bytes | None = None) -> Converted:
    """The IPM.Contact of a line of `contacts-….jsonl`. `search_key`: 16 bytes, where the service names none.

    The photo is read when the message is written, with what `open_bytes` raises.
    """
    item = Item(record, box)
    pictures = _photo(item, open_bytes)
    return Converted(contact_of(item, pictures, search_key), item.losses.all())


def contact_of(item: Item, attachments: Sequence[Attachment] = (), search_key: bytes | None = None) -> Message:
    """The message of a contact, whatever it comes from; its losses are the item's."""
    item.set_common(side_effects=_SIDE_EFFECTS, icon=_ICON)
    more = extended(item.graph, item.losses)
    _set_names(item)
    notes = _numbers(item) + _addresses_of_mail(item)
    _set_addresses(item)
    birthday = item.graph.get("birthday")
    _set_date(item, birthday, "birthday", 0x3A420040, 0x80DE)
    if isinstance(wedding := by_id(more, 0x3A41), int):
        _set_date_of(item, datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=wedding // 10), 0x3A410040, 0x80DF)
    body = GraphBody(item.text(item.graph.get("personalNotes"), "notes")).with_lines(notes)
    if body.text:
        set_body(item, body)
    return finished(
        item, more, message_class="IPM.Contact", flags=1, attachments=attachments, search_key=search_key,
        without=frozenset({0x3A41}),
    )  # fmt: skip


def _set_names(item: Item) -> None:
    graph = item.graph
    for name, tag in _TEXTS.items():
        item.tag(tag, item.line(graph.get(name), name))
    for name, lid in _YOMI.items():
        item.put(ADDRESS, lid, STRING, item.line(graph.get(name), name))
    shown = item.line(graph.get("displayName"), "displayName")
    item.tag(_DISPLAY_NAME, shown)
    item.tag(SUBJECT, item.title(shown))
    item.tag(
        0x3A58101F, tuple(child for one in listing(graph.get("children")) if (child := item.line(one, "children")))
    )
    page = item.line(graph.get("businessHomePage"), "businessHomePage")
    item.tag(0x3A51001F, page)
    item.put(ADDRESS, 0x802B, STRING, page)
    _set_file_under(item, shown)


def _set_file_under(item: Item, shown: str) -> None:
    """What the contact is filed under, and by which of Outlook's rules ([MS-OXOCNTC] 2.2.1.1.11)."""
    graph = item.graph
    given, middle, surname = (item.line(graph.get(name)) for name in ("givenName", "middleName", "surname"))
    company = item.line(graph.get("companyName"))
    first = " ".join(part for part in (given, middle) if part)
    by_surname = ", ".join(part for part in (surname, first) if part)
    rules = (
        (0x8017, by_surname),
        (0x8037, " ".join(part for part in (first, surname, item.line(graph.get("generation"))) if part)),
        (0x3A16, company),
        (0x8019, f"{by_surname}\r\n{company}" if by_surname and company else ""),
        (0x8018, f"{company}\r\n{by_surname}" if by_surname and company else ""),
    )
    addresses = [found for one in listing(graph.get("emailAddresses")) if (found := person(item, one)) is not None]
    usual = by_surname or shown or company or next((one.address or one.name for one in addresses), "")
    filed = item.line(graph.get("fileAs"), "fileAs") or usual
    if not filed:
        return
    item.put(ADDRESS, 0x8005, STRING, filed)
    item.put(ADDRESS, 0x8006, INTEGER, next((rule for rule, text in rules if text == filed), -1))
    item.put(ADDRESS, 0x8026, INTEGERS, _FILE_UNDER_LIST)


def _numbers(item: Item) -> list[str]:
    """Set telephone numbers and IM addresses; lines for those without a field."""
    left = []
    for name, tags in (("businessPhones", _BUSINESS_PHONES), ("homePhones", _HOME_PHONES), ("imAddresses", ())):
        values = [text for one in listing(item.graph.get(name)) if (text := item.line(one, name))]
        if name == "imAddresses" and values:
            item.put(ADDRESS, 0x8062, STRING, values[0])
        for tag, value in zip(tags, values, strict=False):
            item.tag(tag, value)
        spare = values[len(tags) or 1 :]
        left += [f"{name}: {value}" for value in spare]
        if spare:
            item.losses.add("contact-detail", f"{len(spare)} further {name}")
    return left


def _addresses_of_mail(item: Item) -> list[str]:
    """Set the three slots of e-mail addresses; lines for what is beyond them."""
    found = [one for value in listing(item.graph.get("emailAddresses")) if (one := person(item, value)) is not None]
    if not found:  # the newer form of the same
        names = ("primaryEmailAddress", "secondaryEmailAddress", "tertiaryEmailAddress")
        found = [one for name in names if (one := person(item, item.graph.get(name))) is not None]
    for slot, one in zip(_SLOTS, found, strict=False):
        name, address = one.name, one.address
        label = f"{name} ({address})" if name and address and name != address else name or address
        item.put(ADDRESS, slot, STRING, label)
        item.put(ADDRESS, slot + 4, STRING, address or name)
        if address:
            item.put(ADDRESS, slot + 2, STRING, one.kind)
            item.put(ADDRESS, slot + 3, STRING, address)
            item.put(ADDRESS, slot + 5, BINARY, one_off_entry_id(label, address, one.kind))
    used = min(len(found), len(_SLOTS))
    if used:
        item.put(ADDRESS, 0x8028, INTEGERS, tuple(range(used)))
        item.put(ADDRESS, 0x8029, INTEGER, (1 << used) - 1)
    rest = found[len(_SLOTS) :]
    if rest:
        item.losses.add("contact-email-4+", f"{len(rest)} further addresses")
    return [f"{one.name} <{one.address}>" if one.name and one.address else one.address or one.name for one in rest]


def _set_addresses(item: Item) -> None:
    """Set the postal addresses; the business one, else that at home, else the other is the mailing address."""
    mailing = False
    for name, (targets, whole, mailing_id) in _ADDRESSES.items():
        address = mapping(item.graph.get(name))
        parts = [item.line(address.get(part), name) for part in _PARTS]
        box = item.line(address.get("postOfficeBox"), name)
        if not any(parts) and not box:
            continue
        for target, part in zip(targets, parts, strict=True):
            if target <= 0xFFFF:
                item.put(ADDRESS, target, STRING, part)
            else:
                item.tag(target, part)
        if mailing_id == 2:
            item.put(ADDRESS, 0x804A, STRING, box)
        text = _whole(parts)
        item.put(ADDRESS, whole, STRING, text)
        if not mailing:
            mailing = True
            item.put(ADDRESS, 0x8022, INTEGER, mailing_id)
            item.tag(0x3A15001F, text)
            for target, part in zip(_MAILING, parts, strict=True):
                item.tag(target, part)


def _whole(parts: Sequence[str]) -> str:
    """An address as Outlook shows it: street, then the town in one line, then the country."""
    street, city, state, code, country = parts
    region = " ".join(part for part in (state, code) if part)
    town = ", ".join(part for part in (city, region) if part)
    return "\r\n".join(part for part in (street, town, country) if part)


def _set_date(item: Item, value: object, where: str, tag: int, lid: int) -> None:
    """A day of a year: 00:00 and 11:59 UTC mean the date as written, anything else is a midnight of the mailbox's zone."""
    if is_unset(value):
        return
    moment = item.moment(value, where)
    if moment is not None:
        _set_date_of(item, moment.utc, tag, lid)


def _set_date_of(item: Item, instant: datetime, tag: int, lid: int) -> None:
    if instant.time() in (time(), _NOON):
        day: date = instant.date()
    else:
        local = instant.astimezone(item.box.zone[0])
        if local.time() != time():
            item.losses.add("date-without-day", f"{instant.isoformat()} is no midnight of the mailbox's zone")
        day = local.date()
    item.tag(tag, midnight(day, item.box))
    item.put(ADDRESS, lid, TIME, as_utc(day))


def _photo(item: Item, open_bytes: OpenBytes) -> list[Attachment]:
    """The photo, as the attachment that Outlook shows in the contact."""
    photo = mapping(item.record.get("photo"))
    key = photo.get("key")
    if not isinstance(key, str):
        if photo.get("code"):
            item.losses.add("attachment-unreadable", f"photo: {photo.get('code')}")
        return []
    name = "ContactPicture.jpg"
    properties: Properties = {
        0x3707001F: name, 0x3704001F: name, 0x3703001F: ".jpg", 0x3001001F: name, 0x370E001F: "image/jpeg",
        0x7FFE000B: True, 0x7FFF000B: True, 0x37140003: 0,
    }  # fmt: skip
    item.put(ADDRESS, 0x8015, BOOLEAN, True)
    return [Attachment(properties, Stored(open_bytes, key))]
