"""An event of a calendar while its meeting mail is being made: its lines, its zones, its properties so far.

Rules of this file: pure; reading of single lines only, each with its loss. What the lines mean is in meetings.py and
meeting_series.py. Source: [MS-OXCICAL] 2.1.3.1.1.20; reference/mapi-mapping.md §3.1.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from exporters.mail.compose.calendar_text import Component, Line
from exporters.mail.compose.calendar_times import LAST, Moment, Zones, duration
from exporters.mail.compose.losses import Loss
from exporters.mail.compose.timezones import Zone, zone_of
from exporters.pst import NamedProperty, Value

BUSY = {"FREE": 0, "TENTATIVE": 1, "BUSY": 2, "OOF": 3, "WORKINGELSEWHERE": 4}


@dataclass
class Work:
    """An event in work, with all that its lines are read by."""

    event: Component
    zones: Zones
    others: list[Component]
    kind: str  # of the class, as "Request"
    losses: list[Loss] = field(default_factory=list)
    properties: dict[int | NamedProperty, Value] = field(default_factory=dict)
    start: Moment | None = None
    end: Moment | None = None
    all_day: bool = False

    def put(self, property_set: UUID, name: int | str, kind: int, value: Value | None) -> None:
        if value is not None and value != "":
            self.properties[NamedProperty(property_set, name, kind)] = value

    def tag(self, tag: int, value: Value | None) -> None:
        if value is not None and value != "":
            self.properties[tag] = value

    def lose(self, code: str, detail: str) -> None:
        self.losses.append(Loss(code, detail))

    def moment(self, line: Line | None) -> Moment | None:
        """A time in a line; one that cannot be read is a loss."""
        found = self.zones.moment(line)
        if line is not None and found is None:
            self.lose("date-unreadable", f"{line.name}: {line.value[:80]!r}")
        return found

    def flag(self, name: str) -> bool:
        return self.event.text(name).upper() == "TRUE"


def end_of(work: Work, event: Component, start: Moment) -> Moment:
    """The end of an event by DTEND or DURATION, else a day later or at once; never before the start."""
    end = work.moment(event.first("DTEND"))
    if end is None:
        line = event.first("DURATION")
        length = duration(line.value) if line else timedelta(1 if start.is_date else 0)
        if length is None:
            work.lose("date-unreadable", f"DURATION: {line.value[:80] if line else ''!r}")
        end = _moved(start, length or timedelta())
    if end.utc < start.utc:
        work.lose("date-unreadable", f"the event ends, {end.wall.isoformat()}, before it begins")
        end = start
    return end


def _moved(moment: Moment, by: timedelta) -> Moment:
    wall = moment.wall + by
    return Moment(wall if moment.wall <= wall <= LAST else moment.wall, moment.zone, moment.key, moment.is_date)


def outlook_zone(work: Work, moment: Moment, last_year: int | None = None) -> Zone:
    """The rules of a moment's zone, up to the last year of a series."""
    zone = zone_of(moment.zone, moment.key[:255], moment.wall, last_year)
    if zone.approximate:
        work.lose("timezone-approximate", f"the clocks of {moment.key!r} change otherwise than twice a year")
    return zone


def busy_status(event: Component) -> int:
    """PidLidBusyStatus by the event's own word, else by its transparency."""
    transparent = event.text("TRANSP").upper() == "TRANSPARENT"
    return BUSY.get(event.text("X-MICROSOFT-CDO-BUSYSTATUS").upper(), BUSY["FREE" if transparent else "BUSY"])
