"""Libraries of a site under changes and mishaps drawn by lot: whatever happens, the next quiet run ends with the truth."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.drive.copying import DriveCopy
from tests.conftest import make_tenant_data
from tests.faults.site_desk import SiteDesk, make_site, plain, site_desk
from tests.independent import tiny_sites
from tests.independent.site_truth import LibraryTruth

Row = dict[str, Any]
ROUNDS = 3


def fill(site: tiny_sites.Site) -> None:
    for name, files in (("Documents", 14), ("documents 2", 9), ("Site Assets", 4)):
        plain(site.library(name), files, folders=3)


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("lab") / "tenant"
    return folder, make_site(folder, fill)


@pytest.fixture
def lab(tenant: tuple[Path, str], tmp_path: Path) -> Iterator[SiteDesk]:
    with site_desk(tenant[0], tmp_path / "store", tenant[1]) as desk:
        desk.desk.settings(delta_page=5)
        yield desk


def some_change(lot: random.Random, libraries: list[LibraryTruth]) -> Row | None:
    """One change to something that is there."""
    one = lot.choice(libraries)
    files = sorted(i for i, row in one.items.items() if "file" in row)
    folders = sorted(i for i, row in one.items.items() if "folder" in row and "root" not in row)
    op = lot.choice(("rename", "rename folder", "move", "move folder", "delete", "delete folder", "modify", "touch"))
    from_among = folders if op.endswith("folder") else files
    if not from_among:
        return None
    item = lot.choice(from_among)
    change: Row = {"drive": one.folder, "id": item, "op": op.partition(" ")[0]}
    if change["op"] == "rename":
        change["name"] = (
            f"{lot.choice(('a', 'A', 'new', 'f'))} {lot.randrange(6)}{'' if op.endswith('folder') else '.txt'}"
        )
    elif change["op"] == "move":
        roots = [i for i, row in one.items.items() if "root" in row]
        change["to"] = lot.choice([*roots, *(i for i in folders if i != item and i not in one.below(item))])
        if change["to"] == one.items[item]["parentReference"]["id"]:
            return None
    elif change["op"] == "modify":
        others = [row["_c"] for row in one.items.values() if "file" in row]
        change["_c"] = lot.choice(others)
        if change["_c"] == one.items[item]["_c"]:
            return None
    return change


def mishap(lot: random.Random, lab: SiteDesk, libraries: list[LibraryTruth], monkeypatch: pytest.MonkeyPatch) -> None:
    """A run to which something happens."""
    drive, what = lot.choice(libraries).id, lot.choice(("410", "423", "kill", "410", "kill", "reset"))
    after = lot.randrange(3)
    if what == "kill":
        taken, take = 0, DriveCopy._take

        def cut(self: DriveCopy, handful: Any) -> None:
            nonlocal taken
            take(self, handful)
            taken += 1
            if taken > after:
                self._writer.flush()
                raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(DriveCopy, "_take", cut)
            try:
                lab.run(take_over=True)
            except KeyboardInterrupt:
                return
    else:
        lab.faults({"fault": what, "route": f"drives/{drive}/root/delta", "after": after, "count": 1 + after})
        lab.run(take_over=True)
        lab.faults()


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_the_next_run_ends_with_the_truth(
    lab: SiteDesk, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lot = random.Random(seed)
    for number in range(ROUNDS):
        for _ in range(lot.randrange(2, 9)):
            libraries = list(lab.truth().sites[lab.site].libraries.values())
            if (change := some_change(lot, libraries)) is not None:
                lab.change(change)
        if number or seed % 2:
            mishap(lot, lab, list(lab.truth().sites[lab.site].libraries.values()), monkeypatch)
        lab.run(take_over=True)
        lab.checked(leftovers=True)


def test_sites_of_a_made_tenant(tmp_path: Path) -> None:
    options = [
        "--users",
        "1",
        "--messages",
        "1",
        "--sites",
        "3",
        "--drive-items",
        "12",
        "--many-small",
        "8",
        "--big-list",
        "0",
    ]
    tenant = make_tenant_data(
        tmp_path / "tenant", [*options, "--large-file-mb", "1", "--list-items", "4", "--jobs", "1"]
    )
    sites = [line.split('"')[3] for line in (tenant / "sites.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(sites) == 3
    for number, site in enumerate(sites):
        with site_desk(tenant, tmp_path / f"store{number}", site) as lab:
            lab.run()
            lab.checked()
