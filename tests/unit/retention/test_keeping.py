"""What keeps bags, and what a sweep says of them: rows in, answers out."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from exporters.bag.formats import JsonObject
from exporters.clock import timestamp
from retention.disposal.keeping import ALL, Keeping
from retention.disposal.notices import Bags
from retention.disposal.stating import end_of

NOW = datetime(2033, 6, 1, 12, tzinfo=UTC)
BAG = "mail/ada@contoso.example"


def until(days: int, bag: str = ALL) -> JsonObject:
    row = {"type": "keep_until", "until": timestamp(NOW + timedelta(days=days)), "by": "A", "reason": "r"}
    return row if bag == ALL else {**row, "bag": bag}


def laid(kind: str, name: str, bag: str = ALL) -> JsonObject:
    row = {"type": kind, "name": name, "by": "A", "reason": "r"}
    return row if bag == ALL else {**row, "bag": bag}


RUN: JsonObject = {"type": "run_ended", "bags": {BAG: {"segment": 1, "sha256": "0"}}}


def verified(days: int, result: str = "whole") -> JsonObject:
    lock = {"mode": "governance", "until": timestamp(NOW + timedelta(days=days))}
    return {"type": "verified", "bag": BAG, "result": result, "lock": lock}


def said(*rows: JsonObject) -> list[tuple[str, str]]:
    bags = Bags()
    bags.read([RUN, *rows])
    return [(notice.bag, notice.boundary) for notice in bags.notices(NOW)]


def test_what_a_sweep_says_of_bags() -> None:
    """Over: said, unless held. A lock that ends within 30 days: said where a hold or a later keep-until needs it."""
    assert said() == said(until(1)) == []
    assert said(until(0)) == said(until(-1, BAG)) == [(BAG, "keep_until")]
    assert said(until(-1), laid("held", "case")) == []
    assert said(until(400), verified(31)) == []
    assert said(until(400), verified(30)) == said(until(400), verified(-3)) == [(BAG, "lock_ends")]
    assert said(until(20), verified(25)) == []
    assert said(laid("held", "case"), verified(5)) == [(BAG, "lock_ends")]
    assert said(laid("held", "case"), verified(5, "different")) == []
    assert said(until(400), verified(5), verified(900)) == []
    assert said(until(-1), {"type": "disposed", "plan": "p", "bag": BAG}) == []


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
