"""What the rehearsal's mailboxes bear, and how they go wrong on demand."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.unit.rehearsal import mailbox_data as data
from tests.unit.rehearsal.client import Client, Row, running
from tests.unit.rehearsal.mailbox_data import made
from tests.unit.rehearsal.test_rehearsal_mail import error, needs_fixtures, shape, whole_round

ADA, BO = f"/users/{data.ADA}", f"/users/{data.BO}"
INBOX = f"{ADA}/mailFolders/inbox"


def fill(writer: data.MailboxWriter) -> None:
    """A contact whose photo is far larger than what a connection holds."""
    writer.rows("contactFolders", [{"id": made("contactFolder", 0), "displayName": "Contacts", "_default": True}])
    photo = {"gen": "photo.1", "len": 100_000_000}
    writer.rows("contacts", [{"id": made("contact", 0), "parentFolderId": made("contactFolder", 0), "_photo": photo}])


@pytest.fixture(scope="module")
def mail_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.write_tenant(tmp_path_factory.mktemp("limits") / "tenant", fill)


@pytest.fixture
def client(mail_folder: Path) -> Iterator[Client]:
    with running(mail_folder) as found:
        found.token = found.sign_in().json()["access_token"]
        yield found


def at_once(client: Client, *paths: str) -> list[Row]:
    """Each on a connection of its own: status, code and headers."""

    def ask(path: str) -> Row:
        other = Client(client.rehearsal)
        other.token = client.token
        answer = other.raw(path)
        other.http.close()
        code = answer.json()["error"]["code"] if answer.status_code >= 400 else ""
        return {"status": answer.status_code, "code": code, "headers": dict(answer.headers)}

    with ThreadPoolExecutor(len(paths)) as pool:
        return list(pool.map(ask, paths))


def busy(client: Client) -> int:
    return sum(client.rehearsal.service.throttle._busy.values())


def test_q043_the_fifth_request_at_once_is_refused(client: Client) -> None:
    client.control("POST", "settings", {"mailbox_seconds": 0.5})
    answers = at_once(client, *[INBOX] * 5, *[f"{BO}/mailFolders/inbox"] * 4)
    assert Counter(answer["status"] for answer in answers) == {200: 8, 429: 1}
    refused = next(answer for answer in answers if answer["status"] == 429)
    assert (refused["code"], refused["headers"]["Retry-After"]) == ("ApplicationThrottled", "5")
    summary = client.control("GET", "summary")
    assert (summary["throttled"], summary["avoidable"], summary["marks"]["mailbox-concurrency"]) == (1, 1, 1)
    assert error(client, INBOX) == (429, "ApplicationThrottled")  # told to wait, and did not
    client.control("POST", "advance", {"seconds": 20})
    assert client.raw(INBOX).status_code == 200
    assert busy(client) == 0


def test_four_at_once_go_on_for_ever(client: Client) -> None:
    client.control("POST", "settings", {"mailbox_seconds": 0.02})
    for _ in range(5):
        assert {answer["status"] for answer in at_once(client, *[INBOX] * 4)} == {200}
    assert client.control("GET", "summary")["avoidable"] == 0


def test_the_ledger_tells_whose_mailbox_and_how_many_at_once(client: Client) -> None:
    client.control("POST", "settings", {"mailbox_seconds": 0.3})
    at_once(client, *[INBOX] * 3)
    client.raw("/users/ada@rehearsal.example/mailFolders/inbox")
    assert {row.get("mailbox") for row in client.control("GET", "requests") if row["family"] == "exchange"} == {
        data.ADA
    }
    found = client.control("GET", "summary")["mailboxes"][data.ADA]
    assert (found["requests"], found["most"]) == (4, 3)
    assert found["seconds"][3] > 0.1 and 0.25 < found["seconds"][1] < 2 and found["seconds"][4] == 0
    client.control("POST", "reset-requests")
    assert client.control("GET", "summary")["mailboxes"] == {}


def test_ten_thousand_in_ten_minutes_of_one_mailbox(client: Client) -> None:
    throttle = client.rehearsal.service.throttle
    client.control("POST", "advance", {"seconds": 600 - client.rehearsal.service.clock.now().timestamp() % 600})
    client.token = client.sign_in().json()["access_token"]
    for n in range(9_999):
        assert throttle.charge("exchange", 1, str(n), data.ADA).status == 0
    assert client.raw(INBOX).status_code == 200
    answer = client.raw("/users/ada@rehearsal.example/mailFolders/inbox")
    assert answer.status_code == 429 and 0 < int(answer.headers["Retry-After"]) <= 600
    assert client.raw(f"{BO}/mailFolders/inbox").status_code == 200
    client.control("POST", "advance", {"seconds": int(answer.headers["Retry-After"]) + 10})
    assert client.raw(INBOX).status_code == 200


def test_a_place_is_left_however_an_answer_ends(client: Client) -> None:
    client.control(
        "POST", "faults", [{"route": "*value", "fault": "reset-mid-body", "after_bytes": 100_000, "count": 9}]
    )
    for _ in range(9):
        with pytest.raises(requests.RequestException):
            client.raw(f"{ADA}/messages/{made('message', 4)}/$value")
    client.raw(f"{ADA}/messages/{made('message', 99)}")
    client.send(
        "HEAD",
        client.url(f"{ADA}/messages/{made('message', 4)}/$value"),
        headers={"Authorization": f"Bearer {client.token}"},
    )
    assert busy(client) == 0
    assert client.raw(f"{ADA}/messages/{made('message', 4)}/$value").status_code == 200


def test_a_place_is_left_when_the_client_goes_away(client: Client) -> None:
    for _ in range(5):
        answer = client.send(
            "GET",
            client.url(f"{ADA}/contacts/{made('contact', 0)}/photo/$value"),
            headers={"Authorization": f"Bearer {client.token}"},
            stream=True,
        )
        assert answer.status_code == 200 and busy(client) == 1
        answer.close()
        for _ in range(100):
            if not busy(client):
                break
            time.sleep(0.05)
        assert busy(client) == 0


def test_q044_a_batch_answers_200_with_429_inside(client: Client) -> None:
    rule = {"route": f"*{made('message', 2)}*", "fault": "mail-throttled", "retry_after": "none"}
    client.control("POST", "faults", [rule])
    requests = [
        {
            "id": str(n),
            "method": "GET",
            "url": f"{ADA}/messages/{made('message', n)}?$select=id",
            "headers": {"Prefer": 'IdType="ImmutableId"'},
        }
        for n in range(4)
    ]
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "application/json"}
    answer = client.send("POST", client.url("/$batch"), headers=headers, data=json.dumps({"requests": requests}))
    assert answer.status_code == 200
    inner = {one["id"]: one for one in answer.json()["responses"]}
    assert {one: inner[one]["status"] for one in inner} == {"0": 200, "1": 200, "2": 429, "3": 200}
    assert "Retry-After" not in inner["2"]["headers"] and inner["0"]["body"]["id"].startswith("AAkALg")
    assert client.control("GET", "summary")["routes"]["graph users/{user}/messages/{message}"] == 4


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("mail-404", 404, "ErrorItemNotFound"),
        ("mail-500", 500, "ErrorInternalServerTransientError"),
        ("mail-corrupt", 500, "ErrorCorruptData"),
        ("mail-recipients", 400, "ErrorInvalidRecipients"),
        ("mime-failed", 500, "ErrorMimeContentConversionFailed"),
        ("no-mailbox", 404, "MailboxNotEnabledForRESTAPI"),
        ("mailbox-moving", 503, "ErrorMailboxMoveInProgress"),
        ("mailbox-full", 403, "ErrorQuotaExceeded"),
    ],
)
def test_q074_what_goes_wrong_with_one_message(client: Client, fault: str, status: int, code: str) -> None:
    client.control("POST", "faults", [{"route": "*/messages/*/$value", "fault": fault, "count": 1}])
    link = f"{ADA}/messages/{made('message', 0)}/$value"
    assert error(client, link) == (status, code)
    assert client.raw(link).status_code == 200


def test_a_value_that_is_an_error(client: Client) -> None:
    client.control("POST", "faults", [{"route": "*/messages/*/$value", "fault": "value-error", "count": 1}])
    answer = client.raw(f"{ADA}/messages/{made('message', 0)}/$value")
    assert answer.status_code == 200 and answer.json()["error"]["code"] == "ErrorInternalServerError"


def test_q002_a_state_is_lost_by_plan(client: Client) -> None:
    _, link = whole_round(client, f"{INBOX}/messages/delta")
    client.control(
        "POST", "faults", [{"route": "*/messages/delta", "fault": "mail-410", "code": "SyncStateInvalid", "count": 1}]
    )
    assert error(client, link) == (410, "SyncStateInvalid")
    assert client.raw(link).status_code == 200


def test_q007_a_full_mailbox_refuses_delta_only(client: Client) -> None:
    client.control("POST", "faults", [{"route": "*/messages/delta", "fault": "mailbox-full"}])
    assert error(client, f"{INBOX}/messages/delta") == (403, "ErrorQuotaExceeded")
    assert client.raw(f"{INBOX}/messages").status_code == 200


def test_pages_damaged_by_plan(client: Client) -> None:
    client.control("POST", "faults", [{"route": "*/messages/delta", "fault": "empty-page", "count": 1}])
    page = client.get(f"{INBOX}/messages/delta")
    assert page["value"] == [] and "@odata.nextLink" in page
    client.control("POST", "faults", [{"route": "*/messages", "fault": "truncated-json", "count": 1}])
    with pytest.raises(requests.JSONDecodeError):
        client.raw(f"{INBOX}/messages").json()


def test_no_state_is_in_the_ledger(client: Client) -> None:
    _, link = whole_round(client, f"{INBOX}/messages/delta")
    client.get(link)
    query = client.control("GET", "requests")[-1]["query"]
    assert query == "$deltatoken=…"


def test_a_lapsed_tenant_has_no_mail_either(client: Client) -> None:
    client.control("POST", "settings", {"subscription_status": "Suspended"})
    assert client.raw(INBOX).status_code == 403
    client.control("POST", "settings", {"subscription_status": "Deleted"})
    assert error(client, INBOX) == (404, "MailboxNotEnabledForRESTAPI")


@needs_fixtures
def test_refusals_have_the_shape_of_the_fixture(client: Client) -> None:
    client.control("POST", "faults", [{"route": "*/mailFolders/inbox", "fault": "mail-throttled", "seconds": 5}])
    answer, wanted = client.raw(INBOX), shape("throttling/429-outlook.json")
    assert answer.status_code == wanted["status"]
    assert {name: answer.headers[name] for name in wanted["headers"]} == wanted["headers"]
    found = answer.json()["error"]
    assert {**found, "innerError": None} == {**wanted["body"]["error"], "innerError": None}
    assert set(found["innerError"]) == set(wanted["body"]["error"]["innerError"])
