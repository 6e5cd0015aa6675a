"""The same export into S3, judged by listing the bucket."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.contracts.store_mishaps import Between, Mishap
from tests.contracts.store_servers import CREDENTIALS, moto_between
from tests.end_to_end.changes import lively_changes
from tests.end_to_end.driving import Product, Tenant
from tests.independent import tiny
from tests.independent.judge import Settings, judge
from tests.independent.reader import read_store

BUCKET = "retained"


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, Between]]:
    """moto behind a filter, with two buckets: a plain one and one with Object Lock."""
    with moto_between() as (address, between):
        with_client(address).create_bucket(Bucket=BUCKET)
        with_client(address).create_bucket(Bucket=f"{BUCKET}-locked", ObjectLockEnabledForBucket=True)
        yield address, between


@pytest.fixture
def endpoint(served: tuple[str, Between]) -> str:
    """Its address, with nothing in between."""
    served[1].mishaps = []
    return served[0]


def with_client(endpoint: str) -> Any:
    """A client of boto3's own making: none of ours."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


def fetched(endpoint: str, bucket: str, prefix: str, folder: Path) -> Path:
    """The bucket's objects below a prefix, as files."""
    client = with_client(endpoint)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            path = folder / entry["Key"][len(prefix) :].lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(client.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read())
    client.close()
    return folder


def into_bucket(folder: Path, tenant: Tenant, endpoint: str, url: str, **more: object) -> Product:
    """A configuration whose store is a bucket."""
    store = {"url": url, "region": "us-east-1", "endpoint_url": endpoint, **more}
    product = Product(folder, tenant, store=store)
    product.environment |= CREDENTIALS
    return product


def test_the_same_export_into_a_bucket(tiny_data: Path, tmp_path: Path, endpoint: str) -> None:
    """Rows, keys and bytes are those of a folder store; the second run equals the new truth."""
    with Tenant(tiny_data) as tenant:
        product = into_bucket(tmp_path / "work", tenant, endpoint, f"s3://{BUCKET}/some/prefix")
        product.export()
        first = fetched(endpoint, BUCKET, "some/prefix", tmp_path / "first")
        found = judge(first, tenant.truth, Settings(versions="all"))
        assert found == [], "\n".join(found[:10])
        before = read_store(first)
        changes, _ = lively_changes(tenant.truth)
        tenant.change(*changes)
        product.export()
        second = fetched(endpoint, BUCKET, "some/prefix", tmp_path / "second")
        found = judge(second, tenant.truth, Settings(versions="all", before=before))
        assert found == [], "\n".join(found[:10])
        product.run("verify", "--json", code=0)
        product.run("verify", "--level", "stored", "--json", code=0)


def test_every_object_is_locked_and_its_version_stands_in_the_rows(
    plain_data: Path, tmp_path: Path, endpoint: str
) -> None:
    """(issue 4, d) Payload, segments, tag files, sources and runs read back with their lock."""
    bucket, until = f"{BUCKET}-locked", "2030-01-01T00:00:00Z"
    with Tenant(plain_data) as tenant:
        lock = {"mode": "governance", "until": until}
        product = into_bucket(tmp_path / "work", tenant, endpoint, f"s3://{bucket}", object_lock=lock)
        product.export(code=0)
        client = with_client(endpoint)
        keys = [
            entry["Key"]
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
            for entry in page["Contents"]
        ]
        kinds = {"data/", "lastcopy/ledger/", "manifest-sha256.txt", "sources/", "runs/", "journal/"}
        assert all(any(kind in key for key in keys) for kind in kinds)
        for key in keys:
            if key.startswith("lastcopy-probe"):
                continue
            held = client.head_object(Bucket=bucket, Key=key)
            assert held.get("ObjectLockMode") == "GOVERNANCE", f"{key} has no lock"
            assert held["ObjectLockRetainUntilDate"].isoformat().startswith("2030-01-01"), key
        store = fetched(endpoint, bucket, "", tmp_path / "fetched")
        assert judge(store, tenant.truth, Settings(versions="all")) == []
        for bag in read_store(store).bags.values():
            for row in bag.rows.values():
                if row.get("key"):
                    current = client.head_object(Bucket=bucket, Key=f"{bag.name}/{row['key']}")["VersionId"]
                    assert row["versionId"] == current, row["key"]
        client.close()
        product.run("verify", "--json", code=0)


LARGE = 3 * (8 << 20) + 17
PLACES = ("data/files/", "lastcopy/ledger/", "manifest-sha256.txt", "sources/", "runs/", "journal/", "lastcopy.json")
# When the process is killed: (the request to the store, how many pass first, whether the server has done it by then).
KILLS = {
    "first payload": ("put_object", 12, True),
    "among small files": ("put_object", 30, False),
    "in the middle of an upload in parts": ("upload_part", 1, True),
    "before an upload is completed": ("upload_part", 3, True),
    "when an upload was completed": ("complete_multipart_upload", 1, True),
    "in the fold": ("put_object", 56, True),
}


def killed_at(product: Product, between: Between, operation: str, after: int, *, done: bool) -> None:
    """`export`, killed at a request to the store."""
    process = product.start("export", "--json")

    def kill() -> None:
        os.killpg(process.pid, signal.SIGKILL)

    between.mishaps = [Mishap((operation,), after=after, times=1, **({"afterwards" if done else "then": kill}))]
    process.communicate(timeout=120)
    between.mishaps = []
    assert process.returncode == -signal.SIGKILL, f"it ended before request {after} of {operation}"


@pytest.fixture(scope="module")
def large_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One plain drive with one file that is stored in parts."""
    return tiny.make(tmp_path_factory.mktemp("large") / "tenant", drives=1, files=40, odd=False, large=LARGE)


OFTEN = ("in the middle of an upload in parts",)


@pytest.mark.parametrize(
    "kill", [kill if kill in OFTEN else pytest.param(kill, marks=pytest.mark.soak) for kill in KILLS]
)
def test_every_version_is_locked_although_the_run_was_killed(
    large_data: Path, tmp_path: Path, served: tuple[str, Between], endpoint: str, kill: str
) -> None:
    """(issue 4, d) Objects in one piece and in parts, of a run that was killed and resumed: each version has its lock."""
    client, bucket = with_client(endpoint), f"killed-{list(KILLS).index(kill)}"
    client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    with Tenant(large_data) as tenant:
        lock = {"mode": "governance", "until": "2030-01-01T00:00:00Z"}
        product = into_bucket(tmp_path / "work", tenant, endpoint, f"s3://{bucket}/p", object_lock=lock)
        operation, after, done = KILLS[kill]
        killed_at(product, served[1], operation, after, done=done)
        product.export(code=0)
        keys = set()
        for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
            assert not page.get("DeleteMarkers")
            for entry in page["Versions"]:
                keys.add(entry["Key"].removeprefix("p/"))
                held = client.head_object(Bucket=bucket, Key=entry["Key"], VersionId=entry["VersionId"])
                assert held.get("ObjectLockMode") == "GOVERNANCE", f"{entry['Key']} has a version without a lock"
                assert held["ObjectLockRetainUntilDate"].isoformat().startswith("2030-01-01"), entry["Key"]
        assert all(any(place in key for key in keys) for place in PLACES)
        huge = next(key for key in keys if key.endswith("huge.bin"))
        assert client.head_object(Bucket=bucket, Key=f"p/{huge}")["ETag"].endswith('-4"'), "it was to be made in parts"
        store = fetched(endpoint, bucket, "p", tmp_path / "fetched")
        assert judge(store, tenant.truth, Settings(versions="all")) == []
        for level in ("full", "stored"):
            product.run("verify", "--level", level, "--json", code=0)
    client.close()


def test_a_lock_without_versioning_is_refused(plain_data: Path, tmp_path: Path, endpoint: str) -> None:
    with Tenant(plain_data) as tenant:
        lock = {"mode": "governance", "until": "2030-01-01T00:00:00Z"}
        product = into_bucket(tmp_path / "work", tenant, endpoint, f"s3://{BUCKET}/unlocked", object_lock=lock)
        result = product.run("export", "--json")
        assert result.code in (1, 2) and result.document["error"]["action"]
        assert fetched(endpoint, BUCKET, "unlocked", tmp_path / "fetched").exists() is False
