"""The HTML of the pages of a bag: which have to be made anew, and making them.

Rules of this file: asks the service nothing; a page is made anew if its JSON is another, if something that it links to lies
elsewhere now, or if this version makes HTML of another form. Its row says what it was made of. The HTML of a page that is gone
stays as it is. Source: docs/formats.md (bag of a site).
"""

from collections.abc import Iterator, Mapping, Sequence

from exporters.bag.digests import Hashed
from exporters.bag.formats import PAGES, JsonObject, load_json
from exporters.clock import timestamp
from exporters.graph.answers import parse_json
from exporters.sharepoint.pages.facts import KIND
from exporters.sharepoint.pages.links import Asked, Links, folded_name, link_of, relative
from exporters.sharepoint.pages.names import HTML, Names
from exporters.sharepoint.pages.rendering import FORM, render
from exporters.sharepoint.run import SiteList, SiteRun

_BATCH = 500


class Deriving:
    """One go over the pages of a bag."""

    def __init__(self, run: SiteRun, lists: Sequence[SiteList], roots: Mapping[str, str]) -> None:
        self._run, self._writer = run, run.writer
        self._state, self._db = run.writer.state, run.writer.state.db
        self._links = Links(self._state, lists, roots)

    def run(self) -> int:
        """Make what has to be made; the number of files made. Raises: errors of the store."""
        self._plan()
        made = 0
        for row, key in self._pages():
            if self._run.stop.is_set():
                break
            if not self._is_made(row, self._held(key)):
                self._make(row, key)
                made += 1
        return made

    def _plan(self) -> None:
        """The place of the HTML of each page that lives, before any is made: they link to each other."""
        self._db.execute(
            "CREATE TEMP TABLE IF NOT EXISTS page_html (id TEXT PRIMARY KEY, name BLOB, key TEXT) WITHOUT ROWID"
        )
        self._db.execute("DELETE FROM page_html")
        self._db.execute("CREATE INDEX IF NOT EXISTS temp.page_html_by_name ON page_html (name)")
        for data in self._state.rows("kind = 'derived' AND scope = '' AND key LIKE ?", (f"{PAGES}/%{HTML}",)):
            row = load_json(data)
            self._db.execute("INSERT OR IGNORE INTO page_html VALUES (?, NULL, ?)", (row.get("of"), row["key"]))
        names = Names(self._writer)
        for row in self._copied():
            self._db.execute("INSERT OR IGNORE INTO page_html VALUES (?, NULL, NULL)", (row["id"],))
            (key,) = self._db.execute("SELECT key FROM page_html WHERE id = ?", (row["id"],)).fetchone()
            key = key or names.html(row["name"], row["id"])
            placed = (folded_name(row["name"]), key, row["id"])
            self._db.execute("UPDATE page_html SET name = ?, key = ? WHERE id = ?", placed)

    def _copied(self) -> Iterator[JsonObject]:
        """Rows of pages that are held and live, in the order of their ids."""
        after = ""
        query = (
            "SELECT row FROM rows WHERE kind = ? AND scope = '' AND outcome = 'copied' AND id > ? ORDER BY id LIMIT ?"
        )
        while batch := [load_json(data) for (data,) in self._db.execute(query, (KIND, after, _BATCH)).fetchall()]:
            yield from batch
            after = batch[-1]["id"]

    def _pages(self) -> Iterator[tuple[JsonObject, str]]:
        for row in self._copied():
            yield row, self._db.execute("SELECT key FROM page_html WHERE id = ?", (row["id"],)).fetchone()[0]

    def _held(self, key: str) -> JsonObject | None:
        return self._state.row(("derived", "", key))

    def _is_made(self, row: JsonObject, held: JsonObject | None) -> bool:
        made = (held or {}).get("made") or {}
        if made.get("form") != FORM or made.get("page") != row["sha256"] or made.get("key") != row["key"]:
            return False
        return all(link_of(self._links, wanted) == link for wanted, link in made["links"].items())

    def _make(self, row: JsonObject, key: str) -> None:
        page = parse_json(self._writer.store.read(f"{self._writer.bag}/{row['key']}"))
        asked = Asked(self._links)
        html = render(
            page if isinstance(page, dict) else {}, asked, json_link=relative(row["key"]), sha256=row["sha256"]
        )
        held, sha256 = self._held(key), Hashed.of(html)
        derived: JsonObject = {"kind": "derived", "scope": "", "id": key, "key": key, "outcome": "copied"}
        derived.update(size=len(html), sha256=sha256, of=row["id"], run=self._writer.run.id)
        derived["captured"] = timestamp(self._run.clock.now())
        derived["made"] = {"form": FORM, "page": row["sha256"], "key": row["key"], "links": asked.found}
        if held is None or held["sha256"] != sha256:
            version = self._writer.put_derived(key, [html], size=len(html)).version_id
        else:
            version = held.get("versionId")
        if version is not None:
            derived["versionId"] = version
        self._writer.emit("item", derived)
