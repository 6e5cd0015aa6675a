"""SharePoint's resource units for one application in one tenant: may so many be spent now, and if not, when?

Rules of this file: pure, and not safe from many threads by itself (`budget` brings the lock). `now` is seconds of one steady
clock; instants that go to or come from other processes are since 1970 and are turned by `offset` (since 1970 less `now`), read
anew for each exchange. Four things can stand in the way, and all must agree: what is known to be spent in the last minute and
day; what the service told is left; what nobody knows (a doubt); and, where processes share, the lease.

Source: reference graph.md 7.3; design §9; docs/decisions/0009, 0010.
"""

import math
from dataclasses import dataclass

from exporters.graph.headers import RateLimit
from exporters.graph.limits import RATES_TOLD_FROM, LicenceClass
from exporters.graph.sharing import (
    DAY,
    LEASE_SECONDS,
    MINUTE,
    Appetite,
    Doubt,
    History,
    Left,
    Picture,
    Report,
    merged_left,
    share,
)
from exporters.graph.spendlog import SpendLog

MARGIN = 0.05  # beyond a time that was announced: clocks tick, and headers are rounded
_SLOTS_A_SECOND = 4  # of what is reported
_UNTOLD_SECONDS = 180.0  # at full use the service speaks in every minute; silence for so long: its limit is another now
_TOLD_LIMIT_LASTS = DAY
_CAUTION = 4  # while the limit is not known for certain, a quarter of what was proven may be without an answer
_AMONG_OTHERS, _ALONE = 0.2, 1.0  # seconds between exchanges
_WHILE_WAITING, _WHILE_AWAY = 5.0, 2.0
_CLOCK_SET = 5.0
_LEAST_LIMIT = 400  # a service that grants less a minute is not expected


@dataclass(slots=True)
class _Lease:
    left: int
    until: float


class Allowance:
    """The units of one application in one tenant, as this process sees them."""

    def __init__(self, size: LicenceClass) -> None:
        self._published = size
        self._told_limit, self._told_limit_at = 0, -math.inf
        self._told_day = 0
        self._last_told = -math.inf
        self.minute, self.day = SpendLog(MINUTE), SpendLog(DAY, 1440)
        self._left: Left | None = None  # times are steady here
        self._doubt: Doubt | None = None  # likewise
        self._hidden: Doubt | None = None  # likewise; spent by others who do not share, as the service's figures show
        self._proven = 0
        self._was_refused = False
        self._lease: _Lease | None = None
        self._is_shared = False
        self._held: list[tuple[int, float]] = []
        self._held_units = 0
        self._peers = 0
        self._parts, self._reserve = (
            1,
            0,
        )  # while others are out of reach: of how many this is one; their part of the day
        self._fresh: dict[int, int] = {}
        self._sent: dict[int, int] = {}
        self._appetite = Appetite()
        self._is_waiting, self._hungry = False, False  # somebody waits; somebody waits for nothing but a lease
        self.has_news = False
        self._reported_at = -math.inf
        self._away_until = -math.inf
        self._known_minutes, self._generation, self._offset = -math.inf, -1, 0.0

    # -- limits -----------------------------------------------------------------------------------------------------

    def publish(self, size: LicenceClass) -> None:
        """Take the published limits of this size of tenant."""
        self._published = size

    @property
    def minute_limit(self) -> int:
        """Units a minute: what the service told, else what is published."""
        return self._told_limit or self._published.minute.units

    @property
    def day_limit(self) -> int:
        """Units a day."""
        return self._told_day or self._published.day.units

    # -- spending ---------------------------------------------------------------------------------------------------

    def wait(self, units: int, now: float) -> tuple[float, str]:
        """(seconds, why) until `units` may be spent: 0 if now, infinite if only an answer or an exchange can tell."""
        wait, reason = self._wait(units, now)
        if wait > 0 and self._lease is not None:
            self._is_waiting = True
            if reason == "lease":
                self._hungry = True
                self._appetite.need = max(self._appetite.need, units)
        return wait, reason

    def _wait(self, units: int, now: float) -> tuple[float, str]:
        limit, day_limit = self.minute_limit // self._parts, self.day_limit - self._reserve
        unknown = self._unknown(now)
        held = self._held_units
        if self.day.used(now) + held + units > day_limit and (wait := self.day.wait(units, day_limit, now, held)) > 0:
            return wait, "day"
        if self.minute.used(now) + held + unknown + units > limit:
            wait = self._minute_wait(units, limit, unknown, now)
            if wait > 0:
                return wait, "budget"
        left = self._left
        if left is not None:
            if now >= left.until:
                self._left = None
            elif left.units - self.minute.in_flight - held < min(units, limit):
                return left.until - now, "budget"
        if self._is_unproven(units, limit):
            return math.inf, "budget"
        lease = self._lease
        if lease is not None and (lease.left < min(units, limit) or now >= lease.until):
            return math.inf, "lease"
        return 0.0, ""

    def claim(self, units: int) -> None:
        """Spend, after `wait` said 0."""
        self.minute.in_flight += units
        self.day.in_flight += units
        if self._lease is not None:
            self._lease.left = max(self._lease.left - units, 0)
            self._is_waiting = False
        self._appetite.claimed += units

    def settle(self, units: int, claimed_at: float, now: float, told: RateLimit | None, *, served: bool) -> None:
        """The answer is there, or will never be. served: it is a success, so that silence about limits means something."""
        self.minute.settle(units, now)
        self.day.settle(units, now)
        if self._is_shared:
            slot = int(now * _SLOTS_A_SECOND)
            self._fresh[slot] = self._fresh.get(slot, 0) + units
        if served:
            self._was_refused = False
        if told is not None:
            self.told(told, now)
        elif served:
            self._silence(now)
        if self._left is not None and (told is None or told.remaining is None) and claimed_at >= self._left.at:
            self._left = self._left._replace(units=self._left.units - units)

    def _unknown(self, now: float) -> int:
        """Units that count besides those that we know of."""
        if self._doubt is None and self._hidden is None:
            return 0
        return max((d.units for d in (self._doubt, self._hidden) if d is not None and now < d.until), default=0)

    def _minute_wait(self, units: int, limit: int, unknown: int, now: float) -> float:
        held = self._held_units
        wait = self.minute.wait(units, limit, now, held + unknown)
        if unknown and wait > 0:
            over = max(d.until for d in (self._doubt, self._hidden) if d is not None) - now
            wait = min(wait, max(self.minute.wait(units, limit, now, held), over))
        return wait

    def _is_unproven(self, units: int, limit: int) -> bool:
        """Whether this would be too much without an answer, were the service's limit as low as it still may be.

        The service tells a limit from four fifths of it on. What was answered without a word proves that four fifths are
        more than that; a quarter of it more is the least that the limit can be.
        """
        in_flight = self.minute.in_flight
        if self._was_refused and in_flight:
            return True  # after a refusal one goes first, and the others when it has come through
        if not in_flight or self._told_limit or self._proven >= RATES_TOLD_FROM * limit:
            return False
        return in_flight + units > self._proven // _CAUTION

    def refused(self) -> None:
        """The service asked for a pause: this process, or another that shares."""
        self._was_refused = True

    # -- what the service says --------------------------------------------------------------------------------------

    def told(self, told: RateLimit, now: float) -> None:
        """Believe the service about its limits (preview headers, best effort)."""
        self._last_told = now
        if told.limit is not None and told.limit > 0:
            if told.limit * 2 > self.day_limit:
                self._told_day = told.limit
            elif told.limit != self._told_limit:
                self._told_limit, self._told_limit_at, self.has_news = told.limit, now, True
        if told.remaining is None:
            return
        used = self.minute_limit - told.remaining
        self._shrink_doubt(used, now)
        self._find_hidden(used, now)
        if told.reset is not None:
            known = self._left if self._left is not None and now < self._left.until else None
            self._left = merged_left(known, Left(told.remaining, now + told.reset + MARGIN, now))

    def _find_hidden(self, used: int, now: float) -> None:
        """What the service has counted and none of us has spent: it may stay in its window as long as ours do.

        Answers that are under way, and what others who share have leased meanwhile, may or may not be in the figure.
        """
        most = used - self.minute.settled(now)
        least = most - self.minute.in_flight - self._held_units - self._peers * (self.minute_limit // 5)
        known = self._hidden.units if self._hidden is not None and now < self._hidden.until else 0
        units = min(max(known, least), most)
        self._hidden = Doubt(units, now + MINUTE) if units > 0 else None

    def _silence(self, now: float) -> None:
        """A success without a word: less than four fifths of the minute were used."""
        settled = self.minute.settled(now)
        self._proven = max(self._proven, settled)
        if self._doubt is not None:
            self._shrink_doubt(int(RATES_TOLD_FROM * self.minute_limit), now)
        if self._told_limit and settled >= 0.95 * self._told_limit and now - self._last_told > _UNTOLD_SECONDS:
            self._told_limit, self._told_limit_at, self._proven, self.has_news = 0, now, settled, True

    def _shrink_doubt(self, used: int, now: float) -> None:
        """The service has counted `used` units at most: there cannot be more in doubt than that leaves."""
        if self._doubt is not None:
            left = min(self._doubt.units, max(0, used - self.minute.settled(now)))
            self._doubt = self._doubt._replace(units=left) if left and now < self._doubt.until else None

    # -- the past ---------------------------------------------------------------------------------------------------

    def restore(self, history: History, now: float, offset: float) -> None:
        """Count what was spent before this process, as far as it is known. A spend in the future counts as one of now."""
        for at, units in sorted(history.spends):
            moment = min(at - offset, now)
            self.day.note(units, moment)
            self.minute.note(units, moment)
        for at, units in history.unrecorded:
            self.day.note(units, min(at - offset, now))
        doubt = history.doubt(now + offset)
        if doubt is not None:
            unknown = min(doubt.units, self.minute_limit - self.minute.settled(now))
            self._doubt = Doubt(unknown, min(doubt.until - offset, now + MINUTE)) if unknown > 0 else None

    # -- sharing ----------------------------------------------------------------------------------------------------

    def join(self) -> None:
        """From now on nothing is spent but from leases."""
        self._is_shared, self._lease, self._appetite.need = True, _Lease(0, -math.inf), 1

    def next_exchange(self, now: float) -> float:
        """Seconds until the next exchange is due; infinite while nothing is spent."""
        if self._lease is None:
            return max(self._away_until - now, 0.0)
        since = now - self._reported_at
        if self.has_news:
            return 0.0
        is_low = self._lease.left < self._portion() // 2 and self._appetite.claimed > 0
        if self._is_waiting or is_low:
            wait = self._wait_without_lease(now)
            if math.isinf(wait):
                wait = (_AMONG_OTHERS if self._held_units else _ALONE) - since
            return max(_AMONG_OTHERS - since, min(wait, _WHILE_WAITING - since), 0.0)
        if self._fresh or self.minute.in_flight or self._lease.left:
            return max((_AMONG_OTHERS if self._peers else _ALONE) - since, 0.0)
        return math.inf

    def report(self, now: float, offset: float, *, leaving: bool = False, pause_until: float = 0.0) -> Report:
        """What there is to say. What is not wanted of the lease is given back with it."""
        wanted = self._appetite.measure(now) and not leaving
        portion = self._portion() if wanted else 0
        lease = self._lease or _Lease(0, now)
        lease.left = 0 if now >= lease.until else min(lease.left, 2 * portion)
        self._sent, self._fresh = self._fresh, {}
        self._reported_at, self.has_news = now, False
        spends = [((slot + 1) / _SLOTS_A_SECOND + offset, units) for slot, units in sorted(self._sent.items())]
        return Report(
            at=now + offset,
            spends=spends,
            kept=self.minute.in_flight + lease.left,
            hungry=self._hungry and not leaving,
            pause_until=pause_until,
            left=_moved(self._left, offset),
            told_limit=self._told_limit,
            told_limit_at=self._told_limit_at + offset if self._told_limit_at > -math.inf else 0.0,
            doubt=self._doubt and self._doubt._replace(until=self._doubt.until + offset),
            minutes_since=self._minutes_wanted(now, offset),
            generation=self._generation,
        )

    def adopt(self, picture: Picture, kept: int, now: float, offset: float) -> int:
        """Take over what all know together; the units to lease besides `kept`."""
        since = -math.inf if picture.generation != self._generation else picture.minutes_since - offset
        self.minute.replace((at - offset, units) for at, units in picture.spends)
        self.day.replace(((at - offset, units) for at, units in picture.minutes), since)
        self._known_minutes, self._generation = now, picture.generation
        self._held = [(units, until - offset) for units, until in picture.held]
        self._held_units, self._peers = sum(units for units, _ in self._held), len(self._held)
        self._adopt_told(picture, now, offset)
        granted = self._granted(picture, kept, now)
        for slot, units in self._fresh.items():  # settled since the report, and still in what was kept
            self.minute.note(units, (slot + 1) / _SLOTS_A_SECOND)
            self.day.note(units, (slot + 1) / _SLOTS_A_SECOND)
        return granted

    def leased(self, granted: int) -> None:
        """The exchange went through."""
        self._parts, self._reserve = 1, 0
        lease = self._lease = self._lease or _Lease(0, 0.0)
        lease.left, lease.until = lease.left + granted, self._reported_at + LEASE_SECONDS
        if lease.left >= self._appetite.need:
            self._hungry, self._appetite.need = False, 0
        self._sent, self._is_waiting = {}, False  # whoever still waits says so again

    def away(self, now: float) -> None:
        """The others cannot be reached: go on alone, with this process's part of the limits while there were others."""
        for slot, units in self._sent.items():
            self._fresh[slot] = self._fresh.get(slot, 0) + units
        self._sent = {}
        self._fresh = _thinned(self._fresh, now - 2 * MINUTE)
        for units, until in self._held:
            self.minute.note(units, until)
            self.day.note(units, until)
        self._held, self._held_units = [], 0
        if self._lease is not None:
            self._parts = 1 + self._peers
            self._reserve = max(0, self.day_limit - self.day.used(now)) * self._peers // self._parts
        self._lease, self._is_waiting, self._hungry, self._appetite.need = None, False, False, 0
        self._away_until = now + _WHILE_AWAY

    def _minutes_wanted(self, now: float, offset: float) -> float:
        """From when on minutes are to be told again: those that may have changed since they were told; all, if the calendar
        was set. In the middle of a minute, since readings of two clocks are never quite alike."""
        if abs(offset - self._offset) > _CLOCK_SET:
            self._generation = -1
        self._offset = offset
        return 0.0 if self._generation < 0 else (self._known_minutes + offset - 120.0) // 60 * 60 + 30

    def _wait_without_lease(self, now: float) -> float:
        lease, self._lease = self._lease, _Lease(1 << 30, math.inf)
        try:
            return self._wait(1, now)[0]
        finally:
            self._lease = lease

    def _portion(self) -> int:
        """What a lease should hold: little, while the limit may turn out to be much lower than it is published."""
        sure = self._told_limit or max(_LEAST_LIMIT, _CAUTION * self._proven)
        return self._appetite.portion(min(self.minute_limit, sure))

    def _adopt_told(self, picture: Picture, now: float, offset: float) -> None:
        if (
            picture.told_limit_at > self._told_limit_at + offset
            and picture.told_limit_at > now + offset - _TOLD_LIMIT_LASTS
        ):
            self._told_limit, self._told_limit_at = picture.told_limit, picture.told_limit_at - offset
            self._last_told = max(self._last_told, now)
        left = _moved(picture.left, -offset)
        if left is not None and now < left.until:
            self._left = left if self._left is None or now >= self._left.until else merged_left(self._left, left)
        if picture.doubt is None:
            self._doubt = None
        else:
            units = picture.doubt.units if self._doubt is None else min(picture.doubt.units, self._doubt.units)
            self._doubt = Doubt(units, picture.doubt.until - offset)

    def _granted(self, picture: Picture, kept: int, now: float) -> int:
        lease = self._lease or _Lease(0, now)
        wanted = self._portion() - lease.left
        if not (self._appetite.need or self._appetite.rate >= 0.5):
            return 0
        out = kept + self._held_units
        free = min(
            self.minute_limit - self.minute.settled(now) - out - self._unknown(now),
            self.day_limit - self.day.settled(now) - out,
        )
        if self._left is not None and now < self._left.until:
            free = min(free, self._left.units - out)
        return share(wanted, free, picture.hungry)


def _thinned(fresh: dict[int, int], before: float) -> dict[int, int]:
    """Spends that nobody could be told of yet; those of long ago by the minute, at its end."""
    thin: dict[int, int] = {}
    minute = int(MINUTE * _SLOTS_A_SECOND)
    for slot, units in fresh.items():
        kept = slot if slot >= before * _SLOTS_A_SECOND else (slot // minute + 1) * minute - 1
        thin[kept] = thin.get(kept, 0) + units
    return thin


def _moved(left: Left | None, seconds: float) -> Left | None:
    return None if left is None else Left(left.units, left.until + seconds, left.at + seconds)
