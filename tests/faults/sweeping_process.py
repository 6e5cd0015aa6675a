"""Processes that sweep in hurried time until they are killed: `-m tests.faults.sweeping_process FOLDER BASE STARTED SPEED`.

Rules of this file: one process has everything loaded and forks a child for each line on its standard input, so that a new
sweeper is there at once; it answers with the child's pid. All of them read the same clock: BASE + (now - STARTED) * SPEED.
"""

import os
import random
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

from exporters.clock import SystemClock
from retention.config import load
from retention.sweeping import sweep


class HurriedClock(SystemClock):
    """Time that runs faster; monotonic time and waiting as they are."""

    def __init__(self, base: datetime, started: float, speed: float) -> None:
        self._base, self._started, self._speed = base, started, speed

    def now(self) -> datetime:
        return self._base + timedelta(seconds=(time.time() - self._started) * self._speed)


def sweep_for_ever(folder: Path, clock: HurriedClock) -> None:
    config, chance = load(folder / "lastcopy.yaml"), random.Random(os.getpid())
    while True:
        sweep(config, clock, offline=True)
        time.sleep(chance.uniform(0, 0.02))


def reap() -> None:
    """Take leave of children that were killed."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0] > 0:
            pass
    except ChildProcessError:
        pass


def main() -> None:
    folder, base, started, speed = sys.argv[1:]
    clock = HurriedClock(datetime.fromisoformat(base), float(started), float(speed))
    # loaded once, so that a child begins with its first sweep
    import apprise  # noqa: F401

    import retention.claims
    import retention.delivering
    import retention.policy
    import retention.state.index
    import retention.texts
    import retention.timeline  # noqa: F401

    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            sys.stdin.close()
            try:
                sweep_for_ever(Path(folder), clock)
            except BaseException as error:  # noqa: BLE001 - a child that ends by itself is told
                sys.stderr.write(f"{type(error).__name__}: {error}\n")
                os._exit(1)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
        reap()


if __name__ == "__main__":
    main()
