"""`track` and `sweep` against a tenant over TLS: what it answers, and that it does not answer (retention-domain §1)."""

import json
import ssl
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from exporters.clock import SystemClock
from exporters.rehearsal.generate import generate
from exporters.rehearsal.server import Rehearsal
from tests.contracts.cli_tenant import Desk, Result
from tests.faults.mail_server import MailServer


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    data = generate(tmp_path_factory.mktemp("data") / "tenant")
    with Rehearsal(
        data, clock=SystemClock(), licences=300, state=tmp_path_factory.mktemp("server") / "state"
    ) as tenant:
        yield tenant


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture
def desk(tmp_path: Path, served: Rehearsal, mail: MailServer, capsys: pytest.CaptureFixture[str]) -> Desk:
    made = Desk(tmp_path, served, capsys)
    (tmp_path / "ops").write_text(mail.address())
    file = made.configure(more="notify: [{name: ops, to: file:ops, min_severity: info}]\n")
    file.write_text(file.read_text().replace("store: {url: file:./copy}\n", ""))
    return made


def control(served: Rehearsal, status: str) -> None:
    """Let the subscription be in this state."""
    body = json.dumps({"subscription_status": status}).encode()
    request = urllib.request.Request(f"{served.info['control']}/settings", data=body, method="POST")
    context = ssl.create_default_context(cafile=served.info["ca_bundle"])
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    with opener.open(request, timeout=30) as answer:
        answer.read()


def rows(desk: Desk, kind: str) -> list[dict[str, Any]]:
    found = []
    for segment in sorted((desk.folder / "lastcopy-journal" / "journal").iterdir()):
        found += [json.loads(line) for line in segment.read_text().splitlines()[1:-1]]
    return [row for row in found if row["type"] == kind and row.get("what") != "licences"]


def track(desk: Desk) -> Result:
    found = desk.run("track", "--json")
    assert found.exit == 0, found.err
    return found


def test_what_the_tenant_says(desk: Desk) -> None:
    (one,) = track(desk).json["subscriptions"]
    assert (one["name"], one["state"], one["channel"]) == ("SPE_E3", "Active", "direct")
    assert one["service"]["status"] == "Enabled"
    (row,) = rows(desk, "observation")
    assert row["reached"] is True
    assert abs(row["skew_seconds"]) <= 2
    assert {sku["skuPartNumber"] for sku in row["skus"]} >= {"SPE_E3"}
    track(desk)
    assert len(rows(desk, "observation")) == 2, "a person asked: it is written down"
    assert desk.run("sweep", "--json").exit == 0
    assert len(rows(desk, "observation")) == 2, "a sweep writes what is new"


def test_who_has_a_licence_and_who_was_deleted(desk: Desk) -> None:
    """A first look is where changes begin: nobody has lost a licence yet; who was deleted has a date of the service's."""
    track(desk)
    segments = sorted((desk.folder / "lastcopy-journal" / "journal").iterdir())
    lines = [json.loads(line) for segment in segments for line in segment.read_text().splitlines()[1:-1]]
    (licences,) = [row for row in lines if row.get("what") == "licences"]
    assert licences["gained"]
    assert licences["lost"] == []
    assert {row["event"]["type"] for row in lines if row["type"] == "object"} == {"user_deleted"}
    track(desk)
    segments = sorted((desk.folder / "lastcopy-journal" / "journal").iterdir())
    again = [json.loads(line) for segment in segments for line in segment.read_text().splitlines()[1:-1]]
    assert len([row for row in again if row.get("what") == "licences" or row["type"] == "object"]) == len(
        [row for row in lines if row.get("what") == "licences" or row["type"] == "object"]
    ), "said once"


def test_an_end_that_may_be_a_renewal_brings_notices_alone(desk: Desk, mail: MailServer) -> None:
    track(desk)
    status = desk.run("status", "--json").json["subscriptions"][0]
    assert status["possible_end"] is True
    kinds = {row["kind"]: row["at"] for row in status["boundaries"]}
    eve = (datetime.fromisoformat(kinds["at_risk_from"]) - timedelta(days=1)).isoformat()
    shown = desk.run("sweep", "--dry-run", "--offline", "--json", "--now", eve).json
    assert {entry["severity"] for entry in shown["due"]} == {"notice"}
    stated = desk.run("track", "--state", status["id"], "--event", "recurring_off=2026-11-01", "--json")
    assert stated.json["subscriptions"][0]["boundaries"]["at_risk_from"] == kinds["at_risk_from"]
    shown = desk.run("sweep", "--dry-run", "--offline", "--json", "--now", eve).json
    assert "critical" in {entry["severity"] for entry in shown["due"]}


def test_a_state_that_changes_between_two_observations(desk: Desk, served: Rehearsal, mail: MailServer) -> None:
    track(desk)
    control(served, "LockedOut")
    try:
        swept = desk.run("sweep", "--json")
    finally:
        control(served, "Enabled")
    assert swept.exit == 0
    assert {(entry["boundary"], entry["threshold_days"]) for entry in swept.json["sent"]} - {
        ("personal", "digest")
    } == {
        ("access_ends", 0),
        ("at_risk_from", 30),
    }
    (row,) = rows(desk, "inferred")
    (event,) = row["events"]
    assert event["type"] == "cancel"
    assert set(event) == {"type", "between", "id", "origin"}
    swept = desk.run("sweep", "--json")
    assert [entry["threshold_days"] for entry in swept.json["sent"]] == ["all_clear"], "it was reactivated"


def test_a_tenant_that_does_not_answer_is_not_deleted(desk: Desk, mail: MailServer) -> None:
    (one,) = track(desk).json["subscriptions"]
    desk.run("track", "--state", one["id"], "--event", "cancel=2026-11-20T10:00:00Z")
    before = desk.run("status", "--json").json["subscriptions"][0]["boundaries"]
    desk.configure(more="notify: [{name: ops, to: file:ops, min_severity: info}]\n", graph="https://localhost:9")
    found = desk.run("track", "--json")
    assert found.exit == 0
    assert "not reachable" in found.err
    assert desk.run("sweep", "--json").exit == 0, "that this fails changes neither dates nor exit"
    status = desk.run("status", "--json").json
    assert status["subscriptions"][0]["boundaries"] == before
    assert status["tenant"]["unreachable_since"] is not None
    assert "not been reachable since" in mail.messages[-1].text


def test_what_is_copied_is_not_missing_and_what_is_proven_warns_more_quietly(desk: Desk, mail: MailServer) -> None:
    """The first export takes the journal into the store; severity drops one step, never to silence."""
    (one,) = track(desk).json["subscriptions"]
    name = "tarik.ozgun@willowmere.example"
    source = f"onedrive/{name}"
    statement = {"id": one["id"], "sources": [source, "mail/nobody@willowmere.example"]}
    (desk.folder / "sources.jsonl").write_text(json.dumps(statement))
    assert desk.run("track", "--from", str(desk.folder / "sources.jsonl")).exit == 0
    file = desk.folder / "lastcopy.yaml"
    file.write_text(
        file.read_text() + "store: {url: file:./copy}\n"
        f"sources: {{mail: none, onedrive: [{name}], sharepoint: none, directory: off}}\n"
    )
    assert desk.run("export").exit == 0
    assert rows(desk, "moved")[-1]["to"] == "file:./copy"
    status = desk.run("status", "--json").json["subscriptions"][0]
    assert status["uncovered_sources"] == ["mail/nobody@willowmere.example"]
    (desk.folder / "sources.jsonl").write_text(json.dumps({**statement, "sources": [source]}))
    desk.run("track", "--from", str(desk.folder / "sources.jsonl"))
    cancelled = datetime.now(UTC) - timedelta(days=27, hours=1)
    desk.run("track", "--state", one["id"], "--event", f"cancel={cancelled.isoformat()}")

    def severities() -> set[str]:
        shown = desk.run("sweep", "--dry-run", "--offline", "--json").json
        return {e["severity"] for e in shown["due"] if e["boundary"] == "at_risk_from" and e["threshold_days"] == 3}

    assert severities() == {"critical"}
    assert desk.run("verify").exit == 0
    assert severities() == {"high"}
    assert desk.run("status", "--json").json["subscriptions"][0]["uncovered_sources"] == []
