"""Adds three very small, very odd sites to a tiny tenant: a root site, a team site with lists of odd names, and a subsite of it.

Rules of this file: standard library only; imports nothing of ours. The same call gives the same bytes. Beyond the format, which
knows no pages: `pages.jsonl` of a site, as the rehearsal has it. Source: reference/tenant-data.md, "Sites".
"""

import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.independent import tiny
from tests.independent.tiny import AT, Drive, Row, write_rows

HOST = "tiny.example"
LATER = "2025-07-01T10:00:00Z"
ODD_LISTS = (
    'He said "hi"',
    "Plans / 2024",
    "wow!",
    "\N{PARTY POPPER} party",
    "ends.",
    "data",
    "root",
    "Documents",
    "Empty",
)
"""Names of lists: quotes, a slash, the mark between object and entry, an emoji, a dot at the end, names of folders of a bag."""

COLUMNS: tuple[tuple[str, str, Row], ...] = (
    ("Title", "Title", {"text": {"maxLength": 255}}),
    ("Notes", "Notizen", {"text": {"allowMultipleLines": True}}),
    ("Amount", "Amount", {"number": {}}),
    ("Active", "Active?", {"boolean": {}}),
    ("Tags", "Tags", {"choice": {"choices": ["a", "b"], "displayAs": "checkBoxes"}}),
    ("Owner0", "Owner", {"personOrGroup": {}}),
    ("Link", "=Link", {}),
    ("_x0024_weird", "$weird name", {"text": {}}),
    ("Attachments", "Attachments", {"boolean": {}}),
)
FIELDS: tuple[Row, ...] = (
    {"Title": "plain", "Amount": -0.1, "Active": True, "Tags": ["a", "b"], "Owner0LookupId": "5"},
    {"Title": "=1+1", "Notes": "two\r\nlines, \"quoted\"; \u202e\N{PARTY POPPER}", "_x0024_weird": "-x"},
    {"Title": None, "Amount": 1e15, "Active": False, "Link": {"Description": 'see "it"', "Url": "https://example.com/?a=1&b=%20"}},
)  # fmt: skip
HTML = (
    '<h2>All &amp; sundry</h2><p onclick="alert(1)">Caf\u00e9 <b>open</b>'
    '<script>alert(2)</script><img src="https://elsewhere.example/x.png"></p>'
)


def guid(*parts: object) -> str:
    """The same for the same parts."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"


class Site:
    """One site, and what is written of it."""

    def __init__(self, number: int, path: str, title: str, parent: "Site | None" = None) -> None:
        self.number, self.folder, self.url = number, f"sites/s{number:04}", f"https://{HOST}{path.rstrip('/')}"
        collection = parent.id.split(",")[1] if parent else guid("collection", number)
        self.id = f"{HOST},{collection},{guid('web', number)}"
        self.drives: list[Drive] = []
        self.lists: list[Row] = []
        self.items: dict[str, list[Row]] = {}
        self.pages: list[Row] = []
        granted = [{"application": {"id": guid(self.id, "app"), "displayName": "Backup app"}}]
        self.row: Row = {
            "id": self.id, "name": path.rpartition("/")[2], "displayName": title, "description": "", "webUrl": self.url,
            "createdDateTime": AT, "lastModifiedDateTime": AT, "siteCollection": None if parent else {"hostname": HOST},
            "_dir": self.folder, "_parent": parent.id if parent else None, "_path": path, "_traits": [],
            "_permissions": [{"id": guid(self.id, "grant"), "roles": ["read"], "grantedToIdentitiesV2": granted}],
        }  # fmt: skip
        if path == "/":
            self.row["root"] = {}

    def library(self, title: str, template: str = "documentLibrary") -> Drive:
        """A library that is empty yet."""
        folder, list_id = f"drives/s{self.number:04}_{len(self.drives)}", guid(self.id, "library", title)
        url = f"{self.url}/{quote(title)}"
        owner = {"group": {"id": guid(self.id, "owners"), "displayName": "Owners"}}
        info: Row = {"name": title, "driveType": "documentLibrary", "owner": owner, "webUrl": url, "_list": list_id}
        drive = Drive(0, {"id": guid("nobody")}, folder, info)
        self.drives.append(drive)
        self.lists.append(self._list_row(list_id, title, template, COLUMNS[:1], _drive=folder, _items=None))
        return drive

    def _list_row(self, list_id: str, name: str, template: str, columns: tuple[Any, ...], **more: Any) -> Row:
        kept = [
            {"id": guid(list_id, one), "name": one, "displayName": shown, "hidden": False, "readOnly": False,
             "required": False, "indexed": False, "columnGroup": "Custom Columns", "description": "", **facet}
            for one, shown, facet in columns
        ]  # fmt: skip
        shape = {"template": template, "hidden": template == "userInformation", "contentTypesEnabled": False}
        is_system = template in ("userInformation", "webPageLibrary")
        row = {"id": list_id, "name": name, "displayName": name, "webUrl": f"{self.url}/Lists/{quote(name)}",
               "createdDateTime": AT, "lastModifiedDateTime": AT, "list": shape, "_columns": kept, **more}  # fmt: skip
        return row | ({"system": {}} if is_system else {})

    def list_of(self, name: str, items: list[Row], template: str = "genericList") -> Row:
        """A list with its items."""
        file = f"{self.folder}/list{len(self.items):02}.jsonl"
        row = self._list_row(
            guid(self.id, "list", name), name, template, COLUMNS, _drive=None, _items=file, _count=len(items)
        )
        self.items[file] = items
        self.lists.append(row)
        return row

    def item(self, number: int, fields: Row, **more: Any) -> Row:
        """An item of a list. more: hints for the server."""
        own = {"id": str(number), **fields, "ContentType": "Item", "Modified": AT, "Created": AT, "AuthorLookupId": "5",
               "EditorLookupId": "5", "_UIVersionString": "1.0"}  # fmt: skip
        return {"id": str(number), "createdDateTime": AT, "lastModifiedDateTime": AT,
                "eTag": f'"{guid(self.id, number)},1"', "contentType": {"id": "0x0100", "name": "Item"},
                "fields": own, **more}  # fmt: skip

    def page(self, name: str, title: str, html: str, **more: Any) -> Row:
        """A page with one text part."""
        page_id = guid(self.id, "page", name)
        part = {"@odata.type": "#microsoft.graph.textWebPart", "id": guid(page_id, "part"), "innerHtml": html}
        columns = [{"id": "1", "width": 12, "webparts": [part]}]
        section = {"id": "1", "layout": "oneColumn", "emphasis": "none", "columns": columns}
        row = {
            "@odata.type": "#microsoft.graph.sitePage", "id": page_id, "eTag": f'"{{{page_id.upper()}}},1"', "name": name,
            "title": title, "webUrl": f"{self.url}/SitePages/{quote(name)}", "pageLayout": "article",
            "promotionKind": "page", "publishingState": {"level": "published", "versionId": "1.0"},
            "createdDateTime": AT, "lastModifiedDateTime": AT,
            "canvasLayout": {"horizontalSections": [section], "verticalSection": None}, **more,
        }  # fmt: skip
        self.pages.append(row)
        return row

    def write(self, out: Path) -> None:
        """Libraries, lists, pages."""
        (out / self.folder).mkdir(parents=True)
        for drive in self.drives:
            drive.write(out)
        for name, items in self.items.items():
            write_rows(out / name, items)
        write_rows(out / self.folder / "lists.jsonl", self.lists)
        write_rows(out / self.folder / "pages.jsonl", self.pages)
        self.row["_drives"] = [drive.folder for drive in self.drives]


def fill_library(drive: Drive) -> None:
    """Every kind of item that a judge treats in its own way, and a few odd names."""
    root = drive.root
    odd = drive.folder_in("Odd #% names", root)
    for name in ("50% of it.docx", "Caf\u00e9.txt", "Cafe\u0301.txt", "trailing dot.", "a\\b.txt"):
        drive.file_in(name, odd)
    drive.folder_in("Empty folder", root)
    drive.file_in("empty.txt", root, b"")
    drive.file_in("virus.txt", root, malware={"description": "DOS/EICAR_Test_File"})
    drive.file_in("protected.docx", root, _irm=True)
    drive.file_in("vanishing.txt", root, _goneAfterListing=True)
    drive.file_in("versions.txt", root, _versions=drive.versions(b"one", b"two"))
    grant = [
        {
            "id": "cGVybQ",
            "roles": ["read"],
            "link": {"scope": "anonymous", "type": "view", "webUrl": "https://t.example/s"},
        }
    ]
    drive.file_in("shared.txt", root, shared={"scope": "anonymous"}, _permissions=grant)
    drive.package("Notebook", 1)
    drive.shortcut("Shortcut to other drive")


def fill_team(site: Site) -> None:
    """Lists of odd names; attachments, versions, unique permissions; pages."""
    assets = site.library("Site Assets")
    fill_library(site.library("Documents"))
    for name in ODD_LISTS:
        site.list_of(name, [] if name == "Empty" else [site.item(n, one) for n, one in enumerate(FIELDS, 1)])
    attached = [
        {"fileName": name, "_c": assets.put(data)}
        for name, data in (("sketch #1.png", b"sketch"), ("Gr\u00f6\u00dfe.docx", b"size"), ("empty.txt", b""))
    ]
    grant = {"user": {"id": guid("user"), "displayName": "Somebody"}}
    special = (
        site.item(1, {"Title": "attached", "Attachments": True}, _attachments=attached),
        site.item(3, {"Title": "now"}, _versions=[_version(site, 2, "now"), _version(site, 1, "before")]),
        site.item(
            4, {"Title": "seen by one"}, _uniquePermissions=[{"id": "1", "roles": ["read"], "grantedToV2": grant}]
        ),
    )
    site.list_of("Special", [*special])
    site.list_of("User Information List", [site.item(1, {"Title": "Somebody"})], "userInformation")
    pages = site.library("Site Pages", "webPageLibrary")
    for name, title, html in (
        ("Home.aspx", "Home & hearth", HTML),
        ("Gr\u00f6\u00dfe 50%.aspx", "Size", "<p>Nothing</p>"),
        ("Old.aspx", "", ""),
    ):
        file = pages.file_in(name, pages.root)
        site.page(name, title, html, _file=file["id"])


def _version(site: Site, number: int, title: str) -> Row:
    return {"id": f"{number}.0", "lastModifiedDateTime": LATER, "fields": {"Title": title, "Active": number == 1}}


def make_sites(out: Path) -> list[Site]:
    """Write three sites into a tenant folder that holds none."""
    root = Site(0, "/", "Tiny")
    root.library("Documents").file_in("welcome.txt", root.drives[0].root)
    root.list_of("Issues", [root.item(n, one) for n, one in enumerate(FIELDS, 1)])
    team = Site(1, "/sites/team", "Team & co")
    fill_team(team)
    sub = Site(2, "/sites/team/sub", "Below", team)
    sub.library("Documents").file_in("sub.txt", sub.drives[0].root)
    sub.list_of("root", [sub.item(1, FIELDS[0])])
    sites = [root, team, sub]
    for site in sites:
        site.write(out)
    write_rows(out / "sites.jsonl", [site.row for site in sites])
    return sites


def make(out: Path) -> list[Site]:
    """A tiny tenant with one plain drive, two users, a group and three sites."""
    tiny.make(out, drives=1, files=2, odd=False)
    sites = make_sites(out)
    users = [json.loads(line) for line in (out / "users.jsonl").read_text().splitlines()]
    group = {"id": guid("group"), "displayName": "Team & co", "mail": "team@" + tiny.DOMAIN, "groupTypes": ["Unified"],
             "_site": sites[1].id, "_members": [user["id"] for user in users]}  # fmt: skip
    write_rows(out / "groups.jsonl", [group])
    return sites
