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

EXAMPLES = f"""\
examples:
  lastcopy accept malware --by "Anna Berg" --reason "checked: two macro viruses in mail attachments, not wanted"
  lastcopy accept irm_protected --source onedrive/anna@contoso.com --by "Anna Berg" --reason "owner has a plain copy"
  lastcopy accept teams_chats planner forms --by "Anna Berg" --reason "not used here"

classes of content, for those that are not covered, or never can be (`lastcopy ready` says which):
{fill(" ".join(CLASSES), 110, initial_indent="  ", subsequent_indent="  ")}
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    what = "code of the exceptions, as `export` shows it, or a class of content; several may be given"
    parser.add_argument("code", metavar="CODE", nargs="+", help=what)
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
    with opened_store(config, context.clock, holding=True) as store:
        made = accept_all(store, config, context.clock, codes=args.code, source=args.source, by=by, reason=reason)
    items = sum(number for row, number in made if not row.get("class"))
    rows = [row for row, _ in made]
    output.document({"accepted": rows if len(rows) > 1 else rows[0], "items": items, "exit": int(Exit.COMPLETE)})
    for row, number in made:
        _show(row, number, output)
    output.say("Next: lastcopy ready" if all(row.get("class") for row in rows) else "Next: lastcopy export")
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
            f"    It covers the {number:,} items that have this code now; what gets it later is open again.", "weak"
        )
    if wholes := row.get("wholes"):
        output.say(f"    It covers {_places(wholes)} as the last run showed it; what changes is open again.", "weak")


def _places(wholes: Collection[str]) -> str:
    return ", ".join(sorted(wholes)) if len(wholes) <= 3 else f"{len(wholes):,} sources"
