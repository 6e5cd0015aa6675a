"""Objects of the payload while they are made: uploads in pieces, and when an object is closed."""

import threading
import time
import zipfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.bag import objects as capture_objects
from exporters.bag.catalogue import Catalogue
from exporters.bag.ledger import BagWriter, Run, open_bag
from exporters.bag.uploads import PIECE, Upload
from exporters.clock import ManualClock
from exporters.mail.capture.objects import Numbers, Objects
from exporters.sources import Source, SourceKind
from exporters.store.folder import FolderStore
from exporters.store.protocol import Stored

START = datetime(2026, 11, 23, 15, 40, tzinfo=UTC)


class Sink:
    """Takes an upload as a store does; fails after so many chunks."""

    def __init__(self, fails_after: int | None = None) -> None:
        self.data, self.is_whole, self._fails_after = b"", False, fails_after

    def put(self, chunks: Iterable[bytes]) -> Stored:
        for number, chunk in enumerate(chunks):
            if number == self._fails_after:
                raise OSError("the disk went away")
            self.data += chunk
        if self._fails_after is not None:
            raise OSError("the disk went away at the end")
        self.is_whole = True
        return Stored("k", len(self.data), "", "")


# ---------------------------------------------------------------------------------------------------------- uploads


def whole(upload: Upload) -> Stored:
    """End it, and wait for the store."""
    upload.end()
    return upload.stored()


@given(st.lists(st.binary(max_size=3 * PIECE // 2), max_size=6))
@settings(deadline=None)
def test_what_is_written_arrives_in_order_and_whole(parts: list[bytes]) -> None:
    sink = Sink()
    upload = Upload(sink.put)
    for part in parts:
        assert upload.write(part) == len(part)
    assert whole(upload).size == len(b"".join(parts))
    assert sink.data == b"".join(parts) and sink.is_whole


@pytest.mark.parametrize("after", [0, 1, 3, 40])
def test_what_fails_in_the_store_comes_out_of_the_next_write_or_of_the_end(after: int) -> None:
    upload = Upload(Sink(after).put)
    with pytest.raises(OSError, match="went away"):
        for _ in range(100):
            upload.write(b"x" * PIECE)
        whole(upload)
    with pytest.raises(OSError, match="went away"):
        whole(upload)


def test_an_upload_that_is_given_up_leaves_nothing_and_takes_what_comes_later() -> None:
    """A zip that is thrown away writes its end when it is forgotten, be it long."""
    sink = Sink()
    upload = Upload(sink.put)
    upload.write(b"x" * 3 * PIECE)
    upload.abandon()
    assert not sink.is_whole
    late = threading.Thread(target=lambda: [upload.write(b"y" * PIECE) for _ in range(100)], daemon=True)
    late.start()
    late.join(20)
    assert not late.is_alive()


def test_a_slow_store_holds_the_writer_back() -> None:
    """What waits is bounded: memory does not grow with what is fetched."""
    go = threading.Event()

    def put(chunks: Iterable[bytes]) -> Stored:
        go.wait(20)
        return Stored("k", sum(map(len, chunks)), "", "")

    upload, written = Upload(put), 0

    def write() -> None:
        nonlocal written
        for _ in range(100):
            upload.write(b"x" * PIECE)
            written += 1

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    time.sleep(0.3)
    assert written < 20
    go.set()
    writer.join(20)
    assert whole(upload).size == 100 * PIECE


# ---------------------------------------------------------------------------------------------------------- objects


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FolderStore]:
    found = FolderStore(tmp_path)
    yield found
    found.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def writer(store: FolderStore, clock: ManualClock) -> Iterator[BagWriter]:
    source = Source(SourceKind.MAIL, "u", "ada@x.example")
    bag = Catalogue(store).bag_of(source, cloud="custom", at="2026-11-23T15:40:00Z")
    row = {"kind": "mail", "id": "u", "owner": None, "cloud": "custom", "name": source.name, "settings": {}}
    with open_bag(store, bag, row, Run("20261123T154000Z-000000", clock, lambda: 0)) as opened:
        yield opened


def keys(store: FolderStore, writer: BagWriter) -> list[str]:
    start = f"{writer.bag}/data/originals/"
    return [info.key.removeprefix(start) for info in store.list(start)]


def add(objects: Objects, item_id: str, content: bytes = b"Subject: x\r\n\r\n") -> str:
    """A message; its key."""
    mail = objects.mail()
    name = mail.name("Inbox", "subject", item_id)
    key = mail.add(name, BytesIO(content), len(content), START)
    mail.record({"id": item_id, "entry": name})
    row = {
        "kind": "message",
        "scope": "",
        "id": item_id,
        "key": key,
        "outcome": "copied",
        "size": len(content),
        "sha256": "x",
    }
    mail.rows.append(("item", row))
    return key


def test_an_object_is_closed_before_a_thousand_items(store: FolderStore, writer: BagWriter, clock: ManualClock) -> None:
    """And the next one gathers no more beside it than makes a thousand, until the rows of the first are on record."""
    assert capture_objects.CLOSED_AT + capture_objects.BESIDE < 1_000
    objects = Objects(writer, clock)
    for n in range(1_001):
        add(objects, str(n))
        objects.close_due()
    objects.finish()
    assert keys(store, writer) == ["mail-00001.zip", "mail-00002.zip"]
    with zipfile.ZipFile(BytesIO(store.read(f"{writer.bag}/data/originals/mail-00001.zip"))) as archive:
        assert len(archive.namelist()) == capture_objects.CLOSED_AT + 1 and archive.namelist()[-1] == "records.jsonl"
        assert len(archive.read("records.jsonl").splitlines()) == capture_objects.CLOSED_AT


@pytest.mark.parametrize("seconds", [59.0, 61.0])
def test_an_object_is_closed_after_sixty_seconds(
    store: FolderStore, writer: BagWriter, clock: ManualClock, seconds: float
) -> None:
    objects = Objects(writer, clock)
    add(objects, "1")
    objects.lines("contacts").add({"id": "c"})
    clock.advance(seconds)
    objects.close_due()
    objects._settle()
    assert keys(store, writer) == ([] if seconds < 60 else ["contacts-00001.jsonl", "mail-00001.zip"])
    objects.finish()


def test_an_object_is_closed_at_256_mib(
    store: FolderStore, writer: BagWriter, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert capture_objects.BYTES == 256 << 20
    monkeypatch.setattr(capture_objects, "BYTES", 1 << 20)
    objects, chunk = Objects(writer, clock), bytes(range(256)) * 4096
    add(objects, "1", chunk[:1000])
    objects.lines("contacts").add({"id": "c", "graph": "x" * 1_100_000})
    objects.close_due()
    objects._settle()
    assert keys(store, writer) == ["contacts-00001.jsonl"]
    add(objects, "2", chunk)
    objects.close_due()
    objects._settle()
    assert keys(store, writer) == ["contacts-00001.jsonl", "mail-00001.zip"], (
        "as the messages are, not as they are packed"
    )
    objects.finish()


def test_rows_stand_in_one_segment_with_their_object(store: FolderStore, writer: BagWriter, clock: ManualClock) -> None:
    objects = Objects(writer, clock)
    wanted = [add(objects, str(n)) for n in range(3)]
    assert not [*writer.state.rows("kind = 'message'")]
    before = writer.position.number
    objects.finish()
    assert writer.position.number == before + 1
    segment = store.read(f"{writer.bag}/lastcopy/ledger/{writer.position.number:09d}.jsonl")
    assert all(f'"key":"{key}"'.encode() in segment for key in wanted) and b'"kind":"original"' in segment


def test_numbers_follow_what_lies_in_the_store(store: FolderStore, writer: BagWriter, clock: ManualClock) -> None:
    for key in ("mail-00007.zip", "contacts-00003/00000001 photo.jpg", "events-00002.jsonl", "other.txt", "pst-1.zip"):
        store.put(f"{writer.bag}/data/originals/{key}", b"x")
    numbers = Numbers(writer)
    assert [numbers.take(kind) for kind in ("mail", "mail", "contacts", "events", "tasks")] == [8, 9, 4, 3, 1]


def test_what_is_given_up_leaves_nothing(store: FolderStore, writer: BagWriter, clock: ManualClock) -> None:
    objects = Objects(writer, clock)
    add(objects, "1", b"x" * 2_000_000)
    objects.lines("events").add({"id": "e"})
    objects.abandon()
    assert keys(store, writer) == [] and not [*writer.state.rows("kind = 'original'")]
    objects.finish()


@pytest.mark.parametrize(
    "at",
    [
        None,
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1979, 12, 31, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2024, 5, 6),  # noqa: DTZ001 - a service may leave the zone out
        START + timedelta(days=1),
    ],
)
def test_any_date_can_be_the_date_of_an_entry(writer: BagWriter, clock: ManualClock, at: Any) -> None:
    objects = Objects(writer, clock)
    mail = objects.mail()
    mail.add(mail.name("Inbox", "x", "1"), BytesIO(b"x"), 1, at)
    mail.record({"id": "1"})
    objects.finish()


def test_bytes_of_items_are_numbered_below_their_object(
    store: FolderStore, writer: BagWriter, clock: ManualClock
) -> None:
    objects = Objects(writer, clock)
    put = [objects.put_piece("events", "a/b.txt", str(n), BytesIO(b"x"), 1)[0] for n in range(2)]
    objects.lines("events").add({"id": "e"})
    objects.finish()
    put.append(objects.put_piece("events", "", "3", BytesIO(b"x"), 1)[0])
    objects.lines("events").add({"id": "e"})
    objects.finish()
    names = [key.removeprefix("data/originals/") for key in put]
    assert names[0].startswith("events-00001/00000001 a~") and names[1].startswith("events-00001/00000002 a~")
    assert names[2] == "events-00002/00000001"
