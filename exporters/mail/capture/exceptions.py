"""An error that concerns one item of a mailbox → a code and a reason in its row: decisions without I/O.

Rules of this file: no single item may stop the others: what the service refuses becomes a code; what concerns the whole mailbox
does not. Source: design §4 (outcomes), quirks Q-045, Q-057, Q-074.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from exporters.errors import LastcopyError, SourceError
from exporters.graph.errors import NotFoundError, PagingLoopError
from exporters.outcomes import CAUSES, ExceptionCode

ASK_AGAIN_AFTER = timedelta(hours=24)
"""How long an item that was 'not found' though listed is left alone after that; other failures are tried in every run."""


MIME_CODES = frozenset({ExceptionCode.MIME_REFUSED, ExceptionCode.ITEM_UNREADABLE})
"""Codes of messages of which there may be a record and attachments, though there is no MIME."""


def code_of(error: LastcopyError) -> ExceptionCode:
    """The code of an error that concerns one item."""
    if isinstance(error, NotFoundError):
        return ExceptionCode.NOT_FOUND_WHILE_LISTED
    if "MimeContentConversion" in str(error.code) or "MimeContentConversion" in str(error):
        return ExceptionCode.MIME_REFUSED
    return ExceptionCode.ITEM_UNREADABLE


def reason_of(code: ExceptionCode, error: LastcopyError) -> str | None:
    """More than the general reason, where the error says more."""
    return None if code is ExceptionCode.NOT_FOUND_WHILE_LISTED else f"{CAUSES[code].reason} {error}"


def concerns_all(error: LastcopyError) -> bool:
    """Whether an error about one item says that the whole mailbox cannot be read now."""
    return isinstance(error, SourceError) and not isinstance(error, PagingLoopError)


def worth_another_try(row: Mapping[str, Any], now: datetime) -> bool:
    """Whether an excepted row may be copied in this run."""
    code = ExceptionCode(row["code"]) if row["code"] in {*ExceptionCode} else None
    if code is None or CAUSES[code].permanent:
        return False
    if code is ExceptionCode.NOT_FOUND_WHILE_LISTED:
        return now - datetime.fromisoformat(row["captured"]) >= ASK_AGAIN_AFTER
    return True
