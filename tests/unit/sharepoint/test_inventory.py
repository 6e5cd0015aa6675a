"""What a site has: which list a library is, what is copied, and what is named alone."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from exporters.errors import SourceError
from exporters.graph.errors import NotFoundError, SiteLockedError
from exporters.sharepoint.inventory import Inventory, read_inventory

Row = dict[str, Any]
SITE = "contoso.sharepoint.com,c,w"


class Service:
    """Answers as the service does; whatever it does not know is not found."""

    def __init__(self, lists: list[Row], drives: list[Row], **others: Row | Exception) -> None:
        self.lists, self.drives, self.others = lists, drives, others
        self.asked: list[str] = []

    def get(self, path: str, *, params: Mapping[str, str] | None = None, cost: object) -> Row:
        self.asked.append(path)
        if path == f"/sites/{SITE}":
            return {"id": SITE, "displayName": "Lab"}
        found = self.others.get(path.rsplit("/", 2)[-2], NotFoundError("no", code="not_found", status=404))
        if isinstance(found, Exception):
            raise found
        return found

    def pages(self, path: str, *, params: Mapping[str, str] | None = None, cost: object) -> Iterator[list[Row]]:
        self.asked.append(path)
        assert params is not None and "system" in params["$select"].split(",")
        rows = self.lists if path.endswith("/lists") else self.drives
        yield rows[:1]
        yield []
        yield rows[1:]


def listed(name: str, template: str = "documentLibrary", url: str | None = None, **more: Any) -> Row:
    return {"id": f"L-{name}", "displayName": name, "webUrl": url, "list": {"template": template}, **more}


def drive(name: str, url: str | None = None, list_id: str | None = None, **more: Any) -> Row:
    named = {} if list_id is None else {"sharePointIds": {"listId": list_id}}
    return {"id": f"D-{name}", "name": name, "webUrl": url, **named, **more}


def read(lists: list[Row], drives: list[Row], **others: Row | Exception) -> Inventory:
    return read_inventory(Service(lists, drives, **others), SITE)  # type: ignore[arg-type]


def libraries(found: Inventory) -> dict[str, str | None]:
    return {library.drive_id: library.list_id for library in found.libraries}


def test_a_drive_is_the_list_that_it_names() -> None:
    """Whatever its address and its title say."""
    lists = [listed("A", url="https://x/a"), listed("B", url="https://x/b")]
    found = read(lists, [drive("B", "https://x/b", "l-a"), drive("A", "https://x/a", "L-B")])
    assert libraries(found) == {"D-B": "L-A", "D-A": "L-B"}


def test_a_drive_is_the_list_at_its_address() -> None:
    lists = [listed("Documents", url="https://x/Shared%20Documents"), listed("Other", url="https://x/other/")]
    found = read(lists, [drive("a", "https://x/other"), drive("b", "https://x/shared documents")])
    assert libraries(found) == {"D-a": "L-Other", "D-b": "L-Documents"}


def test_a_drive_is_the_list_of_its_title_where_one_alone_has_it() -> None:
    lists = [listed("One", url="https://x/1"), listed("Two"), listed("Two", id="L-2")]
    found = read(
        lists, [drive("One", "https://x/elsewhere"), drive("Two")], **{"L-Two": drive("Two"), "L-2": drive("x")}
    )
    assert libraries(found)["D-One"] == "L-One"


def test_q064_a_library_comes_once() -> None:
    found = read([listed("Documents"), listed("Tasks", "genericList")], [drive("Documents"), drive("Documents")])
    assert libraries(found) == {"D-Documents": "L-Documents"}
    assert [one.name for one in found.lists if one.drive_id is None] == ["Tasks"]


def test_what_is_not_copied_is_named() -> None:
    lists = [
        listed("Master Page Gallery", "masterPageCatalog", system={}),
        listed("appdata", "genericList", system={}),
        listed("User Information List", "userInformation", system={}, hidden=True),
        listed("Style Library", system={}),
        listed("Hidden", "genericList"),
    ]
    found = read(lists, [drive("Master Page Gallery"), drive("Style Library")])
    assert [one.name for one in found.left_out] == ["Master Page Gallery", "appdata"]
    assert [one.name for one in found.lists] == ["User Information List", "Style Library", "Hidden"]
    assert libraries(found) == {"D-Style Library": "L-Style Library"}
    assert {name for kind, name, _ in found.served() if kind == "list"} == {row["id"] for row in lists}


def test_a_library_without_a_drive_in_the_listing_is_asked_for_it() -> None:
    found = read([listed("Forms", "xmlForm"), listed("Lost")], [], **{"L-Forms": drive("Forms")})
    assert libraries(found) == {"D-Forms": "L-Forms"}
    assert found.unreadable == {"L-Lost": "not_found"} and [one.name for one in found.left_out] == ["Lost"]


def test_a_drive_without_a_list_is_copied() -> None:
    """And asked which list it is."""
    assert libraries(read([], [drive("Odd")])) == {"D-Odd": None}
    found = read([], [drive("Odd")], **{"D-Odd": listed("Found", id="L-1")})
    assert libraries(found) == {"D-Odd": "L-1"} and [one.id for one in found.lists] == ["L-1"]


@pytest.mark.parametrize("row", [{"displayName": "x"}, {"id": None}, {"id": ""}, {"id": 7}])
def test_what_has_no_id_makes_the_listing_one_that_is_not_whole(row: Row) -> None:
    with pytest.raises(SourceError, match="without an id"):
        read([listed("A"), row], [])


def test_q060_a_closed_site_says_why() -> None:
    class Closed(Service):
        def pages(self, path: str, *, params: Mapping[str, str] | None = None, cost: object) -> Iterator[list[Row]]:
            raise SiteLockedError("423", code="locked", status=423)

        def get(self, path: str, *, params: Mapping[str, str] | None = None, cost: object) -> Row:
            return {"id": SITE, "siteCollection": {"archivalDetails": {"archiveStatus": "fullyArchived"}}}

    with pytest.raises(SiteLockedError, match="archived") as raised:
        read_inventory(Closed([], []), SITE)  # type: ignore[arg-type]
    assert raised.value.code == "site_archived"


def test_a_drive_that_cannot_be_asked_which_list_it_is_is_a_finding() -> None:
    """Not found is an answer; any other refusal is none."""
    refusal = SourceError("no", code="gave_up", action="Again.")
    found = read([listed("Tasks", "genericList")], [drive("A"), drive("B")], **{"D-A": refusal})
    assert libraries(found) == {"D-A": None, "D-B": None}
    assert found.unasked == {"D-A": "gave_up"}
