"""What a plan came to, as values and as the document of `plan --json`.

Rules of this file: values and their form, no I/O and no decisions; each number with where it comes from.
Source: design §6 (`plan`); issue 9.
"""

import math
from dataclasses import dataclass, field
from datetime import datetime

from exporters.bag.formats import JsonObject
from exporters.clock import timestamp
from retention.planning import feasibility
from retention.planning.deadlines import Due, verdict
from retention.planning.feasibility import Estimate, Rates, Span, Work
from retention.planning.inventory import Counted, Unasked
from retention.planning.measured import Measured
from retention.planning.ordering import Place
from retention.planning.quantities import Sum
from retention.planning.recorded import PLANNED

LONG_LISTS = ("order", "not_asked")
"""Parts of the document that do not go into the journal."""


@dataclass(slots=True)
class Total:
    """What there is of a kind."""

    sources: int = 0
    items: Sum = field(default_factory=Sum)
    bytes: Sum = field(default_factory=Sum)
    left_items: int = 0
    left_bytes: int = 0
    held: int = 0
    archives: int = 0

    def add(self, one: Counted) -> None:
        self.sources += 1
        self.items.add(one.items)
        self.bytes.add(one.bytes)
        self.left_items += one.left_items
        self.left_bytes += one.left_bytes
        self.held += one.is_held
        self.archives += one.has_archive

    def as_json(self) -> JsonObject:
        return {
            "sources": self.sources,
            "items": self.items.as_json(),
            "bytes": self.bytes.as_json(),
            "left_items": self.left_items,
            "left_bytes": self.left_bytes,
            "held_sources": self.held,
            "archives": self.archives,
        }


@dataclass(frozen=True, slots=True)
class Cut:
    """What could be left out, or put off, and what is gained. is_fit: whether the copy fits then; None: not known."""

    what: str
    says: str
    estimate: Estimate
    planned_seconds: float
    fits: bool | None

    def as_json(self) -> JsonObject:
        return {
            "what": self.what,
            "says": self.says,
            "expected_seconds": round(self.estimate.seconds),
            "planned_seconds": round(self.planned_seconds),
            "fits": self.fits,
        }


@dataclass(slots=True)
class Plan:
    """What a plan came to. fits_bare: whether it would fit, as slow as it may go, without safety and reserve; unknown: what
    nobody could count, for people; better: what would make it better."""

    run: str
    now: datetime
    tenant: JsonObject
    licences: int | None
    totals: dict[str, Total]
    inventory: JsonObject
    work: Work
    rates: Rates
    measured: Measured
    span: Span
    safety: float
    planned_seconds: float
    dues: list[Due]
    cuts: list[Cut]
    order: list[Place]
    others: int
    unasked: list[Unasked]
    unasked_others: int
    not_covered: list[JsonObject]
    unknown: list[str]
    better: str
    has_clock: bool
    fits_bare: bool | None = None

    @property
    def is_complete(self) -> bool:
        """Whether every source could be asked, and the number of its items is known, or estimated."""
        is_counted = not any(total.items.unknown for total in self.totals.values())
        return is_counted and not self.unasked

    @property
    def fits(self) -> bool | None:
        """Whether it fits before what it is planned by; None: not known, or no clock runs."""
        return verdict(self.dues)

    @property
    def earliest_safe_cancellation(self) -> datetime:
        """If the copy begins now."""
        return feasibility.ready_at(self.now, self.planned_seconds)

    def as_json(self) -> JsonObject:
        """The document of `plan --json`."""
        span, ahead = self.span, [due for due in self.dues if not due.is_past]
        return {
            "run": self.run,
            "now": timestamp(self.now),
            "tenant": self.tenant,
            "expected_seconds": round(span.expected.seconds, 1),
            "low_seconds": math.floor(10 * span.low_seconds) / 10,
            "high_seconds": math.ceil(10 * span.high_seconds) / 10,
            "planned_seconds": math.ceil(self.planned_seconds),
            "start_by": timestamp(min(due.start_by for due in ahead)) if ahead else None,
            "safety": self.safety,
            "reserve_seconds": round(feasibility.RESERVE.total_seconds()),
            "complete": self.is_complete,
            "fits": self.fits,
            "fits_without_reserve": self.fits_bare,
            "binding": {"term": span.expected.binding.name, "says": span.expected.binding.says},
            "terms": [
                {"term": term.name, "seconds": round(term.seconds), "says": term.says} for term in span.expected.terms
            ],
            "deadlines": [due.as_json() for due in self.dues],
            "earliest_safe_cancellation": None if self.has_clock else timestamp(self.earliest_safe_cancellation),
            "cuts": [cut.as_json() for cut in self.cuts],
            "inventory": {kind: total.as_json() for kind, total in self.totals.items()},
            **self.inventory,
            "work": {
                "requests": round(sum(self.work.boxes.requests)),
                "resource_units": round(self.work.files.units),
                "bytes": round(self.work.bytes),
            },
            "rates": self._rates(),
            "order": [place.as_json(number) for number, place in enumerate(self.order, 1)],
            "order_others": self.others,
            "not_covered": self.not_covered,
            "not_asked": [
                {"source": one.label, "code": one.code, "reason": one.reason, "action": one.action}
                for one in self.unasked
            ],
            "not_asked_sources": len(self.unasked) + self.unasked_others,
            "unknown": self.unknown,
            "better_with": self.better,
        }

    def _rates(self) -> JsonObject:
        rates = self.rates
        return {
            "licences": self.licences,
            "units_a_minute": rates.minute_units,
            "units_a_day": rates.day_units,
            "units_spent_today": round(rates.spent),
            "usable": round(rates.usable, 4),
            "line_mbit": round(rates.line * 8 / 1e6),
            "line_share": round(rates.line_share, 4),
            "mailboxes_at_once": rates.mailboxes,
            "requests_at_once": rates.streams,
            "seconds_a_request": round(rates.latency, 4),
            "measured": self.measured.as_json(),
        }

    def for_journal(self) -> JsonObject:
        """The row `planned`."""
        result = {name: value for name, value in self.as_json().items() if name not in LONG_LISTS}
        return {"type": PLANNED, "run": self.run, "result": result}
