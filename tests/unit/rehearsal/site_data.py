"""A small tenant with sites in the tenant-data format: Ada has a OneDrive, Bo has none, a third one's owner has left.

Rules of this file: all that a test counts is said here; drives are empty. The format is that of reference/tenant-data.md.
"""

import base64
import hashlib
import json
import uuid
from pathlib import Path
from typing import Any

Row = dict[str, Any]
ADA, BO, LEFT = (f"0000000{n}-0000-4000-8000-000000000000" for n in range(1, 4))
HOST = "rehearsal.sharepoint.example"
SITES = {  # path: the one that it is below
    "/": None,
    "/sites/wall": None,
    "/sites/wall/data": "/sites/wall",
    "/sites/wall/data/root": "/sites/wall/data",
    "/sites/wall/data/root/Documents": "/sites/wall/data/root",
    "/sites/wall/Documents": "/sites/wall",
    "/sites/Größe #1": None,
    "/root": "/",
    "/teams/wall-north": None,  # of a channel
}
LISTED = [path for path, above in SITES.items() if above is None]


def drive_id(name: str) -> str:
    """As the service forms it: 48 bytes, of which the first 32 are the site's."""
    return "b!" + base64.urlsafe_b64encode(hashlib.sha512(name.encode()).digest()[:48]).decode()


def site_id(path: str) -> str:
    """Of a team site."""
    top = path
    while SITES[top] is not None:
        top = str(SITES[top])
    collection, web = (uuid.uuid5(uuid.NAMESPACE_URL, f"{what}{name}") for what, name in (("c", top), ("w", path)))
    return f"{HOST},{collection},{web}"


def write_tenant(root: Path) -> Path:
    """The tenant in the folder `root`."""
    (root / "drives").mkdir(parents=True)
    info = {"format": 1, "tenantId": str(uuid.uuid5(uuid.NAMESPACE_URL, "sites")), "domain": "rehearsal.example"}
    (root / "tenant.json").write_text(json.dumps({**info, "now": "2026-01-01T00:00:00Z", "timeZones": {}}))
    users = [_user(ADA, "ada", 0, "drives/u00000"), _user(BO, "bo", 1, None)]
    for folder, (owner, name) in {"drives/u00000": (ADA, "ada"), "drives/u00002": (LEFT, "left")}.items():
        url = f"https://rehearsal-my.sharepoint.example/personal/{name}_rehearsal_example/Documents"
        _drive(root, folder, "OneDrive", url, {"user": {"id": owner, "displayName": name.title()}})
    rows = []
    for n, (path, above) in enumerate(SITES.items()):
        url = f"https://{HOST}{path if path != '/' else ''}".replace(" ", "%20").replace("#", "%23")
        folder = f"drives/s{n:04}_0"
        _drive(root, folder, "Documents", f"{url}/Documents", {"group": {"displayName": f"{path} Owners"}})
        told = {"hostname": HOST} | ({"root": {}} if path == "/" else {})
        row: Row = {"id": site_id(path), "name": path.rpartition("/")[2], "displayName": f"Site {n}", "webUrl": url}
        row |= {"siteCollection": None if above else told, "_dir": f"sites/s{n:04}", "_path": path, "_drives": [folder]}
        rows.append({**row, "_parent": site_id(above) if above else None})
    _lines(root / "users.jsonl", users)
    _lines(root / "sites.jsonl", rows)
    _lines(root / "groups.jsonl", [])
    return root


def _user(user_id: str, name: str, number: int, drive: str | None) -> Row:
    mail = f"{name}@rehearsal.example"
    shown = {"id": user_id, "userPrincipalName": mail, "mail": mail, "displayName": name.title()}
    return {**shown, "assignedLicenses": [], "_n": number, "_mailbox": "none", "_dir": None, "_drive": drive}


def _drive(root: Path, folder: str, name: str, url: str, owner: Row) -> None:
    (root / folder).mkdir()
    kind = "business" if name == "OneDrive" else "documentLibrary"
    row: Row = {"id": drive_id(folder), "name": name, "driveType": kind, "owner": owner, "webUrl": url, "_dir": folder}
    (root / folder / "drive.json").write_text(json.dumps(row))
    top: Row = {
        "id": f"01ROOT{folder[7:]}",
        "name": "root",
        "root": {},
        "folder": {"childCount": 0},
        "size": 0,
        "_n": 0,
    }
    top |= {"parentReference": {"driveId": row["id"], "driveType": kind}, "_path": "/", "webUrl": url}
    _lines(root / folder / "items.jsonl", [top])


def _lines(path: Path, rows: list[Row]) -> None:
    path.write_bytes(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
