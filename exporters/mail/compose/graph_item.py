"""An item of Graph while its message is being made: its JSON read with care, its properties so far.

Rules of this file: pure; everything in an answer is optional and may be of another kind than expected (Q-075): what is not there
gives no property. Year 1 is "not set" (Q-076). Times are kept to the 100 ns that Graph gives.
Source: reference/mapi-mapping.md §0; reference/graph.md 11.3 (dates); quirks.md Q-075, Q-076.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, TypeAlias
from uuid import UUID

from exporters.mail.compose.box import Box
from exporters.mail.compose.calendar_times import FIRST, LAST, Moment
from exporters.mail.compose.charsets import storable
from exporters.mail.compose.losses import Losses
from exporters.mail.compose.property_sets import KEYWORDS, LASTCOPY, PRIVATE, SIDE_EFFECTS, STRING, Properties
from exporters.mail.compose.timezones import named_zone
from exporters.pst import NamedProperty, Value

Record: TypeAlias = Mapping[str, Any]
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9})\d*)?)?\s*(Z|[+-]\d\d:?\d\d)?)?\Z",
    re.IGNORECASE,
)
_EPOCH = datetime(1601, 1, 1)  # noqa: DTZ001 - the beginning of FILETIME, in UTC
IMPORTANCES = {"low": 0, "normal": 1, "high": 2}
_SENSITIVITIES = {"normal": 0, "personal": 1, "private": 2, "confidential": 3}
CREATED, MODIFIED, SEARCH_KEY = 0x30070040, 0x30080040, 0x300B0102
SUBJECT, IMPORTANCE, PRIORITY, SENSITIVITY = 0x0037001F, 0x00170003, 0x00260003, 0x00360003
_LONGEST_KEYWORD = 255


def mapping(value: object) -> Record:
    """A value that should be an object; an empty one if it is none."""
    return value if isinstance(value, (dict, Mapping)) else {}  # of abstract classes the answer costs more


def listing(value: object) -> Sequence[Any]:
    """A value that should be a list; an empty one if it is none."""
    return value if isinstance(value, list | tuple) else ()


def number(value: object) -> int | None:
    """A whole number that fits 32 bits; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if -(1 << 31) <= value < 1 << 31 else None


def ticks(value: object) -> tuple[datetime, int, tzinfo | None] | None:
    """The wall clock of a time as Graph writes it, the tenths of its last microsecond, its offset (None without one).

    None for what is no time, and for those that mean "not set". Without a time of day it is midnight.
    """
    match = _TIME.match(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    fraction = (match[7] or "").ljust(7, "0")[:7]
    try:
        wall = datetime(year, month, day, hour, minute, min(second, 59), int(fraction[:6]))  # noqa: DTZ001
    except ValueError:
        return None
    offset = match[8]
    if offset is None:
        return wall, int(fraction[6]), None
    if offset in "Zz":
        return wall, int(fraction[6]), UTC
    away = timedelta(hours=int(offset[1:3]), minutes=int(offset[-2:]))
    return wall, int(fraction[6]), timezone(-away if offset[0] == "-" else away) if away < timedelta(1) else UTC


def is_unset(value: object) -> bool:
    """Whether a time is missing, or one of those that mean so."""
    text = value.strip() if isinstance(value, str) else ""
    return not text or text.startswith(("0001-01-01", "1601-01-01T00:00:00"))


def filetime_of(wall: datetime, tenths: int = 0) -> int:
    """FILETIME of a wall clock in UTC."""
    since = wall - _EPOCH
    return (since.days * 86400 + since.seconds) * 10_000_000 + since.microseconds * 10 + tenths


class Item:
    """A contact, event, task, post or mail in work. `record`: its line in the bag; `graph`: as the service gave it."""

    def __init__(self, record: Record, box: Box, losses: Losses | None = None) -> None:
        self.record, self.graph, self.box = record, mapping(record.get("graph")), box
        self.losses = losses if losses is not None else Losses()
        self.properties: Properties = {}

    @property
    def id(self) -> str:
        """The id of the item, "" without one."""
        return self.text(self.record.get("id")) or self.text(self.graph.get("id"))

    def put(self, property_set: UUID, name: int | str, kind: int, value: Value | None) -> None:
        """Set a named property, if there is a value."""
        if value is not None and value not in ("", ()):
            self.properties[NamedProperty(property_set, name, kind)] = value

    def tag(self, tag: int, value: Value | None) -> None:
        """Set a property, if there is a value."""
        if value is not None and value not in ("", ()):
            self.properties[tag] = value

    def text(self, value: object, where: str = "text") -> str:
        """A value that should be text, storable; "" if it is none."""
        return storable(value, self.losses, where) if isinstance(value, str) else ""

    def line(self, value: object, where: str = "text") -> str:
        """The same without blanks around it."""
        return self.text(value, where).strip()

    def title(self, value: object) -> str:
        """A subject: what begins like the mark of a prefix is changed."""
        text = self.line(value, "subject")
        if text.startswith("\x01"):
            self.losses.add("text-replaced", "subject")
            text = "\ufffd" + text[1:]
        return text

    def time(self, value: object, where: str) -> int | None:
        """FILETIME of an instant (`2026-10-17T19:00:48.1052906Z`; UTC without an offset); None if it is not set.

        One that cannot be read or stored is a loss.
        """
        if is_unset(value):
            return None
        found = ticks(value)
        if found is not None:
            wall, tenths, offset = found
            if FIRST < wall < LAST:
                wall -= (offset or UTC).utcoffset(wall) or timedelta()
                return filetime_of(wall, tenths)
        self.losses.add("date-unreadable", f"{where}: {str(value)[:60]!r}")
        return None

    def moment(self, value: object, where: str) -> Moment | None:
        """A `dateTimeTimeZone` (or an instant); None if it is not set. A zone nobody knows is the mailbox's, with a loss."""
        given = value.get("dateTime") if isinstance(value, Mapping) else value
        if is_unset(given):
            return None
        found = ticks(given)
        if found is None or not FIRST < found[0] < LAST:
            self.losses.add("date-unreadable", f"{where}: {str(given)[:60]!r}")
            return None
        wall, _, offset = found
        if offset is not None:
            return Moment(wall - (offset.utcoffset(wall) or timedelta()), UTC, "UTC")
        name = self.line(mapping(value).get("timeZone")) or "UTC"
        known = named_zone(name)
        if known is None:
            self.losses.add(
                "timezone-approximate", f"{where}: time zone {name[:80]!r} is unknown; the mailbox's was used"
            )
        zone, key = known or self.box.zone
        return Moment(wall, zone, key)

    def set_common(self, *, side_effects: int, icon: int | None = None) -> None:
        """What items of every kind have: dates, importance, sensitivity, categories, and where they come from."""
        graph = self.graph
        self.tag(CREATED, self.time(graph.get("createdDateTime"), "created"))
        self.tag(MODIFIED, self.time(graph.get("lastModifiedDateTime"), "modified"))
        level = IMPORTANCES.get(self.line(graph.get("importance")).lower(), 1)
        self.tag(IMPORTANCE, level)
        self.tag(PRIORITY, level - 1)
        sensitivity = _SENSITIVITIES.get(self.line(graph.get("sensitivity")).lower(), 0)
        self.tag(SENSITIVITY, sensitivity)
        self.properties[PRIVATE] = sensitivity >= 2
        categories = self.categories()
        if categories:
            self.properties[KEYWORDS] = categories
        self.properties[SIDE_EFFECTS] = side_effects
        self.tag(0x10800003, icon)
        self.properties.update(origin(self.graph, self.losses))

    def categories(self) -> tuple[str, ...]:
        """The categories, in order, as they are."""
        words = (self.text(word, "category")[:_LONGEST_KEYWORD] for word in listing(self.graph.get("categories")))
        return tuple(word for word in words if word)

    def search_key(self, given: bytes | None) -> bytes:
        """16 bytes that stay the same over runs: given, else of the id."""
        return given if given is not None else hashlib.sha256(self.id.encode("utf-8", "replace")).digest()[:16]


def origin(graph: Record, losses: Losses) -> Properties:
    """By what the source of an item is found again: strings of our own set, which Outlook ignores."""
    found: Properties = {}
    for name in ("id", "changeKey", "parentFolderId"):
        value = graph.get(name)
        if isinstance(value, str) and value:
            found[NamedProperty(LASTCOPY, f"graph.{name}", STRING)] = storable(value, losses, name)
    return found
