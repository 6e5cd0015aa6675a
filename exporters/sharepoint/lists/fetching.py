"""What an item needs beyond its record: the files attached to it, and its earlier states.

Rules of this file: runs in threads and knows no state; what concerns one item, or one file of it, becomes a code; attachments
come by SharePoint's own API alone (Q-062); where that refuses the app as such, a few items are enough to know it, and the
others are not asked for. Source: graph.md §5.4, quirks Q-013, Q-062, docs/formats.md (bag of a site).
"""

import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any, BinaryIO, TypeVar, cast
from urllib.parse import quote

from exporters.bag.digests import Hashed
from exporters.bag.formats import JsonObject
from exporters.errors import ItemError, LastcopyError, SourceError, TransientError
from exporters.graph.answers import object_of, text_of
from exporters.graph.calls import segment
from exporters.graph.errors import (
    NotFoundError,
    PermissionMissingError,
    SiteLockedError,
    StoppedError,
    TenantLapsedError,
)
from exporters.graph.limits import Cost
from exporters.graph.rest import SharePointRest
from exporters.graph.session import GraphSession
from exporters.outcomes import ExceptionCode
from exporters.sharepoint.lists.exceptions import code_of, reason_of
from exporters.sharepoint.lists.facts import facts_of_item, lacks_fields

T = TypeVar("T")
SPOOLED = 256 << 10
"""Bytes of one file that may lie in memory."""
REFUSALS = 3
"""Refusals in a row, without a file that came, after which the API is not asked any more in this run."""
LARGE = 1 << 20
_OF_FOLDERS = "0x0120"
"""How the ids of content types of folders begin."""
_NONE_LISTED = "The item says that files are attached to it, and the service lists none."


@dataclass(frozen=True, slots=True)
class Task:
    """facts: as listed, with the record, if it was listed now. row: what we hold of it, or None. versions: "current", "all" or
    how many earlier ones. wants_files: whether attachments can be had at all."""

    facts: JsonObject
    row: JsonObject | None
    versions: str | int = "current"
    wants_files: bool = False

    @property
    def item_id(self) -> str:
        return str(self.facts["id"])

    @property
    def has_files(self) -> bool:
        """Whether files are attached to the item, as far as it is known."""
        return bool(self.facts["service"].get("attachments"))

    @property
    def asks(self) -> bool:
        """Whether it needs any request."""
        return (
            lacks_fields(self.facts.get("graph") or {})
            or self.versions != "current"
            or (self.has_files and self.wants_files)
        )

    @property
    def size(self) -> int:
        """Bytes to receive, as a guess."""
        return LARGE if self.has_files and self.wants_files else 0


@dataclass(slots=True)
class Piece:
    """A file attached to an item. file: its bytes, None where they were refused (then code)."""

    name: str
    file: IO[bytes] | None = None
    size: int = 0
    sha256: str = ""
    code: ExceptionCode | None = None
    reason: str | None = None


@dataclass(slots=True)
class Fetched:
    """What came of a task. facts: with the record. pieces: the files, None: not even their names could be had (then
    pieces_code). versions: as served, newest first, None: not asked for, or refused (then versions_code). code: why the item
    itself could not be had."""

    task: Task
    facts: JsonObject
    pieces: list[Piece] | None = None
    pieces_code: ExceptionCode | None = None
    pieces_reason: str | None = None
    versions: list[JsonObject] | None = None
    versions_code: ExceptionCode | None = None
    versions_reason: str | None = None
    code: ExceptionCode | None = None
    reason: str | None = None

    @property
    def received(self) -> int:
        """Bytes of files."""
        return sum(piece.size for piece in self.pieces or ())

    def close(self) -> None:
        """Let go of the temporary files."""
        for piece in self.pieces or ():
            if piece.file is not None:
                piece.file.close()


@dataclass(slots=True)
class _Rest:
    """The API of the site, asked for when it is first needed; and whether it refuses the app."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    api: SharePointRest | None = None
    refusals: int = 0
    refused: LastcopyError | None = None


class Fetcher:
    """Fetches for the lists of one site. Safe from many threads."""

    def __init__(self, graph: GraphSession, site_id: str) -> None:
        self._graph, self._site = graph, site_id
        self._rest = _Rest()

    def fetch(self, task: Task) -> Fetched:
        """What the item needs. Raises: StoppedError, TenantLapsedError, SiteLockedError and other RunErrors."""
        found = Fetched(task, task.facts)
        if lacks_fields(task.facts.get("graph") or {}) and not self._read(found):
            return found
        try:
            if task.versions != "current":
                self._versions(found)
            if found.facts["service"].get("attachments"):
                self._files(found)
        except BaseException:
            found.close()
            raise
        return found

    def _route(self, task: Task) -> str:
        list_id = str(task.facts["scope"])
        return f"/sites/{segment(self._site)}/lists/{segment(list_id)}/items/{segment(task.item_id)}"

    def _read(self, found: Fetched) -> bool:
        """The record of an item that was listed without one, or in an earlier run; whether it came."""
        task = found.task
        try:
            served = _twice(lambda: self._graph.get(self._route(task), params={"$expand": "fields"}, cost=Cost.SINGLE))
        except (ItemError, SourceError, TransientError) as error:
            _pass_on(error)
            found.code = code_of(error)
            found.reason = reason_of(found.code, error)
            return False
        if text_of(served.get("id")) != task.item_id or lacks_fields(served):
            found.code, found.reason = ExceptionCode.ITEM_UNREADABLE, None
            return False
        found.facts = facts_of_item(served, task.item_id, str(task.facts["scope"]))
        return True

    # -- earlier states ---------------------------------------------------------------------------------------------

    def _versions(self, found: Fetched) -> None:
        wanted = found.task.versions
        try:
            kept = self._listed_versions(found.task) or self._listed_versions(found.task)
        except (ItemError, SourceError, TransientError) as error:
            _pass_on(error)
            found.versions_code = ExceptionCode.VERSION_UNAVAILABLE
            found.versions_reason = reason_of(code_of(error), error)
            return
        if reason := _lack_of(kept, found.facts):
            found.versions_code, found.versions_reason = ExceptionCode.VERSION_UNAVAILABLE, reason
            return
        found.versions = kept[: wanted + 1] if isinstance(wanted, int) else kept  # the newest is the item as it is

    def _listed_versions(self, task: Task) -> list[JsonObject]:
        path, kept = f"{self._route(task)}/versions", list[JsonObject]()
        for page in self._graph.pages(path, params={"$expand": "fields"}, cost=Cost.LISTING):
            kept += page
            if isinstance(task.versions, int) and len(kept) > task.versions:
                break
        return kept

    # -- files ------------------------------------------------------------------------------------------------------

    def _files(self, found: Fetched) -> None:
        if not found.task.wants_files:
            found.pieces_code = ExceptionCode.ATTACHMENTS_NEED_CERTIFICATE
            return
        list_id, item_id = str(found.facts["scope"]), found.task.item_id
        base = f"/web/lists(guid'{quote(list_id, safe='-')}')/items({quote(item_id, safe='')})/AttachmentFiles"
        try:
            rows = _twice(lambda: self._api().rows(base)) or self._api().rows(base)
        except (ItemError, SourceError, TransientError) as error:
            _pass_on(error)
            self._note(error)
            found.pieces_code = code_of(error)
            found.pieces_reason = reason_of(found.pieces_code, error)
            return
        self._note(None)
        if not rows:  # the item says otherwise: never taken for "has none"
            found.pieces_code, found.pieces_reason = ExceptionCode.NOT_FOUND_WHILE_LISTED, _NONE_LISTED
            return
        names = dict.fromkeys(_name_of(row) for row in rows)
        found.pieces = [
            self._file(f"{base}('{_quoted(name)}')/$value", name) if name else _nameless() for name in names
        ]

    def _file(self, path: str, name: str) -> Piece:
        file = cast("BinaryIO", tempfile.SpooledTemporaryFile(SPOOLED))  # noqa: SIM115 - closed with what was fetched
        try:
            size = _twice(lambda: self._api().content(path, file))
            file.seek(0)
            hashed = Hashed(iter(lambda: file.read(1 << 20), b"")).drain()
        except (ItemError, SourceError, TransientError) as error:
            file.close()
            _pass_on(error)
            code = code_of(error)
            return Piece(name, code=code, reason=reason_of(code, error))
        except BaseException:
            file.close()
            raise
        return Piece(name, file, size, hashed.sha256)

    def _api(self) -> SharePointRest:
        rest = self._rest
        with rest.lock:
            if rest.refused is not None:
                raise rest.refused
            if rest.api is None:
                site = self._graph.get(
                    f"/sites/{segment(self._site)}", params={"$select": "id,webUrl"}, cost=Cost.SINGLE
                )
                rest.api = SharePointRest(self._graph, text_of(site.get("webUrl")) or "")
            return rest.api

    def _note(self, error: LastcopyError | None) -> None:
        """error: how the API was refused; None: it answered."""
        rest = self._rest
        with rest.lock:
            if error is None:
                rest.refusals = 0
            elif isinstance(error, PermissionMissingError):
                rest.refused = error
            elif not isinstance(error, NotFoundError):
                rest.refusals += 1
                if rest.refusals >= REFUSALS and not isinstance(error, TransientError):
                    rest.refused = error


def _lack_of(versions: list[JsonObject], facts: JsonObject) -> str | None:
    """What is wrong with a list of states: each item has one at least, the present one (folders may have none), with fields."""
    kind = text_of(object_of(object_of(facts.get("graph")).get("contentType")).get("id")) or ""
    if not versions and not kind.startswith(_OF_FOLDERS):
        return "The service lists no state of this item at all, not even the present one."
    if any(lacks_fields(version) for version in versions):
        return "The service lists earlier states without their fields."
    return None


def _name_of(row: JsonObject) -> str:
    told: Any = row.get("FileName") or object_of(row.get("FileNameAsPath")).get("DecodedUrl")
    return text_of(told) or ""


def _nameless() -> Piece:
    return Piece("", code=ExceptionCode.ATTACHMENT_UNREADABLE, reason="The service lists it without a name.")


def _quoted(name: str) -> str:
    return quote(name.replace("'", "''"), safe="'", errors="surrogatepass")


def _twice(ask: Callable[[], T]) -> T:
    """ "Not found" is asked once more: a fresh replica may lag (Q-013)."""
    try:
        return ask()
    except NotFoundError:
        return ask()


def _pass_on(error: LastcopyError) -> None:
    """Raises what concerns the whole site or run."""
    if isinstance(error, (StoppedError, TenantLapsedError, SiteLockedError)):
        raise error
