"""`lastcopy track`. Rules of this file: parsing, calling and showing. Source: design §6."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from retention.cli.exit_codes import Exit
from retention.cli.options import Context, UsageError

if TYPE_CHECKING:
    from retention.tracking import Tracked

EXAMPLES = """\
examples:
  lastcopy track
  lastcopy track --state 860697e3-b0aa-4196-a6c6-7ec361ed58f7 --channel direct --event cancel=2026-03-01T11:15:00+01:00
  lastcopy track --state SUBSCRIPTION --event reactivate=2026-04-02
  lastcopy track --state anna@contoso.com --event licence_removed=2026-03-01
  lastcopy track --state "case 7" --event export_package=2026-03-01T10:15:00Z
  lastcopy track --from subscriptions.jsonl

Without --state and --from it asks the tenant (/directory/subscriptions, /subscribedSkus). TIME is an instant with its offset,
a date, A..B, or wall time in the tenant's zone. The same event stated again corrects its date; everyone who was warned is told.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.add_argument("--state", metavar="ID", help="state something of this subscription")
    parser.add_argument("--name", metavar="NAME", help="with --state: what it is called")
    parser.add_argument(
        "--channel", metavar="C", help="with --state: how it was bought (direct, enterprise, csp_nce, trial, …)"
    )
    parser.add_argument("--term", metavar="T", help="with --state, of enterprise: monthly, annual, multi_year")
    parser.add_argument("--segment", metavar="S", help="with --state: commercial, education, nonprofit, gcc, dod")
    parser.add_argument("--time-zone", metavar="ZONE", help="with --state: the zone of wall times and dates")
    parser.add_argument(
        "--event",
        metavar="TYPE=TIME",
        action="append",
        default=[],
        help="with --state: what happened, and when; may be repeated",
    )
    parser.add_argument("--by", metavar="NAME", help="with --state: who says so")
    parser.add_argument(
        "--from",
        dest="file",
        metavar="FILE",
        help="state many: JSON lines: id, name, channel, term, events, sources",
    )


def run(context: Context) -> int:
    """Observe the tenant, or write down what is stated."""
    from retention.tracking import observe_tenant, state_file, state_one

    args, config = context.args, context.config()
    stated = {
        name: getattr(args, name) for name in ("name", "channel", "term", "segment", "time_zone") if getattr(args, name)
    }
    if args.state is None and (stated or args.event or args.by):
        raise UsageError("--event, --channel and the like need --state ID", "Name the subscription with --state.")
    if args.file is not None and args.state is not None:
        raise UsageError("--from and --state exclude each other", "Give one of them.")
    context.take_now(config, only_rehearsed=True)
    if args.file is not None:
        found = state_file(config, context.clock, Path(args.file))
    elif args.state is not None:
        found = state_one(config, context.clock, args.state, stated, args.event, args.by)
    else:
        found = observe_tenant(config, context.clock)
    _show(context, found)
    return int(Exit.COMPLETE)


def _show(context: Context, found: "Tracked") -> None:
    from retention.tracked import counted

    output = context.output
    for note in found.notes:
        output.note(note)
    output.document(found.as_json())
    if found.stated > len(found.shown):
        output.mark(
            "good", f"{counted(found.stated, 'subscription')} with {counted(found.sources, 'source')} tracked now"
        )
        return
    if found.things:
        output.mark(
            "good", f"what happened to {counted(found.things, 'thing')} is known now; a digest a day warns of it"
        )
    for one in found.shown:
        style = "bad" if one["state"] in {"Deleted", None} else "doubtful" if one["boundaries"] else "good"
        output.mark(style, f"{one['name']}: {one['state'] or 'refused'}")
        for difference in one["differences"]:
            output.say(f"    {difference}")
    output.say("Next: lastcopy status")
