"""A timeline for people and for machines: the JSON of `timeline` and `status`, a headline, a table, remarks.

Rules of this file: pure; every date stands beside the name of its boundary, in the tenant's zone with its offset and in UTC.
Source: design §6 (`status --json`), retention-domain §2.1, §5 "Texts".
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from exporters.clock import timestamp
from retention.events import zone_of
from retention.policy import source_key
from retention.policy_parts import Says
from retention.reminders import Reminder, adjusted, scheduled
from retention.timeline import Boundary, Phase, Timeline

DAY: Final = timedelta(days=1)
MEANINGS: Final = {
    "access_ends": "users are locked out",
    "at_risk_from": "data may be deleted",
    "deletable_from": "every protection ends",
    "gone_by": "data should be erased",
    "reactivate_until": "last chance to reactivate",
}
_FLAGS: Final = {
    "uncertain_start": "Its start is known only as a range: protective dates count from its first moment, gone_by from its last.",
    "duplicate_trigger_ignored": "A second end while the clock runs changes nothing: the earlier one is stricter.",
    "renewed_at_term_end": "Recurring billing was on when the term ended: it was renewed.",
    "reactivated_after_at_risk_recheck_inventory": "It was reactivated after at_risk_from: take a fresh inventory.",
    "reactivation_not_proven_in_time": "A reactivation is stated, but not surely before deletable_from: the clock runs on.",
    "reactivation_not_possible_in_channel": "A reactivation is stated, but there is none here: the clock runs on.",
    "policy_fallback": "No page describes this case: the strictest dates hold.",
    "sharepoint_onedrive_deleted_at_once": "The subscription was deleted: SharePoint and OneDrive content goes at once.",
    "expedited_deprovisioning_holds_do_not_protect": "Expedited deprovisioning: all goes in three days, holds do not protect.",
    "partner_suspended": "The partner suspended it.",
    "suspension_lifted": "The suspension was lifted before the term ended.",
    "term_end_shortens_window": "The end of the term cuts the protected stage short.",
    "licence_reduction_no_clock": "Fewer licences start no clock of it; users who lose theirs have clocks of their own.",
    "reduction_effective_at_once": "This reduction works at once.",
    "recurring_off": "Recurring billing is known to be off: it runs until the term ends.",
}


class Row(NamedTuple):
    """One line of the table. mark: passed (by what it means: bad or good), ahead, or soon."""

    mark: str
    boundary: str
    local: str
    utc: str
    distance: str
    basis: str


def document(timeline: Timeline, now: datetime) -> dict[str, Any]:
    """What `timeline --json` says; `status` builds its rows of the same parts."""
    phase, following = timeline.phase_at(now), next_reminder(timeline, now)
    return {
        "now": timestamp(now),
        "policy": {"id": timeline.policy_id, "sha256": timeline.policy_sha256, "window": timeline.window_id},
        "channel": timeline.purchase.channel,
        "term": timeline.purchase.term,
        "time_zone": timeline.purchase.time_zone,
        "phase": phase.state if phase else None,
        "episode": timeline.episode,
        "trigger": timeline.trigger,
        "event": timeline.event_id,
        "clock_start": span_json(timeline.starts),
        "boundaries": [boundary_json(timeline, one) for one in timeline.boundaries],
        "phases": [_phase_json(one) for one in timeline.phases],
        "next": next_json(following),
        "days_left": timeline.days_left(now),
        "warnings": [reminder_json(timeline, one) for one in _reminders(timeline, now)],
        "closed_episodes": [
            {
                "episode": one.episode,
                "trigger": one.trigger,
                "clock_start": timestamp(one.started_at),
                "closed_at": timestamp(one.closed_at),
            }
            for one in timeline.closed_episodes
        ],
        "resolve_overassignment_by": timestamp(timeline.resolve_by) if timeline.resolve_by else None,
        "possible_end": timeline.possible,
        "cautions": [_says(one) for one in timeline.cautions],
        "notes": list(timeline.notes),
        "refused": _says(timeline.refused),
        "flags": list(timeline.flags),
    }


def boundary_json(timeline: Timeline, one: Boundary) -> dict[str, Any]:
    """A boundary as design §6 has it, and how it was reckoned."""
    return {
        "kind": one.kind,
        "at": timestamp(one.at),
        "earliest": timestamp(one.earliest),
        "latest": timestamp(one.latest),
        "local": local(timeline, one.at),
        "basis": one.basis,
        "source": one.source,
        "explanation": one.explanation,
        "alternative": {"days": one.alternative.days, "source": one.alternative.source} if one.alternative else None,
        "conflicts": list(one.conflicts),
    }


def next_reminder(timeline: Timeline, now: datetime) -> Reminder | None:
    """The next warning that falls due; None when there is none ahead."""
    return next((one for one in _reminders(timeline, now) if one.due > now), None)


def next_json(one: Reminder | None) -> dict[str, Any] | None:
    """`next` of design §6: at is when the warning falls due."""
    if one is None:
        return None
    return {"boundary": one.boundary, "at": timestamp(one.due), "threshold_days": one.threshold_days}


def reminder_json(timeline: Timeline, one: Reminder) -> dict[str, Any]:
    """A warning with the fields of a case's `warnings`."""
    return {
        "boundary": one.boundary,
        "threshold_days": one.threshold_days,
        "due_utc": timestamp(one.due),
        "send_utc": timestamp(one.send),
        "kind": one.kind,
        "severity": adjusted(one.severity, possible_end=timeline.possible),
    }


def span_json(span: tuple[datetime, datetime] | None) -> dict[str, str] | None:
    """A range of instants."""
    return None if span is None else {"earliest": timestamp(span[0]), "latest": timestamp(span[1])}


def local(timeline: Timeline, at: datetime) -> str:
    """An instant in the tenant's zone with its offset; in UTC where the zone is unknown."""
    return at.astimezone(zone_of(timeline.purchase.time_zone) or UTC).isoformat()


def headline(timeline: Timeline, now: datetime) -> tuple[str, str]:
    """(style, sentence): where it stands, and how many days are left until what."""
    phase = timeline.phase_at(now)
    if timeline.refused is not None:
        return "bad", f"No dates: {timeline.refused.says}"
    if phase is None or timeline.starts is None:
        return "good", f"{phase.state if phase else 'Active'}: no clock runs."
    possible = " (if it is not renewed)" if timeline.possible else ""
    for kind in ("at_risk_from", "deletable_from"):
        boundary = timeline.boundary(kind)
        if boundary is not None and now < boundary.at:
            days = timeline.days_left(now)
            style = "bad" if days is not None and days <= 14 else "doubtful"
            left = f"{days} days left" if days != 1 else "1 day left"
            return style, f"{phase.state}: {left} until {kind}, from when {MEANINGS[kind]}{possible}."
    return "bad", f"{phase.state}: deletable_from has passed; nothing protects data any more{possible}."


def rows(timeline: Timeline, now: datetime) -> list[Row]:
    """The boundaries in the order of time."""
    found = []
    for one in sorted(timeline.boundaries, key=lambda one: one.at):
        found.append(
            Row(
                _mark(one, now),
                f"{one.kind} ({MEANINGS[one.kind]})",
                _shown(timeline, one.at),
                timestamp(one.at),
                distance(one.at, now),
                f"{one.basis}, {source_key(one.source)}",
            )
        )
    return found


def distance(at: datetime, now: datetime) -> str:
    """`in 16 d 10 h`, `3 h ago`: rounded down, so that nobody counts on what is not there."""
    gap = abs(at - now)
    days, hours, minutes = gap.days, gap.seconds // 3600, gap.seconds // 60 % 60
    text = f"{days} d {hours} h" if days else f"{hours} h" if hours else f"{minutes} min"
    return f"in {text}" if at > now else f"{text} ago"


def remarks(timeline: Timeline, now: datetime) -> Iterator[tuple[str, str]]:
    """(style, sentence): what people can do now, what was assumed, what must not be done."""
    phase = timeline.phase_at(now)
    if phase is not None and timeline.starts is not None:
        yield from _abilities(phase)
    following = next_reminder(timeline, now)
    if following is not None:
        severity = adjusted(following.severity, possible_end=timeline.possible)
        ahead = "when it comes" if following.threshold_days == 0 else f"{following.threshold_days} days ahead"
        yield "", f"Next warning: {following.boundary}, {ahead} ({severity}), {_shown(timeline, following.due)}"
    if timeline.resolve_by is not None:
        yield (
            "",
            f"Bring assigned licences down by {_shown(timeline, timeline.resolve_by)} ({timestamp(timeline.resolve_by)}).",
        )
    for flag in timeline.flags:
        if flag in _FLAGS:
            yield "", _FLAGS[flag]
    for note in timeline.notes:
        yield "", note
    for boundary in timeline.boundaries:
        if boundary.kind == "at_risk_from" and boundary.alternative is not None:
            other = boundary.alternative
            yield "weak", f"{other.source} says {other.days} days instead; the earlier number drives warnings."
    for caution in timeline.cautions:
        yield "doubtful", caution.says


def _shown(timeline: Timeline, at: datetime) -> str:
    """`2026-03-31 12:15 +02:00`, in the tenant's zone."""
    text = at.astimezone(zone_of(timeline.purchase.time_zone) or UTC).isoformat(sep=" ", timespec="minutes")
    return f"{text[:16]} {text[16:]}"


def _abilities(phase: Phase) -> Iterator[tuple[str, str]]:
    for who, can in (("Users", phase.users_can), ("Administrators", phase.admins_can)):
        if can is not None:
            yield "", f"{who} now: {can.says} ({can.source})"


def _reminders(timeline: Timeline, now: datetime) -> list[Reminder]:
    return scheduled(timeline.instants(), known_at=now)


def _mark(one: Boundary, now: datetime) -> str:
    if one.at <= now:
        return "passed"
    return "soon" if one.at - now <= 14 * DAY else "ahead"


def _phase_json(one: Phase) -> dict[str, Any]:
    return {
        "state": one.state,
        "from": timestamp(one.begins) if one.begins else None,
        "until": timestamp(one.ends) if one.ends else None,
        "episode": one.episode,
        "users": one.users,
        "admins": one.admins,
        "reactivate": one.reactivate,
        "users_can": _says(one.users_can),
        "admins_can": _says(one.admins_can),
    }


def _says(one: Says | None) -> dict[str, str] | None:
    return None if one is None else {"says": one.says, "source": one.source}
