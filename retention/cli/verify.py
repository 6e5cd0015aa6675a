"""`lastcopy verify`. Rules of this file: parsing, calling and showing. Source: design §6."""

import argparse
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from exporters.bag.verify import BagVerification, Choice, Level
from exporters.store.protocol import Store
from retention.cli.exit_codes import Exit
from retention.cli.options import Context, UsageError, add_source_option
from retention.cli.output import Output, size_text
from retention.cli.progress import Meter, show_progress
from retention.config import Config
from retention.opening import configured_store, lock_of, opened_state, read_root, refuse_foreign, require_copy
from retention.tenants import opened_tenant
from retention.verification import SORTS, StoreVerification, VerifyRequest, bags_of, verify_store

EXAMPLES = """\
examples:
  lastcopy verify                          read and hash every byte, check rows, ledger and manifests
  lastcopy verify --level stored           sizes, versions and locks as the store tells them; no download
  lastcopy verify --new                    read only what has not been since it was written
  lastcopy verify --sample 5%              read one file in twenty, by chance; look at the others as --level stored does
  lastcopy verify --since 2026-11-20       read what was captured since then; look at the rest as --level stored does
  lastcopy verify --refold                 also build every fold again from the ledger and compare it byte for byte
  lastcopy verify --against-tenant         also list the tenant again and compare it with the rows
  lastcopy verify --evidence DIR --fingerprint F    check an evidence package (and the store, where a configuration names one)
"""
SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    parser.add_argument("--level", choices=["stored", "full"], help="full (the default) reads every byte")
    parser.add_argument("--new", action="store_true", help="read in full only what has not been since it was written")
    parser.add_argument(
        "--sample", metavar="N%", help="read this share of the files, by chance, and look at the rest as `stored` does"
    )
    parser.add_argument(
        "--since",
        metavar="TIME",
        help="read what was captured since then (an instant with its offset, or a date: its first moment in UTC),"
        " and look at the rest as `stored` does",
    )
    parser.add_argument("--refold", action="store_true", help="also build every fold again and compare it")
    parser.add_argument("--against-tenant", action="store_true", help="also compare with what the tenant lists now")
    parser.add_argument(
        "--evidence", metavar="P", help="check this evidence package: a folder, s3://…, or evidence/STAMP"
    )
    parser.add_argument("--fingerprint", metavar="F", help="with --evidence: the key that must have signed it")
    parser.add_argument(
        "--latest", metavar="SHA256", help="with --evidence: what `report` printed of the newest package"
    )
    parser.add_argument(
        "--package-only", action="store_true", help="with --evidence: leave out the store of the configuration"
    )
    add_source_option(parser, "verify this source alone (kind/NAME); may be repeated")


def run(context: Context) -> int:
    """Verify; 0 whole, 3 a difference was found."""
    args, output = context.args, context.output
    choice = _choice_of(args)
    level: Level = "stored" if choice is not None else args.level or "full"
    if _is_of_evidence(args):
        from retention.cli.verify_evidence import run_evidence

        return run_evidence(context, level, choice)
    config = context.config()
    store = configured_store(config, context.clock)
    try:
        require_copy(store, config)
        bags = bags_of(store, args.source)
        request = VerifyRequest(level, args.refold, args.new, bags, lock_of(config), choice)
        with _ending_in_order(), Meter(context.clock, show=show_progress(output)) as meter:
            result = verify_store(
                store, request, context.clock, progress=meter.passed, expected=lambda files, _: meter.listed(files)
            )
            if args.against_tenant:
                _compare(context, config, store, result, meter)
    finally:
        store.close()
    output.document(result.as_json())
    show(result, output)
    return result.exit


def _is_of_evidence(args: argparse.Namespace) -> bool:
    """Whether a package is to be checked. Raises: UsageError for options that do not go together."""
    if args.evidence is None:
        if args.fingerprint or args.latest or args.package_only:
            raise UsageError("--fingerprint, --latest and --package-only are for --evidence", "Name a package with it.")
        return False
    if args.new or args.refold or args.against_tenant or args.source:
        raise UsageError(
            "--new, --refold, --against-tenant and --source are not for --evidence",
            "Leave them out, or leave --evidence out.",
        )
    return True


def _choice_of(args: argparse.Namespace) -> Choice | None:
    """What `--sample` or `--since` ask for, None if neither was given. Raises: UsageError."""
    given = [
        name
        for name, value in (
            ("--sample", args.sample),
            ("--since", args.since),
            ("--new", args.new),
            ("--level", args.level),
        )
        if value
    ]
    if args.sample is None and args.since is None:
        return None
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} exclude each other", "Give one of them.")
    if args.since is not None:
        return Choice(everything=False, since=_time_of(args.since))
    match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)%?", args.sample)
    if match is None or not 0 < float(match[1]) <= 100:
        raise UsageError(f"--sample {args.sample!r} is no share", "Give a percentage, such as 5% or 0.5%.")
    return Choice(everything=False, share=float(match[1]) / 100)


def _time_of(text: str) -> datetime:
    from retention.values import instant

    try:
        return instant(text)
    except ValueError as error:
        raise UsageError(
            f"--since {text!r} is no time ({error})", "Give 2026-11-20 or 2026-11-20T08:00:00+01:00."
        ) from error


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """While it lasts, SIGTERM ends as Ctrl-C does: processes are ended and temporary files let go."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _compare(context: Context, config: Config, store: Store, result: StoreVerification, meter: Meter) -> None:
    from retention.against_tenant import compare_drive
    from retention.directory_against_tenant import compare_directory
    from retention.mailbox_against_tenant import compare_mailbox
    from retention.site_against_tenant import compare_site

    with opened_state(config) as state, opened_tenant(config, state, store, context.clock) as tenant:
        refuse_foreign(read_root(store), tenant.identity)
        meter.graph = tenant.graph
        for found in result.bags:
            if found.bag.startswith("onedrive/"):
                result.tenant.append(compare_drive(tenant.graph, store, found.bag))
            elif found.bag.startswith("mail/"):
                result.tenant.append(compare_mailbox(tenant.graph, store, found.bag))
            elif found.bag == "directory":
                result.tenant.append(compare_directory(tenant.graph, store, found.bag))
            elif found.bag.startswith("sharepoint/"):
                result.tenant.append(compare_site(tenant.graph, store, found.bag))


def show(result: StoreVerification, output: Output) -> None:
    """The result for people."""
    for number, finding in enumerate(result.findings()):
        if number == SHOWN:
            output.say("  … more: see --json")
            break
        place = f"{finding['bag']}/{finding['name']}" if finding["bag"] else finding["name"]
        output.mark("bad", f"{finding['sort']}: {place}: {finding['why']}")
    for found in result.bags:
        _show_bag(found, output)
    for row in result.tenant:
        _show_tenant(row, output)
    for gone in result.disposed:
        output.say(f"  {gone['bag']}: disposed of on {gone['at']} by {gone.get('by')}: {gone['certificate']}", "weak")
    for note in result.notes:
        output.note(note)
    document = result.as_json()
    output.say(
        f"{document['bags']:,} bags, {document['files']:,} files, {size_text(document['bytes'])} {_read_of(result)}."
    )
    if result.known:
        output.say(
            f"{len(result.known):,} bags had been read in full since they were written: looked at, not read again."
        )
    if result.exit == Exit.COMPLETE:
        whole = all(found.level == "full" for found in result.bags if found.bag not in result.known)
        told = "every byte is there and as it was when it came" if whole else "nothing that was looked at differs"
        output.mark("good", f"{'Whole' if whole else 'So far whole'}: {told}, and all counts agree.")
    elif not result.bags and not result.disposed:
        output.mark("bad", "There is nothing to prove: this store holds no copy of any source.")
        output.say("    Run `lastcopy export`, and look at what it says of each source.", "weak")
    elif any(document[sort] for sort in SORTS) or result.tenant:
        output.mark("bad", "Differences were found: see above.")
        output.say(
            "    Restore what is damaged from the store's versions or a second copy, or export the source again.",
            "weak",
        )
    else:
        output.mark("bad", "The copy is not whole: see above.")
        output.say("    Run `lastcopy export` again: it goes on where it stopped.", "weak")


def _read_of(result: StoreVerification) -> str:
    """How much of it was read."""
    files, read = (sum(getattr(found, name) for found in result.bags) for name in ("files", "files_read"))
    if read == files:
        return "read in full"
    return f"looked at, {read:,} files of them read in full" if read else "looked at"


def _show_bag(found: BagVerification, output: Output) -> None:
    for reason in found.reasons[:SHOWN]:
        output.mark("bad", f"{found.bag}: {reason}")
    if found.open and found.newest_segment:
        output.mark(
            "doubtful",
            f"{found.bag} is open: judged with its ledger. Close it with `lastcopy fold`.",
        )


def _show_tenant(row: dict[str, object], output: Output) -> None:
    if row.get("problem"):
        output.mark("bad", f"{row['bag']}: the tenant could not be listed: {row['problem']}")
    elif row["missing"] or row["changed"] or row["unexpected"]:
        told = f"{row['missing']} listed but not in the rows, {row['changed']} otherwise, {row['unexpected']} no longer listed"
        output.mark("bad", f"{row['bag']} beside the tenant of now: {told}. Run `lastcopy export`.")
    if row.get("not_compared"):
        beyond = f"{row['not_compared']:,} items that only the export API reaches were not compared"
        output.mark("doubtful", f"{row['bag']}: {beyond}.")
