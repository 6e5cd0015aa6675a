"""Changes to a tenant while it is served: rows of changes.jsonl, and a few operations of our own.

Rules of this file: an id that is no longer there does nothing; every change that does something is written to the drive's
log; times of changes follow from the tenant's `now` and the number of the change, so that the same changes give the same
tenant. Choices where the format leaves room:

- `modify` always leaves the old content as an earlier version, as a real drive does; size, hash, eTag, cTag and dates are
  new, and traits about a size or hash that does not fit end.
- `touch` gives a new eTag and date and nothing else.
- `delete-recreate` deletes the folder with all in it, and makes an empty folder of the same name and place with a new id.
- Moving or renaming a folder is one event: of the folder (Q-006).

Our own operations: `move` {to}, `create` {name, parent, _c} or {…, "folder": true}, `permissions` {set}, and of kind `user`:
`rename` {userPrincipalName}, `create` {user}, `remove-drive`, `replace-drive` {drive}: the old one is gone, and the user has
another, whose folder the data holds already. Those of mailboxes are in `mailbox_changes`, of the directory in
`directory_changes`, of domains, roles and the like in `estate_changes`, of sites in `site_truth`, of lists in `list_changes`,
of kind `page` {site: folder below `sites`} in `site_pages`.
Source: reference/tenant-data.md, "Changes".
"""

import base64
import hashlib
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from exporters.clock import timestamp
from exporters.rehearsal.directory_changes import USER_OPERATIONS, apply_to_directory
from exporters.rehearsal.documents import Row, render
from exporters.rehearsal.estate_changes import KINDS as ESTATE_KINDS
from exporters.rehearsal.estate_changes import apply_to_estate
from exporters.rehearsal.items import DriveTruth, Event, is_container
from exporters.rehearsal.list_changes import KINDS as LIST_KINDS
from exporters.rehearsal.list_changes import apply_to_lists
from exporters.rehearsal.mailbox_changes import KINDS as MAIL_KINDS
from exporters.rehearsal.mailbox_changes import apply_to_mailbox
from exporters.rehearsal.site_pages import OPERATIONS as PAGE_OPERATIONS
from exporters.rehearsal.site_pages import library_of
from exporters.rehearsal.site_truth import apply_to_site
from exporters.rehearsal.tenant import Tenant

_MISFIT_TRAITS = {"size-hash-differ", "hash-missing", "zero-byte"}


class ChangeError(ValueError):
    """A change that this server does not know, or that lacks a field."""


def apply_changes(tenant: Tenant, changes: list[Row]) -> dict[str, int]:
    """Apply them in order; returns how many of each operation did something, were skipped or ignored.

    Raises ChangeError; the changes before the bad one have been applied.
    """
    done: Counter[str] = Counter()
    for change in changes:
        tenant.changes_applied += 1
        kind, op = change.get("kind"), str(change.get("op"))
        if kind == "driveItem":
            done[op if _apply_to_drive(tenant, change, op) else "skipped"] += 1
        elif kind == "group" or (kind == "user" and op in USER_OPERATIONS):
            done[f"{kind}-{op}" if _apply_to_directory(tenant, change, op) else "skipped"] += 1
        elif kind in ESTATE_KINDS:
            done[f"{kind}-{op}" if _apply_to_estate(tenant, change, op) else "skipped"] += 1
        elif kind == "user":
            done[f"user-{op}" if _apply_to_user(tenant, change, op) else "skipped"] += 1
        elif kind == "page":
            done[f"page-{op}" if _apply_to_page(tenant, change, op) else "skipped"] += 1
        elif kind == "site":
            done[f"site-{op}" if _apply_to_site(tenant, change, op) else "skipped"] += 1
        elif kind in LIST_KINDS and "site" in change:  # mailboxes have lists too, of tasks
            done[_apply_to_lists(tenant, change, op)] += 1
        elif kind in MAIL_KINDS:
            done[_apply_to_mail(tenant, change, op)] += 1
        else:
            raise ChangeError(f"there are no changes of kind {kind!r}")
    return dict(sorted(done.items()))


def _apply_to_drive(tenant: Tenant, change: Row, op: str) -> bool:
    action = _DRIVE_OPERATIONS.get(op)
    if action is None:
        raise ChangeError(f"there is no operation {op!r} on drive items; known: {', '.join(_DRIVE_OPERATIONS)}")
    drive = tenant.drive_in(change["drive"], to_change=True)
    at = _date(tenant)
    with drive.lock:
        n = drive.find(change["parent"] if op == "create" else change["id"])
        if n is None or change["drive"] in tenant.removed_drives:
            return False
        try:
            events = action(drive, n, change, at)
        except KeyError as error:
            raise ChangeError(f"the change {op!r} lacks {error}") from error
        if events:
            drive.record(render({key: value for key, value in change.items() if key != "n"}), events)
        return bool(events)


def _apply_to_mail(tenant: Tenant, change: Row, op: str) -> str:
    """What it is counted as: the operation, `skipped`, or `ignored` where there is no mailbox."""
    user = tenant.user(str(change.get("user")))
    box = tenant.mailbox(user, to_change=True) if user is not None else None
    if user is None or box is None:
        return "ignored"
    if change["kind"] == "mailbox" and op == "deactivate":
        user["_mailbox"] = "inactive"
        return "mailbox-deactivate"
    try:
        return f"{change['kind']}-{op}" if apply_to_mailbox(box, change, op, _date(tenant)) else "skipped"
    except KeyError as error:
        raise ChangeError(f"there is no {op!r} of kind {change['kind']!r}, or it lacks a field: {error}") from error


def _apply_to_directory(tenant: Tenant, change: Row, op: str) -> bool:
    try:
        return apply_to_directory(tenant, change, op, _date(tenant))
    except KeyError as error:
        raise ChangeError(f"there is no {op!r} of kind {change['kind']!r}, or it lacks a field: {error}") from error


def _apply_to_estate(tenant: Tenant, change: Row, op: str) -> bool:
    try:
        return apply_to_estate(tenant, change, op)
    except KeyError as error:
        raise ChangeError(f"there is no {op!r} of kind {change['kind']!r}, or it lacks a field: {error}") from error


def _apply_to_page(tenant: Tenant, change: Row, op: str) -> bool:
    """The page, and its file in the library of pages."""
    site = next((row for row in tenant.sites if row.get("_dir") == f"sites/{change.get('site')}"), None)
    if site is None:
        return False
    folder = library_of(tenant.folder, site)

    def on_file(wanted: Row) -> Row | None:
        if folder is None:
            return None
        drive = tenant.drive_in(folder, to_change=True)
        drive.load()
        parent = {"parent": drive.row(drive.root)["id"]} if wanted["op"] == "create" else {}
        _apply_to_drive(tenant, {"drive": folder, **wanted, **parent, "n": tenant.changes_applied}, wanted["op"])
        n = drive.count - 1 if wanted["op"] == "create" else drive.find(wanted["id"])
        return None if n is None else drive.row(n)

    try:
        return tenant.pages.apply(site, change, op, _date(tenant), on_file)
    except KeyError as error:
        known = ", ".join(PAGE_OPERATIONS)
        raise ChangeError(f"there is no {op!r} on pages (known: {known}), or it lacks a field: {error}") from error


def _apply_to_site(tenant: Tenant, change: Row, op: str) -> bool:
    try:
        return apply_to_site(tenant, change, op, _date(tenant))
    except KeyError as error:
        raise ChangeError(f"there is no {op!r} of sites, or it lacks a field: {error}") from error


def _apply_to_lists(tenant: Tenant, change: Row, op: str) -> str:
    try:
        return f"{change['kind']}-{op}" if apply_to_lists(tenant, change, op, _date(tenant)) else "skipped"
    except KeyError as error:
        raise ChangeError(f"there is no {op!r} of kind {change['kind']!r}, or it lacks a field: {error}") from error


def _date(tenant: Tenant) -> str:
    start = datetime.fromisoformat(str(tenant.info.get("now", "2026-01-01T00:00:00Z")).replace("Z", "+00:00"))
    return timestamp(start + timedelta(seconds=tenant.changes_applied))


def _stepped(tag: str) -> str:
    """The next eTag or cTag."""
    head, _, number = tag.rstrip('"').rpartition(",")
    return f'{head},{int(number) + 1}"' if number.isdecimal() else f'{tag.rstrip(chr(34))},2"'


def _edited(drive: DriveTruth, n: int, at: str) -> Row:
    row = dict(drive.row(n))
    row["eTag"] = _stepped(row.get("eTag", '"{0},1"'))
    row["lastModifiedDateTime"] = at
    return row


# ------------------------------------------------------------------------------------------------- drive items


def _rename(drive: DriveTruth, n: int, change: Row, at: str) -> list[Event]:
    row = _edited(drive, n, at)
    row["name"] = change["name"]
    drive.put(n, row)
    return [(n, "changed")]


def _touch(drive: DriveTruth, n: int, change: Row, at: str) -> list[Event]:
    drive.put(n, _edited(drive, n, at))
    return [(n, "changed")]


def _modify(drive: DriveTruth, n: int, change: Row, at: str) -> list[Event]:
    old = drive.row(n)
    if "_c" not in old:
        return []
    content = change["_c"]
    row = _edited(drive, n, at)
    row["cTag"] = _stepped(row.get("cTag", '"c:{0},1"'))
    row["_c"], row["size"] = content, content["len"]
    row["file"] = {**row["file"], "hashes": {"quickXorHash": content["qx"]} if content["len"] else {}}
    row["fileSystemInfo"] = {**row.get("fileSystemInfo", {}), "lastModifiedDateTime": at}
    row["_versions"] = _versions_after(old, content["len"], at)
    traits = {*row.get("_traits", ()), "versions"} - _MISFIT_TRAITS
    row["_traits"] = sorted(traits)
    drive.put(n, row)
    return [(n, "changed")]


def _versions_after(old: Row, size: int, at: str) -> list[Row]:
    known = old.get("_versions") or [
        {"id": "1.0", "lastModifiedDateTime": old["lastModifiedDateTime"], "size": old.get("size", 0), "_current": True}
    ]
    former = {key: value for key, value in known[0].items() if key != "_current"} | {"_c": old["_c"]}
    major = int(str(former["id"]).partition(".")[0])
    current = {"id": f"{major + 1}.0", "lastModifiedDateTime": at, "size": size, "_current": True}
    return [current, former, *known[1:]]


def _delete(drive: DriveTruth, n: int, change: Row, at: str) -> list[Event]:
    if n == drive.root:
        return []
    below = drive.remove(n)
    return [*((child, "deleted-below") for child in reversed(below)), (n, "deleted")]


def _delete_recreate(drive: DriveTruth, n: int, change: Row, at: str) -> list[Event]:
    old, parent = drive.row(n), drive.parents[n]
    events = _delete(drive, n, change, at)
    if not events:
        return []
    row = _blank(drive, old["name"], parent, at, str(change.get("n", "")))
    row["folder"] = {"childCount": 0}
    return [*events, (drive.add(row, parent), "changed")]


def _move(drive: DriveTruth, n: int, change: Row, at: str) -> list[Event]:
    parent = drive.find(change["to"])
    if parent is None or not is_container(drive.row(parent)) or n in (drive.root, parent, *drive.ancestors(parent)):
        return []
    row = _edited(drive, n, at)
    drive.put(n, row)
    drive.move(n, parent)
    return [(n, "changed")]


def _create(drive: DriveTruth, n: int, change: Row, at: str) -> list[Event]:
    if not is_container(drive.row(n)):
        return []
    row = _blank(drive, change["name"], n, at, str(change.get("n", "")))
    if change.get("folder"):
        row["folder"] = {"childCount": 0}
    else:
        content = change["_c"]
        row["file"] = {
            "mimeType": change.get("mimeType", "application/octet-stream"),
            "hashes": {"quickXorHash": content["qx"]} if content["len"] else {},
        }
        row["_c"], row["size"] = content, content["len"]
    return [(drive.add(row, n), "changed")]


def _permissions(drive: DriveTruth, n: int, change: Row, at: str) -> list[Event]:
    row = _edited(drive, n, at)
    row["_permissions"] = change["set"]
    row["shared"] = {"scope": "users"}
    if not change["set"]:
        del row["_permissions"], row["shared"]
    drive.put(n, row)
    return [(n, "changed")]


_DRIVE_OPERATIONS: dict[str, Callable[[DriveTruth, int, Row, str], list[Event]]] = {
    "rename": _rename,
    "touch": _touch,
    "modify": _modify,
    "delete": _delete,
    "delete-recreate": _delete_recreate,
    "move": _move,
    "create": _create,
    "permissions": _permissions,
}


def _blank(drive: DriveTruth, name: str, parent: int, at: str, salt: str) -> Row:
    """A new item without a facet; its id follows from the drive, its number and the change."""
    digest = hashlib.sha256(f"{drive.id}|{drive.count}|{salt}|created".encode()).digest()
    guid = str(uuid.UUID(bytes=digest[:16])).upper()
    above = drive.row(parent)
    return {
        "id": "01" + base64.b32encode(digest[:20]).decode(),
        "name": name,
        "createdDateTime": at,
        "lastModifiedDateTime": at,
        "createdBy": drive.row(drive.root).get("createdBy"),
        "lastModifiedBy": drive.row(drive.root).get("lastModifiedBy"),
        "fileSystemInfo": {"createdDateTime": at, "lastModifiedDateTime": at},
        "eTag": f'"{{{guid}}},1"',
        "cTag": f'"c:{{{guid}}},1"',
        "size": 0,
        "parentReference": {**above["parentReference"], "driveId": drive.id, "id": above["id"], "name": above["name"]},
        "webUrl": drive.info["webUrl"],
        "_n": drive.count,
    }


# ------------------------------------------------------------------------------------------------------- users


def _apply_to_user(tenant: Tenant, change: Row, op: str) -> bool:
    with tenant.lock:
        if op == "create":
            tenant.users.append(
                {"accountEnabled": True, "userType": "Member", "assignedLicenses": [], **change["user"]}
            )
            tenant.index_users()
            return True
        user = tenant.user(str(change.get("id")))
        if user is None:
            return False
        if op == "rename":
            _rename_user(user, str(change["userPrincipalName"]))
            tenant.index_users()
            return True
        if op == "remove-drive":
            folder = user.get("_drive")
            if folder is None or folder in tenant.removed_drives:
                return False
            tenant.removed_drives.add(folder)
            return True
        if op == "replace-drive":
            if (folder := user.get("_drive")) is not None:
                tenant.removed_drives.add(folder)
            user["_drive"] = str(change["drive"])
            return True
    raise ChangeError(f"there is no operation {op!r} on users; known: create, rename, remove-drive, replace-drive")


def _rename_user(user: dict[str, Any], name: str) -> None:
    user["userPrincipalName"] = user["mail"] = name
    former = [address.replace("SMTP:", "smtp:") for address in user.get("proxyAddresses", ())]
    user["proxyAddresses"] = [f"SMTP:{name}", *(one for one in former if one.lower() != f"smtp:{name.lower()}")]


def rename_users(tenant: Tenant, domain: str) -> int:
    """Move every member to another domain, ids and drives stay; returns how many were renamed."""
    renamed = 0
    with tenant.lock:
        for user in tenant.users:
            local, _, now = str(user["userPrincipalName"]).rpartition("@")
            if now.lower() != domain.lower() and "#ext#" not in local.lower():
                _rename_user(user, f"{local}@{domain}")
                renamed += 1
        tenant.index_users()
        tenant.changes_applied += 1
    return renamed
