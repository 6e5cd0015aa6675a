"""Times of events: from the wall time of the data to the zone that a request asks for.

Rules of this file: Windows names of zones are those of tenant.json; what is in no table stays as it is; the answer has seven
digits of a second, as Graph writes them.
Source: reference/graph.md 3.6 (Times), 11.3; reference/tenant-data.md, "Users and mailboxes"; quirk Q-080.
"""

from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from exporters.rehearsal.documents import Row

_KNOWN = {
    "UTC": "Etc/UTC",
    "W. Europe Standard Time": "Europe/Berlin",
    "Pacific Standard Time": "America/Los_Angeles",
    "Eastern Standard Time": "America/New_York",
    "GMT Standard Time": "Europe/London",
    "Tokyo Standard Time": "Asia/Tokyo",
}


class Zones:
    """Finds zones by Windows or IANA name."""

    def __init__(self, table: dict[str, str]) -> None:
        self._table = _KNOWN | table

    def zone(self, name: str) -> tzinfo | None:
        """None for names in no table, as `tzone://Microsoft/Custom`."""
        if name == "UTC":
            return UTC
        try:
            return ZoneInfo(self._table.get(name, name))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return None

    def instant(self, value: Row) -> datetime | None:
        """Of a dateTimeTimeZone, in UTC; None if its zone is not known."""
        zone = self.zone(str(value["timeZone"]))
        return None if zone is None else wall(value).replace(tzinfo=zone).astimezone(UTC)

    def shown(self, value: Row, name: str) -> Row:
        """A dateTimeTimeZone in the zone `name`, or as it is where a zone is not known."""
        at, zone = self.instant(value), self.zone(name)
        if at is None or zone is None:
            return value
        return {"dateTime": written(at.astimezone(zone)), "timeZone": name}


def wall(value: Row) -> datetime:
    """The wall time of a dateTimeTimeZone, without zone."""
    return datetime.fromisoformat(str(value["dateTime"])[:26])


def written(at: datetime) -> str:
    """As Graph writes it, without zone."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond:06}0"


def on_day(start: Row, end: Row, day: date) -> tuple[Row, Row]:
    """Start and end of an occurrence on a day: the wall time of the first one, and its length in wall time."""
    first = wall(start)
    begin = datetime.combine(day, first.time())
    length: timedelta = wall(end) - first
    return {**start, "dateTime": written(begin)}, {**end, "dateTime": written(begin + length)}
