"""The directory: organisation, licences, subscriptions, domains, users.

Rules of this file: rows come from the tenant's data, completed by what a real directory always has.
Source: reference/graph.md 3.1, 7.4, 8.1.
"""

import uuid
from typing import Any

from exporters.rehearsal.documents import Row
from exporters.rehearsal.links import LinkError
from exporters.rehearsal.routes.answers import ApiError, bad_request, collection, entity, public, success
from exporters.rehearsal.routes.query import parse_query, project, selection, top
from exporters.rehearsal.routes.router import Call, Route
from exporters.rehearsal.service import Service
from exporters.rehearsal.wire import Response

_SKU = "05e9a617-0261-4cee-bb44-138d3ef5d965"  # SPE_E3
_PLANS = (
    ("exchange", "efb87545-963c-4e0d-99df-69c6916d9eb0", "EXCHANGE_S_ENTERPRISE"),
    ("SharePoint", "5dbe027f-2339-4123-9542-606e4d348a72", "SHAREPOINTENTERPRISE"),
)
_DEFAULT_USER = (
    "businessPhones,displayName,givenName,jobTitle,mail,mobilePhone,officeLocation,preferredLanguage,surname,"
    "userPrincipalName,id"
).split(",")
_SINGLE_ONLY = {"mailboxSettings", "mySite", "aboutMe", "birthday", "interests", "hireDate", "pastProjects", "skills"}
_DIRECTORY = frozenset({"Directory.Read.All"})


def routes() -> list[Route]:
    """The routes of the directory."""

    def reading(template: str, action: Any, cost: int, *roles: str) -> Route:
        return Route(template, action, _directory_cost(cost), "directory", "directory", _DIRECTORY | set(roles))

    skus = ("LicenseAssignment.Read.All", "Organization.Read.All")
    subscriptions = ("Organization.Read.All",)
    return [
        reading("organization", organizations, 1, "Organization.Read.All", "User.Read.All"),
        reading("organization/{organization}", organization, 1, "Organization.Read.All", "User.Read.All"),
        reading("subscribedSkus", subscribed_skus, 3, *skus),
        reading("directory/subscriptions", subscriptions_page, 1, *subscriptions),
        reading("directory/subscriptions()", subscription, 1, *subscriptions),
        reading("directory/subscriptions/{subscription}", subscription, 1, *subscriptions),
        reading("domains", domains, 1, "Domain.Read.All"),
        reading("domains/{domain}", domain, 1, "Domain.Read.All"),
        reading("domains/{domain}/serviceConfigurationRecords", service_records, 1, "Domain.Read.All"),
        reading("domains/{domain}/verificationDnsRecords", verification_records, 1, "Domain.Read.All"),
        reading("domains/{domain}/domainNameReferences", name_references, 4, "Domain.Read.All"),
        reading("users", users, 2, "User.Read.All", "User.ReadBasic.All"),
        reading("users/{user}", user, 1, "User.Read.All", "User.ReadBasic.All"),
        reading("users/{user}/licenseDetails", licence_details, 2, *skus, "User.Read.All"),
    ]


def _directory_cost(base: int) -> Any:
    def cost(call: Call) -> int:
        query = call.request.query
        less = ("select=" in query) - ("expand=" in query)
        small = any(part in query for part in ("top=1&", "top=5&")) or query.endswith(("top=1", "top=5"))
        return max(1, base - less - small)

    return cost


def _plans(status: str) -> list[Row]:
    when = "2021-01-10T08:00:00Z"
    return [
        {"assignedDateTime": when, "capabilityStatus": status, "service": service, "servicePlanId": plan}
        for service, plan, _ in _PLANS
    ]


# ------------------------------------------------------------------------------------------------ the organisation


def _organization(service: Service) -> Row:
    tenant = service.tenant
    domains = tenant.domains
    return {
        "id": tenant.id,
        "displayName": tenant.domain.partition(".")[0].capitalize(),
        "tenantType": "AAD",
        "countryLetterCode": "NL",
        "city": None,
        "country": None,
        "createdDateTime": "2014-03-01T09:00:00Z",
        "onPremisesSyncEnabled": None,
        "onPremisesLastSyncDateTime": None,
        "defaultUsageLocation": "NL",
        "technicalNotificationMails": [f"admin@{tenant.domain}"],
        "assignedPlans": _plans(tenant.subscription_status),
        "provisionedPlans": [
            {"capabilityStatus": tenant.subscription_status, "provisioningStatus": "Success", "service": name}
            for name, _, _ in _PLANS
        ],
        "verifiedDomains": [
            {
                "capabilities": "Email, OfficeCommunicationsOnline",
                "isDefault": name == domains[-1],
                "isInitial": name == domains[0],
                "name": name,
                "type": "Managed",
            }
            for name in domains
        ],
    }


def organizations(call: Call) -> Response:
    parameters = parse_query(call.request.query, {"$select", "$top"})
    names = selection(parameters, "organization")
    row = project(_organization(call.service), names)
    return success(collection(call.service.root, "organization", [row]), call.request)


def organization(call: Call) -> Response:
    names = selection(parse_query(call.request.query, {"$select"}), "organization")
    row = _organization(call.service)
    if call.names["organization"] != row["id"]:
        raise _missing(call.names["organization"])
    return success(entity(call.service.root, "organization/$entity", project(row, names)), call.request)


def subscribed_skus(call: Call) -> Response:
    service, tenant = call.service, call.service.tenant
    names = selection(parse_query(call.request.query, {"$select"}), "subscribedSku")
    used: dict[str, int] = {_SKU: 0}
    for one in tenant.users:
        for licence in one.get("assignedLicenses", ()):
            used[licence["skuId"]] = used.get(licence["skuId"], 0) + 1
    status = tenant.subscription_status
    state = {"Enabled": "enabled", "Warning": "warning", "Suspended": "suspended", "LockedOut": "lockedOut"}
    rows = []
    for sku, consumed in used.items():
        units = {"enabled": 0, "suspended": 0, "warning": 0, "lockedOut": 0}
        if status in state:
            units[state[status]] = service.licences() if sku == _SKU else consumed
        row = {
            "accountName": tenant.domain.partition(".")[0],
            "accountId": tenant.id,
            "appliesTo": "User",
            "capabilityStatus": status,
            "consumedUnits": consumed,
            "id": f"{tenant.id}_{sku}",
            "skuId": sku,
            "skuPartNumber": "SPE_E3" if sku == _SKU else "OTHER",
            "subscriptionIds": [_subscription_id(tenant.id, sku)],
            "prepaidUnits": units,
            "servicePlans": _service_plans(),
        }
        rows.append(project(row, names))
    return success(collection(service.root, "subscribedSkus", rows), call.request)


def _service_plans() -> list[Row]:
    return [
        {"servicePlanId": plan, "servicePlanName": name, "provisioningStatus": "Success", "appliesTo": "User"}
        for _, plan, name in _PLANS
    ]


def _subscription_id(tenant: str, sku: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{tenant}/{sku}"))


def _subscriptions(service: Service) -> list[Row]:
    tenant = service.tenant
    return [
        {
            "id": _subscription_id(tenant.id, _SKU),
            "commerceSubscriptionId": _subscription_id(tenant.id, "commerce"),
            "createdDateTime": "2021-01-10T08:00:00Z",
            "isTrial": False,
            "nextLifecycleDateTime": "2027-01-10T00:00:00Z",
            "ownerId": None,
            "ownerTenantId": None,
            "ownerType": None,
            "serviceStatus": _service_plans(),
            "skuId": _SKU,
            "skuPartNumber": "SPE_E3",
            "status": tenant.subscription_status,
            "totalLicenses": service.licences(),
        }
    ]


def subscriptions_page(call: Call) -> Response:
    names = selection(parse_query(call.request.query, {"$select"}), "companySubscription")
    rows = [project(row, names) for row in _subscriptions(call.service)]
    return success(collection(call.service.root, "directory/subscriptions", rows), call.request)


def subscription(call: Call) -> Response:
    names = selection(parse_query(call.request.query, {"$select"}), "companySubscription")
    wanted = call.names.get("subscription") or call.names.get("commerceSubscriptionId", "")
    for row in _subscriptions(call.service):
        if wanted in (row["id"], row["commerceSubscriptionId"]):
            body = entity(call.service.root, "directory/subscriptions/$entity", project(row, names))
            return success(body, call.request)
    raise _missing(wanted)


# ----------------------------------------------------------------------------------------------------- domains


def _domain(service: Service, name: str) -> Row:
    known = service.tenant.domains
    if name.lower() not in (one.lower() for one in known):
        raise _missing(name)
    return {
        "id": name.lower(),
        "authenticationType": "Managed",
        "availabilityStatus": None,
        "isAdminManaged": True,
        "isDefault": name == known[-1],
        "isInitial": name == known[0],
        "isRoot": True,
        "isVerified": True,
        "supportedServices": ["Email", "OfficeCommunicationsOnline"],
        "passwordValidityPeriodInDays": 2147483647,
        "passwordNotificationWindowInDays": 14,
        "state": None,
    }


def domains(call: Call) -> Response:
    names = selection(parse_query(call.request.query, {"$select", "$top"}), "domain")
    rows = [project(_domain(call.service, name), names) for name in call.service.tenant.domains]
    return success(collection(call.service.root, "domains", rows), call.request)


def domain(call: Call) -> Response:
    names = selection(parse_query(call.request.query, {"$select"}), "domain")
    row = project(_domain(call.service, call.names["domain"]), names)
    return success(entity(call.service.root, "domains/$entity", row), call.request)


def _record(domain_name: str, kind: str, **more: Any) -> Row:
    label = more.pop("label", domain_name)
    row = {
        "@odata.type": f"#microsoft.graph.domainDns{kind}Record",
        "id": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{kind}.{label}.{sorted(more.items())}")),
        "isOptional": False,
        "label": label,
        "recordType": kind,
        "supportedService": more.pop("service", "Email"),
        "ttl": 3600,
    }
    return row | more


def service_records(call: Call) -> Response:
    parse_query(call.request.query, set())
    name = _domain(call.service, call.names["domain"])["id"]
    rows = [
        _record(name, "Mx", mailExchange=f"{name.replace('.', '-')}.mail.protection.outlook.com", preference=0),
        _record(name, "Txt", text="v=spf1 include:spf.protection.outlook.com -all"),
        _record(name, "CName", label=f"autodiscover.{name}", canonicalName="autodiscover.outlook.com"),
    ]
    context = f"domains('{name}')/serviceConfigurationRecords"
    return success(collection(call.service.root, context, rows), call.request)


def verification_records(call: Call) -> Response:
    parse_query(call.request.query, set())
    name = _domain(call.service, call.names["domain"])["id"]
    rows = [
        _record(name, "Txt", service=None, text="MS=ms86120656"),
        _record(name, "Mx", service=None, mailExchange="ms86120656.msv1.invalid", preference=32767),
    ]
    context = f"domains('{name}')/verificationDnsRecords"
    return success(collection(call.service.root, context, rows), call.request)


def name_references(call: Call) -> Response:
    parse_query(call.request.query, set())
    name = _domain(call.service, call.names["domain"])["id"]
    rows = [
        {"@odata.type": "#microsoft.graph.user"}
        | {key: one.get(key) for key in ("id", "displayName", "userPrincipalName", "mail")}
        for one in call.service.tenant.users
        if str(one["userPrincipalName"]).lower().endswith("@" + name)
    ]
    return success(collection(call.service.root, "directoryObjects", rows), call.request)


# ------------------------------------------------------------------------------------------------------- users


def served_user(service: Service, row: Row) -> Row:
    """A user with what the directory always has, less what only single users show."""
    status = service.tenant.subscription_status
    plans = _plans(status) if row.get("assignedLicenses") else []
    whole = {
        "businessPhones": [],
        "jobTitle": None,
        "mobilePhone": None,
        "officeLocation": None,
        "onPremisesSyncEnabled": None,
        "usageLocation": "NL",
        "showInAddressList": None,
        "assignedPlans": plans,
        "provisionedPlans": [
            {"capabilityStatus": status, "provisioningStatus": "Success", "service": plan["service"]} for plan in plans
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
    start, size = 0, top(parameters, settings.users_page, 999)
    if "$skiptoken" in parameters:
        start = _skip(service, parameters["$skiptoken"], "users")
    names = selection(parameters, "user")
    if names and _SINGLE_ONLY & set(names):
        raise ApiError(501, "NotImplemented", "This property is not supported in a collection query.")
    rows = service.tenant.users
    if "$orderby" in parameters:
        field, *way = parameters["$orderby"].split()
        rows = sorted(rows, key=lambda row: str(row.get(field) or "").lower(), reverse=way == ["desc"])
    page = [project(served_user(service, row), names or tuple(_DEFAULT_USER)) for row in rows[start : start + size]]
    following = None
    if start + size < len(rows):
        kept = "&".join(part for part in call.request.query.split("&") if part and "skiptoken=" not in part)
        following = f"{service.root}/users?{kept + '&' if kept else ''}$skiptoken={_token(service, start + size, 'users')}"
    body = collection(service.root, "users", page, next=following)
    if advanced:
        body["@odata.count"] = len(rows)
    return success(body, call.request)


def _token(service: Service, position: int, what: str) -> str:
    from urllib.parse import quote

    return quote(service.links.seal(what, position), safe="")


def _skip(service: Service, token: str, what: str) -> int:
    try:
        kind, position = service.links.open(token)
    except (LinkError, ValueError) as error:
        raise bad_request(str(error), "Directory_ExpiredPageToken") from error
    if kind != what:
        raise bad_request("The token belongs to another list.", "Directory_ExpiredPageToken")
    return int(position)


def find_user(call: Call) -> Row:
    """The user of the path, by id or userPrincipalName. Raises ApiError 404."""
    row = call.service.tenant.user(call.names["user"])
    if row is None:
        raise _missing(call.names["user"])
    return row


def user(call: Call) -> Response:
    names = selection(parse_query(call.request.query, {"$select"}), "user")
    row = find_user(call)
    whole = served_user(call.service, row)
    if names and "mailboxSettings" in names and "mailboxSettings" in row:
        whole["mailboxSettings"] = row["mailboxSettings"]
    body = project(whole, names or tuple(_DEFAULT_USER))
    return success(entity(call.service.root, "users/$entity", body), call.request)


def licence_details(call: Call) -> Response:
    names = selection(parse_query(call.request.query, {"$select"}), "licenseDetails")
    rows = [
        project(
            {
                "id": f"{licence['skuId']}",
                "skuId": licence["skuId"],
                "skuPartNumber": "SPE_E3" if licence["skuId"] == _SKU else "OTHER",
                "servicePlans": _service_plans(),
            },
            names,
        )
        for licence in find_user(call).get("assignedLicenses", ())
    ]
    return success(collection(call.service.root, "users('x')/licenseDetails", rows), call.request)


def _missing(name: str) -> ApiError:
    return ApiError(
        404,
        "Request_ResourceNotFound",
        f"Resource '{name}' does not exist or one of its queried reference-property objects are not present.",
    )
