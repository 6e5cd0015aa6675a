"""Keys, messages and contacts: what the rows of a claim are made of.

Rules of this file: pure values; a key follows from what it is about and from the name of who gets it, the id of a message
from its keys. Source: retention-domain §5 (exactly once); docs/formats.md (Journal).
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from exporters.bag.formats import JsonObject
from exporters.clock import timestamp
from retention.reminders import SEVERITIES, QuietHours
from retention.tracked import Claim, Delivery, Subscription

KEY_DIGITS = 20
REACTIVATED = "reactivated"
"""In place of a boundary, in messages that say that a clock has ended."""
SCHEDULED, CATCH_UP, ESCALATION = "scheduled", "catch_up", "escalation"


@dataclass(frozen=True, slots=True)
class Contact:
    """One entry of `notify`, in order of escalation."""

    name: str
    min_severity: str = "notice"
    escalate_after: timedelta = timedelta(hours=24)

    def admits(self, severity: str) -> bool:
        return SEVERITIES.index(severity) >= SEVERITIES.index(self.min_severity)


@dataclass(frozen=True, slots=True)
class Moment:
    """When and how a sweep judges. now: the time by which things are due; ahead: the time of a journal row that does not count
    (what is due only by it is told); in_doubt: the clock cannot be trusted; every: how often a sweep comes; is_held: whether a
    delivery without a result still belongs to another sweep; is_proven: everything of a subscription is copied and verified;
    is_too_late: whether what is left to copy is known not to fit any more before a boundary of this kind at this instant."""

    tenant: str
    now: datetime
    every: timedelta
    quiet: QuietHours | None = None
    ahead: datetime | None = None
    in_doubt: bool = False
    is_held: Callable[[Delivery], bool] = lambda delivery: True
    is_proven: Callable[[Subscription], bool] = lambda subscription: False
    is_too_late: Callable[[str, datetime], bool] = lambda kind, at: False


@dataclass(slots=True)
class Plan:
    """What comes of one subscription. rows: for the journal, claims and what they supersede; due: keys that are due, as
    `sweep --json` shows them; suppressed: those of them that are not sent, with `reason`; next_due: when it has to be looked at
    again, None: never, as things are."""

    rows: list[JsonObject] = field(default_factory=list)
    due: list[JsonObject] = field(default_factory=list)
    suppressed: list[JsonObject] = field(default_factory=list)
    next_due: datetime | None = None

    @property
    def claims(self) -> list[JsonObject]:
        """The rows that are messages."""
        return [row for row in self.rows if row["type"] == "warning_claimed"]


def key_of(
    tenant: str,
    subscription: str,
    event: str,
    boundary: str,
    instant: datetime,
    threshold: int | str,
    step: int,
    recipient: str,
) -> str:
    """The key of a warning: 20 hex digits of a SHA-256. recipient: the name of the entry, never its address."""
    parts = [tenant, subscription, event, boundary, timestamp(instant), threshold, step, recipient]
    return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()[:KEY_DIGITS]


def delivery_of(keys: Iterable[str]) -> str:
    """The id of a message that carries these keys, which its Message-ID is made of: 40 hex digits."""
    return hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()[:40]


def key_json(claim: Claim) -> JsonObject:
    """A key that was claimed before, as a row of the journal names it."""
    return {
        "key": claim.key,
        "boundary": claim.boundary,
        "instant": timestamp(claim.instant),
        "threshold_days": claim.threshold,
        "step": claim.step,
        "severity": claim.severity,
    }
