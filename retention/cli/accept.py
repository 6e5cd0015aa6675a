"""`lastcopy accept`. Rules of this file: parsing, calling and showing. Source: design §6."""

import argparse
from collections.abc import Collection
from textwrap import fill

from exporters.bag.formats import JsonObject
from exporters.errors import ConfigurationError
from retention.accepting import accept_all
from retention.classes import CLASSES, title_of
from retention.cli.exit_codes import Exit
from retention.cli.options import Context
from retention.cli.output import Output
from retention.opening import opened_store
from retention.tracked import counted

EXAMPLES = f"""\
examples:
  lastcopy accept malware --by "Anna Berg" --reason "checked: two macro viruses in mail attachments, not wanted"
  lastcopy accept irm_protected --source onedrive/anna@contoso.com --by "Anna Berg" --reason "owner has a plain copy"
  lastcopy accept teams_chats planner forms --by "Anna Berg" --reason "not used here"
  lastcopy accept PF-11 --by "Anna Berg" --reason "the rooms go with the tenant"

classes of content, for those that are not covered, or never can be (`lastcopy ready` says which):
{fill(" ".join(CLASSES), 110, initial_indent="  ", subsequent_indent="  ")}
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    parser.add_argument(
        "code",
        metavar="CODE|PF-nn",
        nargs="+",
        help="code of the exceptions, as `export` shows it; a class of content; or a finding of `check --cancel`",
    )
    parser.add_argument("--source", metavar="S", help="only for this source (kind/NAME, or its id); default: all")
    parser.add_argument("--by", metavar="NAME", required=True, help="who accepts: a person's name, for the record")
    parser.add_argument("--reason", metavar="TEXT", required=True, help="why, for the record")


def run(context: Context) -> int:
    """Write the acceptance into the journal."""
    args, output, config = context.args, context.output, context.config()
    by, reason = args.by.strip(), args.reason.strip()
    if not by or not reason:
        raise ConfigurationError(
            "--by or --reason is empty", code="usage", action="Give a name and a reason: they go on record."
        )
    if any(code.upper().startswith("PF-") for code in args.code):
        return _accept_findings(context, by, reason)
    with opened_store(config, context.clock, holding=True) as store:
        made = accept_all(store, config, context.clock, codes=args.code, source=args.source, by=by, reason=reason)
    items = sum(number for row, number in made if not row.get("class"))
    rows = [row for row, _ in made]
    output.document({"accepted": rows if len(rows) > 1 else rows[0], "items": items, "exit": int(Exit.COMPLETE)})
    for row, number in made:
        _show(row, number, output)
    output.say("Next: lastcopy ready" if all(row.get("class") for row in rows) else "Next: lastcopy export")
    return Exit.COMPLETE


def _accept_findings(context: Context, by: str, reason: str) -> int:
    from retention.preflight.accepting import accept_finding

    args, output = context.args, context.output
    if args.source or not all(code.upper().startswith("PF-") for code in args.code):
        message = "--source is not for PF-nn" if args.source else "PF-nn and other codes do not go together"
        raise ConfigurationError(message, code="usage", action="Leave it out." if args.source else "Give two commands.")
    made = [accept_finding(context.config(), context.clock, code, by=by, reason=reason) for code in args.code]
    rows, findings = [row for row, _ in made], [finding.as_json() for _, finding in made]
    one = {"accepted": rows[0], "finding": findings[0]}
    output.document(
        {**(one if len(made) == 1 else {"accepted": rows, "finding": findings}), "exit": int(Exit.COMPLETE)}
    )
    for row, finding in made:
        output.mark("good", f"Accepted by {row['by']}: {finding.id}. It stands in the journal.")
        output.say(f"    It covers this finding: {finding.message}. When it changes, it is open again.", "weak")
    return Exit.COMPLETE


def _show(row: JsonObject, number: int, output: Output) -> None:
    where = row.get("source", "all sources")
    output.mark("good", f"Accepted by {row['by']}: {row['code']} for {where}. It stands in the journal of the store.")
    if row.get("class"):
        told = f"as it is now at {number:,} sources; another state, or another source, is open again" if number else ""
        output.say(f"    {title_of(row['code'])}: not covered{', ' if told else ''}{told}.", "weak")
        return
    if number:
        output.say(
            f"    It covers all with this code now ({counted(number, 'item')}); what gets it later is open again.",
            "weak",
        )
    if wholes := row.get("wholes"):
        output.say(f"    It covers {_places(wholes)} as the last run showed it; what changes is open again.", "weak")


def _places(wholes: Collection[str]) -> str:
    return ", ".join(sorted(wholes)) if len(wholes) <= 3 else f"{len(wholes):,} sources"
