"""How loud a warning is by what is copied: one step up where the copy does not fit any more, one down where all is verified, and
never silent (retention-domain §5)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from retention.books import opened_books
from tests.faults.mail_server import MailServer
from tests.faults.watchman import CANCELLED, DAY, Watchman, one_mailbox

HOURS = 3600


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


def on_record(man: Watchman, *rows: dict[str, Any]) -> None:
    with opened_books(man.config, man.clock) as books:
        books.append(rows)


def planned(seconds: float) -> dict[str, Any]:
    return {"type": "planned", "run": "p", "result": {"planned_seconds": seconds, "complete": True}}


def severities(man: Watchman, day: int) -> dict[tuple[str, int], str]:
    return {(e["boundary"], e["threshold_days"]): e["severity"] for e in man.at(CANCELLED + day * DAY).sweep().sent}


def test_what_does_not_fit_any_more_is_a_step_louder(tmp_path: Path, mail: MailServer) -> None:
    man = one_mailbox(tmp_path, mail)
    man.track("cancel=2026-03-01T10:15:00Z")
    man.sweep()
    man.at(CANCELLED + 15 * DAY)
    on_record(man, planned(20 * 24 * HOURS))
    assert severities(man, 16) == {("at_risk_from", 14): "critical"}
    text = mail.messages[-1].text
    assert "[CRITICAL]" in mail.messages[-1].subject
    assert "Needed for it, by the newest plan: 20 days: that does not fit before at_risk_from any more." in text
    assert severities(man, 23) == {("at_risk_from", 7): "high"}, "older than a week, a plan says nothing"
    on_record(man, planned(2 * HOURS))
    assert severities(man, 27) == {("at_risk_from", 3): "critical"}
    assert "by the newest plan: 2 h." in mail.messages[-1].text


def test_whoever_hears_critical_alone_hears_what_has_become_so(tmp_path: Path, mail: MailServer) -> None:
    """Though nothing of theirs was due when the sweep before looked ahead."""
    man = Watchman(tmp_path, {"boss": (mail.address(), "min_severity: critical")})
    man.track("cancel=2026-03-01T10:15:00Z")
    man.sweep()
    man.at(CANCELLED + 10 * DAY).sweep()
    on_record(man, planned(15 * 24 * HOURS))
    man.at(CANCELLED + 15 * DAY).sweep()
    assert severities(man, 16) == {("at_risk_from", 14): "critical"}


def test_what_is_copied_and_verified_is_a_step_quieter_and_still_told(tmp_path: Path, mail: MailServer) -> None:
    man = one_mailbox(tmp_path, mail)
    man.track("cancel=2026-03-01T10:15:00Z")
    bags = {"mail/anna": {"segment": 3, "sha256": "0" * 64}}
    on_record(man, {"type": "stated", "subscription": "S1", "set": {}, "sources": [["mail", "anna"]]})
    man.sweep()
    assert severities(man, 16) == {("at_risk_from", 14): "high"}
    on_record(man, {"type": "run_ended", "run": "r", "exit": 0, "open": [], "bags": bags}, planned(99 * 24 * HOURS))
    assert severities(man, 17) == {}
    verified = {"type": "verified", "bag": "mail/anna", "level": "full", "segment": 3, "result": "whole"}
    on_record(man, {**verified, "sample": 10}, {**verified, "level": "stored"})
    assert severities(man, 23) == {("at_risk_from", 7): "critical"}, (
        "a sample proves nothing, and the plan says too late"
    )
    on_record(man, verified)
    assert severities(man, 27) == {("at_risk_from", 3): "high"}
    assert "Needed" not in mail.messages[-1].text
    on_record(man, {**verified, "result": "differs"})
    assert severities(man, 29) == {("at_risk_from", 1): "critical"}
    on_record(man, verified)
    assert severities(man, 180)[("gone_by", 0)] == "info", "info is the lowest, and no silence"


def test_a_person_who_looked_at_the_clock_ends_the_doubt(tmp_path: Path, mail: MailServer) -> None:
    """Rows that were written under a clock that was ahead do not count any more (retention-domain §2.5)."""
    man = one_mailbox(tmp_path, mail)
    man.track("cancel=2026-03-01T10:15:00Z")
    on_record(man, {"type": "accepted", "at": "2099-01-01T00:00:00Z"})
    assert any("later than this machine's clock" in note for note in man.sweep(dry_run=True).notes)
    on_record(man, {"type": "attested", "item": "PF-05", "by": "Anna", "text": "t"})
    assert man.sweep(dry_run=True).notes
    on_record(man, {"type": "attested", "item": "clock", "by": "Anna", "text": "compared with the wall"})
    assert man.sweep(dry_run=True).notes == []
    assert {e["threshold_days"] for e in man.sweep().sent} == {0, 30}
