"""Writes the sites of the rehearsal tenant, in the tenant-data format: libraries, lists with their items, pages.

Rules of this file: the same seed gives the same bytes. Beyond the format, which knows no pages: `pages.jsonl` of a site has a row
a page, as Graph's sitePage with its `canvasLayout`, and `_file`: id of the file in the library of pages. A library of
`lists.jsonl` has `_drive`; its drive.json has `_list`, the id of the list.
Source: reference/tenant-data.md, "Sites"; data/graph/sites.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from exporters.clock import timestamp
from exporters.rehearsal.documents import Row, render
from exporters.rehearsal.drive_making import DriveMaker, Library
from exporters.rehearsal.lively import NOW, VANITY_DOMAIN
from exporters.rehearsal.lively_sites import (
    FILE_COLUMNS,
    ISSUES,
    LIBRARIES,
    NOTE,
    PAGES,
    PEOPLE_LIST,
    SITE_HOST,
    SITES,
    TITLES,
    VISITS,
    Column,
    LivelySite,
)
from exporters.rehearsal.story import guid

_RECURRENCE = '<recurrence><rule><repeat><weekly mo="TRUE" weekFrequency="1" /></repeat></rule></recurrence>'
_IMAGE_PART = "d1d91016-032f-456d-98a4-721247c305e8"


class Maker(Protocol):
    """What the tenant around a site has. rows: those of each drive, for the story of changes."""

    folder: Path
    seed: str
    users: list[Row]
    rows: dict[str, list[Row]]
    traits: Counter[str]
    counts: Counter[str]

    def content(self, recipe: str, length: int) -> Row:
        """A content reference for a recipe."""
        ...

    def lines(self, name: str, rows: Iterable[Row]) -> list[int]:
        """Write a .jsonl."""
        ...


def make_sites(maker: Maker) -> list[Row]:
    """Write them all; returns the rows of sites.jsonl."""
    made: list[Row] = []
    for number, site in enumerate(SITES):
        made.append(_SiteMaker(maker, number, site, None if site.parent is None else made[site.parent]).make())
    maker.lines("sites.jsonl", made)
    return made


def _date(days: int) -> str:
    return timestamp(NOW - timedelta(days=days))


class _SiteMaker:
    """One site. url: its address, without a slash at its end."""

    def __init__(self, maker: Maker, number: int, site: LivelySite, parent: Row | None) -> None:
        self.maker, self.number, self.site = maker, number, site
        self.folder = f"sites/s{number:04}"
        self.url = f"https://{SITE_HOST}{site.path.rstrip('/')}"
        collection = parent["id"].split(",")[1] if parent else guid(maker.seed, "collection", number)
        self.id = f"{SITE_HOST},{collection},{guid(maker.seed, 'web', number)}"
        self.parent = parent
        self.writer = maker.users[number % len(maker.users)]
        self.lists: list[Row] = []
        self.drives: list[str] = []
        self.pages: dict[str, Row] = {}

    def make(self) -> Row:
        """Write libraries, lists and pages; returns the row of the site."""
        for place, library in enumerate(LIBRARIES):
            self._library(place, *library)
        self._list(0, "Issues", "genericList", ISSUES, [self._issue(n) for n in range(1, self.site.issues + 1)])
        self._list(1, "Visits", "events", VISITS, [self._visit(n) for n in range(1, 4)])
        self._list(2, "User Information List", "userInformation", PEOPLE_LIST, self._people(), is_system=True)
        self.maker.lines(f"{self.folder}/lists.jsonl", self.lists)
        self._write_pages()
        self.maker.counts.update({"sites": 1, "lists": 3})
        return self._row()

    def _row(self) -> Row:
        path = self.site.path
        collection: Row = {"hostname": SITE_HOST} | ({"root": {}} if path == "/" else {})
        application = {"id": guid(self.id, "application"), "displayName": "Backup app"}
        granted = [{"application": application}]
        return {
            "id": self.id,
            "name": path.rpartition("/")[2],
            "displayName": self.site.title,
            "description": "",
            "webUrl": self.url,
            "createdDateTime": _date(1500),
            "lastModifiedDateTime": _date(1),
            "siteCollection": None if self.parent else collection,
            "_dir": self.folder,
            "_parent": self.parent["id"] if self.parent else None,
            "_path": path,
            "_drives": self.drives,
            "_group": self.site.group,
            "_permissions": [{"id": guid(self.id, "granted"), "roles": ["read"], "grantedToIdentitiesV2": granted}],
        }

    # ---------------------------------------------------------------------------------------------- libraries

    def _library(self, place: int, name: str, title: str, address: str, template: str, is_system: bool) -> None:
        folder, url = f"drives/s{self.number:04}_{place}", f"{self.url}/{address}"
        list_id = guid(self.id, "list", name)
        owner = {"group": self._owner()}
        drive = DriveMaker(self.maker, folder, self.writer, Library(title, url, owner, list_id, is_system))
        self._fill(drive, template, place)
        rows = drive.finish()
        self.maker.rows[folder] = rows
        self.maker.lines(f"{folder}/items.jsonl", rows)
        (self.maker.folder / folder / "drive.json").write_bytes(render(drive.info(rows)))
        self.drives.append(folder)
        listed = self._list_row(list_id, name, title, url, template, FILE_COLUMNS, is_system=is_system)
        self.lists.append({**listed, "_drive": folder, "_items": None})
        files = sum("file" in row for row in rows)
        self.maker.counts.update({"drives": 1, "files": files})
        self.maker.counts["fileBytes"] += sum(row["_c"]["len"] for row in rows if "_c" in row)

    def _owner(self) -> Row:
        """The group of a team site, else one of the site's own."""
        if self.site.group:
            mail = f"{self.site.group.lower().replace(' ', '.')}@{VANITY_DOMAIN}"
            return {"id": guid(self.maker.seed, "group", 0), "displayName": self.site.group, "email": mail}
        return {"id": guid(self.id, "owners"), "displayName": f"{self.site.title} Owners"}

    def _fill(self, drive: DriveMaker, template: str, place: int) -> None:
        if template == "webPageLibrary":
            for name, title, html in PAGES[self.number]:
                self.pages[name] = drive.file(f"/{name}", 900 + len(html)) | {"_title": title}
        elif place:
            drive.file(f"/SitePages/{self.number}/wall.jpg", 14_000)
        else:
            for path, size in self.site.files:
                drive.file(path, size)
            for special in self.site.specials:
                drive.special(special)

    # -------------------------------------------------------------------------------------------------- lists

    def _list_row(
        self,
        list_id: str,
        name: str,
        title: str,
        url: str,
        template: str,
        columns: Iterable[Column],
        *,
        is_system: bool,
    ) -> Row:
        shown = {
            "id": list_id,
            "name": name,
            "displayName": title,
            "createdDateTime": _date(1400),
            "lastModifiedDateTime": _date(2),
            "eTag": f'"{guid(list_id, "etag")},3"',
            "webUrl": url,
            "list": {"contentTypesEnabled": False, "hidden": template == "userInformation", "template": template},
        }
        kept = [
            {
                "id": guid(list_id, column, "column"),
                "name": column,
                "displayName": label,
                "columnGroup": "Custom Columns",
                "description": "",
                "hidden": False,
                "indexed": column == "Title",
                "readOnly": column == "Attachments",
                "required": column == "Title",
                **facet,
            }
            for column, label, facet in columns
        ]
        return {**shown, **({"system": {}} if is_system else {}), "_columns": kept}

    def _list(
        self,
        place: int,
        name: str,
        template: str,
        columns: Iterable[Column],
        items: list[Row],
        *,
        is_system: bool = False,
    ) -> None:
        file, url = f"{self.folder}/list{place:02}.jsonl", f"{self.url}/Lists/{quote(name)}"
        listed = self._list_row(guid(self.id, "list", name), name, name, url, template, columns, is_system=is_system)
        self.maker.lines(file, items)
        self.lists.append({**listed, "_drive": None, "_items": file, "_count": len(items)})
        self.maker.counts["listItems"] += len(items)
        for item in items:
            self.maker.traits.update(item.get("_traits", ()))

    def _item(self, name: str, n: int, fields: Row) -> Row:
        created, modified = _date(300 + n), _date(10 + n)
        author = {key: self.writer[key] for key in ("id", "displayName")} | {"email": self.writer["mail"]}
        return {
            "id": str(n),
            "createdDateTime": created,
            "lastModifiedDateTime": modified,
            "createdBy": {"user": author},
            "lastModifiedBy": {"user": author},
            "eTag": f'"{guid(self.id, name, n)},{1 + n % 3}"',
            "webUrl": f"{self.url}/Lists/{quote(name)}/{n}_.000",
            "contentType": {"id": "0x0100E1", "name": "Item"},
            "fields": {
                "id": str(n),
                **fields,
                "ContentType": "Item",
                "Created": created,
                "Modified": modified,
                "AuthorLookupId": str(self.number + 1),
                "EditorLookupId": str(self.number + 1),
                "_UIVersionString": f"{1 + n % 3}.0",
            },
        }

    def _issue(self, n: int) -> Row:
        fields: Row = {
            "Title": TITLES[n % len(TITLES)] or None,
            "Notes": NOTE,
            "Costs": round(n * 1234.56, 2),
            "Due_x0020_Date": _date(-n)[:10] + "T23:00:00Z",
            "Status": ("Open", "Closed", "typed in by hand")[n % 3],
            "Tags": ["a", "ü"][: 1 + n % 2],
            "Urgent": n % 2 == 0,
            "Owner0LookupId": str(1 + n % len(self.maker.users)),
            "Team": [
                {"LookupId": 1, "LookupValue": self.maker.users[0]["displayName"], "Email": self.maker.users[0]["mail"]}
            ],
            "Plan_x002d_Link": {"Description": 'see "plan"', "Url": f"{self.url}/SiteAssets/plan.pdf?a={n}&c=%20"},
            "Topic": [{"Label": "Steuern & Abgaben", "TermGuid": guid("term", n), "WssId": 1 + n}],
        } | ({"ParentLookupId": str(n - 1)} if n > 1 else {})
        item = self._item("Issues", n, fields)
        traits: list[str] = []
        if n % 3 == 1:
            names = ("sketch.png", "Größe #1 (50%).docx")[: 1 + n % 2]
            item["_attachments"] = [
                {"fileName": name, "_c": self.maker.content(f"{self.folder}.{n}.{name}", 500 + 37 * n)}
                for name in names
            ]
            traits.append("list-attachment")
        item["fields"]["Attachments"] = bool(traits)
        if version := n % 3:  # the newest first, as many as the version string says
            item["_versions"] = [self._version(item, number) for number in range(version + 1, 0, -1)]
            traits.append("list-versions")
        if n == 2:
            grant = {"user": {key: self.writer[key] for key in ("id", "displayName")}}
            item["_uniquePermissions"] = [{"id": guid(self.id, "unique"), "roles": ["read"], "grantedToV2": grant}]
            traits.append("list-unique-permissions")
        return item | ({"_traits": traits} if traits else {})

    def _version(self, item: Row, number: int) -> Row:
        last = item["fields"]["_UIVersionString"] == f"{number}.0"
        title = item["fields"]["Title"] if last else f"Before ({number})"
        shown = {key: item["fields"][key] for key in ("Status", "Costs", "Urgent")}
        date = item["lastModifiedDateTime"] if last else _date(200 - number)
        return {
            "id": f"{number}.0",
            "lastModifiedDateTime": date,
            "lastModifiedBy": item["lastModifiedBy"],
            "fields": {"Title": title, **shown},
        }

    def _visit(self, n: int) -> Row:
        start = NOW + timedelta(days=7 * n - 10, hours=9)
        fields: Row = {
            "Title": f"Visit {n} of the wall",
            "EventDate": timestamp(start),
            "EndDate": timestamp(start + timedelta(hours=2)),
            "fAllDayEvent": n == 2,
            "fRecurrence": n == 3,
            "Attachments": False,
        } | ({"RecurrenceData": _RECURRENCE} if n == 3 else {})
        return self._item("Visits", n, fields) | ({"_traits": ["list-recurrence"]} if n == 3 else {})

    def _people(self) -> list[Row]:
        rows = []
        for n, user in enumerate(self.maker.users, 1):
            account = f"i:0#.f|membership|{user['userPrincipalName']}"
            fields = {"Title": user["displayName"], "Name": account, "EMail": user["mail"]}
            rows.append(self._item("User Information List", n, fields))
        return rows

    # -------------------------------------------------------------------------------------------------- pages

    def _write_pages(self) -> None:
        rows = [self._page(name, html) for name, _, html in PAGES[self.number]]
        self.maker.lines(f"{self.folder}/pages.jsonl", rows)
        self.maker.counts["pages"] += len(rows)

    def _page(self, name: str, html: str) -> Row:
        file, is_home = self.pages[name], name == "Home.aspx"
        page_id = guid(self.id, "page", name)
        text = {"@odata.type": "#microsoft.graph.textWebPart", "id": guid(page_id, "text"), "innerHtml": html}
        image = {
            "@odata.type": "#microsoft.graph.standardWebPart",
            "id": guid(page_id, "image"),
            "webPartType": _IMAGE_PART,
            "data": {
                "dataVersion": "1.9",
                "title": "Image",
                "description": "Show an image on your page",
                "properties": {"imageSourceType": 2, "altText": "the wall", "linkUrl": ""},
                "serverProcessedContent": {
                    "htmlStrings": [],
                    "searchablePlainTexts": [{"key": "captionText", "value": "The wall at low tide"}],
                    "links": [],
                    "imageSources": [
                        {"key": "imageSource", "value": f"{self.url}/SiteAssets/SitePages/{self.number}/wall.jpg"}
                    ],
                },
            },
        }
        columns = [{"id": "1", "width": 8, "webparts": [text]}, {"id": "2", "width": 4, "webparts": [image]}]
        section = {"id": "1", "layout": "oneThirdRightColumn", "emphasis": "none", "columns": columns}
        return {
            "@odata.type": "#microsoft.graph.sitePage",
            "id": page_id,
            "eTag": f'"{{{page_id.upper()}}},4"',
            "name": name,
            "title": file["_title"],
            "webUrl": f"{self.url}/SitePages/{name}",
            "pageLayout": "home" if is_home else "article",
            "promotionKind": "page" if is_home else "newsPost",
            "publishingState": {"level": "published", "versionId": "2.0"},
            "showComments": not is_home,
            "createdDateTime": file["createdDateTime"],
            "lastModifiedDateTime": file["lastModifiedDateTime"],
            "createdBy": file["createdBy"],
            "lastModifiedBy": file["lastModifiedBy"],
            "canvasLayout": {"horizontalSections": [section], "verticalSection": None},
            "_file": file["id"],
        }
