"""Whether a store does what a safe copy needs: proven, not believed.

Rules of this file: writes only its own key at the root of the store (outside all bags); what it writes may stay for ever,
so a second run on a good store writes nothing. Source: design §4 (the ledger: "prove with a probe key"; S3: the lock).
"""

import contextlib
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from exporters.clock import timestamp
from exporters.store.errors import (
    DigestMismatchError,
    LockNotAppliedError,
    ObjectChangedError,
    ObjectExistsError,
    StoreAccessError,
    StoreBusyError,
    StoreFullError,
    StoreSettingError,
    StoreUnfitError,
    StoreUnreachableError,
    StoreUnwritableError,
)
from exporters.store.protocol import LockPolicy, Store, StoreDescription

PROBE_KEY = "lastcopy-probe"
_FIRST = b"Lastcopy made this object to prove that the store keeps create-if-absent. It may stay.\n"
_SECOND = b"Lastcopy made this object to prove that the store keeps its conditions. It may stay.\n"
_OURS = (_FIRST, _SECOND)
_NO_ETAG = '"00000000000000000000000000000000"'
_ABSENT, _UNCHANGED, _ABSENT_IN_PARTS = (
    "create-if-absent",
    "replace-if-unchanged",
    "create-if-absent for large objects",
)
_OTHER = "Use a store that keeps it (AWS S3, MinIO, Ceph and others do, or a local folder)."


def junk(what: str) -> bytes:
    """What is sent to be refused; if it is found later, it says itself which condition was not kept."""
    return f"Lastcopy: this write must be refused ({what}).\n".encode()


PARTS_JUNK = junk(_ABSENT_IN_PARTS)
_JUNK = {junk(what): what for what in (_ABSENT, _UNCHANGED, _ABSENT_IN_PARTS)}


@runtime_checkable
class CreatesInParts(Protocol):
    """A store that makes large objects in another way than small ones."""

    def parts_keep_absence(self, key: str) -> bool:
        """Whether creating in parts is refused where there is an object (`key` is one). If not, `key` is replaced."""
        ...

    def create_locked(self, key: str, content: bytes) -> None:
        """Create an object whose lock must come with the creating request. Raises: ObjectExistsError; LockNotAppliedError."""
        ...


def probe_key(lock: LockPolicy | None) -> str:
    """The key that is probed; each lock asked for has its own, since an object keeps the lock it was made with."""
    if lock is None:
        return PROBE_KEY
    return f"{PROBE_KEY}-{lock.mode}-{timestamp(lock.until).replace(':', '')}"


def probe(store: Store) -> None:
    """Prove that the store can be written to, read back (also in part) and listed, and keeps its conditions and, if asked,
    its lock.

    Called by `check`, and by `export` before its first write. Safe to call at the same time from several machines.
    Raises: StoreUnfitError naming what is missing; StoreSettingError for a lock that ends in the past;
    StoreUnreachableError.
    """
    try:
        _prove(store)
    except (StoreUnwritableError, StoreFullError) as error:
        raise StoreUnfitError(
            f"the store cannot be written to: {error}",
            missing="room" if isinstance(error, StoreFullError) else "the right to write",
            action=error.action,
        ) from error
    except StoreAccessError as error:
        raise StoreUnfitError(str(error), missing=error.right, action=error.action) from error
    except LockNotAppliedError as error:
        raise StoreUnfitError(
            f"this store does not keep Object Lock: {error}", missing="Object Lock", action=error.action
        ) from error
    except StoreBusyError as error:
        raise StoreUnreachableError(str(error), code="store_unreachable", action=error.action) from error
    except DigestMismatchError as error:
        raise StoreUnfitError(str(error), missing="exact read back", action=error.action) from error


def _prove(store: Store) -> None:
    description = store.describe()
    lock = description.wanted_lock
    if lock is not None:
        _require_lock_settings(lock, description)
    key = probe_key(lock)
    _prove_absence(store, key, locked=lock is not None)
    if lock is not None:
        _prove_lock(store, key, lock)
    _prove_match(store, key)
    if isinstance(store, CreatesInParts):
        with _naming(_ABSENT_IN_PARTS, {"complete_multipart_upload"}):
            if not store.parts_keep_absence(key):
                raise _unfit(_ABSENT_IN_PARTS, "replaced an object by a multipart upload")
    _prove_reading(store, key)
    if lock is not None:
        _prove_lock(store, key, lock)


def _require_lock_settings(lock: LockPolicy, description: StoreDescription) -> None:
    """What may not be asked is None; then what is read back decides."""
    if description.lock_is_past:
        raise StoreSettingError(
            f"objects would be locked until {timestamp(lock.until)}, which is past",
            key="store.object_lock.until",
            action="Give a date in the future, or leave out store.object_lock. Verbs that only read need no change.",
        )
    if description.versioning is False:
        raise StoreUnfitError(
            "store.object_lock is set, and the bucket keeps no versions",
            missing="versioning",
            action="Enable versioning and Object Lock on the bucket, or leave out store.object_lock.",
        )
    if description.object_lock is False:
        raise StoreUnfitError(
            "store.object_lock is set, and the bucket has no Object Lock",
            missing="Object Lock",
            action="Enable Object Lock on the bucket, or leave out store.object_lock.",
        )


def _prove_absence(store: Store, key: str, *, locked: bool) -> None:
    try:
        if locked and isinstance(store, CreatesInParts):
            store.create_locked(key, _FIRST)
        else:
            store.put(key, _FIRST, if_absent=True, durable=True)
    except ObjectExistsError:
        pass
    except StoreUnfitError as error:
        # A store that takes (or took) the object without the condition lacks the condition, else whatever it said.
        if error.missing != "put_object":
            raise
        if store.stat(key) is None:
            store.put(key, _FIRST, durable=True)
        raise StoreUnfitError(f"this store does not know {_ABSENT}: {error}", missing=_ABSENT, action=_OTHER) from error
    held = _read_back(store, key)
    try:
        with _naming(_ABSENT, {"put_object"}):
            store.put(key, junk(_ABSENT), if_absent=True)
    except ObjectExistsError:
        if store.read(key) == held or store.read(key) in _OURS:  # a probe at the same time may have replaced it
            return
    raise _unfit(_ABSENT, "let a second create replace the first")


def _prove_match(store: Store, key: str) -> None:
    try:
        with _naming(_UNCHANGED, {"put_object"}):
            store.put(key, junk(_UNCHANGED), if_match=_NO_ETAG)
    except ObjectChangedError:
        pass
    else:
        raise _unfit(_UNCHANGED, "replaced an object whose etag was not the one given")
    info = store.stat(key)
    if info is None:
        raise _unfit("exact read back", "does not know an object that it just stored")
    if _read_back(store, key) == _FIRST:
        try:
            store.put(key, _SECOND, if_match=info.etag)
        except ObjectChangedError:  # right only if a probe on another machine was faster
            if _read_back(store, key) == _FIRST:
                raise _unfit(_UNCHANGED, "refused to replace an unchanged object") from None
        if store.read(key) != _SECOND:
            raise _unfit("exact read back", "gave the old bytes after a replacement")


def _prove_reading(store: Store, key: str) -> None:
    """A part of an object (what is resumed needs it), and a listing that has it."""
    with store.open(key, 1, 9) as chunks:
        if b"".join(chunks) != _FIRST[1:9]:
            raise _unfit("ranges", "gave other bytes than were asked for")
    if not any(info.key == key for info in store.list("lastcopy")):
        raise _unfit("listings", "does not list an object that it just stored")


def _prove_lock(store: Store, key: str, lock: LockPolicy) -> None:
    state = store.lock_state(key)
    if state is None or not lock.satisfied_by(state):
        raise _unfit("Object Lock", "created an object without the lock that was asked for")


def _read_back(store: Store, key: str) -> bytes:
    held = store.read(key)
    if held in _JUNK:
        raise StoreUnfitError(
            f"this store does not keep {_JUNK[held]}: at an earlier probe it replaced {key!r} against its condition",
            missing=_JUNK[held],
            action=f"{_OTHER} If the server has been changed since, remove {key!r} and check again.",
        )
    if held not in _OURS:
        raise StoreUnfitError(
            f"the object {key!r} of the store does not read back as Lastcopy wrote it",
            missing="exact read back",
            action=f"If an earlier store left it there, remove {key!r}; else use another store.",
        )
    return held


@contextlib.contextmanager
def _naming(what: str, operations: set[str]) -> Iterator[None]:
    """Inside, an operation that the store "does not know" is one with this condition, for without it the store took it."""
    try:
        yield
    except StoreUnfitError as error:
        if error.missing not in operations:
            raise
        raise StoreUnfitError(f"this store does not know {what}: {error}", missing=what, action=_OTHER) from error


def _unfit(missing: str, did: str) -> StoreUnfitError:
    return StoreUnfitError(f"this store does not keep {missing}: it {did}", missing=missing, action=_OTHER)
