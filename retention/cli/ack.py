"""`lastcopy ack`. Rules of this file: parsing, calling and showing. Source: design §6."""

import argparse

from retention.cli.exit_codes import Exit
from retention.cli.options import Context

EXAMPLES = """\
examples:
  lastcopy ack 3f2a91c07be4d5561a20 --by "Anna Berg" --reason "export is running"

The key stands in the warning. It ends the escalation of that warning, not of those that come later.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.add_argument("key", metavar="KEY", help="as the warning names it")
    parser.add_argument("--by", metavar="NAME", required=True, help="who acknowledges")
    parser.add_argument("--reason", metavar="T", help="what is being done")


def run(context: Context) -> int:
    """Write an acknowledgement down."""
    from retention.acknowledging import acknowledge
    from retention.tracked import counted

    args, config = context.args, context.config()
    context.take_now(config, only_rehearsed=True)
    row = acknowledge(config, context.clock, args.key, args.by, args.reason)
    context.output.document(row)
    days = row["threshold_days"]
    what = f"{row['boundary']}, {counted(days, 'day')}," if isinstance(days, int) else row["boundary"]
    about = f" of {row['subscription']}" if row["subscription"] else ""
    context.output.mark("good", f"{row['by']} acknowledged {what}{about}")
    return int(Exit.COMPLETE)
