"""How long to wait before the next request, so that the service never has to say no.

Rules of this file: decisions only. No I/O, no clock: readings (`now`, seconds of one steady clock) are passed in, and
nothing here sleeps. Safe from many threads. A request counts from the moment it is claimed until the limit's span after
its answer (see `spendlog`). Who waits, and how, is the matter of `gate`; what other processes do comes in through `keeper`.

    claim = budget.claim(Scope.SHAREPOINT, 1, now)
    if claim.ticket is None: ...wait claim.wait_seconds and ask again
    budget.settle(claim.ticket, now, rate_limit=..., served=True)          # when the answer's headers are there

Source: reference graph.md 7.1 to 7.4; design §9; quirks Q-040 to Q-043.
"""

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

from exporters.graph.allowance import MARGIN, Allowance
from exporters.graph.headers import RateLimit
from exporters.graph.limits import (
    BYTES,
    MAILBOX_CONCURRENT,
    MAILBOX_REQUESTS,
    REPORTS,
    Limit,
    Scope,
    directory_limit,
    licence_class,
)
from exporters.graph.sharing import DAY, History, Picture, Report
from exporters.graph.spendlog import SpendLog

UNKNOWN = math.inf
"""A wait that ends with an answer, or with an exchange, and not at a time that anybody knows."""
_MAILBOXES_KEPT = 4096


class Ticket:
    """Leave to send one request (or one batch of `units`)."""

    __slots__ = ("claimed_at", "is_active", "is_settled", "mailbox", "scope", "units")

    def __init__(self, scope: Scope, units: int, mailbox: str | None, claimed_at: float) -> None:
        self.scope, self.units, self.mailbox, self.claimed_at = scope, units, mailbox, claimed_at
        self.is_settled = False
        self.is_active = scope is Scope.EXCHANGE and mailbox is not None


class Claim(NamedTuple):
    """Either a ticket, or how long to wait before asking again and why: `pause`, `budget`, `day`, `hour` (of bytes),
    `concurrency`, `lease`."""

    ticket: Ticket | None
    wait_seconds: float
    reason: str


@dataclass(slots=True)
class _Pause:
    announced_at: float
    until: float


class _Window:
    """A plain limit: so many units in so many seconds."""

    __slots__ = ("active", "limit", "log")

    def __init__(self, limit: Limit) -> None:
        self.limit, self.log, self.active = limit, SpendLog(limit.seconds), 0


class Budget:
    """All limits of one application in one tenant. Share one among all sessions of the process.

    licences, users: size of the tenant (None: the smallest class, until `set_licences` or `set_users`).
    """

    def __init__(
        self, *, licences: int | None = None, users: int | None = None, mailbox_concurrent: int = MAILBOX_CONCURRENT
    ) -> None:
        self._lock = threading.Lock()
        self._sharepoint = Allowance(licence_class(licences))
        self._windows = {Scope.DIRECTORY: _Window(directory_limit(users)), Scope.REPORTS: _Window(REPORTS)}
        self._mailboxes: OrderedDict[str, _Window] = OrderedDict()
        self._bytes = SpendLog(BYTES.seconds)
        self._mailbox_concurrent = mailbox_concurrent
        self._pauses: dict[str, _Pause] = {}

    def set_licences(self, licences: int | None) -> None:
        """Take the limits of this size of tenant (sum of the enabled units of the subscriptions)."""
        with self._lock:
            self._sharepoint.publish(licence_class(licences))

    def set_users(self, users: int | None) -> None:
        """Take the directory's limits of this size of tenant."""
        with self._lock:
            self._windows[Scope.DIRECTORY].limit = directory_limit(users)

    @property
    def minute_limit(self) -> int:
        """SharePoint units a minute."""
        return self._sharepoint.minute_limit

    @property
    def day_limit(self) -> int:
        """SharePoint units a day."""
        return self._sharepoint.day_limit

    def used(self, now: float) -> tuple[int, int]:
        """SharePoint units in the last minute and in the last day, for progress."""
        with self._lock:
            return self._sharepoint.minute.used(now), self._sharepoint.day.used(now)

    # -- claiming ---------------------------------------------------------------------------------------------------

    def claim(self, scope: Scope, units: int, now: float, mailbox: str | None = None) -> Claim:
        """Leave to send a request that costs `units`, or the wait. Who gets a ticket MUST send at once and `settle`."""
        with self._lock:
            if self._pauses:
                pause = self._pauses.get(_pause_key(scope, mailbox))
                if pause is not None and pause.until > now:
                    return Claim(None, pause.until - now, "pause")
            if scope is Scope.SHAREPOINT:
                wait, reason = self._sharepoint.wait(units, now)
                if wait <= 0:
                    self._sharepoint.claim(units)
            else:
                wait, reason = self._wait(scope, units, now, mailbox)
            return Claim(Ticket(scope, units, mailbox, now), 0.0, "") if wait <= 0 else Claim(None, wait, reason)

    def _wait(self, scope: Scope, units: int, now: float, mailbox: str | None) -> tuple[float, str]:
        """(seconds, why) for all but SharePoint's units; claims them where there is nothing to wait for."""
        if scope is Scope.NONE:
            return self._bytes.wait(1, BYTES.units, now), "hour"
        window = self._window(scope, mailbox, now)
        if window is None:
            return 0.0, ""
        if scope is Scope.EXCHANGE and window.active + units > max(self._mailbox_concurrent, units):
            return UNKNOWN, "concurrency"  # of a batch each request takes a place
        wait = window.log.wait(units, window.limit.units, now)
        if wait <= 0:
            window.log.claim(units)
            window.active += units if scope is Scope.EXCHANGE else 0
        return wait, "budget"

    def settle(
        self,
        ticket: Ticket,
        now: float,
        *,
        rate_limit: RateLimit | None = None,
        served: bool = False,
        pause_seconds: float | None = None,
    ) -> None:
        """The answer's headers are there, or it is certain that none will come.

        rate_limit: what the answer told. served: it is a success. pause_seconds: of a refusal, `Retry-After` (None: not
        refused, or not told). Called again: nothing. A mailbox counts the request as concurrent until `release`.
        """
        scope = ticket.scope
        with self._lock:
            if ticket.is_settled:
                return
            ticket.is_settled = True
            if scope is Scope.SHAREPOINT:
                self._sharepoint.settle(ticket.units, ticket.claimed_at, now, rate_limit, served=served)
            elif scope is Scope.NONE:
                if rate_limit is not None:
                    self._sharepoint.told(rate_limit, now)
            elif (window := self._window(scope, ticket.mailbox, now)) is not None:
                window.log.settle(ticket.units, now)
        if pause_seconds is not None:
            self.pause(scope, now, pause_seconds, ticket.mailbox)

    def release(self, ticket: Ticket) -> None:
        """The body of a mailbox's answer is read, or the answer is closed. Called again: nothing."""
        with self._lock:
            if ticket.is_active:
                ticket.is_active = False
                window = self._mailboxes.get(ticket.mailbox or "")
                if window is not None:
                    window.active -= ticket.units

    def received(self, size: int, now: float) -> None:
        """Bytes of content came: what leaves SharePoint in an hour is limited too (of this process; others are not seen)."""
        with self._lock:
            self._bytes.note(size, now)

    def pause(self, scope: Scope, now: float, seconds: float, mailbox: str | None = None) -> None:
        """Nothing more of this scope (for Exchange: of this mailbox) until the pause is over; pauses never shrink."""
        with self._lock:
            key = _pause_key(scope, mailbox)
            self._pause(key, now, now + seconds + MARGIN)
            if key == Scope.SHAREPOINT:
                self._sharepoint.refused()
                self._sharepoint.has_news = True

    def inside_pause(self, ticket: Ticket, sent_at: float) -> bool:
        """True if a request sent at that moment broke a pause that was known by then (an avoidable refusal)."""
        with self._lock:
            pause = self._pauses.get(_pause_key(ticket.scope, ticket.mailbox))
            return pause is not None and pause.announced_at < sent_at < pause.until - MARGIN

    # -- sharing with other processes ---------------------------------------------------------------------------------

    def restore(self, history: History, now: float, offset: float) -> None:
        """Count what was spent before this process. offset: seconds since 1970 less `now`."""
        with self._lock:
            self._sharepoint.restore(history, now, offset)

    def join(self) -> None:
        """From now on SharePoint's units are spent from leases alone."""
        with self._lock:
            self._sharepoint.join()

    def next_exchange(self, now: float) -> float:
        """Seconds until the next exchange with the others is due; `UNKNOWN` while nothing is spent."""
        with self._lock:
            return self._sharepoint.next_exchange(now)

    def report(self, now: float, offset: float, *, leaving: bool = False) -> Report:
        """What there is to say to the others. Either `leased` or `away` MUST follow."""
        with self._lock:
            pause = self._pauses.get(Scope.SHAREPOINT)
            until = pause.until + offset if pause is not None and pause.until > now else 0.0
            return self._sharepoint.report(now, offset, leaving=leaving, pause_until=until)

    def adopt(self, picture: Picture, kept: int, now: float, offset: float) -> int:
        """Take over what all know; return the units to lease besides those `kept` in the report."""
        with self._lock:
            until = min(picture.pause_until - offset, now + DAY)
            if until > now:
                self._pause(Scope.SHAREPOINT, now, until)
                self._sharepoint.refused()
            return self._sharepoint.adopt(picture, kept, now, offset)

    def leased(self, granted: int) -> None:
        """The exchange went through, and this much was leased."""
        with self._lock:
            self._sharepoint.leased(granted)

    def away(self, now: float) -> None:
        """The exchange did not go through: go on without the others."""
        with self._lock:
            self._sharepoint.away(now)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _pause(self, key: str, now: float, until: float) -> None:
        known = self._pauses.get(key)
        if known is None or known.until <= now:
            self._pauses[key] = _Pause(now, until)
        else:
            known.until = max(known.until, until)

    def _window(self, scope: Scope, mailbox: str | None, now: float) -> _Window | None:
        if scope is not Scope.EXCHANGE or mailbox is None:
            return self._windows.get(scope)
        window = self._mailboxes.get(mailbox)
        if window is None:
            self._forget_a_mailbox(now)
            window = self._mailboxes[mailbox] = _Window(MAILBOX_REQUESTS)
        self._mailboxes.move_to_end(mailbox)
        return window

    def _forget_a_mailbox(self, now: float) -> None:
        """Of very many, the one unused for longest goes, if the service has forgotten its requests too."""
        if len(self._mailboxes) >= _MAILBOXES_KEPT:
            name, oldest = next(iter(self._mailboxes.items()))
            if not oldest.active and not oldest.log.used(now):
                del self._mailboxes[name]


def _pause_key(scope: Scope, mailbox: str | None) -> str:
    if scope is Scope.NONE:
        return Scope.SHAREPOINT  # pre-authenticated downloads are SharePoint's too
    return scope if mailbox is None else f"{scope}/{mailbox}"
