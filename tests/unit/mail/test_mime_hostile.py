"""Odd, broken and hostile mails: nothing goes without a loss, nothing raises, nothing takes long.

Each test is a fault that a fresh reader found. Source: issue 5, "Bad input" and part 6.
"""

import base64
import struct
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from exporters.mail.compose import Converted, Facts, convert
from exporters.pst import NamedProperty
from tests.unit.mail.own_mails import mail
from tests.unit.mail.written import write

PUBLIC = UUID("00020329-0000-0000-c000-000000000046")
HEAD = "From: Ann <a@b.example>\nTo: c@d.example\nDate: Mon, 1 Jan 2024 00:00:00 +0000\n"


def codes(made: Converted) -> set[str]:
    return {loss.code for loss in made.losses}


def in_time(raw: bytes) -> Converted:
    begun = time.process_time()
    made = convert(raw)
    took = time.process_time() - begun
    assert took < 2, f"{len(raw)} bytes took {took:.1f} s"
    return made


# -- winmail.dat ----------------------------------------------------------------------------------------------------------


def _attribute(number: int, body: bytes) -> bytes:
    return struct.pack("<BII", 1, number, len(body)) + body + struct.pack("<H", sum(body) & 0xFFFF)


def _property(tag: int, value: bytes | int) -> bytes:
    head = struct.pack("<HH", tag & 0xFFFF, tag >> 16)
    if isinstance(value, int):
        return head + struct.pack("<i", value)
    return head + struct.pack("<II", 1, len(value)) + value + bytes(-len(value) % 4)


def _winmail(*properties: bytes, head: str = HEAD) -> bytes:
    listed = struct.pack("<I", len(properties)) + b"".join(properties)
    data = struct.pack("<IH", 0x223E9F78, 1) + _attribute(0x69007, struct.pack("<II", 1251, 0))
    data += _attribute(0x69003, listed)
    kind = "Content-Type: application/ms-tnef\nContent-Transfer-Encoding: base64\n\n"
    return mail(head + kind) + base64.encodebytes(data)


def test_what_winmail_holds_is_in_the_message() -> None:
    html = "<p>Привет</p>".encode("cp1251")
    raw = _winmail(
        _property(0x0037001E, b"From TNEF\0"),
        _property(0x1000001E, "Привет".encode("cp1251") + b"\0"),
        _property(0x10130102, html),
        _property(0x3FDE0003, 1251),
        _property(0x00170003, 2),
        _property(0x0E04001E, b"Nobody\0"),
        _property(0x001A001E, b"IPM.Task\0"),
    )
    have = convert(raw).message.properties
    assert (have[0x0037001F], have[0x1000001F], have[0x001A001F]) == ("From TNEF", "Привет", "IPM.Task")
    assert (have[0x10130102], have[0x3FDE0003]) == (html, 1251)  # the bytes and the code page that they are in
    assert have[0x00170003] == 2
    assert (have[0x0C1F001F], have[0x0E04001F]) == ("a@b.example", "c@d.example")  # persons are those of the headers
    assert have[0x0E070003] == 1 and 0x007D001F in have


def test_what_is_known_of_a_mail_wins_over_winmail() -> None:
    raw = _winmail(_property(0x00170003, 2), _property(0x0037001E, b"x\0"))
    have = convert(raw, facts=Facts(importance=0, is_read=False)).message.properties
    assert (have[0x00170003], have[0x00260003], have[0x0E070003]) == (0, -1, 0)


# -- what raised, and what took long ------------------------------------------------------------------------------------------


def test_a_character_reference_of_thousands_of_digits() -> None:
    made = convert(b"Content-Type: text/html\r\n\r\n<p>&#" + b"0" * 5000 + b"65;&#" + b"1" * 5000 + b"; text &#66;</p>")
    assert made.message.properties[0x1000001F] == "A\ufffd text B"


@pytest.mark.parametrize(
    "value", [b"a" + b" " * 60_000 + b"b", b'"a' + b" " * 60_000 + b'" x@y.example z', b"a b " * 60_000]
)
def test_blanks_in_a_name(value: bytes) -> None:
    in_time(b"From: " + value + b"\r\n\r\n")


def test_components_of_a_calendar_that_others_end() -> None:
    head = b"Content-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:u\r\n"
    made = in_time(head + b"BEGIN:A\r\n" * 60_000 + b"END:B\r\n" * 60_000)
    assert "calendar-line" in codes(made)


def test_a_zone_of_thousands_of_offsets() -> None:
    part = b"BEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+%02d%02d%02d\r\nEND:STANDARD\r\n"
    zone = b"".join(part % (n // 3600, n // 60 % 60, n % 60) for n in range(5000))
    head = b"Content-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\nBEGIN:VTIMEZONE\r\nTZID:x\r\n"
    event = (
        b"END:VTIMEZONE\r\nBEGIN:VEVENT\r\nUID:u\r\nDTSTART;TZID=x:20240101T100000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    assert "timezone-approximate" in codes(in_time(head + zone + event))


def test_many_locations_beside_a_large_html() -> None:
    head = b"Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n"
    parts = b"".join(b"--b\r\nContent-Type: image/png\r\nContent-Location: x%d\r\n\r\nx\r\n" % n for n in range(4000))
    made = in_time(head + b"<img src='x7'> text" * 100_000 + b"\r\n" + parts)
    assert [a.properties[0x7FFE000B] for a in made.message.attachments].index(True) == 7


_REPORT = (
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain%s\r\n\r\n"
    b"text\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; a\r\n\r\nFinal-Recipient: rfc822; a@b\r\n"
    b"Action: failed\r\n%s\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n%s\r\n\r\n--b--\r\n"
)


@pytest.mark.parametrize(
    "parts",
    [
        (b"", b"", b"To: " + b"(" * 60_000),
        (b"", b"Remote-MTA: dns; f" + b" " * 60_000 + b"x", b"To: a@b"),
        (b"", b"Diagnostic-Code: " + b"=?utf-8?q?a?= " * 20_000, b"To: a@b"),
        (b"", b"", b"Subject: " + b"=?utf-8?q?a?= " * 20_000),
        (b'; x="' + b";" * 60_000 + b'"', b"", b"To: a@b"),
    ],
)
def test_fields_of_a_report(parts: tuple[bytes, bytes, bytes]) -> None:
    assert in_time(_REPORT % parts).message.properties[0x001A001F] == "REPORT.IPM.Note.NDR"


# -- what went in silence -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "body", "code"),
    [
        ("base64", "SGVsbG8=\nV29ybGQ=\n", "encoding-damaged"),  # two pieces, each with padding
        ("base64", "SGVsbG8gV29ybGQ=\n\n-- \nFooter of the list\n", "encoding-damaged"),
        ("base64", "SGVsbG8gV29yb\n", "encoding-unknown"),  # stays as it is
        ("base64", "SGVs bG8\n", ""),  # blanks and missing padding lose nothing
        ("uue", "Hello\nbegin 644 a.txt\n#0V%T\n`\nend\n", "encoding-damaged"),
        ("uue", "begin 644 a.txt\n#0V%T\n`\nend\nafter\n", "encoding-damaged"),
        ("uue", "begin 644 a.txt\n#0V%T\n`\nend\n", ""),
    ],
)
def test_what_is_outside_of_a_transfer_encoding(encoding: str, body: str, code: str) -> None:
    made = convert(mail(f"{HEAD}Content-Transfer-Encoding: {encoding}\n\n{body}"))
    assert codes(made) == ({code} if code else set())


def test_a_large_attachment_in_two_pieces() -> None:
    piece = base64.encodebytes(bytes(70_000)).decode()
    made = convert(mail(f"{HEAD}Content-Type: a/b; name=x.b\nContent-Transfer-Encoding: base64\n\n{piece}{piece}"))
    assert codes(made) == {"encoding-damaged"}


# -- what a reader refuses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ['"  " <>', "=?utf-8?q??= <>", '"" <>', "=?utf-8?q?=20?=", "( ) <>"])
def test_a_recipient_without_name_and_address_has_no_row(value: str, tmp_path: Path) -> None:
    read = write(
        [convert(mail(f"{HEAD}Cc: {value}\nFrom: {value}\nReply-To: {value}\n\n")).message], tmp_path / "x.pst"
    )
    assert read[0].addresses(2) == []


# -- what was changed in silence ----------------------------------------------------------------------------------------------


def test_all_keywords_are_categories() -> None:
    made = convert(mail(f"{HEAD}Keywords: a, b\nKeywords: c\n\n"))
    assert made.message.properties[NamedProperty(PUBLIC, "Keywords", 0x101F)] == ["a", "b", "c"]


def test_an_offset_with_a_colon_counts() -> None:
    made = convert(mail("Date: Mon, 1 Jan 2024 10:00:00 +01:00\n\n"))
    assert made.message.properties[0x00390040] == datetime(2024, 1, 1, 9, tzinfo=UTC)


def test_a_quoted_local_part_keeps_its_quotes_and_blanks() -> None:
    made = convert(mail(f'{HEAD}Cc: Ann <"a b"@c.example>, < x@ y.example >\n\n'))
    assert [row[0x3003001F] for row in made.message.recipients][1:] == ['"a b"@c.example', "x@y.example"]
