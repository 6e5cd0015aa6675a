"""What a listing leaves out, and the service's own counts tell of; each through whole exports by the command line."""

import json
from pathlib import Path

from tests.end_to_end.driving import Row, Tenant, rows_of
from tests.faults.desk import DELTA, Desk, exported, problems, rule
from tests.faults.test_quirk_items import Made, item, made, only_drive
from tests.independent import tiny

__all__ = ["made"]


def changed(tenant: Tenant, **change: object) -> None:
    """Apply one change to the (one) drive."""
    row = {"kind": "driveItem", "drive": only_drive(tenant).folder, **change}
    tenant.control("POST", "changes", json.dumps(row).encode())


def independent_of(product: Desk) -> list[Row]:
    """What the fold of the (one) bag says of the service's own counts."""
    (path,) = product.store.glob("onedrive/*/lastcopy/reconciliation.json")
    counts: list[Row] = json.loads(path.read_bytes())["independent"]
    return counts


def test_what_vanished_long_ago_explains_no_missing_file(made: Made, tmp_path: Path) -> None:
    """A delta leaves out a new file; its folder's count tells of it, and an item of that folder vanished in an earlier run."""
    folder = made.drive.folder_in("F", made.drive.root)
    made.drive.file_in("a.txt", folder)
    made.drive.file_in("v.txt", folder, _goneAfterListing=True)
    with made.serve() as tenant:
        tenant.settings(gone_items="deleted")
        product = Desk(tmp_path, tenant, versions="current")
        exported(product, code=3)
        changed(tenant, op="delete", id=item(tenant, "/F/v.txt"))
        assert exported(product, code=0)["exceptions"] == {"vanished": 1}
        changed(tenant, op="create", parent=item(tenant, "/F"), name="x.txt", _c=tiny.recipe("x", 10))
        tenant.faults(rule("edit", DELTA, edits=[{"at": "value/0", "drop": True}]))
        document = exported(product, code=3)
        assert tenant.fired() and "not_reconciled" in problems(document)
        assert product.run("verify", "--json", code=3).document["reconciled"] is False
        tenant.faults()
        exported(product, code=0)
        assert any(row.get("path") == "/F/x.txt" for row in rows_of(product.store).values())


def test_a_part_of_a_notebook_that_is_counted(made: Made, tmp_path: Path) -> None:
    """Where the service says how many parts a notebook has, one that is not listed is missed as a file of a folder is."""
    made.drive.package("Notebook", 2)["folder"] = {"childCount": 2}
    with made.serve() as tenant:
        product = Desk(tmp_path, tenant, versions="current")
        tenant.faults(rule("edit", DELTA, edits=[{"at": "value/0", "drop": True}]))
        assert "not_reconciled" in problems(exported(product, code=3)) and tenant.fired()
        assert [row["id"] for row in independent_of(product)[0]["detail"]] == [item(tenant, "/Notebook")]
        tenant.faults()
        document = exported(product, code=0)
        assert "notebooks" not in {row["class"] for row in document["sources"][0]["coverage"]}
        assert sum(row.get("path", "").endswith(".one") for row in rows_of(product.store).values()) == 2


def test_a_notebook_whose_parts_nobody_counts(made: Made, tmp_path: Path) -> None:
    """Nothing proves that its parts were all listed: no difference, and it is said."""
    made.drive.package("Notebook", 2)
    with made.serve() as tenant:
        product = Desk(tmp_path, tenant, versions="current")
        for _ in range(2):  # the second time from the fold
            coverage = {row["class"]: row for row in exported(product, code=0)["sources"][0]["coverage"]}
            assert (coverage["notebooks"]["count"], coverage["notebooks"]["packages"]) == ("unavailable", 1)
        (entry,) = independent_of(product)
        assert (entry["verdict"], entry["unavailable"]) == ("unavailable", {"package": 1})
        assert product.run("verify", "--json", code=0).document["reconciled"]


def test_a_refusal_that_is_accepted_hides_no_count_that_differs(made: Made, tmp_path: Path) -> None:
    """A file was left out, and then the drive is locked: who accepts the lock has not accepted that the copy is not whole."""
    folder = made.drive.folder_in("F", made.drive.root)
    made.drive.file_in("a.txt", folder)
    with made.serve() as tenant:
        product = Desk(tmp_path, tenant, versions="current")
        tenant.faults(rule("edit", DELTA, edits=[{"at": "value/0", "drop": True}]))
        assert problems(exported(product, code=3)) == {"not_reconciled"} and tenant.fired()
        tenant.faults(rule("423", DELTA))
        document = exported(product, code=3)
        product.run("accept", "locked", "--by", "Anna Berg", "--reason", "it is archived", code=0)
        assert product.run("verify", "--json", code=3).document["reconciled"] is False
        exported(product, code=3)
        assert problems(document) == {"locked", "mass_disappearance", "not_reconciled"}
        product.run("accept", "not_reconciled", "--by", "Anna Berg", "--reason", "known", code=0)
        exported(product, code=0)


def test_a_refusal_that_is_accepted_hides_nothing_that_a_listing_told(made: Made, tmp_path: Path) -> None:
    """An item without an id leaves no row: the run that is refused knows of it by the journal alone."""
    for name in ("a.txt", "b.txt"):
        made.drive.file_in(name, made.drive.root)
    with made.serve() as tenant:
        product = Desk(tmp_path, tenant, versions="current")
        count = [{"at": "folder/childCount", "to": 1}]
        listed = [
            {"at": "value/[name=b.txt]/id", "drop": True},
            {**count[0], "at": "value/[name=root]/folder/childCount"},
        ]
        tenant.faults(rule("edit", DELTA, edits=listed), rule("edit", "drives/*/items/*", edits=count))
        assert problems(exported(product, code=3)) == {"item_without_id"} and tenant.fired()
        tenant.faults(rule("423", DELTA))
        exported(product, code=3)
        product.run("accept", "locked", "--by", "Anna Berg", "--reason", "it is archived", code=0)
        assert problems(exported(product, code=3)) >= {"locked", "item_without_id"}
        product.run("accept", "item_without_id", "--by", "Anna Berg", "--reason", "looked at", code=0)
        exported(product, code=0)
