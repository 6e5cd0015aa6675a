"""Signed, encrypted, rights-managed mails and winmail.dat, as mapi-mapping.md §1.8 says."""

from pathlib import Path

import pytest

from exporters.mail.compose import Converted, Facts, convert
from exporters.mail.compose.headers import INET
from exporters.pst import Attachment, NamedProperty
from tests.unit.mail.own_mails import OPAQUE, SIGNED, mail
from tests.unit.mail.written import samples, write

CONTENT_TYPE = NamedProperty(INET, "content-type", 0x001F)
HEAD = "Date: Tue, 2 Jan 2024 00:00:00 +0000\n"


def files(converted: Converted) -> list[Attachment]:
    return list(converted.message.attachments)


def test_an_opaque_mail_is_one_attachment(tmp_path: Path) -> None:
    made = convert(OPAQUE)
    (part,) = files(made)
    have = made.message.properties
    assert have[0x001A001F] == "IPM.Note.SMIME"
    assert have[CONTENT_TYPE] == 'application/pkcs7-mime; smime-type=enveloped-data; name="smime.p7m"'
    assert 0x1000001F not in have and 0x10130102 not in have
    assert part.properties[0x3707001F] == part.properties[0x3704001F] == "smime.p7m"
    assert part.properties[0x370E001F] == "application/pkcs7-mime"
    assert part.data == bytes.fromhex("308201020304")
    assert made.losses == ()
    (read,) = write([made.message], tmp_path / "a.pst")
    assert [(a.name, a.data, a.properties[0x37050003]) for a in read.attachments] == [("smime.p7m", part.data, 1)]


def test_another_kind_and_another_name_of_an_opaque_mail() -> None:
    made = convert(
        OPAQUE.replace(b"application/pkcs7-mime", b"application/x-pkcs7-mime").replace(b'"smime.p7m"', b'"x.p7m"')
    )
    assert made.message.properties[0x001A001F] == "IPM.Note.SMIME"
    assert files(made)[0].properties[0x370E001F] == "application/pkcs7-mime"
    assert [loss.code for loss in made.losses] == ["attachment-renamed"]


def signed_entity(raw: bytes) -> bytes:
    """The entity as it must be stored: the two MIME headers, a blank line, the untouched rest."""
    head, _, body = raw.partition(b"\r\n\r\n")
    start = head.index(b"MIME-Version")
    return head[start : head.index(b"X-Other")].removesuffix(b"\r\n") + b"\r\n\r\n" + body


def test_a_signed_mail_is_one_attachment_of_untouched_bytes(tmp_path: Path) -> None:
    made = convert(SIGNED)
    (part,) = files(made)
    have = made.message.properties
    assert have[0x001A001F] == "IPM.Note.SMIME.MultipartSigned"
    assert part.properties[0x3707001F] == "smime.p7m" and part.properties[0x370E001F] == "multipart/signed"
    assert part.data == signed_entity(SIGNED)
    assert have[0x1000001F] == "signed € text  "
    assert str(have[CONTENT_TYPE]).startswith('multipart/signed; protocol="application/pkcs7-signature";')
    (read,) = write([made.message], tmp_path / "a.pst")
    assert [a.data for a in read.attachments] == [signed_entity(SIGNED)]


def test_line_ends_of_a_signed_mail_stay() -> None:
    bare = SIGNED.replace(b"\r\n", b"\n").replace(b"signed =E2", b"sig\r\r\nned =E2\xff")
    (part,) = files(convert(bare))
    _, _, body = bare.partition(b"\n\n")
    assert isinstance(part.data, bytes) and part.data.endswith(b"\n\n" + body)


@pytest.mark.parametrize("protocol", ["application/x-pkcs7-signature", "application/pgp-signature"])
def test_other_signatures_go_the_same_way(protocol: str) -> None:
    raw = SIGNED.replace(b"application/pkcs7-signature", protocol.encode())
    made = convert(raw)
    assert made.message.properties[0x001A001F] == "IPM.Note.SMIME.MultipartSigned"
    assert files(made)[0].data == signed_entity(raw)
    assert convert(raw, facts=Facts(message_class="IPM.Note")).message.properties[0x001A001F] == "IPM.Note"


def test_a_signature_without_named_protocol_is_found_by_its_part() -> None:
    made = convert(SIGNED.replace(b' protocol="application/pkcs7-signature";', b""))
    assert made.message.properties[0x001A001F] == "IPM.Note.SMIME.MultipartSigned"
    unknown = convert(SIGNED.replace(b"application/pkcs7-signature", b"application/x-unknown"))
    assert unknown.message.properties[0x001A001F] == "IPM.Note"
    assert len(files(unknown)) == 1


def test_a_signed_part_inside_another_is_taken_apart() -> None:
    head, _, body = SIGNED.partition(b"\r\n\r\n")
    kind = head[head.index(b"Content-Type") : head.index(b"X-Other")]
    raw = (
        mail(f"{HEAD}Content-Type: multipart/mixed; boundary=o\n\n--o\n")
        + kind
        + b"\r\n"
        + body
        + mail("--o\n\nfooter\n--o--\n")
    )
    made = convert(raw)
    assert made.message.properties[0x001A001F] == "IPM.Note"
    assert made.message.properties[0x1000001F] == "signed € text  \r\nfooter"
    assert {"signature-detached", "body-joined"} <= {loss.code for loss in made.losses}


def test_an_encrypted_pgp_mail_has_two_attachments() -> None:
    made = convert(
        mail(
            f"{HEAD}Content-Type: multipart/encrypted; protocol=application/pgp-encrypted; boundary=e\n\n--e\n"
            "Content-Type: application/pgp-encrypted\n\nVersion: 1\n--e\n"
            "Content-Type: application/octet-stream; name=encrypted.asc\n\n"
            "-----BEGIN PGP MESSAGE-----\n--e--\n"
        )
    )
    assert made.message.properties[0x001A001F] == "IPM.Note"
    assert [(a.properties[0x370E001F], a.data) for a in files(made)] == [
        ("application/pgp-encrypted", b"Version: 1"), ("application/octet-stream", b"-----BEGIN PGP MESSAGE-----")
    ]  # fmt: skip


def test_rights_managed_mail_is_marked() -> None:
    made = convert(
        mail(
            f"{HEAD}Content-Type: multipart/mixed; boundary=b\n\n--b\n\nprotected\n--b\n"
            "Content-Type: application/x-microsoft-rpmsg-message; name=message.rpmsg\n\nx\n--b--\n"
        )
    )
    assert made.message.properties[NamedProperty(INET, "content-class", 0x001F)] == "rpmsg.message"
    assert made.message.properties[0x001A001F] == "IPM.Note"
    assert [loss.code for loss in made.losses] == ["irm"]


def test_winmail_among_other_parts_stays_an_attachment() -> None:
    made = convert(
        mail(
            f"{HEAD}Content-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n--b\n"
            "Content-Type: application/ms-tnef; name=winmail.dat\nContent-Transfer-Encoding: base64\n\neJ8+IgEA\n--b--\n"
        )
    )
    assert [(a.properties[0x3707001F], a.data) for a in files(made)] == [("winmail.dat", bytes.fromhex("789f3e220100"))]
    assert not made.losses


def test_winmail_that_cannot_be_read_stays_an_attachment() -> None:
    made = convert(mail(f"{HEAD}Subject: s\nContent-Type: application/ms-tnef; name=winmail.dat\n\nnothing\n"))
    assert [a.properties[0x3707001F] for a in files(made)] == ["winmail.dat"]
    assert "tnef-unreadable" in {loss.code for loss in made.losses}


def test_all_signed_samples_keep_their_bytes() -> None:
    seen = 0
    for file in samples():
        raw = file.read_bytes()
        made = convert(raw)
        if made.message.properties[0x001A001F] != "IPM.Note.SMIME.MultipartSigned":
            continue
        seen += 1
        (part,) = files(made)
        body = raw[min(at for at in (raw.find(b"\n\n"), raw.find(b"\r\n\r\n")) if at >= 0) :].lstrip(b"\r\n")
        assert isinstance(part.data, bytes) and part.data.endswith(body), file.name
        assert b"multipart/signed" in part.data.partition(b"\n\n")[0].lower() or b"\r\n\r\n" in part.data
    assert seen >= 3
