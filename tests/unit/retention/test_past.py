"""Where a run stands among the others, by the journal alone."""

import pytest

from exporters.bag.formats import JsonObject
from exporters.errors import ConfigurationError
from retention.past import end_of


def journal(text: str) -> list[JsonObject]:
    """`a( a) f` = run a starts and ends, then a fold f."""
    types = {"(": "run_started", ")": "run_ended"}
    return [{"type": "accepted"}, *({"type": types.get(word[1:], "folded"), "run": word[0]} for word in text.split())]


@pytest.mark.parametrize(
    ("text", "run", "earlier"),
    [
        ("a( a) b( b) c( c)", "b", "a"),
        ("c( c) b( b) a( a)", "b", "c"),
        ("a( b( a) b)", "b", "a"),
        ("a( b( a) b)", "a", ""),
        ("a( b( b)", "b", "a"),
        ("a( a) b( c( c)", "b", "a"),
        ("a( a) f b( b)", "b", "af"),
        ("a( a) f b( b)", "f", "a"),
    ],
)
def test_what_was_there_when_a_run_ended(text: str, run: str, earlier: str) -> None:
    assert end_of(run, journal(text)) == (run, frozenset(earlier))


def test_a_run_that_the_journal_does_not_know_is_refused_with_those_it_knows() -> None:
    with pytest.raises(ConfigurationError) as caught:
        end_of("20991123T000000Z-ffffff", journal("a( a) b( b) c( c) d( d) e( e) f( f)"))
    assert caught.value.code == "run_unknown"
    assert "f, e, d, c, b, and 1 before them" in caught.value.action
    with pytest.raises(ConfigurationError, match="knows no run"):
        end_of("a", [])
