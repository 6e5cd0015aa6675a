"""Mail as the rehearsal serves it, over HTTP: folders, messages, attachments, extended properties, delta."""

import base64
import email
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from exporters.rehearsal import mailboxes
from tests.unit.rehearsal import mailbox_data as data
from tests.unit.rehearsal.client import Client, Row, running
from tests.unit.rehearsal.mailbox_data import made

SHARED = Path(__file__).parents[3].parent / "shared"
FIXTURES = SHARED / "data/graph"
IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}
ADA = f"/users/{data.ADA}"
needs_fixtures = pytest.mark.skipif(not FIXTURES.is_dir(), reason="needs ../shared/data/graph")


@pytest.fixture(scope="module")
def mail_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.write_tenant(tmp_path_factory.mktemp("mail") / "tenant")


@pytest.fixture
def client(mail_folder: Path) -> Iterator[Client]:
    with running(mail_folder) as found:
        yield found


def folder(n: int) -> str:
    return f"{ADA}/mailFolders/{made('folder', n)}"


def error(client: Client, path: str, **headers: str) -> tuple[int, str]:
    answer = client.raw(path, **headers)
    return answer.status_code, answer.json()["error"]["code"]


def whole_round(client: Client, link: str, **headers: str) -> tuple[list[Row], str]:
    rows: list[Row] = []
    for _ in range(1000):
        page = client.get(link, **headers)
        rows += page["value"]
        if "@odata.deltaLink" in page:
            assert "@odata.nextLink" not in page
            return rows, page["@odata.deltaLink"]
        link = page["@odata.nextLink"]
    raise AssertionError("a round without end")


def mail_change(client: Client, **change: object) -> Row:
    return client.change({"kind": "message", "user": data.ADA, **change})


# -- folders --------------------------------------------------------------------------------------------------------------


def test_q066_hidden_folders_are_shown_where_they_are_asked_for(client: Client) -> None:
    plain = {row["displayName"] for row in client.get(f"{folder(data.TOP)}/childFolders?$top=50")["value"]}
    every = {
        row["displayName"]
        for row in client.get(f"{folder(data.TOP)}/childFolders?$top=50&includeHiddenFolders=true")["value"]
    }
    assert every - plain == {"Hidden"}


def test_q068_the_two_listings_differ_and_neither_is_recursive(client: Client) -> None:
    top = {row["displayName"] for row in client.get(f"{ADA}/mailFolders?includeHiddenFolders=true")["value"]}
    below = {
        row["displayName"]
        for row in client.get(f"{ADA}/mailFolders/msgfolderroot/childFolders?$top=50&includeHiddenFolders=true")[
            "value"
        ]
    }
    assert below - top == {"Conversation History"}
    assert "Twin" not in top | below


def test_q069_folders_of_the_same_name_have_ids_of_their_own(client: Client) -> None:
    rows = client.get(f"{ADA}/mailFolders/Inbox/childFolders")["value"]
    assert [row["displayName"] for row in rows] == ["Twin", "Twin"]
    assert rows[0]["id"] != rows[1]["id"] and rows[0]["childFolderCount"] == 1
    assert client.get(f"{folder(data.TWIN)}/childFolders")["value"][0]["displayName"] == "a/b"


def test_q067_a_search_folder_lists_what_lives_elsewhere(client: Client) -> None:
    row = client.get(folder(data.SEARCH))
    assert row["@odata.type"] == "#microsoft.graph.mailSearchFolder" and row["totalItemCount"] == 5
    found = client.get(f"{folder(data.SEARCH)}/messages")["value"]
    assert {one["parentFolderId"] for one in found} == {made("folder", data.INBOX)} and len(found) == 5
    assert error(client, f"{folder(data.SEARCH)}/messages/delta")[0] == 501


def test_folders_page_by_ten_and_keep_their_options(client: Client) -> None:
    first = client.get(
        f"{ADA}/mailFolders/msgfolderroot/childFolders?$top=2&includeHiddenFolders=true&$select=displayName"
    )
    assert len(first["value"]) == 2 and "%24skip=2" in first["@odata.nextLink"]
    assert set(first["value"][0]) == {"id", "displayName"}
    rows = [row for page in client.pages(first["@odata.nextLink"]) for row in page]
    assert {"Hidden"} < {row["displayName"] for row in rows}


def test_recoverable_items_hang_outside_of_the_root(client: Client) -> None:
    delta, _ = whole_round(client, f"{ADA}/mailFolders/delta")
    assert {row["displayName"] for row in delta} == {*data.NAMES} - {"Top of Information Store"}
    found = client.get(f"{ADA}/mailFolders/recoverableitemsroot/childFolders?includeHiddenFolders=true")["value"]
    assert [(row["displayName"], row["totalItemCount"]) for row in found] == [("Deletions", 1)]
    assert len(client.get(f"{ADA}/mailFolders/recoverableitemsdeletions/messages")["value"]) == 1
    everything = [row["id"] for page in client.pages(f"{ADA}/messages?$top=7&$select=id") for row in page]
    assert len(everything) == data.MESSAGES - 1 == len(set(everything))


def test_folders_that_are_not_there(client: Client) -> None:
    assert error(client, f"{ADA}/mailFolders/archivemsgfolderroot") == (404, "ErrorItemNotFound")
    assert error(client, f"{ADA}/mailFolders/{made('folder', 99)}") == (404, "ErrorItemNotFound")
    assert error(client, f"{ADA}/mailFolders/no-id-at-all") == (400, "ErrorInvalidIdMalformed")
    assert error(client, f"{ADA}/mailFolders/{made('message', 1)}") == (404, "ErrorItemNotFound")


def test_folder_changes_come_by_folder_delta(client: Client) -> None:
    _, link = whole_round(client, f"{ADA}/mailFolders/delta")
    assert whole_round(client, link)[0] == []
    client.change(
        {"kind": "folder", "user": data.ADA, "op": "create", "name": "New", "to": made("folder", data.INBOX)},
        {"kind": "folder", "user": data.ADA, "op": "rename", "id": made("folder", data.ARCHIVE), "name": "Ablage"},
        {"kind": "folder", "user": data.ADA, "op": "move", "id": made("folder", data.SLASH), "to": "inbox"},
        {"kind": "folder", "user": data.ADA, "op": "delete", "id": made("folder", data.TWIN)},
    )
    rows, link = whole_round(client, link)
    assert {row.get("displayName", row.get("@removed", {}).get("reason")) for row in rows} == {
        "New",
        "Ablage",
        "a/b",
        "deleted",
    }
    assert client.get(folder(data.INBOX))["childFolderCount"] == 3
    assert error(client, f"{folder(data.TWIN)}/messages") == (404, "ErrorItemNotFound")
    assert whole_round(client, link)[0] == []


# -- messages -------------------------------------------------------------------------------------------------------------


def test_a_list_pages_by_skips_that_are_no_multiples(client: Client) -> None:
    pages = list(client.pages(f"{ADA}/mailFolders/inbox/messages?$select=subject"))
    assert [len(page) for page in pages] == [10, 7, 7, 1]
    assert [row["subject"] for page in pages for row in page] == [f"message {n}" for n in range(data.IN_INBOX)]
    assert set(pages[0][0]) == {"@odata.etag", "id", "subject"}


def test_q010_a_message_that_leaves_shifts_the_pages(client: Client) -> None:
    first = client.get(f"{ADA}/mailFolders/inbox/messages")
    mail_change(client, id=made("message", 0), op="delete")
    seen = [row["id"] for page in client.pages(first["@odata.nextLink"]) for row in page]
    assert made("message", 10) not in seen  # it slid onto the page before


def test_filters_and_their_order(client: Client) -> None:
    link = (
        f"{ADA}/mailFolders/inbox/messages?$top=50&$filter=receivedDateTime ge 2025-01-20T00:00:00Z and isRead eq true"
    )
    assert [row["subject"] for row in client.get(link)["value"]] == [f"message {n}" for n in (19, 21, 22, 23, 24)]
    good = "$filter=isRead eq false and receivedDateTime ge 2025-01-20T00:00:00Z&$orderby=isRead"
    assert client.raw(f"{ADA}/messages?{good}").status_code == 200
    bad = "$filter=isRead eq false&$orderby=receivedDateTime desc"
    assert error(client, f"{ADA}/messages?{bad}") == (400, "InefficientFilter")
    newest = client.get(f"{ADA}/mailFolders/inbox/messages?$top=1&$orderby=receivedDateTime desc")["value"]
    assert newest[0]["subject"] == "message 24"


def test_the_mime_is_that_of_the_truth_and_comes_as_text(client: Client) -> None:
    truth = {row["id"]: row for row in client.control("GET", f"truth/mailboxes/{data.ADA}") if row["kind"] == "message"}
    assert len(truth) == data.MESSAGES
    for item_id, row in truth.items():
        answer = client.raw(f"{ADA}/messages/{item_id}/$value")
        if not row["readable"]:
            assert answer.status_code == 500 and answer.json()["error"]["code"] == "ErrorMimeContentConversionFailed"
            continue
        assert hashlib.sha256(answer.content).hexdigest() == row["sha256"]
        assert answer.headers["Content-Type"] == "text/plain" and len(answer.content) == row["size"]


def test_q070_value_works_on_the_short_path_only(client: Client) -> None:
    assert error(client, f"{folder(data.INBOX)}/messages/{made('message', 0)}/$value") == (405, "ErrorInvalidRequest")
    assert client.get(f"{folder(data.INBOX)}/messages/{made('message', 0)}")["subject"] == "message 0"


def test_q075_what_a_message_lacks_is_not_there(client: Client) -> None:
    row = client.get(f"{ADA}/messages/{made('message', 1)}")
    assert not {"from", "sender", "receivedDateTime", "internetMessageHeaders"} & set(row)
    assert not [key for key in row if key.startswith("_")]


def test_headers_and_body_as_they_are_asked_for(client: Client) -> None:
    link = f"{ADA}/messages/{made('message', 0)}"
    headers = client.get(f"{link}?$select=internetMessageHeaders")["internetMessageHeaders"]
    assert {"name": "Subject", "value": "message 0"} in headers
    answer = client.raw(link, Prefer='outlook.body-content-type="text", IdType="ImmutableId"')
    assert answer.json()["body"] == {"contentType": "text", "content": "Body & 0"}
    assert answer.headers["Preference-Applied"] == 'IdType="ImmutableId", outlook.body-content-type="text"'
    assert error(client, f"{link}?$select=nonsense")[0] == 400


def test_q077_immutable_ids_stay_and_ordinary_ones_change(client: Client) -> None:
    old, immutable = made("message", 5), client.get(f"{ADA}/messages/{made('message', 5)}", **IMMUTABLE)["id"]
    assert immutable != old
    mail_change(client, id=old, op="move", to=made("folder", data.ARCHIVE))
    assert error(client, f"{ADA}/messages/{old}") == (404, "ErrorItemNotFound")
    row = client.get(f"{ADA}/messages/{immutable}")
    assert row["id"] not in (old, immutable) and row["parentFolderId"] == made("folder", data.ARCHIVE)
    assert client.get(f"{ADA}/messages/{row['id']}", **IMMUTABLE)["id"] == immutable
    assert error(client, f"{ADA}/messages/{immutable.swapcase()}")[0] in (400, 404)


def test_q013_a_message_may_be_listed_and_not_there(client: Client) -> None:
    mail_change(client, id=made("message", 6), op="vanish")
    listed = [row["id"] for page in client.pages(f"{ADA}/mailFolders/inbox/messages") for row in page]
    assert made("message", 6) in listed
    assert error(client, f"{ADA}/messages/{made('message', 6)}/$value") == (404, "ErrorItemNotFound")


# -- attachments ----------------------------------------------------------------------------------------------------------


def listed(client: Client, query: str = "", **headers: str) -> list[Row]:
    rows: list[Row] = client.get(f"{ADA}/messages/{made('message', 2)}/attachments{query}", **headers)["value"]
    return rows


def test_q073_attachments_without_a_name_or_of_the_same_name(client: Client) -> None:
    rows = listed(client)
    assert [row["name"] for row in rows] == ["report.bin", "image001.png", None, "middle", "Lunch", "Zoë", "plan.docx"]
    assert len({row["id"] for row in rows}) == 7
    assert base64.b64decode(rows[0]["contentBytes"]) == bytes(range(250)) * 20
    assert not [key for row in rows for key in row if key.startswith("_")]


def test_a_narrow_list_has_no_content_and_the_bytes_come_one_by_one(client: Client) -> None:
    rows = listed(client, "?$select=id,name,contentType,size,isInline")
    assert not any("contentBytes" in row for row in rows)
    link = f"{ADA}/messages/{made('message', 2)}/attachments"
    answers = [client.raw(f"{link}/{row['id']}/$value") for row in rows]
    assert answers[0].content == bytes(range(250)) * 20 and answers[2].content == b""
    assert answers[6].status_code == 405 and answers[6].json()["error"]["code"] == "ErrorInvalidRequest"
    assert error(client, f"{link}/{rows[0]['id'][:-5]}AAAA=/$value") == (404, "ErrorItemNotFound")


def test_q071_attached_items_all_the_way_down(client: Client) -> None:
    rows = listed(client)
    link = f"{ADA}/messages/{made('message', 2)}/attachments"
    middle = email.message_from_bytes(client.raw(f"{link}/{rows[3]['id']}/$value").content)
    parts = middle.get_payload()
    assert middle["subject"] == "middle" and [part.get_content_type() for part in parts] == [
        "text/plain",
        "message/rfc822",
        "image/png",
    ]  # type: ignore[union-attr]
    inner = parts[1].get_payload()[0]  # type: ignore[index, union-attr]
    assert str(email.header.make_header(email.header.decode_header(inner["subject"]))) == "innermost ü"  # type: ignore[attr-defined]
    assert client.raw(f"{link}/{rows[4]['id']}/$value").text.startswith("BEGIN:VCALENDAR")
    assert "FN:Zoë" in client.raw(f"{link}/{rows[5]['id']}/$value").content.decode()
    assert "item" not in rows[3]
    expand = "$expand=microsoft.graph.itemattachment/item($expand=microsoft.graph.message/attachments)"
    item = client.get(f"{link}/{rows[3]['id']}?{expand}")["item"]
    assert item["subject"] == "middle" and [one["name"] for one in item["attachments"]] == ["innermost", "image001.png"]
    assert not [key for key in item if key.startswith("_")]


def test_attachments_follow_their_owner_into_immutable_ids(client: Client) -> None:
    before = listed(client, **IMMUTABLE)[0]["id"]
    mail_change(client, id=made("message", 2), op="move", to=made("folder", data.ARCHIVE))
    owner = client.get(f"{ADA}/mailFolders/archive/messages", **IMMUTABLE)["value"][0]["id"]
    assert listed_of(client, owner)[0]["id"] == before
    assert client.raw(f"{ADA}/messages/{owner}/attachments/{before}/$value").status_code == 200


def listed_of(client: Client, owner: str) -> list[Row]:
    rows: list[Row] = client.get(f"{ADA}/messages/{owner}/attachments", **IMMUTABLE)["value"]
    return rows


def test_q045_many_contents_at_once_are_refused(client: Client) -> None:
    client.control("POST", "settings", {"expanded_attachments": 3})
    link = f"{ADA}/messages/{made('message', 2)}"
    assert error(client, f"{link}/attachments")[1] == "ErrorTooManyObjectsOpened"
    assert error(client, f"{link}?$expand=attachments")[1] == "ErrorTooManyObjectsOpened"
    assert len(listed(client, "?$select=id")) == 7


# -- extended properties --------------------------------------------------------------------------------------------------


def test_extended_properties_that_are_there_come_under_normal_ids(client: Client) -> None:
    asked = ["String 0x001A", "Integer 0x0E07", "Integer 0x0E08", "Integer 0x1090", "Binary 0x300B", "String 0x5D01"]
    query = " or ".join(f"id eq '{one}'" for one in asked)
    link = f"{ADA}/mailFolders/inbox/messages?$top=5&$select=id&$expand=singleValueExtendedProperties($filter={quote(query)})"
    rows = client.get(link)["value"]
    values = [{one["id"]: one["value"] for one in row["singleValueExtendedProperties"]} for row in rows]
    assert set(values[4]) == {"String 0x1a", "Integer 0xe07", "Integer 0xe08", "Integer 0x1090", "Binary 0x300b"}
    assert values[4]["Integer 0x1090"] == "2" and "Integer 0x1090" not in values[0]
    assert values[1]["Integer 0xe07"] == "9" and values[2]["Integer 0xe07"] == "17"
    assert len({one["Binary 0x300b"] for one in values}) == 5
    none = f"{ADA}/messages/{made('message', 0)}?$expand=singleValueExtendedProperties($filter=id eq 'String 0x5D01')"
    assert "singleValueExtendedProperties" not in client.get(none)
    bad = f"{ADA}/messages/{made('message', 0)}?$expand=singleValueExtendedProperties($filter=id eq 'Text 0x5D01')"
    assert error(client, bad)[0] == 400
    size = client.get(f"{folder(data.INBOX)}?$expand=singleValueExtendedProperties($filter=id eq 'Long 0x0E08')")
    assert size["singleValueExtendedProperties"] == [{"id": "Long 0xe08", "value": "2500"}]


# -- delta ----------------------------------------------------------------------------------------------------------------


def test_a_round_gives_every_message_and_odd_pages(client: Client) -> None:
    rows, link = whole_round(
        client, f"{folder(data.INBOX)}/messages/delta?$select=subject", Prefer="odata.maxpagesize=3"
    )
    assert {row["id"] for row in rows} == {made("message", n) for n in range(data.IN_INBOX)}
    assert len(rows) > data.IN_INBOX  # some come twice
    assert whole_round(client, link)[0] == []
    assert set(rows[0]) == {"@odata.etag", "id", "subject"}


def test_q005_a_page_may_be_empty_in_the_middle(client: Client) -> None:
    sizes, link = [], f"{folder(data.INBOX)}/messages/delta"
    for _ in range(50):
        page = client.get(link, Prefer="odata.maxpagesize=3")
        sizes.append(len(page["value"]))
        if "@odata.deltaLink" in page:
            break
        link = page["@odata.nextLink"]
    assert 0 in sizes[1:-1]


@pytest.mark.parametrize("immutable", [True, False], ids=["immutable", "ordinary"])
def test_q077_a_move_is_gone_in_one_folder_and_new_in_the_other(client: Client, *, immutable: bool) -> None:
    headers = IMMUTABLE if immutable else {}
    _, inbox = whole_round(client, f"{folder(data.INBOX)}/messages/delta", **headers)
    _, archive = whole_round(client, f"{folder(data.ARCHIVE)}/messages/delta", **headers)
    old = client.get(f"{ADA}/messages/{made('message', 7)}", **headers)["id"]
    mail_change(client, id=made("message", 7), op="move", to=made("folder", data.ARCHIVE))
    mail_change(client, id=made("message", 8), op="update", set={"isRead": False})
    gone, inbox = whole_round(client, inbox, **headers)
    come, archive = whole_round(client, archive, **headers)
    assert [row["id"] for row in gone if "@removed" in row] == [old]
    assert [row["isRead"] for row in gone if "@removed" not in row] == [False]
    assert [row["subject"] for row in come] == ["message 7"]
    assert (come[0]["id"] == old) == immutable
    assert client.get(folder(data.INBOX))["unreadItemCount"] == 6
    assert client.get(folder(data.ARCHIVE))["totalItemCount"] == 1


def test_there_and_back_within_one_poll(client: Client) -> None:
    _, plain = whole_round(client, f"{folder(data.INBOX)}/messages/delta")
    _, immutable = whole_round(client, f"{folder(data.INBOX)}/messages/delta", **IMMUTABLE)
    mail_change(client, id=made("message", 9), op="move-back", to=made("folder", data.ARCHIVE))
    rows, _ = whole_round(client, plain)
    assert [row["id"] for row in rows if "@removed" in row] == [made("message", 9)]
    assert len([row for row in rows if "@removed" not in row]) == 1
    rows, _ = whole_round(client, immutable, **IMMUTABLE)
    assert len(rows) == 1 and "@removed" not in rows[0]


def test_what_happens_during_a_round_comes_with_the_next(client: Client) -> None:
    first = client.get(f"{folder(data.TWIN)}/messages/delta", Prefer="odata.maxpagesize=1")
    mail_change(client, id=made("message", 3), op="move", to=made("folder", data.TWIN))
    mail_change(client, id=made("message", 4), op="copy", to=made("folder", data.TWIN))
    rows, link = whole_round(client, first["@odata.nextLink"])
    assert {row["subject"] for row in [*first["value"], *rows]} == {"message 25", "message 26"}
    rows, _ = whole_round(client, link)
    assert sorted(row["subject"] for row in rows) == ["message 3", "message 4"]


def test_delta_by_kind_of_change_and_by_date(client: Client) -> None:
    late = f"{folder(data.INBOX)}/messages/delta?$filter=receivedDateTime ge 2025-01-24T00:00:00Z"
    assert [row["subject"] for row in whole_round(client, late)[0]] == ["message 23", "message 24"]
    assert error(client, f"{folder(data.INBOX)}/messages/delta?$filter=isRead eq true")[0] == 400
    _, link = whole_round(client, f"{folder(data.INBOX)}/messages/delta?changeType=deleted")
    mail_change(client, id=made("message", 0), op="delete")
    mail_change(client, id=made("message", 2), op="update", set={"isRead": True})
    assert [row["@removed"]["reason"] for row in whole_round(client, link)[0]] == ["deleted"]


def test_q002_delta_states_are_lost(client: Client, mail_folder: Path) -> None:
    _, link = whole_round(client, f"{folder(data.INBOX)}/messages/delta")
    client.change({"kind": "mailbox", "user": data.ADA, "op": "move-server"})
    answer = client.raw(link)
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "SyncStateNotFound")
    assert "generation=149;[highest=157]" in answer.json()["error"]["message"]
    _, link = whole_round(client, f"{folder(data.INBOX)}/messages/delta")
    client.control("POST", "settings", {"state_seconds": 60})
    client.control("POST", "advance", {"seconds": 61})
    assert error(client, link) == (410, "syncStateNotFound")
    assert error(client, f"{folder(data.INBOX)}/messages/delta?$deltatoken=nonsense")[0] == 400


def test_a_state_outlives_the_server_but_not_another_history(mail_folder: Path) -> None:
    with running(mail_folder) as one:
        _, link = whole_round(one, f"{folder(data.INBOX)}/messages/delta")
        token = link.partition("?")[2]
        mail_change(one, id=made("message", 0), op="delete")
        _, changed = whole_round(one, f"{folder(data.INBOX)}/messages/delta")
    with running(mail_folder) as other:
        assert whole_round(other, f"{folder(data.INBOX)}/messages/delta?{token}")[0] == []
        lost = f"{folder(data.INBOX)}/messages/delta?{changed.partition('?')[2]}"
        assert error(other, lost) == (410, "syncStateNotFound")


# -- who has a mailbox ----------------------------------------------------------------------------------------------------


def test_q057_users_without_a_mailbox_here(client: Client) -> None:
    for user in (data.CY, data.DI, data.ED):
        assert error(client, f"/users/{user}/mailFolders") == (404, "MailboxNotEnabledForRESTAPI")
    assert error(client, "/users/nobody@rehearsal.example/messages") == (404, "ErrorInvalidUser")
    assert client.get("/users/ADA@rehearsal.example/mailFolders/inbox")["totalItemCount"] == data.IN_INBOX


def test_q057_a_mailbox_goes_inactive_in_mid_run(client: Client) -> None:
    first = client.get(f"/users/{data.BO}/mailFolders/inbox/messages/delta")
    done = client.change({"kind": "mailbox", "user": data.BO, "op": "deactivate"})
    assert done == {"mailbox-deactivate": 1}
    assert error(client, first["@odata.nextLink"]) == (404, "MailboxNotEnabledForRESTAPI")
    assert client.raw(f"/users/{data.BO}").status_code == 200


def test_a_new_message_comes_with_its_mime(client: Client) -> None:
    """Delivered after the data was made: the row says where its bytes are."""
    source = next(
        row["row"] for row in client.control("GET", f"truth/mailboxes/{data.ADA}") if row["kind"] == "message"
    )
    _, link = whole_round(client, f"{folder(data.ARCHIVE)}/messages/delta", **IMMUTABLE)
    row = {"subject": "new", "isRead": False, "_mime": source["_mime"], "_attachments": [], "_class": "IPM.Note"}
    client.change({"kind": "message", "user": data.ADA, "op": "create", "row": row, "to": "archive"})
    rows, _ = whole_round(client, link, **IMMUTABLE)
    assert [one["subject"] for one in rows] == ["new"]
    content = client.raw(f"{ADA}/messages/{rows[0]['id']}/$value").content
    assert hashlib.sha256(content).hexdigest() == source["_mime"]["sha256"]
    assert client.get(folder(data.ARCHIVE))["unreadItemCount"] == 1


def test_what_the_app_may_not_read(client: Client) -> None:
    client.control("POST", "settings", {"denied_mailboxes": [data.BO]})
    assert error(client, f"/users/{data.BO}/mailFolders") == (403, "ErrorAccessDenied")
    assert client.raw(f"{ADA}/mailFolders").status_code == 200
    client.control("POST", "settings", {"roles": ["User.Read.All"]})
    client.token = ""
    assert error(client, f"{ADA}/messages") == (403, "ErrorAccessDenied")
    assert client.raw(f"{ADA}/messages").request.method == "GET"
    answer = client.send("DELETE", client.url(f"{ADA}/messages/x"), headers={"Authorization": f"Bearer {client.token}"})
    assert answer.status_code == 405


def test_what_was_changed_stays_changed_when_many_mailboxes_are_open(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailboxes, "_KEPT", 0)
    mail_change(client, id=made("message", 6), op="vanish")
    assert client.raw(f"/users/{data.BO}/mailFolders").status_code == 200
    assert error(client, f"{ADA}/messages/{made('message', 6)}") == (404, "ErrorItemNotFound")


# -- against what is known of the service ---------------------------------------------------------------------------------


def shape(fixture: str) -> Row:
    found: Row = json.loads((FIXTURES / fixture).read_bytes())
    return found


@needs_fixtures
def test_answers_have_the_shapes_of_the_fixtures(client: Client) -> None:
    folders = client.get(f"{ADA}/mailFolders?includeHiddenFolders=true")
    assert set(shape("mail/mailFolders.json")["value"][0]) == set(folders["value"][0])
    search = client.get(folder(data.SEARCH))
    assert set(shape("mail/mailFolders.json")["value"][4]) == set(search) - {"@odata.context"}
    message = client.get(f"{ADA}/messages/{made('message', 4)}")
    unsaid = {"conversationId", "webLink", "inferenceClassification", "ccRecipients", "bccRecipients", "replyTo"}
    unsaid |= {"isDeliveryReceiptRequested", "isReadReceiptRequested"}
    assert set(shape("mail/message-get.json")) - set(message) <= unsaid
    for mine, theirs in zip(
        (listed(client)[n] for n in (0, 3, 6)), shape("mail/attachments-list.json")["value"], strict=True
    ):
        assert set(mine) | {"lastModifiedDateTime"} == set(theirs)
    for path, fixture in (
        (f"/users/{data.CY}/messages", "404-mailbox"),
        (f"{ADA}/messages/{made('message', 99)}", "404-message"),
        ("/users/nobody/messages", "404-invalid-user"),
    ):
        answer = client.raw(path)
        wanted = shape(f"errors/{fixture}.json")
        assert (answer.status_code, answer.json()["error"]["code"]) == (
            wanted["status"],
            wanted["body"]["error"]["code"],
        )
        assert set(answer.json()["error"]["innerError"]) == set(wanted["body"]["error"]["innerError"])


@pytest.mark.skipif(
    not (SHARED / "tools/make_tenant_data.py").exists(), reason="needs ../shared/tools/make_tenant_data.py"
)
def test_a_made_tenant_is_served_whole(tmp_path: Path) -> None:
    """Every message of every folder once by delta, with the MIME of the truth; again after all changes."""
    out = tmp_path / "made"
    command = [
        sys.executable,
        str(SHARED / "tools/make_tenant_data.py"),
        "make",
        str(out),
        "--users",
        "2",
        "--messages",
        "60",
    ]
    small = ["--sites", "0", "--drive-items", "2", "--many-small", "0", "--large-file-mb", "0", "--changes", "60"]
    subprocess.run([*command, *small, "--jobs", "1", "--quiet"], check=True)
    with running(out) as client:
        user = next(row["id"] for row in client.get("/users")["value"])
        _compare(client, user)
        client.send("POST", f"{client.info['control']}/changes", data=json.dumps({"file": str(out / "changes.jsonl")}))
        _compare(client, user)


def _compare(client: Client, user: str) -> None:
    truth = {
        row["immutableId"]: row for row in client.control("GET", f"truth/mailboxes/{user}") if row["kind"] == "message"
    }
    folders, _ = whole_round(client, f"/users/{user}/mailFolders/delta", Prefer="odata.maxpagesize=100")
    ids = [row["id"] for row in folders if row.get("@odata.type") is None] + ["recoverableitemsdeletions"]
    rows: dict[str, Row] = {}
    for one in ids:
        found, _ = whole_round(
            client,
            f"/users/{user}/mailFolders/{one}/messages/delta",
            Prefer='odata.maxpagesize=50, IdType="ImmutableId"',
        )
        distinct = {row["id"]: row for row in found}
        assert not rows.keys() & distinct.keys()
        rows |= distinct
        assert client.get(f"/users/{user}/mailFolders/{one}")["totalItemCount"] == len(distinct)
    assert rows.keys() == truth.keys()
    for item_id, row in truth.items():
        assert rows[item_id].get("subject") == row["row"].get("subject")
        if row["readable"]:
            content = client.raw(f"/users/{user}/messages/{quote(item_id)}/$value").content
            assert hashlib.sha256(content).hexdigest() == row["sha256"]


def test_ids_are_translated_both_ways(client: Client) -> None:
    ordinary = made("message", 5)
    immutable = client.get(f"{ADA}/messages/{ordinary}", **IMMUTABLE)["id"]

    def translated(*ids: str, way: tuple[str, str] = ("restId", "restImmutableEntryId")) -> list[Row]:
        body = {"inputIds": list(ids), "sourceIdType": way[0], "targetIdType": way[1]}
        headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "application/json"}
        answer = client.send("POST", client.url(f"{ADA}/translateExchangeIds"), headers=headers, data=json.dumps(body))
        rows: list[Row] = answer.json()["value"]
        return rows

    assert translated(ordinary) == [{"sourceId": ordinary, "targetId": immutable}]
    assert translated(immutable, way=("restImmutableEntryId", "restId"))[0]["targetId"] == ordinary
    assert "errorDetails" in translated("nonsense")[0]
    assert client.control("GET", "summary")["writes"] == 0
