"""The rows of one subscription under judgement: keys with their anchors, claims, what is shown of them.

Rules of this file: pure; what `retention.claims` decides becomes rows here. Source: retention-domain §5 (exactly once);
docs/formats.md (Journal).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from exporters.bag.formats import JsonObject
from exporters.clock import timestamp
from retention.claim_rows import ESCALATION, Contact, Moment, Plan, delivery_of, key_of
from retention.reminders import MOVED as AN_HOUR
from retention.reminders import Reminder, adjusted
from retention.timeline import BOUNDARIES, Timeline
from retention.tracked import ALL_CLEAR, CLAIMED, SENT, Claim, Said, Subscription


class Making:
    """What is known of a subscription, and the rows that come of it."""

    def __init__(
        self,
        moment: Moment,
        contacts: Sequence[Contact],
        subscription: Subscription,
        timeline: Timeline,
        said: Said,
    ) -> None:
        self._moment, self._contacts, self._subscription, self._timeline = moment, contacts, subscription, timeline
        self._said, self._event = said, timeline.event_id or ""
        self._deliveries = {made.id: made for made in said.deliveries}
        self._closed = {episode.event_id: episode for episode in timeline.closed_episodes}
        self._plan, self._later = Plan(), list[datetime]()
        # a row that was written under a clock that was ahead must not put off what is due after it
        self._known_at = min(subscription.known_at or moment.now, moment.now)
        instants = timeline.instants()
        self._instants: dict[str, datetime] = {name: instants[name] for name in BOUNDARIES if name in instants}
        self._claims = [c for c in said.claims if not c.is_doubtful or moment.in_doubt]
        self._anchors: dict[str, datetime] = {
            name: self._anchor(self._event, name, at) for name, at in self._instants.items()
        }
        self._proven = moment.is_proven(subscription)

    def _claim(self, contact: Contact, kind: str, keys: Sequence[JsonObject], **more: Any) -> None:
        before = {claim.key: claim for claim in self._said.claims}
        repeat = any(key["key"] in before and self._may_have_heard(before[key["key"]]) for key in keys)
        row: JsonObject = {
            "type": "warning_claimed",
            "delivery": delivery_of(key["key"] for key in keys),
            "recipient": contact.name,
            "subscription": self._subscription.id,
            "event": self._event,
            "kind": kind,
            "possible_repeat": repeat,
            "doubtful": self._moment.in_doubt,
            "dates": self._dates(),
            "keys": list(keys),
            **more,
        }
        row |= {"again": True} if repeat else {}
        self._plan.rows.append(row)
        self._plan.due += [self._shown(key, row) for key in keys]

    def _key(self, one: Reminder, contact: Contact) -> JsonObject:
        severity = adjusted(
            one.severity, proven=self._proven, fits=self._fits(one), possible_end=self._timeline.possible
        )
        at = self._anchors[one.boundary]
        made = self._made_key(contact, self._event, one.boundary, at, one.threshold_days, severity)
        return {**made, "due_utc": timestamp(one.due), "send_utc": timestamp(one.send), "kind": one.kind}

    def _fits(self, one: Reminder) -> bool:
        """Whether the copy can still be ready by then, as far as anybody knows; what is copied and verified is ready."""
        return self._proven or not self._moment.is_too_late(one.boundary, one.boundary_at)

    def _made_key(
        self, contact: Contact, event: str, boundary: str, instant: datetime, threshold: int | str, severity: str
    ) -> JsonObject:
        anchor = self._anchor(event, boundary, instant)
        now = timestamp(self._moment.now)
        return {
            "key": self._key_name(event, boundary, anchor, threshold, contact, 0),
            "boundary": boundary,
            "instant": timestamp(anchor),
            "threshold_days": threshold,
            "step": 0,
            "severity": severity,
            "due_utc": now,
            "send_utc": now,
        }

    def _key_name(
        self, event: str, boundary: str, instant: datetime, threshold: int | str, contact: Contact, step: int
    ) -> str:
        return key_of(
            self._moment.tenant, self._subscription.id, event, boundary, instant, threshold, step, contact.name
        )

    def _anchor(self, event: str, boundary: str, at: datetime) -> datetime:
        """The first instant claimed for this event and boundary that is less than an hour away; else the instant itself."""
        known = {c.instant for c in self._said.claims if (c.event, c.boundary) == (event, boundary)}
        near = [one for one in known if abs(one - at) < AN_HOUR]
        return min(near, key=lambda one: (abs(one - at), one), default=at)

    def _dates(self) -> dict[str, str]:
        return {name: timestamp(at) for name, at in self._instants.items()}

    def _shown(self, key: Mapping[str, Any], row: Mapping[str, Any]) -> JsonObject:
        names = ("boundary", "threshold_days", "due_utc", "send_utc", "severity", "key", "step")
        shown = {name: key[name] for name in names if name in key}
        return {
            **shown,
            "kind": key.get("kind", row["kind"]) if row["kind"] != ESCALATION else ESCALATION,
            "subscription": self._subscription.id,
            "recipient": row["recipient"],
            "possible_repeat": bool(row.get("possible_repeat")),
        }

    def _suppress(self, contact: Contact, reminders: Iterable[Reminder], reason: str) -> None:
        for one in reminders:
            shown = self._shown(self._key(one, contact), {"recipient": contact.name, "kind": one.kind})
            self._plan.due.append(shown)
            self._plan.suppressed.append({**shown, "reason": reason})

    def _may_have_heard(self, claim: Claim) -> bool:
        made = self._deliveries.get(claim.delivery)
        if claim.threshold == ALL_CLEAR or made is None:
            return False
        return claim.status == SENT or made.status == CLAIMED or made.is_uncertain

    def _superseded(self, recipient: str) -> JsonObject:
        row: JsonObject = {"type": "warning_superseded", "subscription": self._subscription.id, "recipient": recipient}
        return {**row, "doubtful": True} if self._moment.in_doubt else row
