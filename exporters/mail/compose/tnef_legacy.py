"""The attributes of TNEF that are not MAPI: subject, dates, sender, class and the rest, as Microsoft Mail had them.

Rules of this file: pure; one function per form of data, one table of what goes where. Dates are the wall clock of whoever
wrote the stream and name no zone, so they come back without one: `tnef.py` finds the zone by comparing (checked on samples:
the difference to PidTagClientSubmitTime is that zone's offset).
Source: [MS-OXTNEF] 2.1.3.3, 2.2.3; appendix "Mapping of TNEF Attributes to MAPI Properties".
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from exporters.mail.compose.tnef_values import Findings, decoded
from exporters.pst import Value

SUBMIT_TIME, DELIVERY_TIME, MODIFICATION_TIME, CREATION_TIME = 0x00390040, 0x0E060040, 0x30080040, 0x30070040
START_DATE, END_DATE = 0x00600040, 0x00610040
MESSAGE_CLASS, MESSAGE_FLAGS = 0x001A001F, 0x0E070003
Found = Iterator[tuple[int, Value]]

# attribute -> property
DATES = {
    0x00038005: SUBMIT_TIME, 0x00038006: DELIVERY_TIME, 0x00038020: MODIFICATION_TIME, 0x00030006: START_DATE,
    0x00030007: END_DATE, 0x00038012: CREATION_TIME, 0x00038013: MODIFICATION_TIME,
}  # fmt: skip
_STRINGS = {0x00018004: 0x0037001F, 0x0002800C: 0x1000001F, 0x00018010: 0x3704001F, 0x00069001: 0x370C001F}
_KEYS = {0x00018009: 0x300B0102, 0x0001800A: 0x00250102, 0x0001800B: 0x000B0102}  # written in hexadecimal digits
_CLASSES = {0x00078008: MESSAGE_CLASS, 0x00070006: 0x004B001F}
_BYTES = {0x00060002: 0x007E0102, 0x00068011: 0x37090102}
_FROM, _OWNER, _SENT_FOR = 0x00008000, 0x00060000, 0x00060001
_PRIORITY, _STATUS, _AID_OWNER, _REQUEST_RESPONSE = 0x0004800D, 0x00068007, 0x00040008, 0x00040009
_IMPORTANCE = {3: 0, 2: 1, 1: 2}
_SENT_REPRESENTING, _RECEIVED_REPRESENTING = (0x0042001F, 0x0064001F, 0x0065001F), (0x0044001F, 0x0077001F, 0x0078001F)
_SENDER = (0x0C1A001F, 0x0C1E001F, 0x0C1F001F)
_OLD_CLASSES = {
    "ipm.microsoft mail.note": "IPM.Note",
    "ipm.microsoft mail.read receipt": "REPORT.IPM.Note.IPNRN",
    "ipm.microsoft mail.non-delivery": "REPORT.IPM.Note.NDR",
    "ipm.microsoft schedule.mtgrespp": "IPM.Schedule.Meeting.Resp.Pos",
    "ipm.microsoft schedule.mtgrespn": "IPM.Schedule.Meeting.Resp.Neg",
    "ipm.microsoft schedule.mtgrespa": "IPM.Schedule.Meeting.Resp.Tent",
    "ipm.microsoft schedule.mtgreq": "IPM.Schedule.Meeting.Request",
    "ipm.microsoft schedule.mtgcncl": "IPM.Schedule.Meeting.Canceled",
}


class Unreadable(Exception):
    """The data of an attribute do not have the form of that attribute."""


def is_known(attribute: int) -> bool:
    """Whether this module reads the attribute."""
    return attribute in DATES or attribute in _READERS


def read(attribute: int, data: bytes, codec: str, findings: Findings) -> dict[int, Value]:
    """The properties that an attribute stands for, dates apart. Raises Unreadable."""
    try:
        return dict(_READERS[attribute](attribute, data, codec, findings))
    except (struct.error, ValueError) as error:
        raise Unreadable(f"attribute 0x{attribute:08X} cannot be read") from error


def date(attribute: int, data: bytes) -> datetime | None:
    """The wall-clock time in a date attribute ([MS-OXTNEF] DTR), None when it is all zero. Raises Unreadable."""
    try:
        year, month, day, hour, minute, second = struct.unpack_from("<6H", data)
        if year and not 1602 <= year <= 9998:
            raise Unreadable(f"attribute 0x{attribute:08X} names the year {year}")
        return datetime(year, month, day, hour, minute, second) if year else None  # noqa: DTZ001 - it names no zone
    except (struct.error, ValueError) as error:
        raise Unreadable(f"attribute 0x{attribute:08X} holds no date") from error


def owner_group(message_class: str) -> tuple[int, int, int]:
    """Where attOwner goes: the organizer of a request, and of a response the one who received it ([MS-OXTNEF] 2.2.3.11)."""
    response = ".meeting.resp" in message_class.lower()
    return _RECEIVED_REPRESENTING if response else _SENT_REPRESENTING


def modern_class(name: str) -> str:
    """The MAPI message class for one of Microsoft Mail; any other as it is ([MS-OXTNEF] 2.2.3.4)."""
    return _OLD_CLASSES.get(name.lower(), name)


def _string(attribute: int, data: bytes, codec: str, findings: Findings) -> Found:
    yield _STRINGS[attribute], decoded(data, codec, f"attribute 0x{attribute:08X}", findings)


def _message_class(attribute: int, data: bytes, codec: str, findings: Findings) -> Found:
    name = decoded(data, codec, f"attribute 0x{attribute:08X}", findings)
    if name:
        yield _CLASSES[attribute], modern_class(name)


def _key(attribute: int, data: bytes, codec: str, findings: Findings) -> Found:
    yield _KEYS[attribute], bytes.fromhex(data.rstrip(b"\0").decode("ascii"))


def _bytes(attribute: int, data: bytes, codec: str, findings: Findings) -> Found:
    yield _BYTES[attribute], data


def _from(attribute: int, data: bytes, codec: str, findings: Findings) -> Found:
    _kind, _size, name_size, address_size = struct.unpack_from("<4H", data)
    name, address = data[8 : 8 + name_size], data[8 + name_size : 8 + name_size + address_size]
    yield from _person(_SENDER, name, address, codec, findings)


def _sent_for(attribute: int, data: bytes, codec: str, findings: Findings) -> Found:
    yield from _person(_SENT_REPRESENTING, *_counted(data), codec, findings)


def owner(data: bytes, message_class: str, codec: str, findings: Findings) -> dict[int, Value]:
    """The properties of attOwner. Raises Unreadable."""
    try:
        return dict(_person(owner_group(message_class), *_counted(data), codec, findings))
    except struct.error as error:
        raise Unreadable("attOwner cannot be read") from error


def _counted(data: bytes) -> tuple[bytes, bytes]:
    size = struct.unpack_from("<H", data)[0]
    address_size = struct.unpack_from("<H", data, 2 + size)[0]
    return data[2 : 2 + size], data[4 + size : 4 + size + address_size]


def _person(group: tuple[int, int, int], name: bytes, address: bytes, codec: str, findings: Findings) -> Found:
    """Name, address type and address of somebody given as a name and `SMTP:ann@example.com`."""
    yield group[0], decoded(name, codec, "the name of a sender", findings)
    kind, colon, rest = decoded(address, codec, "the address of a sender", findings).partition(":")
    if colon:
        yield group[1], kind.upper()
        yield group[2], rest
    elif kind:
        yield group[2], kind


def _priority(attribute: int, data: bytes, codec: str, findings: Findings) -> Found:
    yield 0x00170003, _IMPORTANCE.get(struct.unpack_from("<H", data)[0], 1)


def _status(attribute: int, data: bytes, codec: str, findings: Findings) -> Found:
    status = data[0] if data else 0
    yield (
        MESSAGE_FLAGS,
        (0x01 if status & 0x20 else 0) | (0 if status & 0x01 else 0x02) | (0x08 if status & 0x02 else 0),
    )


def _aid_owner(attribute: int, data: bytes, codec: str, findings: Findings) -> Found:
    yield 0x00620003, struct.unpack_from("<i", data)[0]


def _request_response(attribute: int, data: bytes, codec: str, findings: Findings) -> Found:
    yield 0x0063000B, struct.unpack_from("<H", data)[0] != 0


_Reader = Callable[[int, bytes, str, Findings], Found]
_READERS: Mapping[int, _Reader] = {
    **dict.fromkeys(_STRINGS, _string),
    **dict.fromkeys(_KEYS, _key),
    **dict.fromkeys(_CLASSES, _message_class),
    **dict.fromkeys(_BYTES, _bytes),
    _FROM: _from,
    _SENT_FOR: _sent_for,
    _PRIORITY: _priority,
    _STATUS: _status,
    _AID_OWNER: _aid_owner,
    _REQUEST_RESPONSE: _request_response,
}
