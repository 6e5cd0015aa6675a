"""An error that concerns one item → a code and a reason in its row: decisions without I/O.

Rules of this file: no single item may stop the others: what the service refuses becomes a code; an exception that stays keeps
the time with which it was found. Source: design §4 (outcomes), quirks Q-013 to Q-033.
"""

from exporters.drive.download import UnstableContentError, WrongContentError
from exporters.drive.facts import JsonObject
from exporters.errors import LastcopyError, TransientError
from exporters.graph.errors import (
    AccessDeniedError,
    ContentChangedError,
    DownloadFailedError,
    ItemGaveUpError,
    LockedError,
    MalwareError,
    NotFoundError,
    PermissionMissingError,
    RightsProtectedError,
)
from exporters.outcomes import CAUSES, ExceptionCode, Outcome
from exporters.store.errors import KeyRefusedError, ObjectTooLargeError

ONENOTE_EXTENSIONS = (".one", ".onetoc2")
_CODES: tuple[tuple[type[LastcopyError], ExceptionCode], ...] = (
    (NotFoundError, ExceptionCode.NOT_FOUND_WHILE_LISTED),
    (MalwareError, ExceptionCode.MALWARE),
    (RightsProtectedError, ExceptionCode.IRM),
    (AccessDeniedError, ExceptionCode.ACCESS_DENIED),
    (PermissionMissingError, ExceptionCode.ACCESS_DENIED),
    (LockedError, ExceptionCode.LOCKED),
    (ContentChangedError, ExceptionCode.CONTENT_UNSTABLE),
    (UnstableContentError, ExceptionCode.CONTENT_UNSTABLE),
    (DownloadFailedError, ExceptionCode.DOWNLOAD_FAILED),
    (WrongContentError, ExceptionCode.DOWNLOAD_FAILED),
    (ItemGaveUpError, ExceptionCode.DOWNLOAD_FAILED),
    (TransientError, ExceptionCode.DOWNLOAD_FAILED),
    (KeyRefusedError, ExceptionCode.STORE_REFUSED),
    (ObjectTooLargeError, ExceptionCode.STORE_REFUSED),
)
GIVEN_UP = frozenset({ExceptionCode.DOWNLOAD_FAILED, ExceptionCode.REFUSED})


def code_of(error: LastcopyError) -> ExceptionCode:
    """The code of an error that concerns one item."""
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return ExceptionCode.REFUSED


def reason_of(code: ExceptionCode, error: LastcopyError) -> str | None:
    """More than the general reason, where the error says more: what is missing, or what a stranger's answer was."""
    if code is ExceptionCode.REFUSED:
        return str(error)
    if code is ExceptionCode.STORE_REFUSED:
        return f"{str(error)[:1].upper()}{str(error)[1:]}. {error.action}"
    if code is ExceptionCode.DOWNLOAD_FAILED:
        return f"{CAUSES[code].reason} {str(error)[:1].upper()}{str(error)[1:]}"
    if code is ExceptionCode.ACCESS_DENIED and error.action:
        return f"{CAUSES[code].reason} {error.action}"
    return None


def version_code(error: LastcopyError) -> ExceptionCode:
    """The code of an error that concerns an earlier version, or the list of them."""
    code = code_of(error)
    return ExceptionCode.VERSION_UNAVAILABLE if code is ExceptionCode.NOT_FOUND_WHILE_LISTED else code


def stays(row: JsonObject, before: JsonObject | None) -> None:
    """An exception that stays keeps the time and the reason with which it was found: what a person accepted stays accepted."""
    if before is not None and row["outcome"] == Outcome.EXCEPTED and before.get("code") == row["code"]:
        row.update({name: before[name] for name in ("captured", "run", "reason") if name in before})


def make_exception(row: JsonObject, code: ExceptionCode, reason: str | None = None) -> None:
    """Turn a row into an exception, which holds no bytes."""
    for name in ("size", "sha256", "agreement", "versionId", "key"):
        row.pop(name, None)
    row.update(outcome=Outcome.EXCEPTED.value, code=code.value, reason=reason or CAUSES[code].reason)
