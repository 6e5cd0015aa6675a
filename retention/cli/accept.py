"""`lastcopy accept`. Rules of this file: parsing, calling and showing. Source: design §6."""

import argparse
from collections.abc import Collection

from exporters.errors import ConfigurationError
from retention.accepting import accept
from retention.cli.exit_codes import Exit
from retention.cli.options import Context
from retention.opening import opened_store

EXAMPLES = """\
examples:
  lastcopy accept malware --by "Anna Berg" --reason "checked: two macro viruses in mail attachments, not wanted"
  lastcopy accept irm_protected --source onedrive/anna@contoso.com --by "Anna Berg" --reason "owner has a plain copy"
  lastcopy accept PF-11 --by "Anna Berg" --reason "the rooms go with the tenant"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    parser.add_argument(
        "code",
        metavar="CODE|PF-nn",
        help="code of the exceptions, as `export` shows it; or a finding of `check --cancel`",
    )
    parser.add_argument("--source", metavar="S", help="only for this source (kind/NAME, or its id); default: all")
    parser.add_argument("--by", metavar="NAME", required=True, help="who accepts: a person's name, for the record")
    parser.add_argument("--reason", metavar="TEXT", required=True, help="why, for the record")


def run(context: Context) -> int:
    """Write the acceptance into the journal."""
    args, output, config = context.args, context.output, context.config()
    if not args.by.strip() or not args.reason.strip():
        raise ConfigurationError(
            "--by or --reason is empty", code="usage", action="Give a name and a reason: they go on record."
        )
    if args.code.upper().startswith("PF-"):
        return _accept_finding(context)
    with opened_store(config, context.clock, holding=True) as store:
        row, items = accept(
            store, context.clock, code=args.code, source=args.source, by=args.by.strip(), reason=args.reason.strip()
        )
    output.document({"accepted": row, "items": items, "exit": int(Exit.COMPLETE)})
    where = row.get("source", "all sources")
    output.mark("good", f"Accepted by {row['by']}: {row['code']} for {where}. It stands in the journal of the store.")
    if items:
        output.say(
            f"    It covers the {items:,} items that have this code now; what gets it later is open again.", "weak"
        )
    if wholes := row.get("wholes"):
        output.say(f"    It covers {_places(wholes)} as the last run showed it; what changes is open again.", "weak")
    output.say("Next: lastcopy export")
    return Exit.COMPLETE


def _accept_finding(context: Context) -> int:
    from retention.preflight.accepting import accept_finding

    args, output = context.args, context.output
    if args.source:
        raise ConfigurationError("--source is not for PF-nn", code="usage", action="Leave it out.")
    row, finding = accept_finding(
        context.config(), context.clock, args.code, by=args.by.strip(), reason=args.reason.strip()
    )
    output.document({"accepted": row, "finding": finding.as_json(), "exit": int(Exit.COMPLETE)})
    output.mark("good", f"Accepted by {row['by']}: {finding.id}. It stands in the journal.")
    output.say(f"    It covers this finding: {finding.message}. When it changes, it is open again.", "weak")
    return Exit.COMPLETE


def _places(wholes: Collection[str]) -> str:
    return ", ".join(sorted(wholes)) if len(wholes) <= 3 else f"{len(wholes):,} sources"
