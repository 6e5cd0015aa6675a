"""What `lastcopy plan` wrote down: the newest plan, and whether by it the copy still fits before a boundary.

Rules of this file: pure, over rows of the journal; offline. What nobody knows is None, never yes: a plan that could not count
everything, that is too old, or that belongs to another question. A plan is read as if nothing had been copied since: to warn
too early is mended by the next plan, to warn too late by nothing. Source: retention-domain §5 (severity), §7; docs/formats.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from exporters.bag.formats import JsonObject
from exporters.clock import instant_of

PLANNED: Final = "planned"
MAX_AGE: Final = timedelta(days=7)
"""Older plans say nothing of today: a tenant grows, and a copy goes on."""
DEADLINES: Final = frozenset({"access_ends", "at_risk_from", "deletable_from"})
"""Boundaries that a copy has to be ready before; `gone_by` only says what is over."""


class Deadline(Protocol):
    """A boundary of a timeline, as far as a plan looks at it."""

    @property
    def kind(self) -> str: ...

    @property
    def at(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Planned:
    """The newest plan. row: as it stands in the journal; at: when it was made; exported_since: whether a run of `export` has
    ended since, so that there is less to do than it says."""

    row: JsonObject
    at: datetime
    exported_since: bool = False

    @property
    def result(self) -> Mapping[str, Any]:
        """The document of `plan --json`, without its long lists."""
        found = self.row.get("result")
        return found if isinstance(found, dict) else {}

    def is_current(self, now: datetime) -> bool:
        """Whether it is young enough to be believed."""
        return now - self.at <= MAX_AGE


def latest(rows: Iterable[JsonObject]) -> Planned | None:
    """The newest plan of a journal, None if there is none. rows: oldest first, of any types."""
    found: Planned | None = None
    for row in rows:
        if row.get("type") == PLANNED and (at := instant_of(row.get("at"))) is not None:
            found = Planned(row, at)
        elif row.get("type") == "run_ended" and found is not None:
            found = Planned(found.row, found.at, exported_since=True)
    return found


def fits(row: Mapping[str, Any] | None, boundary: Deadline, now: datetime) -> bool | None:
    """Whether what the newest plan says is left, with its safety and its reserve, fits between `now` and a boundary.

    row: a row `planned` of the journal, None if there is none. None: not known, or no boundary that a copy is planned by.
    """
    if row is None or boundary.kind not in DEADLINES:
        return None
    at, needed = instant_of(row.get("at")), needed_of(row)
    if at is None or needed is None or now - at > MAX_AGE:
        return None
    return fits_by(boundary.at, needed, now, is_complete=row["result"].get("complete") is True)


def fits_by(at: datetime, needed: timedelta, now: datetime, *, is_complete: bool) -> bool | None:
    """Whether what takes so long, begun now, is ready by then. What is known may be too much already; to say that it fits, all
    that is left must be known."""
    if needed > timedelta(0) and now + needed > at:
        return False
    return True if is_complete else None


def needed_of(row: Mapping[str, Any]) -> timedelta | None:
    """The time from start to finish that a plan reckons with; zero where nothing is left; None if it could not tell."""
    result = row.get("result")
    seconds = result.get("planned_seconds") if isinstance(result, dict) else None
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or seconds < 0:
        return None
    return timedelta(seconds=seconds)
