"""`lastcopy sweep`. Rules of this file: parsing, calling and showing. Source: design §6."""

import argparse
from typing import TYPE_CHECKING

from retention.cli.options import Context

if TYPE_CHECKING:
    from retention.sweep import SweepResult

EXAMPLES = """\
examples:
  lastcopy sweep                  (hourly, from cron, a systemd timer or a Kubernetes CronJob)
  lastcopy sweep --dry-run        what would be sent now
  lastcopy sweep --offline        without asking the tenant first

It can be run at any time, and by several machines at once: each warning is sent once. Ends with 3 if one could not be delivered.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.add_argument("--dry-run", action="store_true", help="show what is due; send and record nothing")
    parser.add_argument("--offline", action="store_true", help="do not ask the tenant first")


def run(context: Context) -> int:
    """One pass."""
    from retention.sweeping import sweep

    args, config = context.args, context.config()
    context.take_now(config, only_rehearsed=not args.dry_run)
    result = sweep(config, context.clock, dry_run=args.dry_run, offline=args.offline)
    context.standing = result.standing
    show(context, result, dry_run=args.dry_run)
    return int(result.exit)


def show(context: Context, result: "SweepResult", *, dry_run: bool) -> None:
    """What a sweep came to."""
    output = context.output
    for note in result.notes:
        output.note(f"! {note}")
    output.document(result.as_json())
    waiting = {entry["key"] for entry in result.suppressed}
    if dry_run:
        for entry in result.due:
            if entry["key"] not in waiting:
                output.mark("doubtful", f"would be sent: {_line(entry)}")
    for entry in result.sent:
        output.mark("good", f"sent: {_line(entry)}")
    for entry in result.failed:
        output.mark("bad", f"not delivered: {_line(entry)}: {entry['reason']}")
    for entry in result.suppressed:
        if entry["reason"] != "superseded":
            output.say(f"  not sent ({entry['reason']}): {_line(entry)}", "weak")
    if not (result.sent or result.failed or dry_run):
        output.mark("good", "nothing to send")
    if result.next_due is not None:
        name, when = result.next_due
        output.say(f"  next to be looked at: {name}, from {when:%Y-%m-%d %H:%M} UTC", "weak")


def _line(entry: dict[str, object]) -> str:
    if entry["boundary"] is None:
        return f"{entry['subscription']}: its dates cannot be reckoned"
    days = entry["threshold_days"]
    threshold = f"{days} d" if isinstance(days, int) else str(days)
    step = f", step {entry['step']}" if entry.get("step") else ""
    about = f"{entry['subscription']}: " if entry["subscription"] else ""
    return f"{about}{entry['boundary']} {threshold} ({entry['severity']}{step}) to {entry['recipient']}"
