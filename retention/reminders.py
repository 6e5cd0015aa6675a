"""Which warnings there are, when each is due, and which are due now given what was sent. Pure: nothing is sent here.

Rules of this file: no clock, no I/O, no policy; a boundary is a name and an instant. `send` is the latest moment for a warning,
never later than `due`; the severity is that of the threshold, whenever it is sent. Source: retention-domain §5.

    scheduled(instants, known_at=…, quiet=…)                         # all of them, as data/retention lists them
    decide(instants, now=…, known_at=…, every=…, quiet=…, settled=…) # those of this moment
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Final, Literal

DAY: Final = timedelta(seconds=86_400)
_SOON = (60, 30, 14, 7, 3, 1, 0)
THRESHOLDS: Final[Mapping[str, tuple[int, ...]]] = {
    "access_ends": (30, 14, 7, 3, 1, 0),
    "at_risk_from": _SOON,
    "deletable_from": _SOON,
    "gone_by": (0,),
}
"""Days before each boundary, largest first; the order of the boundaries is that of a list of warnings."""
_OBJECT: Final = (30, 7, 1, 0)
_PACKAGE: Final = (7, 3, 1)
_BAGS: Final = {"keep_until": (0,), "lock_ends": (30,)}
"""Of personal and object clocks, of export packages, and of our own copies: gathered in one digest a day."""

SEVERITIES: Final = ("info", "notice", "high", "critical")
LATE: Final = 1.5
"""How many intervals between sweeps a warning may be overdue before it counts as late: timers are late too."""
MOVED: Final = timedelta(hours=1)
"""From this on a boundary that moved is told; less is the same date, measured from its anchor."""

Kind = Literal["scheduled", "catch_up"]


@dataclass(frozen=True, slots=True)
class QuietHours:
    """When nobody is woken for less than a critical warning: wall-clock times in `zone`, `end` exclusive. Equal: never."""

    start: time
    end: time
    zone: tzinfo

    def begun(self, at: datetime) -> datetime | None:
        """When the quiet period that holds `at` began, UTC; None outside of one."""
        local = at.astimezone(self.zone)
        clock = local.time()
        if self.start <= self.end:
            inside, day = self.start <= clock < self.end, local.date()
        else:
            inside = clock >= self.start or clock < self.end
            day = local.date() if clock >= self.start else local.date() - timedelta(days=1)
        if not inside:
            return None
        return min(datetime.combine(day, self.start, tzinfo=self.zone).astimezone(UTC), at)

    def last_begun(self, at: datetime) -> datetime | None:
        """When the last quiet period at or before `at` began, UTC."""
        if self.start == self.end:
            return None
        local = at.astimezone(self.zone)
        days = (local.date(), local.date() - timedelta(days=1))
        starts = [datetime.combine(day, self.start, tzinfo=self.zone).astimezone(UTC) for day in days]
        return next(start for start in starts if start <= at)


@dataclass(frozen=True, slots=True)
class Reminder:
    """One warning. due = boundary minus threshold; send: the latest moment at which it goes out.

    `(boundary, boundary_at, threshold_days)` is the part of its key that is the clock's; tenant, subscription, event,
    escalation step and recipient are the sweep's.
    """

    boundary: str
    boundary_at: datetime
    threshold_days: int
    due: datetime
    send: datetime
    kind: Kind
    severity: str

    @property
    def threshold(self) -> tuple[str, int]:
        return self.boundary, self.threshold_days


@dataclass(frozen=True, slots=True)
class Decision:
    """What a sweep owes one recipient for one subscription now.

    due: to be sent, in the order of a case's `warnings`; superseded: to be marked so in the same segment, a smaller threshold of
    the same boundary goes (or went) in their place.
    """

    due: tuple[Reminder, ...]
    superseded: tuple[Reminder, ...]


def severity_of(boundary: str, threshold_days: int) -> str:
    """notice (over 14 days), high (≤ 14; for access_ends ≤ 7), critical (≤ 3; for access_ends ≤ 1), info (gone_by)."""
    if boundary == "gone_by":
        return "info"
    if boundary in _BAGS:
        return "notice"
    high, critical = (7, 1) if boundary == "access_ends" else (14, 3)
    return "critical" if threshold_days <= critical else "high" if threshold_days <= high else "notice"


def adjusted(severity: str, *, proven: bool = False, fits: bool = True, possible_end: bool = False) -> str:
    """One step lower where everything is copied and verified, never below info; one higher where the rest does not fit in
    time; no more than a notice for an end that may be a renewal. Compare `min_severity` with the severity before this."""
    step = SEVERITIES.index(severity) + (0 if fits else 1) - (1 if proven else 0)
    step = min(max(step, 0), len(SEVERITIES) - 1)
    return SEVERITIES[min(step, SEVERITIES.index("notice"))] if possible_end else SEVERITIES[step]


def object_thresholds(marks: Iterable[str]) -> Mapping[str, tuple[int, ...]]:
    """Days before each mark of a personal or object clock (`retention.related_clocks`), for `scheduled` and `decide`."""
    others = {"package_expires": _PACKAGE, **_BAGS}
    return {mark: others.get(mark, _OBJECT) for mark in marks}


def scheduled(
    boundaries: Mapping[str, datetime | None],
    *,
    known_at: datetime,
    quiet: QuietHours | None = None,
    thresholds: Mapping[str, tuple[int, ...]] = THRESHOLDS,
) -> list[Reminder]:
    """Every warning of a clock that became known at `known_at`: `warnings` of a case, superseded thresholds left out."""
    found = []
    for boundary, at in _known(boundaries, thresholds):
        every = [_reminder(boundary, at, days, known_at, quiet) for days in thresholds[boundary]]
        overdue = [reminder for reminder in every if reminder.due <= known_at]
        found += [reminder for reminder in every if reminder.due > known_at] + overdue[-1:]
    return _in_order(found, thresholds)


def decide(
    boundaries: Mapping[str, datetime | None],
    *,
    now: datetime,
    known_at: datetime,
    every: timedelta,
    quiet: QuietHours | None = None,
    settled: Collection[tuple[str, int]] = (),
    thresholds: Mapping[str, tuple[int, ...]] = THRESHOLDS,
) -> Decision:
    """What is due at `now`. settled: `(boundary, threshold_days)` of what was sent or superseded under these very instants
    (under other ones it is no matter here). every: how often a sweep comes.

    Of all thresholds now due of a boundary only the smallest is sent. What is late (due before it was known, or more than 1.5
    intervals ago) is a catch-up. A sweep after which the next one would find quiet hours sends what must go until then.
    """
    due, superseded = [], []
    limit = _early_limit(now, every, quiet)
    for boundary, at in _known(boundaries, thresholds):
        all_of_it = [
            _reminder(boundary, at, days, known_at, quiet, late_before=now - every * LATE)
            for days in thresholds[boundary]
        ]
        now_due = [reminder for reminder in all_of_it if reminder.due <= now]
        if now_due:
            *older, newest = now_due
            superseded += [reminder for reminder in older if reminder.threshold not in settled]
            due += [newest] if newest.threshold not in settled else []
        early = [
            reminder
            for reminder in all_of_it
            if reminder.due > now and reminder.send <= limit and _may_be_early(reminder)
        ]
        due += [reminder for reminder in early if reminder.threshold not in settled]
    return Decision(tuple(_in_order(due, thresholds)), tuple(_in_order(superseded, thresholds)))


def moved(old: datetime, new: datetime) -> Literal["earlier", "later"] | None:
    """Whether a boundary moved so far that people must be told."""
    if abs(new - old) < MOVED:
        return None
    return "earlier" if new < old else "later"


def _reminder(
    boundary: str,
    at: datetime,
    days: int,
    known_at: datetime,
    quiet: QuietHours | None,
    late_before: datetime | None = None,
) -> Reminder:
    due = at - days * DAY
    severity = severity_of(boundary, days)
    late = due < known_at or (late_before is not None and due < late_before)
    send = max(due, known_at)
    if not late and quiet is not None and severity in ("notice", "high"):
        begun = quiet.begun(due)
        send = send if begun is None else max(begun, known_at)
    return Reminder(boundary, at, days, due, send, "catch_up" if late else "scheduled", severity)


def _may_be_early(reminder: Reminder) -> bool:
    return reminder.severity in ("notice", "high")


def _early_limit(now: datetime, every: timedelta, quiet: QuietHours | None) -> datetime:
    """Until when this sweep sends ahead: no later sweep could before people want quiet."""
    next_one = now + every * LATE
    if quiet is None:
        return now
    if quiet.begun(next_one) is not None:
        return next_one
    begun = quiet.last_begun(next_one)
    return max(now, begun) if begun is not None else now


def _known(
    boundaries: Mapping[str, datetime | None], thresholds: Mapping[str, tuple[int, ...]]
) -> Iterable[tuple[str, datetime]]:
    for boundary in thresholds:
        at = boundaries.get(boundary)
        if at is not None:
            yield boundary, at


def _in_order(reminders: Iterable[Reminder], thresholds: Mapping[str, tuple[int, ...]]) -> list[Reminder]:
    places = {boundary: place for place, boundary in enumerate(thresholds)}
    return sorted(reminders, key=lambda one: (one.send, places[one.boundary], -one.threshold_days))
