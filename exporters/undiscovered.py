"""What discovery says of what is no source: nobody is there, or nobody could be asked for it.

Rules of this file: values, no I/O. Source: design §2.3 (nothing is silently missing).
"""

from dataclasses import dataclass

from exporters.errors import LastcopyError, SourceError
from exporters.graph.errors import NoLicenceError
from exporters.sources import SourceKind

GROUPS = "groups"
"""What stands for all group mailboxes where the groups cannot be listed."""
SITES = "sites"
"""What stands for all sites, or all drives of people who left, where the sites cannot be listed."""


@dataclass(frozen=True, slots=True)
class Without:
    """A user or group that has no mailbox here, by the service's own word. `name`: as that of a source."""

    kind: SourceKind
    name: str

    @property
    def label(self) -> str:
        """kind/NAME."""
        return f"{self.kind}/{self.name}"


class Undiscovered(SourceError):
    """A user whose drive or mailbox could not be asked for, or a site. `name`: as that of a source. `may_hide`: whether it stands
    for sources that nobody knows, so that a name that was not found may be one of theirs."""

    name = ""
    kind = SourceKind.ONEDRIVE
    may_hide = False

    @property
    def label(self) -> str:
        """kind/NAME."""
        return f"{self.kind}/{self.name}"


class Unlicensed(Undiscovered):
    """A user of whom nothing was said but that the tenant has no licence: no news where others have drives."""


def undiscovered(
    name: str, error: LastcopyError, kind: SourceKind = SourceKind.ONEDRIVE, *, may_hide: bool = False
) -> Undiscovered:
    """What an error of discovery is to a run."""
    which = Unlicensed if isinstance(error, NoLicenceError) else Undiscovered
    problem = which(str(error), code=error.code, action=error.action or "Run the export again.")
    problem.name, problem.kind, problem.may_hide = name, kind, may_hide
    return problem


def no_sites() -> SourceError:
    """The list of sites is empty."""
    return SourceError(
        "The service lists no sites at all, which no tenant with SharePoint is without.",
        code="no_sites",
        action="Run again; if it stays, look at the tenant's SharePoint licences. If it has none: `sources.sharepoint: none`.",
    )


def odd(text: str) -> SourceError:
    """The service told something that nobody can ask for."""
    return SourceError(text, code="malformed", action="Run the export again; if it stays, report it.")
