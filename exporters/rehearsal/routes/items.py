"""How a row of the truth looks in an answer, and the errors of items that cannot be had.

Rules of this file: sizes, child counts, paths and addresses are those of the moment.
Source: reference/graph.md 5.2.
"""

import re
from urllib.parse import quote

from exporters.rehearsal.documents import Row
from exporters.rehearsal.items import DriveTruth
from exporters.rehearsal.links import Ticket
from exporters.rehearsal.routes.answers import ApiError
from exporters.rehearsal.routes.router import Call
from exporters.rehearsal.routes.users import find_user
from exporters.rehearsal.service import Service

_GUID = re.compile(r"\{([0-9A-Fa-f-]{36})\}")


def find_drive(call: Call) -> DriveTruth:
    """The drive of the path. Raises ApiError 404."""
    if "drive" in call.names:
        found = call.service.tenant.drive(call.names["drive"])
        if found is None:
            raise ApiError(404, "itemNotFound", "The specified drive was not found.")
        found.load()
        return found
    user = find_user(call)
    found = call.service.tenant.drive_of(user)
    if found is None:
        call.marks.append("no-drive-again" if user["id"] in call.service.probed else "no-drive")
        call.service.probed.add(user["id"])
        raise ApiError(404, "ResourceNotFound", "User's mysite not found.")
    found.load()
    return found


def served_item(service: Service, drive: DriveTruth, n: int, row: Row) -> Row:
    """The driveItem of a live item, a new dict."""
    served = {key: value for key, value in row.items() if not key.startswith("_")}
    if n in drive.sizes:
        served["size"] = drive.sizes[n]
    if "folder" in served:
        served["folder"] = {**served["folder"], "childCount": drive.counts[n]}
        served.pop("cTag", None)  # folders have none
    if drive.log:
        _replace(served, drive, n)
    return served


def _replace(served: Row, drive: DriveTruth, n: int) -> None:
    """Where the item is now: names above it may have changed without a change to its own row."""
    parent = drive.parents[n]
    if parent < 0:
        return
    above = drive.path(parent)
    served["parentReference"] = {
        **served["parentReference"],
        "id": drive.row(parent)["id"],
        "name": drive.names[parent],
        "path": f"/drives/{drive.id}/root:{above if above != '/' else ''}",
    }
    path = quote(drive.path(n), safe="/._-", errors="replace")
    served["webUrl"] = f"{drive.info['webUrl']}{path}"


def unique_id(row: Row) -> str:
    """The GUID in the eTag, which names the file in SharePoint."""
    found = _GUID.search(row.get("eTag", ""))
    return found.group(1).lower() if found else "00000000-0000-0000-0000-000000000000"


def download_url(service: Service, drive: DriveTruth, n: int, version: str | None = None) -> str:
    """A pre-authenticated address that ends after `url_seconds`."""
    expires = int(service.clock.now().timestamp()) + service.settings.url_seconds
    return service.tickets.url(Ticket(drive.folder, n, version, expires), unique_id(drive.row(n)))


def with_download_url(service: Service, drive: DriveTruth, n: int, served: Row) -> Row:
    """Adds the address to items that have content to give."""
    row = drive.row(n)
    if "_c" not in row or "malware" in row or row.get("_irm"):
        return served
    return {"@microsoft.graph.downloadUrl": download_url(service, drive, n), **served}


def check_content(row: Row) -> None:
    """Raises ApiError for items that give no content: gone, malware, IRM, folders, shortcuts, packages."""
    if row.get("_goneAfterListing"):
        raise ApiError(404, "itemNotFound", "The resource could not be found.")
    if "malware" in row:
        headers = {"X-Virus-Infected": "true", "Content-Type": "text/html"}
        text = "Malware was detected in the requested resource."
        raise ApiError(403, "malwareDetected", text, inner="virusSuspicious", headers=headers)
    if row.get("_irm"):
        text = "The file cannot be downloaded because its protection cannot be applied."
        raise ApiError(403, "accessDenied", text, inner="irmEncryptFailedToFindProtector")
    if "_c" not in row:
        kind = "folder" if "folder" in row else "package" if "package" in row else "shortcut"
        raise ApiError(400, "invalidRequest", f"You cannot get content for a {kind}.")
