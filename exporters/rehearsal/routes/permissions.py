"""Who can see a site, its lists and their items, on Graph.

Rules of this file: each read costs five units; of a site only applications with full control may ask, and only what was granted
to applications is told; subsites are not served. Source: reference/graph.md 7.3; the v1.0 schema; Microsoft's pages on site, list
and listItem: list permissions.
"""

from exporters.rehearsal.documents import Row
from exporters.rehearsal.routes.answers import bad_request, collection, item_not_found, public, success
from exporters.rehearsal.routes.list_rows import find_list, find_site
from exporters.rehearsal.routes.paging import page_of
from exporters.rehearsal.routes.query import capped_top, parse_query, project, selection
from exporters.rehearsal.routes.router import Call, Route
from exporters.rehearsal.site_access import item_permissions, list_permissions
from exporters.rehearsal.wire import Response

COST = 5
_FULL = frozenset({"Sites.FullControl.All"})
_READ = frozenset({"Sites.Read.All", "Sites.ReadWrite.All", "Sites.FullControl.All", "Sites.Manage.All"})


def routes() -> list[Route]:
    """The routes of permissions."""
    one = "sites/{site}/lists/{list}"
    return [
        Route("sites/{site}/permissions", of_site, COST, "sharepoint", "sharepoint", _FULL),
        Route(f"{one}/permissions", of_list, COST, "sharepoint", "sharepoint", _READ),
        Route(f"{one}/items/{{item}}/permissions", of_item, COST, "sharepoint", "sharepoint", _READ),
    ]


def _answer(call: Call, rows: list[Row], context: str) -> Response:
    parameters = parse_query(call.request.query, {"$select", "$top", "$skiptoken"})
    names = selection(parameters, "permission")
    served, following = page_of(call, parameters, rows, capped_top(parameters, 200, 1000))
    shown = [project(public(row), names) for row in served]
    return success(collection(call.service.root, f"{context}/permissions", shown, next=following), call.request)


def of_site(call: Call) -> Response:
    site = find_site(call)
    if site.get("_parent"):
        raise bad_request("Permissions of a subsite are not supported.", "invalidRequest")
    return _answer(call, site.get("_permissions", []), "sites('x')")


def of_list(call: Call) -> Response:
    site, _, one = find_list(call)
    return _answer(call, list_permissions(call.service.tenant, site, one), "sites('x')/lists('x')")


def of_item(call: Call) -> Response:
    site, _, one = find_list(call)
    if one.is_library:
        raise bad_request("Ask the drive for the permissions of its items.", "invalidRequest")
    n = one.find(call.names["item"])
    if n is None:
        raise item_not_found()
    rows = item_permissions(call.service.tenant, site, one, one.row(n))
    return _answer(call, rows, "sites('x')/lists('x')/items('x')")
