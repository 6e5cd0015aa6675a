"""The pages of sites: what the data say, and what has been changed since.

Rules of this file: a site without a `pages.jsonl` has no pages; a change of a page is one of its file in the library of pages
too, where the row says which that is (`_file`). Pages stand in the order in which they were made.
Source: reference/graph.md 5.4; data/graph/sites/sitePage-canvasLayout.json; site_making.py (format).
"""

import hashlib
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from exporters.rehearsal.documents import Row, parse

OPERATIONS = ("create", "edit", "rename", "delete")
_LIBRARY = "webPageLibrary"


class SitePages:
    """All of one tenant."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.RLock()
        self._read: dict[str, list[Row]] = {}
        self._made = 0

    def of(self, site: Row) -> list[Row]:
        """The live pages of a site, in a list of its own."""
        with self._lock:
            return list(self._of(site))

    def find(self, site: Row, page_id: str) -> Row | None:
        """A live page by id."""
        return next((row for row in self.of(site) if row["id"] == page_id), None)

    def _of(self, site: Row) -> list[Row]:
        name = str(site.get("_dir"))
        if name not in self._read:
            self._read[name] = list(_rows(self._folder / name / "pages.jsonl"))
        return self._read[name]

    def apply(self, site: Row, change: Row, op: str, at: str, on_file: Callable[[Row], Row | None]) -> bool:
        """Apply a change; whether it did something. `create` {name, title, canvasLayout}, `edit` {id, set}, `rename` {id, name},
        `delete` {id}.

        on_file: applies a change to an item of the library of pages and returns the row after it, if there is one.
        Raises: KeyError for a field that is missing, or an operation that does not exist.
        """
        if op not in OPERATIONS:
            raise KeyError(op)
        with self._lock:
            pages = self._of(site)
            if op == "create":
                pages.append(self._created(site, change, at, on_file))
                return True
            place = next((n for n, row in enumerate(pages) if row["id"] == change["id"]), None)
            if place is None:
                return False
            row = pages[place]
            if op == "delete":
                _on_file_of(row, on_file, {"op": "delete"})
                del pages[place]
                return True
            new = change["set"] if op == "edit" else {"name": change["name"]}
            about_file = {"op": "touch"} if op == "edit" else {"op": "rename", "name": change["name"]}
            _on_file_of(row, on_file, about_file)
            pages[place] = {**row, "eTag": _stepped(row), "lastModifiedDateTime": at, **new}
            return True

    def _created(self, site: Row, change: Row, at: str, on_file: Callable[[Row], Row | None]) -> Row:
        self._made += 1
        digest = hashlib.sha256(f"{site['id']}|{self._made}|page".encode()).digest()
        page_id = str(uuid.UUID(bytes=digest[:16]))
        row: Row = {
            "@odata.type": "#microsoft.graph.sitePage",
            "id": page_id,
            "eTag": f'"{{{page_id.upper()}}},1"',
            "name": change["name"],
            "title": change.get("title", ""),
            "webUrl": f"{site['webUrl']}/SitePages/{change['name']}",
            "pageLayout": "article",
            "promotionKind": "page",
            "publishingState": {"level": "published", "versionId": "1.0"},
            "createdDateTime": at,
            "lastModifiedDateTime": at,
            "canvasLayout": change["canvasLayout"],
        }
        file = on_file({"op": "create", "name": change["name"], "_c": _EMPTY})
        return row if file is None else {**row, "_file": file["id"]}


_EMPTY = {"gen": "", "len": 0, "sha256": hashlib.sha256(b"").hexdigest(), "qx": ""}


def library_of(folder: Path, site: Row) -> str | None:
    """The folder of the drive that holds a site's pages as files."""
    for row in _rows(folder / str(site.get("_dir")) / "lists.jsonl"):
        if row.get("list", {}).get("template") == _LIBRARY and row.get("_drive"):
            return str(row["_drive"])
    return None


def _on_file_of(page: Row, on_file: Callable[[Row], Row | None], change: Row) -> None:
    if "_file" in page:
        on_file({**change, "id": page["_file"]})


def _rows(path: Path) -> Iterator[Row]:
    if path.exists():
        with path.open("rb") as lines:
            yield from (parse(line) for line in lines)


def _stepped(row: Row) -> str:
    """The next eTag; none where the page has none."""
    head, _, number = str(row.get("eTag", '"page,0"')).rstrip('"').rpartition(",")
    return f'{head},{int(number) + 1}"' if number.isdecimal() else f'{head}{number},2"'
