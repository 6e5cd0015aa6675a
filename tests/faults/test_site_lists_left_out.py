"""Lists that a listing leaves out, and items that no number tells of: nothing is taken for whole that is not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.list_desk import ListDesk, list_desk
from tests.unit.rehearsal import list_data as data

LISTS = {"route": "sites/*/lists", "fault": "missing-row", "index": 0}
"""The listing of lists lacks the first one, which is Tasks."""


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.write_tenant(tmp_path_factory.mktemp("lists") / "tenant")


@pytest.fixture
def desk(tenant: Path, tmp_path: Path) -> Iterator[ListDesk]:
    with list_desk(tenant, tmp_path / "store") as found:
        yield found


def test_a_list_that_the_listing_leaves_out_is_copied_all_the_same(desk: ListDesk) -> None:
    desk.run()
    desk.change("modify", id="1", fields={"Title": "changed"})
    desk.change("add", fields={"Title": "new"})
    desk.faults(LISTS)
    assert desk.run().problems == []
    assert desk.fired() == 1
    desk.checked()
    assert desk.table()[0]["Title"] == "changed"


@pytest.mark.parametrize("fault", ["403", "500"])
def test_a_list_that_is_left_out_and_refused_is_a_finding(desk: ListDesk, fault: str) -> None:
    desk.run()
    desk.change("modify", id="1", fields={"Title": "changed"})
    desk.faults(LISTS, {"route": "re:/lists/[^/]+$", "fault": fault})
    assert desk.run().problems == ["lists_not_listed"]
    desk.faults()
    assert desk.run().problems == []
    desk.checked()


def test_a_delta_that_lost_one_new_and_one_deleted_item_is_found_by_their_ids(desk: ListDesk) -> None:
    """Their number is as many as ours: the ids tell."""
    desk.run()
    desk.change("add", fields={"Title": "new"})
    desk.change("delete", id="4")
    desk.change("modify", id="1", fields={"Title": "changed"})
    new = desk.truth().keys() - {str(n) for n in range(1, data.IN_TASKS + 1)}
    lost = [{"at": f"value/[id={one}]", "drop": True} for one in ("4", *new)]
    desk.faults({"route": f"sites/*/lists/{data.TASKS}/items/delta", "fault": "edit", "edits": lost, "count": 1})
    result = desk.run()
    assert desk.fired() == 1
    assert result.problems == []
    desk.checked()


@pytest.mark.parametrize(
    "edit", [{"at": "value", "to": []}, {"at": "value/1/fields", "drop": True}], ids=["none at all", "without fields"]
)
def test_earlier_states_that_are_not_told_are_an_exception(desk: ListDesk, edit: dict[str, object]) -> None:
    desk.versions = "all"
    desk.faults({"route": "re:items/4/versions", "fault": "edit", "edits": [edit]})
    desk.run()
    assert {name: row["code"] for name, row in desk.of("versions").items()} == {"4/list": "version_unavailable"}
    assert "versions" not in desk.line(desk.of("list_item")["4"])
    desk.faults()
    desk.run()
    assert desk.of("versions")["4/list"]["outcome"] == "copied"
    assert [one["id"] for one in desk.line(desk.of("list_item")["4"])["versions"]] == ["3.0", "2.0", "1.0"]
