"""`lastcopy keep`. Rules of this file: parsing, calling and showing. Source: design §4 (holds and keep-until), issue 10 (7)."""

import argparse

from exporters.clock import timestamp
from exporters.errors import ConfigurationError
from retention.cli.exit_codes import Exit
from retention.cli.options import Context, UsageError, add_source_option
from retention.cli.output import Output
from retention.disposal.keeping import Keeping
from retention.disposal.stating import Statement, bags_meant, end_of, state
from retention.journal import Journal
from retention.opening import opened_store

EXAMPLES = """\
examples:
  lastcopy keep                            what is kept until when, and what is held
  lastcopy keep --until 2033-12-31 --by "Anna Berg" --reason "tax law: seven years"
  lastcopy keep --hold case-2027-12 --source mail/anna@contoso.com --by "Anna Berg" --reason "lawsuit"
  lastcopy keep --lift case-2027-12 --source mail/anna@contoso.com --by "Anna Berg" --reason "settled"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    parser.add_argument("--until", metavar="TIME", help="keep until the end of this date, or this instant")
    parser.add_argument("--hold", metavar="NAME", help="lay a hold of this name: nothing under a hold is disposed of")
    parser.add_argument("--lift", metavar="NAME", help="lift a hold, where it was laid")
    add_source_option(parser, "of this source alone (kind/NAME); may be repeated; default: every bag, later ones too")
    parser.add_argument("--by", metavar="NAME", help="who says so: a person's name, for the record")
    parser.add_argument("--reason", metavar="TEXT", help="why, for the record")


def run(context: Context) -> int:
    """Write what was said into the journal, or show what stands there."""
    args, output, config = context.args, context.output, context.config()
    with opened_store(config, context.clock, holding=True) as store:
        if args.until is None and args.hold is None and args.lift is None:
            _show(Keeping.of(Journal(store, context.clock).rows()), output)
            return Exit.COMPLETE
        said = _statement(args, config.settings.retention.time_zone)
        rows = state(store, context.clock, bags_meant(store, args.source), said)
    output.document({"written": rows, "exit": int(Exit.COMPLETE)})
    for row in rows:
        output.mark("good", f"{row.get('bag', 'Every bag')}: {_told(row)}. It stands in the journal of the store.")
    return Exit.COMPLETE


def _statement(args: argparse.Namespace, zone: str) -> Statement:
    if not (args.by or "").strip() or not (args.reason or "").strip():
        raise ConfigurationError(
            "--by or --reason is missing", code="usage", action="Give a name and a reason: they go on record."
        )
    if any(name is not None and not name.strip() for name in (args.hold, args.lift)):
        raise UsageError("the name of a hold is empty", "Give it a name, such as a case number.")
    try:
        until = end_of(args.until, zone) if args.until is not None else None
    except ValueError as error:
        raise UsageError(
            f"--until {args.until!r} is no time ({error})", "Give 2033-12-31 or 2033-12-31T18:00:00+01:00."
        ) from error
    return Statement(args.by.strip(), args.reason.strip(), until, args.hold, args.lift)


def _told(row: dict[str, object]) -> str:
    if row["type"] == "keep_until":
        return f"kept until {row['until']}"
    return f"held: {row['name']}" if row["type"] == "held" else f"the hold {row['name']} is lifted"


def _show(keeping: Keeping, output: Output) -> None:
    until = dict(sorted(keeping.stated().items()))
    output.document(
        {
            "keep_until": [
                {"bag": bag or None, "until": timestamp(said.instant), "by": said.by, "reason": said.reason}
                for bag, said in until.items()
            ],
            "holds": [
                {"bag": hold.bag or None, "name": hold.name, "by": hold.by, "reason": hold.reason}
                for hold in keeping.all_holds()
            ],
            "disposed": sorted(keeping.disposed),
            "exit": int(Exit.COMPLETE),
        }
    )
    for bag, said in until.items():
        output.say(f"{bag or 'Every bag'}: kept until {timestamp(said.instant)} ({said.by}: {said.reason})")
    for hold in keeping.all_holds():
        output.say(f"{hold.bag or 'Every bag'}: held: {hold.name} ({hold.by}: {hold.reason})")
    for bag, row in sorted(keeping.disposed.items()):
        output.say(f"{bag}: disposed of on {row['at']} by {row['by']}; certificate: {row['certificate']}")
    if not until:
        output.say("Nobody has said until when bags are kept: nothing can be disposed of.")
        output.say("Next: lastcopy keep --until DATE --by NAME --reason TEXT")
