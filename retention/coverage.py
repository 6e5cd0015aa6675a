"""What the configuration asks for, and what of that no run can bring: names, kinds of which nobody has one, and
what no application can read.

Rules of this file: no I/O; rows of coverage, as they stand in the record of a run. Source: design §7, retention-domain §4,
docs/decisions/0030.
"""

from exporters.bag.formats import JsonObject
from exporters.errors import SourceError
from exporters.results import EDISCOVERY, NEVER
from exporters.sources import SourceKind
from retention.config import Config
from retention.selection import chosen, kinds_asked


def listed_names(config: Config) -> list[tuple[SourceKind, str]]:
    """Sources that the configuration asks for by name."""
    sources = config.settings.sources
    return [(kind, name) for kind in kinds_asked(sources) for name in _listed(chosen(sources, kind))]


def _listed(choice: str | list[str]) -> list[str]:
    return [] if isinstance(choice, str) else list(choice)


def never_reached(config: Config) -> list[JsonObject]:
    """What belongs to the mail of a tenant and lies in no mailbox that an application can open: said in every run that asks for
    mail, and counted for `ready` alone."""
    if SourceKind.MAIL not in kinds_asked(config.settings.sources):
        return []
    return [
        {
            "class": "public_folders",
            "state": NEVER,
            "reason": "Graph has no way into public folders.",
            "alternative": f"{EDISCOVERY}, or an export to PST by an administrator",
            "asked": False,
        },
        {
            "class": "inactive_mailboxes",
            "state": NEVER,
            "reason": "Graph does not list mailboxes of deleted users that a hold keeps, nor those in soft deletion.",
            "alternative": f"restore the user within 30 days and run again, or {EDISCOVERY}",
            "asked": False,
        },
    ]


def nothing_of(kind: SourceKind) -> SourceError:
    """The finding of a run that asks for a kind of source and finds not one."""
    if kind is SourceKind.SHAREPOINT:
        return no_sites()
    return no_mailboxes() if kind is SourceKind.MAIL else no_drives()


def no_sites() -> SourceError:
    """As `no_drives`, of sites."""
    return SourceError(
        "The service lists no site, and the store holds none: no site was copied",
        code="no_sites",
        action="If the tenant is to have sites, look at its SharePoint licences and run the export again. If it has none:"
        " `sources.sharepoint: none`, or lastcopy accept no_sites --source sharepoint/sharepoint --by NAME --reason TEXT",
    )


def no_mailboxes() -> SourceError:
    """As `no_drives`, of mailboxes."""
    return SourceError(
        "The service says of every user that there is no mailbox, and the store holds none: no mail was copied",
        code="no_mailbox",
        action="If the tenant is to have mailboxes, look at its Exchange licences and run the export again. If it has none:"
        " `sources.mail: none`, or lastcopy accept no_mailbox --source mail/mail --by NAME --reason TEXT",
    )


def no_drives() -> SourceError:
    """The finding of a run that asks for OneDrives and finds not one, neither in the tenant nor in the store: "complete" over
    nothing would be a lie where the service has taken the drives away from everybody (a lapsed licence begins so)."""
    return SourceError(
        "The service says of every user that there is no OneDrive, and the store holds none: nothing was copied",
        code="no_drive",
        action="If the tenant is to have OneDrives, look at its SharePoint licences and run the export again. If it has none:"
        " `sources.onedrive: none`, or lastcopy accept no_drive --source onedrive/onedrive --by NAME --reason TEXT",
    )
