"""Directory, drives, delta, content and batch of the rehearsal tenant, and how strict it is (graph.md 3, 5, 6, 8, 12)."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.rehearsal.generate import generate
from exporters.rehearsal.service import Settings
from tests.unit.rehearsal.client import Client, latest, paths, running

Row = dict[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("tenant") / "tenant")


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[Client]:
    """For what does not change the tenant."""
    with running(folder, settings=Settings(delta_page=10, users_page=5, children_page=4), throttling=False) as found:
        yield found


def drive_of(client: Client, number: int = 0) -> str:
    user = client.get("/users?$select=id,userPrincipalName&$top=12")["value"][number]
    drive_id: str = client.get(f"/users/{user['id']}/drive")["id"]
    return drive_id


def by_path(client: Client, path: str, drive: str = "u00000") -> Row:
    return next(row for row in client.truth(drive).values() if row["path"] == path)


def with_trait(client: Client, trait: str, drive: str = "u00000") -> Row:
    return next(row for row in client.truth(drive).values() if trait in row["traits"])


# --------------------------------------------------------------------------------------------------- directory


def test_users_page_by_default_and_all_come_once(client: Client) -> None:
    pages = list(client.pages("/users?$select=id,userPrincipalName,assignedPlans"))
    assert [len(page) for page in pages] == [5, 5, 2]
    assert len({user["id"] for page in pages for user in page}) == 12
    assert set(pages[0][0]) == {"id", "userPrincipalName", "assignedPlans"}
    assert "assignedLicenses" not in client.get("/users")["value"][0]  # the default projection is small


def test_a_user_by_id_and_by_name(client: Client) -> None:
    row = client.get("/users?$select=id,userPrincipalName")["value"][2]
    assert row["userPrincipalName"] == "maeve.o'dunlaing@willowmere.example"
    for name in (row["id"], row["userPrincipalName"], row["userPrincipalName"].upper().replace("'", "%27")):
        assert client.get(f"/users/{name}?$select=id")["id"] == row["id"]
    guest = client.get("/users/emeka_fabrikam.example%23EXT%23@willowmere.onmicrosoft.example?$select=userType")
    assert guest["userType"] == "Guest"
    assert "mailboxSettings" in client.get(f"/users/{row['id']}?$select=mailboxSettings")


def test_the_organisation_and_what_it_bought(client: Client) -> None:
    organisation = client.get("/organization")["value"][0]
    assert organisation["id"] == client.info["tenant"]
    assert [domain["name"] for domain in organisation["verifiedDomains"]] == [
        "willowmere.onmicrosoft.example",
        "willowmere.example",
    ]
    sku = client.get("/subscribedSkus")["value"][0]
    assert (sku["capabilityStatus"], sku["consumedUnits"], sku["prepaidUnits"]["enabled"]) == ("Enabled", 9, 25)
    subscription = client.get("/directory/subscriptions")["value"][0]
    assert client.get(f"/directory/subscriptions/{subscription['id']}")["skuId"] == sku["skuId"]
    commerce = subscription["commerceSubscriptionId"]
    assert client.get(f"/directory/subscriptions(commerceSubscriptionId='{commerce}')")["id"] == subscription["id"]


@pytest.mark.parametrize(
    "part", ["", "/serviceConfigurationRecords", "/verificationDnsRecords", "/domainNameReferences"]
)
def test_domains_and_their_records(client: Client, part: str) -> None:
    body = client.get(f"/domains/willowmere.example{part}")
    assert body["id"] == "willowmere.example" if not part else body["value"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/users/nobody@nowhere", 404, "Request_ResourceNotFound"),
        ("/users?$select=id,mailboxSettings", 501, "NotImplemented"),
        ("/users?$select=id,favouriteColour", 400, "BadRequest"),
        ("/users?$skip=5", 400, "BadRequest"),
        ("/users?$top=1000", 400, "BadRequest"),
        ("/users?$top=x", 400, "BadRequest"),
        ("/users?$top=3&$top=4", 400, "BadRequest"),
        ("/users?$select=id&frobnicate=1", 400, "BadRequest"),
        ("/users?$count=true", 400, "Request_UnsupportedQuery"),
        ("/users?$skiptoken=abc", 400, "invalidRequest"),
        ("/subscribedSkus?$filter=a", 400, "BadRequest"),
        ("/domains/elsewhere.example", 404, "Request_ResourceNotFound"),
        ("/planets", 400, "BadRequest"),
        ("/drives/b!none", 404, "itemNotFound"),
        ("/drives/b!none/root/delta", 404, "itemNotFound"),
    ],
)
def test_strict_about_what_it_does_not_know(client: Client, path: str, status: int, code: str) -> None:
    answer = client.raw(path)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert error["message"] and {"date", "request-id", "client-request-id"} <= error["innerError"].keys()


def test_q056_a_user_without_a_drive(client: Client) -> None:
    for user in ("noor.vanrietveld@willowmere.example", "frontdesk@willowmere.example"):
        answer = client.raw(f"/users/{user}/drive")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "ResourceNotFound")
        assert "mysite not found" in answer.json()["error"]["message"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_no_write_is_taken_and_each_is_marked(client: Client, method: str) -> None:
    drive = drive_of(client)
    client.control("POST", "reset-requests")
    answer = client.send(
        method, client.url(f"/drives/{drive}/root"), headers={"Authorization": f"Bearer {client.token}"}
    )
    assert answer.status_code == 405
    assert client.control("GET", "summary")["writes"] == 1
    assert client.control("GET", "requests")[-1]["marks"] == ["write"]


# ------------------------------------------------------------------------------------------------------- delta


def test_delta_from_scratch_is_the_whole_truth(client: Client) -> None:
    for number in (0, 1, 4):
        rows, _ = client.rounds(f"/drives/{drive_of(client, number)}/root/delta")
        tree, truth = latest(rows), client.truth(f"u{number:05}")
        assert paths(tree) == {item_id: row["path"] for item_id, row in truth.items()}
        for item_id, row in truth.items():
            served = tree[item_id]
            assert not [key for key in served if key.startswith("_")]
            if "childCount" in row and row["kind"] != "package":
                assert (served["folder"]["childCount"], served["size"]) == (row["childCount"], row["size"]), row["path"]
            if row["kind"] == "file":
                assert served["size"] == row["listed_size"]
            assert "cTag" not in served and "path" not in served["parentReference"]


def test_q003_q004_q005_rows_repeat_come_early_and_pages_come_empty(client: Client) -> None:
    pages = list(client.pages(f"/drives/{drive_of(client)}/root/delta"))
    ids = [row["id"] for page in pages for row in page]
    assert len(ids) > len(set(ids))
    assert [] in pages[1:-1]
    first = {row["id"]: place for place, row in reversed(list(enumerate(row for page in pages for row in page)))}
    early = [row for page in pages for row in page if first.get(row["parentReference"].get("id"), 0) > first[row["id"]]]
    assert early
    names: dict[str, set[str]] = {}
    for page in pages:
        for row in page:
            names.setdefault(row["id"], set()).add(row["name"])
    assert any(len(known) > 1 for known in names.values())  # outdated rows come before the right one


def test_q011_links_have_to_be_used_as_they_are(client: Client) -> None:
    drive = drive_of(client)
    link = client.get(f"/drives/{drive}/root/delta")["@odata.nextLink"]
    assert all(part in link for part in ("%23", "%25", "%2B"))
    for broken in (link.replace("%23", "#"), link.replace("%25", "%"), link[:-5], link.replace("%2B", "+")):
        answer = client.raw(broken)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalidRequest"), broken
    other = link.replace(drive, drive_of(client, 1))
    assert client.raw(other).status_code == 400


def test_an_unchanged_drive_answers_one_empty_page(client: Client) -> None:
    drive = drive_of(client)
    _, link = client.rounds(f"/drives/{drive}/root/delta")
    page = client.get(link)
    assert page["value"] == [] and "@odata.deltaLink" in page and "@odata.nextLink" not in page
    latest_page = client.get(f"/drives/{drive}/root/delta?token=latest")
    assert latest_page["value"] == [] and "@odata.deltaLink" in latest_page


def test_select_and_top_go_along_with_the_links(client: Client) -> None:
    drive = drive_of(client)
    page = client.get(f"/drives/{drive}/root/delta?$select=id,name&$top=7")
    assert set(page["value"][0]) == {"id", "name"}
    following = client.get(page["@odata.nextLink"])
    assert set(following["value"][0]) == {"id", "name"}
    plain = client.get(f"/drives/{drive}/root/delta?$top=7", deltaExcludeParent="true")
    assert len(plain["value"]) >= 7
    by_function = client.get(f"/drives/{drive}/root/delta(token='latest')")
    assert by_function["value"] == []
    assert client.raw(f"/drives/{drive}/root/delta?$select=_c").status_code == 400
    with_url = client.get(f"/drives/{drive}/root/delta?$select=id,content.downloadUrl")
    assert with_url["value"]


def test_changes_come_with_the_next_delta_and_nothing_else(folder: Path) -> None:
    with running(folder, throttling=False) as client:
        drive = drive_of(client)
        rows, link = client.rounds(f"/drives/{drive}/root/delta")
        tree = latest(rows)
        file, gone = by_path(client, "/Letters/to the bank.pdf"), by_path(client, "/Letters/to the council.pdf")
        home, moved = by_path(client, "/Projects"), by_path(client, "/Letters/to the bank.docx")
        content = {"gen": "fresh", "len": 7, "sha256": "x", "qx": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="}
        done = client.change(
            {"drive": "drives/u00000", "id": file["id"], "op": "modify", "_c": content},
            {"drive": "drives/u00000", "id": gone["id"], "op": "delete"},
            {"drive": "drives/u00000", "id": home["id"], "op": "rename", "name": "Works"},
            {"drive": "drives/u00000", "id": moved["id"], "op": "move", "to": home["id"]},
            {"drive": "drives/u00000", "op": "create", "parent": home["id"], "name": "new.txt", "_c": content},
        )
        assert sum(done.values()) == 5
        changed, next_link = client.rounds(link)
        by_id = {row["id"]: row for row in changed}
        assert by_id[file["id"]]["size"] == 7
        assert by_id[gone["id"]]["deleted"] == {"state": "deleted"} and "name" not in by_id[gone["id"]]
        assert by_id[home["id"]]["name"] == "Works"
        files = {row["name"] for row in changed if "file" in row and "deleted" not in row}
        assert files == {file["name"], moved["name"], "new.txt"}
        for row in changed:
            tree.pop(row["id"], None)
            if "deleted" not in row:
                tree[row["id"]] = row
        truth = client.truth("u00000")
        assert paths(tree) == {item_id: row["path"] for item_id, row in truth.items()}
        for item_id, row in truth.items():  # counts and sizes of the ancestors came with the changes
            if row["kind"] in ("folder", "root"):
                assert (tree[item_id]["folder"]["childCount"], tree[item_id]["size"]) == (
                    row["childCount"],
                    row["size"],
                )
        assert client.get(next_link)["value"] == []
        assert latest(client.rounds(f"/drives/{drive}/root/delta")[0]).keys() == truth.keys()
        item = client.get(f"/drives/{drive}/items/{moved['id']}")
        assert item["parentReference"]["path"].endswith("/root:/Works") and item["webUrl"].endswith(
            "/Works/to%20the%20bank.docx"
        )


@pytest.mark.parametrize("listed", [True, False])
def test_a_deleted_folder_with_and_without_what_was_in_it(folder: Path, listed: bool) -> None:
    with running(folder, settings=Settings(list_below_deleted=listed), throttling=False) as client:
        drive = drive_of(client)
        _, link = client.rounds(f"/drives/{drive}/root/delta")
        home = by_path(client, "/Photos")
        below = {row["id"] for row in client.truth("u00000").values() if row["path"].startswith("/Photos/")}
        client.change({"drive": "drives/u00000", "id": home["id"], "op": "delete"})
        gone = {row["id"] for row in client.rounds(link)[0] if "deleted" in row}
        assert gone == ({home["id"]} | below if listed else {home["id"]})


def test_changes_during_a_listing_come_with_the_next_round(folder: Path) -> None:
    with running(folder, settings=Settings(delta_page=10), throttling=False) as client:
        drive = drive_of(client)
        page = client.get(f"/drives/{drive}/root/delta")
        done = by_path(client, "/Finance/2024/Budget.csv")
        client.change({"drive": "drives/u00000", "id": done["id"], "op": "rename", "name": "renamed.csv"})
        _, link = client.rounds(page["@odata.nextLink"])
        assert "renamed.csv" in {row.get("name") for row in client.rounds(link)[0]}


def test_q001_a_restarted_server_knows_its_tokens_or_says_410(folder: Path) -> None:
    change = {"drive": "drives/u00000", "op": "rename", "name": "other"}
    with running(folder, throttling=False) as client:
        drive = drive_of(client)
        change["id"] = by_path(client, "/Letters")["id"]
        fresh = client.rounds(f"/drives/{drive}/root/delta")[1]
        client.change(change)
        changed = client.rounds(f"/drives/{drive}/root/delta")[1]
    token, changed_token = (f"/drives/{drive}/root/delta?{link.partition('?')[2]}" for link in (fresh, changed))
    with running(folder, throttling=False) as client:
        assert client.get(token)["value"] == []
        answer = client.raw(changed_token)  # that change has not happened here
        assert (answer.status_code, answer.json()["error"]["code"]) == (410, "resyncRequired")
        assert client.get(answer.headers["Location"])["value"]
        client.change(change)
        assert client.get(changed_token)["value"] == []
        client.change({**change, "name": "third"})
        assert [row["name"] for row in client.get(changed_token)["value"]][:1] == ["third"]


def test_gone_items_can_be_listed_as_deleted_later(folder: Path) -> None:
    with running(folder, settings=Settings(gone_items="deleted"), throttling=False) as client:
        drive = drive_of(client)
        gone = with_trait(client, "gone-after-listing")
        assert gone["id"] in latest(client.rounds(f"/drives/{drive}/root/delta")[0])
        client.change({"drive": "drives/u00000", "id": by_path(client, "/Letters")["id"], "op": "touch"})
        assert gone["id"] not in latest(client.rounds(f"/drives/{drive}/root/delta")[0])


# ----------------------------------------------------------------------------------------------------- content


def test_every_file_downloads_with_its_digest_or_its_error(client: Client) -> None:
    codes = {"malware": (403, "malwareDetected"), "irm-protected": (403, "accessDenied")}
    codes["gone-after-listing"] = (404, "itemNotFound")
    for number in (0, 2, 4, 5):
        drive = drive_of(client, number)
        for item_id, row in client.truth(f"u{number:05}").items():
            if row["kind"] != "file":
                continue
            answer = client.content(f"/drives/{drive}/items/{item_id}/content")
            if row["readable"]:
                assert hashlib.sha256(answer.content).hexdigest() == row["sha256"], row["path"]
            else:
                code = next(codes[trait] for trait in row["traits"] if trait in codes)
                assert (answer.status_code, answer.json()["error"]["code"]) == code


def test_q026_malware_is_marked_and_irm_names_its_reason(client: Client) -> None:
    drive = drive_of(client)
    answer = client.raw(f"/drives/{drive}/items/{with_trait(client, 'malware')['id']}/content")
    assert (answer.headers["X-Virus-Infected"], answer.headers["Content-Type"]) == ("true", "text/html")
    answer = client.raw(f"/drives/{drive}/items/{with_trait(client, 'irm-protected')['id']}/content")
    assert answer.json()["error"]["innerError"]["code"] == "irmEncryptFailedToFindProtector"


def test_q016_a_token_on_the_download_host_is_refused_and_marked(client: Client) -> None:
    drive, item = drive_of(client), by_path(client, "/Letters/to the bank.pdf")
    location = client.raw(f"/drives/{drive}/items/{item['id']}/content").headers["Location"]
    assert location.split("/")[2] != client.info["graph"].split("/")[2]
    client.control("POST", "reset-requests")
    answer = client.send("GET", location, headers={"Authorization": f"Bearer {client.token}"})
    assert answer.status_code == 401
    row = client.control("GET", "requests")[-1]
    assert row["marks"] == ["authorization-on-download"] and "tempauth=…" in row["query"]


def test_q014_download_url_expires(folder: Path) -> None:
    with running(folder, settings=Settings(url_seconds=60, token_seconds=9999)) as client:
        drive, item = drive_of(client), by_path(client, "/Letters/to the bank.pdf")
        location = client.raw(f"/drives/{drive}/items/{item['id']}/content").headers["Location"]
        client.control("POST", "advance", {"seconds": 59})
        assert client.send("GET", location).status_code == 200
        client.control("POST", "advance", {"seconds": 2})
        assert client.send("GET", location).status_code == 401


@pytest.mark.parametrize(
    ("wanted", "status", "place"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=100-", 206, slice(100, None)),
        ("bytes=100-100000000", 206, slice(100, None)),
        ("bytes=-5", 200, slice(None)),
        ("bytes=0-1,5-6", 200, slice(None)),
        ("bytes=40000-", 416, slice(0, 0)),
        ("bytes=9-3", 416, slice(0, 0)),
    ],
)
def test_q018_q019_ranges(client: Client, wanted: str, status: int, place: slice) -> None:
    drive, item = drive_of(client), by_path(client, "/Projects/Harbour wall/Contract.docx")
    assert item["size"] == 40_000
    whole = client.content(f"/drives/{drive}/items/{item['id']}/content")
    part = client.content(f"/drives/{drive}/items/{item['id']}/content", Range=wanted)
    assert part.status_code == status and part.content == whole.content[place]
    if status == 206:
        start, stop, _ = place.indices(40_000)
        assert part.headers["Content-Range"] == f"bytes {start}-{stop - 1}/40000"
    if status == 416:
        assert part.headers["Content-Range"] == "bytes */40000"


def test_a_large_file_streams_in_ranges(client: Client) -> None:
    drive, item = drive_of(client), with_trait(client, "large")
    digest, at = hashlib.sha256(), 0
    while at < item["size"]:
        part = client.content(f"/drives/{drive}/items/{item['id']}/content", Range=f"bytes={at}-{at + 7_000_000}")
        digest.update(part.content)
        at += len(part.content)
    assert digest.hexdigest() == item["sha256"]


def test_q025_zero_bytes_come_at_once(client: Client) -> None:
    answer = client.raw(f"/drives/{drive_of(client)}/items/{with_trait(client, 'zero-byte')['id']}/content")
    assert (answer.status_code, answer.content, answer.headers["Content-Length"]) == (200, b"", "0")


def test_etags_answer_304_and_the_item_gives_an_address(client: Client) -> None:
    drive, item = drive_of(client), by_path(client, "/Letters/to the bank.pdf")
    body = client.get(f"/drives/{drive}/items/{item['id']}")
    assert (
        client.raw(f"/drives/{drive}/items/{item['id']}/content", **{"If-None-Match": body["eTag"]}).status_code == 304
    )
    download = client.send("GET", body["@microsoft.graph.downloadUrl"])
    assert hashlib.sha256(download.content).hexdigest() == item["sha256"]
    assert download.headers["ETag"] == body["eTag"]
    assert "@microsoft.graph.downloadUrl" not in client.get(f"/drives/{drive}/items/{item['id']}?$select=id,size")
    chosen = client.get(f"/drives/{drive}/items/{item['id']}?$select=id,@microsoft.graph.downloadUrl")
    assert set(chosen) == {"@odata.context", "id", "@microsoft.graph.downloadUrl"}


def test_q030_versions_and_their_content(client: Client) -> None:
    drive, item = drive_of(client), by_path(client, "/Projects/Harbour wall/Contract.docx")
    base = f"/drives/{drive}/items/{item['id']}/versions"
    listed = client.get(base)["value"]
    assert [version["id"] for version in listed] == ["6.0", "5.0", "4.0", "3.0", "2.0", "1.0"]
    assert all(set(version) == {"id", "lastModifiedBy", "lastModifiedDateTime", "size"} for version in listed)
    answer = client.raw(f"{base}/6.0/content")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalidRequest")
    for version in item["versions"]:
        content = client.content(f"{base}/{version['id']}/content")
        assert hashlib.sha256(content.content).hexdigest() == version["sha256"]
    assert client.raw(f"{base}/9.0/content").status_code == 404
    plain = by_path(client, "/Letters/to the bank.pdf")
    assert [version["id"] for version in client.get(f"/drives/{drive}/items/{plain['id']}/versions")["value"]] == [
        "1.0"
    ]


def test_children_permissions_and_odd_items(client: Client) -> None:
    drive, truth = drive_of(client), client.truth("u00000")
    root = client.get(f"/drives/{drive}/root")
    listed = [row["id"] for page in client.pages(f"/drives/{drive}/root/children") for row in page]
    assert sorted(listed) == sorted(
        row["id"] for row in truth.values() if row["parent"] == root["id"] and not row.get("gone")
    )
    assert root["folder"]["childCount"] == sum(row["parent"] == root["id"] for row in truth.values())
    shared = with_trait(client, "shared")
    granted = client.get(f"/drives/{drive}/items/{shared['id']}/permissions")["value"]
    assert [row["id"] for row in granted] == [row["id"] for row in shared["permissions"]]
    inherited = client.get(f"/drives/{drive}/items/{by_path(client, '/Letters')['id']}/permissions")["value"]
    assert inherited[0]["roles"] == ["owner"] and inherited[0]["inheritedFrom"]["id"] == root["id"]
    package = client.get(f"/drives/{drive}/items/{with_trait(client, 'onenote-package')['id']}")
    assert package["package"] == {"type": "oneNote"} and not {"file", "folder"} & package.keys()
    shortcut = client.get(f"/drives/{drive}/items/{with_trait(client, 'remote-item')['id']}")
    assert shortcut["remoteItem"]["parentReference"]["driveId"]
    for item_id in (package["id"], shortcut["id"], root["id"]):
        assert client.raw(f"/drives/{drive}/items/{item_id}/content").status_code == 400
    assert client.raw(f"/drives/{drive}/items/{with_trait(client, 'gone-after-listing')['id']}").status_code == 404


def test_q037_unicode_twins_are_kept_apart(client: Client) -> None:
    tree = latest(client.rounds(f"/drives/{drive_of(client, 1)}/root/delta")[0])
    assert {"Caf\u00e9", "Cafe\u0301"} <= {row["name"] for row in tree.values()}


def test_personal_sites_are_listed_and_lead_to_their_drive(client: Client) -> None:
    sites = [row for page in client.pages("/sites/getAllSites?$top=3") for row in page]
    assert [row["isPersonalSite"] for row in sites] == [False] * 2 + [True] * 8  # subsites are not listed
    sites = sites[2:]
    site = client.get(f"/sites/{sites[0]['id']}?$select=id,webUrl")
    assert set(site) == {"@odata.context", "id", "webUrl"}
    assert client.get(f"/sites/{sites[0]['id']}/drive")["id"] == drive_of(client)
    assert len(client.get(f"/sites/{sites[0]['id']}/drives")["value"]) == 1


# ------------------------------------------------------------------------------------------------------- batch


def send_batch(client: Client, body: Any) -> Any:
    client.get("/organization")
    return client.send("POST", client.url("/$batch"), json=body, headers={"Authorization": f"Bearer {client.token}"})


def test_q044_a_batch_answers_each_by_id(client: Client) -> None:
    drive, item = drive_of(client), by_path(client, "/Letters/to the bank.pdf")
    wanted = [
        {"id": "a", "method": "GET", "url": "/organization?$select=id"},
        {"id": "b", "method": "GET", "url": f"/drives/{drive}/items/{item['id']}?$select=id"},
        {"id": "c", "method": "GET", "url": "/users/nobody"},
        {"id": "d", "method": "GET", "url": f"drives/{drive}/items/{item['id']}/content"},
        {"id": "e", "method": "DELETE", "url": f"/drives/{drive}/items/{item['id']}"},
        {"id": "f", "method": "GET", "url": "/organization", "dependsOn": ["c"]},
    ]
    client.control("POST", "reset-requests")
    answer = send_batch(client, {"requests": wanted}).json()["responses"]
    by_id = {row["id"]: row for row in answer}
    assert [row["id"] for row in answer] != ["a", "b", "c", "d", "e", "f"]
    assert {key: row["status"] for key, row in by_id.items()} == {
        "a": 200,
        "b": 200,
        "c": 404,
        "d": 302,
        "e": 405,
        "f": 424,
    }
    assert by_id["b"]["body"]["id"] == item["id"] and "tempauth" in by_id["d"]["headers"]["Location"]
    costs = {row["route"]: row["cost"] for row in client.control("GET", "requests")}
    assert costs["drives/{drive}/items/{item}/content"] == 1 and costs["$batch"] == 0


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"requests": []},
        {"requests": [{"id": "1"}]},
        {"requests": [{"id": str(n), "method": "GET", "url": "/x"} for n in range(21)]},
        {"requests": [{"id": n, "method": "GET", "url": "/x"} for n in ("a", "A")]},
    ],
    ids=["list", "empty", "no url", "too many", "same id"],
)
def test_a_malformed_batch_is_400(client: Client, body: Any) -> None:
    assert send_batch(client, body).status_code == 400
