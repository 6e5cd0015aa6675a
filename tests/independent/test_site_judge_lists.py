"""The judge of sites judged, as to lists and pages: one that is wrong in any single respect is found."""

from pathlib import Path
from typing import Any

import pytest

from tests.independent.site_by_hand import POLICY, HandBag, make_copy
from tests.independent.site_libraries import Asked
from tests.independent.site_pages import PageReader
from tests.independent.test_site_judge import TEAM, Change, judged

HTML = "data/pages/Home.aspx.html"
CSV, LINES = "data/lists/wow!/items.csv", "data/lists/wow!/items.jsonl"
ELSEWHERE = "data/lists/wow!/attachments/1/sketch #1.png"


# -- lists ------------------------------------------------------------------------------------------------------------


def _list_row(bag: HandBag, name: str) -> dict[str, Any]:
    return bag.row("folder", name=name)


def _less(bag: HandBag, item_id: str, name: str) -> None:
    """`fields` are the truth's own: another dict, with one key less."""
    line = bag.line_of(bag.item("wow!", item_id))
    line["graph"] = {**line["graph"], "fields": {k: v for k, v in line["graph"]["fields"].items() if k != name}}


def _other(bag: HandBag, item_id: str, **values: Any) -> None:
    line = bag.line_of(bag.item("wow!", item_id))
    line["graph"] = {**line["graph"], "fields": {**line["graph"]["fields"], **values}}


LISTS: dict[str, tuple[Change, str]] = {
    "a list without a row": (lambda b: b.rows.remove(_list_row(b, "Empty")), "list rows"),
    "a list by another name": (lambda b: b.row("folder", name="ends.").update(name="ends", path="/ends"), "list rows"),
    "a hidden list that is not hidden": (lambda b: _list_row(b, "User Information List")["service"].pop("hidden"), "list rows"),
    "a list of nothing": (lambda b: b.rows.append({**_list_row(b, "Empty"), "id": "x", "scope": "x"}), "nothing else"),
    "an item without a row": (lambda b: b.rows.remove(b.item("wow!", "2")), "list items"),
    "an item of nothing": (lambda b: b.rows.append({**b.item("wow!", "2"), "id": "4"}), "nothing else"),
    "an item of another list": (lambda b: b.rows.append({**b.item("wow!", "2"), "scope": "x"}), "nothing else"),
    "an item that is gone": (lambda b: b.item("wow!", "2").update(outcome="gone", since="2026-11-24T00:00:00Z"), "list items"),
    "an item excepted": (lambda b: b.withhold(b.item("wow!", "2")), "list item outcomes"),
    "another path of an item": (lambda b: b.item("wow!", "2").update(path="/wow/2"), "list item paths"),
    "another title of an item": (lambda b: b.item("wow!", "2").update(name="1+1"), "list item names"),
    "a line of another list": (lambda b: b.line_of(b.item("wow!", "2")).update(list="x"), "list item lines"),
    "a line of another item": (lambda b: b.line_of(b.item("wow!", "2")).update(id="3"), "rows"),
    "a field that is lost": (lambda b: _less(b, "2", "_x0024_weird"), "fields"),
    "a null that is lost": (lambda b: _less(b, "3", "Title"), "fields"),
    "a number that is text": (lambda b: _other(b, "1", Amount="-0.1"), "fields"),
    "a truth value that is a number": (lambda b: _other(b, "1", Active=1), "fields"),
    "a text that is cut": (lambda b: _other(b, "2", Notes="two\r\nlines"), "fields"),
    "a choice less": (lambda b: _other(b, "1", Tags=["a"]), "fields"),
    "a field of nothing": (lambda b: _other(b, "1", Colour="red"), "fields"),
    "another eTag": (lambda b: b.line_of(b.item("wow!", "1"))["graph"].update(eTag="x"), "list item facts"),
    "an attachment without a row": (lambda b: b.take(b.row("attachment", id="sketch #1.png")), "attachments"),
    "an attachment with other bytes": (lambda b: b.change_bytes(b.row("attachment", id="sketch #1.png")), "attachments"),
    "an attachment of nothing": (lambda b: b.rows.append({**b.row("attachment", id="empty.txt"), "id": "x"}), "nothing else"),
    "an attachment that is excepted": (lambda b: b.withhold(b.row("attachment", id="sketch #1.png")), "attachments"),
    "attachments that the line forgets": (lambda b: b.line_of(b.item("Special", "1")).pop("attachments"), "attachments"),
    "attachments that the row forgets": (lambda b: b.item("Special", "1")["service"].pop("attachments"), "attachments"),
    "an attachment in the folder of another list": (lambda b: b.move(b.row("attachment", id="sketch #1.png"), ELSEWHERE), "keys"),
    "unique permissions that nobody kept": (lambda b: b.permissions.pop(-1), "item permissions"),
    "other unique permissions": (lambda b: b.permissions[-1].update(permissions=[]), "item permissions"),
    "permissions that nobody asked for": (lambda b: b.permit(b.item("wow!", "1")["scope"], "1", []), "item permissions"),
    "versions that nobody asked for": (lambda b: b.line_of(b.item("Special", "3")).update(versions=[{}]), "list item versions"),
    "a count that is not right": (lambda b: b.independent[-1].update(expected=2), "counts"),
    "a count that is not explained": (lambda b: b.independent[-1].update(verdict="unexplained", unexplained=1), "reconciliation"),
    "no items.csv": (lambda b: b.take(b.row("derived", id=CSV)), "derived files"),
    "a table with a row less": (lambda b: b.replace(CSV, b"plain", b"\r\nplain"), "items.csv"),
    "a table with another text": (lambda b: b.replace(CSV, b"plain", b"plane"), "items.csv"),
    "a table with a formula": (lambda b: b.replace(CSV, b"'=1+1", b"=1+1"), "items.csv"),
    "a table with lines joined": (lambda b: b.replace(CSV, b"two\r\nlines", b"two lines"), "items.csv"),
    "a table with names of fields": (lambda b: b.replace(CSV, b"Notizen", b"Notes"), "items.csv"),
    "items.jsonl with another item": (lambda b: b.replace(LINES, b'"id":"3"', b'"id":"4"'), "items.jsonl"),
    "items.jsonl of yesterday": (lambda b: b.replace(LINES, b"plain", b"plane"), "items.jsonl"),
    "a schema without a column": (lambda b: b.replace("data/lists/wow!/schema.json", b"_x0024_weird", b"weird"), "schema"),
    "no row of the site itself": (lambda b: b.rows.remove(b.row("site", scope="site")), "site rows"),
    "no row of a list as served": (lambda b: b.rows.remove(b.row("site", id=_list_row(b, "Empty")["id"])), "site rows"),
    "no permissions of the site": (lambda b: b.permissions.pop(0), "site permissions"),
}  # fmt: skip


@pytest.mark.parametrize("name", LISTS)
def test_lists_that_are_wrong(site_tenant: Path, tmp_path: Path, name: str) -> None:
    change, kind = LISTS[name]
    copy = make_copy(site_tenant)
    change(copy.bags[TEAM])
    assert kind in judged(site_tenant, copy, tmp_path, Asked(grants=True)).kinds()


def test_attachments_that_nobody_speaks_of_without_a_certificate(site_tenant: Path, tmp_path: Path) -> None:
    copy = make_copy(site_tenant, certificate=False)
    copy.bags[TEAM].rows.remove(copy.bags[TEAM].row("attachment"))
    assert "attachments excepted" in judged(site_tenant, copy, tmp_path, Asked(certificate=False)).kinds()


# -- pages ------------------------------------------------------------------------------------------------------------


PAGES: dict[str, tuple[Change, str]] = {
    "a page without a row": (lambda b: b.take(b.row("page", name="Home.aspx")), "pages"),
    "a page of nothing": (lambda b: b.rows.append({**b.row("page", name="Home.aspx"), "id": "x"}), "nothing else"),
    "another path": (lambda b: b.row("page", name="Home.aspx").update(path="/SitePages/Home.aspx"), "page paths"),
    "excepted for no reason": (lambda b: b.withhold(b.row("page", name="Home.aspx")), "page outcomes"),
    "under another name": (lambda b: b.move(b.row("page", name="Home.aspx"), "data/pages/x.json"), "keys"),
    "without its canvas": (lambda b: b.replace("data/pages/Home.aspx.json", b"canvasLayout", b"@canvas"), "page JSON"),
    "with another text in the JSON": (lambda b: b.replace("data/pages/Home.aspx.json", b"sundry", b"sunday"), "page JSON"),
    "another title in the row": (lambda b: b.row("page", name="Home.aspx")["service"].update(title="x"), "page facts"),
    "no HTML": (lambda b: b.take(b.row("derived", id="data/pages/Home.aspx.html")), "page HTML"),
    "HTML with a text less": (lambda b: b.replace(HTML, b"sundry", b""), "page HTML"),
    "HTML with a script": (lambda b: b.replace(HTML, b"<body>", b"<body><script>alert(1)</script>"), "inert HTML"),
    "HTML with a handler": (lambda b: b.replace(HTML, b"<body>", b"<body onload='x()'>"), "inert HTML"),
    "HTML that loads": (lambda b: b.replace(HTML, b"<body>", b"<body><img src='https://e.example/x'>"), "inert HTML"),
    "HTML with an image that is not there": (
        lambda b: b.replace(HTML, b"<body>", b"<body><img src='../libraries/none.png'>"), "page images"),
    "HTML of another page": (lambda b: b.row("derived", id=HTML).update(of="x"), "page HTML"),
    "a style that loads": (lambda b: b.replace(HTML, b"<body>", b"<body><p style='background:url(//e.e)'>"), "inert HTML"),
    "HTML that runs by link": (lambda b: b.replace(HTML, b"<body>", b"<body><a href=' java\tscript:x()'>x</a>"), "inert HTML"),
    "HTML that goes elsewhere": (
        lambda b: b.replace(HTML, b"<head>", b"<head><meta http-equiv=refresh content='0;url=//e.e'>"), "inert HTML"),
    "HTML without a policy": (lambda b: b.replace(HTML, POLICY.encode(), b"default-src *"), "inert HTML"),
}  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
def test_pages_that_are_wrong(site_tenant: Path, tmp_path: Path, name: str) -> None:
    change, kind = PAGES[name]
    copy = make_copy(site_tenant)
    change(copy.bags[TEAM])
    assert kind in judged(site_tenant, copy, tmp_path).kinds()


def test_reads_what_a_page_shows() -> None:
    shown = PageReader("<p>a&amp;b<script>no</script> <b>c</b><style>p{}</style></p>")
    assert (shown.text, shown.active) == ("a&b c", ["<script>"])
