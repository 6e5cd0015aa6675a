"""By which time warnings are due, and whether the clock can be trusted. Pure.

Rules of this file: warnings are never held back because a clock is in doubt: due is what is due by the later of own clock, the
service's last `Date`, and the newest row of the journal. Source: retention-domain §2.5 (clock source).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

NOTED = timedelta(seconds=60)
"""A difference from the service's clock that is told."""
TOO_FAR = timedelta(minutes=10)
"""A difference from which on a clock is in doubt."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the clocks say. service: the `Date` of an answer of just now, None without one; last_service: of the last answer ever;
    newest_row: the latest time that a row of the journal bears (since a person attested the clock)."""

    own: datetime
    service: datetime | None = None
    last_service: datetime | None = None
    newest_row: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """now: what is due by; in_doubt: what is claimed now suppresses nothing once the clocks agree; ahead: the time of a row
    that does not count; notes: for people."""

    now: datetime
    in_doubt: bool
    ahead: datetime | None
    notes: tuple[str, ...]


def judge(reading: Reading) -> Verdict:
    """Weigh the clocks."""
    own, service = reading.own, reading.service
    known = service or reading.last_service
    now = max(own, known) if known is not None else own
    notes, in_doubt, ahead = [], False, None
    if service is not None:
        skew = own - service
        in_doubt = abs(skew) > TOO_FAR
        if abs(skew) > NOTED:
            side = "ahead of" if skew > timedelta(0) else "behind"
            notes.append(f"the clock of this machine is {_length(abs(skew))} {side} the service's: set it right")
    elif reading.last_service is not None and reading.last_service - own > TOO_FAR:
        in_doubt = True
        notes.append("the service's last answer is dated later than this machine's clock, which was set back")
    row = reading.newest_row
    if row is not None and row > own + TOO_FAR:
        if service is not None and not in_doubt:
            ahead = row
            notes.append(
                f"a row of the journal is dated {row.isoformat(timespec='seconds')}, in the future: it does not count"
            )
        else:
            in_doubt, now = True, max(now, row)
            notes.append(
                f"the journal has a row of {row.isoformat(timespec='seconds')}, later than this machine's clock: one of them is"
                " wrong"
            )
    elif row is not None:
        now = max(now, row)
    return Verdict(now, in_doubt, ahead, tuple(notes))


def _length(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 2 * 3600:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 2 * 86_400 else f"{seconds // 86_400} d"
