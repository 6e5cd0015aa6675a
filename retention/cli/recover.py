"""`lastcopy recover`. Rules of this file: parsing, calling and showing. Source: design §4 (the journal), §6."""

import argparse

from retention.cli.exit_codes import Exit
from retention.cli.options import Context

EXAMPLES = """\
examples:
  lastcopy recover

Needed after the state database was lost or damaged: everything in it is made again from the journal.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No options of its own."""


def run(context: Context) -> int:
    """Make the index anew."""
    from retention.recovering import recover

    found = recover(context.config(), context.clock)
    context.output.document(found)
    told = ", ".join(f"{number:,} {name}" for name, number in found.items() if name != "segments")
    context.output.mark("good", f"made again from {found['segments']:,} segments of the journal: {told}")
    return int(Exit.COMPLETE)
