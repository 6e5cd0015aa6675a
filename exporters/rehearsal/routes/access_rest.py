"""SharePoint's own REST API, as far as Graph lacks it: groups with their members, who may do what in a site, and which items of a
list have permissions of their own.

Rules of this file: a call that is not served is none of ours; pages end with `odata.nextLink`.
Source: SP.Web.siteGroups, SP.SecurableObject.roleAssignments and hasUniqueRoleAssignments of Microsoft's REST reference.
"""

import re
from urllib.parse import unquote

from exporters.rehearsal.documents import Row, render
from exporters.rehearsal.list_truth import ListTruth
from exporters.rehearsal.routes.answers import identity
from exporters.rehearsal.routes.router import Call
from exporters.rehearsal.site_access import assignments_of, groups_of, is_unique
from exporters.rehearsal.tenant import Tenant
from exporters.rehearsal.wire import Request, Response

GROUPS, ASSIGNMENTS, UNIQUE = "_api/web/sitegroups", "_api/web/roleassignments", "_api/web/lists/items"
_ADDRESS = re.compile(
    r"(?P<site>.*?)/_api/web/(?:(?P<groups>sitegroups)(?:\((?P<group>\d+)\)/users)?|(?P<assignments>roleassignments)"
    r"|lists\(guid'(?P<list>[0-9a-f-]{36})'\)/items)",
    re.IGNORECASE | re.DOTALL,
)
_UNIQUE_QUERY = re.compile(
    r"\$select=Id,HasUniqueRoleAssignments&\$top=(?P<top>\d{1,4})(?:&\$skiptoken=Paged=TRUE&p_ID=(?P<after>\d+))?"
)
_MOST = 5_000


class NotServedError(Exception):
    """The call is not one of these, or asks in a way that is not served here. code: of SharePoint's error."""

    def __init__(self, message: str, status: int = 400, code: str = "-1, System.NotSupportedException") -> None:
        super().__init__(message)
        self.message, self.status, self.code = message, status, code


def route_of(request: Request) -> str | None:
    """The name of a request's route; None if it is none of these."""
    found = _address_of(request)
    if found is None:
        return None
    return GROUPS if found["groups"] else ASSIGNMENTS if found["assignments"] else UNIQUE


def _address_of(request: Request) -> "re.Match[str] | None":
    return _ADDRESS.fullmatch(unquote(request.path, errors="surrogateescape"))


def answer(call: Call) -> Response | None:
    """The answer; None if the call is none of these. Raises NotServedError."""
    found = _address_of(call.request)
    if found is None:
        return None
    tenant, wanted = call.service.tenant, found["site"].rstrip("/").lower()
    site = next((row for row in tenant.sites if str(row.get("_path", "")).rstrip("/").lower() == wanted), None)
    if site is None:
        raise NotServedError("File Not Found.", 404, "-2147024894, System.IO.FileNotFoundException")
    query = unquote(call.request.query)
    if found["group"]:
        return _json(call, {"value": _users(tenant, site, int(found["group"]))})
    if found["list"]:
        return _unique(call, tenant, site, found["list"], query)
    expand = "Users" if found["groups"] else "Member,RoleDefinitionBindings"
    if query != f"$expand={expand}":
        raise NotServedError(f"Only $expand={expand} is served here.")
    rows = groups_of(tenant, site) if found["groups"] else assignments_of(tenant, site)
    return _json(call, {"value": rows})


def _users(tenant: Tenant, site: Row, group: int) -> list[Row]:
    found = next((row for row in groups_of(tenant, site) if row["Id"] == group), None)
    if found is None:
        raise NotServedError("Group cannot be found.", 404, "-2146232832, Microsoft.SharePoint.SPException")
    users: list[Row] = found["Users"]
    return users


def _unique(call: Call, tenant: Tenant, site: Row, list_id: str, query: str) -> Response:
    one = tenant.lists_of(site).find(list_id)
    if one is None or one.is_library:
        raise NotServedError("List does not exist.", 404, "-2130575322, Microsoft.SharePoint.SPException")
    asked = _UNIQUE_QUERY.fullmatch(query)
    if asked is None or not 0 < int(asked["top"]) <= _MOST:
        raise NotServedError("Only $select=Id,HasUniqueRoleAssignments&$top=N is served here.")
    size = min(int(asked["top"]), call.service.settings.lists_page)
    rows = [row for row in _rows(one) if row["Id"] > int(asked["after"] or 0)]
    body: Row = {"value": rows[:size]}
    if len(rows) > size:
        rest = f"$select=Id,HasUniqueRoleAssignments&$top={asked['top']}"
        token = f"$skiptoken=Paged%3DTRUE%26p_ID%3D{rows[size - 1]['Id']}"
        body["odata.nextLink"] = f"{call.service.hosts.sharepoint}{call.request.path}?{rest}&{token}"
    return _json(call, body)


def _rows(one: ListTruth) -> list[Row]:
    with one.lock:
        rows = [one.row(n) for n in one.live()]
    found = [{"Id": int(row["id"]), "HasUniqueRoleAssignments": is_unique(row)} for row in rows]
    return sorted(found, key=lambda row: row["Id"])


def _json(call: Call, body: Row) -> Response:
    headers = {
        "Content-Type": "application/json;odata=nometadata;streaming=true;charset=utf-8",
        **identity(call.request),
    }
    return Response(200, render(body), headers)
