"""The true state of sites: which there are, where they are, whether they are open, and what changes that.

Rules of this file: rows are replaced, never changed in place; a lock or an archive holds for a whole site collection, subsites
too. `_state` of a row of sites.jsonl, or of the drive.json of a OneDrive: `locked`, or what `archiveStatus` says
(`recentlyArchived`, `fullyArchived`, `reactivating`). Changes, of kind `site`, with `id` (of a personal site too):
`rename` {path?, displayName?}: subsites move along; `lock`, `archive` {status?}, `open`; `delete`, with its subsites and
libraries; `create` {site: a row of sites.jsonl}: its folders lie in the data already.
Source: reference/graph.md 5.1, 5.5; tenant-data.md, "Sites"; quirk Q-060.
"""

from collections.abc import Iterator

from exporters.rehearsal.documents import Row
from exporters.rehearsal.tenant import Tenant

ARCHIVED = "fullyArchived"
LOCKED = "locked"


def find_site(tenant: Tenant, site_id: str) -> Row | None:
    """The row of a site, personal ones too, by its id without regard to case; `root` and a host stand for its root site."""
    wanted = site_id.lower()
    for row in _all(tenant):
        if str(row["id"]).lower() == wanted or (_is_root(row) and wanted in {"root", _host(row)}):
            return row
    return None


def _all(tenant: Tenant) -> Iterator[Row]:
    yield from tenant.sites
    yield from tenant.personal_sites()


def at_address(tenant: Tenant, host: str, path: str) -> Row | None:
    """The site at an address. path: as in `_path`, without regard to case."""
    wanted = f"https://{host}/{path.strip('/')}".rstrip("/").lower()
    return next((row for row in _all(tenant) if str(row["webUrl"]).lower() == wanted), None)


def subsites(tenant: Tenant, site: Row) -> list[Row]:
    """One level below a site."""
    return [row for row in tenant.sites if row.get("_parent") == site["id"]]


def state_of(tenant: Tenant, site: Row) -> str | None:
    """`locked`, an `archiveStatus`, or None for one that is open: that of its collection."""
    by_id = {row["id"]: row for row in tenant.sites}
    row: Row | None = site
    while row is not None:
        if row.get("_state"):
            return str(row["_state"])
        row = by_id.get(row.get("_parent"))
    return None


def state_of_drive(tenant: Tenant, folder: str) -> str | None:
    """That of the site around a drive."""
    for row in tenant.sites:
        if folder in row.get("_drives", ()):
            return state_of(tenant, row)
    return tenant.state_of_personal(folder)


def site_truth(tenant: Tenant) -> Iterator[Row]:
    """For judges: every site there is now, with its state; personal ones too."""
    for row in _all(tenant):
        yield {
            "id": row["id"],
            "path": row.get("_path") or str(row["webUrl"]).partition(_host(row))[2] or "/",
            "displayName": row.get("displayName"),
            "personal": bool(row.get("isPersonalSite")),
            "folder": row.get("_dir"),
            "parent": row.get("_parent"),
            "drives": [row["_drive"]] if "_drive" in row else list(row.get("_drives", ())),
            "state": state_of(tenant, row),
        }


# ----------------------------------------------------------------------------------------------------- changes


def apply_to_site(tenant: Tenant, change: Row, op: str, at: str) -> bool:
    """Do one change; whether it did something. at: its date. Raises KeyError for an operation or a field that lacks."""
    with tenant.lock:
        if op == "create":
            tenant.sites.append({"createdDateTime": at, "lastModifiedDateTime": at, **change["site"]})
            return True
        site = find_site(tenant, str(change["id"]))
        if site is None:
            return False
        if op in _STATES:
            return _put_state(tenant, site, str(change["status"]) if "status" in change else _STATES[op])
        if op == "delete":
            return _delete(tenant, site)
        if op != "rename":
            raise KeyError(op)
        return "_drive" not in site and _rename(tenant, site, change, at)


_STATES = {"lock": LOCKED, "archive": ARCHIVED, "open": None}


def _put_state(tenant: Tenant, site: Row, state: str | None) -> bool:
    if "_drive" in site:
        tenant.put_state(site["_drive"], state)
    else:
        _put(tenant, {**site, "_state": state})
    return True


def _put(tenant: Tenant, site: Row) -> None:
    tenant.sites[:] = [site if row["id"] == site["id"] else row for row in tenant.sites]


def _rename(tenant: Tenant, site: Row, change: Row, at: str) -> bool:
    title = change.get("displayName", site.get("displayName"))
    before = str(site["_path"])
    after = str(change.get("path", before))
    _put(tenant, {**site, "displayName": title, "lastModifiedDateTime": at})
    for row in _with_below(tenant, site):
        path = after + str(row["_path"])[len(before) :]
        url = f"https://{_host(row)}{path.rstrip('/')}"
        _put(tenant, {**row, "_path": path, "name": path.rpartition("/")[2], "webUrl": url})
        for folder in row.get("_drives", ()) if after != before else ():
            info = tenant.drive_in(folder, to_change=True).info
            info["webUrl"] = url + str(info["webUrl"])[len(str(row["webUrl"])) :]
    return True


def _delete(tenant: Tenant, site: Row) -> bool:
    if "_drive" in site:
        tenant.removed_drives.add(site["_drive"])
        return True
    gone = _with_below(tenant, site)
    ids = {row["id"] for row in gone}
    tenant.sites[:] = [row for row in tenant.sites if row["id"] not in ids]
    tenant.removed_drives.update(folder for row in gone for folder in row.get("_drives", ()))
    return True


def _with_below(tenant: Tenant, site: Row) -> list[Row]:
    """The site as it is now, and all below it."""
    found = [row for row in tenant.sites if row["id"] == site["id"]]
    for row in found:
        found.extend(subsites(tenant, row))  # the list grows while it is gone through
    return found


def _host(row: Row) -> str:
    return str(row["webUrl"]).split("/")[2].lower()


def _is_root(row: Row) -> bool:
    return row.get("_path") == "/"
