"""Compares the pages in the bag of a site with their truth: the JSON as served, and the HTML that was made of it.

Rules of this file: standard library only; imports nothing of ours. HTML is read by Python's parser: it must show every text of
the page and do nothing: no script, no handler, no load from anywhere.
"""

import json
import posixpath
import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote

from tests.independent import keys
from tests.independent.differences import Differences
from tests.independent.judge import STAMP
from tests.independent.site_bag import SiteBag, is_there
from tests.independent.site_lists import missing_of
from tests.independent.site_truth import SiteTruth, TenantTruth

Row = dict[str, Any]
TYPE = "#microsoft.graph.sitePage"
ACTIVE = {"script", "iframe", "object", "embed", "applet", "frame", "frameset", "base", "form", "link", "portal"}
LOADS = {
    "src",
    "srcset",
    "poster",
    "background",
    "data",
    "action",
    "formaction",
    "ping",
    "manifest",
    "archive",
    "codebase",
    "lowsrc",
}
HIDDEN = {"script", "style", "template", "noscript"}
HARMLESS = ("data:image/",)


class PageReader(HTMLParser):
    """Text that a page shows, and what in it could run or load."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.active: list[str] = []
        self.images: list[str] = []
        self.policy = ""
        self._hidden: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in HIDDEN:
            self._hidden.append(tag)
        if tag in ACTIVE:
            self.active.append(f"<{tag}>")
        given = {name: value or "" for name, value in attrs}
        if tag == "meta" and given.get("http-equiv", "").lower() == "content-security-policy":
            self.policy = given.get("content", "")
        elif tag == "meta" and "http-equiv" in given and given["http-equiv"].lower() == "refresh":
            self.active.append("<meta refresh>")
        for name, value in given.items():
            place = re.sub(r"[\s\x00-\x20]", "", value).lower()
            if name.startswith("on"):
                self.active.append(f"{name}=")
            elif tag == "img" and name == "src" and place and not re.match(r"[a-z][a-z0-9+.-]*:|/", place):
                self.images.append(value)  # a file of the bag, which has to be there
            elif name in LOADS and place and not place.startswith(HARMLESS):
                self.active.append(f"{name}={value}")
            elif "url(" in place and name == "style":
                self.active.append(f"style={value}")
            elif name in ("href", "xlink:href") and place.startswith(("javascript:", "vbscript:", "data:")):
                self.active.append(f"{name}={value}")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._hidden:
            self._hidden.remove(tag)

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.pieces.append(data)
        elif "style" in self._hidden and re.search(r"url\(|@import", data, re.IGNORECASE):
            self.active.append("style loads")

    @property
    def text(self) -> str:
        """Words with single spaces between them."""
        return words(" ".join(self.pieces))


def words(text: str) -> str:
    """Without regard to white space and to what cannot be written in HTML."""
    kept = "".join(c for c in text if c.isspace() or (c.isprintable() and not 0xD800 <= ord(c) < 0xE000))
    return " ".join(kept.split())


def texts_of(page: Row) -> list[str]:
    """What the text web parts of a page show, word for word."""
    found: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("innerHtml"), str):
                found.append(PageReader(value["innerHtml"]).text)
            for one in value.values():
                walk(one)
        elif isinstance(value, list):
            for one in value:
                walk(one)

    walk(page.get("canvasLayout"))
    return [text for text in found if text]


class PagesJudge:
    """All pages of one site."""

    def __init__(self, bag: SiteBag, site: SiteTruth, truth: TenantTruth, found: Differences) -> None:
        self.bag, self.site, self.truth, self.found = bag, site, truth, found

    def judge(self) -> None:
        """All comparisons."""
        rows = {row["id"]: row for row in self.bag.of("page")}
        for page_id, truth in self.site.pages.rows.items():
            where = f"{self.bag.name}: page {truth['name']!r}"
            named = next((i for i, row in rows.items() if row["name"] == truth["name"]), page_id)
            row = rows.pop(named if truth.get("_made") else page_id, None)
            if self.found.check("pages", f"{where} has no row", row is not None) and row is not None:
                self._page(where, truth, row)
        for row in rows.values():
            self.found.say("nothing else", f"{self.bag.name}: page {row['name']!r} is not (or no longer) there")
        for row in self.bag.of("page", gone=True):
            if not is_there(row):
                self.found.check("gone", f"{self.bag.name}: page {row['name']!r}", row["id"] in self.site.pages.gone)

    def _page(self, where: str, truth: Row, row: Row) -> None:
        self.found.same("page paths", where, row.get("path"), f"/Site Pages/{truth['name']}")
        if truth.get("_goneAfterListing") or truth.get("@odata.type", TYPE) != TYPE:
            self._unreadable(where, truth, row)
            return
        if not self.found.check(
            "page outcomes", f"{where}: {row['outcome']} {row.get('code')}", row["outcome"] == "copied"
        ):
            return
        key = str(row["key"])
        form = re.fullmatch(rf"data/(?:changed/{STAMP}/)?pages/(?P<name>[^/]+)\.json", key)
        names = keys.allowed_components(truth["name"], row["id"])
        is_placed = form is not None and (
            self.truth.is_changed or form["name"] in {n for one in names for n in (one, plain(one))}
        )
        self.found.check("keys", f"{where}: key {key!r}", is_placed)
        data = self.bag.read(key)
        if data is None:
            return  # said already
        page = json.loads(data)
        is_moved = truth.get("_moved") or truth.get("_made")
        left_out = {"eTag", "lastModifiedDateTime", "lastModifiedBy", "id"} if is_moved else set()
        due = {k: v for k, v in truth.items() if not k.startswith("_") and k not in left_out}
        wrong = missing_of({k: v for k, v in page.items() if k in due}, due)
        wrong += [f"{k} is of nothing" for k in set(page) - set(truth) if "@" not in k and not is_moved]
        for text in wrong:
            self.found.say("page JSON", f"{where}: {text}")
        self.found.agreed["page JSON"] += not wrong
        self.found.same("page facts", where, row.get("service", {}).get("title"), page.get("title"))
        self.found.same("page facts", f"{where}: eTag", row.get("service", {}).get("eTag"), page.get("eTag"))
        self._html(where, page, str(row["id"]))

    def _unreadable(self, where: str, truth: Row, row: Row) -> None:
        """What is gone is an exception; of what is no sitePage there is what the listing says, and no canvas."""
        is_said = row["outcome"] == "excepted" and bool(row.get("code"))
        if truth.get("_goneAfterListing") or row["outcome"] != "copied":
            self.found.check("pages excepted", f"{where}: is {row['outcome']}, and cannot be read", is_said)
            return
        page = json.loads(self.bag.read(str(row["key"])) or b"{}")
        due = {
            k: v for k, v in truth.items() if not k.startswith("_") and k in ("id", "name", "title", "webUrl", "eTag")
        }
        for text in missing_of({k: page.get(k) for k in due}, due):
            self.found.say("page JSON", f"{where}: {text}")

    def _html(self, where: str, page: Row, page_id: str) -> None:
        """The row of the HTML says of which page it is (`of`)."""
        made = [row["id"] for row in self.bag.of("derived") if row.get("of") == page_id]
        is_named = len(made) == 1 and re.fullmatch(r"data/pages/[^/]+\.html", made[0]) is not None
        data = self.bag.read(made[0]) if is_named else None
        if not self.found.check("page HTML", f"{where}: HTML {made}", data is not None) or data is None:
            return
        shown = PageReader(data.decode())
        for text in (words(str(page.get("title") or "")), *texts_of(page)):
            without_spaces = text.replace(" ", "")
            is_shown = without_spaces in shown.text.replace(" ", "")
            self.found.check("page HTML", f"{where}: does not show {text!r}"[:300], is_shown)
        self.found.check("inert HTML", f"{where}: {shown.active[:5]}", not shown.active)
        for image in shown.images:
            place = posixpath.normpath(f"data/pages/{unquote(image)}")
            self.found.check("page images", f"{where}: {image!r} is not in the bag", self.bag.read(place) is not None)
        is_strict = (
            "default-src 'none'" in shown.policy and "unsafe-eval" not in shown.policy and "http" not in shown.policy
        )
        is_strict = is_strict and not re.search(r"script-src(?! 'none')", shown.policy)
        self.found.check("inert HTML", f"{where}: policy {shown.policy!r}", is_strict)


def plain(name: str) -> str:
    """A name without `.aspx`."""
    return re.sub(r"\.aspx$", "", name, flags=re.IGNORECASE)
