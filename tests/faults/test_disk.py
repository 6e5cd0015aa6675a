"""Full disks and read-only folders: the store, the temporary folder, the local state (issue 4, item 7).

Rules of this file: whatever the moment, the run ends with exit 1 and two sentences, the store holds nothing half, and with room
again the next run ends as if nothing had been.
"""

import json
import resource
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.driving import COMMAND, Row, Tenant
from tests.faults.desk import Desk, assert_heals
from tests.faults.disks import mounted, without_override
from tests.independent.reader import read_store

PLENTY = 64 << 20


def on(store: Path) -> dict[str, Any]:
    """The store's section of the configuration."""
    return {"url": f"file:{store}"}


def assert_nothing_half(store: Path) -> None:
    """By the independent reader: no damaged segment, no key that holds other bytes than its row says."""
    if not (store / "lastcopy.json").exists():
        return
    told = [
        text
        for text in read_store(store).differences
        if not text.startswith(".lastcopy-tmp/") and "no fold" not in text and "tagmanifest" not in text
    ]
    assert [text for text in told if "segment" in text and "no segments" not in text] == [], told[:5]


def error_of(result: Any) -> Row:
    """The error of a `--json` document: one sentence of what, one of what to do."""
    error: Row = result.document["error"]
    assert error["message"] and error["action"] and "\n" not in error["message"], error
    return error


SHARES = [0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99]


@pytest.mark.parametrize("share", SHARES)
def test_the_disk_of_the_store_is_full(share: float, tenant: Tenant, undisturbed: Desk, tmp_path: Path) -> None:
    """At some byte of the whole: in payload, a segment, a tag file, the journal or the record of the run."""
    with mounted(tmp_path / "measured", PLENTY) as disk:
        Desk(tmp_path / "first", tenant, store=on(disk.folder / "store")).export()
        whole = disk.used
    with mounted(tmp_path / "disk", max(4096, int(whole * share))) as disk:
        product = Desk(tmp_path / "work", tenant, store=on(disk.folder / "store"))
        product.store = disk.folder / "store"
        result = product.run("export", "--json")
        assert result.code == 1 or (share == 0 and result.code == 2), result.out[
            -2000:
        ]  # the probe refuses what is full
        error = error_of(result)
        assert error["code"] == "store_full" or (share == 0 and "no room" in error["message"])
        disk.resize(PLENTY)
        assert_nothing_half(product.store)
        assert_heals(product, undisturbed, "--take-over")  # in this process, whoever was cut off seems to live


def test_a_full_disk_in_a_later_run_leaves_the_fold_as_it_was(small: Path, tmp_path: Path) -> None:
    """Room for a segment, none for a fold: the bag stays open, `verify` says so, and `fold` closes it later."""
    from tests.faults.desk import CLOCK
    from tests.independent import tiny

    data = tiny.make(tmp_path / "tenant", drives=1, files=40, odd=False)
    with Tenant(data, clock=CLOCK) as tenant, mounted(tmp_path / "disk", PLENTY) as disk:
        product = Desk(tmp_path / "work", tenant, store=on(disk.folder / "store"))
        product.store = disk.folder / "store"
        product.export(code=0)
        (drive,) = tenant.truth.drives.values()
        files = [item_id for item_id, row in drive.items.items() if "file" in row]
        base = {"kind": "driveItem", "drive": drive.folder, "n": 1, "op": "rename"}
        tenant.change(*({**base, "id": item_id, "name": f"renamed {n}.txt"} for n, item_id in enumerate(files)))
        disk.resize(disk.used + 48 * 1024)
        result = product.run("export", "--json")
        assert result.code == 1 and error_of(result)["code"] == "store_full"
        verified = product.run("verify", "--json").document
        assert (verified["missing"], verified["changed"], verified["unexpected"]) == (0, 0, 0)
        disk.resize(PLENTY)
        product.run("fold", "--take-over", "--json", code=0)
        product.export(code=0)
        assert product.run("verify", "--json", code=0).document["reconciled"]


@pytest.mark.parametrize("size", [0, 1 << 12, 1 << 14])
def test_the_temporary_folder_is_full(
    size: int, tenant: Tenant, undisturbed: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the state of a bag lies while it is worked on: no room there is no reason to leave anything half."""
    product = Desk(tmp_path / "work", tenant)
    with mounted(tmp_path / "temporary", max(size, 4096)) as disk:
        if not size:
            disk.protect(readonly=True)
        monkeypatch.setattr(tempfile, "tempdir", str(disk.folder))
        result = product.run("export", "--json")
        assert result.code == 1, result.out[-1000:]
        error = error_of(result)
        assert error["code"] == "temporary_folder" and "TMPDIR" in error["action"]
        for verb in ("fold", "verify"):
            again = product.run(verb, "--json")
            assert again.code in (0, 1, 3), again.out
        monkeypatch.undo()
    assert_nothing_half(product.store)
    assert_heals(product, undisturbed, "--take-over")


@pytest.mark.parametrize("at", [0, 5, 25, 45])
def test_the_store_becomes_read_only(at: int, tenant: Tenant, undisturbed: Desk, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", PLENTY) as disk:
        product = Desk(tmp_path / "work", tenant, store=on(disk.folder / "store"))
        product.store = disk.folder / "store"
        if at:
            tenant.at_request(at, lambda: disk.protect(readonly=True))
        else:
            disk.protect(readonly=True)
        result = product.run("export", "--json")
        assert result.code == (1 if at else 2)  # the probe refuses what is read-only
        error = error_of(result)
        assert error["code"] == ("store_read_only" if at else "store_unfit") and "ead-only" in error["message"]
        disk.protect(readonly=False)
        assert_nothing_half(product.store)
        assert_heals(product, undisturbed, "--take-over")


def test_a_folder_that_may_not_be_written(tenant: Tenant, undisturbed: Desk, tmp_path: Path) -> None:
    """By its permissions, as any user but root meets them."""
    product = Desk(tmp_path / "work", tenant)
    product.store.mkdir()
    product.store.chmod(0o555)
    process = subprocess.run(
        [*COMMAND, "export", "--json"], cwd=product.folder, env=product.environment, capture_output=True, text=True,
        check=False, timeout=120, preexec_fn=without_override(),
    )  # fmt: skip
    assert process.returncode in (1, 2), process.stderr
    error = json.loads(process.stdout)["error"]
    assert "ermission denied" in error["message"] and "write to this folder" in error["action"]
    assert "Traceback" not in process.stderr
    product.store.chmod(0o755)
    assert_heals(product, undisturbed)


def test_a_limit_of_file_size(tenant: Tenant, undisturbed: Desk, tmp_path: Path) -> None:
    """`ulimit -f`: the same as a full disk, for the first file that is larger."""
    product = Desk(tmp_path / "work", tenant)

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    process = subprocess.run(
        [*COMMAND, "export", "--json"], cwd=product.folder, env=product.environment, capture_output=True, text=True,
        check=False, timeout=120, preexec_fn=limit,
    )  # fmt: skip
    assert process.returncode == 1, process.stderr
    assert json.loads(process.stdout)["error"]["code"] == "store_full"
    assert_nothing_half(product.store)
    product.run("export", "--json", "--take-over")
    assert_heals(product, undisturbed)


def test_the_local_state_has_no_room(tenant: Tenant, undisturbed: Desk, tmp_path: Path) -> None:
    """It is a cache: where it cannot even be made, that is a matter of configuration, and nothing is touched."""
    with mounted(tmp_path / "state", 4096) as disk:
        product = Desk(tmp_path / "work", tenant, state=f"sqlite:///{disk.folder}/lastcopy.db")
        result = product.run("export", "--json")
        assert result.code == 2 and error_of(result)["code"] == "state_unusable"
        assert not product.store.exists()
        disk.resize(PLENTY)
        product.export()
        filler = disk.folder / "filler"
        filler.write_bytes(b"x" * (1 << 20))
        disk.resize(disk.used)
        assert product.run("export", "--json").code in (2, 3)
        filler.unlink()
        disk.resize(PLENTY)
        assert_heals(product, undisturbed)
