"""One budget for many processes, live: leases, kills, pauses, what the service told, and a database that is away."""

import random
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.clock import ManualClock
from exporters.graph.budget import Budget
from exporters.graph.headers import RateLimit
from exporters.graph.keeper import exchange
from exporters.graph.limits import Scope
from exporters.graph.sharing import DAY, History, Left, Picture, Report
from retention.state.database import State, open_state
from retention.state.spending import SharedBudget
from tests.unit.graph.simulation import Process, World

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SP = Scope.SHAREPOINT


class Seat:
    """A process's budget and its place at the table, without threads."""

    def __init__(self, folder: Path, clock: ManualClock, licences: int = 100) -> None:
        self.clock = clock
        self.state: State = open_state("sqlite:///state.db", folder, clock)
        self.store = SharedBudget(self.state, "tenant app")
        self.budget = Budget(licences=licences)
        self.budget.join()

    def exchange(self, *, leaving: bool = False) -> Picture | None:
        return exchange(self.budget, self.store, self._readings, leaving=leaving)

    def _readings(self) -> tuple[float, float]:
        now = self.clock.monotonic()
        return now, self.clock.now().timestamp() - now

    def spend(self, units: int, *, told: RateLimit | None = None) -> int:
        """As much as the lease and the limits let it, up to `units`; how much that was."""
        spent = 0
        for _ in range(units):
            claim = self.budget.claim(SP, 1, self.clock.monotonic())
            if claim.ticket is None:
                break
            self.budget.settle(claim.ticket, self.clock.monotonic(), rate_limit=told, served=True)
            spent += 1
        return spent

    def spend_all(self, rounds: int = 60) -> int:
        """All that it can get, now."""
        return sum(self.spend(10_000) + (self.exchange() is None) for _ in range(rounds))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


# -- one budget -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sliding", [True, False], ids=["sliding", "fixed"])
@pytest.mark.parametrize(("processes", "told"), [(1, None), (2, None), (2, 300)])
def test_processes_share_one_budget_and_use_it(tmp_path: Path, sliding: bool, processes: int, told: int | None) -> None:
    world = World(sliding=sliding, minute=told, licences=60_000 if told else 100)
    crew = []
    for number in range(processes):
        store = SharedBudget(open_state("sqlite:///state.db", tmp_path, world.clock), "a")
        crew.append(Process(world, number, store=store, licences=60_000 if told else 100).start())
    world.run(240.0)
    limit = told or 1250
    assert world.refused == 0
    assert world.most_in_any(60.0) <= limit
    assert world.used(0.0, 240.0) >= 0.95 * 4 * limit
    assert all(process.exchanges <= 5 * 240 for process in crew), "a handful of transactions a second at most"
    shares = [sum(c.units for c in world.counted if c.process == p.number) for p in crew]
    assert min(shares) > 0.3 * sum(shares) / processes, "nobody starves"


@pytest.mark.parametrize("sliding", [True, False], ids=["sliding", "fixed"])
def test_killed_and_started_again_and_again_they_still_share_one_budget(tmp_path: Path, sliding: bool) -> None:
    world, draw, number = World(sliding=sliding), random.Random(4), 0

    def start() -> Process:
        nonlocal number
        number += 1
        store = SharedBudget(open_state("sqlite:///state.db", tmp_path, world.clock), "a")
        return Process(world, number, store=store).start()

    crew, moment = [start(), start()], 0.0
    while moment < 230.0:
        moment += draw.uniform(3.0, 60.0)
        world.run(moment)
        at = draw.randrange(2)
        crew[at].kill()
        crew[at] = start()
    world.run(300.0)
    assert world.refused == 0
    assert world.most_in_any(60.0) <= 1250
    assert world.used(0.0, 300.0) >= 0.95 * 5 * 1250


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["claim", "claim", "claim", "settle", "exchange", "exchange", "tick", "kill", "away", "leave"]),
        st.integers(0, 2),
        st.integers(1, 300),
    ),
    min_size=20,
    max_size=250,
)


@settings(max_examples=40, deadline=None)
@given(ACTIONS)
def test_no_interleaving_goes_over_the_limit(tmp_path_factory: pytest.TempPathFactory, actions: list) -> None:
    """Claims, settles, exchanges, kills and a table that is away, in any order: no 60 seconds hold more than 1,250 units, by
    the service's count, which may come at any moment between claim and settle."""
    clock, folder = ManualClock(NOW), tmp_path_factory.mktemp("seats")
    seats = [Seat(folder, clock) for _ in range(3)]
    seats[0].exchange()
    seats[0].store.remember(History())
    open_tickets: list[tuple[int, object, float]] = []
    counted: list[tuple[float, float, int]] = []  # earliest and latest moment of counting, units
    for action, who, size in actions:
        seat, now = seats[who], clock.monotonic()
        if action == "claim":
            for _ in range(size):
                claim = seat.budget.claim(SP, 1 + size % 5, now)
                if claim.ticket is None:
                    break
                open_tickets.append((who, claim.ticket, now))
        elif action == "settle":
            for entry in [e for e in open_tickets if e[0] == who][:size]:
                open_tickets.remove(entry)
                seat.budget.settle(entry[1], now, served=True)
                counted.append((entry[2], now, entry[1].units))
        elif action == "exchange":
            seat.exchange()
        elif action == "tick":
            for _ in range(1 + size // 12):
                clock.advance(0.5)
                for keeper in seats:
                    if keeper.budget.next_exchange(clock.monotonic()) <= 0:
                        keeper.exchange()
        elif action == "leave":
            if not [e for e in open_tickets if e[0] == who]:
                seat.exchange(leaving=True)
                seats[who] = Seat(folder, clock)
        elif action == "away":
            seat.budget.report(now, 0.0)  # a report that did not go through
            seat.budget.away(now)
            seat.exchange()
        elif action == "kill":
            for entry in [e for e in open_tickets if e[0] == who]:  # what was on its way arrives
                open_tickets.remove(entry)
                counted.append((entry[2], now, entry[1].units))
            seats[who] = Seat(folder, clock)
    counted += [(since, clock.monotonic(), ticket.units) for _, ticket, since in open_tickets]
    for moment in sorted({earliest for earliest, _, _ in counted}):
        possible = sum(units for earliest, latest, units in counted if latest > moment - 60 and earliest <= moment)
        assert possible <= 1250


# -- leases ---------------------------------------------------------------------------------------------------------------


def test_a_lease_of_a_process_that_was_killed_counts_as_spent_and_then_ends(tmp_path: Path, clock: ManualClock) -> None:
    dead, alive = Seat(tmp_path, clock), Seat(tmp_path, clock)
    dead.exchange()
    dead.store.remember(History())
    assert dead.spend(15) == 15
    assert alive.exchange()
    total = alive.spend_all()
    assert 1250 - 130 <= total <= 1250 - 15, "what the dead one held is kept from the others"
    clock.advance(30.0)
    assert alive.spend_all() == 0
    clock.advance(31.0)
    total = alive.spend_all()
    assert 1250 - 130 <= total < 1250, (
        "its lease ended ten seconds after it was made: it counts until a minute after that"
    )
    clock.advance(61.0)
    assert alive.spend_all() == 1250


def test_what_is_given_back_is_there_for_others_at_once(tmp_path: Path, clock: ManualClock) -> None:
    one, other = Seat(tmp_path, clock), Seat(tmp_path, clock)
    one.exchange()
    one.store.remember(History())
    one.spend(10)
    one.exchange(leaving=True)
    assert other.exchange()
    assert other.spend_all() == 1240


def test_a_process_that_does_nothing_holds_nothing(tmp_path: Path, clock: ManualClock) -> None:
    idle, other = Seat(tmp_path, clock), Seat(tmp_path, clock)
    idle.exchange()
    idle.store.remember(History())
    idle.spend(1)
    for _ in range(3):
        clock.advance(1.0)
        idle.exchange()
    assert idle.budget.next_exchange(clock.monotonic()) == float("inf"), "and asks for nothing"
    assert other.exchange()
    assert other.spend_all() == 1249


def test_a_lease_that_ended_is_not_used_any_more(tmp_path: Path, clock: ManualClock) -> None:
    """A process that stood still (SIGSTOP, a laptop that slept) asks again before it spends."""
    seat = Seat(tmp_path, clock)
    seat.exchange()
    assert seat.spend(1) == 1
    clock.advance(10.5)
    assert seat.spend(1) == 0
    assert seat.budget.claim(SP, 1, clock.monotonic()).reason == "lease"
    seat.exchange()
    assert seat.spend(1) == 1


def test_a_large_lease_of_another_is_asked_about_again_while_somebody_waits(tmp_path: Path, clock: ManualClock) -> None:
    """It was made before the service told a limit below it: whoever waits for it must look again, and keep looking."""
    one, other = Seat(tmp_path, clock, licences=60_000), Seat(tmp_path, clock, licences=60_000)
    for seat in (one, other):
        seat.exchange()
        seat.store.remember(History())
        for _ in range(12):  # fast, and without a word about limits: leases grow
            clock.advance(0.2)
            seat.spend(200)
            seat.exchange()
    now = clock.monotonic()
    claim = one.budget.claim(SP, 1, now)
    assert claim.ticket is not None
    one.budget.settle(claim.ticket, now, rate_limit=RateLimit(100, 20, 5.0), served=True)
    one.exchange()
    waits = one.budget.claim(SP, 1, now)
    assert waits.ticket is None and waits.wait_seconds == float("inf")
    assert one.budget.next_exchange(now) <= 1.0
    clock.advance(75.0)
    one.budget.claim(SP, 1, clock.monotonic())
    assert one.budget.next_exchange(clock.monotonic()) <= 1.0
    one.exchange()
    assert one.spend(1) == 1


# -- what is told -----------------------------------------------------------------------------------------------------------


def test_a_pause_announced_to_one_holds_for_all(tmp_path: Path, clock: ManualClock) -> None:
    one, other = Seat(tmp_path, clock), Seat(tmp_path, clock)
    one.exchange()
    other.exchange()
    one.budget.pause(SP, clock.monotonic(), 30.0)
    assert one.budget.next_exchange(clock.monotonic()) == 0.0, "told at once"
    one.exchange()
    assert other.exchange()
    assert other.budget.claim(SP, 1, clock.monotonic()).reason == "pause"
    clock.advance(29.0)
    late = Seat(tmp_path, clock)
    late.exchange()
    assert late.budget.claim(SP, 1, clock.monotonic()).reason == "pause", "a run after a restart"
    clock.advance(1.5)
    assert late.budget.claim(SP, 1, clock.monotonic()).reason != "pause"


def test_limits_and_rests_told_to_one_hold_for_all(tmp_path: Path, clock: ManualClock) -> None:
    one, other = Seat(tmp_path, clock, licences=60_000), Seat(tmp_path, clock, licences=60_000)
    for seat in (one, other):
        seat.exchange()
    assert one.spend(1, told=RateLimit(1000, 60, 20.0)) == 1
    one.exchange(leaving=True)
    assert other.exchange()
    assert other.budget.minute_limit == 1000
    assert other.spend_all() == 60
    clock.advance(21.0)
    assert other.spend_all() > 800
    later = Seat(tmp_path, clock, licences=60_000)
    later.exchange()
    assert later.budget.minute_limit == 1000


# -- the past ---------------------------------------------------------------------------------------------------------------


def test_the_past_is_filled_in_once(tmp_path: Path, clock: ManualClock) -> None:
    at = clock.now().timestamp()
    one, other = Seat(tmp_path, clock), Seat(tmp_path, clock)
    picture = one.exchange()
    assert picture is not None and not picture.has_history and picture.made_at == at
    found = other.exchange()
    assert found is not None and not found.has_history, "nobody has read it yet"
    past = History([(at - 86_000, 100), (at - 70.0, 200), (at - 10.0, 300)], [(at - 5.0, 40)])
    assert one.store.remember(past) and other.store.remember(past)
    for seat in (one, other):
        again = seat.exchange()
        assert again is not None and again.has_history
        assert seat.budget.used(clock.monotonic()) == (300, 640)
    other.exchange(leaving=True)
    assert one.spend_all() == 1250 - 300, "the service was silent: the 40 in doubt were not spent"


def test_spends_of_yesterday_do_not_count_and_the_day_is_known_after_a_restart(
    tmp_path: Path, clock: ManualClock
) -> None:
    seat = Seat(tmp_path, clock)
    seat.exchange()
    seat.store.remember(History([(clock.now().timestamp() - 80_000, 7)]))
    seat.exchange()
    seat.spend(20)
    seat.exchange(leaving=True)
    clock.advance(3600.0)
    again = Seat(tmp_path, clock)
    again.exchange()
    assert again.budget.used(clock.monotonic()) == (0, 27)
    again.exchange(leaving=True)
    clock.advance(3600.0)
    later = Seat(tmp_path, clock)
    later.exchange()
    assert later.budget.used(clock.monotonic()) == (0, 20), "the 7 are over a day old now"


def test_a_calendar_that_is_set_back_does_not_lock_anybody_out(tmp_path: Path, clock: ManualClock) -> None:
    seat = Seat(tmp_path, clock)
    seat.exchange()
    seat.store.remember(History())
    seat.exchange()
    assert seat.spend_all() == 1250
    earlier = ManualClock(datetime(2026, 11, 23, 9, tzinfo=UTC))
    again = Seat(tmp_path, earlier)
    again.exchange()
    assert again.budget.claim(SP, 1, earlier.monotonic()).ticket is None, "it may have been just now"
    earlier.advance(75.0)
    again.exchange()
    assert again.spend_all() > 1100


# -- a database that is away --------------------------------------------------------------------------------------------------


def test_without_the_others_a_process_goes_on_with_its_part_and_comes_back(tmp_path: Path, clock: ManualClock) -> None:
    one, other = Seat(tmp_path, clock), Seat(tmp_path, clock)
    for seat in (one, other, one):
        seat.exchange()
        seat.store.remember(History())
    with sqlite3.connect(tmp_path / "state.db", isolation_level=None) as holder:
        holder.execute("BEGIN IMMEDIATE")
        assert one.exchange() is None
        spent = one.spend(5000)
        assert 500 <= spent <= 625 - 20, "half, less what the other one held"
        holder.execute("ROLLBACK")
    holder.close()
    clock.advance(30.0)
    assert one.exchange() is not None
    assert other.exchange()
    used = other.budget.used(clock.monotonic())[1]
    assert spent <= used <= spent + 2 * 62, (
        "what was spent alone is told afterwards, and two leases had ended meanwhile"
    )
    one.exchange(leaving=True)
    other.exchange(leaving=True)
    clock.advance(61.0)
    assert other.spend_all() == 1250


def test_a_database_that_is_deleted_is_made_again_and_shared_again(tmp_path: Path, clock: ManualClock) -> None:
    one = Seat(tmp_path, clock)
    one.exchange()
    one.store.remember(History())
    one.exchange()
    assert one.spend(15) == 15
    for path in tmp_path.glob("state.db*"):
        path.unlink()
    other = Seat(tmp_path, clock)
    other.exchange()
    other.store.remember(History())
    assert one.spend(5) == 5
    picture = one.exchange()
    assert picture is not None
    assert other.exchange() is not None
    assert other.budget.used(clock.monotonic())[0] == 20, "of what it had not reported nothing is lost"


def test_what_was_told_under_a_clock_that_was_ahead_is_not_believed_until_then(
    tmp_path: Path, clock: ManualClock
) -> None:
    """Neither "nothing is left until 2027" nor a limit that nobody could correct before that date."""
    shared = SharedBudget(open_state("sqlite:///state.db", tmp_path, clock), "tenant app")
    now, later = NOW.timestamp(), NOW.timestamp() + 400 * DAY
    unrecorded = [(later - 1, 900)]
    shared.exchange(
        Report(later, left=Left(0, later + 60, later), told_limit=7, told_limit_at=later), lambda picture: 0
    )
    assert shared.remember(History(unrecorded=unrecorded))
    for told in (0, 300):
        picture = shared.exchange(Report(now, told_limit=told, told_limit_at=now if told else 0.0), lambda picture: 0)
        assert picture is not None
        assert (picture.left, picture.told_limit, picture.doubt) == (None, told, None)
    left = Left(5, now + 60, now)
    picture = shared.exchange(Report(now, left=left), lambda picture: 0)
    assert picture is not None and (picture.left, picture.told_limit) == (left, 300)
