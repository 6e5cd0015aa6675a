"""Pages asked for before their turn: what comes out, in which order, and that nothing waits for ever.

Rules of this file: sources are made of events, not of sleep; a barrier that is not passed in ten seconds fails the test.
"""

import threading
from collections.abc import Iterator

import pytest

from exporters.mail.capture.ahead import THREADS, WAITING, Ahead

SECONDS = 10.0


class Refused(Exception):
    """What a source raises here."""


def numbers(key: str) -> Iterator[int]:
    yield from range(int(key[1:]))


def test_each_source_in_its_own_order() -> None:
    keys = [f"s{n}" for n in range(40)]
    with Ahead(keys, numbers) as ahead:
        for key in keys:
            pages = ahead.pages(key)
            assert pages is not None and list(pages) == list(range(int(key[1:])))
            ahead.leave(key)
            assert ahead.pages(key) is None, "a source is taken once"


def test_several_are_asked_for_at_once() -> None:
    meeting = threading.Barrier(4)

    def begin(key: str) -> Iterator[str]:
        meeting.wait(SECONDS)
        yield key

    with Ahead("abcd", begin) as ahead:
        assert [list(ahead.pages(key) or ()) for key in "abcd"] == [["a"], ["b"], ["c"], ["d"]]


def test_what_a_source_raises_comes_out_where_it_is_taken() -> None:
    def begin(key: str) -> Iterator[str]:
        yield key
        if key == "b":
            raise Refused

    with Ahead("abc", begin) as ahead:
        assert list(ahead.pages("a") or ()) == ["a"]
        pages = ahead.pages("b")
        assert pages is not None and next(pages) == "b"
        with pytest.raises(Refused):
            next(pages)
        assert list(ahead.pages("c") or ()) == ["c"]


def test_what_waits_is_bounded_and_the_one_that_is_taken_goes_on() -> None:
    """All but the first have pages without end: they stop, and the first, which is longer than all that may wait, does not."""
    made: dict[str, int] = {}
    begun = threading.Barrier(THREADS)

    def begin(key: str) -> Iterator[int]:
        begun.wait(SECONDS)
        for n in range(10_000):
            made[key] = n + 1
            yield n

    keys = [f"s{n}" for n in range(THREADS)]
    with Ahead(keys, begin) as ahead:
        pages = ahead.pages("s0")
        assert pages is not None
        for n in range(5 * WAITING):
            assert next(pages) == n
    waiting = sum(made.get(key, 0) for key in keys[1:])
    assert waiting <= WAITING + len(keys), made


def test_an_end_in_the_middle_ends_all() -> None:
    def begin(key: str) -> Iterator[int]:
        while True:
            yield 1

    with pytest.raises(Refused), Ahead("abcdefgh", begin) as ahead:
        next(ahead.pages("a") or iter(()))
        raise Refused
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lastcopy-ahead")]


def test_sources_that_nobody_takes_hold_nobody_up() -> None:
    keys = [f"s{n}" for n in range(30)]

    def begin(key: str) -> Iterator[int]:
        yield from range(20)

    with Ahead(keys, begin) as ahead:
        for key in keys:
            if key.endswith("9"):
                assert len(list(ahead.pages(key) or ())) == 20
            ahead.leave(key)
