"""Folder stores from the command line: a disk that fills up, becomes read-only, or is unmounted while an export runs.

On real file systems, where this process may mount them.
"""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exporters.clock import SystemClock
from exporters.rehearsal.server import Rehearsal
from tests.contracts.cli_tenant import QUIET_SOURCES, Desk
from tests.faults.disks import remount
from tests.independent import tiny
from tests.unit.store.test_store_folder_systems import mount

LARGE = 6 << 20


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """One plain drive with a file of 6 MiB."""
    data = tiny.make(tmp_path_factory.mktemp("large") / "tenant", drives=1, files=30, odd=False, large=LARGE)
    with Rehearsal(data, clock=SystemClock(), licences=60_000, state=tmp_path_factory.mktemp("s") / "state") as served:
        yield served


@pytest.fixture
def disk(desk: Desk) -> Iterator[Path]:
    """A disk of 64 MiB that holds the store of the desk."""
    place = desk.folder / "disk"
    place.mkdir()
    mount("-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place))
    desk.configure(more=QUIET_SOURCES, store="file:./disk/copy")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=False, capture_output=True)


def at_request(tenant: Rehearsal, number: int, then: Callable[[], object]) -> None:
    """Do something when the tenant has had so many requests from now on."""
    ledger = tenant.service.ledger
    at, add = ledger.count + number, type(ledger).add

    def count(row: dict[str, object]) -> None:
        add(ledger, row)
        if ledger.count == at:
            then()

    ledger.add = count  # type: ignore[method-assign]


def ends_whole(desk: Desk) -> None:
    assert desk.run("export", "--take-over", "--json").exit == 0
    verified = desk.run("verify", "--json")
    assert verified.exit == 0, verified.out


def test_a_full_disk(desk: Desk, disk: Path) -> None:
    """Exit 1, with what to do; nothing half there; with more room the next run ends whole."""
    mount("-o", "remount,size=3m", str(disk))
    result = desk.run("export", "--json")
    assert result.exit == 1, result.out
    assert result.json["error"]["code"] == "store_full"
    assert "Free space" in result.json["error"]["action"]
    assert not [path for path in (disk / "copy/.lastcopy-tmp").iterdir() if path.name != "lock"]
    mount("-o", "remount,size=64m", str(disk))
    ends_whole(desk)


def test_a_disk_that_is_read_only(desk: Desk, disk: Path) -> None:
    """Before the run: exit 2, nothing touched. In the middle of it: exit 1. `verify` and `restore` go on reading."""
    (disk / "copy").mkdir()
    remount(disk, readonly=True)
    for verb in ("check", "export"):
        result = desk.run(verb, "--json")
        assert result.exit == 2, result.out
        assert "cannot be written" in result.out
    remount(disk, readonly=False)
    at_request(desk.tenant, 20, lambda: remount(disk, readonly=True))
    result = desk.run("export", "--json")
    assert result.exit == 1, result.out
    assert result.json["error"]["code"] == "store_read_only"
    remount(disk, readonly=False)
    ends_whole(desk)
    remount(disk, readonly=True)
    assert desk.run("verify", "--json").exit == 0
    assert desk.run("restore", "--to", str(desk.folder / "out"), "--json").exit == 0


def test_a_disk_that_is_unmounted(desk: Desk, disk: Path) -> None:
    """Exit 1, and nothing is written where it was mounted: a copy must not go on somewhere else, in silence."""
    at_request(desk.tenant, 20, lambda: subprocess.run(["umount", "-l", str(disk)], check=True))
    result = desk.run("export", "--json")
    assert result.exit == 1, result.out
    assert result.json["error"]["code"] == "store_gone"
    assert list(disk.iterdir()) == []
