"""Other people's clients against the rehearsal tenant: O365 and msgraph-sdk list a drive and download a file.

Skipped where they are not installed (extra `clients`): they are no dependency of the product.
"""

import asyncio
import functools
import hashlib
import importlib.util
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msal
import pytest

from exporters.rehearsal.generate import generate
from tests.unit.rehearsal.client import Client, running

NAME = "Contract.docx"


def installed(*names: str) -> bool:
    return all(importlib.util.find_spec(name) is not None for name in names)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with running(generate(tmp_path_factory.mktemp("clients") / "tenant"), throttling=False) as found:
        yield found


def the_file(client: Client) -> dict[str, Any]:
    return next(row for row in client.truth("u00000").values() if row["path"].endswith(f"/Harbour wall/{NAME}"))


@pytest.mark.skipif(not installed("O365"), reason="O365 is not installed")
@pytest.mark.filterwarnings("ignore")
def test_o365_walks_a_drive_and_downloads(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, client.info["ca_bundle"])
    from O365 import Account, MSGraphProtocol
    from O365.utils.token import MemoryTokenBackend

    info = client.info
    # Its only way around the question to the real login host whether ours is known there.
    known = functools.partial(msal.ConfidentialClientApplication, instance_discovery=False)
    monkeypatch.setattr("O365.connection.ConfidentialClientApplication", known)

    class Protocol(MSGraphProtocol):
        _protocol_url = f"{info['graph']}/"
        _oauth_scope_prefix = f"{info['graph']}/"

    account = Account(
        (info["client_id"], info["secret"]),
        protocol=Protocol(),
        auth_flow_type="credentials",
        tenant_id=info["tenant"],
        token_backend=MemoryTokenBackend(),
        main_resource="ottilie.brandvold@willowmere.example",
    )
    account.con._msal_authority = f"{info['login']}/{info['tenant']}"
    assert account.authenticate(requested_scopes=[f"{info['graph']}/.default"])
    drive = account.storage().get_default_drive()
    item = drive.get_item(the_file(client)["id"])
    assert item.name == NAME
    assert item.download(to_path=tmp_path)
    assert hashlib.sha256((tmp_path / NAME).read_bytes()).hexdigest() == the_file(client)["sha256"]
    names = {child.name for child in drive.get_root_folder().get_items(limit=None)}
    assert {"Projects", "Letters", "Team Notebook"} <= names


@pytest.mark.skipif(not installed("msgraph", "azure.identity"), reason="msgraph-sdk is not installed")
@pytest.mark.filterwarnings("ignore")
def test_the_graph_sdk_follows_delta_and_downloads(client: Client) -> None:
    users, tree, data = asyncio.run(walk(client))
    assert users == 12
    assert tree == set(client.truth("u00000"))
    assert hashlib.sha256(data).hexdigest() == the_file(client)["sha256"]


async def walk(client: Client) -> tuple[int, set[str], bytes]:
    import httpx
    from azure.core.credentials import AccessToken
    from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
    from msgraph import GraphRequestAdapter, GraphServiceClient
    from msgraph_core import GraphClientFactory

    info = client.info

    class Credential:
        async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
            return AccessToken(client.sign_in(scopes[0]).json()["access_token"], 2_000_000_000)

        async def close(self) -> None: ...

    provider = AzureIdentityAuthenticationProvider(
        Credential(),
        scopes=[f"{info['graph']}/.default"],
        allowed_hosts=[info["graph"].partition("//")[2], "localhost"],
    )
    http = httpx.AsyncClient(
        verify=ssl.create_default_context(cafile=info["ca_bundle"]), base_url=f"{info['graph']}/v1.0", http2=False
    )
    adapter = GraphRequestAdapter(provider, client=GraphClientFactory.create_with_default_middleware(client=http))
    adapter.base_url = f"{info['graph']}/v1.0"
    graph = GraphServiceClient(request_adapter=adapter)
    page = await graph.users.get()
    drive = await graph.users.by_user_id("ottilie.brandvold@willowmere.example").drive.get()
    seen: set[str] = set()
    delta = graph.drives.by_drive_id(drive.id).items.by_drive_item_id("root").delta
    rows = await delta.get()
    while True:
        seen |= {row.id for row in rows.value}
        if not rows.odata_next_link:
            break
        rows = await delta.with_url(rows.odata_next_link).get()
    data = await graph.drives.by_drive_id(drive.id).items.by_drive_item_id(the_file(client)["id"]).content.get()
    await http.aclose()
    return len(page.value), seen, data
