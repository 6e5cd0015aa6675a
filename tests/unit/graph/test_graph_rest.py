"""SharePoint's own API through the session: whose token goes where, and what its refusals mean."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from exporters.errors import SourceError
from exporters.graph.clouds import cloud_named, custom_cloud
from exporters.graph.errors import (
    AccessDeniedError,
    ForeignLinkError,
    ItemGaveUpError,
    NotFoundError,
    PermissionMissingError,
)
from exporters.graph.limits import Cost
from exporters.graph.rest import SharePointRest
from tests.faults.desk import HurriedClock
from tests.unit.graph.list_tenant import session_at
from tests.unit.rehearsal import list_data as data
from tests.unit.rehearsal.client import Client, running

SITE = f"https://{data.HOST}/sites/harbour"
FILES = f"/web/lists(guid'{data.TASKS}')/items(2)/AttachmentFiles"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.write_tenant(tmp_path_factory.mktemp("rest") / "tenant")


@pytest.fixture
def clock() -> HurriedClock:
    return HurriedClock()


@pytest.fixture
def client(folder: Path, clock: HurriedClock) -> Iterator[Client]:
    with running(folder, clock=clock) as found:
        yield found


def test_q062_attachments_come_with_a_token_made_by_certificate(client: Client, clock: HurriedClock) -> None:
    truth = {row["id"]: row for row in client.control("GET", f"truth/lists/s0000/{data.TASKS}")}["2"]["_attachments"]
    with session_at(client, clock) as graph:
        rest = SharePointRest(graph, SITE)
        assert [row["FileName"] for row in rest.rows(FILES)] == list(data.WITH_FILES["2"])
        for entry in truth:
            sink = io.BytesIO()
            name = quote(entry["fileName"].replace("'", "''"), safe="'")
            assert rest.content(f"{FILES}('{name}')/$value", sink) == entry["_c"]["len"]
            assert hashlib.sha256(sink.getvalue()).hexdigest() == entry["_c"]["sha256"]
        below = SharePointRest(graph, f"{SITE}/quay one")
        assert len(below.rows(f"/web/lists(guid'{data.BELOW}')/items(1)/AttachmentFiles")) == 1
        assert graph.get(f"/sites/{data.SITE}/lists", cost=Cost.LISTING)["value"]
        assert graph.counts.resource_units == 4 * 5 + 2
        with pytest.raises(NotFoundError):
            rest.rows(FILES.replace("items(2)", "items(77)"))
    rows = client.control("GET", "requests")
    assert {row["status"] for row in rows if row["host"] in ("graph", "sharepoint")} == {200, 404}


def test_q062_a_secret_is_refused_and_that_does_not_end_the_run(client: Client, clock: HurriedClock) -> None:
    with session_at(client, clock, has_certificate=False) as graph:
        with pytest.raises(PermissionMissingError) as refused:
            SharePointRest(graph, SITE).rows(FILES)
        assert isinstance(refused.value, SourceError) and "certificate" in refused.value.action
        assert graph.get(f"/sites/{data.SITE}/lists", cost=Cost.LISTING)["value"]


def test_what_refusals_of_one_item_mean(client: Client, clock: HurriedClock) -> None:
    with session_at(client, clock) as graph:
        rest = SharePointRest(graph, SITE)
        for status, error in ((403, AccessDeniedError), (404, NotFoundError), (500, ItemGaveUpError)):
            body = {"odata.error": {"code": "-1, System.Exception", "message": {"lang": "en-US", "value": "No."}}}
            client.control(
                "POST", "faults", [{"host": "sharepoint", "fault": "status", "status": status, "body": body}]
            )
            with pytest.raises(error) as refused:
                rest.rows(FILES)
            assert "System.Exception" in str(refused.value) or status == 500
        client.control("POST", "faults", [{"host": "sharepoint", "fault": "429", "seconds": 3, "count": 1}])
        assert rest.rows(FILES)
        client.control(
            "POST", "faults", [{"host": "sharepoint", "fault": "reset-mid-body", "after_bytes": 20, "count": 1}]
        )
        assert rest.rows(FILES)
        assert graph.counts.avoidable == 0


def test_links_of_a_listing_are_followed_at_its_own_address_alone(client: Client, clock: HurriedClock) -> None:
    with session_at(client, clock) as graph:
        rest = SharePointRest(graph, SITE)
        add = {"host": "sharepoint", "fault": "edit", "count": 1}
        following = f"_api{FILES.replace('items(2)', 'items(5)')}"
        for name in ("odata.nextLink", "@odata.nextLink"):
            link = f"{client.info['sharepoint']}/sites/harbour/{following}"
            client.control("POST", "faults", [{**add, "edits": [{"at": name, "to": link, "add": True}]}])
            assert len(rest.rows(FILES)) == 3
        foreign = {"at": "odata.nextLink", "to": "https://elsewhere.example/_api/web", "add": True}
        client.control("POST", "faults", [{**add, "edits": [foreign]}])
        with pytest.raises(ForeignLinkError):
            rest.rows(FILES)


def test_the_token_goes_to_hosts_of_the_cloud_alone(client: Client, clock: HurriedClock) -> None:
    worldwide = cloud_named("worldwide")
    assert worldwide.sharepoint_address("https://Contoso.sharepoint.com/sites/x") == "https://contoso.sharepoint.com"
    for url in (
        "https://contoso.sharepoint.com.evil.example/sites/x",
        "http://contoso.sharepoint.com/sites/x",
        "https://contoso.sharepoint.com:8443/",
        "https://user@contoso.sharepoint.com/",
        "https://x.svc.ms/",
        "https://.sharepoint.com/",
    ):
        assert worldwide.sharepoint_address(url) is None, url
    assert cloud_named("dod").sharepoint_address("https://a.sharepoint-mil.us/") == "https://a.sharepoint-mil.us"
    proxy = custom_cloud(login="https://a.example", graph="https://b.example", sharepoint="https://c.example:8443")
    assert proxy.sharepoint_address("https://contoso.sharepoint.com/sites/x") == "https://c.example:8443"
    with session_at(client, clock) as graph:
        graph.cloud = worldwide
        with pytest.raises(ForeignLinkError):
            SharePointRest(graph, "https://harbour.example/sites/x")
