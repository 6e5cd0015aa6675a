"""The directory as the rehearsal serves it, over HTTP: groups of all kinds, members, counts, roles, what was deleted, terms."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.rehearsal.service import DEFAULT_ROLES
from tests.unit.rehearsal.client import Client, running
from tests.unit.rehearsal.test_rehearsal_mail import error, needs_fixtures, shape

EVENTUAL = {"ConsistencyLevel": "eventual"}
DELETED = "/directory/deletedItems/microsoft.graph"
STORE = "/sites/root/termStore"


@pytest.fixture
def client(tenant_folder: Path) -> Iterator[Client]:
    with running(tenant_folder) as found:
        yield found


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


def all_of(client: Client, link: str) -> list[dict[str, Any]]:
    return [row for page in client.pages(link) for row in page]


def test_groups_of_all_kinds(client: Client) -> None:
    rows = {row["displayName"]: row for row in all_of(client, "/groups?$top=2")}
    assert len(rows) == 6
    kinds = {name: (row["groupTypes"], row["mailEnabled"], row["securityEnabled"]) for name, row in rows.items()}
    assert kinds["Harbour wall"] == (["Unified"], True, False)
    assert kinds["Door keys"] == ([], False, True)
    assert kinds["Sales, München"] == ([], True, False)


def test_members_come_in_pages_with_their_types_and_owners_apart(client: Client) -> None:
    everyone = next(row for row in all_of(client, "/groups") if row["displayName"].startswith("Everyone"))
    link = f"/groups/{everyone['id']}"
    rows = all_of(client, f"{link}/members?$select=id,displayName,userPrincipalName&$top=5")
    kinds = [row["@odata.type"].rpartition(".")[2] for row in rows]
    assert kinds == ["user"] * 12 + ["group"] and rows[-1]["displayName"] == "Door keys"
    assert ids(rows)[:12] == ids(all_of(client, "/users?$select=id"))
    assert ids(all_of(client, f"{link}/owners")) == ids(rows)[:1]
    for path, number in (("members", 13), ("owners", 1)):
        assert client.raw(f"{link}/{path}/$count", **EVENTUAL).text == str(number)


@pytest.mark.parametrize(
    ("path", "number"), [("/users", 12), ("/groups", 6), (f"{DELETED}.user", 1), (f"{DELETED}.group", 0)]
)
def test_counts_are_text_and_want_their_header(client: Client, path: str, number: int) -> None:
    answer = client.raw(f"{path}/$count", **EVENTUAL)
    assert (answer.text, answer.headers["Content-Type"]) == (str(number), "text/plain")
    assert error(client, f"{path}/$count") == (400, "Request_UnsupportedQuery")
    assert len(all_of(client, path)) == number


def test_what_is_deleted_is_listed_elsewhere_under_its_id(client: Client) -> None:
    user, group = client.get("/users?$select=id,userPrincipalName")["value"][8], client.get("/groups")["value"][1]
    done = client.change(
        {"kind": "user", "op": "delete", "id": user["id"]}, {"kind": "group", "op": "delete", "id": group["id"]}
    )
    assert done == {"group-delete": 1, "user-delete": 1}
    row = next(row for row in client.get(f"{DELETED}.user")["value"] if row["id"] == user["id"])
    assert row["userPrincipalName"] == user["id"].replace("-", "") + user["userPrincipalName"]
    assert ids(client.get(f"{DELETED}.group")["value"]) == [group["id"]]
    assert group["id"] not in ids(all_of(client, "/groups"))
    assert error(client, f"/users/{user['id']}")[0] == 404
    assert client.change({"kind": "user", "op": "purge", "id": user["id"]}) == {"user-purge": 1}
    assert user["id"] not in ids(client.get(f"{DELETED}.user")["value"])


def test_changes_of_groups_and_users(client: Client) -> None:
    people = ids(client.get("/users?$select=id")["value"])
    group = client.get("/groups")["value"][1]["id"]
    client.change({"kind": "group", "op": "members", "id": group, "set": people[3:6], "owners": people[6:7]})
    client.change({"kind": "group", "op": "create", "group": {"id": people[0][::-1], "displayName": "New"}})
    client.change({"kind": "user", "op": "update", "id": people[0], "set": {"jobTitle": "Diver"}})
    assert ids(client.get(f"/groups/{group}/members")["value"]) == people[3:6]
    assert ids(client.get(f"/groups/{group}/owners")["value"]) == people[6:7]
    assert client.get("/groups")["value"][-1]["displayName"] == "New"
    assert client.get(f"/users/{people[0]}?$select=jobTitle")["jobTitle"] == "Diver"


def test_roles_by_their_id_and_by_their_template(client: Client) -> None:
    first = client.get("/directoryRoles")["value"][0]
    by_template = f"/directoryRoles(roleTemplateId='{first['roleTemplateId']}')"
    members = client.get(f"/directoryRoles/{first['id']}/members")["value"]
    assert client.get(f"{by_template}/members")["value"] == members and len(members) == 1
    assert error(client, "/directoryRoles/nothing/members") == (404, "Request_ResourceNotFound")


def test_terms_level_by_level(client: Client) -> None:
    assert client.get(STORE)["languageTags"] == ["en-US", "de-DE"]
    group = client.get(f"{STORE}/groups")["value"][0]
    (found,) = client.get(f"{STORE}/groups/{group['id']}/sets")["value"]
    link, seen = f"{STORE}/sets/{found['id']}", []
    waiting = [f"{link}/children"]
    while waiting:
        rows = client.get(waiting.pop())["value"]
        seen += [row["labels"][0]["name"] for row in rows]
        waiting += [f"{link}/terms/{row['id']}/children" for row in rows]
    assert sorted(seen) == ["Asia / Pacific", "Europe", "Kreis 5", "Utrecht", "Zürich"]
    assert error(client, f"{STORE}/sets/nothing/children")[0] == 404


@pytest.mark.parametrize(
    ("role", "path", "code"),
    [
        ("Group.Read.All", "/groups/$count", "Authorization_RequestDenied"),
        ("RoleManagement.Read.Directory", "/directoryRoles", "Authorization_RequestDenied"),
        ("TermStore.Read.All", STORE, "accessDenied"),
        ("User.Read.All", f"{DELETED}.user", "Authorization_RequestDenied"),
        ("Member.Read.Hidden", "hidden", "Authorization_RequestDenied"),
    ],
)
def test_what_takes_which_permission(client: Client, role: str, path: str, code: str) -> None:
    if path == "hidden":
        hidden = next(row["id"] for row in all_of(client, "/groups") if row.get("visibility") == "HiddenMembership")
        path = f"/groups/{hidden}/members"
    client.control("POST", "settings", {"roles": sorted(DEFAULT_ROLES - {role})})
    client.token = ""
    assert error(client, path, **(EVENTUAL if path.endswith("count") else {})) == (403, code)


@needs_fixtures
@pytest.mark.parametrize(
    ("path", "fixture"),
    [
        ("/directoryRoles", "directoryRoles"),
        (f"{DELETED}.user", "deletedItems-users"),
        ("/directoryRoles(roleTemplateId='62e90394-69f5-4237-9190-012177145e10')/members", "directoryRole-members"),
    ],
)
def test_the_directory_has_the_shape_of_the_fixtures(client: Client, path: str, fixture: str) -> None:
    assert set(shape(f"directory/{fixture}.json")["value"][0]) <= set(client.get(path)["value"][0])
