"""What a plan expects against what the budget really lets through: the real budget, and time that is played.

Rules of this file: no load of the machine changes anything here. The same with the whole product: tests/bench/test_plan_bench.py.
"""

import heapq
from dataclasses import replace

import pytest

from exporters.graph.budget import Budget
from exporters.graph.limits import MAILBOX_CONCURRENT, Scope
from retention.planning.feasibility import Files, Rates, Work, span
from tests.unit.graph.simulation import Process, World

LINE = 10_000.0


def judge(work: Work, rates: Rates, real: float) -> None:
    found = span(work, rates)
    assert abs(real / found.expected.seconds - 1) <= 0.25, (real, found)
    assert found.low_seconds <= real <= found.high_seconds, (real, found)
    assert found.high_seconds <= 3 * found.low_seconds


def seconds_of_mailbox(requests: int, latency: float) -> float:
    """How long so many requests take, one after the other in each of the four places of a mailbox."""
    budget, now, under_way = Budget(licences=100), 0.0, list[tuple[float, int]]()
    tickets = {}
    for number in range(requests):
        while (claim := budget.claim(Scope.EXCHANGE, 1, now, "m")).ticket is None:
            if claim.reason == "concurrency":
                now, done = heapq.heappop(under_way)
                budget.settle(tickets[done], now, served=True)
                budget.release(tickets.pop(done))
            else:
                now += claim.wait_seconds
                while under_way and under_way[0][0] <= now:
                    at, done = heapq.heappop(under_way)
                    budget.settle(tickets[done], at, served=True)
                    budget.release(tickets.pop(done))
        tickets[number] = claim.ticket
        heapq.heappush(under_way, (now + latency, number))
    return max(under_way)[0]


@pytest.mark.parametrize("sliding", [False, True], ids=["fixed", "sliding"])
def test_bound_by_units_of_the_minute(sliding: bool) -> None:
    world = World(sliding=sliding)
    Process(world, 0, latency=0.1).start()
    world.run(400.0)
    counted = [one for one in world.counted if not one.status][:7_000]
    assert len(counted) == 7_000
    judge(Work(files=Files(downloads=7_000)), replace(Rates.of_tenant(100, LINE), usable=1.0), counted[-1].at)


@pytest.mark.soak
def test_bound_by_units_of_the_day() -> None:
    world = World(minute=10, day=9_600)
    Process(world, 0, latency=0.1, limits=(10, 9_600)).start()
    world.run(86_400.0 * 2.6)
    counted = [one for one in world.counted if not one.status][:24_000]
    assert len(counted) == 24_000
    rates = replace(Rates.of_tenant(100, LINE), minute_units=10, day_units=9_600, usable=1.0)
    judge(Work(files=Files(downloads=24_000)), rates, counted[-1].at)


@pytest.mark.parametrize(("requests", "latency"), [(9_000, 0.1), (19_000, 0.1), (21_000, 0.05), (12_000, 0.35)])
def test_bound_by_requests(requests: int, latency: float) -> None:
    work = Work()
    work.boxes.add(requests, requests, 0)
    rates = replace(Rates.of_tenant(100, LINE), latency=latency)
    assert rates.streams == MAILBOX_CONCURRENT
    judge(work, rates, seconds_of_mailbox(requests, latency))
