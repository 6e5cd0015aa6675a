"""Components of libraries in the bag of a site: never shared, never changed."""

from collections.abc import Iterator

import pytest

from exporters.bag.formats import dump_json
from exporters.bag.keys import changed
from exporters.bag.state import State
from exporters.sharepoint.components import library_component


@pytest.fixture
def state() -> Iterator[State]:
    found = State()
    yield found
    found.close()


def put(state: State, kind: str, scope: str, item_id: str, key: str | None) -> None:
    row = {"kind": kind, "scope": scope, "id": item_id, "parent": "R", "name": "x", "outcome": "copied"}
    row |= {} if key is None else {"key": key}
    state.apply("item", row, dump_json(row), 1)


@pytest.mark.parametrize("taken", ["data/libraries/Plans/a", "data/versions/plans/a/1.0", "data/changed/2026/PLANS/a"])
def test_no_library_has_the_component_of_another(state: State, taken: str) -> None:
    assert library_component(state, "D", "Plans") == "Plans"
    put(state, "file", "other", "1", taken)
    assert library_component(state, "D", "Plans") == changed("Plans", "D")
    assert library_component(state, "D", "Plans 2") == "Plans 2"


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ("data/libraries/Old name/a", "Old name"),
        ("data/changed/20261123T154000Z/Old name/a", "Old name"),
        ("data/files/a", "New name"),
    ],
)
def test_a_component_stays_through_renames(state: State, key: str, wanted: str) -> None:
    put(state, "file", "D", "1", None)
    put(state, "file", "D", "2", key)
    assert library_component(state, "D", "New name") == wanted


def test_a_library_of_which_versions_alone_could_be_had_keeps_theirs(state: State) -> None:
    put(state, "file", "D", "1", None)
    put(state, "version", "1", "1.0", "data/versions/Old/x/1.0")
    assert library_component(state, "D", "New") == "Old"
    assert library_component(state, "E", "Old") == changed("Old", "E")


def test_later_states_of_pages_keep_their_place(state: State) -> None:
    assert library_component(state, "D", "Pages") == changed("Pages", "D")


def test_all_components_are_seen_whatever_sorts_between_them(state: State) -> None:
    for n, name in enumerate(("a", "a b", "a-b", "a!", "a0", "ab", "A.x")):
        put(state, "file", f"D{n}", "1", f"data/libraries/{name}/x")
    for name in ("A", "A B", "a-B", "A!", "A0", "AB", "a.X"):
        assert library_component(state, "D", name) == changed(name, "D")
