"""Who can see sites, lists and items, as the rehearsal serves it: on Graph, and by SharePoint's own API."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.clock import SystemClock
from exporters.graph.errors import PermissionMissingError
from exporters.graph.rest import SharePointRest
from tests.unit.graph.list_tenant import session_at
from tests.unit.rehearsal.client import Client, running
from tests.unit.rehearsal.test_rehearsal_mail import error

Row = dict[str, Any]
UNIQUE = "?$select=Id,HasUniqueRoleAssignments&$top=5000"


@pytest.fixture
def client(tenant_folder: Path) -> Iterator[Client]:
    with running(tenant_folder) as found:
        yield found


def site_of(client: Client, number: int = 1) -> Row:
    found: Row = client.rehearsal.tenant.sites[number]
    return found


def issues(client: Client, number: int = 1) -> str:
    """The id of a list with items."""
    site = site_of(client, number)
    return next(one.id for one in client.rehearsal.tenant.lists_of(site).all() if one.info["displayName"] == "Issues")


def test_grants_of_a_site_are_told_to_full_control_alone_and_not_of_subsites(client: Client) -> None:
    path = f"/sites/{site_of(client)['id']}/permissions"
    assert error(client, path)[0] == 403
    client.control("POST", "settings", {"roles": ["Sites.FullControl.All"]})
    client.token = ""
    assert client.get(path)["value"] == site_of(client)["_permissions"]
    assert error(client, f"/sites/{site_of(client, 2)['id']}/permissions") == (400, "invalidRequest")


def test_lists_and_items_say_who_can_see_them_at_five_units(client: Client) -> None:
    one = f"/sites/{site_of(client)['id']}/lists/{issues(client)}"
    of_list = client.get(f"{one}/permissions")["value"]
    assert [permission["roles"] for permission in of_list] == [["owner"], ["write"], ["read"]]
    inherited = client.get(f"{one}/items/1/permissions")["value"]
    assert [row["roles"] for row in inherited] == [row["roles"] for row in of_list]
    assert all("inheritedFrom" in row for row in inherited)
    (own,) = client.get(f"{one}/items/2/permissions")["value"]
    assert own["roles"] == ["read"] and "inheritedFrom" not in own
    assert error(client, f"{one}/items/999/permissions") == (404, "itemNotFound")
    costs = {row["cost"] for row in client.control("GET", "requests") if row["route"].endswith("permissions")}
    assert costs == {5}


def test_rest_tells_groups_roles_and_unique_items_to_a_certificate(client: Client) -> None:
    with session_at(client, SystemClock()) as graph:
        rest = SharePointRest(graph, site_of(client)["webUrl"])
        groups = rest.rows("/web/sitegroups?$expand=Users")
        assert [group["Id"] for group in groups] == [3, 4, 5] and all(group["Users"] for group in groups)
        roles = rest.rows("/web/roleassignments?$expand=Member,RoleDefinitionBindings")
        assert [role["RoleDefinitionBindings"][0]["Name"] for role in roles] == ["Full Control", "Edit", "Read"]
        client.control("POST", "settings", {"lists_page": 5})
        rows = rest.rows(f"/web/lists(guid'{issues(client)}')/items{UNIQUE}")
        assert len(rows) == 12 and [row["Id"] for row in rows if row["HasUniqueRoleAssignments"]] == [2]


def test_rest_refuses_a_secret(client: Client) -> None:
    with session_at(client, SystemClock(), has_certificate=False) as graph:
        rest = SharePointRest(graph, site_of(client)["webUrl"])
        with pytest.raises(PermissionMissingError):
            rest.rows("/web/sitegroups?$expand=Users")
