"""From a configuration to an open store and the local state.

Rules of this file: a store of another tenant, or of a newer layout, is refused before anything is written; nothing here speaks
to a tenant: verbs that read the store alone do without. Source: design §4 (root), §7, §10.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from exporters.bag.formats import LAYOUT, JsonObject, dump_json, load_json
from exporters.clock import Clock, timestamp
from exporters.errors import ConfigurationError, RunError
from exporters.store.errors import ObjectExistsError
from exporters.store.opening import open_store
from exporters.store.protocol import LockPolicy, Store
from retention.config import Config

if TYPE_CHECKING:
    from retention.state.database import State

ROOT = "lastcopy.json"


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


def require_copy(store: Store, config: Config) -> None:
    """Raises: ConfigurationError if the store is empty, or of a newer layout. A damaged root is for the verb to tell."""
    try:
        root = read_root(store)
    except RunError:
        return
    if root is None and next(store.list(), None) is None:
        raise ConfigurationError(
            f"there is no copy in {config.store.url}",
            code="store_empty",
            action="Check store.url, or make the copy with `lastcopy export`.",
        )


def refuse_foreign(root: JsonObject | None, tenant: JsonObject) -> None:
    """Raises: ConfigurationError if the store holds another tenant."""
    if root is not None and root["tenant"]["id"] != tenant["id"]:
        raise ConfigurationError(
            f"this store holds the copy of another tenant ({root['tenant'].get('domain') or root['tenant']['id']})",
            code="store_of_another_tenant",
            action="Choose another folder, bucket or prefix as store.url; one store holds one tenant.",
        )


def claim_root(store: Store, tenant: JsonObject, clock: Clock) -> None:
    """Make sure that the store is this tenant's; an empty one becomes so. Called before anything else of a run is written.

    Raises: ConfigurationError for another's, or for a store without a clock, by which writers judge each other.
    """
    store.now()
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
    if root is not None:
        store.confirm(ROOT)
    refuse_foreign(root, tenant)
