"""An error that concerns one item of a list → a code and a reason in its row: decisions without I/O.

Rules of this file: what is wrong with the whole site or run is none of this file's business. Source: design §4 (outcomes);
quirks Q-013, Q-062.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from exporters.errors import LastcopyError, TransientError
from exporters.graph.errors import (
    AccessDeniedError,
    ContentTooLargeError,
    ItemGaveUpError,
    LockedError,
    MalwareError,
    NotFoundError,
    PermissionMissingError,
    RightsProtectedError,
)
from exporters.outcomes import CAUSES, ExceptionCode, Outcome
from exporters.store.errors import KeyRefusedError, ObjectTooLargeError

ASK_AGAIN_AFTER = timedelta(hours=24)
"""How long what was 'not found' though listed is left alone after that; other failures are tried in every run."""
_CODES: tuple[tuple[type[LastcopyError], ExceptionCode], ...] = (
    (ContentTooLargeError, ExceptionCode.TOO_LARGE),
    (NotFoundError, ExceptionCode.NOT_FOUND_WHILE_LISTED),
    (MalwareError, ExceptionCode.MALWARE),
    (RightsProtectedError, ExceptionCode.IRM),
    (AccessDeniedError, ExceptionCode.ACCESS_DENIED),
    (PermissionMissingError, ExceptionCode.ACCESS_DENIED),
    (LockedError, ExceptionCode.LOCKED),
    (ItemGaveUpError, ExceptionCode.DOWNLOAD_FAILED),
    (TransientError, ExceptionCode.DOWNLOAD_FAILED),
    (KeyRefusedError, ExceptionCode.STORE_REFUSED),
    (ObjectTooLargeError, ExceptionCode.STORE_REFUSED),
)


def code_of(error: LastcopyError) -> ExceptionCode:
    """The code of an error that concerns one item."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExceptionCode.REFUSED)


def reason_of(code: ExceptionCode, error: LastcopyError) -> str:
    """The reason for a row: the general one, and what the error says more; never the service's own text."""
    general = CAUSES[code].reason
    if code in {ExceptionCode.REFUSED, ExceptionCode.STORE_REFUSED}:
        return f"{error} {error.action}".rstrip()
    if code in {ExceptionCode.DOWNLOAD_FAILED, ExceptionCode.TOO_LARGE}:
        return f"{general} {error}"
    if code is ExceptionCode.ACCESS_DENIED and error.action:
        return f"{general} {error.action}"
    return general


def worth_another_try(row: Mapping[str, Any], now: datetime, *, has_certificate: bool) -> bool:
    """Whether an excepted row may be copied in this run."""
    code = ExceptionCode(row["code"]) if row["code"] in {*ExceptionCode} else None
    if code is ExceptionCode.ATTACHMENTS_NEED_CERTIFICATE:
        return has_certificate
    if code is None or CAUSES[code].permanent:
        return False
    if code is ExceptionCode.NOT_FOUND_WHILE_LISTED:
        return now - datetime.fromisoformat(row["captured"]) >= ASK_AGAIN_AFTER
    return True


def vanished(row: Mapping[str, Any], run_id: str, at: str) -> dict[str, Any]:
    """A row of what never was captured and is not there any more."""
    code = ExceptionCode.VANISHED
    settled = {"outcome": Outcome.EXCEPTED.value, "code": code.value, "reason": CAUSES[code].reason}
    return {**row, **settled, "captured": at, "run": run_id}


def settled(row: Mapping[str, Any], run_id: str, at: str) -> dict[str, Any] | None:
    """What becomes of the row of what is not there any more: *gone* if we hold it, else *vanished*; None if that is known."""
    if row["outcome"] == Outcome.COPIED:
        return {**row, "outcome": Outcome.GONE.value, "since": at, "run": run_id}
    if row["outcome"] == Outcome.GONE or row.get("code") == ExceptionCode.VANISHED:
        return None
    return vanished(row, run_id, at)
