"""Pages of sites as the rehearsal serves them, over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.rehearsal.client import Client, running
from tests.unit.rehearsal.test_rehearsal_mail import error, needs_fixtures, shape

CAST = "microsoft.graph.sitePage"


@pytest.fixture
def client(tenant_folder: Path) -> Iterator[Client]:
    with running(tenant_folder) as found:
        yield found


def site_of(client: Client, number: int = 1) -> str:
    return f"/sites/{client.rehearsal.tenant.sites[number]['id']}"


def test_a_listing_has_pages_without_their_canvas_at_two_units(client: Client) -> None:
    rows = client.get(f"{site_of(client)}/pages")["value"]
    truth = client.control("GET", "truth/pages/s0001")
    assert [row["id"] for row in rows] == [row["id"] for row in truth] and len(rows) == 2
    assert all("canvasLayout" not in row and "_file" not in row for row in rows)
    assert rows[0]["@odata.type"] == f"#{CAST}" and rows[0]["eTag"]
    assert client.get(f"{site_of(client)}/pages/{CAST}")["value"] == rows
    chosen = client.get(f"{site_of(client)}/pages?$select=id,title&$top=1")
    assert chosen["value"] == [{key: rows[0][key] for key in ("@odata.type", "id", "title")}]
    assert client.get(chosen["@odata.nextLink"])["value"][0]["id"] == rows[1]["id"]
    assert {row["cost"] for row in client.control("GET", "requests") if "pages" in row["route"]} == {2}


def test_a_page_has_its_canvas_where_it_is_expanded_at_one_unit(client: Client) -> None:
    truth = client.control("GET", "truth/pages/s0001")[0]
    path = f"{site_of(client)}/pages/{truth['id']}"
    assert client.get(f"{path}/{CAST}?$expand=canvasLayout")["canvasLayout"] == truth["canvasLayout"]
    assert "canvasLayout" not in client.get(f"{path}/{CAST}") and client.get(path)["title"] == truth["title"]
    assert error(client, f"{path}/{CAST}?$expand=webParts")[0] == 400
    assert error(client, f"{site_of(client)}/pages/none/{CAST}") == (404, "itemNotFound")
    assert {row["cost"] for row in client.control("GET", "requests") if row["status"] == 200} == {0, 1}


def test_pages_take_the_permission_of_sites(client: Client) -> None:
    client.control("POST", "settings", {"roles": ["Files.Read.All"]})
    assert error(client, f"{site_of(client)}/pages")[0] == 403


@needs_fixtures
def test_a_page_has_the_shape_of_the_service(client: Client) -> None:
    page = client.get(f"{site_of(client)}/pages")["value"][0]
    assert set(shape("sites/pages.json")["value"][0]) <= set(page)
    found = client.get(f"{site_of(client)}/pages/{page['id']}/{CAST}?$expand=canvasLayout")
    wanted = shape("sites/sitePage-canvasLayout.json")
    assert set(wanted) <= set(found)
    section, told = found["canvasLayout"]["horizontalSections"][0], wanted["canvasLayout"]["horizontalSections"][0]
    assert set(told) <= set(section) and set(told["columns"][0]) <= set(section["columns"][0])


def test_changes_of_pages_are_those_of_their_files(client: Client) -> None:
    folder = client.rehearsal.tenant.sites[1]["_drives"][2]
    home, other = client.control("GET", "truth/pages/s0001")
    canvas = {"horizontalSections": [], "verticalSection": None}
    done = client.change(
        {"kind": "page", "site": "s0001", "op": "edit", "id": home["id"], "set": {"title": "Wall"}},
        {"kind": "page", "site": "s0001", "op": "rename", "id": home["id"], "name": "Start.aspx"},
        {"kind": "page", "site": "s0001", "op": "delete", "id": other["id"]},
        {"kind": "page", "site": "s0001", "op": "delete", "id": other["id"]},
        {"kind": "page", "site": "s0001", "op": "create", "name": other["name"], "canvasLayout": canvas},
    )
    assert done == {"page-create": 1, "page-delete": 1, "page-edit": 1, "page-rename": 1, "skipped": 1}
    start, new = client.control("GET", "truth/pages/s0001")
    assert (start["id"], start["name"], start["title"]) == (home["id"], "Start.aspx", "Wall")
    assert start["eTag"] != home["eTag"] and start["lastModifiedDateTime"] > home["lastModifiedDateTime"]
    assert new["name"] == other["name"] and new["id"] != other["id"]
    files = client.truth(folder.partition("/")[2])
    assert files[home["_file"]]["name"] == "Start.aspx" and other["_file"] not in files
    assert files[new["_file"]]["name"] == other["name"]
    answer = client.send(
        "POST", f"{client.info['control']}/changes", data=b'{"kind":"page","site":"s0001","op":"fold"}\n'
    )
    assert answer.status_code == 400
