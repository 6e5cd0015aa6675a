"""`lastcopy timeline`. Rules of this file: parsing, calling and showing; no state is read. Source: design §6."""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from retention.cli.exit_codes import Exit
from retention.cli.options import Context, UsageError
from retention.events import CHANNELS, EVENT_TYPES, SEGMENTS, TERMS

EXAMPLES = """\
examples:
  lastcopy timeline --channel direct --event cancel=2026-03-01T10:15:00Z --time-zone Europe/Amsterdam
  lastcopy timeline --channel enterprise --term annual --event recurring_off=2026-04-01 --event term_end=2026-06-01
  lastcopy timeline --channel csp_nce --event term_end=2026-08-15 --now 2026-09-20T00:00:00Z --json
  lastcopy timeline --cases timeline-cases.json --json

  --now TIME computes it as if it were then.

A TIME is an instant with its offset, a date, A..B for a range, or a wall-clock time of --time-zone.
Neither a tenant nor a configuration is needed; retention.policy_files and time_zone of one that is there are used.

exit status: 0 computed, 2 the command line or a file is wrong, 3 no dates are told for this channel
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    parser.add_argument("--channel", metavar="C", choices=CHANNELS, help=f"how it was bought: {', '.join(CHANNELS)}")
    parser.add_argument("--term", choices=TERMS, help="of an enterprise subscription")
    parser.add_argument("--segment", choices=SEGMENTS, default="commercial", help="default: commercial")
    parser.add_argument(
        "--event", metavar="TYPE=TIME", action="append", default=[], help=f"repeatable: {', '.join(EVENT_TYPES)}"
    )
    parser.add_argument("--add-on", action="store_true", help="reduce_quantity is of an add-on, not of users' licences")
    parser.add_argument("--time-zone", metavar="ZONE", help="the tenant's, as in Europe/Amsterdam; default: unknown")
    parser.add_argument("--cases", metavar="FILE", help="answer a case file: {id: what is expected, computed}")


def run(context: Context) -> int:
    """Compute one timeline, or answer a case file."""
    from retention.policy_choice import policy_of

    args = context.args
    if args.cases is not None and (args.event or args.channel):
        raise UsageError("--cases is given with --channel or --event", "Give the one or the other.")
    if args.cases is None and args.channel is None:
        raise UsageError("--channel is missing", f"Say how it was bought: {', '.join(CHANNELS)}.")
    chosen = policy_of(context.config_file, named=context.config_named)
    if args.cases is not None:
        return _cases(context, chosen.policy)
    return _one(context, chosen.policy, args.time_zone or chosen.time_zone)


def _one(context: Context, policy: Any, zone: str | None) -> int:
    from retention.events import Event, EventError, read_time
    from retention.timeline import Purchase, draw
    from retention.timeline_shown import document, headline, remarks, rows

    args, output, events = context.args, context.output, []
    for text in args.event:
        kind, equals, when = text.partition("=")
        if not equals or kind not in EVENT_TYPES:
            raise EventError(f"the event {text!r} cannot be read", f"Write TYPE=TIME; types: {', '.join(EVENT_TYPES)}.")
        events.append(Event(kind, *read_time(when, zone=zone, channel=args.channel), per_user=not args.add_on))
    now = _now(context, zone)
    timeline = draw(policy, Purchase(args.channel, args.term, args.segment, time_zone=zone), events)
    output.document(document(timeline, now))
    style, text = headline(timeline, now)
    output.mark(style, text)
    lines = [(row.boundary, row.local, row.utc, row.distance, row.basis) for row in rows(timeline, now)]
    output.table(("boundary", zone or "zone unknown", "UTC", "when", "basis"), lines)
    for style, text in remarks(timeline, now):
        output.say(text, style)
    output.say(f"Policy {policy.policy_id}, verified {policy.verified_on}", "weak")
    _warn_of_age(context, policy)
    return Exit.PARTIAL if timeline.refused is not None else Exit.COMPLETE


def _cases(context: Context, policy: Any) -> int:
    from retention.timeline_cases import answers

    output, file = context.output, Path(context.args.cases)
    try:
        given = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"the case file {file} cannot be read ({error.strerror})", "Name another with --cases."
        ) from None
    except ValueError:
        raise UsageError(
            f"the case file {file} is no JSON", "Correct it; data/retention/README.md has the format."
        ) from None
    found = answers(policy, given)
    output.document(found)
    lines = []
    for name, one in found.items():
        boundaries = one.get("boundaries") or {}
        lines.append((name, one.get("state_at_now"), boundaries.get("at_risk_from"), ", ".join(one["flags"])))
    output.table(("case", "state", "at_risk_from", "flags"), lines)
    return Exit.COMPLETE


def _now(context: Context, zone: str | None) -> datetime:
    """The moment of --now, or the clock's; a date is its first moment."""
    from retention.events import EventError, read_time, zone_of

    text = context.args.now
    if text is None:
        return context.clock.now()
    if ".." in text:
        raise EventError(f"--now {text} is a range", "Give one instant.")
    when = read_time(text, zone=zone or "UTC")
    if when.day is not None:
        return datetime(when.day.year, when.day.month, when.day.day, tzinfo=zone_of(zone) or UTC).astimezone(UTC)
    return when.earliest


def _warn_of_age(context: Context, policy: Any) -> None:
    if policy.too_old(context.clock.now()):
        context.output.note(
            f"The policy was last verified on {policy.verified_on}: Microsoft may have changed its rules since."
        )
