"""The budget of one process: never over the limit in any window, and nearly all of it used; pauses; what the service tells."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.graph.budget import Budget, Ticket
from exporters.graph.headers import RateLimit
from exporters.graph.limits import Cost, Scope, directory_limit, licence_class, price
from exporters.graph.sharing import History
from tests.unit.graph.simulation import Process, World

SP = Scope.SHAREPOINT


def ticket_of(budget: Budget, units: int, now: float, scope: Scope = SP, mailbox: str | None = None) -> Ticket:
    claim = budget.claim(scope, units, now, mailbox)
    assert claim.ticket is not None, claim
    return claim.ticket


def proven(budget: Budget, now: float = -1000.0) -> Budget:
    """A budget that need not feel its way any more: much was answered without a word about limits."""
    for _ in range(1000):
        budget.settle(ticket_of(budget, 1, now), now, served=True)
    return budget


# -- use ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sliding", [True, False], ids=["sliding", "fixed"])
@pytest.mark.parametrize("latency", [0.02, 0.5])
@pytest.mark.parametrize("licences", [100, 3_000])
def test_nearly_all_is_used_and_nothing_is_refused(sliding: bool, latency: float, licences: int) -> None:
    world = World(sliding=sliding, licences=licences)
    Process(world, 0, latency=latency, threads=24, licences=licences).start()
    world.run(300.0)
    limit = licence_class(licences).minute.units
    assert world.refused == 0
    assert world.most_in_any(60.0) <= limit
    assert world.used(0.0, 300.0) >= 0.95 * 5 * limit


@pytest.mark.parametrize("sliding", [True, False], ids=["sliding", "fixed"])
@pytest.mark.parametrize("limit", [120, 200, 1000])
@pytest.mark.parametrize("phase", [0.0, 57.0])
def test_a_lower_limit_that_is_only_told_from_four_fifths_on_is_never_run_over(
    sliding: bool, limit: int, phase: float
) -> None:
    """Published: 6,250. Sixteen requests at once, the first window too."""
    world = World(sliding=sliding, minute=limit, licences=60_000, phase=phase)
    process = Process(world, 0, latency=0.5, licences=60_000).start()
    world.run(300.0)
    assert world.refused == 0
    assert process.budget.minute_limit == limit
    assert world.used(0.0, 300.0) >= 0.95 * 5 * limit


def test_a_limit_told_above_the_published_one_is_taken() -> None:
    """A service that tells early (the table says 1,250)."""
    budget = proven(Budget(licences=100))
    budget.settle(ticket_of(budget, 1, 0.0), 0.1, rate_limit=RateLimit(2000, 1999, 60.0), served=True)
    assert budget.minute_limit == 2000
    assert sum(budget.claim(SP, 1, 1.0).ticket is not None for _ in range(3000)) == 1999


def test_a_told_limit_is_dropped_when_full_use_of_it_is_answered_without_a_word() -> None:
    budget = proven(Budget(licences=100))
    budget.settle(ticket_of(budget, 1, 0.0), 0.1, rate_limit=RateLimit(100, 99, 1.0), served=True)
    assert budget.minute_limit == 100
    now = 2.0
    while now < 300.0:
        claim = budget.claim(SP, 1, now)
        if claim.ticket is not None:
            budget.settle(claim.ticket, now, served=True)
        now += 0.05
    assert budget.minute_limit == 1250


@settings(max_examples=15, deadline=None)
@given(
    latency=st.floats(0.005, 1.0),
    units=st.lists(st.sampled_from([1, 2, 5]), min_size=1, max_size=5),
    threads=st.sampled_from([1, 8, 24]),
    seed=st.integers(0, 1000),
)
def test_no_window_holds_more_than_the_limit(latency: float, units: list[int], threads: int, seed: int) -> None:
    world = World(seed=seed)
    Process(world, 0, latency=latency, threads=threads, units=lambda: world.random.choice(units)).start()
    world.run(130.0)
    assert world.most_in_any(60.0) <= 1250
    assert world.refused == 0


@pytest.mark.parametrize("sliding", [True, False], ids=["sliding", "fixed"])
def test_the_day_binds_and_is_used_to_the_full(sliding: bool) -> None:
    """Two days of 1,600 units, 20 a minute: the day ends after 80 minutes, whichever way it is counted."""
    world = World(sliding=sliding, minute=20, day=1_600)
    process = Process(world, 0, threads=4, latency=0.2, limits=(20, 1_600)).start()
    world.run(86_400.0)
    assert 0.95 * 1_600 <= world.used(0.0, 86_400.0) <= 1_600
    claim = process.budget.claim(SP, 1, world.now - 40_000)
    assert claim.reason == "day"
    assert claim.wait_seconds > 30_000
    world.run(2 * 86_400.0)
    assert world.refused == 0
    assert world.used(0.0, 2 * 86_400.0) >= 0.95 * 3_200
    assert world.most_in_any(86_400.0) <= 1_600


@pytest.mark.parametrize("sliding", [True, False], ids=["sliding", "fixed"])
def test_others_who_do_not_share_are_seen_in_what_the_service_tells(sliding: bool) -> None:
    """Another machine spends 3 to 5 units a second under the same application and does not share: still, few
    requests are refused, and neither locks the other out."""
    world = World(sliding=sliding)
    Process(world, 0).start()
    Process(world, 1, threads=1, latency=0.1, think=0.15).start()
    world.run(600.0)
    assert world.refused <= 150
    assert world.used(0.0, 600.0) >= 0.6 * 10 * 1250


# -- pauses and tellings --------------------------------------------------------------------------------------------------


def test_q040_a_pause_stops_everything_of_sharepoint_and_nothing_else() -> None:
    """The pause holds for all workers; pre-authenticated downloads are SharePoint's too."""
    budget = Budget()
    budget.settle(ticket_of(budget, 1, 0.0), 1.0, pause_seconds=30)
    assert budget.claim(SP, 1, 2.0).wait_seconds >= 29
    assert budget.claim(Scope.NONE, 0, 30.9).reason == "pause"
    assert budget.claim(Scope.DIRECTORY, 1, 2.0).ticket
    budget.pause(SP, 3.0, 5.0)
    assert budget.claim(SP, 1, 30.9).ticket is None, "a shorter pause never ends a longer one"
    assert budget.claim(SP, 1, 31.1).ticket


def test_avoidable_is_what_was_sent_inside_a_known_pause() -> None:
    budget = Budget()
    ticket = ticket_of(budget, 1, 0.0)
    budget.pause(SP, 1.0, 30.0)
    assert not budget.inside_pause(ticket, 0.5)
    assert budget.inside_pause(ticket, 2.0)


def test_what_is_told_to_be_left_is_not_overspent_and_not_wasted() -> None:
    budget = proven(Budget())
    first, second = ticket_of(budget, 1, 0.0), ticket_of(budget, 1, 0.0)
    budget.settle(first, 1.0, rate_limit=RateLimit(1200, 4, 20.0), served=True)
    assert budget.minute_limit == 1200
    assert [budget.claim(SP, 1, 2.0).ticket is not None for _ in range(4)] == [True] * 3 + [False]
    budget.settle(second, 2.0, rate_limit=RateLimit(1200, 3, 19.0), served=True)
    assert budget.claim(SP, 1, 2.0).ticket is None, "three are under way, and three were left without them"
    blocked = budget.claim(SP, 1, 2.0)
    assert 18 <= blocked.wait_seconds <= 19.2
    budget.settle(ticket_of(budget, 1, 21.2), 22.0, rate_limit=RateLimit(1_300_000, None, None), served=True)
    assert (budget.minute_limit, budget.day_limit) == (1200, 1_300_000)


def test_answers_that_overtake_each_other_do_not_bring_units_back() -> None:
    budget = proven(Budget())
    late, early = ticket_of(budget, 1, 0.0), ticket_of(budget, 1, 0.0)
    budget.settle(early, 1.0, rate_limit=RateLimit(1250, 1, 30.0), served=True)
    budget.settle(late, 1.1, rate_limit=RateLimit(1250, 2, 30.0), served=True)
    assert [budget.claim(SP, 1, 1.2).ticket is not None for _ in range(2)] == [True, False]


def test_an_answer_that_never_came_counts_as_spent() -> None:
    budget = proven(Budget())
    budget.settle(ticket_of(budget, 1, 0.0), 0.1, rate_limit=RateLimit(1250, 2, 30.0), served=True)
    budget.settle(ticket_of(budget, 1, 0.2), 0.3)
    assert [budget.claim(SP, 1, 0.4).ticket is not None for _ in range(2)] == [True, False]


# -- the past -------------------------------------------------------------------------------------------------------------


def test_what_was_spent_before_counts() -> None:
    budget = Budget()
    budget.restore(History([(1_000_000.0, 1200)]), 7.0, 1_000_003.0)  # at 1,000,010 by the calendar
    assert budget.used(7.0) == (1200, 1200)
    budget.settle(ticket_of(budget, 50, 7.0), 7.0)
    assert 49 < budget.claim(SP, 1, 7.0).wait_seconds < 51


def test_a_doubt_counts_until_the_service_is_silent() -> None:
    """A writer that was cut off may have spent up to 1,100 units. An answer without a word: under 1,000 are used in all."""
    budget = Budget()
    budget.restore(History((), [(1_000_000.0, 1100)]), 0.0, 1_000_000.0)
    tickets = [ticket_of(budget, 1, 1.0)]
    assert budget.claim(SP, 1, 1.0).ticket is None, "one at a time, as long as nothing is known"
    budget.settle(tickets[0], 1.1, served=True)
    for n in range(900):  # under 1,000 with the doubt, as the service says
        budget.settle(ticket_of(budget, 1, 2 + n / 1000), 2 + n / 1000, served=True)
    assert budget.used(3.0) == (901, 1100 + 901), "for the day it stays"


def test_a_doubt_that_leaves_nothing_is_waited_out() -> None:
    budget = Budget()
    budget.restore(History((), [(1_000_000.0, 1250)]), 5.0, 1_000_000.0)
    claim = budget.claim(SP, 1, 5.0)
    assert claim.ticket is None
    assert 54 < claim.wait_seconds <= 55
    assert budget.claim(SP, 1, 60.1).ticket


def test_a_doubt_shrinks_to_what_the_service_tells() -> None:
    budget = Budget()
    budget.restore(History((), [(1_000_000.0, 1200)]), 0.0, 1_000_000.0)
    budget.settle(ticket_of(budget, 1, 0.0), 0.1, rate_limit=RateLimit(1250, 200, 3.0), served=True)
    for _ in range(100):
        budget.settle(ticket_of(budget, 1, 0.2), 0.2)
    assert budget.claim(SP, 150, 4.0).ticket is None, "1,049 of them may stay in a window that slides"
    assert budget.claim(SP, 90, 4.0).ticket


# -- other limits ---------------------------------------------------------------------------------------------------------


def test_q043_four_at_once_until_the_body_is_read_and_ten_thousand_in_ten_minutes_for_a_mailbox() -> None:
    budget = Budget()
    tickets = [ticket_of(budget, 1, 0.0, Scope.EXCHANGE, "a") for _ in range(4)]
    assert budget.claim(Scope.EXCHANGE, 1, 0.0, "a").reason == "concurrency"
    assert budget.claim(Scope.EXCHANGE, 1, 0.0, "b").ticket
    budget.settle(tickets[0], 0.0, served=True)
    assert budget.claim(Scope.EXCHANGE, 1, 0.0, "a").reason == "concurrency", "its body is still being read"
    for ticket in tickets:
        budget.settle(ticket, 0.0, served=True)
        budget.release(ticket)
        budget.release(ticket)
    for _ in range(9_996):
        ticket = ticket_of(budget, 1, 1.0, Scope.EXCHANGE, "a")
        budget.settle(ticket, 1.0)
        budget.release(ticket)
    assert budget.claim(Scope.EXCHANGE, 1, 2.0, "a").wait_seconds > 590
    budget.pause(Scope.EXCHANGE, 2.0, 5.0, "b")
    assert budget.claim(Scope.EXCHANGE, 1, 3.0, "b").ticket is None
    assert budget.claim(Scope.EXCHANGE, 1, 3.0, "c").ticket


def test_very_many_mailboxes_do_not_pile_up_and_none_is_forgotten_while_it_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("exporters.graph.budget._MAILBOXES_KEPT", 2)
    budget = Budget(mailbox_concurrent=10_000)
    for _ in range(10_000):
        budget.settle(ticket_of(budget, 1, 0.0, Scope.EXCHANGE, "busy"), 0.0)
    for number in range(20):
        ticket = ticket_of(budget, 1, 1.0 + number, Scope.EXCHANGE, f"m{number}")
        budget.settle(ticket, 1.0 + number)
        budget.release(ticket)
    assert budget.claim(Scope.EXCHANGE, 1, 30.0, "busy").ticket is None
    for number in range(40):
        ticket_of(budget, 1, 2000.0 + number, Scope.EXCHANGE, f"n{number}")
    assert len(budget._mailboxes) < 50


def test_400_gigabytes_in_an_hour() -> None:
    """Downloads wait, all else goes on."""
    budget = Budget()
    for second in range(4_000):
        budget.received(100_000_000, float(second))
    claim = budget.claim(Scope.NONE, 0, 3_999.0)
    assert claim.ticket, "360 GB in the last hour"
    budget.received(40_000_000_000, 4_000.0)
    claim = budget.claim(Scope.NONE, 0, 4_000.0)
    assert (claim.ticket, claim.reason) == (None, "hour")
    assert 0 < claim.wait_seconds <= 30
    assert budget.claim(SP, 1, 4_000.0).ticket
    assert budget.claim(Scope.NONE, 0, 4_031.0).ticket


def test_directory_has_its_own_ten_seconds() -> None:
    budget, now, spent = Budget(), 0.0, 0
    while now < 9.0:
        claim = budget.claim(Scope.DIRECTORY, 35, now)
        if claim.ticket is not None:
            spent += 35
            budget.settle(claim.ticket, now)
        now += 0.01
    assert 3_300 <= spent <= 3_500


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
