"""Bytes that are not what is listed: those of the service, which are kept (Q-022), or something that came in their place.

Rules of this file: no I/O. What is evidently not the item's is never kept, however often it comes the same: an error page, the
bytes of another item, a body that was cut short. What came twice alike without such a sign is kept and graded; unless it is of
a type that the service is known to rewrite, and of another size, it is put aside and read again in the next run.
Source: design §4 (agreement); quirks Q-020, Q-022; docs/decisions/0018.
"""

import re
import threading
from dataclasses import dataclass

from exporters.drive.facts import JsonObject

HEAD_BYTES = 512
_KEPT = 4  # items that brought the same bytes: two tell enough
_GUID = re.compile(r"\{([0-9a-f-]{36})\}", re.IGNORECASE)
_PAGES = {"text/html": (b"<!doctype html", b"<html", b"<head", b"<body"), "application/json": (b'{"error"',)}
_OWN = {
    "text/html": frozenset(["htm", "html", "xhtml", "aspx", "asp", "php", "jsp", "mht", "mhtml", "hta", "svg", "xml"]),
    "application/json": frozenset(["json", "jsonl", "har", "ipynb", "map", "geojson"]),
}

Marks = tuple[int, str]
"""(size, digest) of a body."""


@dataclass(frozen=True, slots=True)
class Body:
    """A body that is not as listed. head: its first bytes; content_type, etag: as its answer said, empty if it did not."""

    marks: Marks
    head: bytes
    content_type: str
    etag: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for. path: its route, by which two items are told apart; service: as listed."""

    path: str
    name: str
    service: JsonObject


class Doubts:
    """What has come in place of the contents of one drive in one run. Safe from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[Marks, set[tuple[str, object, object]]] = {}
        self.sizes: set[int] = set()
        """Of bodies that came for several items: whatever else was kept with such a size may be one of them."""

    def is_foreign(self, body: Body, wanted: Wanted) -> str | None:
        """Why a body is evidently not the content that was asked for; None if nothing says so."""
        if body.marks[0] == 0 and wanted.service.get("size"):
            return "an empty body came"
        if _is_page(body, wanted):
            return "a page of something else came in its place"
        if _is_of_another(body, wanted):
            return "the bytes of another item came"
        return "the same bytes came for several items" if self._came_before(body, wanted) else None

    def _came_before(self, body: Body, wanted: Wanted) -> bool:
        """Whether these very bytes came in place of an item that is listed with other facts."""
        mine = (wanted.path, wanted.service.get("size"), wanted.service.get("quickXorHash"))
        with self._lock:
            others = self._seen.setdefault(body.marks, set())
            if len(others) < _KEPT:
                others.add(mine)
            came = any(other[0] != mine[0] and other[1:] != mine[1:] for other in others)
            if came:
                self.sizes.add(body.marks[0])
            return came


def _is_page(body: Body, wanted: Wanted) -> bool:
    """An answer that calls itself HTML or JSON, looks like an error page, and stands for an item that is neither."""
    kind = body.content_type.partition(";")[0].strip().lower()
    starts = _PAGES.get(kind)
    if starts is None or not body.head.lstrip().lower().startswith(starts):
        return False
    extension = wanted.name.rpartition(".")[2].lower() if "." in wanted.name else ""
    return extension not in _OWN[kind] and str(wanted.service.get("mimeType", "")).lower() != kind


def _is_of_another(body: Body, wanted: Wanted) -> bool:
    """Whether the answer names another file: both eTags hold the GUID of their item."""
    mine, theirs = _GUID.search(str(wanted.service.get("eTag") or "")), _GUID.search(body.etag)
    if mine is None or theirs is None or "/versions/" in wanted.path:
        return False
    return mine[1].lower() != theirs[1].lower()


def is_explained(size: int, service: JsonObject, *, of_rewritten_type: bool) -> bool:
    """Whether bytes that are not as listed are what Q-022 speaks of: properties written into a type that holds some, which
    changes the size."""
    return of_rewritten_type and size != service.get("size")
