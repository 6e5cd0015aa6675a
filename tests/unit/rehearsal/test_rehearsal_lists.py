"""Lists as the rehearsal serves them, over HTTP: Graph's part, and SharePoint's own for attachments."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import msal
import pytest
import requests

from tests.unit.rehearsal import list_data as data
from tests.unit.rehearsal.client import Client, latest, running

LISTS = f"/sites/{data.SITE}/lists"
TASKS = f"{LISTS}/{data.TASKS}"
ACCEPT = {"Accept": "application/json;odata=nometadata"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.write_tenant(tmp_path_factory.mktemp("lists") / "tenant", many=5_003)


@pytest.fixture
def client(folder: Path) -> Iterator[Client]:
    with running(folder) as found:
        yield found


def change(client: Client, op: str, **more: object) -> None:
    done = client.change({"kind": "listItem", "site": "sites/s0000", "list": data.TASKS, "op": op, **more})
    assert done == {f"listItem-{op}": 1}


def test_system_lists_show_only_to_who_selects_system(client: Client) -> None:
    shown = client.get(LISTS)["value"]
    assert [row["displayName"] for row in shown] == ["Tasks", "Berths", "Empty", "A / B!", "Many"]
    assert not any(key.startswith("_") or key == "system" for row in shown for key in row)
    rows = client.get(f"{LISTS}?$select=id,displayName,list,system")["value"]
    assert [row["id"] for row in rows if "system" in row] == [data.PEOPLE] and len(rows) == 6
    one = client.get(f"{TASKS}?$expand=columns,contentTypes")
    assert [row["name"] for row in one["columns"]] == [name for name, _, _ in data.COLUMNS]
    assert one["columns"] == client.get(f"{TASKS}/columns")["value"]
    assert one["contentTypes"] == client.get(f"{TASKS}/contentTypes")["value"]


def test_items_have_fields_only_where_they_are_expanded(client: Client) -> None:
    truth = {row["id"]: row for row in client.control("GET", f"truth/lists/s0000/{data.TASKS}")}
    plain = client.get(f"{TASKS}/items?$select=id")["value"]
    assert [row["id"] for row in plain] == list(truth) and "fields" not in plain[0] and "contentType" not in plain[0]
    rows = [row for page in client.pages(f"{TASKS}/items?$expand=fields&$top=5") for row in page]
    assert {row["id"]: {k: v for k, v in row["fields"].items() if k != "@odata.etag"} for row in rows} == {
        item_id: row["fields"] for item_id, row in truth.items()
    }
    named = client.get(f"{TASKS}/items/1?$expand=fields($select=Title,Owner0,Berth)")["fields"]
    assert (named["Title"], named["Owner0"], named["Berth"]) == ("Item 1", "Ada", "Berth 2")
    assert client.get(f"{TASKS}/items/3?$expand=fields($select=Owner0)")["fields"]["Owner0"] is None


def test_versions_of_an_item(client: Client) -> None:
    rows = client.get(f"{TASKS}/items/4/versions?$expand=fields")["value"]
    assert [(row["id"], row["fields"]["Title"]) for row in rows] == [
        ("3.0", "state 3"),
        ("2.0", "state 2"),
        ("1.0", "state 1"),
    ]
    assert [row["id"] for row in client.get(f"{TASKS}/items/1/versions")["value"]] == ["1.0"]


def test_q061_a_big_list_takes_no_filter_on_a_column_without_an_index(client: Client) -> None:
    many = f"{LISTS}/{data.MANY}/items"
    answer = client.raw(f"{many}?$filter=fields/Amount eq 3")
    assert answer.status_code == 400 and "SPQueryThrottledException" in answer.text
    assert client.raw(f"{many}?$orderby=fields/Amount").status_code == 400
    assert [r["id"] for r in client.get(f"{many}?$filter=fields/Title eq 'Item 7'")["value"]] == ["7"]
    small = f"{TASKS}/items?$filter=fields/Odd eq '=1%2B1'"
    assert client.raw(small).status_code == 400
    prefer = "HonorNonIndexedQueriesWarningMayFailRandomly"
    assert [row["id"] for row in client.get(small, Prefer=prefer)["value"]] == ["1"]


def test_every_item_of_a_big_list_comes_once_by_pages_and_by_delta(client: Client) -> None:
    many = f"{LISTS}/{data.MANY}/items"
    pages = list(client.pages(f"{many}?$select=id&$top=2000"))
    assert [len(page) for page in pages] == [2000, 2000, 1003]
    rows, _ = client.rounds(f"{many}/delta?$expand=fields&$top=9999")
    assert len(latest(rows)) == 5_003 and all("fields" in row for row in rows)
    assert max(len(page) for page in client.pages(f"{many}?$top=9999")) == 5_000


def test_a_delta_tells_what_changed_and_what_was_deleted(client: Client) -> None:
    rows, link = client.rounds(f"{TASKS}/items/delta?$expand=fields")
    assert len(latest(rows)) == data.IN_TASKS
    assert client.rounds(link)[0] == []
    change(client, "modify", id="1", fields={"Title": "changed"})
    change(client, "delete", id="2")
    change(client, "add", fields={"Title": "new"})
    rows, link = client.rounds(link)
    found = {row["id"]: row for row in rows}
    assert found["1"]["fields"]["Title"] == "changed" and found["2"]["deleted"] == {"state": "deleted"}
    assert found[str(data.IN_TASKS + 1)]["fields"]["Title"] == "new" and len(found) == 3
    assert client.raw(f"{TASKS}/items/2").status_code == 404
    change(client, "restore", id="2")
    assert [row["id"] for row in client.rounds(link)[0]] == ["2"]
    versions = client.get(f"{TASKS}/items/1/versions?$expand=fields")["value"]
    assert [(row["id"], row["fields"]["Title"]) for row in versions] == [("2.0", "changed"), ("1.0", "Item 1")]


def test_a_delta_of_another_history_is_refused_with_410(client: Client, folder: Path) -> None:
    change(client, "delete", id="2")
    _, link = client.rounds(f"{TASKS}/items/delta")
    with running(folder) as other:
        path = link.partition("/v1.0")[2]
        answer = other.raw(path)
        assert answer.status_code == 410 and answer.json()["error"]["code"] == "resyncRequired"
        assert len(latest(other.rounds(answer.headers["Location"])[0])) == data.IN_TASKS


def test_lists_are_added_renamed_and_deleted(client: Client) -> None:
    common = {"kind": "list", "site": "sites/s0000"}
    client.change({**common, "op": "add", "displayName": "Fresh"})
    client.change({**common, "op": "rename", "list": data.EMPTY, "displayName": "Nearly empty"})
    client.change({**common, "op": "delete", "list": data.BERTHS})
    names = [row["displayName"] for row in client.get(LISTS)["value"]]
    assert names == ["Tasks", "Nearly empty", "A / B!", "Many", "Fresh"]
    assert client.raw(f"{LISTS}/{data.BERTHS}/items").status_code == 404


# ---------------------------------------------------------------------------------------------------------- REST


def token_by_certificate(client: Client) -> str:
    pem = Path(client.info["certificate"]).read_text()
    place = pem.index("-----BEGIN CERTIFICATE")
    with requests.Session() as session:
        session.trust_env, session.verify = False, client.info["ca_bundle"]
        app = msal.ConfidentialClientApplication(
            client.info["client_id"],
            authority=f"{client.info['login']}/{client.info['tenant']}",
            client_credential={"private_key": pem[:place], "public_certificate": pem[place:]},
            http_client=session,
            instance_discovery=False,
        )
        answer = app.acquire_token_for_client([f"{client.info['sharepoint']}/.default"])
    return str(answer["access_token"])


def rest(client: Client, path: str, token: str, **headers: str) -> requests.Response:
    """path: decoded."""
    url = str(client.info["sharepoint"]) + quote(path, safe="/()'!$")
    return client.send("GET", url, headers={"Authorization": f"Bearer {token}", **ACCEPT, **headers})


@pytest.fixture
def token(client: Client) -> str:
    return token_by_certificate(client)


def test_q062_attachments_come_by_rest_for_a_certificate_alone(client: Client, token: str) -> None:
    path = f"/sites/harbour/_api/web/lists(guid'{data.TASKS}')/items(2)/AttachmentFiles"
    by_secret = client.sign_in(f"{client.info['sharepoint']}/.default").json()["access_token"]
    refused = rest(client, path, by_secret)
    assert (refused.status_code, refused.json()["error_description"]) == (401, "Unsupported app only token.")
    files = rest(client, path, token).json()["value"]
    assert tuple(row["FileName"] for row in files) == data.WITH_FILES["2"]
    truth = {row["id"]: row for row in client.control("GET", f"truth/lists/s0000/{data.TASKS}")}["2"]["_attachments"]
    for entry in truth:
        name = entry["fileName"].replace("'", "''")
        answer = rest(client, f"{path}('{name}')/$value", token)
        assert hashlib.sha256(answer.content).hexdigest() == entry["_c"]["sha256"]
    assert rest(client, path.replace("items(2)", "items(999)"), token).status_code == 404
    assert rest(client, path, token, Accept="text/html").status_code == 406
    rows = client.control("GET", "requests")
    assert rows[-1]["family"] == "sharepoint" and rows[-1]["cost"] == 5


def test_q062_a_subsite_is_found_by_its_path(client: Client, token: str) -> None:
    path = f"/sites/harbour/quay one/_api/web/lists(guid'{data.BELOW}')/items(1)/AttachmentFiles"
    assert rest(client, f"{path}('deep.txt')/$value", token).content == b"of the subsite"
    assert rest(client, path.replace("/quay one", ""), token).status_code == 404


def test_the_same_budget_counts_for_rest(folder: Path) -> None:
    with running(folder, units_a_minute=9) as client:
        token = token_by_certificate(client)
        path = f"/sites/harbour/_api/web/lists(guid'{data.TASKS}')/items(2)/AttachmentFiles"
        codes = [rest(client, path, token).status_code for _ in range(2)]
    assert codes == [200, 429]
