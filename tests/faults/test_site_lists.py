"""Lists of a site: what is copied is the tenant's truth, also when it changes, is deleted or cannot be had."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporters.copied import Progress
from tests.faults.list_desk import ListDesk, list_desk
from tests.unit.rehearsal import list_data as data

DELTA = "sites/*/lists/*/items/delta"


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.write_tenant(tmp_path_factory.mktemp("lists") / "tenant")


@pytest.fixture
def desk(tenant: Path, tmp_path: Path) -> Iterator[ListDesk]:
    with list_desk(tenant, tmp_path / "store") as found:
        yield found


def test_all_lists_are_in_the_bag_item_by_item_and_no_news_costs_one_request_each(desk: ListDesk) -> None:
    result = desk.run()
    desk.checked()
    assert result.problems == [] and result.copied == 12 + 2 + 3 + 2 + 5
    lists = {row["path"]: row for row in desk.rows() if row["kind"] == "folder"}
    assert {path: row["service"]["totalItemCount"] for path, row in lists.items()} == {
        "/Tasks": 12, "/User Information List": 2, "/Berths": 3, "/Empty": 0, "/A / B!": 2,
    }  # fmt: skip
    before = {path: path.read_bytes() for path in desk.bag.glob("data/**/*") if path.is_file()}
    asked = desk.asked(desk.run)
    assert [row["route"].rpartition("/")[2] for row in asked] == ["lists", *["delta"] * 5], asked
    assert desk.was_quiet
    assert {path: path.read_bytes() for path in desk.bag.glob("data/**/*") if path.is_file()} == before


def test_changes_of_every_kind_are_followed(desk: ListDesk) -> None:
    desk.run()
    desk.change("modify", id="1", fields={"Title": "changed"})
    desk.change("delete", id="3")
    desk.change("add", fields={"Title": "new"}, attachments=[{"fileName": "n.bin", "_c": desk.attachment(b"new")}])
    desk.change("attach", id="5", fileName="plan.pdf", _c=desk.attachment(b"another plan"))
    desk.change("attach", id="6", fileName="first.txt", _c=desk.attachment(b"first"))
    desk.change("detach", id="2", fileName="plan.pdf")
    desk.run()
    desk.checked()
    gone = {name: row["outcome"] for name, row in desk.of("attachment").items() if row["outcome"] != "copied"}
    assert gone == {"2/plan.pdf": "gone"}
    assert desk.of("list_item")["3"]["outcome"] == "gone"
    versions = {row["scope"] for row in desk.rows() if row["kind"] == "version"}
    assert versions == {f"{data.TASKS}/{n}" for n in ("1", "2", "5", "6")} | {f"{data.TASKS}/5/plan.pdf"}
    desk.change("restore", id="3")
    desk.change("attach", id="2", fileName="plan.pdf", _c=desk.attachment(b"2 plan.pdf" * 900))
    desk.run()
    desk.checked()


def test_a_renamed_list_keeps_its_place_and_a_new_one_of_its_name_gets_another(desk: ListDesk) -> None:
    desk.run()
    desk.change("rename", kind="list", displayName="Tasks of old")
    desk.client.change({"kind": "list", "op": "add", "site": "sites/s0000", "displayName": "tasks", "id": data.MANY})
    desk.change("add", list=data.MANY, fields={"Title": "in the new one"})
    desk.change("add", fields={"Title": "in the old one"})
    desk.run()
    desk.checked(data.TASKS, data.MANY)
    assert {row["path"] for row in desk.of("list_item").values()} == {f"/Tasks of old/{n}" for n in range(1, 14)}
    assert all(row["path"].startswith("/Tasks of old/attachments/") for row in desk.of("attachment").values())
    places = {row["scope"]: row["key"].split("/")[2] for row in desk.rows() if row["kind"] == "list_item"}
    assert places[data.TASKS] == "Tasks" and places[data.MANY].startswith("tasks~")
    assert places[data.SLASH].startswith("A~") and "!" not in places[data.SLASH]


def test_a_list_with_an_exclamation_mark_in_its_name_is_found_again(desk: ListDesk) -> None:
    desk.change("rename", kind="list", list=data.BERTHS, displayName="Berths! now!")
    desk.run()
    desk.checked()
    assert next(iter(desk.of("list_item", data.BERTHS).values()))["key"].startswith(
        "data/lists/Berths! now!/items-00001.jsonl!"
    )
    desk.change("modify", list=data.BERTHS, id="1", fields={"Title": "other"})
    desk.run()
    desk.checked()
    assert [row["Title"] for row in desk.table("Berths! now!")] == ["other", "Berth 2", "Berth 3"]


def test_a_deleted_list_is_gone_with_all_in_it_and_may_come_back(desk: ListDesk) -> None:
    desk.run()
    desk.change("delete", kind="list", list=data.BERTHS)
    result = desk.run()
    desk.checked(data.TASKS)
    assert result.gone_now == 3 and {row["outcome"] for row in desk.of("list_item", data.BERTHS).values()} == {"gone"}
    assert {row["outcome"] for row in desk.rows() if row.get("of") == data.BERTHS} == {"gone"}
    assert len(desk.asked(desk.run)) == 1 + 4


def test_a_list_that_is_hidden_from_the_listing_is_not_called_gone(desk: ListDesk) -> None:
    desk.run()
    desk.faults({"route": "sites/*/lists", "fault": "missing-row", "index": 0})
    desk.run()
    assert {row["outcome"] for row in desk.of("list_item").values()} == {"copied"}


def test_very_many_removals_wait_for_a_person(tmp_path: Path) -> None:
    folder = data.write_tenant(tmp_path / "tenant", many=150)
    with list_desk(folder, tmp_path / "store") as desk:
        desk.run()
        deleted = {"kind": "listItem", "site": "sites/s0000", "list": data.MANY, "op": "delete"}
        desk.client.change(*({**deleted, "id": str(n)} for n in range(1, 121)))
        desk.run()
        assert desk.masses.keys() == {data.MANY}
        assert {row["outcome"] for row in desk.of("list_item", data.MANY).values()} == {"copied"}
        desk.verified(whole=False)
        accepted = desk.masses[data.MANY]
        assert desk.run(accepts=lambda digest: digest == accepted).gone_now == 120
        desk.checked(data.MANY, data.TASKS)


def test_q001_after_a_410_the_list_is_listed_from_the_start(desk: ListDesk) -> None:
    desk.run()
    desk.change("delete", id="4")
    desk.change("modify", id="1", fields={"Title": "changed"})
    desk.faults({"route": DELTA, "fault": "410", "count": 1})
    desk.run()
    assert desk.fired() == 1
    desk.checked()
    assert desk.of("list_item")["4"]["outcome"] == "gone"


def test_q001_a_listing_that_lacks_what_is_there_removes_nothing(desk: ListDesk) -> None:
    desk.run()
    desk.faults(
        {"route": DELTA, "fault": "410", "count": 1}, {"route": DELTA, "fault": "missing-row", "index": 3, "count": 1}
    )
    result = desk.run()
    assert result.problems == ["listing_incomplete"]
    desk.faults()
    desk.checked()


def test_q007_a_list_without_delta_is_listed_whole(desk: ListDesk) -> None:
    desk.faults({"route": DELTA, "fault": "no-delta"})
    desk.run()
    desk.checked()
    desk.change("delete", id="4")
    desk.change("modify", id="1", fields={"Title": "changed"})
    desk.run()
    desk.checked()
    assert desk.of("list_item")["4"]["outcome"] == "gone"


def test_a_list_that_refuses_does_not_stop_the_others(desk: ListDesk) -> None:
    path = f"*lists/{data.BERTHS}/items*"
    desk.faults({"route": path, "fault": "403"})
    result = desk.run()
    assert result.problems == ["lists_not_listed"] and "lists_not_listed" in result.digests
    desk.checked(data.TASKS, data.PEOPLE, data.SLASH)
    desk.faults()
    assert desk.run().problems == []
    desk.checked()


def test_versions_of_items_are_copied_as_far_as_they_are_asked_for(desk: ListDesk) -> None:
    desk.run()
    assert "versions" not in desk.line(desk.of("list_item")["4"])
    desk.versions = 1
    desk.run()
    desk.checked()
    assert [one["id"] for one in desk.line(desk.of("list_item")["4"])["versions"]] == ["3.0", "2.0"]
    desk.versions = "all"
    desk.faults({"route": "re:items/7/versions", "fault": "403"})
    desk.run()
    lines = {item_id: desk.line(row) for item_id, row in desk.of("list_item").items()}
    assert [one["fields"]["Title"] for one in lines["4"]["versions"]] == ["state 3", "state 2", "state 1"]
    assert [one["id"] for one in lines["1"]["versions"]] == ["1.0"]
    refused = desk.of("versions")
    assert {name: row["code"] for name, row in refused.items()} == {"7/list": "version_unavailable"}
    desk.faults()
    desk.run()
    assert desk.of("versions")["7/list"]["outcome"] == "copied" and "versions" in desk.line(desk.of("list_item")["7"])
    asked = desk.asked(desk.run)
    assert len(asked) == 1 + 5, asked


# ---------------------------------------------------------------------------------------------------- attachments


def test_q062_without_a_certificate_each_item_with_files_is_an_exception(tenant: Path, tmp_path: Path) -> None:
    """(c) The items are copied; that their files are not is said item by item, and how to have them."""
    with list_desk(tenant, tmp_path / "store", has_certificate=False) as desk:
        desk.run()
        desk.checked()
        excepted = [row for row in desk.rows() if row["outcome"] == "excepted"]
        assert [(row["kind"], row["scope"], row["id"]) for row in excepted] == [
            ("attachment", f"{data.TASKS}/{n}", "*") for n in ("2", "5")
        ]
        assert {row["code"] for row in excepted} == {"attachments_need_certificate"}
        assert all("certificate" in row["reason"] for row in excepted)
        assert [row for row in desk.asked(desk.run) if row["host"] == "sharepoint"] == []
        assert len(desk.asked(desk.run)) == 1 + 5


def test_q062_with_a_certificate_later_the_files_come(tenant: Path, tmp_path: Path) -> None:
    with list_desk(tenant, tmp_path / "store", has_certificate=False) as desk:
        desk.run()
    with list_desk(tenant, tmp_path / "store") as desk:
        desk.run()
        desk.checked()
        assert {row["code"] for row in desk.of("attachment").values() if row["outcome"] == "excepted"} == {"vanished"}
        assert len(desk.asked(desk.run)) == 1 + 5


def test_q062_where_sharepoint_refuses_the_app_few_items_are_enough_to_know(tenant: Path, tmp_path: Path) -> None:
    """A secret, though the configuration says certificate; and nothing ends the run."""
    with list_desk(tenant, tmp_path / "store", has_certificate=False) as desk:
        desk.has_certificate = True
        asked = desk.asked(desk.run)
        assert 1 <= sum(row["host"] == "sharepoint" for row in asked) <= 4
        codes = {name: row["code"] for name, row in desk.of("attachment").items()}
        assert codes == {"2/*": "access_denied", "5/*": "access_denied"}
        desk.has_certificate = False
        desk.checked()


def test_q062_no_files_listed_where_the_item_has_some_is_an_exception(desk: ListDesk) -> None:
    body = {"value": []}
    desk.faults(
        {
            "host": "sharepoint",
            "route": "re:items\\(2\\)/AttachmentFiles$",
            "fault": "status",
            "status": 200,
            "body": body,
        }
    )
    desk.run()
    assert {name: row.get("code") for name, row in desk.of("attachment").items()} == {
        "2/*": "not_found_while_listed",
        "5/plan.pdf": None,
    }
    desk.faults()
    desk.change("modify", id="2", fields={"Title": "news"})
    desk.run()
    desk.checked()


def test_q062_one_file_that_cannot_be_had_leaves_the_others(desk: ListDesk) -> None:
    desk.faults({"host": "sharepoint", "route": "re:items%282%29.*plan.pdf|items\\(2\\).*plan.pdf", "fault": "403"})
    desk.run()
    assert desk.fired()
    found = {name: (row["outcome"], row.get("code")) for name, row in desk.of("attachment").items()}
    assert found == {
        "2/plan.pdf": ("excepted", "access_denied"),
        "2/it's a % of #1.txt": ("copied", None),
        "5/plan.pdf": ("copied", None),
    }
    assert desk.line(desk.of("list_item")["2"])["attachments"][0] == {"name": "plan.pdf", "code": "access_denied"}
    desk.faults()
    desk.run()
    desk.checked()
    desk.change("delete", id="2")
    desk.run()
    assert {row["outcome"] for name, row in desk.of("attachment").items() if name.startswith("2/")} == {"gone"}


@pytest.mark.parametrize("fault", ["reset-mid-body", "503", "500"])
def test_faults_that_pass_leave_no_trace(desk: ListDesk, fault: str) -> None:
    desk.faults(
        {"host": "sharepoint", "fault": fault, "count": 1, "after_bytes": 30, "seconds": 1},
        {"route": DELTA, "fault": fault, "count": 2, "after_bytes": 30, "seconds": 1},
    )
    result = desk.run()
    assert desk.fired() == 3 and result.problems == []
    desk.checked()


def test_q061_a_big_list_is_paged_by_id_alone(tmp_path: Path) -> None:
    """No filter, no sort, in the largest pages; where these are too much, in smaller ones."""
    folder = data.write_tenant(tmp_path / "tenant", many=5_300)
    with list_desk(folder, tmp_path / "store") as desk:
        asked = desk.asked(desk.run)
        assert not [row for row in asked if "filter" in row["query"] or "orderby" in row["query"]]
        many = [
            row for row in asked if data.MANY in row["path"] and row["path"].rpartition("/")[2] in ("delta", "items")
        ]
        assert len(many) <= 8 and {row["status"] for row in many} == {200}, many
        desk.checked(data.MANY)
        objects = list((desk.bag / "data/lists/Many").glob("items-*.jsonl"))
        assert 6 <= len(objects) <= 8 and all(len(path.read_bytes().splitlines()) <= 1_000 for path in objects)
        lines = (desk.bag / "data/lists/Many/items.jsonl").read_bytes().splitlines()
        assert len(lines) == 5_300 and len(desk.table("Many")) == 5_300


def test_q061_pages_that_are_too_much_are_asked_for_smaller(desk: ListDesk) -> None:
    desk.faults({"route": f"*lists/{data.TASKS}/items/delta", "fault": "504", "count": 6})
    desk.run()
    sizes = {row["query"] for row in desk.client.control("GET", "requests") if row["path"].endswith("items/delta")}
    assert any("top=1000" in query for query in sizes)
    desk.checked()


# ------------------------------------------------------------------------------------------------------- stopping


class _Stopping(Progress):
    def __init__(self, stop: threading.Event, after: int) -> None:
        self._stop, self._left = stop, after

    def finished(self, items: int) -> None:
        self._left -= items
        if self._left <= 0:
            self._stop.set()


def test_a_run_that_is_stopped_goes_on(desk: ListDesk) -> None:
    stop = threading.Event()
    desk.run(stop=stop, progress=_Stopping(stop, 5))
    desk.verified(whole=False)
    desk.run()
    desk.checked()
