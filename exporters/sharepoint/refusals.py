"""Why a site refuses, and what a person can do: locked, archived, or not open to this application.

Rules of this file: one cheap request at most, for the archive status; a refusal is never tried again here (Q-060). Prices are
those published for OneDrives of people without a licence; they are told as such. Source: graph.md §2.1, §5.1, §5.5, §11.1.
"""

from exporters.errors import ItemError, LastcopyError, SourceError
from exporters.graph.answers import object_of, text_of
from exporters.graph.calls import segment
from exporters.graph.errors import AccessDeniedError, GraphError, PermissionMissingError, SiteLockedError
from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession

ARCHIVED = "site_archived"
LOCKED = "site_locked"
_UNLOCK = (
    "Have a SharePoint administrator unlock it (admin centre, Active sites; or Set-SPOSite -Identity ADDRESS -LockState Unlock),"
    " then run again. Its subsites are shut with it."
)
_REACTIVATE = (
    "Reactivate it in the SharePoint admin centre (Archived sites) before the tenant is cancelled, then run again"
)
_ARCHIVES: dict[str, tuple[str, str]] = {
    "recentlyArchived": (
        "The site was archived in the last seven days",
        f"{_REACTIVATE}: within seven days that is instant and free.",
    ),
    "reactivating": ("The site is being reactivated", "Run again when that is done; it may take a day."),
}
_ARCHIVE = (
    "The site is archived: nobody can read it, no application either",
    f"{_REACTIVATE}. Microsoft bills that; the prices published for OneDrives without a licence are 0.60 USD a GB once,"
    " and 0.05 USD a GB each month, through an Azure subscription.",
)


def explained(graph: GraphSession, site_id: str, error: LastcopyError) -> LastcopyError:
    """The error of a site, with the reason and what to do where it is closed (1 request more); others as they are. Raises:
    RunError."""
    if not isinstance(error, SiteLockedError) or error.code in {LOCKED, ARCHIVED}:
        return error
    try:
        site = graph.get(f"/sites/{segment(site_id)}", params={"$select": "siteCollection"}, cost=Cost.SINGLE)
    except (ItemError, SourceError):
        return _as(error, LOCKED, "The site is locked", _UNLOCK)  # of an archived one this can be read
    details = object_of(object_of(site.get("siteCollection")).get("archivalDetails"))
    status = text_of(details.get("archiveStatus"))
    if not status:  # subsites do not tell what became of their collection
        return _as(error, LOCKED, "The site is locked, or archived with its site collection", _UNLOCK)
    sentence, action = _ARCHIVES.get(status, _ARCHIVE)
    return _as(error, ARCHIVED, sentence, action)


def not_listed(error: LastcopyError) -> LastcopyError:
    """Why the sites of a tenant could not be listed."""
    if not isinstance(error, (PermissionMissingError, AccessDeniedError)):
        return error
    return SourceError(
        f"The application may not list the sites of the tenant: {error}",
        code="permission_missing",
        action="Grant Sites.Read.All (application) to the app registration, give admin consent, and run again."
        " Sites.Selected alone does not do: with it nobody can say which sites there are.",
    )


def _as(error: SiteLockedError, code: str, sentence: str, action: str) -> GraphError:
    told = ", ".join([f"status {error.status}", *dict.fromkeys(filter(None, (error.service_code, *error.inner_codes)))])
    return SiteLockedError(
        f"{sentence} ({told}).",
        code=code,
        action=action,
        status=error.status,
        service_code=error.service_code,
        inner_codes=error.inner_codes,
        request_id=error.request_id,
    )
