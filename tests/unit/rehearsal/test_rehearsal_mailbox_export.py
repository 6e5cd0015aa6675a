"""The mailbox export API as the rehearsal serves it, over HTTP; its streams are read by code of this test's own."""

import base64
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.unit.rehearsal import mailbox_data as data
from tests.unit.rehearsal.client import Client, Row, running
from tests.unit.rehearsal.mailbox_data import made
from tests.unit.rehearsal.test_rehearsal_calendar import fill
from tests.unit.rehearsal.test_rehearsal_mail import mail_change, needs_fixtures, shape, whole_round

ROLES = ["User.Read.All", "Mail.Read", "MailboxFolder.Read.All", "MailboxItem.Read.All", "MailboxItem.Export.All"]
KEYS = "$expand=singleValueExtendedProperties($filter=id eq 'Binary 0x0FFF' or id eq 'Binary 0x300B')"


@pytest.fixture(scope="module")
def mail_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.write_tenant(tmp_path_factory.mktemp("export") / "tenant", fill)


@pytest.fixture
def client(mail_folder: Path) -> Iterator[Client]:
    with running(mail_folder) as found:
        found.control("POST", "settings", {"roles": ROLES})
        yield found


def primary(client: Client) -> str:
    return f"/admin/exchange/mailboxes/{client.get(f'/users/{data.ADA}/settings/exchange')['primaryMailboxId']}"


def folder_named(client: Client, box: str, name: str) -> Row:
    rows: list[Row] = [row for page in client.pages(f"{box}/folders?$top=50") for row in page]
    return next(row for row in rows if row["displayName"] == name)


def export(client: Client, box: str, *ids: str) -> requests.Response:
    client.token = client.token or client.sign_in().json()["access_token"]
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "application/json"}
    return client.send(
        "POST", client.url(f"{box}/exportItems"), headers=headers, data=json.dumps({"itemIds": list(ids)})
    )


# -- a small reader of streams --------------------------------------------------------------------------------------------

MARKERS = {0x40030003: "recip", 0x40000003: "attach", 0x40010003: "embed"}
ENDS = {0x40040003, 0x400E0003, 0x40020003}
FIXED = {2: 2, 3: 4, 0xB: 2, 0x14: 8, 0x40: 8, 5: 8}


def stream_of(blob: bytes) -> bytes:
    at, whole, opcodes = 0, b"", []
    while at < len(blob):
        opcode, length = struct.unpack_from("<II", blob, at)
        opcodes.append(opcode)
        whole += blob[at + 8 : at + 8 + length] if opcode == 2 else b""
        at += 8 + length
    assert at == len(blob) and opcodes[:3] == [1, 3, 4] and set(opcodes[3:]) == {2}
    return whole


def read(stream: bytes, at: int = 0) -> tuple[Row, int]:
    """Properties by id (or name), and parts under recip, attach, embed; where it ended."""
    found: Row = {"recip": [], "attach": [], "embed": []}
    while at < len(stream):
        (word,) = struct.unpack_from("<I", stream, at)
        at += 4
        if word in ENDS:
            return found, at
        if word in MARKERS:
            part, at = read(stream, at)
            found[MARKERS[word]].append(part)
            continue
        kind, key, at = _key(stream, word, at)
        found[key], at = _value(stream, kind, at)
    return found, at


def _key(stream: bytes, word: int, at: int) -> tuple[int, Any, int]:
    kind, number = word & 0xFFFF, word >> 16
    if number < 0x8000:
        return kind, number, at
    at += 16
    if stream[at] == 0:
        return kind, struct.unpack_from("<I", stream, at + 1)[0], at + 5
    end = at + 1
    while stream[end : end + 2] != b"\0\0":
        end += 2
    return kind, stream[at + 1 : end].decode("utf-16-le"), end + 2


def _value(stream: bytes, kind: int, at: int) -> tuple[Any, int]:
    if kind in FIXED:
        return int.from_bytes(stream[at : at + FIXED[kind]], "little"), at + FIXED[kind]
    (count,) = struct.unpack_from("<I", stream, at)
    if kind == 0x101F:
        values, at = [], at + 4
        for _ in range(count):
            value, at = _value(stream, 0x84B0, at)
            values.append(value)
        return values, at
    assert kind in (0x84B0, 0x001F, 0x0102), hex(kind)
    raw = stream[at + 4 : at + 4 + count]
    return raw if kind == 0x0102 else raw.decode("utf-16-le").rstrip("\0"), at + 4 + count


# -- the API --------------------------------------------------------------------------------------------------------------


def test_the_id_of_an_archive_is_told_by_beta_alone(client: Client) -> None:
    assert "inPlaceArchiveMailboxId" not in client.get(f"/users/{data.ADA}/settings/exchange")
    beta = client.get(f"{client.info['graph']}/beta/users/{data.ADA}/settings/exchange")
    archive = f"/admin/exchange/mailboxes/{beta['inPlaceArchiveMailboxId']}"
    inbox = folder_named(client, archive, "Inbox")
    assert inbox["totalItemCount"] == data.IN_INBOX
    assert beta["primaryMailboxId"] != beta["inPlaceArchiveMailboxId"]
    assert "inPlaceArchiveMailboxId" not in client.get(f"{client.info['graph']}/beta/users/{data.BO}/settings/exchange")
    answer = client.raw(f"/users/{data.DI}/settings/exchange")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "MailboxNotEnabledForRESTAPI")
    assert client.raw(f"{client.info['graph']}/beta/users").status_code == 400


def test_folders_of_every_class(client: Client) -> None:
    box = primary(client)
    rows = [row for page in client.pages(f"{box}/folders") for row in page]
    assert {row["type"] for row in rows} == {"IPF.Note", "IPF.Appointment", "IPF.Contact", "IPF.Task"}
    inbox = folder_named(client, box, "Inbox")
    assert (inbox["wellKnownName"], inbox["childFolderCount"]) == ("inbox", 2)
    below = client.get(f"{box}/folders/{inbox['id']}/childFolders")["value"]
    assert [row["displayName"] for row in below] == ["Twin", "Twin"]
    flat, link = whole_round(client, f"{box}/folders/delta")
    assert len({row["id"] for row in flat}) == 16
    client.change({"kind": "folder", "user": data.ADA, "op": "delete", "id": made("folder", data.ARCHIVE)})
    gone, _ = whole_round(client, link)
    assert [row["id"] for row in gone] == [next(row["id"] for row in flat if row.get("wellKnownName") == "archive")]


def test_the_two_listings_join_by_search_key_and_entry_id(client: Client) -> None:
    box = primary(client)
    mail = client.get(f"/users/{data.ADA}/mailFolders/inbox/messages?$top=50&$select=id&{KEYS}")["value"]
    here = client.get(f"{box}/folders/Inbox/items?$top=50&{KEYS}")["value"]
    keys = [
        [tuple(one["value"] for one in row["singleValueExtendedProperties"]) for row in rows] for rows in (mail, here)
    ]
    assert keys[0] == keys[1] and len(set(keys[0])) == data.IN_INBOX
    assert not {row["id"] for row in mail} & {row["id"] for row in here}
    assert {row["type"] for row in here} == {"IPM.Note"}


def test_items_by_delta(client: Client) -> None:
    box = primary(client)
    rows, link = whole_round(client, f"{box}/folders/Inbox/items/delta", Prefer="odata.maxpagesize=50")
    ids = {row["id"] for row in rows}
    mail_change(client, id=made("message", 0), op="move", to=made("folder", data.ARCHIVE))
    gone, _ = whole_round(client, link)
    assert len(gone) == 1 and "@removed" in gone[0] and gone[0]["id"] in ids


def test_streams_hold_the_item_and_all_in_it(client: Client) -> None:
    box = primary(client)
    ids = [row["id"] for row in client.get(f"{box}/folders/Inbox/items?$top=50")["value"]]
    answers = {one["itemId"]: one for one in export(client, box, *ids[:5]).json()["value"]}
    assert answers.keys() == set(ids[:5])
    found = {item_id: read(stream_of(base64.b64decode(one["data"])))[0] for item_id, one in answers.items()}
    assert [found[item_id][0x37] for item_id in ids[:5]] == [f"message {n}" for n in range(5)]
    third, fifth = found[ids[2]], found[ids[4]]
    assert fifth["Keywords"] == ["Red category"] and fifth[0x1090] == 2
    assert [(one[0xC15], one[0x39FE]) for one in third["recip"]] == [(1, "ada@rehearsal.example")]
    assert [one[0x3705] for one in third["attach"]] == [1, 1, 1, 5, 5, 5, 7]
    assert third["attach"][0][0x3701] == bytes(range(250)) * 20
    middle = third["attach"][3]["embed"][0]
    assert middle[0x37] == "middle" and middle["attach"][0]["embed"][0][0x37] == "innermost ü"
    assert third[0xE06] == (1_735_891_200 + 11_644_473_600) * 10_000_000  # 2025-01-03T08:00:00Z
    assert found[ids[1]].get(0x7D) is None and "Subject: message 0" in found[ids[0]][0x7D]


def test_events_contacts_and_tasks_too(client: Client) -> None:
    box = primary(client)
    for name, wanted in (("Calendar", "IPM.Appointment"), ("Contacts", "IPM.Contact"), ("Tasks", "IPM.Task")):
        rows = client.get(f"{box}/folders/{folder_named(client, box, name)['id']}/items")["value"]
        answer = export(client, box, rows[0]["id"]).json()["value"][0]
        assert read(stream_of(base64.b64decode(answer["data"])))[0][0x1A] == wanted == rows[0]["type"]


def test_twenty_ids_at_most_and_each_answered_singly(client: Client) -> None:
    box = primary(client)
    ids = [row["id"] for row in client.get(f"{box}/folders/Inbox/items?$top=50")["value"]]
    assert export(client, box, *ids[:21]).status_code == 400
    mail_change(client, id=made("message", 0), op="delete")
    answers = {one["itemId"]: one for one in export(client, box, ids[0], ids[5]).json()["value"]}
    error = {key.lower(): value for key, value in answers[ids[0]].items()}["error"]
    assert error["code"] == "ErrorItemNotFound" and "data" in answers[ids[5]]
    client.control("POST", "settings", {"export_omits": True})
    first = export(client, box, *ids[1:6]).json()["value"]
    missing = set(ids[1:6]) - {one["itemId"] for one in first}
    assert len(missing) == 1
    assert "data" in export(client, box, *missing).json()["value"][0]


def test_what_it_takes(client: Client) -> None:
    box = primary(client)
    assert client.raw(f"{box}/exportItems").status_code == 405
    headers = {"Authorization": f"Bearer {client.token}"}
    assert client.send("POST", client.url(f"{box}/createImportSession"), headers=headers).status_code == 405
    assert client.control("GET", "summary")["writes"] == 1
    client.control("POST", "settings", {"roles": ["MailboxFolder.Read.All"]})
    client.token = client.sign_in().json()["access_token"]
    assert client.raw(f"{box}/folders").status_code == 200
    assert client.raw(f"{box}/folders/Inbox/items").status_code == 403
    assert export(client, box, "x").status_code == 403


@needs_fixtures
def test_the_shapes_of_the_fixtures(client: Client) -> None:
    box = primary(client)
    known = set(shape("mailbox-export/folders-delta.json")["value"][0])
    assert set(client.get(f"{box}/folders")["value"][0]) == known
    item = client.get(f"{box}/folders/Inbox/items")["value"][0]
    assert set(item) == set(shape("mailbox-export/items.json")["value"][0])
    given = export(client, box, item["id"]).json()["value"][0]
    theirs = shape("mailbox-export/exportItems-response.json")["value"][0]
    assert set(given) == set(theirs)
    read(stream_of(base64.b64decode(theirs["data"])))  # this reader reads theirs as well
