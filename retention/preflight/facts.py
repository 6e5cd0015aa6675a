"""What was seen, before anybody judges it.

Rules of this file: values only, no I/O. What could not be looked at is an `Unknown` with its reason, never an empty list: nothing
that was not seen is ever a pass. Source: retention-domain §3; graph.md §8.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from exporters.bag.formats import JsonObject

KEPT = 100
"""So many people are kept by name; the others are counted."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Could not be looked at. why: for people; permission: that is missing, if that is why; names: of what could not, where
    others of its kind could."""

    why: str
    permission: str = ""
    names: tuple[str, ...] = ()

    @property
    def action(self) -> str:
        """What to do about it."""
        if self.permission:
            return (
                f"Entra admin center: App registrations > the application > API permissions > Add > Microsoft Graph > Application"
                f" permissions > {self.permission}, then Grant admin consent; run lastcopy check --cancel again."
            )
        return "Run lastcopy check --cancel again."


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """Names of an MX or NS answer, lower case without a dot at the end; none where there is no such record. ttl: in seconds, as
    told (of a cache: what is left)."""

    names: tuple[str, ...] = ()
    ttl: int = 0


@dataclass(frozen=True, slots=True)
class DomainFacts:
    """A custom domain. wanted: the DNS records that Microsoft wants there; references: what uses it, by type of object."""

    name: str
    is_default: bool
    services: tuple[str, ...]
    wanted: list[JsonObject] | Unknown
    references: Mapping[str, int] | Unknown
    mx: DnsAnswer | Unknown
    ns: DnsAnswer | Unknown


@dataclass(frozen=True, slots=True)
class Administrator:
    """Who holds a role by which one can cancel and reactivate. is_enabled: None where it may not be read; is_group: its members
    are not looked into."""

    id: str
    name: str
    roles: tuple[str, ...]
    is_enabled: bool | None
    is_synced: bool
    is_group: bool = False


@dataclass(slots=True)
class People:
    """All users, counted. by_licences: how many have exactly these SKUs; unlicensed: members without any, the first by name."""

    number: int = 0
    guests: int = 0
    by_licences: dict[frozenset[str], int] = field(default_factory=dict)
    unlicensed_number: int = 0
    unlicensed: list[JsonObject] = field(default_factory=list)
    by_id: dict[str, JsonObject] = field(default_factory=dict)
    """Of those that somebody asked for."""


@dataclass(slots=True)
class Deleted:
    """Users in the recycle bin of the directory: all of them, and the first by name with the day of their deletion."""

    number: int = 0
    first: list[JsonObject] = field(default_factory=list)
    earliest: datetime | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a warning goes, the copy lies or the credential is. inside: why it goes dark with the tenant, empty "
    "if it does not."""

    name: str
    what: str
    inside: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a test message. at: when it was delivered; error: why it was not."""

    channel: str
    at: datetime | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Clock:
    """The subscription's running clock, or the one that would run if it were cancelled now (`is_running` False)."""

    is_running: bool
    trigger: str
    access_ends: datetime
    at_risk_from: datetime
    deletable_from: datetime
    gone_by: datetime


@dataclass(slots=True)
class OwnFacts:
    """What our own records say. bags: by bag, whether it is copied, and whether all of it was read and hashed since.

    verified: of each bag its newest full verification. needed: what the newest plan reckons with, None without one that is
    current; planned_at: of it; is_plan_complete: whether it could count everything; deleted_user_days: how long a deleted
    user can be restored. `watched_channel`: by which windows
    the warnings count, None while nobody has said it.
    """

    bags: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)
    verified: Mapping[str, JsonObject] = field(default_factory=dict)
    needed: timedelta | None = None
    planned_at: datetime | None = None
    is_plan_current: bool = False
    is_plan_complete: bool = False
    exported_since: bool = False
    policy_id: str = ""
    policy_verified: str = ""
    is_policy_old: bool = False
    deleted_user_days: int = 30
    skew_seconds: float | None = None
    clock: Clock | None = None
    is_tracked: bool = False
    watched_channel: str | None = None


@dataclass(slots=True)
class Facts:
    """Everything. chosen: id of the subscription that is to be cancelled, None if that is not clear."""

    now: datetime
    tenant: str
    chosen: str | None = None
    subscriptions: list[JsonObject] | Unknown = field(default_factory=list)
    skus: list[JsonObject] | Unknown = field(default_factory=list)
    organization: JsonObject | Unknown = field(default_factory=dict)
    administrators: list[Administrator] | Unknown = field(default_factory=list)
    domains: list[DomainFacts] | Unknown = field(default_factory=list)
    initial_domain: str = ""
    people: People | Unknown = field(default_factory=People)
    deleted: Deleted | Unknown = field(default_factory=Deleted)
    holds: list[str] | Unknown = field(default_factory=list)
    own: OwnFacts = field(default_factory=OwnFacts)
    places: list[Place] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    are_receipts_old: bool = False

    @property
    def subscription(self) -> JsonObject | None:
        """The row of the chosen one."""
        rows = self.subscriptions if not isinstance(self.subscriptions, Unknown) else []
        return next((row for row in rows if self.chosen in ids_of(row)), None) if self.chosen else None


def ids_of(subscription: JsonObject) -> tuple[str, ...]:
    """The ids by which people know a subscription: Graph's own, and that of the admin center."""
    return tuple(str(subscription[key]) for key in ("id", "commerceSubscriptionId") if subscription.get(key))
