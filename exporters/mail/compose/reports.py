"""Delivery and read reports (`multipart/report`): the class and the properties by which Outlook shows them as reports.

Rules of this file: pure; reads the machine's part of the report and the heads of the returned mail, and leaves the parts
themselves alone (they become bodies and attachments like any others). What is no usable report stays an ordinary mail.
Source: [MS-OXCMAIL] 2.2.3.7 (1.1 class, 1.2 supplementary info, 1.3 status, 2 disposition); RFC 3464, 6533, 8098;
reference/mapi-mapping.md §1.9.
"""

import base64
import binascii
import contextlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from email.parser import HeaderParser
from email.utils import parsedate_to_datetime

from exporters.mail.compose.addresses import addresses
from exporters.mail.compose.losses import Loss, Losses
from exporters.mail.compose.parameters import parse
from exporters.mail.compose.status_codes import diagnostic_and_reason, status_code
from exporters.mail.compose.words import text_of
from exporters.pst import NamedProperty, Value, recipient

# Action, by growing weight: the worst names the class ([MS-OXCMAIL] 2.2.3.7.1.1)
_ACTIONS = {
    "delivered": "DR",
    "expanded": "Expanded.DR",
    "relayed": "Relayed.DR",
    "delayed": "Delayed.DR",
    "failed": "NDR",
}
_WEIGHT = {action: weight for weight, action in enumerate(_ACTIONS)}
_ACTION_OF_STATUS = {"2": "delivered", "4": "delayed", "5": "failed"}
_DISPOSITIONS = {
    "displayed": "IPNRN", "dispatched": "IPNRN", "processed": "IPNRN", "deleted": "IPNNRN", "denied": "IPNNRN",
    "failed": "IPNNRN",
}  # fmt: skip
_DELIVERY = frozenset({"message/delivery-status", "message/global-delivery-status"})
_DISPOSITION = frozenset({"message/disposition-notification", "message/global-disposition-notification"})
_RETURNED = frozenset({
    "message/rfc822", "message/global", "message/global-headers", "message/rfc822-headers", "text/rfc822-headers"
})  # fmt: skip
_REPORT_TIME, _REPORT_TEXT, _REPORTING_MTA = 0x00320040, 0x1001001F, 0x6820001F
_ORIGINAL_SUBJECT, _ORIGINAL_SUBMIT, _ORIGINAL_ID = 0x0049001F, 0x004E0040, 0x1046001F
_ORIGINAL_TO, _ORIGINAL_CC, _ORIGINAL_DELIVERY, _RECEIPT = 0x0074001F, 0x0072001F, 0x00550040, 0x002A0040
_PARENT_KEY = 0x00250102
_STATUS, _REASON, _DIAGNOSTIC = 0x0C200003, 0x0C040003, 0x0C050003
_SUPPLEMENTARY, _REMOTE_MTA, _DELIVER_TIME = 0x0C1B001F, 0x0C21001F, 0x00100040
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_FOLD = re.compile(r"\r?\n[ \t]+")
_XTEXT = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")
_FIRST, _LAST = datetime(1601, 1, 2, tzinfo=UTC), datetime(4500, 1, 1, tzinfo=UTC)
_MAX_TEXT = 1 << 20  # characters of PidTagReportText: the body holds the whole text anyway
Fields = dict[str, str]


@dataclass(frozen=True)
class ReportContent:
    """What a report has beside an ordinary mail.

    `recipients`: the persons whom a delivery report is about, only those with the worst outcome; none of a read report.
    [MS-OXCMAIL] 2.2.3.7.1 adds them to the table; the reports in Outlook-written stores hold only those whom the report
    was sent to, so the composer completes the rows of the same addresses and adds none (docs/decisions/0042).
    """

    message_class: str
    properties: dict[int | NamedProperty, Value]
    recipients: list[dict[int, Value]]
    losses: tuple[Loss, ...]


@dataclass
class _Report:
    message: Message
    losses: list[Loss] = field(default_factory=list)
    properties: dict[int | NamedProperty, Value] = field(default_factory=dict)

    def put(self, tag: int, text: str) -> None:
        """A string property, if there is something to say."""
        if text := self.storable(text):
            self.properties[tag] = text

    def storable(self, text: str) -> str:
        if not _UNSTORABLE.search(text):
            return text
        self.losses.append(Loss("text-replaced", f"report: {_UNSTORABLE.sub('?', text[:80])!r}"))
        return _UNSTORABLE.sub("\ufffd", text)

    def time(self, value: str) -> datetime | None:
        """A date as a header writes it, None with a loss if it cannot be read or stored."""
        if not value.strip():
            return None
        try:
            found = parsedate_to_datetime(value)
            found = found if found.tzinfo else found.replace(tzinfo=UTC)
            if _FIRST <= found <= _LAST:
                return found
        except (ValueError, TypeError, IndexError, OverflowError):
            pass  # a loss like a date out of range
        self.losses.append(Loss("date-unreadable", f"report: {value[:80]!r}"))
        return None


def report(message: Message) -> ReportContent | None:
    """The report that a parsed mail is; None when it is none, or says nothing that can be used."""
    if message.get_content_type() != "multipart/report" or not message.is_multipart():
        return None
    for part in _parts(message):
        kind = part.get_content_type()
        if kind in _DELIVERY:
            return _delivery(message, _blocks(part))
        if kind in _DISPOSITION:
            return _disposition(message, _blocks(part))
    return None


def _parts(message: Message) -> list[Message]:
    payload = message.get_payload()
    return [part for part in payload if isinstance(part, Message)] if isinstance(payload, list) else []


def _delivery(message: Message, blocks: list[Fields]) -> ReportContent | None:
    persons = [(block, action) for block in blocks if (action := _action(block))]
    if not persons:
        return None
    found = _Report(message)
    worst = max((action for _, action in persons), key=_WEIGHT.__getitem__)
    when = found.time(_text(message.get("Date", "")))
    rows = [_row(found, block, action, when) for block, action in persons if action == worst]
    if len(rows) < len(persons):
        found.losses.append(
            Loss("report-recipient", f"{len(persons) - len(rows)} recipients with a milder outcome have no row")
        )
    head = next((block for block in blocks if not _action(block)), {})
    found.put(_REPORTING_MTA, _typed(head.get("reporting-mta", "")))
    found.put(_REPORT_TEXT, _human_text(message)[:_MAX_TEXT])
    if when is not None:
        found.properties[_REPORT_TIME] = when
    _original(found)
    return ReportContent(f"REPORT.IPM.Note.{_ACTIONS[worst]}", found.properties, rows, tuple(found.losses))


def _action(block: Fields) -> str:
    """The action of a block about a recipient, "" if it is none. Without a known word, the status decides."""
    named = _uncommented(block.get("action", "")).lower()
    if named in _ACTIONS:
        return named
    if "final-recipient" in block or "original-recipient" in block:
        return _ACTION_OF_STATUS.get(block.get("status", "").strip()[:1], "")
    return ""


def _row(found: _Report, block: Fields, action: str, when: datetime | None) -> dict[int, Value]:
    """The row of one recipient ([MS-OXCMAIL] 2.2.3.7.1 step 3)."""
    address = _address(block.get("final-recipient", "")) or _address(block.get("original-recipient", ""))
    name = found.storable(_text(block.get("x-display-name", "")))
    address = found.storable(address)
    if not address:
        found.losses.append(Loss("address-missing", f"report: a recipient that {action} has no address"))
    row = recipient(1, name or address or "(no address)", address)
    status, remote = block.get("status", ""), _typed(block.get("remote-mta", ""))
    number, short = status_code(status)
    supplementary = _text(block.get("x-supplementary-info", ""))
    if not supplementary:
        diagnostic = _text(block.get("diagnostic-code", ""))
        supplementary = " ".join(part for part in (remote, f"#{short}" if short else "", diagnostic) if part)
        supplementary = f"<{supplementary}>" if supplementary else ""
    for tag, text in ((_SUPPLEMENTARY, supplementary), (_REMOTE_MTA, remote)):
        if text:
            row[tag] = found.storable(text)
    if when is not None:
        row[_REPORT_TIME] = when
        if action != "failed":
            row[_DELIVER_TIME] = when
    if number is not None:
        row[_STATUS] = number
    if action == "failed":
        row[_DIAGNOSTIC], row[_REASON] = diagnostic_and_reason(short)
    return row


def _disposition(message: Message, blocks: list[Fields]) -> ReportContent | None:
    block: Fields = {}
    for one in blocks:
        block = {**one, **block}
    disposition = _text(block.get("disposition", ""))
    kind = re.split(r"[/,\s]", disposition.rpartition(";")[2].strip(), maxsplit=1)[0].lower()
    if kind not in _DISPOSITIONS:
        return None
    found = _Report(message)
    when = found.time(_text(message.get("Date", "")))
    if when is not None:
        found.properties.update({_REPORT_TIME: when, _RECEIPT: when, _ORIGINAL_DELIVERY: when})
    found.put(_REPORT_TEXT, disposition)
    _original(found)
    address = _address(block.get("original-recipient", "")) or _address(block.get("final-recipient", ""))
    if _ORIGINAL_TO not in found.properties:
        found.put(_ORIGINAL_TO, _text(block.get("x-display-name", "")) or address)
    if original := _text(block.get("original-message-id", "")):
        found.put(_ORIGINAL_ID, original)
    _parent_key(found, block.get("x-msexch-correlation-key", ""))
    return ReportContent(f"REPORT.IPM.Note.{_DISPOSITIONS[kind]}", found.properties, [], tuple(found.losses))


def _parent_key(found: _Report, encoded: str) -> None:
    if not encoded.strip():
        return
    try:
        found.properties[_PARENT_KEY] = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        found.losses.append(Loss("report-key", "the correlation key of the report is no base64"))


def _original(found: _Report) -> None:
    """Subject, date, recipients and id of the mail that the report is about, where it came back."""
    head = _returned(found.message)
    if head is None:
        return
    found.put(_ORIGINAL_SUBJECT, _text(head.get("Subject", "")))
    found.put(_ORIGINAL_ID, _text(head.get("Message-ID", "")))
    for tag, name in ((_ORIGINAL_TO, "To"), (_ORIGINAL_CC, "Cc")):
        persons = addresses(", ".join(_plain(value) for value in head.get_all(name, [])), Losses(), "report")
        found.put(tag, "; ".join(person.name or person.address for person in persons))
    if (sent := found.time(_text(head.get("Date", "")))) is not None:
        found.properties[_ORIGINAL_SUBMIT] = sent


def _returned(message: Message) -> Message | None:
    for part in _parts(message):
        if part.get_content_type() in _RETURNED:
            payload = part.get_payload()
            if isinstance(payload, list) and payload and isinstance(payload[0], Message) and payload[0].keys():
                return payload[0]
            text = _content(part).lstrip("\r\n")
            return HeaderParser().parsestr(text) if text else None
    return None


def _human_text(message: Message) -> str:
    """The first text part, which says to people what happened."""
    for part in message.walk():
        if part.get_content_type() == "text/plain" and not part.is_multipart():
            raw = part.get_payload(decode=True)
            return _decoded_bytes(raw, _charset(part)) if isinstance(raw, bytes) else ""
        if part.get_content_type() in _RETURNED | _DELIVERY | _DISPOSITION:
            break
    return ""


def _charset(part: Message) -> str:
    """The character set that a part names, found in linear time."""
    return parse(_plain(part.get("Content-Type", ""))).plain("charset")


def _decoded_bytes(raw: bytes, charset: str | None) -> str:
    for name in (charset, "utf-8"):
        try:
            return raw.decode(name or "ascii")
        except (LookupError, UnicodeError, ValueError):
            continue
    return raw.decode("cp1252", "replace")


def _blocks(part: Message) -> list[Fields]:
    """The blocks of fields of a machine's part; names in lower case, of equal names the first."""
    blocks: list[Fields] = [{}]
    for line in _FOLD.sub(" ", _content(part)).splitlines():
        name, colon, value = line.partition(":")
        if not line.strip():
            blocks.append({})
        elif colon and name.strip():
            blocks[-1].setdefault(name.strip().lower(), _plain(value).strip())
    return [block for block in blocks if block]


def _content(part: Message) -> str:
    """A part as it is in the mail, its transfer encoding undone, whatever `email` made of it."""
    raw = _flat(part)
    encoding = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
    if part.is_multipart() and encoding in ("base64", "quoted-printable"):  # `email` decodes no parts of type message
        with contextlib.suppress(binascii.Error, ValueError):  # then it is not encoded, whatever it says
            raw = base64.b64decode(raw) if encoding == "base64" else binascii.a2b_qp(raw)
    return _decoded_bytes(raw, "utf-8")


def _flat(part: Message) -> bytes:
    payload = part.get_payload() if part.is_multipart() else None
    if not isinstance(payload, list):
        raw = part.get_payload(decode=True)
        return raw if isinstance(raw, bytes) else b""
    texts = []
    for inner in payload:
        if isinstance(inner, Message):
            head = "".join(f"{name}: {value}\n" for name, value in inner.raw_items())
            texts.append(head.encode("utf-8", "surrogateescape") + b"\n" + _flat(inner))
    return b"\n".join(texts)


def _plain(value: object) -> str:
    """A header's value with its 8-bit bytes decoded and its folds undone."""
    text = _FOLD.sub(" ", value if isinstance(value, str) else str(value))
    if text.isascii():
        return text
    try:
        raw = text.encode("ascii", "surrogateescape")
    except UnicodeEncodeError:
        return text  # characters already
    return _decoded_bytes(raw, "utf-8")


def _decoded(text: str) -> str:
    """A header's text with encoded words decoded; a word that is broken stays as it stands."""
    return text_of(text, Losses(), "report") if "=?" in text else text


def _text(value: object) -> str:
    return _decoded(_plain(value)).strip()


def _typed(value: str) -> str:
    """`dns; mx.example.com` without its type and without a comment."""
    _, semicolon, rest = value.partition(";")
    return _uncommented(rest if semicolon else value)


def _uncommented(value: str) -> str:
    """A value without the comment at its end."""
    value = value.strip()
    start = value.rfind("(")
    if start >= 0 and value.find(")", start) == len(value) - 1:
        value = value[:start].rstrip()
    return value


def _address(value: str) -> str:
    """The address of `rfc822; ann@example.com`, or of `utf-8; ...` with RFC 6533's escapes undone."""
    kind = value.partition(";")[0].strip().lower()
    address = _typed(value)
    if kind.startswith("utf-8"):
        address = _XTEXT.sub(lambda match: chr(min(int(match[1], 16), 0x10FFFF)), address)
    if "<" in address and address.endswith(">"):
        address = address.rpartition("<")[2][:-1]
    return address.strip()
