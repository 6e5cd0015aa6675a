"""A store that is a bucket of S3, or of a server that speaks S3 well enough (`probe` says).

Rules of this file: with its neighbours `s3_*` the only importer of boto3. Each request is sent once by botocore;
repeats are ours, bounded (`retrying`): `put` repeats its own requests, since it holds the bytes, the rest raises
StoreBusyError for `RetryingStore`. Every write carries SHA-256 and, if asked, its condition and its lock, which is read back.
Source: design §4 (S3), quirks Q-081, Q-082.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import chain
from typing import Any
from urllib.parse import unquote_plus

import botocore.exceptions
import urllib3.exceptions

from exporters.clock import Clock, timestamp
from exporters.store.errors import (
    LockNotAppliedError,
    ObjectExistsError,
    ObjectMissingError,
    StoreAccessError,
    StoreBusyError,
    StoreSettingError,
    StoreUnfitError,
    StoreUnwritableError,
)
from exporters.store.protocol import (
    CHUNK_BYTES,
    Content,
    LockPolicy,
    LockState,
    ObjectInfo,
    Stored,
    StoreDescription,
    StoreFeatures,
    check_key,
    check_prefix,
)
from exporters.store.retrying import Retries
from exporters.store.s3_client import open_client
from exporters.store.s3_errors import RangeEmpty, UploadGone, signal_or_error
from exporters.store.s3_parts import Measured, blocks, sha256_of, version_of
from exporters.store.s3_upload import Condition, Writes

_log = logging.getLogger("lastcopy.store")
_FOREIGN = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, urllib3.exceptions.HTTPError, OSError)


class S3Store:
    """The `Store` below a prefix of a bucket. Credentials come from where AWS tools look for them."""

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        clock: Clock,
        region: str | None = None,
        endpoint_url: str | None = None,
        lock: LockPolicy | None = None,
        retries: Retries | None = None,
    ) -> None:
        """prefix: without `/` at its ends. lock: given to every object. Raises: StoreSettingError."""
        if lock is not None and lock.until <= clock.now():
            raise StoreSettingError(
                f"objects would be locked until {timestamp(lock.until)}, which is past",
                key="store.object_lock.until",
                action="Give a date in the future, or leave out store.object_lock.",
            )
        self.bucket = bucket
        self.prefix = f"{prefix}/" if prefix else ""
        self.url = f"s3://{bucket}/{prefix}" if prefix else f"s3://{bucket}"
        self._clock = clock
        self._lock = lock
        self._retries = retries or Retries(clock)
        self._notes: dict[str, None] = {}
        self._bucket_facts: tuple[bool | None, bool | None, str | None] | None = None
        self._client: Any = open_client(bucket, region, endpoint_url, clock)
        self._writes = Writes(self)

    # -- requests

    def send(self, operation: str, key: str = "", **parameters: Any) -> dict[str, Any]:
        """Send one request, once. operation: a method of the client; key: ours, without the store's prefix.

        Raises: errors of `store.errors`, and the signals of `s3_errors`.
        """
        if key:
            parameters["Key"] = self.prefix + key
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(Bucket=self.bucket, **parameters)
        except _FOREIGN as error:
            raise signal_or_error(error, operation, key, self.bucket, self._clock) from error
        return answer

    @property
    def retries(self) -> Retries:
        """How often a request of `put` is repeated."""
        return self._retries

    @property
    def lock(self) -> LockPolicy | None:
        """The lock that every object is given."""
        return self._lock

    # -- reading

    def read(self, key: str) -> bytes:
        """See `Store.read`."""
        with self.open(key) as chunks:
            return b"".join(chunks)

    def open(self, key: str, start: int = 0, end: int | None = None) -> AbstractContextManager[Content]:
        """See `Store.open`."""
        check_key(key)
        return self._open(key, start, end)

    @contextmanager
    def _open(self, key: str, start: int, end: int | None) -> Iterator[Content]:
        empty = end is not None and end <= start
        parameters = {} if (start == 0 and end is None) or empty else {"Range": _range(start, end)}
        try:
            answer = self.send("head_object" if empty else "get_object", key, **parameters)
        except RangeEmpty:
            yield Content(iter(()), "")
            return
        if empty:
            yield Content(iter(()), str(answer["ETag"]))
            return
        body = answer["Body"]
        if parameters and not str(answer.get("ContentRange", "")).startswith(f"bytes {start}-"):
            body.close()
            raise StoreUnfitError(
                f"the store sent {answer.get('ContentRange') or 'the whole'} of {key!r} for a range from {start}",
                missing="ranges",
                action="Use a store that serves byte ranges.",
            )
        with contextlib.closing(body):
            yield Content(self._body(key, body, int(answer["ContentLength"])), str(answer["ETag"]))

    def _body(self, key: str, body: Any, length: int) -> Iterator[bytes]:
        position = 0
        while position < length:
            try:
                chunk: bytes = body.read(CHUNK_BYTES)
            except _FOREIGN as error:
                raise signal_or_error(error, "get_object", key, self.bucket, self._clock) from error
            if not chunk:
                raise StoreBusyError(f"{key!r} ended at byte {position:,} of {length:,}", code="short_read")
            position += len(chunk)
            yield chunk

    def stat(self, key: str) -> ObjectInfo | None:
        """See `Store.stat`."""
        check_key(key)
        try:
            answer = self.send("head_object", key, ChecksumMode="ENABLED")
        except ObjectMissingError:
            return None
        return ObjectInfo(
            key,
            int(answer["ContentLength"]),
            answer["LastModified"].astimezone(UTC),
            str(answer["ETag"]),
            version_of(answer),
            sha256_of(answer),
        )

    def list(self, prefix: str = "", *, after: str | None = None) -> Iterator[ObjectInfo]:
        """See `Store.list`. botocore asks for `EncodingType=url` and decodes (Q-082)."""
        check_prefix(prefix)
        return self._list(prefix, after)

    def _list(self, prefix: str, after: str | None) -> Iterator[ObjectInfo]:
        parameters: dict[str, Any] = {"Prefix": self.prefix + prefix}
        if after is not None:
            parameters["StartAfter"] = self.prefix + after
        last = after.encode() if after is not None else b""
        while True:
            page = self.send("list_objects_v2", **parameters)
            for row in page.get("Contents", ()):
                key = str(row["Key"])[len(self.prefix) :]
                if not key or (key.endswith("/") and row["Size"] == 0):
                    continue  # what consoles make to show an empty folder
                if key.encode() <= last:
                    raise StoreUnfitError(
                        f"the store lists {key!r} out of order", missing="sorted listings", action="Use another store."
                    )
                last = key.encode()
                yield ObjectInfo(key, int(row["Size"]), row["LastModified"].astimezone(UTC), str(row["ETag"]))
            if not page.get("IsTruncated"):
                return
            parameters["ContinuationToken"] = page["NextContinuationToken"]

    # -- writing

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
        """See `Store.put`; every put is durable. One request up to the part size, else a multipart upload."""
        if if_absent and if_match is not None:
            raise ValueError("if_absent and if_match exclude each other")
        check_key(key, len(self.prefix.encode()))
        measured = Measured(key, content, size)
        condition = Condition(if_absent, if_match)
        parts = blocks(measured, size)
        first = [block for block in (next(parts), next(parts, None)) if block is not None]
        if len(first) == 1:
            return self._writes.whole(key, first[0], measured.check(sha256), condition)
        if if_absent and self._retries(lambda: self.stat(key)) is not None:
            raise ObjectExistsError(key)  # before gigabytes are sent in vain; the condition itself decides at the end
        first.reverse()
        return self._writes.in_parts(key, chain(_taken(first), parts), measured, sha256, condition)

    def check_lock(self, key: str, version_id: str | None) -> None:
        """Read the lock of a new object back; where the creating request did not bring it, set it, and read again.

        Some servers ignore the lock of a multipart upload. Nothing names the object before this returns.
        Raises: LockNotAppliedError.
        """
        lock = self._lock
        if lock is None:
            return
        version = {"VersionId": version_id} if version_id else {}

        def read_back() -> LockState:
            return _lock_of(self._retries(lambda: self.send("head_object", key, **version)))

        found = read_back()
        if found.until is None:
            retention = {"Mode": lock.mode.upper(), "RetainUntilDate": lock.until}
            self._retries(lambda: self.send("put_object_retention", key, Retention=retention, **version))
            found = read_back()
        if not lock.satisfied_by(found):
            told = f"{found.mode} until {timestamp(found.until)}" if found.until is not None else "not locked"
            raise LockNotAppliedError(key, f"{lock.mode} until {timestamp(lock.until)}", told)

    # -- the rest of the protocol

    @property
    def features(self) -> StoreFeatures:
        """See `Store.features`."""
        versioning, locks, _ = self._facts()
        return StoreFeatures(
            conditional_writes=True, object_lock=bool(locks), versioning=versioning, exact_keys=True, local=False
        )

    def sync(self) -> None:
        """See `Store.sync`: each put already is."""

    def now(self) -> datetime:
        """See `Store.now`: the `Date` of an answer."""
        answer = self.send("head_bucket")
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        if date is None:
            raise StoreUnfitError("the store's answers have no Date", missing="Date", action="Use another store.")
        return parsedate_to_datetime(date).astimezone(UTC)

    def lock_state(self, key: str) -> LockState | None:
        """See `Store.lock_state`; the newest version's."""
        check_key(key)
        return _lock_of(self.send("head_object", key))

    def abort_stale_uploads(self, older_than: timedelta) -> int:
        """See `Store.abort_stale_uploads`; multipart uploads cost money until they are aborted."""
        limit = self.now() - older_than
        parameters: dict[str, Any] = {"Prefix": self.prefix, "EncodingType": "url"}
        count = 0
        try:
            while True:
                page = self.send("list_multipart_uploads", **parameters)
                decode = unquote_plus if page.get("EncodingType") == "url" else str
                for upload in page.get("Uploads", ()):
                    if upload["Initiated"].astimezone(UTC) < limit:
                        key = decode(upload["Key"])[len(self.prefix) :]
                        with contextlib.suppress(UploadGone):
                            self.send("abort_multipart_upload", key, UploadId=upload["UploadId"])
                            count += 1
                if not page.get("IsTruncated"):
                    return count
                parameters["KeyMarker"] = decode(page["NextKeyMarker"])
                parameters["UploadIdMarker"] = page["NextUploadIdMarker"]
        except (StoreAccessError, StoreUnfitError) as error:
            self.note(f"Unfinished uploads stay where they are and cost money: {error}")
            return count

    def abandon_upload(self, key: str, upload_id: str) -> None:
        """Abort one upload that failed; what cannot be aborted is noted, for it must not hide the failure itself."""
        try:
            self.send("abort_multipart_upload", key, UploadId=upload_id)
        except UploadGone:
            return
        except (StoreAccessError, StoreUnfitError, StoreBusyError, StoreUnwritableError, ObjectMissingError) as error:
            self.note(f"An unfinished upload stays in the bucket and costs money until it is aborted: {error}")

    def note(self, sentence: str) -> None:
        """Log a sentence once, and keep it for `describe`."""
        if sentence not in self._notes and len(self._notes) < 100:
            self._notes[sentence] = None
            _log.warning("%s", sentence)

    def describe(self) -> StoreDescription:
        """See `Store.describe`."""
        self._bucket_facts = None
        versioning, locks, default = self._facts()
        return StoreDescription(
            "s3",
            self.url,
            versioning=versioning,
            object_lock=locks,
            default_lock=default,
            encryption=self._encryption(),
            wanted_lock=self._lock,
            notes=tuple(self._notes),
        )

    def parts_keep_absence(self, key: str) -> bool:
        """See `probe.CreatesInParts`."""
        return self._writes.parts_keep_absence(key)

    def close(self) -> None:
        """See `Store.close`."""
        self._writes.close()
        self._client.close()

    def _facts(self) -> tuple[bool | None, bool | None, str | None]:
        """Versioning, Object Lock, default retention; asked once. None where we may not know."""
        if self._bucket_facts is None:
            self.send("head_bucket")
            answer = self._fact("get_bucket_versioning")
            versioning = None if answer is None else answer.get("Status") == "Enabled"
            answer = self._fact("get_object_lock_configuration")
            settings = None if answer is None else answer.get("ObjectLockConfiguration", {})
            locks = None if settings is None else settings.get("ObjectLockEnabled") == "Enabled"
            rule = (settings or {}).get("Rule", {}).get("DefaultRetention", {})
            length = f"{rule['Days']} days" if rule.get("Days") else f"{rule.get('Years')} years"
            self._bucket_facts = versioning, locks, f"{rule['Mode'].lower()}, {length}" if "Mode" in rule else None
        return self._bucket_facts

    def _encryption(self) -> str | None:
        answer = self._fact("get_bucket_encryption")
        if answer is None:
            return None
        rules = answer.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
        return next((str(rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]) for rule in rules), "none")

    def _fact(self, operation: str) -> dict[str, Any] | None:
        """An answer about the bucket; {} if that is not configured, None if it may not or cannot be asked."""
        try:
            return self.send(operation)
        except StoreSettingError as error:
            # 404 is also the answer for what was never configured, and the bucket itself has just answered.
            if error.code == "no_such_bucket":
                return {}
            raise
        except (StoreAccessError, StoreUnfitError, StoreUnwritableError) as error:
            self.note(f"Not known: {error}")
            return None


def _taken(held: list[bytes]) -> Iterator[bytes]:
    """Give and let go, from the end: a block that was sent must not stay in memory."""
    while held:
        yield held.pop()


def _range(start: int, end: int | None) -> str:
    return f"bytes={start}-" if end is None else f"bytes={start}-{end - 1}"


def _lock_of(answer: dict[str, Any]) -> LockState:
    mode, until = answer.get("ObjectLockMode"), answer.get("ObjectLockRetainUntilDate")
    return LockState(mode.lower() if mode else None, until.astimezone(UTC) if until is not None else None)
