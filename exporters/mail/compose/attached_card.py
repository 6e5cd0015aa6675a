"""An attached contact (`/$value` of an attached item gives a vCard) as an IPM.Contact.

Rules of this file: pure; the card is read into the form in which Graph gives contacts, and contact.py does the rest. What has
no such form is a loss by name. None for what holds no card.
Source: RFC 6350, RFC 2426; vCard 2.1; reference/mapi-mapping.md §1.7, §2.
"""

import base64
import binascii
import re
from typing import Any

from exporters.mail.compose.attachments import named
from exporters.mail.compose.box import Box
from exporters.mail.compose.calendar_text import Component, Line, parse
from exporters.mail.compose.contact import contact_of
from exporters.mail.compose.graph_item import Item
from exporters.mail.compose.losses import Losses
from exporters.pst import Attachment, Message

_GROUP = re.compile(rb"(?m)^[A-Za-z0-9_-]+\.(?=[A-Za-z-]+[;:])")
_BARE = re.compile(
    rb"(?i);(home|work|cell|fax|voice|pref|internet|quoted-printable|base64|jpeg|png|gif|msg|pager|car|dom|intl|postal|parcel)(?=[;:])"
)
_SOFT_BREAK = re.compile(rb"=\r?\n")
_TYPED = {b"quoted-printable": b"ENCODING", b"base64": b"ENCODING"}
_TEXTS = {"FN": "displayName", "TITLE": "jobTitle", "ROLE": "profession", "NICKNAME": "nickName", "NOTE": "personalNotes",
          "URL": "businessHomePage"}  # fmt: skip
_KNOWN = frozenset(
    {*_TEXTS, "N", "ORG", "EMAIL", "TEL", "ADR", "BDAY", "CATEGORIES", "PHOTO", "IMPP", "VERSION", "PRODID", "UID", "REV",
     "BEGIN", "END", "LABEL", "SOURCE", "NAME", "PROFILE", "KIND"}
)  # fmt: skip
_SPLIT = re.compile(r"(?<!\\);")


def attached_contact(data: bytes, box: Box, losses: Losses) -> Message | None:
    """The first card as a contact, with its photo if that stands in it."""
    data = _SOFT_BREAK.sub(b"", data) if b"quoted-printable" in data.lower() else data
    data = _BARE.sub(
        lambda match: b";" + _TYPED.get(match[1].lower(), b"TYPE") + b"=" + match[1], _GROUP.sub(b"", data)
    )
    card = next((one for one in parse(data).components if one.name == "VCARD"), None)
    if card is None:
        return None
    graph = _graph(card)
    lost = sorted({line.name for line in card.lines} - _KNOWN)
    if lost:
        losses.add("contact-detail", f"lines of an attached card: {', '.join(lost)}")
    item = Item({"graph": graph}, box, losses)
    return contact_of(item, _photo(card))


def _graph(card: Component) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in _TEXTS.items():
        line = card.first(name)
        if line is not None:
            found[field] = _text(line)
    names = _parts(card.first("N"))
    for place, field in enumerate(("surname", "givenName", "middleName", "title", "generation")):
        if place < len(names):
            found[field] = names[place]
    organisation = _parts(card.first("ORG"))
    found["companyName"] = organisation[0] if organisation else ""
    found["department"] = ", ".join(part for part in organisation[1:] if part)
    found["emailAddresses"] = [{"address": _text(line)} for line in card.all("EMAIL")]
    found["imAddresses"] = [_text(line) for line in card.all("IMPP")]
    found["categories"] = [word.strip() for line in card.all("CATEGORIES") for word in _text(line).split(",")]
    birthday = card.first("BDAY")
    digits = re.fullmatch(r"(\d{4})-?(\d\d)-?(\d\d)(?:T.*)?", birthday.value.strip()) if birthday else None
    if digits:
        found["birthday"] = f"{digits[1]}-{digits[2]}-{digits[3]}T00:00:00Z"
    revised = card.first("REV")
    if revised is not None:
        found["lastModifiedDateTime"] = re.sub(
            r"^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)", r"\1-\2-\3T\4:\5:\6", revised.value.strip()
        )
    _numbers(card, found)
    return found


def _numbers(card: Component, found: dict[str, Any]) -> None:
    """Telephone numbers and addresses, by what kind they say to be."""
    found["homePhones"], found["businessPhones"] = [], []
    for line in card.all("TEL"):
        kinds, value = _kinds(line), _text(line).removeprefix("tel:")
        if "CELL" in kinds and not found.get("mobilePhone"):
            found["mobilePhone"] = value
        else:
            found["homePhones" if "HOME" in kinds else "businessPhones"].append(value)
    for line in card.all("ADR"):
        kinds, parts = _kinds(line), [*_parts(line), *[""] * 7]
        field = "homeAddress" if "HOME" in kinds else "businessAddress" if "WORK" in kinds else "otherAddress"
        street = "\r\n".join(part for part in (parts[2], parts[1]) if part)
        names = ("postOfficeBox", "street", "city", "state", "postalCode", "countryOrRegion")
        found.setdefault(field, dict(zip(names, (parts[0], street, *parts[3:7]), strict=True)))


def _kinds(line: Line) -> set[str]:
    return {part.strip().upper() for value in line.parameters.get("TYPE", ()) for part in value.split(",")}


def _text(line: Line) -> str:
    if line.parameter("ENCODING").upper() == "QUOTED-PRINTABLE":
        return binascii.a2b_qp(line.value.encode("utf-8", "replace")).decode("utf-8", "replace").strip()
    return line.text.strip()


def _parts(line: Line | None) -> list[str]:
    if line is None:
        return []
    if line.parameter("ENCODING").upper() == "QUOTED-PRINTABLE":
        return [part.strip() for part in _text(line).split(";")]
    return [Line("", {}, part).text.strip() for part in _SPLIT.split(line.value)]


def _photo(card: Component) -> list[Attachment]:
    """A photo in the card itself; of one that stands elsewhere, the address is in the stored card."""
    line = card.first("PHOTO")
    if line is None:
        return []
    value = line.value.partition("base64,")[2] if line.value.startswith("data:") else line.value
    try:
        data = base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        return []
    if not data:
        return []
    return [Attachment({**named("ContactPicture.jpg", "image/jpeg"), 0x7FFE000B: True, 0x7FFF000B: True}, data)]
