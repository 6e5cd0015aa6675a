"""Usage reports: who uses how much, as CSV that is fetched without a token; and whether names in it are concealed.

Rules of this file: Graph answers 302 to a pre-authenticated address on another host, which is good for minutes; the numbers are
those of the moment, though the real ones are two days behind, and count what the real ones count (calendar and contacts with the
mail, no recoverable items). Names are replaced by hashes unless the tenant says otherwise. Source: reference/graph.md 9.2.
"""

import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterator
from datetime import timedelta

from exporters.rehearsal.documents import Row
from exporters.rehearsal.links import LinkError
from exporters.rehearsal.mailbox_rows import Kind
from exporters.rehearsal.routes.answers import ApiError, bad_request, entity, identity, success
from exporters.rehearsal.routes.query import parse_query
from exporters.rehearsal.routes.router import Call, Route
from exporters.rehearsal.service import Service
from exporters.rehearsal.wire import Response

PLACE = "/reports/"
"""Where on the download host reports lie."""
_REPORTS = frozenset({"Reports.Read.All"})
_SETTINGS = frozenset({"ReportSettings.Read.All", "ReportSettings.ReadWrite.All"})
_PERIOD = re.compile(r"D(7|30|90|180)")
_BEHIND = timedelta(days=2)
_MINUTES = 300.0
_MAIL = (
    "Report Refresh Date", "User Principal Name", "Display Name", "Is Deleted", "Deleted Date", "Created Date",
    "Last Activity Date", "Item Count", "Storage Used (Byte)", "Issue Warning Quota (Byte)", "Prohibit Send Quota (Byte)",
    "Prohibit Send/Receive Quota (Byte)", "Deleted Item Count", "Deleted Item Size (Byte)", "Deleted Item Quota (Byte)",
    "Has Archive", "Report Period",
)  # fmt: skip
_DRIVES = (
    "Report Refresh Date", "Site Id", "Site URL", "Owner Display Name", "Is Deleted", "Last Activity Date", "File Count",
    "Active File Count", "Storage Used (Byte)", "Storage Allocated (Byte)", "Owner Principal Name", "Report Period",
)  # fmt: skip
_SITES = (
    "Report Refresh Date", "Site Id", "Site URL", "Owner Display Name", "Is Deleted", "Last Activity Date", "File Count",
    "Active File Count", "Page View Count", "Visited Page Count", "Storage Used (Byte)", "Storage Allocated (Byte)",
    "Root Web Template", "Owner Principal Name", "Report Period",
)  # fmt: skip
_COUNTED: tuple[Kind, ...] = ("message", "event", "contact")
_NAMES = frozenset(
    {"User Principal Name", "Display Name", "Owner Display Name", "Owner Principal Name", "Site URL", "Site Id"}
)


def routes() -> list[Route]:
    """The routes of reports."""
    return [
        *(Route(f"reports/{name}()", _leading_to(name), 1, roles=_REPORTS) for name in _TABLES),
        Route("admin/reportSettings", settings, 1, roles=_SETTINGS),
    ]


def settings(call: Call) -> Response:
    parse_query(call.request.query, {"$select"})
    body = {"displayConcealedNames": call.service.settings.concealed_names}
    return success(entity(call.service.root, "admin/reportSettings/$entity", body), call.request)


def _leading_to(name: str) -> Callable[[Call], Response]:
    def lead(call: Call) -> Response:
        period = call.names.get("period", "")
        if not _PERIOD.fullmatch(period):
            raise bad_request("Invalid period value specified. Allowed: D7, D30, D90, D180.", "InvalidParameter")
        service = call.service
        until = service.clock.now().timestamp() + _MINUTES
        token = service.links.seal("report", name, period, until)
        where = f"{service.hosts.download}{PLACE}{name}?token={token.encode().hex()}"
        headers = {"Location": where, "Content-Type": "text/plain", **identity(call.request)}
        return Response(302, headers=headers)

    return lead


def serve(call: Call) -> Response:
    """GET of the pre-authenticated address of a report."""
    service = call.service
    if "authorization" in call.request.headers:
        text = "A pre-authenticated address takes no Authorization header."
        raise ApiError(401, "unauthenticated", text, marks=("authorization-on-download",))
    try:
        token = bytes.fromhex(call.request.query.removeprefix("token=")).decode()
        _, name, period, until = service.links.open(token)
    except (LinkError, ValueError) as error:
        raise ApiError(401, "unauthenticated", "The address of the report is malformed.") from error
    if until <= service.clock.now().timestamp():
        raise ApiError(401, "unauthenticated", "The address of the report has expired.", marks=("url-expired",))
    columns, rows = _TABLES[name]
    head = {"Report Refresh Date": (service.clock.now() - _BEHIND).date().isoformat(), "Report Period": period[1:]}
    written = io.StringIO(newline="")
    writer = csv.DictWriter(written, columns, restval="", lineterminator="\r\n")
    writer.writeheader()
    for row in rows(service):
        writer.writerow(head | (_concealed(row) if service.settings.concealed_names else row))
    return Response(200, b"\xef\xbb\xbf" + written.getvalue().encode(), {"Content-Type": "application/octet-stream"})


def _concealed(row: Row) -> Row:
    """Names as hashes, each always the same one."""
    return {
        key: hashlib.sha256(str(value).encode("utf-8", "surrogatepass")).hexdigest()[:32].upper()
        if key in _NAMES and value
        else value
        for key, value in row.items()
    }


def _mailboxes(service: Service) -> Iterator[Row]:
    for user in service.tenant.users:
        box = service.tenant.mailbox(user)
        if box is None:
            continue
        items = sum(1 for kind in _COUNTED for _ in box.live(kind))
        used = sum(int((box.row("message", n).get("_mime") or {}).get("len") or 0) for n in box.live("message"))
        yield {
            "User Principal Name": user["userPrincipalName"],
            "Display Name": user.get("displayName") or "",
            "Is Deleted": "False",
            "Item Count": items,
            "Storage Used (Byte)": used,
            "Deleted Item Count": 0,
            "Deleted Item Size (Byte)": 0,
            "Has Archive": str(bool(user.get("_archive"))),
        }


def _drives(service: Service) -> Iterator[Row]:
    for site in service.tenant.personal_sites():
        owner = service.tenant.user(str(site["_owner"])) or {}
        yield {
            "Site Id": site["id"].split(",")[1],
            "Site URL": site["webUrl"],
            "Owner Display Name": owner.get("displayName") or site.get("displayName") or "",
            "Is Deleted": "False",
            **_held(service, [site["_drive"]]),
            "Owner Principal Name": owner.get("userPrincipalName") or "",
        }


def _sites(service: Service) -> Iterator[Row]:
    for site in service.tenant.sites:
        if site.get("_parent") is not None:
            continue  # counted with the collection that it lies in
        below = [one for one in service.tenant.sites if one.get("_parent") == site.get("_dir")]
        folders = [folder for one in (site, *below) for folder in one.get("_drives", ())]
        yield {
            "Site Id": str(site["id"]).split(",")[1] if "," in str(site["id"]) else site["id"],
            "Site URL": site.get("webUrl") or "",
            "Is Deleted": "False",
            **_held(service, folders),
            "Root Web Template": "Group",
        }


def _held(service: Service, folders: list[str]) -> Row:
    """Files and bytes of drives."""
    files = size = 0
    for folder in folders:
        if folder in service.tenant.removed_drives:
            continue
        drive = service.tenant.drive_in(folder)
        drive.load()
        files += sum(1 for n in drive.live() if "file" in drive.row(n))
        size += drive.sizes.get(drive.root, 0)
    return {"File Count": files, "Active File Count": files, "Storage Used (Byte)": size}


_TABLES: dict[str, tuple[tuple[str, ...], Callable[[Service], Iterator[Row]]]] = {
    "getMailboxUsageDetail": (_MAIL, _mailboxes),
    "getOneDriveUsageAccountDetail": (_DRIVES, _drives),
    "getSharePointSiteUsageDetail": (_SITES, _sites),
}
