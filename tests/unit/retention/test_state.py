"""The state database: a cache that processes share, and that can be lost (design §2.2, §4, §9)."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest

from exporters.errors import ConfigurationError
from exporters.graph.budget import EMPTY_STATE
from retention.state.database import open_state

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


def test_spends_are_shared_by_all_who_open_it(tmp_path: Path) -> None:
    """Many threads of two processes' worth of connections: every unit is counted."""
    at = NOW.timestamp()
    states = [open_state(URL, tmp_path) for _ in range(2)]

    def spend(state_index: int) -> None:
        budget = states[state_index].budget("tenant app", lambda: at)
        for _ in range(20):
            budget.spend(3, at)

    threads = [Thread(target=spend, args=(index % 2,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    loaded = states[0].budget("tenant app", lambda: at).load()
    assert sum(units for _, units in loaded.spends) == 4 * 20 * 3
    assert states[0].budget("other app", lambda: at).load() == EMPTY_STATE
    for state in states:
        state.close()


def test_spends_of_yesterday_do_not_count_and_none_lies_in_the_future(tmp_path: Path) -> None:
    state, at = open_state(URL, tmp_path), NOW.timestamp()
    budget = state.budget("a", lambda: at)
    budget.spend(5, at - 86_400 - 120)
    budget.spend(7, at - 3_600)
    budget.spend(11, at)
    spends = budget.load().spends
    assert sum(units for _, units in spends) == 18
    assert all(moment <= at for moment, _ in spends)
    state.close()


def test_pauses_only_grow(tmp_path: Path) -> None:
    state = open_state(URL, tmp_path)
    budget = state.budget("a", NOW.timestamp)
    budget.pause(1000.0)
    budget.pause(500.0)
    assert budget.load().pause_until == 1000.0
    budget.pause(2000.0)
    assert budget.load().pause_until == 2000.0
    state.close()


def test_a_database_that_breaks_in_mid_run_does_not_end_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    state = open_state(URL, tmp_path)
    with sqlite3.connect(tmp_path / "state.db") as direct:
        direct.executescript("DROP TABLE absent_drives; DROP TABLE spends; DROP TABLE pauses")
    direct.close()
    assert state.known("u", "E3", NOW) is False
    state.remember("u", "E3", NOW)
    budget = state.budget("a", NOW.timestamp)
    budget.spend(1, NOW.timestamp())
    assert budget.load() == EMPTY_STATE
    assert "state database" in caplog.text
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
