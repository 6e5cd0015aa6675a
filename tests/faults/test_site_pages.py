"""The copy of the pages of a site: what changes, what is refused, what is cut off."""

import json
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.copied import Progress
from exporters.errors import SourceError
from exporters.sharepoint.pages.exporter import note_pages_due
from exporters.store.folder import FolderStore
from exporters.store.protocol import Stored
from tests.faults.page_desk import PAGE, PageDesk, page_desk
from tests.faults.site_desk import SiteDesk, make_site, site_desk
from tests.independent import tiny, tiny_sites
from tests.independent.differences import Differences
from tests.independent.site_pages import PagesJudge
from tests.unit.sharepoint import page_data as data

LIST = "sites/*/pages"
HOME, NEWS, OTHER = (data.page(n, name) for n, name in enumerate(("Home.aspx", "News.aspx", "Other.aspx")))
ODD = (
    *("..", "", "CON.aspx", "a/b.aspx", "a%2Fb.aspx", "a\\b.aspx", "tab\tname.aspx", "trailing. ", "Ünï \ud83d.aspx"),
    *(
        "HOME.ASPX",
        "home.aspx",
        "Café.aspx",
        "Cafe\u0301.aspx",
        "語" * 200 + ".aspx",
        "x" * 300,
        "Home.aspx.json",
        "javascript:1",
    ),
)


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.write_tenant(tmp_path_factory.mktemp("pages") / "tenant", [HOME, NEWS, OTHER])


@pytest.fixture
def desk(tenant: Path, tmp_path: Path) -> Iterator[PageDesk]:
    with page_desk(tenant, tmp_path / "store") as found:
        yield found


def keys(desk: PageDesk, kind: str = "page") -> set[str]:
    return {row["key"] for row in desk.rows(kind) if row.get("key", "").startswith(("data/pages/", "data/changed/"))}


def segments(desk: PageDesk) -> int:
    return len(list(desk.bag_folder.glob("lastcopy/ledger/*.jsonl")))


# ------------------------------------------------------------------------------------------------------- changes


def test_every_page_is_kept_as_it_came_and_as_html(desk: PageDesk) -> None:
    desk.desk.settings(pages_page=2)
    asked = desk.asked_by(desk.run)
    assert asked == {"sites/{site}/pages": 4, "sites/{site}/pages/{page}/microsoft.graph.sitePage": 3}
    rows = desk.checked()
    assert {row["key"] for row in rows.values()} == {f"data/pages/{p['name']}.json" for p in (HOME, NEWS, OTHER)}
    assert keys(desk, "derived") == {f"data/pages/{p['name']}.html" for p in (HOME, NEWS, OTHER)}
    assert rows[HOME["id"]]["service"] == {"eTag": HOME["eTag"], "title": HOME["title"]}


def test_without_news_nothing_is_asked_and_nothing_written(desk: PageDesk) -> None:
    desk.run()
    before = sorted(path.name for path in desk.bag_folder.rglob("*"))
    assert desk.asked_by(lambda: desk.run(may_have_news=False)) == {}
    assert len({path.name for path in desk.bag_folder.rglob("*")} - set(before)) == 1  # a segment, and no fold
    assert desk.asked_by(lambda: desk.run(may_have_news=True)) == {"sites/{site}/pages": 1}
    rows = json.loads(b"[" + b",".join(_lines(desk, segments(desk))) + b"]")
    assert not [row for row in rows if {"item", "listed"} & row.keys()]
    desk.checked()


def _lines(desk: PageDesk, number: int) -> list[bytes]:
    return (desk.bag_folder / f"lastcopy/ledger/{number:09}.jsonl").read_bytes().splitlines()


def test_an_edited_page_alone_is_read_again_and_its_earlier_bytes_stay(desk: PageDesk) -> None:
    desk.run()
    before = {row["id"]: row for row in desk.rows("page")}
    desk.change({"op": "edit", "id": NEWS["id"], "set": {"canvasLayout": data.canvas(data.text_part("<p>Newer</p>"))}})
    asked = desk.asked_by(desk.run)
    assert asked["sites/{site}/pages/{page}/microsoft.graph.sitePage"] == 1 and asked["sites/{site}/pages"] == 2
    rows = desk.checked()
    (version,) = desk.rows("version")
    assert (version["scope"], version["id"]) == (NEWS["id"], before[NEWS["id"]]["captured"])
    assert version["key"] == "data/pages/News.aspx.json" and version["sha256"] == before[NEWS["id"]]["sha256"]
    assert rows[NEWS["id"]]["key"].startswith("data/changed/") and rows[NEWS["id"]]["key"].endswith(
        "/pages/News.aspx.json"
    )
    assert "Newer" in desk.html(rows[NEWS["id"]]) and len(keys(desk, "derived")) == 3


def test_a_renamed_page_keeps_its_keys(desk: PageDesk) -> None:
    desk.run()
    desk.change({"op": "rename", "id": NEWS["id"], "name": "Older.aspx"})
    desk.run()
    rows = desk.checked()
    assert rows[NEWS["id"]]["name"] == "Older.aspx"
    assert keys(desk, "derived") == {f"data/pages/{p['name']}.html" for p in (HOME, NEWS, OTHER)}


def test_a_deleted_page_is_gone_and_one_made_in_its_place_is_another(desk: PageDesk) -> None:
    desk.run()
    desk.change(
        {"op": "delete", "id": NEWS["id"]},
        {"op": "create", "name": NEWS["name"], "title": "Second", "canvasLayout": data.canvas(data.text_part("2nd"))},
    )
    result = desk.run()
    assert result.gone_now == 1
    rows = desk.checked()
    assert rows[NEWS["id"]]["outcome"] == "gone" and rows[NEWS["id"]]["key"] == "data/pages/News.aspx.json"
    (new,) = [row for row in rows.values() if row["name"] == NEWS["name"] and row["outcome"] == "copied"]
    assert new["key"].startswith("data/changed/")
    assert f"Text of {NEWS['name']}" in desk.html(rows[NEWS["id"]]) and "2nd" in desk.html(new)
    assert len(keys(desk, "derived")) == 4


def test_odd_names_get_a_place_of_their_own_each(tmp_path: Path) -> None:
    pages = [HOME, *(data.page(100 + n, name) for n, name in enumerate(ODD))]
    with page_desk(data.write_tenant(tmp_path / "tenant", pages), tmp_path / "store") as desk:
        desk.run()
        rows = desk.checked()
        places = [row["key"] for row in rows.values()]
        assert len({place.casefold() for place in places}) == len(pages)
        assert all(place.count("/") == 2 for place in places if place.startswith("data/pages/"))
        assert {row["key"] for row in rows.values() if row["name"] in {"HOME.ASPX", "Home.aspx.json"}} == {
            "data/pages/HOME.ASPX.json",  # the first in the order of names
            "data/pages/Home.aspx.json.json",
        }
        desk.run()
        assert {row["id"]: row["key"] for row in desk.rows("page")} == {i: row["key"] for i, row in rows.items()}


def test_what_is_no_site_page_is_kept_without_canvas(tmp_path: Path) -> None:
    link = {**data.page(7, "Link.aspx"), "@odata.type": "#microsoft.graph.newsLinkPage"}
    with page_desk(data.write_tenant(tmp_path / "tenant", [HOME, link]), tmp_path / "store") as desk:
        desk.run()
        desk.verified()
        row = next(row for row in desk.rows("page") if row["id"] == link["id"])
        assert row["outcome"] == "copied" and row["service"]["type"] == "#microsoft.graph.newsLinkPage"
        assert "gave no canvas" in desk.html(row)


# ------------------------------------------------------------------------------------------------------ listings


def test_a_row_that_one_listing_lacks_is_not_gone(desk: PageDesk) -> None:
    desk.run()
    desk.desk.faults({"fault": "missing-row", "route": LIST, "index": 1, "count": 1})
    assert desk.asked_by(desk.run)["sites/{site}/pages"] == 2
    desk.checked()


def test_a_page_that_is_there_again_as_it_was_is_not_read_again(desk: PageDesk) -> None:
    desk.run()
    before = {row["id"]: row["key"] for row in desk.rows("page")}
    desk.desk.faults({"fault": "missing-row", "route": LIST, "index": 1, "count": 3})
    assert desk.run().gone_now == 1
    assert sorted(row["outcome"] for row in desk.rows("page")) == ["copied", "copied", "gone"]
    asked = desk.asked_by(desk.run)
    assert asked == {"sites/{site}/pages": 2}
    assert {row["id"]: row["key"] for row in desk.checked().values()} == before


def test_q005_an_empty_page_is_not_the_end_and_rows_may_come_twice(desk: PageDesk) -> None:
    desk.desk.settings(pages_page=1)
    desk.desk.faults({"fault": "duplicate-rows", "route": LIST, "count": 1})
    desk.run()
    desk.checked()


@pytest.mark.parametrize("fault", ["403", "404", "no-delta"])
def test_a_refused_listing_is_a_finding_and_nothing_is_gone(desk: PageDesk, fault: str) -> None:
    desk.run()
    desk.change({"op": "delete", "id": NEWS["id"]}, {"op": "edit", "id": HOME["id"], "set": {"title": "New"}})
    desk.desk.faults({"fault": fault, "route": LIST})
    result = desk.run()
    assert result.problems == ["pages_not_listed"] and result.digests["pages_not_listed"]
    assert result.coverage[0]["state"] == "not reachable" and result.coverage[0]["reason"]
    assert all(row["outcome"] == "copied" for row in desk.rows("page"))
    desk.desk.faults()
    assert desk.run(may_have_news=False).gone_now == 1  # it is asked again, whoever says that there is no news
    desk.checked()


def test_q060_a_locked_site_ends_its_copy(desk: PageDesk) -> None:
    desk.desk.faults({"fault": "423", "route": LIST})
    with pytest.raises(SourceError) as caught:
        desk.run()
    assert caught.value.code == "locked"


def test_a_page_without_an_id_makes_no_whole_listing(desk: PageDesk) -> None:
    desk.run()
    desk.change({"op": "delete", "id": NEWS["id"]})
    desk.desk.faults({"fault": "edit", "route": LIST, "edits": [{"at": "value/0/id", "drop": True}]})
    assert desk.run().problems == ["pages_not_listed"]
    assert all(row["outcome"] == "copied" for row in desk.rows("page"))


def test_many_that_vanish_at_once_need_a_word(tmp_path: Path) -> None:
    pages = [data.page(n, f"p{n}.aspx") for n in range(105)]
    with page_desk(data.write_tenant(tmp_path / "tenant", pages), tmp_path / "store") as desk:
        desk.run(derives=False)
        desk.change(*({"op": "delete", "id": page["id"]} for page in pages[:102]))
        result = desk.run(derives=False)
        assert result.problems == ["mass_disappearance"] and result.gone_now == 0
        digest = result.digests["mass_disappearance"]
        assert desk.run(may_have_news=False, derives=False).digests == {"mass_disappearance": digest}
        result = desk.run(may_have_news=False, accepts=lambda one: one == digest)
        assert not result.problems and result.gone_now == 102
        desk.checked()


# --------------------------------------------------------------------------------------------------------- pages


@pytest.mark.parametrize(
    ("fault", "code"), [("403", "access_denied"), ("404", "not_found_while_listed"), ("500", "download_failed")]
)
def test_a_page_that_is_refused_stops_no_other_and_is_tried_again(desk: PageDesk, fault: str, code: str) -> None:
    desk.desk.faults({"fault": fault, "route": f"sites/*/pages/{HOME['id']}/*"})
    result = desk.run()
    rows = desk.checked(excepted=[HOME["id"]])
    assert rows[HOME["id"]]["code"] == code and not result.problems
    captured = rows[HOME["id"]]["captured"]
    desk.clock.advance(100)
    desk.run(may_have_news=False)
    assert next(row for row in desk.rows("page") if row["id"] == HOME["id"])["captured"] == captured
    desk.desk.faults()
    desk.clock.advance(90_000)
    desk.run(may_have_news=False)
    assert desk.checked()[HOME["id"]]["key"] == "data/pages/Home.aspx.json"


def test_a_page_whose_newer_state_is_refused_keeps_the_older_as_a_version(desk: PageDesk) -> None:
    desk.run()
    desk.change({"op": "edit", "id": HOME["id"], "set": {"title": "New"}})
    desk.desk.faults({"fault": "403", "route": f"sites/*/pages/{HOME['id']}/*"})
    desk.run()
    desk.checked(excepted=[HOME["id"]])
    assert [row["key"] for row in desk.rows("version")] == ["data/pages/Home.aspx.json"]
    desk.desk.faults()
    desk.run(may_have_news=False)
    assert desk.checked()[HOME["id"]]["key"].startswith("data/changed/")
    assert [row["key"] for row in desk.rows("version")] == ["data/pages/Home.aspx.json"]


def test_a_page_that_was_deleted_before_it_was_read_is_vanished(desk: PageDesk) -> None:
    gone = {"kind": "page", "site": "s0000", "op": "delete", "id": HOME["id"]}
    desk.desk.faults({"fault": "change", "route": f"sites/*/pages/{HOME['id']}/*", "changes": [gone], "count": 1})
    desk.run()
    assert desk.checked()[HOME["id"]]["code"] == "vanished"


def test_another_page_than_was_asked_for_is_not_kept(desk: PageDesk) -> None:
    wrong = {"at": "id", "to": NEWS["id"]}
    desk.desk.faults({"fault": "edit", "route": f"sites/*/pages/{HOME['id']}/*", "edits": [wrong]})
    desk.run()
    assert desk.checked(excepted=[HOME["id"]])[HOME["id"]]["code"] == "download_failed"


@pytest.mark.parametrize("fault", ["truncated-json", "429", "short-body", "gzip"])
def test_an_answer_that_broke_is_asked_for_again(desk: PageDesk, fault: str) -> None:
    desk.desk.faults({"fault": fault, "route": PAGE, "count": 2})
    desk.run()
    desk.checked()


# ------------------------------------------------------------------------------------------------------- cut off


class CutOffError(BaseException):
    """The machine is gone."""


class Mortal(FolderStore):
    """A folder whose machine goes down just before or just after its nth write. Every later write is refused."""

    left, is_after, was_cut = 0, True, False

    def put(self, key: str, content: bytes | Iterable[bytes], **options: Any) -> Stored:
        if self.was_cut:
            raise CutOffError
        self.left -= 1
        self.was_cut = self.left == 0
        if self.was_cut and not self.is_after:
            raise CutOffError
        stored = super().put(key, content, **options)
        if self.was_cut:
            raise CutOffError
        return stored


def cut_off(desk: PageDesk, *, write: int, is_after: bool) -> bool:
    """A run that ends at that write; False if it has no so many. A later run finds what became of it."""
    store = Mortal(desk.folder)
    store.left, store.is_after = write, is_after
    try:
        desk.run(store=store)
    except CutOffError:
        pass
    finally:
        store.close()
    return store.was_cut


@pytest.mark.parametrize("is_after", [False, True])
def test_cut_off_at_any_write_the_next_run_makes_it_whole(tenant: Path, tmp_path: Path, *, is_after: bool) -> None:
    write, was_cut = 0, True
    with page_desk(tenant, tmp_path / "first") as desk:
        while was_cut:
            write += 1
            desk.folder = tmp_path / f"store{write}"
            desk.folder.mkdir()
            desk.store = FolderStore(desk.folder)
            was_cut = cut_off(desk, write=write, is_after=is_after)
            desk.run(may_have_news=False)
            rows = desk.checked()
            assert {row["key"] for row in rows.values()} == {
                f"data/pages/{p['name']}.json" for p in (HOME, NEWS, OTHER)
            }
            assert len(keys(desk, "derived")) == 3 and not desk.rows("leftover")
            desk.store.close()
        assert write > 10


def test_killed_between_page_and_html_the_html_is_made_by_the_next(desk: PageDesk) -> None:
    desk.run()
    desk.change({"op": "edit", "id": HOME["id"], "set": {"title": "Start here"}})
    desk.run(derives=False)
    assert "Start here" not in desk.html(HOME)
    assert desk.asked_by(lambda: desk.run(may_have_news=False)) == {}
    assert "Start here" in desk.html(desk.checked()[HOME["id"]])


def test_a_stopped_run_leaves_word_for_the_next(desk: PageDesk) -> None:
    stop = threading.Event()

    class Stopping(Progress):
        def listed(self, items: int) -> None:
            stop.set()

    desk.run(stop=stop, progress=Stopping())
    assert not desk.rows("page")
    desk.run(may_have_news=False)
    desk.checked()


def test_news_that_another_run_could_not_follow_are_followed_later(desk: PageDesk) -> None:
    desk.run()
    desk.change({"op": "delete", "id": NEWS["id"]})
    stop = threading.Event()
    stop.set()
    desk.run(may_have_news=False, before=note_pages_due, stop=stop)
    desk.run(may_have_news=False)
    assert desk.checked()[NEWS["id"]]["outcome"] == "gone"


def test_other_bytes_in_the_place_of_a_page_are_left_there(desk: PageDesk) -> None:
    def put(writer: Any) -> None:
        writer.flush()
        writer.put_payload("data/pages/Home.aspx.json", [b"{}"])

    desk.run(before=put)
    row = desk.checked()[HOME["id"]]
    assert row["key"].startswith("data/changed/")
    assert [one["key"] for one in desk.rows("leftover")] == ["data/pages/Home.aspx.json"]


# ------------------------------------------------------------------------------------------- with all else of a site


def fill(site: tiny_sites.Site) -> None:
    """A library of images, a page that shows one of them, and its file."""
    assets, pages = site.library("Site Assets"), site.library("Site Pages", "webPageLibrary")
    folder = assets.folder_in("SitePages", assets.root)
    assets.file_in("wall 1.png", folder, b"one wall")
    file = pages.file_in("Home.aspx", pages.root)
    page = site.page("Home.aspx", "Home", tiny_sites.HTML, _file=file["id"])
    other = site.page("Next.aspx", "Next", f'<p><a href="{site.url}/Site%20Pages/Home.aspx">home</a></p>')
    shown = data.image_part(f"{site.url}/Site%20Assets/SitePages/wall%201.png")
    for one in (page, other):
        one["canvasLayout"]["horizontalSections"][0]["columns"][0]["webparts"].append(shown)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[SiteDesk]:
    with site_desk(tmp_path / "tenant", tmp_path / "store", make_site(tmp_path / "tenant", fill)) as found:
        yield found


def judged(lab: SiteDesk) -> dict[str, str]:
    """{name of a page: its HTML}; all that the independent judge has to say of pages must be good."""
    bag, truth, found = lab.checked(), lab.truth(), Differences()
    PagesJudge(bag, truth.sites[lab.site], truth, found).judge()
    assert not {kind: texts for kind, texts in found.found.items() if texts}
    made = {one["of"]: one["key"] for one in bag.of("derived") if "of" in one}
    return {row["name"]: (bag.read(made[row["id"]]) or b"").decode() for row in bag.of("page")}


def test_pages_show_the_copies_of_what_they_show_in_the_site(lab: SiteDesk) -> None:
    lab.run()
    html = judged(lab)
    assert '<img src="../libraries/Site%20Assets/SitePages/wall%201.png"' in html["Home.aspx"]
    assert '<a href="Home.aspx.html">home</a>' in html["Next.aspx"]


def test_pages_show_the_copies_under_the_address_that_the_site_had(lab: SiteDesk) -> None:
    """A site that is called otherwise leaves the links in its pages as they are; the service leads on from there."""
    lab.run()
    before = judged(lab)
    assert lab.desk.client.change({"kind": "site", "id": lab.site, "op": "rename", "path": "/sites/quay"}) == {
        "site-rename": 1
    }
    lab.run()
    made = {row["id"]: lab.bag().read(row["key"]) for row in lab.bag().of("derived") if row["key"].endswith(".html")}
    assert sorted((text or b"").decode() for text in made.values()) == sorted(before.values())
    assert any(
        b'<img src="../libraries/Site%20Assets/SitePages/wall%201.png"' in (text or b"") for text in made.values()
    )


def test_pages_are_asked_for_only_if_their_library_has_news(lab: SiteDesk) -> None:
    lab.run()
    assert not [route for route in lab.asked_by(lab.run) if "pages" in route]
    (page,) = [row for row in lab.truth().sites[lab.site].pages.rows.values() if row["name"] == "Home.aspx"]
    lab.change({"kind": "page", "site": "s0000", "op": "edit", "id": page["id"], "set": {"title": "Home again"}})
    asked = lab.asked_by(lab.run)
    assert (asked["sites/{site}/pages"], asked["sites/{site}/pages/{page}/microsoft.graph.sitePage"]) == (2, 1)
    assert "<h1>Home again</h1>" in judged(lab)["Home.aspx"]


def test_html_is_made_anew_if_an_image_has_other_bytes_and_only_then(lab: SiteDesk) -> None:
    lab.run()
    before = {row["id"]: row for row in lab.bag().of("derived")}
    (library,) = [one for one in lab.truth().sites[lab.site].libraries.values() if one.folder == "drives/s0000_0"]
    (wall,) = [item_id for item_id, row in library.items.items() if row["name"] == "wall 1.png"]
    content = tiny.Drive(9, {"id": "x"}).put(b"two walls")
    lab.change(
        {"drive": "drives/s0000_0", "op": "modify", "id": wall, "_c": {**content, "pack": "drives/s0000_1/content.bin"}}
    )
    lab.run()
    after = {row["id"]: row for row in lab.bag().of("derived")}
    changed = {key for key in after if after[key] != before.get(key) and key.endswith(".html")}
    assert changed == {"data/pages/Home.aspx.html", "data/pages/Next.aspx.html"}
    assert not [route for route in lab.asked_by(lab.run) if "pages" in route]
    assert {row["id"]: row for row in lab.bag().of("derived")} == after
