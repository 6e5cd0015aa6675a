"""Object Lock: set in the request that creates an object, read back before anything is claimed.

Rules of this file: a lock is only ever set or extended, never shortened and never made another mode; what an object was made
with is believed only as the bucket tells it. A date that is past when the store is opened locks nothing: reading verbs go on
without a lock and say so once, `probe` refuses the rest. Source: design §4 (S3), docs/decisions/0016.
"""

from __future__ import annotations

import contextlib
from datetime import UTC
from typing import TYPE_CHECKING, Any

from exporters.clock import timestamp
from exporters.store.errors import (
    LockNotAppliedError,
    ObjectMissingError,
    StoreBusyError,
    StoreUnfitError,
    StoreUnwritableError,
)
from exporters.store.protocol import LockPolicy, LockState

if TYPE_CHECKING:
    from exporters.store.s3 import S3Store


class Locks:
    """The lock that a store gives its objects. Safe from many threads. `wanted`: as configured, also where it is past."""

    def __init__(self, store: S3Store, wanted: LockPolicy | None, *, is_past: bool) -> None:
        self.wanted = wanted
        self._store = store
        self._lock = None if is_past else wanted
        self.is_past = is_past and wanted is not None
        self.parameters: dict[str, Any] = {}
        """What a creating request carries."""
        if self._lock is not None:
            self.parameters = {
                "ObjectLockMode": self._lock.mode.upper(),
                "ObjectLockRetainUntilDate": self._lock.until,
            }

    def settle(self, key: str, version_id: str | None, *, set_missing: bool = True) -> None:
        """Read the lock of an object back; where it is missing or ends too early, set it, and read again.

        Nothing names the object before this returns. set_missing: False to prove that the creating request brings the lock;
        in an upload in parts some servers ignore it. Raises: LockNotAppliedError; ObjectMissingError; StoreAccessError.
        """
        lock = self._lock
        if lock is None:
            self._say_that_it_is_past()
            return
        found = self.read(key, version_id)
        if set_missing and not lock.satisfied_by(found) and found.mode in {None, lock.mode}:
            retention = {"Mode": lock.mode.upper(), "RetainUntilDate": lock.until}
            version = {"VersionId": version_id} if version_id else {}
            self._store.retries(lambda: self._store.send("put_object_retention", key, Retention=retention, **version))
            found = self.read(key, version_id)
        if not lock.satisfied_by(found):
            told = f"{found.mode} until {timestamp(found.until)}" if found.until is not None else "not locked"
            raise LockNotAppliedError(key, f"{lock.mode} until {timestamp(lock.until)}", told)

    def read(self, key: str, version_id: str | None = None) -> LockState:
        """The lock of an object. Raises: ObjectMissingError; StoreAccessError, where one is wanted and may not be read."""
        version = {"VersionId": version_id} if version_id else {}
        found = _state_of(self._store.retries(lambda: self._store.send("head_object", key, **version)))
        if found.until is None and self._lock is not None:
            # Whoever may not read the lock is shown none by HEAD; asking for it alone says which right is missing.
            with contextlib.suppress(ObjectMissingError, StoreBusyError, StoreUnfitError, StoreUnwritableError):
                self._store.send("get_object_retention", key, **version)
        return found

    def _say_that_it_is_past(self) -> None:
        if self.is_past and self.wanted is not None:
            self._store.note(
                f"What is written now is not locked: store.object_lock.until ({timestamp(self.wanted.until)}) is past."
            )


def _state_of(answer: dict[str, Any]) -> LockState:
    """The lock that an answer to HEAD tells."""
    mode, until = answer.get("ObjectLockMode"), answer.get("ObjectLockRetainUntilDate")
    return LockState(mode.lower() if mode else None, until.astimezone(UTC) if until is not None else None)
