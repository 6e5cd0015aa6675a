"""Writes one drive of the rehearsal tenant, in the tenant-data format: makes folders as paths need them.

Rules of this file: the same seed gives the same bytes; every oddity is marked by its trait.
Source: reference/tenant-data.md, "Drives".
"""

import base64
import hashlib
import random
from collections import Counter
from datetime import timedelta
from typing import NamedTuple, Protocol
from urllib.parse import quote

from exporters.clock import timestamp
from exporters.rehearsal.documents import Row
from exporters.rehearsal.lively import HOST, MIME_TYPES, NOW, Special
from exporters.rehearsal.quickxor import quick_xor
from exporters.rehearsal.story import guid


class Maker(Protocol):
    """What the tenant around a drive has. traits: how often each was made."""

    seed: str
    users: list[Row]
    traits: Counter[str]

    def content(self, recipe: str, length: int) -> Row:
        """A content reference for a recipe."""
        ...


class Library(NamedTuple):
    """A document library, where the drive is no OneDrive. owner: as drive.json has it. is_system: shown only to who asks."""

    title: str
    url: str
    owner: Row
    list_id: str
    is_system: bool = False


class DriveMaker:
    """One drive: makes folders as paths need them."""

    def __init__(self, maker: Maker, name: str, user: Row, library: Library | None = None) -> None:
        """user: owner of a OneDrive; who wrote what is in a library."""
        self.maker, self.name, self.user, self.library = maker, name, user, library
        digest = hashlib.sha512(f"{maker.seed}|{name}".encode()).digest()[:48]
        self.id = "b!" + base64.urlsafe_b64encode(digest).decode()
        self.random = random.Random(f"{maker.seed}|{name}")  # noqa: S311  (repeatable on purpose)
        personal = f"https://{HOST}/personal/{user['userPrincipalName'].replace('@', '_').replace('.', '_')}/Documents"
        self.url = library.url if library else personal
        self.type = "documentLibrary" if library else "business"
        self.files: list[Row] = []
        self.containers: dict[str, Row] = {}
        self.numbers = 0
        root = self._item("/", "root", None, 2400)
        root |= {"folder": {"childCount": 0}, "root": {}, "size": 0}
        self.containers["/"] = root

    def _item(self, path: str, name: str, parent: Row | None, days: int) -> Row:
        n, self.numbers = self.numbers, self.numbers + 1
        digest = hashlib.sha256(f"{self.id}|{n}".encode()).digest()
        changed = timestamp(NOW - timedelta(days=days, seconds=n * 61))
        created = timestamp(NOW - timedelta(days=days + self.random.randrange(300)))
        by = {"user": {key: self.user[key] for key in ("id", "displayName")} | {"email": self.user["mail"]}}
        item: Row = {
            "id": "01" + base64.b32encode(digest[:20]).decode(),
            "name": name,
            "createdDateTime": created,
            "lastModifiedDateTime": changed,
            "createdBy": by,
            "lastModifiedBy": by,
            "fileSystemInfo": {"createdDateTime": created, "lastModifiedDateTime": changed},
            "eTag": f'"{{{guid(self.id, n).upper()}}},{self.random.randrange(1, 9)}"',
            "cTag": f'"c:{{{guid(self.id, n).upper()}}},{self.random.randrange(1, 9)}"',
            "webUrl": self.url + ("" if path == "/" else quote(path, safe="/._-", errors="replace")),
            "parentReference": {"driveId": self.id, "driveType": self.type},
            "_n": n,
            "_path": path,
        }
        if parent is not None:
            above = "" if parent["_path"] == "/" else parent["_path"]
            item["parentReference"] |= {
                "id": parent["id"],
                "name": parent["name"],
                "path": f"/drives/{self.id}/root:{above}",
            }
            if "folder" in parent:
                parent["folder"]["childCount"] += 1
            else:
                parent["_childCount"] += 1
        return item

    def folder(self, path: str) -> Row:
        """The folder of a path, made with those above it."""
        found = self.containers.get(path)
        if found is None:
            above, _, name = path.rpartition("/")
            found = self._item(path, name, self.folder(above or "/"), self.random.randrange(60, 2000))
            found |= {"folder": {"childCount": 0}, "size": 0}
            self.containers[path] = found
        return found

    def file(self, path: str, size: int, *, versions: int = 0) -> Row:
        """A file with content of `size` bytes and so many earlier versions."""
        above, _, name = path.rpartition("/")
        row = self._item(path, name, self.folder(above or "/"), self.random.randrange(1, 1900))
        content = self.maker.content(f"{self.name}.{row['_n']}", size)
        kind = name.rpartition(".")[2].lower()
        row |= {
            "size": size,
            "file": {
                "mimeType": MIME_TYPES.get(kind, "application/octet-stream"),
                "hashes": {"quickXorHash": content["qx"]} if size else {},
            },
            "_c": content,
            "_traits": [],
        }
        if not size:
            row["_traits"].append("zero-byte")
        if versions:
            row["_versions"] = self._versions(row, versions)
            row["_traits"].append("versions")
        self.files.append(row)
        return row

    def _versions(self, row: Row, count: int) -> list[Row]:
        current = {"id": f"{count + 1}.0", "lastModifiedDateTime": row["lastModifiedDateTime"], "size": row["size"]}
        listed: list[Row] = [{**current, "_current": True}]
        for version in range(count, 0, -1):
            content = self.maker.content(
                f"{self.name}.{row['_n']}.v{version}", max(1, row["size"] * version // (count + 1))
            )
            changed = timestamp(NOW - timedelta(days=1950 - 3 * version))
            listed.append(
                {"id": f"{version}.0", "lastModifiedDateTime": changed, "size": content["len"], "_c": content}
            )
        return listed

    def special(self, special: Special) -> None:
        """An oddity: its path, its trait, and what it takes."""
        kind, path, size = special
        match kind:
            case "empty-folder":
                row = self.folder(path)
            case "onenote-package":
                row = self._package(path)
            case "remote-item":
                row = self._shortcut(path)
            case "versions":
                self.file(path, size, versions=5)
                return
            case _:
                row = self.file(path, size)
                self._mark(row, kind)
        row.setdefault("_traits", []).append(kind)

    def _mark(self, row: Row, kind: str) -> None:
        match kind:
            case "malware":
                row["malware"] = {"description": "DOS/EICAR_Test_File"}
            case "irm-protected":
                row["_irm"] = True
            case "gone-after-listing":
                row["_goneAfterListing"] = True
            case "checked-out":
                row["publication"] = {"level": "checkout", "versionId": "1.0"}
            case "hash-missing":
                row["file"]["hashes"] = {}
            case "size-hash-differ":
                row["size"] += 1536
                row["file"]["hashes"] = {"quickXorHash": quick_xor([row["name"].encode()])}
            case "shared":
                row["shared"] = {"scope": "users"}
                row["_permissions"] = self._permissions(row)
            case _:
                pass

    def _permissions(self, row: Row) -> list[Row]:
        other = self.maker.users[(self.user["_n"] + 1) % len(self.maker.users)]
        user = {"id": other["id"], "displayName": other["displayName"], "email": other["mail"]}
        link = {"scope": "anonymous", "type": "view", "webUrl": f"https://{HOST}/:x:/g/{row['id'][-12:].lower()}"}
        return [
            {"id": guid(row["id"], "user"), "roles": ["write"], "grantedToV2": {"user": user}},
            {"id": guid(row["id"], "link"), "roles": ["read"], "link": {**link, "preventsDownload": False}},
        ]

    def _package(self, path: str) -> Row:
        above, _, name = path.rpartition("/")
        package = self._item(path, name, self.folder(above or "/"), 30)
        package |= {"package": {"type": "oneNote"}, "size": 0, "_childCount": 0}
        self.containers[path] = package
        for part, size in (("Open Notebook.onetoc2", 4103), ("Meetings.one", 48_211), ("Ideas.one", 17_804)):
            self.file(f"{path}/{part}", size)["_traits"].append("onenote-child")
        return package

    def _shortcut(self, path: str) -> Row:
        above, _, name = path.rpartition("/")
        row = self._item(path, name, self.folder(above or "/"), 40)
        target = {"driveId": f"b!{guid(self.id, 'elsewhere')}", "id": "01ELSEWHERE"}
        remote = {"id": "01" + guid(self.id, "target").replace("-", "").upper()[:30], "name": name, "size": 12345}
        url = "https://elsewhere.sharepoint.example/sites/x"
        row |= {
            "size": 0,
            "remoteItem": {**remote, "folder": {"childCount": 3}, "parentReference": target, "webUrl": url},
        }
        self.files.append(row)
        return row

    def finish(self) -> list[Row]:
        """Rows in the order of the format: files first, then folders."""
        rows = [*self.files, *self.containers.values()]
        for row in rows:
            self.maker.traits.update(row.get("_traits", ()))
            if not row.get("_traits"):
                row.pop("_traits", None)
        return rows

    def info(self, rows: list[Row]) -> Row:
        """drive.json."""
        contents: list[int] = [row["_c"]["len"] for row in rows if "_c" in row]
        owner: Row = {"user": {key: self.user[key] for key in ("id", "displayName")} | {"email": self.user["mail"]}}
        info: Row = {
            "id": self.id,
            "name": self.library.title if self.library else "OneDrive",
            "driveType": self.type,
            "owner": self.library.owner if self.library else owner,
            "webUrl": self.url,
            "createdDateTime": timestamp(NOW - timedelta(days=2400)),
            "lastModifiedDateTime": timestamp(NOW),
            "quota": {"total": 1 << 40, "used": sum(contents), "state": "normal"},
            "_dir": self.name,
            "_items": len(rows),
            "_files": len(contents),
            "_bytes": sum(contents),
        }
        if self.library:
            info |= {"_list": self.library.list_id} | ({"system": {}} if self.library.is_system else {})
        return info
