"""`lastcopy verify --evidence`. Rules of this file: calling and showing; options stand in `verify`. Source: design §6, §8."""

from functools import partial
from pathlib import Path

from exporters.bag.verify import Choice, Level
from exporters.clock import timestamp
from retention.cli.exit_codes import Exit
from retention.cli.options import Context, UsageError
from retention.cli.output import Output
from retention.cli.progress import Meter, show_progress
from retention.config import Config
from retention.evidence.checked import Checked, Expected
from retention.evidence.checking import check_package
from retention.evidence.checking_store import check_against_store
from retention.evidence.places import opened_package
from retention.evidence.trust import trusted
from retention.opening import lock_of, opened_store
from retention.values import fingerprint
from retention.verification import VerifyRequest, verify_store

SHOWN = 20
_TRUST = (
    "Compare the fingerprint with the one that you were given by another way than the package. If it is that one, run this"
    " again with --fingerprint {0}, or add it to evidence.trusted_keys."
)


def run_evidence(context: Context, level: Level, choice: Choice | None) -> int:
    """Check a package; 0 good, 3 a difference, or a key that nobody named."""
    args, output = context.args, context.output
    config = _config(context)
    expected_key = _digest(args.fingerprint, "--fingerprint")
    latest = _digest(args.latest, "--latest")
    believed = trusted(config) if config is not None else {}
    with opened_package(args.evidence, config, context.clock, Path.cwd()) as found:
        expected = Expected(expected_key, latest, believed, found.lock)
        checked, document = check_package(found.store, found.place, expected)
        if config is None or config.settings.store is None or args.package_only or document is None:
            checked.notes.append("The store was not looked at: this is the package alone.")
        else:
            with (
                opened_store(config, context.clock, holding=True) as store,
                Meter(context.clock, show=show_progress(output)) as meter,
            ):
                request = VerifyRequest(level, lock=lock_of(config), choice=choice)
                verify = partial(
                    verify_store, store, request, context.clock,
                    progress=meter.passed, expected=lambda files, _: meter.listed(files),
                )  # fmt: skip
                check_against_store(store, context.clock, found.store, found.place, document, checked, verify, believed)
    output.document(checked.as_json())
    show(checked, output)
    return checked.exit


def _config(context: Context) -> Config | None:
    """The configuration; None where nobody named one and none is there: an auditor has none."""
    if not context.config_named and not context.config_file.exists():
        return None
    return context.config()


def _digest(text: str | None, option: str) -> str | None:
    """64 hex digits. Raises: UsageError."""
    if text is None:
        return None
    try:
        return fingerprint(text)
    except ValueError:
        raise UsageError(f"{option} {text!r} is no SHA-256", "Give its 64 hex digits.") from None


def show(checked: Checked, output: Output) -> None:
    """The result for people."""
    for number, one in enumerate(checked.differences):
        if number == SHOWN:
            output.say("  … more: see --json")
            break
        output.mark("bad", f"{one.sort}: {one.name}: {one.why}")
    for note in checked.notes:
        output.note(note)
    output.say(
        f"Package: {checked.package or '?'}, {checked.files:,} files{', names replaced' if checked.is_redacted else ''}"
    )
    output.say(f"SHA-256 of evidence.json: {checked.evidence or '?'}")
    if checked.stamp is not None:
        stamp = checked.stamp
        output.say(f"Time stamp: {timestamp(stamp.at)}, by {stamp.authority}")
        output.say(f"  SHA-256 of its root certificate: {stamp.root} (compare it with the authority's)", "weak")
    _show_head(checked, output)
    if checked.bags is not None and not checked.is_redacted:
        told = ", ".join(f"{number:,} {state}" for state, number in checked.bags.items())
        output.say(f"Bags in the store of today: {told}")
    _show_verdict(checked, output)


def _show_head(checked: Checked, output: Output) -> None:
    if checked.head == "newest":
        output.mark("good", "It is the newest package.")
    elif checked.head == "older" and checked.newer:
        output.mark("doubtful", f"{checked.newer:,} newer packages came after it.")
    elif checked.head == "not checked":
        output.mark(
            "doubtful", "Head of the chain not checked: give --latest SHA256, or a configuration with the store."
        )


def _show_verdict(checked: Checked, output: Output) -> None:
    if checked.fingerprint is not None and checked.trusted_by is None:
        output.mark("bad", f"Unknown key, with the fingerprint {checked.fingerprint}.")
        output.say(f"    {_TRUST.format(checked.fingerprint)}", "weak")
    elif checked.fingerprint is not None:
        output.mark(
            "good" if checked.is_signed else "bad", f"Key {checked.fingerprint}, named by {checked.trusted_by}."
        )
    if checked.exit == Exit.COMPLETE:
        output.mark("good", "The package is as it was signed." if checked.bags is None else _WHOLE)
    elif checked.differences:
        output.mark(
            "bad", "Differences were found: see above. Do not rely on this package, or on the store, as they are."
        )


_WHOLE = "The package is as it was signed, and the store holds all that it names."
