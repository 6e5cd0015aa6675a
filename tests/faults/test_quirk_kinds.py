"""Items that are another kind of thing in the next run: a file that is a package now, one that could not be named at first."""

from pathlib import Path

import pytest

from tests.end_to_end.driving import Row, Tenant, rows_of
from tests.faults.desk import CLOCK, DELTA, Desk, exported, rule
from tests.independent import tiny


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    return Tenant(tiny.make(tmp_path / "tenant", drives=1, files=6, odd=False), clock=CLOCK)


def edited(tenant: Tenant, name: str, *edits: Row) -> list[Row]:
    """Rules that serve the file at /Plain/NAME with other facets, in the listing and by itself."""
    (drive,) = tenant.truth.drives.values()
    item_id = next(i for i, row in drive.items.items() if row["name"] == name)
    place = [row["id"] for row in tenant.truth.drives[drive.id].items.values()].index(item_id)
    return [
        rule("edit", DELTA, edits=[{**edit, "at": f"value/{place}/{edit['at']}"} for edit in edits], count=1),
        rule("edit", f"drives/*/items/{item_id}", edits=list(edits)),
    ]


def outcomes(product: Desk, name: str) -> dict[str, str]:
    """{kind: outcome or code} of the rows of a name."""
    rows = rows_of(product.store).items()
    return {spot[0]: row.get("code", row["outcome"]) for spot, row in rows if row.get("name") == name}


def test_what_could_not_be_named_at_first(tenant: Tenant, tmp_path: Path) -> None:
    """It is a file in the second run; the row of the first is settled, and nothing is copied twice."""
    with tenant:
        product = Desk(tmp_path / "work", tenant)
        tenant.faults(*edited(tenant, "g0002.txt", {"at": "file", "drop": True}))
        assert exported(product, code=3)["exceptions"] == {"unknown_kind": 1}
        tenant.faults(rule("410", DELTA, count=1))
        assert exported(product, code=0)["totals"]["copied"] == 1
        assert outcomes(product, "g0002.txt") == {"file": "copied", "other": "vanished"}
        tenant.faults(rule("410", DELTA, count=1))
        tenant.forget_requests()
        document = exported(product, code=0)
        assert (tenant.downloads(), document["totals"]["copied"]) == (0, 0)
        assert product.run("verify", "--json", code=0).document["reconciled"]


def test_a_file_that_is_a_package_now(tenant: Tenant, tmp_path: Path) -> None:
    """Its bytes are kept, as those of something that is gone; and it may be a file again."""
    with tenant:
        product = Desk(tmp_path / "work", tenant)
        exported(product, code=0)
        notebook = {"at": "package", "to": {"type": "oneNote"}, "add": True}
        package = edited(tenant, "g0002.txt", {"at": "file", "drop": True}, notebook)
        tenant.faults(rule("410", DELTA, count=1), *package)
        assert exported(product, code=3)["exceptions"] == {"onenote_parts_not_listed": 1}
        assert outcomes(product, "g0002.txt") == {"file": "gone", "package": "onenote_parts_not_listed"}
        tenant.faults(rule("410", DELTA, count=1))
        tenant.forget_requests()
        exported(product, code=0)
        assert tenant.downloads() == 0, "its bytes are held"
        assert outcomes(product, "g0002.txt") == {"file": "copied", "package": "vanished"}
        assert product.run("verify", "--json", code=0).document["reconciled"]
