"""What the configuration asks for, and what of that no run can bring: names, kinds of which nobody has one, and
what no application can read.

Rules of this file: no I/O; rows of coverage, as they stand in the record of a run. Source: design §7, retention-domain §4,
docs/decisions/0030.
"""

from exporters.bag.formats import JsonObject
from exporters.errors import SourceError
from exporters.results import NEVER
from exporters.sources import SourceKind
from retention.classes import TENANT_WIDE
from retention.config import Config
from retention.selection import chosen, kinds_asked


def listed_names(config: Config) -> list[tuple[SourceKind, str]]:
    """Sources that the configuration asks for by name."""
    sources = config.settings.sources
    return [(kind, name) for kind in kinds_asked(sources) for name in _listed(chosen(sources, kind))]


def _listed(choice: str | list[str]) -> list[str]:
    return [] if isinstance(choice, str) else list(choice)


def never_reached() -> list[JsonObject]:
    """What belongs to a tenant and lies in no source that an application can open: said in every run, and counted for `ready`
    alone."""
    return [
        {"class": one.name, "state": NEVER, "reason": one.why, "alternative": one.alternative, "asked": False}
        for one in TENANT_WIDE
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
