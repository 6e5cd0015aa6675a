"""Killed or stopped anywhere, the copy of a directory ends equal to an undisturbed one.

Rules of this file: what is killed or stopped runs in a process of its own; all other commands run in this one, which is cheaper.
"""

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.clock import SystemClock
from tests.end_to_end.driving import VOLATILE, Tenant
from tests.faults.desk import Desk, rule
from tests.faults.directory_desk import SOURCES, make
from tests.independent.judge_directory import judge, line_of, read, rows_of

SEED = 7
Row = dict[str, Any]


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    data = make(tmp_path_factory.mktemp("directory") / "tenant")
    with Tenant(data) as found:
        found.settings(users_page=5)
        yield found


class Bench(Desk):
    """A product at a tenant of which only the directory is asked for. `requests`: of its first run."""

    clock = SystemClock()
    requests = 0

    def __init__(self, folder: Path, tenant: Tenant) -> None:
        super().__init__(folder, tenant, sources=SOURCES)


@pytest.fixture(scope="module")
def undisturbed(tenant: Tenant, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    product = Bench(tmp_path_factory.mktemp("undisturbed"), tenant)
    tenant.forget_requests()
    product.export(code=0)
    product.requests = len(tenant.requests())
    return product


def rows_and_lines(store: Path) -> dict[tuple[str, ...], tuple[Row, Row]]:
    """All rows but those of objects, less what differs from run to run, with the lines that they name."""
    bag, found = store / "directory", {}
    for row in rows_of(bag):
        if row["kind"] not in ("original", "leftover"):
            told = {name: value for name, value in row.items() if name not in (*VOLATILE, "key")}
            line = line_of(bag, row) if "!" in row.get("key", "") else {}
            found[row["kind"], row["scope"], row["id"]] = told, line
    return found


def assert_equal(product: Bench, undisturbed: Bench) -> None:
    """Same rows, lines and tables, nothing lost, and the bag is whole."""
    product.export(code=0)
    assert rows_and_lines(product.store) == rows_and_lines(undisturbed.store)
    for name in ("users.csv", "groups.csv", "members.csv"):
        ours, theirs = (one.store / "directory/data/directory" / name for one in (product, undisturbed))
        assert ours.read_bytes() == theirs.read_bytes()
    assert judge(product.store, read(product.tenant.data)) == []


def crash_everywhere(tenant: Tenant, undisturbed: Bench, folder: Path, points: int, seed: int) -> None:
    draw = random.Random(seed)
    total = undisturbed.requests
    for attempt in range(points):
        product = Bench(folder / str(attempt), tenant)
        at = draw.randrange(1, total + 1)
        killed = product.killed_at(at)
        try:
            assert_equal(product, undisturbed)
        except AssertionError as error:
            raise AssertionError(f"killed at request {at} of {total} (seed {seed}), {killed=}: {error}") from error
    product.run("verify", code=0)


def test_killed_at_any_request(tenant: Tenant, undisturbed: Bench, tmp_path: Path) -> None:
    crash_everywhere(tenant, undisturbed, tmp_path, points=2, seed=SEED)


@pytest.mark.soak
def test_killed_at_fifty_points(tenant: Tenant, undisturbed: Bench, tmp_path: Path) -> None:
    crash_everywhere(tenant, undisturbed, tmp_path, points=50, seed=SEED + 1)


def test_stopped_in_the_middle(tenant: Tenant, undisturbed: Bench, tmp_path: Path) -> None:
    """SIGTERM: what was listed is kept, nothing is gone, and the next run makes it whole."""
    product = Bench(tmp_path / "stopped", tenant)
    tenant.faults(rule("delay", "groups/*/members", seconds=0.5))
    process = product.start("export", "--json")
    tenant.at_request(18, lambda: os.killpg(process.pid, signal.SIGTERM))
    out, err = process.communicate(timeout=60)
    tenant.faults()
    assert process.returncode == 3, (out, err)
    rows = rows_of(product.store / "directory")
    assert {row["outcome"] for row in rows} == {"copied"} and any(row["kind"] == "user" for row in rows)
    assert not any(row["kind"] == "term" for row in rows)
    assert_equal(product, undisturbed)
