"""Whether what this machine's clock says can be signed.

Rules of this file: the clock is held against the service's last answer, the newest row of the journal, the store's own clock,
and the time stamp; one in doubt signs nothing. Source: design §8, retention-domain §2.5 (clock source).
"""

from datetime import datetime

from exporters.clock import Clock, timestamp
from exporters.store.protocol import Store
from retention.books import opened_books
from retention.clock_doubt import TOO_FAR, Reading, judge
from retention.config import Config
from retention.evidence.errors import ClockInDoubtError

_ACTION = "Set this machine's clock right (NTP), then run it again: a wrong time must not be signed."


def refuse_doubtful_clock(config: Config, store: Store, clock: Clock) -> None:
    """Raises: ClockInDoubtError; ConfigurationError, RunError, errors of the store."""
    with opened_books(config, clock) as books:
        newest, last = books.index.fact("newest_row"), books.index.fact("service_date")
    outside = None if store.features.local else store.now()  # a folder's clock is this machine's
    verdict = judge(Reading(clock.now(), outside, _instant(last), _instant(newest)))
    if verdict.in_doubt:
        raise ClockInDoubtError("; ".join(verdict.notes), code="clock_in_doubt", action=_ACTION)


def refuse_distant_stamp(at: datetime, clock: Clock) -> None:
    """A time stamp that this machine's clock contradicts. Raises: ClockInDoubtError."""
    if abs(clock.now() - at) > TOO_FAR:
        raise ClockInDoubtError(
            f"the time stamp authority says {timestamp(at)}, this machine {timestamp(clock.now())}",
            code="clock_in_doubt",
            action=_ACTION,
        )


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
