"""Where cancelling is looked at beforehand: `check --cancel` in this process, at a small tenant in one state after the other.

Rules of this file: what is fake lies outside of the product: the tenant, the DNS, the web server that takes warnings. The copy
of the tenant was made and proven once, and each test has a copy of that folder.
"""

import copy
import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from exporters.clock import SystemClock, timestamp
from exporters.rehearsal.directory_truth import BILLING_ADMINISTRATOR, GLOBAL_ADMINISTRATOR
from exporters.rehearsal.service import DEFAULT_ROLES
from exporters.store.folder import FolderStore
from retention.journal import Journal
from tests.end_to_end.driving import Tenant
from tests.faults.desk import InProcess
from tests.faults.dns_server import DnsServer
from tests.faults.web_server import WebServer

Row = dict[str, Any]
INITIAL = "harbour.onmicrosoft.example"
CUSTOM = "harbour.example"
SKU = "05e9a617-0261-4cee-bb44-138d3ef5d965"
OTHER_SKU = "4b9405b0-7788-4568-add1-99614e613b69"
MICROSOFT_MX = "harbour-example.mail.protection.outlook.com"
ATTESTED = (
    ("PF-05", "channel=direct", "agreement=mosa"),
    ("PF-07",),
    ("PF-14",),
    ("PF-16",),
    ("PF-17",),
    ("PF-19",),
    ("PF-21", "holds=none"),
    ("PF-22", "backup=none"),
)


def guid(*parts: object) -> str:
    """A GUID that follows from its parts."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(map(str, parts))))


def user(number: int, domain: str = INITIAL, **more: object) -> Row:
    """A row of users.jsonl."""
    name = f"person{number}@{domain}"
    row: Row = {
        "id": guid("person", number),
        "displayName": f"Person {number}",
        "mail": name,
        "userPrincipalName": name,
    }
    row |= {
        "userType": "Member",
        "accountEnabled": True,
        "createdDateTime": "2020-01-01T00:00:00Z",
        "proxyAddresses": [],
    }
    return {
        **row,
        "assignedLicenses": [{"skuId": SKU, "disabledPlans": []}],
        "_drive": None,
        "_mailbox": "none",
        **more,
    }


def role(template: str, name: str, members: list[int]) -> Row:
    """A role of directory.json."""
    row: Row = {"id": guid("role", template), "roleTemplateId": template, "displayName": name, "description": name}
    return {**row, "_members": [guid("person", number) for number in members]}


def make(folder: Path) -> Path:
    """A tenant in which nothing stands in the way: two administrators, no domain of its own, another subscription."""
    folder.mkdir(parents=True)
    info = {"format": 1, "tenantId": guid("tenant"), "domain": INITIAL, "now": "2026-01-01T00:00:00Z", "timeZones": {}}
    roles = [
        role(GLOBAL_ADMINISTRATOR, "Global Administrator", [0]),
        role(BILLING_ADMINISTRATOR, "Billing Administrator", [0, 1]),
    ]
    other = {"id": guid("other"), "skuId": OTHER_SKU, "skuPartNumber": "EXCHANGESTANDARD", "totalLicenses": 5}
    both = [{"skuId": sku, "disabledPlans": []} for sku in (SKU, OTHER_SKU)]
    people = [user(number, assignedLicenses=both) for number in range(3)]
    for name, rows in (
        ("tenant.json", [info]),
        ("users.jsonl", people),
        ("groups.jsonl", []),
        ("directory.json", [{"roles": roles, "subscriptions": [other]}]),
    ):
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


class Estate:
    """A running tenant whose state is set anew for each test, with its DNS and whoever takes warnings."""

    def __init__(self, tenant: Tenant, dns: DnsServer, web: WebServer, folder: Path) -> None:
        """folder: holds the proven copy, and the same without a word of anybody."""
        self.tenant, self.dns, self.web = tenant, dns, web
        self.proven, self.bare = folder / "proven", folder / "bare"
        self.first = next(row["id"] for row in self._subscriptions())
        self._before = copy.deepcopy((self.data.users, self.data.groups, vars(self.data.directory)))

    all_roles = DEFAULT_ROLES
    """Permissions that the application has unless told."""
    initial = INITIAL

    @property
    def data(self) -> Any:
        """What the tenant serves."""
        return self.tenant.rehearsal.tenant

    def _subscriptions(self) -> list[Row]:
        from exporters.rehearsal.routes.directory import _subscriptions

        return _subscriptions(self.tenant.rehearsal.service)

    def reset(self, licences: int = 24) -> None:
        """As it was made."""
        users, groups, directory = copy.deepcopy(self._before)
        self.data.users[:], self.data.groups[:] = users, groups
        vars(self.data.directory).update(directory)
        self.data.index_users()
        self.tenant.settings(roles=sorted(DEFAULT_ROLES), licences=licences)
        self.tenant.rehearsal.dispatcher.signin.revoke()
        self.dns.records.clear()
        self.dns.asked.clear()
        self.dns.is_silent, self.web.status = False, 200
        self.web.bodies.clear()

    def change(self, *rows: Row) -> None:
        """By the control port."""
        told = json.loads(self.tenant.control("POST", "changes", b"\n".join(json.dumps(row).encode() for row in rows)))
        assert "skipped" not in told and "error" not in told, told

    def custom_domain(self, *, mx: str = "mx.newhost.example", ns: str = "ns1.newhost.example") -> None:
        """A domain that nobody uses, with its mail and name servers elsewhere unless told."""
        self.change({"kind": "domain", "op": "create", "domain": {"id": CUSTOM}})
        self.dns.domain(CUSTOM, mx=mx, ns=ns)

    def desk(self, folder: Path, *, attested: bool = True, **changes: Any) -> "CancelDesk":
        """A product with the proven copy, everything attested that only people can say."""
        shutil.copytree(self.proven if attested else self.bare, folder, dirs_exist_ok=True)
        return made_desk(folder, self, **changes)


class CancelDesk(InProcess):
    """`lastcopy check --cancel` and what belongs to it."""

    first: str

    def attest(self, item: str, *values: str, by: str = "Anna Berg", text: str = "seen", code: int = 0) -> Row:
        """`attest`; its document."""
        given = [word for value in values for word in ("--value", value)]
        return self.run("attest", item, "--by", by, "--text", text, *given, "--json", code=code).document

    def check(self, *arguments: str, code: int) -> Row:
        """`check --cancel` for the first subscription; {item: finding}."""
        chosen = () if "--subscription" in arguments else ("--subscription", self.first)
        document = self.run("check", "--cancel", "--json", *chosen, *arguments, code=code).document
        return {finding["id"]: finding for finding in document["preflight"]["findings"]}

    def rows(self, kind: str) -> list[Row]:
        """Rows of the journal of one type."""
        journal = Journal(FolderStore(self.store, url="file:store"), SystemClock())
        return [row for row in journal.rows() if row["type"] == kind]

    def planned(self, *, days_ago: float = 0, seconds: int = 0) -> None:
        """A plan on record."""
        at = datetime.now(UTC) - timedelta(days=days_ago)
        row = {
            "type": "planned",
            "run": "p",
            "result": {"planned_seconds": seconds, "complete": True},
            "at": timestamp(at),
        }
        Journal(FolderStore(self.store, url="file:store"), SystemClock()).append([row])


def made_desk(folder: Path, estate: Estate, **changes: Any) -> CancelDesk:
    """A product at the tenant; two channels that warn, unless told."""
    settings = {
        "sources": {"mail": "none", "onedrive": "none", "sharepoint": "none", "directory": True},
        "notify": [{"name": "ops", "to": "env:OPS"}, {"name": "boss", "to": "env:BOSS"}],
        **changes,
    }
    desk = CancelDesk(folder, estate.tenant, **settings)
    desk.first = estate.first
    desk.environment |= {"OPS": estate.web.address, "BOSS": estate.web.address, "LASTCOPY_RESOLVER": estate.dns.address}
    return desk


@contextmanager
def running_estate(folder: Path) -> Iterator[Estate]:
    """A tenant, copied and proven."""
    with Tenant(make(folder / "tenant"), licences=24) as tenant, DnsServer() as dns, WebServer() as web:
        estate = Estate(tenant, dns, web, folder)
        desk = made_desk(estate.proven, estate)
        desk.run("export", "--json", code=0)
        desk.run("verify", "--json", code=0)
        desk.planned()
        shutil.copytree(estate.proven, estate.bare)
        for item, *values in ATTESTED:
            desk.attest(item, *values)
        yield estate
