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
        ("1 deleted users, the first is gone 2026-12-20T10:00:00Z", "1 without a licence", "Restore"),
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
