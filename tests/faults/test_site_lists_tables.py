"""What is made of the lists that a bag holds; and lists whose listing, or count, is not to be believed at once."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.list_desk import ListDesk, list_desk
from tests.unit.rehearsal import list_data as data

DELTA = f"*lists/{data.TASKS}/items/delta"
TABLES = ("items.csv", "items.jsonl", "schema.json")


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.write_tenant(tmp_path_factory.mktemp("lists") / "tenant")


@pytest.fixture
def desk(tenant: Path, tmp_path: Path) -> Iterator[ListDesk]:
    with list_desk(tenant, tmp_path / "store") as found:
        yield found


def test_q063_a_table_names_people_and_what_is_looked_up(desk: ListDesk) -> None:
    desk.run()
    rows = {row["ID"]: row for row in desk.table()}
    first, third = rows["1"], rows["3"]
    assert (first["Owner"], first["Owner (id)"]) == ("Ada", "5") and (third["Owner"], third["Owner (id)"]) == (
        "null",
        "99",
    )
    assert (first["Team"], first["Team (id)"], first["Berth"]) == ("Ada; null", "5; 99", "Berth 2")
    assert (first["Topic"], first["Link"]) == ("Steuern & Abgaben", "see, there <https://harbour.example/a?b=1>")
    assert (first["'=Odd"], first["Amount"], first["Due Date"]) == ("'=1+1", "'-5.25", "2025-07-01T22:00:00Z")
    assert first["Notes"] == '<div>Rust, "salt"<br/>\r\nand more</div>' and third["Title"] == ""
    assert (first["Created By"], first["Modified By"]) == ("Ada", "Bo Berg")
    lines = [json.loads(line) for line in (desk.bag / "data/lists/Tasks/items.jsonl").read_bytes().splitlines()]
    assert [line["id"] for line in lines] == [str(n) for n in range(1, data.IN_TASKS + 1)]
    assert lines[0] == desk.line(desk.of("list_item")["1"])["graph"]
    schema = json.loads((desk.bag / "data/lists/Tasks/schema.json").read_bytes())
    assert [column["name"] for column in schema["columns"]] == [name for name, _, _ in data.COLUMNS]
    assert schema["contentTypes"] and schema["list"]["displayName"] == "Tasks"


def test_tables_are_made_anew_only_where_something_is_new(desk: ListDesk) -> None:
    desk.run()
    before = {row["key"]: row for row in desk.rows() if row["kind"] == "derived"}
    desk.change("modify", list=data.BERTHS, id="2", fields={"Title": "Second berth"})
    desk.run()
    after = {row["key"]: row for row in desk.rows() if row["kind"] == "derived"}
    changed = {key for key in after if after[key] != before[key]}
    assert changed == {"data/lists/Berths/items.csv", "data/lists/Berths/items.jsonl", "data/lists/Tasks/items.csv"}
    assert desk.table()[0]["Berth"] == "Second berth"
    desk.change("modify", list=data.PEOPLE, id="6", fields={"Title": "Bo Hill"})
    desk.run()
    assert {row["Modified By"] for name in ("Tasks", "Berths") for row in desk.table(name)} == {"Bo Hill"}
    desk.verified()


def test_columns_that_change_are_read_again(desk: ListDesk) -> None:
    desk.run()
    columns = [{"id": "c1", "name": "Title", "displayName": "Heading", "hidden": False, "text": {}}]
    desk.change("columns", kind="list", list=data.BERTHS, set=columns)
    desk.run()
    assert list(desk.table("Berths")[0])[:2] == ["ID", "Heading"]
    desk.faults({"route": "*/contentTypes", "fault": "403"})
    desk.change("columns", kind="list", list=data.BERTHS, set=[{**columns[0], "displayName": "Head"}])
    assert desk.run().problems == ["lists_not_listed"]
    desk.checked()
    desk.faults()
    assert desk.run().problems == []
    assert list(desk.table("Berths")[0])[:2] == ["ID", "Head"]


def test_the_same_items_make_the_same_bytes(tenant: Path, tmp_path: Path, desk: ListDesk) -> None:
    desk.run()
    with list_desk(tenant, tmp_path / "other", has_certificate=False) as other:
        other.run()
        for name in TABLES:
            assert (desk.bag / "data/lists/Tasks" / name).read_bytes() == (
                other.bag / "data/lists/Tasks" / name
            ).read_bytes()


def test_q062_files_of_a_subsite_are_asked_for_at_its_own_address(tenant: Path, tmp_path: Path) -> None:
    with list_desk(tenant, tmp_path / "store") as desk:
        desk.site, desk.path = data.SUBSITE, "/sites/harbour/quay one"
        desk.run()
        desk.checked(data.BELOW)
        assert (desk.bag / "data/lists/Below/attachments/1/deep.txt").read_bytes() == b"of the subsite"


def test_an_item_that_the_first_listing_left_out_is_found_by_the_count(desk: ListDesk) -> None:
    """The count says so, and the next run lists the list from the start."""
    desk.faults({"route": DELTA, "fault": "missing-row", "index": 4, "count": 1})
    desk.run()
    assert len(desk.of("list_item")) == data.IN_TASKS - 1
    desk.verified(whole=False)
    desk.faults()
    desk.run()
    desk.checked()
    assert len(desk.asked(desk.run)) == 1 + 5


def test_what_comes_while_a_list_is_read_is_copied_or_counted(desk: ListDesk) -> None:
    change = {"kind": "listItem", "site": "sites/s0000", "list": data.TASKS, "op": "add", "fields": {"Title": "late"}}
    desk.faults({"route": DELTA, "fault": "change", "changes": [change], "count": 1})
    desk.run()
    desk.checked()
    desk.faults({"route": f"*lists/{data.TASKS}/items", "fault": "change", "changes": [change], "count": 1})
    desk.change("modify", id="1", fields={"Title": "news"})
    desk.run()
    desk.checked()


def test_an_item_without_its_fields_is_read_by_itself(desk: ListDesk) -> None:
    edit = {"route": DELTA, "fault": "edit", "edits": [{"at": "value/2/fields", "drop": True}]}
    desk.faults(edit)
    desk.run()
    desk.checked()
    desk.change("modify", id="3", fields={"Title": "changed"})
    desk.faults({**edit, "edits": [{"at": "value/0/fields", "drop": True}]}, {"route": "re:/items/3$", "fault": "403"})
    desk.run()
    row = desk.of("list_item")["3"]
    assert (row["outcome"], row["code"]) == ("excepted", "access_denied")
    assert [r["kind"] for r in desk.rows() if r["kind"] == "version"] == ["version"]
    desk.faults()
    desk.run()
    desk.checked()


def test_a_deleted_item_that_was_never_read_is_vanished(desk: ListDesk) -> None:
    desk.faults(
        {"route": DELTA, "fault": "edit", "edits": [{"at": "value/2/fields", "drop": True}], "count": 1},
        {"route": "re:/items/3$", "fault": "404"},
    )
    desk.run()
    assert desk.of("list_item")["3"]["code"] == "not_found_while_listed"
    desk.change("delete", id="3")
    desk.faults()
    desk.run()
    assert desk.of("list_item")["3"]["code"] == "vanished"
    desk.verified()
