"""`lastcopy compose`. Rules of this file: parsing, calling and showing. Source: design §5 (compose), §6."""

import argparse
import threading

from exporters.bag.formats import JsonObject
from exporters.composing import MAILBOXES, ComposedBag
from exporters.copied import Progress
from exporters.errors import LastcopyError
from exporters.export import new_run_id
from exporters.mail.settings import MailSettings
from retention.cli.exit_codes import Exit
from retention.cli.export import stopping
from retention.cli.options import Context, UsageError, add_source_option
from retention.cli.output import Output, size_text
from retention.cli.progress import Meter, show_progress
from retention.composing import compose_store
from retention.disposal.gone import bags_there
from retention.opening import opened_store

EXAMPLES = """\
examples:
  lastcopy compose                         put what is new into the next part of each PST; needs no tenant
  lastcopy compose --recompose             make each PST anew, with today's flags, folders and deletions
  lastcopy compose --source mail/anna@contoso.com --recompose
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    add_source_option(parser, "compose this mailbox alone (mail/NAME); may be repeated")
    parser.add_argument(
        "--recompose", action="store_true", help="make all parts anew, as the mailbox was at its last capture"
    )
    parser.add_argument("--take-over", action="store_true", help="go on although another writer seems to be at work")


class ComposeMeter(Meter, Progress):
    """A meter that composing tells."""


def run(context: Context) -> int:
    """Compose what is asked for. 3 if something could not be composed, 1 if a bag could not be written to."""
    args, output, config = context.args, context.output, context.config()
    settings = MailSettings(part_size=config.settings.mail.pst.part_size)
    found: list[JsonObject] = []
    failed: list[LastcopyError] = []
    run_id, stop = new_run_id(context.clock), threading.Event()
    with opened_store(config, context.clock, holding=True) as store:
        bags = _mailboxes(bags_there(store, context.clock, args.source), named=bool(args.source))
        meter = ComposeMeter(context.clock, show=show_progress(output))
        with stopping(stop, output, "compose"), meter:
            for bag, done in compose_store(
                store,
                bags,
                settings,
                context.clock,
                run_id=run_id,
                take_over=args.take_over,
                recompose=args.recompose,
                progress=meter,
                stop=stop,
            ):
                if isinstance(done, LastcopyError):
                    failed.append(done)
                    output.mark("bad", f"{bag}: {done}. {done.action}")
                else:
                    found.append(_row(bag, done))
                    _show(found[-1], output)
    status = Exit.FAILED if failed else Exit.PARTIAL if stop.is_set() or _lacks(found) else Exit.COMPLETE
    document = {"run": run_id, "bags": len(bags), "composed": found, "stopped": stop.is_set(), "exit": int(status)}
    if failed:
        output.error(failed[0], {**document, "failed": len(failed)})
        return status
    output.document(document)
    output.say(_summary(found, stopped=stop.is_set()))
    output.say("Next: lastcopy compose" if stop.is_set() else "Next: lastcopy verify")
    return status


def _mailboxes(bags: list[str], *, named: bool) -> list[str]:
    """The bags to compose. Raises: UsageError for a source that was named and is no mailbox."""
    others = [bag for bag in bags if not bag.startswith(MAILBOXES)]
    if named and others:
        raise UsageError(
            f"{others[0]} is no mailbox", "Name mailboxes (mail/NAME), or leave --source out for all of them."
        )
    return [bag for bag in bags if bag.startswith(MAILBOXES)]


def _row(bag: str, done: ComposedBag) -> JsonObject:
    composed = done.composed
    parts = [
        {"file": str(row["key"]).rpartition("/")[2], "size": row["size"], "messages": row["pst"]["messages"]}
        for row in composed.parts
    ]
    row: JsonObject = {"bag": bag, "messages": composed.messages, "bytes": composed.bytes, "parts": parts}
    return row | {
        "not_composed": composed.not_composed,
        "superseded": composed.superseded,
        "losses": composed.losses,
        "stopped": composed.stopped,
    }


def _lacks(found: list[JsonObject]) -> bool:
    return any(row["not_composed"] for row in found)


def _show(row: JsonObject, output: Output) -> None:
    """One line a mailbox, and what is not in its PST, or not as the mailbox is now."""
    size = size_text(sum(part["size"] for part in row["parts"]))
    held = sum(part["messages"] for part in row["parts"])
    if row["stopped"]:
        output.mark("doubtful", f"{row['bag']}: stopped before its PST was whole; nothing of it counts")
        return
    output.mark(
        "bad" if row["not_composed"] else "good",
        f"{row['bag']}: {row['messages']:,} items composed now; {held:,} in {len(row['parts']):,} files of {size}",
    )
    for code, count in row["not_composed"].items():
        output.say(f"    not in the PST: {count:,} {code} (named in {row['bag']}/data/pst/parts.json)")
    if row["superseded"]:
        told = ", ".join(f"{count:,} {why}" for why, count in row["superseded"].items())
        output.say(f"    not as the mailbox is now: {told}; `lastcopy compose --recompose` brings it up to date")


def _summary(found: list[JsonObject], *, stopped: bool) -> str:
    if stopped:
        return "Stopped as you asked. Run `lastcopy compose` again: what was cut off is made anew."
    if not found:
        return "There is no mailbox in this store."
    return f"{sum(row['messages'] for row in found):,} items were composed in {len(found):,} mailboxes."
