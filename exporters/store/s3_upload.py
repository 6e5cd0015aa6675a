"""Writing to S3: in one request, or in parts side by side.

Rules of this file: each request is repeated here, bounded, because only here the bytes are at hand; a conditional
write whose answer was lost is settled by what the bucket then holds. Bytes in flight are counted for the whole store, so
memory does not grow with the number of uploads or the size of their parts. Source: design §4 (S3, lost answers).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from exporters.store.errors import (
    ObjectChangedError,
    ObjectExistsError,
    ObjectMissingError,
    StoreBusyError,
    UploadAbortedError,
)
from exporters.store.probe import PARTS_JUNK
from exporters.store.protocol import Stored
from exporters.store.retrying import put_settled
from exporters.store.s3_errors import ConditionRefused, UploadGone
from exporters.store.s3_parts import Measured, checksum, checksum_of_parts, version_of

if TYPE_CHECKING:
    from exporters.store.s3 import S3Store

PARTS_IN_FLIGHT = 4
BYTES_IN_FLIGHT = 64 << 20


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold when an object comes into being."""

    if_absent: bool = False
    if_match: str | None = None

    def parameters(self) -> dict[str, str]:
        """The condition as request parameters."""
        if self.if_absent:
            return {"IfNoneMatch": "*"}
        return {"IfMatch": self.if_match} if self.if_match is not None else {}

    def check_match(self, store: S3Store, key: str) -> None:
        """Look before the end of an upload in parts: some servers ignore If-Match there. Raises: ObjectChangedError."""
        if self.if_match is not None:
            there = store.stat(key)
            if there is None or there.etag != self.if_match:
                raise ObjectChangedError(key)

    def refused(self, store: S3Store, key: str, *, conflict: bool) -> Exception:
        """The error for a 412, or a 409 (`conflict`: somebody writes just now, so what is there decides)."""
        if conflict:
            there = store.stat(key)
            if self.if_absent and there is None:
                return StoreBusyError(f"{key!r} is being written by someone else", code="write_conflict")
            if self.if_match is not None and there is not None and there.etag == self.if_match:
                return StoreBusyError(f"{key!r} is being written by someone else", code="write_conflict")
        return ObjectExistsError(key) if self.if_absent else ObjectChangedError(key)


class Room:
    """Lets through so many bytes at once; what is larger than all of it goes alone."""

    def __init__(self, total: int) -> None:
        self._total, self._taken = total, 0
        self._changed = threading.Condition()

    def take(self, size: int) -> None:
        """Wait until there is room for `size` bytes."""
        with self._changed:
            self._changed.wait_for(lambda: self._taken == 0 or self._taken + size <= self._total)
            self._taken += size

    def give_back(self, size: int) -> None:
        """They have gone."""
        with self._changed:
            self._taken -= size
            self._changed.notify_all()


class Writes:
    """The writing half of an S3Store. Safe from many threads."""

    def __init__(self, store: S3Store) -> None:
        self._store = store
        self._room = Room(BYTES_IN_FLIGHT)
        self._pool: ThreadPoolExecutor | None = None
        self._guard = threading.Lock()

    def close(self) -> None:
        """End the threads, after what is under way."""
        with self._guard:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)

    def whole(
        self, key: str, content: bytes, sha256: str, condition: Condition, *, set_missing_lock: bool = True
    ) -> Stored:
        """Store an object with one request. sha256: of `content`, 64 hex digits."""
        server_sum = checksum(bytes.fromhex(sha256))
        parameters: dict[str, Any] = {"Body": content, "ChecksumAlgorithm": "SHA256", "ChecksumSHA256": server_sum}
        parameters |= self._store.locks.parameters | condition.parameters()

        def attempt() -> Stored:
            try:
                answer = self._store.send("put_object", key, **parameters)
            except ConditionRefused as signal:
                raise condition.refused(self._store, key, conflict=signal.conflict) from signal
            except ObjectMissingError as error:  # the answer to If-Match where there is no object
                raise ObjectChangedError(key) from error
            return Stored(key, len(content), sha256, str(answer["ETag"]), version_of(answer))

        def settle() -> Stored | None:
            return self._ours(key, len(content), sha256, server_sum)

        stored = put_settled(attempt, settle, self._store.retries)
        self._store.locks.settle(key, stored.version_id, set_missing=set_missing_lock)
        return stored

    def in_parts(
        self, key: str, parts: Iterator[bytes], measured: Measured, sha256: str | None, condition: Condition
    ) -> Stored:
        """Store an object in parts, several at a time. Aborted on every error, also on one of the source."""
        upload = self._begin(key)
        try:
            while (block := next(parts, None)) is not None:
                upload.add(block)
                del block  # while the next one fills, this one is held by nobody but its request
            digests = upload.finish()
            found = measured.check(sha256)
            stored = self._complete(upload, digests, measured.length, found, condition)
        except BaseException:
            upload.wait()
            self._store.about.abandon_upload(key, upload.upload_id)
            raise
        self._store.locks.settle(key, stored.version_id)
        return stored

    def parts_keep_absence(self, key: str) -> bool:
        """Whether completing an upload in parts keeps create-if-absent. key: of an object that exists.

        Where it does not, the object is replaced by a few bytes, so it must be a probe's.
        """
        upload = self._begin(key)
        upload.add(PARTS_JUNK)
        try:
            parameters = {"UploadId": upload.upload_id, "MultipartUpload": {"Parts": upload.parts(upload.finish())}}
            self._store.send("complete_multipart_upload", key, IfNoneMatch="*", **parameters)
        except ConditionRefused:
            self._store.about.abandon_upload(key, upload.upload_id)
            return True
        return False

    def _begin(self, key: str) -> _Upload:
        def create() -> str:
            answer = self._store.send(
                "create_multipart_upload", key, ChecksumAlgorithm="SHA256", **self._store.locks.parameters
            )
            return str(answer["UploadId"])

        # An answer lost here leaves an empty upload behind: abort_stale_uploads finds it.
        upload_id = self._store.retries(create)
        with self._guard:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(PARTS_IN_FLIGHT, thread_name_prefix="lastcopy-part")
            return _Upload(self._store, key, upload_id, self._pool, self._room)

    def _complete(
        self, upload: _Upload, digests: list[tuple[str, bytes]], length: int, sha256: str, condition: Condition
    ) -> Stored:
        key = upload.key
        parameters = {"UploadId": upload.upload_id, "MultipartUpload": {"Parts": upload.parts(digests)}}
        server_sum = checksum_of_parts(digest for _, digest in digests)

        def attempt() -> Stored:
            try:
                answer = self._store.send("complete_multipart_upload", key, **parameters, **condition.parameters())
            except ConditionRefused as signal:
                raise condition.refused(self._store, key, conflict=signal.conflict) from signal
            except UploadGone as signal:
                # Nobody but an earlier try of ours completes this upload, unless it was aborted behind our back.
                ours = self._ours(key, length, sha256, server_sum)
                if ours is None:
                    raise UploadAbortedError(key) from signal
                return ours
            except ObjectMissingError as error:  # the answer to If-Match where there is no object
                raise ObjectChangedError(key) from error
            return Stored(key, length, sha256, str(answer["ETag"]), version_of(answer))

        self._store.retries(lambda: condition.check_match(self._store, key))
        return put_settled(attempt, lambda: self._ours(key, length, sha256, server_sum), self._store.retries)

    def _ours(self, key: str, length: int, sha256: str, server_sum: str) -> Stored | None:
        """What is stored under `key`, if it has our bytes: by the server's checksum, else by reading them."""
        try:
            answer = self._store.send("head_object", key, ChecksumMode="ENABLED")
            if int(answer["ContentLength"]) != length:
                return None
            told = answer.get("ChecksumSHA256")
            if told is None:
                digest = hashlib.sha256()
                with self._store.open(key) as chunks:
                    for chunk in chunks:
                        digest.update(chunk)
                ours = digest.hexdigest() == sha256
            else:
                # Some servers leave out the number of parts here, some give the digest of the whole.
                ours = told.partition("-")[0] in {server_sum.partition("-")[0], checksum(bytes.fromhex(sha256))}
        except ObjectMissingError:
            return None
        return Stored(key, length, sha256, str(answer["ETag"]), version_of(answer)) if ours else None


class _Upload:
    """One upload in parts that is under way. Its methods are called by one thread."""

    def __init__(self, store: S3Store, key: str, upload_id: str, pool: ThreadPoolExecutor, room: Room) -> None:
        self.key = key
        self.upload_id = upload_id
        self._store = store
        self._pool = pool
        self._room = room
        self._futures: list[Future[tuple[str, bytes]]] = []
        self._failed = threading.Event()

    def add(self, block: bytes) -> None:
        """Send a part, as soon as there is room. Raises: the error of an earlier part."""
        if self._failed.is_set():
            self.finish()
        self._room.take(len(block))
        try:
            future = self._pool.submit(self._send, len(self._futures) + 1, block)
        except BaseException:
            self._room.give_back(len(block))
            raise
        self._futures.append(future)

    def finish(self) -> list[tuple[str, bytes]]:
        """Wait for all parts; return (etag, SHA-256) of each. Raises: the error of the first that failed."""
        return [future.result() for future in self._futures]

    def wait(self) -> None:
        """Wait until no part is under way: a part sent after an abort would stay and cost money."""
        wait(self._futures)

    def parts(self, digests: list[tuple[str, bytes]]) -> list[dict[str, Any]]:
        """The list that completes the upload."""
        return [
            {"PartNumber": number, "ETag": etag, "ChecksumSHA256": checksum(digest)}
            for number, (etag, digest) in enumerate(digests, 1)
        ]

    def _send(self, number: int, block: bytes) -> tuple[str, bytes]:
        try:
            digest = hashlib.sha256(block).digest()
            parameters = {"PartNumber": number, "UploadId": self.upload_id, "Body": block}
            parameters |= {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": checksum(digest)}
            try:
                answer = self._store.retries(lambda: self._store.send("upload_part", self.key, **parameters))
            except UploadGone as signal:
                raise UploadAbortedError(self.key) from signal
            return str(answer["ETag"]), digest
        except BaseException:
            self._failed.set()
            raise
        finally:
            self._room.give_back(len(block))
