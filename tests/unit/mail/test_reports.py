"""Delivery and read reports: classes by the worst outcome, codes by the status, broken and encoded ones."""

import base64
import email
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exporters.mail.compose.reports import ReportContent, report
from exporters.mail.compose.status_codes import diagnostic_and_reason, status_code
from exporters.pst.ltp import encode

SAMPLES = Path(__file__).parents[3].parent / "shared" / "data" / "mail" / "eml"
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="needs the mails of ../shared/data/mail")
SENT = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
HEAD = "Reporting-MTA: dns; mx.example.com\nArrival-Date: Tue, 2 Jan 2024 03:00:00 +0000\n\n"
ORIGINAL = (
    'Subject: =?utf-8?q?caf=C3=A9?=\nTo: Bob <bob@b.example>,\n "D, C" <c@b.example>\nCc: e@b.example\n'
    "Date: Tue, 2 Jan 2024 02:00:00 +0100\nMessage-ID: <1@example.com>\n\nhello\n"
)


def block(action: str = "failed", address: str = "bob@b.example", status: str = "5.1.1", more: str = "") -> str:
    return f"Final-Recipient: rfc822;{address}\nAction: {action}\nStatus: {status}\n{more}\n"


def mail(status: str, kind: str = "delivery-status", returned: str = "message/rfc822", head: str = "") -> bytes:
    return (
        f"From: daemon@example.com\nTo: ann@example.com\nSubject: Undeliverable\nDate: Tue, 2 Jan 2024 04:04:05 +0100\n"
        f'Content-Type: multipart/report; report-type={kind}; boundary="b"\n\n--b\n'
        f"Content-Type: text/plain; charset=utf-8\n\nIt failed.\n\n--b\nContent-Type: message/{kind}\n{head}\n"
        f"{status}\n--b\nContent-Type: {returned}\n\n{ORIGINAL}\n--b--\n"
    ).encode()


def read(raw: bytes) -> ReportContent:
    found = report(email.message_from_bytes(raw))
    assert found is not None
    for properties in (found.properties, *found.recipients):
        for tag, value in properties.items():
            assert isinstance(tag, int)
            encode(tag & 0xFFFF, value)
    return found


def test_a_failed_delivery_has_everything() -> None:
    more = "Remote-MTA: dns; mx.b.example\nDiagnostic-Code: smtp; 550 5.1.1\n unknown\n"
    found = read(mail(HEAD + block(more=more)))
    assert found.message_class == "REPORT.IPM.Note.NDR"
    assert found.properties == {
        0x00320040: SENT, 0x1001001F: "It failed.\n", 0x6820001F: "mx.example.com", 0x0049001F: "café",
        0x004E0040: datetime(2024, 1, 2, 1, tzinfo=UTC), 0x0074001F: "Bob; D, C", 0x0072001F: "e@b.example",
        0x1046001F: "<1@example.com>",
    }  # fmt: skip
    (row,) = found.recipients
    assert (row[0x0C150003], row[0x39FE001F]) == (1, "bob@b.example")
    assert (row[0x0C200003], row[0x0C050003], row[0x0C040003]) == (511, 35, 1)
    assert row[0x0C1B001F] == "<mx.b.example #5.1.1 smtp; 550 5.1.1 unknown>"
    assert (row[0x0C21001F], row[0x00320040], 0x00100040 in row) == ("mx.b.example", SENT, False)
    assert found.losses == ()


@pytest.mark.parametrize(
    ("action", "suffix"),
    [
        ("failed", "NDR"),
        ("delayed", "Delayed.DR"),
        ("relayed", "Relayed.DR"),
        ("expanded", "Expanded.DR"),
        ("Delivered ", "DR"),
    ],
)
def test_the_action_names_the_class(action: str, suffix: str) -> None:
    found = read(mail(HEAD + block(action, status="2.0.0")))
    assert found.message_class == f"REPORT.IPM.Note.{suffix}"
    (row,) = found.recipients
    assert (0x00100040 in row, 0x0C050003 in row, 0x0C040003 in row) == (
        action != "failed",
        action == "failed",
        action == "failed",
    )


def test_of_mixed_outcomes_the_worst_decides_and_the_milder_are_a_loss() -> None:
    status = HEAD + block("delivered", "a@b.c", "2.0.0") + block("failed", "b@b.c") + block("delayed", "c@b.c", "4.2.2")
    found = read(mail(status + block("failed", "d@b.c", "5.2.2")))
    assert found.message_class == "REPORT.IPM.Note.NDR"
    assert [(row[0x39FE001F], row[0x0C200003], row[0x0C050003]) for row in found.recipients] == [
        ("b@b.c", 511, 35), ("d@b.c", 522, 13),
    ]  # fmt: skip
    assert [loss.code for loss in found.losses] == ["report-recipient"]


def test_without_an_action_the_status_decides_and_one_block_is_enough() -> None:
    assert read(mail("Final-Recipient: rfc822; a@b.c\nStatus: 4.4.1\n")).message_class == "REPORT.IPM.Note.Delayed.DR"
    assert report(email.message_from_bytes(mail("Reporting-MTA: dns; x\n"))) is None
    assert report(email.message_from_bytes(mail(HEAD + block("vanished", status="x")))) is None


def test_addresses_in_all_their_forms() -> None:
    forms = {
        "rfc822; <a@b.c>": "a@b.c", "RFC822;a@b.c (gone)": "a@b.c", "a@b.c": "a@b.c", "rfc822; Ann <a@b.c>": "a@b.c",
        "utf-8; a\\x{E9}@b.c": "aé@b.c", "utf-8; aé@b.c": "aé@b.c",
    }  # fmt: skip
    for form, address in forms.items():
        found = read(mail(HEAD + f"Final-Recipient: {form}\nAction: failed\nStatus: 5.0.0\n"))
        assert found.recipients[0][0x3003001F] == address
    found = read(
        mail(HEAD + "Original-Recipient: rfc822;a@b.c\nFinal-Recipient: rfc822;\nAction: failed\nX-Display-Name: A\n")
    )
    assert (found.recipients[0][0x3003001F], found.recipients[0][0x3001001F]) == ("a@b.c", "A")
    found = read(mail(HEAD + "Action: failed\n"))
    assert [loss.code for loss in found.losses] == ["address-missing"]
    assert (found.recipients[0][0x0C050003], 0x0C200003 in found.recipients[0]) == (-1, False)


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
@pytest.mark.parametrize("kind", ["delivery-status", "global-delivery-status"])
def test_encoded_and_international_status_parts(encoding: str, kind: str) -> None:
    status = HEAD + block(address="é@b.c") + block(address="b@b.c")
    coded = base64.encodebytes(status.encode()).decode() if encoding == "base64" else status.replace("é", "=C3=A9")
    found = read(mail(coded, kind, head=f"Content-Transfer-Encoding: {encoding}\n"))
    assert [row[0x39FE001F] for row in found.recipients] == ["é@b.c", "b@b.c"]
    assert [row[0x39FE001F] for row in read(mail(status, kind)).recipients] == ["é@b.c", "b@b.c"]


@pytest.mark.parametrize("returned", ["text/rfc822-headers", "message/rfc822", "message/global-headers"])
def test_the_original_is_known_from_its_head_alone(returned: str) -> None:
    assert read(mail(HEAD + block(), returned=returned)).properties[0x0049001F] == "café"


@pytest.mark.parametrize(
    ("disposition", "suffix"),
    [
        ("manual-action/MDN-sent-manually; displayed", "IPNRN"), ("automatic-action/MDN-sent-automatically; deleted", "IPNNRN"),
        ("manual-action/MDN-sent-manually;deleted/error,warning", "IPNNRN"), ("x; dispatched", "IPNRN"), ("displayed", "IPNRN"),
    ],
)  # fmt: skip
def test_read_reports(disposition: str, suffix: str) -> None:
    status = (
        f"Reporting-UA: x\nFinal-Recipient: rfc822; bob@b.example\nOriginal-Message-ID: <2@example.com>\n"
        f"Disposition: {disposition}\nX-MSExch-Correlation-Key: AAEC\n"
    )
    found = read(mail(status, "disposition-notification"))
    assert found.message_class == f"REPORT.IPM.Note.{suffix}"
    assert found.recipients == []
    assert (found.properties[0x1046001F], found.properties[0x00250102]) == ("<2@example.com>", b"\0\1\2")
    assert (found.properties[0x00320040], found.properties[0x1001001F]) == (SENT, disposition)
    assert (
        report(email.message_from_bytes(mail(status.replace(disposition, "x; eaten"), "disposition-notification")))
        is None
    )


def test_ordinary_mails_are_no_reports() -> None:
    for raw in (b"Subject: x\n\nhello", mail(HEAD + block()).replace(b"multipart/report", b"multipart/mixed"), b""):
        assert report(email.message_from_bytes(raw)) is None
    assert report(email.message_from_bytes(b"Content-Type: multipart/report\n\nno parts")) is None


def test_what_cannot_be_read_or_stored_is_a_loss() -> None:
    raw = (
        mail(HEAD + block())
        .replace(b"Tue, 2 Jan 2024 04:04:05 +0100", b"yesterday")
        .replace(b"=?utf-8?q?caf=C3=A9?=", b"a\0b")
    )
    found = read(raw)
    assert (0x00320040 in found.properties, found.properties[0x0049001F]) == (False, "a\ufffdb")
    assert sorted(loss.code for loss in found.losses) == ["date-unreadable", "text-replaced"]


@pytest.mark.parametrize(
    ("status", "number", "diagnostic", "reason"),
    [
        ("5.1.1", 511, 35, 1), ("5.1.10", 510, 0, 0), ("5.7.0 (x)", 570, 46, 0), ("4.4.3", 443, -1, 6), ("5.2.2", 522, 13, 0),
        ("5.0.0", 500, -1, 0), ("5.6.5", 565, -1, 2), ("5.4.99", 540, -1, 0), ("5.3.4", 534, 13, 0), ("5.5.4", 554, 11, 0),
    ],
)  # fmt: skip
def test_status_codes(status: str, number: int, diagnostic: int, reason: int) -> None:
    assert status_code(status)[0] == number
    assert diagnostic_and_reason(status) == (diagnostic, reason)


# sample: class, addresses and status codes, by hand
SEEN = {
    "mikel__mail/multipart_report_emails__report_422.eml": ("Delayed.DR", [("fraser@oooooooo.com.au", 422)]),
    "Webklex__php-imap/example_bounce.eml": ("NDR", [("ding@ding.de", 500)]),
    "RustPython__RustPython/msg_16.eml": ("NDR", [("jangel1@cougar.noc.ucla.edu", 500)]),
    "nodemailer__mailparser/delivery-status.eml": ("NDR", [("xxxx@xxxx.com", 511)]),
}


@needs_samples
@pytest.mark.parametrize("name", SEEN)
def test_samples(name: str) -> None:
    found = read((SAMPLES / name).read_bytes())
    suffix, rows = SEEN[name]
    assert found.message_class == f"REPORT.IPM.Note.{suffix}"
    assert [(row[0x39FE001F], row[0x0C200003]) for row in found.recipients] == rows


@needs_samples
def test_every_sample_mail_is_a_report_or_none() -> None:
    found = [
        path.name for path in sorted(SAMPLES.rglob("*.eml")) if report(email.message_from_bytes(path.read_bytes()))
    ]
    assert len(found) >= 8, found


def test_damaged_reports_give_no_errors() -> None:
    whole, draw, usable = mail(HEAD + block() + block("delayed", "é@b.c", "4.2.2")), random.Random(3), 0
    for _ in range(600):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 6)):
            data[draw.randrange(len(data))] = draw.choice((0, 10, 32, 58, 59, 0x80, 0xED, draw.randrange(256)))
        found = report(email.message_from_bytes(bytes(data)))
        usable += found is not None
        for properties in (found.properties, *found.recipients) if found else ():
            for tag, value in properties.items():
                assert isinstance(tag, int)
                encode(tag & 0xFFFF, value)
    assert usable > 150
