"""A store that is a bucket of S3, or of a server that speaks S3 well enough (`probe` says).

Rules of this file: with its neighbours `s3_*` the only importer of boto3. Each request is sent once by botocore;
repeats are ours, bounded (`retrying`): `put` repeats its own requests, since it holds the bytes, the rest raises
StoreBusyError for `RetryingStore`. Every write carries SHA-256 and, if asked, its condition and its lock, which is read back.
Source: design §4 (S3), quirks Q-081, Q-082.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import chain, islice
from typing import Any

import botocore.exceptions
import urllib3.exceptions

from exporters.clock import Clock
from exporters.store.errors import (
    ObjectExistsError,
    ObjectMissingError,
    StoreBusyError,
    StoreClockError,
    StoreLostError,
    StoreSettingError,
    StoreUnfitError,
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
from exporters.store.s3_bucket import Bucket
from exporters.store.s3_client import open_client
from exporters.store.s3_errors import RangeEmpty, says_nothing, signal_or_error
from exporters.store.s3_locks import Locks
from exporters.store.s3_parts import Measured, blocks, sha256_of, version_of
from exporters.store.s3_upload import Condition, Writes

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
        """prefix: without `/` at its ends. lock: given to every object; nothing is locked if its date is past."""
        self.bucket = bucket
        self.prefix = f"{prefix}/" if prefix else ""
        self.url = f"s3://{bucket}/{prefix}" if prefix else f"s3://{bucket}"
        self._prefix_bytes = len(self.prefix.encode())
        self._clock = clock
        self._retries = retries or Retries(clock)
        self._has_answered = False
        self.locks = Locks(self, lock, is_past=lock is not None and lock.until <= clock.now())
        self.about = Bucket(self)
        self._client: Any = open_client(bucket, region, endpoint_url, clock)
        self._writes = Writes(self)

    # -- requests

    def send(self, operation: str, key: str = "", **parameters: Any) -> dict[str, Any]:
        """Send one request, once. operation: a method of the client; key: ours, without the store's prefix.

        Raises: errors of `store.errors`, and the signals of `s3_errors`. What would be a mistake in the configuration is
        StoreLostError once the bucket has answered: then something was touched, and it changed meanwhile.
        """
        if key:
            parameters["Key"] = self.prefix + key
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(Bucket=self.bucket, **parameters)
        except _FOREIGN as error:
            asked = f"{operation}_version" if "VersionId" in parameters else operation
            ours = signal_or_error(error, asked, key, self.bucket, self._clock)
            if says_nothing(error):
                ours = self._reason() or ours
            if self._has_answered and isinstance(ours, StoreSettingError):
                raise StoreLostError(str(ours), code=ours.code, action=ours.action) from error
            raise ours from error
        self._has_answered = True
        return answer

    def _reason(self) -> Exception | None:
        """Answers to HEAD have no body. Why a bare 400 or 403 came may stand in that of another request."""
        try:
            self._client.list_objects_v2(Bucket=self.bucket, Prefix=self.prefix, MaxKeys=1)
        except _FOREIGN as error:
            ours = signal_or_error(error, "list_objects_v2", "", self.bucket, self._clock)
            return ours if isinstance(ours, StoreSettingError | StoreClockError) else None
        return None

    @property
    def retries(self) -> Retries:
        """How often a request of `put` is repeated."""
        return self._retries

    def note(self, sentence: str) -> None:
        """Log a sentence once, and keep it for `describe`."""
        self.about.note(sentence)

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
                f"the store does not serve ranges: it sent {answer.get('ContentRange') or 'the whole'} of {key!r}",
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
        check_key(key, self._prefix_bytes)
        measured, condition = Measured(key, content, size), Condition(if_absent, if_match)
        parts = blocks(measured, size)
        first = [next(parts)]
        if size is None or size > len(first[0]):  # of unknown length: whether there is more
            first.extend(islice(parts, 1))
        if len(first) == 1:
            return self._writes.whole(key, first.pop(), measured.check(sha256), condition)
        if if_absent and self._retries(lambda: self.stat(key)) is not None:
            raise ObjectExistsError(key)  # before gigabytes are sent in vain; the condition itself decides at the end
        first.reverse()
        return self._writes.in_parts(key, chain(_taken(first), parts), measured, sha256, condition)

    def confirm(self, key: str, version_id: str | None = None) -> None:
        """See `Store.confirm`."""
        check_key(key)
        self.locks.settle(key, version_id)

    # -- the rest of the protocol

    @property
    def features(self) -> StoreFeatures:
        """See `Store.features`."""
        facts = self.about.facts()
        return StoreFeatures(
            conditional_writes=True,
            object_lock=bool(facts.object_lock),
            versioning=facts.versioning,
            exact_keys=True,
            local=False,
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
        return self.locks.read(key)

    def abort_stale_uploads(self, older_than: timedelta) -> int:
        """See `Store.abort_stale_uploads`; multipart uploads cost money until they are aborted."""
        return self.about.abort_uploads(self.now() - older_than)

    def describe(self) -> StoreDescription:
        """See `Store.describe`."""
        facts = self.about.facts(anew=True)
        encryption = self.about.encryption()
        self.about.try_listing_uploads()
        return StoreDescription(
            "s3",
            self.url,
            versioning=facts.versioning,
            object_lock=facts.object_lock,
            default_lock=facts.default_lock,
            encryption=encryption,
            wanted_lock=self.locks.wanted,
            lock_is_past=self.locks.is_past,
            notes=self.about.notes,
        )

    def parts_keep_absence(self, key: str) -> bool:
        """See `probe.CreatesInParts`."""
        return self._writes.parts_keep_absence(key)

    def create_locked(self, key: str, content: bytes) -> None:
        """See `probe.CreatesInParts`."""
        sha256 = hashlib.sha256(content).hexdigest()
        self._writes.whole(key, content, sha256, Condition(if_absent=True), set_missing_lock=False)

    def close(self) -> None:
        """See `Store.close`."""
        self._writes.close()
        self._client.close()


def _taken(held: list[bytes]) -> Iterator[bytes]:
    """Give and let go, from the end: a block that was sent must not stay in memory."""
    while held:
        yield held.pop()


def _range(start: int, end: int | None) -> str:
    return f"bytes={start}-" if end is None else f"bytes={start}-{end - 1}"
