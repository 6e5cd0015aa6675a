"""What the routes share: settings, the truth, the clock, tokens, budgets, the ledger and the fault plan.

Rules of this file: state only; no route knows another but through here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from exporters.clock import Clock
from exporters.rehearsal.line import Line
from exporters.rehearsal.links import Links, Tickets
from exporters.rehearsal.requests import RequestLedger
from exporters.rehearsal.tenant import Tenant
from exporters.rehearsal.throttling import Throttle

DEFAULT_ROLES = frozenset(
    {
        "User.Read.All",
        "Organization.Read.All",
        "LicenseAssignment.Read.All",
        "Domain.Read.All",
        "Files.Read.All",
        "Sites.Read.All",
        "Mail.Read",
        "MailboxSettings.Read",
        "MailboxFolder.Read.All",
        "MailboxItem.Read.All",
        "MailboxItem.Export.All",
        "Contacts.Read",
        "Calendars.Read",
        "Tasks.Read.All",
        "Group.Read.All",
        "Reports.Read.All",
        "RoleManagement.Read.Directory",
        "TermStore.Read.All",
        "Member.Read.Hidden",
        "eDiscovery.Read.All",
    }
)


@dataclass
class Settings:
    """How the tenant behaves. Sizes are rows, times are seconds."""

    users_page: int = 100
    delta_page: int = 200
    children_page: int = 200
    sites_page: int = 100
    pages_page: int = 100  # rows of a page of the pages of a site
    lists_page: int = 200  # rows of a page of list items, if nothing else is asked
    token_seconds: int = 3599
    url_seconds: int = 3600
    roles: frozenset[str] = DEFAULT_ROLES
    licences: int | None = None  # seats bought; None: as many as are assigned
    secret_expired: bool = False
    empty_pages: bool = True  # an empty page now and then in the middle of a delta
    odd_delta: bool = True  # repeated and outdated rows, ancestors on every page
    list_below_deleted: bool = True  # a deleted folder's content is listed as deleted too
    lifecycle: tuple[tuple[float, str], ...] = ()  # (seconds after the start, status): Warning, Suspended, Deleted
    gone_items: str = "listed"  # or "deleted": a later delta lists items that are gone after listing as deleted
    mail_page: int = 10  # rows of a page of anything in a mailbox, if nothing else is asked
    mailbox_wait: int = 5  # what `Retry-After` says to the fifth request at once
    mailbox_seconds: float = 0.0  # of real time that each request to a mailbox takes, so that four at once can be seen
    state_seconds: float | None = None  # how old a delta state of a mailbox may be; None: any age
    denied_mailboxes: frozenset[str] = frozenset()  # ids of users whose mailboxes the app may not read
    export_omits: bool = False  # `exportItems` leaves some of several ids out without a word
    expanded_archives: bool = False  # every other folder of an archive lies in an auxiliary mailbox
    odd_folders: bool = True  # `/mailFolders` leaves folders out that `msgfolderroot/childFolders` has
    concealed_names: bool = True  # usage reports show hashes in place of names, as they do unless somebody changed it
    bytes_a_second: float | None = None  # that the line carries, for all connections together; None: any
    expanded_attachments: int = 200  # more of them with their content in one answer are refused


@dataclass
class Hosts:
    """Base addresses, as `https://localhost:8443`, without a slash at the end."""

    login: str = ""
    graph: str = ""
    sharepoint: str = ""
    download: str = ""
    control: str = ""


@dataclass
class Service:
    """One running rehearsal, as its routes see it."""

    tenant: Tenant
    settings: Settings
    clock: Clock
    ledger: RequestLedger
    throttle: Throttle
    links: Links
    hosts: Hosts
    tickets: Tickets
    client_id: str
    secret: str
    advance: Callable[[float], None]
    started_at: datetime
    line: Line
    probed: set[str] = field(default_factory=set)  # users without a drive that were asked for one
    defects: list[str] = field(default_factory=list)  # tracebacks of requests that this server could not answer

    def subscription_status(self) -> str:
        """Of the tenant's subscription at the moment: what was set, or what the life cycle has come to."""
        status = self.tenant.subscription_status
        elapsed = (self.clock.now() - self.started_at).total_seconds()
        for after, later in self.settings.lifecycle:
            if elapsed >= after:
                status = later
        return status

    @property
    def root(self) -> str:
        """The versioned root of Graph."""
        return f"{self.hosts.graph}/v1.0"

    def licences(self) -> int:
        """Seats bought."""
        if self.settings.licences is not None:
            return self.settings.licences
        return max(25, sum(1 for user in self.tenant.users if user.get("assignedLicenses")))
