"""The classes of content of a tenant: what each is, why it may not be covered, and what an administrator can do instead.

Rules of this file: a table and look-ups, no I/O, no judgement; the names are those of the rows of coverage and of `lastcopy
accept`, and no exception has one of them as its code. `never`: no version of this software can copy it, whatever is asked.
Source: retention-domain §4 (all of it, also what is never covered).
"""

from typing import Final, NamedTuple

from exporters.results import EDISCOVERY
from exporters.sources import SourceKind


class DataClass(NamedTuple):
    """One class. kind: of the sources that it lies in, None for what lies in none of them; why, alternative: where it cannot be
    had at all, and what to do then."""

    name: str
    title: str
    kind: SourceKind | None = None
    never: bool = False
    why: str = ""
    alternative: str = ""


_OTHER = "It is another service, and no part of mail, files or sites."
_NO_WAY = "Microsoft Graph gives an application no way to read it."
_MAIL, _DRIVE, _SITE, _DIRECTORY = (
    SourceKind.MAIL,
    SourceKind.ONEDRIVE,
    SourceKind.SHAREPOINT,
    SourceKind.DIRECTORY,
)


def _never(name: str, title: str, why: str, alternative: str, kind: SourceKind | None = None) -> DataClass:
    return DataClass(name, title, kind, True, why, alternative)


CLASSES: Final = {
    one.name: one
    for one in (
        DataClass("primary_mailbox", "Mail in all folders of mailboxes", _MAIL),
        DataClass("archive", "In-Place Archives", _MAIL, alternative=EDISCOVERY),
        DataClass("recoverable_items", "Recoverable Items of mailboxes", _MAIL, alternative="sources.recoverable: all"),
        DataClass("calendar", "Calendars", _MAIL),
        DataClass("shared_calendars", "Calendars of others that a mailbox shows", _MAIL),
        DataClass("contacts", "Contacts", _MAIL),
        DataClass("tasks", "To Do tasks", _MAIL),
        DataClass("settings", "Rules, categories and settings of mailboxes", _MAIL),
        DataClass("group_conversations", "Conversations of Microsoft 365 groups", _MAIL),
        DataClass("group_calendar", "Calendars of Microsoft 365 groups", _MAIL, alternative=EDISCOVERY),
        DataClass("native_streams", "Second capture of mail, in Exchange's own form", _MAIL),
        DataClass("contact_groups", "Groups of contacts of mailboxes", _MAIL),
        DataClass("notes_and_journal", "Sticky notes and journal of mailboxes", _MAIL),
        DataClass("pst", "PST files of mailboxes", _MAIL, alternative="lastcopy compose"),
        _never(
            "mailbox_permissions",
            "Who may open a mailbox",
            "Graph does not say who may open a mailbox.",
            "Get-MailboxPermission in Exchange Online PowerShell",
            _MAIL,
        ),
        DataClass("files", "Files of OneDrives", _DRIVE),
        DataClass("notebooks", "Parts of OneNote notebooks that are served as files", _DRIVE),
        DataClass("earlier_versions", "Earlier versions of files", _DRIVE, alternative="drive.versions: all"),
        DataClass("personal_lists", "Lists that people keep for themselves", _DRIVE),
        DataClass("permissions", "Who can see a file", _DRIVE, alternative="drive.permissions: shared"),
        _never(
            "recycle_bin",
            "Recycle bins of OneDrives and sites",
            "Graph does not list deleted files.",
            "restore what is wanted from the recycle bin, and run lastcopy export again",
            _DRIVE,
        ),
        DataClass("libraries", "Document libraries of sites", _SITE),
        DataClass("team_files", "Files of teams and their channels", _SITE),
        DataClass("columns", "Columns of document libraries", _SITE),
        DataClass("lists", "Lists of sites", _SITE),
        DataClass("list_attachments", "Files attached to items of lists", _SITE),
        DataClass(
            "system_lists", "Lists of the service's own in sites", _SITE, alternative="PnP PowerShell, if wanted"
        ),
        DataClass("pages", "Pages of sites", _SITE),
        DataClass("site_groups", "Groups of sites", _SITE),
        DataClass("site_permissions", "What was granted to applications in sites", _SITE),
        DataClass("list_permissions", "Who can see a list", _SITE),
        DataClass("item_permissions", "Who can see an item of a list", _SITE),
        DataClass("directory", "Users, groups, licences and domains", _DIRECTORY),
        DataClass("term_store", "Term store", _DIRECTORY),
        DataClass("directory_roles", "Roles of the directory", _DIRECTORY),
        _never(
            "public_folders",
            "Public folders",
            "Graph has no way into public folders.",
            f"{EDISCOVERY}, or an export to PST by an administrator",
        ),
        _never(
            "inactive_mailboxes",
            "Inactive and soft-deleted mailboxes",
            "Graph does not list mailboxes of deleted users that a hold keeps, nor those in soft deletion.",
            f"restore the user within 30 days and run again, or {EDISCOVERY}",
        ),
        _never(
            "teams_chats",
            "Teams chats and channel messages",
            "They are metered and protected interfaces of their own, and out of scope; recordings and files of teams are copied.",
            f"{EDISCOVERY} (with its Teams option)",
        ),
        _never("teams_apps", "Teams apps, tabs and calling", "They have no interface for content.", "admin export"),
        _never("planner", "Planner", "It has no interface for backup.", "each plan's owner exports it to Excel"),
        _never("forms", "Forms", "It has no interface for backup.", "each form's owner exports the answers to Excel"),
        _never(
            "loop",
            "Loop workspaces and components",
            "They are bound to containers of their own.",
            "export to PDF, by hand",
        ),
        _never("whiteboard", "Whiteboards", _NO_WAY, "export to PDF, by hand"),
        _never("sway", "Sway", _NO_WAY, "export to PDF or Word, by hand"),
        _never(
            "bookings", "Bookings", "Its pages and settings have no interface for backup.", "note them down by hand"
        ),
        _never("stream_classic", "Stream (classic)", "The service is retired.", "download what is left, by hand"),
        _never("power_apps", "Power Apps", _OTHER, "export the solutions"),
        _never("power_automate", "Power Automate", _OTHER, "export the solutions"),
        _never("power_bi", "Power BI", _OTHER, "download reports and data sets"),
        _never("dataverse", "Dataverse", _OTHER, "export the solutions and tables"),
        _never(
            "viva_engage", "Viva Engage (Yammer)", _OTHER, f"network data export by an administrator, or {EDISCOVERY}"
        ),
        _never(
            "onenote",
            "Pages of OneNote notebooks as such",
            "Applications lost that access on 2025-03-31; only parts that are served as files are copied.",
            "each owner exports the notebook from OneNote",
        ),
        _never("copilot", "Copilot interactions", _OTHER, EDISCOVERY),
        _never("audit_log", "Audit log", _OTHER, "export it from Purview"),
        _never("defender", "Defender", _OTHER, "its own tools"),
        _never("intune", "Intune", _OTHER, "its own tools"),
        _never(
            "label_keys",
            "Encryption keys of sensitivity labels, and secrets",
            "Nobody gives keys away, by design: a protected file is copied as it is, and unreadable once the tenant is gone.",
            "decrypt labelled files first, then run lastcopy export again",
        ),
    )
}
"""By name, in the order in which they are shown."""

TENANT_WIDE: Final = tuple(one for one in CLASSES.values() if one.kind is None)
"""What lies in no source: never possible, whatever a run finds."""


def title_of(name: str) -> str:
    """A class, for people."""
    known = CLASSES.get(name)
    return name.replace("_", " ") if known is None else known.title


def of_kind(kind: SourceKind) -> list[DataClass]:
    """The classes that lie in sources of a kind."""
    return [one for one in CLASSES.values() if one.kind is kind]
