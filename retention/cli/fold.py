"""`lastcopy fold`. Rules of this file: parsing, calling and showing. Source: design §4 (the fold), §6."""

import argparse

from exporters.errors import LastcopyError
from exporters.export import new_run_id
from retention.cli.exit_codes import Exit
from retention.cli.options import Context, add_source_option
from retention.disposal.gone import bags_there
from retention.folding import fold_store
from retention.opening import opened_store

EXAMPLES = """\
examples:
  lastcopy fold                            after an export that was cut off and cannot be run again
  lastcopy fold --source onedrive/anna@contoso.com --take-over
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    add_source_option(parser, "fold this source alone (kind/NAME); may be repeated")
    parser.add_argument("--take-over", action="store_true", help="go on although another writer seems to be at work")


def run(context: Context) -> int:
    """Close and fold what is open; needs no tenant. 1 if a bag could not be folded, though the others were."""
    args, output, config = context.args, context.output, context.config()
    folded: list[str] = []
    failed: list[LastcopyError] = []
    run_id, seen = new_run_id(context.clock), 0
    with opened_store(config, context.clock, holding=True) as store:
        bags = bags_there(store, context.clock, args.source)
        for bag, was_open in fold_store(store, bags, context.clock, run_id=run_id, take_over=args.take_over):
            seen += 1
            if isinstance(was_open, LastcopyError):
                failed.append(was_open)
                output.mark("bad", f"{bag}: {was_open}. {was_open.action}")
            elif was_open:
                folded.append(bag)
                output.mark("good", f"{bag} folded")
    status = Exit.FAILED if failed else Exit.COMPLETE
    document = {"run": run_id, "bags": seen, "folded": folded, "exit": int(status)}
    if failed:
        output.error(failed[0], {**document, "failed": len(failed)})
        return status
    output.document(document)
    output.say(
        f"{len(folded):,} of {seen:,} bags were open and are folded now."
        if folded
        else f"None of {seen:,} bags was open."
    )
    output.say("Next: lastcopy verify")
    return status
