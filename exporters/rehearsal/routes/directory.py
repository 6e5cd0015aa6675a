"""The directory: organisation, licences, subscriptions, domains.

Rules of this file: rows come from the tenant's data, completed by what a real directory always has.
Source: reference/graph.md 3.1, 7.4, 8.1.
"""

import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from exporters.rehearsal.documents import Row
from exporters.rehearsal.routes.answers import ApiError, collection, entity, success
from exporters.rehearsal.routes.query import parse_query, project, selection
from exporters.rehearsal.routes.router import Action, Call, Route
from exporters.rehearsal.service import Service
from exporters.rehearsal.wire import Response

SKU = "05e9a617-0261-4cee-bb44-138d3ef5d965"  # SPE_E3
_PLANS = (
    ("exchange", "efb87545-963c-4e0d-99df-69c6916d9eb0", "EXCHANGE_S_ENTERPRISE"),
    ("SharePoint", "5dbe027f-2339-4123-9542-606e4d348a72", "SHAREPOINTENTERPRISE"),
)
_TOP = re.compile(r"top=(\d+)")
_SHOWN = ("id", "displayName", "userPrincipalName", "mail")
_DIRECTORY = frozenset({"Directory.Read.All"})


def routes() -> list[Route]:
    """The routes of the directory."""

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
    ]


def reading(template: str, action: Action, cost: int, *roles: str) -> Route:
    """A route of the directory. cost: before what `$select` and the like take off."""
    return Route(template, action, _directory_cost(cost), "directory", "directory", _DIRECTORY | set(roles))


def _directory_cost(base: int) -> Callable[[Call], int]:
    def cost(call: Call) -> int:
        query = call.request.query
        page = _TOP.search(query)
        small = page is not None and int(page.group(1)) < 20
        return max(1, base - ("select=" in query) + ("expand=" in query) - small)

    return cost


def plans(status: str) -> list[Row]:
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
        "assignedPlans": plans(service.subscription_status()),
        "provisionedPlans": [
            {"capabilityStatus": service.subscription_status(), "provisioningStatus": "Success", "service": name}
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
        **tenant.directory.organization,
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
        raise missing_resource(call.names["organization"])
    return success(entity(call.service.root, "organization/$entity", project(row, names)), call.request)


def subscribed_skus(call: Call) -> Response:
    service, tenant = call.service, call.service.tenant
    names = selection(parse_query(call.request.query, {"$select"}), "subscribedSku")
    bought = {str(row["skuId"]): row for row in _subscriptions(service)}
    used: dict[str, int] = dict.fromkeys(bought, 0)
    for one in tenant.users:
        for licence in one.get("assignedLicenses", ()):
            used[licence["skuId"]] = used.get(licence["skuId"], 0) + 1
    state = {"Enabled": "enabled", "Warning": "warning", "Suspended": "suspended", "LockedOut": "lockedOut"}
    rows = []
    for sku, consumed in used.items():
        units = {"enabled": 0, "suspended": 0, "warning": 0, "lockedOut": 0}
        status = bought[sku]["status"] if sku in bought else service.subscription_status()
        if status in state:
            units[state[status]] = bought[sku]["totalLicenses"] if sku in bought else consumed
        row = {
            "accountName": tenant.domain.partition(".")[0],
            "accountId": tenant.id,
            "appliesTo": "User",
            "capabilityStatus": status,
            "consumedUnits": consumed,
            "id": f"{tenant.id}_{sku}",
            "skuId": sku,
            "skuPartNumber": bought[sku]["skuPartNumber"] if sku in bought else "OTHER",
            "subscriptionIds": [bought[sku]["id"] if sku in bought else _subscription_id(tenant.id, sku)],
            "prepaidUnits": units,
            "servicePlans": service_plans(),
        }
        rows.append(project(row, names))
    return success(collection(service.root, "subscribedSkus", rows), call.request)


def service_plans() -> list[Row]:
    return [
        {"servicePlanId": plan, "servicePlanName": name, "provisioningStatus": "Success", "appliesTo": "User"}
        for _, plan, name in _PLANS
    ]


def _subscription_id(tenant: str, sku: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{tenant}/{sku}"))


def _renewal(now: datetime) -> str:
    """The next 10 January that is over a month ahead: a year's term, bought on that day."""
    days = (datetime(now.year + ahead, 1, 10, tzinfo=UTC) for ahead in (0, 1, 2))
    return next(day for day in days if day - now > timedelta(days=31)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _subscriptions(service: Service) -> list[Row]:
    """The first, which the life cycle is about, and others that the data name."""
    first = _first_subscription(service)
    others = service.tenant.directory.subscriptions
    usual = {**first, "commerceSubscriptionId": None, "nextLifecycleDateTime": None, "status": "Enabled"}
    return [
        first,
        *({**usual, **row, "id": row.get("id") or _subscription_id(service.tenant.id, row["skuId"])} for row in others),
    ]


def _first_subscription(service: Service) -> Row:
    tenant = service.tenant
    return {
        "id": _subscription_id(tenant.id, SKU),
        "commerceSubscriptionId": _subscription_id(tenant.id, "commerce"),
        "createdDateTime": "2021-01-10T08:00:00Z",
        "isTrial": False,
        "nextLifecycleDateTime": _renewal(service.clock.now()),
        "ownerId": None,
        "ownerTenantId": None,
        "ownerType": None,
        "serviceStatus": service_plans(),
        "skuId": SKU,
        "skuPartNumber": "SPE_E3",
        "status": service.subscription_status(),
        "totalLicenses": service.licences(),
    }


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
    raise missing_resource(wanted)


# ----------------------------------------------------------------------------------------------------- domains


def _domain(service: Service, name: str) -> Row:
    known = service.tenant.domains
    if name.lower() not in (one.lower() for one in known):
        raise missing_resource(name)
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
        **service.tenant.directory.find_domain(name),
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
    tenant, end = call.service.tenant, "@" + name
    kinds: tuple[tuple[str, list[Row], tuple[str, ...]], ...] = (
        ("user", tenant.users, ("userPrincipalName", "proxyAddresses")),
        ("group", tenant.groups, ("mail", "proxyAddresses")),
        ("application", tenant.directory.applications, ("identifierUris",)),
    )
    rows = [
        {"@odata.type": f"#microsoft.graph.{kind}", **{key: one.get(key) for key in _SHOWN if key in one}}
        for kind, held, keys in kinds
        for one in held
        if any(text.lower().endswith(end) or f"://{name}/" in text.lower() + "/" for text in _texts(one, keys))
    ]
    return success(collection(call.service.root, "directoryObjects", rows), call.request)


def _texts(row: Row, keys: tuple[str, ...]) -> list[str]:
    """The texts of some properties, which may be lists."""
    values = (row.get(key) for key in keys)
    return [str(text) for value in values if value for text in (value if isinstance(value, list) else [value])]


def missing_resource(name: str) -> ApiError:
    """404 in the words of the directory."""
    return ApiError(
        404,
        "Request_ResourceNotFound",
        f"Resource '{name}' does not exist or one of its queried reference-property objects are not present.",
    )
