"""Why a stream of `exportItems` gives no message, by name.

Rules of this file: a stream is taken whole or refused; the raw bytes stay in the bag in any case. Reasons name places and tags,
never content: of the bytes around a place there is a digest only.
Source: reference/fasttransfer.md 6.
"""

from exporters.mail.compose.errors import MimeError


class StreamRefused(MimeError):
    """Base: `code` for programs, `reason` for people. `offset`: bytes into the FastTransfer stream, None if no one place."""

    code = "ft-refused"

    def __init__(self, reason: str, *, offset: int | None = None, item: str = "") -> None:
        super().__init__(reason if offset is None else f"{reason} (at byte {offset} of the stream)", item=item)
        self.offset = offset


class StreamUndecodable(StreamRefused):
    """Malformed, or an element whose length cannot be known: nothing behind it can be read."""

    code = "ft-undecodable"


class StreamTruncated(StreamRefused):
    """The stream ends while a record of the container, a recipient, an attachment or a message inside is open."""

    code = "ft-truncated"


class StreamFailed(StreamRefused):
    """The service wrote that it failed (FXErrorInfo), or sent a part of an item only."""

    code = "ft-failed"


class StreamLimit(StreamRefused):
    """More elements, or messages inside each other, than any item has."""

    code = "ft-limit"


class StreamImplausible(StreamRefused):
    """Readable to the end, and yet no message: no usable class, no date that can be one, or nothing at all in it."""

    code = "ft-implausible"
