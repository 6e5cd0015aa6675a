"""Sites: all site collections, personal ones too; one site by id or address; subsites, libraries, a group's site.

Rules of this file: getAllSites tells every collection, in all geographies, those of channels too (sites as all others: v1.0 does
not show the template), locked and archived ones, and no subsites; what a closed site refuses is refused here, for every route.
Lists and pages of sites are in routes of their own. Source: reference/graph.md 5.1, 5.5; data/graph/sites; quirk Q-060.
"""

from collections.abc import Collection

from exporters.rehearsal.documents import Row
from exporters.rehearsal.group_truth import find_group
from exporters.rehearsal.routes.answers import ApiError, collection, entity, item_not_found, public, success
from exporters.rehearsal.routes.directory import missing_resource
from exporters.rehearsal.routes.drives import served_drive
from exporters.rehearsal.routes.paging import page_of
from exporters.rehearsal.routes.query import parse_query, project, selection, top
from exporters.rehearsal.routes.router import Call, Route
from exporters.rehearsal.service import Service
from exporters.rehearsal.site_truth import LOCKED, at_address, find_site, state_of, state_of_drive, subsites
from exporters.rehearsal.wire import Response

_ALL = "/v1.0/sites/oneDrive.getAllSites"  # what the real next link says
_ONE = "sites/{site}"
_SITES = frozenset({"Sites.Read.All", "Sites.ReadWrite.All", "Sites.FullControl.All"})


def routes() -> list[Route]:
    """The routes of sites."""
    return [
        Route("sites/getAllSites", all_sites, 2, "sharepoint", "sharepoint", _SITES),
        Route("sites/getAllSites()", all_sites, 2, "sharepoint", "sharepoint", _SITES),
        Route("sites/oneDrive.getAllSites", all_sites, 2, "sharepoint", "sharepoint", _SITES),
        Route(_ONE, site, 1, "sharepoint", "sharepoint", _SITES),
        Route(f"{_ONE}/sites", below, 2, "sharepoint", "sharepoint", _SITES),
        Route(f"{_ONE}/drive", site_drive, 1, "sharepoint", "sharepoint", _SITES | {"Files.Read.All"}),
        Route(f"{_ONE}/drives", site_drives, 2, "sharepoint", "sharepoint", _SITES | {"Files.Read.All"}),
        Route("groups/{group}/sites/root", group_site, 1, "sharepoint", "sharepoint", _SITES),
    ]


def by_id(service: Service, segments: list[str]) -> list[str]:
    """The segments of a path with the id of a site in place of its address: `sites/{host}:/{path}[:/…]`, `sites/root`."""
    if len(segments) < 2 or segments[0].lower() != "sites":
        return segments
    host, rest = segments[1], segments[2:]
    if not host.endswith(":"):
        found = find_site(service.tenant, host) if host == "root" or ("," not in host and "." in host) else None
        return [segments[0], str(found["id"]), *rest] if found else segments
    end = next((n for n, part in enumerate(rest) if part.endswith(":")), len(rest) - 1)
    path = "/".join(rest[: end + 1]).removesuffix(":")
    found = at_address(service.tenant, host[:-1], path)
    return [segments[0], str(found["id"]) if found else "nowhere", *rest[end + 1 :]]


def refuse_closed(call: Call, template: str) -> None:
    """Raises ApiError 423 for what lies in a site that is locked or archived; that an archived one is, it tells (Q-060)."""
    tenant = call.service.tenant
    state = None
    if "site" in call.names:
        found = find_site(tenant, call.names["site"])
        state = None if found is None else state_of(tenant, found)
        if state != LOCKED and template == _ONE:
            return
    elif "drive" in call.names:
        drive = tenant.drive(call.names["drive"])
        state = None if drive is None else state_of_drive(tenant, drive.folder)
    elif "user" in call.names and "/drive" in template:
        user = tenant.user(call.names["user"])
        own = None if user is None else tenant.drive_of(user)
        state = None if own is None else state_of_drive(tenant, own.folder)
    if state:
        text = "Access to this site has been blocked. Please contact the administrator to resolve this problem."
        raise ApiError(423, "notAllowed", text, inner="resourceLocked")


def _collections(service: Service) -> list[Row]:
    team = [{"isPersonalSite": False, "root": {}, **row} for row in service.tenant.sites if row.get("_parent") is None]
    return team + service.tenant.personal_sites()


def all_sites(call: Call) -> Response:
    parameters = parse_query(call.request.query, {"$select", "$top", "$skiptoken"})
    names = selection(parameters, "site")
    size = top(parameters, call.service.settings.sites_page, 1000)
    rows, following = page_of(call, parameters, _collections(call.service), size, path=_ALL)
    page = [project(public(row), names) for row in rows]
    return success(collection(call.service.root, "sites", page, next=following), call.request)


def _find(call: Call) -> Row:
    found = find_site(call.service.tenant, call.names["site"])
    if found is None:
        raise item_not_found()
    return found


def _one(call: Call, row: Row) -> Response:
    names = selection(parse_query(call.request.query, {"$select"}), "site")
    served = public(row)
    state = state_of(call.service.tenant, row)
    if served.get("siteCollection") and state not in {None, LOCKED}:
        served["siteCollection"] = {**served["siteCollection"], "archivalDetails": {"archiveStatus": state}}
    return success(entity(call.service.root, "sites/$entity", project(served, names)), call.request)


def site(call: Call) -> Response:
    return _one(call, _find(call))


def group_site(call: Call) -> Response:
    group = find_group(call.service.tenant, call.names["group"])
    if group is None:
        raise missing_resource(call.names["group"])
    found = find_site(call.service.tenant, str(group[1].get("_site")))
    if found is None:
        raise item_not_found()
    return _one(call, found)


def below(call: Call) -> Response:
    parameters = parse_query(call.request.query, {"$select", "$top", "$skiptoken"})
    names = selection(parameters, "site")
    found = subsites(call.service.tenant, _find(call))
    rows, following = page_of(call, parameters, found, top(parameters, call.service.settings.sites_page, 1000))
    page = [project({key: value for key, value in public(row).items() if value is not None}, names) for row in rows]
    context = f"sites('{call.names['site']}')/sites"
    return success(collection(call.service.root, context, page, next=following), call.request)


def _drives(call: Call) -> list[Row]:
    row = _find(call)
    folders = [row["_drive"]] if "_drive" in row else list(row.get("_drives", ()))
    folders = [folder for folder in folders if folder not in call.service.tenant.removed_drives]
    return [served_drive(call, call.service.tenant.drive_in(folder)) for folder in folders]


def site_drives(call: Call) -> Response:
    """System libraries show only to who selects `system`; which list a library is, only to who selects `sharePointIds`."""
    parameters = parse_query(call.request.query, {"$select", "$top", "$skiptoken"})
    names = selection(parameters, "drive")
    shown = [row for row in _drives(call) if "system" not in row or "system" in (names or ())]
    page, following = page_of(call, parameters, shown, top(parameters, call.service.settings.sites_page, 1000))
    rows = [project({**row, **_list_of(call, row, names or ())}, names) for row in page]
    return success(collection(call.service.root, "drives", rows, next=following), call.request)


def _list_of(call: Call, drive: Row, names: Collection[str]) -> Row:
    site = _find(call)
    if "sharePointIds" not in names or "_drive" in site:
        return {}
    tenant = call.service.tenant
    found = tenant.drive(str(drive["id"]))
    lists = [one for one in tenant.lists_of(site).all() if found is not None and one.info.get("_drive") == found.folder]
    ids = {"siteId": site["id"], "siteUrl": site["webUrl"], "webId": str(site["id"]).rpartition(",")[2]}
    return {"sharePointIds": {**ids, "listId": lists[0].id}} if lists else {}


def site_drive(call: Call) -> Response:
    names = selection(parse_query(call.request.query, {"$select"}), "drive")
    rows = _drives(call)
    if not rows:
        raise item_not_found()
    return success(entity(call.service.root, "drives/$entity", project(rows[0], names)), call.request)
