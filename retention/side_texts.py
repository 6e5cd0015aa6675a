"""What messages say that are about no subscription: the daily digest of personal clocks, and the weekly test.

Rules of this file: as `retention.texts`: pure; each date with what it means, local time with offset and zone, and UTC; each
message with its policy, the command to run, and its key. Source: retention-domain §5 (texts, weekly test); decisions 0076, 0077.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from retention.notify import Message
from retention.personal import MEANINGS
from retention.texts import shown, span
from retention.tracked import DIGEST, counted, one_line

OF_COPIES = frozenset({"keep_until", "lock_ends"})
"""Marks of our own copies (`retention.disposal.notices`), not of what the tenant holds."""
SHOWN = 50
"""So many items stand in one digest."""


@dataclass(frozen=True, slots=True)
class Around:
    """What such a message needs to know besides its row. policy: id and SHA-256."""

    now: datetime
    tenant: str
    zone: ZoneInfo
    config: str
    policy: tuple[str, str]
    notes: Sequence[str] = ()
    is_rehearsal: bool = False


def compose_side(row: Mapping[str, Any], around: Around) -> Message:
    """The message of a delivery."""
    (key,) = row["keys"]
    severity = str(key["severity"])
    headline, body = _digest(row, around) if row["kind"] == DIGEST else _test(row)
    marks = "REHEARSAL: " if around.is_rehearsal else ""
    marks += "[possible repeat] " if row.get("possible_repeat") else ""
    label = severity.upper() if row["kind"] == DIGEST else "TEST"
    lines = [f"{headline}."]
    if around.is_rehearsal:
        lines.insert(0, "REHEARSAL: this tenant is invented.")
    if row.get("possible_repeat"):
        lines.append("This may be a repeat: it is not known whether the same message was delivered before.")
    lines += ["", *body, "", *(f"Note: {note}." for note in around.notes)]
    lines.append(f"Run: lastcopy status --config {shlex.quote(around.config)}")
    lines.append(f"Policy {around.policy[0]} ({around.policy[1][:12]}). Keys: {key['key']}")
    subject = f"{marks}[{label}] {around.tenant}: {headline}"
    urgent = severity == "critical"
    return Message(row["delivery"], subject, "\n".join(lines) + "\n", (str(key["key"]),), around.now, urgent)


def _digest(row: Mapping[str, Any], around: Around) -> tuple[str, list[str]]:
    items: list[dict[str, Any]] = sorted(row["items"], key=lambda item: str(item["at"]))
    number = int(row["number"])
    first = items[0]
    at = datetime.fromisoformat(first["at"])
    comma = "," if at <= around.now else ""
    what = f"{one_line(first['name'])}: {MEANINGS[first['mark']]}{comma} {_when(at, around.now)}"
    kind = "personal clock" if first["mark"] not in OF_COPIES else "date"
    headline = what if number == 1 else f"{counted(number, kind)}, the first: {what}"
    body = [
        f"- {one_line(item['name'])}: {MEANINGS[item['mark']]}: {shown(at, around.zone)}, {_when(at, around.now)}"
        f" ({item['severity']}) [{item['mark']}]"
        for item in items[:SHOWN]
        for at in (datetime.fromisoformat(item["at"]),)
    ]
    if number > min(len(items), SHOWN):
        body.append(f"- and {number - min(len(items), SHOWN):,} more: lastcopy status --json lists them.")
    if any(item["mark"] in OF_COPIES for item in items):
        body.append("Copies never go by themselves. Run: lastcopy keep; lastcopy dispose --dry-run")
    if any(item["mark"] not in OF_COPIES for item in items):
        body.append("What is not copied by then is lost, or cannot be read. Run: lastcopy export")
    return headline, body


def _test(row: Mapping[str, Any]) -> tuple[str, list[str]]:
    return (
        "this is only a test of this way of warning, nothing is due",
        [
            "Once a week each way of warning that had nothing to say is tried, so that it works on the day that counts.",
            f"It is the one that is called {one_line(str(row['recipient']))} in the configuration. Nothing has to be done.",
            "If these messages stop coming, find out why: run lastcopy sweep, and look at what it says.",
        ],
    )


def _when(at: datetime, now: datetime) -> str:
    if abs(at - now) < timedelta(minutes=1):
        return "now"
    return f"{span(now - at)} ago" if at <= now else f"in {span(at - now)}"
