"""`lastcopy policies`. Rules of this file: parsing, calling and showing. Source: design §6, retention-domain §2.4."""

import argparse

from retention.cli.exit_codes import Exit
from retention.cli.options import Context, UsageError

EXAMPLES = """\
examples:
  lastcopy policies
  lastcopy policies direct-cancel
  lastcopy policies csp_nce
  lastcopy policies K1
  lastcopy policies --json

NAME is a window, a channel, a shortcut, a related clock, a conflict, a state, a source, or fallback.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="explain this one alone")


def run(context: Context) -> int:
    """List the policy in force, or explain one part of it."""
    from retention.policy_choice import policy_of
    from retention.policy_shown import document, explained, overview

    output = context.output
    policy = policy_of(context.config_file, named=context.config_named).policy
    now = context.clock.now()
    if context.args.name is None:
        output.document(document(policy, now))
        for headings, rows in overview(policy):
            output.table(headings, rows)
            output.say()
        output.say(f"Policy {policy.policy_id}, SHA-256 {policy.sha256}", "weak")
        output.say(f"Last verified on {policy.verified_on}. Explain one: lastcopy policies NAME", "weak")
    else:
        found = explained(policy, context.args.name)
        if not found:
            raise UsageError(
                f"the policy has no part {context.args.name!r}", "`lastcopy policies` lists the names of all parts."
            )
        output.document(
            {"policy": {"id": policy.policy_id, "sha256": policy.sha256}, "parts": [one.as_json for one in found]}
        )
        for part in found:
            output.say(part.title, "strong")
            for line in part.lines:
                output.say(f"  {line}")
    if policy.too_old(now):
        output.note(
            f"The policy was last verified on {policy.verified_on}: Microsoft may have changed its rules since."
        )
    return Exit.COMPLETE
