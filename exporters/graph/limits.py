"""The published limits of the service: one table each, with source and the day it was checked.

Rules of this file: data and look-ups only, no I/O, no state. What the service tells at run time (`RateLimit-*`) beats
these figures; `budget` does that. Units are *resource units* as the service counts them.
Source: reference graph.md 7.2 to 7.5 (Microsoft's pages as of 6 February 2026).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """Whose patience a request spends."""

    SHAREPOINT = "sharepoint"  # per app and tenant: drives, sites, lists, downloads
    DIRECTORY = "directory"  # per app and tenant: users, licences, domains
    EXCHANGE = "exchange"  # per app and mailbox
    REPORTS = "reports"  # per app and tenant
    NONE = "none"  # counted by nobody, but pauses of SharePoint hold for it (pre-authenticated downloads)


class Cost(StrEnum):
    """What an operation is, and by `PRICES` what it costs."""

    SINGLE = "single"  # one drive item, drive, site or list
    DELTA_WITH_TOKEN = "delta_with_link"  # noqa: S105 (a next link or a delta link, no secret)
    DELTA_FROM_SCRATCH = "delta_from_scratch"
    LISTING = "listing"  # several rows: children, versions, sites, lists
    DOWNLOAD = "download"  # content of an item or a version
    PERMISSIONS = "permissions"
    SITES_REST = "sites_rest"  # SharePoint REST has no fixed price and is dearer
    DIRECTORY = "directory"
    USERS = "users"
    LICENCE_DETAILS = "licence_details"
    SUBSCRIBED_SKUS = "subscribed_skus"
    GROUP_MEMBERS = "group_members"
    DOMAIN_REFERENCES = "domain_references"
    MAILBOX = "mailbox"
    REPORT = "report"
    PREAUTHENTICATED = "preauthenticated"  # the second step of a download, paid with the first


@dataclass(frozen=True, slots=True)
class Price:
    scope: Scope
    units: int
    source: str
    checked: str = "2026-02-06"


_SHAREPOINT_PAGE = "sharepoint/dev/general-development/how-to-avoid-getting-throttled-or-blocked-in-sharepoint-online"
_GRAPH_PAGE = "graph/throttling-limits"

PRICES: Mapping[Cost, Price] = {
    Cost.SINGLE: Price(Scope.SHAREPOINT, 1, _SHAREPOINT_PAGE),
    Cost.DELTA_WITH_TOKEN: Price(Scope.SHAREPOINT, 1, _SHAREPOINT_PAGE),
    Cost.DELTA_FROM_SCRATCH: Price(Scope.SHAREPOINT, 2, _SHAREPOINT_PAGE),
    Cost.LISTING: Price(Scope.SHAREPOINT, 2, _SHAREPOINT_PAGE),
    Cost.DOWNLOAD: Price(Scope.SHAREPOINT, 1, _SHAREPOINT_PAGE),
    Cost.PERMISSIONS: Price(Scope.SHAREPOINT, 5, _SHAREPOINT_PAGE),
    Cost.SITES_REST: Price(Scope.SHAREPOINT, 5, _SHAREPOINT_PAGE + " (no figure is published: a guess)"),
    Cost.DIRECTORY: Price(Scope.DIRECTORY, 1, _GRAPH_PAGE),
    Cost.USERS: Price(Scope.DIRECTORY, 2, _GRAPH_PAGE),
    Cost.LICENCE_DETAILS: Price(Scope.DIRECTORY, 2, _GRAPH_PAGE),
    Cost.SUBSCRIBED_SKUS: Price(Scope.DIRECTORY, 3, _GRAPH_PAGE),
    Cost.GROUP_MEMBERS: Price(Scope.DIRECTORY, 3, _GRAPH_PAGE),
    Cost.DOMAIN_REFERENCES: Price(Scope.DIRECTORY, 4, _GRAPH_PAGE),
    Cost.MAILBOX: Price(Scope.EXCHANGE, 1, _GRAPH_PAGE),
    Cost.REPORT: Price(Scope.REPORTS, 1, _GRAPH_PAGE),
    Cost.PREAUTHENTICATED: Price(Scope.NONE, 0, _SHAREPOINT_PAGE),
}


@dataclass(frozen=True, slots=True)
class Limit:
    """units: granted in any `seconds`."""

    units: int
    seconds: float
    source: str
    checked: str = "2026-02-06"


@dataclass(frozen=True, slots=True)
class LicenceClass:
    """Limits of SharePoint for a tenant with at most `licences` licences (None: no upper end)."""

    licences: int | None
    minute: Limit
    day: Limit


def _licence_class(licences: int | None, minute: int, day: int) -> LicenceClass:
    return LicenceClass(licences, Limit(minute, 60, _SHAREPOINT_PAGE), Limit(day, 86_400, _SHAREPOINT_PAGE))


LICENCE_CLASSES: tuple[LicenceClass, ...] = (
    _licence_class(1_000, 1_250, 1_200_000),
    _licence_class(5_000, 2_500, 2_400_000),
    _licence_class(15_000, 3_750, 3_600_000),
    _licence_class(50_000, 5_000, 4_800_000),
    _licence_class(None, 6_250, 6_000_000),
)

DIRECTORY_SMALL = Limit(3_500, 10, _GRAPH_PAGE)  # under 50 users
DIRECTORY_MEDIUM = Limit(5_000, 10, _GRAPH_PAGE)  # up to 500
DIRECTORY_LARGE = Limit(8_000, 10, _GRAPH_PAGE)
MAILBOX_REQUESTS = Limit(10_000, 600, _GRAPH_PAGE)
MAILBOX_CONCURRENT = 4
REPORTS = Limit(14, 600, _GRAPH_PAGE)
RATES_TOLD_FROM = 0.8  # `RateLimit-*` come from this part of the minute's units on (graph.md 7.3)
BYTES = Limit(400_000_000_000, 3_600, _SHAREPOINT_PAGE)  # that leave SharePoint, per app and tenant
BATCH_SIZE = 20  # graph.md 6
BATCH_SIZE_MAILBOX = 4


def licence_class(licences: int | None) -> LicenceClass:
    """The class of a tenant; the smallest when the number is not known."""
    if licences is None:
        return LICENCE_CLASSES[0]
    return next(c for c in LICENCE_CLASSES if c.licences is None or licences <= c.licences)


def directory_limit(users: int | None) -> Limit:
    """The directory's limit by size of tenant; the smallest when it is not known."""
    if users is None or users < 50:
        return DIRECTORY_SMALL
    return DIRECTORY_MEDIUM if users <= 500 else DIRECTORY_LARGE


def price(cost: Cost, params: Mapping[str, str] | None = None) -> Price:
    """What one request of this kind costs. The directory counts `$select` -1, `$expand` +1, never below 1."""
    listed = PRICES[cost]
    if listed.scope is not Scope.DIRECTORY or not params:
        return listed
    units = listed.units - ("$select" in params) + ("$expand" in params)
    return Price(listed.scope, max(1, units), listed.source, listed.checked)
