"""The bag of the directory: first copy, nothing new, changes, what may not be read, what vanishes, and what the service hides."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.directory_desk import (
    DOMAIN,
    ODD_NAMES,
    DirectoryDesk,
    directory_desk,
    group,
    make,
    user,
)
from tests.independent.judge_directory import line_of, table

BAD_PROPERTY = {"status": 400, "code": "BadRequest", "message": "Could not find a property named 'employeeOrgData'."}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("directory") / "tenant")


@pytest.fixture
def desk(data: Path, tmp_path: Path) -> Iterator[DirectoryDesk]:
    with directory_desk(data, tmp_path / "product", users_page=7) as found:
        yield found


def test_all_that_the_directory_holds_is_in_the_bag(desk: DirectoryDesk) -> None:
    document = desk.copy()
    (source,) = document["sources"]
    assert (source["bag"], source["excepted"], source["pending"]) == ("directory", 0, 0)
    assert {row["class"]: row["state"] for row in source["coverage"]} == {
        "directory": "covered",
        "term_store": "covered",
        "directory_roles": "covered",
    }
    bag = desk.store / "directory"
    kinds = {
        kind: len(desk.rows(kind)) for kind in ("licence", "subscription", "domain", "organization", "role", "term")
    }
    assert kinds == {"licence": 1, "subscription": 1, "domain": 1, "organization": 1, "role": 2, "term": 8}
    domain = line_of(bag, desk.rows("domain")[DOMAIN])
    assert {row["recordType"] for row in domain["records"]} == {"Mx", "Txt", "CName"}
    assert "MS=ms86120656" in [row.get("text") for row in domain["verificationRecords"]]
    paths = {row["path"] for row in desk.rows("term").values()}
    assert "/terms/Company/Places/Europe/Zürich/Kreis 5" in paths
    told = json.loads((bag / "lastcopy/reconciliation.json").read_bytes())["independent"]
    assert [(row["by"], row["expected"], row["found"]) for row in told] == [("totalItemCount", 36, 36)]
    assert not any(b"passwordProfile" in data for data in desk.objects().values())
    desk.check_bag()


def test_nothing_new_writes_no_object_and_costs_the_listing_alone(desk: DirectoryDesk) -> None:
    desk.copy()
    held, first = desk.objects(), desk.asked()
    fold = (desk.store / "directory/tagmanifest-sha256.txt").read_bytes()
    document = desk.copy()
    again = desk.asked()
    assert document["totals"]["unchanged"] == document["totals"]["listed"] and document["totals"]["copied"] == 0
    assert desk.objects() == held
    assert (desk.store / "directory/tagmanifest-sha256.txt").read_bytes() == fold
    # the first run also asks whose directory it is, and that is known then
    assert again.total() == first.total() - 1
    assert again["users"] == 1 and again["groups/{group}/members"] == len(desk.expected.groups)


def test_what_changes_is_kept_beside_what_was(desk: DirectoryDesk) -> None:
    desk.copy()
    before, people, groups = desk.objects(), desk.expected.users, desk.expected.groups
    changed, left, purged = people[1]["id"], people[2]["id"], desk.expected.deleted_users[0]["id"]
    desk.change(
        {"kind": "user", "op": "update", "id": changed, "set": {"jobTitle": "Diver", "displayName": "New name"}},
        {"kind": "user", "op": "delete", "id": left},
        {"kind": "user", "op": "purge", "id": purged},
        {"kind": "user", "op": "create", "user": user(50, "Newcomer")},
        {
            "kind": "group",
            "op": "members",
            "id": groups[3]["id"],
            "set": [changed, groups[0]["id"]],
            "owners": [changed],
        },
        {"kind": "group", "op": "delete", "id": groups[2]["id"]},
        {"kind": "group", "op": "create", "group": group(60, [changed])},
    )
    desk.copy()
    after = desk.objects()
    assert {key for key in before if before[key] != after[key]} == {
        "directory/users.csv",
        "directory/groups.csv",
        "directory/members.csv",
    }
    versions = [row for row in desk.rows("version").values() if row["parent"] == changed]
    assert [line_of(desk.store / "directory", row)["graph"]["displayName"] for row in versions] == [ODD_NAMES[1]]
    assert desk.rows("user")[left]["parent"] == "deleted_users" and desk.rows("user")[purged]["outcome"] == "gone"
    states = {row["id"]: row["state"] for row in table(desk.store / "directory", "users.csv")}
    assert (states[left], states[purged], states[changed]) == ("deleted", "gone", "active")
    desk.check_bag()
    held = desk.objects()
    desk.copy()
    assert desk.objects() == held


def test_a_list_in_another_order_is_no_news(desk: DirectoryDesk) -> None:
    desk.copy()
    held, someone, some = desk.objects(), desk.expected.users[0], desk.expected.groups[1]
    turned = list(reversed(someone["proxyAddresses"]))
    synced = "2026-01-01T00:30:00Z"
    change = {"proxyAddresses": turned, "onPremisesLastSyncDateTime": synced}
    rows = [
        {"kind": "user", "op": "update", "id": someone["id"], "set": change},
        {"kind": "group", "op": "members", "id": some["id"], "set": list(reversed(some["_members"]))},
    ]
    desk.tenant.control("POST", "changes", b"\n".join(json.dumps(row).encode() for row in rows))
    desk.copy()
    assert desk.objects() == held


LACKING = [
    ("Group.Read.All", "folder", "groups", 0),
    ("LicenseAssignment.Read.All", "folder", "licences", 0),
    ("Domain.Read.All", "folder", "domains", 0),
    ("TermStore.Read.All", "folder", "terms", 0),
    ("Member.Read.Hidden", "part", "members", 2),
]


@pytest.mark.parametrize(("role", "kind", "name", "number"), LACKING)
def test_what_may_not_be_read_is_an_exception_that_says_what_to_grant(
    data: Path, tmp_path: Path, role: str, kind: str, name: str, number: int
) -> None:
    roles = {role} | ({"Organization.Read.All"} if role == "LicenseAssignment.Read.All" else set())
    with directory_desk(data, tmp_path / "product") as desk:
        desk.lacks(*roles)
        if role == "Group.Read.All":
            desk.expected.groups, groups = [], desk.expected.groups
        desk.expected.hidden = {
            one["id"] for one in desk.expected.groups if one.get("visibility") == "HiddenMembership"
        }
        if role not in ("Group.Read.All", "Member.Read.Hidden"):
            desk.expected.hidden = set()
        result = desk.run("export", "--json")
        if (
            role == "LicenseAssignment.Read.All"
        ):  # nobody may say whose tenant it is then: that is asked before all else
            assert result.code == 3, result.err
        document = result.document
        assert result.code == 3, result.err
        row = desk.rows(kind)[name]
        assert (row["outcome"], row["code"]) == ("excepted", "access_denied") and role in row["reason"], row
        states = {one["class"]: one["state"] for one in document["sources"][0]["coverage"]}
        main = "term_store" if role == "TermStore.Read.All" else "directory"
        assert states[main] != "covered", states
        told = desk.run("check", "--json").document
        assert any(role in one["message"] and "missing" in one["message"] for one in told["checks"])
        desk.run("accept", "access_denied", "--source", "directory", "--by", "Ada", "--reason", "never needed", code=0)
        desk.run("export", "--json", code=0)
        desk.lacks()
        if role == "Group.Read.All":
            desk.expected.groups = groups
        desk.expected.hidden = set()
        desk.copy()
        assert desk.rows(kind)[name]["outcome"] == "copied"
        desk.check_bag()
        if number:
            assert len(desk.rows("part")) == number
