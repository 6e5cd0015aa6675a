"""How much of what the service grants is used: by one process, by two, after a kill, with a day that binds; what a file costs
in units, and what the budget costs in CPU.

Rules of this file: the judge is the tenant's own ledger. Use is measured in whole windows of the service, from the one with the
first download to the one before the last; of windows that slide, in whole spans from the first download on.
"""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from exporters.clock import SystemClock
from exporters.graph.budget import Budget
from exporters.graph.calls import NoObserver
from exporters.graph.gate import Gate
from exporters.graph.keeper import Keeper
from exporters.graph.limits import Scope, licence_class
from exporters.graph.sharing import History
from exporters.rehearsal.service import Settings
from retention.state.database import open_state
from retention.state.spending import SharedBudget
from tests.bench.test_export_bench import flat_tenant
from tests.end_to_end.driving import Product, Row, Tenant
from tests.end_to_end.scaled import ScaledClock, command
from tests.independent import tiny
from tests.unit.graph.simulation import Process, World

pytestmark = pytest.mark.bench
PLAIN = {"versions": "current", "permissions": "none"}
FOREVER = 10**8
SP = Scope.SHAREPOINT


def drives_of(out: Path, drives: int, files: int) -> Path:
    """Drives of that many small files each."""
    return tiny.make(out, drives=drives, files=files, odd=False)


def spent(tenant: Tenant) -> list[tuple[float, Row]]:
    """(seconds since 1970, request) of all that SharePoint counted."""
    rows = [row for row in tenant.requests() if row["family"] == "sharepoint"]
    return [(datetime.fromisoformat(row["at"]).timestamp(), row) for row in rows]


def judged(name: str, tenant: Tenant, limit: int, *, window: float = 60.0, sliding: bool = False) -> float:
    """Print and return the share of the granted units that useful requests used; nothing may have been refused."""
    summary = json.loads(tenant.control("GET", "summary"))
    rows = spent(tenant)
    downloads = [at for at, row in rows if row["route"].endswith("/content")]
    start = downloads[0] if sliding else downloads[0] // window * window
    whole = int((downloads[-1] - start) // window)
    end = start + whole * window
    useful = sum(row["cost"] for at, row in rows if start <= at < end and row["status"] < 400)
    use = useful / (whole * limit) if whole else 0.0
    by_window = [
        sum(row["cost"] for at, row in rows if start + n * window <= at < start + (n + 1) * window)
        for n in range(whole + 1)
    ]
    print(f"\n{name}: {use:.1%} of {limit} in each of {whole} windows of {window:.0f} s {by_window},", end=" ")
    print(f"{summary['throttled']} refused, {summary['avoidable']} avoidable")
    assert (summary["throttled"], summary["avoidable"]) == (0, 0)
    return use


# -- by the real command line ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sliding", [False, True], ids=["fixed", "sliding"])
@pytest.mark.parametrize(
    ("licences", "minute", "files"),
    [(100, None, 6_000), (60_000, 500, 2_600)],
    ids=["smallest-class", "told-lower"],
)
def test_one_export_uses_the_minute(
    tmp_path: Path, sliding: bool, licences: int, minute: int | None, files: int
) -> None:
    """About five minutes, by the real clock."""
    data = flat_tenant(tmp_path / "tenant", files)
    with Tenant(data, licences=licences, units_a_minute=minute, sliding=sliding) as tenant:
        product = Product(tmp_path / "work", tenant, drive=PLAIN)
        product.run("export", "--json", code=0, seconds=1200)
        limit = minute or licence_class(licences).minute.units
        assert judged("one export", tenant, limit, sliding=sliding) >= 0.95


@pytest.mark.parametrize("sliding", [False, True], ids=["fixed", "sliding"])
@pytest.mark.parametrize("keeps_state", [True, False], ids=["with-state", "state-deleted"])
def test_two_exports_one_killed_and_started_again_use_the_minute(
    tmp_path: Path, sliding: bool, keeps_state: bool
) -> None:
    """Two sources by two processes; after a minute and a half one is killed and started again. Where the state is deleted, both
    are killed: a state that somebody uses is nobody's to delete."""
    data = drives_of(tmp_path / "tenant", 2, 3_200)
    with Tenant(data, licences=100, sliding=sliding) as tenant:
        product = Product(tmp_path / "work", tenant, drive=PLAIN)
        crew = [start_one(product, number) for number in range(2)]
        time.sleep(100.0)
        for process in crew if not keeps_state else crew[:1]:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        if keeps_state:
            crew[0] = start_one(product, 0)
        else:
            for path in product.folder.glob("lastcopy.db*"):
                path.unlink()
            crew = [start_one(product, number) for number in range(2)]
        outs = [process.communicate(timeout=1200) for process in crew]
        assert [process.returncode for process in crew] == [0, 0], outs
        name = f"two exports, killed and started again, {'with state' if keeps_state else 'state deleted'}"
        use = judged(name, tenant, 1250, sliding=sliding)
        print(f"avoidable by the exports' own count: {[json.loads(out)['requests']['avoidable'] for out, _ in outs]}")
        assert use >= 0.95


def start_one(product: Product, number: int) -> "subprocess.Popen[str]":
    return product.start("export", "--json", "--take-over", "--source", f"onedrive/person{number}@{tiny.DOMAIN}")


@pytest.mark.parametrize("sliding", [False, True], ids=["fixed", "sliding"])
def test_the_day_binds(tmp_path: Path, sliding: bool) -> None:
    """Three days of 1,500 units in 18 minutes: clocks run 240 times as fast. The table is made smaller for both sides.

    Not faster: what processes tell each other takes milliseconds of the real clock, which become seconds of a lease's.
    """
    clock = ScaledClock(240.0)
    data = flat_tenant(tmp_path / "tenant", 4_600)
    lasting = Settings(token_seconds=FOREVER, url_seconds=FOREVER)
    with Tenant(
        data, licences=100, clock=clock, units_a_minute=60, units_a_day=1_500, sliding=sliding, settings=lasting
    ) as tenant:
        product = Product(tmp_path / "work", tenant, drive=PLAIN)
        product.command = command(clock, "60/1500")
        product.run("export", "--json", code=0, seconds=3600)
        assert judged("the day binds", tenant, 1_500, window=86_400.0, sliding=sliding) >= 0.95


def test_units_a_file(tmp_path: Path) -> None:
    """10,000 files, versions: current, permissions: none, no faults; then a run with nothing new."""
    with Tenant(flat_tenant(tmp_path / "tenant", 10_000), throttling=False) as tenant:
        product = Product(tmp_path / "work", tenant, drive=PLAIN)
        product.run("export", "--json", code=0, seconds=1200)
        cost = sum(row["cost"] for _, row in spent(tenant) if not row["route"].startswith("users"))
        tenant.forget_requests()
        product.run("export", "--json", code=0, seconds=120)
        again = sum(row["cost"] for _, row in spent(tenant))
        print(f"\n10,000 files: {cost / 10_000:.4f} units a file beyond discovery; a run with nothing new: {again}")
        assert cost <= 1.02 * 10_000
        assert again <= 1


# -- simulated: the whole table, and days at their real size ----------------------------------------------------------------


@pytest.mark.parametrize("sliding", [False, True], ids=["fixed", "sliding"])
@pytest.mark.parametrize("licences", [100, 3_000, 10_000, 30_000, 60_000])
def test_every_class_is_used(sliding: bool, licences: int) -> None:
    world = World(sliding=sliding, licences=licences)
    Process(world, 0, threads=16, latency=0.1, licences=licences).start()
    world.run(600.0)
    limit = licence_class(licences).minute.units
    # 16 threads with answers after 0.1 s can spend some 9,000 a minute
    print(
        f"\n{licences:,} licences: {world.used(0.0, 600.0) / 10 / limit:.1%} of {limit} a minute, {world.refused} refused"
    )
    assert world.refused == 0
    assert world.used(0.0, 600.0) >= 0.95 * 10 * limit


@pytest.mark.parametrize("sliding", [False, True], ids=["fixed", "sliding"])
def test_two_real_days_of_the_smallest_class(sliding: bool) -> None:
    """1,250 a minute and 1,200,000 a day, as published: after 16 hours the day binds."""
    world = World(sliding=sliding)
    process = Process(world, 0, threads=16, latency=0.1).start()
    world.run(86_400.0 * 1.5)
    day = world.used(0.0, 86_400.0)
    print(f"\na day: {day / 1_200_000:.2%} of 1,200,000; {world.refused} refused; waited for {process.reasons}")
    assert world.refused == 0
    assert 0.95 * 1_200_000 <= day <= 1_200_000


# -- CPU ----------------------------------------------------------------------------------------------------------------------


def cpu_of(work: Callable[[], Any], times: int) -> float:
    """Microseconds of CPU (all threads) for one of `times`."""
    before = time.process_time()
    work()
    return (time.process_time() - before) / times * 1e6


def test_cpu_of_a_request(tmp_path: Path) -> None:
    """Claim and settle in the pure part; with the gate; with leases from a state database; and from 24 threads."""
    requests = 100_000

    def pure() -> None:
        budget, now = Budget(licences=60_000), 0.0
        for _ in range(requests):
            now += 0.02
            claim = budget.claim(SP, 1, now)
            assert claim.ticket is not None
            budget.settle(claim.ticket, now + 0.01, served=True)

    clock = ScaledClock(20.0)  # as if a request were sent every 20 ms or so

    def through(gate: Gate, count: int) -> None:
        for _ in range(count):
            gate.leave(gate.enter(SP, 1, None, NoObserver()), served=True)

    print(f"\nclaim + settle: {cpu_of(pure, requests):.1f} µs")
    gate = Gate(Budget(licences=60_000), clock)
    count = 5_000
    print(f"gate: {cpu_of(lambda: through(gate, count), count):.1f} µs")
    shared = Gate(Budget(licences=60_000), SystemClock())
    state = open_state("sqlite:///state.db", tmp_path)
    with Keeper(shared, SharedBudget(state, "a"), SystemClock(), lambda before: History()):
        print(f"gate, shared through a state, 5,000 in a burst: {cpu_of(lambda: through(shared, count), count):.1f} µs")
    state.close()
    crowded = Gate(Budget(licences=60_000), SystemClock())
    ended = threading.Event()

    def lane(times: int) -> None:
        for _ in range(200):
            through(crowded, times)
            ended.wait(0.001)

    with ThreadPoolExecutor(24) as pool:
        bare, took = (cpu_of(lambda: list(pool.map(lane, [n] * 24)), 24 * 200) for n in (0, 1))  # noqa: B023
    print(f"gate, 24 threads: {took - bare:.1f} µs (besides the threads' own {bare:.1f})")
    assert cpu_of(pure, requests) < 15
