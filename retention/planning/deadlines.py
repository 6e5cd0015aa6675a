"""The deadlines of each tracked subscription, and whether a copy of a given length is ready before them.

Rules of this file: pure, over timelines; `access_ends` is what to copy by where it lies ahead, `at_risk_from` at the latest; what
is past is said to be past, and never fits while something is left. Source: retention-domain §2.1, §7.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from exporters.bag.formats import JsonObject
from exporters.clock import timestamp
from retention.planning.feasibility import start_by
from retention.planning.recorded import fits_by
from retention.timeline import Timeline

COPIED_BY: Final = ("access_ends", "at_risk_from")


@dataclass(frozen=True, slots=True)
class Due:
    """One deadline. start_by: the latest safe start; fits: None where it is not known how much is left."""

    subscription: str
    name: str
    boundary: str
    at: datetime
    start_by: datetime
    fits: bool | None
    is_past: bool
    possible: bool

    def as_json(self) -> JsonObject:
        return {
            "subscription": self.subscription,
            "name": self.name,
            "boundary": self.boundary,
            "at": timestamp(self.at),
            "start_by": timestamp(self.start_by),
            "fits": self.fits,
            "past": self.is_past,
            "possible_end": self.possible,
        }


@dataclass(frozen=True, slots=True)
class Clocked:
    """A subscription with the timeline of its clock, which has no boundaries while none runs."""

    id: str
    name: str
    timeline: Timeline


def dues(clocked: Iterable[Clocked], planned_seconds: float, now: datetime, *, is_complete: bool) -> list[Due]:
    """Every deadline, the soonest first. is_complete: whether `planned_seconds` holds all that is left."""
    found = []
    for one in clocked:
        for kind in COPIED_BY:
            boundary = one.timeline.boundary(kind)
            if boundary is None:
                continue
            fits = fits_by(boundary.at, timedelta(seconds=planned_seconds), now, is_complete=is_complete)
            latest = start_by(boundary.at, planned_seconds)
            is_past = boundary.at <= now
            found.append(
                Due(one.id, one.name, kind, boundary.at, latest, fits, is_past, possible=one.timeline.possible)
            )
    return sorted(found, key=lambda due: (due.at, due.name, due.boundary))


def verdict(found: Sequence[Due]) -> bool | None:
    """Whether the copy fits before what it is planned by: of each subscription the first deadline that lies ahead, or the last
    one where all are past. Ends that may turn out to be renewals count for nothing. None: not known, or no clock runs."""
    told: dict[str, Due] = {}
    for due in found:
        if due.possible:
            continue
        known = told.get(due.subscription)
        if known is None or known.is_past:
            told[due.subscription] = due
    answers = [due.fits for due in told.values()]
    if False in answers:
        return False
    return None if None in answers or not answers else True
