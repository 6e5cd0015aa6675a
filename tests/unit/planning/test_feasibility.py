"""The sums of retention-domain §7, with its worked example to the minute."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from retention.planning.feasibility import (
    SAFETY,
    Files,
    Rates,
    Work,
    box_seconds,
    estimate,
    limited_seconds,
    planned,
    ready_at,
    safety_of,
    span,
    start_by,
    units_seconds,
)

DAY, HOUR = 86_400.0, 3_600.0
EXAMPLE = replace(Rates.of_tenant(300, 1000), streams=3, mailboxes=40)
"""As §7 has it: three streams a mailbox, forty mailboxes at once."""


def example_files() -> Files:
    return Files(
        downloads=3_400_000,
        versions=1_100_000,
        pages=17_000,
        listings=500_000 + 1_250,
        permissions=400_000,
        bytes=5.5e12,
    )


def example() -> Work:
    """300 licences, 350 mailboxes, 4.2 M messages (items and pages of 100), the largest of 480,000."""
    work = Work(files=example_files())
    work.boxes.add(484_800, 480_000, 0.24e12)
    for _ in range(349):
        work.boxes.add((4_242_000 - 484_800) / 349, (4_200_000 - 480_000) / 349, 1.86e12 / 349)
    return work


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_worked_example_term_by_term() -> None:
    terms = {term.name: term.seconds for term in estimate(example(), EXAMPLE).terms}
    assert round(terms["mail_largest"] / HOUR, 1) == 15.7
    assert round(484_800 / (10_000 / 600) / HOUR, 1) == 8.1  # the request limit alone, evenly spread
    assert limited_seconds(484_800, replace(EXAMPLE, latency=0.0)) / HOUR == 8.0  # and as it is really spent
    assert round(terms["mail_all"] / HOUR, 1) == 3.4
    assert example_files().units == 7_519_500
    assert round(terms["units_day"] / DAY, 2) == 7.83
    assert 13.7 < terms["bytes_hour"] / HOUR < 13.8
    assert round(terms["line"] / HOUR, 1) == 24.1
    assert estimate(example(), EXAMPLE).binding.name == "units_day"


def test_the_worked_example_to_the_minute() -> None:
    whole = planned(estimate(example(), EXAMPLE).seconds, SAFETY)
    assert round(whole / DAY, 2) == 13.75
    assert start_by(at("2026-03-31T10:15"), whole) == at("2026-03-17T16:16")
    assert ready_at(at("2026-02-16T08:00"), whole) == at("2026-03-02T01:59")
    content = Work(example().boxes, replace(example_files(), permissions=0))
    content_first = planned(estimate(content, EXAMPLE).seconds, SAFETY)
    assert round(content_first / DAY, 2) == 10.62
    assert ready_at(at("2026-02-16T08:00"), content_first) == at("2026-02-26T22:59")


def test_an_instant_that_is_a_whole_minute_stays_one() -> None:
    assert start_by(at("2026-03-31T10:15"), 60.0) == at("2026-03-31T10:14")
    assert ready_at(at("2026-03-31T10:15"), 60.0) == at("2026-03-31T10:16")
    assert start_by(at("2026-03-31T10:15"), 60.5) == at("2026-03-31T10:13")
    assert ready_at(at("2026-03-31T10:15"), 60.5) == at("2026-03-31T10:17")


@pytest.mark.parametrize(
    ("licences", "day"),
    [(1_000, 1_200_000), (1_001, 2_400_000), (15_000, 3_600_000), (50_001, 6_000_000), (None, 1_200_000)],
)
def test_the_tiers_are_those_that_the_exporter_keeps_to(licences: int | None, day: int) -> None:
    assert Rates.of_tenant(licences, 1000).day_units == day


def test_a_day_binds_only_where_more_is_wanted_than_it_has_left() -> None:
    rates = Rates.of_tenant(100, 1000)
    assert units_seconds(960_000, rates) == (960 * 60.0, 0.0)  # 1,000 a minute
    minute, day = units_seconds(960_001, rates)
    assert day == pytest.approx(DAY, rel=1e-5)
    assert minute < day
    assert units_seconds(960_000, replace(rates, spent=96_000))[1] == pytest.approx(1.1 * DAY)
    assert units_seconds(0, replace(rates, spent=2e6)) == (0.0, 0.0)


def test_a_mailbox_is_bound_by_its_limit_its_places_or_the_line() -> None:
    quick = replace(Rates.of_tenant(100, 8), latency=0.04)  # 100 requests a second at four places, 0.7 MB a second
    assert box_seconds(10_000, 9_900, 0, quick) == pytest.approx(100.0)  # no window is full before
    assert box_seconds(30_000, 29_700, 0, quick) == pytest.approx(2 * 600.0 + 100.0)
    assert box_seconds(10, 9, 7e6, quick) == pytest.approx(10.0)
    slow = replace(quick, latency=0.4)
    assert box_seconds(30_000, 29_700, 0, slow) == pytest.approx(3_000.0)
    assert box_seconds(30_000, 29_700, 0, replace(slow, composing=0.01)) == pytest.approx(3_297.0)


def test_the_binding_term_is_named() -> None:
    rates = Rates.of_tenant(100, 100)
    mail = Work()
    mail.boxes.add(100_000, 99_000, 1e9)
    assert estimate(mail, rates).binding.name == "mail_largest"
    for _ in range(20):
        mail.boxes.add(90_000, 89_000, 1e9)
    assert estimate(mail, rates).binding.name == "mail_all"
    assert estimate(Work(files=Files(downloads=100_000, bytes=1e9)), rates).binding.name == "units_minute"
    assert estimate(Work(files=Files(downloads=1_000_000, bytes=1e9)), rates).binding.name == "units_day"
    assert estimate(Work(files=Files(downloads=100, bytes=1e12)), rates).binding.name == "line"
    assert estimate(Work(files=Files(downloads=100, bytes=1e13)), replace(rates, line=1e9)).binding.name == "bytes_hour"
    many = replace(Rates.of_tenant(60_000, 10_000), file_latency=1.0)
    assert estimate(Work(files=Files(downloads=100_000)), many).binding.name == "files_places"
    assert estimate(Work(), rates).seconds == 0.0


@pytest.mark.parametrize("usable", [0.5, 0.8, 0.97])
@pytest.mark.parametrize("scale", [1, 300, 960, 1_100, 1_700, 9_000])
@pytest.mark.parametrize("boxes", [1, 9, 400])
def test_the_range_holds_what_is_expected_and_is_not_wider_than_threefold(
    usable: float, scale: int, boxes: int
) -> None:
    for line in (10, 1000):
        work = Work(files=Files(downloads=scale * 1_000, bytes=scale * 1e8))
        for _ in range(boxes):
            work.boxes.add(scale * 100, scale * 95, scale * 1e6)
        found = span(work, replace(Rates.of_tenant(100, line), usable=usable, spent=usable * 200_000))
        assert 0 < found.low_seconds <= found.expected.seconds <= found.high_seconds <= 3 * found.low_seconds + 1e-6


def test_the_safety_is_smaller_once_an_hour_was_measured_and_nothing_left_takes_no_reserve() -> None:
    assert [safety_of(3_599), safety_of(3_600)] == [1.5, 1.2]
    assert planned(0.0, 1.5) == 0.0
    assert planned(10.0, 1.2) == 12.0 + timedelta(days=2).total_seconds()
