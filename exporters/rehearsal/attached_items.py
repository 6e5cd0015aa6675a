"""What `/attachments/{id}/$value` gives for an attached item: MIME of a message, iCalendar of an event, vCard of a contact.

Rules of this file: made from the attachment's row, all the way down; the same row gives the same bytes. An attached message is
small, so it is made in memory.
Source: reference/graph.md 3.4; RFC 5322, RFC 5545, RFC 6350; reference/tenant-data.md, "Users and mailboxes" (`_attachments`).
"""

import base64
import hashlib
from datetime import datetime
from email.header import Header
from email.utils import format_datetime, formataddr

from exporters.rehearsal.content import ContentReader
from exporters.rehearsal.documents import Row, render

_TYPES = {"message": "text/plain", "event": "text/calendar", "contact": "text/vcard"}


def kind_of(item: Row) -> str:
    """message, event or contact."""
    kind = str(item.get("@odata.type", "")).rpartition(".")[2]
    return kind if kind in _TYPES else "message"


def item_content(item: Row, reader: ContentReader) -> tuple[bytes, str]:
    """The bytes and their content type."""
    kind = kind_of(item)
    if kind == "message":
        return _message(item, reader), _TYPES[kind]
    lines = _event(item) if kind == "event" else _contact(item)
    return "".join(f"{line}\r\n" for line in lines).encode(), _TYPES[kind]


# ------------------------------------------------------------------------------------------------------ messages


def _message(item: Row, reader: ContentReader) -> bytes:
    parts = [_body(item), *(_attachment(one, reader) for one in item.get("_attachments", ()))]
    head = _header(item)
    if len(parts) == 1:
        return head + parts[0]
    boundary = "_=" + hashlib.sha256(render(item)).hexdigest()[:32]
    lines = head + f'Content-Type: multipart/mixed; boundary="{boundary}"\r\n\r\n'.encode()
    for part in parts:
        lines += f"--{boundary}\r\n".encode() + part + b"\r\n"
    return lines + f"--{boundary}--\r\n".encode()


def _header(item: Row) -> bytes:
    fields: list[tuple[str, str]] = []
    for name, key in (("From", "from"), ("Sender", "sender")):
        if item.get(key):
            fields.append((name, _address(item[key])))
    for name, key in (("To", "toRecipients"), ("Cc", "ccRecipients"), ("Bcc", "bccRecipients")):
        if item.get(key):
            fields.append((name, ",\r\n ".join(_address(one) for one in item[key])))
    if item.get("subject") is not None:
        fields.append(("Subject", _text(item["subject"])))
    if item.get("sentDateTime"):
        sent = datetime.fromisoformat(str(item["sentDateTime"]).replace("Z", "+00:00"))
        fields.append(("Date", format_datetime(sent)))
    if item.get("internetMessageId"):
        fields.append(("Message-ID", item["internetMessageId"]))
    fields.append(("MIME-Version", "1.0"))
    return "".join(f"{name}: {value}\r\n" for name, value in fields).encode("ascii", "replace")


def _address(recipient: Row) -> str:
    found = recipient.get("emailAddress", {})
    address = str(found.get("address") or "").replace("\r", "").replace("\n", "")
    name = " ".join(str(found.get("name") or "").split())
    return formataddr((name, address)) if address.isascii() else address


def _text(value: str) -> str:
    plain = " ".join(value.encode("utf-8", "replace").decode().split())
    return Header(plain, "utf-8" if not plain.isascii() else "us-ascii", maxlinelen=200).encode(linesep="\r\n")


def _body(item: Row) -> bytes:
    body = item.get("body") or {"contentType": "text", "content": ""}
    kind = "html" if str(body.get("contentType")).lower() == "html" else "plain"
    data = str(body.get("content", "")).encode("utf-8", "replace")
    head = f'Content-Type: text/{kind}; charset="utf-8"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    return head.encode() + _base64(data)


def _attachment(row: Row, reader: ContentReader) -> bytes:
    name = _text(str(row.get("name") or "")).replace('"', "'")
    if "item" in row:
        data, kind = item_content(row["item"], reader)
        if kind_of(row["item"]) == "message":
            return f'Content-Type: message/rfc822; name="{name}"\r\n\r\n'.encode() + data
    else:
        reference = row.get("_c")
        data = b"" if reference is None else reader.read(reference, 0, int(reference["len"]))
        kind = str(row.get("contentType") or "application/octet-stream")
    head = f'Content-Type: {kind}; name="{name}"\r\nContent-Disposition: attachment; filename="{name}"\r\n'
    return f"{head}Content-Transfer-Encoding: base64\r\n\r\n".encode("ascii", "replace") + _base64(data)


def _base64(data: bytes) -> bytes:
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


# --------------------------------------------------------------------------------------------- events, contacts


def _event(item: Row) -> list[str]:
    uid = item.get("iCalUId") or hashlib.sha256(render(item)).hexdigest()
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Rehearsal//EN", "BEGIN:VEVENT", f"UID:{uid}"]
    lines.append(f"SUMMARY:{_escaped(item.get('subject') or '')}")
    for name, key in (("DTSTART", "start"), ("DTEND", "end")):
        if key in item:
            lines.append(_time(name, item[key], whole_day=bool(item.get("isAllDay"))))
    return [*lines, "END:VEVENT", "END:VCALENDAR"]


def _time(name: str, value: Row, *, whole_day: bool) -> str:
    digits = str(value["dateTime"]).partition(".")[0].replace("-", "").replace(":", "")
    if whole_day:
        return f"{name};VALUE=DATE:{digits[:8]}"
    return f"{name}:{digits}Z" if value.get("timeZone") == "UTC" else f'{name};TZID="{value.get("timeZone")}":{digits}'


def _contact(item: Row) -> list[str]:
    lines = ["BEGIN:VCARD", "VERSION:3.0", f"FN:{_escaped(item.get('displayName') or '')}"]
    lines.append(f"N:{_escaped(item.get('surname') or '')};{_escaped(item.get('givenName') or '')};;;")
    lines += [f"EMAIL;TYPE=INTERNET:{one.get('address')}" for one in item.get("emailAddresses", ())]
    return [*lines, "END:VCARD"]


def _escaped(text: str) -> str:
    for sign in ("\\", ";", ","):
        text = text.replace(sign, "\\" + sign)
    return text.replace("\r\n", "\\n").replace("\n", "\\n")
