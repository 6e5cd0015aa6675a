"""The journal: rows chained by hash, one winner for each number, nothing lost by who loses (design §4)."""

import hashlib
import json
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from threading import Thread

import pytest

from exporters.clock import ManualClock
from exporters.store.folder import FolderStore
from exporters.store.segments import SegmentDamagedError
from retention.journal import Journal

CLOCK = ManualClock(datetime(2026, 11, 23, 15, 40, 17, tzinfo=UTC))


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store", url="file:store")


def test_rows_come_back_in_order_and_chained(store: FolderStore) -> None:
    journal = Journal(store, CLOCK)
    journal.append([{"type": "run_started", "verb": "export"}, {"type": "observation", "n": 1}], run="r1")
    Journal(store, CLOCK).append([{"type": "run_ended", "exit": 0}], run="r1")
    rows = list(journal.rows())
    assert [row["type"] for row in rows] == ["run_started", "observation", "run_ended"]
    assert rows[0]["previous"] is None
    for before, row in pairwise(rows):
        line = json.dumps(before, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
        assert row["previous"] == hashlib.sha256(line.encode()).hexdigest()
    assert all(row["at"] == "2026-11-23T15:40:17Z" and row["run"] == "r1" for row in rows)


def test_many_writers_at_once_lose_nothing(store: FolderStore) -> None:
    """Whoever loses the race for a number reads what came first and takes the next."""

    def write(name: int) -> None:
        journal = Journal(store, CLOCK)
        for number in range(5):
            journal.append([{"type": "observation", "who": name, "number": number}])

    threads = [Thread(target=write, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = list(Journal(store, CLOCK).rows())
    assert {(row["who"], row["number"]) for row in rows} == {(who, number) for who in range(6) for number in range(5)}
    assert len(rows) == 30
    assert len(list(store.list("journal/"))) == 30


def test_a_damaged_segment_is_an_error_and_nothing_is_appended(store: FolderStore, tmp_path: Path) -> None:
    Journal(store, CLOCK).append([{"type": "observation"}])
    segment = tmp_path / "store" / "journal" / "000000001.jsonl"
    segment.write_bytes(segment.read_bytes().replace(b"observation", b"observatiom"))
    with pytest.raises(SegmentDamagedError):
        Journal(store, CLOCK).append([{"type": "observation"}])
    assert len(list(store.list("journal/"))) == 1
