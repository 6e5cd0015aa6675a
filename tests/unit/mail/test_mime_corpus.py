"""All 667 mails of the shared corpus through convert(), into one PST, judged by the checker and by an expectation of `email`."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exporters.mail.compose import Converted, convert
from tests.unit.mail.expectation import Expected, expected, squeezed
from tests.unit.mail.written import Read, samples, write
from tests.unit.pst.judges import pypff

_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Converted, Read]]:
    files = samples()
    converted = [convert(file.read_bytes()) for file in files]
    read = write([mail.message for mail in converted], tmp_path_factory.mktemp("corpus") / "all.pst")
    return list(zip(files, converted, read, strict=True))


def test_every_mail_is_in_the_file(corpus: list[tuple[Path, Converted, Read]]) -> None:
    assert len(corpus) == 667


def test_subjects_dates_and_recipients(corpus: list[tuple[Path, Converted, Read]]) -> None:
    wrong = []
    compared = 0
    for file, _, read in corpus:
        want = expected(file.read_bytes())
        for name, have, value in _headers(want, read):
            compared += 1
            if have != value:
                wrong.append((file.name, name, have, value))
    assert not wrong, "\n".join(map(repr, wrong))
    assert compared > 3000


def _headers(want: Expected, read: Read) -> list[tuple[str, object, object]]:
    rows: list[tuple[str, object, object]] = []
    if want.subject is not None:
        rows.append(("subject", squeezed(read.subject), want.subject))
    if want.date is not None:
        rows.append(("date", _EPOCH + timedelta(microseconds=read.properties[0x00390040] // 10), want.date))
    for kind, addresses in want.addresses.items():
        if addresses is not None:
            have = sorted(a for a in read.addresses(kind) if "@" in a)
            if str(read.properties[0x001A001F]).startswith("REPORT."):  # those whom it is about have rows behind
                have = [address for address in have if address in addresses][: len(addresses)]
            rows.append((f"recipients {kind}", have, addresses))
    return rows


def test_bodies(corpus: list[tuple[Path, Converted, Read]]) -> None:
    wrong = []
    for file, converted, read in corpus:
        want = expected(file.read_bytes())
        if want.kind in ("multipart/signed", "application/pkcs7-mime"):
            continue
        if any(loss.code == "text-replaced" for loss in converted.losses):
            continue
        text = squeezed(read.properties.get(0x1000001F, ""))
        html = read.properties.get(0x10130102, b"").decode("utf-8")
        everything = [squeezed((a.data or b"").decode("utf-8", "replace")) for a in read.attachments]
        for piece in want.texts:
            whole = squeezed(piece)
            if whole != text if len(want.texts) == 1 and len(want.htmls) < 2 else whole not in text:
                displaced = any(loss.code in ("alternative-attached", "body-joined") for loss in converted.losses)
                if not (displaced and (whole in text or whole in everything)):
                    wrong.append((file.name, "text", whole[:80], text[:80]))
        for piece in want.htmls:
            joined = "body-joined" in {loss.code for loss in converted.losses}
            if len(want.htmls) == 1 and html != piece and "charset" not in piece.lower() and not joined:
                wrong.append((file.name, "html", piece[:80], html[:80]))
    assert not wrong, "\n".join(map(repr, wrong))


def test_attachments_by_name_and_digest(corpus: list[tuple[Path, Converted, Read]]) -> None:
    wrong = []
    count = 0
    for file, _, read in corpus:
        want = expected(file.read_bytes())
        if want.kind in ("multipart/signed", "application/pkcs7-mime", "application/x-pkcs7-mime"):
            continue
        have = [hashlib.sha256(a.data).hexdigest() for a in read.attachments if a.data is not None]
        names = [a.name for a in read.attachments]
        for name, digest in want.files:
            count += 1
            if digest and digest not in have:
                wrong.append((file.name, name, digest))
            if (
                name
                and name.isascii()
                and "=?" not in name
                and not set(name) & set('/\\:*?"<>|\t\r\n')
                and name.strip() not in names
            ):
                wrong.append((file.name, name, str(names)))
        if len(want.embedded) > sum(a.message is not None for a in read.attachments):
            wrong.append((file.name, "embedded", str(len(want.embedded))))
        if len(read.attachments) < len(want.files) + len(want.embedded):
            wrong.append((file.name, "count", str(len(read.attachments))))
    assert not wrong, "\n".join(map(repr, wrong))
    assert count > 150


def test_embedded_messages(corpus: list[tuple[Path, Converted, Read]]) -> None:
    seen = 0
    for file, _, read in corpus:
        want = expected(file.read_bytes())
        inner = [a.message for a in read.attachments if a.message is not None]
        if want.kind == "multipart/signed" or len(inner) != len(want.embedded):
            continue
        for have, inside in zip(inner, want.embedded, strict=True):
            seen += 1
            for name, one, other in _headers(inside, have):
                assert one == other, (file.name, name)
    assert seen > 40


def test_q085_libpff_reads_all_of_them(tmp_path: Path) -> None:
    mails = [convert(file.read_bytes()).message for file in samples()]
    write(mails, tmp_path / "all.pst")
    file = pypff().file()
    file.open(str(tmp_path / "all.pst"))
    top = file.get_root_folder()
    folders = [inner for outer in top.sub_folders for inner in outer.sub_folders if inner.name == "Inbox"]
    found = list(folders[0].sub_messages)
    assert len(found) == len(mails)
    for have, want in zip(found, mails, strict=True):
        assert (have.subject or "") == want.properties.get(0x0037001F, "")
        assert (have.html_body or b"") == want.properties.get(0x10130102, b"")
        assert (have.plain_text_body or b"").decode("utf-8", "replace") == want.properties.get(0x1000001F, "")
        assert have.number_of_attachments == len(list(want.attachments))
    assert file.get_number_of_orphan_items() == 0
    file.close()
