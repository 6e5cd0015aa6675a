"""Sites of the simulated tenant: what lists them, how they are addressed, what a closed one refuses, and changes to them."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.unit.rehearsal.client import Client, Row, running

WALL = "/sites/harbour-wall"


@pytest.fixture
def client(tenant_folder: Path) -> Iterator[Client]:
    with running(tenant_folder, throttling=False) as found:
        yield found


def everything(client: Client) -> list[Row]:
    return [row for page in client.pages("/sites/getAllSites") for row in page]


def site_ids(client: Client) -> dict[str, str]:
    return {row["path"]: row["id"] for row in client.control("GET", "truth")["sites"]}


def change(client: Client, **row: object) -> Row:
    return client.change({"kind": "site", **row})


def test_all_collections_are_listed_and_subsites_below_their_parent(client: Client) -> None:
    team = {
        row["webUrl"].partition(".example")[2] or "/": row for row in everything(client) if not row["isPersonalSite"]
    }
    assert set(team) == {"/", WALL}
    assert team["/"]["siteCollection"]["root"] == {} and "root" not in team[WALL]["siteCollection"]
    below = client.get(f"/sites/{team[WALL]['id']}/sites")["value"]
    assert [row["webUrl"].partition(".example")[2] for row in below] == [f"{WALL}/survey"]
    assert below[0]["id"].split(",")[1] == team[WALL]["id"].split(",")[1] and "siteCollection" not in below[0]
    assert client.get(f"/sites/{below[0]['id']}/sites")["value"] == []
    assert not any(key.startswith("_") for row in [*team.values(), *below] for key in row)


def test_a_site_is_found_by_its_address_and_by_its_group(client: Client) -> None:
    ids, host = site_ids(client), "willowmere.sharepoint.example"
    assert client.get("/sites/root")["id"] == client.get(f"/sites/{host}")["id"] == ids["/"]
    assert client.get(f"/sites/{host}:{WALL}")["id"] == ids[WALL]
    assert client.get(f"/sites/{host}:{WALL}/survey:/drive")["driveType"] == "documentLibrary"
    assert client.raw(f"/sites/{host}:/sites/nobody").status_code == 404
    groups = {row["displayName"]: row["id"] for row in client.get("/groups")["value"]}
    assert client.get(f"/groups/{groups['Harbour wall']}/sites/root")["id"] == ids[WALL]
    assert client.raw(f"/groups/{groups['Door keys']}/sites/root").status_code == 404


def test_a_site_has_its_libraries(client: Client) -> None:
    path = f"/sites/{site_ids(client)[WALL]}/drives"
    assert [row["name"] for row in client.get(path)["value"]] == ["Documents", "Site Assets"]
    drives = client.get(f"{path}?$select=name,owner,system")["value"]
    assert [row["name"] for row in drives] == ["Documents", "Site Assets", "Site Pages"] and "system" in drives[2]
    assert drives[0]["owner"]["group"]["email"] == "harbour.wall@willowmere.example"


def test_q060_a_locked_site_refuses_all_and_an_archived_one_says_what_it_is(client: Client) -> None:
    ids = site_ids(client)
    site, drive = f"/sites/{ids[WALL]}", client.get(f"/sites/{ids[WALL]}/drive")["id"]
    inside = [
        f"{site}/drives",
        f"{site}/sites",
        f"/drives/{drive}/root/delta",
        f"/sites/{ids[f'{WALL}/survey']}/drives",
    ]
    change(client, id=ids[WALL], op="lock")
    answers = [client.raw(path) for path in (site, *inside)]
    assert {answer.status_code for answer in answers} == {423}
    assert answers[0].json()["error"]["code"] == "notAllowed"
    assert ids[WALL] in [row["id"] for row in everything(client)]
    change(client, id=ids[WALL], op="archive")
    assert {client.raw(path).status_code for path in inside} == {423}
    told = client.get(f"{site}?$select=siteCollection")["siteCollection"]
    assert told["archivalDetails"] == {"archiveStatus": "fullyArchived"}
    change(client, id=ids[WALL], op="open")
    assert {client.raw(path).status_code for path in (site, *inside)} == {200}


def test_q060_a_personal_site_can_be_archived_too(client: Client) -> None:
    personal = next(row for row in everything(client) if row["isPersonalSite"])
    assert client.raw("/users/ottilie.brandvold@willowmere.example/drive").status_code == 200
    change(client, id=personal["id"], op="archive")
    assert client.raw("/users/ottilie.brandvold@willowmere.example/drive").status_code == 423
    assert client.raw(f"/sites/{personal['id']}/drive").status_code == 423


def test_a_renamed_site_takes_its_subsites_along(client: Client) -> None:
    ids = site_ids(client)
    change(client, id=ids[WALL], op="rename", path="/sites/wall", displayName="The wall")
    assert site_ids(client) == {**{k: v for k, v in ids.items() if not k.startswith(WALL)}} | {
        "/sites/wall": ids[WALL],
        "/sites/wall/survey": ids[f"{WALL}/survey"],
    }
    assert client.get(f"/sites/{ids[WALL]}")["displayName"] == "The wall"
    drive = client.get(f"/sites/{ids[f'{WALL}/survey']}/drive")
    assert drive["webUrl"].endswith("/sites/wall/survey/Shared%20Documents")


def test_sites_come_and_go(client: Client) -> None:
    ids = site_ids(client)
    new = {"id": f"{ids[WALL].rpartition(',')[0]},6f9230af-2a98-4952-b205-9ede4f9ef548", "name": "data"}
    url = f"https://willowmere.sharepoint.example{WALL}/data"
    row = {**new, "webUrl": url, "displayName": "Data", "_path": f"{WALL}/data", "_parent": ids[WALL], "_drives": []}
    change(client, op="create", site=row)
    assert len(client.get(f"/sites/{ids[WALL]}/sites")["value"]) == 2
    drive = client.get(f"/sites/{ids[WALL]}/drive")["id"]
    assert change(client, id=ids[WALL], op="delete") == {"site-delete": 1}
    assert client.raw(f"/sites/{ids[WALL]}").status_code == 404
    assert client.raw(f"/drives/{quote(drive)}/root/delta").status_code == 404
    assert [path for path in site_ids(client) if path.startswith("/sites/")] == []
    assert change(client, id=ids[WALL], op="lock") == {"skipped": 1}
