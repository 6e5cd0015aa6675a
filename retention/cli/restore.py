"""`lastcopy restore`. Rules of this file: parsing, calling and showing. Source: design §4, §6."""

import argparse
import secrets
from pathlib import Path

from exporters.errors import ConfigurationError
from exporters.restore import RestoreResult, restore_source
from retention.cli.exit_codes import Exit
from retention.cli.options import Context, UsageError, add_source_option
from retention.cli.output import Output, size_text
from retention.cli.progress import Meter, show_progress
from retention.disposal.gone import bags_there
from retention.drilling import Drill, open_psts, open_restored
from retention.journal import Journal
from retention.opening import opened_store
from retention.past import end_of

EXAMPLES = """\
examples:
  lastcopy restore --to /mnt/restored                                    everything, as kind/NAME/… below it
  lastcopy restore --to /mnt/anna --source onedrive/anna@contoso.com
  lastcopy restore --to /mnt/anna --source anna@contoso.com --under /Documents/Contracts
  lastcopy restore --to /tmp/drill --drill 50                            a rehearsal of it: 50 files by chance from each
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    parser.add_argument(
        "--to", metavar="DIR", required=True, type=Path, help="folder to write into, as DIR/kind/NAME/…"
    )
    add_source_option(parser, "restore this source alone (kind/NAME, any name it has had); may be repeated")
    parser.add_argument(
        "--under", metavar="PATH", default="/", help="only what stands at or below this path of the source"
    )
    parser.add_argument("--run", dest="as_of", metavar="RUN", help="the tree as it was when this run ended")
    parser.add_argument("--include-gone", action="store_true", help="also what the source has deleted since")
    parser.add_argument("--versions", action="store_true", help="also earlier bytes, as `name (version …).ext`")
    parser.add_argument(
        "--drill",
        metavar="N",
        type=_number,
        help="a test restore: N files of each source, chosen by chance, are restored and opened, and each PST; on record",
    )
    parser.add_argument("--seed", metavar="TEXT", help="with --drill: choose as the drill with this seed did")
    parser.add_argument("--by", metavar="NAME", help="with --drill: who tests, for the record")


def _number(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("a whole number, 1 or more")
    return int(text)


def run(context: Context) -> int:
    """Restore; 0 every file with the right bytes, 3 some could not be."""
    args, output, config = context.args, context.output, context.config()
    results: list[RestoreResult] = []
    if (args.seed or args.by) and not args.drill:
        raise UsageError("--seed and --by belong to --drill", "Give --drill N, or leave them out.")
    drill = Drill(args.seed or secrets.token_hex(8), args.drill) if args.drill else None
    with (
        opened_store(config, context.clock, holding=True) as store,
        Meter(context.clock, show=show_progress(output)) as meter,
    ):
        as_of = None if args.as_of is None else end_of(args.as_of, Journal(store, context.clock).rows())
        bags = bags_there(store, context.clock, args.source)
        _require_room(args.to, bags)
        for bag in bags:
            results.append(
                restore_source(
                    store,
                    bag,
                    args.to / bag,
                    as_of=as_of,
                    include_gone=args.include_gone,
                    versions=args.versions,
                    under=args.under,
                    drill=args.drill,
                    seed=drill.seed if drill is not None else None,
                    progress=meter.passed,
                )
            )
        if drill is not None:
            open_restored(drill, results, args.to)
            open_psts(drill, store, [bag for bag in bags if bag.startswith("mail/")])
            Journal(store, context.clock).append([drill.as_row(args.by)])
    whole = all(result.whole for result in results) and not (drill is not None and drill.failures)
    status = Exit.COMPLETE if whole else Exit.PARTIAL
    document = {"to": str(args.to), "sources": [result.as_json() for result in results]}
    output.document({**document, **({"drill": drill.as_json()} if drill is not None else {}), "exit": int(status)})
    _show(results, args.to, output)
    if drill is not None:
        _show_drill(drill, output)
    if args.under.strip("/") and not any(result.files or result.folders for result in results):
        output.mark("doubtful", f"Nothing stands at or below {args.under}: name a path as lastcopy/items.jsonl has it.")
    return status


def _show_drill(drill: Drill, output: Output) -> None:
    for what, why in drill.failures[:20]:
        output.mark("bad", f"{what}: {why}")
    for what, why in drill.doubtful[:20]:
        output.mark("doubtful", f"{what}: {why}; its bytes are those that were captured")
    by = f" (PSTs by {', '.join(sorted(drill.readers))})" if drill.readers else ""
    told = f"{drill.passed:,} restored and opened{by}, {len(drill.failures):,} failed"
    output.mark(
        "bad" if drill.failures else "good", f"Test restore: {told}. It stands in the journal, seed {drill.seed}."
    )


def _require_room(to: Path, bags: list[str]) -> None:
    """All targets must be free before the first is written. Raises: ConfigurationError."""
    for place in (to / bag for bag in bags):
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise ConfigurationError(
                f"{place} is not empty",
                code="target_not_empty",
                action="Choose another folder with --to, or empty that one.",
            )
    if to.exists() and not to.is_dir():
        raise ConfigurationError(
            f"{to} is not a folder", code="target_not_folder", action="Choose another folder with --to."
        )


def _show(results: list[RestoreResult], to: Path, output: Output) -> None:
    for result in results:
        output.mark(
            "good" if result.whole else "bad",
            f"{to / result.bag}: {result.files:,} files in {result.folders:,} folders, {size_text(result.bytes)}",
        )
        for path, what in result.failures.first[:20]:
            output.mark("bad", f"{path}: {what}")
        for problem in result.problems[:20]:
            output.mark("bad", problem)
        if result.changed_names.count:
            output.mark(
                "doubtful", f"{result.changed_names.count:,} names had to be changed for this file system (see --json)"
            )
        if result.excepted.count:
            output.mark(
                "doubtful",
                f"{result.excepted.count:,} items were never captured (see --json)",
            )
    if not all(result.whole for result in results):
        output.say("Run `lastcopy verify` to see what the copy lacks.")
