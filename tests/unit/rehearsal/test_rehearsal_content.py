"""Content references: ranges, tiles, packs, and the hash that the generator writes."""

import base64
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.rehearsal.content import TILE, ContentError, ContentReader
from exporters.rehearsal.quickxor import quick_xor

VECTORS = Path(__file__).parents[4] / "shared/data/graph/files/quickxorhash-vectors.json"


def by_the_book(recipe: str, length: int) -> bytes:
    """The format's own words: tile i is i in 8 bytes, then bytes 8 … of SHAKE-256, cut at the length."""
    size = min(TILE, max(length, 8))
    noise = hashlib.shake_256(b"tile1:" + recipe.encode()).digest(size)
    tiles = [i.to_bytes(8, "big") + noise[8:] for i in range(length // TILE + 1)]
    return b"".join(tiles)[:length]


@given(length=st.integers(0, 3 * TILE), start=st.integers(0, 3 * TILE), count=st.integers(0, 2 * TILE))
def test_any_range_of_a_recipe_is_the_slice(length: int, start: int, count: int) -> None:
    reader = ContentReader(Path())
    whole = by_the_book("x.1", length)
    assert reader.read({"gen": "x.1", "len": length}, start, count) == whole[start : start + count]


def test_pieces_join_to_the_range(tmp_path: Path) -> None:
    reader = ContentReader(tmp_path)
    whole = by_the_book("y", 300_000)
    assert b"".join(reader.pieces({"gen": "y", "len": 300_000}, 17, 299_000)) == whole[17:299_000]


def test_pack_is_read_at_its_offset_and_closed(tmp_path: Path) -> None:
    (tmp_path / "pack.bin").write_bytes(b"0123456789")
    reader = ContentReader(tmp_path)
    reference = {"pack": "pack.bin", "off": 3, "len": 5}
    assert reader.read(reference, 0, 100) == b"34567"
    assert reader.read(reference, 2, 2) == b"56"
    with pytest.raises(ContentError, match="shorter"):
        reader.read({"pack": "pack.bin", "off": 8, "len": 5}, 0, 5)
    with pytest.raises(ContentError, match="outside"):
        reader.read({"pack": "../../etc/passwd", "off": 0, "len": 5}, 0, 5)
    reader.close()
    reader.close()


def test_many_packs_do_not_use_up_the_files(tmp_path: Path) -> None:
    reader = ContentReader(tmp_path)
    for n in range(300):
        (tmp_path / f"{n}").write_bytes(f"{n:05}".encode())
        assert reader.read({"pack": f"{n}", "off": 0, "len": 5}, 0, 5) == f"{n:05}".encode()
    assert len(reader.files._open) <= 128
    reader.close()


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="), (b"hello", "aCgDG9jwBgAAAAAABQAAAAAAAAA=")],
    ids=["empty", "hello"],
)
def test_q024_quick_xor_of_known_values(data: bytes, expected: str) -> None:
    assert quick_xor([data]) == expected


@given(data=st.binary(max_size=1000), repeat=st.integers(1, 700), cut=st.integers(1, 5000))
def test_q024_quick_xor_does_not_depend_on_the_split(data: bytes, repeat: int, cut: int) -> None:
    """And agrees with the definition, byte by byte, for what is small."""
    whole = data * repeat
    parts = [whole[at : at + cut * 100] for at in range(0, len(whole), cut * 100)]
    assert quick_xor(parts) == quick_xor([whole])
    register = len(data) << 96
    for i, byte in enumerate(data):
        value = byte << (i * 11 % 160)
        register ^= (value & ((1 << 160) - 1)) | (value >> 160)
    assert quick_xor([data]) == base64.b64encode(register.to_bytes(20, "little")).decode()


@pytest.mark.skipif(not VECTORS.exists(), reason="the vectors lie in ../shared, which is not here")
def test_q024_quick_xor_of_the_published_vectors() -> None:
    vectors = [vector for vector in json.loads(VECTORS.read_text())["vectors"] if "input_base64" in vector]
    assert len(vectors) > 5
    for vector in vectors:
        assert quick_xor([base64.b64decode(vector["input_base64"])]) == vector["quickXorHash"]
