"""Names of pages → keys of what is kept of them.

Rules of this file: one thread; places are held for ever, and compared as the design says. The HTML of a page stands beside the
place of its first JSON, and stays there. Source: design §4 (keys), docs/formats.md (bag of a site).
"""

from exporters.bag.formats import CHANGED, PAGES
from exporters.bag.keys import COMPONENT_BYTES, changed, component_for, folded
from exporters.bag.ledger import BagWriter

JSON, HTML = ".json", ".html"
_LATER = "pages"


class Names:
    """Places below `data/pages` and `data/changed/…/pages` in one run."""

    def __init__(self, writer: BagWriter) -> None:
        self._db, self._stamp = writer.state.db, writer.run.stamp
        self._db.execute(
            "CREATE TEMP TABLE IF NOT EXISTS page_places (folded TEXT PRIMARY KEY, exact TEXT) WITHOUT ROWID"
        )
        self._db.execute("DELETE FROM page_places")
        held = "SELECT key FROM rows WHERE key IS NOT NULL AND kind != 'leftover' AND (key LIKE ? OR key LIKE ?)"
        for (key,) in self._db.execute(held, (f"{PAGES}/%", f"{CHANGED}/%/{_LATER}/%")).fetchall():
            self._hold(key)

    def _hold(self, key: str) -> str:
        self._db.execute("INSERT OR IGNORE INTO page_places VALUES (?, ?)", (folded(key), key))
        return key

    def _held(self, key: str) -> str | None:
        """The spelling of what holds a place."""
        found = self._db.execute("SELECT exact FROM page_places WHERE folded = ?", (folded(key),)).fetchone()
        return None if found is None else str(found[0])

    def first(self, name: str, page_id: str) -> str:
        """Take a place for a page that holds none: its name, or the changed form where that is held in another spelling, else a
        place as for later bytes."""
        key = f"{PAGES}/{_component(name, page_id)}{JSON}"
        held = self._held(key)
        if held is not None and held != key:
            key = f"{PAGES}/{changed(name, page_id)}{JSON}"
            held = self._held(key)
        return self._hold(key) if held is None else self.later(name, page_id)

    def later(self, name: str, page_id: str) -> str:
        """Take a place for later bytes of a page."""
        component, attempt = _component(name, page_id), 1
        while True:
            stamp = self._stamp if attempt == 1 else f"{self._stamp}-{attempt}"
            key = f"{CHANGED}/{stamp}/{_LATER}/{component}{JSON}"
            if self._held(key) is None:
                return self._hold(key)
            attempt += 1

    def html(self, name: str, page_id: str) -> str:
        """Take a place for the HTML of a page that has none yet."""
        key = f"{PAGES}/{_component(name, page_id)}{HTML}"
        if self._held(key) is not None:
            key = f"{PAGES}/{changed(name, page_id)}{HTML}"
        return self._hold(key)


def _component(name: str, page_id: str) -> str:
    """Of a name, with room for what follows it."""
    component = component_for(name, page_id)
    return component if len(component.encode()) + len(JSON) <= COMPONENT_BYTES else changed(name, page_id)
