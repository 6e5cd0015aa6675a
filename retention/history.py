"""The journal of a store, read once for all that is asked of it: runs, what was verified, accepted, attested, and what the clocks
said.

Rules of this file: no I/O but the reading of what is given; nothing is judged here; memory grows with sources and acceptances,
never with rows. A journal that is damaged is read to where it is, and that is said. Source: docs/formats.md (Journal).

    history = History.of(Journal(store, clock).segments())
    history.complete, history.read_back.of(bag, segment, tagmanifest)
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from exporters.bag.formats import JsonObject
from exporters.errors import LastcopyError
from exporters.store.segments import Segment
from retention.acceptance import Acceptances
from retention.read_back import ReadBack
from retention.recorded import Recorded

_OF_PREFLIGHT = frozenset({"preflight", "attested"})
_CLOCK_ITEM = "PF-25"
_LARGE = frozenset({"bags", "entries", "previous"})


@dataclass(slots=True)
class PastRun:
    """A run of `export`. number: its place among all that started; writer: who wrote its start; ended: its row `run_ended`
    without what is kept elsewhere, None while it has none."""

    run: str
    number: int
    asked: JsonObject
    writer: Mapping[str, object]
    ended: JsonObject | None = None

    @property
    def is_complete(self) -> bool:
        """Whether it went through all sources to the end."""
        return self.ended is not None and self.ended.get("all_sources") is True

    @property
    def ended_at(self) -> datetime | None:
        """When it ended, by the clock of its machine."""
        return None if self.ended is None else datetime.fromisoformat(str(self.ended["at"]))


@dataclass(frozen=True, slots=True)
class ServiceClock:
    """What a clock of the service said last: when that was by ours, and how far ours was ahead of it."""

    at: datetime
    service: datetime
    skew_seconds: float


@dataclass(slots=True)
class History:
    """What the journal says. preflight: the newest row `preflight`, what was attested since, and every acceptance of an item, in
    their order; newest: the latest time that a row bears, since a person attested the clock; problem: why not all of it could be
    read."""

    acceptances: Acceptances = field(default_factory=Acceptances)
    recorded: Recorded = field(default_factory=Recorded)
    read_back: ReadBack = field(default_factory=ReadBack)
    runs: dict[str, PastRun] = field(default_factory=dict)
    preflight: list[JsonObject] = field(default_factory=list)
    service: ServiceClock | None = None
    newest: datetime | None = None
    is_rehearsal: bool = False
    problem: str | None = None

    @classmethod
    def of(cls, segments: Iterable[Segment]) -> "History":
        """segments: of the journal, oldest first."""
        found = cls()
        try:
            for segment in segments:
                writer = dict(segment.first.get("writer") or {})
                for row in segment.rows():
                    found.take(row, writer)
        except (LastcopyError, ValueError, KeyError, TypeError) as error:  # a row that cannot be read is damage too
            found.problem = str(error) or type(error).__name__
        return found

    @classmethod
    def of_rows(cls, rows: Iterable[JsonObject]) -> "History":
        """The same without knowing who wrote each row. Raises: SegmentDamagedError."""
        found = cls()
        for row in rows:
            found.take(row, {})
        return found

    @property
    def complete(self) -> PastRun | None:
        """The newest run that went through all sources."""
        return max((run for run in self.runs.values() if run.is_complete), key=lambda run: run.number, default=None)

    def take(self, row: JsonObject, writer: Mapping[str, object]) -> None:
        """The next row. writer: who wrote its segment."""
        self.acceptances.take(row)
        self.recorded.take(row)
        self.read_back.take(row)
        kind = row.get("type")
        self._note_time(row)
        if kind == "run_started":
            run = str(row.get("run"))
            self.runs[run] = PastRun(run, len(self.runs), dict(row.get("asked") or {}), writer)
        elif kind == "run_ended":
            run = str(row.get("run"))
            known = self.runs.setdefault(run, PastRun(run, len(self.runs), {}, writer))
            known.ended = {name: value for name, value in row.items() if name not in _LARGE}
            self._note_clock(row)
        elif kind == "observation":
            self._note_clock(row)
        elif kind == "rehearsal":
            self.is_rehearsal = True
        elif kind in _OF_PREFLIGHT or (kind == "accepted" and str(row.get("code")).startswith("PF-")):
            if kind == "preflight":
                self.preflight = [one for one in self.preflight if one.get("type") == "accepted"]
            self.preflight.append(row)

    def _note_time(self, row: JsonObject) -> None:
        at = row.get("at")
        if not isinstance(at, str):
            return
        told = datetime.fromisoformat(at)
        if row.get("type") == "attested" and _CLOCK_ITEM in {row.get("item"), row.get("what")}:
            self.newest = (
                told  # a person has looked at the clock: what rows said of the time before does not count any more
            )
        else:
            self.newest = told if self.newest is None else max(self.newest, told)

    def _note_clock(self, row: JsonObject) -> None:
        if isinstance(row.get("service_date"), str) and isinstance(row.get("skew_seconds"), int | float):
            at, service = (datetime.fromisoformat(str(row[name])) for name in ("at", "service_date"))
            self.service = ServiceClock(at, service, float(row["skew_seconds"]))
