"""`lastcopy verify`. Rules of this file: parsing, calling and showing. Source: design §6."""

import argparse

from exporters.bag.verify import BagVerification
from exporters.errors import ConfigurationError, RunError
from exporters.store.protocol import Store
from retention.cli.exit_codes import Exit
from retention.cli.options import Context, add_source_option
from retention.cli.output import Output, size_text
from retention.cli.progress import Meter, show_progress
from retention.config import Config
from retention.opening import configured_store, lock_of, opened_state, opened_tenant, read_root, refuse_foreign
from retention.verification import StoreVerification, VerifyRequest, bags_of, verify_store

EXAMPLES = """\
examples:
  lastcopy verify                          read and hash every byte, check rows, ledger and manifests
  lastcopy verify --level stored           sizes, versions and locks as the store tells them; no download
  lastcopy verify --new                    read only what has not been since it was written
  lastcopy verify --refold                 also build every fold again from the ledger and compare it byte for byte
  lastcopy verify --against-tenant         also list the tenant again and compare it with the rows
"""
SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    parser.add_argument(
        "--level", choices=["stored", "full"], default="full", help="full (the default) reads every byte"
    )
    parser.add_argument("--new", action="store_true", help="read in full only what has not been since it was written")
    parser.add_argument("--refold", action="store_true", help="also build every fold again and compare it")
    parser.add_argument("--against-tenant", action="store_true", help="also compare with what the tenant lists now")
    add_source_option(parser, "verify this source alone (kind/NAME); may be repeated")


def run(context: Context) -> int:
    """Verify; 0 whole, 3 a difference was found."""
    args, output, config = context.args, context.output, context.config()
    store = configured_store(config, context.clock)
    try:
        _require_copy(store, config)
        request = VerifyRequest(args.level, args.refold, args.new, bags_of(store, args.source), lock_of(config))
        with Meter(context.clock, show=show_progress(output)) as meter:
            result = verify_store(store, request, context.clock, progress=meter.passed)
            if args.against_tenant:
                _compare(context, config, store, result, meter)
    finally:
        store.close()
    output.document(result.as_json())
    show(result, output)
    return result.exit


def _require_copy(store: Store, config: Config) -> None:
    """Raises: ConfigurationError if the store is empty, or of a newer layout. A damaged root is for `verify` to tell."""
    try:
        root = read_root(store)
    except RunError:
        return
    if root is None and next(store.list(), None) is None:
        raise ConfigurationError(
            f"there is no copy in {config.store.url}",
            code="store_empty",
            action="Check store.url, or make the copy with `lastcopy export`.",
        )


def _compare(context: Context, config: Config, store: Store, result: StoreVerification, meter: Meter) -> None:
    from retention.against_tenant import compare_drive

    with opened_state(config) as state, opened_tenant(config, state, store, context.clock) as tenant:
        refuse_foreign(read_root(store), tenant.identity)
        meter.graph = tenant.graph
        for found in result.bags:
            if found.bag.startswith("onedrive/"):
                result.tenant.append(compare_drive(tenant.graph, store, found.bag))


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
    for note in result.notes:
        output.note(note)
    document = result.as_json()
    read = "read in full" if any(found.level == "full" for found in result.bags) else "looked at"
    output.say(f"{document['bags']:,} bags, {document['files']:,} files, {size_text(document['bytes'])} {read}.")
    if result.known:
        output.say(
            f"{len(result.known):,} bags had been read in full since they were written: looked at, not read again."
        )
    if result.exit == Exit.COMPLETE:
        output.mark("good", "Whole: every byte is there and as it was when it came, and all counts agree.")
    else:
        output.mark("bad", "Differences were found: see above.")
        output.say(
            "    Restore what is damaged from the store's versions or a second copy, or export the source again.",
            "weak",
        )


def _show_bag(found: BagVerification, output: Output) -> None:
    for reason in found.reasons[:SHOWN]:
        output.mark("bad", f"{found.bag}: {reason}")
    if found.open:
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
