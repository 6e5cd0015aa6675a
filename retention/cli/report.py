"""`lastcopy report`. Rules of this file: parsing, calling and showing. Source: design §6, §8."""

import argparse

from exporters.clock import timestamp
from retention.cli.exit_codes import Exit
from retention.cli.options import Context, UsageError
from retention.cli.output import Output
from retention.config import Config
from retention.evidence.announcing import announce
from retention.evidence.collecting import collected
from retention.evidence.errors import ClockInDoubtError
from retention.evidence.keys import opened_signer
from retention.evidence.package import Written
from retention.evidence.reporting import Report, Request, make_report
from retention.evidence.sentences import fixed_sentences
from retention.evidence.trust import trusted
from retention.opening import opened_store

EXAMPLES = """\
examples:
  lastcopy report                          a signed package in the store, below evidence/
  lastcopy report --redact names           also one without names, for readers outside of the house
  lastcopy report --key                    make the key if there is none, show its fingerprint, send it to every notify address

exit status: 0 when the package was written, whatever its verdict is (that stands on its first page); 3 when the clock is in
doubt: a wrong time is not signed.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    parser.add_argument("--redact", choices=["names"], help="also make a package in which names are replaced")
    parser.add_argument("--item-hashes", action="store_true", help="with --redact: keep the hashes of items")
    parser.add_argument("--by", metavar="NAME", help="who makes this report: stands in the evidence and in the journal")
    parser.add_argument("--key", action="store_true", help="only make, show and send the fingerprint of the key")


def run(context: Context) -> int:
    """Make a package; 0 once it is written."""
    args, output, config = context.args, context.output, context.config()
    if args.item_hashes and args.redact is None:
        raise UsageError("--item-hashes is for --redact names", "Leave it out: the full package has all hashes.")
    if args.key:
        return _show_key(context, config)
    context.take_now(config, only_rehearsed=True)
    told: dict[str, str | None] = {}
    request = Request(redact=args.redact is not None, keeps_hashes=args.item_hashes, by=args.by)
    try:
        with opened_store(config, context.clock, holding=True) as store:
            report = make_report(
                config, store, context.clock, collected, request, sentences=fixed_sentences(),
                announce=lambda fingerprint: told.update(announce(config, fingerprint, context.clock)),
            )  # fmt: skip
    except ClockInDoubtError as error:
        output.error(error, {"exit": int(Exit.PARTIAL)})
        return Exit.PARTIAL
    output.document(_document(report, told))
    _show(report, told, output)
    return Exit.COMPLETE


def _document(report: Report, told: dict[str, str | None]) -> dict[str, object]:
    return {
        **_written(report.full),
        "redacted": _written(report.redacted) if report.redacted is not None else None,
        "key": {
            "fingerprint": report.fingerprint,
            "made": str(report.key_made) if report.key_made is not None else None,
            "trusted": report.is_trusted,
            "undelivered": sorted(name for name, why in told.items() if why is not None),
        },
        "recovered": report.recovered,
        "cut_off": report.cut_off,
        "exit": int(Exit.COMPLETE),
    }


def _written(package: Written) -> dict[str, object]:
    stamped = package.stamped_at
    return {
        "package": package.package,
        "evidence": package.evidence,
        "stamped_at": timestamp(stamped) if stamped is not None else None,
    }


def _show(report: Report, told: dict[str, str | None], output: Output) -> None:
    if report.key_made is not None:
        output.mark("doubtful", f"A key was made to sign with: {report.key_made}. Keep a copy of it in a safe place.")
        _show_delivery(told, output)
    for package in report.recovered:
        output.note(f"{package} was signed by a report that was cut off: it stands in the journal now.")
    for package in report.cut_off:
        output.note(f"{package} is no package: the report that began it was cut off, or is still at work.")
    _show_package("The package is written", report.full, output)
    if report.redacted is not None:
        _show_package("The package without names is written", report.redacted, output)
    output.say(f"  Fingerprint of the key: {report.fingerprint}", "strong")
    output.say("  Give both numbers to whoever checks, by another way than the package.", "weak")
    if not report.is_trusted:
        output.mark("doubtful", "This key is not believed here yet: add its fingerprint to evidence.trusted_keys.")
    output.say(f"Next: lastcopy verify --evidence {report.full.package} (in the store), or VERIFY.md in the package")


def _show_package(what: str, package: Written, output: Output) -> None:
    output.mark("good", f"{what}: {package.package}")
    output.say(f"  SHA-256 of evidence.json (--latest): {package.evidence}", "strong")
    if package.stamped_at is not None:
        output.say(f"  Time stamp: {timestamp(package.stamped_at)}")


def _show_key(context: Context, config: Config) -> int:
    """The fingerprint, printed and sent. 3 if somebody did not get it."""
    output = context.output
    opened = opened_signer(config, context.clock, may_make=True)
    fingerprint = opened.signer.fingerprint
    told = announce(config, fingerprint, context.clock)
    status = Exit.PARTIAL if any(told.values()) else Exit.COMPLETE
    output.document(
        {
            "fingerprint": fingerprint,
            "algorithm": opened.signer.algorithm,
            "made": str(opened.made) if opened.made is not None else None,
            "trusted": fingerprint in trusted(config),
            "delivered": {name: why is None for name, why in told.items()},
            "exit": int(status),
        }
    )
    if opened.made is not None:
        output.mark("good", f"A key was made: {opened.made}. Keep a copy of it in a safe place.")
    output.say(f"Fingerprint: {fingerprint}", "strong")
    _show_delivery(told, output)
    return status


def _show_delivery(told: dict[str, str | None], output: Output) -> None:
    for name, why in told.items():
        if why is None:
            output.mark("good", f"The fingerprint was sent to {name}.")
        else:
            output.mark("bad", f"The fingerprint was not sent to {name}: {why}. Run `lastcopy report --key` again.")
    if not told:
        output.say("  Nobody is in `notify`: write the fingerprint down, outside of the store.", "weak")
