"""Heaps, B-trees on heaps, property contexts and table contexts by themselves; read back by pst_check."""

import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.pst.errors import LimitReached, ValueRefused
from exporters.pst.ltp import BthBuilder, Columns, Heap, PropertyContext, TableContext, encode, filetime
from exporters.pst.ltp.values import LAST_FILETIME
from exporters.pst.messaging.templates import CONTENTS, HIERARCHY, RECIPIENT_TABLE
from exporters.pst.ndb import Node, NodeDatabase
from exporters.pst.sinks import FileSink
from tests.unit.pst.judges import Checked, checker

NODE = 0x2001
TIME = datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=UTC)


def built(folder: Path, build: Callable[[NodeDatabase], Any]) -> Checked:
    """A file with one node, made by `build`."""
    path = folder / "a.pst"
    with path.open("w+b") as file:
        database = NodeDatabase(FileSink(file), temporary=folder)
        node = build(database)
        database.add_node(NODE, node.data, node.sub)
        database.finish()
    return Checked(path, messaging=False)


def context_of(values: dict[int, Any]) -> Callable[[NodeDatabase], Any]:
    def build(database: NodeDatabase) -> Any:
        context = PropertyContext(database)
        for tag, value in values.items():
            context.set(tag, value)
        return context.finish()

    return build


EVERY_TYPE: dict[int, tuple[Any, bytes]] = {
    0x10010002: (-5, struct.pack("<h", -5)),
    0x10020003: (-1, b"\xff" * 4),
    0x10030004: (1.5, struct.pack("<f", 1.5)),
    0x10040005: (-2.25, struct.pack("<d", -2.25)),
    0x10050006: (12345678901, struct.pack("<q", 12345678901)),
    0x10060007: (45000.5, struct.pack("<d", 45000.5)),
    0x1007000A: (0x8004010F, struct.pack("<I", 0x8004010F)),
    0x1008000B: (True, b"\1"),
    0x10090014: (-(1 << 63), struct.pack("<q", -(1 << 63))),
    0x100A001F: ("grün \U0001f600", "grün \U0001f600".encode("utf-16-le")),
    0x100B0040: (TIME, struct.pack("<Q", 133536834151234560)),
    0x100C0048: (UUID(int=5), UUID(int=5).bytes_le),
    0x100D0102: (b"\0\1\2", b"\0\1\2"),
    0x100E1002: ([1, -1], struct.pack("<hh", 1, -1)),
    0x100F1003: ([7], struct.pack("<i", 7)),
    0x10101005: ([0.5, 1.0], struct.pack("<dd", 0.5, 1.0)),
    0x10111014: ([1 << 40], struct.pack("<q", 1 << 40)),
    0x10121040: ([0, LAST_FILETIME], struct.pack("<QQ", 0, LAST_FILETIME)),
    0x10131048: ([UUID(int=1)] * 2, UUID(int=1).bytes_le * 2),
    0x1014101F: (["a", "", "bc"], struct.pack("<IIII", 3, 16, 18, 18) + "abc".encode("utf-16-le")),
    0x10151102: ([b"", b"xy"], struct.pack("<III", 2, 12, 12) + b"xy"),
    0x1016001F: ("", b""),
    0x10170102: (b"", b""),
    0x1018101F: ([], b""),
    0x10191003: ([], b""),
    0x101A001F: (iter(["in ", "pieces"]), "in pieces".encode("utf-16-le")),
    0x101B0102: (iter([b"in ", b"", b"pieces"]), b"in pieces"),
    0x101C1102: ([b"x" * 3000] * 3, struct.pack("<IIII", 3, 16, 3016, 6016) + b"x" * 9000),
}


def test_every_type_is_stored_as_the_format_says(tmp_path: Path) -> None:
    checked = built(tmp_path, context_of({tag: value for tag, (value, _) in EVERY_TYPE.items()}))
    assert checked.properties(checked.node(NODE)) == {tag: data for tag, (_, data) in EVERY_TYPE.items()}


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        (0x10010002, 1 << 15), (0x10010003, 1 << 31), (0x10010003, "1"), (0x10010003, None), (0x10010004, 1e300),
        (0x1001000A, -1), (0x1001000B, 2), (0x10010014, 1 << 63), (0x1001001F, "a\0b"), (0x1001001F, "\ud800"),
        (0x1001001F, b"bytes"), (0x1001001F, 5), (0x1001001F, ["ok", "lone \udc00"]), (0x10010040, -1),
        (0x10010040, LAST_FILETIME + 1), (0x10010040, 1.5), (0x10010040, TIME.replace(tzinfo=None)),
        (0x10010040, datetime(1600, 12, 31, tzinfo=UTC)), (0x10010048, b"short"), (0x10010048, 16), (0x10010102, "text"),
        (0x10010102, 7), (0x10010102, ["text"]), (0x10011003, 5), (0x1001101F, "one"), (0x1001101F, ["\ud800"]),
        (0x1001001E, "8-bit"), (0x10010001, None), (0x1001000D, b""), (0x1001FFFF, 1),
    ],
)  # fmt: skip
def test_what_a_type_cannot_hold_is_refused_by_name(tmp_path: Path, tag: int, value: Any) -> None:
    with pytest.raises(ValueRefused, match=f"property 0x{tag:08X}"):
        built(tmp_path, context_of({tag: value}))


def test_a_property_is_set_once(tmp_path: Path) -> None:
    with pytest.raises(ValueRefused, match="set twice"):
        built(tmp_path, context_of({0x10130102: b"x", 0x1013001F: "y"}))


def test_times_keep_their_zone_and_their_microseconds() -> None:
    east = TIME.astimezone(timezone(timedelta(hours=14)))
    assert filetime(east) == filetime(TIME) == 133536834151234560
    assert filetime(datetime(1601, 1, 1, tzinfo=UTC)) == 0
    assert filetime(datetime.max.replace(tzinfo=UTC)) == LAST_FILETIME - 9


@pytest.mark.parametrize("size", [1, 2, 3579, 3580, 3581, 8175, 8176, 8177, 16352, 300001])
def test_binaries_around_the_heap_and_block_limits(tmp_path: Path, size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    checked = built(tmp_path, context_of({0x10010102: data[:size], 0x10020102: iter([data[:1], data[1:size]])}))
    assert checked.properties(checked.node(NODE)) == {0x10010102: data[:size], 0x10020102: data[:size]}


def test_a_long_string_is_encoded_piece_by_piece(tmp_path: Path) -> None:
    value = "\U0001f600x" * 200_000
    checked = built(tmp_path, context_of({0x1000001F: value}))
    assert checked.properties(checked.node(NODE))[0x1000001F].decode("utf-16-le") == value


@settings(max_examples=30, deadline=None)
@given(st.lists(st.one_of(st.integers(0, 3600), st.sampled_from([0, 1, 3579, 3580, 3581])), min_size=1, max_size=60))
def test_property_contexts_of_any_shape(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]) -> None:
    values = {(0x1000 + n) << 16 | 0x0102: bytes([n]) * size for n, size in enumerate(sizes)}
    checked = built(tmp_path_factory.mktemp("pc"), context_of(values))
    assert checked.properties(checked.node(NODE)) == values


@pytest.mark.parametrize("count", [447, 448, 894, 895])
def test_property_contexts_with_an_index_level(tmp_path: Path, count: int) -> None:
    values = {(0x1000 + n) << 16 | 0x0003: n for n in range(count)}
    checked = built(tmp_path, context_of(values))
    assert checked.properties(checked.node(NODE)) == {tag: value.to_bytes(4, "little") for tag, value in values.items()}


@pytest.mark.parametrize("blocks", [1, 8, 9, 10, 136, 137, 138, 265])
@pytest.mark.parametrize("keep", [True, False])
def test_heaps_tell_how_full_every_block_is(tmp_path: Path, blocks: int, keep: bool) -> None:
    def build(database: NodeDatabase) -> Any:
        heap = Heap(database, 0xBC, keep=keep)
        heap.add(bytes(8))
        for number in range(2 * blocks - 1):  # two items fill a block
            heap.add(bytes([number % 251]) * (3580 if number % 3 else 3000))
        heap.patch(0x20, 0, BthBuilder(heap, 2, 6).finish())
        size = heap.measure()
        tree = heap.finish(0x20)
        assert tree.size == size
        return Node(tree.bid, 0, size)

    checked = built(tmp_path, build)
    found = checker().Findings()
    heap = checker().Heap(checked.ndb.blocks(checked.ndb.nbt[NODE][0]), "heap", found)
    assert len(heap.blocks) == blocks
    assert not [item for item in found.items if item[2] != "hn-tail"]  # fill levels are exact


def test_small_items_fill_a_block_to_the_format_limit(tmp_path: Path) -> None:
    def build(database: NodeDatabase) -> Any:
        heap = Heap(database, 0xBC)
        heap.add(BthBuilder(heap, 2, 6).finish())
        hids = [heap.add(b"z") for _ in range(5000)]
        assert max(hid >> 5 & 0x7FF for hid in hids) == 2047
        tree = heap.finish(0x20)
        return Node(tree.bid, 0, tree.size)

    built(tmp_path, build)


@pytest.mark.parametrize("rows", [0, 1, 28, 29, 64, 65, 128, 446, 447, 448, 900, 5000])
def test_tables_of_any_length(tmp_path: Path, rows: int) -> None:
    cells = [
        {0x001A001F: b"I\0P\0", 0x0E070003: b"\1\0\0\0", 0x0070001F: f"topic {n}".encode("utf-16-le")}
        for n in range(rows)
    ]

    def build(database: NodeDatabase) -> Any:
        table = TableContext(database, CONTENTS)
        for number, row in enumerate(cells):
            table.add(CONTENTS.encode(0x200024 + 32 * number, row))
        return table.finish()

    checked = built(tmp_path, build)
    read = checked.rows(checked.node(NODE))
    assert list(read) == [0x200024 + 32 * number for number in range(rows)]
    for number, row in enumerate(read.values()):
        assert row.pop(0x67F20003) == (0x200024 + 32 * number).to_bytes(4, "little")
        assert row.pop(0x67F30003) == (number + 1).to_bytes(4, "little")
        assert row == cells[number]


def test_long_cells_go_into_subnodes_and_empty_ones_stay(tmp_path: Path) -> None:
    long = [b"a" * 3580, b"b" * 3581, b"c" * 20000, b""]

    def build(database: NodeDatabase) -> Any:
        table = TableContext(database, RECIPIENT_TABLE)
        for number, data in enumerate(long):
            table.add(RECIPIENT_TABLE.encode(number + 1, {0x0FFF0102: data}))
        return table.finish()

    checked = built(tmp_path, build)
    assert [row[0x0FFF0102] for row in checked.rows(checked.node(NODE)).values()] == long


def test_added_columns_stand_behind_the_template(tmp_path: Path) -> None:
    tags = {0x39FE001F, 0x5FDF0003, 0x3A710003, 0x6000000B, 0x60010002, 0x60020040, 0x60030048, 0x6004101F, 0x0C150003}
    columns = RECIPIENT_TABLE.extended(tags)
    cells = {
        0x39FE001F: b"a\0", 0x5FDF0003: b"\1\0\0\0", 0x3A710003: b"\2\0\0\0", 0x6000000B: b"\1", 0x60010002: b"\7\0",
        0x60020040: b"\1\2\3\4\5\6\7\0", 0x60030048: b"g" * 16, 0x6004101F: struct.pack("<II", 1, 8), 0x3A40000B: b"\1",
    }  # fmt: skip

    def build(database: NodeDatabase) -> Any:
        table = TableContext(database, columns)
        table.add(columns.encode(1, cells))
        return table.finish()

    checked = built(tmp_path, build)
    (row,) = checked.rows(checked.node(NODE)).values()
    assert {tag: row[tag] for tag in cells} == cells
    before = {column.tag: column for column in RECIPIENT_TABLE.columns}
    for column in columns.columns:
        if column.tag in before:
            assert column.bit == before[column.tag].bit
            assert column.place == before[column.tag].place or column.width < 4
    with pytest.raises(LimitReached, match="255"):
        HIERARCHY.extended(range(0x60000003, 0x60000003 + (260 << 16), 1 << 16))


def test_templates_are_those_of_the_reference() -> None:
    assert (HIERARCHY.row_size, CONTENTS.row_size, RECIPIENT_TABLE.row_size) == (55, 126, 52)
    assert isinstance(CONTENTS, Columns)


def test_encoders_refuse_unknown_types() -> None:
    with pytest.raises(ValueRefused, match="0x0BAD"):
        encode(0x0BAD, 1)
