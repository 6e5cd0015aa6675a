"""`lastcopy plan` against the rehearsal tenant: what there is, how it is known, when to begin, and what is written down."""

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from exporters.rehearsal.generate import generate
from exporters.rehearsal.mailboxes import Mailbox
from exporters.rehearsal.routes.mail_folders import is_search
from exporters.rehearsal.service import DEFAULT_ROLES, Settings
from retention.planning.recorded import fits, latest
from retention.state.index import open_index
from tests.end_to_end.driving import Tenant
from tests.faults.desk import InProcess, rule

ALL = {"mail": "all", "onedrive": "all", "sharepoint": "all", "directory": True}
CANCELLED = ["track", "--state", "sub", "--channel", "direct", "--event"]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    data = generate(tmp_path_factory.mktemp("plan") / "tenant")
    with Tenant(data, licences=100) as tenant:
        yield tenant


@pytest.fixture
def tenant(running: Tenant) -> Iterator[Tenant]:
    yield running
    running.faults()
    for name, value in vars(Settings()).items():
        setattr(running.rehearsal.settings, name, value)
    running.rehearsal.settings.licences = 100


def product_of(folder: Path, tenant: Tenant, **changes: Any) -> InProcess:
    return InProcess(folder / "work", tenant, **{"versions": "current", "sources": ALL, **changes})


def without(tenant: Tenant, *roles: str) -> None:
    tenant.settings(roles=sorted(DEFAULT_ROLES - {*roles}))
    tenant.control("POST", "revoke-tokens", b"{}")


def journal(product: InProcess) -> list[dict[str, Any]]:
    """Rows of the journal, wherever it lies."""
    places = [*product.folder.glob("*-journal/journal/*.jsonl"), *product.store.glob("journal/*.jsonl")]
    lines = [json.loads(line) for path in sorted(places) for line in path.read_text().splitlines()]
    return [row for row in lines if "type" in row]


def in_folders(box: Mailbox) -> int:
    """Messages below the root of a mailbox: no recoverable ones, and none twice for a search folder."""
    found, places = 0, [box.named["msgfolderroot"]]
    while places:
        for below in box.members("folder", places.pop()):
            found += 0 if is_search(box, below) else len(box.members("message", below))
            places.append(below)
    return found


def test_what_there_is_comes_from_reports_and_is_written_down(tmp_path: Path, tenant: Tenant) -> None:
    tenant.settings(concealed_names=False)
    product = product_of(tmp_path, tenant)
    tenant.forget_requests()
    document = product.run("plan", "--json", code=0).document
    assert document["reports"] == ["onedrive", "mail", "sharepoint"]
    assert not any("/drives/" in f"/{row['route']}" for row in tenant.requests())  # nobody is asked one by one
    truth = tenant.rehearsal.tenant
    held = [truth.drive_in(site["_drive"]) for site in truth.personal_sites()]
    files = sum(1 for drive in held for n in drive.live() if "file" in drive.row(n))
    drives = document["inventory"]["onedrive"]
    assert (drives["items"]["value"], drives["left_items"]) == (files, files)
    assert drives["items"]["certainty"] == "estimated" and "usage report of 20" in drives["items"]["source"]
    assert document["inventory"]["mail"]["sources"] == 12  # eleven in the report, and a group
    assert document["complete"] is True and document["fits"] is None
    assert 0 < document["low_seconds"] <= document["expected_seconds"] <= document["high_seconds"]
    assert document["high_seconds"] <= 3 * document["low_seconds"]
    assert document["earliest_safe_cancellation"] is not None
    assert document["order"][0]["source"].startswith("mail/")
    (row,) = [row for row in journal(product) if row["type"] == "planned"]
    assert row["run"] == document["run"]
    assert row["result"]["planned_seconds"] == document["planned_seconds"]
    assert not {"order", "not_asked"} & row["result"].keys()
    assert latest(journal(product)) is not None
    index = open_index("sqlite:///lastcopy.db", product.folder)
    assert index.fact("planned")["run"] == document["run"]
    index.close()


def test_as_if_it_were_another_time_nothing_is_written(tmp_path: Path, tenant: Tenant) -> None:
    product = product_of(tmp_path, tenant)
    assert product.run("plan", "--json", "--now", "2027-01-01", code=0).document["now"].startswith("2027-01-01")
    assert product.run("plan", "--source", "mail/frontdesk@willowmere.example", code=0).out
    assert not [row for row in journal(product) if row["type"] == "planned"]


def test_without_the_permission_for_reports_each_source_is_asked(tmp_path: Path, tenant: Tenant) -> None:
    without(tenant, "Reports.Read.All")
    product = product_of(tmp_path, tenant)
    document = product.run("plan", "--json", code=0).document
    assert document["reports"] == []
    assert document["not_by_report"].keys() == {"onedrive", "mail", "sharepoint"}
    assert "Reports.Read.All" in document["better_with"]
    mail = document["inventory"]["mail"]
    assert "counts of its folders" in mail["items"]["source"]
    assert "assumed" in mail["bytes"]["source"]
    truth = tenant.rehearsal.tenant
    messages = sum(in_folders(box) for user in truth.users if (box := truth.mailbox(user)) is not None)
    assert mail["items"]["value"] == messages + 9  # and three conversations of a group
    assert document["inventory"]["sharepoint"]["sources"] == 3  # subsites too
    shown = product.run("plan", code=0).out
    assert "Reports.Read.All" in shown and "~" in shown


@pytest.mark.parametrize(
    ("role", "kind"), [("Files.Read.All", "onedrive"), ("Sites.Read.All", "sharepoint"), ("Group.Read.All", "mail")]
)
def test_a_permission_that_is_missing_is_said(tmp_path: Path, tenant: Tenant, role: str, kind: str) -> None:
    """What cannot be asked is named with what to grant; the rest is planned."""
    lost = {"Reports.Read.All", role} | ({"Sites.Read.All"} if role == "Files.Read.All" else set())
    without(tenant, *lost)
    result = product_of(tmp_path, tenant).run("plan", "--json")
    if role == "Files.Read.All":
        assert result.code == 1
        assert role in result.document["error"]["message"]
        return
    assert result.code == 0
    told = [one for one in result.document["not_asked"] if one["source"].startswith(f"{kind}/")]
    assert told and any(role in f"{one['reason']} {one['action']}" for one in told), result.document["not_asked"]
    assert result.document["complete"] is False, "what was not asked is not counted"


def test_the_least_permissions_are_enough(tmp_path: Path, tenant: Tenant) -> None:
    """Those that graph.md 2.1 names for what is read here, and no other."""
    least = [
        "User.Read.All",
        "Organization.Read.All",
        "Files.Read.All",
        "Sites.Read.All",
        "Mail.Read",
        "Group.Read.All",
    ]
    tenant.settings(roles=[*least, "Reports.Read.All"])
    tenant.control("POST", "revoke-tokens", b"{}")
    product = product_of(tmp_path, tenant)
    document = product.run("plan", "--json", code=0).document
    assert (document["reports"], document["not_asked"]) == (["onedrive", "mail", "sharepoint"], [])
    tenant.settings(roles=least)
    tenant.control("POST", "revoke-tokens", b"{}")
    document = product.run("plan", "--json", code=0).document
    assert (document["reports"], document["not_asked"]) == ([], [])
    assert document["complete"] is True


def test_concealed_names_serve_where_it_matters_not_whose_it_is(tmp_path: Path, tenant: Tenant) -> None:
    product = product_of(tmp_path, tenant)
    hidden = product.run("plan", "--json", code=0).document
    assert hidden["reports"] == ["onedrive", "mail", "sharepoint"]
    assert "names" in hidden["better_with"]
    assert "@" not in json.dumps([place["source"] for place in hidden["order"] if place["source"].startswith("one")])
    product.configure(sources={**ALL, "exclude": ["mail/frontdesk@willowmere.example"]})
    some = product.run("plan", "--json", code=0).document
    assert some["reports"] == []
    assert "conceals" in some["not_by_report"]["mail"]
    assert some["inventory"]["mail"]["sources"] == hidden["inventory"]["mail"]["sources"] - 1


def test_what_the_store_holds_is_taken_off(tmp_path: Path, tenant: Tenant) -> None:
    """After a whole run nothing is left; of one drive that was copied, that drive is not."""
    some = {**ALL, "mail": ["frontdesk@willowmere.example"], "directory": False}
    product = product_of(tmp_path, tenant, sources=some, mail={"fasttransfer": "off"})
    before = product.run("plan", "--json", code=0).document
    tenant.forget_requests()
    product.run("export", "--source", "onedrive/tarik.ozgun@willowmere.example", code=0)
    families = Counter(row["family"] for row in tenant.requests() if row["status"] < 400)
    one = product.run("plan", "--json", code=0).document["inventory"]["onedrive"]
    assert one["held_sources"] == 1
    assert one["left_items"] < before["inventory"]["onedrive"]["left_items"]
    (record,) = [json.loads(path.read_text()) for path in product.store.glob("runs/*.json")]
    took = record["measured"]["requests"]
    assert took["sharepoint"]["count"] == families["sharepoint"] > 50
    assert all(0 < one["seconds"] < 60 for one in took.values())
    product.run("export")
    product.run(*CANCELLED, f"cancel={datetime.now(UTC).isoformat()}", code=0)
    after = product.run("plan", "--json", code=0).document
    assert {kind: total["left_items"] for kind, total in after["inventory"].items()} == {
        "onedrive": 0,
        "mail": 0,
        "sharepoint": 0,
    }
    assert (after["planned_seconds"], after["complete"], after["fits"]) == (0, True, True)
    assert "the copy's own listing" in after["inventory"]["onedrive"]["items"]["source"]
    assert after["rates"]["measured"]["runs"] >= 1


def test_a_plan_that_was_stopped_is_none(tmp_path: Path, tenant: Tenant) -> None:
    """Who stops it while the tenant is asked gets no plan of the part that was counted, and none is written down."""
    without(tenant, "Reports.Read.All")
    product = product_of(tmp_path, tenant)
    tenant.at_request(30, lambda: os.kill(os.getpid(), signal.SIGTERM))
    result = product.run("plan", "--json", code=1)
    assert result.document["error"]["code"] == "stopped"
    assert not [row for row in journal(product) if row["type"] == "planned"]


def test_each_deadline_has_its_latest_start_and_too_late_is_said(tmp_path: Path, tenant: Tenant) -> None:
    product = product_of(tmp_path, tenant)
    cancelled = datetime.now(UTC) - timedelta(days=29)
    product.run(*CANCELLED, f"cancel={cancelled.isoformat()}", code=0)
    result = product.run("plan", "--json", code=3)
    document = result.document
    assert document["fits"] is False
    access, risk = document["deadlines"]
    assert (access["boundary"], access["past"]) == ("access_ends", True)
    assert (risk["boundary"], risk["fits"], risk["past"]) == ("at_risk_from", False, False)
    at, start = datetime.fromisoformat(risk["at"]), datetime.fromisoformat(risk["start_by"])
    assert timedelta(0) <= at - start - timedelta(seconds=document["planned_seconds"]) < timedelta(minutes=1, seconds=2)
    assert start.second == 0
    assert document["start_by"] == risk["start_by"]
    assert document["fits_without_reserve"] is True
    assert document["earliest_safe_cancellation"] is None
    shown = product.run("plan", code=3).out
    assert "It does not fit" in shown and "at_risk_from" in shown and "reactivate" in shown and "too late" in shown
    product.run(*CANCELLED, f"cancel={(datetime.now(UTC) - timedelta(days=20)).isoformat()}", code=0)
    in_time = product.run("plan", "--json", code=0).document
    assert in_time["fits"] is True
    early = product.run("plan", "--json", "--now", (cancelled - timedelta(days=100)).isoformat(), code=0).document
    assert early["fits"] is True
    newest = latest(journal(product))
    assert newest is not None
    for one in in_time["deadlines"][1:]:
        boundary = type("Boundary", (), {"kind": one["boundary"], "at": datetime.fromisoformat(one["at"])})()
        assert fits(newest.row, boundary, datetime.now(UTC)) is True
        assert fits(newest.row, boundary, datetime.fromisoformat(one["start_by"]) + timedelta(minutes=2)) in {
            False,
            None,
        }


def test_what_nobody_tells_is_unknown_and_never_nothing(tmp_path: Path, tenant: Tenant) -> None:
    without(tenant, "Reports.Read.All")
    tenant.faults(rule("edit", "drives/*", edits=[{"at": "quota", "drop": True}], count=1))
    product = product_of(tmp_path, tenant, sources={**ALL, "mail": "none", "sharepoint": "none"})
    product.run(*CANCELLED, f"cancel={datetime.now(UTC).isoformat()}", code=0)
    document = product.run("plan", "--json", code=0).document
    drives = document["inventory"]["onedrive"]
    assert (drives["items"]["unknown"], drives["bytes"]["unknown"]) == (1, 1)
    assert (document["complete"], document["fits"]) == (False, None)
    assert any("1 of 8 sources" in line for line in document["unknown"])
    tenant.faults(rule("edit", "drives/*", edits=[{"at": "quota", "drop": True}], count=1))
    shown = product.run("plan", code=0).out
    assert "≥" in shown and "of what is known" in shown


def test_a_damaged_report_is_no_report(tmp_path: Path, tenant: Tenant) -> None:
    tenant.faults(rule("500", "reports/*"))
    tenant.settings(concealed_names=False)
    product = product_of(tmp_path, tenant, sources={**ALL, "mail": "none", "sharepoint": "none"})
    tenant.faults(rule("404", "reports/*"))
    document = product.run("plan", "--json", code=0).document
    assert document["reports"] == [] and document["inventory"]["onedrive"]["sources"] == 8
    assert document["better_with"] == ""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("--source", "mail/nobody@example.org"), "source_unknown"), (("--subscription", "none"), "subscription_unknown")],
)
def test_names_that_nobody_has(tmp_path: Path, tenant: Tenant, arguments: tuple[str, ...], code: str) -> None:
    result = product_of(tmp_path, tenant).run("plan", "--json", *arguments, code=2)
    assert result.document["error"]["code"] == code
