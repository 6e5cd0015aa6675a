"""Writes FastTransfer streams for tests, byte by byte as reference/fasttransfer.md says; shares no code with the parser."""

import struct
from itertools import pairwise
from uuid import UUID

START_RECIP, END_RECIP, NEW_ATTACH, END_ATTACH = 0x40030003, 0x40040003, 0x40000003, 0x400E0003
START_EMBED, END_EMBED, START_MESSAGE, END_MESSAGE = 0x40010003, 0x40020003, 0x400C0003, 0x400D0003
VERSION = bytes.fromhex("140FD6918617")


def record(opcode: int, payload: bytes) -> bytes:
    return struct.pack("<II", opcode, len(payload)) + payload


HEAD = (
    record(1, struct.pack("<II", 0, 1))
    + record(
        3,
        struct.pack("<I", 1) + UUID("00020307-0000-0000-C000-000000000046").bytes_le + struct.pack("<I", 0x80002400),
    )
    + record(4, VERSION)
)


def container(stream: bytes, *cuts: int) -> bytes:
    """The stream in transfer buffers that end at `cuts`."""
    places = [0, *sorted(cuts), len(stream)]
    return HEAD + b"".join(record(2, stream[a:b]) for a, b in pairwise(places))


def marker(value: int) -> bytes:
    return struct.pack("<I", value)


def fixed(kind: int, pid: int, form: str, value: object) -> bytes:
    return struct.pack("<HH" + form, kind, pid, value)


def number(pid: int, value: int) -> bytes:
    return fixed(0x0003, pid, "i", value)


def boolean(pid: int, value: int) -> bytes:
    return fixed(0x000B, pid, "H", value)


def time(pid: int, value: int) -> bytes:
    return fixed(0x0040, pid, "Q", value)


def sized(kind: int, pid: int, data: bytes) -> bytes:
    return struct.pack("<HHI", kind, pid, len(data)) + data


def wide(value: str) -> bytes:
    return value.encode("utf-16-le") + b"\0\0"


def text(pid: int, value: str, kind: int = 0x84B0) -> bytes:
    return sized(kind, pid, wide(value))


def binary(pid: int, data: bytes) -> bytes:
    return sized(0x0102, pid, data)


def named(kind: int, pid: int, property_set: UUID, name: int | str, value: bytes) -> bytes:
    called = struct.pack("<BI", 0, name) if isinstance(name, int) else b"\1" + wide(name)
    return struct.pack("<HH", kind, pid) + property_set.bytes_le + called + value


def several(*values: bytes) -> bytes:
    return struct.pack("<I", len(values)) + b"".join(struct.pack("<I", len(one)) + one for one in values)


def recipient(*properties: bytes) -> bytes:
    return marker(START_RECIP) + b"".join(properties) + marker(END_RECIP)


def attachment(*properties: bytes) -> bytes:
    return marker(NEW_ATTACH) + b"".join(properties) + marker(END_ATTACH)


def embedded(*properties: bytes) -> bytes:
    return marker(START_EMBED) + fixed(0x0014, 0x674A, "q", 0x742B) + b"".join(properties) + marker(END_EMBED)


def del_prop(tag: int) -> bytes:
    return struct.pack("<II", 0x40160003, tag)
