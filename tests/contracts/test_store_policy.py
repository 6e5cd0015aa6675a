"""The rights of `deploy/bucket-policy.json` suffice: tried on moto with its access control switched on."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.core import set_initial_no_auth_action_count

from exporters.clock import SystemClock
from exporters.store.errors import ObjectExistsError, StoreAccessError, StoreUnfitError
from exporters.store.opening import open_store
from exporters.store.probe import probe
from exporters.store.protocol import LockPolicy, Store
from exporters.store.s3_client import _session
from tests.contracts.store_servers import CREDENTIALS

POLICY = Path(__file__).parents[2] / "deploy" / "bucket-policy.json"


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


def test_policy_suffices(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    user_with(set(), monkeypatch)
    store = opened()
    with set_initial_no_auth_action_count(0)(lambda: _everything(store)):  # type: ignore[attr-defined]
        pass
