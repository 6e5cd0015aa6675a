"""The directory in a bucket with Object Lock: the same bag as in a folder, every version locked, tables replaced beside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.store_servers import CREDENTIALS, moto_between
from tests.end_to_end.test_s3 import fetched, with_client
from tests.faults.directory_desk import SOURCES, DirectoryDesk, directory_desk, make
from tests.independent.judge_directory import judge, rows_of

BUCKET = "directory-locked"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[DirectoryDesk]:
    with moto_between() as (address, _), directory_desk(make(tmp_path / "tenant"), tmp_path / "product") as found:
        with_client(address).create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
        lock = {"mode": "governance", "until": "2030-01-01T00:00:00Z"}
        store = {"url": f"s3://{BUCKET}", "region": "us-east-1", "endpoint_url": address, "object_lock": lock}
        found.configure(store=store, sources=SOURCES)
        found.environment |= CREDENTIALS
        found.address = address  # type: ignore[attr-defined]
        yield found


def test_a_directory_in_a_locked_bucket(desk: DirectoryDesk, tmp_path: Path) -> None:
    address = desk.address  # type: ignore[attr-defined]
    desk.run("export", "--json", code=0)
    desk.change(
        {"kind": "user", "op": "update", "id": desk.expected.users[1]["id"], "set": {"jobTitle": "Diver"}},
        {"kind": "group", "op": "delete", "id": desk.expected.groups[2]["id"]},
    )
    desk.run("export", "--json", code=0)
    store = fetched(address, BUCKET, "", tmp_path / "fetched")
    found = judge(store, desk.expected)
    assert found == [], "\n".join(found[:10])
    client = with_client(address)
    for row in rows_of(store / "directory"):
        if "key" in row and "!" not in row["key"]:
            held = client.head_object(Bucket=BUCKET, Key=f"directory/{row['key']}")
            assert (held["VersionId"], held["ObjectLockMode"]) == (row["versionId"], "GOVERNANCE"), row
    tables = client.list_object_versions(Bucket=BUCKET, Prefix="directory/data/directory/")["Versions"]
    assert len(tables) == 6  # three, twice: what was there stays as a version
    client.close()
    assert desk.run("verify", "--json", code=0).document["reconciled"]
