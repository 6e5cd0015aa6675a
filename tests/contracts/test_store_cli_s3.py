"""S3 stores from the command line: servers that are not what they say, locks that are past, rights, lost answers.

Each case is a filter on the wire in front of moto; nothing of the product is replaced (design §4, issue 4, line d).
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.clock import SystemClock
from exporters.rehearsal.server import Rehearsal
from tests.contracts.cli_tenant import QUIET_SOURCES, Desk
from tests.contracts.store_mishaps import Between, Mishap, reversed_listing
from tests.contracts.store_servers import CREDENTIALS, client, make_bucket, moto_between

LOCK = ", object_lock: {mode: governance, until: 2040-01-01}"
PAST = ", object_lock: {mode: governance, until: 2020-01-01}"


@pytest.fixture(scope="module")
def tenant(plain_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """One plain drive that can be copied whole."""
    state = tmp_path_factory.mktemp("s") / "state"
    with Rehearsal(plain_data, clock=SystemClock(), licences=60_000, state=state) as served:
        yield served


@pytest.fixture(scope="module")
def moto() -> Iterator[tuple[str, Between]]:
    with moto_between() as served:
        yield served


class Shop:
    """A desk whose store is a bucket of its own behind the filter."""

    def __init__(self, desk: Desk, endpoint: str, between: Between, bucket: str) -> None:
        self.desk, self.endpoint, self.between, self.bucket = desk, endpoint, between, bucket
        self.run = desk.run

    def use(self, more: str = "") -> None:
        file = self.desk.configure(more=QUIET_SOURCES)
        store = f"store: {{url: s3://{self.bucket}/contoso, region: us-east-1, endpoint_url: '{self.endpoint}'{more}}}"
        file.write_text(file.read_text().replace("store: {url: file:./copy}", store))

    def objects(self) -> dict[str, dict[str, Any]]:
        """Every object by its key, with what HEAD says, seen by boto3."""
        self.between.mishaps = []
        s3, found = client(self.endpoint), {}
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
            for entry in page.get("Contents", []):
                key = entry["Key"].removeprefix("contoso/")
                found[key] = s3.head_object(Bucket=self.bucket, Key=entry["Key"])
        return found


@pytest.fixture
def shop(desk: Desk, moto: tuple[str, Between], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Shop]]:
    """Makes a desk with a bucket: `shop(lock=True)`: one with Object Lock; `more`: of the section `store`."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    endpoint, between = moto

    def make(*, lock: bool = False, more: str = "") -> Shop:
        between.mishaps = []
        made = Shop(desk, endpoint, between, make_bucket(endpoint, lock=lock))
        between.seen.clear()
        made.use(more)
        return made

    yield make
    between.mishaps = []


NOT_KNOWN = (501, "NotImplemented")
UNFIT = [
    ("ignores If-None-Match", Mishap(("put_object",), strip=("If-None-Match",)), "create-if-absent", ""),
    ("ignores If-Match", Mishap(("put_object",), strip=("If-Match",)), "replace-if-unchanged", ""),
    ("ignores If-None-Match in parts", Mishap(("complete_multipart_upload",), strip=("If-None-Match",)),
     "create-if-absent for large objects", ""),
    ("501 to If-None-Match", Mishap(("put_object",), "If-None-Match", refuse=NOT_KNOWN), "create-if-absent", ""),
    ("501 to If-Match", Mishap(("put_object",), "If-Match", refuse=NOT_KNOWN), "replace-if-unchanged", ""),
    ("501 to If-None-Match in parts", Mishap(("complete_multipart_upload",), "If-None-Match", refuse=NOT_KNOWN),
     "create-if-absent for large objects", ""),
    ("501 to uploads in parts", Mishap(("create_multipart_upload",), refuse=NOT_KNOWN), "create_multipart_upload", ""),
    ("drops locks", Mishap(("put_object",), strip=("X-Amz-Object-Lock-Mode", "X-Amz-Object-Lock-Retain-Until-Date")),
     "Object Lock", LOCK),
    ("tells no Date", Mishap(strip_answer=("Date",)), "Date", ""),
    ("knows no ranges", Mishap(("get_object",), strip=("Range",)), "ranges", ""),
]  # fmt: skip


@pytest.mark.parametrize(("mishap", "missing", "more"), [row[1:] for row in UNFIT], ids=[row[0] for row in UNFIT])
def test_an_unfit_server_is_refused_by_name(shop: Callable[..., Shop], mishap: Mishap, missing: str, more: str) -> None:
    """`check` and `export` end with 2, say what is missing and what to do, and write nothing but the probe. Twice."""
    made = shop(lock=bool(more), more=more)
    for _ in range(2):
        made.between.mishaps = [mishap]
        checked = made.run("check", "--json")
        assert checked.exit == 2, checked.out
        bad = [row for row in checked.json["checks"] if row["mark"] == "bad"]
        assert any(missing in row["message"] and row["action"] for row in bad), bad
        exported = made.run("export", "--json")
        assert exported.exit == 2, exported.out
        error = exported.json["error"]
        assert missing in error["message"], error
        assert error["action"]
        assert all(key.startswith("lastcopy-probe") for key in made.objects())


def test_a_server_that_lists_out_of_order_is_refused(shop: Callable[..., Shop]) -> None:
    """As soon as it has two objects to list: what is read in order would be taken for missing."""
    made = shop()
    assert made.run("export", "--json").exit == 0
    made.between.mishaps = [Mishap(("list_objects_v2",), change_body=reversed_listing)]
    for verb in ("check", "export", "verify"):
        result = made.run(verb, "--json")
        assert result.exit == 2, (verb, result.out)
        assert "out of order" in result.out


@pytest.mark.parametrize("enabled", [False, True], ids=["no versions", "versions, no lock"])
def test_lock_asked_of_a_bucket_without_it(shop: Callable[..., Shop], enabled: bool) -> None:
    """Refused by name before anything is written, not even the probe."""
    made = shop(more=LOCK)
    if enabled:
        settings = {"Status": "Enabled"}
        client(made.endpoint).put_bucket_versioning(Bucket=made.bucket, VersioningConfiguration=settings)
    says = "no Object Lock" if enabled else "keeps no versions"
    checked = made.run("check", "--json")
    assert checked.exit == 2
    assert says in checked.out
    exported = made.run("export", "--json")
    assert exported.exit == 2
    assert says in exported.json["error"]["message"]
    assert made.objects() == {}


def test_a_lock_date_in_the_past(shop: Callable[..., Shop]) -> None:
    """Years later: `check` and `export` refuse it; all else works, and says once that what it writes is not locked."""
    made = shop(lock=True, more=LOCK)
    assert made.run("export", "--json").exit == 0
    held = made.objects()
    made.use(PAST)
    checked = made.run("check", "--json")
    assert checked.exit == 2
    assert "is past" in checked.out
    exported = made.run("export", "--json")
    assert exported.exit == 2
    assert "is past" in exported.json["error"]["message"]
    assert "store.object_lock" in exported.json["error"]["action"]
    assert made.objects().keys() == held.keys()
    verified = made.run("verify", "--json")
    assert verified.exit == 0, verified.out
    assert verified.err.count("is not locked") == 1
    assert made.run("verify", "--level", "stored", "--json").exit == 0
    assert made.run("restore", "--to", str(made.desk.folder / "out"), "--json").exit == 0
    assert made.run("fold", "--json").exit == 0
    accepted = made.run(
        "accept",
        "source_not_found",
        "--source",
        "onedrive/nobody@x.example",
        "--by",
        "Anna",
        "--reason",
        "seen",
        "--json",
    )
    assert accepted.exit == 0
    assert accepted.err.count("is not locked") == 1
    objects = made.objects()
    new = [key for key in objects if key not in held]
    assert new
    assert all(key.startswith("journal/") and "ObjectLockMode" not in objects[key] for key in new)
    assert all(objects[key]["ObjectLockMode"] == "GOVERNANCE" for key in held)


def test_verify_still_compares_locks_when_the_date_is_past(shop: Callable[..., Shop]) -> None:
    made = shop(lock=True)
    assert made.run("export", "--json").exit == 0
    made.use(PAST)
    verified = made.run("verify", "--json")
    assert verified.exit == 3
    assert "not locked" in verified.out


def test_versioning_is_advised(shop: Callable[..., Shop]) -> None:
    made = shop()
    checked = made.run("check", "--json")
    assert checked.exit == 0
    row = next(row for row in checked.json["checks"] if row["name"] == "versioning")
    assert row["mark"] == "doubtful"
    assert "Enable versioning" in row["action"]


def test_a_bucket_that_is_encrypted_with_a_kms_key(shop: Callable[..., Shop]) -> None:
    """Nothing has to be configured: as far as moto goes, which checks no right on the key."""
    made = shop(lock=True, more=LOCK)
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}
    client(made.endpoint).put_bucket_encryption(Bucket=made.bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert made.run("check", "--json").exit == 0
    assert made.run("export", "--json").exit == 0
    for level in ("full", "stored"):
        assert made.run("verify", "--level", level, "--json").exit == 0
    held = made.objects()
    assert {head.get("ServerSideEncryption") for head in held.values()} == {"aws:kms"}
