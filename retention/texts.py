"""What warnings say: one message from the row that claims it.

Rules of this file: pure; each date with the name of its boundary, local time with offset and zone, UTC, and the policy it follows
from; each message with what is missing, the command to run, and its keys. A time that has passed says how long ago.
Source: retention-domain §5 (texts).

    message = compose(row, about)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from retention.notify import Message
from retention.reminders import SEVERITIES
from retention.timeline import REACTIVATE, Boundary, Timeline
from retention.tracked import ALL_CLEAR, MOVED

NAMES = {
    "access_ends": "users lose access",
    "at_risk_from": "data may be deleted",
    "deletable_from": "the last moment to reactivate passes, and the state becomes Deleted",
    "gone_by": "by published policy Microsoft has deleted the data",
    REACTIVATE: "reactivation is possible until",
}
_PASSED = {
    "access_ends": "users have lost access",
    "at_risk_from": "data may be deleted from now on",
    "deletable_from": "the last moment to reactivate has passed",
    "gone_by": "180 days have passed: by published policy Microsoft has deleted the data; this program cannot observe it",
}
SHOWN = 10
"""So many names of what is not copied stand in a message."""


@dataclass(frozen=True, slots=True)
class About:
    """What a message needs to know besides its row. missing: names of sources that are not copied and verified, None if no
    sources of this subscription are known; notes: on the clock and on the tenant; config: as the command line takes it;
    evidence: the newest package, and the SHA-256 of its evidence.json."""

    now: datetime
    tenant: str
    name: str
    timeline: Timeline
    zone: ZoneInfo
    config: str
    missing: Sequence[str] | None = None
    notes: Sequence[str] = ()
    is_rehearsal: bool = False
    evidence: tuple[str, str] | None = None


def compose(row: Mapping[str, Any], about: About) -> Message:
    """The message of a delivery. row: of type `warning_claimed`."""
    keys: list[dict[str, Any]] = row["keys"]
    severity = max((str(key["severity"]) for key in keys), key=SEVERITIES.index)
    if row["kind"] == ALL_CLEAR:
        headline, body = _all_clear(about)
    elif row["kind"] == MOVED:
        headline, body = _moved(row, about)
    else:
        headline, body = _warning(row, keys, about)
    marks = "REHEARSAL: " if about.is_rehearsal else ""
    marks += "[possible repeat] " if row.get("possible_repeat") else ""
    lines = [f"{headline}."]
    if about.is_rehearsal:
        lines.insert(0, "REHEARSAL: this tenant is invented.")
    if row.get("possible_repeat"):
        lines.append("This may be a repeat: it is not known whether the same message was delivered before.")
    if row.get("waits_since"):
        since = shown(datetime.fromisoformat(row["waits_since"]), about.zone)
        lines.append(f"Escalation, step {keys[0]['step']}: nobody has acknowledged this warning since {since}.")
    lines += ["", *body, "", *_ending(keys, about)]
    subject = f"{marks}[{severity.upper()}] {about.tenant}: {headline}"
    named = tuple(str(key["key"]) for key in keys)
    return Message(row["delivery"], subject, "\n".join(lines) + "\n", named, about.now, severity == "critical")


def shown(at: datetime, zone: ZoneInfo) -> str:
    """`2026-03-31 12:15 +02:00 Europe/Amsterdam (2026-03-31T10:15:00Z)`."""
    local = at.astimezone(zone)
    offset = local.strftime("%z")
    utc = at.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{local:%Y-%m-%d %H:%M} {offset[:3]}:{offset[3:]} {zone.key} ({utc})"


def span(length: timedelta) -> str:
    """A length of time in the units that matter, to the nearest hour from six hours on: `3 days`, `1 day 6 h`, `20 min`."""
    minutes = int(abs(length).total_seconds() // 60)
    if minutes >= 360:
        minutes = (minutes + 30) // 60 * 60
    days, hours = minutes // 1440, minutes // 60 % 24
    if days >= 3 or (days and not hours):
        return f"{days} day{'' if days == 1 else 's'}"
    if days:
        return f"{days} day{'' if days == 1 else 's'} {hours} h"
    return f"{hours} h" if hours else f"{minutes} min"


def _warning(row: Mapping[str, Any], keys: Sequence[Mapping[str, Any]], about: About) -> tuple[str, list[str]]:
    first = min(keys, key=lambda key: str(key["instant"]))
    lead = max(keys, key=lambda key: (SEVERITIES.index(str(key["severity"])), -int(key["threshold_days"])))
    told = lead if len(keys) > 1 else first
    body = []
    if row["kind"] == "catch_up":
        body.append(
            "This comes late: it became known late, or no sweep ran when it was due. All that is due now is here."
        )
    for key in keys:
        boundary = about.timeline.boundary(str(key["boundary"]))
        body.append(_line(str(key["boundary"]), boundary.at if boundary else _instant(key), about, boundary))
    return _headline(told, about), [*body, *_context(about)]


def _headline(key: Mapping[str, Any], about: About) -> str:
    name = str(key["boundary"])
    boundary = about.timeline.boundary(name)
    at = boundary.at if boundary else _instant(key)
    if at <= about.now:
        ago = f", {span(about.now - at)} ago" if about.now - at >= timedelta(minutes=1) else ""
        return f"{_PASSED[name]}{ago}"
    if name == "deletable_from":
        return f"last moment to reactivate is in {span(at - about.now)}"
    prefix = "if this subscription is not renewed, " if about.timeline.possible else ""
    return f"{prefix}{NAMES[name]} in {span(at - about.now)}"


def _line(name: str, at: datetime, about: About, boundary: Boundary | None) -> str:
    when = f"{span(about.now - at)} ago" if at <= about.now else f"in {span(at - about.now)}"
    if abs(at - about.now) < timedelta(minutes=1):
        when = "now"
    basis = "" if boundary is None else f" [{boundary.basis}: {boundary.source}]"
    return f"- {name}: {NAMES[name]}: {shown(at, about.zone)}, {when}{basis}"


def _context(about: About) -> list[str]:
    timeline, lines = about.timeline, []
    started = ""
    if timeline.starts is not None:
        started = f" ({timeline.trigger} on {shown(timeline.starts[0], about.zone)})"
    lines.append(f"Subscription {about.name}{started}.")
    reactivate = timeline.boundary(REACTIVATE)
    if reactivate is None and timeline.trigger is not None:
        lines.append("Reactivation is not possible for this purchase, or not any more.")
    elif reactivate is not None and reactivate.at > about.now:
        lines.append(
            f"Reactivation is possible before {shown(reactivate.at, about.zone)}; a Global or Billing administrator must do it in"
            " the admin center. Later a new purchase does not bring data back."
        )
    at_risk, deletable = timeline.boundary("at_risk_from"), timeline.boundary("deletable_from")
    if at_risk is not None and deletable is not None and at_risk.at <= about.now < deletable.at:
        lines.append("The strictest published limit has passed: data may be deleted at any time.")
    if at_risk is not None and about.now < at_risk.at and at_risk.alternative is not None:
        lines.append(
            f"Another page ({at_risk.alternative.source}) says {at_risk.alternative.days} days; the earlier limit counts."
        )
    lines += [f"{caution.says} [{caution.source}]" for caution in timeline.cautions]
    lines.append(_missing(about.missing))
    return lines


def _missing(missing: Sequence[str] | None) -> str:
    if missing is None:
        return "Not known: which sources belong to it; take none of it for copied."
    if not missing:
        return "All of its sources are copied; lastcopy verify proves it."
    more = f", and {len(missing) - SHOWN:,} more" if len(missing) > SHOWN else ""
    return f"Not yet copied: {len(missing):,} sources ({', '.join(missing[:SHOWN])}{more})."


def _moved(row: Mapping[str, Any], about: About) -> tuple[str, list[str]]:
    old = {name: datetime.fromisoformat(at) for name, at in (row.get("old") or {}).items()}
    new = {name: datetime.fromisoformat(at) for name, at in (row.get("dates") or {}).items()}
    earlier = not old or any(new[name] < old[name] for name in old if name in new)
    headline = f"dates changed, {'they are earlier now' if earlier else 'they are later now'}"
    if not old:
        headline = "the clock runs again: the all-clear does not hold"
    body = []
    for name, at in new.items():
        before = f" (before: {shown(old[name], about.zone)})" if name in old and old[name] != at else ""
        boundary = about.timeline.boundary(name)
        body.append(_line(name, at, about, boundary) + before)
    return headline, [*body, *_context(about)]


def _all_clear(about: About) -> tuple[str, list[str]]:
    closed = about.timeline.closed_episodes
    body = [f"Subscription {about.name}: the clock that you were warned of does not run any more."]
    if closed:
        body.append(f"It was reactivated, at the latest on {shown(closed[-1].closed_at, about.zone)}.")
    if "reactivated_after_at_risk_recheck_inventory" in about.timeline.flags:
        body.append(
            "That was after the strictest published limit: take a fresh inventory, something may have been deleted."
        )
    return "all clear, this clock has ended", body


def _ending(keys: Sequence[Mapping[str, Any]], about: About) -> list[str]:
    lines = [f"Note: {note}." for note in about.notes]
    lines.append(f"Run: lastcopy export --config {about.config}")
    for key in keys:
        if isinstance(key["threshold_days"], int):
            lines.append(f"Acknowledge: lastcopy ack {key['key']} --by NAME --config {about.config}")
    if about.evidence is not None:
        package, sha256 = about.evidence
        lines.append(f"Newest evidence: {package}; lastcopy verify --evidence {package} --latest {sha256}")
    lines.append(
        f"Policy {about.timeline.policy_id} ({about.timeline.policy_sha256[:12]}). Keys: {', '.join(str(k['key']) for k in keys)}"
    )
    return lines


def _instant(key: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(str(key["instant"]))
