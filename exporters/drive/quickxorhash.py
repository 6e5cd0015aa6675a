"""quickXorHash: the checksum that OneDrive and SharePoint give for a file.

Rules of this file: not cryptographic, evidence about a transfer only. Bytes are XOR-folded in blocks of 160 (after 160 bytes
the rotation by 11 bits is back where it was), as big integers, since Python is fast at those. Source: graph.md §5.3, Q-024.
"""

import base64

_PERIOD = 160
_BLOCK = _PERIOD * 4096
_BITS = 160
_MASK = (1 << _BITS) - 1


class QuickXorHash:
    """Takes bytes in pieces of any size: `update`, then `base64`."""

    def __init__(self) -> None:
        self._folded = 0  # XOR of all blocks of 160 bytes, byte i in bits 8i to 8i+7
        self._length = 0

    def update(self, data: bytes) -> None:
        """Take in the next bytes."""
        view = memoryview(data)
        lead = -self._length % _PERIOD
        if lead:
            head = view[:lead]
            self._folded ^= int.from_bytes(head, "little") << (8 * (_PERIOD - lead))
            self._length += len(head)
            view = view[lead:]
        for start in range(0, len(view), _BLOCK):
            part = view[start : start + _BLOCK]
            self._folded ^= _fold(int.from_bytes(part, "little"), len(part))
            self._length += len(part)

    def base64(self) -> str:
        """28 characters, as in `file.hashes.quickXorHash`."""
        row, spread = self._folded.to_bytes(_PERIOD, "little"), 0
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
