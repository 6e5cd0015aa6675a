"""Removing objects for good, version by version: for `dispose` alone; no other code can remove an object.

Rules of this file: what keeps an object is asked of the store right before it is removed, and what the store does not tell counts
as kept; the right to pass over a lock is never used; a version that is gone already was removed by an earlier try.
Source: design §4 (payload is append-only, `dispose` apart; S3), docs/decisions/0098.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from exporters.clock import timestamp
from exporters.store.disk import mapped
from exporters.store.errors import ObjectMissingError, StoreBusyError, StoreUnfitError, StoreUnwritableError
from exporters.store.protocol import Store, check_prefix

if TYPE_CHECKING:
    from exporters.store.folder import FolderStore
    from exporters.store.s3 import S3Store


@dataclass(frozen=True, slots=True)
class Version:
    """One state of an object. `version_id`: None where the store keeps one state alone; `marker`: that it was deleted once,
    without bytes."""

    key: str
    size: int
    version_id: str | None = None
    marker: bool = False


class Remover(Protocol):
    """Removes what lies in one store. Errors are those of `exporters.store.errors`."""

    def versions(self, prefix: str) -> Iterator[Version]:
        """Every state of every object whose key begins with `prefix`, older ones and markers too; streams, sorted by key."""
        ...

    def kept_by(self, version: Version, now: datetime) -> str | None:
        """What keeps it, for people, None if nothing does; a version that is gone is kept by nothing."""
        ...

    def remove(self, version: Version) -> None:
        """Remove it. Gone already: nothing. Raises: StoreAccessError where a lock or a missing right forbids it."""
        ...

    def tidy(self, prefix: str) -> None:
        """Remove what no object needs any more: empty folders below `prefix`."""
        ...


def remover_of(store: Store) -> Remover:
    """The remover of a store. Raises: StoreUnfitError for one that nothing can be removed from."""
    from exporters.store.folder import FolderStore
    from exporters.store.retrying import RetryingStore

    inner = store.inner if isinstance(store, RetryingStore) else store
    if isinstance(inner, FolderStore):
        return _FolderRemover(inner)
    from exporters.store.s3 import S3Store

    if isinstance(inner, S3Store):
        return _BucketRemover(inner)
    raise StoreUnfitError("nothing can be removed from this store", missing="removal", action="Remove it by hand.")


class _FolderRemover:
    """Files of this machine: nothing but Lastcopy's own rules keeps them."""

    def __init__(self, store: FolderStore) -> None:
        self._store = store

    def versions(self, prefix: str) -> Iterator[Version]:
        """See `Remover.versions`."""
        return (Version(info.key, info.size) for info in self._store.list(prefix))

    def kept_by(self, version: Version, now: datetime) -> str | None:
        """See `Remover.kept_by`."""
        return None

    def remove(self, version: Version) -> None:
        """See `Remover.remove`."""
        path = self._store.path_of(version.key)
        if path is not None and self._store.stat(version.key) is not None:
            with mapped(version.key), contextlib.suppress(FileNotFoundError):
                path.unlink()

    def tidy(self, prefix: str) -> None:
        """See `Remover.tidy`."""
        inside = self._store.path_of(f"{prefix}x")
        if inside is not None:
            for folder, _, _ in os.walk(inside.parent, topdown=False):
                with contextlib.suppress(
                    OSError
                ):  # what is not empty holds something that is no object of ours: it stays
                    Path(folder).rmdir()
        self._store.forget()


class _BucketRemover:
    """Versions of a bucket; each lock is read back before its object is touched."""

    def __init__(self, store: S3Store) -> None:
        self._store = store

    def versions(self, prefix: str) -> Iterator[Version]:
        """See `Remover.versions`."""
        check_prefix(prefix)
        parameters = {"Prefix": self._store.prefix + prefix}
        while True:
            page = self._store.retries(lambda: self._store.send("list_object_versions", **parameters))
            found = [(row, False) for row in page.get("Versions", ())]
            found += [(row, True) for row in page.get("DeleteMarkers", ())]
            for row, marker in sorted(found, key=lambda one: str(one[0]["Key"]).encode()):
                key = str(row["Key"])[len(self._store.prefix) :]
                yield Version(key, int(row.get("Size", 0)), _id_of(row), marker)
            if not page.get("IsTruncated"):
                return
            parameters["KeyMarker"] = page["NextKeyMarker"]
            parameters["VersionIdMarker"] = page.get("NextVersionIdMarker", "")

    def kept_by(self, version: Version, now: datetime) -> str | None:
        """See `Remover.kept_by`."""
        if version.marker or self._store.about.facts().object_lock is False:
            return None
        try:
            told = self._store.retries(lambda: self._store.send("head_object", version.key, **_which(version)))
        except ObjectMissingError:
            return None
        if told.get("ObjectLockLegalHoldStatus") == "ON":
            return "a legal hold of the bucket"
        until = told.get("ObjectLockRetainUntilDate")
        if until is not None and until > now:
            return f"a lock ({str(told['ObjectLockMode']).lower()}) until {timestamp(until.astimezone(UTC))}"
        if until is None:
            self._require_right("get_object_retention", version)
        self._require_right("get_object_legal_hold", version)
        return None

    def _require_right(self, operation: str, version: Version) -> None:
        """HEAD shows no lock to who may not know of it: asking for it alone says so. Raises: StoreAccessError."""
        with contextlib.suppress(ObjectMissingError, StoreBusyError, StoreUnfitError, StoreUnwritableError):
            self._store.send(operation, version.key, **_which(version))

    def remove(self, version: Version) -> None:
        """See `Remover.remove`."""
        with contextlib.suppress(ObjectMissingError):
            self._store.retries(lambda: self._store.send("delete_object", version.key, **_which(version)))

    def tidy(self, prefix: str) -> None:
        """See `Remover.tidy`: a bucket has no folders."""


def _which(version: Version) -> dict[str, str]:
    return {"VersionId": version.version_id} if version.version_id is not None else {}


def _id_of(row: dict[str, object]) -> str | None:
    """The id of a version; None in a bucket that never had versions, which calls it `null`."""
    found = row.get("VersionId")
    return str(found) if found not in {None, ""} else None
