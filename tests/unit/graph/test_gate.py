"""Waiting for the budget: in order, exactly, cheaply, and never beyond a stop. Real threads; seconds pass faster."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from exporters.graph.budget import Budget, Claim
from exporters.graph.calls import NoObserver
from exporters.graph.errors import StoppedError
from exporters.graph.gate import Gate
from exporters.graph.keeper import Keeper
from exporters.graph.limits import Scope
from exporters.graph.sharing import History
from retention.state.database import open_state
from retention.state.spending import SharedBudget
from tests.end_to_end.scaled import ScaledClock

SP, EX = Scope.SHAREPOINT, Scope.EXCHANGE


class CountedBudget(Budget):
    """Counts how often it is asked."""

    asked = 0

    def claim(self, scope: Scope, units: int, now: float, mailbox: str | None = None) -> Claim:
        self.asked += 1
        return super().claim(scope, units, now, mailbox)


class Watcher(NoObserver):
    def __init__(self) -> None:
        self.told: list[tuple[float, str]] = []

    def waiting(self, seconds: float, reason: str) -> None:
        self.told.append((seconds, reason))


def full_gate(scale: float, **options: object) -> tuple[Gate, CountedBudget, ScaledClock]:
    """A gate whose minute is spent."""
    clock, budget = ScaledClock(scale), CountedBudget()
    now = clock.monotonic()
    budget.restore(History([(now, 1250)]), now, 0.0)
    return Gate(budget, clock, **options), budget, clock  # type: ignore[arg-type]


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "did not come"
        time.sleep(0.002)


def test_sixteen_that_wait_for_a_minute_cost_little_and_all_go_when_it_is_over() -> None:
    gate, budget, clock = full_gate(30.0)
    watcher, began, went = Watcher(), clock.monotonic(), []

    def go(_: int) -> None:
        ticket = gate.enter(SP, 1, None, watcher)
        went.append(clock.monotonic() - began)
        time.sleep(0.001)
        gate.leave(ticket, served=True)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(go, range(16)))
    assert min(went) > 59.9
    assert max(went) < 75.0, "real milliseconds are dozens of these"
    assert budget.asked < 61 + 16 * 16, "one looks each second, the others stand and wait"
    assert watcher.told and all(reason == "budget" for _, reason in watcher.told)
    assert max(seconds for seconds, _ in watcher.told) > 55


def test_first_come_first_served() -> None:
    gate, _, _ = full_gate(30.0)
    order: list[int] = []

    def go(number: int) -> None:
        gate.leave(gate.enter(SP, 1 + number % 3, None, NoObserver()), served=True)
        order.append(number)

    threads = []
    for number in range(8):
        thread = threading.Thread(target=go, args=(number,))
        thread.start()
        threads.append(thread)
        until(lambda: len(gate._lines.get("sharepoint", ())) == len(threads))
    for thread in threads:
        thread.join()
    assert order == sorted(order)


def test_q043_a_fifth_request_to_a_mailbox_goes_as_soon_as_a_body_is_read() -> None:
    clock = ScaledClock(0.001)  # so slow that no look at the clock can help
    gate = Gate(Budget(), clock)
    tickets = [gate.enter(EX, 1, "m", NoObserver()) for _ in range(4)]
    through = threading.Event()
    waiter = threading.Thread(target=lambda: (gate.enter(EX, 1, "m", NoObserver()), through.set()))
    waiter.start()
    until(lambda: bool(gate._lines))
    gate.leave(tickets[0], served=True)
    assert not through.wait(0.1), "its headers are there, its body is not"
    gate.release(tickets[0])
    assert through.wait(10)
    gate.enter(EX, 1, "another", NoObserver())
    waiter.join()


def test_a_stop_ends_waits_of_hours_and_lets_short_ones_end_in_order() -> None:
    clock, stop, budget = ScaledClock(20.0), threading.Event(), Budget()
    now = clock.monotonic()
    budget.restore(History([(now - 55.0, 1250)]), now, 0.0)
    gate = Gate(budget, clock, stop=stop)
    ended: dict[str, object] = {}

    def go(name: str, scope: Scope) -> None:
        try:
            gate.leave(gate.enter(scope, 1, None, NoObserver()), served=True)
            ended[name] = "went"
        except StoppedError as error:
            ended[name] = error

    short = [threading.Thread(target=go, args=(f"short {n}", SP)) for n in range(3)]
    for thread in short:
        thread.start()
    until(lambda: len(gate._lines.get("sharepoint", ())) == 3)
    stop.set()
    for thread in short:
        thread.join(10)
    assert all(not isinstance(found, StoppedError) for found in ended.values()), "five seconds are waited for"
    gate.pause(SP, 8 * 3600.0, None)
    long = [threading.Thread(target=go, args=(f"long {n}", SP)) for n in range(16)]
    for thread in long:
        thread.start()
    for thread in long:
        thread.join(10)
    assert sum(isinstance(found, StoppedError) for found in ended.values()) == 16
    with pytest.raises(StoppedError):
        gate.sleep(3600.0, NoObserver())


def test_waiters_that_stand_there_when_the_stop_comes_are_told() -> None:
    clock, stop = ScaledClock(50.0), threading.Event()
    gate = Gate(Budget(), clock, stop=stop)
    gate.pause(SP, 8 * 3600.0, None)
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(gate.enter, SP, 1, None, NoObserver()) for _ in range(8)]
        until(lambda: len(gate._lines.get("sharepoint", ())) == 8)
        stop.set()
        assert all(isinstance(future.exception(timeout=10), StoppedError) for future in futures)
    assert not gate._lines


def test_a_gate_that_is_closed_lets_nobody_through() -> None:
    gate, _, _ = full_gate(0.01)
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(gate.enter, SP, 1, None, NoObserver()) for _ in range(4)]
        until(lambda: len(gate._lines.get("sharepoint", ())) == 4)
        gate.close()
        assert all(isinstance(future.exception(timeout=10), StoppedError) for future in futures)
    with pytest.raises(StoppedError):
        gate.enter(SP, 1, None, NoObserver())


def test_two_keepers_share_one_budget_with_real_threads(tmp_path: Path) -> None:
    """Twice eight threads for a minute and a half; what was let through never passes 1,250 in a minute."""
    clock = ScaledClock(20.0)
    went: list[float] = []
    ended = threading.Event()

    def work(gate: Gate) -> None:
        while not ended.is_set():
            ticket = gate.enter(SP, 1, None, NoObserver())
            went.append(clock.monotonic())
            time.sleep(0.002)
            gate.leave(ticket, served=True)

    gates = [Gate(Budget(), clock) for _ in range(2)]
    states = [open_state("sqlite:///state.db", tmp_path) for _ in gates]
    keepers = [
        Keeper(gate, SharedBudget(state, "a"), clock, lambda before: History())
        for gate, state in zip(gates, states, strict=True)
    ]
    with keepers[0], keepers[1], ThreadPoolExecutor(16) as pool:
        workers = [pool.submit(work, gates[number % 2]) for number in range(16)]
        time.sleep(4.5)
        ended.set()
        time.sleep(0.1)
        for gate in gates:
            gate.close()
        assert [w.exception() for w in workers if not isinstance(w.exception(), StoppedError | None)] == []
    for state in states:
        state.close()
    went.sort()
    most = max(sum(1 for later in went[n:] if later < at + 60.0) for n, at in enumerate(went))
    assert 1000 <= most <= 1250
    assert len(went) > 1400


def test_a_keeper_that_meets_a_defect_goes_on_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without it, every request would wait for a lease for ever."""
    clock = ScaledClock(20.0)
    gate = Gate(Budget(), clock)
    state = open_state("sqlite:///state.db", tmp_path)
    store = SharedBudget(state, "a")
    with Keeper(gate, store, clock, lambda before: History()):
        store.exchange = lambda report, decide: 1 / 0  # type: ignore[method-assign, assignment, return-value]
        for _ in range(200):
            gate.leave(gate.enter(SP, 1, None, NoObserver()), served=True)
        del store.exchange
    state.close()
