"""What a PST should hold of a mail, worked out with Python's `email` alone.

Rules of this file: no code of the exporter. Where a mail is so broken that `email` gives nothing sure, the expectation is None
and the comparison of that field is left out. Source: reference/mapi-mapping.md §1, read by another pair of eyes.
"""

import email
import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime


@dataclass
class Expected:
    subject: str | None
    date: datetime | None
    addresses: dict[int, list[str] | None]
    texts: list[str] = field(default_factory=list)
    htmls: list[str] = field(default_factory=list)
    files: list[tuple[str | None, str]] = field(default_factory=list)  # name, SHA-256
    embedded: list["Expected"] = field(default_factory=list)
    kind: str = ""


def expected(raw: bytes) -> Expected:
    return _of(email.message_from_bytes(raw))


def _of(message: Message) -> Expected:
    found = Expected(
        _subject(message),
        _date(message),
        {n: _addresses(message, name) for n, name in enumerate(("to", "cc", "bcc"), 1)},
    )
    found.kind = message.get_content_type()
    _walk(message, found, alone=True)
    return found


def _subject(message: Message) -> str | None:
    value = message["subject"]
    if value is None:
        return ""
    if not isinstance(value, str):  # raw 8-bit
        return None
    try:
        text = str(make_header(decode_header(value)))
    except (LookupError, ValueError, email.errors.MessageError):
        return None
    return squeezed(text)


def _date(message: Message) -> datetime | None:
    try:
        found = parsedate_to_datetime(str(message["date"]))
    except (TypeError, ValueError, IndexError):
        return None
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    return found if found.year > 1601 else None


def _addresses(message: Message, name: str) -> list[str] | None:
    values = [str(value) for value in message.get_all(name, [])]
    if any("=?" in value or "(" in value or ";" in value or not value.isascii() for value in values):
        return None
    found = getaddresses(values)
    if any(address.startswith("@") for _, address in found) or any(
        re.search(r"@[^<>,]*<|\s\.", value) for value in values
    ):
        return None  # an address as a name, blanks inside addresses: `email` makes two of one
    return sorted(address for _, address in found if "@" in address)


def _walk(part: Message, found: Expected, *, alone: bool) -> None:
    kind = part.get_content_type()
    if part.get_content_maintype() == "multipart" and part.is_multipart():
        for child in part.get_payload():
            _walk(child, found, alone=False)
    elif part.get_content_maintype() == "multipart":
        pass
    elif kind in ("message/rfc822", "message/global"):
        if str(part.get("content-transfer-encoding", "")).lower() not in ("base64", "quoted-printable"):
            found.embedded.append(_of(part.get_payload(0)))
    elif part.is_multipart():
        found.files.append((part.get_filename(), ""))
    elif kind in ("text/plain", "text/html") and (
        alone or not (part.get_filename() or part.get_content_disposition() == "attachment")
    ):
        if part.get_content_disposition() == "attachment":
            found.files.append((part.get_filename(), hashlib.sha256(_payload(part)).hexdigest()))
            return
        text = _text(part)
        if text is not None and text.strip():
            (found.texts if kind == "text/plain" else found.htmls).append(text)
    else:
        found.files.append((part.get_filename(), hashlib.sha256(_payload(part)).hexdigest()))


def _payload(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload


def _text(part: Message) -> str | None:
    data = _payload(part)
    label = part.get_content_charset() or "?"
    if label in ("iso-8859-1", "latin1") and re.search(b"[\x80-\x9f]", data):  # windows-1252 in truth
        label = "cp1252"
    if data.isascii() and label in ("?", "us-ascii"):
        label = "ascii"
    try:
        return data.decode(label)
    except (LookupError, UnicodeDecodeError):
        return None


def squeezed(text: str) -> str:
    """Without any blanks: `email` and RFC 2047 do not agree on those between encoded words."""
    return "".join(text.replace("\0", "\ufffd").split())
