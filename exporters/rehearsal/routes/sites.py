"""Sites, as far as OneDrives need them: all site collections, personal ones too, and one site by id.

Source: reference/graph.md 5.1. Pages of sites are in `pages`.
"""

from exporters.rehearsal.documents import Row
from exporters.rehearsal.routes.answers import collection, entity, item_not_found, public, success
from exporters.rehearsal.routes.drives import served_drive
from exporters.rehearsal.routes.paging import page_of
from exporters.rehearsal.routes.query import parse_query, project, selection, top
from exporters.rehearsal.routes.router import Call, Route
from exporters.rehearsal.service import Service
from exporters.rehearsal.wire import Response

_ALL = "/v1.0/sites/oneDrive.getAllSites"  # what the real next link says
SITES = frozenset({"Sites.Read.All", "Sites.ReadWrite.All", "Sites.FullControl.All"})


def routes() -> list[Route]:
    """The routes of sites."""
    return [
        Route("sites/getAllSites", all_sites, 2, "sharepoint", "sharepoint", SITES),
        Route("sites/getAllSites()", all_sites, 2, "sharepoint", "sharepoint", SITES),
        Route("sites/oneDrive.getAllSites", all_sites, 2, "sharepoint", "sharepoint", SITES),
        Route("sites/{site}", site, 1, "sharepoint", "sharepoint", SITES),
        Route("sites/{site}/drive", site_drive, 1, "sharepoint", "sharepoint", SITES | {"Files.Read.All"}),
        Route("sites/{site}/drives", site_drives, 2, "sharepoint", "sharepoint", SITES | {"Files.Read.All"}),
    ]


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


def find_site(call: Call) -> Row:
    """The site of the path. Raises ApiError 404."""
    wanted = call.names["site"].lower()
    for row in [*call.service.tenant.sites, *call.service.tenant.personal_sites()]:
        if str(row["id"]).lower() == wanted:
            return row
    raise item_not_found()


def site(call: Call) -> Response:
    names = selection(parse_query(call.request.query, {"$select"}), "site")
    row = project(public(find_site(call)), names)
    return success(entity(call.service.root, "sites/$entity", row), call.request)


def _drives(call: Call) -> list[Row]:
    row = find_site(call)
    folders = [row["_drive"]] if "_drive" in row else list(row.get("_drives", ()))
    return [served_drive(call, call.service.tenant.drive_in(folder)) for folder in folders]


def site_drives(call: Call) -> Response:
    names = selection(parse_query(call.request.query, {"$select", "$top"}), "drive")
    rows = [project(row, names) for row in _drives(call)]
    return success(collection(call.service.root, "drives", rows), call.request)


def site_drive(call: Call) -> Response:
    names = selection(parse_query(call.request.query, {"$select"}), "drive")
    rows = _drives(call)
    if not rows:
        raise item_not_found()
    return success(entity(call.service.root, "drives/$entity", project(rows[0], names)), call.request)
