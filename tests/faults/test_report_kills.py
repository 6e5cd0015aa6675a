"""Reports that are killed, refused a time stamp, or made at the same time: no half package, and a chain that holds (issue 10)."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.driving import Product, Tenant
from tests.faults.desk import InProcess
from tests.faults.time_stamps import TimeStampAuthority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TimeStampAuthority]:
    with TimeStampAuthority(tmp_path_factory.mktemp("tsa")) as running:
        yield running


@pytest.fixture(scope="module")
def desk(
    plain_data: Path, tmp_path_factory: pytest.TempPathFactory, authority: TimeStampAuthority
) -> Iterator[InProcess]:
    with Tenant(plain_data) as tenant:
        made = InProcess(tmp_path_factory.mktemp("work"), tenant, evidence={"timestamp_url": authority.url})
        made.export(code=0)
    made.run("report", "--json", code=0)
    yield made


@pytest.fixture(autouse=True)
def undisturbed(authority: TimeStampAuthority) -> Iterator[None]:
    yield
    authority.on_asked = lambda number: None


def packages(desk: InProcess) -> list[str]:
    return sorted(f"evidence/{path.name}" for path in (desk.store / "evidence").iterdir())


def beside(desk: InProcess) -> Product:
    """The same product, whose commands are processes of their own."""
    other = Product.__new__(Product)
    other.__dict__ |= desk.__dict__
    return other


def test_killed_while_it_waits_for_the_stamp(desk: InProcess, authority: TimeStampAuthority) -> None:
    before = packages(desk)
    process = beside(desk).start("report", "--json")
    authority.on_asked = lambda number: os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=120)
    authority.on_asked = lambda number: None
    (left,) = set(packages(desk)) - set(before)
    assert not (desk.store / left / "evidence.sig").exists()
    assert "no package" in desk.run("verify", "--evidence", left, code=3).out
    assert desk.run("verify", "--json", code=0).document["exit"] == 0
    told = desk.run("report", "--json", code=0).document
    assert left in told["cut_off"]
    found = desk.run("verify", "--evidence", told["package"], "--json", code=0).document
    assert found["chain"]["previous"]["package"] == before[-1]
    assert any(left in note for note in found["notes"])


def test_refused_a_stamp(desk: InProcess, authority: TimeStampAuthority) -> None:
    before = packages(desk)
    authority.mishaps = [403]
    assert desk.run("report", "--json", code=1).document["error"]["code"] == "timestamp_refused"
    (left,) = set(packages(desk)) - set(before)
    assert not (desk.store / left / "evidence.sig").exists()


def test_two_at_once(desk: InProcess, authority: TimeStampAuthority) -> None:
    """The first waits for its stamp while the second is made: both come after the same one, and both are links of the chain."""
    waiting, go_on = threading.Event(), threading.Event()

    def hold(number: int) -> None:
        if not waiting.is_set():
            waiting.set()
            go_on.wait(60)

    authority.on_asked = hold
    slow = beside(desk).start("report", "--json")
    assert waiting.wait(60)
    quick = desk.run("report", "--json", code=0).document
    go_on.set()
    out, err = slow.communicate(timeout=120)
    assert slow.returncode == 0, err
    assert quick["package"] not in out
    for package in packages(desk):
        if (desk.store / package / "evidence.sig").exists():
            found = desk.run("verify", "--evidence", package, "--json", code=0).document
            assert found["signature"] == "good"
    desk.run("report", "--json", code=0)
