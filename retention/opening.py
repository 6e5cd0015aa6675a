"""From a configuration to an open tenant, an open store and the local state.

Rules of this file: secrets are resolved here, at the last moment, and go nowhere else; a store of another tenant, or of a newer
layout, is refused before anything is written. What speaks to a tenant is imported where it is needed: verbs that read the store
alone do without. Source: design §4 (root), §7, §10.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporters.bag.formats import LAYOUT, JsonObject, dump_json, load_json
from exporters.clock import Clock, timestamp
from exporters.errors import ConfigurationError, RunError
from exporters.store.errors import ObjectExistsError
from exporters.store.opening import open_store
from exporters.store.protocol import LockPolicy, Store
from retention.config import Config
from retention.references import read_bytes, read_secret

if TYPE_CHECKING:
    from exporters.graph.calls import Observer
    from exporters.graph.clouds import Cloud
    from exporters.graph.session import GraphSession
    from exporters.graph.signin import Credential, SignIn
    from retention.state.database import State

ROOT = "lastcopy.json"
CONNECTIONS = 24
DRIVE_ROLES = frozenset(
    {"Files.Read.All", "Files.ReadWrite.All", "Sites.Read.All", "Sites.ReadWrite.All", "Sites.FullControl.All"}
)
USER_ROLES = frozenset(
    {"User.Read.All", "User.ReadWrite.All", "User.ReadBasic.All", "Directory.Read.All", "Directory.ReadWrite.All"}
)
ORGANIZATION_ROLES = frozenset(
    {
        "Organization.Read.All",
        "Organization.ReadWrite.All",
        "User.Read.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
    }
)
LICENCE_ROLES = frozenset(
    {"LicenseAssignment.Read.All", "Organization.Read.All", "Directory.Read.All", "Directory.ReadWrite.All"}
)
NEEDED = {
    "User.Read.All": (USER_ROLES, "list the users"),
    "Organization.Read.All": (ORGANIZATION_ROLES, "make sure whose tenant it is"),
    "Files.Read.All": (DRIVE_ROLES, "read their OneDrives"),
}
"""Permission asked for → those that do as well, and what it is for."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant that answered. `licences`: seats, None if they may not be read."""

    graph: GraphSession
    signin: SignIn
    identity: JsonObject
    licences: int | None


def cloud_of(config: Config) -> Cloud:
    """The cloud that the configuration names. Raises: ConfigurationError."""
    from exporters.graph.clouds import cloud_named, custom_cloud

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
    from exporters.graph.clouds import cloud_named

    if name != "custom":
        cloud_named(name)


def credential_of(config: Config) -> Credential:
    """The secret or certificate, read now. Raises: ConfigurationError."""
    from exporters.graph.signin import Credential

    given, key = config.tenant.credential, "tenant.credential"
    if given.secret is not None:
        return Credential(secret=read_secret(given.secret, config.base, f"{key}.secret"))
    passphrase = read_secret(given.passphrase, config.base, f"{key}.passphrase") if given.passphrase else None
    pem = read_bytes(given.certificate or "", config.base, f"{key}.certificate")
    return Credential(certificate_pem=pem, passphrase=passphrase)


def sign_in(config: Config, clock: Clock) -> SignIn:
    """The application, not yet signed in. Raises: ConfigurationError."""
    from exporters.graph.signin import SignIn

    tenant = config.tenant
    return SignIn(cloud_of(config), tenant.id, tenant.client_id, credential_of(config), clock)


@contextmanager
def opened_tenant(
    config: Config, state: State | None, clock: Clock, observer: Observer | None = None
) -> Iterator[Tenant]:
    """Sign in, and learn who the tenant is and how large. Raises: ConfigurationError, RunError."""
    from exporters.graph.budget import Budget
    from exporters.graph.session import GraphSession

    with sign_in(config, clock) as signin:
        account = f"{config.tenant.id} {config.tenant.client_id}"
        budget = Budget(store=None if state is None else state.budget(account, lambda: clock.now().timestamp()))
        graph = GraphSession(cloud_of(config), signin, clock, budget=budget, connections=CONNECTIONS, observer=observer)
        with graph:
            require_permissions(graph.roles())
            identity, licences = tenant_of(graph), licences_of(graph)
            graph.set_licences(licences)
            yield Tenant(graph, signin, identity, licences)


def require_permissions(roles: frozenset[str]) -> None:
    """Refuse a token that names permissions but not those that a copy needs; one that names none is left to the service.

    Raises: RunError.
    """
    missing = missing_permissions(roles) if roles else []
    if missing:
        raise RunError(
            f"the application lacks the permission{'s' if len(missing) > 1 else ''} {', '.join(missing)}",
            code="permission_missing",
            action="Add it as an application permission of Microsoft Graph, give admin consent, wait a few minutes, run again.",
        )


def missing_permissions(roles: frozenset[str]) -> list[str]:
    """What is missing of NEEDED, by the permissions that a token names."""
    return [name for name, (enough, _) in NEEDED.items() if not roles & enough]


def licences_of(graph: GraphSession) -> int | None:
    """Number of seats that the tenant has bought, None if it may not be read (then the smallest budget holds)."""
    from exporters.graph.errors import AccessDeniedError, PermissionMissingError
    from exporters.graph.limits import Cost

    total = 0
    try:
        for page in graph.pages("/subscribedSkus", cost=Cost.SUBSCRIBED_SKUS):
            for sku in page:
                units = sku.get("prepaidUnits") or {}
                if sku.get("appliesTo", "User") == "User":
                    total += int(units.get("enabled") or 0) + int(units.get("warning") or 0)
    except (PermissionMissingError, AccessDeniedError):
        return None
    return total


def tenant_of(graph: GraphSession) -> JsonObject:
    """{"id", "domain"} of the tenant that answers. Raises: RunError."""
    from exporters.graph.errors import AccessDeniedError, PermissionMissingError
    from exporters.graph.limits import Cost

    try:
        for page in graph.pages("/organization", params={"$select": "id,verifiedDomains"}, cost=Cost.DIRECTORY):
            for organization in page:
                domains = organization.get("verifiedDomains") or []
                initial = [d["name"] for d in domains if d.get("isInitial")] or [d["name"] for d in domains]
                return {"id": organization["id"], "domain": initial[0] if initial else None}
    except (PermissionMissingError, AccessDeniedError) as error:
        raise RunError(str(error), code="permission_missing", action=error.action) from error
    raise RunError(
        "the tenant does not say who it is",
        code="no_organization",
        action="Grant the permission Organization.Read.All.",
    )


def configured_store(config: Config, clock: Clock) -> Store:
    """The store of the configuration; the caller closes it. Raises: ConfigurationError, errors of the store."""
    section = config.store
    return open_store(
        section.url,
        base=config.base,
        clock=clock,
        region=section.region,
        endpoint_url=section.endpoint_url,
        lock=lock_of(config),
    )


def lock_of(config: Config) -> LockPolicy | None:
    """The lock that the configuration asks for."""
    lock = config.store.object_lock
    return None if lock is None else LockPolicy(lock.mode, lock.until)


@contextmanager
def opened_store(config: Config, clock: Clock, *, holding: bool = False) -> Iterator[Store]:
    """The store, of a layout that we know. holding: it must be a store already. Raises: ConfigurationError."""
    store = configured_store(config, clock)
    try:
        if read_root(store) is None and holding:
            raise ConfigurationError(
                f"there is no copy in {config.store.url}",
                code="store_empty",
                action="Check store.url, or make the copy with `lastcopy export`.",
            )
        yield store
    finally:
        store.close()


@contextmanager
def opened_state(config: Config) -> Iterator[State]:
    """The local state. Raises: ConfigurationError."""
    from retention.state.database import open_state

    state = open_state(config.settings.state, config.base)
    try:
        yield state
    finally:
        state.close()


def read_root(store: Store) -> JsonObject | None:
    """`lastcopy.json`, None if there is none. Raises: ConfigurationError for a newer layout."""
    if store.stat(ROOT) is None:
        return None
    try:
        root = load_json(store.read(ROOT))
        layout, _ = int(root["layout"]), str(root["tenant"]["id"])
    except (ValueError, KeyError, TypeError):
        raise RunError(
            f"{ROOT} of this store cannot be read",
            code="store_damaged",
            action="Restore it from the store's versions or a second copy; nothing else was touched.",
        ) from None
    if layout > LAYOUT:
        raise ConfigurationError(
            f"this store has layout {layout}, and this Lastcopy knows layouts up to {LAYOUT}",
            code="store_newer_layout",
            action="Use the newer Lastcopy that made it.",
        )
    return root


def refuse_foreign(root: JsonObject | None, tenant: JsonObject) -> None:
    """Raises: ConfigurationError if the store holds another tenant."""
    if root is not None and root["tenant"]["id"] != tenant["id"]:
        raise ConfigurationError(
            f"this store holds the copy of another tenant ({root['tenant'].get('domain') or root['tenant']['id']})",
            code="store_of_another_tenant",
            action="Choose another folder, bucket or prefix as store.url; one store holds one tenant.",
        )


def claim_root(store: Store, tenant: JsonObject, clock: Clock) -> None:
    """Make sure that the store is this tenant's; an empty one becomes so. Raises: ConfigurationError for another's."""
    root = read_root(store)
    if root is None:
        if next(store.list("sources/"), None) is not None:
            raise ConfigurationError(
                f"this store holds a copy, but its {ROOT} is gone: nobody can tell whose it is",
                code="store_without_root",
                action=f"Restore {ROOT} (from the store's versions or a second copy), or use another place as store.url.",
            )
        made = {"layout": LAYOUT, "tenant": tenant, "created": timestamp(clock.now()), "product": "lastcopy"}
        try:
            store.put(ROOT, dump_json(made), if_absent=True, durable=True)
        except ObjectExistsError:
            root = read_root(store)
    refuse_foreign(root, tenant)
