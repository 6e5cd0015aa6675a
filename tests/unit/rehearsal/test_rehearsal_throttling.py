"""Budgets: what they grant, what they refuse, who is to blame."""

from datetime import UTC, datetime
from threading import Thread

import pytest

from exporters.clock import ManualClock
from exporters.rehearsal import throttling
from exporters.rehearsal.throttling import Throttle, Window, units_a_minute

START = datetime(2026, 1, 1, tzinfo=UTC)


def throttle(clock: ManualClock, **options: object) -> Throttle:
    return Throttle(clock, **{"licences": 100, "users": 10, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("licences", "units"),
    [(0, 1250), (1000, 1250), (1001, 2500), (5001, 3750), (15_001, 5000), (50_000, 5000), (50_001, 6250)],
)
def test_units_by_licence_class(licences: int, units: int) -> None:
    assert units_a_minute(licences) == units


def test_a_minute_is_used_up_and_comes_back() -> None:
    clock = ManualClock(START)
    budget = throttle(clock)
    assert all(budget.charge("sharepoint", 1, str(n)).status == 0 for n in range(1250))
    refused = budget.charge("sharepoint", 1, "one too many")
    assert (refused.status, refused.avoidable, refused.reason) == (429, True, "over-budget")
    assert refused.headers["Retry-After"] == "60"
    assert refused.headers["RateLimit-Remaining"] == "0"
    clock.advance(60)
    assert budget.charge("sharepoint", 1, "one too many").status == 0


def test_rates_are_told_from_four_fifths_on() -> None:
    budget = throttle(ManualClock(START), minute=10)
    headers = [budget.charge("sharepoint", 1, str(n)).headers for n in range(10)]
    assert ["RateLimit-Remaining" in given for given in headers] == [False] * 7 + [True] * 3
    assert headers[-1] == {"RateLimit-Limit": "10", "RateLimit-Remaining": "0", "RateLimit-Reset": "60"}


def test_throttled_calls_count() -> None:
    clock = ManualClock(START)
    budget = throttle(clock, minute=10)
    for n in range(25):
        budget.charge("sharepoint", 1, str(n))
    assert budget.usage()["minute"] == budget.usage()["day"] == 25


def test_the_day_binds_when_the_minute_does_not() -> None:
    clock = ManualClock(START)
    budget = throttle(clock, minute=10, day=25)
    states = []
    for n in range(6):
        states.append([budget.charge("sharepoint", 5, f"{n}.{i}").status for i in range(2)])
        clock.advance(60)
    assert states[:2] == [[0, 0], [0, 0]]
    assert states[2] == [0, 429]
    assert states[3:] == [[429, 429]] * 3
    clock.advance(86_400)
    assert budget.charge("sharepoint", 5, "next day").status == 0


def test_q040_a_call_before_its_time_is_refused_and_prolongs_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling, "GRACE", 0.0)
    clock = ManualClock(START)
    budget = throttle(clock)
    budget.block("sharepoint", 30, "a")
    clock.advance(10)
    early = budget.charge("sharepoint", 1, "b")
    assert (early.status, early.reason, early.avoidable) == (429, "early-retry", True)
    assert early.headers["Retry-After"] == "25"  # 20 left, 5 more
    clock.advance(25)
    assert budget.charge("sharepoint", 1, "b").status == 0


def test_what_was_on_its_way_is_not_early_but_a_repetition_is() -> None:
    clock = ManualClock(START)
    budget = throttle(clock)
    budget.block("sharepoint", 30, "refused")
    assert budget.charge("sharepoint", 1, "already under way").status == 0
    assert budget.charge("sharepoint", 1, "refused").reason == "early-retry"


def test_families_do_not_share_a_wait() -> None:
    budget = throttle(ManualClock(START))
    budget.block("sharepoint", 30, "x")
    assert budget.charge("directory", 1, "x").status == 0


def test_directory_units_in_ten_seconds() -> None:
    clock = ManualClock(START)
    budget = throttle(clock)
    first = budget.charge("directory", 2, "a")
    assert first.headers == {"x-ms-resource-unit": "2"}
    near = budget.charge("directory", 3000, "b")
    assert near.headers["x-ms-throttle-limit-percentage"] == "0.9"
    over = budget.charge("directory", 1000, "c")
    assert (over.status, over.headers["Retry-After"]) == (429, "10")
    assert over.headers["x-ms-throttle-information"] == "ResourceUnitLimitExceeded"
    clock.advance(10)
    assert budget.charge("directory", 1000, "c").status == 0


def test_q043_a_mailbox_takes_four_at_once_and_ten_thousand_in_ten_minutes() -> None:
    clock = ManualClock(START)
    budget = throttle(clock)
    assert [budget.enter("m") for _ in range(5)] == [True] * 4 + [False]
    budget.leave("m")
    assert budget.enter("other")
    assert all(budget.charge("exchange", 1, str(n), "m").status == 0 for n in range(10_000))
    assert budget.charge("exchange", 1, "over", "m").status == 429
    assert budget.charge("exchange", 1, "x", "other").status == 0


def test_sliding_windows_forget_bit_by_bit() -> None:
    window = Window(10, 60, sliding=True)
    assert window.add(0, 6) and window.add(30, 4)
    assert not window.add(31, 1)
    assert window.reset_after(31) == 29
    assert window.add(61, 3)


def test_switched_off_it_grants_all() -> None:
    budget = throttle(ManualClock(START), enabled=False, minute=1)
    assert all(budget.charge("sharepoint", 5, "x").status == 0 for _ in range(100))


def test_503_instead_of_429() -> None:
    budget = throttle(ManualClock(START), minute=1, status=503)
    budget.charge("sharepoint", 1, "a")
    assert budget.charge("sharepoint", 1, "b").status == 503


# -- who is to blame --------------------------------------------------------------------------------------------------------


def in_another_thread(budget: Throttle, what: str) -> bool:
    """Whether a request on another connection (a thread of its own) is blamed on the client."""
    found: list[bool] = []
    thread = Thread(target=lambda: found.append(budget.charge("sharepoint", 1, what).avoidable))
    thread.start()
    thread.join()
    return found[0]


def test_a_limit_below_the_published_one_is_blamed_on_nobody_before_it_was_told() -> None:
    """A client that sends more than a fifth of it at once could not know."""
    budget = throttle(ManualClock(START), minute=10)
    refused = budget.charge("sharepoint", 11, "more than all at once")
    assert (refused.status, refused.avoidable) == (429, False)


def test_a_limit_that_was_told_is_the_clients_to_keep() -> None:
    """At once on the connection that had the telling answer; after a moment on all: what was on its way is not blamed."""
    clock = ManualClock(START)
    budget = throttle(clock, minute=10, real=clock)
    for n in range(10):
        budget.charge("sharepoint", 1, str(n))
    assert not in_another_thread(budget, "on its way")
    assert budget.charge("sharepoint", 1, "told").avoidable
    clock.advance(throttling.GRACE + 0.01)
    assert in_another_thread(budget, "late")


def test_the_published_limit_is_everybodys_to_know() -> None:
    budget = throttle(ManualClock(START))
    assert budget.charge("sharepoint", 1251, "x").avoidable


def test_a_day_below_the_published_one_is_blamed_on_nobody_but_its_pause_is_kept() -> None:
    clock = ManualClock(START)
    budget = throttle(clock, day=100, real=clock)
    budget.charge("sharepoint", 100, "a")
    refused = budget.charge("sharepoint", 1, "b")
    assert (refused.status, refused.avoidable) == (429, False)
    assert int(refused.headers["Retry-After"]) == 86_400
    clock.advance(3600)
    assert budget.charge("sharepoint", 1, "c").avoidable


def test_a_day_that_slides_gives_back_bit_by_bit() -> None:
    clock = ManualClock(START)
    budget = throttle(clock, day=100, sliding_day=True, real=clock)
    budget.charge("sharepoint", 40, "a")
    clock.advance(3600)
    budget.charge("sharepoint", 60, "b")
    refused = budget.charge("sharepoint", 1, "c")
    assert int(refused.headers["Retry-After"]) == 86_400 - 3600
    clock.advance(86_400 - 3600)
    assert budget.charge("sharepoint", 39, "c").status == 0
    assert budget.charge("sharepoint", 1, "d").status == 429


def test_q040_who_keeps_calling_is_shut_out_for_good() -> None:
    """Steady abuse ends in a block: 503 without end, and without a time."""
    clock = ManualClock(START)
    budget = throttle(clock)
    budget.block("sharepoint", 30, "x")
    for _ in range(throttling.ABUSE):
        assert budget.charge("sharepoint", 1, "x").status == 429 or budget._early >= throttling.ABUSE
    clock.advance(10 * 86_400)
    shut = budget.charge("sharepoint", 1, "x")
    assert (shut.status, shut.headers, shut.reason) == (503, {}, "blocked")
