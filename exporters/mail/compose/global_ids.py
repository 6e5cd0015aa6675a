"""Global object ids: by what meetings, their answers and their occurrences know each other.

Rules of this file: pure. Source: [MS-OXOCAL] 2.2.1.27, 2.2.1.28; reference/mapi-mapping.md §3.6.
"""

import struct
from datetime import date

_PREFIX = bytes.fromhex("040000008200E00074C5B7101A82E008")
_VCAL = b"vCal-Uid\1\0\0\0"
_HEAD = 40  # bytes before the data: prefix, date, creation time, eight zeros, size


def global_object_id(uid: str, occurrence: date | None = None) -> bytes:
    """PidLidGlobalObjectId for an iCalendar UID; without `occurrence` it is also PidLidCleanGlobalObjectId.

    `occurrence`: the original date of a single occurrence of a series, by the series' wall clock. A UID that is such an id in
    hexadecimal digits is decoded, whatever date it names; any other is wrapped.
    """
    known = _decoded(uid)
    day = struct.pack(">HBB", occurrence.year, occurrence.month, occurrence.day) if occurrence else bytes(4)
    if known is not None:
        return known[:16] + day + known[20:]
    data = _VCAL + uid.encode("utf-8", "replace") + b"\0"
    return _PREFIX + day + bytes(16) + struct.pack("<I", len(data)) + data


def occurrence_of(uid: str) -> date | None:
    """The date that a UID of Exchange's own names, if it is that of a single occurrence."""
    known = _decoded(uid)
    if known is None or known[16:20] == bytes(4):
        return None
    year, month, day = struct.unpack(">HBB", known[16:20])
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _decoded(uid: str) -> bytes | None:
    if not uid.lower().startswith(_PREFIX.hex()):
        return None
    try:
        raw = bytes.fromhex(uid)
    except ValueError:
        return None
    return raw if len(raw) >= _HEAD else None
