"""What a store is: keys and bytes, created whole, listed in order, never half there.

Rules of this file: no I/O. Keys are relative to the root of the store, `/`-separated, compared code point by code
point.
Every store passes `tests/contracts/store_contract.py`, which has one test per sentence with MUST. Source: design §4.

    store = open_store("file:./copy", base=Path.cwd(), clock=SystemClock())
    store.put("a/b.txt", b"hello", if_absent=True)
    with store.open("a/b.txt", start=1) as chunks: ...
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from exporters.store.errors import KeyRefusedError

KEY_BYTES = 1024
CHUNK_BYTES = 1 << 20
TEMPORARY = ".lastcopy-tmp"
"""First component of what is not an object yet; no key may begin with it."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object. `modified`: aware, UTC, by the store's clock; `etag`: opaque, changes when the bytes are replaced;
    `sha256`: the store's own checksum of the whole, 64 hex digits, where `stat` gets one without reading."""

    key: str
    size: int
    modified: datetime
    etag: str
    version_id: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """What a put did. `sha256`: 64 hex digits of the bytes received, computed by us; `etag`: for `if_match`."""

    key: str
    size: int
    sha256: str
    etag: str
    version_id: str | None = None


@dataclass(frozen=True, slots=True)
class LockState:
    """The lock of an object as the store tells it. `mode`: governance, compliance or None; `until`: aware, UTC."""

    mode: str | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class LockPolicy:
    """The lock that every object gets in the request that creates it."""

    mode: Literal["governance", "compliance"]
    until: datetime

    def satisfied_by(self, state: LockState) -> bool:
        """Whether a lock that was read back is at least this one. Stores keep whole seconds; compliance is stronger."""
        if state.until is None or state.until < self.until.replace(microsecond=0):
            return False
        return state.mode in {self.mode, "compliance"}


@dataclass(frozen=True, slots=True)
class StoreFeatures:
    """Abilities as data. `versioning`: None if it cannot be known; `exact_keys`: keys that differ only in case or
    normalisation stay apart (False also while that is not known); `local`: a folder."""

    conditional_writes: bool
    object_lock: bool
    versioning: bool | None
    exact_keys: bool
    local: bool


@dataclass(frozen=True, slots=True)
class StoreDescription:
    """For `check`: what the store says of itself. None where it cannot be known. `wanted_lock`: what the
    configuration asks for; `lock_is_past`: its date was past when the store was opened, so nothing is locked;
    `default_lock`: what the bucket gives by itself; `notes`: sentences worth showing."""

    kind: Literal["folder", "s3"]
    url: str
    versioning: bool | None
    object_lock: bool | None
    default_lock: str | None = None
    encryption: str | None = None
    wanted_lock: LockPolicy | None = None
    lock_is_past: bool = False
    free_bytes: int | None = None
    notes: tuple[str, ...] = ()


class Content(Iterator[bytes]):
    """Chunks of an open object; `etag`: of the object they come from."""

    def __init__(self, chunks: Iterator[bytes], etag: str) -> None:
        self._chunks = chunks
        self.etag = etag

    def __next__(self) -> bytes:
        return next(self._chunks)


class Store(Protocol):
    """A place for objects. Every method MUST be safe to call from many threads at once.

    Errors are those of `exporters.store.errors`; keys that `check_key` refuses raise KeyRefusedError everywhere.
    """

    @property
    def url(self) -> str:
        """The store as the operator wrote it, without secrets."""
        ...

    @property
    def features(self) -> StoreFeatures:
        """The abilities of this store; may ask it (once)."""
        ...

    def read(self, key: str) -> bytes:
        """Return a whole small object (tag files, segments). MUST be one state of it, never parts of two.

        Raises: ObjectMissingError.
        """
        ...

    def open(self, key: str, start: int = 0, end: int | None = None) -> AbstractContextManager[Iterator[bytes]]:
        """Stream the bytes [start, end) in chunks of at most 1 MiB; `end` None or past the end means to the end.

        An empty range gives no chunk. A stream MUST end with an error, never quietly, if bytes are missing; replaced
        while it is read, it MUST give the old bytes or fail (ObjectChangedError). Raises: ObjectMissingError on entry.
        """
        ...

    def stat(self, key: str) -> ObjectInfo | None:
        """Return what is known of an object, None if there is none. MUST see what any put that returned has stored."""
        ...

    def put(
        self,
        key: str,
        content: bytes | Iterable[bytes],
        *,
        size: int | None = None,
        sha256: str | None = None,
        if_absent: bool = False,
        if_match: str | None = None,
        durable: bool = False,
    ) -> Stored:
        """Store an object, whole or not at all.

        content: bytes, or chunks that are taken once, in order. size: length in bytes, MUST be met (SourceLengthError).
        sha256: 64 hex digits, MUST be met (DigestMismatchError). An error out of `content` comes out as it is. In all
        these cases, and when the process is cut off, nothing is stored and what was there stays. No reader and no
        list MUST ever see a part of it.
        if_absent: creates; ObjectExistsError if there is an object. In parallel exactly one MUST win, on all machines;
        called twice, the second fails; content may be left unread. if_match: replaces the object with this etag, else
        ObjectChangedError; in parallel exactly one wins. Neither: replaces what is there, the last one wins.
        durable: on return the object MUST survive a loss of power; without it, only after `sync()`.
        Raises further: StoreFullError, StoreUnwritableError, StoreAccessError, StoreUnreachableError,
        LockNotAppliedError.
        """
        ...

    def list(self, prefix: str = "", *, after: str | None = None) -> Iterator[ObjectInfo]:
        """Yield every object whose key begins with `prefix`, sorted by the key's UTF-8 bytes, beyond `after` if given.

        Streams: memory MUST NOT grow with the store (a folder holds the names of the directories it is in). What is
        put or removed meanwhile may or may not appear; everything else MUST appear once.
        """
        ...

    def sync(self) -> None:
        """Return when everything put so far survives a loss of power. Cheap where each put does."""
        ...

    def now(self) -> datetime:
        """The store's own clock, the one that `ObjectInfo.modified` is by: aware, UTC. Asks the store each time."""
        ...

    def lock_state(self, key: str) -> LockState | None:
        """The lock of an object, read from the store; None where the store knows no locks. ObjectMissingError."""
        ...

    def confirm(self, key: str, version_id: str | None = None) -> None:
        """Make sure that an object which somebody else put (or we, and the answer was lost) is what our own put would be.

        To be called before a row names an object that was adopted. version_id: of that object, None for its newest. A lock
        that was asked for is read back, set where it is missing or ends too early, and read back again: on return it is
        there. Nothing where no lock is asked for (the object need not even exist then), nor in a folder.
        Called twice, in parallel, cut off: the lock is only ever set or extended. Raises: LockNotAppliedError;
        ObjectMissingError; StoreAccessError.
        """
        ...

    def abort_stale_uploads(self, older_than: timedelta) -> int:
        """Remove what uploads that never ended have left (Q-021), if begun that long ago; return how many.

        MUST NOT touch an object. Where the right is missing, this is said (log, `describe`), and 0 is returned.
        """
        ...

    def describe(self) -> StoreDescription:
        """What `check` shows: versioning, lock and encryption as the store tells them."""
        ...

    def close(self) -> None:
        """Let go of connections and files. Called twice: nothing. No method may be used afterwards."""
        ...


def check_key(key: str, prefix_bytes: int = 0) -> None:
    """Refuse a key that could leave the store or that not every store can hold.

    prefix_bytes: what the store puts before it. Raises: KeyRefusedError. Source: design §4, Q-082.
    """
    try:
        length = prefix_bytes + len(key.encode())
    except UnicodeEncodeError:
        raise KeyRefusedError(key, "it holds a lone surrogate and is not text") from None
    if length > KEY_BYTES:
        raise KeyRefusedError(key, f"with the store's prefix it has {length:,} bytes, over {KEY_BYTES:,}")
    if "\0" in key:
        raise KeyRefusedError(key, "it holds a NUL")
    parts = key.split("/")
    for part in parts:
        if part in {"", ".", ".."}:
            raise KeyRefusedError(key, "it has an empty component, `.` or `..`")
    if parts[0] == TEMPORARY:
        raise KeyRefusedError(key, f"{TEMPORARY} is where unfinished writes are")


def check_prefix(prefix: str) -> None:
    """Refuse a list prefix that no key can begin with; its last component may be cut anywhere.

    Raises: KeyRefusedError.
    """
    if prefix:
        check_key(prefix + "x")
