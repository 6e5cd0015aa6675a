"""What a sweep says to whom, and how often: against a real SMTP server and a real HTTP server (retention-domain §5)."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporters.clock import ManualClock
from retention.acknowledging import acknowledge
from retention.books import opened_books
from retention.notify import Message
from retention.recovering import recover
from retention.status import status_of
from retention.tracked import Standing
from tests.faults.mail_server import MailServer
from tests.faults.watchman import CANCELLED, HOUR, Watchman, one_mailbox
from tests.faults.web_server import WebServer

DAY = timedelta(days=1)


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


def test_the_whole_countdown_of_a_cancelled_subscription(tmp_path: Path, mail: MailServer) -> None:
    """RT036: what is due in quiet hours is brought forward, what is critical is not; each once, none late."""
    cancelled = datetime(2026, 3, 1, 23, 15, tzinfo=UTC)
    man = one_mailbox(tmp_path, mail, clock=ManualClock(cancelled))
    man.track("cancel=2026-03-01T23:15:00Z")
    heard = man.sweep_until(cancelled + 181 * DAY)
    tests = [entry for _, result in heard for entry in result.sent if entry["threshold_days"] == "test"]
    sent = [
        (entry["boundary"], entry["threshold_days"], at)
        for at, result in heard
        for entry in result.sent
        if entry not in tests
    ]
    assert [row[:2] for row in sent] == [
        *(("access_ends", 0), ("at_risk_from", 30), ("at_risk_from", 14), ("at_risk_from", 7), ("at_risk_from", 3)),
        *(("at_risk_from", 1), ("deletable_from", 60), ("at_risk_from", 0), ("deletable_from", 30)),
        *(("deletable_from", 14), ("deletable_from", 7), ("deletable_from", 3), ("deletable_from", 1)),
        *(("deletable_from", 0), ("gone_by", 0)),
    ]
    for at, result in heard:
        for entry in result.sent:
            send = datetime.fromisoformat(entry["send_utc"])
            assert at <= send + HOUR, entry
            if entry in tests:
                assert 7 <= at.astimezone(ZoneInfo(man.zone)).hour < 20, entry
            quiet = not 7 <= at.astimezone(ZoneInfo(man.zone)).hour < 20
            assert not quiet or entry["severity"] in {"critical", "info"} or at == cancelled, entry
    assert len(mail.messages) == len(sent) + len(tests), "a message per key"
    assert len({taken.id for taken in mail.messages}) == len(sent) + len(tests)


def test_nothing_due_writes_nothing(tmp_path: Path, mail: MailServer) -> None:
    man = one_mailbox(tmp_path, mail)
    man.track("cancel=2026-03-01T10:15:00Z")
    assert len(man.sweep().sent) == 2
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "lastcopy-journal").rglob("*.jsonl")}
    for _ in range(5):
        man.clock.advance(3600)
        assert man.sweep().due == []
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "lastcopy-journal").rglob("*.jsonl")} == before


def test_a_week_of_downtime_is_caught_up_in_one_message_that_says_so(tmp_path: Path, mail: MailServer) -> None:
    """RT: of all thresholds due of a boundary only the smallest is sent, the others are superseded in the same segment."""
    man = one_mailbox(tmp_path, mail)
    man.track("cancel=2026-03-01T10:15:00Z")
    man.sweep()
    mail.messages.clear()
    result = man.at(CANCELLED + 28 * DAY).sweep()
    assert [(e["boundary"], e["threshold_days"], e["kind"]) for e in result.sent] == [("at_risk_from", 3, "catch_up")]
    superseded = [(e["boundary"], e["threshold_days"]) for e in result.suppressed if e["reason"] == "superseded"]
    assert superseded == [("at_risk_from", 14), ("at_risk_from", 7)]
    assert len(mail.messages) == 1
    assert "This comes late" in mail.messages[0].text
    assert "[CRITICAL]" in mail.messages[0].subject
    man.at(CANCELLED + 100 * DAY).sweep()
    last = mail.messages[-1]
    assert "- at_risk_from:" in last.text
    assert "- deletable_from:" in last.text
    assert "70 days ago" in last.text, "a boundary that has passed says how long ago"
    assert len(mail.messages) == 2, "one message per recipient and subscription"
    assert man.sweep().due == []


def test_with_a_recipient_that_refuses_the_others_get_theirs_once(
    tmp_path: Path, mail: MailServer, web: WebServer
) -> None:
    mail.refuses.add("gone@example.com")
    contacts = {
        "gone": (mail.address("gone@example.com"), "min_severity: info"),
        "ops": (mail.address(), "min_severity: info"),
        "hook": (web.address, "min_severity: critical"),
    }
    man = Watchman(tmp_path, contacts)
    man.track("cancel=2026-03-01T10:15:00Z")
    result = man.sweep()
    assert result.exit == 3
    assert {entry["recipient"] for entry in result.failed} == {"gone"}
    assert "550" in result.failed[0]["reason"]
    for _ in range(4):
        result = man.at(man.clock.now() + HOUR).sweep()
        assert result.exit == 3, "retried at each sweep"
        assert {entry["recipient"] for entry in result.failed} == {"gone"}
    assert sorted(taken.to for taken in mail.messages) == ["ops@example.com", "ops@example.com"]
    assert len(web.bodies) == 1, "only what its severity admits"
    assert status_of(man.config, man.clock).standing.undelivered > 0
    mail.refuses.clear()
    result = man.at(man.clock.now() + HOUR).sweep()
    assert result.exit == 0
    assert not any(entry["possible_repeat"] for entry in result.sent), "it is known that it never arrived"
    assert status_of(man.config, man.clock).standing.undelivered == 0
    late = [taken for taken in mail.messages if taken.to == "gone@example.com"]
    assert {key for taken in late for key in taken.keys} == {entry["key"] for entry in result.sent}


def test_a_connection_lost_after_the_body_is_retried_as_a_possible_repeat(tmp_path: Path, mail: MailServer) -> None:
    mail.hangs_up.add("ops@example.com")
    man = one_mailbox(tmp_path, mail)
    man.track("cancel=2026-03-01T10:15:00Z")
    assert man.sweep().exit == 3
    mail.hangs_up.clear()
    first = {taken.id for taken in mail.messages}
    assert not any("possible repeat" in taken.subject for taken in mail.messages)
    mail.messages.clear()
    result = man.at(man.clock.now() + HOUR).sweep()
    assert result.exit == 0
    assert all(entry["possible_repeat"] for entry in result.sent)
    assert {taken.id for taken in mail.messages} == first, "the same Message-ID"
    assert all("possible repeat" in taken.subject for taken in mail.messages)


@pytest.mark.parametrize(
    ("status", "hangs_up", "repeat"), [(503, False, False), (404, False, False), (200, True, True)]
)
def test_what_apprise_could_not_deliver(
    tmp_path: Path, web: WebServer, status: int, hangs_up: bool, repeat: bool
) -> None:
    """Refused is known not to be delivered; without an answer it may have arrived."""
    web.status, web.hangs_up = status, hangs_up
    man = Watchman(tmp_path, {"hook": (web.address, "min_severity: critical")})
    man.track("cancel=2026-03-01T10:15:00Z")
    result = man.sweep()
    assert result.exit == 3
    assert web.address not in str(result.failed), "an address is a secret"
    web.status, web.hangs_up = 200, False
    web.bodies.clear()
    result = man.at(man.clock.now() + HOUR).sweep()
    assert [entry["possible_repeat"] for entry in result.sent] == [repeat]
    assert len(web.bodies) == 1
    assert result.sent[0]["key"] in web.texts[0], "other channels carry the key in the text"


def test_a_date_that_is_corrected_is_told_and_has_warnings_of_its_own(tmp_path: Path, mail: MailServer) -> None:
    contacts = {
        "ops": (mail.address(), "min_severity: info"),
        "boss": (mail.address("b@example.com"), "min_severity: critical"),
    }
    man = Watchman(tmp_path, contacts)
    man.track("cancel=2026-03-01T10:15:00Z")
    man.sweep()
    man.at(CANCELLED + 17 * DAY).sweep()
    mail.messages.clear()
    man.track("cancel=2026-02-20T10:15:00Z")
    result = man.sweep()
    by = {name: [e for e in result.sent if e["recipient"] == name] for name in contacts}
    assert [(e["threshold_days"], e["severity"]) for e in by["ops"]] == [
        ("moved", "critical"),
        (0, "critical"),
        (7, "high"),
    ]
    assert [(e["threshold_days"]) for e in by["boss"]] == ["moved", 0], "everyone warned under the old dates"
    assert len(mail.messages) == 2, "it carries the keys that are due now, in place of a catch-up"
    assert "earlier" in mail.messages[0].subject
    assert "before: 2026-03-31 12:15 +02:00" in mail.messages[0].text
    assert man.sweep().due == []
    mail.messages.clear()
    man.track("cancel=2026-02-25T10:15:00Z")
    result = man.sweep()
    assert {(e["recipient"], e["threshold_days"], e["severity"]) for e in result.sent} >= {
        ("ops", "moved", "info"),
        ("boss", "moved", "info"),
    }
    assert man.sweep().due == []
    result = man.at(datetime(2026, 3, 20, 10, 16, tzinfo=UTC)).sweep()
    heard = [(e["boundary"], e["threshold_days"]) for e in result.sent if e["recipient"] == "ops"]
    assert heard == [("at_risk_from", 7)]


def test_a_small_drift_is_the_same_date(tmp_path: Path, mail: MailServer) -> None:
    """Measured from the first instant claimed, so that small drifts never add up."""
    man = one_mailbox(tmp_path, mail)
    man.track("cancel=2026-03-01T10:15:00Z")
    man.sweep()
    for minutes in (20, 40, 59):
        man.track(f"cancel=2026-03-01T{10 + (15 + minutes) // 60}:{(15 + minutes) % 60:02d}:00Z")
        assert man.sweep().sent == [], minutes
    man.track("cancel=2026-03-01T11:16:00Z")
    assert [entry["threshold_days"] for entry in man.sweep().sent][:1] == ["moved"]


def test_a_reactivation_withdraws_and_gives_the_all_clear(tmp_path: Path, mail: MailServer) -> None:
    mail.refuses.add("gone@example.com")
    contacts = {
        "ops": (mail.address(), "min_severity: info"),
        "boss": (mail.address("b@example.com"), "min_severity: critical"),
        "gone": (mail.address("gone@example.com"), "min_severity: info"),
    }
    man = Watchman(tmp_path, contacts)
    man.track("cancel=2026-03-01T10:15:00Z")
    man.sweep()
    mail.messages.clear()
    man.at(CANCELLED + 5 * DAY).track("reactivate=2026-03-06T09:00:00Z")
    result = man.sweep()
    assert {(e["recipient"], e["threshold_days"]) for e in result.sent} == {("ops", "all_clear"), ("boss", "all_clear")}
    assert result.exit == 0, "what was never delivered is withdrawn"
    assert all("all clear" in taken.subject for taken in mail.messages)
    assert man.sweep().due == []
    assert {e["threshold_days"] for e in man.at(CANCELLED + 40 * DAY).sweep().due} == {"test"}, (
        "that the way works, no more"
    )
    man.track("cancel=2026-04-10T10:00:00Z")
    result = man.sweep()
    assert {e["threshold_days"] for e in result.sent if e["recipient"] == "ops"} == {0, 30}, (
        "a new episode has keys of its own"
    )


def test_critical_warnings_go_up_until_somebody_acknowledges(tmp_path: Path, mail: MailServer) -> None:
    contacts = {
        "ops": (mail.address(), "escalate_after: 12h"),
        "boss": (mail.address("boss@example.com"), "min_severity: critical, escalate_after: 24h"),
        "chief": (mail.address("chief@example.com"), "min_severity: critical"),
    }
    man = Watchman(tmp_path, contacts)
    man.track("cancel=2026-03-01T10:15:00Z")
    man.sweep()
    assert sorted(taken.to for taken in mail.messages if "CRITICAL" in taken.subject) == [
        *("boss@example.com", "chief@example.com", "ops@example.com"),
    ]
    mail.messages.clear()
    assert man.at(CANCELLED + 11 * HOUR).sweep().due == []
    result = man.at(CANCELLED + 12 * HOUR).sweep()
    assert [(e["recipient"], e["step"], e["kind"]) for e in result.sent] == [("boss", 1, "escalation")]
    assert "nobody has acknowledged this warning since 2026-03-01 11:15" in mail.messages[0].text
    assert man.at(CANCELLED + 35 * HOUR).sweep().due == []
    result = man.at(CANCELLED + 36 * HOUR).sweep()
    assert [(e["recipient"], e["step"]) for e in result.sent] == [("chief", 2)]
    assert man.at(CANCELLED + 99 * HOUR).sweep().due == [], "it ends with the last contact"
    assert status_of(man.config, man.clock).standing == Standing(0, 1, "")
    acknowledge(man.config, man.clock, result.sent[0]["key"], "Anna", "export is running")
    assert status_of(man.config, man.clock).standing == Standing()


def test_an_acknowledgement_ends_it_and_later_warnings_go_on(tmp_path: Path, mail: MailServer) -> None:
    contacts = {"ops": (mail.address(), ""), "boss": (mail.address("boss@example.com"), "min_severity: critical")}
    man = Watchman(tmp_path, contacts)
    man.track("cancel=2026-03-01T10:15:00Z")
    key = next(e["key"] for e in man.sweep().sent if e["severity"] == "critical" and e["recipient"] == "ops")
    acknowledge(man.config, man.clock, key, "Anna", None)
    result = man.at(CANCELLED + 25 * HOUR).sweep()
    assert result.sent == []
    assert [(e["recipient"], e["reason"]) for e in result.suppressed] == [("boss", "acknowledged")]
    result = man.at(CANCELLED + 27 * DAY).sweep()
    assert {e["recipient"] for e in result.sent if e["threshold_days"] == 3} == {"ops", "boss"}


def test_a_dry_run_shows_and_does_nothing(tmp_path: Path, mail: MailServer) -> None:
    man = one_mailbox(tmp_path, mail)
    man.track("cancel=2026-03-01T10:15:00Z")
    shown = man.sweep(dry_run=True)
    superseded = {e["key"] for e in shown.suppressed}
    due = [e["key"] for e in shown.due if e["key"] not in superseded]
    assert shown.sent == [] == mail.messages
    assert [e["key"] for e in man.sweep().sent] == due
    assert len(due) == 2


def test_a_state_that_is_lost_changes_nothing(tmp_path: Path, mail: MailServer) -> None:
    man = one_mailbox(tmp_path, mail)
    man.track("cancel=2026-03-01T10:15:00Z")
    man.sweep()
    before = status_of(man.config, man.clock).as_json()
    for path in tmp_path.glob("lastcopy.db*"):
        path.unlink()
    assert man.sweep().due == []
    assert recover(man.config, man.clock)["subscriptions"] == 1
    assert status_of(man.config, man.clock).as_json() == before


def test_of_two_sweeps_one_wins_and_the_other_leaves_its_keys_alone(tmp_path: Path, mail: MailServer) -> None:
    """The loser of the segment reads the winner's, and lists those keys as held."""
    from retention.sweep import Sweep

    man = one_mailbox(tmp_path, mail)
    man.track("cancel=2026-03-01T10:15:00Z")
    config = man.config
    with opened_books(config, man.clock) as first, opened_books(config, man.clock) as second:
        one, other = Sweep(config, first, man.clock), Sweep(config, second, man.clock)
        plans = one._plans(one._verdict())
        rows = list(itertools.chain.from_iterable(plan.rows for plan in plans.values()))
        assert first.try_append(rows)  # claimed, and not yet sent
        result = other.go()
        assert result.sent == []
        assert {entry["reason"] for entry in result.suppressed} == {"held"}
        one._send(
            [row for plan in plans.values() for row in plan.claims],
            one._judged(one._verdict(), list(plans.values())),
            one._verdict(),
        )
    assert len(mail.messages) == 2
    assert man.sweep().due == []


def test_one_subscription_that_cannot_be_read_does_not_silence_the_others(tmp_path: Path, mail: MailServer) -> None:
    man = one_mailbox(tmp_path, mail)
    man.track("cancel=2026-03-01T10:15:00Z")
    with opened_books(man.config, man.clock) as books:
        books.append([{"type": "stated", "subscription": "S0", "set": {}, "events": [{"type": "cancel", "id": "x"}]}])
    result = man.sweep()
    assert len(result.sent) == 2
    assert [row["subscription"] for row in result.failed] == ["S0"]


def test_a_rehearsal_says_so(tmp_path: Path, mail: MailServer) -> None:
    (tmp_path / "REHEARSAL.txt").write_text("made by rehearse")
    man = one_mailbox(tmp_path, mail)
    man.track("cancel=2026-03-01T10:15:00Z")
    man.sweep()
    assert all(taken.subject.startswith("REHEARSAL: ") and "REHEARSAL" in taken.text for taken in mail.messages)


def test_nothing_is_sent_on_an_old_claim(tmp_path: Path, mail: MailServer) -> None:
    """After five minutes what is left is claimed again before it is sent: another sweep may have taken it for abandoned."""
    from retention.sweep import Sweep

    man = one_mailbox(tmp_path, mail)
    for number in range(5):
        man.track("cancel=2026-03-01T10:15:00Z", name=f"S{number}")
    config = man.config
    with opened_books(config, man.clock) as books:
        sweep = Sweep(config, books, man.clock)
        whole = sweep._channel

        class Slow:
            def __init__(self) -> None:
                self.channel = whole("ops")

            def __enter__(self) -> "Slow":
                return self

            def __exit__(self, *_: object) -> None:
                self.channel.__exit__(None, None, None)

            def send(self, message: Message) -> None:
                self.channel.send(message)
                man.clock.advance(120)

        sweep._channel = lambda name: Slow()  # type: ignore[method-assign]
        result = sweep.go()
    assert len(result.sent) == 10
    assert len({taken.id for taken in mail.messages}) == len(mail.messages) == 10
    assert not any("possible repeat" in taken.subject for taken in mail.messages)
    segments = sorted((tmp_path / "lastcopy-journal" / "journal").iterdir())
    claims = [segment for segment in segments if b'"type":"warning_claimed"' in segment.read_bytes()]
    assert len(claims) == 4, "three at a time"


def test_the_monitor_outside_hears_of_every_sweep(tmp_path: Path, mail: MailServer, web: WebServer) -> None:
    address = tmp_path / "beat"
    address.write_text(f"http://127.0.0.1:{web.port}/beat")
    man = one_mailbox(tmp_path, mail, more="heartbeat: {url: file:beat}")
    man.track("cancel=2026-03-01T10:15:00Z")
    man.sweep()
    man.sweep()
    first, second = web.documents
    assert (first["sent"], second["sent"], second["failed"]) == (2, 0, 0)
    following = datetime.fromisoformat(second["next"]["at"])
    assert second["next"]["subscription"] == "S1"
    assert CANCELLED + 15 * DAY < following <= CANCELLED + 16 * DAY
    address.write_text("http://127.0.0.1:9/beat")
    result = man.sweep()
    assert result.exit == 0
    assert any("heartbeat was not heard" in note for note in result.notes)
    man.sweep(dry_run=True)
    assert len(web.bodies) == 2
