"""quickXorHash: the checksum that OneDrive and SharePoint give for a file.

Rules of this file: not cryptographic, evidence about a transfer only. Bytes are XORed in blocks as big integers, since Python is
fast at those; blocks begin at multiples of 160 bytes (where the rotation by 11 bits is back where it was), and are folded to one
row of 160 at the end. Source: graph.md §5.3, Q-024.
"""

import base64

_PERIOD = 160
_BLOCK = _PERIOD * 256
"""Stays in the cache of a processor; twice as fast as sixteen times as much."""
_BITS = 160
_MASK = (1 << _BITS) - 1


class QuickXorHash:
    """Takes bytes in pieces of any size: `update`, then `base64`."""

    def __init__(self) -> None:
        self._blocks = 0  # XOR of all blocks, each from a multiple of 160 bytes on: byte i in bits 8i to 8i+7
        self._length = 0

    def update(self, data: bytes) -> None:
        """Take in the next bytes."""
        view = memoryview(data)
        lead = -self._length % _PERIOD
        if lead:
            head = view[:lead]
            self._blocks ^= int.from_bytes(head, "little") << (8 * (_PERIOD - lead))
            self._length += len(head)
            view = view[lead:]
        blocks = self._blocks
        for start in range(0, len(view), _BLOCK):
            blocks ^= int.from_bytes(view[start : start + _BLOCK], "little")
        self._blocks, self._length = blocks, self._length + len(view)

    def base64(self) -> str:
        """28 characters, as in `file.hashes.quickXorHash`."""
        row, spread = _fold(self._blocks, min(self._length, _BLOCK)).to_bytes(_PERIOD, "little"), 0
        for start in range(8):  # byte i goes to bit 11 i: eight bytes on, that is eleven bytes on
            places = bytearray(_PERIOD // 8 * 11)
            places[::11] = row[start::8]
            spread ^= int.from_bytes(places, "little") << (11 * start)
        register = self._length << (_BITS - 64)
        while spread:
            register ^= spread & _MASK
            spread >>= _BITS
        return base64.b64encode((register & _MASK).to_bytes(_BITS // 8, "little")).decode()


def _fold(value: int, length: int) -> int:
    """XOR of the 160-byte rows of `value`."""
    rows = -(-length // _PERIOD)
    while rows > 1:
        low = rows - rows // 2
        value = (value & ((1 << (low * _PERIOD * 8)) - 1)) ^ (value >> (low * _PERIOD * 8))
        rows = low
    return value
