"""The parser of FastTransfer streams: what it takes, what it refuses, and that nothing cut passes as whole (6.9)."""

import io
import struct
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.mail.compose import fasttransfer
from exporters.mail.compose.fasttransfer_grammar import Parsed, parse
from exporters.mail.compose.losses import Losses
from exporters.mail.compose.stream_errors import (
    StreamFailed,
    StreamLimit,
    StreamRefused,
    StreamTruncated,
    StreamUndecodable,
)
from exporters.mail.compose.stream_message import stream_message
from exporters.pst import FileSink, Writer
from tests.unit.mail import streams as s

KINDS = [2, 3, 4, 5, 6, 7, 0x0A, 0x0B, 0x0D, 0x14, 0x1E, 0x1F, 0x40, 0x48, 0xFB, 0x102, 0x1002, 0x1003, 0x1005, 0x100B, 0x1014,
         0x101E, 0x101F, 0x1040, 0x1048, 0x1102, 0x84B0, 0x84E4, 0x94B0, 0xD182]  # fmt: skip
NAMED = UUID("00062008-0000-0000-C000-000000000046")
TICKS = 133_000_000_000_000_000
ITEM = b"".join(
    (
        s.sized(0x84E4, 0x4008, b"/O=FIRST ORGANIZATION/CN=RECIPIENTS/CN=\0"),
        s.number(0x0017, 1),
        s.text(0x001A, "IPM.Note"),
        s.text(0x0037, "Hello"),
        s.time(0x0E06, TICKS),
        s.named(0x101F, 0x8011, NAMED, "Keywords", s.several(s.wide("Red"), s.wide("VIP"))),
        s.named(0x000B, 0x8012, NAMED, 0x8506, struct.pack("<H", 1)),
        s.del_prop(0x0E12000D),
        s.recipient(s.number(0x0C15, 1), s.text(0x3001, "A"), s.text(0x3003, "a@b.c")),
        s.del_prop(0x0E13000D),
        s.attachment(
            s.number(0x0E21, 0),
            s.number(0x3705, 5),
            s.embedded(
                s.text(0x001A, "IPM.Note"), s.recipient(s.text(0x3001, "B")), s.attachment(s.binary(0x3701, b"data"))
            ),
        ),
    )
)


def parsed(stream: bytes, *cuts: int) -> tuple[Parsed, set[str]]:
    losses = Losses()
    found = parse(io.BytesIO(s.container(stream, *cuts)), losses)
    return found, {loss.code for loss in losses.all()}


def shape(found: Parsed) -> object:
    def of(content: object) -> object:
        return (
            {key: one.value for key, one in content.properties.items()},  # type: ignore[attr-defined]
            [{key: one.value for key, one in row.items()} for row in content.recipients],  # type: ignore[attr-defined]
            [(sorted(map(str, part.properties)), part.message and of(part.message)) for part in content.attachments],  # type: ignore[attr-defined]
        )

    return of(found.content)


def refused(stream: bytes) -> StreamRefused:
    with pytest.raises(StreamRefused) as caught:
        parsed(stream)
    return caught.value


def test_item_of_all_parts_is_read() -> None:
    found, lost = parsed(ITEM)
    content = found.content
    assert content.properties[0x001A].value == s.wide("IPM.Note") and not lost
    assert len(content.recipients) == 1 and content.attachments[0].message is not None
    assert content.attachments[0].message.attachments[0].properties[0x3701].value == b"data"
    assert found.version == struct.unpack("<3H", s.VERSION)


def test_slices_may_end_anywhere() -> None:
    whole = shape(parsed(ITEM)[0])
    for cut in range(1, len(ITEM)):
        assert shape(parsed(ITEM, cut)[0]) == whole
    assert shape(parsed(ITEM, *range(1, len(ITEM)))[0]) == whole


def test_cut_at_every_byte_is_never_more_than_its_whole_elements() -> None:
    """Cut inside an element or with something open: refused. Between properties of the item itself: the normal end."""
    complete = 0
    for cut in range(len(ITEM)):
        try:
            found, _ = parsed(ITEM[:cut]) if cut else (None, None)
        except StreamRefused as error:
            assert error.code in ("ft-undecodable", "ft-truncated")
            continue
        complete += 1
        if found is not None:
            assert all(part.message is not None for part in found.content.attachments)
    assert complete < 15


def test_cut_of_the_container_at_every_byte_is_refused() -> None:
    raw = s.container(ITEM)
    for cut in range(len(raw)):
        with pytest.raises(StreamRefused):
            parse(io.BytesIO(raw[:cut]), Losses())


def test_container_with_unknown_record_is_noted_and_one_without_head_refused() -> None:
    losses = Losses()
    parse(io.BytesIO(s.container(ITEM) + s.record(9, b"abc")), losses)
    assert [loss.code for loss in losses.all()] == ["ft-unknown-record"]
    for raw in (b"", b"\0" * 16, s.record(2, ITEM), s.HEAD, s.container(ITEM) + b"\1\2"):
        with pytest.raises(StreamRefused):
            parse(io.BytesIO(raw), Losses())


def test_what_is_left_open_is_truncated() -> None:
    for tail in (
        s.marker(s.START_RECIP),
        s.marker(s.NEW_ATTACH),
        s.marker(s.NEW_ATTACH) + s.marker(s.START_EMBED),
    ):
        assert isinstance(refused(s.number(0x17, 1) + tail), StreamTruncated)
    assert isinstance(refused(s.marker(s.START_MESSAGE) + s.number(0x17, 1)), StreamTruncated)


def test_wrong_nesting_and_foreign_markers_are_undecodable() -> None:
    for bad in (
        s.marker(s.END_RECIP),
        s.marker(s.END_ATTACH),
        s.marker(s.END_EMBED),
        s.marker(s.END_MESSAGE),
        s.marker(s.START_EMBED),
        s.marker(s.START_RECIP) + s.marker(s.NEW_ATTACH),
        s.marker(s.START_RECIP) + s.marker(s.START_RECIP),
        s.marker(s.NEW_ATTACH) + s.marker(s.END_RECIP),
        s.number(0x17, 1) + s.marker(s.START_MESSAGE),
        s.marker(s.START_MESSAGE) + s.marker(s.END_MESSAGE) + s.number(0x17, 1),
        s.marker(0x40090003),
        s.marker(0x40120003),
        s.marker(0x4074000B),
        s.marker(0x40FF0003),
        s.marker(0x40050003),
    ):
        error = refused(s.number(0x17, 1) + bad if bad[:4] != s.marker(s.START_MESSAGE) else bad)
        assert isinstance(error, StreamUndecodable), bad
        assert error.offset is not None and "SHA-256" in error.reason


def test_service_that_says_it_failed_fails_the_item() -> None:
    assert isinstance(refused(s.number(0x17, 1) + s.marker(0x40180003)), StreamFailed)
    assert isinstance(refused(s.number(0x407A, 0)), StreamFailed)


def test_unknown_types_and_lengths_past_the_end_stop() -> None:
    for bad in (
        struct.pack("<HH", 0x0000, 0x7001),
        struct.pack("<HH", 0x0001, 0x7001),
        struct.pack("<HHI", 0x0999, 0x7001, 0),
        struct.pack("<HHI", 0x8000, 0x7001, 0),
        struct.pack("<HHI", 0x001F, 0x7001, 1 << 31),
        struct.pack("<HHI", 0x1003, 0x7001, 1 << 30),
        struct.pack("<HHI", 0x101F, 0x7001, 1 << 30),
        struct.pack("<HH", 0x0003, 0x8001) + NAMED.bytes_le + b"\xff" + bytes(64),
        struct.pack("<HH", 0x0003, 0x8001) + NAMED.bytes_le + b"\1" + b"a\0" * 300 + bytes(6),
        struct.pack("<HH", 0x0003, 0x8001) + NAMED.bytes_le + b"\1" + b"a\0" * 20,
        struct.pack("<HHI", 0x94B0, 0x7001, 3) + bytes(3),
    ):
        assert isinstance(refused(s.number(0x17, 1) + bad), StreamUndecodable), bad


def test_repeated_and_late_properties_are_noted() -> None:
    found, lost = parsed(s.number(0x17, 1) + s.number(0x17, 2) + s.recipient() + s.number(0x26, 1))
    assert found.content.properties[0x17].value == 2 and found.content.properties[0x26].value == 1
    assert lost == {"ft-duplicate", "ft-order"}


def test_warning_of_the_service_is_noted() -> None:
    assert parsed(s.number(0x17, 1) + s.number(0x400F, -1))[1] == {"ft-warning"}


def test_flags_of_addresses_are_no_markers() -> None:
    assert parsed(s.number(0x4019, 0) + s.number(0x4059, 1))[0].content.properties[0x4059].value == 1


def test_messages_inside_each_other_have_a_limit() -> None:
    inside = s.number(0x17, 1)
    for _ in range(33):
        inside = s.attachment(s.embedded(inside))
    assert isinstance(refused(inside), StreamLimit)


def test_elements_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fasttransfer, "MAX_ELEMENTS", 10)
    assert isinstance(refused(s.number(0x17, 1) * 11), StreamLimit)


def tried(raw: bytes) -> None:
    """A stream is a message that a PST takes, or it is refused: nothing else."""
    try:
        converted = stream_message(io.BytesIO(raw))
    except StreamRefused:
        return
    file = io.BytesIO()
    with Writer(lambda _: FileSink(file), seed=b"fuzz", display_name="Fuzz") as pst:
        pst.add_message(pst.add_folder(pst.top, "F"), converted.message)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_flipped_bytes_and_lengths_never_crash(data: st.DataObject) -> None:
    raw = bytearray(s.container(ITEM))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] = data.draw(st.integers(0, 255))
    tried(bytes(raw))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(range(18)), max_size=24))
def test_elements_in_any_order_never_crash(order: list[int]) -> None:
    pieces = [
        s.text(0x001A, "IPM.Note"), s.text(0x0037, "x"), s.time(0x0E06, TICKS), s.number(0x3705, 6), s.binary(0x3701, b"z"),
        s.number(0x0E07, 0x50), s.text(0x3001, "n"), s.sized(0x000D, 0x3701, b""), s.number(0x3FFD, 1251),
        s.named(0x001F, 0x8001, UUID("00020386-0000-0000-C000-000000000046"), "X-A", struct.pack("<I", 0)),
        s.named(0x001F, 0x8002, UUID("00020386-0000-0000-C000-000000000046"), "x-a", struct.pack("<I", 0)),
        *(s.marker(value) for value in (s.START_RECIP, s.END_RECIP, s.NEW_ATTACH, s.END_ATTACH, s.START_EMBED, s.END_EMBED)),
        s.del_prop(0x0E13000D),
    ]  # fmt: skip
    tried(s.container(s.text(0x001A, "IPM.Note") + b"".join(pieces[n] for n in order)))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(KINDS),
            st.sampled_from([0x17, 0x1A, 0x37, 0x39, 0x3D, 0xE06, 0xE07, 0x300B, 0x3705, 0x3001, 0x7001, 0x3FFD]),
            st.binary(max_size=40),
        ),
        max_size=6,
    )
)
def test_values_of_any_type_under_any_id_never_crash(found: list[tuple[int, int, bytes]]) -> None:
    parts = [s.text(0x001A, "IPM.Note"), s.attachment(s.binary(0x3701, b"x"))]
    for kind, pid, data in found:
        size = {2: 2, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 0x0A: 4, 0x0B: 2, 0x14: 8, 0x40: 8, 0x48: 16}.get(kind & ~0x1000)
        head = struct.pack("<HH", kind, pid)
        if kind & 0x9000 == 0x1000 and size:
            count = len(data) // size
            parts.append(head + struct.pack("<I", count) + data[: count * size])
        elif kind in (0x101E, 0x101F, 0x1102, 0x94B0):
            parts.append(head + s.several(data, data))
        elif size:
            parts.append(head + data.ljust(size, b"\0")[:size])
        else:
            parts.append(head + struct.pack("<I", len(data)) + data)
    tried(s.container(b"".join(parts)))
    tried(s.container(s.text(0x001A, "IPM.Note") + s.recipient(*parts[2:]) + s.attachment(*parts[2:])))
