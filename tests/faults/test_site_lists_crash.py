"""A copy of lists that is killed at any write, and then goes on: as if nothing had been.

Rules of this file: the store is what dies: from the chosen write on it takes and gives nothing, as a process that is gone writes
nothing; a new run takes over. Kill points are drawn by a seed here; all of them are gone through under the marker `soak`.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.list_desk import ListDesk, list_desk, without_times
from tests.unit.rehearsal import list_data as data

SEED, DRAWN = 8, 3


class KilledError(BaseException):
    """The process is gone."""


class DyingStore:
    """A store that dies at a write. at: which one, from 1 on; after: once it is done, else before."""

    def __init__(self, store: Any, at: int, *, after: bool) -> None:
        self._store, self._at, self._after = store, at, after
        self.puts, self.is_dead = 0, False

    def put(self, key: str, content: Any, **options: Any) -> Any:
        self._look()
        self.puts += 1
        if self.puts == self._at and not self._after:
            self.is_dead = True
            raise KilledError
        stored = self._store.put(key, content, **options)
        if self.puts == self._at:
            self.is_dead = True
            raise KilledError
        self._look()
        return stored

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            self._look()
            return found(*arguments, **options)

        return call

    def _look(self) -> None:
        if self.is_dead:
            raise KilledError


@contextmanager
def killed(desk: ListDesk, at: int, *, after: bool) -> Iterator[DyingStore]:
    """A run that dies at a write."""
    store = DyingStore(desk.store, at, after=after)
    try:
        desk.run(store=store, take_over=True)
    except KilledError:
        assert store.is_dead
    yield store


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.write_tenant(tmp_path_factory.mktemp("lists") / "tenant")


def changes(desk: ListDesk) -> None:
    desk.change("modify", id="1", fields={"Title": "changed"})
    desk.change("delete", id="3")
    desk.change("attach", id="5", fileName="plan.pdf", _c=desk.attachment(b"another plan"))
    desk.change("rename", kind="list", displayName="Tasks of old")
    desk.change("delete", kind="list", list=data.BERTHS)


LEFT = (data.TASKS, data.PEOPLE, data.EMPTY, data.SLASH)


def compare(desk: ListDesk, other: ListDesk, *lists: str) -> None:
    """The same as a bag that nobody disturbed. Earlier bytes may be kept twice over where they were kept when the run died."""
    desk.checked(*lists)
    kinds = ("version", "original")
    ours, theirs = ([row for row in one.rows() if row["kind"] not in kinds] for one in (desk, other))
    assert without_times(ours) == without_times(theirs)
    tables = [
        {path.relative_to(one.bag).as_posix(): path.read_bytes() for path in one.bag.glob("data/lists/*/*.csv")}
        for one in (desk, other)
    ]
    assert tables[0] == tables[1]


def try_out(tenant: Path, folder: Path, points: Callable[[int], list[tuple[int, bool]]]) -> None:
    """Kill first runs and second ones at some of their writes."""
    with list_desk(tenant, folder / "reference") as reference:
        count = DyingStore(reference.store, 1 << 60, after=False)
        reference.run(store=count)
        for number, (at, after) in enumerate(points(count.puts)):
            with ListDeskAt(reference, folder / f"first-{number}") as desk:
                with killed(desk, at, after=after):
                    pass
                desk.run(take_over=True)
                compare(desk, reference)
        copies = {}
        for number in range(DRAWN if folder.name != "all" else 60):
            with ListDeskAt(reference, folder / f"second-{number}") as desk:
                desk.run()
                copies[number] = folder / f"second-{number}"
        changes(reference)
        count = DyingStore(reference.store, 1 << 60, after=False)
        reference.run(store=count)
        for number, (at, after) in enumerate(points(count.puts)):
            if number not in copies:
                break
            with ListDeskAt(reference, copies[number]) as desk:
                with killed(desk, at, after=after):
                    pass
                desk.run(take_over=True)
                compare(desk, reference, *LEFT)


@contextmanager
def ListDeskAt(desk: ListDesk, folder: Path) -> Iterator[ListDesk]:
    """Another store at the same tenant."""
    found = ListDesk(desk.client, desk.graph, folder, desk.clock, versions=desk.versions)
    try:
        yield found
    finally:
        found.store.close()


def test_killed_at_drawn_writes(tenant: Path, tmp_path: Path) -> None:
    draw = random.Random(SEED)
    try_out(tenant, tmp_path, lambda puts: [(draw.randint(2, puts), bool(draw.getrandbits(1))) for _ in range(DRAWN)])


@pytest.mark.soak
def test_killed_at_every_write(tenant: Path, tmp_path: Path) -> None:
    folder = tmp_path / "all"
    folder.mkdir()
    try_out(tenant, folder, lambda puts: [(at, after) for at in range(1, puts + 1) for after in (False, True)])


def test_a_kill_costs_no_file_twice_that_was_on_record(tenant: Path, tmp_path: Path) -> None:
    """What is on record is not asked for again: items that were settled are not worked on."""
    with list_desk(tenant, tmp_path / "store") as desk:
        with killed(desk, 1 << 60, after=False) as count:
            pass
        with ListDeskAt(desk, tmp_path / "other") as other:
            with killed(other, count.puts - 3, after=True):
                pass
            asked = Counter(row["host"] for row in other.asked(lambda: other.run(take_over=True)))
            assert asked["sharepoint"] == 0
            other.checked()
