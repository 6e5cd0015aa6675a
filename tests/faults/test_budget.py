"""One budget for real processes: at once, after a kill, with and without the state, and a state that somebody holds.

Rules of this file: the real command line; where a minute must pass, by a clock that runs faster; judged by the tenant's ledger.
"""

import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.driving import Product, Tenant, wait_for
from tests.end_to_end.scaled import ScaledClock, command
from tests.independent import tiny

SCALE = 20.0
PLAIN = {"versions": "current", "permissions": "none"}
FOREVER = 10**8
"""Seconds that tokens and addresses last: by a fast clock they would not outlive a request."""


@pytest.fixture(scope="module")
def two_drives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make(tmp_path_factory.mktemp("two") / "tenant", drives=2, files=150, odd=False)


def lasting(tenant: Tenant) -> Tenant:
    tenant.settings(token_seconds=FOREVER, url_seconds=FOREVER)
    return tenant


def units_by_minute(tenant: Tenant) -> dict[int, int]:
    """Useful units in each minute of the tenant's clock, from the first download on."""
    rows = [row for row in tenant.requests() if row["family"] == "sharepoint"]
    found: dict[int, int] = {}
    for row in rows:
        if row["status"] < 400:
            minute = int(time.mktime(time.strptime(row["at"][:16], "%Y-%m-%dT%H:%M"))) // 60
            found[minute] = found.get(minute, 0) + row["cost"]
    return found


def assert_never_refused(tenant: Tenant) -> None:
    summary = json.loads(tenant.control("GET", "summary"))
    refused = [row for row in tenant.requests() if row["status"] in (429, 503)]
    assert (summary["throttled"], summary["avoidable"]) == (0, 0), refused[:5]


@pytest.mark.parametrize("sliding", [True, False], ids=["sliding", "fixed"])
def test_two_exports_at_once_share_the_minute(two_drives: Path, tmp_path: Path, sliding: bool) -> None:
    """The service grants 100 a minute, and tells it from 80 on; the published table says 6,250."""
    clock = ScaledClock(SCALE)
    with Tenant(two_drives, clock=clock, units_a_minute=100, sliding=sliding) as tenant:
        product = Product(tmp_path / "work", lasting(tenant), drive=PLAIN)
        product.command = command(clock)
        names = [f"onedrive/person{number}@{tiny.DOMAIN}" for number in range(2)]
        crew = [product.start("export", "--json", "--source", name) for name in names]
        results = [process.communicate(timeout=120) for process in crew]
        assert [process.returncode for process in crew] == [0, 0], results
        assert_never_refused(tenant)
        minutes = units_by_minute(tenant)
        assert sum(minutes.values()) >= 300
        assert max(minutes.values()) <= 100
        assert all(json.loads(out)["requests"]["avoidable"] == 0 for out, _ in results)


@pytest.mark.parametrize("keeps_state", [True, False], ids=["with-state", "state-deleted"])
def test_killed_in_the_middle_the_next_run_goes_on_within_the_budget(
    two_drives: Path, tmp_path: Path, keeps_state: bool
) -> None:
    """A tenant of the published smallest class, made smaller: 130 a minute."""
    clock = ScaledClock(SCALE)
    with Tenant(two_drives, clock=clock, units_a_minute=130, licences=100) as tenant:
        product = Product(tmp_path / "work", lasting(tenant), drive=PLAIN)
        product.command = command(clock, "130/124800")
        for at in (150, 120):  # requests: two for each file
            assert product.killed_at(at, "--take-over")
            if not keeps_state:
                for path in product.folder.glob("lastcopy.db*"):
                    path.unlink()
        assert product.export("--take-over", code=0)["requests"]["avoidable"] == 0
        assert_never_refused(tenant)
        assert max(units_by_minute(tenant).values()) <= 130


def test_what_was_spent_is_on_record_as_soon_as_a_run_has_to_wait(two_drives: Path, tmp_path: Path) -> None:
    """Else a run that goes on without the state would have to guess what the last minute held."""
    clock = ScaledClock(5.0)
    with Tenant(two_drives, clock=clock, units_a_minute=60, licences=100) as tenant:
        product = Product(tmp_path / "work", lasting(tenant), drive=PLAIN)
        product.command = command(clock, "60/57600")
        process = product.start("export", "--json")
        try:

            def recorded() -> int:
                heads = [path.open().readline() for path in product.store.glob("onedrive/*/lastcopy/ledger/*")]
                return sum(json.loads(head)["units"] for head in heads if head.endswith("\n"))

            wait_for(lambda: json.loads(tenant.control("GET", "summary"))["budget"]["minute"] == 60)
            wait_for(
                lambda: recorded() == 60, seconds=6
            )  # half a minute by the run's clock; heartbeats come after 45 s
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def test_a_restart_without_state_does_not_wait_where_the_budget_does_not_bind(plain_data: Path, tmp_path: Path) -> None:
    with Tenant(plain_data) as tenant:
        product = Product(tmp_path / "work", tenant)
        assert product.killed_at(20)
        for path in product.folder.glob("lastcopy.db*"):
            path.unlink()
        began = time.monotonic()
        product.export(code=0)
        assert time.monotonic() - began < 40, "a minute, if it had waited for what may have been spent"


# -- stopping -------------------------------------------------------------------------------------------------------------


def test_q040_a_run_that_waits_for_hours_can_be_stopped_in_order(plain_data: Path, tmp_path: Path) -> None:
    """The service asks for two hours. SIGTERM: exit 3, the bag is closed and whole, and the next run goes on."""
    with Tenant(plain_data) as tenant:
        product = Product(tmp_path / "work", tenant)
        content = "drives/{drive}/items/{item}/content"
        tenant.faults(
            {"fault": "429", "route": content, "retry_after": "seconds", "seconds": 7200, "after": 4, "count": 1, "block": False}
        )  # fmt: skip
        process = product.start("export", "--json")
        wait_for(lambda: tenant.fired() > 0)
        time.sleep(1.0)
        assert process.poll() is None, "it waits"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 3, err
        document = json.loads(out)
        assert document["totals"]["pending"] > 0
        assert document["requests"]["avoidable"] == 0
        found = product.run("verify", "--json", code=3).document
        assert [found[sort] for sort in ("open", "missing", "changed", "unexpected")] == [0, 0, 0, 0]
        for path in product.folder.glob("lastcopy.db*"):  # the pause stands there, and this test has not two hours
            path.unlink()
        assert product.export(code=0)["totals"]["pending"] == 0


def test_q040_an_announced_pause_holds_for_the_next_process_too(plain_data: Path, tmp_path: Path) -> None:
    clock = ScaledClock(SCALE)
    with Tenant(plain_data, clock=clock) as tenant:
        product = Product(tmp_path / "work", lasting(tenant))
        product.command = command(clock)
        tenant.faults(
            {"fault": "429", "route": "drives/{drive}/items/{item}/content", "retry_after": "seconds", "seconds": 60, "count": 1}
        )  # fmt: skip
        process = product.start("export", "--json")
        wait_for(lambda: tenant.fired() > 0)
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert product.export("--take-over", code=0)
        assert json.loads(tenant.control("GET", "summary"))["avoidable"] == 0


# -- a state that somebody holds ------------------------------------------------------------------------------------------


@pytest.fixture
def stopped_holder(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Holds the state database of `work`, as a process that was stopped in the middle of a transaction."""
    folder = tmp_path / "work"
    folder.mkdir()
    holder = sqlite3.connect(folder / "lastcopy.db", isolation_level=None)
    holder.execute("PRAGMA journal_mode=WAL")
    holder.execute("BEGIN IMMEDIATE")
    yield holder
    holder.close()


def test_a_state_that_somebody_holds_is_done_without(
    plain_data: Path, tmp_path: Path, stopped_holder: sqlite3.Connection
) -> None:
    with Tenant(plain_data) as tenant:
        product = Product(tmp_path / "work", tenant)
        began = time.monotonic()
        result = product.run("export", "--json", code=0)
        assert "the state database cannot be used just now" in result.err
        assert result.document["totals"]["pending"] == 0
        assert time.monotonic() - began < 30


def test_a_state_that_somebody_takes_in_mid_run_is_done_without(plain_data: Path, tmp_path: Path) -> None:
    with Tenant(plain_data) as tenant:
        product = Product(tmp_path / "work", tenant)
        holders: list[sqlite3.Connection] = []

        def hold() -> None:
            holder = sqlite3.connect(
                product.folder / "lastcopy.db", isolation_level=None, timeout=30, check_same_thread=False
            )
            holder.execute("BEGIN IMMEDIATE")
            holders.append(holder)

        tenant.at_request(15, hold)
        result = product.run("export", "--json", code=0)
        assert len(holders) == 1
        assert "the state database cannot be used just now" in result.err
        holders[0].close()
        assert product.export(code=0)["totals"]["pending"] == 0
