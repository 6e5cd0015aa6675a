"""The tree of a site: a folder for each library, with files under the names of today."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import unquote

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
    plans.file_in("wall & #1%.png", plans.root, b"a wall")
    address = f"{site.url}/Plans%20%2F%202026"
    links = (
        f'<a href="{site.url}/Site%20Pages/Home.aspx">home</a> <a href="https://elsewhere.example/?a=1&amp;b=2">far</a>'
    )
    page = site.page("Way.aspx", "Way", f'<p>{links} <img src="{address}/wall%20%26%20%231%25.png"></p>')
    page["canvasLayout"]["horizontalSections"][0]["columns"][0]["webparts"].append(
        {
            "webPartType": "f92bf067-bc19-489e-a556-7fe95f508720",
            "data": {"properties": {"selectedListId": tiny_sites.guid(site.id, "library", "Plans / 2026")}},
        }
    )
    page["_file"] = pages.file_in("Way.aspx", pages.root)["id"]


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


def test_links_in_the_html_of_pages_lead_to_where_things_stand(lab: SiteDesk, tmp_path: Path) -> None:
    lab.run()
    out = tmp_path / "out"
    assert restore_source(lab.store, lab.bag_name, out).whole
    (file,) = out.rglob("Way.aspx.html")
    links = [unescape(link) for link in re.findall(r'(?:href|src)="([^"]*)"', file.read_text())]
    inside = [link for link in links if not link.startswith("https:")]
    assert len(inside) == 4 and "https://elsewhere.example/?a=1&b=2" in links
    for link in inside:
        assert (file.parent / unquote(link)).exists(), link
    (image,) = (link for link in inside if link.endswith(".png"))
    assert (file.parent / unquote(image)).read_bytes() == b"a wall"
