"""Issue 4, acceptance f: two exports of one store at the same time, on one host and as if on two."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.driving import COMMAND, Product, Tenant, assert_same, wait_for
from tests.independent.judge import Settings, judge

AS_HOST = Path(__file__).parents[1] / "end_to_end" / "as_host.py"
SLOW = {"fault": "delay", "route": "drives/*/items/*/content", "seconds": 0.3}
HOSTS = pytest.mark.parametrize("hosts", [("here", "here"), ("one", "two")], ids=["one host", "two hosts"])
IN_A_CONTAINER = (
    "unshare",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "--uts",
    "sh",
    "-c",
    'hostname box && exec "$@"',
    "-",
)


@pytest.fixture
def tenant(tiny_data: Path) -> Iterator[Tenant]:
    with Tenant(tiny_data) as up:
        yield up


@pytest.fixture
def reference(tenant: Tenant, tmp_path: Path) -> Product:
    """What one export alone comes to."""
    product = Product(tmp_path / "undisturbed", tenant)
    product.export()
    tenant.faults(SLOW)
    return product


def product_on(host: str, folder: Path, tenant: Tenant, store: Path) -> Product:
    """The command line on a host of that name; `here` is this one."""
    product = Product(folder, tenant, store={"url": f"file:{store}"})
    product.store = store
    if host != "here":
        product.command = [sys.executable, str(AS_HOST), host]
        product.environment["PYTHONPATH"] = str(AS_HOST.parents[2])
    return product


def has_a_writer(store: Path) -> bool:
    """Whether some bag has its first segment."""
    return bool(list(store.glob("onedrive/*/lastcopy/ledger/000000001.jsonl")))


def assert_is_copy(product: Product, reference: Product) -> None:
    """The store is that of one run alone."""
    assert_same(product.store, reference.store)
    assert judge(product.store, product.tenant.truth, Settings(versions="all", leftovers=True)) == []


@HOSTS
def test_the_later_of_two_gives_way(hosts: tuple[str, str], tenant: Tenant, reference: Product, tmp_path: Path) -> None:
    """The second says who is at work and stops; the first ends as if it had been alone."""
    first = product_on(hosts[0], tmp_path / "first", tenant, tmp_path / "store")
    second = product_on(hosts[1], tmp_path / "second", tenant, tmp_path / "store")
    process = first.start("export", "--json")
    wait_for(lambda: has_a_writer(first.store))
    result = second.run("export", "--json", code=1)
    assert result.document["error"]["code"] == "another_writer"
    assert "at work" in result.document["error"]["message"] and "--take-over" in result.document["error"]["action"]
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3, (out[-1000:], err[-1000:])
    assert_is_copy(first, reference)


@HOSTS
def test_the_later_of_two_takes_over_when_told_to(
    hosts: tuple[str, str], tenant: Tenant, reference: Product, tmp_path: Path
) -> None:
    """The first stops as a whole, and names who replaced it; the second ends as if it had been alone."""
    first = product_on(hosts[0], tmp_path / "first", tenant, tmp_path / "store")
    second = product_on(hosts[1], tmp_path / "second", tenant, tmp_path / "store")
    process = first.start("export", "--json")
    wait_for(lambda: has_a_writer(first.store))
    second.export("--take-over")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, (out[-1000:], err[-1000:])
    assert json.loads(out)["error"]["code"] == "replaced"
    assert_is_copy(second, reference)


@HOSTS
@pytest.mark.parametrize("times", [1, pytest.param(10, marks=pytest.mark.soak)])
def test_two_that_start_together(
    hosts: tuple[str, str], times: int, tenant: Tenant, reference: Product, tmp_path: Path
) -> None:
    """Whoever is first: one copies, the other stops; a moment apart. Across hosts the first may also find the other
    in both of its sources, wait for it, and have nothing left to do."""
    draw = random.Random(11)
    for attempt in range(times):
        store = tmp_path / f"store{attempt}"
        both = [product_on(host, tmp_path / f"{n}.{attempt}", tenant, store) for n, host in enumerate(hosts)]
        processes = []
        for product in both:
            processes.append(product.start("export", "--json"))
            time.sleep(draw.random() * 0.4)
        outputs = [process.communicate(timeout=90) for process in processes]
        codes = sorted(process.returncode for process in processes)
        assert codes == [1, 3] or (hosts[0] != hosts[1] and codes == [3, 3]), outputs
        assert_is_copy(both[0], reference)


def test_runs_for_different_sources_go_side_by_side(tenant: Tenant, reference: Product, tmp_path: Path) -> None:
    """Units of work are sources: who asks for another one is not refused."""
    names = ["onedrive/person0@tiny.onmicrosoft.example", "onedrive/person1@tiny.onmicrosoft.example"]
    both = [product_on("here", tmp_path / str(n), tenant, tmp_path / "store") for n in range(2)]
    processes = [product.start("export", "--json", "--source", name) for product, name in zip(both, names, strict=True)]
    outputs = [process.communicate(timeout=90) for process in processes]
    assert {process.returncode for process in processes} <= {0, 3}, outputs
    assert_is_copy(both[0], reference)


@pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run([*IN_A_CONTAINER, "true"], capture_output=True, check=False).returncode != 0,
    reason="process and host name spaces cannot be made here",
)
def test_containers_with_equal_host_names_and_pids(tenant: Tenant, reference: Product, tmp_path: Path) -> None:
    """No false "alive", no false "gone": a name and a number say nothing from one container to the next."""
    first, second = (product_on("here", tmp_path / str(n), tenant, tmp_path / "store") for n in range(2))
    first.command = second.command = [*IN_A_CONTAINER, *COMMAND]
    process = first.start("export", "--json")
    wait_for(lambda: has_a_writer(first.store))
    assert "box, process 1" in second.run("export", "--json", code=1).document["error"]["message"]
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert second.run("export", "--json", code=1).document["error"]["code"] == "another_writer", (
        "gone, for all it knows"
    )
    for segment in first.store.glob("onedrive/*/lastcopy/ledger/*.jsonl"):
        facts = segment.stat()
        os.utime(segment, (facts.st_atime - 200, facts.st_mtime - 200))
    tenant.faults()
    second.export()
    assert_is_copy(second, reference)
