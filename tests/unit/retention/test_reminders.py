"""When warnings are due: thresholds, severities, quiet hours, late knowledge (retention-domain §5)."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retention.reminders import (
    THRESHOLDS,
    Decision,
    QuietHours,
    adjusted,
    decide,
    moved,
    object_thresholds,
    scheduled,
    severity_of,
)

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
LONG_AGO = AT - 400 * DAY
NIGHT = QuietHours(time(20), time(7), ZoneInfo("Europe/Amsterdam"))


def due(decision: Decision) -> list[tuple[str, int]]:
    return [one.threshold for one in decision.due]


@pytest.mark.parametrize(
    ("boundary", "severities"),
    [
        ("access_ends", {30: "notice", 14: "notice", 7: "high", 3: "high", 1: "critical", 0: "critical"}),
        (
            "at_risk_from",
            {60: "notice", 30: "notice", 14: "high", 7: "high", 3: "critical", 1: "critical", 0: "critical"},
        ),
        ("gone_by", {0: "info"}),
    ],
)
def test_severity_is_that_of_the_threshold(boundary: str, severities: dict[int, str]) -> None:
    assert {days: severity_of(boundary, days) for days in THRESHOLDS[boundary]} == severities


def test_severity_is_adjusted_by_a_step_and_never_to_silence() -> None:
    assert adjusted("critical", proven=True) == "high"
    assert adjusted("info", proven=True) == "info"
    assert adjusted("high", fits=False) == "critical"
    assert adjusted("critical", fits=False) == "critical"
    assert adjusted("critical", possible_end=True) == "notice"
    assert adjusted("info", possible_end=True) == "info"


@pytest.mark.parametrize(
    ("at", "begun"),
    [
        ("2026-06-01T17:59:59Z", None),
        ("2026-06-01T18:00:00Z", "2026-06-01T18:00:00Z"),
        ("2026-06-02T04:59:59Z", "2026-06-01T18:00:00Z"),
        ("2026-06-02T05:00:00Z", None),
        ("2026-03-29T03:00:00Z", "2026-03-28T19:00:00Z"),  # the clock change lies in this night
        ("2026-10-25T05:59:59Z", "2026-10-24T18:00:00Z"),
    ],
)
def test_quiet_hours_are_wall_clock_hours(at: str, begun: str | None) -> None:
    found = NIGHT.begun(datetime.fromisoformat(at))
    assert found == (datetime.fromisoformat(begun) if begun else None)


def test_quiet_hours_within_a_day_and_none_at_all() -> None:
    noon = QuietHours(time(12), time(14), UTC)
    assert noon.begun(AT) == AT
    assert noon.begun(AT + 2 * HOUR) is None
    never = QuietHours(time(12), time(12), UTC)
    assert never.begun(AT) is None
    assert never.last_begun(AT) is None


def test_non_critical_ones_are_brought_forward_and_never_put_off() -> None:
    at = datetime(2026, 6, 30, 22, tzinfo=UTC)  # midnight in Amsterdam
    found = {
        one.threshold: one for one in scheduled({"at_risk_from": at, "gone_by": at}, known_at=LONG_AGO, quiet=NIGHT)
    }
    assert found["at_risk_from", 14].send == at - 14 * DAY - 4 * HOUR
    assert found["at_risk_from", 3].send == at - 3 * DAY
    assert found["gone_by", 0].send == at
    for one in found.values():
        assert one.send <= one.due


def test_learnt_inside_the_quiet_hours_it_goes_at_once() -> None:
    known = datetime(2026, 6, 1, 21, tzinfo=UTC)
    at = known + 14 * DAY + HOUR
    (first, *_) = [
        one for one in scheduled({"at_risk_from": at}, known_at=known, quiet=NIGHT) if one.threshold_days == 14
    ]
    assert (first.send, first.kind) == (known, "scheduled")


def test_of_what_is_overdue_only_the_smallest_is_sent() -> None:
    decision = decide({"at_risk_from": AT}, now=AT - 5 * DAY, known_at=AT - 5 * DAY, every=HOUR)
    assert due(decision) == [("at_risk_from", 7)]
    assert decision.due[0].kind == "catch_up"
    assert [one.threshold_days for one in decision.superseded] == [60, 30, 14]


def test_what_was_sent_is_not_sent_again() -> None:
    settled = {("at_risk_from", days) for days in (60, 30, 14, 7)}
    assert decide({"at_risk_from": AT}, now=AT - 5 * DAY, known_at=LONG_AGO, every=HOUR, settled=settled) == Decision(
        (), ()
    )


def test_undelivered_ones_are_superseded_by_smaller_ones() -> None:
    decision = decide(
        {"at_risk_from": AT},
        now=AT - 3 * DAY,
        known_at=LONG_AGO,
        every=HOUR,
        settled={("at_risk_from", 60), ("at_risk_from", 30)},
    )
    assert due(decision) == [("at_risk_from", 3)]
    assert [one.threshold_days for one in decision.superseded] == [14, 7]


def test_late_is_over_one_and_a_half_intervals() -> None:
    for overdue, kind in ((90, "scheduled"), (91, "catch_up")):
        now = AT - 7 * DAY + timedelta(minutes=overdue)
        assert decide({"at_risk_from": AT}, now=now, known_at=LONG_AGO, every=HOUR).due[0].kind == kind


def test_a_passed_boundary_has_its_0_message_once() -> None:
    decision = decide({"access_ends": AT}, now=AT + 40 * DAY, known_at=AT + 40 * DAY, every=HOUR)
    assert due(decision) == [("access_ends", 0)]
    assert len(decision.superseded) == 5


def test_a_sweep_before_the_night_sends_what_would_fall_into_it() -> None:
    at = datetime(2026, 6, 30, 22, tzinfo=UTC)
    eve = at - 14 * DAY - 4 * HOUR  # 20:00 in Amsterdam
    clocks = {"at_risk_from": at, "access_ends": at - 11 * DAY, "gone_by": at - 14 * DAY}
    early = decide(clocks, now=eve - 1.6 * HOUR, known_at=LONG_AGO, every=HOUR, quiet=NIGHT, settled=SENT)
    assert due(early) == []
    last = decide(clocks, now=eve - 1.4 * HOUR, known_at=LONG_AGO, every=HOUR, quiet=NIGHT, settled=SENT)
    assert due(last) == [("access_ends", 3), ("at_risk_from", 14)]
    assert {one.kind for one in last.due} == {"scheduled"}


SENT = {("at_risk_from", 60), ("at_risk_from", 30), ("access_ends", 30), ("access_ends", 14), ("access_ends", 7)}


def test_a_long_interval_that_jumps_the_night_sends_it_before() -> None:
    at = datetime(2026, 6, 30, 22, tzinfo=UTC)
    now = at - 14 * DAY - 6 * HOUR
    assert due(
        decide({"at_risk_from": at}, now=now, known_at=LONG_AGO, every=12 * HOUR, quiet=NIGHT, settled=SENT)
    ) == [("at_risk_from", 14)]


def test_marks_of_objects_have_thresholds_of_their_own() -> None:
    marks = {"mailbox_at_risk_from": AT, "onedrive_archived_from": None, "package_expires": AT}
    found = scheduled(marks, known_at=LONG_AGO, thresholds=object_thresholds(marks))
    assert [(one.boundary, one.threshold_days, one.severity) for one in found] == [
        ("mailbox_at_risk_from", 30, "notice"),
        ("mailbox_at_risk_from", 7, "high"),
        ("package_expires", 7, "high"),
        ("package_expires", 3, "critical"),
        ("mailbox_at_risk_from", 1, "critical"),
        ("package_expires", 1, "critical"),
        ("mailbox_at_risk_from", 0, "critical"),
    ]
    sweep = decide(marks, now=AT - 6 * DAY, known_at=LONG_AGO, every=HOUR, thresholds=object_thresholds(marks))
    assert due(sweep) == [("mailbox_at_risk_from", 7), ("package_expires", 7)]


def test_moves_of_an_hour_are_told() -> None:
    assert moved(AT, AT + timedelta(minutes=59)) is None
    assert moved(AT, AT + HOUR) == "later"
    assert moved(AT, AT - HOUR) == "earlier"


@settings(max_examples=20, deadline=None)
@given(
    start=st.integers(0, 48 * 60),
    known=st.integers(-70 * 24, 24),
    every=st.sampled_from([120, 240, 300]),
    quiet=st.sampled_from([None, NIGHT, QuietHours(time(12), time(14), UTC)]),
)
def test_sweeps_on_time_send_each_scheduled_warning_once_and_in_time(
    start: int, known: int, every: int, quiet: QuietHours | None
) -> None:
    """A sweep every so often sends exactly what the schedule lists: not after `send` by more than the interval, none twice,
    and no non-critical one inside quiet hours unless it was learnt there."""
    interval, known_at = timedelta(minutes=every), AT + known * HOUR
    boundaries = {
        "access_ends": AT + 2 * DAY,
        "at_risk_from": AT + 2 * DAY,
        "deletable_from": AT + 30 * DAY,
        "gone_by": AT,
    }
    wanted = {one.threshold: one for one in scheduled(boundaries, known_at=known_at, quiet=quiet)}
    settled: set[tuple[str, int]] = set()
    now = known_at if known_at > AT - 62 * DAY else AT - 62 * DAY + timedelta(minutes=start)
    first = now
    sent: dict[tuple[str, int], datetime] = {}
    while now < AT + 31 * DAY:
        decision = decide(boundaries, now=now, known_at=known_at, every=interval, quiet=quiet, settled=settled)
        for one in decision.due:
            assert one.threshold not in sent
            sent[one.threshold] = now
            asleep = quiet is not None and quiet.begun(now) is not None
            if one.severity in ("notice", "high") and one.kind == "scheduled" and asleep:
                assert now == first or now == quiet.begun(now)  # type: ignore[union-attr]
            assert now <= one.send + interval or now == first
        settled |= {one.threshold for one in (*decision.due, *decision.superseded)}
        now += interval
    assert sent.keys() == {one for one, row in wanted.items()} | {
        one for one in sent if one not in wanted and sent[one] == first
    }
