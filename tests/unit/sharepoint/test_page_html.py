"""The HTML of a page: what it shows, what it links to, and what it depends on."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.bag.formats import dump_json
from exporters.bag.state import State
from exporters.sharepoint.pages.links import Asked, Links
from exporters.sharepoint.pages.rendering import render
from exporters.sharepoint.run import SiteList
from tests.conftest import SHARED
from tests.unit.sharepoint import page_data as data

Row = dict[str, Any]
LIST, QUICK, DRIVE = "0000000c-0000-4000-8000-000000000000", "c70391ea-0b10-4ee9-b2b4-006d3fcad0cd", "b!assets"


def site_list(name: str, template: str, address: str, drive: str | None = None, list_id: str = "") -> SiteList:
    served = {"id": list_id or name, "webUrl": f"{data.URL}/{address}"}
    return SiteList(list_id or name, name, template, served, drive)


LISTS = (
    site_list("Site Assets", "documentLibrary", "SiteAssets", DRIVE),
    site_list("Site Pages", "webPageLibrary", "SitePages", "b!pages"),
    site_list("Tasks", "genericList", "Lists/Tasks", list_id=LIST),
)


def file_row(item_id: str, name: str, parent: str | None, **more: Any) -> Row:
    kind = "file" if "key" in more else "folder"
    row = {"kind": kind, "scope": DRIVE, "id": item_id, "parent": parent, "name": name, "outcome": "copied"}
    return {**row, "size": 1, "sha256": "0" * 64, **more}


@pytest.fixture
def state() -> Iterator[State]:
    """A bag with a library, a page and a list."""
    found = State()
    rows = [
        file_row("root", "root", None, path="/Site Assets"),
        file_row("folder", "SitePages", "root"),
        file_row(
            "old", "Wall 100%.png", "folder", key="data/libraries/Site Assets/SitePages/Wall 100%.png", outcome="gone"
        ),
        file_row(
            "new", "Wall 100%.png", "folder", key="data/changed/20260101T000000Z/Site Assets/SitePages/Wall 100%.png"
        ),
        file_row("refused", "Virus.png", "folder", outcome="excepted", code="malware"),
        {
            "kind": "list_item",
            "scope": LIST,
            "id": "1",
            "key": "data/lists/Tasks~1/items-00001.jsonl!1",
            "outcome": "copied",
        },
        {"kind": "derived", "scope": "", "id": "x", "key": "data/lists/Tasks~1/items.csv", "outcome": "copied"},
    ]
    for row in rows:
        found.apply("item", row, dump_json(row), 1)
    found.db.execute("CREATE TEMP TABLE page_html (id TEXT PRIMARY KEY, name BLOB, key TEXT)")
    found.db.execute("INSERT INTO page_html VALUES ('p', ?, 'data/pages/News~1.aspx.html')", (b"news.aspx",))
    yield found
    found.close()


def shown(page: Row, links: Links | Asked) -> str:
    return render(page, links, json_link="Home.aspx.json", sha256="0" * 64).decode()


IMAGE_LINK = "../changed/20260101T000000Z/Site%20Assets/SitePages/Wall%20100%25.png"


@pytest.mark.parametrize(
    "address",
    [
        f"{data.URL}/SiteAssets/SitePages/Wall%20100%25.png?width=20#x",
        "/sites/wall/SiteAssets/SitePages/Wall 100%.png",
        "/SITES/Wall/siteassets/sitepages/wall 100%.PNG",
    ],
)
def test_an_image_of_the_site_is_that_beside_the_page(state: State, address: str) -> None:
    asked = Asked(Links(state, LISTS, {}))
    html = shown(data.page(1, "Home.aspx", data.image_part(address)), asked)
    assert f'<img src="{IMAGE_LINK}" alt="a wall">' in html
    assert asked.found == {address: IMAGE_LINK}


@pytest.mark.parametrize(
    "address",
    [
        "https://elsewhere.example/sites/wall/SiteAssets/SitePages/Wall%20100%25.png",
        "/sites/wall/SiteAssets/SitePages/Virus.png",
        "/sites/wall/SiteAssets/../SiteAssets/SitePages/none.png",
        "/_layouts/15/getpreview.ashx?guidFile=1",
        "https://[::1",
        "",
    ],
)
def test_an_image_that_is_not_held_is_a_note_with_its_address(state: State, address: str) -> None:
    html = shown(data.page(1, "Home.aspx", data.image_part(address)), Links(state, LISTS, {}))
    assert "<img" not in html
    assert ("[Image not in this copy: a wall – " in html) == bool(address)


def test_links_lead_to_copies_where_there_are_any(state: State) -> None:
    text = (
        f'<a href="{data.URL}/SitePages/News.aspx">news</a><a href="/sites/wall/SitePages/Old.aspx">old</a>'
        '<a href="/sites/wall/SiteAssets/SitePages/Wall 100%.png">wall</a><a href="https://elsewhere.example/">else</a>'
    )
    html = shown(data.page(1, "Home.aspx", data.text_part(text)), Links(state, LISTS, {}))
    assert '<a href="News~1.aspx.html">news</a>' in html and f'<a href="{IMAGE_LINK}">wall</a>' in html
    assert (
        f'<a href="{data.URL}/SitePages/Old.aspx" rel=' in html and '<a href="https://elsewhere.example/" rel=' in html
    )


def test_quick_links_show_each_entry_with_its_link_and_text(state: State) -> None:
    part = data.part(
        QUICK,
        "Quick links",
        searchablePlainTexts=[
            {"key": "title", "value": "Look here"},
            {"key": "items[0].title", "value": "Tides <b>"},
            {"key": "items[0].description", "value": "of the week"},
            {"key": "items[1].title", "value": "Script"},
        ],
        links=[
            {"key": "items[0].sourceItem.url", "value": "https://tides.example/"},
            {"key": "items[1].sourceItem.url", "value": "javascript:alert(1)"},
        ],
        imageSources=[{"key": "items[0].image.url", "value": "/sites/wall/SiteAssets/SitePages/Wall 100%.png"}],
    )
    html = shown(data.page(1, "Home.aspx", part), Links(state, LISTS, {}))
    image = f'<img src="{IMAGE_LINK}" alt="Tides &lt;b&gt;">'
    entry = '<a href="https://tides.example/" rel="noopener noreferrer nofollow">Tides &lt;b&gt;</a><p>of the week</p>'
    assert f"<strong>Look here</strong><ul><li>{image}{entry}</li>" in html
    assert '<li><strong>Script</strong><p class="address">javascript:alert(1)</p></li>' in html


def test_a_list_part_links_to_the_table_of_the_list(state: State) -> None:
    parts = [
        data.part(
            "f92bf067-bc19-489e-a556-7fe95f508720", "List", {"selectedListId": LIST.upper(), "listTitle": "Tasks"}
        ),
        data.part("f92bf067-bc19-489e-a556-7fe95f508720", "Files", {"selectedListId": "Site Assets"}),
        data.part("f92bf067-bc19-489e-a556-7fe95f508720", "Other", {"selectedListId": "none", "listTitle": "Gone"}),
    ]
    html = shown(data.page(1, "Home.aspx", *parts), Links(state, LISTS, {}))
    assert '<p><a href="../lists/Tasks~1/items.csv">Tasks</a></p>' in html
    assert '<p><a href="../libraries/Site%20Assets/">Site Assets</a></p>' in html
    assert '<p>Gone <span class="absent">[not in this copy]</span></p>' in html


def test_an_unknown_part_shows_its_name_and_what_it_says(state: State) -> None:
    unknown = data.part(
        "ffffffff-0000-4000-8000-000000000000", "Bell", htmlStrings=[{"key": "a", "value": "<i>ding</i><script>"}]
    )
    empty = {"@odata.type": "#microsoft.graph.bellWebPart", "id": "1"}
    html = shown(data.page(1, "Home.aspx", unknown, empty), Links(state, LISTS, {}))
    assert '<p class="kind">Bell</p><div><i>ding</i></div>' in html and "<script" not in html
    assert '<p class="kind">bellWebPart</p><p class="absent">Nothing of its content' in html


def test_sections_columns_and_parts_come_in_their_order(state: State) -> None:
    columns = [
        {"id": n, "width": width, "webparts": [data.text_part(n)]}
        for n, width in (("one", 8), ("two", 4), ("three", "x"))
    ]
    layout = {
        "horizontalSections": [{"columns": columns}, {"columns": [{"webparts": [data.text_part("four")]}]}],
        "verticalSection": {"webparts": [data.text_part("five")]},
    }
    html = shown(data.page(1, "Home.aspx", canvasLayout=layout), Links(state, LISTS, {}))
    assert re.findall(r'<div class="text">(\w+)</div>', html) == ["one", "two", "three", "four", "five"]
    assert 'class="column w8"' in html and 'class="column w4"' in html and html.count('class="column"') == 3


def test_it_says_who_wrote_it_and_when_and_where_the_record_is(state: State) -> None:
    more = {
        "title": "A <i> & b",
        "promotionKind": "newsPost",
        "publishingState": {"level": "published", "versionId": "2.0"},
    }
    html = shown(data.page(1, "Home.aspx", **more), Links(state, LISTS, {}))
    assert "<h1>A &lt;i&gt; &amp; b</h1>" in html and "<title>A &lt;i&gt; &amp; b</title>" in html
    for text in ("Ada (ada@tiny.example)", data.AT, "published 2.0", "Home.aspx", f"{data.URL}/SitePages/Home.aspx"):
        assert f"<dd>{text}</dd>" in html
    assert '<p class="above">News</p>' in html and '<a href="Home.aspx.json">' in html


def test_it_allows_no_script_and_no_remote_load(state: State) -> None:
    html = shown(data.page(1, "Home.aspx"), Links(state, LISTS, {}))
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', html)
    assert {"default-src 'none'", "img-src 'self' data:", "style-src 'unsafe-inline'"} <= set(policy.split("; "))
    assert html.index("Content-Security-Policy") < html.index("<style>")
    assert not re.search(r"<(script|link|iframe|object|form)|@import|url\(|https?://(?!tiny)", html)


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"title": 5, "canvasLayout": [], "createdBy": "x", "publishingState": None, "titleArea": 3},
        {"canvasLayout": {"horizontalSections": [None, {"columns": [1, {"webparts": "x"}]}], "verticalSection": []}},
        {"canvasLayout": {"horizontalSections": [{"columns": [{"webparts": [{"innerHtml": 5}, {"data": 1}, []]}]}]}},
        data.page(1, "\ud800", data.part("x", "\ud800", {"altText": 5}, imageSources=[{"key": 1, "value": 2}, 3])),
        data.page(1, "x", data.part("x", "x", {"selectedListId": "\ud800"}, links={"a": "/\ud800", "b": 3})),
    ],
)
def test_whatever_the_service_gives_there_is_a_page(state: State, page: Row) -> None:
    html = shown(page, Links(state, LISTS, {}))
    assert html.startswith("<!DOCTYPE html>") and html.endswith("</html>\n") and "\ud800" not in html


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data/graph")
def test_the_published_sample_can_be_read(state: State) -> None:
    sample: Path = SHARED / "data/graph/sites/sitePage-canvasLayout.json"
    assert '<div class="text"><p><b>Hello!</b></p></div>' in shown(
        json.loads(sample.read_bytes()), Links(state, LISTS, {})
    )
