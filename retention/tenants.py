"""A tenant that answers: who signs in, what the application may do, who the tenant is and how large.

Rules of this file: secrets are resolved here, at the last moment, and go nowhere else; the budget is shared with all who use the
same state. Source: design §7, §10; graph.md §1, §7.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from exporters.bag.formats import JsonObject
from exporters.bag.spent import spent_units
from exporters.clock import Clock
from exporters.drive.crew import BIG_AT_ONCE, SMALL_AT_ONCE
from exporters.errors import ItemError, RunError, SourceError
from exporters.export import DRIVES_AT_ONCE, MAILBOXES_AT_ONCE, SITES_AT_ONCE
from exporters.graph.answers import identifier_of, number_of, object_of, objects_of
from exporters.graph.budget import Budget
from exporters.graph.calls import Observer
from exporters.graph.clouds import Cloud, cloud_named, custom_cloud
from exporters.graph.errors import AccessDeniedError, PermissionMissingError
from exporters.graph.gate import Gate
from exporters.graph.keeper import Keeper
from exporters.graph.limits import MAILBOX_CONCURRENT, Cost, licence_class
from exporters.graph.session import GraphSession
from exporters.graph.sharing import History
from exporters.graph.signin import Credential, SignIn
from exporters.sharepoint.finding import ASKED_AT_ONCE
from exporters.store.protocol import Store
from retention.config import Config
from retention.opening import ROOT
from retention.permissions import Need, missing, needs_of
from retention.references import read_bytes, read_secret
from retention.state.database import State
from retention.state.spending import SharedBudget

_OF_SITES = SITES_AT_ONCE + ASKED_AT_ONCE
CONNECTIONS = (
    SMALL_AT_ONCE + BIG_AT_ONCE + DRIVES_AT_ONCE + _OF_SITES + MAILBOXES_AT_ONCE * (MAILBOX_CONCURRENT + 1) + 4
)
"""Open at once, at most: one for each thread that may ask (drives and sites and their crew, mailboxes with theirs, discovery)."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant that answered. `licences`: seats, None if they may not be read."""

    graph: GraphSession
    signin: SignIn
    identity: JsonObject
    licences: int | None


def cloud_of(config: Config) -> Cloud:
    """The cloud that the configuration names. Raises: ConfigurationError."""
    tenant = config.tenant
    if tenant.cloud != "custom":
        return cloud_named(tenant.cloud)
    return custom_cloud(
        login=tenant.login or "",
        graph=tenant.graph or "",
        sharepoint=tenant.sharepoint,
        download_hosts=tenant.download_hosts,
        ca_bundle=None if tenant.ca_bundle is None else config.path(tenant.ca_bundle),
    )


def check_cloud_name(name: str) -> None:
    """Raises: ConfigurationError for a cloud that there is not, or not any more."""
    if name != "custom":
        cloud_named(name)


def credential_of(config: Config) -> Credential:
    """The secret or certificate, read now. Raises: ConfigurationError."""
    given, key = config.tenant.credential, "tenant.credential"
    if given.secret is not None:
        return Credential(secret=read_secret(given.secret, config.base, f"{key}.secret"))
    passphrase = read_secret(given.passphrase, config.base, f"{key}.passphrase") if given.passphrase else None
    pem = read_bytes(given.certificate or "", config.base, f"{key}.certificate")
    return Credential(certificate_pem=pem, passphrase=passphrase)


def sign_in(config: Config, clock: Clock) -> SignIn:
    """The application, not yet signed in. Raises: ConfigurationError."""
    tenant = config.tenant
    return SignIn(cloud_of(config), tenant.id, tenant.client_id, credential_of(config), clock)


@contextmanager
def opened_tenant(
    config: Config,
    state: State,
    store: Store,
    clock: Clock,
    observer: Observer | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Tenant]:
    """Sign in, learn who the tenant is and how large, and share its budget with all who use the same state.

    stop: set by whoever wants requests that wait for long to end. Raises: ConfigurationError, RunError, errors of the store.
    """
    with sign_in(config, clock) as signin:
        gate = Gate(Budget(), clock, stop=stop)
        graph = GraphSession(cloud_of(config), signin, clock, gate=gate, connections=CONNECTIONS, observer=observer)
        with graph:
            require_permissions(graph.roles(), needs_of(config))
            identity, licences = tenant_of(graph), licences_of(graph)
            graph.set_licences(licences)
            shared = SharedBudget(state, f"{identity['id']} {config.tenant.client_id}")
            with Keeper(gate, shared, clock, lambda before: history_of(store, before, licences, clock)):
                yield Tenant(graph, signin, identity, licences)


def history_of(store: Store, before: datetime, licences: int | None, clock: Clock) -> History:
    """What the store's segments tell of the budget's last day. Raises: errors of the store."""
    if store.stat(ROOT) is None:
        return History([], [])  # nothing was ever written there, and nothing is written by looking
    spent = spent_units(store, before, clock.now())
    most = licence_class(licences).minute.units  # that a process can have spent in a minute
    return History(spent.spends, [(at, min(units, most)) for at, units in spent.unrecorded])


def require_permissions(roles: frozenset[str], needs: Sequence[Need]) -> None:
    """Refuse a token that names permissions but not those that a copy cannot begin without; one that names none is left to the
    service.

    Raises: RunError.
    """
    lacking = [need.name for need in missing(needs, roles) if need.weight == "vital"] if roles else []
    if lacking:
        leave = ", or set `sources.mail: none`" if lacking == ["Mail.Read"] else ""
        raise RunError(
            f"the application lacks the permission{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}",
            code="permission_missing",
            action="Add it as an application permission of Microsoft Graph, give admin consent, wait a few minutes, run again"
            f"{leave}.",
        )


def licences_of(graph: GraphSession) -> int | None:
    """Number of seats that the tenant has bought, None if it cannot be read (then the smallest budget holds)."""
    total = 0
    try:
        for page in graph.pages("/subscribedSkus", cost=Cost.SUBSCRIBED_SKUS):
            for sku in page:
                units = object_of(sku.get("prepaidUnits"))
                if (sku.get("appliesTo") or "User") == "User":
                    total += (number_of(units.get("enabled")) or 0) + (number_of(units.get("warning")) or 0)
    except (ItemError, SourceError):  # not worth a run
        return None
    return total


def tenant_of(graph: GraphSession) -> JsonObject:
    """{"id", "domain"} of the tenant that answers. Raises: RunError."""
    try:
        for page in graph.pages("/organization", params={"$select": "id,verifiedDomains"}, cost=Cost.DIRECTORY):
            for organization in page:
                found = identifier_of(organization.get("id"))
                if found is None:
                    continue
                domains = [d for d in objects_of(organization.get("verifiedDomains")) if identifier_of(d.get("name"))]
                initial = [d["name"] for d in domains if d.get("isInitial")] or [d["name"] for d in domains]
                return {"id": found, "domain": initial[0] if initial else None}
    except (PermissionMissingError, AccessDeniedError) as error:
        raise RunError(str(error), code="permission_missing", action=error.action) from error
    raise RunError(
        "the tenant does not say who it is",
        code="no_organization",
        action="Grant the permission Organization.Read.All.",
    )
