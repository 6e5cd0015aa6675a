"""What an acceptance covers: what is there when a person accepts it, and nothing that comes later (design §6)."""

import json
from pathlib import Path

import pytest

from tests.end_to_end.driving import Row, Tenant
from tests.faults.desk import InProcess
from tests.independent import tiny
from tests.independent.reader import read_store
from tests.independent.truth import DriveTruth

BY = ("--by", "Anna Berg", "--reason", "looked at")
CONTENT = "drives/*/items/*/content"


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    return Tenant(tiny.make(tmp_path / "tenant", drives=1, files=12, odd=False))


def files(drive: DriveTruth) -> list[str]:
    return sorted(item_id for item_id, row in drive.items.items() if "file" in row)


def refused(item_id: str) -> Row:
    """A plan's rule: the service finds malware in it."""
    body = {"error": {"code": "malwareDetected", "message": "Malware was detected."}}
    return {"fault": "status", "route": f"drives/*/items/{item_id}/content", "status": 403, "body": body}


def test_what_is_found_later_is_open_again(tenant: Tenant, tmp_path: Path) -> None:
    """An accepted file stays accepted, renamed too and asked again; another of the same code does not."""
    with tenant:
        (drive,) = tenant.truth.drives.values()
        first, second, *_ = files(drive)
        product = InProcess(tmp_path / "work", tenant)
        tenant.faults(refused(first))
        assert product.export()["exceptions"] == {"malware": 1}
        accepted = product.run("accept", "malware", *BY, "--json", code=0).document
        assert accepted["items"] == 1
        product.export(code=0)
        tenant.change(
            {"kind": "driveItem", "drive": drive.folder, "id": first, "op": "rename", "name": "another name.txt"}
        )
        product.export(code=0)
        tenant.change(
            {"kind": "driveItem", "drive": drive.folder, "id": second, "op": "modify", "_c": tiny.recipe("x", 77)}
        )
        tenant.faults(refused(first), refused(second))
        assert product.export()["exceptions"] == {"malware": 2}
        product.export()
        product.run("accept", "malware", *BY, code=0)
        product.export(code=0)


def test_other_bytes_of_an_accepted_file_are_open_again(tenant: Tenant, tmp_path: Path) -> None:
    with tenant:
        (drive,) = tenant.truth.drives.values()
        first, *_ = files(drive)
        product = InProcess(tmp_path / "work", tenant)
        tenant.faults(refused(first))
        product.export()
        product.run("accept", "malware", *BY, code=0)
        tenant.change(
            {"kind": "driveItem", "drive": drive.folder, "id": first, "op": "modify", "_c": tiny.recipe("y", 99)}
        )
        product.export(code=3)


def test_a_failure_that_stays_costs_no_row_and_stays_accepted(tenant: Tenant, tmp_path: Path) -> None:
    """It is asked in every run; as long as the answer is the same, nothing is written down and nothing is folded."""
    with tenant:
        (drive,) = tenant.truth.drives.values()
        first, *_ = files(drive)
        product = InProcess(tmp_path / "work", tenant)
        tenant.faults({"fault": "423", "route": f"drives/*/items/{first}/content"})
        assert product.export()["exceptions"] == {"locked": 1}
        product.run("accept", "locked", *BY, code=0)
        (bag,) = read_store(product.store).bags.values()
        head = json.loads((product.store / bag.name / "lastcopy/head.json").read_bytes())
        for _ in range(2):
            tenant.forget_requests()
            product.export(code=0)
            assert tenant.downloads() == 1
        assert json.loads((product.store / bag.name / "lastcopy/head.json").read_bytes()) == head
        tenant.faults()
        assert product.export(code=0)["totals"]["excepted"] == 0


def test_another_difference_of_the_counts_is_open_again(tenant: Tenant, tmp_path: Path) -> None:
    """Items that the service counts and does not list are accepted as they are, not for ever."""
    with tenant:
        (drive,) = tenant.truth.drives.values()
        tenant.settings(odd_delta=False)
        product = InProcess(tmp_path / "work", tenant)
        tenant.faults({"fault": "missing-row", "route": "drives/*/root/delta", "index": 3})
        assert "not_reconciled" in product.run("export", "--json", code=3).out
        product.run("accept", "not_reconciled", *BY, code=0)
        product.export(code=0)
        tenant.faults(
            {"fault": "missing-row", "route": "drives/*/root/delta", "index": 3},
        )
        created = {
            "kind": "driveItem",
            "drive": drive.folder,
            "op": "create",
            "name": "new.txt",
            "_c": tiny.recipe("z", 5),
        }
        folder = next(item_id for item_id in drive.items if drive.path(item_id) == "/Plain")
        tenant.control("POST", "changes", json.dumps({**created, "parent": folder}).encode())
        assert "not_reconciled" in product.run("export", "--json", code=3).out


def test_a_drive_that_refuses_is_accepted_as_long_as_it_refuses(tenant: Tenant, tmp_path: Path) -> None:
    """Nothing is marked gone; once a person accepts it, later runs are complete; when it answers again, that is over."""
    with tenant:
        product = InProcess(tmp_path / "work", tenant)
        product.export(code=0)
        before = read_store(product.store)
        tenant.faults({"fault": "404", "route": "drives/*/root/delta"})
        assert "mass_disappearance" in product.run("export", "--json", code=3).out
        product.run("accept", "mass_disappearance", *BY, code=0)
        product.export(code=0)
        product.export(code=0)
        (then,), (now,) = before.bags.values(), read_store(product.store).bags.values()
        assert now.rows == then.rows
        tenant.faults()
        product.export(code=0)
        tenant.faults({"fault": "404", "route": "drives/*/root/delta"})
        product.export(code=3)
