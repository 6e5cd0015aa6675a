"""`lastcopy attest`. Rules of this file: parsing, calling and showing. Source: design §6; retention-domain §3."""

import argparse

from exporters.errors import ConfigurationError
from retention.cli.exit_codes import Exit
from retention.cli.options import Context

EXAMPLES = """\
examples:
  lastcopy attest --list
  lastcopy attest PF-05 --by "Anna Berg" --value channel=direct --value agreement=mca --text "invoice of 2026-11-01"
  lastcopy attest PF-06 --by "Anna Berg" --value start=2026-11-01
  lastcopy attest PF-21 --by "Anna Berg" --value holds=none --text "Purview, Exchange admin center: none"

It goes on record with the name that is given and with the user of this machine, and into the evidence.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    parser.add_argument("item", metavar="PF-nn", nargs="?", help="the item, as `check --cancel` shows it")
    parser.add_argument("--list", action="store_true", help="show what can be attested, and with which values")
    parser.add_argument("--by", metavar="NAME", help="who attests: a person's name, for the record")
    parser.add_argument("--text", metavar="TEXT", default="", help="in which words: what was looked at, and found")
    parser.add_argument("--value", metavar="KEY=VALUE", action="append", default=[], help="may be repeated; see --list")


def run(context: Context) -> int:
    """Write the attestation into the journal."""
    args, output = context.args, context.output
    if args.list:
        return _list(context)
    if not args.item or not (args.by or "").strip():
        raise ConfigurationError(
            "the item or --by is missing", code="usage", action="Name an item (see --list), and who says it: --by NAME."
        )
    from retention.preflight.accepting import attest

    row, seen = attest(
        context.config(), context.clock, args.item, by=args.by.strip(), text=args.text.strip(), values=args.value
    )
    finding = seen.of(row["item"]) if seen is not None else None
    open_ = [one.id for one in seen.open] if seen is not None else []
    document = {"attested": row, "finding": finding.as_json() if finding else None, "open": open_}
    output.document({**document, "exit": int(Exit.COMPLETE)})
    output.mark("good", f"{row['item']}: attested by {row['by']}. It stands in the journal.")
    if finding is not None:
        output.say(f"    {finding.result}: {finding.message}", "weak")
    if seen is None:
        output.say("Next: lastcopy check --cancel")
    elif open_:
        output.say(f"Still open: {', '.join(open_)}")
    return Exit.COMPLETE


def _list(context: Context) -> int:
    from retention.preflight.items import ATTESTED_FOR, ITEMS

    rows = [item for item in ITEMS.values() if item.can_be_attested]
    context.output.document(
        {
            "items": [
                {
                    "id": item.id,
                    "title": item.title,
                    "how": item.how,
                    "values": {value.name: value.allowed for value in item.values},
                    "needed": [value.name for value in item.values if value.needed],
                    "days": ATTESTED_FOR.days if item.ages else None,
                }
                for item in rows
            ],
            "exit": int(Exit.COMPLETE),
        }
    )
    table = [
        (
            item.id,
            item.title,
            "always" if item.how == "stated" else "if not checked" if item.how != "own" else "if in doubt",
            f"{ATTESTED_FOR.days} days" if item.ages else "for good",
            ", ".join(f"{value.name}={value.allowed}{'' if value.needed else ' (optional)'}" for value in item.values)
            or "-",
        )
        for item in rows
    ]
    context.output.table(("item", "what", "attested", "counts for", "values"), table)
    return Exit.COMPLETE
