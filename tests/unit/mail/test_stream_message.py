"""Items of exportItems as messages of a PST: each row of the table of reference/fasttransfer.md 5, read back from the file."""

import base64
import io
import json
import struct
import tracemalloc
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import pytest

from exporters.mail.compose.mime import Converted
from exporters.mail.compose.stream_errors import StreamImplausible
from exporters.mail.compose.stream_message import Expected, stream_message, version_of
from exporters.pst import FileSink, NamedProperty, Writer, filetime
from tests.unit.mail import streams as s
from tests.unit.mail.written import Read, write
from tests.unit.pst.judges import TOOLS, Checked, pypff

SAMPLE = TOOLS.parent / "data" / "graph" / "mailbox-export" / "exportItems-response.json"
WHEN = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
TICKS = filetime(WHEN)
COMMON = UUID("00062008-0000-0000-C000-000000000046")
PUBLIC = UUID("00020329-0000-0000-C000-000000000046")
PS_MAPI = UUID("00020328-0000-0000-C000-000000000046")
BASE = (s.text(0x001A, "IPM.Note"), s.text(0x0037, "Hello"), s.time(0x0E06, TICKS))


def made(*parts: bytes, cuts: tuple[int, ...] = (), **known: Any) -> Converted:
    return stream_message(io.BytesIO(s.container(b"".join(parts), *cuts)), **known)


def _sink(file: BinaryIO, _: int) -> FileSink:
    return FileSink(file)


def codes(converted: Converted) -> set[str]:
    return {loss.code for loss in converted.losses}


def stored(tmp_path: Path, *parts: bytes) -> tuple[Read, set[str]]:
    converted = made(*parts)
    return write([converted.message], tmp_path / "one.pst")[0], codes(converted)


def test_sample_of_the_service_becomes_its_message(tmp_path: Path) -> None:
    if not SAMPLE.is_file():
        pytest.skip("needs ../shared/data/graph")
    item = json.loads(SAMPLE.read_text())["value"][0]
    file = io.BytesIO(base64.b64decode(item["data"]))
    converted = stream_message(file, label="sample")
    assert version_of(file) == (0x0F14, 0x91D6, 0x1786)
    read = write([converted.message], tmp_path / "sample.pst")[0]
    assert read.subject == "Hello" and read.properties[0x1000001F] == "Body text"
    assert read.properties[0x001A001F] == "IPM.Note" and read.properties[0x00170003] == 1
    assert [(row[0x0C150003], row[0x3001001F], row[0x39FE001F]) for row in read.recipients] == [
        (1, "Alex Wilber", "AlexW@contoso.com")
    ]
    assert [(one.name, one.data) for one in read.attachments] == [("a.txt", b"hi\n")]


def test_named_properties_are_stored_under_their_names() -> None:
    message = made(
        *BASE,
        s.named(0x0003, 0x8010, COMMON, 0x8510, struct.pack("<i", 16)),
        s.named(0x000B, 0x8012, COMMON, 0x8506, struct.pack("<H", 1)),
        s.named(0x101F, 0x8011, PUBLIC, "Keywords", s.several(s.wide("Red"), s.wide("VIP"))),
        s.named(0x84B0, 0x8013, PS_MAPI, 0x1035, struct.pack("<I", 8) + s.wide("<a>")),
        s.named(0x0003, 0x8014, COMMON, "", struct.pack("<i", 1)),
    )
    found = message.message.properties
    assert found[NamedProperty(COMMON, 0x8510, 0x0003)] == 16
    assert found[NamedProperty(COMMON, 0x8506, 0x000B)] is True
    assert found[NamedProperty(PUBLIC, "Keywords", 0x101F)] == ["Red", "VIP"]
    assert found[0x1035001F] == "<a>"
    assert codes(message) == {"ft-name"}


def test_every_type_of_value_reaches_the_file(tmp_path: Path) -> None:
    guid = UUID("5d1c1a2e-1b1e-4d2a-9f55-0a0b0c0d0e0f")
    read, lost = stored(
        tmp_path,
        *BASE,
        s.fixed(0x0002, 0x7001, "h", -2),
        s.number(0x7002, -3),
        s.fixed(0x0004, 0x7003, "f", 0.5),
        s.fixed(0x0005, 0x7004, "d", -1.25),
        s.fixed(0x0006, 0x7005, "q", 12_345),
        s.fixed(0x0007, 0x7006, "d", 40_000.5),
        s.boolean(0x7007, 1),
        s.fixed(0x0014, 0x7008, "q", -(1 << 40)),
        s.time(0x7009, TICKS),
        s.fixed(0x0048, 0x700A, "16s", guid.bytes_le),
        s.binary(0x700B, b"\0\1\2"),
        struct.pack("<HHI", 0x1003, 0x700C, 2) + struct.pack("<ii", 1, -1),
        struct.pack("<HH", 0x1102, 0x700D) + s.several(b"a", b"", b"ccc"),
        struct.pack("<HH", 0x94B0, 0x700E) + s.several(s.wide("x"), s.wide("y")),
        s.sized(0x94B0, 0x700F, s.wide("one string")),
        s.sized(0x84E4, 0x7010, "Grüße".encode("cp1252") + b"\0"),
        s.sized(0xD182, 0x7011, "привет".encode("koi8-r")),
        s.sized(0xFDE9, 0x7012, "漢".encode()),
        s.sized(0x84B1, 0x7013, "BE".encode("utf-16-be")),
    )
    value = read.properties
    assert [value[tag] for tag in (0x70010002, 0x70020003, 0x70030004, 0x70040005)] == [
        -2,
        -3,
        struct.pack("<f", 0.5),
        -1.25,
    ]
    assert value[0x70080014] == -(1 << 40) and value[0x7007000B] is True
    assert value[0x700C1003] == struct.pack("<ii", 1, -1)
    assert value[0x700D1102] == struct.pack("<4I", 3, 16, 17, 17) + b"accc"
    assert value[0x700E101F] == struct.pack("<3I", 2, 12, 14) + "xy".encode("utf-16-le")
    assert value[0x700F101F] == struct.pack("<2I", 1, 8) + "one string".encode("utf-16-le")
    assert [value[tag] for tag in (0x7010001F, 0x7011001F, 0x7012001F, 0x7013001F)] == ["Grüße", "привет", "漢", "BE"]
    assert value[0x700B0102] == b"\0\1\2"
    assert {0x70050006, 0x70060007, 0x70090040, 0x700A0048} <= value.keys()
    assert not lost


def test_narrow_strings_follow_the_code_page_that_comes_later(tmp_path: Path) -> None:
    narrow = s.sized(0x001E, 0x0037, "Привет".encode("cp1251") + b"\0")
    read, lost = stored(tmp_path, BASE[0], narrow, BASE[2], s.number(0x3FFD, 1251))
    assert read.subject == "Привет" and not lost
    read, _ = stored(tmp_path, BASE[0], s.sized(0x001E, 0x0037, b"\xe4\0"), BASE[2])
    assert read.subject == "ä"


def test_text_is_cut_at_a_nul_and_repaired_with_a_loss(tmp_path: Path) -> None:
    read, lost = stored(tmp_path, *BASE, s.text(0x1035, "id\0rest"), s.sized(0x001F, 0x1042, b"A\0\0\xd8\0\0"))
    assert read.properties[0x1035001F] == "id" and read.properties[0x1042001F] == "A\ufffd"
    assert lost == {"text-cut", "text-replaced"}


def test_subject_carries_the_length_of_its_prefix(tmp_path: Path) -> None:
    parts = (BASE[0], s.text(0x0037, "Antwort: Hello"), s.text(0x003D, "Antwort: "), BASE[2])
    read, _ = stored(tmp_path, *parts)
    assert read.properties[0x0037001F] == "\x01\x0aAntwort: Hello"
    read, _ = stored(tmp_path, BASE[0], s.text(0x0037, "RE: no prefix"), s.text(0x003D, ""), BASE[2])
    assert read.properties[0x0037001F] == "\x01\x01RE: no prefix"


def test_store_local_ids_and_unstorable_types_stay_out() -> None:
    local = [0x0E08, 0x0E09, 0x0E0A, 0x0E1D, 0x0FF4, 0x0FF7, 0x0FFA, 0x0FFB, 0x674A, 0x6748, 0x67F2, 0x6600, 0x67FF]
    kept = [0x0E23, 0x0E2F, 0x65E0, 0x65E2, 0x65E3]
    converted = made(
        *BASE,
        *(s.binary(pid, b"x") for pid in [*local, *kept]),
        s.fixed(0x000A, 0x7001, "I", 0x80040102),
        s.sized(0x00FB, 0x7002, b"server"),
        s.sized(0x000D, 0x7003, b"object"),
    )
    pids = {tag >> 16 for tag in converted.message.properties if isinstance(tag, int)}
    assert not pids & set(local) and set(kept) <= pids
    assert [loss.code for loss in converted.losses] == ["ft-type-dropped"] * 3


def test_flags_lose_submitted_and_associated_items_are_told_apart() -> None:
    converted = made(*BASE, s.number(0x0E07, 0x01 | 0x04 | 0x10 | 0x40), s.number(0x0E17, 4))
    assert converted.message.properties[0x0E070003] == 1 and converted.message.properties[0x0E170003] == 0
    assert converted.message.associated and codes(converted) == {"ft-attachments-missing"}
    wrapped = made(s.marker(0x40100003), *BASE, s.marker(s.END_MESSAGE))
    assert wrapped.message.associated
    assert not made(s.marker(s.START_MESSAGE), *BASE, s.marker(s.END_MESSAGE)).message.associated


def test_recipients_keep_what_they_say_and_get_what_is_missing(tmp_path: Path) -> None:
    dn = "/o=ExchangeLabs/ou=Exchange Administrative Group/cn=Recipients/cn=anna"
    read, lost = stored(
        tmp_path,
        *BASE,
        s.del_prop(0x0E12000D),
        s.recipient(
            s.number(0x0C15, 0x10000001), s.text(0x3001, "Ann"), s.text(0x3002, "SMTP"), s.text(0x3003, "a@b.c")
        ),
        s.recipient(
            s.number(0x0C15, 2),
            s.number(0x3000, 1),
            s.text(0x3001, "Anna"),
            s.text(0x3002, "EX"),
            s.text(0x3003, dn),
            s.text(0x39FE, "anna@b.c"),
            s.text(0x3A20, "Anna T."),
            s.number(0x0FFE, 6),
        ),
        s.recipient(s.number(0x0C15, 3)),
        s.del_prop(0x0E13000D),
    )
    first, second, third = read.recipients
    assert (first[0x0C150003], first[0x3003001F], first[0x39FE001F]) == (1, "a@b.c", "a@b.c")
    assert first[0x300B0102] == b"SMTP:A@B.C\0" and first[0x0FF90102] == first[0x0FFF0102]
    assert (second[0x3002001F], second[0x3003001F], second[0x39FE001F]) == ("EX", dn, "anna@b.c")
    assert second[0x3A20001F] == "Anna T." and second[0x0FFF0102].endswith(dn.encode() + b"\0")
    assert third[0x0C150003] == 3 and lost == {"address-missing"}


def test_column_of_recipients_has_one_type(tmp_path: Path) -> None:
    read, lost = stored(
        tmp_path,
        *BASE,
        s.recipient(s.text(0x3001, "A"), s.text(0x3003, "a@b"), s.number(0x7001, 1)),
        s.recipient(s.text(0x3001, "B"), s.text(0x3003, "b@b"), s.text(0x7001, "one")),
        s.recipient(s.text(0x3001, "C"), s.text(0x3003, "c@b"), s.named(3, 0x8001, COMMON, 1, struct.pack("<i", 1))),
    )
    assert read.recipients[0][0x70010003] == 1 and 0x7001001F not in read.recipients[1]
    assert lost == {"ft-recipient"}


def test_attachments_by_value_by_reference_ole_and_embedded(tmp_path: Path) -> None:
    inner = s.attachment(
        s.number(0x0E21, 0), s.text(0x3707, "in.bin"), s.number(0x3705, 1), s.binary(0x3701, b"inside")
    )
    read, lost = stored(
        tmp_path,
        *BASE,
        s.del_prop(0x0E13000D),
        s.attachment(s.number(0x0E21, 0), s.text(0x3707, "a.bin"), s.number(0x3705, 1), s.binary(0x3701, b"data")),
        s.attachment(s.number(0x0E21, 1), s.text(0x3707, "link"), s.number(0x3705, 7), s.text(0x370D, "https://x/y")),
        s.attachment(
            s.number(0x0E21, 2), s.text(0x3707, "ole"), s.number(0x3705, 6), s.sized(0x000D, 0x3701, b"ole" * 99)
        ),
        s.attachment(
            s.number(0x0E21, 3),
            s.text(0x3707, "mail"),
            s.number(0x3705, 5),
            s.binary(0x0FF9, b"\0\0\0\0"),
            s.embedded(s.text(0x001A, "IPM.Note"), s.text(0x0037, "Inner"), s.text(0x1000, "deep"), inner),
        ),
        s.attachment(s.text(0x3707, "empty"), s.number(0x3705, 5)),
    )
    value, link, ole, mail, empty = read.attachments
    assert value.data == b"data" and 0x0E210003 not in value.properties
    assert link.properties[0x37050003] == 7 and link.properties[0x370D001F] == "https://x/y"
    assert ole.properties[0x37050003] == 6
    assert mail.message is not None and mail.message.subject == "Inner"
    assert mail.message.attachments[0].data == b"inside" and 0x0FF90102 not in mail.properties
    assert empty.properties[0x37050003] == 1 and lost == {"date-fallback", "ft-attachment"}


def test_messages_too_deep_are_kept_as_bytes(tmp_path: Path) -> None:
    inside = s.text(0x0037, "core")
    for depth in range(31):
        inside = s.text(0x0037, f"level {depth}") + s.attachment(s.number(0x3705, 5), s.embedded(inside))
    converted = made(*BASE, s.attachment(s.number(0x3705, 5), s.embedded(inside)))
    write([converted.message], tmp_path / "deep.pst")
    assert "too-deep" in codes(converted)


def test_large_values_are_read_while_they_are_written(tmp_path: Path) -> None:
    data, body = bytes(range(256)) * 40_000, "ä😀" * 200_000
    stream = b"".join(
        (
            *BASE,
            s.text(0x1000, body),
            s.binary(0x1013, data),
            s.attachment(s.text(0x3707, "big"), s.binary(0x3701, data)),
        )
    )
    path = tmp_path / "item.fts"
    path.write_bytes(s.container(stream, *range(31_680, len(stream), 31_680)))
    with path.open("rb") as file:
        tracemalloc.start()
        converted = stream_message(file)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 3_000_000
        assert converted.message.size_hint >= 2 * len(data)
        read = write([converted.message], tmp_path / "big.pst")[0]
    assert read.properties[0x1000001F] == body and read.properties[0x10130102] == data
    assert read.attachments[0].data == data and not converted.losses


def test_long_text_is_cut_and_repaired_like_short(tmp_path: Path) -> None:
    letters = "x" * 50_000
    read, lost = stored(
        tmp_path, *BASE, s.text(0x1000, letters + "\0" + letters), s.sized(0x001F, 0x1035, b"\0\xd8" * 40_000)
    )
    assert read.properties[0x1000001F] == letters and set(read.properties[0x1035001F]) == {"\ufffd"}
    assert lost == {"text-cut", "text-replaced"}


def test_what_is_no_message_is_refused() -> None:
    for parts in (
        (s.number(0x7001, 1),),
        (s.text(0x001A, "\x02bad"), *BASE[1:]),
        (s.text(0x001A, "1PM.Note"), *BASE[1:]),
        (*BASE[:2], s.time(0x0E06, filetime(datetime(4501, 1, 1, tzinfo=UTC)))),
    ):
        with pytest.raises(StreamImplausible) as caught:
            made(*parts, label="here")
        assert caught.value.code == "ft-implausible" and str(caught.value).startswith("here: ")
    with pytest.raises(StreamImplausible):
        made(*BASE, expected=Expected(attachments=1))
    assert codes(made(*BASE, expected=Expected(message_class="IPM.Task"))) == {"ft-class-differs"}
    assert codes(made(*BASE[1:])) == {"ft-class-missing"}


def test_item_without_date_takes_the_one_of_the_listing() -> None:
    converted = made(*BASE[:2], expected=Expected(created=WHEN))
    assert converted.message.properties[0x30070040] == WHEN and codes(converted) == {"date-fallback"}


def test_dates_beyond_the_calendar_are_kept_as_long_as_they_can_be_stored(tmp_path: Path) -> None:
    late, never = filetime(datetime(9000, 1, 1, tzinfo=UTC)), (1 << 64) - 1
    read, lost = stored(tmp_path, *BASE, s.time(0x7001, late), s.time(0x7002, never))
    assert 0x70010040 in read.properties and 0x70020040 not in read.properties and lost == {"ft-date"}


def test_same_stream_gives_the_same_bytes_and_pypff_reads_them(tmp_path: Path) -> None:
    reader = pypff()
    raw = s.container(b"".join(BASE) + s.text(0x1000, "body") + s.recipient(s.text(0x3001, "A"), s.text(0x3003, "a@b")))
    paths = [tmp_path / "1.pst", tmp_path / "2.pst"]
    for path in paths:
        with path.open("wb") as file, Writer(partial(_sink, file), seed=b"s", display_name="S") as pst:
            pst.add_message(pst.add_folder(pst.top, "Notes"), stream_message(io.BytesIO(raw)).message)
        Checked(path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    opened = reader.file()
    opened.open(str(paths[0]))
    waiting = [opened.get_root_folder()]
    while waiting and (folder := waiting.pop()).get_name() != "Notes":
        waiting += list(folder.sub_folders)
    assert folder.get_sub_message(0).get_subject() == "Hello"
