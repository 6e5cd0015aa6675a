"""`lastcopy check`. Rules of this file: parsing, calling and showing. Source: design §6."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from exporters.bag.formats import JsonObject
from retention.checks import run_checks, verdict
from retention.cli.exit_codes import Exit
from retention.cli.options import Context, UsageError

if TYPE_CHECKING:
    from retention.preflight.recorded import Preflight

EXAMPLES = """\
examples:
  lastcopy check
  lastcopy check --json --config /etc/lastcopy/contoso.yaml
  lastcopy check --cancel                          # may I cancel? sends a test message through each channel
  lastcopy check --cancel --no-messages --runbook ./runbook

exit status: 0 it can work (lines with ! are advice), 1 the tenant or the store refuses, 2 the configuration is wrong,
3 the clock is wrong; with --cancel also: something stands in the way of cancelling, or could not be looked at
"""
_MARKS = {"block": "bad", "not_checked": "doubtful", "warn": "doubtful", "notice": "doubtful", "pass": "good"}
_HEADINGS = {
    "block": "Stands in the way",
    "not_checked": "Not checked",
    "warn": "Warnings",
    "notice": "Notices",
    "pass": "Passed",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    parser.add_argument("--cancel", action="store_true", help="look also at what stands in the way of cancelling")
    parser.add_argument("--subscription", metavar="ID", help="with --cancel: which one is to be cancelled")
    parser.add_argument("--no-messages", action="store_true", help="with --cancel: send no test messages")
    parser.add_argument("--runbook", metavar="DIR", help="with --cancel: write runbook.md and runbook.html there")


def run(context: Context) -> int:
    """Check everything, and show each line as it comes."""
    args, config = context.args, context.config()
    if not args.cancel and (args.subscription or args.no_messages or args.runbook):
        raise UsageError(
            "--subscription, --no-messages and --runbook go with --cancel", "Add --cancel, or leave them out."
        )
    checks = []
    for check in run_checks(config, context.clock, without_store=args.cancel and config.settings.store is None):
        checks.append(check)
        context.output.mark(check.mark, f"{check.name}: {check.message}")
        if check.action and check.mark != "good":
            context.output.say(f"    {check.action}", "weak")
    status = verdict(checks)
    document: JsonObject = {"checks": [check.as_json() for check in checks]}
    if not args.cancel:
        context.output.document({**document, "exit": int(status)})
        following = "Next: lastcopy export" if status == 0 else "Put right what is marked with ✗, and check again."
        context.output.say(following)
        return status
    preflight, told = _cancelling(context)
    status = status if status != Exit.COMPLETE else Exit.PARTIAL if preflight.open else Exit.COMPLETE
    context.output.document({**document, **told, "exit": int(status)})
    return status


def _cancelling(context: Context) -> "tuple[Preflight, JsonObject]":
    """The second half of `check --cancel`; what it adds to the document."""
    from retention.preflight.checking import check_cancelling

    args, config = context.args, context.config()
    preflight, facts, attested = check_cancelling(
        config, context.clock, subscription=args.subscription, send=not args.no_messages
    )
    files: list[str] = []
    if args.runbook:
        from retention.preflight.runbook.writing import write_runbook

        files = [str(path) for path in write_runbook(config, preflight, facts, attested, Path(args.runbook))]
    _show(context, preflight)
    for file in files:
        context.output.say(f"Runbook: {file}")
    row = preflight.as_row()
    return preflight, {
        "preflight": {name: value for name, value in row.items() if name != "type"},
        **({"runbook": files} if files else {}),
    }


def _show(context: Context, preflight: "Preflight") -> None:
    """The findings, what is worst first, with what to do."""
    output = context.output
    for result, heading in _HEADINGS.items():
        found = [finding for finding in preflight.findings if finding.result == result]
        if not found:
            continue
        output.say()
        output.say(f"{heading} ({len(found)})", "strong")
        for one in found:
            by = f" [accepted by {one.overridden_by}]" if one.overridden_by else ""
            output.mark(_MARKS[result], f"{one.id} {one.message}{by}")
            if one.action and result != "pass":
                output.say(f"    {one.action}", "weak")
    output.say()
    if preflight.open:
        output.say(f"Do not cancel yet: {len(preflight.open)} open ({', '.join(one.id for one in preflight.open)}).")
    else:
        output.say("Nothing known stands in the way of cancelling. Next: lastcopy ready")
