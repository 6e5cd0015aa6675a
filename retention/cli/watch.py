"""`lastcopy watch`. Rules of this file: parsing, calling and showing. Source: design §6."""

import argparse
import signal
import threading

from retention.cli.exit_codes import Exit
from retention.cli.options import Context

EXAMPLES = """\
examples:
  lastcopy watch
  lastcopy watch --health         (for a container: is the one that runs well?)

The same as `lastcopy sweep` every `retention.sweep_every`, until it is stopped. How it stands is written to
lastcopy-watch.json beside the state, and told to `heartbeat.url`.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.add_argument("--offline", action="store_true", help="do not ask the tenant")
    parser.add_argument(
        "--health", action="store_true", help="say how the process that watches stands, and end (3: not well)"
    )


def run(context: Context) -> int:
    """Sweep again and again."""
    from retention.cli.sweep import show
    from retention.sweeping import health_of, watch

    config, output = context.config(), context.output
    context.take_now(config, only_rehearsed=True)
    if context.args.health:
        wrong = health_of(config, context.clock.now(), wanted=True)
        output.document({"healthy": wrong is None, "problem": wrong})
        output.mark("good" if wrong is None else "bad", wrong or "all is well")
        return int(Exit.COMPLETE if wrong is None else Exit.PARTIAL)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    watch(
        config,
        context.clock,
        stop,
        lambda result: show(context, result, dry_run=False),
        lambda error: output.note(f"! {error}. {error.action}"),
        offline=context.args.offline,
    )
    return int(Exit.COMPLETE)
