"""Personal and object clocks: one digest a day and recipient, brought forward, never put off; and the weekly test of each way of
warning (retention-domain §2.3, §5; docs/decisions/0076, 0077)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from exporters.clock import ManualClock
from retention.books import opened_books
from retention.people import People, rows_of
from retention.status import status_of
from retention.sweeping import sweep
from retention.tracking import note_people, state_one
from tests.faults.mail_server import MailServer, Taken
from tests.faults.watchman import DAY, HOUR, Watchman

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


def watchman(folder: Path, server: MailServer, **contacts: str) -> Watchman:
    named = contacts or {"ops": "min_severity: notice"}
    addresses = {name: (server.address(f"{name}@example.com"), keys) for name, keys in named.items()}
    return Watchman(folder, addresses, ManualClock(NOON))


def state(man: Watchman, name: str, event: str, **body: Any) -> None:
    state_one(man.config, man.clock, name, body, [event], None)


def look(man: Watchman, users: dict[str, bool], deleted: dict[str, str] | None = None) -> None:
    """A look at the directory: {name: has a licence}."""
    people = People()
    for name, licensed in users.items():
        people.add({"id": f"id-{name}", "name": name, "licensed": licensed})
    for name, at in (deleted or {}).items():
        people.add({"id": f"id-{name}", "name": name, "deleted": at})
    with opened_books(man.config, man.clock) as books:
        note_people(books, man.clock, people)


def subject(taken: Taken) -> str:
    return " ".join(taken.subject.split())


def digests(mail: MailServer, to: str = "ops") -> list[Taken]:
    return [taken for taken in mail.messages if taken.to == f"{to}@example.com" and "[TEST]" not in taken.subject]


def daily(man: Watchman, days: int) -> None:
    """Twice a day: in the quiet hours of Amsterdam, and right after them, in winter as in summer."""
    config, midnight = man.config, man.clock.now().replace(hour=0)
    for day in range(1, days + 1):
        for hours in (4.5, 6.5):
            man.at(midnight + day * DAY + hours * HOUR)
            sweep(config, man.clock, offline=True)


def test_each_threshold_of_a_licence_that_was_lost_is_told_once_and_in_time(tmp_path: Path, mail: MailServer) -> None:
    """Lost on 1 March: the mailbox may go on the 31st (30, 7, 1, 0), the drive is read-only on 30 April, archived on 2 June."""
    man = watchman(tmp_path, mail)
    state(man, "anna@contoso.com", "licence_removed=2026-03-01T12:00:00Z")
    man.sweep()
    assert "anna@contoso.com: the mailbox may be removed in 30 days" in subject(digests(mail)[0])
    daily(man, 96)
    told: dict[tuple[str, str], list[datetime]] = {}
    for taken in digests(mail):
        at = datetime.strptime(str(taken.mail["Date"]), "%a, %d %b %Y %H:%M:%S %z")
        for line in taken.text.splitlines():
            if line.startswith("- anna"):
                mark = line.rpartition("[")[2].rstrip("]")
                told.setdefault((mark, line.rpartition("(")[2].partition(")")[0]), []).append(at)
    ends = {"mailbox_at_risk_from": 30, "onedrive_read_only_from": 60, "onedrive_archived_from": 93}
    for mark, days in ends.items():
        end = NOON + days * DAY
        for threshold, severity, number in ((30, "notice", 0), (7, "high", 0), (1, "critical", 0), (0, "critical", 1)):
            at = told[(mark, severity)][number]
            assert end - (threshold + 2) * DAY <= at <= end - threshold * DAY, (mark, threshold, at)
        assert [len(told[(mark, severity)]) for severity in ("notice", "high", "critical")] == [1, 1, 2], mark
    assert {str(taken.mail["Date"])[17:22] for taken in digests(mail)[1:]} == {"06:30"}, "when the quiet hours are over"


def test_one_digest_a_day_holds_all_of_them(tmp_path: Path, mail: MailServer) -> None:
    man = watchman(tmp_path, mail, ops="min_severity: notice", boss="min_severity: critical")
    look(man, {f"user{number}": True for number in range(120)})
    man.at(NOON + DAY)
    look(man, {f"user{number}": number >= 100 for number in range(120)})
    man.sweep()
    (one,) = digests(mail)
    assert "100 personal clocks, the first: user0: the mailbox may be removed in 29 days" in subject(one)
    assert "and 50 more" in one.text
    assert man.sweep().due == []
    look(man, {f"user{number}": number >= 110 for number in range(120)})
    assert man.sweep().due == [], "one digest a day: tomorrow"
    man.at(NOON + 2 * DAY).sweep()
    assert "10 personal clocks" in subject(digests(mail)[1])
    assert digests(mail, "boss") == [], "nothing critical yet"
    assert len(status_of(man.config, man.clock).personal) == 110 * 3
    man.at(NOON + 29 * DAY).sweep()
    assert "[CRITICAL]" in digests(mail, "boss")[0].subject


def test_only_who_had_a_licence_has_lost_one_and_who_is_back_is_back(tmp_path: Path, mail: MailServer) -> None:
    man = watchman(tmp_path, mail)
    look(man, {"anna": True, "room": False}, {"gone": "2026-02-20T10:00:00Z"})
    man.sweep()
    assert "gone: the user cannot be restored any more" in digests(mail)[0].text
    assert "room" not in digests(mail)[0].text, "nobody knows that it ever had one"
    man.at(NOON + DAY)
    look(man, {"anna": False, "room": False, "gone": True})
    (mark, *_) = status_of(man.config, man.clock).personal
    assert (mark.owner.name, mark.kind) == ("anna", "mailbox_at_risk_from")
    assert mark.at == NOON + 30 * DAY, "it may have been lost right after the first look: the earlier reading"
    man.at(NOON + 2 * DAY)
    look(man, {"anna": True, "gone": True})
    assert status_of(man.config, man.clock).personal == []
    man.at(NOON + 3 * DAY)
    look(man, {})
    assert status_of(man.config, man.clock).personal == [], "an empty listing deletes nobody"
    with opened_books(man.config, man.clock) as books:
        people = People()
        people.add({"id": "id-anna", "name": "anna", "licensed": True})
        assert list(rows_of(people, books.index, man.clock.now(), None)) == [], "nothing new: nothing written"


def test_a_digest_that_is_refused_goes_to_the_others_and_is_tried_again(tmp_path: Path, mail: MailServer) -> None:
    man = watchman(tmp_path, mail, ops="", boss="", third="")
    state(man, "anna", "user_deleted=2026-03-01T11:00:00Z")
    mail.refuses.add("boss@example.com")
    result = man.sweep()
    assert result.exit == 3
    assert {e["recipient"] for e in result.sent} == {"ops", "third"}
    with opened_books(man.config, man.clock) as books:
        assert books.index.standing(3).undelivered == 1
        assert books.index.standing(3).unacknowledged == 0, "digests are not escalated"
    mail.refuses.clear()
    result = man.at(NOON + HOUR).sweep()
    assert [(e["recipient"], e["possible_repeat"]) for e in result.sent] == [("boss", False)]
    mail.refuses.add("boss@example.com")
    man.at(NOON + 23 * DAY).sweep()
    with opened_books(man.config, man.clock) as books:
        books.append([{"type": "object", "object": "user_deleted anna", "name": "anna", "event": None}])
    result = man.at(NOON + 23 * DAY + HOUR).sweep()
    assert not [e for e in result.due if e["boundary"] == "personal"], "what is over is withdrawn"


def test_a_digest_survives_its_sweep_and_the_index(tmp_path: Path, mail: MailServer) -> None:
    from retention.recovering import recover

    man = watchman(tmp_path, mail)
    state(man, "anna", "export_package=2026-02-22T11:00:00Z")
    man.sweep()
    assert "package expires" in digests(mail)[0].text
    before = status_of(man.config, man.clock).as_json()
    recover(man.config, man.clock)
    assert status_of(man.config, man.clock).as_json() == before
    assert man.sweep().due == []
    daily(man, 9)
    severities = [taken.subject.partition("[")[2].partition("]")[0] for taken in digests(mail)]
    assert severities == ["HIGH", "CRITICAL", "CRITICAL"], "7, 3 and 1 days before, and no 0"


def test_a_clock_that_was_far_ahead_keeps_no_digest_back(tmp_path: Path, mail: MailServer) -> None:
    man = watchman(tmp_path, mail)
    state(man, "anna", "licence_removed=2026-03-01T12:00:00Z")
    good = man.clock
    man.clock = ManualClock(datetime(2026, 3, 20, 12, tzinfo=UTC))
    with opened_books(man.config, man.clock) as books:
        from retention.sweep import Sweep

        here = man.clock.now()
        Sweep(man.config, books, man.clock, service=(NOON, here)).go()
    assert len(digests(mail)) == 1
    man.clock = good
    with opened_books(man.config, man.clock) as books:
        from retention.sweep import Sweep

        result = Sweep(man.config, books, man.clock, service=(NOON, NOON)).go()
    assert [e["boundary"] for e in result.sent] == ["personal"]


def test_a_way_of_warning_that_had_nothing_to_say_is_tried_each_week(tmp_path: Path, mail: MailServer) -> None:
    man = watchman(tmp_path, mail, ops="min_severity: notice", boss="min_severity: critical")
    man.track("term_end=2027-03-01T00:00:00Z")
    daily(man, 30)
    for name in ("ops", "boss"):
        mine = [taken for taken in mail.messages if taken.to == f"{name}@example.com"]
        assert len(mine) == 4
        assert all("[TEST]" in taken.subject and "only a test" in subject(taken) for taken in mine)
        assert all("Nothing has to be done" in taken.text and name in taken.text for taken in mine)
    mail.refuses.add("boss@example.com")
    daily(man, 6)
    result = sweep(man.config, man.clock, offline=True)
    assert result.exit == 3
    assert [e["recipient"] for e in result.failed] == ["boss"]
    with opened_books(man.config, man.clock) as books:
        standing = books.index.standing(2)
    assert (standing.undelivered, "boss" in standing.example) == (1, True), "every command shows it"
    mail.refuses.clear()
    assert man.at(man.clock.now() + HOUR).sweep().exit == 0


def test_who_was_warned_within_the_week_needs_no_test(tmp_path: Path, mail: MailServer) -> None:
    man = watchman(tmp_path, mail)
    man.track("cancel=2026-03-01T12:00:00Z")
    man.sweep()
    man.at(NOON + timedelta(days=16)).sweep()
    assert [taken for taken in mail.messages if "[TEST]" in taken.subject] == []
    man.at(NOON + timedelta(days=22)).sweep()
    assert [taken for taken in mail.messages if "[TEST]" in taken.subject] == []


def test_what_was_over_long_before_is_not_told(tmp_path: Path, mail: MailServer) -> None:
    """A month after the end of a clock nobody can do anything."""
    man = watchman(tmp_path, mail)
    state(man, "old", "group_deleted=2025-06-01T00:00:00Z")
    assert man.sweep().due == []
    state(man, "new", "group_deleted=2026-01-10T00:00:00Z")
    man.sweep()
    assert "new: the group cannot be restored any more, 20 days ago" in subject(digests(mail)[0])
