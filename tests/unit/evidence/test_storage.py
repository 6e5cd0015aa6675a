"""What a report says of the store: the locks that were read back, of how many objects, and never more than that."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
import pytest

from exporters.clock import SystemClock
from exporters.store.opening import open_store
from exporters.store.protocol import LockPolicy, Store
from retention.evidence.collecting_bags import Bag
from retention.evidence.collecting_journal import Run, Told
from retention.evidence.collecting_storage import SAMPLE_OF_BAG, storage_of
from retention.evidence.contents import BagFact
from tests.contracts.store_servers import CREDENTIALS, moto_server

BUCKET, BAG = "locked", "onedrive/anna"
UNTIL = datetime(2099, 1, 1, tzinfo=UTC)
PAYLOAD = 30
TAGS = ("bag-info.txt", "lastcopy/items.jsonl")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with moto_server() as address, mock.patch.dict(os.environ, CREDENTIALS):
        client = boto3.client("s3", endpoint_url=address, region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
        yield address


def opened(endpoint: str, prefix: str, lock: LockPolicy | None) -> Store:
    return open_store(
        f"s3://{BUCKET}/{prefix}", base=Path.cwd(), clock=SystemClock(), region="us-east-1", endpoint_url=endpoint, lock=lock
    )  # fmt: skip


def filled(store: Store) -> tuple[Bag, Told]:
    """One bag, one run, one segment of the journal."""
    keys = [f"data/files/{number}.txt" for number in range(PAYLOAD)]
    manifest = "".join(f"{'ab' * 32}  {key}\n" for key in keys)
    for name in ("lastcopy.json", "journal/000000001.jsonl", "runs/20261120T080000Z-0a1b2c.json"):
        store.put(name, b"{}")
    for name in (*keys, *TAGS, "tagmanifest-sha256.txt", "lastcopy/ledger/000000003.jsonl"):
        store.put(f"{BAG}/{name}", b"x")
    store.put(f"{BAG}/manifest-sha256.txt", manifest.encode())
    bag = Bag(BAG, BagFact(BAG, "cd" * 32, 3, "ef" * 32), files=PAYLOAD)
    bag.digests = dict.fromkeys((*TAGS, "manifest-sha256.txt"), "ab" * 32)
    told = Told(segment=1)
    told.runs["r"] = Run("20261120T080000Z-0a1b2c", "export", None, {}, record="ab" * 32)
    return bag, told


def test_all_are_locked(endpoint: str) -> None:
    store = opened(endpoint, "all", LockPolicy("compliance", UNTIL))
    bag, told = filled(store)
    (row,) = storage_of(store, [bag], told, SystemClock())
    assert row["object_lock"] == {"mode": "compliance", "retain_until": "2099-01-01T00:00:00Z"}
    assert row["asked_for"] == {"mode": "compliance", "until": "2099-01-01T00:00:00Z"}
    back: dict[str, Any] = row["read_back"]
    assert back["frame"]["modes"] == {"compliance": 8}
    assert back["payload_sample"]["modes"] == {"compliance": SAMPLE_OF_BAG}
    assert (row["payload_objects"], row["versioning"]) == (PAYLOAD, True)


def test_one_that_is_not_locked_is_enough(endpoint: str) -> None:
    store = opened(endpoint, "one", LockPolicy("compliance", UNTIL))
    bag, told = filled(store)
    opened(endpoint, "one", None).put(f"{BAG}/lastcopy/items.jsonl", b"y")
    (row,) = storage_of(store, [bag], told, SystemClock())
    assert row["object_lock"] == {"mode": None, "retain_until": None}
    assert row["read_back"]["frame"]["modes"] == {"compliance": 7, "none": 1}


def test_the_weakest_and_the_earliest_count(endpoint: str) -> None:
    store = opened(endpoint, "weak", LockPolicy("compliance", UNTIL))
    bag, told = filled(store)
    earlier = LockPolicy("governance", datetime(2098, 1, 1, tzinfo=UTC))
    opened(endpoint, "weak", earlier).put(f"{BAG}/bag-info.txt", b"y")
    (row,) = storage_of(store, [bag], told, SystemClock())
    assert row["object_lock"] == {"mode": "governance", "retain_until": "2098-01-01T00:00:00Z"}


def test_what_is_missing_is_told(endpoint: str) -> None:
    store = opened(endpoint, "lost", LockPolicy("compliance", UNTIL))
    bag, told = filled(store)
    bag.digests["lastcopy/owed.jsonl"] = "ab" * 32
    (row,) = storage_of(store, [bag], told, SystemClock())
    assert row["read_back"]["frame"]["missing"] == 1
    assert row["object_lock"]["mode"] is None


def test_a_folder_promises_nothing(tmp_path: Path) -> None:
    store = open_store("file:store", base=tmp_path, clock=SystemClock())
    bag, told = filled(store)
    (row,) = storage_of(store, [bag], told, SystemClock())
    assert (row["object_lock"]["mode"], row["read_back"], row["kind"]) == (None, None, "folder")
