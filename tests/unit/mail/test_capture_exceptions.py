"""Which code stands in the row of an item that cannot be had."""

import pytest

from exporters.graph import errors as e
from exporters.graph.meanings import classify, gave_up
from exporters.mail.capture.exceptions import code_of, reason_of
from exporters.outcomes import CAUSES, ExceptionCode
from exporters.store.errors import KeyRefusedError

VALUE = "/users/u/messages/m/$value"


@pytest.mark.parametrize(
    ("status", "code", "path", "wanted"),
    [
        (500, "ErrorMimeContentConversionFailed", VALUE, ExceptionCode.MIME_REFUSED),
        (400, "ErrorInvalidRecipients", VALUE, ExceptionCode.ITEM_UNREADABLE),
        (500, "ErrorCorruptData", VALUE, ExceptionCode.ITEM_UNREADABLE),
        (500, "ErrorCannotOpenFileAttachment", "/users/u/messages/m/attachments/a/$value", ExceptionCode.ATTACHMENT_UNREADABLE),
        (404, "ErrorItemNotFound", VALUE, ExceptionCode.NOT_FOUND_WHILE_LISTED),
        (403, "ErrorAccessDenied", VALUE, ExceptionCode.ACCESS_DENIED),
        (400, "ErrorMessageSizeExceeded", VALUE, ExceptionCode.TOO_LARGE),
        (400, "ErrorInvalidIdMalformed", VALUE, ExceptionCode.REFUSED),
        (500, "", VALUE, ExceptionCode.DOWNLOAD_FAILED),
        (503, "", VALUE, ExceptionCode.DOWNLOAD_FAILED),
    ],
)  # fmt: skip
def test_q074_each_refusal_has_its_code(status: int, code: str, path: str, wanted: ExceptionCode) -> None:
    """As it comes of the session, and as it comes of an answer to many items."""
    first = classify(status, {}, {"error": {"code": code, "message": "Ada's secret"}}, path=path)
    for error in (first, gave_up(first, path)) if e.is_retryable(first) else (first,):
        assert code_of(error) is wanted
        reason = reason_of(wanted, error)
        assert reason is None or (reason.endswith(".") and "Ada" not in reason)


def test_what_the_store_refuses_is_told_in_its_words() -> None:
    error = KeyRefusedError("data/x", "it is too long", action="Shorten it.")
    assert code_of(error) is ExceptionCode.STORE_REFUSED
    assert (
        reason_of(ExceptionCode.STORE_REFUSED, error)
        == "The store refuses the key 'data/x': it is too long. Shorten it."
    )


def test_every_code_has_a_cause() -> None:
    assert set(CAUSES) == set(ExceptionCode)
