"""quickXorHash against published vectors and against the definition, byte by byte."""

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.drive.quickxorhash import QuickXorHash

VECTORS = [
    (b"", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    (b"hello", "aCgDG9jwBgAAAAAABQAAAAAAAAA="),
    (b"J", "SgAAAAAAAAAAAAAAAQAAAAAAAAA="),
]


def by_definition(data: bytes) -> str:
    register = 0
    for i, byte in enumerate(data):
        shift = i * 11 % 160
        value = byte << shift
        register ^= (value & ((1 << 160) - 1)) | (value >> 160)
    out = bytearray(register.to_bytes(20, "little"))
    for i, byte in enumerate(struct.pack("<Q", len(data))):
        out[12 + i] ^= byte
    return base64.b64encode(bytes(out)).decode()


def hashed(pieces: list[bytes]) -> str:
    digest = QuickXorHash()
    for piece in pieces:
        digest.update(piece)
    return digest.base64()


@pytest.mark.parametrize(("data", "expected"), VECTORS)
def test_published_vectors(data: bytes, expected: str) -> None:
    assert hashed([data]) == expected == by_definition(data)


@given(st.lists(st.binary(max_size=700), max_size=6))
def test_q024_every_split_gives_the_same(pieces: list[bytes]) -> None:
    assert hashed(pieces) == by_definition(b"".join(pieces))


@pytest.mark.parametrize(
    "size", [159, 160, 161, 160 * 256 - 1, 160 * 256, 160 * 256 + 1, 65_535, 65_536, 65_537, 1_400_001]
)
def test_q024_sizes_beyond_64_kib(size: int) -> None:
    data = bytes((i * 7 + i // 251) & 0xFF for i in range(size))
    odd = [data[i : i + 70_001] for i in range(0, size, 70_001)]
    assert hashed([data]) == hashed(odd) == by_definition(data)
