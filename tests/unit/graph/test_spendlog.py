"""The log of a window: nothing is forgotten early, and nothing is kept for ever."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.graph.spendlog import SpendLog

SPENDS = st.lists(st.tuples(st.floats(0, 500), st.integers(1, 40)), max_size=60)


@settings(max_examples=60, deadline=None)
@given(SPENDS)
def test_spends_noted_out_of_order_are_never_forgotten_early(spends: list[tuple[float, int]]) -> None:
    log = SpendLog(60.0)
    now = 0.0
    for at, units in spends:
        now = max(now, at)
        log.note(units, at)
    assert log.used(now) >= sum(units for at, units in spends if at > now - 60.0)
    assert log.used(now + 1000) == 0


@settings(max_examples=60, deadline=None)
@given(SPENDS, SPENDS, st.floats(0, 500))
def test_what_replaces_the_newest_part_leaves_the_rest(
    old: list[tuple[float, int]], new: list[tuple[float, int]], since: float
) -> None:
    """`since` lies between spends, as the middle of a minute lies between ends of minutes."""
    log = SpendLog(86_400.0)
    log.replace(sorted(old))
    log.replace(sorted((at, units) for at, units in new if at > since), since)
    kept = [units for at, units in old if at + 86_400 <= since + 86_400]
    assert log.used(500.0) == sum(kept) + sum(units for at, units in new if at > since)


@pytest.mark.parametrize(("units", "limit"), [(1, 10), (5, 10), (10, 10)])
def test_the_wait_is_exact(units: int, limit: int) -> None:
    log = SpendLog(60.0)
    for second in range(limit):
        log.note(1, float(second))
    wait = log.wait(units, limit, 20.0)
    assert log.wait(units, limit, 20.0 + wait - 0.01) == pytest.approx(0.01)
    assert log.wait(units, limit, 20.0 + wait) == 0.0


def test_more_than_the_limit_fits_an_empty_log_only() -> None:
    log = SpendLog(60.0)
    assert log.wait(100, 60, 0.0) == 0.0
    log.note(1, 0.0)
    assert 60.0 <= log.wait(100, 60, 0.0) <= 60.25


def test_only_an_answer_can_tell_when_what_is_in_flight_stands_in_the_way() -> None:
    log = SpendLog(60.0)
    log.claim(10)
    assert math.isinf(log.wait(1, 10, 0.0))
    log.settle(10, 1.0)
    assert 60.0 <= log.wait(1, 10, 1.0) <= 60.25


def test_held_units_count_beside_the_log() -> None:
    log = SpendLog(60.0)
    assert log.wait(3, 10, 0.0, held=7) == 0.0
    assert math.isinf(log.wait(4, 10, 0.0, held=7))
