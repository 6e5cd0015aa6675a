"""Attachments: names, inline images, embedded messages, odd encodings, kinds of message/*."""

import base64
from email import message_from_bytes
from pathlib import Path

import pytest

from exporters.mail.compose import Converted, Facts, convert
from exporters.pst import Attachment
from tests.unit.mail.own_mails import ALTERNATIVE, EMBEDDED, INVITATION, REPORT, UUENCODED, mail
from tests.unit.mail.written import write

HEAD = "Date: Tue, 2 Jan 2024 00:00:00 +0000\n"
NAME, FLAGS, HIDDEN = 0x3707001F, 0x37140003, 0x7FFE000B


def files(converted: Converted) -> list[Attachment]:
    return list(converted.message.attachments)


def names(converted: Converted) -> list[object]:
    return [part.properties[NAME] for part in files(converted)]


def data(part: Attachment) -> bytes:
    return part.data if isinstance(part.data, bytes) else b"".join(part.data or ())


def codes(converted: Converted) -> set[str]:
    return {loss.code for loss in converted.losses}


def one(headers: str, body: str = "x") -> Converted:
    return convert(mail(f"{HEAD}Content-Type: multipart/mixed; boundary=b\n\n--b\n{headers}\n\n{body}\n--b--\n"))


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ("Content-Type: image/png; name=a.png", "a.png"),
        ('Content-Disposition: attachment; filename="a b.txt"', "a b.txt"),
        ('Content-Type: image/png; name=no\nContent-Disposition: inline; filename="yes"', "yes"),
        ("Content-Disposition: attachment; filename=plain; filename*=utf-8''%E2%82%AC.txt", "€.txt"),
        ("Content-Disposition: attachment; filename*0*=utf-8''%E2%82; filename*1*=%AC; filename*2=.txt", "€.txt"),
        ("Content-Disposition: attachment; filename*1=b.txt; filename*0=a", "ab.txt"),
        ('Content-Disposition: attachment; filename="=?utf-8?B?4oKsLnR4dA==?="', "€.txt"),
        ("Content-Disposition: attachment; filename==?utf-8?Q?a_b.txt?=", "a b.txt"),
        ('Content-Disposition: attachment; filename="caf\xe9.txt"', "café.txt"),
        ('Content-Disposition: attachment;\n filename="fol\n ded.txt"', "fol ded.txt"),
        ("Content-Disposition: attachment; filename=two words.txt; size=3", "two words.txt"),
        ("Content-Disposition: attachment; filename*=iso-8859-1'en'caf%E9.txt", "café.txt"),
        ("Content-Disposition: attachment; filename*=%41.txt", "A.txt"),
    ],
)
def test_names(headers: str, name: str) -> None:
    made = one(headers)
    assert names(made) == [name]
    assert "attachment-renamed" not in codes(made)


def test_names_that_no_file_may_have() -> None:
    made = one('Content-Disposition: attachment; filename="..\\a/b:c*?<>|\x01.txt"')
    assert names(made) == [".._a_b_c______.txt"]
    assert codes(made) == {"attachment-renamed"}
    made = one(f'Content-Disposition: attachment; filename="{"n" * 400}.docx"')
    assert names(made) == ["n" * 250 + ".docx"]


def test_q073_equal_names_stay_equal_and_none_is_made() -> None:
    part = "--b\nContent-Type: image/png; name=image001.png\n\nx\n"
    made = convert(
        mail(
            f"{HEAD}Content-Type: multipart/mixed; boundary=b\n\n{part}{part}--b\nContent-Type: image/gif\n\nx\n--b--\n"
        )
    )
    assert names(made) == ["image001.png", "image001.png", "attachment-3.gif"]
    assert "attachment-renamed" in codes(made)


def test_inline_pictures_are_hidden_if_they_are_shown() -> None:
    picture, pdf, text = files(convert(ALTERNATIVE))
    assert (picture.properties[FLAGS], picture.properties[HIDDEN], picture.properties[0x3712001F]) == (4, True, "pic@x")
    assert (pdf.properties[NAME], pdf.properties[FLAGS], pdf.properties[HIDDEN]) == ("€.pdf", 0, False)
    assert (
        data(pdf) == b"%PDF-1.4"
        and pdf.properties[0x370E001F] == "application/pdf"
        and pdf.properties[0x3703001F] == ".pdf"
    )
    assert (text.properties[NAME], data(text)) == ("a_b_c.txt", b"in a file")


def test_a_picture_that_nothing_shows_is_not_hidden() -> None:
    unused = convert(ALTERNATIVE.replace(b"cid:pic@x", b"cid:other"))
    assert files(unused)[0].properties[HIDDEN] is False
    escaped = convert(ALTERNATIVE.replace(b"cid:pic@x", b"CID:pic%40x"))
    assert files(escaped)[0].properties[HIDDEN] is True


def test_a_location_counts_as_reference() -> None:
    made = convert(
        mail(
            f"{HEAD}Content-Type: multipart/related; boundary=b\n\n--b\nContent-Type: text/html\n\n<img src='http://x/i'>\n--b\n"
            "Content-Type: image/png\nContent-Location: http://x/i\nContent-Base: http://x/\n\nx\n--b\n"
            "Content-Type: image/png\nContent-Location: i\n\nx\n--b--\n"
        )
    )
    first, second = files(made)
    assert (first.properties[HIDDEN], first.properties[0x3713001F], first.properties[0x3711001F]) == (
        True,
        "http://x/i",
        "http://x/",
    )
    assert second.properties[HIDDEN] is False


def test_embedded_messages_also_encoded_ones_and_digests(tmp_path: Path) -> None:
    made = convert(EMBEDDED)
    (read,) = write([made.message], tmp_path / "a.pst")
    inner = [part.message for part in read.attachments]
    assert [message.subject for message in inner if message is not None] == ["inner"] * 3
    assert [message.properties[0x1000001F].strip() for message in inner if message is not None] == [
        "inner text", "inner text two", "inner text"
    ]  # fmt: skip
    for part in read.attachments:
        assert part.message is not None and part.message.addresses(1) == ["outer@example.com"]
        assert part.message.properties[0x0E070003] == 1
        assert part.message.properties[0x007D001F].startswith("From: inner@example.com\r\n")
        assert part.properties[0x3001001F] == "inner"
    assert made.losses == ()


def test_an_embedded_message_without_date_has_that_of_the_outer() -> None:
    made = one("Content-Type: message/rfc822; name=note.eml", "Subject: s\n\nx")
    (part,) = files(made)
    assert part.message is not None and part.properties[NAME] == "note.eml"
    assert part.message.properties[0x0E060040] == made.message.properties[0x0E060040]
    assert "date-fallback" in codes(made)


def nested(depth: int) -> bytes:
    raw = mail(f"{HEAD}Subject: 0\n\nend\n")
    for level in range(1, depth + 1):
        raw = mail(f"{HEAD}Subject: {level}\nContent-Type: message/rfc822\n\n") + raw
    return raw


def test_q084_thirty_messages_inside_each_other_and_then_a_file(tmp_path: Path) -> None:
    made = convert(nested(40))
    (read,) = write([made.message], tmp_path / "deep.pst")
    for level in range(40, 10, -1):
        assert read.subject == str(level)
        (part,) = read.attachments
        assert part.message is not None
        read = part.message
    (part,) = read.attachments
    assert read.subject == "10" and part.data == nested(9)
    assert "too-deep" in codes(made)
    assert "too-deep" not in codes(convert(nested(30)))


def test_multiparts_a_hundred_deep_and_a_thousand() -> None:
    def deep(count: int) -> bytes:
        heads = "".join(f"Content-Type: multipart/mixed; boundary=b{n}x\n\n--b{n}x\n" for n in range(count))
        return mail(f"{HEAD}{heads}\nend\n" + "".join(f"--b{n}x--\n" for n in reversed(range(count))))

    assert str(convert(deep(100)).message.properties[0x1000001F]).startswith("end")
    made = convert(deep(1000))
    assert codes(made) == {"too-deep", "attachment-renamed"}
    assert data(files(made)[0]) == deep(1000)


def test_encodings_of_old() -> None:
    made = convert(UUENCODED)
    assert names(made) == ["data.bin"] and data(files(made)[0]) == b"Cat"
    broken = convert(UUENCODED.replace(b"begin 644 data.bin", b"nothing"))
    assert data(files(broken)[0]).startswith(b"nothing")
    odd = convert(UUENCODED.replace(b"x-uuencode", b"x-odd"))
    assert data(files(odd)[0]).startswith(b"begin 644") and "encoding-unknown" in codes(odd)


def test_large_data_is_decoded_when_it_is_asked_for(tmp_path: Path) -> None:
    payload = bytes(range(256)) * 1000
    made = one(
        "Content-Type: application/zip; name=z.zip\nContent-Transfer-Encoding: base64",
        base64.encodebytes(payload).decode(),
    )
    (part,) = files(made)
    assert not isinstance(part.data, bytes) and data(part) == data(part) == payload
    assert made.message.size_hint > len(payload)
    (read,) = write([made.message], tmp_path / "a.pst")
    assert read.attachments[0].data == payload
    small = one("Content-Type: application/zip; name=z.zip\nContent-Transfer-Encoding: base64", "AAEC")
    assert files(small)[0].data == b"\0\1\2"


_ENCODED = base64.encodebytes(bytes(range(251)) * 12_000).decode()  # over three slices


@pytest.mark.parametrize(
    "body",
    [
        _ENCODED, _ENCODED + "AA==\n", _ENCODED + "AA==\n" + _ENCODED, _ENCODED[:-5],
        _ENCODED + "=", _ENCODED[:90_000] + "*" + _ENCODED,
        "A" * (1 << 20) + "==\n", "A" * ((1 << 20) - 2) + "==" + "AAAA" * 9,
        "A" * ((1 << 20) - 1) + "=" + "\n" * (1 << 20) + "AAAA",
    ],
)  # fmt: skip
def test_large_base64_is_what_email_makes_of_it(body: str) -> None:
    raw = f"Content-Type: application/zip; name=z\nContent-Transfer-Encoding: base64\n\n{body}".encode()
    (part,) = files(convert(raw))
    assert data(part) == message_from_bytes(raw).get_payload(decode=True)


def test_empty_attachments_are_kept(tmp_path: Path) -> None:
    made = one("Content-Type: application/pdf; name=e.pdf", "")
    (read,) = write([made.message], tmp_path / "a.pst")
    assert read.attachments[0].data == b""
    assert made.message.properties[0x0E1B000B] is True


def test_reports_keep_their_parts() -> None:
    made = convert(REPORT)
    status, returned = files(made)
    assert status.properties[NAME] == "details.txt" and status.properties[0x370E001F] == "message/delivery-status"
    assert data(status).startswith(b"Reporting-MTA: dns; mx.example.com\r\n\r\nFinal-Recipient: rfc822;")
    assert data(status).endswith(b"Status: 5.1.1\r\n")
    assert returned.message is not None
    assert str(made.message.properties[0x1000001F]).startswith("It failed.")


def test_bodies_elsewhere_and_fragments() -> None:
    made = one(
        'Content-Type: message/external-body; access-type=URL; URL="ftp://x/y"',
        "Content-Type: image/png\nContent-ID: <a@b>\n\n",
    )
    assert codes(made) == {"external-body", "attachment-renamed"}
    assert data(files(made)[0]).startswith(b"Content-Type: image/png\r\n")
    made = one('Content-Type: message/partial; id="a"; number=1; total=2', "Subject: x\n\npiece")
    assert "partial-message" in codes(made) and data(files(made)[0]) == b"Subject: x\r\n\r\npiece"


def test_a_mail_that_is_a_file() -> None:
    made = convert(mail(f"{HEAD}Content-Type: application/pdf; name=a.pdf\n\n%PDF\n"))
    assert names(made) == ["a.pdf"] and data(files(made)[0]) == b"%PDF\r\n"
    assert 0x1000001F not in made.message.properties
    made = convert(mail(f"{HEAD}Content-Type: text/plain\nContent-Disposition: attachment; filename=t.txt\n\nt\n"))
    assert names(made) == ["t.txt"]
    made = convert(mail(f"{HEAD}Content-Type: text/plain; name=t.txt\n\nt\n"))
    assert names(made) == [] and made.message.properties[0x1000001F] == "t\r\n"


def test_an_invitation_keeps_its_calendar() -> None:
    (part,) = files(convert(INVITATION))
    assert part.properties[0x370E001F] == "text/calendar" and data(part).startswith(b"BEGIN:VCALENDAR")


def test_multiparts_without_boundary_are_shown_as_text() -> None:
    for header in ("Content-Type: multipart/mixed", "Content-Type: multipart/mixed; boundary=no"):
        made = convert(mail(f"{HEAD}{header}\n\n--x\n\nwords\n"))
        assert "words" in str(made.message.properties[0x1000001F])
        assert codes(made) == {"structure-unreadable"}


def test_what_email_drops_behind_an_end_without_beginning_is_kept() -> None:
    made = convert(mail(f"{HEAD}Content-Type: multipart/mixed; boundary=b\n\nwords\n--b--\nmore\n"))
    assert made.message.properties[0x1000001F] == "words\r\n--b--\r\nmore\r\n"


def test_facts_of_the_outer_mail_are_not_those_of_the_inner() -> None:
    made = convert(EMBEDDED, facts=Facts(is_draft=True, is_read=False, message_class="IPM.Post", search_key=b"1" * 16))
    inner = files(made)[0].message
    assert inner is not None and inner.properties[0x0E070003] == 1 and inner.properties[0x001A001F] == "IPM.Note"
    assert 0x300B0102 not in inner.properties


def test_disposition_dates() -> None:
    made = one(
        'Content-Disposition: attachment; filename=a; creation-date="Tue, 02 Jan 2024 10:00:00 +0000"; modification-date=never'
    )
    assert str(files(made)[0].properties[0x30070040]) == "2024-01-02 10:00:00+00:00"
    assert 0x30080040 not in files(made)[0].properties
