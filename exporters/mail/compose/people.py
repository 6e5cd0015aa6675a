"""Sender, recipients and reply addresses of a mail as properties and rows.

Rules of this file: persons come from the headers, in their order: To, Cc, Bcc. What is the same for the same person is made once
and shared; nobody changes it. Addresses of the old organisation (`/o=…`) are of type EX, with a loss. A group without members has
no row. Source: reference/mapi-mapping.md §1.1 (reply), §1.2, §1.3; [MS-OXCDATA] 2.2.3.3, 2.2.5.1, 2.2.5.2.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from exporters.mail.compose.addresses import Address, addresses
from exporters.mail.compose.losses import Losses
from exporters.mail.compose.parsing import Entity
from exporters.mail.compose.property_sets import Properties
from exporters.pst import Value, one_off_entry_id, recipient

_EX_PROVIDER = bytes.fromhex("00000000dca740c8c042101ab4b908002b2fe182" + "01000000" + "00000000")
# name, type, address, entry id, search key, SMTP address
_SENDER = (0x0C1A001F, 0x0C1E001F, 0x0C1F001F, 0x0C190102, 0x0C1D0102, 0x5D01001F)
_FROM = (0x0042001F, 0x0064001F, 0x0065001F, 0x00410102, 0x003B0102, 0x5D02001F)
_RECEIVED_BY = (0x0040001F, 0x0075001F, 0x0076001F, 0x003F0102, 0x00510102, 0x5D07001F)
_RECEIVED_FOR = (0x0044001F, 0x0077001F, 0x0078001F, 0x00430102, 0x00520102, 0x5D08001F)
_REPLY_NAMES, _REPLY_ENTRIES = 0x0050001F, 0x004F0102
_RECIPIENT_ME = 0x0059000B
_FIELDS = ("from", "sender", "to", "cc", "bcc", "reply-to")
# header, recipient type, names shown, "is it me" (none for Bcc)
_KINDS = (("to", 1, 0x0E04001F, 0x0057000B), ("cc", 2, 0x0E03001F, 0x0058000B), ("bcc", 3, 0x0E02001F, None))


class People(NamedTuple):
    """The rows of the recipient table, and whether the sender is one of the mailbox's own addresses."""

    rows: list[dict[int, Value]]
    from_me: bool


def people(
    entity: Entity,
    own: Iterable[str],
    *,
    is_draft: bool,
    properties: Properties,
    losses: Losses,
    more: Iterable[tuple[str, Address]] = (),
    sender: Address | None = None,
) -> People:
    """Set the properties of all persons of the headers; the rows.

    `more`: recipients that the mailbox names (field and person): those whom no header names are added. `sender`: whom the mailbox
    calls the sender, where no header does.
    """
    found = {field: _of(entity, field, losses) for field in _FIELDS if field in entity.fields}
    _add(found, more, losses)
    if sender is not None and found.get("from") and not found.get("sender"):
        found["sender"] = [sender]
    return set_people(found, own, is_draft=is_draft, properties=properties, losses=losses)


def set_people(
    found: Mapping[str, Sequence[Address]],
    own: Iterable[str],
    *,
    is_draft: bool,
    properties: Properties,
    losses: Losses,
) -> People:
    """Set the properties of all persons, by the field that names them (from, sender, to, cc, bcc, reply-to); the rows."""
    mine = frozenset(address.lower() for address in own)
    sender = _senders(found, properties, losses)
    rows: list[dict[int, Value]] = []
    for field, kind, shown, me in _KINDS:
        persons = found.get(field, ())
        properties[shown] = "; ".join([person.name or person.address for person in persons])
        for person in persons:
            _note(person, field, losses)
            rows.append(row(kind, is_draft, *person))
        if mine and any(person.address.lower() in mine for person in persons):
            properties[_RECIPIENT_ME] = True
            if me is not None:
                properties[me] = True
    _reply_to(found.get("reply-to", ()), properties, losses)
    return People(rows, sender is not None and sender.address.lower() in mine)


def received_by(address: str, properties: Properties) -> None:
    """Set the group of the mailbox that received the mail."""
    for group in (_RECEIVED_BY, _RECEIVED_FOR):
        properties.update(_group(group, "", address, "SMTP"))


def _of(entity: Entity, field: str, losses: Losses) -> list[Address]:
    value = entity.fields.get(field)
    if value is None:
        return []
    if field in entity.repeated:
        value = ", ".join(text for name, text in entity.raw_items() if name.lower() == field)
    return addresses(value, losses, field)


def _add(found: dict[str, list[Address]], more: Iterable[tuple[str, Address]], losses: Losses) -> None:
    """Recipients that no header names: Bcc of sent mail, above all. One without a usable address only where there is nobody."""
    named = [person for field, _, _, _ in _KINDS for person in found.get(field, ())]
    known = {text.lower() for person in named for text in (person.address, person.name) if text}
    empty = {field for field, _, _, _ in _KINDS if not found.get(field)}
    added = 0
    for field, person in more:
        usable = person.kind == "SMTP" and "@" in person.address
        if person.address.lower() in known or not (person.address or person.name):
            continue
        if not usable and (person.name.lower() in known or field not in empty):
            continue
        found.setdefault(field, []).append(person)
        added += 1
    if added:
        losses.add("recipients-joined", f"{added} that the mailbox names")


def _senders(found: Mapping[str, Sequence[Address]], properties: Properties, losses: Losses) -> Address | None:
    authors = found.get("from", ())
    senders = found.get("sender") or authors[:1]
    if len(authors) > 1:
        losses.add("sender-dropped", f"{len(authors)} addresses in From")
    if not senders:
        return None
    author, sender = (authors or senders)[0], senders[0]
    for person, group in ((sender, _SENDER), (author, _FROM)):
        _note(person, "from", losses)
        properties.update(_group(group, *person))
    return sender


def _reply_to(found: Sequence[Address], properties: Properties, losses: Losses) -> None:
    if not found:
        return
    entries = b""
    for person in found:
        entry = _entry_id(*person)
        entries += struct.pack("<I", len(entry)) + entry + bytes(-len(entry) % 4)
    properties[_REPLY_NAMES] = "; ".join([person.name or person.address for person in found])
    properties[_REPLY_ENTRIES] = struct.pack("<II", len(found), len(entries)) + entries


def _note(person: Address, field: str, losses: Losses) -> None:
    if person.kind == "EX":
        losses.add("address-x500", f"{field}: {person.address}")
    elif not person.address:
        losses.add("address-missing", f"{field}: {person.name}")


@lru_cache(maxsize=4096)
def _group(tags: tuple[int, ...], name: str, address: str, kind: str) -> Properties:
    name_tag, type_tag, address_tag, entry_tag, key_tag, smtp_tag = tags
    found: Properties = {name_tag: name or address, entry_tag: _entry_id(name, address, kind)}
    if address:
        found[type_tag] = kind
        found[address_tag] = address
        found[key_tag] = f"{kind}:{address}".upper().encode() + b"\0"
        if kind == "SMTP":
            found[smtp_tag] = address
    return found


@lru_cache(maxsize=4096)
def row(kind: int, is_draft: bool, name: str, address: str, address_type: str) -> dict[int, Value]:
    """A row of the recipient table (shared: copy it to change it). `kind`: 1 To, 2 Cc, 3 Bcc."""
    cells = recipient(kind, name, address, address_type)
    if is_draft:
        cells[0x0E0F000B] = False
    if address_type == "EX":
        cells[0x0FF90102] = cells[0x0FFF0102] = _entry_id(name, address, address_type)
    if not address:
        del cells[0x39FE001F]
    return cells


def _entry_id(name: str, address: str, kind: str) -> bytes:
    if kind == "EX":
        return _EX_PROVIDER + address.encode("ascii", "replace") + b"\0"
    return one_off_entry_id(name or address, address)
