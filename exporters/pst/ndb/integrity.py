"""The format's checks and its encoding: CRC, signature, permutation.

Rules of this file: pure functions over bytes. The CRC of a block is that of its bytes as stored, encoded and without padding.
Source: [MS-PST] 5.1 (permutation), 5.3 (CRC), 5.5 (signature); reference/pst-format.md §1.4 to §1.6.
"""

import zlib

CRYPT_PERMUTE = 1

# mpbbR of [MS-PST] 5.1: byte b is stored as PERMUTE[b]
PERMUTE = bytes.fromhex(
    "41361362a8216ebbf416cc047f64e85d1ef2cb2a74c55e35d295479e962d9a88"
    "4c7d843fdbac31b6485ff6c4d8398be7233b388ec8c1df25b120a546604e9cfb"
    "aad35651457c550007c92b9d859b09a08fadb30f63ab894bd7a7155a716642bf"
    "264a6b98faea7753b270052cfd593a867ece06eb827857c78d43afb41cd45bcd"
    "e2e9274fc3087280cfb0eff5286dbe304d3492d50e3c2232e5e4f99fc2d10a81"
    "12e1ee918376e397e6618a1779a4b7dc907a5c8c02a6ca69de501a1193b95287"
    "58fced1d37491b6ae0293399bd6cd994f340546ff0c673b8d63e6518441fdd67"
    "10f10c19ecae03a1147ba90bfff8a3c0a201f72ebc2468750dfeba2fb5d0da3d"
)


def crc(data: bytes | bytearray | memoryview) -> int:
    """CRC-32 with polynomial 0xEDB88320, start value 0 and no final inversion ([MS-PST] 5.3)."""
    return zlib.crc32(data, 0xFFFFFFFF) ^ 0xFFFFFFFF


def signature(ib: int, bid: int) -> int:
    """wSig of a block or page with identifier `bid` at offset `ib` ([MS-PST] 5.5)."""
    mixed = (ib ^ bid) & 0xFFFFFFFF
    return ((mixed >> 16) ^ mixed) & 0xFFFF
