"""Links in the HTML of pages, which lead from `data/pages/` to other keys of the bag → to where those stand in a restored tree.

Rules of this file: after all files are written, and hashed as they are in the store; HTML of ours alone, whose links stand in
double quotes; what was not restored keeps its link. Places lie in a temporary file, so that memory does not grow with a site.
Source: docs/formats.md (bag of a site), design §6 (`restore`).

    with RestoredLinks() as links:
        links.note(row, place)
        links.rewrite(tree.folder)
"""

import os
import posixpath
import re
from collections.abc import Callable
from html import escape, unescape
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, unquote

from exporters.bag.formats import PAGES
from exporters.bag.verify_rows import PathRow
from exporters.scratch_database import ScratchDatabase
from exporters.target import target_error

_LINK = re.compile(r'(?<= )(href|src)="([^"]*)"')
_ELSEWHERE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|/|#")
_HTML = ".html"


class RestoredLinks:
    """Of one bag. Use as a context manager; one thread."""

    def __enter__(self) -> Self:
        schema = "CREATE TABLE place (key TEXT PRIMARY KEY, path BLOB, place BLOB, is_page) WITHOUT ROWID"
        self._scratch = ScratchDatabase("links", schema, cache_kib=2000)
        self._db = self._scratch.db
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scratch.close()

    def note(self, row: PathRow, place: str) -> None:
        """Where the bytes of a row stand."""
        is_page = row.kind == "derived" and str(row.key).startswith(f"{PAGES}/") and str(row.key).endswith(_HTML)
        path = row.path.encode("utf-8", "surrogatepass")
        self._db.execute(
            "INSERT OR REPLACE INTO place VALUES (?, ?, ?, ?)", (row.key, path, os.fsencode(place), is_page)
        )

    def rewrite(self, folder: Callable[[str], str]) -> None:
        """Have the HTML of all pages lead to where things stand. folder: the place of a path. Raises: RunError."""
        for (place,) in self._db.execute("SELECT place FROM place WHERE is_page ORDER BY key").fetchall():
            self._rewrite(os.fsdecode(place), folder)

    def _rewrite(self, place: str, folder: Callable[[str], str]) -> None:
        file = Path(place)
        if not file.is_file():  # it was not as its row says, and is not there
            return

        def moved(found: re.Match[str]) -> str:
            link = self._target(unescape(found[2]), folder)
            if link is None:
                return found[0]
            relative = Path(os.path.relpath(link, file.parent)).as_posix()
            shown = quote(os.fsencode(relative), safe="/") + ("/" if found[2].endswith("/") else "")
            return f'{found[1]}="{escape(shown)}"'

        try:
            before = file.read_bytes().decode()
            after = _LINK.sub(moved, before)
            if after != before:
                file.write_bytes(after.encode())
        except OSError as error:
            raise target_error(place, error) from error

    def _target(self, link: str, folder: Callable[[str], str]) -> str | None:
        """The place of what a link leads to; None of one that leads elsewhere, or to what was not restored."""
        if not link or _ELSEWHERE.match(link):
            return None
        key = posixpath.normpath(f"{PAGES}/{unquote(link)}")
        if link.endswith("/"):  # the files of a library
            query = "SELECT path FROM place WHERE key > ? AND key < ? LIMIT 1"
            found = self._db.execute(query, (f"{key}/", f"{key}0")).fetchone()
            return None if found is None else folder("/" + found[0].decode("utf-8", "surrogatepass").split("/")[1])
        found = self._db.execute("SELECT place FROM place WHERE key = ?", (key,)).fetchone()
        place = None if found is None else os.fsdecode(found[0])
        return place if place is not None and Path(place).exists() else None
