"""`restore --run`: the tree that a run left, whatever the clocks said; each by the command line."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.faults.desk import Desk, HurriedClock, exported
from tests.faults.test_left_out import changed
from tests.faults.test_quirk_items import Made, item, made

__all__ = ["made"]


def files_below(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.txt"))


def test_a_run_after_which_the_clock_went_back(made: Made, tmp_path: Path) -> None:
    """The later run has the earlier name."""
    made.drive.file_in("a.txt", made.drive.root)
    with made.serve() as tenant:
        product = Desk(tmp_path, tenant, versions="current")
        first = exported(product, code=0)["run"]
        product.clock = HurriedClock(skew=timedelta(days=-2))
        changed(tenant, op="rename", id=item(tenant, "/a.txt"), name="renamed.txt")
        second = exported(product, code=0)["run"]
        assert second < first
        for run, wanted in ((first, "a.txt"), (second, "renamed.txt")):
            product.run("restore", "--to", str(tmp_path / run), "--run", run, code=0)
            assert files_below(tmp_path / run) == [wanted]


@pytest.mark.parametrize("run", ["20991123T000000Z-ffffff", "20200101T000000Z-ffffff", "yesterday"])
def test_a_run_that_never_was(made: Made, tmp_path: Path, run: str) -> None:
    made.drive.file_in("a.txt", made.drive.root)
    with made.serve() as tenant:
        product = Desk(tmp_path, tenant, versions="current")
        known = exported(product, code=0)["run"]
        error = product.run("restore", "--to", str(tmp_path / "to"), "--run", run, "--json", code=2).document["error"]
        assert error["code"] == "run_unknown" and known in error["action"]
        assert not (tmp_path / "to").exists()
