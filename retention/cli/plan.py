"""`lastcopy plan`. Rules of this file: parsing, calling and showing. Source: design §6, retention-domain §7."""

import argparse
import math
import threading
from typing import TYPE_CHECKING

from retention.cli.exit_codes import Exit
from retention.cli.options import Context, add_source_option
from retention.cli.output import Output, size_text

if TYPE_CHECKING:
    from datetime import datetime

    from retention.planning.document import Plan
    from retention.planning.quantities import Sum

EXAMPLES = """\
examples:
  lastcopy plan                                how much there is, how long it takes, when to begin
  lastcopy plan --subscription 4c2f…           with the deadlines of this one alone
  lastcopy plan --source mail/anna@contoso.com
  lastcopy plan --now 2026-06-01               as if it were then; nothing is written down

exit status: 0 it fits, or no clock runs; 3 it does not fit before a deadline
"""
SHOWN = 10
"""So many places of the order, and sources that could not be asked, are shown; --json has more."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    add_source_option(parser, "plan for this source alone (kind/NAME); may be repeated")
    parser.add_argument(
        "--subscription", metavar="ID", action="append", default=[], help="deadlines of this one; may be repeated"
    )


def run(context: Context) -> int:
    """Ask, reckon, show; 3 if it does not fit."""
    from retention.cli.export import ExportMeter, stopping
    from retention.cli.progress import MeterObserver, show_progress
    from retention.planning.plan import make_plan, write_down

    args, output, config, clock = context.args, context.output, context.config(), context.clock
    context.take_now(config, only_rehearsed=False)
    stop = threading.Event()
    with stopping(stop, output, "plan"), ExportMeter(clock, show=show_progress(output)) as meter:
        plan = make_plan(
            config,
            clock,
            context.clock.now(),
            sources=args.source,
            subscriptions=args.subscription,
            progress=meter,
            observer=MeterObserver(meter),
            stop=stop,
        )
    if args.now is None and not args.source:
        write_down(config, clock, plan)
    output.document(plan.as_json())
    _show(plan, output)
    return int(Exit.PARTIAL if plan.fits is False else Exit.COMPLETE)


def _show(plan: "Plan", output: Output) -> None:
    rows = [
        (kind, total.sources, _number(total.items), _size(total.bytes), total.left_items, size_text(total.left_bytes))
        for kind, total in plan.totals.items()
    ]
    output.table(("kind", "sources", "items", "size", "left to copy", "left"), rows)
    output.say("  ~ estimated, ≥ at least: some of it is not known. Sources of the numbers: --json", "weak")
    for line in plan.unknown:
        output.mark("doubtful", f"Not in these numbers: {line}.")
    if plan.better:
        output.mark("doubtful", plan.better)
    output.say()
    _show_duration(plan, output)
    _show_deadlines(plan, output)
    _show_order(plan, output)
    _show_not_covered(plan, output)
    output.say("Next: lastcopy export" if any(t.left_items for t in plan.totals.values()) else "Next: lastcopy verify")


def _show_duration(plan: "Plan", output: Output) -> None:
    span = plan.span
    output.say(
        f"It takes {_long(span.expected.seconds)}, between {_long(span.low_seconds)} and {_long(span.high_seconds)}; bound by:"
        f" {span.expected.binding.says}.",
        "strong",
    )
    reserve = "2 days" if plan.planned_seconds else "nothing"
    output.say(
        f"Plan with {_long(plan.planned_seconds)}: {plan.safety:g} times as long, and {reserve} for the closing run, verification"
        " and a test restore."
    )
    for cut in plan.cuts:
        saved = plan.planned_seconds - cut.planned_seconds
        fit = {True: "; then it fits", False: "; it does not fit then either", None: ""}[cut.fits]
        output.say(f"  {_long(saved)} less, {_long(cut.planned_seconds)} in all: {cut.says}{fit}")


def _show_deadlines(plan: "Plan", output: Output) -> None:
    for due in plan.dues:
        where = f"{due.name}: {due.boundary} {_instant(due.at)}"
        if due.is_past:
            output.mark("doubtful", f"{where} is past.")
        elif due.fits is False:
            late = _long((plan.now - due.start_by).total_seconds())
            output.mark("bad", f"{where}: {late} too late; the latest safe start was {_instant(due.start_by)}.")
        else:
            sure = "" if due.fits else " (of what is known)"
            output.mark("good" if due.fits else "doubtful", f"{where}: start by {_instant(due.start_by)}{sure}.")
    if plan.fits is False:
        output.mark("bad", _advice(plan))
    if not plan.has_clock:
        output.mark("good", f"Begun now, do not cancel before {_instant(plan.earliest_safe_cancellation)}.")


def _advice(plan: "Plan") -> str:
    """What to do where the window is too short."""
    helping = next((cut for cut in plan.cuts if cut.fits is not False), None)
    first = f"It does not fit. Begin at once; {helping.says}." if helping else "It does not fit. Begin at once."
    if plan.fits_bare is not False:
        first += (
            " The copy itself may still be ready in time; what is missing is time to prove it, and for what goes wrong."
        )
    return (
        f"{first} What cannot be cut needs time: keep or reactivate the subscription until the copy is done, or name what"
        " matters most in `sources`."
    )


def _show_order(plan: "Plan", output: Output) -> None:
    if not plan.order:
        return
    output.say()
    output.say("In this order:", "strong")
    rows = [(n, place.label, _long(place.seconds), place.reason) for n, place in enumerate(plan.order[:SHOWN], 1)]
    output.table(("", "source", "takes", "because"), rows)
    rest = len(plan.order) + plan.others - len(rows)
    if rest:
        output.say(f"  and {rest:,} more, smaller or of equal rank")


def _show_not_covered(plan: "Plan", output: Output) -> None:
    output.say()
    for row in plan.not_covered:
        output.mark("doubtful", f"{row['class']}: {row['state']}. {row['reason']}")
        output.say(f"    {row['alternative']}", "weak")
    for one in plan.unasked[:SHOWN]:
        output.mark("bad", f"{one.label}: {one.reason}")
        if one.action:
            output.say(f"    {one.action}", "weak")
    rest = len(plan.unasked) - SHOWN + plan.unasked_others
    if rest > 0:
        output.mark("bad", f"{rest:,} more sources could not be asked; --json names {len(plan.unasked):,}.")


def _number(found: "Sum") -> str:
    return _marked(found, None if found.shown is None else f"{found.shown:,}")


def _size(found: "Sum") -> str:
    return _marked(found, None if found.shown is None else size_text(found.shown))


def _marked(found: "Sum", text: str | None) -> str:
    if text is None:
        return "not known"
    return f"≥ {text}" if found.unknown else f"~ {text}" if found.certainty == "estimated" else text


def _instant(at: "datetime") -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _long(seconds: float) -> str:
    """4 d 05 h, 3 h 20 min, 12 min, 68 s."""
    if seconds < 120:
        return f"{math.ceil(seconds)} s"
    if seconds < 2 * 3600:
        return f"{round(seconds / 60)} min"
    if seconds < 48 * 3600:
        minutes = round(seconds / 60)
        return f"{minutes // 60} h {minutes % 60:02} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24:02} h"
