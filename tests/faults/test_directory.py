"""The bag of the directory: first copy, nothing new, changes, what may not be read, what vanishes, and what the service hides."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.desk import problems, rule
from tests.faults.directory_desk import (
    AT,
    DOMAIN,
    ODD_NAMES,
    DirectoryDesk,
    apply,
    directory_desk,
    group,
    guid,
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
    (terms,) = (row for row in source["coverage"] if row["class"] == "term_store")
    assert "one site collection" in terms["reason"]
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


# ------------------------------------------------------------------------------------------------- whole and proven


def test_a_user_that_a_page_leaves_out_is_found_by_the_count(desk: DirectoryDesk) -> None:
    """Listed again at once; nobody is missing, and nobody is called gone."""
    desk.tenant.faults(rule("missing-row", "users", index=3, count=1))
    desk.copy()
    assert desk.asked()["users"] == 2
    desk.check_bag()
    desk.tenant.faults(rule("missing-row", "users", index=3, count=1))
    desk.copy()
    assert desk.rows("version") == {}


def test_a_listing_that_never_has_all_is_no_whole_copy(desk: DirectoryDesk) -> None:
    """The service counts one more, however often it is asked: exit 3, until the counts agree."""
    desk.tenant.faults(rule("missing-row", "users", index=3))
    result = desk.run("export", "--json", code=3)
    assert problems(result.document) == {"not_reconciled", "folders_not_listed"}
    assert desk.asked()["users"] == 3
    assert not desk.run("verify", "--json", code=3).document["reconciled"]
    desk.tenant.faults()
    desk.copy()
    desk.check_bag()


def test_who_is_left_out_by_a_listing_is_not_gone(desk: DirectoryDesk) -> None:
    """The count says that the listing is not the whole: what we hold stays, and the run says that it may have changed."""
    desk.copy()
    held = desk.objects()
    desk.tenant.faults(rule("missing-row", "users", index=3))
    document = desk.run("export", "--json", code=3).document
    assert problems(document) == {"folders_not_listed"}
    assert desk.objects() == held and document["totals"]["gone"] == 0
    desk.tenant.faults()
    desk.copy()
    desk.check_bag()


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 400, "code": "Request_UnsupportedQuery"},
        {"status": 200, "body": "thirty-one"},
        {"status": 200, "body": "-1"},
    ],
)
def test_a_count_that_is_not_told_is_said_and_no_finding(desk: DirectoryDesk, answer: dict[str, object]) -> None:
    desk.tenant.faults(rule("status", "re:count$", **answer))
    desk.copy()
    told = json.loads((desk.store / "directory/lastcopy/reconciliation.json").read_bytes())["independent"]
    assert told[0]["unavailable"] == {"folder": 10} and told[0]["verdict"] == "unavailable"
    desk.check_bag()


def test_a_count_may_begin_with_a_byte_order_mark(desk: DirectoryDesk) -> None:
    desk.tenant.faults(rule("status", "users/$count", status=200, body="\ufeff30\r\n"))
    desk.copy()
    assert desk.rows("folder")["users"]["service"]["totalItemCount"] == 30


def test_what_comes_without_an_id_is_a_finding(desk: DirectoryDesk) -> None:
    desk.copy()
    gone, odd = [{"at": "value/0/id", "drop": True}], [{"at": "value/0/id", "to": "a\nb"}]
    desk.tenant.faults(
        rule("edit", "subscribedSkus", edits=odd, after=1), rule("edit", "re:children$", edits=gone, count=1)
    )
    document = desk.run("export", "--json", code=3).document
    assert "item_without_id" in problems(document) and document["exceptions"] == {"refused": 1}
    assert document["totals"]["gone"] == 0  # nothing that may just have lost its id is called gone
    desk.tenant.faults()
    desk.copy()
    desk.check_bag()


def test_a_big_group_comes_in_pages_and_is_counted(tmp_path: Path) -> None:
    data = make(tmp_path / "tenant", people=6, big=2_500)
    with directory_desk(data, tmp_path / "product") as desk:
        desk.copy()
        asked = desk.asked()
        assert asked["groups/{group}/members"] == len(desk.expected.groups) + 2
        assert (
            asked["groups/{group}/members/$count"] == 2
        )  # of the one that has several pages, and of one that is empty
        line = line_of(desk.store / "directory", desk.rows("group")[guid("group", 5)])
        assert len(line["members"]) == 2_500
        desk.tenant.faults(rule("missing-row", "groups/{group}/members", index=3, after=5))
        document = desk.run("export", "--json", code=3).document
        assert document["exceptions"].keys() == {"content_unstable"}  # of those that lost their only member, too
        desk.tenant.faults()
        desk.copy()
        desk.check_bag()


def test_members_that_come_empty_are_counted_and_asked_for_again(desk: DirectoryDesk) -> None:
    desk.tenant.faults(rule("edit", "groups/{group}/members", edits=[{"at": "value", "to": []}], count=1))
    desk.copy()
    assert desk.tenant.fired() == 1
    desk.check_bag()


def test_very_many_that_vanish_at_once_are_not_called_gone(tmp_path: Path) -> None:
    data = make(tmp_path / "tenant", people=130)
    with directory_desk(data, tmp_path / "product") as desk:
        desk.copy()
        held = desk.objects()
        left = [one["id"] for one in desk.expected.users[:105]]
        desk.change(*({"kind": "user", "op": op, "id": one} for one in left for op in ("delete", "purge")))
        document = desk.run("export", "--json", code=3).document
        assert {"mass_disappearance", "not_reconciled"} <= problems(document)
        assert document["totals"]["gone"] == 0 and len(desk.rows("user")) == 131
        assert desk.objects()["directory/users.csv"] == held["directory/users.csv"]
        for code in ("mass_disappearance", "not_reconciled"):
            desk.run("accept", code, "--source", "directory", "--by", "Ada", "--reason", "they left", code=0)
        document = desk.copy()
        assert document["totals"]["gone"] == 105
        desk.check_bag()


# ------------------------------------------------------------------------------------------------ odd tenants, odd clouds


def test_a_cloud_that_knows_fewer_properties_gives_what_it_has(desk: DirectoryDesk) -> None:
    desk.tenant.faults(
        rule("status", "users", count=1, **BAD_PROPERTY), rule("status", "groups", count=1, **BAD_PROPERTY)
    )
    document = desk.run("export", "--json", code=0).document
    (row,) = [one for one in document["sources"][0]["coverage"] if one["class"] == "directory"]
    assert row["state"] == "covered" and "groups, users" in row["reason"]
    assert len(desk.rows("user")) == 31


def test_what_a_cloud_does_not_have_is_no_exception(desk: DirectoryDesk) -> None:
    missing = {"status": 400, "code": "BadRequest", "message": "Resource not found for the segment 'termStore'."}
    desk.tenant.faults(rule("status", "sites/{site}/termStore", **missing), rule("status", "directoryRoles", **missing))
    document = desk.copy()
    states = {one["class"]: one["state"] for one in document["sources"][0]["coverage"]}
    assert states == {"directory": "covered", "term_store": "never possible", "directory_roles": "never possible"}
    desk.check_bag()
    desk.tenant.faults()
    desk.copy()
    assert len(desk.rows("term")) == 8


def test_roles_are_taken_where_they_may_be_read(desk: DirectoryDesk) -> None:
    desk.lacks("RoleManagement.Read.Directory")
    document = desk.copy()
    states = {one["class"]: one["state"] for one in document["sources"][0]["coverage"]}
    assert states["directory_roles"] == "not reachable" and states["directory"] == "covered"
    desk.lacks()
    desk.copy()
    desk.lacks("RoleManagement.Read.Directory")  # what was once read, and is refused now, is a finding
    desk.run("export", "--json", code=3)
    assert desk.rows("role") and all(row["outcome"] == "copied" for row in desk.rows("role").values())
    desk.check_bag()


def test_one_thing_that_fails_does_not_stop_the_others(desk: DirectoryDesk) -> None:
    """Members of one group end in errors, the domains cannot be listed at all."""
    broken = desk.expected.groups[1]["id"]
    desk.tenant.faults(
        rule("500", f"groups/{broken}/members"),
        rule("status", "domains", status=403, code="Authorization_RequestDenied"),
    )
    desk.expected.hidden = {broken}
    document = desk.run("export", "--json", code=3).document
    assert document["exceptions"] == {"access_denied": 1, "download_failed": 1}
    assert len(desk.rows("user")) == 31 and len(desk.rows("term")) == 8
    desk.tenant.faults()
    desk.expected.hidden = set()
    desk.copy()
    desk.check_bag()


def test_a_user_who_is_deleted_while_the_directory_is_listed_stands_where_it_went(desk: DirectoryDesk) -> None:
    left = desk.expected.users[4]["id"]
    change = {"kind": "user", "op": "delete", "id": left}
    desk.tenant.faults(rule("change", "groups", count=1, changes=[change]))
    desk.run("export", "--json")
    desk.change({"kind": "user", "op": "update", "id": desk.expected.users[5]["id"], "set": {}})
    apply(desk.expected, change)
    desk.tenant.faults()
    desk.copy()
    assert desk.rows("user")[left]["parent"] == "deleted_users"
    desk.check_bag()


def test_cells_that_look_like_formulas_are_text(desk: DirectoryDesk) -> None:
    desk.copy()
    users = {row["id"]: row for row in table(desk.store / "directory", "users.csv")}
    for number, name in enumerate(ODD_NAMES):
        cell = users[guid("user", number)]["displayName"]
        told = name.encode("utf-8", "replace").decode()
        assert cell == (f"'{told}" if name[0] in "=+-@\t\r" else told)
    assert users[guid("user", 0)]["createdDateTime"] == AT and users[guid("user", 0)]["licences"] == "SPE_E3"
    groups = {row["id"]: row for row in table(desk.store / "directory", "groups.csv")}
    assert groups[guid("group", 1)]["displayName"] == "'=HYPERLINK(1)"
    assert (groups[guid("group", 1)]["members"], groups[guid("group", 1)]["owners"]) == ("8", "1")


def test_it_is_restored_folded_and_named_alone(desk: DirectoryDesk, tmp_path: Path) -> None:
    desk.copy(0, "--source", "directory/directory")
    desk.run("fold", "--json", code=0)
    desk.run("restore", "--to", str(tmp_path / "out"), "--source", "directory", "--json", code=0)
    out = tmp_path / "out/directory"
    person = json.loads((out / f"users/p7@{DOMAIN}.json").read_bytes())
    assert person["graph"]["displayName"] == ODD_NAMES[7]
    assert (out / "users.csv").read_bytes() == desk.objects()["directory/users.csv"]
    assert len(list((out / "groups").iterdir())) == len(desk.expected.groups)


def test_verify_against_the_tenant_tells_what_is_not_as_it_was(desk: DirectoryDesk) -> None:
    desk.copy()
    (told,) = desk.run("verify", "--against-tenant", "--json", code=0).document["against_tenant"]
    assert told["listed"] == 50 and not (told["missing"] or told["changed"] or told["unexpected"]), told
    desk.change(
        {"kind": "user", "op": "update", "id": desk.expected.users[1]["id"], "set": {"jobTitle": "Diver"}},
        {"kind": "user", "op": "create", "user": user(70)},
        {"kind": "group", "op": "delete", "id": desk.expected.groups[2]["id"]},
        {"kind": "group", "op": "purge", "id": desk.expected.groups[2]["id"]},
        {"kind": "group", "op": "members", "id": desk.expected.groups[3]["id"], "set": [guid("user", 3)]},
    )
    (told,) = desk.run("verify", "--against-tenant", "--json", code=3).document["against_tenant"]
    assert (told["missing"], told["changed"], told["unexpected"]) == (1, 3, 1), told  # and a licence is in use
    desk.lacks("Group.Read.All")
    (told,) = desk.run("verify", "--against-tenant", "--json", code=3).document["against_tenant"]
    assert "Group.Read.All" in told["problem"]


DENIED = {"status": 403, "code": "Authorization_RequestDenied"}


def test_users_that_were_read_and_may_not_be_any_more_stay_and_are_a_finding(desk: DirectoryDesk) -> None:
    desk.copy()
    held = desk.objects()
    desk.tenant.faults(rule("status", "users", **DENIED))
    document = desk.run("export", "--json", code=3).document
    row = desk.rows("folder")["users"]
    assert (row["code"], document["totals"]["gone"]) == ("access_denied", 0) and "User.Read.All" in row["reason"]
    assert desk.objects() == held
    assert len([one for one in desk.rows("user").values() if one["outcome"] == "copied"]) == 31
    found = row["captured"], row["run"]
    desk.run("export", "--json", code=3)  # the exception stands as it was found
    row = desk.rows("folder")["users"]
    assert (row["captured"], row["run"]) == found
    desk.tenant.faults()
    desk.copy()
    desk.check_bag()


def test_a_directory_that_refuses_everything_is_a_source_that_refuses(desk: DirectoryDesk) -> None:
    desk.copy()
    held = desk.objects()
    refused = "re:^/(organization|subscribedSkus|directory|domains|users|groups|directoryRoles|sites)"
    desk.tenant.faults(
        rule("status", refused, after=2, **DENIED)
    )  # whose tenant it is, and its licences, are asked first
    document = desk.run("export", "--json", code=3).document
    assert {"permission_missing", "mass_disappearance"} <= problems(document)
    assert desk.objects() == held
    desk.tenant.faults()
    desk.copy()
    desk.check_bag()


def test_throttling_and_pages_that_break_off_are_got_over(desk: DirectoryDesk) -> None:
    desk.tenant.faults(
        rule("429", "users", count=1, block=False),
        rule("truncated-json", "groups/{group}/members", count=3),
        rule("duplicate-rows", "groups", count=1),
        rule("empty-page", "users", count=1),
        rule("503", "sites/{site}/termStore/groups", count=1, block=False),
    )
    desk.copy()
    desk.check_bag()
