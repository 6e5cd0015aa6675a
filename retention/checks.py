"""Can it work: sign-in, permissions, licences, store, lock, versioning, clock; each with what to do.

Rules of this file: one check's failure does not hide the next; nothing is written but the store's probe object. Source: design §6
(`check`), §4 (the ledger: the probe; S3), §10.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from exporters.bag.formats import JsonObject
from exporters.clock import Clock
from exporters.errors import ConfigurationError, LastcopyError
from exporters.graph.budget import Budget
from exporters.graph.limits import licence_class
from exporters.graph.session import GraphSession
from exporters.store.probe import probe
from exporters.store.protocol import Store
from retention.config import Config
from retention.opening import (
    LICENCE_ROLES,
    NEEDED,
    cloud_of,
    configured_store,
    licences_of,
    missing_permissions,
    read_root,
    refuse_foreign,
    sign_in,
    tenant_of,
)
from retention.references import open_to_others
from retention.verdicts import Exit

Mark = Literal["good", "bad", "doubtful"]
CLOCK_DOUBTFUL_SECONDS = 60.0
CLOCK_WRONG_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `check`. `exit`: what this line alone makes of the whole."""

    name: str
    mark: Mark
    message: str
    action: str = ""
    exit: Exit = Exit.COMPLETE

    def as_json(self) -> JsonObject:
        """As in `check --json`."""
        row = asdict(self)
        del row["exit"]
        return row


def failed(name: str, error: LastcopyError) -> Check:
    """The line for a check that ended in an error."""
    status = Exit.USAGE if isinstance(error, ConfigurationError) else Exit.FAILED
    return Check(name, "bad", str(error), error.action, status)


def verdict(checks: list[Check]) -> Exit:
    """Wrong configuration before failure before doubt."""
    found = {check.exit for check in checks}
    return next((status for status in (Exit.USAGE, Exit.FAILED, Exit.PARTIAL) if status in found), Exit.COMPLETE)


def run_checks(config: Config, clock: Clock) -> Iterator[Check]:
    """All checks, in order. Raises: ConfigurationError if tenant or store are not configured at all."""
    tenant, store_settings = config.tenant, config.store
    yield Check("configuration", "good", f"{config.file.name} is right: tenant {tenant.id}, store {store_settings.url}")
    yield from _credential(config)
    with ExitStack() as stack:
        store: Store | None = None
        identity: JsonObject | None = None
        try:
            signin = stack.enter_context(sign_in(config, clock))
            graph = stack.enter_context(GraphSession(cloud_of(config), signin, clock, budget=Budget()))
            roles = graph.roles()
        except LastcopyError as error:
            yield failed("sign-in", error)
        else:
            yield Check("sign-in", "good", "the application has a token")
            yield from _permissions(roles)
            for name, check in (("tenant", _tenant), ("licences", _licences)):
                found = _guarded(name, lambda check=check: check(graph))  # type: ignore[misc]
                yield found
            identity = _identity(graph)
        try:
            store = configured_store(config, clock)
            stack.callback(store.close)
        except LastcopyError as error:
            yield failed("store", error)
        else:
            yield from _store(store, identity)
        for name, theirs in (("clock, beside Microsoft's", _service_date), ("clock, beside the store's", _store_date)):
            where = (
                graph if identity is not None and theirs is _service_date else store if theirs is _store_date else None
            )
            if where is not None:
                yield from _clock(name, theirs, where, clock)


def _credential(config: Config) -> Iterator[Check]:
    given = config.tenant.credential
    for key in ("secret", "certificate"):
        reference = getattr(given, key)
        if reference is not None and open_to_others(reference, config.base):
            yield Check(
                "credential",
                "doubtful",
                f"other users of this machine can read the {key}",
                "Run chmod 600 on the file.",
            )


def _permissions(roles: frozenset[str]) -> Iterator[Check]:
    if not roles:
        yield Check("permissions", "doubtful", "the token names no permissions; the first export will tell", "")
        return
    missing = missing_permissions(roles)
    for name, (_, purpose) in NEEDED.items():
        if name in missing:
            action = "Add it as an application permission of Microsoft Graph and give admin consent."
            yield Check("permissions", "bad", f"{name} is missing: needed to {purpose}", action, Exit.FAILED)
        else:
            yield Check("permissions", "good", f"allowed to {purpose}")
    if not roles & LICENCE_ROLES:
        yield Check(
            "permissions",
            "doubtful",
            "LicenseAssignment.Read.All is missing: the size of the tenant is not known, so the smallest budget holds",
            "Add it, to export faster in a tenant of over 1,000 licences.",
        )
    writing = sorted(role for role in roles if "Write" in role or "FullControl" in role or "Manage" in role)
    if writing:
        told = ", ".join(writing[:5])
        yield Check(
            "permissions",
            "doubtful",
            f"the application may also write ({told})",
            "Lastcopy only reads: take these away.",
        )


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except LastcopyError as error:
        return failed(name, error)


def _tenant(graph: GraphSession) -> Check:
    tenant = tenant_of(graph)
    return Check("tenant", "good", f"{tenant['domain'] or 'the tenant'} ({tenant['id']})")


def _licences(graph: GraphSession) -> Check:
    licences = licences_of(graph)
    size = licence_class(licences)
    if licences is None:
        return Check("licences", "doubtful", "the licences may not be read: the smallest budget holds")
    told = f"{licences:,} licences: {size.minute.units:,} resource units a minute, {size.day.units:,} a day"
    return Check("licences", "good", told)


def _identity(graph: GraphSession) -> JsonObject | None:
    try:
        return tenant_of(graph)
    except LastcopyError:
        return None  # `_tenant` has told it


def _store(store: Store, identity: JsonObject | None) -> Iterator[Check]:
    try:
        root = read_root(store)
        if identity is not None:
            refuse_foreign(root, identity)
        probe(store)
    except LastcopyError as error:
        yield failed("store", error)
        return
    about = "holds a copy of this tenant" if root is not None else "is empty"
    yield Check("store", "good", f"reachable and writable, keeps create-if-absent and replace-if-unchanged, {about}")
    told = store.describe()
    if told.kind == "folder":
        if told.free_bytes is not None:
            yield Check("space", "good", f"{told.free_bytes / 1e9:,.1f} GB free")
        yield Check(
            "lock",
            "doubtful",
            "a folder has neither versions nor locks",
            "Keep a second copy, or use a bucket with Object Lock.",
        )
        return
    yield _versioning(told.versioning, told.object_lock)
    if told.default_lock or told.object_lock:
        yield Check("lock", "good", f"Object Lock is on{f' ({told.default_lock})' if told.default_lock else ''}")
    elif told.object_lock is None:
        yield Check(
            "lock",
            "doubtful",
            "it is not known whether the bucket has Object Lock",
            "Allow s3:GetBucketObjectLockConfiguration.",
        )
    else:
        yield Check(
            "lock",
            "doubtful",
            "the bucket has no Object Lock",
            "Use one that has it if the copy must not be deletable.",
        )
    for note in told.notes:
        yield Check("store", "doubtful", note)


def _versioning(versioning: bool | None, object_lock: bool | None) -> Check:
    if versioning:
        return Check("versioning", "good", "the bucket keeps versions")
    if versioning is None:
        return Check(
            "versioning",
            "doubtful",
            "it is not known whether the bucket keeps versions",
            "Allow s3:GetBucketVersioning.",
        )
    if object_lock:
        return Check(
            "versioning", "bad", "Object Lock without versions", "Enable versioning on the bucket.", Exit.USAGE
        )
    return Check(
        "versioning", "doubtful", "the bucket keeps no versions", "Enable versioning: damage can then be undone."
    )


def _service_date(graph: GraphSession, clock: Clock) -> tuple[datetime, datetime] | None:
    del clock
    return graph.service_date()


def _store_date(store: Store, clock: Clock) -> tuple[datetime, datetime] | None:
    return store.now(), clock.now()


def _clock(
    name: str, theirs: Callable[..., tuple[datetime, datetime] | None], where: object, clock: Clock
) -> Iterator[Check]:
    try:
        dates = theirs(where, clock)
    except LastcopyError as error:
        yield failed(name, error)
        return
    if dates is None:
        return
    seconds = (dates[1] - dates[0]).total_seconds()
    told = f"{abs(seconds):,.0f} s {'ahead' if seconds > 0 else 'behind'}" if abs(seconds) >= 1.5 else "equal"
    action = "Set the clock of this machine (switch NTP on): dates, warnings and signatures depend on it."
    if abs(seconds) > CLOCK_WRONG_SECONDS:
        yield Check(name, "bad", f"this machine's clock is wrong: {told}", action, Exit.PARTIAL)
    elif abs(seconds) > CLOCK_DOUBTFUL_SECONDS:
        yield Check(name, "doubtful", f"this machine's clock is {told}", action)
    else:
        yield Check(name, "good", told)
