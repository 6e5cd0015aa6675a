"""`lastcopy rehearse`. Rules of this file: parsing, calling and showing. Source: design §6."""

import argparse
import json
import sys
from pathlib import Path

from exporters.errors import ConfigurationError, RunError
from retention.cli.exit_codes import Exit
from retention.cli.options import Context

EXAMPLES = """\
examples:
  lastcopy rehearse                        the whole story in ./rehearsal, in under a minute
  lastcopy rehearse --in /tmp/trial
  lastcopy rehearse serve                  only the simulated tenant: prints how to reach it, runs until Ctrl-C
  lastcopy rehearse serve --data TENANT --faults plan.json --port 8443
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    parser.add_argument("what", nargs="?", choices=["serve"], help="serve: run the simulated tenant alone")
    parser.add_argument("--in", dest="folder", metavar="DIR", help="where the rehearsal happens (default ./rehearsal)")
    parser.add_argument(
        "--data", metavar="DIR", type=Path, help="serve: a tenant in the tenant-data format (default: a small one)"
    )
    parser.add_argument("--faults", metavar="FILE", type=Path, help="serve: a plan of faults")
    parser.add_argument("--port", type=int, default=0, help="serve: first of five ports (default: free ones)")


def run(context: Context) -> int:
    """Rehearse; 0 if every step came to what it should."""
    if context.args.what == "serve":
        return _serve(context.args)
    from retention.cli.main import main
    from retention.rehearsal import rehearse

    output, folder = context.output, Path(context.args.folder or "rehearsal")
    quiet = output.quiet or output.as_json
    began = context.clock.monotonic()
    steps = rehearse(folder, say=output.say, quiet=quiet, main=lambda argv: main([*argv, "--quiet"] if quiet else argv))
    output.document({"folder": str(folder), "steps": steps, "exit": int(Exit.COMPLETE)})
    output.say()
    output.mark("good", f"Rehearsed in {context.clock.monotonic() - began:.0f} s.")
    return Exit.COMPLETE


def _serve(args: argparse.Namespace) -> int:
    from exporters.rehearsal.faults import FaultPlanError
    from exporters.rehearsal.server import serve
    from exporters.rehearsal.tenant import TenantDataError

    if args.data is not None and not (args.data / "tenant.json").is_file():
        raise ConfigurationError(
            f"{args.data} holds no tenant", code="tenant_data_missing", action="Name a folder with tenant.json in it."
        )
    try:
        serve(args.data, args.faults, args.port, sys.stdout)
    except (TenantDataError, FaultPlanError, json.JSONDecodeError) as error:
        raise ConfigurationError(
            str(error), code="rehearsal_data", action="Correct the tenant's data or the plan."
        ) from error
    except OSError as error:
        raise RunError(
            f"the simulated tenant cannot be served ({error.strerror})",
            code="port_taken",
            action="Choose another --port.",
        ) from error
    return Exit.COMPLETE
