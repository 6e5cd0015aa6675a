"""What a bucket says of itself, and what uploads that never ended have left in it.

Rules of this file: nothing here is needed to copy; a right that is missing makes a sentence for people (said once, without
names of people or files), never a failure. Source: design §4 (S3), Q-021, Q-081.
"""

from __future__ import annotations

import contextlib
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote_plus

from exporters.store.errors import (
    ObjectMissingError,
    StoreAccessError,
    StoreBusyError,
    StoreLostError,
    StoreSettingError,
    StoreUnfitError,
    StoreUnwritableError,
)
from exporters.store.s3_errors import UploadGone

if TYPE_CHECKING:
    from exporters.store.s3 import S3Store

_log = logging.getLogger("lastcopy.store")
_NOTES = 100
_UNKNOWN = (StoreAccessError, StoreUnfitError, StoreUnwritableError)


class Facts(NamedTuple):
    """None where we may not know. `default_lock`: what the bucket gives by itself."""

    versioning: bool | None
    object_lock: bool | None
    default_lock: str | None


class Bucket:
    """The bucket of a store. Safe from many threads."""

    def __init__(self, store: S3Store) -> None:
        self._store = store
        self._facts: Facts | None = None
        self._notes: dict[str, None] = {}

    def note(self, sentence: str) -> None:
        """Log a sentence once, and keep it for `describe`."""
        if sentence not in self._notes and len(self._notes) < _NOTES:
            self._notes[sentence] = None
            _log.warning("%s", sentence)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was noted so far."""
        return tuple(self._notes)

    def facts(self, *, anew: bool = False) -> Facts:
        """Versioning and Object Lock; asked once, or again if `anew`. Raises: StoreSettingError if there is no bucket."""
        if self._facts is None or anew:
            self._store.send("head_bucket")
            answer = self._ask("get_bucket_versioning")
            versioning = None if answer is None else answer.get("Status") == "Enabled"
            answer = self._ask("get_object_lock_configuration")
            settings = None if answer is None else answer.get("ObjectLockConfiguration", {})
            locks = None if settings is None else settings.get("ObjectLockEnabled") == "Enabled"
            rule = (settings or {}).get("Rule", {}).get("DefaultRetention", {})
            length = f"{rule['Days']} days" if rule.get("Days") else f"{rule.get('Years')} years"
            default = f"{rule['Mode'].lower()}, {length}" if "Mode" in rule else None
            self._facts = Facts(versioning, locks, default)
        return self._facts

    def encryption(self) -> str | None:
        """How the bucket encrypts by itself: `AES256`, `aws:kms`, `none`; None if it may not be asked."""
        answer = self._ask("get_bucket_encryption")
        if answer is None:
            return None
        rules = answer.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
        found = [rule.get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm") for rule in rules]
        return next((str(algorithm) for algorithm in found if algorithm), "none")

    def try_listing_uploads(self) -> None:
        """Note it if what failed uploads leave could not be found here."""
        try:
            self._store.send("list_multipart_uploads", Prefix=self._store.prefix, MaxUploads=1)
        except _UNKNOWN as error:
            self.note(_stays(error))

    def abort_uploads(self, begun_before: datetime) -> int:
        """Abort uploads below the store's prefix that were begun before then; return how many."""
        prefix = self._store.prefix
        parameters: dict[str, Any] = {"Prefix": prefix, "EncodingType": "url"}
        count = 0
        try:
            while True:
                page = self._store.send("list_multipart_uploads", **parameters)
                decode = unquote_plus if page.get("EncodingType") == "url" else str
                for upload in page.get("Uploads", ()):
                    name = decode(upload["Key"])
                    # Servers have been seen that ignore Prefix: what is not ours is never touched.
                    if name.startswith(prefix) and upload["Initiated"].astimezone(UTC) < begun_before:
                        with contextlib.suppress(UploadGone):
                            self._store.send("abort_multipart_upload", name[len(prefix) :], UploadId=upload["UploadId"])
                            count += 1
                if not page.get("IsTruncated"):
                    return count
                parameters["KeyMarker"] = decode(page["NextKeyMarker"])
                parameters["UploadIdMarker"] = page["NextUploadIdMarker"]
        except _UNKNOWN as error:
            self.note(_stays(error))
            return count

    def abandon_upload(self, key: str, upload_id: str) -> None:
        """Abort one upload that failed; what cannot be aborted is noted, for it must not hide the failure itself."""
        try:
            self._store.send("abort_multipart_upload", key, UploadId=upload_id)
        except UploadGone:
            return
        except (*_UNKNOWN, StoreBusyError, StoreLostError, ObjectMissingError) as error:
            self.note(_stays(error))

    def _ask(self, operation: str) -> dict[str, Any] | None:
        """An answer about the bucket; {} if that is not configured, None if it may not or cannot be asked."""
        try:
            return self._store.send(operation)
        except (StoreSettingError, StoreLostError) as error:
            # 404 is also the answer for what was never configured, and the bucket itself has just answered.
            if error.code == "no_such_bucket":
                return {}
            raise
        except _UNKNOWN as error:
            missing = f" ({error.right} is missing)" if isinstance(error, StoreAccessError) else ""
            self.note(f"Not known{missing}: {error}.")
            return None


def _stays(error: Exception) -> str:
    """Without the key of the upload: that is the name of a person or a file."""
    why = (
        f"{error.right} is missing" if isinstance(error, StoreAccessError) else "the store does not let them be aborted"
    )
    return f"What failed uploads leave stays in the bucket and costs money until a lifecycle rule aborts it: {why}."
