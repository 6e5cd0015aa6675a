"""What is kept of an item as it is served, and what of a listing is news."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporters.mail.capture import collections as capture_collections
from exporters.mail.capture.collections import Collection, collection_at, collection_of
from exporters.mail.capture.facts import (
    completed,
    date_of,
    extended,
    folder_facts,
    item_facts,
    listed_facts,
    record_of,
    same_content,
    same_facts,
)
from exporters.mail.capture.news import ListingDigest, is_news, uncounted

Row = dict[str, Any]
MESSAGE: Row = {
    "@odata.etag": 'W/"1"', "id": "m", "changeKey": "1", "subject": "s", "createdDateTime": "2025-01-01T00:00:00Z",
    "receivedDateTime": "2025-01-01T00:00:01Z", "parentFolderId": "f", "isRead": True, "categories": [], "isDraft": False,
    "singleValueExtendedProperties": [{"id": "Integer 0xe08", "value": "100"}, {"id": "String 0x1a", "value": "IPM.Note"}],
}  # fmt: skip
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text(max_size=5), st.just([]), st.just({}),
    st.lists(st.none() | st.integers(-9, 9) | st.just({"id": 1, "value": {}}), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(-9, 9), max_size=2),
)  # fmt: skip


def facts(**changed: Any) -> Row:
    return item_facts("message", {**MESSAGE, **changed}, "f")


def row(**changed: Any) -> Row:
    return {**facts(**changed), "outcome": "copied", "key": "k", "path": "/s"}


@pytest.mark.parametrize("name", ["changeKey", "parentFolderId", "@odata.etag"])
def test_a_move_changes_neither_state_nor_content(name: str) -> None:
    new, old = facts(**{name: "2"}), row()
    assert new["service"]["state"] == old["service"]["state"] and same_content(new, old)


@pytest.mark.parametrize("name", ["isRead", "categories", "importance", "flag"])
def test_flags_are_state_and_no_content(name: str) -> None:
    new, old = facts(**{name: "another"}), row()
    assert new["service"]["state"] != old["service"]["state"] and same_content(new, old)


@pytest.mark.parametrize("name", ["subject", "toRecipients", "sentDateTime", "isDraft", "hasAttachments"])
def test_what_stands_in_the_mime_is_content(name: str) -> None:
    assert not same_content(facts(**{name: "another"}), row())


def test_another_size_is_another_content() -> None:
    other = [{"id": "Integer 0x0E08", "value": "101"}]
    assert not same_content(facts(singleValueExtendedProperties=other), row())


def test_of_a_draft_and_of_one_without_a_size_the_change_key_is_content() -> None:
    for more in ({"isDraft": True}, {"singleValueExtendedProperties": None}):
        assert not same_content(facts(**more, changeKey="2"), row(**more, changeKey="1"))
        assert same_content(facts(**more), row(**more))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.fixed_dictionaries({}, optional={name: VALUES for name in MESSAGE if name != "id"}))
def test_q075_whatever_is_served_in_place_of_a_value_gives_facts(served: Row) -> None:
    for kind in ("message", "contact", "task"):
        found = item_facts(kind, {**served, "id": "m"}, "f")
        assert (
            found["id"] == "m" and isinstance(found["name"], str) and same_facts(found, {**found, "outcome": "copied"})
        )
    assert folder_facts({**served, "id": "x"}, "mail", None, {})["kind"] == "folder"


@pytest.mark.parametrize("value", ["0001-01-01T00:00:00Z", "1601-01-01T00:00:00Z", None, 5, {}])
def test_q076_dates_that_say_not_set(value: Any) -> None:
    assert date_of({"at": value}, "at") is None
    assert "received" not in facts(receivedDateTime=value)["service"]


def test_a_row_that_tells_only_of_a_change_has_no_record() -> None:
    for told in ({"isRead": False}, {"lastModifiedDateTime": "2025-01-01T00:00:00Z", "subject": "s"}, {}):
        found = item_facts("message", {"id": "m", **told}, "f")
        assert "graph" not in found and is_news(found, None, row())


@pytest.mark.parametrize("tag", ["Integer 0xe08", "Integer 0x0E08", "Integer 0x00000e08"])
def test_properties_are_found_however_their_id_is_written(tag: str) -> None:
    assert extended({"singleValueExtendedProperties": [{"id": tag, "value": "7"}]}, "0xE08") == "7"
    assert (
        extended({"singleValueExtendedProperties": [{"id": "Integer {x} Id 0xe08", "value": "7"}, None, 3]}, "0xE08")
        is None
    )


def test_annotations_are_left_out_but_the_type() -> None:
    assert record_of({"@odata.etag": "1", "@odata.type": "t", "a": 1}) == {"@odata.type": "t", "a": 1}


def test_an_event_is_news_by_its_change_key_or_by_what_is_asked() -> None:
    served = {"id": "e", "changeKey": "1"}
    old = {
        **completed(listed_facts("event", served, "c", "a1"), {"id": "e", "subject": "x"}),
        "outcome": "copied",
        "key": "k",
    }
    assert not is_news(listed_facts("event", served, "c", "a1"), None, old)
    assert is_news(listed_facts("event", {**served, "changeKey": "2"}, "c", "a1"), None, old)
    assert is_news(listed_facts("event", served, "c", "a2"), None, old)
    assert is_news(listed_facts("event", served, "other", "a1"), None, old)


# ------------------------------------------------------------------------------------------------------------- news


def deleted(parent: str) -> Row:
    return {"scope": "", "id": "m", "deleted": True, "kind": "message", "parent": parent}


@pytest.mark.parametrize(
    ("news", "owed", "held", "wanted"),
    [
        (deleted("f"), None, row(), True),
        (deleted("other"), None, row(), False),
        (deleted("f"), None, None, False),
        (deleted("f"), None, {**row(), "outcome": "gone"}, False),
        (deleted("f"), None, {**row(), "outcome": "excepted", "code": "vanished"}, False),
        (deleted("f"), None, {**row(), "outcome": "excepted", "code": "item_unreadable"}, True),
        (deleted("f"), facts(), None, True),
        (deleted("f"), deleted("f"), row(), False),
        (deleted("f"), {**facts(), "parent": "other"}, row(), False),
        (facts(), None, None, True),
        (facts(), None, row(), False),
        (facts(), facts(), None, False),
        (facts(), facts(isRead=False), row(), True),
        (facts(), deleted("other"), row(), True),
        (facts(), None, {**row(), "outcome": "gone"}, True),
        (facts(), None, {**row(), "outcome": "excepted", "code": "vanished"}, True),
        ({**facts(), "parent": "other"}, None, row(), True),
    ],
)
def test_what_is_news(news: Row, owed: Row | None, held: Row | None, wanted: bool) -> None:
    assert is_news(news, owed, held) is wanted


def test_a_digest_is_of_a_set_of_rows_and_of_their_number() -> None:
    rows = [{"id": str(n), "changeKey": str(n)} for n in range(5)]

    def of(pages: list[list[Row]]) -> str:
        digest = ListingDigest()
        for page in pages:
            digest.take(page)
        return digest.value

    assert of([rows]) == of([rows[3:], rows[:3]]) == of([[], rows[::-1]])
    assert of([rows]) != of([rows[:4]]) != of([rows[:3]])
    assert of([[{**rows[0], "changeKey": "9"}]]) != of([rows[:1]])


def test_folders_that_are_not_asked_for_any_more_lose_their_counts_once() -> None:
    folder = {
        **folder_facts({"id": "f", "totalItemCount": 3, "unreadItemCount": 1}, "mail", None, {}),
        "outcome": "copied",
        "path": "/",
    }
    (found,) = uncounted(folder)
    assert found["service"] == {"class": "mail"} and "outcome" not in found
    assert uncounted({**folder, **found}) == []


# ------------------------------------------------------------------------------------------------------ collections


@pytest.mark.parametrize(
    ("of", "path"),
    [
        ("mail", "/mailFolders/a%2Fb/messages/delta"),
        ("contacts", "/contactFolders/a%2Fb/contacts/delta"),
        ("tasks", "/todo/lists/a%2Fb/tasks/delta"),
        ("calendar", "/calendars/a%2Fb/events"),
        ("threads", "/threads/a%2Fb/posts"),
    ],
)
def test_each_class_of_folders_has_its_listing(of: str, path: str) -> None:
    collection = collection_of(folder_facts({"id": "a/b"}, of, None, {}))
    assert collection is not None and collection.path == path and not collection.plain_path.endswith("/delta")
    assert collection_at(collection.scope, {}) == collection
    assert collection_at(collection.scope, {"recoverable": True}) == Collection(collection.word, "a/b", True)


@pytest.mark.parametrize("of", ["search", "shared_calendar", "flagged", "whatever"])
def test_what_holds_nothing_of_its_own_is_not_listed(of: str) -> None:
    assert collection_of(folder_facts({"id": "a"}, of, None, {})) is None


@pytest.mark.parametrize("scope", ["folders", "settings", "export/m/f", "", "messages", "compose"])
def test_other_cursors_are_no_collections(scope: str) -> None:
    assert collection_at(scope, {}) is None


def test_q009_what_is_asked_for_has_a_name_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    collections = [Collection(word, "f") for word in ("messages", "contacts", "tasks", "events")]
    before = [one.asked for one in collections]
    assert len(set(before)) == 4
    for name in ("MESSAGE", "EVENT"):
        monkeypatch.setattr(capture_collections, name, "id")
    monkeypatch.setattr(capture_collections, "CONTACT_EXPANDS", (None,))
    monkeypatch.setattr(capture_collections, "TASK_EXPANDS", (None,))
    assert not {one.asked for one in collections} & set(before)
