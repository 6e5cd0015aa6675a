"""`lastcopy dispose`. Rules of this file: parsing, calling and showing. Source: design §6, issue 10 (7)."""

import argparse

from exporters.bag.formats import JsonObject
from exporters.store.protocol import Store
from retention.cli.exit_codes import Exit
from retention.cli.options import Context, UsageError, add_source_option
from retention.cli.output import Output, size_text
from retention.disposal.planning import Candidate
from retention.opening import opened_store
from retention.tracked import counted

EXAMPLES = """\
examples:
  lastcopy keep --until 2033-12-31 --by "Anna Berg" --reason "tax law"       first: until when things are kept
  lastcopy dispose --dry-run               what could go now, what keeps the rest, and the code of this plan
  lastcopy dispose --plan 3f2a91c0d4e5b6a7 --confirm contoso.com --by "Anna Berg" --reason "period over"

Nothing under a hold, a lock of the bucket or a keep-until goes, and nothing that is not in the plan. It needs the right to
delete versions (s3:DeleteObjectVersion), which no other verb needs: give it for the day.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    parser.add_argument("--dry-run", action="store_true", help="show what could go, and make a plan of it")
    parser.add_argument("--plan", metavar="CODE", help="carry out the plan that a dry run made")
    parser.add_argument("--confirm", metavar="DOMAIN", help="the tenant's domain, typed by hand")
    add_source_option(parser, "with --dry-run: this source alone (kind/NAME); may be repeated")
    parser.add_argument("--by", metavar="NAME", help="who disposes: a person's name, for the certificate")
    parser.add_argument("--reason", metavar="TEXT", help="why, for the certificate")


def run(context: Context) -> int:
    """A dry run, or the deed; 3 if something that was asked for by name is kept."""
    args, config = context.args, context.config()
    _check(args)
    with opened_store(config, context.clock, holding=True) as store:
        return _plan(context, store) if args.dry_run else _carry_out(context, store)


def _check(args: argparse.Namespace) -> None:
    if args.dry_run == bool(args.plan):
        raise UsageError("`dispose` needs --dry-run or --plan", "Begin with `lastcopy dispose --dry-run`.")
    if args.plan and args.source:
        raise UsageError("--source belongs to --dry-run", "A plan says which bags go: leave --source out.")
    if args.plan and not ((args.by or "").strip() and (args.reason or "").strip() and args.confirm):
        raise UsageError(
            "--plan needs --confirm, --by and --reason", "Give the tenant's domain, a person's name and a reason."
        )


def _tenant(store: Store) -> JsonObject:
    from retention.opening import read_root

    root = read_root(store)
    if root is None:
        raise UsageError("this store holds no copy", "Check store.url.")
    tenant: JsonObject = root["tenant"]
    return tenant


def _plan(context: Context, store: Store) -> int:
    from exporters.store.removing import remover_of
    from retention.disposal.keeping import Keeping
    from retention.disposal.planning import candidates, code_of, note_plan, safe_now
    from retention.journal import Journal

    args, output, journal = context.args, context.output, Journal(store, context.clock)
    tenant, keeping = _tenant(store), Keeping.of(journal.rows())
    now = safe_now(store, context.clock)
    found = list(candidates(store, remover_of(store), keeping, now, args.source))
    going = [one for one in found if one.may_go]
    code = code_of(str(tenant["id"]), going) if going else None
    if code is not None:
        note_plan(journal, code, going)
    kept_by_name = bool(args.source) and len(going) < len(found)
    status = Exit.PARTIAL if kept_by_name else Exit.COMPLETE
    output.document({"plan": code, "bags": [one.as_json() for one in found], "exit": int(status)})
    for one in found:
        _show(one, output)
    for plan, row in keeping.begun.items():
        output.mark("doubtful", f"The disposal {plan} of {', '.join(row['bags'])} was cut off: run it again.")
    if code is None:
        output.say("Nothing can be disposed of now.")
    else:
        size = size_text(sum(one.bytes for one in going))
        output.say(
            f"{counted(len(going), 'bag')}, {counted(sum(one.objects for one in going), 'object')}, {size} would go."
        )
        domain = tenant.get("domain") or tenant["id"]
        output.say(f"Next: lastcopy dispose --plan {code} --confirm {domain} --by NAME --reason TEXT (within 7 days)")
    return status


def _show(one: Candidate, output: Output) -> None:
    if one.may_go:
        output.mark("doubtful", f"{one.bag} would go: {one.objects:,} objects, {size_text(one.bytes)}")
    for reason in one.reasons:
        output.mark("good", f"{one.bag} stays: {reason}")


def _carry_out(context: Context, store: Store) -> int:
    from importlib.metadata import version

    from exporters.store.removing import remover_of
    from retention.cli.progress import Meter, show_progress
    from retention.disposal.deed import Order, dispose
    from retention.evidence.keys import opened_signer

    args, output, config = context.args, context.output, context.config()
    tenant = _tenant(store)
    known = {str(tenant["id"]).casefold(), str(tenant.get("domain") or tenant["id"]).casefold()}
    if args.confirm.casefold() not in known:
        raise UsageError(
            f"--confirm {args.confirm!r} is not this tenant", "Type the domain that `lastcopy dispose --dry-run` names."
        )
    order = Order(args.plan, args.by.strip(), args.reason.strip(), str(tenant["id"]), f"lastcopy {version('lastcopy')}")
    with Meter(context.clock, show=show_progress(output)) as meter:
        done = dispose(
            store, remover_of(store), context.clock, order,
            signer=opened_signer(config, context.clock, may_make=True).signer, on_removed=meter.passed,
        )  # fmt: skip
    output.document({"disposed": done.bags, "certificate": done.certificate, "sha256": done.sha256, "exit": 0})
    for row in done.bags:
        output.mark("good", f"{row['bag']} is disposed of: {row['items']:,} objects, {size_text(row['bytes'])}")
    output.say(f"Certificate: {done.certificate} (SHA-256 {done.sha256})")
    return Exit.COMPLETE
