"""Level `stored` on a store with versions and locks. The store is the outside: a folder that says what an S3 bucket would."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from exporters.bag.verify import verify_bag
from exporters.store.errors import StoreUnreachableError, StoreUnwritableError
from exporters.store.folder import FolderStore
from exporters.store.protocol import LockPolicy, LockState, ObjectInfo
from tests.unit.bag.handmade_bag import HandmadeBag, usual_bag

UNTIL = datetime(2027, 1, 1, tzinfo=UTC)
LOCK = LockPolicy("governance", UNTIL)


class Bucket(FolderStore):
    """A folder with a version and a lock for each object."""

    versions: dict[str, str]
    locks: dict[str, LockState]
    errors: dict[str, Exception]

    @property
    def features(self) -> Any:
        return replace(super().features, versioning=True, object_lock=True)

    def stat(self, key: str) -> ObjectInfo | None:
        info = super().stat(key)
        return None if info is None else replace(info, version_id=self.versions.get(key, "v1"))

    def lock_state(self, key: str) -> LockState | None:
        return self.locks.get(key, LockState("governance", UNTIL))

    def open(self, key: str, start: int = 0, end: int | None = None) -> Any:
        if key in self.errors:
            raise self.errors[key]
        return super().open(key, start, end)


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Bucket]:
    made = Bucket(tmp_path / "store")
    made.versions, made.locks, made.errors = {}, {}, {}
    yield made
    made.close()


@pytest.fixture
def made(tmp_path: Path) -> HandmadeBag:
    bag = usual_bag()
    bag.segment([bag.file("P", "F2", "/Empty/v.txt", b"v", versionId="v1"), bag.folder("F2", "R", "/Empty", 1)])
    bag.fold()
    bag.write(tmp_path / "store")
    return bag


def test_the_version_of_a_row_is_the_newest_of_its_object(bucket: Bucket, made: HandmadeBag) -> None:
    assert verify_bag(bucket, made.bag, level="stored").whole
    bucket.versions[f"{made.bag}/data/files/Empty/v.txt"] = "v2"
    found = verify_bag(bucket, made.bag, level="stored")
    assert [finding.name for finding in found.changed.first] == ["data/files/Empty/v.txt"]


@pytest.mark.parametrize(
    ("state", "right"),
    [
        (LockState("governance", UNTIL), True),
        (LockState("compliance", UNTIL + timedelta(days=1)), True),
        (LockState("governance", UNTIL - timedelta(days=1)), False),
        (LockState(None, None), False),
    ],
)
@pytest.mark.parametrize("level", ["stored", "full"])
def test_locks_are_read_where_asked(
    bucket: Bucket, made: HandmadeBag, state: LockState, right: bool, level: Any
) -> None:
    bucket.locks[f"{made.bag}/data/about.txt"] = state
    assert verify_bag(bucket, made.bag, level=level).whole
    found = verify_bag(bucket, made.bag, level=level, lock=LOCK)
    assert [finding.name for finding in found.changed.first] == ([] if right else ["data/about.txt"])


def test_an_object_that_cannot_be_read_is_a_finding_and_a_store_that_cannot_is_the_end(
    bucket: Bucket, made: HandmadeBag
) -> None:
    key = f"{made.bag}/data/about.txt"
    bucket.errors[key] = StoreUnwritableError("bad sector", code="store_io", action="Test the disk.")
    found = verify_bag(bucket, made.bag)
    assert [finding.name for finding in found.changed.first] == ["data/about.txt"] and found.files == 8
    bucket.errors[key] = StoreUnreachableError("no route", code="store_unreachable", action="")
    with pytest.raises(StoreUnreachableError):
        verify_bag(bucket, made.bag)
