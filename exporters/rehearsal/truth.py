"""The truth of the moment, for judges: what an export made now must hold.

Rules of this file: read from the rows and the overlay, never from an answer; nothing here is served to clients.
"""

from collections.abc import Iterator

from exporters.rehearsal.documents import Row
from exporters.rehearsal.items import DriveTruth
from exporters.rehearsal.site_truth import site_truth
from exporters.rehearsal.tenant import Tenant


def drive_truth(tenant: Tenant, drive: DriveTruth, *, deleted: bool = True) -> Iterator[Row]:
    """One row an item: id, path, name, kind, parent (id), deleted; of files sha256, size (of the bytes), versions, traits.

    `listed_size` is what the listing says; it differs from `size` for some files. `readable` is false for what gives no
    content: malware, IRM, gone after listing. Deleted items have the path they last had.
    """
    drive.load()
    with drive.lock:
        for n in range(drive.count):
            if n in drive.gone and not deleted:
                continue
            yield _item(drive, n)


def _item(drive: DriveTruth, n: int) -> Row:
    row = drive.row(n)
    kinds = ("root", "remoteItem", "package", "folder", "file")
    parent = drive.parents[n]
    found: Row = {
        "id": row["id"],
        "path": drive.path(n),
        "name": row["name"],
        "kind": next((kind for kind in kinds if kind in row), "other"),
        "parent": drive.row(parent)["id"] if parent >= 0 else None,
        "deleted": n in drive.gone,
        "traits": row.get("_traits", []),
        "lastModifiedDateTime": row.get("lastModifiedDateTime"),
    }
    if n in drive.counts:
        found |= {"childCount": drive.counts[n], "size": drive.sizes[n]}
    if "_c" in row:
        reference = row["_c"]
        found |= {
            "sha256": reference["sha256"],
            "size": reference["len"],
            "listed_size": row.get("size"),
            "readable": not ("malware" in row or row.get("_irm") or row.get("_goneAfterListing")),
            "gone": bool(row.get("_goneAfterListing")),
            "versions": [
                {"id": entry["id"], "sha256": entry["_c"]["sha256"], "size": entry["_c"]["len"]}
                for entry in row.get("_versions", ())
                if "_c" in entry
            ],
        }
    if "_permissions" in row:
        found["permissions"] = row["_permissions"]
    return found


def tenant_truth(tenant: Tenant) -> Row:
    """Users with their drives, sites with theirs, and how many changes have been applied."""
    users = []
    for user in tenant.users:
        drive = tenant.drive_of(user)
        users.append(
            {
                "id": user["id"],
                "userPrincipalName": user["userPrincipalName"],
                "drive": drive.folder if drive else None,
                "driveId": drive.id if drive else None,
            }
        )
    removed = sorted(tenant.removed_drives)
    known = {"tenant": tenant.id, "changes": tenant.changes_applied, "users": users, "removedDrives": removed}
    return {**known, "sites": list(site_truth(tenant))}
