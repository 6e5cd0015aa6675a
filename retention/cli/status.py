"""`lastcopy status`. Rules of this file: parsing, calling and showing. Source: design §6."""

import argparse
import sys
from datetime import datetime
from typing import TYPE_CHECKING

from retention.cli.exit_codes import Exit
from retention.cli.options import Context, UsageError

if TYPE_CHECKING:
    from retention.status import Row, Status

EXAMPLES = """\
examples:
  lastcopy status
  lastcopy status --html > status.html
  lastcopy status --ics > deadlines.ics
  lastcopy status --now 2026-06-01        as it will be then, if nothing happens
"""
FULLY_SHOWN = 20
"""So many subscriptions are shown with their table; of more, the ones that press most, and the others as a line each."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.add_argument("--ics", action="store_true", help="a calendar file with alarms, on standard output")
    parser.add_argument("--html", action="store_true", help="one page that needs nothing else, on standard output")


def run(context: Context) -> int:
    """Show where everything stands."""
    from retention.status import status_of

    args, output = context.args, context.output
    if args.ics + args.html + output.as_json > 1:
        raise UsageError("--json, --ics and --html exclude each other", "Give one of them.")
    config = context.config()
    context.take_now(config, only_rehearsed=False)
    status = status_of(config, context.clock)
    if args.ics:
        from retention.ics import calendar_of

        sys.stdout.buffer.write(calendar_of(status))
    elif args.html:
        from retention.status_page import page_of

        sys.stdout.buffer.write(page_of(status).encode())
    else:
        output.document(status.as_json())
        _show(context, status)
    return int(Exit.COMPLETE)


def _show(context: Context, status: "Status") -> None:
    from retention.status_page import notes

    output = context.output
    if status.is_rehearsal:
        output.say("REHEARSAL: this tenant is invented", "doubtful")
    for note in notes(status):
        output.mark("bad", note)
    if not status.rows:
        output.say("No subscription is tracked yet. Run: lastcopy track")
        _show_personal(context, status)
        return
    for row in status.rows[:FULLY_SHOWN]:
        _show_one(context, row, status.now, status.zone)
    for row in status.rows[FULLY_SHOWN:]:
        output.say(_headline(row, status.now)[1])
    _show_personal(context, status)
    output.say(f"Policy {status.policy}", "weak")


def _show_personal(context: Context, status: "Status") -> None:
    from retention.status_page import personal_rows
    from retention.tracked import counted

    if not status.personal:
        return
    output = context.output
    output.mark(
        "doubtful", f"{counted(len(status.personal), 'personal clock')}: users, drives, files, groups, packages"
    )
    output.table(
        ("  of", "what", status.zone, "UTC", "when"), [(f"  {row[0]}", *row[1:]) for row in personal_rows(status)]
    )
    if len(status.personal) > FULLY_SHOWN:
        output.say(f"  and {len(status.personal) - FULLY_SHOWN:,} more: lastcopy status --json lists them")


def _headline(row: "Row", now: datetime) -> tuple[str, str]:
    from retention.timeline_shown import headline

    style, text = headline(row.timeline, now)
    return style, f"{row.subscription.name}: {text}"


def _show_one(context: Context, row: "Row", now: datetime, zone: str) -> None:
    from retention.status_page import missing_text
    from retention.timeline_shown import next_reminder, rows

    output = context.output
    style, text = _headline(row, now)
    output.mark(style, text)
    if row.timeline.boundaries:
        following = next_reminder(row.timeline, now)
        if following is not None:
            number = following.threshold_days
            days = (
                f"{number} day{'' if number == 1 else 's'} before {following.boundary}"
                if number
                else f"at {following.boundary}"
            )
            output.say(f"  next warning: {days}, {following.due:%Y-%m-%d %H:%M} UTC ({following.severity})")
        output.say(f"  {missing_text(row)}")
    for difference in row.differences:
        output.mark("doubtful", difference)
    if row.waiting:
        output.mark("doubtful", f"unacknowledged: {', '.join(row.waiting)} (lastcopy ack KEY --by NAME)")
    lines = [(f"  {one.boundary}", one.local, one.utc, one.distance, one.basis) for one in rows(row.timeline, now)]
    output.table(("  boundary", zone, "UTC", "when", "basis"), lines)
