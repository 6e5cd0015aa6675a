"""Drives and their items: listing, versions, permissions, and the way to content.

Rules of this file: everything is found by id; ids are case-sensitive; what costs five units says so.
Source: reference/graph.md 5.1, 5.2, 7.3.
"""

import hashlib
from collections.abc import Callable

from exporters.rehearsal.documents import Row
from exporters.rehearsal.items import DriveTruth
from exporters.rehearsal.routes import delta
from exporters.rehearsal.routes.answers import (
    ApiError,
    bad_request,
    collection,
    entity,
    identity,
    item_not_found,
    public,
    success,
)
from exporters.rehearsal.routes.downloads import serve_content
from exporters.rehearsal.routes.items import check_content, download_url, find_drive, served_item, with_download_url
from exporters.rehearsal.routes.paging import page_of
from exporters.rehearsal.routes.query import capped_top, parse_query, project, selection
from exporters.rehearsal.routes.router import Action, Call, Route
from exporters.rehearsal.wire import Response

_FILES = frozenset({"Files.Read.All", "Files.ReadWrite.All", "Sites.Read.All", "Sites.FullControl.All"})


def routes() -> list[Route]:
    """The routes of drives."""

    def reading(template: str, action: Action, cost: int | Callable[[Call], int] = 1) -> Route:
        return Route(template, action, cost, "sharepoint", "sharepoint", _FILES)

    found = [
        reading("users/{user}/drive", user_drive),
        reading("users/{user}/drives", user_drives, 2),
        reading("drives/{drive}", drive),
    ]
    for top_name, root in (
        ("drives/{drive}", "drives/{drive}/root"),
        ("users/{user}/drive", "users/{user}/drive/root"),
    ):
        found += [
            reading(f"{root}/delta", delta.delta, delta.cost),
            reading(f"{root}/delta()", delta.delta, delta.cost),
            reading(f"{top_name}/items/{{item}}/delta", delta.delta, delta.cost),
            reading(f"{top_name}/items/{{item}}/delta()", delta.delta, delta.cost),
        ]
        for one in (root, f"{top_name}/items/{{item}}"):
            found += [
                reading(one, item, item_cost),
                reading(f"{one}/children", children, 2),
                reading(f"{one}/content", content),
                reading(f"{one}/versions", versions, 2),
                reading(f"{one}/versions/{{version}}", version),
                reading(f"{one}/versions/{{version}}/content", version_content),
                reading(f"{one}/permissions", permissions, 5),
            ]
    return found


# ------------------------------------------------------------------------------------------------------ finding


def find_item(call: Call, *, listed: bool = False) -> tuple[DriveTruth, int, Row]:
    """The live item of the path. listed: also one that is gone after listing. Raises ApiError 404."""
    drive_truth = find_drive(call)
    n = drive_truth.find(call.names.get("item", "root"))
    if n is None:
        raise item_not_found()
    row = drive_truth.row(n)
    if n in drive_truth.vanished and not listed:
        raise item_not_found()
    return drive_truth, n, row


# ------------------------------------------------------------------------------------------------------- drives


def served_drive(call: Call, found: DriveTruth) -> Row:
    """The drive as Graph shows it, with what is used at the moment."""
    row = public(found.info)
    found.load()
    quota = {**row.get("quota", {}), "used": found.sizes.get(found.root, 0), "deleted": 0}
    quota["remaining"] = quota.get("total", 0) - quota["used"]
    owner = dict(row.get("owner", {}))
    if "user" in owner:
        user = call.service.tenant.user(owner["user"]["id"])
        if user is not None:
            owner["user"] = {**owner["user"], "displayName": user["displayName"], "email": user["mail"]}
    return {**row, "owner": owner, "quota": quota}


def _answer_drive(call: Call, found: DriveTruth) -> Response:
    names = selection(parse_query(call.request.query, {"$select", "$expand"}), "drive")
    body = entity(call.service.root, "drives/$entity", project(served_drive(call, found), names))
    return success(body, call.request)


def drive(call: Call) -> Response:
    return _answer_drive(call, find_drive(call))


def user_drive(call: Call) -> Response:
    return _answer_drive(call, find_drive(call))


def user_drives(call: Call) -> Response:
    parameters = parse_query(call.request.query, {"$select", "$top", "$expand"})
    names = selection(parameters, "drive")
    found = find_drive(call)
    rows = [project(served_drive(call, found), names)]
    return success(collection(call.service.root, "drives", rows), call.request)


# -------------------------------------------------------------------------------------------------------- items


def item_cost(call: Call) -> int:
    """5 with permissions expanded, else 1."""
    return 5 if "permissions" in call.request.query else 1


def item(call: Call) -> Response:
    parameters = parse_query(call.request.query, {"$select", "$expand"})
    names = selection(parameters, "driveItem")
    found, n, row = find_item(call)
    wants_url = names is None or any("downloadUrl" in name for name in names)
    served = served_item(call.service, found, n, row)
    if wants_url:
        served = with_download_url(call.service, found, n, served)
    context = f"drives('{found.id}')/items/$entity"
    body = entity(call.service.root, context, project(served, names))
    match parameters.get("$expand", ""):
        case "":
            pass
        case "permissions":
            body["permissions"] = _permissions(found, row)
        case "children":
            body["children"] = [served_item(call.service, found, c, found.row(c)) for c in found.children(n)]
        case "versions":
            body["versions"] = _versions(row)
        case other:
            raise bad_request(f"$expand={other} is not served here. Known: permissions, children, versions.")
    if (etag := call.request.headers.get("if-none-match")) and etag == row.get("eTag"):
        return Response(304, headers=identity(call.request))
    return success(body, call.request)


def children(call: Call) -> Response:
    parameters = parse_query(call.request.query, {"$select", "$top", "$skiptoken", "$orderby", "$expand"})
    if "$expand" in parameters or "$orderby" in parameters:
        raise bad_request("$expand and $orderby are not served on children here.")
    names = selection(parameters, "driveItem")
    size = capped_top(parameters, call.service.settings.children_page, 1000)
    found, n, _ = find_item(call)
    below = [child for child in found.children(n) if child not in found.vanished]
    rows = []
    wants_url = names is None or any("downloadUrl" in name for name in names)
    numbers, following = page_of(call, parameters, below, size)
    for child in numbers:
        served = served_item(call.service, found, child, found.row(child))
        if wants_url:
            served = with_download_url(call.service, found, child, served)
        rows.append(project(served, names))
    context = f"drives('{found.id}')/items('x')/children"
    return success(collection(call.service.root, context, rows, next=following), call.request)


# ----------------------------------------------------------------------------------------------------- versions


def _versions(row: Row) -> list[Row]:
    if "file" not in row:
        return []
    current = {
        "id": "1.0",
        "lastModifiedDateTime": row["lastModifiedDateTime"],
        "size": row.get("size", 0),
        "lastModifiedBy": row.get("lastModifiedBy"),
    }
    listed = [public(entry) for entry in row.get("_versions", ())] or [current]
    return [{"lastModifiedBy": row.get("lastModifiedBy"), **entry} for entry in listed]


def versions(call: Call) -> Response:
    parameters = parse_query(call.request.query, {"$select", "$top", "$skiptoken"})
    names = selection(parameters, "driveItemVersion")
    size = capped_top(parameters, 200, 1000)
    found, _, row = find_item(call)
    entries, following = page_of(call, parameters, _versions(row), size)
    rows = [project(entry, names) for entry in entries]
    context = f"drives('{found.id}')/items('x')/versions"
    return success(collection(call.service.root, context, rows, next=following), call.request)


def _find_version(call: Call, row: Row) -> tuple[int, Row]:
    for place, entry in enumerate(_versions(row)):
        if entry["id"] == call.names["version"]:
            return place, entry
    raise item_not_found()


def version(call: Call) -> Response:
    names = selection(parse_query(call.request.query, {"$select"}), "driveItemVersion")
    found, _, row = find_item(call)
    _, entry = _find_version(call, row)
    context = f"drives('{found.id}')/items('x')/versions/$entity"
    return success(entity(call.service.root, context, project(entry, names)), call.request)


def version_content(call: Call) -> Response:
    parse_query(call.request.query, set())
    found, n, row = find_item(call)
    place, _ = _find_version(call, row)
    if place == 0:
        raise ApiError(400, "invalidRequest", "You cannot get the content of the current version.")
    check_content(row)
    url = download_url(call.service, found, n, call.names["version"])
    return Response(302, headers={"Location": url, "Cache-Control": "no-cache", **identity(call.request)})


# ------------------------------------------------------------------------------------------------------ content


def content(call: Call) -> Response:
    """302 to a pre-authenticated address; 200 with the bytes if a fault plan wants it so (Q-017)."""
    parse_query(call.request.query, set())
    found, n, row = find_item(call, listed=True)
    check_content(row)
    if (etag := call.request.headers.get("if-none-match")) and etag in (row.get("eTag"), row.get("cTag")):
        return Response(304, headers=identity(call.request))
    if "content-direct" in call.faults:
        return serve_content(call, row, row["_c"])
    if "content-empty" in call.faults:
        return Response(204, headers=identity(call.request))
    if not row["_c"]["len"]:  # nothing to redirect to
        headers = {"Content-Type": row["file"]["mimeType"], "ETag": row["eTag"], **identity(call.request)}
        return Response(200, b"", headers)
    location = download_url(call.service, found, n)
    return Response(302, headers={"Location": location, "Cache-Control": "no-cache", **identity(call.request)})


# -------------------------------------------------------------------------------------------------- permissions


def _permissions(found: DriveTruth, row: Row) -> list[Row]:
    """Its own ones; items without any show what they inherit from the root: the owner's."""
    if "_permissions" in row:
        return [public(entry) for entry in row["_permissions"]]
    owner = found.info.get("owner", {}).get("user", {})
    if not owner:
        return []
    own_id = hashlib.sha256(str(owner.get("id")).encode()).hexdigest()[:24]
    inherited: Row = {"id": own_id, "roles": ["owner"], "grantedToV2": {"user": owner}}
    if "root" not in row:
        root = found.row(found.root)["id"]
        inherited["inheritedFrom"] = {"driveId": found.id, "id": root, "path": f"/drives/{found.id}/root:"}
    return [inherited]


def permissions(call: Call) -> Response:
    names = selection(parse_query(call.request.query, {"$select", "$top"}), "permission")
    found, _, row = find_item(call)
    rows = [project(entry, names) for entry in _permissions(found, row)]
    context = f"drives('{found.id}')/items('x')/permissions"
    return success(collection(call.service.root, context, rows), call.request)
