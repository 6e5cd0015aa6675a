"""Sets of named properties, types of values, and how properties of one source are laid over those of another.

Rules of this file: names and pure functions only. Source: reference/mapi-mapping.md, head (sets, types), §0 (order of trust);
[MS-OXPROPS] 1.3.2, 1.3.3.
"""

from collections.abc import Mapping
from typing import TypeAlias
from uuid import UUID

from exporters.pst import NamedProperty, Value

Properties: TypeAlias = dict[int | NamedProperty, Value]
COMMON = UUID("00062008-0000-0000-c000-000000000046")
APPOINTMENT = UUID("00062002-0000-0000-c000-000000000046")
TASK = UUID("00062003-0000-0000-c000-000000000046")
ADDRESS = UUID("00062004-0000-0000-c000-000000000046")
MEETING = UUID("6ed8da90-450b-101b-98da-00aa003f1305")
PUBLIC = UUID("00020329-0000-0000-c000-000000000046")
ATTACHMENT = UUID("96357f7f-59e1-47d0-99a7-46515c183b54")
LASTCOPY = UUID("b1f7a7c2-55c1-4d0e-9d3c-6c6173746370")  # our own: by these the source of an item is found again
INTEGER, DOUBLE, BOOLEAN, STRING, TIME, BINARY = 0x0003, 0x0005, 0x000B, 0x001F, 0x0040, 0x0102
STRINGS, INTEGERS = 0x101F, 0x1003
KEYWORDS = NamedProperty(PUBLIC, "Keywords", STRINGS)
PRIVATE = NamedProperty(COMMON, 0x8506, BOOLEAN)
SIDE_EFFECTS = NamedProperty(COMMON, 0x8510, INTEGER)


def overlay(properties: Properties, winners: Mapping[int | NamedProperty, Value]) -> None:
    """Set `winners` over the properties of the same id or name, of whatever type."""
    if not winners:
        return
    taken = {_name(key) for key in winners}
    for key in [key for key in properties if _name(key) in taken]:
        del properties[key]
    properties.update(winners)


def _name(key: int | NamedProperty) -> object:
    return (key.property_set, key.name) if isinstance(key, NamedProperty) else key >> 16
