"""`lastcopy export`. Rules of this file: parsing, calling and showing. Source: design §6."""

import argparse
import os
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from exporters.bag.formats import JsonObject
from exporters.copied import Progress
from exporters.errors import LastcopyError
from exporters.outcomes import CAUSES, ExceptionCode
from exporters.results import IN_PART, NEVER, NOT_REACHABLE
from retention.acceptance import NOT_BUILT
from retention.cli.exit_codes import Exit
from retention.cli.options import Context, add_source_option
from retention.cli.output import Output, size_text
from retention.cli.progress import Meter, MeterObserver, show_progress
from retention.findings import COUNTS, REASONS, Found
from retention.runs import ExportRequest, Outcome, run_export

EXAMPLES = """\
examples:
  lastcopy export                                   everything that the configuration asks for; again: only what is new
  lastcopy export --source onedrive/anna@contoso.com --source mail/anna@contoso.com
  lastcopy export --source sharepoint/sites/marketing       (the same as sharepoint/sites!marketing, its name in the store)
  lastcopy export --json > run.json                 for a scheduler: 0 complete, 3 partial
  lastcopy export --take-over                       although another writer seems to be at work (you know that it is gone)
"""
SHOWN = 20
"""So much of what was accepted is named at the end."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    add_source_option(parser, "copy this source alone (kind/NAME, any name it has had); may be repeated")
    parser.add_argument("--take-over", action="store_true", help="go on although another writer seems to be at work")
    parser.add_argument(
        "--refresh",
        choices=["permissions"],
        help="ask again who can see the items (changes of sharing are not announced)",
    )


def run(context: Context) -> int:
    """Copy; 0 complete, 3 partial."""
    args, output = context.args, context.output
    config = context.config()
    request = ExportRequest(args.source, args.take_over, args.refresh == "permissions")
    stop = threading.Event()
    with stopping(stop, output), ExportMeter(context.clock, show=show_progress(output)) as meter:
        outcome = run_export(
            config,
            request,
            context.clock,
            progress=meter,
            observer=MeterObserver(meter),
            stop=stop,
            watch=lambda graph: setattr(meter, "graph", graph),
        )
    if outcome.error is not None:
        output.error(outcome.error, outcome.as_json())
        return outcome.exit
    output.document(outcome.as_json())
    show(outcome, output)
    return outcome.exit


class ExportMeter(Meter, Progress):
    """A meter that an exporter tells."""


@contextmanager
def stopping(stop: threading.Event, output: Output, verb: str = "export") -> Iterator[None]:
    """While it lasts, SIGINT and SIGTERM ask for an orderly end; a second one cuts off. verb: the command to go on with."""

    def on_signal(*_: Any) -> None:
        if stop.is_set():  # whoever asks twice does not want to wait; what was captured is safe
            output.error(
                LastcopyError("cut off", code="interrupted", action=f"Run `lastcopy {verb}` again: it goes on.")
            )
            os._exit(Exit.FAILED)
        stop.set()
        output.note(
            "Stopping: what is under way is finished and folded. Once more cuts it off (nothing is lost either way)."
        )

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def show(outcome: Outcome, output: Output) -> None:
    """The summary for people: sources, exceptions with what to do, the next command."""
    headings = ("source", "listed", "copied", "unchanged", "gone", "excepted", "pending", "size")
    rows = [
        [f"{s.row['kind']}/{s.row['name']}", *(s.row[name] for name in COUNTS[:-1]), size_text(s.row["bytes"])]
        for s in outcome.found
    ]
    output.table(headings, rows)
    output.say()
    _show_items(outcome, output)
    for source in outcome.found:
        _show_whole(source, output)
    _show_classes(outcome.found, output)
    _show_never([row for row in outcome.coverage if row["state"] == NEVER], output)
    for row in outcome.coverage:
        if row["state"] == NEVER:
            continue
        style = "bad" if row["asked"] and "accepted" not in row else "doubtful"
        output.mark(style, f"{row['class']}: not copied. {row['reason']}{_by(row.get('accepted', []))}")
    if any(row["asked"] and "accepted" not in row for row in outcome.coverage):
        output.say(
            f"    Set it to none in `sources`, or: lastcopy accept {NOT_BUILT} --source CLASS --by NAME --reason TEXT",
            "weak",
        )
    _show_not_asked(outcome, output)
    _show_end(outcome, output)


def _show_never(rows: Sequence[JsonObject], output: Output) -> None:
    """What no run can bring, in one line: `ready` names each."""
    if rows:
        some = ", ".join(row["class"] for row in rows[:3])
        output.mark(
            "doubtful",
            f"{len(rows)} classes of content are never copied, whatever is asked ({some}, …). What to do instead: lastcopy ready",
        )


def _show_not_asked(outcome: Outcome, output: Output) -> None:
    kinds = (("onedrive", "OneDrive", "OneDrives"), ("mail", "mailbox", "mailboxes"), ("sharepoint", "site", "sites"))
    told = []
    for kind, one, many in kinds:
        number = sum(label.startswith(f"{kind}/") for label in outcome.not_asked)
        told += [f"{number:,} {one if number == 1 else many}"] if number else []
    if told:
        verb = "is" if len(outcome.not_asked) == 1 else "are"
        output.say(f"{_listed(told)} {verb} not asked for by the configuration.")


def _listed(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


def _show_items(outcome: Outcome, output: Output) -> None:
    for code, number in outcome.exceptions.items():
        is_open = any(code in source.open_items for source in outcome.found)
        names = [] if is_open else outcome.accepted_items(code)
        output.mark("doubtful" if is_open else "good", f"{number:,} × {code}: {reason_of(code)}{_by(names)}")
        if is_open:
            output.say(f"    {action_of(code)}", "weak")


def _show_whole(source: Found, output: Output) -> None:
    """What is wrong with a source as a whole, accepted or not."""
    for code in source.open_wholes:
        output.mark("bad", f"{source.label}: {_why(source, code)}")
        alternatives = [row.get("alternative", "") for row in source.row["coverage"] if row.get("code") == code]
        if action := source.problem.action if source.problem is not None else "".join(alternatives[:1]):
            output.say(f"    {action}", "weak")
    for code, names in source.accepted_wholes.items():
        output.mark("doubtful", f"{source.label}: {_why(source, code)}{_by(names)}")


def _show_classes(found: Iterable[Found], output: Output) -> None:
    """Classes of content that are not covered, or in part, for a reason that no line above tells: each reason once."""
    told: dict[tuple[str, str, str], list[tuple[Found, JsonObject]]] = {}
    for source in found:
        above = {*source.open_wholes, *source.accepted_wholes, *source.accepted_items}
        for row in source.row["coverage"]:
            if row["state"] in {IN_PART, NOT_REACHABLE} and row.get("code", "") not in {"", *above}:
                told.setdefault((row["class"], row["state"], row["code"]), []).append((source, row))
    for (name, state, _), rows in told.items():
        source, row = rows[0]
        where = source.label if len(rows) == 1 else f"{len(rows):,} sources"
        output.mark("doubtful", _sentence(f"{name}: {state} ({where}). {row.get('reason', '')}".rstrip()))
        if row.get("alternative"):
            output.say(f"    {row['alternative']}", "weak")


def _show_end(outcome: Outcome, output: Output) -> None:
    totals = outcome.totals
    output.say(
        f"Run {outcome.run}: {totals['copied']:,} copied ({size_text(totals['bytes'])}), {totals['unchanged']:,} unchanged, "
        f"{totals['gone']:,} gone, {totals['excepted']:,} excepted, {totals['pending']:,} pending; "
        f"{outcome.requests['count']:,} requests."
    )
    if outcome.stopped:
        output.mark("doubtful", "Stopped as you asked. Run `lastcopy export` again: it goes on where it stopped.")
    elif outcome.exit == Exit.PARTIAL:
        output.mark(
            "doubtful", "Partial: see above. What nobody can copy, a person can accept by name with `lastcopy accept`."
        )
    elif not any(source.row["bag"] for source in outcome.found):  # never "complete" over nothing
        output.mark(
            "doubtful", "Nothing was copied: there is no source that is asked for and was not accepted as missing."
        )
    else:
        accepted = list(_accepted(outcome))
        more = [f"and {len(accepted) - SHOWN:,} more"] if len(accepted) > SHOWN else []
        but = f", but for what was accepted: {'; '.join(accepted[:SHOWN] + more)}" if accepted else ""
        output.mark("good", f"Complete{but}.")
    output.say("Next: lastcopy export" if outcome.stopped else "Next: lastcopy verify")


def _accepted(outcome: Outcome) -> Iterator[str]:
    """What a run that ends 0 lacks, each with who accepted it."""
    for source in outcome.found:
        for code, names in source.accepted_wholes.items():
            yield f"{source.label} {code} ({', '.join(names)})"
    for code, number in outcome.exceptions.items():
        if names := outcome.accepted_items(code):
            yield f"{number:,} × {code} ({', '.join(names)})"
    for row in outcome.coverage:
        if names := row.get("accepted", []):
            yield f"{row['class']} ({', '.join(names)})"


def _by(names: list[str]) -> str:
    return f" Accepted by {', '.join(names)}." if names else ""


def _why(source: Found, code: str) -> str:
    if code == "pending":
        return _sentence(f"{source.row['pending']:,} items still owe work; run the export again")
    reasons = [row["reason"] for row in source.row["coverage"] if row.get("code") == code and row.get("reason")]
    return _sentence(reasons[0] if reasons else REASONS.get(code, code))


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def reason_of(code: str) -> str:
    """One sentence on an exception's code."""
    try:
        return CAUSES[ExceptionCode(code)].reason
    except (ValueError, KeyError):
        return "A reason that this version does not know."


def action_of(code: str) -> str:
    """What to do about an exception's code."""
    if code == ExceptionCode.STORE_REFUSED:
        return "Put the store in order (lastcopy/exceptions.jsonl of the bag says where), then run the export again."
    accept = f"lastcopy accept {code} --by NAME --reason TEXT"
    try:
        permanent = CAUSES[ExceptionCode(code)].permanent
    except (ValueError, KeyError):
        permanent = False
    return f"It will not get better: {accept}" if permanent else f"Run the export again; if it stays: {accept}"
