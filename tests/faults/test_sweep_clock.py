"""Dark tenant, wrong clocks, a database that is held or restarted: warnings go on, nothing is lost (retention-domain §2.5)."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exporters.clock import ManualClock
from exporters.errors import RunError
from retention.books import opened_books
from retention.observing import Observation
from retention.reckoning import Reckoning
from retention.state import index
from retention.status import status_of
from retention.sweep import Sweep, SweepResult
from retention.tracking import note_observation
from tests.faults import databases
from tests.faults.mail_server import MailServer
from tests.faults.watchman import CANCELLED, HOUR, Watchman, one_mailbox

DAY = timedelta(days=1)
DARK = Observation(code="access_denied", why="the service refuses everything")


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


def swept(man: Watchman, seen: Observation) -> SweepResult:
    """A sweep after an observation that came to this."""
    config = man.config
    with opened_books(config, man.clock) as books:
        note_observation(config, books, man.clock, seen)
        return Sweep(config, books, man.clock, service=seen.service).go()


def answer(man: Watchman, status: str = "LockedOut", ahead: timedelta = timedelta(0), name: str = "S1") -> Observation:
    row = {"subscription": name, "status": status}
    other = {"subscription": "another", "status": "Enabled"}
    now = man.clock.now()
    return Observation(True, [row, other], service=(now + ahead, now))


def test_a_dark_tenant_in_the_middle_of_a_countdown_changes_nothing(tmp_path: Path, mail: MailServer) -> None:
    man = one_mailbox(tmp_path, mail)
    man.track("cancel=2026-03-01T10:15:00Z")
    swept(man, answer(man))
    before = status_of(man.config, man.clock).rows[0].timeline.boundaries
    for day in (3, 8, 16, 23):
        result = swept(man.at(CANCELLED + day * DAY), DARK)
        assert result.exit == 0
    assert status_of(man.config, man.clock).rows[0].timeline.boundaries == before
    assert status_of(man.config, man.clock).unreachable_since == "2026-03-04T10:15:00Z"
    assert [taken.subject.partition("] ")[0] for taken in mail.messages[2:] if "[TEST]" not in taken.subject] == [
        "[HIGH",
        "[HIGH",
    ]
    assert "not been reachable since 2026-03-04T10:15:00Z" in mail.messages[-1].text
    rows = list((tmp_path / "lastcopy-journal" / "journal").iterdir())
    swept(man.at(man.clock.now() + HOUR), DARK)
    assert len(list((tmp_path / "lastcopy-journal" / "journal").iterdir())) == len(rows), "said once, not every hour"


def test_a_clock_that_was_set_back_holds_nothing_back(tmp_path: Path, mail: MailServer) -> None:
    man = one_mailbox(tmp_path, mail)
    man.track("cancel=2026-03-01T10:15:00Z")
    man.sweep()
    man.at(CANCELLED + 16 * DAY).sweep()
    sent = len(mail.messages)
    man.clock = ManualClock(CANCELLED + 2 * DAY)
    assert man.sweep().due == [], "what was said is not said again"
    man.clock = ManualClock(CANCELLED + 23 * DAY)
    assert [e["threshold_days"] for e in man.sweep().sent] == [7]
    assert len(mail.messages) == sent + 1


def test_a_row_of_2099_makes_nothing_due_for_ever(tmp_path: Path, mail: MailServer) -> None:
    man = one_mailbox(tmp_path, mail)
    man.track("cancel=2026-03-01T10:15:00Z")
    man.sweep()
    good = man.clock
    man.clock = ManualClock(datetime(2099, 1, 1, tzinfo=UTC))
    man.track("cancel=2026-03-01T10:15:00Z")
    man.clock = good
    result = swept(man.at(CANCELLED + DAY), answer(man))
    assert result.sent == []
    assert {entry["reason"] for entry in result.suppressed} == {"doubtful_clock"}
    assert any("does not count" in note for note in result.notes)
    result = man.sweep()
    assert {e["boundary"] for e in result.sent} >= {"at_risk_from", "deletable_from", "gone_by"}, (
        "nobody to ask: it counts, in doubt"
    )
    assert man.sweep().sent == [], "once"
    config = man.config
    with opened_books(config, man.clock) as books:
        due = books.index.due(man.clock.now(), Reckoning(config).computed_with)
    assert [one.id for one in due if one.id == "S1"], "what was reckoned in doubt is looked at again"
    result = swept(man.at(CANCELLED + 16 * DAY), answer(man))
    heard_again = [(e["boundary"], e["threshold_days"]) for e in result.sent]
    assert heard_again == [("at_risk_from", 14)], "and again when it is really due"


def test_what_was_stated_under_a_clock_that_was_ahead_is_warned_of_all_the_same(
    tmp_path: Path, mail: MailServer
) -> None:
    man = one_mailbox(tmp_path, mail)
    good = man.clock
    man.clock = ManualClock(datetime(2099, 1, 1, tzinfo=UTC))
    man.track("cancel=2026-03-01T10:15:00Z")
    man.clock = good
    assert {e["threshold_days"] for e in swept(man, answer(man)).sent} == {0, 30}
    result = swept(man.at(CANCELLED + 16 * DAY), answer(man))
    assert [(e["boundary"], e["threshold_days"]) for e in result.sent] == [("at_risk_from", 14)]


def test_a_clock_far_off_the_service_s_warns_and_warns_again_when_they_agree(tmp_path: Path, mail: MailServer) -> None:
    man = one_mailbox(tmp_path, mail)
    man.track("cancel=2026-03-01T10:15:00Z")
    swept(man, answer(man))
    result = swept(man.at(CANCELLED + DAY), answer(man, ahead=15 * DAY))
    assert [e["threshold_days"] for e in result.sent] == [14], "due by the later clock"
    assert any("behind the service's" in note for note in result.notes)
    assert {e["threshold_days"] for e in swept(man, answer(man, ahead=15 * DAY)).sent} <= {"test"}
    result = swept(man.at(CANCELLED + 16 * DAY), answer(man))
    assert [e["threshold_days"] for e in result.sent] == [14]


def test_another_time_zone_moves_no_date(tmp_path: Path, mail: MailServer) -> None:
    man = one_mailbox(tmp_path, mail)
    man.track("cancel=2026-03-01T10:15:00Z")
    man.sweep()
    man.zone = "Australia/Sydney"
    assert man.sweep().due == []
    man.at(CANCELLED + 16 * DAY).sweep()
    assert "Australia/Sydney" in mail.messages[-1].text


def test_a_database_that_is_held_is_said_and_nothing_is_lost(
    tmp_path: Path, mail: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "BUSY_SECONDS", 0.1)
    monkeypatch.setattr(index.open_index, "__kwdefaults__", {"busy_seconds": 0.1})
    man = one_mailbox(tmp_path, mail)
    man.track("cancel=2026-03-01T10:15:00Z")
    with closing(sqlite3.connect(tmp_path / "lastcopy.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RunError) as caught:
            man.sweep()
        assert caught.value.code == "state_locked"
        other.execute("ROLLBACK")
    sent = man.sweep().sent
    assert {e["threshold_days"] for e in sent} == {0, 30}
    assert len({key for taken in mail.messages for key in taken.keys}) == 2


@pytest.mark.skipif(databases.WHY_NOT != "", reason=databases.WHY_NOT or "-")
def test_a_server_that_is_restarted_in_the_middle_of_a_sweep(tmp_path: Path, mail: MailServer) -> None:
    """The results go into the journal alone: nothing is lost, and nothing said twice."""
    with databases.Postgresql() as server:
        man = one_mailbox(tmp_path, mail, state=server.new_database())
        man.track("cancel=2026-03-01T10:15:00Z")
        config = man.config
        with opened_books(config, man.clock) as books:
            sweep = Sweep(config, books, man.clock)
            whole = sweep._channel

            def stopped(name: str) -> object:
                server.stop()
                return whole(name)

            sweep._channel = stopped  # type: ignore[method-assign, assignment]
            with pytest.raises(RunError) as caught:
                sweep.go()
            assert caught.value.code == "state_unusable"
        server.start()
        assert len(mail.messages) == 2, "what was claimed is sent, and written into the journal"
        assert man.at(man.clock.now() + HOUR).sweep().due == []
        with opened_books(config, man.clock) as books:
            assert {claim.status for claim in books.index.said(["S1"])["S1"].claims if not claim.threshold} == {"sent"}
