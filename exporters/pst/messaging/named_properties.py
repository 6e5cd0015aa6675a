"""Named properties: the map from names to the ids 0x8000 and above that one file gives them.

Rules of this file: ids are handed out as names turn up, in that order; no stream of the map is ever empty, because
libpff and pst-extractor do not open files where one is. Names of PS_INTERNET_HEADERS are kept in lower case, as they
are compared without case.
Source: [MS-PST] 2.4.7; reference/pst-format.md §6.3.
"""

import struct
from dataclasses import dataclass
from uuid import UUID

from exporters.pst.errors import LimitReached, ValueRefused
from exporters.pst.ltp import PropertyContext
from exporters.pst.ltp.values import text
from exporters.pst.ndb import NodeDatabase, SpecialNid, crc

PS_MAPI = UUID("00020328-0000-0000-c000-000000000046")
PS_PUBLIC_STRINGS = UUID("00020329-0000-0000-c000-000000000046")
PS_INTERNET_HEADERS = UUID("00020386-0000-0000-c000-000000000046")
PSETID_COMMON = UUID("00062008-0000-0000-c000-000000000046")
MAX_NAMES = 0x7FFE
_BUCKETS = 251
_NAMEID = struct.Struct("<IHH")  # dwPropertyID, wGuid, wPropIdx
_FIRST_GUID = 3


@dataclass(frozen=True)
class NamedProperty:
    """A property known by its set and a number or a string of 1 to 127 characters; `kind` is the type of its value."""

    property_set: UUID
    name: int | str
    kind: int


class NameToIdMap:
    """The names of one file."""

    def __init__(self) -> None:
        self._ids: dict[tuple[UUID, int | str], int] = {}
        self._guids = {PS_MAPI: 1, PS_PUBLIC_STRINGS: 2}
        self._entries = bytearray()
        self._strings = bytearray()
        self._buckets: dict[int, bytearray] = {}
        self.tag(NamedProperty(PSETID_COMMON, 0x8503, 0x000B))  # PidLidReminderSet
        self.tag(NamedProperty(PS_PUBLIC_STRINGS, "Keywords", 0x101F))

    def tag(self, named: NamedProperty) -> int:
        """The tag (id << 16 | type) of a named property in this file.

        Raises ValueRefused for a name that cannot be written and LimitReached for the 32,767th name.
        """
        name = named.name
        if not isinstance(named.property_set, UUID) or not isinstance(name, int | str):
            raise ValueRefused("a named property has a UUID as its set, and a number or a string as its name")
        if not isinstance(named.kind, int) or not 0 <= named.kind <= 0xFFFF:
            raise ValueRefused(f"{named.kind!r} is no type of a property")
        if named.property_set == PS_INTERNET_HEADERS and isinstance(name, str):
            name = name.lower()
        known = self._ids.get((named.property_set, name))
        if known is None:
            known = self._register(named.property_set, name)
        return known << 16 | named.kind

    def _register(self, property_set: UUID, name: int | str) -> int:
        number = len(self._ids)
        if number == MAX_NAMES:
            raise LimitReached(f"more than {MAX_NAMES} names of properties in one file")
        stored = text(name) if isinstance(name, str) else b""
        if isinstance(name, str) and not 0 < len(stored) <= 254:
            raise ValueRefused(f"a property name of {len(name)} characters; 1 to 127 are possible")
        if isinstance(name, int) and not 0 <= name <= 0xFFFFFFFF:
            raise ValueRefused(f"{name} is no number of a named property")
        guid = self._guids.setdefault(property_set, len(self._guids) - 2 + _FIRST_GUID) << 1
        if isinstance(name, str):
            guid |= 1
            entry = hashed = _NAMEID.pack(len(self._strings), guid, number)
            hashed = _NAMEID.pack(crc(stored), guid, number)
            self._strings += len(stored).to_bytes(4, "little") + stored + bytes(-len(stored) % 4)
        else:
            entry = hashed = _NAMEID.pack(name, guid, number)
        self._entries += entry
        bucket = (int.from_bytes(hashed[:4], "little") ^ guid) % _BUCKETS
        self._buckets.setdefault(bucket, bytearray()).extend(hashed)
        self._ids[property_set, name] = 0x8000 + number
        return 0x8000 + number

    def write(self, database: NodeDatabase) -> None:
        """Write node 0x61, when all names are known."""
        context = PropertyContext(database)
        guids = sorted(self._guids.items(), key=lambda item: item[1])
        context.set(0x00010003, _BUCKETS)
        context.set(0x00020102, b"".join(guid.bytes_le for guid, number in guids if number >= _FIRST_GUID))
        context.set(0x00030102, bytes(self._entries))
        context.set(0x00040102, bytes(self._strings))
        for bucket, entries in self._buckets.items():
            context.set((0x1000 + bucket) << 16 | 0x0102, bytes(entries))
        node = context.finish()
        database.add_node(SpecialNid.NAME_TO_ID_MAP, node.data, node.sub)
