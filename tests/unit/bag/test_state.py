"""The state of a bag: what is asked of all items is answered from an index, since a read for each is what grows with a drive.

Rules of this file: the plan of a query is the judge, not the time that it takes.
"""

from collections.abc import Iterator

import pytest

from exporters.bag.state import State

LISTED = {"scope": "d", "kind": "file", "name": "a", "parent": "root"}
CHILDREN = [
    "SELECT count(*) FROM tree WHERE scope = ? AND parent = ? AND alive = 1 AND id != ?",
    "SELECT EXISTS (SELECT 1 FROM tree JOIN rows ON rows.scope = tree.scope AND rows.id = tree.id AND rows.kind = tree.kind"
    " WHERE tree.scope = ? AND tree.parent = ?)",
]


@pytest.fixture
def state() -> Iterator[State]:
    state = State()
    yield state
    state.close()


@pytest.mark.parametrize("query", CHILDREN, ids=["counted", "held"])
def test_children_are_found_without_their_nodes(state: State, query: str) -> None:
    """A million reads of the tree took ten times as long as all other work of a round."""
    plan = state.db.execute(f"EXPLAIN QUERY PLAN {query}", ("d",) * query.count("?")).fetchall()
    assert any("COVERING INDEX tree_by_parent" in step[3] for step in plan)


def test_has_items_tells_of_one_drive_and_of_listed_kinds(state: State) -> None:
    assert not state.has_items("d")
    state.apply("listed", {**LISTED, "id": "1"}, b"{}", 1)
    state.apply("item", {"kind": "derived", "scope": "d", "id": "x", "outcome": "copied"}, b"{}", 1)
    assert not state.has_items("d")
    state.apply("item", {**LISTED, "id": "1", "outcome": "copied"}, b"{}", 1)
    assert state.has_items("d") and not state.has_items("other")
