"""The verbs on an S3 store, and beside another writer (design §4, §6)."""

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from exporters.bag.ledger import Run, open_bag
from exporters.clock import SystemClock
from exporters.rehearsal.server import Rehearsal
from exporters.store.folder import FolderStore
from tests.contracts.cli_tenant import QUIET_SOURCES, Desk
from tests.contracts.store_servers import CREDENTIALS, moto_server


@pytest.fixture(scope="module")
def tenant(plain_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """One plain drive that can be copied whole."""
    with Rehearsal(
        plain_data, clock=SystemClock(), licences=60_000, state=tmp_path_factory.mktemp("s") / "state"
    ) as served:
        yield served


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of an S3 server with the buckets `plain` and `locked`."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with moto_server() as address:
        client = boto3.client("s3", endpoint_url=address)
        client.create_bucket(Bucket="plain")
        client.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
        client.close()
        yield address


def use_bucket(desk: Desk, address: str, name: str, more: str = "") -> None:
    file = desk.configure(more=QUIET_SOURCES)
    store = f"store: {{url: s3://{name}/contoso, endpoint_url: '{address}'{more}}}"
    file.write_text(file.read_text().replace("store: {url: file:./copy}", store))


@pytest.mark.parametrize(
    ("name", "more"), [("plain", ""), ("locked", ", object_lock: {mode: governance, until: 2040-01-01}")]
)
def test_a_whole_copy_in_a_bucket(desk: Desk, bucket: str, name: str, more: str) -> None:
    use_bucket(desk, bucket, name, more)
    checked = desk.run("check", "--json")
    assert checked.exit == 0, checked.out
    exported = desk.run("export", "--json")
    assert exported.exit == 0, exported.out + exported.err
    assert exported.json["totals"]["copied"] > 0
    again = desk.run("export", "--json")
    assert (again.exit, again.json["totals"]["copied"]) == (0, 0)
    for level in ("stored", "full"):
        verified = desk.run("verify", "--level", level, "--json")
        assert verified.exit == 0, verified.out
    assert desk.run("restore", "--to", str(desk.folder / "out"), "--json").exit == 0


def test_a_bucket_that_is_not_there(desk: Desk, bucket: str) -> None:
    use_bucket(desk, bucket, "nowhere")
    result = desk.run("export", "--json")
    assert result.exit in (1, 2)
    assert result.json["error"]["action"]
    assert desk.run("check", "--json").exit in (1, 2)


def test_complete_means_exit_0_and_a_run_without_news_asks_little(desk: Desk) -> None:
    """Beyond discovery (organization, licences, users, the users without a drive) one delta call per drive."""
    assert desk.run("export", "--json").exit == 0
    again = desk.run("export", "--json").json
    assert again["exit"] == 0
    drives = len(again["sources"])
    assert again["requests"]["resource_units"] == drives + 2  # beside the page of all sites
    assert again["totals"]["bytes"] == 0


def test_another_writer_at_work_is_named_and_exit_1(desk: Desk) -> None:
    source = desk.run("export", "--json").json["sources"][0]
    store = FolderStore(desk.copy, url="file:copy")
    other = Run("20260101T000000Z-000000", SystemClock(), lambda: 0)
    described = {
        "kind": "onedrive",
        "id": json.loads((desk.copy / source["bag"] / "lastcopy/source.json").read_text())["id"],
        "owner": None,
        "cloud": "custom",
        "name": source["name"],
        "settings": {},
    }
    with open_bag(store, source["bag"], described, other) as writer:
        writer.emit(
            "count",
            {"at": "2026-01-01T00:00:00Z", "by": "test", "expected": 1, "id": "x", "kind": "folder", "scope": "y"},
        )
        writer.flush()
    before = desk.files()
    result = desk.run("export", "--json")
    assert result.exit == 1
    assert result.json["error"]["code"] == "another_writer"
    assert "--take-over" in result.json["error"]["action"]
    kept = {name: data for name, data in desk.files().items() if not name.startswith(("journal/", "runs/"))}
    assert kept == {name: data for name, data in before.items() if not name.startswith(("journal/", "runs/"))}
    assert desk.run("fold", "--json").exit == 1
    assert desk.run("export", "--take-over", "--json").exit in (0, 3)
    assert desk.run("verify", "--json").json["changed"] == 0
    store.close()
