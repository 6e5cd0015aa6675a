"""Groups and their threads as the rehearsal serves them, over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from exporters.rehearsal.content import ContentReader
from tests.unit.rehearsal import mailbox_data as data
from tests.unit.rehearsal.client import Client, running
from tests.unit.rehearsal.test_rehearsal_mail import error, needs_fixtures, shape

GROUP = f"/groups/{data.GROUP}"


@pytest.fixture(scope="module")
def mail_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.write_tenant(tmp_path_factory.mktemp("groups") / "tenant")


@pytest.fixture
def client(mail_folder: Path) -> Iterator[Client]:
    with running(mail_folder) as found:
        yield found


def test_groups_with_a_mailbox_and_their_members(client: Client) -> None:
    assert len(client.get("/groups")["value"]) == 2
    rows = client.get("/groups?$filter=groupTypes/any(c:c eq 'Unified')&$select=id,displayName,mail")["value"]
    assert rows == [{"id": data.GROUP, "displayName": "Harbour", "mail": "harbour@rehearsal.example"}]
    assert [row["id"] for row in client.get(f"{GROUP}/members")["value"]] == [data.ADA, data.BO]
    assert error(client, f"/groups/{data.ADA}")[0] == 404
    assert error(client, f"/groups/{data.SECURITY}/threads") == (404, "MailboxNotEnabledForRESTAPI")


def test_every_post_is_under_its_thread_and_under_its_conversation(client: Client) -> None:
    truth = {row["id"]: row for row in client.control("GET", f"truth/groups/{data.GROUP}")}
    found = {}
    for thread in client.get(f"{GROUP}/threads")["value"]:
        rows = client.get(f"{GROUP}/threads/{thread['id']}/posts")["value"]
        found |= {row["id"]: row for row in rows}
        assert thread["lastDeliveredDateTime"] == rows[-1]["receivedDateTime"]
    assert len(truth) == 6 and found.keys() == truth.keys()
    assert not [key for row in found.values() for key in row if key.startswith("_")]
    under = []
    for conversation in client.get(f"{GROUP}/conversations")["value"]:
        for thread in client.get(f"{GROUP}/conversations/{conversation['id']}/threads")["value"]:
            link = f"{GROUP}/conversations/{conversation['id']}/threads/{thread['id']}/posts"
            under += [row["id"] for row in client.get(link)["value"]]
    assert sorted(under) == sorted(truth)


def test_files_of_posts(client: Client) -> None:
    posts = client.control("GET", f"truth/groups/{data.GROUP}")
    with_file = next(row for row in posts if row["hasAttachments"])
    link = f"{GROUP}/threads/{with_file['conversationThreadId']}/posts/{with_file['id']}/attachments"
    rows = client.get(f"{link}?$select=id,name,size")["value"]
    wanted = ContentReader(Path()).read(with_file["_attachments"][0]["_c"], 0, 70_000)
    assert [row["name"] for row in rows] == ["minutes.bin"] and "contentBytes" not in rows[0]
    assert client.raw(f"{link}/{rows[0]['id']}/$value").content == wanted


def test_a_groups_mailbox_takes_the_role_of_groups(client: Client) -> None:
    client.control("POST", "settings", {"roles": ["Mail.Read"]})
    assert error(client, f"{GROUP}/threads") == (403, "ErrorAccessDenied")


@needs_fixtures
def test_groups_have_the_shape_of_the_fixture(client: Client) -> None:
    wanted = set(shape("directory/groups-unified.json")["value"][0])
    assert wanted - set(client.get("/groups")["value"][0]) <= {"visibility", "resourceProvisioningOptions"}
