"""What our own records say: copies and their verification, the newest plan, the policy, the clock of the subscription.

Rules of this file: reads the journal once, and its index; writes nothing. Who cancels now, by the windows of the channel that was
attested, is told the same dates as `lastcopy timeline` tells. Source: retention-domain §2, §3; docs/formats.md (Journal).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from exporters.bag.formats import JsonObject
from retention.books import Books
from retention.config import Config
from retention.planning.recorded import PLANNED, needed_of
from retention.planning.recorded import latest as newest_plan
from retention.preflight.attestation import ATTESTED, Attestation
from retention.preflight.facts import Clock, Facts, OwnFacts
from retention.preflight.items import ITEMS
from retention.preflight.recorded import ACCEPTED, PREFLIGHT
from retention.reckoning import Reckoning
from retention.timeline import Timeline
from retention.tracked import Subscription


@dataclass(slots=True)
class Told:
    """What the journal told, without its thousands of rows about warnings. rows: those that the preflight looks at, runs
    without what they hold; receipts: PF-23 of the newest one that sent messages."""

    rows: list[JsonObject] = field(default_factory=list)
    verified: dict[str, JsonObject] = field(default_factory=dict)
    receipts: JsonObject | None = None


def read_journal(rows: Iterable[JsonObject]) -> Told:
    """Read it once. rows: oldest first."""
    told = Told()
    for row in rows:
        kind = row.get("type")
        if kind in {ATTESTED, PLANNED} or (kind == ACCEPTED and row.get("code") in ITEMS):
            told.rows.append(row)
        elif kind == "run_ended":
            told.rows.append({"type": kind, "at": row.get("at")})
        elif kind == PREFLIGHT:
            outlives = next((one for one in row.get("findings") or () if one.get("id") == "PF-23"), None)
            if outlives and (outlives.get("proof") or {}).get("receipts"):
                told.receipts = outlives
        elif kind == "verified" and row.get("level") == "full" and "sample" not in row and "since" not in row:
            told.verified[str(row.get("bag"))] = row
    return told


def own_facts(
    config: Config,
    books: Books,
    told: Told,
    facts: Facts,
    attested: dict[str, Attestation],
    service: tuple[datetime, datetime] | None,
) -> OwnFacts:
    """Everything. attested: what was attested and counts; service: (the service's clock, ours at that moment)."""
    reckoning, own = Reckoning(config), OwnFacts()
    own.bags, own.verified = books.index.bags(), told.verified
    plan = newest_plan(told.rows)
    if plan is not None:
        own.planned_at, own.is_plan_current = plan.at, plan.is_current(facts.now)
        own.is_plan_complete = plan.result.get("complete") is True
        own.needed, own.exported_since = needed_of(plan.row), plan.exported_since
    policy = reckoning.policy
    own.policy_id, own.policy_verified = policy.policy_id, policy.verified_on.isoformat()
    own.is_policy_old = policy.too_old(facts.now)
    if policy.object_clocks.deleted_user is not None:
        own.deleted_user_days = policy.object_clocks.deleted_user.days
    if service is not None:
        own.skew_seconds = (service[1] - service[0]).total_seconds()
    tracked = next((one for one in books.index.subscriptions() if one.id == facts.chosen), None)
    own.is_tracked, own.watched_channel = tracked is not None, _watched(config, tracked, facts.chosen)
    own.clock = _clock(reckoning, tracked, attested.get("PF-05"), facts, own.watched_channel)
    return own


def _watched(config: Config, tracked: Subscription | None, chosen: str | None) -> str | None:
    """By which channel warnings are reckoned, where somebody said one."""
    for one in config.settings.retention.subscriptions:
        if one.id == chosen or (tracked is not None and one.id == tracked.observed.get("commerce")):
            return one.channel
    said = tracked.body.get("channel") if tracked is not None else None
    return str(said) if said else None


def _clock(
    reckoning: Reckoning, tracked: Subscription | None, bought: Attestation | None, facts: Facts, watched: str | None
) -> Clock | None:
    """The clock that runs, else the one that would run if it were cancelled now; None while nobody said how it was bought."""
    from retention.events import Event, with_ids
    from retention.timeline import Purchase, draw

    if tracked is not None:
        running = reckoning.timeline(tracked)
        if running.boundaries and not running.possible:
            return _of(running, is_running=True)
    channel = watched or (bought.values.get("channel") if bought is not None else None)
    if channel is None or channel == "germany":
        return None
    term = bought.values.get("term") if bought is not None else None
    zone = reckoning.zone.key
    event = Event("cancel", facts.now, facts.now, provenance="if cancelled now")
    drawn = draw(reckoning.policy, Purchase(channel, term, time_zone=zone), with_ids([event]))
    return _of(drawn, is_running=False) if drawn.boundaries else None


def _of(timeline: Timeline, *, is_running: bool) -> Clock:
    at = timeline.instants()
    return Clock(
        is_running,
        str(timeline.trigger),
        at["access_ends"],
        at["at_risk_from"],
        at["deletable_from"],
        at["gone_by"],
    )
