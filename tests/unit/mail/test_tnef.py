"""winmail.dat: every form of data, hand-made; the samples against what is known of them; all of it through the writer."""

import io
import random
import struct
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from exporters.mail.compose import tnef
from exporters.mail.compose.tnef import TnefContent, TnefRefused
from exporters.pst import FileSink, Message, NamedProperty, Value, Writer, filetime
from tests.unit.pst.judges import Checked

SAMPLES = Path(__file__).parents[3].parent / "shared" / "data" / "mail" / "tnef"
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="needs the winmail.dat files of ../shared/data/mail")
TIME = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
OWN_SET = UUID("5d1c1a2e-1b1e-4d2a-9f55-0a0b0c0d0e0f")
IID_MESSAGE = UUID("00020307-0000-0000-c000-000000000046").bytes_le
IID_STORAGE = UUID("0000000b-0000-0000-c000-000000000046").bytes_le
CP1252 = (1, 0x00069007, struct.pack("<II", 1252, 0))


def attribute(level: int, number: int, data: bytes) -> bytes:
    return struct.pack("<BII", level, number, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)


def stream(*attributes: tuple[int, int, bytes]) -> bytes:
    return struct.pack("<IH", 0x223E9F78, 1) + b"".join(attribute(*one) for one in attributes)


def sized(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data + bytes(-len(data) % 4)


def one(tag: int, *values: bytes, name: bytes = b"") -> bytes:
    """A property: fixed values are given as they are (padded), others as their bytes."""
    kind, pid = tag & 0xFFFF, tag >> 16
    head = struct.pack("<HH", kind, pid) + name
    variable = kind & 0xFFF in (0x1E, 0x1F, 0x102, 0x0D)
    if kind & 0x1000 or variable:
        head += struct.pack("<I", len(values))
    return head + b"".join(sized(value) if variable else value for value in values)


def wide(text: str) -> bytes:
    return text.encode("utf-16-le") + b"\0\0"


def props(*properties: bytes) -> bytes:
    return struct.pack("<I", len(properties)) + b"".join(properties)


def message(*properties: bytes) -> tuple[int, int, bytes]:
    return 1, 0x00069003, props(*properties)


def attachment(
    *properties: bytes, data: bytes | None = None, title: bytes = b"a.txt\0"
) -> tuple[tuple[int, int, bytes], ...]:
    found = [(2, 0x00069002, struct.pack("<HIHHI", 1, 0xFFFFFFFF, 0, 0, 0)), (2, 0x00018010, title)]
    if data is not None:
        found.append((2, 0x0006800F, data))
    return (*found, (2, 0x00069005, props(*properties)))


def codes(content: TnefContent) -> list[str]:
    return [loss.code for loss in content.losses]


def written(tmp_path: Path, *contents: TnefContent) -> Checked:
    """The contents as messages of a PST that the strict checker has accepted."""
    file = io.BytesIO()
    with Writer(lambda part: FileSink(file), seed=b"tnef", display_name="x") as writer:
        for content in contents:
            writer.add_message(
                writer.top, Message({0x30070040: TIME, **content.properties}, content.recipients, content.attachments)
            )
    path = tmp_path / "tnef.pst"
    path.write_bytes(file.getvalue())
    return Checked(path)


def test_values_of_every_type_come_back() -> None:
    stamp = 132_000_000_000_000_000
    content = tnef.read(stream(CP1252, message(
        one(0x0C150002, struct.pack("<hH", -2, 0)), one(0x00170003, struct.pack("<i", -5)),
        one(0x40000004, struct.pack("<f", 1.5)), one(0x40010005, struct.pack("<d", 2.25)),
        one(0x40020006, struct.pack("<q", -7)), one(0x40030007, struct.pack("<d", 3.5)),
        one(0x4004000B, b"\1\0\0\0"), one(0x40050014, struct.pack("<q", 1 << 40)), one(0x00390040, struct.pack("<Q", stamp)),
        one(0x40060048, OWN_SET.bytes_le), one(0x40070102, b"abc"), one(0x0037001E, b"caf\xe9\0"), one(0x1000001F, wide("Zoë")),
        one(0x40081003, struct.pack("<i", 1), struct.pack("<i", 2)), one(0x4009101E, b"x\0", b"yy\0"),
        one(0x400A101F, wide("p"), wide("")), one(0x400B1102, b"1", b"22222"), one(0x400C1040, struct.pack("<Q", stamp)),
        one(0x400D1048, OWN_SET.bytes_le), one(0x400E1002, b"\1\0\0\0", b"\2\0\0\0"),
    )))  # fmt: skip
    assert content.properties == {
        0x0C150002: -2, 0x00170003: -5, 0x40000004: 1.5, 0x40010005: 2.25, 0x40020006: -7, 0x40030007: 3.5, 0x4004000B: True,
        0x40050014: 1 << 40, 0x00390040: stamp, 0x40060048: OWN_SET, 0x40070102: b"abc", 0x0037001F: "café", 0x1000001F: "Zoë",
        0x40081003: (1, 2), 0x4009101F: ("x", "yy"), 0x400A101F: ("p", ""), 0x400B1102: (b"1", b"22222"), 0x400C1040: (stamp,),
        0x400D1048: (OWN_SET,), 0x400E1002: (1, 2),
    }  # fmt: skip
    assert content.losses == ()


def test_named_properties_by_number_by_string_and_of_the_set_that_means_no_name() -> None:
    def by_number(property_set: UUID, number: int) -> bytes:
        return property_set.bytes_le + struct.pack("<II", 0, number)

    keywords = UUID("00020329-0000-0000-c000-000000000046")
    mapi = UUID("00020328-0000-0000-c000-000000000046")
    content = tnef.read(stream(CP1252, message(
        one(0x80010003, b"\5\0\0\0", name=by_number(OWN_SET, 0x8233)),
        one(0x8002101F, wide("red"), name=keywords.bytes_le + struct.pack("<I", 1) + sized(wide("Keywords"))),
        one(0x80030003, b"\6\0\0\0", name=by_number(mapi, 0x0017)),
        one(0x8004001F, wide("x"), name=OWN_SET.bytes_le + struct.pack("<I", 1) + sized(wide("n" * 128))),
        one(0x0026000B, b"\1\0\0\0"),
    )))  # fmt: skip
    assert content.properties == {
        NamedProperty(OWN_SET, 0x8233, 3): 5,
        NamedProperty(keywords, "Keywords", 0x101F): ("red",),
        0x00170003: 6,
        0x0026000B: True,
    }
    assert codes(content) == ["tnef-property"]  # the name of 128 characters


def test_what_belongs_to_the_senders_store_is_left_out_and_flags_do_not_submit() -> None:
    entry = one(0x0FFF0102, b"entry")
    content = tnef.read(stream(message(entry, one(0x0E080003, b"\1\0\0\0"), one(0x0E070003, struct.pack("<i", 0x5D)))))
    assert content.properties == {0x0E070003: 0x09}
    assert content.losses == ()


def test_legacy_attributes_are_read_and_yield_to_properties() -> None:
    body = stream(
        CP1252,
        (1, 0x00078008, b"IPM.Microsoft Mail.Note\0"),
        (1, 0x00018004, b"Legacy\0"),
        (1, 0x0002800C, b"text\0"),
        (1, 0x00038005, struct.pack("<7H", 2024, 1, 2, 5, 4, 5, 2)),
        (1, 0x00038020, struct.pack("<7H", 2024, 1, 2, 6, 0, 0, 2)),
        (1, 0x0004800D, b"\1\0"),
        (1, 0x00008000, struct.pack("<4H", 4, 0, 7, 21) + b"Ann Bo\0SMTP:ann@example.com\0"),
        (1, 0x00018009, b"0DDA0FCBCC07C14192EE86FC42D15B95\0"),
        (1, 0x00060001, struct.pack("<H", 4) + b"Bob\0" + struct.pack("<H", 19) + b"SMTP:bob@b.example\0"),
        (1, 0x00068007, b"\x21"),
        (1, 0x00040009, b"\1\0"),
        (1, 0x00040008, b"\7\0\0\0"),
        message(one(0x0037001F, wide("Modern")), one(0x00390040, struct.pack("<Q", filetime(TIME)))),
    )
    properties = tnef.read(body).properties
    assert properties[0x0037001F] == "Modern"
    assert properties[0x001A001F] == "IPM.Note"
    assert properties[0x1000001F] == "text"
    assert properties[0x00170003] == 2
    assert [properties[tag] for tag in (0x0C1A001F, 0x0C1E001F, 0x0C1F001F)] == [
        "Ann Bo",
        "SMTP",
        "ann@example.com",
    ]
    assert properties[0x300B0102] == bytes.fromhex("0DDA0FCBCC07C14192EE86FC42D15B95")
    assert properties[0x0042001F] == "Bob"
    assert (properties[0x0E070003], properties[0x0063000B], properties[0x00620003]) == (0x01, True, 7)
    # 0x0039 says 03:04:05 UTC, the legacy attribute 05:04:05: the writer's clock was two hours ahead
    assert properties[0x30080040] == datetime(2024, 1, 2, 4, 0, tzinfo=UTC)


def test_a_legacy_date_with_nothing_to_compare_is_a_loss() -> None:
    content = tnef.read(stream((1, 0x00038006, struct.pack("<7H", 2024, 1, 2, 3, 4, 5, 2))))
    assert content.properties == {0x0E060040: TIME}
    assert codes(content) == ["date-without-zone"]


@pytest.mark.parametrize(("name", "group"), [("Request", 0x0042001F), ("Resp.Pos", 0x0044001F)])
def test_the_owner_of_a_meeting_goes_where_the_class_says(name: str, group: int) -> None:
    owner = struct.pack("<H", 4) + b"Ann\0" + struct.pack("<H", 11) + b"SMTP:a@b.c\0"
    content = tnef.read(
        stream((1, 0x00060000, owner), (1, 0x00078008, b"IPM.Schedule.Meeting." + name.encode() + b"\0"))
    )
    assert content.properties[group] == "Ann"
    assert not {0x0042001F, 0x0044001F} - {group} & set(content.properties)


@pytest.mark.parametrize(
    ("page", "raw", "text"),
    [
        (1251, "Привет", "cp1251"),
        (932, "日本", "cp932"),
        (936, "中文", "gb18030"),
        (65001, "Zoë", "utf-8"),
        (28592, "Łódź", "iso8859_2"),
    ],
)
def test_strings_are_of_the_streams_code_page(page: int, raw: str, text: str) -> None:
    data = stream((1, 0x00069007, struct.pack("<II", page, 0)), message(one(0x0037001E, raw.encode(text) + b"\0")))
    assert tnef.read(data).properties == {0x0037001F: raw}


def test_without_a_code_page_the_message_names_one_and_an_unknown_one_is_a_loss() -> None:
    subject = one(0x0037001E, "Привет".encode("cp1251"))
    assert tnef.read(stream(message(subject, one(0x3FFD0003, b"\xe3\4\0\0")))).properties[0x0037001F] == "Привет"
    content = tnef.read(stream((1, 0x00069007, struct.pack("<II", 47, 0)), message(subject)))
    assert codes(content) == ["charset-unknown"]


def test_characters_that_cannot_be_stored_are_replaced_with_a_loss() -> None:
    for raw, text in ((wide("a\0b"), "a\ufffdb"), (b"a\0\0\xd8b\0\0\0", "a\ufffdb")):
        content = tnef.read(stream(message(one(0x0037001F, raw))))
        assert content.properties == {0x0037001F: text}
        assert codes(content) == ["text-replaced"]
    assert tnef.read(stream(message(one(0x0037001F, wide("a\ufffdb"))))).losses == ()


def test_recipients_get_whole_rows(tmp_path: Path) -> None:
    def person(*more: bytes) -> bytes:
        return props(one(0x3001001F, wide("Ann")), one(0x0FFF0102, b"theirs"), one(0x30000003, b"\1\0\0\0"), *more)

    rows = [
        person(one(0x3003001F, wide("ann@example.com")), one(0x3002001F, wide("smtp")), one(0x0C150003, b"\2\0\0\0")),
        person(one(0x3003001F, wide("/o=x/cn=ann")), one(0x3002001F, wide("EX")), one(0x39FE001F, wide("a@b.example"))),
        person(one(0x3003001F, wide("/o=x/cn=ann")), one(0x3002001F, wide("EX")), one(0x5FFF0003, b"\3\0\0\0")),
    ]
    content = tnef.read(stream(CP1252, (1, 0x00069004, struct.pack("<I", 3) + b"".join(rows)), message()))
    first, second, third = content.recipients
    assert (first[0x0C150003], first[0x3001001F], first[0x3002001F], first[0x39FE001F]) == (
        2,
        "Ann",
        "SMTP",
        "ann@example.com",
    )
    assert b"theirs" not in first.values()
    assert (second[0x3002001F], second[0x3003001F]) == ("SMTP", "a@b.example")
    assert (third[0x3002001F], third[0x5FFF0003], 0x39FE001F in third) == ("EX", 3, False)
    assert isinstance(third[0x0FFF0102], bytes) and third[0x0FFF0102].endswith(b"/o=x/cn=ann\0")
    assert codes(content) == ["address-x500"]
    written(tmp_path, content)


def test_attachments_by_value_with_their_names() -> None:
    long = one(0x3707001F, wide("long name.txt"))
    content = tnef.read(stream(CP1252, message(), *attachment(long, data=b"one"), *attachment(one(0x37010102, b"two"))))
    first, second = content.attachments
    assert (first.properties[0x3707001F], first.properties[0x3704001F], first.data) == (
        "long name.txt",
        "a.txt",
        b"one",
    )
    assert (second.properties[0x3707001F], second.data) == ("a.txt", b"two")
    assert content.losses == ()


def test_names_that_windows_cannot_hold_are_changed_with_a_loss() -> None:
    content = tnef.read(stream(*attachment(title=b"a/b?.txt\0", data=b"x"), *attachment(title=b"\0", data=b"y")))
    assert [a.properties[0x3707001F] for a in content.attachments] == ["a_b_.txt", "attachment-2"]
    assert codes(content) == ["attachment-renamed", "attachment-renamed"]


def test_attachments_by_reference_are_never_written_as_such(tmp_path: Path) -> None:
    path = one(0x370D001F, wide(r"\\server\a.doc"))
    content = tnef.read(stream(
        message(), *attachment(one(0x37050003, b"\2\0\0\0"), path), *attachment(one(0x37050003, b"\7\0\0\0"), path)
    ))  # fmt: skip
    assert [a.properties[0x37050003] for a in content.attachments] == [1, 7]
    assert codes(content) == ["attachment-by-reference"]
    written(tmp_path, content)


def test_ole_objects_and_embedded_messages(tmp_path: Path) -> None:
    inner = stream(CP1252, message(one(0x0037001F, wide("inner"))), *attachment(data=b"deep"))
    ole = one(0x3701000D, IID_STORAGE + b"\xd0\xcf\x11\xe0 storage")
    content = tnef.read(stream(
        message(one(0x00390040, struct.pack("<Q", 132_000_000_000_000_000))),
        *attachment(ole, one(0x37050003, b"\6\0\0\0")),
        *attachment(one(0x3701000D, IID_MESSAGE + inner), one(0x37050003, b"\5\0\0\0"), title=b"\0"),
    ))  # fmt: skip
    first, second = content.attachments
    assert (first.properties[0x37050003], first.data) == (6, b"\xd0\xcf\x11\xe0 storage")
    assert second.message is not None and second.data is None
    assert second.message.properties[0x0037001F] == "inner"
    assert (
        second.message.properties[0x30070040] == 132_000_000_000_000_000
    )  # of the outer message: it has no date itself
    assert [a.data for a in second.message.attachments] == [b"deep"]
    assert codes(content) == ["date-fallback"]
    written(tmp_path, content)


def test_messages_inside_each_other_end_at_thirty_and_nothing_is_dropped(tmp_path: Path) -> None:
    data = stream(message(one(0x00390040, struct.pack("<Q", 132_000_000_000_000_000))))
    for _ in range(35):
        data = stream(
            message(one(0x00390040, struct.pack("<Q", 132_000_000_000_000_000))),
            *attachment(one(0x3701000D, IID_MESSAGE + data), one(0x37050003, b"\5\0\0\0")),
        )
    content = tnef.read(data)
    depth, (found,) = 0, content.attachments
    while found.message is not None:
        depth += 1
        (found,) = found.message.attachments
    assert depth == 30
    assert isinstance(found.data, bytes) and found.data.startswith(b"\x78\x9f\x3e\x22")
    assert codes(content) == ["embedded-raw"]
    written(tmp_path, content)


def test_a_wrong_checksum_and_a_cut_are_losses_and_what_was_read_stays() -> None:
    data = stream(
        message(one(0x0037001F, wide("whole")), one(0x40010003, b"\1\0\0\0")), *attachment(data=b"0123456789")
    )
    assert tnef.read(data).losses == ()
    wrong = bytearray(data)
    wrong[6 + 9 + struct.unpack_from("<I", data, 11)[0]] ^= 1
    assert codes(tnef.read(bytes(wrong))) == ["tnef-checksum"]
    starts, at = set(), 6
    while at < len(data):
        starts.add(at)
        at += 9 + struct.unpack_from("<I", data, at + 5)[0] + 2
    for end in set(range(len(data))) - starts:  # nobody can tell that a further attribute was to come
        try:
            content = tnef.read(data[:end])
        except TnefRefused:
            continue
        assert content.losses, end
    assert codes(tnef.read(data + b"garbage")) == ["tnef-garbage"]


def test_unknown_attributes_types_and_repeated_properties_are_losses() -> None:
    assert codes(tnef.read(stream(CP1252, message(one(0x40010003, bytes(4))), (1, 0x00061234, b"?")))) == [
        "tnef-attribute"
    ]
    twice = tnef.read(stream(message(one(0x0037001F, wide("a")), one(0x0037001E, b"b\0"))))
    assert (twice.properties, codes(twice)) == ({0x0037001F: "a"}, ["tnef-property"])
    unknown = tnef.read(stream(message(one(0x40010003, bytes(4)), one(0x400200FB, b"1"))))
    assert (unknown.properties, codes(unknown)) == ({0x40010003: 0}, ["tnef-truncated"])
    late = tnef.read(stream(message(one(0x00390040, b"\xff" * 8), one(0x40010003, bytes(4)))))
    assert (late.properties, codes(late)) == ({0x40010003: 0}, ["tnef-property"])


@pytest.mark.parametrize(
    "data", [b"", b"\x78\x9f\x3e", b"PK\3\4......", struct.pack("<IH", 0x223E9F78, 1), stream(CP1252)]
)
def test_what_is_no_tnef_or_holds_nothing_is_refused(data: bytes) -> None:
    with pytest.raises(TnefRefused):
        tnef.read(data)


# name of the sample: attachments as tnefparse 1.4.0 lists them (name, bytes), without its placeholder names
EXPECTED = {
    "test-documents__testWINMAIL": [
        ("quick.doc", 19968), ("quick.html", 428), ("quick.pdf", 18638), ("quick.txt", 235), ("quick.xml", 143),
    ],
    "tnef__attachments": [("zappa_av1.jpg", 2937), ("bookmark.htm", 85805)],
    "tnef__body": [],
    "tnef__data-before-name": [("AUTOEXEC.BAT", 0), ("CONFIG.SYS", 0), ("boot.ini", 289)],
    "tnef__garbage-at-end": [],
    "tnef__long-filename": [("allproductsmar2000.dat", 279)],
    "tnef__multi-name-property": [],
    "tnef__multi-value-attribute": [("208225__5_seconds__Voice_Mail.mp3", 10656)],
    "tnef__one-file": [("AUTHORS", 244)],
    "tnef__panic": [("image001.jpg", 11250), ("image002.jpg", 9583), ("image003.png", 7147)],
    "tnef__rtf": [],
    "tnef__triples": [],
    "tnef__two-files": [("AUTHORS", 244), ("README", 893)],
    "tnef__unicode-mapi-attr-name": [
        ("spaconsole2.cfg", 8387), ("image001.png", 3815), ("image002.png", 3573), ("image003.png", 3792),
    ],
    "tnef__unicode-mapi-attr": [("example.dat", 1024)],
}  # fmt: skip


@needs_samples
@pytest.mark.parametrize("name", EXPECTED)
def test_samples_hold_the_attachments_that_another_reader_finds(name: str) -> None:
    (path,) = SAMPLES.rglob(f"{name}.tnef")
    content = tnef.read(path.read_bytes())
    assert [(a.properties[0x3707001F], _length(a.data)) for a in content.attachments] == EXPECTED[name]
    known = {"address-x500", "date-without-zone"}
    assert [code for code in codes(content) if code not in known] == (["tnef-garbage"] if name == "tnef__panic" else [])


def _length(data: object) -> int:
    assert isinstance(data, bytes)
    return len(data)


@needs_samples
def test_the_sample_with_ole_pictures_keeps_their_storages_whole() -> None:
    content = tnef.read((SAMPLES / "jstedfast__MimeKit" / "tnef__winmail.tnef").read_bytes())
    assert [a.properties[0x37050003] for a in content.attachments] == [6, 6]
    for found, size in zip(content.attachments, (29184, 68608), strict=True):  # whole sectors: those of the storage
        assert isinstance(found.data, bytes) and found.data.startswith(b"\xd0\xcf\x11\xe0") and len(found.data) == size


@needs_samples
def test_samples_become_messages_that_the_checker_accepts(tmp_path: Path) -> None:
    contents = [tnef.read(path.read_bytes()) for path in sorted(SAMPLES.rglob("*.tnef"))]
    assert len(contents) == 16
    checked = written(tmp_path, *contents)
    assert len(checked.messages(0x8022)) == 16


def test_damaged_streams_are_refused_or_written(tmp_path: Path) -> None:
    """Seeded damage to a stream with everything in it: nothing but TnefRefused, and what comes out can be stored."""
    inner = stream(CP1252, message(one(0x0037001F, wide("inner"))), *attachment(data=b"deep"))
    name = OWN_SET.bytes_le + struct.pack("<I", 1) + sized(wide("Name"))
    whole = stream(
        CP1252, (1, 0x00018004, b"Legacy\0"), (1, 0x00038005, struct.pack("<7H", 2024, 1, 2, 5, 4, 5, 2)),
        (1, 0x00069004, struct.pack("<I", 1) + props(one(0x3001001F, wide("Ann")), one(0x3003001E, b"a@b.c\0"))),
        message(one(0x8001001F, wide("v"), name=name), one(0x400B1102, b"1", b"22222"),
                one(0x00390040, struct.pack("<Q", 1 << 57))),
        *attachment(one(0x3701000D, IID_MESSAGE + inner), one(0x37050003, b"\5\0\0\0")), *attachment(data=b"0123456789"),
    )  # fmt: skip
    draw = random.Random(7)
    contents: list[TnefContent] = []
    for _ in range(600):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            data[draw.randrange(6, len(data))] = draw.choice((0, 1, 0x1F, 0x80, 0xD8, 0xFF, draw.randrange(256)))
        try:
            contents.append(tnef.read(bytes(data[: draw.choice((len(data), draw.randrange(len(data))))])))
        except TnefRefused:
            continue
    assert len(contents) > 300
    written(tmp_path, *contents)


def test_text_of_html_becomes_bytes_with_their_code_page() -> None:
    properties: dict[int | NamedProperty, Value] = tnef.read(stream(message(one(0x1013001F, wide("<p>ë"))))).properties
    assert properties == {0x10130102: "<p>ë".encode(), 0x3FDE0003: 65001}
