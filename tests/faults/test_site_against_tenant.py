"""`verify --against-tenant` for sites: a fresh listing beside the rows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from retention.site_against_tenant import compare_site
from tests.faults.site_desk import SiteDesk, make_site, plain, site_desk
from tests.independent import tiny_sites


def fill(site: tiny_sites.Site) -> None:
    tiny_sites.fill_library(site.library("Documents"))
    plain(site.library("Plans"), 5)
    pages = site.library("Site Pages", "webPageLibrary")
    site.page("Home.aspx", "Home", "<p>Welcome</p>", _file=pages.file_in("Home.aspx", pages.root)["id"])
    site.list_of("Tasks", [site.item(n, {"Title": f"task {n}"}) for n in range(1, 8)])
    site.list_of("User Information List", [site.item(1, {"Title": "Somebody"})], "userInformation")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[SiteDesk]:
    site = make_site(tmp_path / "tenant", fill)
    with site_desk(tmp_path / "tenant", tmp_path / "store", site) as desk:
        yield desk


def compared(lab: SiteDesk) -> dict[str, Any]:
    return compare_site(lab.desk.graph, lab.store, lab.bag_name)


def test_a_site_that_is_as_it_was_copied(lab: SiteDesk) -> None:
    lab.run()
    found = compared(lab)
    counts = {name: found[name] for name in ("missing", "changed", "unexpected", "problem")}
    assert counts == {"missing": 0, "changed": 0, "unexpected": 0, "problem": None}, found
    assert found["listed"] > 30


def test_what_happened_since_is_told_by_name(lab: SiteDesk) -> None:
    lab.run()
    plans = {row["name"]: row["id"] for row in lab.bag().of("file")}
    lab.change(
        {"drive": "drives/s0000_1", "id": plans["file 001.txt"], "op": "rename", "name": "else.txt"},
        {"drive": "drives/s0000_1", "id": plans["file 002.txt"], "op": "delete"},
        {"kind": "listItem", "list": "Tasks", "id": "3", "op": "modify", "fields": {"Title": "another"}},
        {"kind": "listItem", "list": "Tasks", "id": "4", "op": "delete"},
        {"kind": "listItem", "list": "Tasks", "op": "add", "fields": {"Title": "new"}},
    )
    found = compared(lab)
    assert (found["missing"], found["changed"], found["unexpected"]) == (1, 2, 2), found
    assert "/Plans/folder 0/file 001.txt" in found["names"]["changed"]
    lab.run()
    again = compared(lab)
    assert (again["missing"], again["changed"], again["unexpected"]) == (0, 0, 0), again


def test_q060_a_site_that_cannot_be_listed_is_a_problem(lab: SiteDesk) -> None:
    lab.run()
    lab.faults({"fault": "423", "route": "sites/*/lists"})
    assert compared(lab)["problem"]
