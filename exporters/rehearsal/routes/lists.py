"""Lists of a site, their columns and items, on Graph.

Rules of this file: everything is found by id; a list over 5,000 items takes no filter and no sort on a column without an index;
items come in the order of their numbers; a page may hold fewer rows than asked for.
Source: reference/graph.md 5.4, 7.3; quirks Q-061, Q-063, Q-064.
"""

import re

from exporters.rehearsal.documents import Row
from exporters.rehearsal.library_items import LibraryItems
from exporters.rehearsal.list_truth import ListTruth
from exporters.rehearsal.routes import delta, list_delta
from exporters.rehearsal.routes.answers import (
    ApiError,
    bad_request,
    collection,
    entity,
    item_not_found,
    public,
    success,
)
from exporters.rehearsal.routes.items import find_drive
from exporters.rehearsal.routes.list_rows import (
    Form,
    Items,
    expansion,
    find_list,
    find_site,
    items_of,
    served_list,
    served_versions,
)
from exporters.rehearsal.routes.paging import page_of
from exporters.rehearsal.routes.query import capped_top, parse_query, project, selection
from exporters.rehearsal.routes.router import Action, Call, Route
from exporters.rehearsal.wire import Response

THRESHOLD = 5_000
MOST_ROWS = 5_000
_SITES = frozenset({"Sites.Read.All", "Sites.ReadWrite.All", "Sites.FullControl.All"})
_FIELD = re.compile(r"fields/([^ /]+)(?: (?:eq|ne|lt|le|gt|ge) ('(?:[^']|'')*'|[^ ]+)| (?:asc|desc))?$")
_PREFERRED = "HonorNonIndexedQueriesWarningMayFailRandomly"


def routes() -> list[Route]:
    """The routes of lists."""

    def reading(template: str, action: Action, cost: int) -> Route:
        return Route(template, action, cost, "sharepoint", "sharepoint", _SITES)

    one = "sites/{site}/lists/{list}"
    changes = [
        Route(f"{one}/items/delta{end}", list_delta.delta, delta.cost, "sharepoint", "sharepoint", _SITES)
        for end in ("", "()")
    ]
    return [
        reading("sites/{site}/lists", site_lists, 2),
        reading(one, site_list, 1),
        reading(f"{one}/columns", columns, 2),
        reading(f"{one}/contentTypes", content_types, 2),
        reading(f"{one}/items", items, 2),
        *changes,
        reading(f"{one}/items/{{item}}", item, 1),
        reading(f"{one}/items/{{item}}/versions", versions, 2),
        reading("drives/{drive}/items/{item}/listItem", list_item_of_file, 1),
    ]


# -------------------------------------------------------------------------------------------------------- lists


def site_lists(call: Call) -> Response:
    parameters = parse_query(call.request.query, {"$select", "$expand", "$top", "$skiptoken"})
    names = selection(parameters, "list")
    _check_expansion(parameters)
    site = find_site(call)
    shows_system = names is not None and "system" in names
    there = [one for one in call.service.tenant.lists_of(site).all() if shows_system or "system" not in one.info]
    page, following = page_of(call, parameters, there, capped_top(parameters, 200, 1000))
    rows = [{**served_list(site, one, names), **_expanded(call, one, parameters)} for one in page]
    return success(collection(call.service.root, "lists", rows, next=following), call.request)


def site_list(call: Call) -> Response:
    parameters = parse_query(call.request.query, {"$select", "$expand"})
    names = selection(parameters, "list")
    _check_expansion(parameters)
    site, _, one = find_list(call)
    row = {**served_list(site, one, names), **_expanded(call, one, parameters)}
    return success(entity(call.service.root, "lists/$entity", row), call.request)


def _check_expansion(parameters: dict[str, str]) -> None:
    expansion(parameters.get("$expand", ""), ("columns", "contentTypes", "drive"))


def _expanded(call: Call, one: ListTruth, parameters: dict[str, str]) -> Row:
    wanted = expansion(parameters.get("$expand", ""), ("columns", "contentTypes", "drive"))
    found: Row = {}
    if "columns" in wanted:
        found["columns"] = one.info.get("_columns", [])
    if "contentTypes" in wanted:
        found["contentTypes"] = _content_types(one.info)
    if "drive" in wanted and one.is_library:
        info = call.service.tenant.drive_in(str(one.info["_drive"])).info
        found["drive"] = {key: value for key, value in info.items() if not key.startswith("_")}
    return found


def columns(call: Call) -> Response:
    names = selection(parse_query(call.request.query, {"$select", "$top"}), "columnDefinition")
    _, _, one = find_list(call)
    rows = [project(column, names) for column in one.info.get("_columns", ())]
    return success(collection(call.service.root, "columns", rows), call.request)


def content_types(call: Call) -> Response:
    names = selection(parse_query(call.request.query, {"$select", "$top"}), "contentType")
    _, _, one = find_list(call)
    rows = [project(row, names) for row in _content_types(one.info)]
    return success(collection(call.service.root, "contentTypes", rows), call.request)


def _content_types(info: Row) -> list[Row]:
    if "_contentTypes" in info:
        return list(info["_contentTypes"])
    named = [("0x0101", "Document"), ("0x0120", "Folder")] if info.get("_drive") else [("0x01", "Item")]
    return [
        {"id": f"{number}00{str(info['id']).replace('-', '').upper()}", "name": name, "description": "", "group": "List",
         "hidden": False, "readOnly": False, "sealed": False}
        for number, name in named
    ]  # fmt: skip


# -------------------------------------------------------------------------------------------------------- items


def items(call: Call) -> Response:
    allowed = {"$select", "$expand", "$top", "$skiptoken", "$filter", "$orderby"}
    parameters = parse_query(call.request.query, allowed)
    form = Form(parameters.get("$select"), parameters.get("$expand", ""))
    form.check()
    site, lists, one = find_list(call)
    there = items_of(call, one)
    with there.lock:
        numbers: list[int] | range = range(there.count)  # stays as it is while items come and go
        if "$filter" in parameters or "$orderby" in parameters:
            numbers = _asked_for(call, one.info, there, parameters)
        size = capped_top(parameters, call.service.settings.lists_page, MOST_ROWS)
        page, following = page_of(call, parameters, numbers, size)
        rows = [
            form.serve(call, site, lists, there, n) for n in page if there.find(str(there.row(n)["id"])) is not None
        ]
    return success(collection(call.service.root, "Collection(listItem)", rows, next=following), call.request)


def _asked_for(call: Call, info: Row, there: Items, parameters: dict[str, str]) -> list[int]:
    """What a filter and a sort leave. Raises ApiError as the service does for columns without an index (Q-061)."""
    numbers = list(there.live())
    for name in ("$filter", "$orderby"):
        if name not in parameters:
            continue
        asked = _FIELD.fullmatch(parameters[name].strip())
        if asked is None:
            raise bad_request(f"{name}={parameters[name]} is not served here.", "invalidRequest")
        _check_index(call, info, there, asked[1])
        if name == "$filter":
            wanted = str(asked[2]).strip("'").replace("''", "'")
            numbers = [n for n in numbers if str(there.row(n)["fields"].get(asked[1])) == wanted]
        else:
            numbers.sort(key=lambda n: str(there.row(n)["fields"].get(asked[1])))
    return numbers


def _check_index(call: Call, info: Row, there: Items, name: str) -> None:
    if any(column["name"] == name and column.get("indexed") for column in info.get("_columns", ())):
        return
    if there.live_count > THRESHOLD:
        text = "The attempted operation is prohibited because it exceeds the list view threshold."
        raise ApiError(400, "invalidRequest", text, inner="SPQueryThrottledException")
    if _PREFERRED.lower() not in call.request.headers.get("prefer", "").lower():
        text = f"Field '{name}' cannot be referenced in filter or orderby as it is not indexed. Provide the 'Prefer: "
        raise ApiError(400, "invalidRequest", f"{text}{_PREFERRED}' header to allow this.")


def item(call: Call) -> Response:
    parameters = parse_query(call.request.query, {"$select", "$expand"})
    form = Form(parameters.get("$select"), parameters.get("$expand", ""))
    form.check()
    site, lists, one = find_list(call)
    there = items_of(call, one)
    n = there.find(call.names["item"])
    if n is None:
        raise item_not_found()
    row = form.serve(call, site, lists, there, n)
    return success(entity(call.service.root, "listItem/$entity", row), call.request)


def list_item_of_file(call: Call) -> Response:
    """The list side of a file or folder of a library."""
    wanted = expansion(parse_query(call.request.query, {"$expand"}).get("$expand", ""), ("fields",))
    drive = find_drive(call)
    n = drive.find(call.names["item"])
    if n is None or n == drive.root or n in drive.vanished:
        raise item_not_found()
    row = LibraryItems("", drive).row(n)
    served = {"@odata.etag": row["eTag"], **public(row)}
    if "fields" not in wanted:
        served.pop("fields")
    return success(entity(call.service.root, "listItem/$entity", served), call.request)


def versions(call: Call) -> Response:
    parameters = parse_query(call.request.query, {"$select", "$expand", "$top", "$skiptoken"})
    names = selection(parameters, "listItemVersion")
    wanted = expansion(parameters.get("$expand", ""), ("fields",))
    _, _, one = find_list(call)
    there = items_of(call, one)
    n = there.find(call.names["item"])
    if n is None:
        raise item_not_found()
    page, following = page_of(call, parameters, served_versions(there.row(n)), capped_top(parameters, 200, MOST_ROWS))
    rows = []
    for entry in page:
        row = project({key: value for key, value in entry.items() if key != "fields"}, names)
        if "fields" in wanted:
            chosen = wanted["fields"]
            row["fields"] = {k: v for k, v in entry["fields"].items() if chosen is None or k in chosen}
        rows.append(row)
    return success(collection(call.service.root, "Collection(listItemVersion)", rows, next=following), call.request)
