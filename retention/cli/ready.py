"""`lastcopy ready`. Rules of this file: parsing, calling and showing. Source: design §6."""

import argparse
import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from exporters.results import COVERED
from retention.classes import title_of
from retention.cli.options import Context
from retention.cli.output import Output
from retention.cli.progress import Meter, show_progress
from retention.covering import Summed, summed
from retention.opening import configured_store, require_copy
from retention.readiness.gate import Readiness, ask
from retention.readiness.reasons import BY, Reason
from retention.tracked import counted

EXAMPLES = """\
examples:
  lastcopy ready                           yes, or every reason why not; needs no tenant
  lastcopy ready --json                    {"ready": false, "reasons": [{"code", "severity", "message", "action"}]}

exit status: 0 yes, 3 no. Work off the reasons from the top: each names the command that mends it.
"""
SHOWN = 3
_SOURCE = re.compile(r" --source .+?(?= --by |$)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """This verb has no options of its own."""


def run(context: Context) -> int:
    """May I cancel? 0 yes, 3 no."""
    output, config = context.output, context.config()
    store = configured_store(config, context.clock)
    try:
        require_copy(store, config)
        with Meter(context.clock, show=show_progress(output)) as meter:
            found = ask(config, store, context.clock, progress=lambda bags: meter.passed(bags, 0))
    finally:
        store.close()
    output.document(found.as_json())
    show(found, output)
    return int(found.exit)


def show(found: Readiness, output: Output) -> None:
    """The answer for people: yes or no first."""
    blocks = [reason for reason in found.reasons if reason.severity == "block"]
    rehearsal = "REHEARSAL: " if any(reason.code == "rehearsal" for reason in found.reasons) else ""
    if found.ready:
        output.mark(
            "good", f"{rehearsal}Yes: all that was asked is copied, read back and accounted for. You may cancel."
        )
    else:
        output.mark(
            "bad", f"{rehearsal}No: do not cancel yet. {counted(len(blocks), 'reason')}, what is mended first on top:"
        )
    for lines, commands, severity in grouped(found.reasons):
        style = "bad" if severity == "block" else "doubtful"
        for number, line in enumerate(lines):
            output.mark(style, line) if number == 0 else output.say(f"  {line}")
        for command in commands:
            output.say(f"    {command}", "strong")
    _show_coverage(summed(found.coverage), output)
    for note in found.notes:
        output.note(note)


def grouped(reasons: Sequence[Reason]) -> Iterator[tuple[list[str], list[str], str]]:
    """(sentences, commands, severity) of reasons that belong together, in their order."""
    for (code, severity), members in groupby(reasons, key=lambda reason: (reason.code, reason.severity)):
        if code == "class_not_accepted":
            some = list(members)
            names = " ".join(reason.subject for reason in some)
            yield [reason.message for reason in some], [f"lastcopy accept {names} {BY}"], severity
            continue
        if code == "rehearsal":
            continue
        for _, alike in groupby(sorted(members, key=lambda reason: reason.subject), key=lambda reason: reason.subject):
            yield (*_shortened(list(alike)), severity)


def _shortened(alike: Sequence[Reason]) -> tuple[list[str], list[str]]:
    """The first three sentences; every command, or one for all sources if they are many."""
    more = [f"… and {len(alike) - SHOWN:,} more: see --json"] if len(alike) > SHOWN else []
    commands = list(dict.fromkeys(reason.action for reason in alike if reason.action))
    if len(commands) > SHOWN:
        commands = list(dict.fromkeys(_SOURCE.sub("", command) for command in commands))
    return [reason.message for reason in alike[:SHOWN]] + more, commands


def _show_coverage(rows: Sequence[Summed], output: Output) -> None:
    if not rows:
        return
    output.say()
    cells = [[title_of(row.name), row.state, row.sources or "tenant", _accepted(row), _instead(row)] for row in rows]
    output.table(("class of content", "state", "sources", "accepted", "instead"), cells)


def _instead(row: Summed) -> str:
    return "" if row.state == COVERED else row.alternative[:60]


def _accepted(row: Summed) -> str:
    if not row.counted:  # covered; or what exceptions and findings make of it, which have codes of their own
        return "" if row.state == COVERED else "by code"
    return "no" if row.open else "yes"
