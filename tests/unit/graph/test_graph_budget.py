"""The budget: never over the limit in any window, and nearly all of it used; pauses; what the service tells."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.graph.budget import Budget, BudgetState, SpendLog
from exporters.graph.headers import RateLimit
from exporters.graph.limits import Cost, Scope, directory_limit, licence_class, price

SP = Scope.SHAREPOINT


def spend_all(budget: Budget, seconds: float, *, latency: float, units: int, threads: int, scope: Scope = SP):
    """As fast as the budget lets `threads` go; returns the service's view: (moment, units), in order."""
    budget.start(0.0, 1_000_000.0)
    now, counted = 0.0, []
    free = [0.0] * threads
    open_: list[tuple[float, object]] = []
    while now < seconds:
        for done, ticket in sorted(open_, key=lambda e: e[0]):
            if done <= now:
                budget.settle(ticket, now)
                open_.remove((done, ticket))
        lane = min(range(threads), key=free.__getitem__)
        if free[lane] > now:
            now = min([free[lane], *[done for done, _ in open_ if done > now]])
            continue
        claim = budget.claim(scope, units, now)
        if claim.ticket is None:
            now += min([claim.wait_seconds, *[max(done - now, 1e-6) for done, _ in open_]])
            continue
        # the service may count it at any time between sending and answering
        counted.append((now + latency * ((len(counted) * 7919) % 100) / 100, units))
        free[lane] = now + latency
        open_.append((now + latency, claim.ticket))
    return sorted(counted)


class Service:
    """The service's side: a minute's budget, fixed or sliding, that tells how it stands from 80 % on."""

    def __init__(self, limit: int, *, sliding: bool, foreign: int = 0) -> None:
        self.limit, self.sliding, self.foreign = limit, sliding, foreign
        self.counted: list[float] = []
        self.refused = 0

    def answer(self, now: float) -> RateLimit | None:
        start = now - 60 if self.sliding else now // 60 * 60
        recent = [at for at in self.counted[-2 * self.limit :] if at > start or (not self.sliding and at == start)]
        used = len(recent) + 1 + self.foreign
        if used > self.limit:
            self.refused += 1
        else:
            self.counted.append(now)
        reset = recent[0] + 60 - now if self.sliding and recent else 60 - now % 60
        if used < 0.8 * self.limit:
            return None
        return RateLimit(self.limit, max(0, self.limit - used), max(1.0, float(math.ceil(reset))))


@pytest.mark.parametrize("sliding", [True, False], ids=["sliding", "fixed"])
@pytest.mark.parametrize("foreign", [0, 40], ids=["alone", "others-spend"])
def test_use_is_high_and_refusals_none_with_what_the_service_tells(sliding: bool, foreign: int) -> None:
    service = Service(200, sliding=sliding, foreign=foreign)
    budget = Budget()
    budget.start(0.0, 0.0)
    now, pending, told_once = 13.0, [], False
    while now < 13 + 605:
        for done, ticket, told in [entry for entry in pending if entry[0] <= now]:
            budget.settle(ticket, now, rate_limit=told)
            pending.remove((done, ticket, told))
        claim = budget.claim(SP, 1, now) if len(pending) < (8 if told_once else 1) else None
        if claim is not None and claim.ticket is not None:
            first = None if told_once else RateLimit(200, None, None)
            told_once = True
            pending.append((now + 0.2, claim.ticket, service.answer(now + 0.1) or first))
            now += 0.001
        else:
            waits = [entry[0] - now for entry in pending] + ([claim.wait_seconds] if claim is not None else [])
            now += max(min(waits), 1e-6)
    used = sum(1 for at in service.counted if 13 <= at < 13 + 600)
    assert used >= 0.95 * 10 * (200 - foreign) * (1 if foreign == 0 else 0.95)
    assert service.refused <= (0 if foreign == 0 else 10)


def most_in_any_window(counted, seconds: float) -> int:
    most = total = first = 0
    for at, units in counted:
        total += units
        while counted[first][0] <= at - seconds:
            total -= counted[first][1]
            first += 1
        most = max(most, total)
    return most


@settings(max_examples=12, deadline=None)
@given(
    latency=st.floats(0.005, 1.0),
    units=st.sampled_from([1, 2, 5]),
    threads=st.sampled_from([8, 24]),
)
def test_minute_limit_is_never_exceeded_in_any_window(latency: float, units: int, threads: int) -> None:
    counted = spend_all(Budget(), 260.0, latency=latency, units=units, threads=threads)
    assert most_in_any_window(counted, 60.0) <= 1250


@pytest.mark.parametrize("latency", [0.01, 0.3])
def test_at_least_95_percent_of_the_minute_is_used(latency: float) -> None:
    counted = spend_all(Budget(), 605.0, latency=latency, units=1, threads=16)
    assert most_in_any_window(counted, 60.0) <= 1250
    assert sum(units for at, units in counted if at < 600) >= 0.95 * 1250 * 10


def test_day_limit_binds_as_well() -> None:
    log = SpendLog(86_400, 1440)
    log.note(1_199_999, 100.0)
    assert log.wait(1, 1_200_000, 200.0) == 0.0
    log.note(1, 200.0)
    assert 86_400 - 200 < log.wait(1, 1_200_000, 200.0) <= 86_400
    assert log.wait(1, 1_200_000, 100.0 + 86_400 + 61) == 0.0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 500), st.integers(1, 40)), max_size=60))
def test_spends_noted_out_of_order_are_never_forgotten_early(spends) -> None:
    log = SpendLog(60.0)
    now = 0.0
    for at, units in spends:
        now = max(now, at)
        log.note(units, at)
    live = sum(units for at, units in spends if at > now - 60.0)
    assert log.used(now) >= live
    assert log.used(now + 1000) == 0


def test_pause_stops_everything_of_sharepoint_and_nothing_else() -> None:
    """Q-040: the pause holds for all workers; pre-authenticated downloads are SharePoint's too."""
    budget = Budget()
    budget.start(0.0, 0.0)
    ticket = budget.claim(SP, 1, 0.0).ticket
    budget.settle(ticket, 1.0, pause_seconds=30)
    assert budget.claim(SP, 1, 2.0).wait_seconds >= 29
    assert budget.claim(Scope.NONE, 0, 30.9).reason == "pause"
    assert budget.claim(Scope.DIRECTORY, 1, 2.0).ticket
    budget.pause(SP, 3.0, 5.0)
    assert budget.claim(SP, 1, 30.9).ticket is None, "a shorter pause never ends a longer one"
    assert budget.claim(SP, 1, 31.1).ticket


def test_avoidable_is_what_was_sent_inside_a_known_pause() -> None:
    budget = Budget()
    ticket = budget.claim(SP, 1, 0.0).ticket
    budget.pause(SP, 1.0, 30.0)
    assert not budget.inside_pause(ticket, 0.5)
    assert budget.inside_pause(ticket, 2.0)


def test_limits_told_by_the_service_are_adopted() -> None:
    budget = Budget()
    ticket = budget.claim(SP, 1, 0.0).ticket
    budget.settle(ticket, 1.0, rate_limit=RateLimit(1200, 3, 20.0))
    assert budget.minute_limit == 1200
    assert all(budget.claim(SP, 1, 2.0).ticket for _ in range(3))
    blocked = budget.claim(SP, 1, 2.0)
    assert blocked.ticket is None
    assert 19 <= blocked.wait_seconds <= 19.2
    assert budget.claim(SP, 1, 21.2).ticket
    budget.settle(budget.claim(SP, 1, 22.0).ticket, 22.0, rate_limit=RateLimit(1_300_000, None, None))
    assert (budget.minute_limit, budget.day_limit) == (1200, 1_300_000)


def test_q043_four_at_once_and_ten_thousand_in_ten_minutes_for_a_mailbox() -> None:
    budget = Budget()
    tickets = [budget.claim(Scope.EXCHANGE, 1, 0.0, "a").ticket for _ in range(4)]
    assert all(tickets)
    assert budget.claim(Scope.EXCHANGE, 1, 0.0, "a").reason == "concurrency"
    assert budget.claim(Scope.EXCHANGE, 1, 0.0, "b").ticket
    for ticket in tickets:
        budget.settle(ticket, 0.0)
    for _ in range(9_996):
        budget.settle(budget.claim(Scope.EXCHANGE, 1, 1.0, "a").ticket, 1.0)
    assert budget.claim(Scope.EXCHANGE, 1, 2.0, "a").wait_seconds > 590
    budget.pause(Scope.EXCHANGE, 2.0, 5.0, "b")
    assert budget.claim(Scope.EXCHANGE, 1, 3.0, "b").ticket is None
    assert budget.claim(Scope.EXCHANGE, 1, 3.0, "c").ticket


def test_directory_has_its_own_ten_seconds() -> None:
    counted = spend_all(Budget(), 42.0, latency=0.01, units=35, threads=8, scope=Scope.DIRECTORY)
    assert 3_300 <= most_in_any_window(counted, 10.0) <= 3_500


def test_a_restart_goes_on_with_what_was_spent() -> None:
    first = Budget()
    first.start(50.0, 1_000_050.0)
    for number in range(1200):
        first.settle(first.claim(SP, 1, 50.0 + number / 100).ticket, 50.0 + number / 100)
    first.pause(SP, 62.0, 30.0)
    state = BudgetState.from_json(json.loads(json.dumps(first.snapshot(62.0, 1_000_062.0).as_json())))
    assert sum(units for _, units in state.spends) == 1200
    second = Budget()
    second.start(7.0, 1_000_070.0)  # another boot: another steady clock
    second.restore(state, 7.0)
    assert second.used(7.0) == (1200, 1200)
    assert 20 < second.claim(SP, 1, 7.0).wait_seconds < 24
    second.settle(second.claim(SP, 50, 30.0).ticket, 30.0)
    assert second.claim(SP, 1, 31.0).ticket is None


class ListStore:
    def __init__(self) -> None:
        self.spends: list[tuple[float, int]] = []
        self.until = 0.0

    def load(self) -> BudgetState:
        return BudgetState(list(self.spends), self.until)

    def spend(self, units: int, at: float) -> None:
        self.spends.append((at, units))

    def pause(self, until: float) -> None:
        self.until = max(self.until, until)


def test_a_store_is_told_and_asked() -> None:
    store = ListStore()
    first = Budget(store=store)
    first.start(0.0, 5000.0)
    first.settle(first.claim(SP, 1250, 0.0).ticket, 1.0, pause_seconds=10)
    assert store.spends == [(5001.0, 1250)]
    second = Budget(store=store)
    second.start(100.0, 5002.0)
    assert second.claim(SP, 1, 100.0).reason == "pause"
    assert second.claim(SP, 1, 110.0).reason == "budget"


@pytest.mark.parametrize(
    ("licences", "minute", "day"),
    [
        (None, 1250, 1_200_000), (0, 1250, 1_200_000), (1000, 1250, 1_200_000), (1001, 2500, 2_400_000),
        (15_000, 3750, 3_600_000), (50_000, 5000, 4_800_000), (50_001, 6250, 6_000_000),
    ],
)  # fmt: skip
def test_licence_classes(licences: int | None, minute: int, day: int) -> None:
    assert (licence_class(licences).minute.units, licence_class(licences).day.units) == (minute, day)


def test_prices() -> None:
    assert [price(cost).units for cost in (Cost.SINGLE, Cost.DELTA_WITH_TOKEN, Cost.DOWNLOAD)] == [1, 1, 1]
    assert [price(cost).units for cost in (Cost.LISTING, Cost.DELTA_FROM_SCRATCH, Cost.PERMISSIONS)] == [2, 2, 5]
    assert price(Cost.USERS, {"$select": "id"}).units == 1
    assert [directory_limit(n).units for n in (None, 49, 50, 500, 501)] == [3500, 3500, 5000, 5000, 8000]
