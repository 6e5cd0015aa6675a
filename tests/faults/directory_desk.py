"""Where the copy of a directory is tried out: the command line in this process, at a small tenant that is a directory and
nothing else.

Rules of this file: what is fake lies outside of the product: the tenant, and a clock that runs fast. The truth is kept here
by hand, and changes are applied to it by this file's own code.
"""

import json
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bagit

from exporters.rehearsal.service import DEFAULT_ROLES
from exporters.rehearsal.service import Settings as TenantSettings
from tests.end_to_end.driving import Tenant
from tests.faults.desk import CLOCK, Desk
from tests.independent.judge_directory import Expected, judge, read, rows_of

Row = dict[str, Any]
SOURCES = {"mail": "none", "onedrive": "none", "sharepoint": "none", "directory": True}
DOMAIN = "small.onmicrosoft.example"
AT = "2025-06-01T10:00:00Z"
SKU = "05e9a617-0261-4cee-bb44-138d3ef5d965"
ODD_NAMES = (
    "=cmd|' /C calc'!A0",
    "+49 351",
    "-1",
    "@here",
    "\ttab first",
    'quotes "and", commas; semicolons',
    "two\nlines",
    "Прасковья 語 \U0001f600",
    "rtl \u202e name",
    "lone \ud83d surrogate",
    "a/b\\c",
    "..",
)


def guid(*parts: object) -> str:
    """A GUID that follows from its parts."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(map(str, parts))))


def user(number: int, name: str | None = None, **more: object) -> Row:
    """A row of users.jsonl."""
    row: Row = {"id": guid("user", number), "displayName": name or f"Person {number}", "mail": f"p{number}@{DOMAIN}"}
    row |= {"userPrincipalName": f"p{number}@{DOMAIN}", "userType": "Member", "accountEnabled": True}
    row |= {"createdDateTime": AT, "proxyAddresses": [f"SMTP:p{number}@{DOMAIN}", f"smtp:{number}@{DOMAIN}"]}
    return {
        **row,
        "assignedLicenses": [{"skuId": SKU, "disabledPlans": []}],
        "_drive": None,
        "_mailbox": "none",
        **more,
    }


def group(number: int, members: list[str], **more: object) -> Row:
    """A row of groups.jsonl."""
    row: Row = {"id": guid("group", number), "displayName": f"Group {number}", "mail": None, "groupTypes": []}
    return {**row, "createdDateTime": AT, "description": None, **more, "_members": members}


def make(folder: Path, *, people: int = 30, big: int = 0) -> Path:
    """Write a tenant. big: members of a group that comes in pages."""
    folder.mkdir(parents=True)
    users = [user(n, ODD_NAMES[n] if n < len(ODD_NAMES) else None) for n in range(people)]
    users[-1] |= {"userType": "Guest", "assignedLicenses": [], "userPrincipalName": f"guest#EXT#@{DOMAIN}"}
    ids = [row["id"] for row in users]
    groups = [
        group(0, ids[:5], groupTypes=["Unified"], mail=f"g0@{DOMAIN}", visibility="Private", _owners=ids[:2]),
        group(1, [*ids[3:9], guid("group", 0), guid("device", 1)], displayName="=HYPERLINK(1)", _owners=ids[1:2]),
        group(2, ids[5:7], mail=f"g2@{DOMAIN}", mailEnabled=True, securityEnabled=False),
        group(3, []),
        group(4, ids[2:4], visibility="HiddenMembership", _owners=ids[:1]),
    ]
    if big:
        groups.append(group(5, [guid("device", n) for n in range(big)]))
    info = {"format": 1, "tenantId": guid("tenant"), "domain": DOMAIN, "now": "2026-01-01T00:00:00Z", "timeZones": {}}
    deleted = {**user(900_000, "Former"), "deletedDateTime": AT}
    _write(folder / "tenant.json", [info])
    _write(folder / "users.jsonl", users)
    _write(folder / "groups.jsonl", groups)
    _write(folder / "directory.json", [{"deletedUsers": [deleted]}])
    return folder


def _write(path: Path, rows: list[Row]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


class DirectoryDesk(Desk):
    """`expected`: what the tenant holds now."""

    expected: Expected

    def change(self, *rows: Row) -> None:
        """Apply changes to the tenant, and to what is expected."""
        self.tenant.control("POST", "changes", b"\n".join(json.dumps(row).encode() for row in rows))
        for row in rows:
            apply(self.expected, row)

    def copy(self, code: int = 0, *arguments: str) -> Row:
        """Export, and judge what lies in the store then; its document."""
        document = self.run("export", "--json", *arguments, code=code).document
        found = judge(self.store, self.expected)
        assert found == [], "\n".join(found[:10])
        return document

    def check_bag(self) -> None:
        """By `verify`, and by the Library of Congress."""
        told = self.run("verify", "--json", code=0).document
        assert told["reconciled"] and not told["open"], told
        assert bagit.Bag(str(self.store / "directory")).validate()

    def rows(self, kind: str) -> dict[str, Row]:
        """Rows of a kind by id."""
        return {row["id"]: row for row in rows_of(self.store / "directory") if row["kind"] == kind}

    def objects(self) -> dict[str, bytes]:
        """The payload."""
        folder = self.store / "directory/data"
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def asked(self) -> Counter[str]:
        """Requests to Graph by route, since the last look."""
        found = Counter({route.removeprefix("graph "): n for route, n in self.tenant.routes().items()})
        self.tenant.forget_requests()
        return found

    def lacks(self, *roles: str) -> None:
        """From the next sign-in on the application has all permissions but these."""
        self.tenant.settings(roles=sorted(DEFAULT_ROLES - {*roles}))


def apply(expected: Expected, row: Row) -> None:
    """Apply one change to what is expected."""
    of_users = row["kind"] == "user"
    live = expected.users if of_users else expected.groups
    deleted = expected.deleted_users if of_users else expected.deleted_groups
    if row["op"] == "create":
        live.append(dict(row["user" if of_users else "group"]))
        return
    thing = next(one for one in (*live, *deleted) if one["id"] == row["id"])
    if row["op"] == "update":
        thing.update(row["set"])
    elif row["op"] == "members":
        thing.update(_members=row["set"], _owners=row.get("owners") or thing.get("_owners", []))
    elif row["op"] == "delete":
        live.remove(thing)
        deleted.append(dict(thing))
        if of_users:
            deleted[-1]["userPrincipalName"] = thing["id"].replace("-", "") + thing["userPrincipalName"]
    elif row["op"] == "purge":
        deleted.remove(thing)
        expected.gone.add(thing["id"])


@contextmanager
def directory_desk(data: Path, folder: Path, **settings: Any) -> Iterator[DirectoryDesk]:
    """A product at a running tenant. settings: of the tenant."""
    with Tenant(data, clock=CLOCK, settings=TenantSettings(**settings)) as tenant:
        desk = DirectoryDesk(folder, tenant, sources=SOURCES)
        desk.expected = read(data)
        yield desk
