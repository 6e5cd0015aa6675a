"""What is put into a PST: messages, recipients, attachments, and the identifiers made for them.

Rules of this file: values only, no I/O. Properties are mappings from a tag (id << 16 | type) or a NamedProperty to a value as
described at PropertyType. Source: [MS-PST] 2.4.3.2 (entry ids), 2.4.5, 2.4.6; [MS-OXCDATA] 2.2.5.1 (one-off entry ids).
"""

import struct
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from exporters.pst.ltp import Value
from exporters.pst.ltp.values import text
from exporters.pst.messaging.named_properties import NamedProperty

Properties: TypeAlias = Mapping[int | NamedProperty, Value]
MAX_DEPTH = 30  # embedded messages inside each other
_ONE_OFF = bytes.fromhex("00000000812b1fa4bea310199d6e00dd010f540200000180")


@dataclass(frozen=True)
class Message:
    """One message object ([MS-PST] 2.4.5), of any item class.

    Filled in by the writer unless given: class (IPM.Note), flags (0x10 and 0x40 always), status, search key, and the times of
    creation and modification from each other or from those of delivery and submission. Always computed: PidTagMessageSize.
    PidTagSubject is given as people read it. `recipients` is walked twice; `attachments` once, in order, so it may be lazy.
    `label` names the message in errors. `size_hint`: bytes that the part limit cannot see beforehand (lazy attachments, streams).
    """

    properties: Properties
    recipients: Collection[Mapping[int, Value]] = ()
    attachments: Iterable["Attachment"] = ()
    associated: bool = False
    label: str = ""
    size_hint: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.recipients, Collection):  # an iterator would be empty the second time
            raise TypeError("recipients are given as a collection: they are walked twice")


@dataclass(frozen=True)
class Attachment:
    """One attachment ([MS-PST] 2.4.6): `data` (bytes or pieces; method 1, or 6 for OLE), or `message` (method 5), or neither.

    Filled in unless given: method, rendering position. Always computed: PidTagAttachSize, PidTagAttachData.
    """

    properties: Properties = field(default_factory=dict)
    data: bytes | Iterable[bytes] | None = None
    message: Message | None = None


def entry_id(record_key: bytes, nid: int) -> bytes:
    """The entry id of a node of the store with this record key: 24 bytes ([MS-PST] 2.4.3.2)."""
    return bytes(4) + record_key + struct.pack("<I", nid)


def one_off_entry_id(name: str, address: str, address_type: str = "SMTP") -> bytes:
    """The entry id of somebody who is in no address book ([MS-OXCDATA] 2.2.5.1). Raises ValueRefused like any string."""
    return _ONE_OFF + b"".join(text(part) + b"\0\0" for part in (name, address_type, address))


def recipient(kind: int, name: str, address: str, address_type: str = "SMTP") -> dict[int, Value]:
    """A row of the recipient table: `kind` is 1 To, 2 Cc, 3 Bcc (reference/mapi-mapping.md §1.3)."""
    shown = name or address
    entry = one_off_entry_id(shown, address, address_type)
    cells: dict[int, Value] = {
        0x0C150003: kind,
        0x0E0F000B: True,
        0x0FF90102: entry,
        0x0FFE0003: 6,
        0x0FFF0102: entry,
        0x3001001F: shown,
        0x3002001F: address_type,
        0x3003001F: address,
        0x300B0102: f"{address_type}:{address}".upper().encode() + b"\0",
        0x39000003: 0,
        0x39FF001F: shown,
        0x3A40000B: False,
    }
    if address_type == "SMTP":
        cells[0x39FE001F] = address
    return cells
