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
from exporters.drive.facts import JsonObject
from exporters.drive.quickxorhash import QuickXorHash
from exporters.errors import ItemError, TransientError
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
    """What was received and where it lies. `quick_xor`, `sha256`: of the bytes received."""

    key: str
    size: int
    quick_xor: str
    sha256: str
    version_id: str | None


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes of an item that lie in the bag. may_be_same: the service gives no hash, so that only reading can tell."""

    key: str
    sha256: str
    version_id: str | None
    may_be_same: bool


@dataclass(frozen=True, slots=True)
class Content:
    """What to copy. path: the route of the content. service: size and quickXorHash as listed.
    patience_seconds: most waiting on refusals."""

    path: str
    service: JsonObject
    held: Held | None = None
    patience_seconds: float | None = None


class _Passing:
    """Chunks on their way, with what the service's own facts are compared with: `size` and `quick_xor` of what has passed."""

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
    def marks(self) -> tuple[int, str]:
        """(size, quickXorHash) of what has passed."""
        return self.size, self._quick_xor.base64()


class UnstableContentError(ItemError):
    """Each reading of a content gave other bytes, none of them as listed."""


class _DoubtfulBytesError(Exception):
    """The bytes are not those that are listed; raised at their end, so that the store keeps nothing. `marks`: of the bytes."""

    def __init__(self, marks: tuple[int, str]) -> None:
        super().__init__()
        self.marks = marks


def _doubting(passing: _Passing, service: JsonObject, seen: set[tuple[int, str]]) -> Iterator[bytes]:
    """The chunks, and at their end _DoubtfulBytesError unless they are as listed, or came the same way before."""
    yield from passing
    marks = passing.marks
    nothing_came = passing.size == 0 and bool(service.get("size"))
    if agrees(*marks, service) is None and (marks not in seen or nothing_came):
        raise _DoubtfulBytesError(marks)


class Downloader:
    """Copies contents into one bag. Safe from many threads. `another_key` gives a place where the first is taken."""

    def __init__(self, graph: GraphSession, writer: BagWriter, progress: Callable[[int], None]) -> None:
        self._graph, self._writer, self._progress = graph, writer, progress

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

    def _unless_held(self, content: Content, key: str, another_key: Callable[[], str]) -> Captured:
        held = content.held
        if held is not None and held.may_be_same:
            received = self._only_hash(content)
            if received.sha256 == held.sha256:
                return replace(received, key=held.key, version_id=held.version_id)
        captured = self._once(content, key, another_key)
        if held is not None and held.sha256 == captured.sha256:
            self._writer.orphans_possible = True  # written before it was known to be the same: named as a leftover
            return replace(captured, key=held.key, version_id=held.version_id)
        return captured

    def _once(self, content: Content, key: str, another_key: Callable[[], str]) -> Captured:
        if not self._writer.orphans_possible or self._writer.store.stat(f"{self._writer.bag}/{key}") is None:
            try:
                return self._store(content, key)
            except ObjectExistsError:
                pass  # somebody's, or our own whose answer was lost: looked at below
        self._writer.assert_current()
        received = self._only_hash(content)
        found = self._hash_of(key)
        if found is not None and found.sha256 == received.sha256:
            info = self._writer.store.stat(f"{self._writer.bag}/{key}")
            return replace(received, key=key, version_id=info.version_id if info else None)
        self._writer.orphans_possible = True
        return self._once(content, another_key(), another_key)

    def _store(self, content: Content, key: str) -> Captured:
        """Bytes that differ from what is listed are read once more before anything is written: the body may have been wrong
        (a page of an appliance, a flipped bit), or the service keeps other bytes than it lists (Q-022)."""
        seen: set[tuple[int, str]] = set()
        for _ in range(TRIES):
            try:
                return self._store_once(content, key, seen)
            except _DoubtfulBytesError as doubt:
                seen.add(doubt.marks)
        raise UnstableContentError(
            "each reading gave other bytes", code="content_unstable", action="Run the export again when it is at rest."
        )

    def _store_once(self, content: Content, key: str, seen: set[tuple[int, str]]) -> Captured:
        size = content.service.get("size")
        with self._graph.download(content.path, size=size, patience=content.patience_seconds) as download:
            passing = _Passing(download.chunks(), self._progress)
            checked = _doubting(passing, content.service, seen)
            stored: Stored = self._writer.put_payload(key, checked, size=download.total)
        return Captured(key, stored.size, passing.marks[1], stored.sha256, stored.version_id)

    def _only_hash(self, content: Content) -> Captured:
        """The bytes read and dropped; the key is empty."""
        size = content.service.get("size")
        with self._graph.download(content.path, size=size, patience=content.patience_seconds) as download:
            passing = _Passing(download.chunks(), self._progress)
            hashed = Hashed(passing).drain()
        return Captured("", *passing.marks, hashed.sha256, None)

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
