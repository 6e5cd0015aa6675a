"""The truth of sites and of the directory, read from a tenant folder (reference/tenant-data.md), with changes applied by itself.

Rules of this file: standard library only; imports nothing of ours but `truth` (drives). What a change made or took away is noted,
so that the judge knows what may be in a bag beside what is there now.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.independent.truth import DriveTruth, Truth, rows_of

Row = dict[str, Any]


class TruthBroken(Exception):
    """The tenant's files, or the changes, cannot be understood."""


@dataclass
class Things:
    """List items, lists or pages by id: what is there, what was and is deleted, ids of what changed after the first copy."""

    rows: dict[str, Row] = field(default_factory=dict)
    gone: dict[str, Row] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)

    def put(self, row: Row) -> None:
        """New, or in the place of what has its id."""
        self.rows[str(row["id"])] = row
        self.gone.pop(str(row["id"]), None)
        self.changed.add(str(row["id"]))

    def remove(self, item_id: str) -> None:
        """Nothing happens if it is not there."""
        if item_id in self.rows:
            self.gone[item_id] = self.rows.pop(item_id)


@dataclass
class LibraryTruth(DriveTruth):
    """A document library: a drive, the list behind it, and the names that it has had, the newest last."""

    list_row: Row = field(default_factory=dict)
    names: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """As served now."""
        return self.names[-1]

    def path_in_site(self, item_id: str) -> str:
        """`/<library>` and the path below its root."""
        below = self.path(item_id)
        return "/" + self.name + (below if below != "/" else "")


@dataclass
class ListTruth:
    """A list that is no library. names: those that it has had, the newest last."""

    row: Row
    items: Things = field(default_factory=Things)
    names: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        return str(self.row["id"])

    @property
    def name(self) -> str:
        """As served now."""
        return self.names[-1]


@dataclass
class SiteTruth:
    """A site collection or a subsite. libraries by drive id, lists by id; number: as in `summary.json` (`site:N`)."""

    row: Row
    number: int
    libraries: dict[str, LibraryTruth] = field(default_factory=dict)
    lists: dict[str, ListTruth] = field(default_factory=dict)
    gone_lists: dict[str, ListTruth] = field(default_factory=dict)
    pages: Things = field(default_factory=Things)

    @property
    def id(self) -> str:
        return str(self.row["id"])

    def find(self, name: str) -> ListTruth | None:
        """A list by id or by the name shown, without regard to case."""
        wanted = name.lower()
        return next((one for one in self.lists.values() if wanted in (one.id.lower(), one.name.lower())), None)

    @property
    def path(self) -> str:
        """Of its address, without the first `/`."""
        return str(self.row["webUrl"]).split("/", 3)[-1] if str(self.row["webUrl"]).count("/") > 2 else ""


@dataclass
class TenantTruth:
    """All sites by id, users and groups by id; contents are read through `drives`.
    deleted_…: what can be restored still; purged: ids of what cannot."""

    folder: Path
    info: Row
    drives: Truth
    sites: dict[str, SiteTruth]
    users: dict[str, Row]
    groups: dict[str, Row]
    personal: set[str] = field(default_factory=set)
    per: dict[str, Row] = field(default_factory=dict)
    gone_sites: dict[str, SiteTruth] = field(default_factory=dict)
    deleted_users: dict[str, Row] = field(default_factory=dict)
    deleted_groups: dict[str, Row] = field(default_factory=dict)
    purged: set[str] = field(default_factory=set)
    is_changed: bool = False

    def apply(self, change: Row) -> None:
        """One row of changes.jsonl. Raises TruthBroken for a change of a site that is not known here."""
        self.is_changed = True
        kind, op = change.get("kind"), str(change.get("op"))
        if kind == "driveItem":
            self.drives.apply(change)
        elif kind in ("user", "group"):
            self._apply_to_directory(change, op)
        elif kind == "site":
            self._apply_to_site(change, op)
        elif kind == "page":
            self._apply_to_page(change, op)
        elif kind == "list":
            self._apply_to_list(change, op)
        elif kind == "listItem":
            self._apply_to_item(change, op)

    def _apply_to_directory(self, change: Row, op: str) -> None:
        rows = self.users if change["kind"] == "user" else self.groups
        if op == "create":
            made = change[change["kind"]]
            rows[made["id"]] = made
            return
        removed = self.deleted_users if change["kind"] == "user" else self.deleted_groups
        if op == "purge" and removed.pop(str(change["id"]), None) is not None:
            self.purged.add(str(change["id"]))
        row = rows.get(str(change.get("id")))
        if row is None:
            return
        if op == "rename":
            row |= {"userPrincipalName": change["userPrincipalName"], "mail": change["userPrincipalName"]}
        elif op == "update":
            row |= change["set"]
        elif op == "members":
            row |= {"_members": change["set"]}
        elif op == "delete":
            removed[row["id"]] = rows.pop(row["id"])

    def _apply_to_site(self, change: Row, op: str) -> None:
        """A site that is deleted goes with its subsites; those below one that is renamed move along."""
        site = self.sites.get(str(change.get("id")))
        if site is None:
            return
        if op == "delete":
            for one in [one for one in self.sites.values() if one is site or one.row.get("_parent") == site.id]:
                self.gone_sites[one.id] = self.sites.pop(one.id)
        elif op in ("lock", "archive", "open"):
            site.row = {**site.row, "_state": None if op == "open" else op}
        elif op == "rename" and "path" in change:
            old, new = site.row["webUrl"], site.row["webUrl"].split("/", 3)
            address = "/".join(new[:3]) + change["path"].rstrip("/")
            for one in self.sites.values():
                if one is site or one.row["webUrl"].startswith(old + "/"):
                    one.row = {**one.row, "webUrl": address + one.row["webUrl"][len(old) :]}

    def is_open(self, site: SiteTruth) -> bool:
        """Whether it can be read: a lock or an archive holds for the subsites too."""
        above = self.sites.get(str(site.row.get("_parent")))
        return not site.row.get("_state") and (above is None or self.is_open(above))

    def _site_of(self, name: str) -> SiteTruth | None:
        """By folder or id."""
        return next(
            (one for one in self.sites.values() if name in (one.id, one.row["_dir"], one.row["_dir"][6:])), None
        )

    def _apply_to_list(self, change: Row, op: str) -> None:
        site = self._site_of(str(change["site"]))
        if site is None:
            return
        if op == "add":
            name = str(change["displayName"])
            shape = {"template": change.get("template", "genericList"), "hidden": False}
            row = {
                "id": change["id"],
                "name": name,
                "displayName": name,
                "list": shape,
                "_columns": change.get("columns", []),
            }
            site.lists[str(change["id"])] = ListTruth(row, names=[name])
            return
        one = site.find(str(change["list"]))
        if one is None:
            return
        if op == "rename":
            one.names.append(change["displayName"])
            one.row = {**one.row, "displayName": change["displayName"]}
        elif op == "columns":
            one.row = {**one.row, "_columns": change["set"]}
        elif op == "delete":
            site.gone_lists[one.id] = site.lists.pop(one.id)
        else:
            raise TruthBroken(f"a change {op!r} of lists is not known to the judge")

    def _apply_to_item(self, change: Row, op: str) -> None:
        site = self._site_of(str(change["site"]))
        one = site.find(str(change["list"])) if site is not None else None
        if one is None:
            return
        items = one.items
        if op == "add":
            item_id = str(change.get("id") or max((int(i) for i in {*items.rows, *items.gone}), default=0) + 1)
            more = {"_attachments": change["attachments"]} if change.get("attachments") else {}
            items.put({"id": item_id, "fields": {**change["fields"], "id": item_id}, "_made": True, **more})
            return
        item_id = str(change["id"])
        if op == "restore" and item_id in items.gone:
            items.put(items.gone[item_id])
        row = items.rows.get(item_id)
        if row is None or op == "restore":
            return
        if op == "delete":
            items.remove(item_id)
        elif op == "modify":
            items.put({**row, "fields": {**row["fields"], **change["fields"]}, "_moved": True})
        elif op in ("attach", "detach"):
            name = str(change["fileName"]).lower()
            files = [entry for entry in row.get("_attachments", ()) if str(entry["fileName"]).lower() != name]
            files += [{"fileName": change["fileName"], "_c": change["_c"]}] if op == "attach" else []
            fields = {**row["fields"], "Attachments": bool(files)}
            items.put({**row, "_attachments": files, "fields": fields, "_moved": True})
        else:
            raise TruthBroken(f"a change {op!r} of list items is not known to the judge")

    def _apply_to_page(self, change: Row, op: str) -> None:
        """The page, and its file in the library of pages. A new one has an id of the server's own: its name tells it here."""
        site = self._site_of(str(change["site"]))
        if site is None:
            return
        if op == "create":
            made = {key: change[key] for key in ("name", "title", "canvasLayout") if key in change}
            site.pages.put({"id": f"new {change['name']}", **made, "_made": True})
            return
        row = site.pages.rows.get(str(change["id"]))
        if row is None:
            return
        if op == "delete":
            site.pages.remove(row["id"])
        elif op in ("edit", "rename"):
            site.pages.put({**row, **(change["set"] if op == "edit" else {"name": change["name"]}), "_moved": True})
        else:
            raise TruthBroken(f"a change {op!r} of pages is not known to the judge")
        library = next((one for one in site.libraries.values() if row.get("_file") in one.items), None)
        if library is not None and op in ("rename", "delete"):
            about = {"kind": "driveItem", "drive": library.folder, "id": row["_file"], "op": op}
            self.drives.apply(about | ({"name": change["name"]} if op == "rename" else {}))


def attachments_of(item: Row) -> list[Row]:
    """What is attached to an item: {"fileName", "_c"}. A name is there once, whatever its case: the first of it counts."""
    found: dict[str, Row] = {}
    for one in item.get("_attachments", ()):
        found.setdefault(str(one["fileName"]).lower(), one)
    return list(found.values())


def load(folder: Path, changes: list[Path] | None = None) -> TenantTruth:
    """A tenant folder with changes applied in their order. Raises TruthBroken."""
    try:
        truth = _load(folder)
        for path in changes or ():
            for change in rows_of(path):
                truth.apply(change)
    except (OSError, ValueError, KeyError) as error:
        raise TruthBroken(f"{type(error).__name__}: {error}") from error
    return truth


def _load(folder: Path) -> TenantTruth:
    info = json.loads((folder / "tenant.json").read_bytes())
    users = {row["id"]: row for row in rows_of(folder / "users.jsonl")}
    sites = {}
    for number, row in enumerate(rows_of(folder / "sites.jsonl")):
        sites[row["id"]] = _site(folder, row, number)
    summary = folder / "summary.json"
    per = json.loads(summary.read_bytes()).get("per", {}) if summary.is_file() else {}
    drives = {one.id: one for site in sites.values() for one in site.libraries.values()}
    groups = {row["id"]: row for row in rows_of(folder / "groups.jsonl")}
    personal = {row["_drive"] for row in users.values() if row.get("_drive")}
    truth = TenantTruth(folder, info, Truth(folder, info, {**drives}), sites, users, groups, personal, per)
    if (folder / "directory.json").is_file():
        more = json.loads((folder / "directory.json").read_bytes())
        truth.deleted_users = {row["id"]: row for row in more.get("deletedUsers", ())}
        truth.deleted_groups = {row["id"]: row for row in more.get("deletedGroups", ())}
    return truth


def _site(folder: Path, row: Row, number: int) -> SiteTruth:
    site, behind = SiteTruth(row, number), {}
    lists = folder / str(row["_dir"]) / "lists.jsonl"
    for served in rows_of(lists) if lists.is_file() else ():
        if served.get("_drive"):
            behind[served["_drive"]] = served
            continue
        items = Things()
        if served.get("_items"):
            items.rows = {str(item["id"]): item for item in rows_of(folder / served["_items"])}
        if served.get("_count") is not None and served["_count"] != len(items.rows):
            raise TruthBroken(f"{served['_items']} has {len(items.rows)} rows, {served['_count']} are due")
        site.lists[served["id"]] = ListTruth(served, items, [served["displayName"]])
    for name in row.get("_drives", ()):
        drive = json.loads((folder / name / "drive.json").read_bytes())
        items_by_id = {item["id"]: item for item in rows_of(folder / name / "items.jsonl")}
        site.libraries[drive["id"]] = LibraryTruth(
            drive["id"], name, drive.get("owner", {}), items_by_id, list_row=behind.get(name, {}), names=[drive["name"]]
        )
    pages = folder / str(row["_dir"]) / "pages.jsonl"
    if pages.is_file():
        site.pages.rows = {str(page["id"]): page for page in rows_of(pages)}
    return site
