"""From a configuration to an open tenant and an open store.

Rules of this file: secrets are resolved here, at the last moment, and go nowhere else; a store of another tenant, or of a newer
layout, is refused before anything is written. Source: design §4 (root), §7, §10.
"""

from exporters.bag.formats import LAYOUT, JsonObject, dump_json, load_json
from exporters.clock import Clock, timestamp
from exporters.errors import ConfigurationError
from exporters.graph.budget import Budget, BudgetStore
from exporters.graph.clouds import Cloud, cloud_named, custom_cloud
from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession
from exporters.graph.signin import Credential, SignIn
from exporters.store.errors import ObjectExistsError
from exporters.store.opening import open_store
from exporters.store.protocol import LockPolicy, Store
from retention.config import Config, resolve

ROOT = "lastcopy.json"


def cloud_of(config: Config) -> Cloud:
    """The cloud that the configuration names. Raises: ConfigurationError."""
    tenant = config.tenant
    if tenant.cloud != "custom":
        return cloud_named(tenant.cloud, graph=tenant.graph, sharepoint=tenant.sharepoint)
    bundle = None
    if tenant.ca_bundle is not None:
        bundle = config.base / tenant.ca_bundle.removeprefix("file:")
    return custom_cloud(
        login=tenant.login or "",
        graph=tenant.graph or "",
        sharepoint=tenant.sharepoint,
        download_hosts=tenant.download_hosts,
        ca_bundle=bundle,
    )


def credential_of(config: Config) -> Credential:
    """The secret or certificate, read now. Raises: ConfigurationError."""
    given = config.tenant.credential
    passphrase = resolve(given.passphrase, config.base).decode().strip() if given.passphrase else None
    if given.secret is not None:
        return Credential(secret=resolve(given.secret, config.base).decode().strip())
    return Credential(certificate_pem=resolve(given.certificate or "", config.base), passphrase=passphrase)


def sign_in(config: Config, clock: Clock) -> SignIn:
    """The application, not yet signed in."""
    return SignIn(cloud_of(config), config.tenant.id, config.tenant.client_id, credential_of(config), clock)


def open_graph(config: Config, signin: SignIn, clock: Clock, budget_store: BudgetStore | None = None) -> GraphSession:
    """A session on the tenant; licences are asked for, as the budget depends on them."""
    graph = GraphSession(cloud_of(config), signin, clock, budget=Budget(store=budget_store), connections=24)
    return graph


def licences_of(graph: GraphSession) -> int:
    """Number of licences that the tenant has bought (all SKUs that users can hold)."""
    total = 0
    for page in graph.pages("/subscribedSkus", cost=Cost.SUBSCRIBED_SKUS):
        for sku in page:
            units = sku.get("prepaidUnits") or {}
            if sku.get("appliesTo", "User") == "User":
                total += int(units.get("enabled") or 0) + int(units.get("warning") or 0)
    return total


def tenant_of(graph: GraphSession) -> JsonObject:
    """{"id", "domain"} of the tenant that answers."""
    for page in graph.pages("/organization", params={"$select": "id,verifiedDomains"}, cost=Cost.DIRECTORY):
        for organization in page:
            domains = organization.get("verifiedDomains") or []
            initial = [d["name"] for d in domains if d.get("isInitial")] or [d["name"] for d in domains]
            return {"id": organization["id"], "domain": initial[0] if initial else None}
    raise ConfigurationError(
        "the tenant does not say who it is",
        code="no_organization",
        action="Grant the permission Organization.Read.All.",
    )


def open_configured_store(config: Config, clock: Clock) -> Store:
    """The store of the configuration. Raises: ConfigurationError, errors of the store."""
    section, lock = config.store, None
    if section.object_lock is not None:
        lock = LockPolicy(section.object_lock.mode, section.object_lock.until)
    return open_store(
        section.url,
        base=config.base,
        clock=clock,
        region=section.region,
        endpoint_url=section.endpoint_url,
        lock=lock,
    )


def read_root(store: Store) -> JsonObject | None:
    """`lastcopy.json`, None if there is none. Raises: ConfigurationError for a newer layout."""
    if store.stat(ROOT) is None:
        return None
    root = load_json(store.read(ROOT))
    if int(root.get("layout", 0)) > LAYOUT:
        raise ConfigurationError(
            f"this store has layout {root['layout']}, and this Lastcopy knows layouts up to {LAYOUT}",
            code="store_newer_layout",
            action="Use the newer Lastcopy that made it.",
        )
    return root


def claim_root(store: Store, tenant: JsonObject, clock: Clock) -> None:
    """Make sure that the store is this tenant's; an empty one becomes so. Raises: ConfigurationError for another's."""
    root = read_root(store)
    if root is None:
        made = {"layout": LAYOUT, "tenant": tenant, "created": timestamp(clock.now()), "product": "lastcopy"}
        try:
            store.put(ROOT, dump_json(made), if_absent=True, durable=True)
        except ObjectExistsError:
            root = read_root(store)
    if root is not None and root["tenant"]["id"] != tenant["id"]:
        raise ConfigurationError(
            f"this store holds the copy of another tenant ({root['tenant'].get('domain') or root['tenant']['id']})",
            code="store_of_another_tenant",
            action="Choose another folder, bucket or prefix as store.url; one store holds one tenant.",
        )
