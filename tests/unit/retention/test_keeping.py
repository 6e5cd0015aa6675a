"""What keeps bags, and what a sweep says of them: rows in, answers out."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from exporters.bag.formats import JsonObject
from exporters.clock import timestamp
from retention.disposal.keeping import ALL, Keeping
from retention.disposal.notices import marks_of_bags
from retention.disposal.stating import end_of
from retention.personal import Told, due_by

NOW = datetime(2033, 6, 1, 12, tzinfo=UTC)
BAG = "mail/ada@contoso.example"


def until(days: int, bag: str = ALL) -> JsonObject:
    row = {"type": "keep_until", "until": timestamp(NOW + timedelta(days=days)), "by": "A", "reason": "r"}
    return row if bag == ALL else {**row, "bag": bag}


def laid(kind: str, name: str, bag: str = ALL) -> JsonObject:
    row = {"type": kind, "name": name, "by": "A", "reason": "r"}
    return row if bag == ALL else {**row, "bag": bag}


def marks(*rows: JsonObject, lock: int | None = None) -> list[tuple[str, str, int]]:
    """(bag, mark, days from now) of all marks."""
    locks = {} if lock is None else {BAG: (timestamp(NOW + timedelta(days=lock)), 1)}
    numbered = [{**row, "number": number} for number, row in enumerate(rows, start=1)]
    return [(mark.owner.name, mark.kind, (mark.at - NOW).days) for mark in marks_of_bags(numbered, locks, [BAG])]


def test_what_a_sweep_says_of_bags() -> None:
    """Its time: said, unless held. The end of a lock: said where a hold or a later keep-until needs it."""
    assert marks(lock=5) == []
    assert marks(until(0)) == [(BAG, "keep_until", 0)] and marks(until(-1, BAG)) == [(BAG, "keep_until", -1)]
    assert marks(until(-1), laid("held", "case")) == []
    assert marks(until(400), lock=30) == [(BAG, "keep_until", 400), (BAG, "lock_ends", 30)]
    assert marks(until(20), lock=25) == [(BAG, "keep_until", 20)]
    assert marks(laid("held", "case"), lock=5) == [(BAG, "lock_ends", 5)]
    gone: JsonObject = {"type": "disposed", "plan": "p", "bag": BAG}
    assert marks(until(-1), gone) == []
    assert marks(until(-1), gone, {"type": "run_ended", "bags": {BAG: None}}) == [(BAG, "keep_until", -1)]


def test_a_sweep_says_it_when_it_is_time() -> None:
    """The time of a copy on its day, the end of a lock from 30 days before; as a notice; once."""
    locks = {BAG: (timestamp(NOW + timedelta(days=30)), 2)}
    found = [*marks_of_bags([{**until(60), "number": 1}], locks, [BAG])]
    assert [(item.mark.kind, item.days, item.severity) for item in due_by(found, NOW, None)] == [
        ("lock_ends", 30, "notice")
    ]
    later = NOW + timedelta(days=60)
    assert [item.mark.kind for item in due_by(found, later, Told(NOW, 2))] == ["keep_until"]
    assert due_by(found, later, Told(later, 2)) == []


@given(st.lists(st.sampled_from(["held a", "held b", "lifted a", "lifted b", "held a of one", "lifted a of one"])))
def test_a_hold_stands_until_it_is_lifted_where_it_was_laid(story: list[str]) -> None:
    """However the rows come, what is held is what was laid since it was last lifted."""
    rows, standing = [], set()
    for word in story:
        kind, name, *rest = word.split()
        bag = BAG if rest else ALL
        rows.append(laid("held" if kind == "held" else "hold_lifted", name, bag))
        (standing.add if kind == "held" else standing.discard)((bag, name))
    assert {(hold.bag, hold.name) for hold in Keeping.of(rows).holds(BAG)} == standing


def test_of_what_was_said_of_all_and_of_one_the_later_counts() -> None:
    for rows in permutations([until(10), until(5, BAG), until(99, "mail/other")]):
        found = Keeping.of(rows).until(BAG)
        assert found is not None and found.instant == NOW + timedelta(days=10)
    assert Keeping.of([until(10), until(3)]).until(BAG) == Keeping.of([until(3)]).until(BAG)


def test_a_date_counts_to_its_last_moment_wherever_one_is() -> None:
    assert end_of("2033-12-31", "Europe/Amsterdam") == datetime(2034, 1, 1, tzinfo=UTC)
    assert end_of("2033-12-31", "America/New_York") == datetime(2034, 1, 1, 5, tzinfo=UTC)
    assert end_of("2033-12-31T18:00:00+01:00", "UTC") == datetime(2033, 12, 31, 17, tzinfo=UTC)
