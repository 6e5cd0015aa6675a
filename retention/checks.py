"""Can it work: sign-in, permissions, licences, store, lock, versioning, clock; each with what to do.

Rules of this file: one check's failure does not hide the next; nothing is written but the store's probe object. Source: design §6
(`check`), §4 (the ledger: the probe; S3), §10.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from exporters.bag.formats import JsonObject
from exporters.clock import Clock, timestamp
from exporters.errors import ConfigurationError, LastcopyError
from exporters.graph.limits import Cost, licence_class
from exporters.graph.session import GraphSession
from exporters.graph.signin import SignIn
from exporters.sources import SourceKind
from exporters.store.probe import probe
from exporters.store.protocol import Store
from retention.config import Config
from retention.opening import configured_store, read_root, refuse_foreign
from retention.permissions import BASE, DRIVES, LICENCE_ROLES, SITES, Need, Weight, may_write, needs_of
from retention.references import open_to_others
from retention.selection import kinds_asked
from retention.tenants import cloud_of, licences_of, sign_in, tenant_of
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


def run_checks(config: Config, clock: Clock, *, without_store: bool = False) -> Iterator[Check]:
    """All checks, in order. without_store: there is none yet, and the others count all the same.

    Raises: ConfigurationError if tenant or store are not configured at all.
    """
    tenant, where = config.tenant, "no store yet" if without_store else f"store {config.store.url}"
    yield Check("configuration", "good", f"{config.file.name} is right: tenant {tenant.id}, {where}")
    yield from _credential(config)
    identity: JsonObject | None = None
    with ExitStack() as stack:
        try:
            signin = stack.enter_context(sign_in(config, clock))
            graph = stack.enter_context(GraphSession(cloud_of(config), signin, clock))
            roles = graph.roles()
        except LastcopyError as error:
            yield failed("sign-in", error)
        else:
            yield Check("sign-in", "good", "the application has a token")
            yield from _permissions(roles, needs_of(config))
            yield from _attachments(config, graph, signin)
            identity = yield from _tenant(graph)
            yield from _clock("clock, beside Microsoft's", graph.service_date)
        if without_store:
            yield Check(
                "store", "doubtful", "no store is configured: nothing can be copied", "Add `store` with its url."
            )
            return
        try:
            store = configured_store(config, clock)
            stack.callback(store.close)
        except LastcopyError as error:
            yield failed("store", error)
        else:
            yield from _store(store, identity)
            yield from _clock("clock, beside the store's", lambda: (store.now(), clock.now()))


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


_WEIGHTS: dict[Weight, tuple[Mark, str, Exit]] = {
    "vital": ("bad", "", Exit.FAILED),
    "wanted": ("bad", "; without it that stays uncovered, and each export says so", Exit.PARTIAL),
    "welcome": ("doubtful", "; without it that is not copied", Exit.COMPLETE),
}
"""What the lack of a permission is: mark, what is said of it, exit status."""


def _permissions(roles: frozenset[str], needs: Sequence[Need] = (*BASE, *DRIVES)) -> Iterator[Check]:
    if not roles:
        yield Check("permissions", "doubtful", "the token names no permissions; the first export will tell", "")
        return
    for need in needs:
        if need.met_by(roles):
            yield Check("permissions", "good", f"allowed to {need.purpose}")
            continue
        action = "Add it as an application permission of Microsoft Graph and give admin consent."
        mark, after, status = _WEIGHTS[need.weight]
        yield Check("permissions", mark, f"{need.name} is missing: needed to {need.purpose}{after}", action, status)
    if not roles & LICENCE_ROLES:
        yield Check(
            "permissions",
            "doubtful",
            "LicenseAssignment.Read.All is missing: the size of the tenant is not known, so the smallest budget holds",
            "Add it, to export faster in a tenant of over 1,000 licences.",
        )
    writing = may_write(roles)
    if writing:
        told = ", ".join(writing[:5])
        yield Check(
            "permissions",
            "doubtful",
            f"the application may also write ({told})",
            "Lastcopy only reads: take these away.",
        )


def _attachments(config: Config, graph: GraphSession, signin: SignIn) -> Iterator[Check]:
    """Attachments of list items are not in Graph: only SharePoint's own API has them, which takes certificates alone and has
    permissions of its own (1 unit, and a token that is used for nothing else)."""
    if SourceKind.SHAREPOINT not in kinds_asked(config.settings.sources):
        return
    name, consequence = (
        "list attachments",
        "what is attached to items of lists cannot be read, and each export names it",
    )
    action = (
        "Add Sites.Read.All as an application permission of SharePoint (not of Microsoft Graph) and give admin consent."
    )
    if config.tenant.credential.certificate is None:
        action = (
            "Sign in with a certificate, and give the application the permission Sites.Read.All of SharePoint as well."
        )
        yield Check(name, "doubtful", f"the credential is a secret: {consequence}", action)
        return
    try:
        site = graph.get("/sites/root", params={"$select": "webUrl"}, cost=Cost.SINGLE)
        address = graph.cloud.sharepoint_address(str(site.get("webUrl")))
        roles = signin.roles(address) if address is not None else frozenset()
    except LastcopyError as error:
        yield Check(
            name, "doubtful", f"whether SharePoint's own API lets the application in is not known: {error}", action
        )
        return
    if roles and not SITES[0].met_by(roles):
        yield Check(name, "doubtful", f"SharePoint's own Sites.Read.All is missing: {consequence}", action)
    elif roles:
        yield Check(name, "good", "the application may read SharePoint's own API, with its certificate")
    else:
        yield Check(name, "doubtful", "SharePoint's own API tells no permissions; the first export will tell", action)


def _tenant(graph: GraphSession) -> Generator[Check, None, JsonObject | None]:
    """Who and how large the tenant is; returns {"id", "domain"}, None if it does not say."""
    identity: JsonObject | None = None
    try:
        identity = tenant_of(graph)
        yield Check("tenant", "good", f"{identity['domain'] or 'the tenant'} ({identity['id']})")
        licences = licences_of(graph)
    except LastcopyError as error:
        yield failed("tenant" if identity is None else "licences", error)
        return identity
    size = licence_class(licences)
    if licences is None:
        yield Check("licences", "doubtful", "the licences may not be read: the smallest budget holds")
    else:
        told = f"{licences:,} licences: {size.minute.units:,} resource units a minute, {size.day.units:,} a day"
        yield Check("licences", "good", told)
    return identity


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


def _clock(name: str, ask: Callable[[], tuple[datetime, datetime] | None]) -> Iterator[Check]:
    """ask: gives (their clock, ours at that moment), or None if nobody knows."""
    try:
        dates = ask()
    except LastcopyError as error:
        yield failed(name, error)
        return
    if dates is None:
        return
    seconds = (dates[1] - dates[0]).total_seconds()
    told = f"{abs(seconds):,.0f} s {'ahead' if seconds > 0 else 'behind'}" if abs(seconds) >= 1.5 else "equal"
    times = f"here it is {timestamp(dates[1].replace(microsecond=0))}, there it is {timestamp(dates[0])}"
    action = "Set the clock of this machine (switch NTP on): dates, warnings and signatures depend on it."
    if abs(seconds) > CLOCK_WRONG_SECONDS:
        yield Check(name, "bad", f"this machine's clock is wrong: {told} ({times})", action, Exit.PARTIAL)
    elif abs(seconds) > CLOCK_DOUBTFUL_SECONDS:
        yield Check(name, "doubtful", f"this machine's clock is {told} ({times})", action)
    else:
        yield Check(name, "good", told)
