"""What is known of subscriptions, and of what was said about them, as values.

Rules of this file: no I/O, no decisions; instants are aware and UTC. `retention.state.index` reads these out of the index of the
journal; `retention.claims` decides by them. Source: design §4 (the journal), docs/formats.md (Journal).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from exporters.bag.formats import JsonObject

MOVED, ALL_CLEAR = "moved", "all_clear"
"""Thresholds of messages that are not about the days left."""

CLAIMED, SENT, FAILED, DROPPED, SUPERSEDED, WITHDRAWN = (
    "claimed",
    "sent",
    "failed",
    "dropped",
    "superseded",
    "withdrawn",
)
"""What became of a claim. A delivery is claimed, sent, failed or dropped (nothing of it is to be said any more)."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription that is tracked. body: name, channel, term, segment, services, time_zone, where known; events: as in
    data/retention, each with `id`; known_at: when the newest of them became known; observed: what the service last said
    (`status`, `next`, `at`, `missing_since`), empty if nothing; next_due: None if it has to be looked at."""

    id: str
    body: JsonObject
    events: tuple[JsonObject, ...]
    known_at: datetime | None
    observed: JsonObject = field(default_factory=dict)
    sources: int = 0
    next_due: datetime | None = None

    @property
    def name(self) -> str:
        return str(self.body.get("name") or self.id)


@dataclass(frozen=True, slots=True)
class Claim:
    """One key. threshold: days, or MOVED or ALL_CLEAR; instant: the anchor that it was claimed under; acknowledged: `by`, `at`,
    `reason`, or None."""

    key: str
    delivery: str
    event: str
    boundary: str
    instant: datetime
    threshold: int | str
    step: int
    recipient: str
    severity: str
    status: str
    is_doubtful: bool = False
    sent_at: datetime | None = None
    acknowledged: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one recipient. segment, number: where it was claimed last; writer: who did; row: the row that claimed it;
    is_uncertain: it failed, and may have arrived all the same."""

    id: str
    subscription: str
    recipient: str
    event: str
    status: str
    segment: int
    number: int
    at: datetime
    writer: Mapping[str, object]
    row: JsonObject
    is_uncertain: bool
    ended_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """All that was claimed about one subscription."""

    claims: tuple[Claim, ...] = ()
    deliveries: tuple[Delivery, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """What every command shows: warnings that could not be delivered, and critical ones that nobody acknowledged though the last
    contact was asked."""

    undelivered: int = 0
    unacknowledged: int = 0
    example: str = ""
