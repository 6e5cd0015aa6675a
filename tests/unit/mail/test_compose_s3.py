"""Composing in a bucket: the same bytes as in a folder, each object read once, never much on the machine."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from exporters.clock import ManualClock
from exporters.mail.compose import bag_reading
from exporters.store.s3 import S3Store
from tests.contracts.store_servers import make_bucket, moto_server
from tests.unit.mail.mailbox_bag import Mail, MailboxBag, folder_bag, mime


class Watched(S3Store):
    """Notes how many bytes of originals were asked for."""

    read_bytes: Counter[str]

    def open(self, key: str, start: int = 0, end: int | None = None) -> Any:
        if "/originals/" in key and (info := self.stat(key)) is not None:
            self.read_bytes[key.rpartition("/")[2]] += min(end or info.size, info.size) - start
        return super().open(key, start, end)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(moto: str) -> Iterator[MailboxBag]:
    clock = ManualClock(datetime(2026, 11, 25, tzinfo=UTC))
    store = Watched(make_bucket(moto), "copy", clock=clock, region="us-east-1", endpoint_url=moto)
    store.read_bytes = Counter()
    yield MailboxBag(store, clock)
    store.close()


def filled(box: MailboxBag) -> None:
    box.tree()
    noise = [bytes((n * k * 7919) % 251 for k in range(30_000)).hex() for n in range(1, 31)]
    for number in range(1, 4):
        mails = [
            Mail(f"id{n:03d}", mime(f"m{n}", noise[n]), received=f"2026-11-{(n * 7) % 28 + 1:02d}T00:00:00Z")
            for n in range(number - 1, 30, 3)
        ]
        box.mails(number, mails)
    graph = {"displayName": "Bo"}
    box.folder("c", "Contacts", None, "contacts", wellKnownName="contacts")
    box.lines("contact", "contacts", 1, [{"id": f"bo{n}", "graph": graph} for n in range(5)], "c")


def test_a_bucket_gives_the_bytes_of_a_folder_and_each_zip_is_read_about_once(
    bucket: MailboxBag, tmp_path: Path
) -> None:
    box = folder_bag(tmp_path / "store")
    for one in (box, bucket):
        with one.run():
            filled(one)
            composed = one.compose()
            assert composed.messages == 35 and not composed.not_composed
    assert box.pst() == bucket.pst()
    assert isinstance(bucket.store, Watched)
    for number in range(1, 4):
        name = f"mail-{number:05d}.zip"
        info = bucket.store.stat(f"{bucket.bag}/data/originals/{name}")
        assert info is not None and bucket.store.read_bytes[name] < 2.5 * info.size


def test_with_little_room_the_objects_are_fetched_again_and_the_bytes_are_the_same(
    bucket: MailboxBag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = folder_bag(tmp_path / "store")
    with box.run():
        filled(box)
        box.compose()
    with bucket.run():
        filled(bucket)
        info = bucket.store.stat(f"{bucket.bag}/data/originals/mail-00001.zip")
        assert info is not None
        monkeypatch.setattr(bag_reading, "SPOOLED", int(info.size * 1.5))  # one at a time
        bucket.compose()
    assert box.pst() == bucket.pst()


def test_of_a_zip_of_which_little_is_wanted_only_that_is_asked_for(bucket: MailboxBag) -> None:
    with bucket.run():
        filled(bucket)
        bucket.compose()
    assert isinstance(bucket.store, Watched)
    bucket.store.read_bytes.clear()
    with bucket.run():
        row = bucket.row("message", "id004")
        bucket.writer.emit("item", {name: value for name, value in row.items() if name != "pst"})
        composed = bucket.compose()
        name = row["record"].rpartition("/")[2]
        info = bucket.store.stat(f"{bucket.bag}/{row['record']}")
    assert composed.messages == 1 and info is not None
    # the directory and the records are read in pieces of 1 MiB; what is wanted comes by itself
    assert bucket.store.read_bytes[name] < info.size + (2 << 20)
