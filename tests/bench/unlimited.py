"""The real command line, under published limits that never bind, so that a bench measures work and not waiting.

Rules of this file: nothing else of the product is changed. As a script it is the command line: `unlimited.py VERB …`; the last
line on stderr is the most memory that it had, in KiB. With `LASTCOPY_BENCH_PROFILE=FILE` it writes a profile: CPU time of all
threads by function, as `pstats` reads it (functions of C included). A profile makes calls dearer: it tells shares, not costs.
"""

import cProfile
import os
import pstats
import re
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from exporters.graph import budget
from tests.end_to_end.scaled import publish

COMMAND = [sys.executable, __file__]
LIMITS = "1000000000/1000000000000"


def peak() -> int:
    """KiB; VmHWM and not ru_maxrss, since the latter begins with what the parent had when it forked."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) if found else 0


def profiled(argv: list[str], out: str) -> int:
    """Run a command line and write where its CPU time went."""
    from retention.cli.main import main

    profiles = [cProfile.Profile(time.thread_time)]
    run = threading.Thread.run

    def run_profiled(thread: threading.Thread) -> None:
        profile = cProfile.Profile(time.thread_time)
        profiles.append(profile)
        profile.runcall(run, thread)

    threading.Thread.run = run_profiled  # type: ignore[method-assign]
    code: int = profiles[0].runcall(main, argv)
    stats = pstats.Stats(profiles[0])
    for profile in profiles[1:]:
        stats.add(profile)
    stats.dump_stats(out)
    return code


def main(argv: list[str]) -> int:
    """Run a command line of the product."""
    publish(LIMITS)
    budget.MAILBOX_REQUESTS = replace(budget.MAILBOX_REQUESTS, units=10**9)
    out: Any = os.environ.get("LASTCOPY_BENCH_PROFILE")
    if out:
        return profiled(argv, out)
    from retention.cli.main import main as product

    return product(argv)


if __name__ == "__main__":
    status = main(sys.argv[1:])
    print(peak(), file=sys.stderr)
    sys.exit(status)
