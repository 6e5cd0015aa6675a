"""`verify` on a bucket: what is asked of it at each level, by how many at once, and what is found there alone."""

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from exporters.bag.verify import Choice, verify_bag
from exporters.clock import ManualClock, SystemClock
from exporters.store.protocol import LockPolicy
from exporters.store.s3 import S3Store
from retention.verification import VerifyRequest, verify_store
from tests.contracts.store_servers import client, make_bucket, moto_server
from tests.unit.bag import mailbox_bag
from tests.unit.bag.handmade_bag import HandmadeBag, usual_bag
from tests.unit.bag.test_verify_root import BAGS, journal_of

UNTIL = datetime(2031, 1, 1, tzinfo=UTC)
LOCK = LockPolicy("governance", UNTIL)


class Watched(S3Store):
    """Notes what is asked of the payload, and by which threads."""

    asked: Counter[str]
    threads: set[int]

    def send(self, operation: str, key: str = "", **parameters: Any) -> dict[str, Any]:
        if "/data/" in key:
            self.asked[operation] += 1
            self.threads.add(threading.get_ident())
        return super().send(operation, key, **parameters)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as endpoint:
        yield endpoint


def opened(endpoint: str, bucket: str, lock: LockPolicy | None = None) -> Watched:
    store = Watched(
        bucket,
        "copy",
        clock=ManualClock(datetime(2026, 11, 25, tzinfo=UTC)),
        region="us-east-1",
        endpoint_url=endpoint,
        lock=lock,
    )
    store.asked, store.threads = Counter(), set()
    return store


def filled(store: Watched, files: int = 40) -> HandmadeBag:
    """A bag whose rows have the versions that the bucket gave; the payload was put with its SHA-256."""
    made = usual_bag()
    rows = [made.file(f"X{n}", "F2", f"/Empty/{n}.txt", b"%d" % n * 9) for n in range(files)]
    for row in rows:
        key = f"{made.bag}/{row['item']['key']}"
        stored = store.put(key, made.objects.pop(row["item"]["key"]), if_absent=True)
        if stored.version_id is not None:
            row["item"]["versionId"] = stored.version_id
    made.segment([*rows, made.folder("F2", "R", "/Empty", files), {"closed": {"reason": "complete"}}])
    made.fold()
    for name, data in made.objects.items():
        store.put(f"{made.bag}/{name}", data)
    store.asked.clear()
    store.threads.clear()
    return made


@pytest.fixture
def plain(moto: str) -> Iterator[Watched]:
    store = opened(moto, make_bucket(moto))
    yield store
    store.close()


@pytest.fixture
def locked(moto: str) -> Iterator[Watched]:
    store = opened(moto, make_bucket(moto, lock=True), LOCK)
    yield store
    store.close()


def test_full_reads_each_object_once_and_many_at_once(plain: Watched) -> None:
    made = filled(plain)
    found = verify_bag(plain, made.bag)
    assert found.whole and found.files == found.files_read == 47, found
    assert plain.asked == {"get_object": 47} and len(plain.threads) > 3
    plain.put(f"{made.bag}/data/files/Empty/7.txt", b"8" * 9)
    assert [f.name for f in verify_bag(plain, made.bag).changed.first] == ["data/files/Empty/7.txt"]


def test_stored_asks_each_object_once_and_reads_none(plain: Watched, locked: Watched) -> None:
    """Size from the list; version, lock and the store's own checksum from one request each, or two with a lock."""
    made = filled(plain)
    assert verify_bag(plain, made.bag, level="stored").whole
    assert plain.asked == {"head_object": 47} and len(plain.threads) > 3
    made = filled(locked)
    found = verify_bag(locked, made.bag, level="stored", lock=LOCK)
    assert found.whole and locked.asked == {"head_object": 2 * 47}, found


def test_the_stores_own_checksum_is_looked_at(plain: Watched) -> None:
    """Other bytes of the same length, in a bucket without versions: found without reading them."""
    made = filled(plain)
    plain.put(f"{made.bag}/data/files/Empty/7.txt", b"8" * 9)
    found = verify_bag(plain, made.bag, level="stored")
    assert [(f.name, f.why) for f in found.changed.first] == [
        ("data/files/Empty/7.txt", "the store's own checksum is another SHA-256 than its row says")
    ]
    assert "get_object" not in plain.asked


def test_a_newer_version_is_found_without_reading_it(locked: Watched) -> None:
    made = filled(locked)
    key = "data/files/Empty/7.txt"
    locked.put(f"{made.bag}/{key}", b"7" * 9)  # the same bytes again
    found = verify_bag(locked, made.bag, level="stored")
    assert [f.name for f in found.changed.first] == [key] and "newest version" in found.changed.first[0].why
    assert verify_bag(locked, made.bag, level="full").whole


@pytest.mark.parametrize("name", ["data/about.txt", "lastcopy/ledger/000000002.jsonl", "manifest-sha256.txt"])
@pytest.mark.parametrize("level", ["stored", "full"])
def test_an_object_without_its_lock_is_found(moto: str, locked: Watched, name: str, level: Any) -> None:
    made = filled(locked, files=1)
    client(moto).put_object(Bucket=locked.bucket, Key=f"copy/{made.bag}/{name}", Body=made.objects[name])
    assert verify_bag(locked, made.bag, level=level).whole
    found = verify_bag(locked, made.bag, level=level, lock=LOCK)
    assert [(f.name, f.why) for f in found.changed.first] == [(name, "it is not locked")]
    longer = LockPolicy("governance", UNTIL.replace(year=2032))
    assert verify_bag(locked, made.bag, level=level, lock=longer).changed.count > 10


def test_a_sample_reads_some_and_asks_for_the_rest(plain: Watched) -> None:
    made = filled(plain)
    found = verify_bag(plain, made.bag, level="stored", choice=Choice(everything=False, share=0.5))
    assert found.whole and 5 < found.files_read < 42, found
    assert plain.asked == {"get_object": found.files_read, "head_object": 47 - found.files_read}


def test_several_bags_of_a_bucket_are_verified_at_once(plain: Watched) -> None:
    """In their order, with the results of each; one that is damaged does not hide the others."""
    for bag in BAGS:
        made = usual_bag(bag, source_id=f"drive of {bag}")
        if bag == BAGS[1]:
            made.objects["data/files/Docs/a.txt"] = b"x"
        for name, data in made.objects.items():
            plain.put(f"{bag}/{name}", data)
    for key, data in journal_of([[{"type": "run_started", "run": "r"}]]).items():
        plain.put(key, data)
    found = verify_store(plain, VerifyRequest(), SystemClock())
    assert [one.bag for one in found.bags] == sorted(BAGS)
    assert [one.bag for one in found.bags if one.changed] == [BAGS[1]]
    assert sum(one.files for one in found.bags) == 4 * 7 - 1


def test_an_object_that_holds_entries_is_read_once_for_both(locked: Watched) -> None:
    """The zips of a mailbox are downloaded once; what is wrong in one is found as in a folder."""
    mailbox_bag.whole_mailbox(locked)
    locked.asked.clear()
    found = verify_bag(locked, mailbox_bag.BAG, refold=True)
    assert found.whole and found.files == found.files_read == 8, found
    assert locked.asked == {"get_object": 8}
    locked.asked.clear()
    assert verify_bag(locked, mailbox_bag.BAG, level="stored").whole and set(locked.asked) == {"head_object"}
    locked.put(f"{mailbox_bag.BAG}/{mailbox_bag.ZIP_1}", locked.read(f"{mailbox_bag.BAG}/{mailbox_bag.ZIP_1}"))
    assert verify_bag(locked, mailbox_bag.BAG).whole


def test_faults_of_entries_are_found_in_a_bucket(plain: Watched) -> None:
    others = {
        mailbox_bag.ZIP_1: mailbox_bag.zipped({**mailbox_bag.ENTRIES[mailbox_bag.ZIP_1], mailbox_bag.HELLO: b"other"}),
        mailbox_bag.CONTACTS: mailbox_bag.LINES[mailbox_bag.CONTACTS][0] + b"\n",
    }
    mailbox_bag.whole_mailbox(plain, others)
    found = verify_bag(plain, mailbox_bag.BAG)
    assert [f.name for f in found.changed.first] == [f"{mailbox_bag.ZIP_1}!{mailbox_bag.HELLO}"]
    assert [f.name for f in found.missing.first] == [f"{mailbox_bag.CONTACTS}!2"]
