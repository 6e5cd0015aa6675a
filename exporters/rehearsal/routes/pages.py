"""Modern pages of sites: listed as what all pages have, read one by one with their canvas.

Rules of this file: a listing never has the canvas; classic pages are files of a library and no rows here; what is no sitePage
cannot be read as one.
Source: reference/graph.md 5.4, 7.3; data/graph/sites; the v1.0 schema.
"""

from exporters.rehearsal.documents import Row
from exporters.rehearsal.routes.answers import bad_request, collection, entity, item_not_found, public, success
from exporters.rehearsal.routes.list_rows import find_site
from exporters.rehearsal.routes.paging import page_of
from exporters.rehearsal.routes.query import capped_top, parse_query, project, selection
from exporters.rehearsal.routes.router import Action, Call, Route
from exporters.rehearsal.wire import Response

_SITES = frozenset({"Sites.Read.All", "Sites.ReadWrite.All", "Sites.FullControl.All"})
_TYPE = "#microsoft.graph.sitePage"
_CAST = "microsoft.graph.sitePage"
_DEEP = ("canvasLayout", "webParts")
"""What stands in a page only where it is expanded."""


def routes() -> list[Route]:
    """The routes of pages."""

    def reading(template: str, action: Action, cost: int) -> Route:
        return Route(f"sites/{{site}}/pages{template}", action, cost, "sharepoint", "sharepoint", _SITES)

    return [
        reading("", pages, 2),
        reading(f"/{_CAST}", site_pages, 2),
        reading("/{page}", page, 1),
        reading(f"/{{page}}/{_CAST}", site_page, 1),
    ]


def _listed(call: Call, rows: list[Row], resource: str) -> Response:
    parameters = parse_query(call.request.query, {"$select", "$top", "$skiptoken"})
    names = selection(parameters, resource)
    size = capped_top(parameters, call.service.settings.pages_page, 1000)
    served, following = page_of(call, parameters, rows, size)
    shown = [_shown(row, names) for row in served]
    return success(collection(call.service.root, "sites('x')/pages", shown, next=following), call.request)


def _shown(row: Row, names: tuple[str, ...] | None) -> Row:
    """A page without its canvas; its type stands in any selection."""
    kept = {key: value for key, value in public(row).items() if key not in _DEEP}
    typed = {"@odata.type": row["@odata.type"]} if "@odata.type" in row else {}
    return {**typed, **project(kept, names)}


def pages(call: Call) -> Response:
    return _listed(call, call.service.tenant.pages.of(find_site(call)), "baseSitePage")


def site_pages(call: Call) -> Response:
    rows = [row for row in call.service.tenant.pages.of(find_site(call)) if _is_site_page(row)]
    return _listed(call, rows, "sitePage")


def _is_site_page(row: Row) -> bool:
    return bool(row.get("@odata.type", _TYPE) == _TYPE)


def _find(call: Call) -> Row:
    found = call.service.tenant.pages.find(find_site(call), call.names["page"])
    if found is None or found.get("_goneAfterListing"):
        raise item_not_found()
    return found


def page(call: Call) -> Response:
    names = selection(parse_query(call.request.query, {"$select"}), "baseSitePage")
    body = entity(call.service.root, "sites('x')/pages/$entity", _shown(_find(call), names))
    return success(body, call.request)


def site_page(call: Call) -> Response:
    parameters = parse_query(call.request.query, {"$select", "$expand"})
    names, row = selection(parameters, "sitePage"), _find(call)
    if not _is_site_page(row):
        raise bad_request(f"The page is not a {_CAST}.", "invalidRequest")
    body = entity(call.service.root, f"sites('x')/pages/{_CAST}/$entity", _shown(row, names))
    match parameters.get("$expand", ""):
        case "":
            pass
        case "canvasLayout":
            if "canvasLayout" in row:
                body["canvasLayout"] = row["canvasLayout"]
        case other:
            raise bad_request(f"$expand={other} is not served here. Known: canvasLayout.")
    return success(body, call.request)
