"""`fold` of a store with several bags, one of which is damaged; each by the command line."""

import shutil
from pathlib import Path

from tests.end_to_end.driving import Tenant
from tests.faults.desk import CLOCK, Desk, exported
from tests.independent import tiny


def test_a_damaged_bag_leaves_no_other_unfolded(tmp_path: Path) -> None:
    """It is named, the exit status is 1, and what could be folded is, whatever its place in the order."""
    with Tenant(tiny.make(tmp_path / "tenant", drives=3, files=3, odd=False), clock=CLOCK) as tenant:
        product = Desk(tmp_path / "work", tenant, versions="current")
        exported(product, code=0)
    bags = sorted(product.store.glob("onedrive/*"))
    for bag in bags:
        (bag / "tagmanifest-sha256.txt").unlink()
    first = bags[0] / "lastcopy/ledger/000000001.jsonl"
    held = first.read_bytes()
    first.write_bytes(held[:-20])
    result = product.run("fold", "--json", code=1)
    assert [(bag / "tagmanifest-sha256.txt").exists() for bag in bags] == [False, True, True]
    assert result.document["error"]["code"] == "segment_damaged" and bags[0].name in result.out
    assert len(result.document["folded"]) == 2
    shutil.rmtree(bags[0] / "lastcopy/ledger")
    (bags[1] / "tagmanifest-sha256.txt").unlink()
    (bags[1] / "lastcopy/source.json").unlink()
    (bags[2] / "tagmanifest-sha256.txt").unlink()
    said = product.run("fold", code=1)
    assert (bags[2] / "tagmanifest-sha256.txt").exists() and bags[1].name in said.err
