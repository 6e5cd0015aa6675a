"""The S3 store keeps the contract: on moto, on moto with versions and locks, on a server of its own where installed."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from exporters.clock import SystemClock
from exporters.store.errors import LockNotAppliedError, ObjectMissingError
from exporters.store.opening import open_store
from exporters.store.protocol import LockPolicy, Store
from exporters.store.retrying import RetryingStore
from exporters.store.s3 import S3Store
from tests.contracts.store_contract import StoreContract
from tests.contracts.store_servers import (
    PAGE,
    client,
    localbucket_command,
    localbucket_server,
    make_bucket,
    moto_server,
)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def localbucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    command = localbucket_command()
    if command is None:
        pytest.skip("no S3 server of its own is installed (pip install localbucket)")
    with localbucket_server(command, tmp_path_factory.mktemp("buckets")) as endpoint:
        yield endpoint


class S3Contract(StoreContract):
    MANY = PAGE * 2 + 10

    def leave_unfinished(self, store: Store, key: str) -> None:
        inner = store.inner if isinstance(store, RetryingStore) else store
        assert isinstance(inner, S3Store)
        inner.send("create_multipart_upload", key)


class TestMoto(S3Contract):
    @pytest.fixture
    def store(self, moto: str) -> Iterator[Store]:
        bucket = make_bucket(moto)
        # A neighbour whose keys begin alike must never be seen.
        client(moto).put_object(Bucket=bucket, Key="contoso/2026-other/k", Body=b"not ours")
        client(moto).put_object(Bucket=bucket, Key="contoso/2026/", Body=b"")
        store = open_store(
            f"s3://{bucket}/contoso/2026", base=Path(), clock=SystemClock(), region="us-east-1", endpoint_url=moto
        )
        yield store
        store.close()


class TestMotoWithVersionsAndLocks(S3Contract):
    @pytest.fixture
    def store(self, moto: str) -> Iterator[Store]:
        clock = SystemClock()
        lock = LockPolicy("governance", clock.now() + timedelta(days=30))
        bucket = make_bucket(moto, lock=True)
        store = open_store(f"s3://{bucket}", base=Path(), clock=clock, region="us-east-1", endpoint_url=moto, lock=lock)
        yield store
        store.close()

    @pytest.mark.parametrize("size", [10, 8 * (1 << 20) + 1])
    def test_lock_is_read_back(self, store: Store, size: int) -> None:
        """Every object, small and in parts, has its lock, and a version id."""
        lock = store.describe().wanted_lock
        state = (store.put("k", [b"x" * size]), store.lock_state("k"))
        assert state[0].version_id not in {None, "null"}
        assert state[1] is not None
        assert lock is not None
        assert lock.satisfied_by(state[1])

    def put_by_somebody(self, store: Store, moto: str, **more: Any) -> str | None:
        """An object that is there already, as a crash or another tool left it; its version."""
        assert isinstance(store, RetryingStore)
        assert isinstance(store.inner, S3Store)
        answer = client(moto).put_object(
            Bucket=store.inner.bucket, Key="k", Body=b"1", ChecksumAlgorithm="SHA256", **more
        )
        return str(answer["VersionId"])

    @pytest.mark.parametrize("named", [True, False], ids=["by version", "the newest"])
    @pytest.mark.parametrize("until", [None, timedelta(days=1)], ids=["not locked", "locked too briefly"])
    def test_confirm_sets_and_extends_a_lock(
        self, store: Store, moto: str, until: timedelta | None, named: bool
    ) -> None:
        """An adopted object has its lock when `confirm` returns; until then it is not claimed."""
        lock = store.describe().wanted_lock
        assert lock is not None
        weak = {
            "ObjectLockMode": "GOVERNANCE",
            "ObjectLockRetainUntilDate": SystemClock().now() + (until or timedelta(1)),
        }
        version = self.put_by_somebody(store, moto, **(weak if until else {}))
        state = store.lock_state("k")
        assert state is not None
        assert not lock.satisfied_by(state)
        store.confirm("k", version if named else None)
        state = store.lock_state("k")
        assert state is not None
        assert lock.satisfied_by(state)
        assert store.read("k") == b"1"

    def test_confirm_of_the_version_that_is_named(self, store: Store, moto: str) -> None:
        """Not of a newer one."""
        lock = store.describe().wanted_lock
        assert lock is not None
        assert isinstance(store, RetryingStore)
        assert isinstance(store.inner, S3Store)
        first = self.put_by_somebody(store, moto)
        self.put_by_somebody(store, moto)
        store.confirm("k", first)
        head = client(moto).head_object(Bucket=store.inner.bucket, Key="k", VersionId=first)
        assert head["ObjectLockMode"] == "GOVERNANCE"
        newest = store.lock_state("k")
        assert newest is not None
        assert newest.mode is None

    def test_confirm_never_changes_the_mode(self, store: Store, moto: str) -> None:
        """What is locked in the other mode, too briefly, stays as it is and is not claimed."""
        tomorrow = SystemClock().now() + timedelta(days=1)
        self.put_by_somebody(store, moto, ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=tomorrow)
        with pytest.raises(LockNotAppliedError):
            store.confirm("k")
        state = store.lock_state("k")
        assert state is not None
        assert state.mode == "compliance"

    def test_confirm_of_what_is_not_there(self, store: Store) -> None:
        """It cannot be locked, so it is no silence."""
        with pytest.raises(ObjectMissingError):
            store.confirm("absent")


class TestLocalBucket(S3Contract):
    KEEPS_MATCH = False
    LISTS_UPLOADS = False

    @pytest.fixture
    def store(self, localbucket: str) -> Iterator[Store]:
        bucket = make_bucket(localbucket)
        store = open_store(
            f"s3://{bucket}/p", base=Path(), clock=SystemClock(), region="us-east-1", endpoint_url=localbucket
        )
        yield store
        store.close()
