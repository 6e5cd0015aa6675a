"""Usage reports as the rehearsal serves them, and the narrow line."""

import csv
import io
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporters.rehearsal.service import DEFAULT_ROLES
from tests.unit.rehearsal.client import Client, running

REPORTS = ("getMailboxUsageDetail", "getOneDriveUsageAccountDetail", "getSharePointSiteUsageDetail")


@pytest.fixture
def client(tenant_folder: Path) -> Iterator[Client]:
    with running(tenant_folder) as found:
        yield found


def report(client: Client, name: str) -> list[dict[str, str]]:
    leading = client.raw(f"/reports/{name}(period='D7')")
    assert leading.status_code == 302, leading.text
    answer = client.send("GET", leading.headers["Location"])
    assert answer.status_code == 200
    assert answer.content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


def test_names_are_concealed_unless_the_tenant_says_otherwise(client: Client) -> None:
    hidden = report(client, REPORTS[0])
    assert all("@" not in row["User Principal Name"] for row in hidden)
    client.rehearsal.settings.concealed_names = False
    shown = report(client, REPORTS[0])
    assert all("@" in row["User Principal Name"] for row in shown)
    assert [row["Item Count"] for row in hidden] == [row["Item Count"] for row in shown]
    assert all(
        "@" in row["Owner Principal Name"] or not row["Owner Principal Name"] for row in report(client, REPORTS[1])
    )
    assert any("/sites/" in row["Site URL"] for row in report(client, REPORTS[2]))


def test_numbers_are_those_of_the_truth(client: Client) -> None:
    client.rehearsal.settings.concealed_names = False
    tenant = client.rehearsal.tenant
    rows = {row["User Principal Name"]: row for row in report(client, REPORTS[0])}
    boxes = {user["userPrincipalName"]: box for user in tenant.users if (box := tenant.mailbox(user)) is not None}
    assert rows.keys() == boxes.keys()
    for name, box in boxes.items():
        items = sum(1 for kind in ("message", "event", "contact") for _ in box.live(kind))  # type: ignore[arg-type]
        assert int(rows[name]["Item Count"]) == items
    drives = report(client, REPORTS[1])
    assert len(drives) == len(tenant.personal_sites())
    assert sum(int(row["File Count"]) for row in drives) > 100


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_needs_its_permission(client: Client, name: str) -> None:
    client.rehearsal.settings.roles = DEFAULT_ROLES - {"Reports.Read.All"}
    assert client.raw(f"/reports/{name}(period='D7')").status_code == 403


def test_the_settings_of_reports_need_theirs(client: Client) -> None:
    assert client.raw("/admin/reportSettings").status_code == 403
    client.rehearsal.settings.roles = DEFAULT_ROLES | {"ReportSettings.Read.All"}
    client.token = ""
    assert client.get("/admin/reportSettings")["displayConcealedNames"] is True


def test_the_address_takes_no_token_and_no_other_period(client: Client) -> None:
    assert client.raw("/reports/getMailboxUsageDetail(period='D8')").status_code == 400
    where = client.raw("/reports/getMailboxUsageDetail(period='D7')").headers["Location"]
    assert client.send("GET", where, headers={"Authorization": "Bearer x"}).status_code == 401
    assert client.send("GET", where[:-2] + "00").status_code == 401


def test_a_narrow_line_carries_no_more_than_it_can(client: Client) -> None:
    """All connections together; what is slow for one is slow for the next."""
    size = len(client.raw("/users").content)
    client.rehearsal.settings.bytes_a_second = size * 10.0
    began = time.monotonic()
    for _ in range(3):
        client.raw("/users")
    assert time.monotonic() - began >= 0.28
