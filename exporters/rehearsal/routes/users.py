"""Users of the directory, and their licences.

Rules of this file: the collection serves what the real one serves; mailbox settings are for single users (501).
Source: reference/graph.md 3.1.
"""

from exporters.rehearsal.documents import Row
from exporters.rehearsal.routes.answers import ApiError, bad_request, collection, entity, identity, public, success
from exporters.rehearsal.routes.directory import SKU, missing_resource, plans, reading, service_plans
from exporters.rehearsal.routes.paging import page_of
from exporters.rehearsal.routes.query import parse_query, project, selection, top
from exporters.rehearsal.routes.router import Call, Route
from exporters.rehearsal.service import Service
from exporters.rehearsal.wire import Response

_DEFAULT_USER = (
    *("businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone", "officeLocation"),
    *("preferredLanguage", "surname", "userPrincipalName", "id"),
)
_SINGLE_ONLY = {
    *("mailboxSettings", "mySite", "aboutMe", "birthday", "interests", "hireDate", "pastProjects", "skills"),
    *("preferredName", "responsibilities", "schools"),
}


def routes() -> list[Route]:
    """The routes of users."""
    basic = ("User.Read.All", "User.ReadBasic.All")
    return [
        reading("users", users, 2, *basic),
        reading("users/$count", count_users, 1, *basic),
        reading("users/{user}", user, 1, *basic),
        reading("users/{user}/licenseDetails", licence_details, 2, "LicenseAssignment.Read.All", "User.Read.All"),
    ]


def served_user(service: Service, row: Row) -> Row:
    """A user with what the directory always has, less what only single users show."""
    status = service.subscription_status()
    assigned = plans(status) if row.get("assignedLicenses") else []
    whole = {
        "businessPhones": [],
        "jobTitle": None,
        "mobilePhone": None,
        "officeLocation": None,
        "onPremisesSyncEnabled": None,
        "usageLocation": "NL",
        "showInAddressList": None,
        "assignedPlans": assigned,
        "provisionedPlans": [
            {"capabilityStatus": status, "provisioningStatus": "Success", "service": plan["service"]}
            for plan in assigned
        ],
        **public(row),
    }
    whole.pop("mailboxSettings", None)
    return whole


def users(call: Call) -> Response:
    service, settings = call.service, call.service.settings
    allowed = {"$select", "$top", "$skiptoken", "$count", "$orderby"}
    parameters = parse_query(call.request.query, allowed)
    if "$skip" in parameters:
        raise bad_request("'$skip' is not supported by the service.", "Request_UnsupportedQuery")
    advanced = parameters.get("$count") == "true"
    if advanced and call.request.headers.get("consistencylevel", "").lower() != "eventual":
        raise bad_request("$count needs the header 'ConsistencyLevel: eventual'.", "Request_UnsupportedQuery")
    if "$orderby" in parameters and parameters["$orderby"].split()[0] not in ("displayName", "userPrincipalName"):
        raise bad_request("Sorting is served for displayName and userPrincipalName only.", "Request_UnsupportedQuery")
    size = top(parameters, settings.users_page, 999)
    names = selection(parameters, "user")
    if names and _SINGLE_ONLY & set(names):
        raise ApiError(501, "NotImplemented", "This property is not supported in a collection query.")
    rows = service.tenant.users
    if "$orderby" in parameters:
        field, *way = parameters["$orderby"].split()
        rows = sorted(rows, key=lambda row: str(row.get(field) or "").lower(), reverse=way == ["desc"])
    served, following = page_of(call, parameters, rows, size)
    page = [project(served_user(service, row), names or _DEFAULT_USER) for row in served]
    body = collection(service.root, "users", page, next=following)
    if advanced:
        body["@odata.count"] = len(rows)
    return success(body, call.request)


def count_users(call: Call) -> Response:
    parse_query(call.request.query, set())
    if call.request.headers.get("consistencylevel", "").lower() != "eventual":
        raise bad_request("$count needs the header 'ConsistencyLevel: eventual'.", "Request_UnsupportedQuery")
    headers = {"Content-Type": "text/plain", "OData-Version": "4.0", **identity(call.request)}
    return Response(200, str(len(call.service.tenant.users)).encode(), headers)


def find_user(call: Call) -> Row:
    """The user of the path, by id or userPrincipalName. Raises ApiError 404."""
    row = call.service.tenant.user(call.names["user"])
    if row is None:
        raise missing_resource(call.names["user"])
    return row


def user(call: Call) -> Response:
    names = selection(parse_query(call.request.query, {"$select"}), "user")
    row = find_user(call)
    whole = served_user(call.service, row)
    if names and "mailboxSettings" in names and "mailboxSettings" in row:
        whole["mailboxSettings"] = row["mailboxSettings"]
    body = project(whole, names or _DEFAULT_USER)
    return success(entity(call.service.root, "users/$entity", body), call.request)


def licence_details(call: Call) -> Response:
    names = selection(parse_query(call.request.query, {"$select"}), "licenseDetails")
    rows = [
        project(
            {
                "id": f"{licence['skuId']}",
                "skuId": licence["skuId"],
                "skuPartNumber": "SPE_E3" if licence["skuId"] == SKU else "OTHER",
                "servicePlans": service_plans(),
            },
            names,
        )
        for licence in find_user(call).get("assignedLicenses", ())
    ]
    return success(collection(call.service.root, "users('x')/licenseDetails", rows), call.request)
