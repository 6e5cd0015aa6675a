"""Where faults are tried out: the command line in this process, on a clock that runs fast, and cases as rows of a table.

Rules of this file: what waits (back-off, `Retry-After`) waits by the clock that is passed in, so the hurried clock saves hours
and changes nothing else; the same clock drives product and tenant. A run that does not end is cut off, and says where it hung.
"""

import contextlib
import faulthandler
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from exporters.clock import Clock, SystemClock
from retention.cli import main as command_line
from retention.cli.options import Context
from tests.end_to_end.driving import Product, Result, Row, Tenant, assert_same
from tests.independent.judge import Settings, judge

SPEED = 30.0
CONTENT = "drives/*/items/*/content"
DELTA = "drives/*/root/delta"
DRIVE = "users/*/drive"
SITES = "sites/getAllSites"
VERSION = "drives/*/items/*/versions/*/content"
HTML = "<html><body>Something went wrong</body></html>"


class HurriedClock:
    """The machine's clock, so many times faster, and off by `skew`."""

    def __init__(self, speed: float = SPEED, skew: timedelta = timedelta()) -> None:
        self._speed, self._skew = speed, skew
        self._start, self._began = datetime.now(UTC), time.monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.monotonic()) + self._skew

    def monotonic(self) -> float:
        return (time.monotonic() - self._began) * self._speed

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds / self._speed)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return event.wait(max(seconds, 0.0) / self._speed)


CLOCK = HurriedClock()
"""Of product and tenant alike, so that time goes on from one run to the next."""


class Desk(Product):
    """A product whose commands run in this process. `clock`: what it takes the time from."""

    clock: Clock = CLOCK

    def run(self, *arguments: str, code: int | None = None, seconds: float = 120) -> Result:
        """Run a command to its end; `code`: the exit status that it must have."""
        out, err = io.StringIO(), io.StringIO()
        given = [*arguments, "--config", str(self.folder / "lastcopy.yaml")]
        with (
            mock.patch.object(command_line, "Context", self._context),
            mock.patch.dict(os.environ, self.environment),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            ending_in(seconds, " ".join(arguments)),
        ):
            status = command_line.main(given)
        result = Result(status, out.getvalue(), err.getvalue())
        assert "Traceback" not in result.err, result.err[-3000:]
        if code is not None:
            assert result.code == code, (
                f"{arguments}: exit {result.code}, not {code}\n{result.out[-3000:]}{result.err[-4000:]}"
            )
        return result

    def _context(self, *arguments: Any, **named: Any) -> Context:
        return Context(*arguments, **named, clock=self.clock)


class InProcess(Desk):
    """Commands that nobody disturbs run in this process, by the machine's clock: the start of one takes a second and more."""

    clock = SystemClock()


@contextlib.contextmanager
def ending_in(seconds: float, what: str) -> Iterator[None]:
    """Cut off what does not end in so many seconds of real time; a second time, end the whole process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    late: list[bool] = []

    def on_alarm(*_: object) -> None:
        faulthandler.dump_traceback(file=sys.__stderr__)
        if late:
            os._exit(70)
        late.append(True)
        raise AssertionError(f"lastcopy {what} did not end in {seconds} s")

    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, seconds, 20)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True)
class Case:
    """A plan, and what a first export under it must come to.

    `code`: exit status; 3 is that of the undisturbed tenant, which holds
    what nobody can copy. `differs`: codes that stand in the document beyond those of an undisturbed run. `least`: how often the
    fault must have struck, or the case proves nothing. `error`: code of the error that ends the run. `problem`: code of what is
    wrong with the (one) source. `asked`: the most requests to a route that the run may make. `settings`: of the tenant.
    `heals`: `equal` to an undisturbed store, or in `bytes` alone, where what was listed stays as it was told."""

    rules: tuple[Row, ...]
    code: int = 3
    differs: Mapping[str, int] = field(default_factory=dict)
    least: int = 1
    error: str | None = None
    problem: str | None = None
    asked: Mapping[str, int] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    heals: str = "equal"


def rule(fault: str, route: str = "*", **more: object) -> Row:
    """One rule of a fault plan."""
    return {"fault": fault, "route": route, **more}


def no_sites() -> Row:
    """A plan's rule: the list of sites tells of none, so that drives are found by their users alone."""
    return rule("edit", SITES, edits=[{"at": "value", "to": []}])


def try_case(case: Case, tenant: Tenant, undisturbed: Desk, folder: Path) -> Desk:
    """Export under the plan, judge what it came to, then without it: the store must be as if nothing had been."""
    product = Desk(folder, tenant)
    before = {setting: getattr(tenant.rehearsal.settings, setting) for setting in case.settings}
    tenant.settings(**case.settings)
    tenant.faults(*case.rules)
    tenant.forget_requests()
    result = product.run("export", "--json", seconds=90)
    assert tenant.fired() >= case.least, "the fault never struck"
    for setting, value in before.items():
        setattr(tenant.rehearsal.settings, setting, value)
    assert result.code == case.code, result.err[-2000:] + result.out[-2000:]
    document = result.document
    if case.error is not None:
        assert document["error"]["code"] == case.error, document["error"]
        assert document["error"]["message"] and document["error"]["action"], document["error"]
    elif case.problem is not None:
        assert case.problem in problems(document), document
    elif case.code == 3:
        wanted = dict(undisturbed.document["exceptions"])  # type: ignore[attr-defined]
        for code, number in case.differs.items():
            wanted[code] = wanted.get(code, 0) + number
        wanted = {code: number for code, number in wanted.items() if number}
        assert document["exceptions"] == wanted, (document["exceptions"], wanted)
    routes = tenant.routes()
    for route, most in case.asked.items():
        number = sum(count for name, count in routes.items() if name.partition(" ")[2] == route)
        assert number <= most, f"{number} requests to {route}"
    assert_heals(product, undisturbed, only_bytes=case.heals == "bytes")
    return product


def problems(document: Row) -> set[str]:
    """Codes of what is wrong with sources."""
    return {row["code"] for source in document["sources"] for row in source["coverage"] if "code" in row}


def exported(product: Desk, *arguments: str, code: int | None = None) -> Row:
    """`export --json`; its document."""
    return product.run("export", "--json", *arguments, code=code).document


def assert_heals(product: Desk, undisturbed: Desk, *arguments: str, only_bytes: bool = False) -> None:
    """With the fault gone, the next run ends equal to an undisturbed one. arguments: further ones of `export`."""
    product.tenant.faults()
    document = product.export(*arguments)
    wanted = undisturbed.document["exceptions"]  # type: ignore[attr-defined]
    assert document["exceptions"] == wanted, document
    if only_bytes:
        assert contents(product.store) == contents(undisturbed.store)
    else:
        assert_same(product.store, undisturbed.store)
        found = judge(product.store, product.tenant.truth, Settings(versions="all", leftovers=True))
        assert found == [], "\n".join(found[:10])
    assert product.run("verify", "--json", code=0).document["reconciled"]


def contents(store: Path) -> Row:
    """{id of a file: SHA-256 or code}, of all bags."""
    from tests.end_to_end.driving import rows_of

    return {spot[2]: row.get("sha256") or row.get("code") for spot, row in rows_of(store).items() if spot[0] == "file"}
