"""The MIME of messages as a stream of pieces: slices of a pack, and contents as base64 lines.

Rules of this file: nothing holds a whole message; what comes out has the length and the digest that the row tells.
Source: reference/tenant-data.md, "Contents".
"""

import base64
from collections.abc import Iterator

from exporters.rehearsal.content import ContentReader
from exporters.rehearsal.documents import Row

_LINES = 57 * 2048  # bytes of content that make whole base64 lines


def mime_pieces(reader: ContentReader, mime: Row) -> Iterator[bytes]:
    """The bytes of a `_mime` of the data. Raises ContentError."""
    for segment in mime["seg"]:
        if isinstance(segment, list):
            offset, length = segment
            reference = {"pack": mime["pack"], "off": offset, "len": length}
            yield from reader.pieces(reference, 0, length)
        else:
            yield from _base64_lines(reader, segment["b64"])


def _base64_lines(reader: ContentReader, reference: Row) -> Iterator[bytes]:
    for start in range(0, int(reference["len"]), _LINES):
        piece = reader.read(reference, start, _LINES)
        yield base64.encodebytes(piece).replace(b"\n", b"\r\n")


def header_lines(reader: ContentReader, mime: Row, most: int = 1 << 20) -> bytes:
    """The header of a message, up to and without the empty line; cut at `most` bytes."""
    head = b""
    for piece in mime_pieces(reader, mime):
        head += piece
        for end in (b"\r\n\r\n", b"\n\n"):
            if end in head:
                return head.partition(end)[0]
        if len(head) > most:
            break
    return head
