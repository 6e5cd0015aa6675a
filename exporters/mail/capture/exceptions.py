"""An error that concerns one item of a mailbox → a code and a reason in its row: decisions without I/O.

Rules of this file: no single item may stop the others: what the service refuses becomes a code. What is wrong with the whole
mailbox (`SourceError`) or the run (`RunError`) is none of this file's business: let it pass. Source: design §4 (outcomes);
quirks Q-013, Q-057, Q-058, Q-074.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from exporters.errors import LastcopyError, SourceError, TransientError
from exporters.graph.errors import (
    AccessDeniedError,
    ContentTooLargeError,
    ItemGaveUpError,
    LockedError,
    MalwareError,
    MimeRefusedError,
    NoMailboxError,
    NotFoundError,
    PagingLoopError,
    PermissionMissingError,
    RightsProtectedError,
    UnreadableAttachmentError,
    UnreadableItemError,
    UserNotFoundError,
)
from exporters.outcomes import CAUSES, ExceptionCode
from exporters.store.errors import KeyRefusedError, ObjectTooLargeError

ASK_AGAIN_AFTER = timedelta(hours=24)
"""How long an item that was 'not found' though listed is left alone after that; other failures are tried in every run."""
MIME_CODES = frozenset(
    {
        ExceptionCode.MIME_REFUSED,
        ExceptionCode.ITEM_UNREADABLE,
        ExceptionCode.TOO_LARGE,
        ExceptionCode.DOWNLOAD_FAILED,
        ExceptionCode.REFUSED,
    }
)
"""Codes of messages of which there may be a record and attachments, though there is no MIME."""
_CODES: tuple[tuple[type[LastcopyError], ExceptionCode], ...] = (
    (MimeRefusedError, ExceptionCode.MIME_REFUSED),
    (UnreadableAttachmentError, ExceptionCode.ATTACHMENT_UNREADABLE),
    (UnreadableItemError, ExceptionCode.ITEM_UNREADABLE),
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
_UNREADABLE = {
    "mime_refused": ExceptionCode.MIME_REFUSED,
    "item_unreadable": ExceptionCode.ITEM_UNREADABLE,
    "attachment_unreadable": ExceptionCode.ATTACHMENT_UNREADABLE,
}
"""By code: an answer to many items at once is not asked for again by the session, so its errors stay as they came."""

_TELLING = frozenset({*_UNREADABLE.values(), ExceptionCode.DOWNLOAD_FAILED, ExceptionCode.TOO_LARGE})
"""Of these the error's own sentence (status, codes, request id) helps whoever asks Microsoft."""


def code_of(error: LastcopyError) -> ExceptionCode:
    """The code of an error that concerns one item."""
    if error.code in _UNREADABLE:
        return _UNREADABLE[error.code]
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return ExceptionCode.REFUSED


def reason_of(code: ExceptionCode, error: LastcopyError) -> str:
    """The reason for a row: the general one, and what the error says more; never the service's own text."""
    general = CAUSES[code].reason
    if code is ExceptionCode.REFUSED:
        return str(error)
    if code is ExceptionCode.STORE_REFUSED:
        return f"{_sentence(error)} {error.action}".rstrip()
    if code in _TELLING:
        return f"{general} {_sentence(error)}"
    if code is ExceptionCode.ACCESS_DENIED and error.action:
        return f"{general} {error.action}"
    return general


def _sentence(error: LastcopyError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}" if text.endswith(".") else f"{text[:1].upper()}{text[1:]}."


INCOMPLETE = "listing_incomplete"


def incomplete(what: str) -> SourceError:
    """The error for a listing that cannot be the whole."""
    return SourceError(
        what,
        code=INCOMPLETE,
        action="Run the export again; if it stays, check for a proxy that answers in the service's place.",
    )


NO_MAILBOX = (NoMailboxError, UserNotFoundError)
"""There is nothing to copy: what is told of a single folder or item under these is not believed."""


def concerns_all(error: LastcopyError) -> bool:
    """Whether an error about one item says that the whole mailbox cannot be read now."""
    return isinstance(error, UserNotFoundError) or (
        isinstance(error, SourceError) and not isinstance(error, PagingLoopError)
    )


def worth_another_try(row: Mapping[str, Any], now: datetime) -> bool:
    """Whether an excepted row may be copied in this run."""
    code = ExceptionCode(row["code"]) if row["code"] in {*ExceptionCode} else None
    if code is None or CAUSES[code].permanent:
        return False
    if code is ExceptionCode.NOT_FOUND_WHILE_LISTED:
        return now - datetime.fromisoformat(row["captured"]) >= ASK_AGAIN_AFTER
    return True
