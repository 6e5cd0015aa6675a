"""An error about a part of the directory → a code and a reason in its row: decisions without I/O.

Rules of this file: what may not be read is an exception that says which permission to grant; what a cloud does not have is
none. What is wrong with the run (`RunError`) is none of this file's business. Source: design §4 (outcomes); graph.md §2.1,
§2.2.
"""

from exporters.bag.formats import JsonObject
from exporters.errors import LastcopyError, TransientError
from exporters.graph.errors import (
    AccessDeniedError,
    GaveUpError,
    ItemGaveUpError,
    LockedError,
    NoDriveError,
    NotFoundError,
    PermissionMissingError,
    RefusedError,
    SiteLockedError,
    UnsupportedError,
)
from exporters.outcomes import CAUSES, ExceptionCode, Outcome

DENIED = (PermissionMissingError, AccessDeniedError)
ABSENT = (UnsupportedError, NoDriveError)
"""The cloud, or a tenant without SharePoint, does not have it: nothing is missing from the copy."""
HIDDEN_MEMBERS = "Grant Member.Read.Hidden (application) to the app registration, give admin consent, and run again."
TERMS_BY_HAND = (
    "Where the service refuses it although it is granted: have an administrator export the term store (SharePoint admin center,"
    " Term store), and accept this."
)
_CODES: tuple[tuple[tuple[type[LastcopyError], ...], ExceptionCode], ...] = (
    (DENIED, ExceptionCode.ACCESS_DENIED),
    ((NotFoundError,), ExceptionCode.NOT_FOUND_WHILE_LISTED),
    ((LockedError, SiteLockedError), ExceptionCode.LOCKED),
    ((GaveUpError, ItemGaveUpError, TransientError), ExceptionCode.DOWNLOAD_FAILED),
)


def refusal_of(error: LastcopyError, more: str = "") -> tuple[ExceptionCode, str]:
    """(code, reason) for a row. more: what else a person may do."""
    code = next((code for kinds, code in _CODES if isinstance(error, kinds)), ExceptionCode.REFUSED)
    if code is ExceptionCode.ACCESS_DENIED:
        reason = f"{CAUSES[code].reason} {error.action}"
    elif code is ExceptionCode.NOT_FOUND_WHILE_LISTED:
        reason = CAUSES[code].reason
    else:
        reason = str(error)
    return code, f"{reason} {more}".rstrip()


def wants_less(error: LastcopyError) -> bool:
    """Whether a listing is refused for what was selected: a cloud that knows fewer properties says so."""
    return isinstance(error, (RefusedError, UnsupportedError)) and error.status in (400, 501)


def excepted(row: JsonObject, code: ExceptionCode, reason: str, held: JsonObject | None) -> JsonObject:
    """The row as an exception. held: the row so far; where its code stays, it stands as it was found (an acceptance covers
    it)."""
    if held is not None and held["outcome"] == Outcome.EXCEPTED and held.get("code") == code:
        return held
    return {**row, "outcome": Outcome.EXCEPTED.value, "code": code.value, "reason": reason}
