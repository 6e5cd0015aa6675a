"""How long a copy takes, and when it has to begin: the sums of retention-domain §7, for what our exporter really does.

Rules of this file: pure; no clock, no I/O. What is granted, and what is used at once, comes from the modules of `exporters` that
spend it, never from a second table; what is assumed stands in `Rates`, and may be replaced by what was measured. Whoever plans
gets the later reading: instants to start by are rounded down to the minute, instants to wait for up. Source: retention-domain §7;
docs/decisions/0085.

    found = estimate(work, rates)
    found.seconds, found.binding.name
    start_by(deadline, planned(found.seconds, SAFETY))
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from exporters.drive.crew import SMALL_AT_ONCE
from exporters.export import MAILBOXES_AT_ONCE
from exporters.graph import limits

SAFETY: Final = 1.5
SAFETY_MEASURED: Final = 1.2
"""After the first measured hour."""
RESERVE: Final = timedelta(days=2)
"""For the closing run, verification and a test restore."""
USABLE: Final = 0.8
USABLE_BEST, USABLE_WORST = 0.9, 0.5
LINE_SHARE: Final = 0.7
_LINE_BEST, _LINE_WORST, _LINE_MOST = 0.95, 0.45, 1.05
_QUICK, _SLOW = 0.75, 1.6
"""What a request may take, against what it is expected to."""
_FEW, _MANY = 0.85, 1.15
"""How many requests a mailbox may take, likewise: nobody knows beforehand what hangs on its messages."""
MOST_OVER_LEAST: Final = 2.95
"""A range of more than threefold would tell nobody anything; rounding takes the rest."""
DAY_SECONDS: Final = 86_400.0
_MINUTE: Final = timedelta(minutes=1)
_UNITS: Final = {cost: price.units for cost, price in limits.PRICES.items()}
_AGED: Final = DAY_SECONDS / 2
"""What was spent in the last day comes back within one: in the middle of it, at best."""


@dataclass(slots=True)
class Boxes:
    """Mailboxes that are to be copied: of each the requests, the items and the bytes. 24 bytes a mailbox."""

    requests: "array[float]" = field(default_factory=lambda: array("d"))
    items: "array[float]" = field(default_factory=lambda: array("d"))
    sizes: "array[float]" = field(default_factory=lambda: array("d"))

    def add(self, requests: float, items: float, size: float) -> None:
        """One more."""
        self.requests.append(requests)
        self.items.append(items)
        self.sizes.append(size)

    def each(self) -> Iterator[tuple[float, float, float]]:
        """(requests, items, bytes) of each."""
        return zip(self.requests, self.items, self.sizes, strict=True)


@dataclass(slots=True)
class Files:
    """What is to be asked of SharePoint. pages: of deltas, one unit each; listings: of versions, lists and sites, two each;
    permissions: reads, five each; others: units beside these; bytes: of current and earlier contents."""

    downloads: float = 0.0
    versions: float = 0.0
    pages: float = 0.0
    listings: float = 0.0
    permissions: float = 0.0
    others: float = 0.0
    bytes: float = 0.0

    @property
    def units(self) -> float:
        """Resource units of all of it."""
        return (
            (self.downloads + self.versions) * _UNITS[limits.Cost.DOWNLOAD]
            + self.pages * _UNITS[limits.Cost.DELTA_WITH_TOKEN]
            + self.listings * _UNITS[limits.Cost.LISTING]
            + self.permissions * _UNITS[limits.Cost.PERMISSIONS]
            + self.others
        )

    @property
    def requests(self) -> float:
        """Requests of all of it: a content is two, one of Graph and one of the host that it lies on."""
        return 2 * (self.downloads + self.versions) + self.pages + self.listings + self.permissions + self.others


@dataclass(slots=True)
class Work:
    """All that is left to copy."""

    boxes: Boxes = field(default_factory=Boxes)
    files: Files = field(default_factory=Files)

    @property
    def bytes(self) -> float:
        """Over the line."""
        return sum(self.boxes.sizes) + self.files.bytes


@dataclass(frozen=True, slots=True)
class Rates:
    """What is granted, what is used of it, and how long a request takes.

    usable: share of SharePoint's units; streams, mailboxes: requests at once in a mailbox, mailboxes at once; latency,
    file_latency: seconds of a request; composing: seconds of a message, once it is captured; line: bytes a second; spent: units
    of the last 24 hours.
    """

    minute_units: int
    day_units: int
    line: float
    usable: float = USABLE
    line_share: float = LINE_SHARE
    latency: float = 0.35
    file_latency: float = 0.35
    composing: float = 0.0
    streams: int = limits.MAILBOX_CONCURRENT
    mailboxes: int = MAILBOXES_AT_ONCE
    file_streams: int = SMALL_AT_ONCE
    spent: float = 0.0
    requests: float = 1.0
    """Of a mailbox, for one that is reckoned with."""
    is_best: bool = False
    """Whether what is granted at once may be used at once: no more than one day, one window, is waited for at its end."""

    @classmethod
    def of_tenant(cls, licences: int | None, line_mbit: float) -> "Rates":
        """By the published table."""
        size = limits.licence_class(licences)
        return cls(size.minute.units, size.day.units, line_mbit * 1e6 / 8)

    def best(self) -> "Rates":
        """As well as it may go."""
        return replace(
            self,
            usable=min(1.0, self.usable * USABLE_BEST / USABLE),
            line_share=min(_LINE_MOST, self.line_share * _LINE_BEST / LINE_SHARE),
            latency=self.latency * _QUICK,
            file_latency=self.file_latency * _QUICK,
            composing=self.composing * _QUICK,
            requests=self.requests * _FEW,
            is_best=True,
        )

    def worst(self) -> "Rates":
        """As badly as it may go."""
        return replace(
            self,
            usable=self.usable * USABLE_WORST / USABLE,
            line_share=self.line_share * _LINE_WORST / LINE_SHARE,
            latency=self.latency * _SLOW,
            file_latency=self.file_latency * _SLOW,
            composing=self.composing * _SLOW,
            requests=self.requests * _MANY,
        )


@dataclass(frozen=True, slots=True)
class Term:
    """One of the things that a copy may be bound by. says: what it is, for people."""

    name: str
    seconds: float
    says: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long it takes. terms: the longest first."""

    terms: tuple[Term, ...]

    @property
    def binding(self) -> Term:
        """What the copy is bound by."""
        return self.terms[0]

    @property
    def seconds(self) -> float:
        return self.binding.seconds


# -- the terms ------------------------------------------------------------------------------------------------------------


def box_seconds(requests: float, items: float, size: float, rates: Rates) -> float:
    """One mailbox: what its limit, its places and the line let through, then its PST."""
    requests *= rates.requests
    working = requests * rates.latency / rates.streams
    return max(limited_seconds(requests, rates), working, _of_line(size, rates)) + items * rates.composing


def limited_seconds(requests: float, rates: Rates) -> float:
    """What the requests of one mailbox take by their limit: a window's worth goes at once, the next when it has passed."""
    limit = limits.MAILBOX_REQUESTS
    windows = max(0.0, (requests - 1) // limit.units)
    return windows * limit.seconds + (requests - windows * limit.units) * rates.latency / rates.streams


def _of_line(size: float, rates: Rates) -> float:
    return size / (rates.line_share * rates.line)


def units_seconds(units: float, rates: Rates) -> tuple[float, float]:
    """(by the minute, by the day). The day binds where more is wanted than it has left."""
    a_minute = rates.usable * rates.minute_units
    by_minute = max(0.0, units - rates.is_best * a_minute) * 60.0 / a_minute  # the first minute's go at once
    a_day = rates.usable * rates.day_units
    if units + rates.spent <= a_day or not units:
        return by_minute, 0.0
    if rates.is_best:
        days = (units + rates.spent - 1) // a_day
        rest = (units + rates.spent - days * a_day) * 60.0 / a_minute
        return by_minute, days * DAY_SECONDS - _AGED * (rates.spent > 0) + rest
    return by_minute, (units + rates.spent) / a_day * DAY_SECONDS


def estimate(work: Work, rates: Rates) -> Estimate:
    """The terms of §7, the longest first. Mail, files and line go side by side: the longest is how long it takes."""
    largest, together, by_limit = 0.0, 0.0, False
    for requests, items, size in work.boxes.each():
        seconds = box_seconds(requests, items, size, rates)
        together += seconds
        if seconds > largest:
            waits = limited_seconds(requests, rates)
            largest, by_limit = seconds, waits > requests * rates.latency / rates.streams
    by_minute, by_day = units_seconds(work.files.units, rates)
    limit, hour = limits.MAILBOX_REQUESTS, limits.BYTES
    why = (
        f"a mailbox is granted {limit.units:,} requests in {limit.seconds / 60:.0f} minutes"
        if by_limit
        else f"a mailbox takes {rates.streams} requests at once, of {rates.latency:.2g} s each"
    )
    terms = [
        Term("mail_largest", largest, f"the largest mailbox: {why}"),
        Term("mail_all", together / rates.mailboxes, f"all mailboxes, {rates.mailboxes} at once"),
        Term("units_minute", by_minute, f"SharePoint grants {rates.minute_units:,} units a minute"),
        Term("units_day", by_day, f"SharePoint grants {rates.day_units:,} units a day"),
        Term(
            "files_places",
            work.files.requests * rates.file_latency / rates.file_streams,
            f"files come {rates.file_streams} at once, each request takes {rates.file_latency:.2g} s",
        ),
        Term(
            "bytes_hour",
            work.files.bytes * hour.seconds / hour.units,
            f"SharePoint lets {hour.units / 1e9:.0f} GB out in an hour",
        ),
        Term("line", _of_line(work.bytes, rates), f"the line has {rates.line * 8 / 1e6:,.0f} Mbit/s"),
    ]
    return Estimate(tuple(sorted(terms, key=lambda term: -term.seconds)))


@dataclass(frozen=True, slots=True)
class Span:
    """How long a copy is expected to take, and between what."""

    expected: Estimate
    low_seconds: float
    high_seconds: float


def span(work: Work, rates: Rates) -> Span:
    """The expected time, and a range for what may be used of the limits (0.5 to 0.9 where nothing was measured)."""
    expected, low = estimate(work, rates), estimate(work, rates.best()).seconds
    slow = rates.worst()
    worst = estimate(work, slow).seconds
    boxes = {term.name: term.seconds for term in estimate(work, slow).terms}
    uneven = boxes["mail_all"] + boxes["mail_largest"] * (1 - 1 / rates.mailboxes)  # the largest one begins last
    high = max(worst, uneven, expected.seconds)
    low = min(expected.seconds, max(low, high / MOST_OVER_LEAST))
    return Span(expected, low, min(high, MOST_OVER_LEAST * low))


# -- when -----------------------------------------------------------------------------------------------------------------


def safety_of(measured_seconds: float) -> float:
    """The factor k: smaller once an hour of copying was measured."""
    return SAFETY_MEASURED if measured_seconds >= 3600.0 else SAFETY


def planned(seconds: float, safety: float) -> float:
    """The time to plan with: T = seconds · k + R; nothing if nothing is left."""
    return seconds * safety + RESERVE.total_seconds() if seconds > 0 else 0.0


def start_by(deadline: datetime, planned_seconds: float) -> datetime:
    """The latest safe start: rounded down to the minute."""
    return _minute_of(deadline - timedelta(seconds=planned_seconds))


def ready_at(start: datetime, planned_seconds: float) -> datetime:
    """When all is done that begins at `start`: the earliest safe cancellation. Rounded up to the minute."""
    at = start + timedelta(seconds=planned_seconds)
    whole = _minute_of(at)
    return whole if whole == at else whole + _MINUTE


def _minute_of(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(second=0, microsecond=0)
