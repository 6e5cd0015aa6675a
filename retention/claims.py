"""What one subscription owes to whom now: the rows that a sweep claims before it sends. Pure: nothing is read or sent here.

Rules of this file: no clock, no I/O; everything follows from the timeline, from what was said before, and from `now`. A key is
claimed once, unless its delivery is known to have failed, or its sweep is gone. Source: retention-domain §5; docs/decisions/0072.

    plan = plan_for(moment, contacts, subscription, timeline, said)
    plan.rows, plan.due, plan.suppressed, plan.next_due
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property

from exporters.clock import timestamp
from retention.claim_making import Making
from retention.claim_rows import (
    CATCH_UP,
    ESCALATION,
    REACTIVATED,
    SCHEDULED,
    Contact,
    Moment,
    Plan,
    delivery_of,
    key_json,
)
from retention.reminders import LATE, SEVERITIES, THRESHOLDS, Decision, Reminder, adjusted, decide, moved, scheduled
from retention.timeline import Timeline
from retention.tracked import (
    ALL_CLEAR,
    CLAIMED,
    FAILED,
    MOVED,
    SENT,
    SUPERSEDED,
    WITHDRAWN,
    Claim,
    Delivery,
    Said,
    Subscription,
)


def plan_for(
    moment: Moment, contacts: Sequence[Contact], subscription: Subscription, timeline: Timeline, said: Said
) -> Plan:
    """Judge one subscription."""
    far = None if said.claims else _far_off(moment, timeline)
    if far is not None:
        return Plan(next_due=far)
    return _Planning(moment, contacts, subscription, timeline, said).plan()


def _far_off(moment: Moment, timeline: Timeline) -> datetime | None:
    """When a clock of which nothing was said yet has to be looked at, if that is a while off: most are."""
    times = [at - timedelta(days=THRESHOLDS[name][0] + 1) for name, at in timeline.instants().items()]
    begins = min(times, default=moment.now) - moment.every * LATE  # quiet hours bring forward by less than a day
    return begins if begins > max(moment.now, moment.ahead or moment.now) else None


class _Planning(Making):
    """One subscription under judgement."""

    def plan(self) -> Plan:
        """The whole judgement."""
        self._end_what_is_over()
        for contact in self._contacts:
            unfinished = self._unfinished(contact)
            self._tell_ended(contact)
            if self._instants:
                self._warn(contact, unfinished)
        if self._instants:
            self._escalate()
        self._plan.next_due = min(self._later, default=None)
        return self._plan

    # -- what is over -------------------------------------------------------------------------------------------------

    def _end_what_is_over(self) -> None:
        """Keys without a delivery that nobody has to hear any more: of a clock that ended, of dates that moved, of a recipient
        that there is not any more."""
        names = {contact.name for contact in self._contacts}
        pending = [
            claim for claim in self._said.claims if claim.status in {CLAIMED, FAILED} and not self._is_held(claim)
        ]
        over = [c for c in pending if c.recipient not in names or self._has_ended(c) or self._needs_no_more(c)]
        by_event: dict[str, list[str]] = {}
        for claim in over:
            by_event.setdefault(claim.event, []).append(claim.key)
        for event, keys in sorted(by_event.items()):
            row = {"type": "warning_withdrawn", "subscription": self._subscription.id, "event": event}
            self._plan.rows.append({**row, "keys": sorted(keys)})
        ended = {claim.key for claim in over}
        stale = [c for c in pending if c.key not in ended and c.threshold != ALL_CLEAR and not self._is_current(c)]
        for recipient in sorted({claim.recipient for claim in stale}):
            self._supersede(recipient, [claim for claim in stale if claim.recipient == recipient])

    def _has_ended(self, claim: Claim) -> bool:
        """Whether the clock that a key belongs to does not run any more."""
        if claim.threshold == ALL_CLEAR:
            return False
        return claim.event in self._closed or not self._instants

    def _needs_no_more(self, claim: Claim) -> bool:
        """Whether somebody acknowledged it before it was delivered."""
        return claim.acknowledged is not None or (claim.step > 0 and self._is_acknowledged(claim))

    def _is_current(self, claim: Claim) -> bool:
        return claim.event == self._event and self._anchors.get(claim.boundary) == claim.instant

    def _supersede(self, recipient: str, claims: Sequence[Claim]) -> None:
        row = self._superseded(recipient)
        for event in sorted({claim.event for claim in claims}):
            keys = [key_json(claim) for claim in claims if claim.event == event]
            self._plan.rows.append({**row, "event": event, "keys": keys})

    # -- what was begun -----------------------------------------------------------------------------------------------

    def _is_held(self, claim: Claim) -> bool:
        made = self._deliveries.get(claim.delivery)
        return made is not None and made.status == CLAIMED and self._moment.is_held(made)

    def _unfinished(self, contact: Contact) -> list[Delivery]:
        """Messages to this contact that failed, or whose sweep is gone, and still have something to say."""
        found = [made for made in self._said.deliveries if made.recipient == contact.name]
        return [
            made
            for made in found
            if made.status == FAILED or (made.status == CLAIMED and not self._moment.is_held(made))
        ]

    def _claim_again(self, made: Delivery, keep: Collection[str]) -> None:
        """Claim a message once more. keep: those of its keys that are still to be said."""
        keys = [key for key in made.row["keys"] if key["key"] in keep]
        if not keys:
            return
        known_lost = made.status == FAILED and not made.is_uncertain
        repeat = bool(made.row.get("possible_repeat")) or not known_lost
        row = {**made.row, "delivery": delivery_of(key["key"] for key in keys), "keys": keys, "again": True}
        row |= {"possible_repeat": repeat, "dates": self._dates() or made.row.get("dates") or {}}
        row["doubtful"] = self._moment.in_doubt
        row.pop("at", None)
        self._later.append(self._moment.now)  # until it is known to have arrived
        self._plan.rows.append(row)
        self._plan.due += [self._shown(key, row) for key in keys]

    # -- the clock that runs ------------------------------------------------------------------------------------------

    def _warn(self, contact: Contact, unfinished: Sequence[Delivery]) -> None:
        mine = [c for c in self._claims if c.recipient == contact.name and self._is_current(c)]
        settled, held = set[tuple[str, int]](), set[tuple[str, int]]()
        for claim in mine:
            if isinstance(claim.threshold, int) and claim.step == 0:
                place = (claim.boundary, claim.threshold)
                if claim.status in {SENT, SUPERSEDED, WITHDRAWN} or claim.acknowledged:
                    settled.add(place)
                elif self._is_held(claim):
                    held.add(place)
        decision = self._decide(self._moment.now, settled)
        due = [one for one in decision.due if self._is_for(contact, one)]
        waiting = [one for one in due if one.threshold in held]
        self._suppress(contact, waiting, "held")
        fresh = {one.threshold: one for one in due if one.threshold not in held}
        older = [one for one in decision.superseded if self._is_for(contact, one) and one.threshold not in held]
        if older:
            self._suppress(contact, older, "superseded")
            keys = [self._key(one, contact) for one in older]
            self._plan.rows.append({**self._superseded(contact.name), "event": self._event, "keys": keys})
        again = self._go_on(mine, unfinished, fresh)
        new = [one for place, one in fresh.items() if place not in again]
        self._claim_new(contact, new)
        if waiting or again or new:
            self._later.append(self._moment.now)
        self._doubt(contact, settled | held)
        self._look_ahead(contact, settled | held)

    def _is_for(self, contact: Contact, one: Reminder) -> bool:
        """Whether a contact wants to hear it: by the severity before it is lowered, but for an end that may be a renewal."""
        return contact.admits(adjusted(one.severity, fits=self._fits(one), possible_end=self._timeline.possible))

    def _may_be_for(self, contact: Contact, one: Reminder) -> bool:
        """Whether a contact may want to hear it when it is due: by then the copy may not fit any more."""
        return contact.admits(adjusted(one.severity, fits=False, possible_end=self._timeline.possible))

    @cached_property
    def _schedule(self) -> list[Reminder]:
        return scheduled(self._instants, known_at=self._known_at, quiet=self._moment.quiet)

    def _decide(self, now: datetime, settled: Collection[tuple[str, int]]) -> Decision:
        moment = self._moment
        return decide(
            self._instants, now=now, known_at=self._known_at, every=moment.every, quiet=moment.quiet, settled=settled
        )

    def _go_on(
        self, mine: Sequence[Claim], unfinished: Sequence[Delivery], due: Mapping[tuple[str, int], Reminder]
    ) -> set[tuple[str, int]]:
        """Claim again what was begun: return the thresholds that this is about."""
        by_key = {claim.key: claim for claim in mine}
        done = set[tuple[str, int]]()
        for made in unfinished:
            keep = set[str]()
            for key in made.row["keys"]:
                claim = by_key.get(key["key"])
                if claim is None or claim.delivery != made.id or claim.status not in {CLAIMED, FAILED}:
                    continue
                if not isinstance(claim.threshold, int) or (claim.step > 0 and not self._is_acknowledged(claim)):
                    keep.add(claim.key)
                elif (claim.boundary, claim.threshold) in due and claim.step == 0:
                    keep.add(claim.key)
                    done.add((claim.boundary, claim.threshold))
            self._claim_again(made, keep)
        return done

    def _claim_new(self, contact: Contact, due: Sequence[Reminder]) -> None:
        """One message per key; what is late in one; what a date that moved makes due in that message."""
        old = self._told(contact)
        shifts = {name: moved(old[name], at) for name, at in self._instants.items() if name in old}
        changed = [name for name in self._instants if shifts.get(name)]
        if self._is_cleared(contact, self._event):  # the all-clear was wrong: the clock runs again
            shifts, changed, old = dict.fromkeys(self._instants, "earlier"), list(self._instants), {}
        if changed and not self._is_told(contact, changed[0]):
            earlier = "earlier" in shifts.values()
            carried = list(due) if earlier else []
            self._claim_moved(contact, old, changed[0], carried, earlier=earlier)
            due = [] if earlier else due
        late = [one for one in due if one.kind == CATCH_UP]
        if late:
            self._claim(contact, CATCH_UP, [self._key(one, contact) for one in late])
        for one in due:
            if one.kind != CATCH_UP:
                self._claim(contact, SCHEDULED, [self._key(one, contact)])

    def _claim_moved(
        self, contact: Contact, old: Mapping[str, datetime], first: str, carried: Sequence[Reminder], *, earlier: bool
    ) -> None:
        keys = [self._key(one, contact) for one in carried]
        ranks = [SEVERITIES.index(key["severity"]) for key in keys]
        severity = SEVERITIES[max([SEVERITIES.index("high"), *ranks])] if earlier else "info"
        own = self._made_key(contact, self._event, first, self._anchors[first], MOVED, severity)
        self._claim(contact, MOVED, [own, *keys], old={name: timestamp(at) for name, at in old.items()})

    def _told(self, contact: Contact) -> dict[str, datetime]:
        """The dates that a contact was told last, of a clock that has not ended."""
        for made in reversed(self._said.deliveries):
            reached = made.status == SENT or (
                made.status in {CLAIMED, FAILED} and (made.is_uncertain or made.status == CLAIMED)
            )
            if made.recipient == contact.name and reached and made.row.get("kind") != ALL_CLEAR:
                if made.event in self._closed or self._is_cleared(contact, made.event):
                    return {}
                return {name: datetime.fromisoformat(at) for name, at in (made.row.get("dates") or {}).items()}
        return {}

    def _is_told(self, contact: Contact, boundary: str) -> bool:
        """Whether a contact was told, or is being told, that the dates are what they are now."""
        wanted = (contact.name, MOVED, self._event, boundary, self._anchors[boundary])
        return any(
            (c.recipient, c.threshold, c.event, c.boundary, c.instant) == wanted and c.status in {CLAIMED, FAILED, SENT}
            for c in self._claims
        )

    # -- the end of a clock -------------------------------------------------------------------------------------------

    def _tell_ended(self, contact: Contact) -> None:
        """An all-clear to everyone who was warned of a clock that a reactivation (or a correction) has ended."""
        by_key = {claim.key: claim for claim in self._said.claims}
        for made in self._unfinished(contact):
            if made.row.get("kind") == ALL_CLEAR:
                self._claim_again(made, {key["key"] for key in made.row["keys"] if key["key"] in by_key})
                self._later.append(self._moment.now)
        warned = {c.event for c in self._said.claims if c.recipient == contact.name and self._may_have_heard(c)}
        for event in sorted(warned):
            ended = self._closed.get(event)
            if (ended is None and self._instants) or self._is_cleared(contact, event):
                continue
            at = ended.closed_at if ended is not None else self._known_at
            key = self._made_key(contact, event, REACTIVATED, at, ALL_CLEAR, "info")
            self._claim(contact, ALL_CLEAR, [key], event=event)
            self._later.append(self._moment.now)

    def _is_cleared(self, contact: Contact, event: str) -> bool:
        return any(
            c.event == event and c.recipient == contact.name and c.threshold == ALL_CLEAR for c in self._said.claims
        )

    # -- escalation ---------------------------------------------------------------------------------------------------

    def _escalate(self) -> None:
        groups: dict[tuple[str, int], list[Claim]] = {}
        for claim in self._claims:
            if isinstance(claim.threshold, int) and claim.severity == "critical" and self._is_current(claim):
                groups.setdefault((claim.boundary, claim.threshold), []).append(claim)
        for group in groups.values():
            last = max(claim.step for claim in group)
            heard = [c.sent_at for c in group if c.step == last and c.status == SENT and c.sent_at is not None]
            if not heard or last + 1 >= len(self._contacts):
                continue
            due, contact = min(heard) + self._contacts[last].escalate_after, self._contacts[last + 1]
            key = {**key_json(group[0]), "step": last + 1, "due_utc": timestamp(due), "send_utc": timestamp(due)}
            one = group[0]
            key["key"] = self._key_name(one.event, one.boundary, one.instant, one.threshold, contact, last + 1)
            if due > self._moment.now:
                self._later.append(due)
            elif any(claim.acknowledged for claim in group):
                row = {"recipient": contact.name, "kind": ESCALATION}
                self._plan.due.append(self._shown(key, row))
                self._plan.suppressed.append({**self._shown(key, row), "reason": "acknowledged"})
            else:
                first = min(c.sent_at for c in group if c.sent_at is not None)
                self._claim(contact, ESCALATION, [key], waits_since=timestamp(first))
                self._later.append(self._moment.now)

    def _is_acknowledged(self, claim: Claim) -> bool:
        """Whether somebody acknowledged this warning: whoever of those who had it."""
        same = (claim.event, claim.boundary, claim.instant, claim.threshold)
        return any(c.acknowledged and (c.event, c.boundary, c.instant, c.threshold) == same for c in self._claims)

    def _doubt(self, contact: Contact, settled: Collection[tuple[str, int]]) -> None:
        """What would be due if a row of the journal that does not count told the time."""
        if self._moment.ahead is None:
            return
        now = {one.threshold for one in self._decide(self._moment.now, settled).due}
        ahead = [one for one in self._decide(self._moment.ahead, settled).due if one.threshold not in now]
        self._suppress(contact, [one for one in ahead if self._is_for(contact, one)], "doubtful_clock")

    def _look_ahead(self, contact: Contact, settled: Collection[tuple[str, int]]) -> None:
        """When the next warning of this contact can be due at the earliest."""
        early = self._moment.every * LATE if self._moment.quiet is not None else timedelta(0)
        for one in self._schedule:
            if one.send > self._moment.now and self._may_be_for(contact, one) and one.threshold not in settled:
                self._later.append(
                    max(one.send - (timedelta(0) if one.severity == "critical" else early), self._moment.now)
                )
                return
