"""The real command line by a clock that runs faster: a minute of budget in seconds, a day in minutes.

Rules of this file: the same clock for tenant and client, and for every process; nothing of the product knows of it. As a script
it is the command line: `scaled.py SCALE BASE LIMITS VERB …`; LIMITS: published units a minute and a day (`200/5000`), and
requests to a mailbox in ten minutes (`200/5000/60`), or `-`.
"""

import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from exporters.clock import Clock  # noqa: E402
from exporters.graph import budget, limits  # noqa: E402


class ScaledClock(Clock):
    """Seconds that pass `scale` times as fast since `base` (seconds since 1970)."""

    def __init__(self, scale: float, base: float | None = None) -> None:
        self.scale, self.base = scale, time.time() if base is None else base

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.base, UTC) + timedelta(seconds=(time.time() - self.base) * self.scale)

    def monotonic(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME) * self.scale

    def sleep(self, seconds: float) -> None:
        time.sleep(max(seconds, 0.0) / self.scale)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return event.wait(max(seconds, 0.0) / self.scale)


def publish(told: str) -> None:
    """Another table of published limits, for this process: days that a test can spend."""
    minute, day, *mailbox = (int(units) for units in told.split("/"))
    if mailbox:
        budget.MAILBOX_REQUESTS = limits.MAILBOX_REQUESTS = replace(limits.MAILBOX_REQUESTS, units=mailbox[0])
    classes = [
        replace(c, minute=replace(c.minute, units=minute), day=replace(c.day, units=day))
        for c in limits.LICENCE_CLASSES
    ]
    limits.LICENCE_CLASSES = tuple(classes)


def command(clock: ScaledClock, published: str = "-") -> list[str]:
    """What stands for `lastcopy` on a command line."""
    return [sys.executable, str(Path(__file__)), str(clock.scale), repr(clock.base), published]


def main(argv: list[str]) -> int:
    """Run a command line of the product by a scaled clock."""
    from retention.cli import main as product
    from retention.cli import options

    clock = ScaledClock(float(argv[0]), float(argv[1]))
    if argv[2] != "-":
        publish(argv[2])
    context: Any = options.Context
    product.Context = lambda args, output: context(args, output, clock)  # type: ignore[misc, assignment]
    return product.main(argv[3:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
