"""The command `lastcopy`: finds the verb, runs it, and turns what it came to into an exit status.

Rules of this file: no slow import on the way to `--help` (a test); only the module of the verb that was asked for is loaded;
expected failures end in one sentence of what and one of what to do, never in a traceback. Source: design §6.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from exporters.errors import LastcopyError
from retention.cli.exit_codes import Exit, exit_of
from retention.cli.options import Context, Parser, UsageError, common_options, given_before_parsing
from retention.cli.output import Output


class Verb(NamedTuple):
    """A verb: its module below `retention.cli`, and one line for `--help`."""

    module: str
    summary: str


VERBS = {
    "init": Verb("init", "write a configuration, and say how to register the application"),
    "check": Verb("check", "can it work: sign-in, permissions, store, lock, clock; with --cancel: may I cancel"),
    "plan": Verb("plan", "will it fit: how much there is, how long it takes, when to begin"),
    "export": Verb("export", "copy the tenant into the store; goes on where it stopped"),
    "verify": Verb("verify", "prove that every byte of the copy is there"),
    "compose": Verb("compose", "make PSTs of the captured mailboxes, from the store alone, without a tenant"),
    "ready": Verb("ready", "may I cancel now: yes, or every reason why not, each with the command that mends it"),
    "accept": Verb("accept", "accept exceptions of one code, by name and with a reason"),
    "attest": Verb("attest", "say by name what no program can see, for the record: how it was bought, …"),
    "fold": Verb("fold", "close open bags from the store alone, without a tenant"),
    "timeline": Verb("timeline", "when can what be deleted: from a purchase channel and events, without a tenant"),
    "track": Verb("track", "watch subscriptions: as the tenant tells of them, or as you state them"),
    "status": Verb("status", "how long there is left, what happens next, what is not copied yet"),
    "sweep": Verb("sweep", "one pass of the clock: observe, warn who has to be warned; for cron or a timer"),
    "watch": Verb("watch", "the same again and again, as a process that stays"),
    "ack": Verb("ack", "acknowledge a warning, so that it goes no further up"),
    "recover": Verb("recover", "make the local state anew from the journal"),
    "policies": Verb("policies", "the retention rules in force, each with its source"),
    "restore": Verb("restore", "write the copy into a folder, with today's names"),
    "rehearse": Verb("rehearse", "try all of it now on a simulated tenant"),
}
QUIET = frozenset({"timeline", "policies", "track", "status", "sweep", "ack", "attest", "recover"})
"""Verbs that mostly log nothing: they are spared the time that logging takes to load."""
TAKES_NOW = frozenset({"timeline", "status", "plan", "sweep", "track", "ack", "watch"})
"""Verbs that may be asked as if it were another time; those that send or record refuse it by themselves (`Context.take_now`)
unless the state was made by a rehearsal (design §6)."""
TELLS_STANDING = frozenset(
    {
        "check",
        "plan",
        "export",
        "verify",
        "compose",
        "ready",
        "accept",
        "attest",
        "fold",
        "restore",
        "track",
        "ack",
        "sweep",
    }
)
"""Verbs that end with what stands open of warnings; `status` shows it at its top, the others have no state."""
_EPILOG = """\
exit status: 0 complete, 1 failed, 2 usage or configuration wrong (nothing was touched), 3 partial or a difference

Begin with `lastcopy rehearse` (no tenant needed), or with `lastcopy init`. Each verb has its own --help with examples.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status (0, 1, 2 or 3)."""
    given = list(sys.argv[1:] if argv is None else argv)
    as_json, quiet = given_before_parsing(given, "--json"), given_before_parsing(given, "--quiet")
    output = Output(as_json=as_json, quiet=quiet)
    try:
        return _run(given, output)
    except SystemExit as end:  # argparse, after --help or --version
        return int(end.code or 0)
    except LastcopyError as error:
        output.error(error)
        return exit_of(error)
    except KeyboardInterrupt:
        output.error(LastcopyError("interrupted", code="interrupted", action="Run the same command again to go on."))
        return Exit.FAILED
    except BrokenPipeError:  # whoever read us is gone: say nothing more, not even at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILED
    except Exception as error:  # noqa: BLE001 - the edge of the program
        return _unexpected(error, given, output)


def _run(given: list[str], output: Output) -> int:
    verb = _verb_of(given)
    parser = _parser(verb)
    if not given:
        parser.print_help()
        return Exit.USAGE
    args = parser.parse_args(given)
    if args.verb is None:
        raise UsageError("no verb is given", "See `lastcopy --help`.")
    if args.now is not None and args.verb not in TAKES_NOW:
        raise UsageError(
            f"--now is not for `{args.verb}`",
            "Leave it out: it exists on timeline, status, plan and sweep --dry-run alone.",
        )
    from retention.cli import logs

    logs.configure(args.verbose, at_need=args.verb in QUIET and not args.verbose)
    run: Any = args.run
    context = Context(args, output)
    try:
        return int(run(context))
    finally:
        if args.verb in TELLS_STANDING:
            _tell_standing(context)


def _tell_standing(context: Context) -> None:
    """Warnings that could not be delivered, or that nobody acknowledged, are shown by every command."""
    from retention.standing import sentences, standing_of

    try:
        config = context.config()
    except LastcopyError:  # the verb says it
        return
    for sentence in sentences(standing_of(config)):
        context.output.note(f"! {sentence}")


def _verb_of(given: Sequence[str]) -> str | None:
    """The verb on a command line, None if there is none; options of every verb may stand before it."""
    _, rest = common_options(suppress=False).parse_known_args([word for word in given if word not in {"-h", "--help"}])
    words = [word for word in rest if not word.startswith("-")]
    return words[0] if words and words[0] in VERBS else None


def _parser(chosen: str | None) -> Parser:
    parser = Parser(
        prog="lastcopy",
        description="Copies a Microsoft 365 tenant into storage you own before it is deleted, and proves that the copy is whole.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[common_options(suppress=False)],
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="say the version and end")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs", parser_class=Parser)
    for name, verb in VERBS.items():
        module = importlib.import_module(f"retention.cli.{verb.module}") if name == chosen else None
        child = verbs.add_parser(
            name,
            help=verb.summary,
            description=f"{verb.summary[:1].upper()}{verb.summary[1:]}.",
            epilog=getattr(module, "EXAMPLES", None),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            parents=[common_options(suppress=True)],
            allow_abbrev=False,
        )
        if module is not None:
            module.add_arguments(child)
            child.set_defaults(run=module.run)
    return parser


class _Version(argparse.Action):
    """`--version`, which is looked up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"lastcopy {version('lastcopy')}")
        parser.exit()


def _unexpected(error: Exception, given: Sequence[str], output: Output) -> int:
    """A fault of ours: one line, and the traceback only with -v."""
    from exporters.graph.masking import mask
    from exporters.scratch import scratch_error

    known = scratch_error(error)
    if known is not None:
        output.error(known)
        return exit_of(known)
    if any(word.startswith("-v") and set(word[1:]) == {"v"} for word in given):
        import traceback

        sys.stderr.write(mask("".join(traceback.format_exception(error))))
    told = LastcopyError(
        f"an unexpected error ({type(error).__name__}: {mask(str(error))})",
        code="internal",
        action="Run it again with -v and report what it says; what was copied is safe.",
    )
    output.error(told)
    return Exit.FAILED


if __name__ == "__main__":
    sys.exit(main())
