"""A ledger of which a part was lost, or was taken back to an earlier state; each by the command line."""

import shutil
from pathlib import Path

import pytest

from tests.faults.desk import Desk, exported, problems
from tests.faults.test_left_out import changed
from tests.faults.test_quirk_items import Made, item, made
from tests.independent import tiny

__all__ = ["made"]


@pytest.mark.parametrize("lost", ["all of it", "the newest", "the newest is another"])
def test_no_export_goes_on_from_a_fold_whose_segment_is_lost(made: Made, tmp_path: Path, lost: str) -> None:
    """What would be written after it is chained to nothing, and the bag could never be whole again."""
    made.drive.file_in("a.txt", made.drive.root)
    with made.serve() as tenant:
        product = Desk(tmp_path, tenant, versions="current")
        exported(product, code=0)
        ledger = next(product.store.glob("onedrive/*/lastcopy/ledger"))
        newest = sorted(ledger.iterdir())[-1]
        held = newest.read_bytes()
        if lost == "all of it":
            shutil.rmtree(ledger)
            ledger.mkdir()
        elif lost == "the newest":
            newest.unlink()
        else:
            newest.write_bytes(held.replace(b"complete", b"stopped!"))
        before = sorted(ledger.iterdir())
        for _ in range(2):
            document = exported(product, code=3)
            assert problems(document) == {"segment_damaged"}
            changed(tenant, op="modify", id=item(tenant, "/a.txt"), _c=tiny.recipe("other", 100))
        assert sorted(ledger.iterdir()) == before
        newest.write_bytes(held)
        if lost != "all of it":
            exported(product, code=0)
            product.run("verify", code=0)


def test_a_bag_that_was_taken_back_to_before_its_fold_is_found(made: Made, tmp_path: Path) -> None:
    """`lastcopy fold` says in the journal where it left the bag, as a run does."""
    made.drive.file_in("a.txt", made.drive.root)
    with made.serve() as tenant:
        product = Desk(tmp_path, tenant, versions="current")
        exported(product, code=0)
        bag = next(product.store.glob("onedrive/*"))
        shutil.copytree(bag, tmp_path / "before")
        (bag / "tagmanifest-sha256.txt").unlink()
        product.run("fold", code=0)
        product.run("fold", code=0)  # nothing was open
        product.run("verify", code=0)
        newest = sorted((bag / "lastcopy/ledger").iterdir())[-1].name
        shutil.rmtree(bag)
        shutil.copytree(tmp_path / "before", bag)
        document = product.run("verify", "--json", code=3).document
        assert [finding["name"].rpartition("/")[2] for finding in document["findings"]] == [newest]
