"""quickXorHash for the generator: whole contents, folded as long integers.

Rules of this file: separate on purpose from the exporter's own implementation, since a rehearsal must not share code with
what it judges.
Source: reference/graph.md 5.3.
"""

import base64
from collections.abc import Iterable

_PERIOD = 160  # bytes after which the bit positions repeat: 11 × 160 is a multiple of 160
_BATCH = _PERIOD * 2048


def quick_xor(chunks: Iterable[bytes]) -> str:
    """The hash of the joined chunks, base64 (28 characters)."""
    folded, length, rest = 0, 0, b""
    for chunk in chunks:
        length += len(chunk)
        rest += chunk
        whole = len(rest) // _PERIOD * _PERIOD
        for at in range(0, whole, _BATCH):
            folded ^= _fold(rest[at : min(at + _BATCH, whole)])
        rest = rest[whole:]
    folded ^= int.from_bytes(rest, "little")
    register = 0
    for place, byte in enumerate(folded.to_bytes(_PERIOD, "little")):
        shift = place * 11 % 160
        value = byte << shift
        register ^= (value & ((1 << 160) - 1)) | (value >> 160)
    register ^= length << 96
    return base64.b64encode(register.to_bytes(20, "little")).decode()


def _fold(data: bytes) -> int:
    """XOR of the rows of 160 bytes; data is a whole number of rows."""
    value, rows = int.from_bytes(data, "little"), len(data) // _PERIOD
    while rows > 1:
        upper = rows // 2
        lower = rows - upper
        bits = lower * _PERIOD * 8
        value = (value & ((1 << bits) - 1)) ^ (value >> bits)
        rows = lower
    return value
