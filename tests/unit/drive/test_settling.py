"""What a round settles beside its tasks costs by what changed, not by what is held."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exporters.bag.formats import JsonObject
from exporters.bag.ledger import BagWriter, Run, claim_source, open_bag
from exporters.bag.removed import MASS_ITEMS, is_mass
from exporters.clock import SystemClock
from exporters.drive.packages import settle_packages
from exporters.drive.removals import find_removed, settle_kind_changes
from exporters.store.folder import FolderStore

AT = "2026-11-28T20:00:00Z"
SOURCE = {"kind": "onedrive", "id": "D", "owner": "U", "cloud": "global", "first_copied": AT}


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[BagWriter]:
    (tmp_path / "store").mkdir()
    store = FolderStore(tmp_path / "store")
    claim_source(store, "onedrive/a", SOURCE)
    made = open_bag(store, "onedrive/a", {"name": "a"}, Run("20261128T200000Z-aaaaaa", SystemClock(), lambda: 0))
    yield made
    made.release()
    store.close()


def item(item_id: str, kind: str = "file", parent: str | None = "R", **more: object) -> JsonObject:
    """A row as a run writes it."""
    row = {
        "scope": "D",
        "id": item_id,
        "kind": kind,
        "name": item_id,
        "parent": parent,
        "service": {},
        "path": f"/{item_id}",
    }
    return {**row, "outcome": "copied", "captured": AT, "run": "x", **more}


def fill(writer: BagWriter, number: int) -> None:
    """A root, two packages of which one has a part, and so many files."""
    rows = [item("R", "folder", None), item("P", "package"), item("Q", "package"), item("part", parent="P")]
    writer.emit_all(("item", row) for row in [*rows, *(item(f"f{n:06}") for n in range(number))])


def steps(writer: BagWriter, work: Callable[[], object]) -> int:
    """Instructions of SQLite's machine that some work takes, in tens."""
    count = 0

    def one() -> int:
        nonlocal count
        count += 1
        return 0

    writer.state.db.set_progress_handler(one, 10)
    work()
    writer.state.db.set_progress_handler(None, 0)
    return count


def test_a_round_costs_by_what_changed(writer: BagWriter) -> None:
    """Removals and packages, of a drive ten times as large."""

    def settle() -> None:
        writer.emit("listed", {"scope": "D", "id": "f000001", "deleted": True})
        find_removed(writer.state, "D", full=False)
        assert not is_mass(writer.state, "D")
        settle_packages(writer, "D", AT)

    fill(writer, 300)
    settle()
    small = steps(writer, settle)
    writer.emit_all(("item", item(f"g{n:06}")) for n in range(3_000))
    assert steps(writer, settle) <= small + 20


def test_packages_are_judged_by_their_parts(writer: BagWriter) -> None:
    fill(writer, 3)
    settle_packages(writer, "D", AT)

    def outcomes() -> list[str]:
        found = (writer.state.row(("package", "D", name)) or {} for name in "PQ")
        return [str(row.get("code", row["outcome"])) for row in found]

    assert outcomes() == ["copied", "onenote_parts_not_listed"]
    writer.emit("item", item("part", parent="Q"))
    settle_packages(writer, "D", AT)
    assert outcomes() == ["onenote_parts_not_listed", "copied"]
    writer.emit("item", item("Q", "package", outcome="gone", since=AT))
    settle_packages(writer, "D", AT)
    assert outcomes() == ["onenote_parts_not_listed", "gone"]


def test_very_many_at_once_are_a_mass(writer: BagWriter) -> None:
    fill(writer, 10 * MASS_ITEMS)
    for number, mass in ((MASS_ITEMS, False), (MASS_ITEMS + 20, True)):
        writer.emit_all(("listed", {"scope": "D", "id": f"f{n:06}", "deleted": True}) for n in range(number))
        find_removed(writer.state, "D", full=False)
        assert is_mass(writer.state, "D") is mass


def test_a_run_that_was_cut_off_between_two_kinds_is_settled(writer: BagWriter) -> None:
    fill(writer, 1)
    writer.emit("item", item("f000000", "package"))
    writer.emit("item", item("Q", "other", outcome="excepted", code="unknown_kind", reason="?"))
    writer.emit("item", item("Q", "package"))
    settle_kind_changes(writer, "D", AT)
    rows = [writer.state.row(spot) or {} for spot in (("file", "D", "f000000"), ("other", "D", "Q"))]
    assert [(row["outcome"], row.get("code")) for row in rows] == [("gone", None), ("excepted", "vanished")]


def test_the_living_row_of_an_item_counts(writer: BagWriter) -> None:
    """Whatever kinds it had before, and however these sort."""
    fill(writer, 1)
    writer.emit("item", item("f000000", "other", outcome="excepted", code="vanished", reason="?"))
    writer.emit("item", item("f000000", "folder", outcome="gone", since=AT))
    known = writer.state.known("D", ["f000000"])["f000000"][1]
    assert known is not None and known["kind"] == "file"
    assert (writer.state.item_row("D", "f000000") or {})["kind"] == "file"
