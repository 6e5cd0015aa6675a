"""Where what pages refer to lies in the bag: files of libraries, other pages, lists.

Rules of this file: reads the state, asks nobody; what is not held has no link; an address of another host is never held. Source:
docs/formats.md (bag of a site); graph.md §5.4.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, unquote, urljoin, urlsplit

from exporters.bag.formats import LIBRARIES, LISTS, PAGES, load_json
from exporters.bag.state import State
from exporters.graph.answers import text_of
from exporters.sharepoint.described import former_addresses
from exporters.sharepoint.run import SiteList

PAGES_LIBRARY = "webPageLibrary"
"""Template of the list that pages are files of."""
_DEPTH = 200


class _Library(NamedTuple):
    """A library under one of the addresses that it has, or had. path: of that, decoded and folded, with a slash at its end."""

    host: str
    path: str
    drive: str
    holds_pages: bool


class Links:
    """What can be linked to from the HTML of a page; made anew for each go over the pages, since it remembers. Links are relative
    to `data/pages/`. roots: {drive id: its address}, where that is known; else that of the list counts.

    A temporary table `page_html (id, name, key)` has the HTML of all pages; names as `folded_name` gives them."""

    def __init__(self, state: State, lists: Sequence[SiteList], roots: Mapping[str, str]) -> None:
        self._state = state
        told = {one.id: text_of(one.served.get("webUrl")) or "" for one in lists}
        addresses = {one.id: roots.get(one.drive_id or "", told[one.id]) for one in lists}
        by_drive = {one.drive_id: one for one in lists if one.drive_id is not None}
        known = [(drive, addresses[one.id]) for drive, one in by_drive.items()]
        known += [
            (drive, address) for drive, address in former_addresses(state) if drive in by_drive
        ]  # pages keep those
        self._libraries = sorted(
            (
                _Library(_host_of(address), _folded_path(address), drive, by_drive[drive].template == PAGES_LIBRARY)
                for drive, address in dict.fromkeys(known)
                if urlsplit(address).path.strip("/")
            ),
            key=lambda library: -len(library.path),
        )
        self._lists = {one.id.casefold(): one for one in lists}
        self._base = next((a for a in addresses.values() if a.startswith("https://")), "")
        self._found = lru_cache(maxsize=20_000)(self._find)

    def original(self, address: str) -> str:
        """The whole address, as it was in the tenant."""
        try:
            return urljoin(self._base, address)
        except ValueError:
            return address

    def held(self, address: str) -> str | None:
        """A link to the file or page that an address of this site names."""
        return self._found(address)

    def _find(self, address: str) -> str | None:
        try:
            parts = urlsplit(self.original(address))
        except ValueError:  # an address that is none
            return None
        host = parts.netloc.casefold()
        for path in dict.fromkeys((parts.path, unquote(parts.path))):  # names may hold a percent sign, as served
            for library in self._libraries:
                if host and host == library.host and path.casefold().startswith(library.path):
                    found = self._in_library(library, path[len(library.path) :])
                    if found is not None:
                        return found
        return None

    def list_table(self, list_id: str) -> str | None:
        """A link to the table of a list, or to the folder with the files of a library."""
        one = self._lists.get(list_id.strip("{}").casefold())
        if one is None:
            return None
        if one.drive_id is None:
            component = self._component(one.id)
            key = f"{LISTS}/{component}/items.csv"
            return relative(key) if component is not None and self._state.holds_key(key) else None
        query = "SELECT key FROM rows WHERE kind = 'file' AND scope = ? AND key LIKE ? LIMIT 1"
        found = self._state.db.execute(query, (one.drive_id, f"{LIBRARIES}/%")).fetchone()
        return None if found is None else relative("/".join(found[0].split("/")[:3])) + "/"

    def _component(self, list_id: str) -> str | None:
        """The component of a list, by any key of its items."""
        query = "SELECT row FROM rows WHERE kind = 'list_item' AND scope = ? LIMIT 1"
        found = self._state.db.execute(query, (list_id,)).fetchone()
        key = str(load_json(found[0]).get("key", "")) if found is not None else ""
        return key.split("/")[2] if key.startswith(f"{LISTS}/") else None

    def _in_library(self, library: _Library, path: str) -> str | None:
        names = [name for name in path.split("/") if name]
        if not names or len(names) > _DEPTH:
            return None
        if library.holds_pages:
            query = "SELECT key FROM page_html WHERE name = ? ORDER BY id LIMIT 1"
            page = self._state.db.execute(query, (folded_name("/".join(names)),)).fetchone()
            if page is not None:
                return relative(page[0])
        item = self._item(library.drive, names)
        row = None if item is None else self._state.item_row(library.drive, item)
        return relative(row["key"]) if row is not None and row.get("key") else None

    def _item(self, drive: str, names: Sequence[str]) -> str | None:
        """The id of the item at a path; one that lives before one that does not, the very name before one in other letters."""
        found = self._state.db.execute(
            "SELECT id FROM tree WHERE scope = ? AND parent IS NULL AND kind = 'folder'", (drive,)
        ).fetchone()
        for name in names:
            if found is None:
                return None
            children = self._state.db.execute(
                "SELECT id, name, alive FROM tree WHERE scope = ? AND parent = ?", (drive, found[0])
            )
            wanted, folded = name.encode("utf-8", "surrogatepass"), name.casefold()
            same = [
                (one != wanted, not alive, item)
                for item, one, alive in children
                if one == wanted or one.decode("utf-8", "surrogatepass").casefold() == folded
            ]
            found = (min(same)[2],) if same else None
        return None if found is None else str(found[0])


class Asked:
    """The links of one page, and what was asked for: what its HTML depends on. found: {address or `list:` id: link, or None}."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self.found: dict[str, str | None] = {}

    def original(self, address: str) -> str:
        """See `Links`."""
        return self._links.original(address)

    def held(self, address: str) -> str | None:
        """See `Links`."""
        return self._noted(address)

    def list_table(self, list_id: str) -> str | None:
        """See `Links`."""
        return self._noted(f"list:{list_id}")

    def _noted(self, wanted: str) -> str | None:
        if wanted not in self.found:
            self.found[wanted] = link_of(self._links, wanted)
        return self.found[wanted]


def link_of(links: Links, wanted: str) -> str | None:
    """What `Asked` notes."""
    kind, _, rest = wanted.partition(":")
    return links.list_table(rest) if kind == "list" else links.held(wanted)


def folded_name(name: str) -> bytes:
    """The name of a page as it is looked up."""
    return name.casefold().encode("utf-8", "surrogatepass")


def _host_of(address: str) -> str:
    return urlsplit(address).netloc.casefold()


def _folded_path(address: str) -> str:
    return unquote(urlsplit(address).path).casefold().rstrip("/") + "/"


def relative(key: str) -> str:
    """A link from `data/pages/` to an object of the payload."""
    inside = key.removeprefix("data/")
    beside = f"{PAGES}/".removeprefix("data/")
    path = inside.removeprefix(beside) if inside.startswith(beside) else f"../{inside}"
    return quote(path, safe="/")
