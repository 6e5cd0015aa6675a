"""Budgets as the service keeps them: resource units a minute and a day, directory units in ten seconds, mailboxes.

Rules of this file: throttled calls count; time comes from the clock that is passed in; an answer 429 or 503 is `avoidable`
if the client could have known: because the limit is published (graph.md 7.3), because a `RateLimit-*` answer had told it, or
because it was told to wait and did not. Requests that were on their way when the client was first told are not held against
it: for `GRACE` seconds of real time only a repetition of what was refused, or a request on a connection that had the telling
answer, counts. A client that keeps calling before its time is shut out for good (503 without end).
Source: reference/graph.md 7.
"""

import math
import threading
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Literal

from exporters.clock import Clock, SystemClock

Family = Literal["sharepoint", "directory", "exchange", ""]
GRACE = 0.25
PENALTY = 5.0  # seconds that a call made too early adds to the wait
ABUSE = 200  # calls made too early, after which nothing is answered any more
_CLASSES = ((1_000, 1_250), (5_000, 2_500), (15_000, 3_750), (50_000, 5_000))


def units_a_minute(licences: int) -> int:
    """What SharePoint grants an app in a tenant of so many licences; a day has 960 times that."""
    return next((units for most, units in _CLASSES if licences <= most), 6_250)


@dataclass
class Window:
    """A budget in fixed windows of `seconds`, or in a sliding one."""

    limit: int
    seconds: float
    sliding: bool = False
    used: int = 0
    _index: int = -1
    _recent: deque[list[float]] = field(default_factory=deque)

    def add(self, now: float, cost: int) -> bool:
        """Charge `cost`; False if it is more than the rest, and charged all the same."""
        self._turn(now)
        fits = self.used + cost <= self.limit
        self.used += cost
        if self.sliding and cost:
            if self._recent and now - self._recent[-1][0] < self.seconds / 100_000:
                self._recent[-1][1] += cost
            else:
                self._recent.append([now, cost])
        return fits

    def reset_after(self, now: float) -> float:
        """Seconds until there is budget again."""
        if self.sliding and self._recent:
            return max(0.0, self._recent[0][0] + self.seconds - now)
        return self.seconds - now % self.seconds

    def _turn(self, now: float) -> None:
        if self.sliding:
            while self._recent and self._recent[0][0] <= now - self.seconds:
                self.used -= int(self._recent.popleft()[1])
        elif (index := int(now // self.seconds)) != self._index:
            self._index, self.used = index, 0


@dataclass(frozen=True)
class Verdict:
    """What the budget says of one request. `status` 0: go on, with `headers` on the answer."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    avoidable: bool = False
    reason: str = ""


@dataclass
class Occupancy:
    """How the places of one mailbox were used, from its first request to the last change."""

    since: float
    requests: int = 0
    most: int = 0
    seconds: list[float] = field(default_factory=lambda: [0.0] * 5)

    def change(self, now: float, before: int, after: int) -> None:
        """From `before` requests at work to `after`, at a moment of the monotonic clock."""
        self.seconds[min(before, 4)] += now - self.since
        self.since, self.most = now, max(self.most, after)
        self.requests += after > before


class Throttle:
    """The budgets of one app in one tenant. Safe from many threads."""

    def __init__(
        self,
        clock: Clock,
        *,
        licences: int,
        users: int,
        enabled: bool = True,
        minute: int | None = None,
        day: int | None = None,
        sliding: bool = False,
        sliding_day: bool | None = None,
        status: int = 429,
        mailbox: int = 10_000,
        real: Clock | None = None,
    ) -> None:
        """minute, day: instead of what `licences` grant; mailbox: requests to one in ten minutes. sliding: both windows slide,
        unless `sliding_day` says otherwise of the day. status: 429 or 503 for SharePoint's refusals. real: by what `GRACE` is
        measured.
        """
        published = units_a_minute(licences)
        self.enabled = enabled
        self._clock, self._real, self._status = clock, real or SystemClock(), status
        self._minute = Window(minute if minute is not None else published, 60, sliding)
        self._day = Window(
            day if day is not None else self._minute.limit * 960,
            86_400,
            sliding if sliding_day is None else sliding_day,
        )
        self._published = (published, published * 960)
        self._rates_told_at: float | None = None
        self._told_here = threading.local()  # a thread serves one connection
        self._early = 0
        self._directory = Window(3_500 if users < 50 else 5_000 if users <= 500 else 8_000, 10)
        self._mailbox_limit = mailbox
        self._mailboxes: dict[str, Window] = {}
        self._busy: dict[str, int] = {}
        self._occupied: dict[str, Occupancy] = {}
        self._until: dict[str, float] = {}
        self._told: dict[str, float] = {}
        self._refused: dict[str, set[str]] = {}
        self._lock = threading.RLock()  # a turn may be given up in the middle of another call

    def charge(self, family: Family, cost: int, what: str, mailbox: str = "") -> Verdict:
        """Charge one request of `cost` units to its budgets. what: tells a repetition from another request."""
        if not self.enabled or not family:
            return Verdict()
        now = self._clock.now().timestamp()
        with self._lock:
            key = f"{family}/{mailbox}"
            blocked = self._until.get(key, 0.0)
            late = self._real.monotonic() > self._told.get(key, 0.0) + GRACE
            if now < blocked and (late or what in self._refused[key]):
                self._early += 1
                self._until[key] = math.inf if self._early >= ABUSE else blocked + PENALTY
                self._refused[key].add(what)
                self._count(family, now, cost, mailbox)
                return self._refusal(family, self._until[key] - now, "early-retry")
            verdict = self._count(family, now, cost, mailbox)
            if verdict.status:
                self._note(key, now + float(verdict.headers["Retry-After"]), what)
            return verdict

    def block(self, family: Family, seconds: float, what: str, mailbox: str = "") -> None:
        """A refusal from a fault plan told the client to wait: calls before that are early."""
        if self.enabled and family:
            with self._lock:
                self._note(f"{family}/{mailbox}", self._clock.now().timestamp() + seconds, what)

    def enter(self, mailbox: str) -> bool:
        """A request to a mailbox begins; False if four are at work already. `leave` follows in any case."""
        with self._lock:
            busy = self._busy.get(mailbox, 0)
            now = self._real.monotonic()
            self._occupied.setdefault(mailbox, Occupancy(now)).change(now, busy, busy + 1)
            self._busy[mailbox] = busy + 1
            return not self.enabled or busy < 4

    def leave(self, mailbox: str) -> None:
        """A request to a mailbox has ended."""
        with self._lock:
            busy = self._busy[mailbox]
            if mailbox in self._occupied:
                self._occupied[mailbox].change(self._real.monotonic(), busy, busy - 1)
            self._busy[mailbox] = busy - 1

    def occupancy(self) -> dict[str, dict[str, object]]:
        """By mailbox: requests, the most at once, and seconds of real time with 0, 1, 2, 3 and 4 or more at work."""
        with self._lock:
            return {
                mailbox: {
                    "requests": one.requests,
                    "most": one.most,
                    "seconds": [round(part, 3) for part in one.seconds],
                }
                for mailbox, one in self._occupied.items()
            }

    def forget_occupancy(self) -> None:
        """Begin to count anew."""
        with self._lock:
            self._occupied = {}

    def usage(self) -> dict[str, int]:
        """Units charged in the present minute and day, and their limits."""
        with self._lock:
            now = self._clock.now().timestamp()
            self._minute.add(now, 0)
            self._day.add(now, 0)
            return {
                "minute": self._minute.used,
                "minute_limit": self._minute.limit,
                "day": self._day.used,
                "day_limit": self._day.limit,
            }

    def _note(self, key: str, until: float, what: str) -> None:
        if self._until.get(key, 0.0) <= self._clock.now().timestamp():
            self._refused[key] = set()
        self._refused[key].add(what)
        self._until[key] = max(until, self._until.get(key, 0.0))
        self._told[key] = self._real.monotonic()

    def _count(self, family: Family, now: float, cost: int, mailbox: str) -> Verdict:
        if family == "directory":
            return self._count_directory(now, cost)
        if family == "exchange":
            box = self._mailboxes.setdefault(mailbox, Window(self._mailbox_limit, 600))
            return Verdict() if box.add(now, 1) else self._refusal(family, box.reset_after(now), "over-budget")
        fits_day, fits = self._day.add(now, cost), self._minute.add(now, cost)
        if not (fits_day and fits):
            window = self._minute if fits_day else self._day
            verdict = self._refusal(family, window.reset_after(now), "over-budget")
            verdict = replace(verdict, avoidable=self._could_know(fits_day=fits_day, fits=fits))
            self._note_rates()
            return verdict
        if self._minute.used < 0.8 * self._minute.limit:
            return Verdict()
        self._note_rates()
        return Verdict(headers=self._rates(now))

    def _could_know(self, *, fits_day: bool, fits: bool) -> bool:
        """Whether a limit that was gone over is published, or had been told to this client."""
        minute, day = self._published
        if (not fits and self._minute.used > minute) or (not fits_day and self._day.used > day):
            return True
        if fits or self._rates_told_at is None:
            return False
        return getattr(self._told_here, "rates", False) or self._real.monotonic() > self._rates_told_at + GRACE

    def _note_rates(self) -> None:
        self._told_here.rates = True
        if self._rates_told_at is None:
            self._rates_told_at = self._real.monotonic()

    def _count_directory(self, now: float, cost: int) -> Verdict:
        fits = self._directory.add(now, cost)
        headers = {"x-ms-resource-unit": str(cost)}
        share = self._directory.used / self._directory.limit
        if share >= 0.8:
            headers["x-ms-throttle-limit-percentage"] = f"{min(share, 1.8):.1f}"
        if fits:
            return Verdict(headers=headers)
        verdict = self._refusal("directory", self._directory.reset_after(now), "over-budget")
        return Verdict(verdict.status, headers | verdict.headers, verdict.avoidable, verdict.reason)

    def _refusal(self, family: Family, wait: float, reason: str) -> Verdict:
        if math.isinf(wait):
            return Verdict(503, {}, True, "blocked")
        headers = {"Retry-After": str(max(1, math.ceil(wait)))}
        if family == "sharepoint":
            headers |= self._rates(self._clock.now().timestamp())
        if family == "directory":
            headers["x-ms-throttle-information"] = "ResourceUnitLimitExceeded"
        return Verdict(self._status if family == "sharepoint" else 429, headers, True, reason)

    def _rates(self, now: float) -> dict[str, str]:
        return {
            "RateLimit-Limit": str(self._minute.limit),
            "RateLimit-Remaining": str(max(0, self._minute.limit - self._minute.used)),
            "RateLimit-Reset": str(max(1, math.ceil(self._minute.reset_after(now)))),
        }


class Turn:
    """One of the four places at a mailbox. It is left with the last byte of the answer, or when the answer is given up."""

    def __init__(self, throttle: Throttle, mailbox: str) -> None:
        self._throttle, self.mailbox, self._left = throttle, mailbox, False
        self.fits = throttle.enter(mailbox)

    def leave(self) -> None:
        """Twice is as once."""
        if not self._left:
            self._left = True
            self._throttle.leave(self.mailbox)

    def __del__(self) -> None:
        self.leave()
