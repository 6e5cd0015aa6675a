"""What one listing of a site leaves out and another has: columns of files, subsites, what columns look up."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.site_desk import SiteDesk, make_site, plain, site_desk
from tests.independent import tiny_sites

Row = dict[str, Any]
LIST_ITEM = "drives/{drive}/items/{item}/listItem"


def fill(site: tiny_sites.Site) -> None:
    """A library, and a list whose column looks it up, written as SharePoint writes ids in schemas."""
    plain(site.library("Documents"), 5)
    pages = site.library("Site Pages", "webPageLibrary")
    for name in ("Home.aspx", "Plans.aspx"):
        page = site.page(name, name, "<p>Welcome</p>")
        page["_file"] = pages.file_in(name, pages.root, eTag=f'"{{{page["id"].upper()}}},1"')["id"]
    pages.file_in("Classic.aspx", pages.root)
    row = site.list_of("Reviews", [site.item(1, {"Title": "one", "FileLookupId": "3"})])
    library = next(one for one in site.lists if one["displayName"] == "Documents")
    facet = {"listId": f"{{{library['id'].upper()}}}", "columnName": "FileLeafRef"}
    row["_columns"].append({**row["_columns"][0], "name": "File", "displayName": "File", "lookup": facet})


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("doubts") / "tenant"
    return folder, make_site(folder, fill)


@pytest.fixture
def lab(tenant: tuple[Path, str], tmp_path: Path) -> Iterator[SiteDesk]:
    with site_desk(tenant[0], tmp_path / "store", tenant[1]) as desk:
        yield desk


def documents(lab: SiteDesk) -> str:
    """The route of the listing of the columns of Documents."""
    library = next(one for one in lab.truth().sites[lab.site].libraries.values() if one.name == "Documents")
    return f"sites/*/lists/{library.list_row['id']}/items/delta"


def table(lab: SiteDesk, place: str) -> list[dict[str, str]]:
    data = (lab.folder / lab.bag_name / "data/lists" / place).read_bytes().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(data, newline="")))


def test_q063_what_looks_up_a_library_names_its_file(lab: SiteDesk) -> None:
    lab.run()
    names = {row["ID"]: row["FileLeafRef"] for row in table(lab, "Documents/columns.csv")}
    (row,) = table(lab, "Reviews/items.csv")
    assert (row["File"], row["File (id)"]) == (names["3"], "3") and names["3"].endswith(".txt")
    drive = next(one for one in lab.truth().sites[lab.site].libraries.values() if one.name == "Documents")
    item = next(item_id for item_id, one in drive.items.items() if one["name"] == names["3"])
    lab.change({"drive": drive.folder, "id": item, "op": "rename", "name": "minutes.txt"})
    lab.run()
    assert [row["File"] for row in table(lab, "Reviews/items.csv")] == ["minutes.txt"]
    lab.checked()


@pytest.mark.parametrize("edit", [{"at": "value/2", "drop": True}, {"at": "value", "to": []}], ids=["one", "all"])
def test_columns_that_a_first_listing_leaves_out_are_asked_for_one_by_one(lab: SiteDesk, edit: Row) -> None:
    lab.faults({"route": documents(lab), "fault": "edit", "edits": [edit], "count": 1})
    asked = lab.asked_by(lab.run)
    assert lab.fired() == 1 and asked[LIST_ITEM] == (1 if "drop" in edit else 6)
    lab.checked()
    assert len(table(lab, "Documents/columns.csv")) == 6
    lab.faults()
    assert LIST_ITEM not in lab.asked_by(lab.run)


def test_columns_that_cannot_be_had_at_all_are_a_finding(lab: SiteDesk) -> None:
    edit = {"route": documents(lab), "fault": "edit", "edits": [{"at": "value/2", "drop": True}], "count": 1}
    lab.faults(edit, {"route": "drives/*/items/*/listItem", "fault": "500"})
    assert lab.run().problems == ["libraries_refused"]
    lab.faults()
    assert lab.run().problems == []
    lab.checked()


def test_columns_that_do_not_say_whose_they_are_are_asked_for_by_their_file(lab: SiteDesk) -> None:
    edit = {"at": "value/*/eTag", "to": None}
    lab.faults({"route": documents(lab), "fault": "edit", "edits": [edit], "count": 1})
    lab.run()
    lab.faults()
    assert LIST_ITEM not in lab.asked_by(lab.run)
    assert all("of" in row for row in lab.bag().of("columns"))
    lab.checked()


@pytest.mark.parametrize("edit", [{"at": "value/1", "drop": True}, {"at": "value", "to": []}], ids=["one", "all"])
def test_pages_that_the_list_of_pages_leaves_out_are_a_finding(lab: SiteDesk, edit: Row) -> None:
    """Their files lie in the library of pages; a classic page is a file, and no page."""
    lab.faults({"route": "sites/*/pages", "fault": "edit", "edits": [edit]})
    assert lab.run().problems == ["pages_not_listed"]
    lab.faults()
    assert lab.run().problems == []
    assert sorted(row["name"] for row in lab.bag().of("page")) == ["Home.aspx", "Plans.aspx"]
    assert not any("pages" in route for route in lab.asked_by(lab.run))
