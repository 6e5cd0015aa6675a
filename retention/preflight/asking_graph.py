"""Asks Microsoft Graph for what the preflight judges, each call by the least permission that it takes.

Rules of this file: read only; what is refused, and what fails, is an `Unknown` that names the permission to grant, and stops
nothing else. Listings stream: people are counted, only the first are kept by name. Source: graph.md §2.1, §8.1, §9.1;
retention-domain §3.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from exporters.bag.formats import JsonObject
from exporters.clock import instant_of
from exporters.errors import LastcopyError
from exporters.graph.answers import identifier_of, objects_of
from exporters.graph.calls import segment
from exporters.graph.errors import AccessDeniedError, NotFoundError, PermissionMissingError
from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession
from retention.preflight.asking_dns import Dns
from retention.preflight.facts import KEPT, Administrator, Deleted, DomainFacts, Facts, People, Unknown
from retention.preflight.items import DOMAINS, EDISCOVERY, LICENCES, ORGANIZATION, ROLES, USERS

T = TypeVar("T")
ROLE_TEMPLATES: Final = {
    "62e90394-69f5-4237-9190-012177145e10": "Global Administrator",
    "b0f54661-2d74-4c50-afa3-1ec803f12efe": "Billing Administrator",
}
CASES_LOOKED_AT: Final = 3
"""eDiscovery takes five requests a minute (graph.md §7.5): one for the cases, and so many for holds."""
_PERSON = "id,userPrincipalName,displayName,accountEnabled,onPremisesSyncEnabled"
_USER = f"{_PERSON},userType,assignedLicenses"
_PAGE = "999"


def gather(facts: Facts, graph: GraphSession, dns: Dns) -> None:
    """Fill in what the tenant and the DNS say."""
    facts.subscriptions = _asked(lambda: _rows(graph, "/directory/subscriptions", Cost.DIRECTORY), ORGANIZATION)
    facts.skus = _asked(lambda: _rows(graph, "/subscribedSkus", Cost.SUBSCRIBED_SKUS), LICENCES)
    facts.organization = _asked(lambda: _organization(graph), ORGANIZATION)
    holders = _asked(lambda: _role_members(graph), ROLES)
    wanted = set() if isinstance(holders, Unknown) else set(holders)
    facts.people = _asked(lambda: _people(graph, wanted), USERS)
    facts.administrators = holders if isinstance(holders, Unknown) else _administrators(holders, facts.people)
    facts.deleted = _asked(lambda: _deleted(graph), USERS)
    facts.holds = _asked(lambda: _holds(graph), EDISCOVERY)
    domains = _asked(lambda: _rows(graph, "/domains", Cost.DIRECTORY), DOMAINS)
    if isinstance(domains, Unknown):
        facts.domains = domains
        return
    facts.initial_domain = next((str(row["id"]) for row in domains if row.get("isInitial")), "")
    facts.domains = [_domain(graph, dns, row) for row in domains if is_custom(row)]


def all_unknown(facts: Facts, why: str) -> None:
    """Nobody could sign in: nothing was seen."""
    unknown = Unknown(why)
    facts.subscriptions = facts.skus = facts.organization = facts.administrators = unknown
    facts.domains = facts.people = facts.deleted = facts.holds = unknown


def is_custom(domain: JsonObject) -> bool:
    """Whether a domain is the tenant's own, which has to be removed: neither the initial one nor one that hangs on it."""
    name = str(domain.get("id") or "").lower()
    is_microsofts = name.split(".")[-2:-1] in (["onmicrosoft"], ["onmschina"])  # contoso.partner.onmschina.cn
    return bool(name) and not domain.get("isInitial") and not is_microsofts and domain.get("isVerified") is not False


def _asked(ask: Callable[[], T], permission: str) -> T | Unknown:
    try:
        return ask()
    except (PermissionMissingError, AccessDeniedError):
        return Unknown(f"the application may not read it: {permission} is missing", permission)
    except LastcopyError as error:
        return Unknown(str(error).rstrip("."))


def _listed(graph: GraphSession, path: str, cost: Cost, select: str = "", top: str = "") -> Iterator[JsonObject]:
    params = {name: value for name, value in (("$select", select), ("$top", top)) if value}
    for page in graph.pages(path, params=params, cost=cost):
        yield from page


def _rows(graph: GraphSession, path: str, cost: Cost) -> list[JsonObject]:
    """A short listing: subscriptions, licences, domains."""
    return [row for row in _listed(graph, path, cost) if identifier_of(row.get("id")) is not None]


def _organization(graph: GraphSession) -> JsonObject:
    select = "id,displayName,onPremisesSyncEnabled"
    return next(_listed(graph, "/organization", Cost.DIRECTORY, select), {})


def _role_members(graph: GraphSession) -> dict[str, JsonObject]:
    """{id: the member as served, and `roles`}. A role that was never activated has no members (404)."""
    found: dict[str, JsonObject] = {}
    for template, name in ROLE_TEMPLATES.items():
        path = f"/directoryRoles(roleTemplateId='{template}')/members"
        try:
            for row in _listed(graph, path, Cost.DIRECTORY, _PERSON):
                kind = str(row.get("@odata.type") or "#microsoft.graph.user").rpartition(".")[2]
                holder = identifier_of(row.get("id"))
                if kind in {"user", "group"} and holder is not None:  # applications cannot sign in to the admin center
                    found.setdefault(holder, {**row, "roles": [], "kind": kind})["roles"].append(name)
        except NotFoundError:
            continue
    return found


def _people(graph: GraphSession, wanted: set[str]) -> People:
    """Count all users; keep those that are wanted."""
    people = People()
    for row in _listed(graph, "/users", Cost.USERS, _USER, _PAGE):
        people.number += 1
        skus = frozenset(str(one.get("skuId")) for one in objects_of(row.get("assignedLicenses")))
        people.by_licences[skus] = people.by_licences.get(skus, 0) + 1
        is_guest = row.get("userType") == "Guest"
        people.guests += is_guest
        if not skus and not is_guest:
            people.unlicensed_number += 1
            if len(people.unlicensed) < KEPT:
                people.unlicensed.append({"id": row.get("id"), "name": row.get("userPrincipalName")})
        if row.get("id") in wanted:
            people.by_id[str(row["id"])] = row
    return people


def _administrators(holders: dict[str, JsonObject], people: People | Unknown) -> list[Administrator]:
    """Who may not read users gets members of roles by their ids alone."""
    found = []
    for person, member in holders.items():
        if member["kind"] == "group":
            name = f"the group {member.get('displayName') or person}"
            found.append(Administrator(person, name, tuple(member["roles"]), True, False, is_group=True))
            continue
        row = member if isinstance(people, Unknown) else people.by_id.get(person, member)
        enabled, synced = row.get("accountEnabled"), row.get("onPremisesSyncEnabled")
        name = str(row.get("userPrincipalName") or person)
        is_enabled = enabled if isinstance(enabled, bool) else None
        found.append(Administrator(person, name, tuple(member["roles"]), is_enabled, bool(synced)))
    return found


def _deleted(graph: GraphSession) -> Deleted:
    found = Deleted()
    path, select = "/directory/deletedItems/microsoft.graph.user", "id,userPrincipalName,displayName,deletedDateTime"
    for row in _listed(graph, path, Cost.DIRECTORY, select, _PAGE):
        found.number += 1
        at = instant_of(row.get("deletedDateTime"))
        if at is not None and (found.earliest is None or at < found.earliest):
            found.earliest = at
        if len(found.first) < KEPT:
            name = row.get("displayName") or row.get("userPrincipalName")
            found.first.append({"id": row.get("id"), "name": name, "deleted": row.get("deletedDateTime")})
    return found


def _holds(graph: GraphSession) -> list[str]:
    """Holds of eDiscovery cases that the application sees, as `case: hold`."""
    found: list[str] = []
    for number, case in enumerate(_listed(graph, "/security/cases/ediscoveryCases", Cost.DIRECTORY)):
        if number >= CASES_LOOKED_AT:
            found.append("further cases that were not looked at")
            break
        path = f"/security/cases/ediscoveryCases/{segment(str(case.get('id')))}/legalHolds"
        for hold in _listed(graph, path, Cost.DIRECTORY):
            if hold.get("isEnabled") is not False:
                found.append(
                    f"{case.get('displayName') or case.get('id')}: {hold.get('displayName') or hold.get('id')}"
                )
    return found


def _domain(graph: GraphSession, dns: Dns, row: JsonObject) -> DomainFacts:
    name = str(row["id"]).lower()
    path = f"/domains/{segment(name)}"
    records = _asked(lambda: _records(graph, f"{path}/serviceConfigurationRecords"), DOMAINS)
    references = _asked(lambda: _references(graph, f"{path}/domainNameReferences"), DOMAINS)
    services = tuple(str(one) for one in row.get("supportedServices") or ())
    return DomainFacts(name, bool(row.get("isDefault")), services, records, references, dns.mx(name), dns.ns(name))


def _records(graph: GraphSession, path: str) -> list[JsonObject]:
    return list(_listed(graph, path, Cost.DIRECTORY))


def _references(graph: GraphSession, path: str) -> dict[str, int]:
    """How many objects of each type use a domain."""
    return counted(_listed(graph, path, Cost.DOMAIN_REFERENCES))


def counted(rows: Iterable[JsonObject]) -> dict[str, int]:
    """{user: n, group: n, …}"""
    found: dict[str, int] = {}
    for row in rows:
        kind = str(row.get("@odata.type") or "object").rpartition(".")[2]
        found[kind] = found.get(kind, 0) + 1
    return found
