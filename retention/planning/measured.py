"""What earlier runs took, so that a plan reckons with this tenant, this line and this machine.

Rules of this file: pure, over the records of runs. A run measures a share of a limit only where that limit explains most of its
time; one that was too short, or of other settings, measures nothing. What nobody measured stays as assumed, and that is said.
Source: retention-domain §7 (measured rates); docs/formats.md (`runs/<run id>.json`); docs/decisions/0085.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from exporters.bag.formats import JsonObject
from exporters.graph.limits import Scope
from exporters.sources import SourceKind
from retention.planning.feasibility import DAY_SECONDS, Rates

BOX_REQUESTS: Final = 70
"""For settings, rules, categories, calendars and the like of a mailbox, whatever is in it."""
ENOUGH_REQUESTS: Final = 300
ENOUGH_ITEMS: Final = 300
LONG_ENOUGH_SECONDS: Final = 120.0
EXPLAINS: Final = 0.5
"""Share of a limit from which on it, and nothing else, is taken for what a run was bound by."""
_OF_FILES: Final = frozenset({SourceKind.ONEDRIVE.value, SourceKind.SHAREPOINT.value})
_ASKED: Final = ("versions", "permissions", "fasttransfer")


@dataclass(slots=True)
class Measured:
    """What runs came to together. seconds: of runs that copied something; usable, line_share: the best share that was seen;
    latency, file_latency, composing: seconds of a request, of a message; requests_per_item, units_per_file: of runs that
    copied many; message_bytes, file_bytes: of an item."""

    runs: int = 0
    seconds: float = 0.0
    usable: float | None = None
    line_share: float | None = None
    latency: float | None = None
    file_latency: float | None = None
    composing: float | None = None
    requests_per_item: float | None = None
    units_per_file: float | None = None
    message_bytes: float | None = None
    file_bytes: float | None = None

    def applied(self, rates: Rates) -> Rates:
        """The rates with what was measured in place of what is assumed."""
        names = ("usable", "line_share", "latency", "file_latency", "composing")
        return replace(rates, **{name: value for name in names if (value := getattr(self, name)) is not None})

    def as_json(self) -> JsonObject:
        """For the document of `plan --json`."""
        names = [name for name in self.__dataclass_fields__ if name not in {"runs", "seconds"}]
        shown = {name: _rounded(getattr(self, name)) for name in names}
        return {"runs": self.runs, "seconds": round(self.seconds), **shown}


@dataclass(slots=True)
class _Run:
    """One run's numbers. items, sizes, sources, by kind of source: items copied, bytes received, how many."""

    seconds: float
    units: int
    took: Mapping[str, Mapping[str, float]]
    composing: float
    items: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)

    def requests(self, *scopes: Scope) -> tuple[float, float]:
        """(how many, seconds together) of requests that these limits counted."""
        found = [self.took.get(scope.value, {}) for scope in scopes]
        return sum(one.get("count", 0) for one in found), sum(one.get("seconds", 0.0) for one in found)

    @property
    def files(self) -> int:
        return sum(self.items.get(kind, 0) for kind in _OF_FILES)

    @property
    def bytes(self) -> int:
        return sum(self.sizes.values())


def measured(records: Iterable[Mapping[str, Any]], asked: Mapping[str, Any], rates: Rates) -> Measured:
    """What the records of runs come to. asked: the settings of the copy that is planned, as a run keeps them; rates: what is
    granted."""
    runs = [run for record in records if (run := _read(record, asked)) is not None and run.bytes + run.files]
    found = Measured(len(runs), sum(run.seconds for run in runs))
    found.usable = max((share for run in runs if (share := _usable(run, rates)) >= EXPLAINS), default=None)
    found.line_share = max((share for run in runs if (share := _line_share(run, rates)) >= EXPLAINS), default=None)
    found.latency = _mean(run.requests(Scope.EXCHANGE) for run in runs)
    found.file_latency = _mean(run.requests(Scope.SHAREPOINT, Scope.NONE) for run in runs)
    mail = SourceKind.MAIL.value
    boxes = [run for run in runs if run.items.get(mail, 0) >= ENOUGH_ITEMS]
    messages = sum(run.items[mail] for run in boxes)
    if messages:
        asked_for = sum(run.requests(Scope.EXCHANGE)[0] - BOX_REQUESTS * run.sources[mail] for run in boxes)
        found.requests_per_item = max(1.0, asked_for / messages)
        found.composing = sum(run.composing for run in boxes) / messages
        found.message_bytes = sum(run.sizes.get(mail, 0) for run in boxes) / messages
    drives = [run for run in runs if run.files >= ENOUGH_ITEMS]
    files = sum(run.files for run in drives)
    if files:
        found.units_per_file = sum(run.units for run in drives) / files
        found.file_bytes = sum(run.bytes - run.sizes.get(mail, 0) for run in drives) / files
    return found


def _read(record: Mapping[str, Any], asked: Mapping[str, Any]) -> _Run | None:
    """The numbers of a record; None for one of other settings, without them, or of a run that a person stopped at once."""
    try:
        told = record.get("asked") or {}
        if any(told.get(name) != asked.get(name) for name in _ASKED):
            return None
        took = record["measured"]["requests"]
        began, ended = (datetime.fromisoformat(record[name]) for name in ("started", "ended"))
        composing, units = float(record["measured"]["composing_seconds"]), int(record["requests"]["resource_units"])
        run = _Run((ended - began).total_seconds(), units, took, composing)
        for row in record["sources"]:
            run.items[row["kind"]] = run.items.get(row["kind"], 0) + int(row["copied"])
            run.sources[row["kind"]] = run.sources.get(row["kind"], 0) + 1
            run.sizes[row["kind"]] = run.sizes.get(row["kind"], 0) + int(row["bytes"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None  # of an older version, or damaged: `verify` tells of that
    return run if run.seconds > 0 else None


def _usable(run: _Run, rates: Rates) -> float:
    """Share of the granted units that a run used, 1 at most; 0 for one that was too short to tell."""
    if run.seconds < LONG_ENOUGH_SECONDS:
        return 0.0
    granted = min(rates.minute_units * run.seconds / 60.0, rates.day_units * max(1.0, run.seconds / DAY_SECONDS))
    return min(1.0, run.units / granted)


def _line_share(run: _Run, rates: Rates) -> float:
    """Share of the line that a run filled, 1 at most."""
    return min(1.0, run.bytes / run.seconds / rates.line)


def _mean(took: Iterable[tuple[float, float]]) -> float | None:
    """Seconds of one request; None where there were too few."""
    each = list(took)
    count = sum(number for number, _ in each)
    return sum(seconds for _, seconds in each) / count if count >= ENOUGH_REQUESTS else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
