"""The truth of a tenant: its folder of plain files, and what has been changed since it was opened.

Rules of this file: keys that start with `_` never leave it but for the truth; drives are opened when they are first asked
for, so that a tenant of ten thousand drives starts at once.
Source: reference/tenant-data.md.
"""

import base64
import hashlib
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from exporters.rehearsal.content import ContentReader
from exporters.rehearsal.directory_truth import DirectoryTruth
from exporters.rehearsal.documents import Row, parse
from exporters.rehearsal.items import DriveTruth
from exporters.rehearsal.list_truth import SiteLists
from exporters.rehearsal.mailboxes import Mailbox, Mailboxes
from exporters.rehearsal.site_pages import SitePages

_DRIVES_KEPT = 256  # unchanged drives with their rows indexed; a thousand items take 40 kB


class TenantDataError(Exception):
    """The folder is not a tenant of format 1."""


class Tenant:
    """A tenant folder, open for reading and for changes in memory."""

    def __init__(self, folder: Path) -> None:
        """Raises TenantDataError."""
        self.folder = folder
        try:
            self.info: Row = parse((folder / "tenant.json").read_bytes())
        except (OSError, ValueError) as error:
            raise TenantDataError(f"{folder} holds no tenant.json that can be read") from error
        if self.info.get("format") != 1:
            raise TenantDataError(f"{folder} is a tenant of format {self.info.get('format')!r}, not 1")
        self.id: str = self.info["tenantId"]
        self.domain: str = self.info["domain"]
        self.lock = threading.RLock()
        self.content = ContentReader(folder)
        self.mailboxes = Mailboxes(folder, self.content.files)
        self.users: list[Row] = list(self._rows("users.jsonl"))
        self.sites: list[Row] = list(self._rows("sites.jsonl"))
        self.groups: list[Row] = list(self._rows("groups.jsonl"))
        self.directory = DirectoryTruth(folder, self.id, self.users)
        self.pages = SitePages(folder)
        self.subscription_status = "Enabled"
        self.changes_applied = 0
        self._by_name: dict[str, Row] = {}
        self._drives: OrderedDict[str, DriveTruth] = OrderedDict()
        self._changed: dict[str, DriveTruth] = {}
        self._folders: dict[str, str] | None = None
        self._personal: list[Row] | None = None
        self._states: dict[str, str | None] = {}  # of OneDrives that were asked for, by folder
        self._lists: dict[str, SiteLists] = {}
        self.removed_drives: set[str] = set()
        self.index_users()

    def _rows(self, name: str) -> Iterator[Row]:
        path = self.folder / name
        if path.exists():
            with path.open("rb") as lines:
                yield from (parse(line) for line in lines)

    @property
    def digest(self) -> str:
        """What tells this tenant's data from another's."""
        known = self.info.get("digest") or hashlib.sha256(self.id.encode()).hexdigest()
        return str(known)

    @property
    def domains(self) -> list[str]:
        """The verified domains, the initial one first."""
        found = {self.domain: None}
        for user in self.users:
            found.setdefault(str(user["userPrincipalName"]).rpartition("@")[2], None)
        for domain in self.directory.domains:
            found.setdefault(str(domain["id"]), None)
        return [name for name in found if "#ext#" not in name.lower()]

    # -------------------------------------------------------------------------------------------------- users

    def index_users(self) -> None:
        """Note ids and principal names again after users changed."""
        with self.lock:
            self._by_name = {}
            for user in self.users:
                self._by_name[str(user["id"]).lower()] = user
                self._by_name[str(user["userPrincipalName"]).lower()] = user

    def user(self, name: str) -> Row | None:
        """By id or by userPrincipalName, without regard to case."""
        return self._by_name.get(name.lower())

    def mailbox(self, user: Row, *, to_change: bool = False) -> Mailbox | None:
        """The active mailbox of a user. to_change: it stays open with its changes."""
        return self.mailboxes.of(user, to_change=to_change)

    # -------------------------------------------------------------------------------------------------- sites

    def site(self, name: str) -> Row | None:
        """A team site by its id, or by its folder as `sites/s0000`."""
        wanted = name.lower()
        return next((row for row in self.sites if wanted in (str(row["id"]).lower(), row.get("_dir"))), None)

    def lists_of(self, site: Row) -> SiteLists:
        """The lists of a site; personal ones have none here."""
        folder = str(site.get("_dir") or f"sites/none/{site['id']}")
        with self.lock:
            if folder not in self._lists:
                self._lists[folder] = SiteLists(self.folder, folder, self.content.files)
            return self._lists[folder]

    # ------------------------------------------------------------------------------------------------- drives

    def drive_in(self, folder: str, *, to_change: bool = False) -> DriveTruth:
        """The drive of a folder as `drives/u00000`. to_change: it is kept; others are read again when asked for later."""
        with self.lock:
            found = self._changed.get(folder) or self._drives.pop(folder, None)
            if found is None:
                found = DriveTruth(self.folder, folder, self.content.files)
            if to_change:
                self._changed[folder] = found
            if folder not in self._changed:
                self._drives[folder] = found
                if len(self._drives) > _DRIVES_KEPT:
                    self._drives.popitem(last=False)
            return found

    def drive(self, drive_id: str) -> DriveTruth | None:
        """By drive id; None if there is none or it was removed."""
        with self.lock:
            if self._folders is None:
                self._folders = {self._drive_info(folder)["id"]: folder for folder in self.drive_folders()}
            folder = self._folders.get(drive_id)
        if folder is None or folder in self.removed_drives:
            return None
        return self.drive_in(folder)

    def _drive_info(self, folder: str) -> Row:
        info: Row = parse((self.folder / folder / "drive.json").read_bytes())
        return info

    def drive_folders(self) -> list[str]:
        """Folders of all drives that the data has, of users and of sites, removed ones too."""
        top = self.folder / "drives"
        return [f"drives/{entry.name}" for entry in sorted(top.iterdir())] if top.is_dir() else []

    def drive_of(self, user: Row) -> DriveTruth | None:
        """The OneDrive of a user, if there is one."""
        folder = user.get("_drive")
        return None if folder is None or folder in self.removed_drives else self.drive_in(folder)

    def personal_site(self, folder: str) -> Row:
        """The site around a OneDrive, as getAllSites shows it."""
        drive = self._drive_info(folder)
        url = str(drive["webUrl"]).removesuffix("/Documents")
        host = url.split("/")[2]
        collection, web = _guids_in(drive["id"])
        owner: dict[str, Any] = drive.get("owner", {}).get("user", {})
        return {
            "id": f"{host},{collection},{web}",
            "name": url.rpartition("/")[2],
            "displayName": owner.get("displayName"),
            "isPersonalSite": True,
            "createdDateTime": drive.get("createdDateTime"),
            "lastModifiedDateTime": drive.get("lastModifiedDateTime"),
            "root": {},
            "siteCollection": {"hostname": host},
            "webUrl": url,
            "_drive": folder,
            "_owner": owner.get("id"),
            "_state": self.state_of_personal(folder),
        }

    def personal_sites(self) -> list[Row]:
        """Of every OneDrive that a user has, and of those whose user is listed no more. One that the data holds for later, to
        be given to a user who has another or none, is not there yet."""
        with self.lock:
            if self._personal is None:
                libraries = {folder for site in self.sites for folder in site.get("_drives", ())}
                folders = [name for name in self.drive_folders() if name not in libraries]
                self._personal = [self.personal_site(name) for name in folders]
            given = {user.get("_drive") for user in self.users}
            return [
                site
                for site in self._personal
                if site["_drive"] not in self.removed_drives
                and (site["_drive"] in given or self.user(str(site["_owner"])) is None)
            ]

    def state_of_personal(self, folder: str) -> str | None:
        """Whether the site of a OneDrive is locked or archived (see `site_truth`): `_state` of its drive.json, or later news."""
        with self.lock:
            if folder not in self._states:
                self._states[folder] = self._drive_info(folder).get("_state")
            return self._states[folder]

    def put_state(self, folder: str, state: str | None) -> None:
        """The site of a OneDrive has another state from now on."""
        with self.lock:
            self._states[folder] = state
            self._personal = None

    def close(self) -> None:
        """Close all files."""
        self.content.close()


def _guids_in(drive_id: str) -> tuple[uuid.UUID, uuid.UUID]:
    """Collection and web of the site of a drive: they are the first 32 bytes of its id, as in the service."""
    try:
        known = base64.urlsafe_b64decode(drive_id.removeprefix("b!"))
    except ValueError:
        known = b""
    if len(known) != 48:
        known = hashlib.sha512(drive_id.encode()).digest()
    return uuid.UUID(bytes_le=known[:16]), uuid.UUID(bytes_le=known[16:32])
