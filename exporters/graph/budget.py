"""How long to wait before the next request, so that the service never has to say no.

Rules of this file: decisions only. No I/O, no clock: readings (`now`, seconds of one steady clock) are passed in, and
nothing here sleeps. Safe from many threads. A request counts from the moment it is claimed until the limit's span after
its answer: the service counted it somewhere between, so no window of the service, fixed or sliding, can hold more than
its limit.

    claim = budget.claim(Scope.SHAREPOINT, 1, now)
    if claim.ticket is None: ...wait claim.wait_seconds and ask again
    budget.settle(claim.ticket, now, rate_limit=..., retry_after=...)      # when the answer's headers are there

Source: reference graph.md 7.1 to 7.3; design §9; quirks Q-040 to Q-043.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from exporters.graph.headers import RateLimit
from exporters.graph.limits import (
    MAILBOX_CONCURRENT,
    MAILBOX_REQUESTS,
    REPORTS,
    Limit,
    Scope,
    directory_limit,
    licence_class,
)

_IN_FLIGHT_WAIT = 0.02  # when only requests without an answer yet stand in the way
_MARGIN = 0.05  # beyond an announced pause: clocks tick, and headers are rounded
_MAILBOXES_KEPT = 4096


class BudgetState(NamedTuple):
    """What survives the process: plain data for JSON. spends: (instant in seconds since 1970, units) of the last day.
    pause_until: instant before which nothing may be sent to SharePoint, 0 if none."""

    spends: list[tuple[float, int]]
    pause_until: float

    def as_json(self) -> dict[str, Any]:
        return {"spends": [[at, units] for at, units in self.spends], "pause_until": self.pause_until}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "BudgetState":
        spends = [(float(at), int(units)) for at, units in document.get("spends", [])]
        return cls(sorted(spends), float(document.get("pause_until", 0.0)))


EMPTY_STATE = BudgetState([], 0.0)


class BudgetStore(Protocol):
    """Where spends of SharePoint units are kept beyond the process. MUST be safe from many threads."""

    def load(self) -> BudgetState:
        """All spends of the last 24 hours under this tenant and client id, by whatever process."""
        ...

    def spend(self, units: int, at: float) -> None:
        """Note units spent; `at` in seconds since 1970."""
        ...

    def pause(self, until: float) -> None:
        """Note an announced pause; `until` in seconds since 1970. An earlier one than is known changes nothing."""
        ...


class SpendLog:
    """Spends of the last `seconds`, summed in slots. Not safe from many threads by itself."""

    def __init__(self, seconds: float, slots: int = 240) -> None:
        self._seconds = seconds
        self._slot = seconds / slots
        self._entries: deque[tuple[int, int]] = deque()
        self._settled = 0
        self._in_flight = 0

    def used(self, now: float) -> int:
        """Units that some window which holds `now` may hold already."""
        self._expire(now)
        return self._settled + self._in_flight

    def claim(self, units: int) -> None:
        self._in_flight += units

    def settle(self, units: int, now: float) -> None:
        self._in_flight -= units
        self.note(units, now)

    def note(self, units: int, at: float) -> None:
        """A spend that is over: in this process, or read from a store (in any order)."""
        if units <= 0:
            return
        index = int(at // self._slot)
        self._settled += units
        if self._entries and self._entries[-1][0] >= index:
            if self._entries[-1][0] == index:
                self._entries[-1] = (index, self._entries[-1][1] + units)
            else:  # out of order by threads: counting it later than it was is the safe side
                last, sum_ = self._entries[-1]
                self._entries[-1] = (last, sum_ + units)
        else:
            self._entries.append((index, units))

    def wait(self, units: int, limit: int, now: float) -> float:
        """Seconds until `units` more fit under `limit`; 0 if now. More than the limit itself fits an empty log."""
        missing = self.used(now) + min(units, limit) - limit
        if missing <= 0:
            return 0.0
        for index, spent in self._entries:
            missing -= spent
            if missing <= 0:
                return max(self._free_at(index) - now, 0.0)
        return _IN_FLIGHT_WAIT

    @property
    def in_flight(self) -> int:
        return self._in_flight

    @property
    def resolution(self) -> float:
        return self._slot

    def dump(self, now: float) -> list[tuple[float, int]]:
        """(latest moment, units) of each slot, oldest first; what has no answer yet counts as spent now."""
        self._expire(now)
        settled = [(min((index + 1) * self._slot, now), units) for index, units in self._entries]
        return [*settled, (now, self._in_flight)] if self._in_flight else settled

    def _free_at(self, index: int) -> float:
        return (index + 1) * self._slot + self._seconds

    def _expire(self, now: float) -> None:
        while self._entries and self._free_at(self._entries[0][0]) <= now:
            self._settled -= self._entries.popleft()[1]


@dataclass(frozen=True, slots=True)
class Ticket:
    """Leave to send one request (or one batch of `units`)."""

    scope: Scope
    units: int
    mailbox: str | None
    claimed_at: float


class Claim(NamedTuple):
    """Either a ticket, or how long to wait before asking again and why."""

    ticket: Ticket | None
    wait_seconds: float
    reason: str


@dataclass(slots=True)
class _Pause:
    announced_at: float
    until: float


@dataclass(slots=True)
class _Told:
    """What the last `RateLimit-*` left us, until it is renewed."""

    left: int
    until: float


class _Mailbox:
    def __init__(self) -> None:
        self.log = SpendLog(MAILBOX_REQUESTS.seconds)
        self.active = 0


class Budget:
    """All limits of one application in one tenant. Share one among all sessions of the process.

    licences, users: size of the tenant (None: the smallest class, until `set_licences` or `set_users`).
    """

    def __init__(
        self,
        *,
        licences: int | None = None,
        users: int | None = None,
        store: BudgetStore | None = None,
        mailbox_concurrent: int = MAILBOX_CONCURRENT,
    ) -> None:
        self._lock = threading.Lock()
        self._store = store
        self._mailbox_concurrent = mailbox_concurrent
        size = licence_class(licences)
        self._minute, self._day = size.minute, size.day
        self._minute_log, self._day_log = SpendLog(self._minute.seconds), SpendLog(self._day.seconds, 1440)
        self._directory, self._directory_log = directory_limit(users), SpendLog(10.0)
        self._reports_log = SpendLog(REPORTS.seconds)
        self._mailboxes: OrderedDict[str, _Mailbox] = OrderedDict()
        self._pauses: dict[str, _Pause] = {}
        self._told: _Told | None = None
        self._offset: float | None = None  # seconds since 1970 minus `now`

    def set_licences(self, licences: int | None) -> None:
        """Take the limits of this size of tenant (sum of the enabled units of the subscriptions)."""
        with self._lock:
            size = licence_class(licences)
            self._minute, self._day = size.minute, size.day

    def set_users(self, users: int | None) -> None:
        """Take the directory's limits of this size of tenant."""
        with self._lock:
            self._directory = directory_limit(users)

    @property
    def minute_limit(self) -> int:
        return self._minute.units

    @property
    def day_limit(self) -> int:
        return self._day.units

    def used(self, now: float) -> tuple[int, int]:
        """SharePoint units in the last minute and in the last day, for progress."""
        with self._lock:
            return self._minute_log.used(now), self._day_log.used(now)

    def start(self, now: float, since_1970: float) -> None:
        """Tie the steady clock to the calendar and take over what the store knows. Only the first call counts."""
        with self._lock:
            if self._offset is not None:
                return
            self._offset = since_1970 - now
        if self._store is not None:
            self.restore(self._store.load(), now)

    def claim(self, scope: Scope, units: int, now: float, mailbox: str | None = None) -> Claim:
        """Leave to send a request that costs `units`, or the wait. Who gets a ticket MUST send at once and `settle`."""
        with self._lock:
            wait, reason = self._wait(scope, units, now, mailbox)
            if wait > 0:
                return Claim(None, wait, reason)
            for log in self._logs(scope, mailbox):
                log.claim(units)
            if scope is Scope.SHAREPOINT and self._told is not None:
                self._told.left -= units
            if scope is Scope.EXCHANGE and mailbox is not None:
                self._mailboxes[mailbox].active += 1
            return Claim(Ticket(scope, units, mailbox, now), 0.0, "")

    def settle(
        self,
        ticket: Ticket,
        now: float,
        *,
        rate_limit: RateLimit | None = None,
        pause_seconds: float | None = None,
    ) -> None:
        """The answer's headers are there, or it is certain that none will come.

        rate_limit: what the answer told. pause_seconds: of a refusal, `Retry-After` (None: not refused, or not told).
        """
        with self._lock:
            for log in self._logs(ticket.scope, ticket.mailbox):
                log.settle(ticket.units, now)
            if ticket.scope is Scope.EXCHANGE and ticket.mailbox is not None:
                self._mailboxes[ticket.mailbox].active -= 1
            if rate_limit is not None and ticket.scope in (Scope.SHAREPOINT, Scope.NONE):
                self._adopt(rate_limit, now)
        if self._store is not None and ticket.scope is Scope.SHAREPOINT and ticket.units and self._offset is not None:
            self._store.spend(ticket.units, now + self._offset)
        if pause_seconds is not None:
            self.pause(ticket.scope, now, pause_seconds, ticket.mailbox)

    def pause(self, scope: Scope, now: float, seconds: float, mailbox: str | None = None) -> None:
        """Nothing more of this scope (for Exchange: of this mailbox) until the pause is over; pauses never shrink."""
        until = now + seconds + _MARGIN
        key = _pause_key(scope, mailbox)
        with self._lock:
            known = self._pauses.get(key)
            if known is None or known.until <= now:
                self._pauses[key] = _Pause(now, until)
            else:
                known.until = max(known.until, until)
        if self._store is not None and key == Scope.SHAREPOINT and self._offset is not None:
            self._store.pause(until + self._offset)

    def inside_pause(self, ticket: Ticket, sent_at: float) -> bool:
        """True if a request sent at that moment broke a pause that was known by then (an avoidable refusal)."""
        with self._lock:
            pause = self._pauses.get(_pause_key(ticket.scope, ticket.mailbox))
            return pause is not None and pause.announced_at < sent_at < pause.until - _MARGIN

    def snapshot(self, now: float, since_1970: float) -> BudgetState:
        """SharePoint spends of the last day, to be kept."""
        offset = since_1970 - now
        with self._lock:
            pause = self._pauses.get(Scope.SHAREPOINT)
            fine = list(self._minute_log.dump(now))
            start = fine[0][0] if fine else now
            coarse = [(at, units) for at, units in self._day_log.dump(now) if at < start - self._day_log.resolution]
            # What the coarse log holds of the slots that straddle the fine log's start must not get lost.
            straddling = self._day_log.used(now) - sum(u for _, u in coarse) - sum(u for _, u in fine)
            middle = [(start - _MARGIN, straddling)] if straddling > 0 else []
            spends = [(at + offset, units) for at, units in (*coarse, *middle, *fine)]
            return BudgetState(spends, 0.0 if pause is None or pause.until <= now else pause.until + offset)

    def restore(self, state: BudgetState, now: float) -> None:
        """Count what was spent before (by another process, or before a restart). Needs `start` before."""
        if self._offset is None:
            raise RuntimeError("Budget.start must come before restore")
        with self._lock:
            for at, units in sorted(state.spends):
                moment = min(at - self._offset, now)  # a spend in the future: the wall clock was set back
                self._day_log.note(units, moment)
                self._minute_log.note(units, moment)
            until = state.pause_until - self._offset
            if until > now:
                self._pauses[Scope.SHAREPOINT] = _Pause(now, min(until, now + self._day.seconds))

    def _logs(self, scope: Scope, mailbox: str | None) -> tuple[SpendLog, ...]:
        if scope is Scope.SHAREPOINT:
            return (self._minute_log, self._day_log)
        if scope is Scope.DIRECTORY:
            return (self._directory_log,)
        if scope is Scope.REPORTS:
            return (self._reports_log,)
        if scope is Scope.EXCHANGE and mailbox is not None:
            return (self._mailbox(mailbox).log,)
        return ()

    def _limits(self, scope: Scope) -> tuple[Limit, ...]:
        return {
            Scope.SHAREPOINT: (self._minute, self._day),
            Scope.DIRECTORY: (self._directory,),
            Scope.REPORTS: (REPORTS,),
            Scope.EXCHANGE: (MAILBOX_REQUESTS,),
        }.get(scope, ())

    def _mailbox(self, name: str) -> _Mailbox:
        mailbox = self._mailboxes.get(name)
        if mailbox is None:
            mailbox = self._mailboxes[name] = _Mailbox()
            if len(self._mailboxes) > _MAILBOXES_KEPT:
                idle = next((key for key, value in self._mailboxes.items() if not value.active), None)
                with suppress(KeyError):
                    del self._mailboxes[idle or ""]
        self._mailboxes.move_to_end(name)
        return mailbox

    def _wait(self, scope: Scope, units: int, now: float, mailbox: str | None) -> tuple[float, str]:
        pause = self._pauses.get(_pause_key(scope, mailbox))
        if pause is not None and pause.until > now:
            return pause.until - now, "pause"
        if scope is Scope.EXCHANGE and mailbox and self._mailbox(mailbox).active >= self._mailbox_concurrent:
            return _IN_FLIGHT_WAIT, "concurrency"
        logs = zip(self._logs(scope, mailbox), self._limits(scope), strict=False)
        wait = max((log.wait(units, limit.units, now) for log, limit in logs), default=0.0)
        told = self._told if scope is Scope.SHAREPOINT else None
        if told is not None and told.until <= now:
            told = self._told = None
        if told is not None and told.left < units:
            wait = max(wait, told.until - now)
        return wait, "budget" if wait > 0 else ""

    def _adopt(self, told: RateLimit, now: float) -> None:
        """Believe the service about its limits (preview headers, best effort: their absence proves nothing)."""
        if told.limit is not None and told.limit > 0:
            if told.limit * 2 > self._day.units:
                self._day = Limit(told.limit, self._day.seconds, "RateLimit-Limit", "told")
            else:
                self._minute = Limit(told.limit, self._minute.seconds, "RateLimit-Limit", "told")
        if told.remaining is None or told.reset is None:
            return
        # Requests without an answer yet may or may not be in the figure: take them as not counted.
        left, until = told.remaining - self._minute_log.in_flight, now + told.reset + _MARGIN
        known = self._told
        others_spend = told.remaining < self._minute.units - self._minute_log.used(now)
        if others_spend and known is not None and now < known.until and until <= known.until + 1.0:
            left, until = min(left, known.left), max(until, known.until)  # answers may overtake each other
        self._told = _Told(left, until)


def _pause_key(scope: Scope, mailbox: str | None) -> str:
    if scope is Scope.NONE:
        return Scope.SHAREPOINT  # pre-authenticated downloads are SharePoint's too
    return f"{scope}/{mailbox}" if mailbox is not None else str(scope)
