"""The tree of a site: a folder for each library, with files under the names of today."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from exporters.restore import restore_source
from tests.faults.site_desk import SiteDesk, make_site, plain, site_desk
from tests.independent import tiny_sites


def fill(site: tiny_sites.Site) -> None:
    tiny_sites.fill_library(site.library("Documents"))
    plans = plain(site.library("Plans / 2026"), 3)
    plans.file_in("columns.csv", plans.root, b"people's own")
    pages = site.library("Site Pages", "webPageLibrary")
    site.page("Home.aspx", "Home", "<p>Welcome</p>", _file=pages.file_in("Home.aspx", pages.root)["id"])


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[SiteDesk]:
    site = make_site(tmp_path / "tenant", fill)
    with site_desk(tmp_path / "tenant", tmp_path / "store", site) as desk:
        yield desk


def test_libraries_are_folders_of_the_tree(lab: SiteDesk, tmp_path: Path) -> None:
    lab.run()
    truth = lab.truth()
    lab.change(
        {"kind": "list", "list": "Plans / 2026", "op": "rename", "displayName": "Plans"},
    )
    lab.run()
    found = restore_source(lab.store, lab.bag_name, tmp_path / "out")
    assert found.whole and not found.failures.count
    site = truth.sites[lab.site]
    for library in site.libraries.values():
        name = "Plans" if library.name.startswith("Plans") else library.name
        for item_id, row in library.items.items():
            if "file" not in row or row.get("malware") or row.get("_irm") or row.get("_goneAfterListing"):
                continue
            place = tmp_path / "out" / name / library.path(item_id).lstrip("/")
            if place.exists():  # else its name cannot stand in this file system
                assert place.read_bytes() == truth.drives.read(row["_c"])
    assert (tmp_path / "out/Documents/Empty folder").is_dir()
    assert (tmp_path / "out/Documents/Odd #% names/50% of it.docx").is_file()
    assert (tmp_path / "out/Plans/columns.csv").read_bytes() == b"people's own", "and our table stands beside it"
    assert len([*(tmp_path / "out/Plans").rglob("*.txt")]) == 3
    assert {"Home.aspx", "Home.aspx.json", "Home.aspx.html"} <= {
        path.name for path in (tmp_path / "out/Site Pages").iterdir()
    }
