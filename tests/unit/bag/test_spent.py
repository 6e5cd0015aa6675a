"""What segments of the last day tell of units spent, and what they leave open (design §9)."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from exporters.bag.formats import LEDGER, dump_json, dump_row
from exporters.bag.spent import Spent, spent_units
from exporters.clock import ManualClock, stamp, timestamp
from exporters.store.folder import FolderStore
from exporters.store.opening import open_store
from exporters.store.segments import START, Position, SegmentLog

NOW = datetime.now(UTC).replace(microsecond=0)
PLAIN = {"versions": "current", "permissions": "none"}


class Ledgers:
    """A store with bags, and runs that write segments into them."""

    def __init__(self, folder: Path) -> None:
        self.store = open_store("file:./store", base=folder, clock=ManualClock(NOW))
        assert isinstance(self.store, FolderStore)
        self.root = folder / "store"
        self._ends: dict[str, Position] = {}

    def segment(
        self,
        bag: str,
        ago: float,
        units: int,
        *,
        run_ago: float = 600.0,
        writer: str = "w",
        closed: bool = False,
        settings: dict[str, Any] | None = None,
    ) -> None:
        """A segment written so many seconds ago, by a run that began `run_ago` seconds ago."""
        if bag not in self._ends:
            self.store.put(f"sources/{len(self._ends):024x}.json", dump_json({"bag": bag}))
        at = NOW - timedelta(seconds=ago)
        run = f"{stamp(NOW - timedelta(seconds=run_ago))}-0a1b2c"
        first = {"run": run, "at": timestamp(at), "units": units, "writer": {"id": writer}}
        lines = [dump_row({"source": {"settings": settings}})] if settings else []
        lines += [dump_row({"closed": {"reason": "complete"}})] if closed else []
        log = SegmentLog(self.store, f"{bag}/{LEDGER}")
        self._ends[bag] = log.append(self._ends.get(bag, START), lines, first)
        path = self.root / log.key(self._ends[bag].number)
        os.utime(path, (at.timestamp(), at.timestamp()))

    def read(self, before: datetime = NOW) -> Spent:
        return spent_units(self.store, before, NOW)

    def spends(self, before: datetime = NOW) -> Sequence[tuple[float, int]]:
        """(seconds ago, units)."""
        return [(NOW.timestamp() - at, units) for at, units in self.read(before).spends]


@pytest.fixture
def ledgers(tmp_path: Path) -> Ledgers:
    return Ledgers(tmp_path)


def test_units_of_the_last_day_come_from_every_bag(ledgers: Ledgers) -> None:
    ledgers.segment("onedrive/a", 90_000, 7)
    ledgers.segment("onedrive/a", 80_000, 11)
    ledgers.segment("onedrive/a", 30, 13, closed=True)
    ledgers.segment("onedrive/b", 40, 17, closed=True)
    ledgers.segment("onedrive/b", 20, 0, closed=True)
    assert ledgers.spends() == [(80_000, 11), (40, 17), (30, 13)]
    assert ledgers.read().unrecorded == []


def test_an_empty_store_tells_nothing(ledgers: Ledgers) -> None:
    assert ledgers.read() == Spent([], [])


def test_what_was_written_after_the_state_was_made_is_known_there(ledgers: Ledgers) -> None:
    ledgers.segment("onedrive/a", 50, 5)
    ledgers.segment("onedrive/a", 10, 6, closed=True)
    assert ledgers.read(NOW - timedelta(seconds=20)) == Spent([(NOW.timestamp() - 50, 5)], [])


def test_only_the_heads_are_read_and_old_segments_not_at_all(ledgers: Ledgers, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        ledgers.segment("onedrive/a", 100_000 - number, 1)
    for number in range(5):
        ledgers.segment("onedrive/a", 100 - number, 1, closed=True)
    ranges: list[tuple[int, int | None]] = []
    opened = FolderStore.open

    def watched(self: FolderStore, key: str, start: int = 0, end: int | None = None) -> Any:
        ranges.append((start, end))
        return opened(self, key, start, end)

    monkeypatch.setattr(FolderStore, "open", watched)
    ledgers.read()
    assert len([r for r in ranges if r == (0, 4096)]) == 5
    assert len(ranges) == 6


def test_damaged_segments_are_passed_over(ledgers: Ledgers) -> None:
    ledgers.segment("onedrive/a", 50, 5, closed=True)
    ledgers.segment("onedrive/a", 40, 6, closed=True)
    (ledgers.root / "onedrive/a" / LEDGER / "000000001.jsonl").write_bytes(b"nonsense")
    assert ledgers.spends() == [(40, 6)]


# -- what was cut off -----------------------------------------------------------------------------------------------------------


def unrecorded(ledgers: Ledgers) -> tuple[float, int]:
    """(seconds ago, units) of the only gap."""
    ((at, units),) = ledgers.read().unrecorded
    return NOW.timestamp() - at, units


def test_a_writer_that_was_cut_off_a_moment_ago_leaves_what_it_can_have_spent_since(ledgers: Ledgers) -> None:
    ledgers.segment("onedrive/a", 3, 20, run_ago=10, settings=PLAIN)
    ago, units = unrecorded(ledgers)
    assert ago == 0
    assert 900 <= units <= 1065, "not more than a thousand items: they would have filled a segment"


def test_where_more_than_content_is_asked_for_an_item_costs_more(ledgers: Ledgers) -> None:
    ledgers.segment("onedrive/a", 8, 20, run_ago=10, settings={"versions": "all", "permissions": "shared"})
    assert 3000 <= unrecorded(ledgers)[1] <= 4300


def test_a_run_that_went_slowly_is_not_thought_to_have_raced_at_its_end(ledgers: Ledgers) -> None:
    for ago in range(300, 10, -45):
        ledgers.segment("onedrive/a", ago, 90, run_ago=320)
    ago, units = unrecorded(ledgers)
    assert ago == 0
    assert 90 <= units <= 250, "two a second before, for half a minute"


def test_after_a_minute_of_silence_nothing_more_was_spent(ledgers: Ledgers) -> None:
    ledgers.segment("onedrive/a", 500, 20, run_ago=510)
    ago, units = unrecorded(ledgers)
    assert ago == 440
    assert units > 0, "it counts for the day"


def test_closed_bags_leave_nothing_and_one_open_bag_is_enough(ledgers: Ledgers) -> None:
    ledgers.segment("onedrive/a", 30, 20, closed=True)
    ledgers.segment("onedrive/b", 20, 20, closed=True)
    assert ledgers.read().unrecorded == []
    ledgers.segment("onedrive/c", 40, 20)
    ago, units = unrecorded(ledgers)
    assert ago == 0, "whatever was spent, was spent after the newest segment of that run"
    assert units > 0


def test_a_writer_that_was_replaced_left_a_gap_too(ledgers: Ledgers) -> None:
    ledgers.segment("onedrive/a", 100, 20, writer="first", run_ago=110)
    ledgers.segment("onedrive/a", 10, 20, writer="second", run_ago=15, closed=True)
    ago, units = unrecorded(ledgers)
    assert ago == 40
    assert units > 0
