"""Messages that belong to no subscription: the daily digest of personal clocks, and the weekly test of each channel. Pure.

Rules of this file: no clock, no I/O; claimed, retried and marked as warnings are (`retention.claims`), under no subscription.
Neither is escalated. A digest goes once a day and recipient when the quiet hours are over, and brings forward all that would be
due before the next; a test goes to whoever has had nothing for a week. Source: retention-domain §5; docs/decisions/0076, 0077.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, tzinfo
from functools import cache

from exporters.bag.formats import JsonObject
from exporters.clock import timestamp
from retention.claim_rows import Contact, Moment, Plan, delivery_of, key_of
from retention.personal import Mark, Told, due_by, loudest
from retention.reminders import LATE
from retention.tracked import CLAIMED, DIGEST, DROPPED, FAILED, SENT, TEST, Claim, Delivery, Said

NO_SUBSCRIPTION = ""
EVENTS = {DIGEST: "personal", TEST: "channel"}
TEST_EVERY = timedelta(days=7)
IN_ROW = 200
"""So many items of a digest stand in the journal; a message shows fewer."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known besides. marks: of all personal clocks, reckoned when they are asked for; rows: how many rows of the journal
    they follow from; zone: of the tenant; since: when the journal began; heard: when each recipient had a message last; busy: who
    has one now; wants_tests: a rehearsal's mailbox needs none."""

    marks: Callable[[], Sequence[Mark]]
    rows: int
    zone: tzinfo
    since: datetime | None
    heard: Mapping[str, datetime] = field(default_factory=dict)
    busy: Collection[str] = ()
    wants_tests: bool = True


def plan_side(moment: Moment, contacts: Sequence[Contact], around: Surroundings, said: Said) -> Plan:
    """What has to be said now that is about no subscription."""
    return _Planning(moment, contacts, around, said).plan()


def slots(moment: Moment, zone: tzinfo) -> tuple[datetime | None, datetime]:
    """When the digest of today may go out (None: not yet), and that of tomorrow, in the tenant's zone."""
    quiet, now = moment.quiet, moment.now
    clock = time(0) if quiet is None or quiet.start == quiet.end else quiet.end
    today = now.astimezone(zone).date()
    here, there = (
        datetime.combine(day, clock, tzinfo=zone).astimezone(UTC) for day in (today, today + timedelta(days=1))
    )
    return (here, there) if here <= now else (None, here)


def is_quiet(moment: Moment) -> bool:
    """Whether it is now a time at which nobody is woken for this."""
    return moment.quiet is not None and moment.quiet.begun(moment.now) is not None


def next_look(
    moment: Moment, contacts: Sequence[Contact], around: Surroundings, said: Said, *, has_things: bool
) -> datetime | None:
    """Until when there is nothing to say, if nothing is written meanwhile; None: it has to be looked at each time. For a moment
    at which there was nothing."""
    if is_quiet(moment) or any(claim.status in {CLAIMED, FAILED} for claim in said.claims):
        return None
    begun, following = slots(moment, around.zone)
    times = [following] if has_things or begun is None else []
    if around.wants_tests:
        times += [at + TEST_EVERY for at in (_tried(moment, one, around, said) for one in contacts) if at is not None]
    return min(times, default=None)


def _tried(moment: Moment, contact: Contact, around: Surroundings, said: Said) -> datetime | None:
    """When the way to a contact was last proven, or tried, or at the latest could have been."""
    mine = [made for made in said.deliveries if made.recipient == contact.name]
    begun = [made.at for made in mine if made.event == EVENTS[TEST]]
    known = [*begun, around.heard.get(contact.name), around.since]
    return max((at for at in known if at is not None and at <= moment.now), default=None)


@dataclass(slots=True)
class _Planning:
    _moment: Moment
    _contacts: Sequence[Contact]
    _around: Surroundings
    _said: Said
    _plan: Plan = field(default_factory=Plan)

    def plan(self) -> Plan:
        names = {contact.name for contact in self._contacts}
        self._withdraw([claim for claim in self._pending() if claim.recipient not in names])
        for contact in self._contacts:
            self._digest(contact)
            if self._around.wants_tests:
                self._test(contact)
        return self._plan

    # -- the digest ---------------------------------------------------------------------------------------------------

    def _digest(self, contact: Contact) -> None:
        current = cache(lambda: {(mark.owner.id, mark.kind, timestamp(mark.at)) for mark in self._around.marks()})
        self._go_on(contact, DIGEST, lambda item: (item["object"], item["mark"], item["at"]) in current())
        begun, following = slots(self._moment, self._around.zone)
        if begun is None or is_quiet(self._moment):
            return
        key = self._key(contact, DIGEST, begun)
        if any(claim.key == key and self._counts(claim.is_doubtful) for claim in self._said.claims):
            return
        end = following + self._moment.every * LATE
        found = due_by(self._around.marks(), end, self._told(contact))
        items = [item for item in found if contact.admits(item.severity)]
        if items:
            told = [item.as_json() for item in items]
            more = {"items": told[:IN_ROW], "number": len(told), "until": timestamp(end), "rows": self._around.rows}
            self._claim(contact, DIGEST, begun, loudest(told), more)

    def _told(self, contact: Contact) -> Told | None:
        """How far the digests of this contact reach, delivered or to be."""
        rows = [
            made.row
            for made in self._said.deliveries
            if (made.recipient, made.event) == (contact.name, EVENTS[DIGEST]) and made.status != DROPPED
        ]
        reach = [
            Told(datetime.fromisoformat(str(row["until"])), int(row["rows"]))
            for row in rows
            if self._counts(bool(row.get("doubtful")))
        ]
        return max(reach, key=lambda told: told.until, default=None)

    def _counts(self, is_doubtful: bool) -> bool:
        """What was claimed while the clock was in doubt does not keep anything back once it is not."""
        return self._moment.in_doubt or not is_doubtful

    # -- the test -----------------------------------------------------------------------------------------------------

    def _test(self, contact: Contact) -> None:
        self._go_on(contact, TEST, lambda item: True)
        tried = _tried(self._moment, contact, self._around, self._said)
        has_some = contact.name in self._around.busy or any(
            row.get("recipient") == contact.name for row in self._plan.rows
        )
        if tried is None or self._moment.now - tried < TEST_EVERY or is_quiet(self._moment) or has_some:
            return
        self._claim(contact, TEST, self._moment.now.replace(minute=0, second=0, microsecond=0), "info", {})

    # -- rows ---------------------------------------------------------------------------------------------------------

    def _go_on(self, contact: Contact, kind: str, is_current: Callable[[JsonObject], bool]) -> None:
        """Claim again what was begun, without what is over."""
        for made in self._said.deliveries:
            if made.recipient != contact.name or made.event != EVENTS[kind] or made.status in {DROPPED, SENT}:
                continue
            if made.status == CLAIMED and self._moment.is_held(made):
                continue
            items = [item for item in made.row.get("items") or () if is_current(item)]
            if kind == DIGEST and not items:
                self._withdraw([claim for claim in self._said.claims if claim.delivery == made.id])
                continue
            self._again(made, items)

    def _again(self, made: Delivery, items: Sequence[JsonObject]) -> None:
        known_lost = made.status == FAILED and not made.is_uncertain
        repeat = bool(made.row.get("possible_repeat")) or not known_lost
        row: JsonObject = {**made.row, "again": True, "possible_repeat": repeat, "doubtful": self._moment.in_doubt}
        if items:
            row |= {
                "items": list(items),
                "number": max(len(items), int(made.row["number"]) - len(made.row["items"]) + len(items)),
            }
        row.pop("at", None)
        self._plan.rows.append(row)
        self._plan.due += [self._shown(key, row) for key in row["keys"]]

    def _claim(self, contact: Contact, kind: str, instant: datetime, severity: str, more: JsonObject) -> None:
        now, key = timestamp(self._moment.now), self._key(contact, kind, instant)
        repeat = any(claim.key == key for claim in self._said.claims)  # it was said while the clock was in doubt
        row: JsonObject = {
            "type": "warning_claimed",
            "delivery": delivery_of([key]),
            "recipient": contact.name,
            "subscription": NO_SUBSCRIPTION,
            "event": EVENTS[kind],
            "kind": kind,
            "possible_repeat": repeat,
            "doubtful": self._moment.in_doubt,
            **({"again": True} if repeat else {}),
            "keys": [
                {
                    "key": key,
                    "boundary": EVENTS[kind],
                    "instant": timestamp(instant),
                    "threshold_days": kind,
                    "step": 0,
                    "severity": severity,
                    "due_utc": now,
                    "send_utc": now,
                }
            ],
            **more,
        }
        self._plan.rows.append(row)
        self._plan.due += [self._shown(one, row) for one in row["keys"]]

    def _key(self, contact: Contact, kind: str, instant: datetime) -> str:
        return key_of(self._moment.tenant, NO_SUBSCRIPTION, EVENTS[kind], EVENTS[kind], instant, kind, 0, contact.name)

    def _shown(self, key: JsonObject, row: JsonObject) -> JsonObject:
        names = ("boundary", "threshold_days", "due_utc", "send_utc", "severity", "key", "step")
        return {
            **{name: key[name] for name in names},
            "kind": row["kind"],
            "subscription": NO_SUBSCRIPTION,
            "recipient": row["recipient"],
            "possible_repeat": bool(row.get("possible_repeat")),
        }

    def _pending(self) -> list[Claim]:
        return [claim for claim in self._said.claims if claim.status in {CLAIMED, FAILED}]

    def _withdraw(self, claims: Collection[Claim]) -> None:
        for event in sorted({claim.event for claim in claims}):
            keys = sorted(claim.key for claim in claims if claim.event == event)
            row = {"type": "warning_withdrawn", "subscription": NO_SUBSCRIPTION, "event": event, "keys": keys}
            self._plan.rows.append(row)
