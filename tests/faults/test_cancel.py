"""May I cancel: `check --cancel` at a tenant in one state after the other; each finding right, each with what to do."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from retention.preflight.items import ITEMS
from tests.faults.cancel_desk import (
    CUSTOM,
    MICROSOFT_MX,
    SKU,
    CancelDesk,
    Estate,
    guid,
    running_estate,
    user,
)

Row = dict[str, Any]
CLEAR = {"PF-18": "notice"}
"""Where nothing stands in the way, all others pass."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    with running_estate(tmp_path_factory.mktemp("cancel")) as estate:
        yield estate


@pytest.fixture
def estate(running: Estate) -> Estate:
    running.reset()
    return running


@pytest.fixture
def desk(estate: Estate, tmp_path: Path) -> CancelDesk:
    return estate.desk(tmp_path / "product")


def others(findings: Row) -> Row:
    """What is not as where nothing stands in the way."""
    return {item: found["result"] for item, found in findings.items() if found["result"] != CLEAR.get(item, "pass")}


def test_nothing_stands_in_the_way(desk: CancelDesk, estate: Estate) -> None:
    findings = desk.check(code=0)
    assert list(findings) == list(ITEMS)
    assert others(findings) == {}
    (row,) = desk.rows("preflight")
    assert row["open_blocks"] == 0 and row["subscription"] == estate.first and row["actor"]["user"]
    assert [finding["id"] for finding in row["findings"]] == list(ITEMS)
    assert len(findings["PF-01"]["proof"]["tagmanifests"]) == 1
    assert [sorted(receipt) for receipt in findings["PF-23"]["proof"]["receipts"]] == [["channel", "delivered"]] * 2
    assert len(estate.web.bodies) == 2 and "[TEST]" in estate.web.texts[0]
    again = desk.check("--no-messages", code=0)
    assert others(again) == {} and len(estate.web.bodies) == 2, "receipts of the last days count"


def licences(number: int) -> Any:
    return lambda estate: estate.tenant.settings(licences=number)


def no_admin(estate: Estate) -> None:
    for row in estate.data.directory.roles:
        row["_members"] = []


def one_admin(estate: Estate) -> None:
    estate.change({"kind": "user", "op": "update", "id": guid("person", 1), "set": {"accountEnabled": False}})


def synced_admin(estate: Estate) -> None:
    estate.change({"kind": "user", "op": "update", "id": guid("person", 0), "set": {"onPremisesSyncEnabled": True}})


def admin_on_the_domain(estate: Estate) -> None:
    estate.custom_domain()
    for number in (0, 1):
        name = {"userPrincipalName": f"person{number}@{CUSTOM}"}
        estate.change({"kind": "user", "op": "update", "id": guid("person", number), "set": name})


def roles_never_activated(estate: Estate) -> None:
    estate.data.directory.roles.clear()


def domain_in_use(estate: Estate) -> None:
    estate.custom_domain()
    estate.data.users.append(user(7, CUSTOM, assignedLicenses=estate.data.users[0]["assignedLicenses"]))
    estate.data.groups.append(
        {"id": guid("group"), "displayName": "Sales", "mail": f"sales@{CUSTOM}", "groupTypes": []}
    )
    estate.data.directory.applications.append({"id": guid("app"), "identifierUris": [f"https://{CUSTOM}/api"]})


def only_subscription(estate: Estate) -> None:
    estate.data.directory.subscriptions.clear()


def users_of_one_licence(estate: Estate) -> None:
    for number in (0, 1):
        estate.data.users[number]["assignedLicenses"] = [{"skuId": SKU, "disabledPlans": []}]


def lost_users(estate: Estate) -> None:
    gone = {**user(8), "deletedDateTime": "2026-11-20T10:00:00Z"}
    estate.data.directory.deleted_users.append(gone)
    estate.data.users.append(user(9, assignedLicenses=[]))


def held(estate: Estate) -> None:
    case = {"id": guid("case"), "displayName": "Case 1", "_holds": [{"id": "h", "displayName": "Finance"}]}
    estate.change({"kind": "case", "op": "create", "case": case})


def synchronised(estate: Estate) -> None:
    estate.change({"kind": "organization", "op": "update", "set": {"onPremisesSyncEnabled": True}})


STATES = {
    "26 licences": (licences(26), {"PF-04": "block"}, 3, ("26 licences", "25 or fewer")),
    "25 licences": (licences(25), {"PF-04": "notice"}, 0, ("exactly 25", "button is missing")),
    "nobody is an administrator": (no_admin, {"PF-08": "block"}, 3, ("Nobody is left", "Add a user")),
    "the roles were never activated": (roles_never_activated, {"PF-08": "block"}, 3, ("Nobody is left", "Add a user")),
    "one administrator is disabled": (
        one_admin,
        {"PF-08": "warn"},
        0,
        ("Only one", "person1@", "disabled", "Add a user"),
    ),
    "one is synchronised": (synced_admin, {"PF-08": "warn"}, 0, ("Only one", "synchronised from", "Add a user")),
    "all administrators are on the domain": (
        admin_on_the_domain,
        {"PF-08": "block", "PF-10": "block", "PF-11": "block"},
        3,
        (f"on {CUSTOM}, which is to be removed", "onmicrosoft.com name"),
    ),
    "a domain is in use": (
        domain_in_use,
        {"PF-10": "block", "PF-11": "block"},
        3,
        ("1 application, 1 group, 1 user", "Change domains", "Settings > Domains"),
    ),
    "mail is still at Microsoft": (
        lambda estate: estate.custom_domain(mx=MICROSOFT_MX),
        {"PF-10": "block", "PF-12": "block"},
        3,
        (f"Mail to {CUSTOM} is lost from the moment of cancelling", "TTL", f"{CUSTOM} 3,600 s"),
    ),
    "names are still at Microsoft": (
        lambda estate: estate.custom_domain(ns="ns1.bdm.microsoftonline.com"),
        {"PF-10": "block", "PF-13": "block"},
        3,
        (f"name servers answer for {CUSTOM}", "registrar"),
    ),
    "mail goes nowhere": (
        lambda estate: estate.custom_domain(mx=None),
        {"PF-10": "block", "PF-12": "notice"},
        3,
        ("goes nowhere", "set an MX record"),
    ),
    "it is the only subscription": (
        only_subscription,
        {"PF-03": "warn"},
        0,
        ("the directory goes with it", "sources.directory"),
    ),
    "users have no other licence": (
        users_of_one_licence,
        {"PF-15": "warn"},
        0,
        ("2 users lose service", "Licenses and apps"),
    ),
    "users are lost already": (
        lost_users,
        {"PF-20": "warn"},
        0,
        ("1 deleted user, the first", "restored until 2026-12-20T10:00:00Z", "1 without a licence", "Restore"),
    ),
    "something is held": (held, {"PF-21": "block"}, 3, ("Case 1: Finance", "although it was attested", "Purview")),
    "the directory is synchronised": (
        synchronised,
        {"PF-26": "warn"},
        0,
        ("synchronisation is on", "Update-MgOrganization"),
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_a_state_of_the_tenant(name: str, estate: Estate, desk: CancelDesk) -> None:
    set_state, wanted, code, words = STATES[name]
    set_state(estate)
    findings = desk.check("--no-messages", code=code)
    wanted = {**wanted, "PF-23": "warn"}  # no message was ever sent from this copy
    assert others(findings) == wanted, json.dumps({i: findings[i] for i in others(findings)}, indent=1)
    told = " ".join(f"{findings[item]['message']} {findings[item].get('action', '')}" for item in wanted)
    assert [word for word in words if word not in told] == [], told
    assert all(findings[item].get("action") for item in others(findings))


def test_without_a_word_of_anybody(estate: Estate, tmp_path: Path) -> None:
    """What only people know is open, each with the command that attests it."""
    desk = estate.desk(tmp_path / "product", attested=False)
    findings = desk.check(code=3)
    wanted = {
        "PF-05": "block",
        "PF-06": "warn",
        "PF-07": "notice",
        "PF-09": "warn",
        "PF-14": "notice",
        "PF-16": "notice",
    }
    wanted |= {"PF-17": "notice", "PF-19": "block", "PF-21": "not_checked", "PF-22": "warn"}
    assert others(findings) == wanted
    for item in wanted:
        assert f"lastcopy attest {item} --by" in findings[item]["action"], item
    told = desk.attest("PF-05", "channel=direct", "agreement=mosa")
    assert told["open"] == ["PF-19", "PF-21"] and told["attested"]["by"] == "Anna Berg"
    (row,) = desk.rows("attested")
    assert row["actor"]["user"] and row["actor"]["host"]


def test_other_subscriptions_are_left_alone_or_have_to_be_chosen(estate: Estate, desk: CancelDesk) -> None:
    chosen = desk.check("--no-messages", code=0)["PF-02"]
    assert chosen["result"] == "pass" and "EXCHANGESTANDARD" in chosen["message"]
    unclear = desk.run("check", "--cancel", "--no-messages", "--json").document["preflight"]
    assert "subscription" not in unclear
    by_id = {finding["id"]: finding for finding in unclear["findings"]}
    assert by_id["PF-02"]["result"] == "warn" and "--subscription" in by_id["PF-02"]["action"]
    assert by_id["PF-04"]["result"] == "not_checked"
    desk.configure(retention={"subscriptions": [{"id": estate.first, "channel": "direct"}]})
    named = desk.run("check", "--cancel", "--no-messages", "--json", code=0).document["preflight"]
    assert named["subscription"] == estate.first
    assert desk.check("--no-messages", "--subscription", "nobody", code=3)["PF-02"]["result"] == "warn"


LEAST = {"Organization.Read.All", "LicenseAssignment.Read.All", "User.Read.All", "Domain.Read.All"}
LEAST |= {"RoleManagement.Read.Directory", "eDiscovery.Read.All"}
"""What retention-domain §3 and graph.md §2.1 name."""


@pytest.mark.parametrize(
    ("role", "also", "items"),
    [
        ("User.Read.All", (), {"PF-08", "PF-15", "PF-20"}),
        ("Organization.Read.All", (), {"PF-02", "PF-03", "PF-04", "PF-15"}),
        ("Organization.Read.All", ("User.Read.All",), {"PF-02", "PF-03", "PF-04", "PF-26"}),
        ("LicenseAssignment.Read.All", ("Organization.Read.All",), {"PF-03"}),
        ("Domain.Read.All", (), {"PF-10", "PF-11", "PF-12", "PF-13"}),
        ("RoleManagement.Read.Directory", (), {"PF-08"}),
        ("eDiscovery.Read.All", (), {"PF-21"}),
    ],
)
def test_a_permission_is_taken_away(
    role: str, also: tuple[str, ...], items: set[str], estate: Estate, tmp_path: Path
) -> None:
    """Never a crash, never a pass: not checked, with the permission to grant. also: others that would do as well."""
    estate.custom_domain()
    desk = estate.desk(tmp_path / "product", attested=False)
    estate.tenant.settings(roles=sorted(LEAST - {role, *also}))
    findings = desk.check("--no-messages", code=3 if not {"User.Read.All"} & {role, *also} else 1)
    assert {item for item in items if findings[item]["result"] != "not_checked"} == set()
    wrong = {item for item in items if role not in findings[item]["message"] + findings[item]["action"]}
    assert wrong <= {"PF-03"}, [findings[item] for item in wrong]
    for item in items - {"PF-21"}:
        assert f"lastcopy attest {item} --by" in findings[item]["action"], "or a person says it"


def test_the_least_permissions_are_enough(estate: Estate, desk: CancelDesk) -> None:
    estate.custom_domain()
    estate.tenant.settings(roles=sorted(LEAST))
    document = desk.run("check", "--cancel", "--no-messages", "--json", "--subscription", estate.first).document
    found = document["preflight"]["findings"]
    assert [finding["id"] for finding in found if finding["result"] == "not_checked"] == []


def channels(estate: Estate, desk: CancelDesk, ops: str, boss: str) -> Row:
    """Two channels, and what PF-23 says of them."""
    desk.environment |= {"OPS": ops, "BOSS": boss}
    document = desk.run("check", "--cancel", "--json", "--subscription", estate.first).document
    assert ops not in json.dumps(document) and boss not in json.dumps(document), "an address is a secret"
    return {finding["id"]: finding for finding in document["preflight"]["findings"]}["PF-23"]


INSIDE_MAIL = f"smtps://127.0.0.1:1/?to=ops@{CUSTOM}&from=lastcopy@elsewhere.example"
WEBHOOK = "https://harbour.webhook.office.com/webhookb2/abc/IncomingWebhook/def/ghi"


def test_every_channel_inside_the_tenant_blocks(estate: Estate, desk: CancelDesk) -> None:
    estate.custom_domain(mx=MICROSOFT_MX)
    first = f"smtps://127.0.0.1:1/?to=ops@{estate.initial}&from=lastcopy@elsewhere.example"
    for ops, boss in ((first, INSIDE_MAIL), (INSIDE_MAIL, WEBHOOK)):
        found = channels(estate, desk, ops, boss)
        assert found["result"] == "block" and "goes dark with the tenant" in found["message"], found
        assert "do not hang on this tenant" in found["action"]


def test_one_channel_inside_warns_and_the_other_is_enough(estate: Estate, desk: CancelDesk) -> None:
    estate.custom_domain(mx=MICROSOFT_MX)
    found = channels(estate, desk, INSIDE_MAIL, estate.web.address)
    assert found["result"] == "warn" and "1 of 2 channels" in found["message"] and MICROSOFT_MX not in found["message"]
    assert "A test message failed: ops" in found["message"], "and it is told that it did not arrive"
    estate.dns.domain(CUSTOM, mx="mx.newhost.example", ns="ns1.newhost.example")
    moved = channels(estate, desk, INSIDE_MAIL, estate.web.address)
    assert "go dark" not in moved["message"], "its mail goes elsewhere now"


def test_a_channel_that_does_not_work_is_a_finding(estate: Estate, desk: CancelDesk) -> None:
    found = channels(estate, desk, estate.web.address, "json://127.0.0.1:1/nobody")
    assert found["result"] == "warn" and "boss: no connection" in found["message"]
    assert [sorted(row) for row in found["proof"]["receipts"]] == [["channel", "delivered"], ["channel", "error"]]
    estate.web.status = 500
    found = channels(estate, desk, estate.web.address, "json://127.0.0.1:1/nobody")
    assert found["result"] == "block" and "No test message reached" in found["message"]
    assert "ops: the service answered 500" in found["message"]


def test_nobody_to_warn_blocks(estate: Estate, tmp_path: Path) -> None:
    desk = estate.desk(tmp_path / "product", notify=[])
    found = desk.check(code=3)["PF-23"]
    assert found["result"] == "block" and "names no channel" in found["message"]


def test_a_store_that_the_tenant_synchronises_blocks(estate: Estate, tmp_path: Path) -> None:
    folder = tmp_path / "OneDrive - Harbour" / "store"
    folder.mkdir(parents=True)
    desk = estate.desk(tmp_path / "product", store={"url": f"file:{folder}"})
    for state in desk.folder.glob("lastcopy.db*"):  # it knows the journal of the other store
        state.unlink()
    found = desk.run("check", "--cancel", "--json", "--no-messages", "--subscription", estate.first).document
    assert "preflight" in found, found
    outlives = next(row for row in found["preflight"]["findings"] if row["id"] == "PF-23")
    assert outlives["result"] == "block" and "OneDrive - Harbour" in outlives["message"]


def test_a_silent_dns_is_not_checked_and_costs_seconds(
    estate: Estate, desk: CancelDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retention.preflight.asking_dns.TIMEOUT_SECONDS", 0.3)
    estate.custom_domain()
    for number in range(6):
        estate.change({"kind": "domain", "op": "create", "domain": {"id": f"n{number}.{CUSTOM}"}})
    estate.dns.is_silent = True
    findings = desk.check("--no-messages", code=3)
    for item in ("PF-12", "PF-13"):
        assert findings[item]["result"] == "not_checked" and "DNS" in findings[item]["message"], findings[item]
    assert {name for name, _ in estate.dns.asked} == {CUSTOM}, "after two questions nobody else is asked"


def test_a_subdomain_has_the_name_servers_of_the_zone_above(estate: Estate, desk: CancelDesk) -> None:
    estate.change({"kind": "domain", "op": "create", "domain": {"id": f"mail.{CUSTOM}"}})
    estate.dns.records[f"mail.{CUSTOM}", "MX"] = ["10 mx.newhost.example."]
    estate.dns.records[CUSTOM, "NS"] = ["ns1.bdm.microsoftonline.com."]
    found = desk.check("--no-messages", code=3)["PF-13"]
    assert found["result"] == "block" and f"mail.{CUSTOM}" in found["message"]


def test_a_block_is_accepted_by_name_and_open_again_when_it_changes(estate: Estate, desk: CancelDesk) -> None:
    refused = desk.run("accept", "PF-04", "--by", "Bo", "--reason", "x", "--json", code=2).document["error"]
    assert refused["code"] == "code_not_shown", "nothing is accepted in advance"
    estate.tenant.settings(licences=26)
    desk.check("--no-messages", code=3)
    row = desk.run("accept", "pf-04", "--by", "Bo", "--reason", "support cancels it", "--json", code=0).document
    assert row["accepted"]["code"] == "PF-04" and row["accepted"]["digest"] == row["finding"]["digest"]
    assert desk.check("--no-messages", code=0)["PF-04"]["overridden_by"] == "Bo"
    assert desk.rows("preflight")[-1]["open_blocks"] == 0
    estate.tenant.settings(licences=27)
    changed = desk.check("--no-messages", code=3)["PF-04"]
    assert "overridden_by" not in changed
    notice = desk.run("accept", "PF-18", "--by", "Bo", "--reason", "x", "--json", code=2).document["error"]
    assert notice["code"] == "code_not_shown" and "PF-04" in notice["action"]


def test_what_was_looked_at_is_not_attested(estate: Estate, desk: CancelDesk) -> None:
    estate.tenant.settings(licences=26)
    desk.check("--no-messages", code=3)
    told = desk.attest("PF-04", "licences=3", code=2)
    assert told["error"]["code"] == "looked_at" and "lastcopy accept PF-04" in told["error"]["action"]
    assert desk.attest("PF-01", code=2)["error"]["code"] == "not_attestable"
    assert len(desk.rows("attested")) == 8


def test_what_could_not_be_looked_at_is_attested(estate: Estate, desk: CancelDesk) -> None:
    estate.tenant.settings(roles=sorted(estate.all_roles - {"RoleManagement.Read.Directory"}))
    assert desk.check("--no-messages", code=3)["PF-08"]["result"] == "not_checked"
    assert desk.attest("PF-08", "admins=2", text="looked in Entra")["open"] == []
    assert desk.check("--no-messages", code=0)["PF-08"]["result"] == "pass"
    estate.tenant.settings(roles=sorted(estate.all_roles))
    no_admin(estate)
    assert desk.check("--no-messages", code=3)["PF-08"]["result"] == "block", "seen with one's own eyes"


def test_a_copy_that_is_not_proven_or_too_late_blocks(estate: Estate, desk: CancelDesk) -> None:
    estate.change({"kind": "user", "op": "update", "id": guid("person", 2), "set": {"displayName": "Another"}})
    desk.run("export", "--json", code=0)
    desk.planned(seconds=86_400)
    findings = desk.check("--no-messages", code=3)
    assert findings["PF-01"]["result"] == "block" and "lastcopy verify --new" in findings["PF-01"]["action"]
    assert findings["PF-24"]["result"] == "block" and "not before" in findings["PF-24"]["message"]
    desk.run("verify", "--new", "--json", code=0)
    desk.planned(days_ago=7.5)
    findings = desk.check("--no-messages", code=3)
    assert findings["PF-01"]["result"] == "pass"
    assert findings["PF-24"]["result"] == "not_checked" and findings["PF-24"]["action"] == "lastcopy plan"


def test_it_is_watched_under_another_channel(estate: Estate, desk: CancelDesk) -> None:
    desk.configure(retention={"subscriptions": [{"id": estate.first, "channel": "enterprise", "term": "annual"}]})
    found = desk.check("--no-messages", code=3)["PF-05"]
    assert found["result"] == "block" and "attested as direct and watched as enterprise" in found["message"]


def test_a_tenant_that_refuses_the_sign_in_leaves_everything_not_checked(estate: Estate, desk: CancelDesk) -> None:
    desk.environment["LASTCOPY_TEST_SECRET"] = "wrong"
    findings = desk.check("--no-messages", code=1)
    unseen = {item for item, found in findings.items() if found["result"] == "not_checked"}
    assert unseen >= {"PF-02", "PF-03", "PF-04", "PF-08", "PF-10", "PF-11", "PF-12", "PF-13", "PF-15", "PF-20", "PF-26"}
    assert findings["PF-01"]["result"] == "pass" and desk.rows("preflight")[-1]["open_blocks"] >= 6


def test_without_a_store_it_is_on_record_beside_the_state(estate: Estate, tmp_path: Path) -> None:
    from tests.faults.cancel_desk import made_desk

    desk = made_desk(tmp_path / "product", estate)
    del desk.settings["store"]
    desk.configure()
    findings = desk.check(code=3)
    assert findings["PF-01"]["result"] == "block" and findings["PF-24"]["result"] == "not_checked"
    desk.attest("PF-05", "channel=direct", "agreement=mosa")
    desk.store = tmp_path / "product" / "lastcopy-journal"
    assert [row["type"] for row in (*desk.rows("preflight"), *desk.rows("attested"))] == ["preflight", "attested"]
    assert desk.run("check", "--json").code == 2, "the ordinary check is as it was"


def test_the_runbook_is_written_and_its_options_belong_to_cancel(
    estate: Estate, desk: CancelDesk, tmp_path: Path
) -> None:
    estate.custom_domain(mx=MICROSOFT_MX)
    folder = tmp_path / "run book"
    document = desk.run(
        *("check", "--cancel", "--no-messages", "--json", "--subscription", estate.first, "--runbook", str(folder)),
        code=3,
    ).document
    assert document["runbook"] == [str(folder / "runbook.md"), str(folder / "runbook.html")]
    assert MICROSOFT_MX in (folder / "runbook.md").read_text() and MICROSOFT_MX in (folder / "runbook.html").read_text()
    assert desk.run("check", "--runbook", str(folder), "--json", code=2).document["error"]["code"] == "usage"
    desk.attest("PF-05", "channel=germany")
    refused = desk.run("check", "--cancel", "--no-messages", "--json", "--runbook", str(folder), code=2).document[
        "error"
    ]
    assert refused["code"] == "cloud_closed"


def test_people_are_shown_blocks_first_and_what_to_do(estate: Estate, desk: CancelDesk) -> None:
    estate.tenant.settings(licences=26)
    estate.custom_domain(mx=MICROSOFT_MX)
    shown = desk.run("check", "--cancel", "--no-messages", "--subscription", estate.first, code=3).out
    places = [shown.index(f"{word} (") for word in ("Stands in the way", "Warnings", "Notices", "Passed")]
    assert places == sorted(places)
    assert "Stands in the way (3)" in shown and "Do not cancel yet: 3 open (PF-04, PF-10, PF-12)." in shown
    listed = desk.run("attest", "--list").out
    assert "holds=none|exported|released" in listed and "PF-01" not in listed
