"""Issue 4, acceptance a: killed at any request, the next run ends with the same rows and bytes as an undisturbed one."""

import json
import os
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.end_to_end.changes import lively_changes
from tests.end_to_end.driving import Tenant, assert_same, rows_of, wait_for
from tests.faults.desk import DELTA, InProcess, rule
from tests.independent import tiny
from tests.independent.judge import Settings, judge
from tests.independent.reader import read_store

SEED = 4
DELTA_ROUTE = "drives/{drive}/root/delta"


def crash_everywhere(data: Path, folder: Path, points: int, seed: int) -> None:
    """Kill exports at drawn request numbers, each followed by a new run; some without the state database."""
    draw = random.Random(seed)
    with Tenant(data) as tenant:
        reference = InProcess(folder / "undisturbed", tenant)
        tenant.forget_requests()
        reference.export()
        total = len(tenant.requests())
        for attempt in range(points):
            product = InProcess(folder / f"killed{attempt}", tenant)
            at = draw.randrange(1, total)
            note = f"killed at request {at} of {total} (seed {seed}, attempt {attempt})"
            tenant.forget_requests()
            killed = product.killed_at(at)
            if attempt % 3 == 0:
                for path in product.folder.glob("lastcopy.db*"):
                    path.unlink()
            if attempt % 4 == 1:
                product.killed_at(draw.randrange(1, total))
            product.export()
            try:
                assert_same(product.store, reference.store)
                found = judge(product.store, tenant.truth, Settings(versions="all", leftovers=True))
                assert found == [], "\n".join(found[:10])
            except AssertionError as error:
                raise AssertionError(f"{note}, {killed=}: {error}") from error


def test_killed_at_any_request(tiny_data: Path, tmp_path: Path) -> None:
    crash_everywhere(tiny_data, tmp_path, points=5, seed=SEED)


@pytest.mark.soak
def test_killed_at_a_hundred_points(tmp_path: Path) -> None:
    data = tiny.make(tmp_path / "tenant", drives=2, files=150)
    crash_everywhere(data, tmp_path, points=100, seed=SEED + 1)


def test_killed_in_the_second_run(tiny_data: Path, tmp_path: Path) -> None:
    """Changes half taken in: nothing falsely gone, nothing lost, nothing twice."""
    draw = random.Random(SEED)
    for attempt in range(3):
        with Tenant(tiny_data) as tenant:
            product = InProcess(tmp_path / str(attempt), tenant)
            product.export()
            before = read_store(product.store)
            changes, _ = lively_changes(tenant.truth)
            tenant.change(*changes)
            product.killed_at(draw.randrange(1, 30))
            product.export()
            found = judge(product.store, tenant.truth, Settings(versions="all", before=before, leftovers=True))
            assert found == [], "\n".join(found[:10])


def test_killed_while_the_store_is_folded(tiny_data: Path, tmp_path: Path) -> None:
    """A fold that was cut off is healed: by `fold` from the store alone, as by the next run."""
    with Tenant(tiny_data) as tenant:
        reference = InProcess(tmp_path / "undisturbed", tenant)
        reference.export()
        for attempt, name in enumerate(("lastcopy/head.json", "lastcopy/items.jsonl", "manifest-sha256.txt")):
            product = InProcess(tmp_path / str(attempt), tenant)
            process = product.start("export", "--json")
            end = time.monotonic() + 30
            while process.poll() is None and not list(product.store.glob(f"onedrive/*/{name}")):
                assert time.monotonic() < end
                time.sleep(0.005)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            product.run("fold", "--json", code=0)
            found = [text for text in read_store(product.store).differences if not text.startswith(".lastcopy-tmp/")]
            assert found == [], found[:5]
            product.export()
            assert_same(product.store, reference.store)


def test_a_run_that_is_told_to_stop_goes_on_later(tiny_data: Path, tmp_path: Path) -> None:
    """SIGTERM: what is under way is finished, the bags are folded and closed; the next run ends as if nothing had been."""
    with Tenant(tiny_data) as tenant:
        reference = InProcess(tmp_path / "undisturbed", tenant)
        reference.export()
        product = InProcess(tmp_path / "stopped", tenant)
        process = product.start("export", "--json")
        tenant.at_request(60, lambda: os.killpg(process.pid, signal.SIGTERM))
        out, err = process.communicate(timeout=60)
        assert process.returncode in (1, 3), (out, err)
        bags = read_store(product.store)
        assert bags.differences == [], bags.differences[:5]
        product.export()
        assert_same(product.store, reference.store)


@pytest.mark.parametrize("again", [False, True], ids=["first", "after 410"])
def test_a_run_that_is_told_to_stop_does_not_list_to_the_end(tiny_data: Path, tmp_path: Path, again: bool) -> None:
    """A million items have thousands of pages: the round stays unfinished, the next run goes on with it, and nothing is gone."""
    with Tenant(tiny_data) as tenant:
        reference = InProcess(tmp_path / "undisturbed", tenant)
        reference.export()
        product = InProcess(tmp_path / "stopped", tenant)
        if again:
            product.export()
        tenant.settings(delta_page=4)
        refused = [rule("410", DELTA, count=1)] if again else []
        tenant.faults(*refused, rule("delay", DELTA, seconds=0.3))
        tenant.forget_requests()
        process = product.start("export", "--json")
        wait_for(lambda: tenant.routes()[f"graph {DELTA_ROUTE}"] >= 3)
        os.killpg(process.pid, signal.SIGTERM)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 3, (out, err)
        bags = read_store(product.store)
        assert bags.differences == [], bags.differences[:5]
        rounds = [bag.round for bag in bags.bags.values()]
        assert any(rounds), "the listing went on to its end"
        product.run("fold", "--json", code=0)
        tenant.faults()
        product.export()
        assert_same(product.store, reference.store)
        assert not [row for row in rows_of(product.store).values() if row["outcome"] == "gone"]


def test_a_stopped_writer_that_wakes_up_changes_nothing(tiny_data: Path, tmp_path: Path) -> None:
    """A zombie: stopped, replaced with --take-over, continued. It touches no key that a row names."""
    with Tenant(tiny_data) as tenant:
        reference = InProcess(tmp_path / "undisturbed", tenant)
        reference.export()
        product = InProcess(tmp_path / "shared", tenant)
        process = product.start("export", "--json")
        stopped = threading.Event()

        def stop() -> None:
            os.killpg(process.pid, signal.SIGSTOP)
            stopped.set()

        tenant.at_request(80, stop)
        assert stopped.wait(30)
        elsewhere = InProcess(tmp_path / "elsewhere", tenant, store={"url": f"file:{product.store}"})
        elsewhere.export("--take-over")
        os.killpg(process.pid, signal.SIGCONT)
        process.communicate(timeout=60)
        assert process.returncode in (1, 3)
        product.export()
        found = judge(product.store, tenant.truth, Settings(versions="all", leftovers=True))
        assert found == [], "\n".join(found[:10])
        assert_same(product.store, reference.store)


def test_what_a_kill_costs_in_downloads(tmp_path: Path) -> None:
    """Files downloaded twice: at most 1,000 and those in flight; here far fewer, since a segment is written at once a minute."""
    data = tiny.make(tmp_path / "tenant", drives=1, files=200, odd=False)
    with Tenant(data) as tenant:
        product = InProcess(tmp_path / "work", tenant)
        tenant.forget_requests()
        assert product.killed_at(250)
        product.export(code=0)
        asked = Counter(row["path"] for row in tenant.requests() if row["route"].endswith("items/{item}/content"))
        assert sum(number - 1 for number in asked.values()) <= 1_000
        assert json.dumps(judge(product.store, tenant.truth, Settings(versions="all", leftovers=True))) == "[]"
