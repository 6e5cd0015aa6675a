"""What the clock did: subscriptions with their boundaries, the policy that they follow, the warnings that were sent.

Rules of this file: all of it follows from the journal, by way of an index that is made anew in a temporary folder and let go: the
local state is not asked, so that a report says the same on every machine. Source: retention-domain §2, §6; design §2.4, §8.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from exporters.bag.formats import JsonObject
from exporters.clock import Clock, timestamp
from exporters.errors import LastcopyError
from exporters.store.protocol import Store
from retention.books import AT_A_TIME
from retention.config import Config
from retention.evidence.collecting_journal import KEPT, Told
from retention.evidence.words import SOURCE
from retention.journal import Journal
from retention.policy import Policy, source_key
from retention.reckoning import Reckoning
from retention.state.index import Index, open_index
from retention.timeline import Timeline
from retention.timeline_shown import boundary_json, span_json
from retention.tracked import SENT, Claim, Subscription

_PURCHASE = "PF-05"
"""The item of the preflight by which a person says how a subscription was bought."""
_PLACE = "evidence"
OBSERVATIONS = 20
"""What the service said of a subscription, the newest so many times."""


def clock_of(store: Store, config: Config, clock: Clock, told: Told) -> JsonObject:
    """`policy`, `clock`, `subscriptions`, `warnings` of the document. Raises: PolicyError; errors of the store."""
    reckoning = Reckoning(config)
    with (
        tempfile.TemporaryDirectory(prefix="lastcopy-evidence-") as folder,
        closing(open_index("sqlite:///index.db", Path(folder))) as index,
    ):
        _fill(index, store, clock, told.segment)
        known = index.subscriptions()
        said = index.said([one.id for one in known])
        seen = {one.id: index.observations(one.id)[-OBSERVATIONS:] for one in known}
    lines = {one.id: _timeline(reckoning, one) for one in known}
    warnings = [row for one in known for row in _warnings(one, said[one.id].claims, told, lines[one.id])]
    warnings.sort(key=lambda row: (row["due"], row["key"]))
    now = clock.now()
    return {
        "policy": _policy(reckoning.policy, known, lines, now),
        "clock": _clock(told, now),
        "subscriptions": [
            _subscription(one, lines[one.id], told, now) | {"observed": [_observation(row) for row in seen[one.id]]}
            for one in known
        ],
        "warnings": warnings[-KEPT:],
        "warnings_total": len(warnings),
    }


def _fill(index: Index, store: Store, clock: Clock, up_to: int) -> None:
    """Take in the journal as far as it was read before."""
    journal = Journal(store, clock)
    while journal.head.number < up_to:
        before = journal.head
        news = [(segment, journal.head) for segment in islice(journal.news(), min(AT_A_TIME, up_to - before.number))]
        if not news:
            return
        index.apply(_PLACE, before, news)


def _timeline(reckoning: Reckoning, one: Subscription) -> Timeline | LastcopyError:
    try:
        return reckoning.timeline(one)
    except LastcopyError as error:
        return error


# ------------------------------------------------------------------------------------------------------ subscriptions


def _subscription(one: Subscription, line: Timeline | LastcopyError, told: Told, now: datetime) -> JsonObject:
    attested = told.attested.get(_PURCHASE) or {}
    values = attested.get("values") or {}
    row: JsonObject = {
        "id": one.id,
        "name": one.name,
        "sku": one.observed.get("sku"),
        "agreement": values.get("agreement"),
        "attested_by": attested.get("by"),
        "service": {name: one.observed[name] for name in ("status", "next", "at") if name in one.observed},
        "events": list(one.events),
        "known_at": timestamp(one.known_at) if one.known_at else None,
    }
    if isinstance(line, LastcopyError):
        return row | {"channel": one.body.get("channel"), "clock_start": None, "boundaries": {}, "state": None,
                      "flags": ["unreadable"], "problem": str(line)}  # fmt: skip
    phase = line.phase_at(now)
    return row | {
        "channel": line.purchase.channel,
        "term": line.purchase.term,
        "time_zone": line.purchase.time_zone,
        "trigger": line.trigger,
        "clock_start": _start(line, one),
        "boundaries": {each.kind: boundary_json(line, each) for each in line.boundaries},
        "state": phase.state if phase else None,
        "possible_end": line.possible,
        "flags": list(line.flags),
        "days_left": line.days_left(now),
    }


def _observation(row: Mapping[str, Any]) -> JsonObject:
    return {name: row.get(name) for name in ("at", "status", "next", "total")}


def _start(line: Timeline, one: Subscription) -> JsonObject | None:
    """When its clock started, and who or what says so."""
    span = span_json(line.starts)
    if span is None:
        return None
    opened: Mapping[str, Any] = next((row for row in one.events if row.get("id") == line.event_id), {})
    provenance = opened.get("provenance") or opened.get("origin")
    return {**span, "provenance": str(provenance or ("stated" if opened else "service")), "event": line.event_id}


# ------------------------------------------------------------------------------------------------------------ policy


def _policy(
    policy: Policy, known: list[Subscription], lines: Mapping[str, Timeline | LastcopyError], now: datetime
) -> JsonObject:
    used = {
        source_key(each.source) for line in lines.values() if isinstance(line, Timeline) for each in line.boundaries
    }
    return {
        "id": policy.policy_id,
        "sha256": policy.sha256,
        "verified_on": policy.verified_on.isoformat(),
        "too_old": policy.too_old(now),
        "sources": [
            {
                "key": key,
                "title": policy.sources[key].title,
                "document_date": str(policy.sources[key].document_date),
                "verified_on": policy.sources[key].verified_on.isoformat(),
                "sha256": policy.sources[key].sha256,
            }
            for key in sorted(used)
        ],
        "accepted_risks": [risk.model_dump(mode="json") for risk in policy.accepted_risks],
        "subscriptions": len(known),
    }


def _clock(told: Told, now: datetime) -> JsonObject:
    """Which clock dated this report, and how it stood to the service's when that last told its time."""
    seen = told.history.service
    return {
        "source": SOURCE,
        "skew_ms": round(seen.skew_seconds * 1000) if seen is not None else None,
        "checked_at": timestamp(seen.at) if seen is not None else None,
        "now": timestamp(now),
    }


# ---------------------------------------------------------------------------------------------------------- warnings


def _warnings(
    one: Subscription, claims: tuple[Claim, ...], told: Told, line: Timeline | LastcopyError
) -> Iterator[JsonObject]:
    for claim in claims:
        acknowledged = claim.acknowledged or {}
        yield {
            "key": claim.key,
            "subscription": one.id,
            "boundary": claim.boundary,
            "threshold_days": claim.threshold,
            "severity": claim.severity,
            "status": claim.status,
            "due": timestamp(_due(claim)),
            "sent": told.sent.get(claim.delivery) if claim.status == SENT else None,
            "channel": claim.recipient,
            "step": claim.step,
            "ack": {"by": acknowledged.get("by"), "at": acknowledged.get("at")} if acknowledged else None,
        }


def _due(claim: Claim) -> datetime:
    """When it falls due by its boundary; one without days is due when it is said."""
    return claim.instant - timedelta(days=claim.threshold) if isinstance(claim.threshold, int) else claim.instant
