"""Whether the clocks are in doubt, from what is on record and from the store's own clock: without a tenant.

Rules of this file: no I/O. Ages are counted by this machine's clock, so that one set back would make an old proof young: where
two clocks differ by more than ten minutes, `ready` says no. Source: retention-domain §2.5 (clock source).
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from exporters.clock import timestamp
from retention.clock_doubt import TOO_FAR
from retention.history import History
from retention.readiness.reasons import Reason, block

SET = "lastcopy check"
"""Says what the clocks say now."""
ATTEST = 'lastcopy attest PF-25 --by NAME --text "looked at the clock: it is right"'


def is_too_old(at: datetime, now: datetime, age: timedelta) -> bool:
    """Whether something is older than it may be. What lies ahead of this machine's clock has no age: it never counts as young,
    whatever a person attested of the clock since."""
    return now - at > age or at - now > TOO_FAR


def doubts(history: History, now: datetime, store_now: datetime | None) -> Iterator[Reason]:
    """Every reason to doubt. store_now: by the store's clock, None if it tells none."""
    service = history.service
    if service is not None and abs(service.skew_seconds) > TOO_FAR.total_seconds():
        side = "ahead of" if service.skew_seconds > 0 else "behind"
        minutes = abs(service.skew_seconds) / 60
        message = f"when the service last answered, this machine's clock was {minutes:,.0f} minutes {side} it"
        yield _doubt(f"{message}; set it right, and run the export again", "lastcopy export")
    if service is not None and service.service - now > TOO_FAR:
        told = timestamp(service.service)
        yield _doubt(f"the service's last answer is dated {told}, later than this machine's clock: that was set back")
    if history.newest is not None and history.newest - now > TOO_FAR:
        message = f"the journal has a row of {timestamp(history.newest)}, later than this machine's clock: one of them was wrong"
        yield _doubt(f"{message}; set the clock, or attest that it is right", ATTEST)
    if store_now is not None and abs(store_now - now) > TOO_FAR:
        yield _doubt(f"the store's clock and this machine's differ by {_minutes(abs(store_now - now))} minutes")


def _doubt(message: str, action: str = SET) -> Reason:
    return block("clock_in_doubt", message, action)


def _minutes(span: timedelta) -> str:
    return f"{span.total_seconds() / 60:,.0f}"
