"""What is known of subscriptions, and of what was said about them, as values.

Rules of this file: no I/O, no decisions; instants are aware and UTC. `retention.state.index` reads these out of the index of the
journal; `retention.claims` decides by them. Source: design §4 (the journal), docs/formats.md (Journal).
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from exporters.bag.formats import JsonObject

MOVED, ALL_CLEAR, DIGEST, TEST = "moved", "all_clear", "digest", "test"
"""Thresholds of messages that are not about the days left of a subscription."""

CLAIMED, SENT, FAILED, DROPPED, SUPERSEDED, WITHDRAWN = (
    "claimed",
    "sent",
    "failed",
    "dropped",
    "superseded",
    "withdrawn",
)
"""What became of a claim. A delivery is claimed, sent, failed or dropped (nothing of it is to be said any more)."""


NAME_LENGTH = 200


def counted(number: int, what: str) -> str:
    """`1 warning`, `1,200 warnings`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


_TURNS_TEXT = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def one_line(text: str) -> str:
    """A name from outside as it may stand in a message, a page or a calendar: one line, no control characters, nothing that
    turns the direction of what follows, no half of a character, at most 200 characters."""
    clean = "".join(
        "?" if unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} or c in _TURNS_TEXT else c
        for c in text[: NAME_LENGTH + 1]
    )
    return clean if len(clean) <= NAME_LENGTH else f"{clean[: NAME_LENGTH - 1]}…"


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
        """As it is shown."""
        return one_line(str(self.body.get("name") or self.id))


@dataclass(frozen=True, slots=True)
class Personal:
    """What happened to one thing. id: `<type> <of whom>`; event: as a case's `object_event`; number: of the row that says so, in
    the journal: clocks may be set back, the journal is not."""

    id: str
    name: str
    event: JsonObject
    number: int

    @property
    def kind(self) -> str:
        return str(self.event["type"])


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
class Aside:
    """What is about no subscription. things: what happened to users, drives and the like; said: what was claimed; heard:
    when each recipient had a message last; since: the first row of the journal; rows: how many there are;
    is_rehearsed: a rehearsal made it; copies: what `retention.disposal.notices` goes by: rows, locks, bags."""

    things: tuple[Personal, ...] = ()
    said: Said = Said()
    heard: Mapping[str, datetime] = field(default_factory=dict)
    since: datetime | None = None
    rows: int = 0
    is_rehearsed: bool = False
    copies: tuple[Sequence[JsonObject], Mapping[str, Sequence[str | int]], Sequence[str]] = ((), {}, ())


@dataclass(frozen=True, slots=True)
class Standing:
    """What every command shows: warnings that could not be delivered, and critical ones that nobody acknowledged though the last
    contact was asked."""

    undelivered: int = 0
    unacknowledged: int = 0
    example: str = ""
