"""Values as served → cells of a table, and a table that any reader reads back."""

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.sharepoint.lists.cells import PEOPLE_LIST, columns_of, safe_cell, text_of_value
from exporters.sharepoint.lists.tables import as_csv

Row = dict[str, Any]
LIST = "00000001-0000-4000-8000-0000000000e1"
OTHER = "00000002-0000-4000-8000-0000000000e1"
HELD: Mapping[tuple[str, str], Mapping[str, str]] = {
    (PEOPLE_LIST, "Title"): {"5": "Ada", "6": "Bo Berg"},
    (OTHER, "Title"): {"2": "Berth 2"},
    (LIST, "Title"): {"1": "Item 1"},
}


def resolve(of: str, name: str, item_id: str) -> str | None:
    """As of lists that are held; of others nothing is known."""
    return HELD[of, name].get(item_id) if (of, name) in HELD else ""


def table(schema: list[Row], *fields: Row) -> list[dict[str, str]]:
    graphs = [{"id": str(n), "fields": one} for n, one in enumerate(fields, 1)]
    columns = columns_of(schema, {name for one in fields for name in one}, LIST)
    data = b"".join(as_csv(columns, graphs, resolve))
    assert data.startswith(b"\xef\xbb\xbf") and data.endswith(b"\r\n")
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))


def column(name: str, title: str | None = None, **facet: Any) -> Row:
    return {"name": name, "displayName": title or name, "hidden": False, **facet}


def test_q063_people_and_lookups_stand_with_their_numbers_and_null_for_who_is_gone() -> None:
    schema = [
        column("Owner0", "Owner", personOrGroup={"allowMultipleSelection": False}),
        column("Team", personOrGroup={"allowMultipleSelection": True}),
        column("Berth", lookup={"listId": OTHER, "columnName": "Title"}),
        column("Parent", lookup={"columnName": "Title"}),
        column("Far", lookup={"listId": "not held", "columnName": "Title"}),
    ]
    rows = table(
        schema,
        {"Owner0LookupId": "5", "BerthLookupId": "2", "ParentLookupId": "1", "AuthorLookupId": "6"},
        {"Owner0LookupId": "99", "Team": [{"LookupId": 6, "LookupValue": None}, {"LookupId": 99, "LookupValue": None}]},
        {"Owner0": "Ada by name", "Team": [{"LookupId": 5, "LookupValue": "Ada then", "Email": "a@x"}], "FarLookupId": "3"},
        {},
    )  # fmt: skip
    assert [row["Owner"] for row in rows] == ["Ada", "null", "Ada by name", ""]
    assert [row["Owner (id)"] for row in rows] == ["5", "99", "", ""]
    assert [(row["Team"], row["Team (id)"]) for row in rows[1:3]] == [("Bo Berg; null", "6; 99"), ("Ada then", "5")]
    assert (rows[0]["Berth"], rows[0]["Berth (id)"], rows[0]["Parent"]) == ("Berth 2", "2", "Item 1")
    assert (rows[2]["Far"], rows[2]["Far (id)"]) == ("", "3")
    assert (rows[0]["Created By"], rows[0]["Created By (id)"]) == ("Bo Berg", "6")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (-5.25, "-5.25"),
        (1e15, "1000000000000000.0"),
        ("2025-07-01T22:00:00Z", "2025-07-01T22:00:00Z"),
        (["a", "ü"], "a; ü"),
        ({"Label": "Steuern & Abgaben", "TermGuid": "f1", "WssId": 3}, "Steuern & Abgaben"),
        ([{"Label": "x"}, {"Label": "y"}], "x; y"),
        ({"Url": "https://a.example/?b=1", "Description": "there"}, "there <https://a.example/?b=1>"),
        ({"Url": "https://a.example/", "Description": "https://a.example/"}, "https://a.example/"),
        ({"DisplayName": "Zürich", "Coordinates": {"Latitude": 47.3}}, "Zürich (47.3)"),
        ({"odd": [1, {"x": None}]}, '{"odd":[1,{"x":null}]}'),
    ],
)
def test_text_of_values(value: object, text: str) -> None:
    assert text_of_value(value) == text


def test_what_no_column_names_comes_last_and_titles_are_told_apart() -> None:
    schema = [
        column("Title"),
        column("A1", "Same"),
        column("A2", "Same"),
        column("Secret", hidden=True),
        column("LinkTitle", "Title"),
        column("Modified", "Changed"),
    ]
    rows = table(
        schema, {"Title": "t", "A1": "1", "A2": "2", "Secret": "s", "zz": "z", "ContentType": "Item", "Modified": "m"}
    )
    assert list(rows[0]) == [
        "ID", "Title [Title]", "Same [A1]", "Same [A2]", "Title [LinkTitle]", "Changed", "Content Type", "zz",
    ]  # fmt: skip
    assert list(rows[0].values()) == ["1", "t", "1", "2", "", "m", "Item", "z"]


def test_a_list_whose_columns_could_not_be_read_has_a_table_all_the_same() -> None:
    assert table([], {"Title": "t", "OwnerLookupId": "7"}) == [{"ID": "1", "Owner (id)": "7", "Title": "t"}]


@pytest.mark.parametrize("text", ["=1+1", "+49", "-5", "@x", "\tx", "\rx"])
def test_no_cell_begins_like_a_formula(text: str) -> None:
    rows = table([column("A", text)], {"A": text}, {"A": "x"})
    assert list(rows[0]) == ["ID", f"'{text}"] and rows[0][f"'{text}"] == f"'{text}"
    assert safe_cell("a=1") == "a=1" and safe_cell("") == ""


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["A", "B", "Owner0LookupId", "=x"]),
            st.one_of(st.none(), st.booleans(), st.integers(), st.text(st.characters(codec="utf-8"), max_size=20),
                      st.lists(st.text(st.characters(codec="utf-8"), max_size=5), max_size=3)),
        ),
        max_size=6,
    )
)  # fmt: skip
def test_any_reader_reads_back_what_was_written(fields: list[Row]) -> None:
    """Every text comes back character by character, but for the guard before what could be a formula."""
    rows = table([column("A"), column("B"), column("Owner0", personOrGroup={})], *fields)
    assert len(rows) == len(fields)
    for row, one in zip(rows, fields, strict=True):
        for name in ("A", "B"):
            assert row[name] == safe_cell(text_of_value(one.get(name)))


def test_what_has_no_utf8_is_written_as_its_number() -> None:
    data = b"".join(as_csv(columns_of([], {"A"}, LIST), [{"id": "1", "fields": {"A": "x\udc00y"}}], resolve))
    assert b"x\\udc00y" in data and json.dumps("x\udc00y") == '"x\\udc00y"'
