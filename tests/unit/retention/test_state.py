"""The state database: a cache that processes share, and that can be lost (design §2.2, §4, §9)."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest

from exporters.clock import ManualClock
from exporters.errors import ConfigurationError
from exporters.graph.sharing import Report
from retention.state.database import open_state
from retention.state.spending import SharedBudget

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
URL = "sqlite:///state.db"


def test_a_user_without_a_drive_is_asked_again_after_a_week_or_with_other_licences(tmp_path: Path) -> None:
    state = open_state(URL, tmp_path)
    assert not state.known("u", "E3", NOW)
    state.remember("u", "E3", NOW)
    assert state.known("u", "E3", NOW + timedelta(days=6, hours=23))
    assert not state.known("u", "E3", NOW + timedelta(days=7))
    assert not state.known("u", "E5", NOW)
    assert not state.known("v", "E3", NOW)
    state.remember("u", "E5", NOW)
    state.close()
    again = open_state(URL, tmp_path)
    assert again.known("u", "E5", NOW)
    again.close()


def test_a_drive_that_was_missing_in_the_future_is_asked_for_now(tmp_path: Path) -> None:
    """Remembered under a clock that was ahead: nobody waits for that date; minutes of drift mean one question more."""
    state = open_state(URL, tmp_path)
    for ahead in (timedelta(days=400), timedelta(days=3), timedelta(minutes=2)):
        state.remember("u", "E3", NOW + ahead)
        assert not state.known("u", "E3", NOW), ahead
    state.remember("u", "E3", NOW)
    assert state.known("u", "E3", NOW)
    state.close()


def test_a_database_that_breaks_in_mid_run_does_not_end_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    state = open_state(URL, tmp_path, ManualClock(NOW))
    with sqlite3.connect(tmp_path / "state.db") as direct:
        direct.executescript("DROP TABLE absent_drives; DROP TABLE spends; DROP TABLE accounts")
    direct.close()
    assert state.known("u", "E3", NOW) is False
    state.remember("u", "E3", NOW)
    assert SharedBudget(state, "a").exchange(Report(NOW.timestamp()), lambda picture: 0) is None
    assert caplog.text.count("going on without it") == 1, "said once"
    state.close()


@pytest.fixture
def held(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Another process holds the database, as a stopped one would."""
    open_state(URL, tmp_path).close()
    with sqlite3.connect(tmp_path / "state.db", isolation_level=None) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield holder
    holder.close()


def test_a_database_that_somebody_holds_is_read_all_the_same(tmp_path: Path, held: sqlite3.Connection) -> None:
    clock = ManualClock(NOW)
    state = open_state(URL, tmp_path, clock)
    assert not state.known("u", "E3", NOW)
    state.remember("u", "E3", NOW)  # given up
    held.execute("ROLLBACK")
    clock.advance(60.0)
    state.remember("u", "E3", NOW)
    assert state.known("u", "E3", NOW), "it is used again when it is free"
    state.close()


@pytest.mark.parametrize("mode", ["EXCLUSIVE", "IMMEDIATE"])
def test_a_newcomer_does_not_wait_for_whoever_holds_a_new_database(
    tmp_path: Path, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    """No tables yet, no WAL yet: not even reading is possible. The run goes on, and takes to it later."""
    with sqlite3.connect(tmp_path / "state.db", isolation_level=None) as holder:
        holder.execute(f"BEGIN {mode}")
        clock = ManualClock(NOW)
        state = open_state(URL, tmp_path, clock)
        assert "going on without it" in caplog.text
        assert not state.known("u", "E3", NOW)
        holder.execute("ROLLBACK")
    holder.close()
    clock.advance(60.0)
    state.remember("u", "E3", NOW)
    assert state.known("u", "E3", NOW)
    state.close()


def test_after_a_failure_it_is_left_alone_for_a_while(tmp_path: Path, held: sqlite3.Connection) -> None:
    """Ten thousand questions do not wait ten thousand times."""
    clock = ManualClock(NOW)
    state = open_state(URL, tmp_path, clock)
    state.remember("u", "E3", NOW)
    held.execute("ROLLBACK")
    state.remember("u", "E3", NOW)
    clock.advance(60.0)
    assert not state.known("u", "E3", NOW)
    state.close()


def test_many_threads_and_two_processes_lose_nothing(tmp_path: Path) -> None:
    """Every unit that was reported is counted."""
    at = NOW.timestamp()
    states = [open_state(URL, tmp_path) for _ in range(2)]

    def spend(index: int) -> None:
        seat = SharedBudget(states[index % 2], "tenant app")
        for _ in range(20):
            assert seat.exchange(Report(at, [(at - 1.0, 3)]), lambda picture: 0)

    threads = [Thread(target=spend, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    picture = SharedBudget(states[0], "tenant app").exchange(Report(at), lambda picture: 0)
    assert picture is not None
    assert sum(units for _, units in picture.spends) == sum(units for _, units in picture.minutes) == 4 * 20 * 3
    other = SharedBudget(states[0], "other app").exchange(Report(at), lambda picture: 0)
    assert other is not None and not other.spends
    for state in states:
        state.close()


def test_an_older_schema_is_made_anew_and_a_newer_one_refused(tmp_path: Path) -> None:
    state = open_state(URL, tmp_path)
    state.remember("u", "E3", NOW)
    state.close()
    with sqlite3.connect(tmp_path / "state.db") as direct:
        direct.execute("UPDATE lastcopy_schema SET version = 0")
    direct.close()
    state = open_state(URL, tmp_path)
    assert not state.known("u", "E3", NOW)
    state.close()
    with sqlite3.connect(tmp_path / "state.db") as direct:
        direct.execute("UPDATE lastcopy_schema SET version = 99")
    direct.close()
    with pytest.raises(ConfigurationError) as caught:
        open_state(URL, tmp_path)
    assert caught.value.code == "state_newer"


@pytest.mark.parametrize("url", ["nonsense", "sqlite:///missing/state.db", "mysql://h/d", "sqlite:///damaged.db", ""])
def test_urls_that_lead_nowhere(url: str, tmp_path: Path) -> None:
    (tmp_path / "damaged.db").write_bytes(b"this is no database at all, " * 100)
    with pytest.raises(ConfigurationError) as caught:
        open_state(url, tmp_path)
    assert caught.value.action
