"""What the events of a subscription come to: which clock runs, which were ended by a reactivation, what is to be said about it.

Rules of this file: pure. Events are taken in the order of time, a reactivation behind everything that may have come before it:
what is not proven protects nobody. A second trigger changes nothing, for the earlier one is stricter. Flags are those of
data/retention/README.md and no others. Source: retention-domain §2.2, §2.5.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from retention.events import Event, with_ids
from retention.policy import Policy
from retention.policy_parts import Says, Stage
from retention.running_clock import Passage, RunningClock, Span, span_of, start_shortcut, start_window

SUSPENDED_END: Final = "term_end_suspended"
SHORTCUT_FLAGS: Final = {
    "delete_subscription": "sharepoint_onedrive_deleted_at_once",
    "expedited_deprovision": "expedited_deprovisioning_holds_do_not_protect",
}
_ORDER: Final = ("recurring_off", "recurring_on", "reduce_quantity", "suspend", "cancel", "term_end", *SHORTCUT_FLAGS)
"""Of events at one instant: what locks users out first, then what starts a clock, then what shortens it."""
_AS_USUAL: Final = Says(says="Work as usual.", source="W24")
ACTIVE: Final = Stage(state="Active", days=0, users=True, admins=True, users_can=_AS_USUAL, admins_can=_AS_USUAL)
_SUSPENDED: Final = Stage(
    state="Suspended",
    days=0,
    admins=True,
    reactivate=True,
    users_can=Says(says="No services and no data.", source="PC"),
    admins_can=Says(says="Back up data; the partner can lift the suspension before the term ends.", source="PC"),
)


@dataclass(frozen=True, slots=True)
class Closed:
    """A clock that a reactivation ended. number: which one it was; at: the range of the reactivation."""

    number: int
    clock: RunningClock
    at: Span


@dataclass(slots=True)
class History:
    """What the events came to. duplicates: triggers that changed nothing. passages: the states in order, each with the number
    of its clock (0: none); before the first it is Active."""

    clock: RunningClock | None = None
    closed: list[Closed] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    duplicates: list[Event] = field(default_factory=list)
    passages: list[tuple[Passage, int]] = field(default_factory=list)

    @property
    def number(self) -> int:
        """Of the clock that runs; without one, how many were closed."""
        return len(self.closed) + (self.clock is not None)

    def state_from(self, begins: datetime, state: str, stage: Stage, number: int) -> None:
        """A state from an instant on; what was to come later does not."""
        self.passages = [one for one in self.passages if one[0].begins < begins]
        self.passages.append((Passage(state, begins, stage), number))


def history_of(
    policy: Policy, channel: str, term: str | None, segment: str, cloud: str, events: Iterable[Event]
) -> History:
    """Read the events of one subscription. The channel must not be a refused one."""
    return _Reader(policy, channel, term, segment, cloud, in_order(with_ids(events))).read()


def in_order(events: Sequence[Event]) -> list[Event]:
    """By earliest reading; a reactivation behind the last event that it does not surely come before."""
    others = sorted(
        (event for event in events if event.type != "reactivate"),
        key=lambda event: (event.earliest, _ORDER.index(event.type), event.latest, event.id),
    )
    back: list[tuple[int, Event]] = []
    for event in events:
        if event.type == "reactivate":
            behind = [place for place, other in enumerate(others) if not event.surely_before(other)]
            back.append((behind[-1] + 1 if behind else 0, event))
    back.sort(key=lambda one: (one[0], one[1].latest, one[1].earliest, one[1].id))
    ordered: list[Event] = []
    for place in range(len(others) + 1):
        ordered += [event for where, event in back if where == place]
        ordered += others[place : place + 1]
    return ordered


class _Reader:
    """Goes through the events once."""

    def __init__(
        self, policy: Policy, channel: str, term: str | None, segment: str, cloud: str, events: Sequence[Event]
    ) -> None:
        self._policy, self._channel, self._term = policy, channel, term
        self._segment, self._cloud = segment, cloud
        self._events = events
        self._suspended: Event | None = None
        self._history = History()

    def read(self) -> History:
        for place, event in enumerate(self._events):
            self._take(event, place)
        clock = self._history.clock
        if clock is not None and clock.start.earliest != clock.start.latest:
            self._history.flags.add("uncertain_start")
        if self._history.duplicates:
            self._history.flags.add("duplicate_trigger_ignored")
        return self._history

    def _take(self, event: Event, place: int) -> None:
        match event.type:
            case "recurring_off" | "recurring_on":
                self._history.flags.add(event.type)
            case "reduce_quantity":
                self._reduced(event)
            case "suspend" if self._channel == "csp_nce":
                self._suspend(event, place)
            case "suspend" | "cancel" | "term_end":
                self._trigger(event)
            case "reactivate":
                self._reactivate(event)
            case _:
                self._shortcut(event)

    def _reduced(self, event: Event) -> None:
        clock = self._policy.object_clocks.over_assignment
        self._history.flags.add("licence_reduction_no_clock")
        if not event.per_user or (clock is not None and self._channel in clock.at_once):
            self._history.flags.add("reduction_effective_at_once")

    def _suspend(self, event: Event, place: int) -> None:
        """The new partner model: no clock yet. Without a term end (or any end) to come, the strictest holds from now on."""
        self._history.flags.add("partner_suspended")
        clock = self._history.clock
        if clock is not None:
            clock.lock_out(span_of(event), "The partner suspended the subscription.", "PC")
            self._show(clock)
            return
        if self._suspended is not None:
            return
        self._suspended = event
        decides = next((one for one in self._events[place + 1 :] if self._ends_suspension(one)), None)
        if decides is None:
            self._start("suspend", event)
        else:
            self._history.state_from(event.earliest, "Suspended", _SUSPENDED, 0)

    def _ends_suspension(self, event: Event) -> bool:
        return event.type in ("reactivate", "cancel") or (event.type == "term_end" and not self._renewed(event))

    def _trigger(self, event: Event) -> None:
        clock, flags = self._history.clock, self._history.flags
        if clock is not None and clock.possible and event.certain:
            clock = self._history.clock = None  # that end was a renewal, else nothing could end now
        if clock is not None:
            self._while_running(clock, event)
        elif event.type == "term_end" and self._renewed(event):
            flags.add("renewed_at_term_end")
        elif event.type == "term_end" and self._suspended is not None:
            self._start(SUSPENDED_END, event)
        else:
            self._start(event.type, event)

    def _while_running(self, clock: RunningClock, event: Event) -> None:
        if clock.windows.cut_short_by == event.type:
            if clock.cut_short(event):
                self._history.flags.add("term_end_shortens_window")
                self._show(clock)
            return
        clock.ignored.append(event)
        if event.type == "term_end" and self._suspended is not None and self._renewed(event):
            self._history.flags.add("renewed_at_term_end")
        if event.type == "term_end" and (self._suspended is not None or not event.certain):
            return
        if event.type in ("cancel", "term_end"):
            self._history.duplicates.append(event)

    def _renewed(self, end: Event) -> bool:
        """Whether recurring billing was surely on when the term ended."""
        for on in self._events:
            if on.type == "recurring_on" and on.surely_before(end):
                off_again = [
                    off
                    for off in self._events
                    if off.type == "recurring_off" and not off.surely_before(on) and not end.surely_before(off)
                ]
                if not off_again:
                    return True
        return False

    def _certain(self, end: Event) -> Event:
        """An end that may be a renewal is one for certain once recurring billing is known to be off."""
        off = any(one.type == "recurring_off" and not end.surely_before(one) for one in self._events)
        return replace(end, certain=True) if off and not end.certain else end

    def _start(self, trigger: str, event: Event) -> None:
        event = self._certain(event)
        window = self._policy.window(self._channel, trigger, term=self._term, segment=self._segment, cloud=self._cloud)
        if window is None:
            fallback = self._policy.fallback
            self._history.flags.add("policy_fallback")
            clock = start_window(
                trigger,
                event,
                span_of(event),
                fallback.windows,
                window_id="fallback",
                basis="inferred",
                source=fallback.at_risk.source or "OURS",
            )
        else:
            clock = start_window(
                trigger,
                event,
                span_of(event),
                window.windows,
                window_id=window.id,
                basis=window.basis,
                source=window.source,
                conflicts=tuple(window.conflicts),
            )
        self._run(clock)

    def _run(self, clock: RunningClock) -> None:
        if self._suspended is not None:
            clock.lock_out(span_of(self._suspended), "The partner had suspended the subscription before.", "PC")
            if clock.trigger in (SUSPENDED_END, "cancel"):
                self._suspended = None  # what comes now is no part of that suspension
        self._history.clock = clock
        self._show(clock)

    def _show(self, clock: RunningClock) -> None:
        for passage in clock.states():
            self._history.state_from(passage.begins, passage.state, passage.stage, self._history.number)

    def _shortcut(self, event: Event) -> None:
        self._history.flags.add(SHORTCUT_FLAGS[event.type])
        shortcut, clock = self._policy.shortcut(event.type), self._history.clock
        if clock is None or clock.possible:
            self._run(start_shortcut(event, shortcut, self._policy.fallback.windows))
        else:
            clock.take_shortcut(shortcut, event)
            self._show(clock)

    def _reactivate(self, event: Event) -> None:
        clock, flags = self._history.clock, self._history.flags
        if clock is None:
            if self._suspended is not None:
                flags.add("suspension_lifted")
                self._suspended = None
                self._history.state_from(event.latest, "Active", ACTIVE, 0)
            return
        in_time = event.latest < clock.deletable_from.span.earliest
        if not clock.may_reactivate:
            flags.add("reactivation_not_possible_in_channel")
        if not in_time:
            flags.add("reactivation_not_proven_in_time")
        if in_time and clock.may_reactivate and self._follows(event, clock):
            self._close(event, clock)

    def _follows(self, event: Event, clock: RunningClock) -> bool:
        """Whether the reactivation came after the trigger; a trigger seen between two looks may have come after it."""
        opened = clock.opened_by
        if opened.day is None and event.latest < opened.latest:
            self._history.notes.append(
                f"The reactivation ({event.id}) may have come before what started the clock ({opened.id}), so the clock runs on."
                " State both times more exactly."
            )
            return False
        return True

    def _close(self, event: Event, clock: RunningClock) -> None:
        if event.latest >= clock.at_risk_from.span.earliest:
            self._history.flags.add("reactivated_after_at_risk_recheck_inventory")
        self._history.closed.append(Closed(self._history.number, clock, span_of(event)))
        self._history.clock = self._suspended = None
        self._history.state_from(event.latest, "Active", ACTIVE, 0)
        again = next((one for one in clock.ignored if not one.surely_before(event)), None)
        if again is not None:  # perhaps it was no second trigger of the old clock, but the first of a new one
            self._history.duplicates = [one for one in self._history.duplicates if one is not again]
            narrowed = min(max(again.earliest, event.earliest), again.latest)
            self._trigger(replace(again, earliest=narrowed))
            running = self._running()
            if running is not None:
                running.ignored += clock.ignored[clock.ignored.index(again) + 1 :]

    def _running(self) -> RunningClock | None:
        return self._history.clock
