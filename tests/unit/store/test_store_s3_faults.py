"""The S3 store when answers are lost, rights are missing, and servers are not what they say."""

import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.exceptions as boto
import pytest

from exporters.clock import Clock, ManualClock, SystemClock
from exporters.errors import ConfigurationError, ItemError, LastcopyError
from exporters.store import s3_parts
from exporters.store.errors import (
    LockNotAppliedError,
    ObjectChangedError,
    ObjectExistsError,
    ObjectTooLargeError,
    StoreAccessError,
    StoreBusyError,
    StoreClockError,
    StoreFullError,
    StoreSettingError,
    StoreUnfitError,
    StoreUnreachableError,
    StoreUnwritableError,
    UploadAbortedError,
)
from exporters.store.probe import probe
from exporters.store.protocol import LockPolicy
from exporters.store.retrying import Retries, RetryingStore
from exporters.store.s3 import S3Store
from exporters.store.s3_errors import signal_or_error
from exporters.store.s3_parts import LARGEST_OBJECT, MIB, Measured, blocks, part_bytes
from exporters.store.s3_upload import Room
from exporters.store.segments import START, SegmentLog
from tests.contracts.store_servers import client, make_bucket, moto_server

PART = 8 * MIB


def refusal(code: str, status: int, operation: str = "PutObject", **headers: str) -> boto.ClientError:
    metadata: Any = {"HTTPStatusCode": status, "HTTPHeaders": headers}
    return boto.ClientError({"Error": {"Code": code, "Message": code}, "ResponseMetadata": metadata}, operation)


LOST = boto.ReadTimeoutError(endpoint_url="https://s3")


class Line:
    """Between the store and a real client: answers lost after the work was done, requests refused, all counted."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.lose: dict[str, int] = {}
        self.refuse: dict[str, list[Exception]] = {}
        self.drop: dict[str, set[str]] = {}
        self.counts: Counter[str] = Counter()

    def __getattr__(self, operation: str) -> Any:
        def call(**parameters: Any) -> Any:
            self.counts[operation] += 1
            if self.refuse.get(operation):
                raise self.refuse[operation].pop(0)
            for name in self.drop.get(operation, ()):
                parameters.pop(name, None)
            answer = getattr(self._real, operation)(**parameters)
            if self.lose.get(operation, 0) > 0:
                self.lose[operation] -= 1
                raise LOST
            return answer

        return self._real.close if operation == "close" else call


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as endpoint:
        yield endpoint


class Quick(SystemClock):
    """The real time, without the waits."""

    def sleep(self, seconds: float) -> None:
        return None


def open_line(endpoint: str, lock: LockPolicy | None = None, *, locked: bool = False) -> tuple[RetryingStore, Line]:
    clock: Clock = Quick()
    retries = Retries(clock, attempts=4)
    bucket = make_bucket(endpoint, lock=locked)
    inner = S3Store(bucket, "p", clock=clock, region="us-east-1", endpoint_url=endpoint, lock=lock, retries=retries)
    line = Line(inner._client)
    inner._client = line
    return RetryingStore(inner, retries), line


@pytest.fixture
def lined(moto: str) -> Iterator[tuple[RetryingStore, Line]]:
    store, line = open_line(moto)
    yield store, line
    store.close()


SIZES = [pytest.param(10, id="one request"), pytest.param(PART + 1, id="in parts")]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("times", [1, 3])
def test_lost_answer_of_a_create_is_our_success(lined: tuple[RetryingStore, Line], size: int, times: int) -> None:
    """The object is there after the lost answer, and it is ours: one object, no error."""
    store, line = lined
    line.lose = {"put_object": times, "complete_multipart_upload": 1, "upload_part": 2, "create_multipart_upload": 1}
    stored = store.put("k", (b"x" * size for _ in range(1)), if_absent=True)
    info = store.stat("k")
    assert info is not None
    assert (info.size, info.etag) == (size, stored.etag)
    with pytest.raises(ObjectExistsError):
        store.put("k", (b"x" * size for _ in range(1)), if_absent=True)


@pytest.mark.parametrize("size", SIZES)
def test_refused_after_a_lost_request_is_not_ours(lined: tuple[RetryingStore, Line], size: int) -> None:
    """A request that never arrived, and somebody else's object: the refusal stands."""
    store, line = lined
    store.put("k", b"y" * size)
    if size > PART:
        line.refuse = {"head_object": [refusal("404", 404)]}  # as it was before the upload began
    line.refuse |= {"put_object": [LOST], "complete_multipart_upload": [LOST]}
    with pytest.raises(ObjectExistsError):
        store.put("k", [b"x" * size], if_absent=True)
    assert store.read("k") == b"y" * size


@pytest.mark.parametrize("size", SIZES)
def test_lost_answer_of_a_replacement(lined: tuple[RetryingStore, Line], size: int) -> None:
    store, line = lined
    etag = store.put("k", b"before").etag
    line.lose = {"put_object": 1, "complete_multipart_upload": 1}
    stored = store.put("k", [b"x" * size], if_match=etag)
    info = store.stat("k")
    assert info is not None
    assert (info.etag, info.size) == (stored.etag, size)
    with pytest.raises(ObjectChangedError):
        store.put("k", b"z", if_match=etag)


@pytest.mark.parametrize("answer", [refusal("NoSuchUpload", 404), refusal("PreconditionFailed", 412)])
def test_upload_that_was_completed_by_a_lost_try(lined: tuple[RetryingStore, Line], answer: Exception) -> None:
    """Servers that do not remember completed uploads: what is there decides whether it is ours."""
    store, line = lined
    line.lose = {"complete_multipart_upload": 1}
    real = line._real.complete_multipart_upload
    calls: list[None] = []

    def once(**parameters: Any) -> Any:
        calls.append(None)
        if len(calls) > 1:
            raise answer
        return real(**parameters)

    line._real.complete_multipart_upload = once
    assert store.put("k", [b"x" * (PART + 1)], if_absent=True).size == PART + 1
    assert len(calls) == 2


def test_upload_aborted_behind_our_back(lined: tuple[RetryingStore, Line]) -> None:
    """The source must be asked again, since its bytes are gone: transient, and nothing is stored."""
    store, line = lined
    line.refuse = {"complete_multipart_upload": [refusal("NoSuchUpload", 404)]}
    with pytest.raises(UploadAbortedError):
        store.put("k", [b"x" * (PART + 1)], if_absent=True)
    assert line.counts["complete_multipart_upload"] == 1
    assert list(store.list()) == []


def test_conflict_409_is_tried_again_or_settled(lined: tuple[RetryingStore, Line]) -> None:
    store, line = lined
    line.refuse = {"put_object": [refusal("ConditionalRequestConflict", 409)]}
    store.put("k", [b"mine"], if_absent=True)
    assert store.read("k") == b"mine"
    line.refuse = {"put_object": [refusal("ConditionalRequestConflict", 409)]}
    with pytest.raises(ObjectExistsError):
        store.put("k", [b"other"], if_absent=True)


def test_busy_is_tried_again_and_bounded(lined: tuple[RetryingStore, Line]) -> None:
    store, line = lined
    line.refuse = {"put_object": [refusal("SlowDown", 503), refusal("InternalError", 500)]}
    store.put("k", [b"1"])
    line.refuse = {"get_object": [LOST], "list_objects_v2": [LOST], "head_object": [LOST], "head_bucket": [LOST]}
    assert store.read("k") == b"1"
    assert [info.key for info in store.list()] == ["k"]
    assert store.stat("k") is not None
    store.now()
    line.counts.clear()
    line.refuse = {"put_object": [LOST] * 9}
    with pytest.raises(StoreUnreachableError):
        store.put("k", [b"2"])
    assert line.counts["put_object"] == 4
    line.counts.clear()
    line.refuse = {"put_object": [LOST] * 9}
    with pytest.raises(StoreUnreachableError):
        store.put("k", b"2")
    assert line.counts["put_object"] == 4  # bytes too: one level of retries, not 4 × 4


def test_failed_part_aborts_the_upload(lined: tuple[RetryingStore, Line], moto: str) -> None:
    store, line = lined
    line.refuse = {"upload_part": [refusal("AccessDenied", 403)]}
    with pytest.raises(StoreAccessError) as caught:
        store.put("k", (b"x" * MIB for _ in range(40)), size=40 * MIB)
    assert caught.value.right == "s3:PutObject"
    assert line.counts["abort_multipart_upload"] == 1
    assert store.abort_stale_uploads(timedelta(0)) == 0
    assert list(store.list()) == []


def test_missing_right_to_abort_is_named_and_not_fatal(
    lined: tuple[RetryingStore, Line], caplog: pytest.LogCaptureFixture
) -> None:
    store, line = lined

    def broken() -> Iterator[bytes]:
        yield b"x" * (2 * PART + 1)
        raise ZeroDivisionError

    line.refuse = {"abort_multipart_upload": [refusal("AccessDenied", 403)] * 2}
    with pytest.raises(ZeroDivisionError):
        store.put("k", broken())
    assert store.abort_stale_uploads(timedelta(0)) == 0
    assert any("money" in note for note in store.describe().notes)
    assert "s3:AbortMultipartUpload" in caplog.text
    line.refuse = {"list_multipart_uploads": [refusal("AccessDenied", 403)]}
    assert store.abort_stale_uploads(timedelta(0)) == 0
    assert store.abort_stale_uploads(timedelta(0)) == 1


def test_q081_no_checksums_of_botocores_own(moto: str) -> None:
    """Plain bodies of known length with our SHA-256: no trailing CRC, no chunked encoding."""
    store, line = open_line(moto)
    seen: list[Any] = []
    line._real.meta.events.register("before-send.s3.*", lambda request, **_: seen.append(request))
    store.put("k", [b"1"])
    store.put("big", [b"x" * (PART + 1)])
    store.read("k")
    store.close()
    for request in seen:
        headers = {
            name.lower(): value.decode() if isinstance(value, bytes) else value
            for name, value in request.headers.items()
        }
        assert "aws-chunked" not in headers.get("content-encoding", "")
        assert "x-amz-trailer" not in headers
        assert not any("crc" in name or "crc" in value.lower() for name, value in headers.items())
        if request.method == "PUT":
            assert "x-amz-checksum-sha256" in headers
            assert headers["content-length"].isdecimal()


def test_the_stores_own_checksum(lined: tuple[RetryingStore, Line]) -> None:
    """`stat` gives the checksum of objects in one piece; that of objects in parts is another digest, and is not taken."""
    store, _ = lined
    stored = store.put("k", [b"1"])
    info = store.stat("k")
    assert info is not None
    assert info.sha256 == stored.sha256
    store.put("k", [b"x" * (PART + 1)])
    info = store.stat("k")
    assert info is not None
    assert info.sha256 is None


def test_lock_in_the_creating_request(moto: str) -> None:
    lock = LockPolicy("compliance", Quick().now() + timedelta(days=3))
    store, line = open_line(moto, lock, locked=True)
    store.put("k", [b"1"])
    assert line.counts["put_object_retention"] == 0
    state = store.lock_state("k")
    assert state is not None
    assert lock.satisfied_by(state)
    store.close()


@pytest.mark.parametrize("size", SIZES)
def test_lock_that_is_not_applied_is_an_error(moto: str, size: int) -> None:
    """A server that takes the headers and forgets them."""
    lock = LockPolicy("governance", Quick().now() + timedelta(days=3))
    store, line = open_line(moto, lock, locked=True)
    line.drop = {"put_object": {"ObjectLockMode", "ObjectLockRetainUntilDate"}}
    real = line._real.put_object_retention
    line._real.put_object_retention = lambda **_: {}
    with pytest.raises(LockNotAppliedError, match="not locked"):
        store.put("k", [b"x" * size])
    with pytest.raises(StoreUnfitError) as caught:
        probe(store)
    assert caught.value.missing == "Object Lock"
    line._real.put_object_retention = real
    store.put("l", [b"x" * size])
    state = store.lock_state("l")
    assert state is not None
    assert lock.satisfied_by(state)
    store.close()


def test_a_segment_that_was_there_already_gets_its_lock(moto: str) -> None:
    """Ours, from before a crash or a lost answer, on a server that dropped the lock: it is not claimed without."""
    lock = LockPolicy("governance", Quick().now() + timedelta(days=3))
    store, line = open_line(moto, lock, locked=True)
    assert isinstance(store.inner, S3Store)
    first = {"run": "r", "at": "2026-01-01T00:00:00Z", "writer": {"id": "a"}}
    plain = S3Store(store.inner.bucket, "p", clock=Quick(), region="us-east-1", endpoint_url=moto)
    ended = SegmentLog(plain, "log/").append(START, [b'{"a":1}\n'], first)
    plain.close()
    assert SegmentLog(store, "log/").append(START, [b'{"a":1}\n'], first) == ended
    state = store.lock_state("log/000000001.jsonl")
    assert state is not None
    assert lock.satisfied_by(state)
    assert line.counts["put_object_retention"] == 1
    store.close()


def test_lock_without_versions_is_refused(moto: str) -> None:
    lock = LockPolicy("governance", Quick().now() + timedelta(days=3))
    store, line = open_line(moto, lock)
    with pytest.raises(StoreUnfitError, match="no versions") as caught:
        probe(store)
    assert isinstance(caught.value, ConfigurationError)
    assert line.counts["put_object"] == 0
    client(moto).put_bucket_versioning(Bucket=store.inner.bucket, VersioningConfiguration={"Status": "Enabled"})  # type: ignore[attr-defined]
    with pytest.raises(StoreUnfitError) as caught:
        probe(store)
    assert caught.value.missing == "Object Lock"
    store.close()


@pytest.mark.parametrize(
    ("operation", "ignored", "missing"),
    [
        ("put_object", "IfNoneMatch", "create-if-absent"),
        ("put_object", "IfMatch", "replace-if-unchanged"),
        ("complete_multipart_upload", "IfNoneMatch", "create-if-absent for large objects"),
    ],
)
def test_server_that_ignores_conditions_is_refused(
    lined: tuple[RetryingStore, Line], operation: str, ignored: str, missing: str
) -> None:
    store, line = lined
    line.drop = {operation: {ignored}}
    with pytest.raises(StoreUnfitError) as caught:
        probe(store)
    assert caught.value.missing == missing
    with pytest.raises(StoreUnfitError):  # and again at the next run, whatever the first left behind
        probe(store)


def test_probe_without_rights(lined: tuple[RetryingStore, Line]) -> None:
    store, line = lined
    line.refuse = {"put_object": [refusal("AccessDenied", 403)]}
    with pytest.raises(StoreUnfitError) as caught:
        probe(store)
    assert caught.value.missing == "s3:PutObject"


def test_rights_to_ask_are_not_needed(lined: tuple[RetryingStore, Line]) -> None:
    """Without the rights to read the bucket's settings they are unknown, and it works."""
    store, line = lined
    line.refuse = {
        operation: [refusal("AccessDenied", 403)] * 9
        for operation in ("get_bucket_versioning", "get_object_lock_configuration", "get_bucket_encryption")
    }
    probe(store)
    description = store.describe()
    assert (description.versioning, description.object_lock, description.encryption) == (None, None, None)
    assert any("get_bucket_versioning" in note for note in description.notes)


def test_missing_bucket_is_not_an_empty_store(moto: str) -> None:
    store = S3Store("no-such-bucket", clock=Quick(), region="us-east-1", endpoint_url=moto)
    for call in (store.describe, store.now, lambda: list(store.list()), lambda: store.put("k", b"1")):
        with pytest.raises(StoreSettingError, match="no bucket") as caught:
            call()
        assert caught.value.key == "store.url"
    store.close()


NOW = datetime(2026, 11, 23, tzinfo=UTC)
ANSWERS: list[tuple[Exception, type[LastcopyError], str]] = [
    (refusal("RequestTimeTooSkewed", 403, date="Mon, 23 Nov 2026 05:00:00 GMT"), StoreClockError, "05:00:00"),
    (refusal("AccessDenied", 403), StoreAccessError, "put_object"),
    (refusal("403", 403), StoreAccessError, "put_object"),
    (refusal("InvalidAccessKeyId", 403), StoreSettingError, "credentials"),
    (refusal("SignatureDoesNotMatch", 403), StoreSettingError, "credentials"),
    (refusal("ExpiredToken", 400), StoreSettingError, "credentials"),
    (refusal("PermanentRedirect", 301), StoreSettingError, "region"),
    (refusal("NoSuchBucket", 404), StoreSettingError, "bucket"),
    (refusal("SlowDown", 503), StoreBusyError, "SlowDown"),
    (refusal("BadDigest", 400), StoreBusyError, "BadDigest"),
    (refusal("XMinioStorageFull", 507), StoreFullError, "room"),
    (refusal("NotImplemented", 501), StoreUnfitError, "put_object"),
    (refusal("InvalidRequest", 400), StoreUnfitError, "locked"),
    (refusal("SomethingNew", 400), StoreUnwritableError, "SomethingNew"),
    (boto.NoCredentialsError(), StoreSettingError, "credentials"),
    (boto.EndpointConnectionError(endpoint_url="https://x"), StoreBusyError, "no answer"),
    (boto.ConnectTimeoutError(endpoint_url="https://x"), StoreBusyError, "no answer"),
    (boto.SSLError(endpoint_url="https://x", error="CERTIFICATE_VERIFY_FAILED"), StoreSettingError, "trusted"),
    (ConnectionResetError(), StoreBusyError, "no answer"),
]


@pytest.mark.parametrize(("answer", "kind", "says"), ANSWERS, ids=lambda value: str(value)[:60])
def test_q053_answers_and_their_meaning(answer: Exception, kind: type[LastcopyError], says: str) -> None:
    error = signal_or_error(answer, "put_object", "k", "bucket", ManualClock(NOW))
    assert type(error) is kind
    assert says in str(error)
    assert isinstance(error, StoreBusyError) or error.action  # type: ignore[attr-defined]


def test_retry_after_is_passed_on() -> None:
    error = signal_or_error(
        refusal("SlowDown", 503, **{"retry-after": "17"}), "put_object", "k", "bucket", ManualClock(NOW)
    )
    assert isinstance(error, StoreBusyError)
    assert error.retry_after == 17.0


def test_part_sizes() -> None:
    """max(8 MiB, size / 9,000), in whole MiB; every object of S3's limits fits 10,000 parts."""
    assert part_bytes(0, 1) == part_bytes(72_000 * MIB, 1) == PART
    assert part_bytes(72_000 * MIB + 1, 1) == 9 * MIB
    for size in (250 * 10**9, 5 * 10**12):
        assert part_bytes(size, 1) % MIB == 0
        assert -(-size // part_bytes(size, 1)) <= 9_000
    assert [part_bytes(None, number) // MIB for number in (1, 1000, 1001, 2000, 2001)] == [8, 8, 16, 16, 32]
    assert sum(part_bytes(None, number) for number in range(1, 10_001)) > 5 * 10**12


@pytest.mark.parametrize("size", [250 * 10**9, 1 << 40, LARGEST_OBJECT - 1, LARGEST_OBJECT])
def test_every_size_that_s3_takes_fits(size: int) -> None:
    """At most 10,000 parts, each within S3's limits, the last one too."""
    part = part_bytes(size, 1)
    assert 5 * MIB <= part <= 5 << 30
    assert -(-size // part) <= 9_000
    assert {part_bytes(size, number) for number in (1, 5_000, 10_000)} == {part}


def test_too_large_is_said_before_anything_is_sent(lined: tuple[RetryingStore, Line]) -> None:
    """Over 5 TiB: an error that concerns this item alone, and says so; announced or not."""
    store, line = lined

    def never() -> Iterator[bytes]:
        raise AssertionError("it was read")
        yield b""

    with pytest.raises(ObjectTooLargeError, match="5,497,558,138,880") as caught:
        store.put("k", never(), size=LARGEST_OBJECT + 1)
    assert isinstance(caught.value, ItemError)
    assert caught.value.action
    assert not line.counts
    measured = Measured("k", (b"x" for _ in range(2)), None)
    measured.length = LARGEST_OBJECT - 1
    with pytest.raises(ObjectTooLargeError):
        list(measured)


def test_a_server_that_calls_it_too_large() -> None:
    error = signal_or_error(refusal("EntityTooLarge", 400), "upload_part", "k", "bucket", ManualClock(NOW))
    assert isinstance(error, ItemError)
    assert error.code == "object_too_large"


def test_blocks_are_exact() -> None:
    for length in (0, 1, PART - 1, PART, PART + 1, 3 * PART):
        chunks = [b"x" * 999_983] * (length // 999_983) + [b"y" * (length % 999_983)]
        cut = list(blocks(chunks, length))
        assert b"".join(cut) == b"".join(chunks)
        assert all(len(block) == PART for block in cut[:-1])
        assert len(cut) == max(1, -(-length // PART))


class Sink:
    """A bucket that keeps nothing, to measure memory."""

    def __init__(self) -> None:
        self.received = 0

    def create_multipart_upload(self, **_: Any) -> dict[str, Any]:
        return {"UploadId": "u"}

    def upload_part(self, *, Body: bytes, **_: Any) -> dict[str, Any]:
        time.sleep(0.06)  # slower than the source, so that what waits piles up, if it may
        self.received += len(Body)
        return {"ETag": '"e"'}

    def complete_multipart_upload(self, **_: Any) -> dict[str, Any]:
        return {"ETag": '"e"'}

    def close(self) -> None:
        pass


@pytest.mark.parametrize("uploads", [1, 3])
@pytest.mark.parametrize("part", [8, 27], ids=["8 MiB parts", "27 MiB parts: those of 250 GB"])
def test_memory_is_flat(monkeypatch: pytest.MonkeyPatch, part: int, uploads: int) -> None:
    """A few parts, however long the object: what is in flight is bounded for the whole store, beside one that fills."""
    store = S3Store("bucket", clock=Quick(), region="us-east-1")
    store._client.close()
    sink = Sink()
    store._client = sink
    # The size of the parts of a 250 GB file, with a body of a thousandth of that.
    monkeypatch.setattr(s3_parts, "SMALLEST_PART", part * MIB)
    block, count = b"x" * MIB, 300

    def upload(number: int) -> None:
        store.put(f"large {number}", (block for _ in range(count)), size=count * MIB)

    tracemalloc.start()
    try:
        with ThreadPoolExecutor(uploads) as pool:
            list(pool.map(upload, range(uploads)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        store.close()
    assert sink.received == uploads * count * MIB
    # In flight 64 MiB in all, one that is being let go; of each upload the one that fills, with room to grow.
    assert peak < 64 * MIB + part * MIB + uploads * 1.25 * part * MIB + 4 * MIB


def test_room_lets_through_what_is_larger_than_all_of_it() -> None:
    """Alone; and waits for nobody who has gone."""
    room = Room(10)
    room.take(25)
    passed: list[int] = []

    def one(size: int) -> None:
        room.take(size)
        passed.append(size)

    waiting = threading.Thread(target=one, args=(3,))
    waiting.start()
    waiting.join(0.2)
    assert passed == []
    room.give_back(25)
    waiting.join(10)
    assert passed == [3]
    room.take(7)
    room.give_back(3)
    room.give_back(7)


@pytest.mark.parametrize(
    ("said", "status", "right"),
    [
        ("User: u is not authorized to perform: kms:GenerateDataKey on resource: k", 403, "kms:GenerateDataKey"),
        ("User: u is not authorized to perform: s3:PutObjectRetention on resource: k", 403, "s3:PutObjectRetention"),
        ("Access Denied", 403, "s3:PutObject"),
    ],
)
def test_the_right_that_aws_names(said: str, status: int, right: str) -> None:
    answer = refusal("AccessDenied", status)
    answer.response["Error"]["Message"] = said
    error = signal_or_error(answer, "put_object", "k", "bucket", ManualClock(NOW))
    assert isinstance(error, StoreAccessError)
    assert error.right == right
    assert right.partition(":")[0] in error.action


def test_retry_after_as_a_date() -> None:
    headers = {"retry-after": "Mon, 23 Nov 2026 00:00:42 GMT"}
    error = signal_or_error(refusal("SlowDown", 503, **headers), "put_object", "k", "bucket", ManualClock(NOW))
    assert isinstance(error, StoreBusyError)
    assert error.retry_after == 42.0


def test_uploads_outside_the_prefix_are_never_touched(lined: tuple[RetryingStore, Line], moto: str) -> None:
    """Also where a server ignores Prefix; and none that is younger than asked (moto dates them all 2010)."""
    store, line = lined
    assert isinstance(store.inner, S3Store)
    bucket = store.inner.bucket
    for key in ("p/ours", "p-other/theirs", "q"):
        client(moto).create_multipart_upload(Bucket=bucket, Key=key)
    line.drop = {"list_multipart_uploads": {"Prefix"}}
    assert store.abort_stale_uploads(timedelta(days=365 * 100)) == 0
    assert store.abort_stale_uploads(timedelta(days=2)) == 1
    left = client(moto).list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert sorted(upload["Key"] for upload in left) == ["p-other/theirs", "q"]
