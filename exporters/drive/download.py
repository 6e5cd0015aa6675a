"""The bytes of one file or version: from the service through the digests into the store.

Rules of this file: one stream, hashed as it passes; an object is complete or not there; what is there already is adopted if it
has the wanted bytes. What the service says of the bytes is graded, never believed. Source: design §4 (ledger, agreement),
quirks Q-020 to Q-026.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import tenacity

from exporters.bag.digests import Hashed
from exporters.bag.ledger import BagWriter
from exporters.drive.doubts import HEAD_BYTES, Body, Doubts, Marks, Wanted, is_explained
from exporters.drive.facts import JsonObject
from exporters.drive.quickxorhash import QuickXorHash
from exporters.errors import ItemError, TransientError
from exporters.graph.downloads import Download
from exporters.graph.errors import ContentChangedError
from exporters.graph.session import GraphSession
from exporters.outcomes import Agreement
from exporters.store.errors import ObjectExistsError, ObjectMissingError
from exporters.store.protocol import Stored

REWRITTEN_EXTENSIONS = frozenset(
    [
        "doc",
        "docx",
        "docm",
        "dot",
        "dotx",
        "dotm",
        "xls",
        "xlsx",
        "xlsm",
        "xlsb",
        "xlt",
        "xltx",
        "xltm",
        "ppt",
        "pptx",
        "pptm",
        "pot",
        "potx",
        "potm",
        "pps",
        "ppsx",
        "ppsm",
        "vsd",
        "vsdx",
        "pub",
        "pdf",
        "htm",
        "html",
        "aspx",
        "mht",
        "msg",
        "one",
        "onetoc2",
        "heic",
    ]
)
"""Types that SharePoint is known to write properties into, or to convert, after they were uploaded (Q-022)."""

TRIES = 3


@dataclass(frozen=True, slots=True)
class Captured:
    """What was received and where it lies. `quick_xor`, `sha256`: of the bytes received. `aside`: they are not as listed, for no
    reason that is known, and lie elsewhere than planned until they are read again in the next run."""

    key: str
    size: int
    quick_xor: str
    sha256: str
    version_id: str | None
    aside: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes of an item that lie in the bag. may_be_same: the service gives no hash, so that only reading can tell."""

    key: str
    sha256: str
    version_id: str | None
    may_be_same: bool


@dataclass(frozen=True, slots=True)
class Content:
    """What to copy. path: the route of the content. service: size and quickXorHash as listed. name: of the item.
    patience_seconds: most waiting on refusals."""

    path: str
    service: JsonObject
    name: str
    held: Held | None = None
    patience_seconds: float | None = None

    @property
    def is_version(self) -> bool:
        """Whether it is an earlier version, which has no hash."""
        return "/versions/" in self.path


class _Passing:
    """Chunks on their way, with what the service's own facts are compared with: `marks` of what has passed."""

    def __init__(self, chunks: Iterator[bytes], progress: Callable[[int], None]) -> None:
        self._chunks, self._progress = chunks, progress
        self._quick_xor = QuickXorHash()
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._quick_xor.update(chunk)
            self.size += len(chunk)
            self._progress(len(chunk))
            yield chunk

    @property
    def marks(self) -> Marks:
        """(size, quickXorHash) of what has passed."""
        return self.size, self._quick_xor.base64()


class UnstableContentError(ItemError):
    """Each reading of a content gave other bytes, none of them as listed."""


class WrongContentError(ItemError):
    """What came is evidently not the content that was asked for."""


class _DoubtfulBytesError(Exception):
    """The bytes are not those that are listed; raised at their end, so that the store keeps nothing. `why`: why they are
    evidently something else, or None. `is_coded`: they came compressed, though that was not asked for."""

    def __init__(self, marks: Marks, why: str | None, *, is_coded: bool = False) -> None:
        super().__init__()
        self.marks, self.why, self.is_coded = marks, why, is_coded


class _OtherKeyError(Exception):
    """Nothing is stored under this key: doubtful bytes came twice alike, without a reason that is known, and are to be put
    aside; or they were to be put aside, and came as listed after all. `aside`: what the next reading is for."""

    def __init__(self, *, aside: bool) -> None:
        super().__init__()
        self.aside = aside


@dataclass(slots=True)
class _Reading:
    """One reading of a content on its way to the store."""

    content: Content
    download: Download
    doubts: Doubts
    aside: bool
    """Whether doubtful bytes may be kept under this key, for no known reason as well."""
    decoded: bool
    """Whether a content coding has been undone."""

    def checked(self, passing: _Passing, seen: set[Marks]) -> Iterator[bytes]:
        """The chunks, and at their end an error unless they are as listed, or came the same way before."""
        service, head = self.content.service, b""
        for chunk in passing:
            head = head or chunk[:HEAD_BYTES]
            yield chunk
        marks = passing.marks
        if agrees(*marks, service) is not None and (self.download.is_delimited or service.get("size") is not None):
            if self.aside:
                raise _OtherKeyError(aside=False)
            return
        why = self._why(marks, head)
        if why is None and marks in seen:
            why = self._is_cut(marks[0])
        if why is not None or marks not in seen:
            raise _DoubtfulBytesError(marks, why, is_coded=bool(self.download.coding))
        is_known_type = grade_difference(self.content.name) is Agreement.REWRITTEN
        is_kept = self.aside or self.content.is_version  # of a version nothing is listed but its size
        if not is_kept and not is_explained(marks[0], service, of_rewritten_type=is_known_type):
            raise _OtherKeyError(aside=True)

    def _why(self, marks: Marks, head: bytes) -> str | None:
        """Why these bytes are evidently not the content; None if they may be."""
        service, download = self.content.service, self.download
        body = Body(marks, head, download.content_type, download.etag or "")
        why = self.doubts.is_foreign(body, Wanted(self.content.path, self.content.name, service))
        if why is None and download.coding and not self.decoded:
            return "the bytes came compressed, though that was not asked for"
        return why

    def _is_cut(self, size: int) -> str | None:
        """Why a body that came twice alike may still not be the whole; asked of the host before it is believed."""
        if self.decoded and self.download.coding:
            return None  # its length is that of the coded bytes, and the coding has an end of its own
        is_delimited = self.download.is_delimited
        if is_delimited and size >= (self.content.service.get("size") or 0):
            return None
        ends = self.download.ends_at(size)
        if ends is False:
            return "the body was cut short"
        return None if ends else "nothing says whether the body ends there"


class Downloader:
    """Copies contents into one bag. Safe from many threads. `another_key` gives a place where the first is taken."""

    def __init__(self, graph: GraphSession, writer: BagWriter, progress: Callable[[int], None]) -> None:
        self._graph, self._writer, self._progress = graph, writer, progress
        self.doubts = Doubts()

    def capture(self, content: Content, key: str, another_key: Callable[[], str]) -> Captured:
        """Copy to `key`; adopt the object there if it has these bytes, else take `another_key`.

        Raises: GraphError for what the service refuses; errors of the store; ReplacedError.
        """
        try:
            return self._unless_held(content, key, another_key)
        except (TransientError, ContentChangedError):  # few come here: what follows costs more than a small download
            retrying = tenacity.Retrying(
                retry=tenacity.retry_if_exception_type((TransientError, ContentChangedError)),
                stop=tenacity.stop_after_attempt(TRIES - 1),
                reraise=True,
            )
            return retrying(self._unless_held, content, key, another_key)

    def leave_behind(self) -> None:
        """An object of this bag is named by no row from now on: a leftover."""
        self._writer.orphans_possible = True

    def _unless_held(self, content: Content, key: str, another_key: Callable[[], str]) -> Captured:
        held = content.held
        if held is not None and held.may_be_same:
            received, _ = self._only_hash(content)
            if received.sha256 == held.sha256:
                return replace(received, key=held.key, version_id=held.version_id)
        captured = self._once(content, key, another_key)
        if held is not None and held.sha256 == captured.sha256:
            self._writer.orphans_possible = True  # written before it was known to be the same: named as a leftover
            return replace(captured, key=held.key, version_id=held.version_id, aside=False)
        return captured

    def _once(self, content: Content, key: str, another_key: Callable[[], str]) -> Captured:
        if not self._writer.orphans_possible or self._writer.store.stat(f"{self._writer.bag}/{key}") is None:
            try:
                return self._store(content, key, another_key)
            except ObjectExistsError:
                pass  # somebody's, or our own whose answer was lost: looked at below
        self._writer.assert_current()
        received = self._settled(content)
        found = self._hash_of(key)
        if found is not None and found.sha256 == received.sha256:
            return replace(received, key=key, version_id=self._writer.adopt(key))
        self._writer.orphans_possible = True
        return self._once(content, another_key(), another_key)

    def _store(self, content: Content, key: str, another_key: Callable[[], str]) -> Captured:
        """Bytes that differ from what is listed are read once more before anything is written: the body may have been wrong
        (a page of an appliance, a flipped bit), or the service keeps other bytes than it lists (Q-022)."""
        seen: set[Marks] = set()
        why: str | None = None
        aside = decoded = False
        planned = key
        for _ in range(TRIES + 2):
            try:
                return self._store_once(content, key, seen, aside=aside, decoded=decoded)
            except _DoubtfulBytesError as doubt:
                why, decoded = doubt.why, doubt.is_coded
                if why is None:
                    seen.add(doubt.marks)
            except _OtherKeyError as other:
                aside = other.aside
                key = another_key() if aside else planned
        if why is not None:
            raise WrongContentError(
                f"{why}.", code="download_failed", action="Check for a proxy that answers in its place."
            )
        raise UnstableContentError(
            "each reading gave other bytes", code="content_unstable", action="Run the export again when it is at rest."
        )

    def _store_once(self, content: Content, key: str, seen: set[Marks], *, aside: bool, decoded: bool) -> Captured:
        """decoded: undo a content coding that was not asked for; bytes as they came were not those that are listed."""
        size = content.service.get("size")
        with self._graph.download(content.path, size=size, patience=content.patience_seconds) as download:
            passing = _Passing(download.decoded() if decoded else download.chunks(), self._progress)
            checked = _Reading(content, download, self.doubts, aside, decoded).checked(passing, seen)
            total = None if decoded and download.coding else download.total
            stored: Stored = self._writer.put_payload(key, checked, size=total)
        quick_xor = passing.marks[1]
        is_aside = aside and agrees(stored.size, quick_xor, content.service) is None
        return Captured(key, stored.size, quick_xor, stored.sha256, stored.version_id, is_aside)

    def _settled(self, content: Content) -> Captured:
        """Read and dropped: bytes as listed, or those that came twice alike; else those that came last. The key is empty."""
        seen: set[str] = set()
        decoded = False
        for _ in range(TRIES):
            received, is_coded = self._only_hash(content, decoded=decoded)
            is_as_listed = agrees(received.size, received.quick_xor, content.service) is not None
            if is_as_listed or (received.sha256 in seen and decoded == is_coded):
                break
            seen.add(received.sha256)
            decoded = is_coded
        return received

    def _only_hash(self, content: Content, *, decoded: bool = False) -> tuple[Captured, bool]:
        """One reading, dropped (the key is empty); and whether it came compressed."""
        size = content.service.get("size")
        with self._graph.download(content.path, size=size, patience=content.patience_seconds) as download:
            passing = _Passing(download.decoded() if decoded else download.chunks(), self._progress)
            hashed = Hashed(passing).drain()
            return Captured("", *passing.marks, hashed.sha256, None), bool(download.coding)

    def _hash_of(self, key: str) -> Hashed | None:
        try:
            with self._writer.store.open(f"{self._writer.bag}/{key}") as chunks:
                return Hashed(chunks).drain()
        except ObjectMissingError:
            return None


def agrees(size: int, quick_xor: str, service: JsonObject) -> Agreement | None:
    """`match` or `unhashed`; None if size or hash of what came differ from what is listed."""
    listed_size, listed_hash = service.get("size"), service.get("quickXorHash")
    if listed_size is not None and listed_size != size:
        return None
    if not listed_hash:
        return Agreement.UNHASHED
    return Agreement.MATCH if listed_hash == quick_xor else None


def grade_difference(name: str) -> Agreement:
    """How to call bytes that still differ after the facts were read again."""
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    return Agreement.REWRITTEN if extension in REWRITTEN_EXTENSIONS else Agreement.DIFFERS
