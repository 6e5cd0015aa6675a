"""`lastcopy check`. Rules of this file: parsing, calling and showing. Source: design §6."""

import argparse

from retention.checks import run_checks, verdict
from retention.cli.options import Context

EXAMPLES = """\
examples:
  lastcopy check
  lastcopy check --json --config /etc/lastcopy/contoso.yaml

exit status: 0 it can work (lines with ! are advice), 1 the tenant or the store refuses, 2 the configuration is wrong,
3 the clock is wrong
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """This verb has no options of its own."""
    del parser


def run(context: Context) -> int:
    """Check everything, and show each line as it comes."""
    checks = []
    for check in run_checks(context.config(), context.clock):
        checks.append(check)
        context.output.mark(check.mark, f"{check.name}: {check.message}")
        if check.action and check.mark != "good":
            context.output.say(f"    {check.action}", "weak")
    status = verdict(checks)
    context.output.document({"checks": [check.as_json() for check in checks], "exit": int(status)})
    context.output.say("Next: lastcopy export" if status == 0 else "Put right what is marked with ✗, and check again.")
    return status
