"""The rights of `deploy/bucket-policy.json` suffice: tried on moto with its access control switched on."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core import set_initial_no_auth_action_count

from exporters.clock import SystemClock
from exporters.store.errors import ObjectExistsError, StoreAccessError, StoreUnfitError
from exporters.store.opening import open_store
from exporters.store.probe import probe
from exporters.store.protocol import LockPolicy, Store
from exporters.store.retrying import RetryingStore
from exporters.store.s3 import S3Store
from exporters.store.s3_client import _session
from tests.contracts.store_rights import rights_asked
from tests.contracts.store_servers import CREDENTIALS

POLICY = Path(__file__).parents[2] / "deploy" / "bucket-policy.json"


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The rights that were asked for, by the names that AWS knows."""
    return rights_asked(monkeypatch)


def user_with(actions_without: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Become a user that has the policy's rights but those; from here on moto checks them."""
    policy: Any = json.loads(POLICY.read_text().replace("BUCKET/PREFIX", "bucket/prefix").replace("BUCKET", "bucket"))
    for statement in policy["Statement"]:
        del statement["Principal"]
        statement["Action"] = [action for action in statement["Action"] if action not in actions_without]
    iam = boto3.client("iam")
    iam.create_user(UserName="lastcopy")
    iam.put_user_policy(UserName="lastcopy", PolicyName="store", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="lastcopy")["AccessKey"]
    iam.close()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    _session.cache_clear()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    _session.cache_clear()
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="bucket", ObjectLockEnabledForBucket=True)
        s3.close()
        yield
    _session.cache_clear()


def opened() -> Store:
    clock = SystemClock()
    lock = LockPolicy("governance", clock.now() + timedelta(days=30))
    return open_store("s3://bucket/prefix", base=Path(), clock=clock, region="us-east-1", lock=lock)


def work(store: Store) -> None:
    """What an export and a verify ask of a store, small objects and large ones."""
    probe(store)
    for key, size in (("small", 10), ("large", 2 * (8 << 20) + 1)):
        store.put(key, [b"x" * size], if_absent=True)
        with pytest.raises(ObjectExistsError):
            store.put(key, [b"x" * size], if_absent=True)
        with store.open(key) as chunks:
            assert sum(len(chunk) for chunk in chunks) == size
        state = store.lock_state(key)
        assert state is not None
        assert state.mode == "governance"
    info = store.stat("small")
    assert info is not None
    store.put("small", b"new", if_match=info.etag)
    assert len(list(store.list())) == 3
    assert store.stat("absent") is None
    assert isinstance(store, RetryingStore)
    assert isinstance(store.inner, S3Store)
    # `now` and `abort_stale_uploads` want the Date that moto gives as a server only; these are their requests.
    store.inner.send("head_bucket")
    assert store.inner.send("list_multipart_uploads", Prefix="prefix/").get("Uploads", []) == []
    description = store.describe()
    assert (description.versioning, description.object_lock, description.notes) == (True, True, ())


def checked(call: Callable[[], None]) -> None:
    """Call with moto's access control on, from the first request."""
    set_initial_no_auth_action_count(0)(call)()


def test_policy_suffices(aws: None, monkeypatch: pytest.MonkeyPatch, asked: set[str]) -> None:
    """All that is done to a locked bucket, with exactly these rights."""
    user_with(set(), monkeypatch)
    store = opened()
    checked(lambda: work(store))
    store.close()
    assert {"s3:PutObject", "s3:GetObject", "s3:ListBucket"} <= asked, "moto checked nothing"


@pytest.mark.parametrize("right", ["s3:PutObject", "s3:GetObject", "s3:ListBucket"])
def test_a_missing_right_is_named(aws: None, monkeypatch: pytest.MonkeyPatch, right: str) -> None:
    """Without one of the rights that are needed the probe refuses, and names it."""
    user_with({right}, monkeypatch)
    store = opened()

    def refused() -> None:
        with pytest.raises((StoreUnfitError, StoreAccessError)) as caught:
            probe(store)
        assert right in f"{caught.value} {caught.value.action}"

    checked(refused)
    store.close()


def test_nothing_can_be_deleted(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not an object, not a version, not by going round the lock."""
    user_with(set(), monkeypatch)
    store = opened()

    def tried() -> None:
        stored = store.put("k", b"1")
        s3 = boto3.session.Session().client("s3")
        for extra in (
            {},
            {"VersionId": stored.version_id},
            {"VersionId": stored.version_id, "BypassGovernanceRetention": True},
        ):
            with pytest.raises(ClientError, match="AccessDenied"):
                s3.delete_object(Bucket="bucket", Key="prefix/k", **extra)
        s3.close()
        assert store.read("k") == b"1"

    checked(tried)
    store.close()
