"""The clock that one trigger starts: its window laid on the line of time, and what brings its boundaries forward.

Rules of this file: pure. Each boundary is a span from the earliest to the latest reading of the start; what shortens moves both
ends, and only towards earlier. Source: retention-domain §2.1, §2.2, §2.5.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from retention.events import Event
from retention.policy_parts import DAY_SECONDS, Alternative, AtRisk, Basis, GoneBy, Says, Shortcut, Stage, Windows

DAY = timedelta(seconds=DAY_SECONDS)
_DELETED = Stage(
    state="Deleted",
    days=0,
    users_can=Says(says="Nothing; a new purchase of the same type does not bring data back.", source="W24"),
    admins_can=Says(says="Other subscriptions only.", source="W24"),
)


class Span(NamedTuple):
    """Not before `earliest`, not after `latest`."""

    earliest: datetime
    latest: datetime

    def after(self, days: int) -> "Span":
        return Span(self.earliest + days * DAY, self.latest + days * DAY)

    def at_most(self, other: "Span") -> "Span":
        return Span(min(self.earliest, other.earliest), min(self.latest, other.latest))


def span_of(event: Event) -> Span:
    """The range of an event."""
    return Span(event.earliest, event.latest)


@dataclass(frozen=True, slots=True)
class Reckoned:
    """A boundary before it is told: its span, and why it lies there."""

    span: Span
    basis: Basis
    source: str
    explanation: str
    alternative: Alternative | None = None

    def cut(self, span: Span, basis: Basis, source: str, why: str) -> "Reckoned":
        """Brought forward to `span` where that is earlier."""
        shorter = self.span.at_most(span)
        if shorter == self.span:
            return self
        return Reckoned(shorter, basis, source, why, self.alternative)


class Passage(NamedTuple):
    """A state from `begins` on, until the next one."""

    state: str
    begins: datetime
    stage: Stage


@dataclass(slots=True)
class RunningClock:
    """A clock that runs. `ignored`: the triggers that came while it did, and changed nothing."""

    trigger: str
    opened_by: Event
    start: Span
    windows: Windows
    window_id: str
    may_reactivate: bool
    access_ends: Reckoned
    at_risk_from: Reckoned
    deletable_from: Reckoned
    gone_by: Reckoned
    passages: list[Passage]
    conflicts: tuple[str, ...] = ()
    ignored: list[Event] = field(default_factory=list)

    @property
    def possible(self) -> bool:
        """Whether it starts at an end that may turn out to be a renewal."""
        return not self.opened_by.certain

    def lock_out(self, at: Span, why: str, source: str) -> None:
        """Users are locked out earlier than the stages say."""
        self.access_ends = self.access_ends.cut(at, "stated", source, why)
        shut: list[Passage] = []
        for place, passage in enumerate(self.passages):
            following = self.passages[place + 1].begins if place + 1 < len(self.passages) else None
            begins = max(passage.begins, at.earliest)
            if not passage.stage.users or passage.begins < at.earliest:
                shut.append(passage)
            if passage.stage.users and (following is None or begins < following):
                said = {"users": False, "users_can": Says(says=why, source=source)}
                shut.append(Passage(passage.state, begins, passage.stage.model_copy(update=said)))
        self.passages = shut

    def cut_short(self, event: Event) -> bool:
        """The term ends inside the stage that runs; whether that makes a difference."""
        before = self.deletable_from.span.earliest
        why = "The protected stage is cut short by the end of the term."
        self._no_later_than(span_of(event), "stated", self.deletable_from.source, why)
        return self.deletable_from.span.earliest < before

    def take_shortcut(self, shortcut: Shortcut, event: Event) -> None:
        """Somebody deleted the subscription, or had it deprovisioned: no stage protects any more, no way back."""
        at = span_of(event)
        why = f"Brought forward: {shortcut.title[0].lower()}{shortcut.title[1:]}."
        self.may_reactivate = False
        self.lock_out(at, why, shortcut.source)
        self.at_risk_from = self.at_risk_from.cut(at, shortcut.basis, shortcut.source, why)
        running = at.earliest < self.deletable_from.span.earliest
        self._no_later_than(at.after(shortcut.days), shortcut.basis, shortcut.source, why)
        if shortcut.gone_by_days is not None:
            self.gone_by = self.gone_by.cut(at.after(shortcut.gone_by_days), shortcut.basis, shortcut.source, why)
        if running and shortcut.days:
            self.passages = [one for one in self.passages if one.begins < at.earliest]
            self.passages.append(
                Passage(shortcut.state, at.earliest, Stage(state=shortcut.state, days=shortcut.days, admins=True))
            )

    def states(self) -> Iterable[Passage]:
        """The states one after another, up to Deleted, which stays."""
        end = self.deletable_from.span.earliest
        yield from (one for one in self.passages if one.begins < end)
        yield Passage("Deleted", end, _DELETED)

    def _no_later_than(self, end: Span, basis: Basis, source: str, why: str) -> None:
        self.deletable_from = self.deletable_from.cut(end, basis, source, why)
        self.at_risk_from = self.at_risk_from.cut(self.deletable_from.span, basis, source, why)
        self.access_ends = self.access_ends.cut(self.deletable_from.span, basis, source, why)


def start_window(
    trigger: str,
    event: Event,
    start: Span,
    windows: Windows,
    *,
    window_id: str,
    basis: Basis,
    source: str,
    conflicts: tuple[str, ...] = (),
) -> RunningClock:
    """The clock of a window of the policy."""
    passages, days = [], 0
    for stage in windows.stages:
        if stage.days:
            passages.append(Passage(stage.state, start.earliest + days * DAY, stage))
        days += stage.days
    stages = " and ".join(f"{stage.state} {stage.days} d" for stage in windows.stages)
    risk, gone = windows.at_risk, windows.gone_by
    locked_out = f"after {windows.access_days} days" if windows.access_days else "from the start of the clock"
    return RunningClock(
        trigger=trigger,
        opened_by=event,
        start=start,
        windows=windows,
        window_id=window_id,
        may_reactivate=windows.reactivate,
        access_ends=Reckoned(start.after(windows.access_days), basis, source, f"Users are locked out {locked_out}."),
        at_risk_from=Reckoned(
            start.after(windows.at_risk_days),
            risk.basis,
            risk.source or source,
            _why_at_risk(windows),
            risk.alternative,
        ),
        deletable_from=Reckoned(
            start.after(windows.protected_days), basis, source, f"End of the protected stages: {stages} from the start."
        ),
        gone_by=Reckoned(
            start.after(gone.days),
            gone.basis,
            gone.source or source,
            f"The latest published bound: {gone.days} days, counted from the latest reading of the start.",
            gone.alternative,
        ),
        passages=passages,
        conflicts=conflicts,
    )


def start_shortcut(event: Event, shortcut: Shortcut, fallback: Windows) -> RunningClock:
    """The clock of a shortcut that was taken while no other ran; its last bound is the shortcut's own, else the fallback's."""
    gone = fallback.gone_by
    if shortcut.gone_by_days is not None:
        gone = GoneBy(days=shortcut.gone_by_days, basis=shortcut.basis, source=shortcut.source)
    windows = Windows(
        stages=[Stage(state=shortcut.state, days=shortcut.days, admins=shortcut.days > 0)],
        at_risk=AtRisk(days=0, basis=shortcut.basis, source=shortcut.source),
        gone_by=gone,
    )
    return start_window(
        event.type,
        event,
        span_of(event),
        windows,
        window_id=shortcut.id,
        basis=shortcut.basis,
        source=shortcut.source,
        conflicts=tuple(shortcut.conflicts),
    )


def _why_at_risk(windows: Windows) -> str:
    asked, told = windows.at_risk.days, windows.at_risk_days
    text = f"{told} days from the start: the strictest published sentence lets data be deleted from then on"
    if asked < told:
        return f"{text} (after {asked} days, but not while users still work)."
    if asked > told:
        return f"{text} (the protected stages end then)."
    return f"{text}."
