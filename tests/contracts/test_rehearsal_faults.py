"""Every fault of the plan as a client sees it; budgets over the wire; the control port; the server's own life."""

import contextlib
import gzip
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3

from exporters.clock import ManualClock, SystemClock
from exporters.rehearsal.faults import KINDS, FaultPlan
from exporters.rehearsal.generate import generate
from exporters.rehearsal.server import Rehearsal
from exporters.rehearsal.service import Settings
from tests.unit.rehearsal.client import Client, running

Row = dict[str, Any]
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("faults") / "tenant")


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Client]:
    with running(folder, settings=Settings(delta_page=10), throttling=False) as found:
        found.get("/organization")
        yield found


@pytest.fixture
def client(served: Client) -> Iterator[Client]:
    yield served
    served.control("POST", "faults", [])
    served.token = ""
    served.get("/organization")


def plan(client: Client, **rule: Any) -> None:
    client.control("POST", "faults", [rule])


def a_file(client: Client) -> tuple[str, Row]:
    user = client.get("/users?$select=id")["value"][0]["id"]
    drive = client.get(f"/users/{user}/drive")["id"]
    row = next(row for row in client.truth("u00000").values() if row["path"].endswith("Contract.docx"))
    return f"/drives/{drive}/items/{row['id']}", row


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("429", 429, "activityLimitReached"),
        ("503", 503, "serviceNotAvailable"),
        ("500", 500, "generalException"),
        ("504", 504, "gatewayTimeout"),
        ("400-transient", 400, "invalidRequest"),
        ("401-expired", 401, "InvalidAuthenticationToken"),
        ("401-claims", 401, "InvalidAuthenticationToken"),
        ("revoked", 401, "InvalidAuthenticationToken"),
        ("403", 403, "accessDenied"),
        ("404", 404, "itemNotFound"),
        ("410", 410, "resyncRequired"),
        ("423", 423, "notAllowed"),
        ("lapsed", 403, "unauthorized_client"),
        ("no-spo", 400, "BadRequest"),
        ("no-delta", 400, "invalidRequest"),
    ],
)
def test_answers_in_place_of_the_right_one(client: Client, fault: str, status: int, code: str) -> None:
    path, _ = a_file(client)
    plan(client, fault=fault, route="drives/*/items/*", count=1)
    answer = client.raw(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert client.control("GET", "requests")[-1]["fault"] == fault


@pytest.mark.parametrize(("fault", "status"), [("503-html", 503), ("502", 502), ("509", 509)])
def test_q048_pages_that_are_no_json(client: Client, fault: str, status: int) -> None:
    plan(client, fault=fault, count=1)
    answer = client.raw("/organization")
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html")
    assert answer.text.startswith("<!DOCTYPE html>")


def test_q052_the_challenge_holds_claims(client: Client) -> None:
    plan(client, fault="401-claims", count=1)
    challenge = client.raw("/organization").headers["WWW-Authenticate"]
    assert 'error="insufficient_claims"' in challenge and 'claims="eyJ' in challenge


@pytest.mark.parametrize(
    ("form", "expected"),
    [("seconds", "3"), ("decimal", "2.500"), (7, "7"), ("none", None), ("date", datetime)],
)
def test_q040_q041_retry_after_in_all_its_forms(client: Client, form: Any, expected: Any) -> None:
    seconds = 2.5 if form == "decimal" else 3
    plan(client, fault="429", retry_after=form, seconds=seconds, count=1, block=False)
    answer = client.raw("/organization")
    given = answer.headers.get("Retry-After")
    if expected is datetime:
        wait = parsedate_to_datetime(given) - parsedate_to_datetime(answer.headers["Date"])
        assert 2 <= wait.total_seconds() <= 4
    else:
        assert given == expected


def test_any_answer_at_all(client: Client) -> None:
    plan(client, fault="status", status=418, code="teapot", message="short", headers={"X-Odd": "1"}, count=1)
    answer = client.raw("/organization")
    assert (answer.status_code, answer.headers["X-Odd"], answer.json()["error"]["code"]) == (418, "1", "teapot")
    plan(client, fault="status", status=503, body="<html>busy</html>", count=1)
    assert client.raw("/organization").headers["Content-Type"] == "text/html"
    plan(client, fault="status", status=200, body={"value": [{"id": 1}]}, count=1)
    assert client.raw("/organization").json() == {"value": [{"id": 1}]}
    plan(client, fault="status", status=504, count=1)
    assert client.raw("/organization").content == b""


@pytest.mark.parametrize("fault", ["reset", "close"])
def test_q050_the_connection_ends_before_an_answer(client: Client, fault: str) -> None:
    plan(client, fault=fault, route="organization", count=1)
    with pytest.raises(requests.exceptions.RequestException):
        client.raw("/organization")
    assert client.raw("/organization").status_code == 200


@pytest.mark.parametrize("fault", ["reset-mid-body", "short-body"])
def test_q020_a_body_that_ends_early(client: Client, fault: str) -> None:
    path, row = a_file(client)
    location = client.raw(f"{path}/content").headers["Location"]
    plan(client, fault=fault, host="download", after_bytes=10_000, count=1)
    with client.http.get(location, stream=True, timeout=30) as answer:
        assert answer.headers["Content-Length"] == str(row["size"])
        got = b""
        with pytest.raises((urllib3.exceptions.ProtocolError, urllib3.exceptions.SSLError)):
            while piece := answer.raw.read(1000):
                got += piece
    assert len(got) == 10_000 if fault == "short-body" else len(got) <= 10_000
    assert client.control("GET", "requests")[-1]["bytes"] == 10_000


def test_a_length_that_is_wrong(client: Client) -> None:
    path, row = a_file(client)
    location = client.raw(f"{path}/content").headers["Location"]
    plan(client, fault="wrong-length", host="download", by=-100, count=1)
    answer = client.send("GET", location)
    assert len(answer.content) == row["size"] - 100
    client.http.close()
    plan(client, fault="wrong-length", host="download", by=100, count=1)
    with pytest.raises(requests.exceptions.RequestException):
        client.send("GET", location)


def test_json_cut_in_the_middle(client: Client) -> None:
    plan(client, fault="truncated-json", route="organization", count=1)
    answer = client.raw("/organization")
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.text)


def test_pages_changed(client: Client) -> None:
    path, _ = a_file(client)
    link = path.partition("/items/")[0] + "/root/delta"
    right = client.get(link)["value"]
    plan(client, fault="duplicate-rows", route="*/root/delta", count=1)
    assert client.get(link)["value"] == right + right
    plan(client, fault="missing-row", route="*/root/delta", index=0, count=1)
    assert client.get(link)["value"] == right[1:]
    plan(client, fault="empty-page", route="*/root/delta", count=1)
    page = client.get(link)
    assert page["value"] == [] and client.get(page["@odata.nextLink"])["value"] == right


def test_other_ways_of_content(client: Client) -> None:
    path, row = a_file(client)
    location = client.raw(f"{path}/content").headers["Location"]
    plan(client, fault="content-direct", route="*/content", count=1)
    direct = client.raw(f"{path}/content")
    assert (direct.status_code, len(direct.content)) == (200, row["size"])
    plan(client, fault="content-empty", route="*/content", count=1)
    assert client.raw(f"{path}/content").status_code == 204
    for fault, status, size in (
        ("range-ignored", 200, row["size"]),
        ("range-unsatisfiable", 416, 0),
        ("url-expired", 401, None),
    ):
        plan(client, fault=fault, host="download", count=1)
        answer = client.send("GET", location, headers={"Range": "bytes=5-"})
        assert answer.status_code == status and (size is None or len(answer.content) == size)


def test_a_flipped_byte_and_a_slow_stream(client: Client) -> None:
    path, _ = a_file(client)
    location = client.raw(f"{path}/content").headers["Location"]
    right = client.send("GET", location).content
    plan(client, fault="corrupt", host="download", at=1000, count=1)
    wrong = client.send("GET", location).content
    assert [n for n in range(len(right)) if right[n] != wrong[n]] == [1000]
    plan(client, fault="slow", host="download", seconds=0.001, piece=1000, count=1)
    assert client.send("GET", location).content == right
    plan(client, fault="delay", host="download", seconds=0.001, count=1)
    assert client.send("GET", location).content == right


def test_q053_a_skewed_date(client: Client) -> None:
    plan(client, fault="clock-skew", route="organization", seconds=7200, count=1)
    skewed = parsedate_to_datetime(client.raw("/organization").headers["Date"])
    right = parsedate_to_datetime(client.raw("/organization").headers["Date"])
    assert 7100 < (skewed - right).total_seconds() < 7300


def test_faults_on_the_login_host(client: Client) -> None:
    plan(client, fault="500", host="login", route="token", count=1)
    assert client.sign_in().status_code == 500
    assert client.sign_in().status_code == 200


def test_q001_410_in_other_forms(client: Client) -> None:
    path, _ = a_file(client)
    plan(client, fault="410", route="*", count=1, code="ResyncRequired", inner=["a", "b"], location=None)
    answer = client.raw(path)
    error = answer.json()["error"]
    assert "Location" not in answer.headers
    assert (error["code"], error["innerError"]["code"], error["innerError"]["innerError"]["code"]) == (
        "ResyncRequired",
        "a",
        "b",
    )


def test_a_page_that_is_edited(client: Client) -> None:
    path, _ = a_file(client)
    link = path.partition("/items/")[0] + "/root/delta"
    right = client.get(link)["value"]
    edits = [
        {"at": "value/*/name", "to": 5},
        {"at": "value/*/eTag", "drop": True},
        {"at": "value/0/odd", "to": None, "add": True},
        {"at": "value/1/odd", "to": None},
        {"at": "@odata.nextLink", "to": "https://elsewhere.example/x"},
    ]
    plan(client, fault="edit", route="*/root/delta", edits=edits, count=1)
    page = client.get(link)
    assert len(page["value"]) == len(right) and page["@odata.nextLink"] == "https://elsewhere.example/x"
    assert all(row["name"] == 5 and "eTag" not in row for row in page["value"] if "deleted" not in row)
    assert page["value"][0]["odd"] is None and "odd" not in page["value"][1]
    plan(client, fault="duplicate-keys", route="*/root/delta", count=1)
    assert client.raw(link).text.count('"value":') > 1 and client.get(link)["value"]
    plan(client, fault="page-loop", route="*/root/delta", count=1)
    assert client.get(link)["@odata.nextLink"].endswith(link)
    plan(client, fault="huge-page", route="*/root/delta", bytes=3_000_000, count=1)
    huge = client.raw(link)
    assert len(huge.content) == 3_000_000 and huge.json()["value"] == right


@pytest.mark.parametrize(
    "fault", ["chunked", "chunked-cut", "no-length", "gzip", "headers", "wrong-bytes", "other-file"]
)
def test_content_delivered_in_other_ways(client: Client, fault: str) -> None:
    path, row = a_file(client)
    location = client.raw(f"{path}/content").headers["Location"]
    right = client.send("GET", location)
    plan(client, fault=fault, host="download", count=1, text="no", fit=True, set={"ETag": None, "X-Odd": "1"})
    with client.http.get(location, stream=True, timeout=30, headers={"Accept-Encoding": "identity"}) as answer:
        if fault == "chunked-cut":
            with pytest.raises(urllib3.exceptions.ProtocolError):
                answer.raw.read()
            return
        got = answer.raw.read(decode_content=False)
    if fault in ("chunked", "no-length", "headers"):
        assert got == right.content and len(got) == row["size"]
        assert ("Content-Length" in answer.headers) == (fault == "headers")
    assert ("ETag" in answer.headers) == (fault != "headers") and answer.headers.get("X-Odd") == (
        "1" if fault == "headers" else None
    )
    if fault == "gzip":
        assert gzip.decompress(got) == right.content and answer.headers["Content-Encoding"] == "gzip"
    elif fault == "wrong-bytes":
        assert len(got) == row["size"] and got.startswith(b"nonono")
    elif fault == "other-file":
        assert got != right.content and answer.headers["ETag"] != right.headers["ETag"]


def test_what_is_no_answer(client: Client) -> None:
    plan(client, fault="garbage", route="organization", count=1)
    with pytest.raises(requests.exceptions.ConnectionError):
        client.raw("/organization")
    plan(client, fault="silent", route="organization", seconds=0.2, count=1)
    with pytest.raises(requests.exceptions.ConnectionError):
        client.raw("/organization")
    plan(client, fault="extra-bytes", route="organization", count=1)
    assert client.raw("/organization").status_code == 200


def test_sign_in_is_refused_by_number(client: Client) -> None:
    plan(client, fault="aadsts", host="login", number=53003, count=1)
    answer = client.sign_in()
    assert (answer.status_code, answer.json()["error_codes"]) == (401, [53003])
    assert answer.json()["error_description"].startswith("AADSTS53003: ")


def test_q047_undecorated_requests_are_marked(client: Client) -> None:
    client.control("POST", "reset-requests")
    for agent in ("NONISV|Contoso|Backup/1.0", "ISV|Contoso|Backup/1.0", "python-requests/2", "NONISV|Contoso|Backup"):
        client.raw("/organization", **{"User-Agent": agent})
    assert [row["decorated"] for row in client.control("GET", "requests")] == [True, True, False, False]


def test_each_kind_of_fault_is_tested() -> None:
    """Here, or those of Exchange with the mailboxes, or with what changes while they are copied."""
    others = ("unit/rehearsal/test_rehearsal_mail_limits.py", "faults/test_mail_changes.py")
    text = Path(__file__).read_text() + "".join((Path(__file__).parents[1] / name).read_text() for name in others)
    assert [kind for kind in KINDS if f'"{kind}"' not in text] == []


# --------------------------------------------------------------------------------------------------- budgets


def test_units_are_charged_as_published(folder: Path) -> None:
    with running(folder) as client:
        path, _ = a_file(client)
        drive = path.partition("/items/")[0]
        client.control("POST", "reset-requests")
        link = client.get(f"{drive}/root/delta?$top=300")["@odata.deltaLink"]
        client.get(link)
        client.get(path)
        client.raw(f"{path}/content")
        client.get(f"{path}/versions")
        client.get(f"{path}/permissions")
        client.get(f"{path}?$expand=permissions")
        client.get(f"{drive}/root/children")
        rows = client.control("GET", "requests")
        assert [row["cost"] for row in rows] == [2, 1, 1, 1, 2, 5, 5, 2]
        assert client.control("GET", "summary")["budget"]["minute"] == 20  # and one for the drive itself


def test_the_budget_refuses_and_knows_who_is_to_blame(folder: Path) -> None:
    clock = ManualClock(START)
    with running(folder, clock=clock, units_a_minute=10, settings=Settings(token_seconds=9999)) as client:
        path, _ = a_file(client)
        seen = [client.raw(path) for _ in range(12)]
        assert [answer.status_code for answer in seen] == [200] * 9 + [429] * 3
        assert "RateLimit-Remaining" in seen[8].headers
        assert seen[9].headers["Retry-After"] == "60"
        assert int(seen[11].headers["Retry-After"]) > 60  # calls before their time prolong it
        marks = [row["marks"] for row in client.control("GET", "requests")][-3:]
        assert marks == [["throttled", "over-budget"], ["throttled", "early-retry"], ["throttled", "early-retry"]]
        clock.advance(float(seen[11].headers["Retry-After"]))
        assert client.raw(path).status_code == 200
        summary = client.control("GET", "summary")
        assert (summary["throttled"], summary["avoidable"]) == (3, 3)


def test_a_refusal_from_the_plan_is_nobodys_fault_but_an_early_retry_is(folder: Path) -> None:
    clock = ManualClock(START)
    faults = FaultPlan([{"fault": "429", "route": "drives/*/items/*", "retry_after": 30, "count": 1}])
    with running(folder, clock=clock, faults=faults) as client:
        path, _ = a_file(client)
        assert client.raw(path).status_code == 429
        assert client.raw(path).status_code == 429
        clock.advance(60)
        assert client.raw(path).status_code == 200
        blamed = [row["avoidable"] for row in client.control("GET", "requests") if row["status"] == 429]
        assert blamed == [False, True]


def test_licences_set_the_budget_and_are_shown(folder: Path) -> None:
    with running(folder, licences=60_000) as client:
        assert client.get("/subscribedSkus")["value"][0]["prepaidUnits"]["enabled"] == 60_000
        assert client.control("GET", "summary")["budget"]["minute_limit"] == 6250


def test_the_subscription_runs_out_on_the_clock(folder: Path) -> None:
    clock = ManualClock(START)
    lifecycle = ((100.0, "Warning"), (200.0, "Suspended"), (300.0, "Deleted"))
    with running(folder, clock=clock, settings=Settings(lifecycle=lifecycle, token_seconds=9999)) as client:
        path, _ = a_file(client)
        seen = []
        for _ in range(4):
            status = client.get("/directory/subscriptions")["value"][0]["status"]
            seen.append((status, client.raw(path).status_code, client.sign_in().status_code))
            clock.advance(100)
        assert seen == [("Enabled", 200, 200), ("Warning", 200, 200), ("Suspended", 403, 200), ("Deleted", 404, 400)]


# --------------------------------------------------------------------------------------------------- control


def test_the_control_port_does_what_it_says(folder: Path) -> None:
    with running(folder) as client:
        changes = folder / "changes.jsonl"
        done = client.control("POST", "changes", {"file": str(changes)})
        assert sum(done.values()) == len(changes.read_bytes().splitlines())
        assert client.control("POST", "rename-users", {"domain": "willowmere.onmicrosoft.example"}) == {"renamed": 11}
        users = client.get("/users?$select=userPrincipalName")["value"]
        assert {user["userPrincipalName"].partition("@")[2] for user in users} == {"willowmere.onmicrosoft.example"}
        assert client.control("GET", "truth")["changes"] == sum(done.values()) + 1
        client.control("POST", "settings", {"users_page": 3, "roles": ["User.Read.All"]})
        client.token = ""
        assert len(client.get("/users")["value"]) == 3
        assert client.raw("/domains").status_code == 403
        for method, path, body in (
            ("GET", "nothing", None),
            ("POST", "faults", [{"fault": "x"}]),
            ("POST", "settings", {"nothing": 1}),
            ("POST", "advance", {"seconds": -1}),
            ("POST", "advance", {}),
            ("POST", "changes", {"file": str(folder / "none")}),
            ("GET", "truth/drives/none", None),
        ):
            answer = client.send(method, f"{client.info['control']}/{path}", data=json.dumps(body))
            assert (answer.status_code, list(answer.json())) == (400, ["error"])


def test_no_secret_gets_into_the_ledger(folder: Path) -> None:
    with running(folder) as client:
        path, _ = a_file(client)
        location = client.content(f"{path}/content") and client.raw(f"{path}/content").headers["Location"]
        text = json.dumps(client.control("GET", "requests"))
        for secret in (client.token, client.info["secret"], location.partition("tempauth=")[2].partition("&")[0]):
            assert secret not in text


# ------------------------------------------------------------------------------------------------- the server


def test_ports_follow_each_other_and_a_taken_one_is_an_error(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            Rehearsal(folder, clock=SystemClock(), port=port)


def test_a_peer_that_talks_nonsense_harms_nobody(served: Client) -> None:
    port = int(served.info["graph"].rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with contextlib.suppress(OSError):
            plain.recv(100)
    context = ssl.create_default_context(cafile=served.info["ca_bundle"])
    for nonsense in (b"\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"x" * 70_000):
        raw = socket.create_connection(("127.0.0.1", port))
        with context.wrap_socket(raw, server_hostname="localhost") as peer, contextlib.suppress(OSError):
            peer.sendall(nonsense)
            assert peer.recv(100) == b""
    assert served.get("/organization")


def test_bodies_in_chunks_are_taken(served: Client) -> None:
    body = json.dumps({"requests": [{"id": "1", "method": "GET", "url": "/organization"}]}).encode()
    answer = served.http.post(
        served.url("/$batch"),
        data=iter([body[:10], body[10:]]),
        headers={"Authorization": f"Bearer {served.token}"},
        timeout=30,
    )
    assert answer.json()["responses"][0]["status"] == 200


def test_serve_prints_one_line_and_ends_on_a_signal(folder: Path) -> None:
    code = "import sys; from exporters.rehearsal.server import serve; serve(None, None, 0, sys.stdout)"
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        info = json.loads(process.stdout.readline())
        keys = ["login", "graph", "sharepoint", "tenant", "client_id", "secret", "certificate", "ca_bundle", "control"]
        assert list(info) == keys
        with requests.Session() as session:
            session.trust_env = False
            page = f"{info['login']}/{info['tenant']}/v2.0/.well-known/openid-configuration"
            assert (
                session.get(page, verify=info["ca_bundle"], timeout=30)
                .json()["token_endpoint"]
                .startswith(info["login"])
            )
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    assert not Path(info["ca_bundle"]).exists()
