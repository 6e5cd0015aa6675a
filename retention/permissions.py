"""Which application permissions a copy needs, by what the configuration asks for.

Rules of this file: least privilege, all reading; a table and look-ups, no I/O. What is *vital* ends a run before it begins; the
lack of what is *wanted* leaves a part of each mailbox uncovered that was asked for, and the run says so; what is *welcome* serves
what is taken only where it can be had (`auto`). Source: graph.md §2.1, §2.2; design §10.
"""

from collections.abc import Collection
from typing import Literal, NamedTuple

from exporters.sources import SourceKind
from retention.config import Config
from retention.selection import kinds_asked

WORLDWIDE = frozenset({"worldwide", "global", "gcc", "custom"})
"""Clouds that may have the mailbox export API (a custom one says so itself)."""
CHINA = frozenset({"china", "21vianet"})
LICENCE_ROLES = frozenset(
    {"LicenseAssignment.Read.All", "Organization.Read.All", "Directory.Read.All", "Directory.ReadWrite.All"}
)


Weight = Literal["vital", "wanted", "welcome"]


class Need(NamedTuple):
    """name: of the permission to ask for; others: that do as well; purpose: what for, after "to"."""

    name: str
    others: frozenset[str]
    purpose: str
    weight: Weight = "vital"

    def met_by(self, roles: Collection[str]) -> bool:
        """Whether a token with these permissions has it, or another that does as well."""
        return self.name in roles or not self.others.isdisjoint(roles)


_DIRECTORY = frozenset({"Directory.Read.All", "Directory.ReadWrite.All"})
BASE = (
    Need("User.Read.All", _DIRECTORY | {"User.ReadWrite.All", "User.ReadBasic.All"}, "list the users"),
    Need(
        "Organization.Read.All",
        _DIRECTORY | {"Organization.ReadWrite.All", "User.Read.All"},
        "make sure whose tenant it is",
    ),
)
DRIVES = (
    Need(
        "Files.Read.All",
        frozenset({"Files.ReadWrite.All", "Sites.Read.All", "Sites.ReadWrite.All", "Sites.FullControl.All"}),
        "read their OneDrives",
    ),
)
SITES = (
    Need(
        "Sites.Read.All",
        frozenset({"Sites.ReadWrite.All", "Sites.FullControl.All", "Sites.Manage.All"}),
        "find the sites, and read their libraries, lists and pages",
        "wanted",
    ),
)
LOST_DRIVES = (SITES[0]._replace(purpose="find the OneDrives of people who left or have no licence"),)
MAIL = (
    Need("Mail.Read", frozenset({"Mail.ReadWrite"}), "read their mail"),
    Need("MailboxSettings.Read", frozenset({"MailboxSettings.ReadWrite"}), "read rules and categories", "wanted"),
    Need("Contacts.Read", frozenset({"Contacts.ReadWrite"}), "read their contacts", "wanted"),
    Need("Calendars.Read", frozenset({"Calendars.ReadWrite"}), "read their calendars", "wanted"),
)
TASKS = Need("Tasks.Read.All", frozenset({"Tasks.ReadWrite.All"}), "read their tasks", "wanted")
GROUPS = Need(
    "Group.Read.All",
    frozenset({"Group.ReadWrite.All"}),
    "find the mailboxes of groups and read their conversations",
    "wanted",
)
EXPORT_API = (
    Need(
        "MailboxFolder.Read.All",
        frozenset({"MailboxFolder.ReadWrite.All"}),
        "list archive mailboxes, and folders that the mail API hides",
        "welcome",
    ),
    Need("MailboxItem.Read.All", frozenset(), "list the items of archive mailboxes and of those folders", "welcome"),
    Need(
        "MailboxItem.Export.All",
        frozenset({"MailboxItem.ImportExport.All"}),
        "take the second capture of each item, and what only that reaches",
        "welcome",
    ),
)


DIRECTORY = (
    Need("User.Read.All", _DIRECTORY | {"User.ReadWrite.All"}, "read users with their licences", "wanted"),
    Need(
        "Group.Read.All",
        _DIRECTORY | {"Group.ReadWrite.All"},
        "read groups with their members",
        "wanted",
    ),
    Need("Organization.Read.All", _DIRECTORY | {"Organization.ReadWrite.All"}, "read subscriptions", "wanted"),
    Need("LicenseAssignment.Read.All", LICENCE_ROLES, "read licences", "wanted"),
    Need("Domain.Read.All", _DIRECTORY | {"Domain.ReadWrite.All"}, "read domains and their DNS records", "wanted"),
    Need("TermStore.Read.All", frozenset({"TermStore.ReadWrite.All"}), "read the term store", "wanted"),
    Need(
        "RoleManagement.Read.Directory",
        _DIRECTORY | {"RoleManagement.Read.All", "RoleManagement.ReadWrite.Directory"},
        "read who holds which role",
        "welcome",
    ),
    Need("Member.Read.Hidden", frozenset(), "read the members of groups that hide them", "welcome"),
)

CANCELLING = (
    Need("Organization.Read.All", _DIRECTORY | {"Organization.ReadWrite.All"}, "look at the subscriptions", "welcome"),
    Need("LicenseAssignment.Read.All", LICENCE_ROLES, "look at the licences", "welcome"),
    Need(
        "User.Read.All", _DIRECTORY | {"User.ReadWrite.All"}, "see who loses a licence, and who was deleted", "welcome"
    ),
    Need("Domain.Read.All", _DIRECTORY | {"Domain.ReadWrite.All"}, "see which domains are still used", "welcome"),
    Need(
        "RoleManagement.Read.Directory",
        _DIRECTORY | {"RoleManagement.Read.All", "RoleManagement.ReadWrite.Directory"},
        "see who can cancel and reactivate",
        "welcome",
    ),
    Need("eDiscovery.Read.All", frozenset({"eDiscovery.ReadWrite.All"}), "see holds", "welcome"),
)
"""For `check --cancel`: what may not be read there is `not_checked`, and can be attested (retention-domain §3)."""


def needs_of(config: Config) -> list[Need]:
    """What the application should be allowed to do, by what the configuration asks for."""
    sources = config.settings.sources
    kinds, cloud = kinds_asked(sources), config.tenant.cloud.strip().lower().replace("-", "_")
    needs = [*BASE, *(DRIVES if SourceKind.ONEDRIVE in kinds else ())]
    if SourceKind.SHAREPOINT in kinds:
        needs += SITES
    elif SourceKind.ONEDRIVE in kinds:
        needs += LOST_DRIVES
    if SourceKind.MAIL in kinds:
        needs += [*MAIL, *(() if cloud in CHINA else (TASKS,)), GROUPS]
        second = config.settings.mail.fasttransfer
        if cloud in WORLDWIDE and (second != "off" or sources.archive != "none"):
            needs += [need._replace(weight="wanted") for need in EXPORT_API] if second == "on" else EXPORT_API
    if SourceKind.DIRECTORY in kinds:
        needs += DIRECTORY
    return needs


def missing(needs: Collection[Need], roles: Collection[str]) -> list[Need]:
    """Those that a token with these permissions does not meet."""
    return [need for need in needs if not need.met_by(roles)]


def may_write(roles: Collection[str]) -> list[str]:
    """Permissions that do more than read."""
    return sorted(r for r in roles if "Write" in r or "FullControl" in r or ".Manage" in r or "ImportExport" in r)
