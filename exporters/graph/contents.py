"""The raw body of an answer as a file: whole and in its own form, or an exception; never a short one that looks whole.

Rules of this file: memory stays the same whatever the size; what an earlier try left behind is cut off before the next; a body
counts only if it says where it ends (a length, chunks, or a coding with an end of its own). Pages of a proxy and errors under
status 200 are not taken for content where the answer shows it.

Source: reference graph.md 3.3, 3.4, 11.2; quirks Q-020, Q-048, Q-070.
"""

import hashlib
import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from exporters.graph.answers import parse_json
from exporters.graph.errors import ConnectionFailedError, ContentTooLargeError, GraphError, MalformedAnswerError
from exporters.graph.headers import header
from exporters.graph.transport import Answer

_CHUNK = 1 << 20
_HEAD = 64 << 10  # errors are small; what is larger and JSON is content
_MIME_PATH = re.compile(r"/messages/[^/?]+/\$value($|\?)", re.IGNORECASE)
_PAGES = ("text/html", "application/xhtml+xml")
_DOCUMENTS = (*_PAGES, "application/json", "application/problem+json", "text/xml", "application/xml")
_INFLATING = ("gzip", "x-gzip", "deflate")


class Receiver:
    """Takes the answers to one request into `sink` from its present position; one after the other until one is sound.

    path: tells the MIME of a message, which is never empty, nor a web page. kind: type of the content as it was listed, if
    known. most: bytes beyond which it is given up.
    """

    def __init__(self, sink: BinaryIO, path: str, *, kind: str | None = None, most: int | None = None) -> None:
        self._sink, self._start, self._most = sink, sink.tell(), most
        self._is_mime = _MIME_PATH.search(path) is not None
        self._listed = _bare(kind)
        self._doubted: tuple[int, bytes] | None = None

    def take(self, answer: Answer) -> int:
        """The bytes of the content. Raises: MalformedAnswerError, ConnectionFailedError, ContentTooLargeError."""
        self.rewind()
        try:
            size, head, digest = self._receive(answer)
        finally:
            answer.close()
        if (doubt := self._doubt(answer, size, head)) is not None:
            seen, self._doubted = self._doubted, (size, digest)
            if self._is_mime or self._is_page(answer) or seen != self._doubted:
                raise doubt
        return size

    def rewind(self) -> None:
        """Leave the file as it was found."""
        self._sink.seek(self._start)
        self._sink.truncate()

    def _receive(self, answer: Answer) -> tuple[int, bytes, bytes]:
        size, head, digest = 0, b"", hashlib.sha256()
        for chunk in decoded(answer):
            size += len(chunk)
            if self._most is not None and size > self._most:
                raise ContentTooLargeError(
                    f"The content has more than {self._most:,} bytes.",
                    code="too_large",
                    status=answer.status,
                    request_id=header(answer.headers, "request-id"),
                )
            head = head or chunk[:_HEAD]
            digest.update(chunk)
            self._sink.write(chunk)
        return size, head if size <= _HEAD else head[:512], digest.digest()

    def _doubt(self, answer: Answer, size: int, head: bytes) -> GraphError | None:
        """The error for a body that may be something else than the content."""
        kind = _bare(header(answer.headers, "Content-Type"))
        if self._is_mime:
            if not size:
                return _malformed(answer, "nothing, where a message belongs")
            if kind in _DOCUMENTS or (not kind and head.lstrip()[:1] in (b"<", b"{")):
                return _malformed(answer, f"something of the type {kind or 'unknown'}, where a message belongs")
        elif self._is_page(answer):
            return _malformed(answer, "a web page, where something else belongs")
        elif kind.endswith("json") and size <= _HEAD and _is_error(head):
            return _malformed(answer, "an error that calls itself a success")
        return None

    def _is_page(self, answer: Answer) -> bool:
        """A web page, where it is known that the content is none."""
        kind = _bare(header(answer.headers, "Content-Type"))
        return kind in _PAGES and bool(self._listed) and self._listed not in _PAGES


def decoded(answer: Answer) -> Iterator[bytes]:
    """The body of an answer with its coding undone. Raises: MalformedAnswerError, ConnectionFailedError.

    One that says nowhere where it ends is refused when it has ended: cut off, it would look the same.
    """
    coding = (header(answer.headers, "Content-Encoding") or "").strip().lower()
    if coding in _INFLATING:
        yield from _inflated(answer)
        return
    if coding not in ("", "identity"):
        raise _malformed(answer, "a coding that nobody asked for")
    yield from answer.chunks(_CHUNK)
    if not answer.is_delimited:
        raise _malformed(answer, "a body that does not say where it ends")
    if answer.has_surplus:
        raise _malformed(answer, "a body that goes on behind its end")


def _inflated(answer: Answer) -> Iterator[bytes]:
    """gzip, zlib, or (as some send `deflate`) neither of the two around the deflated bytes."""
    inflate, is_first = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32), True
    try:
        for chunk in answer.chunks(_CHUNK):
            rest = chunk
            while rest:
                if inflate.eof:  # of one member; more may follow
                    inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
                if is_first and not _has_wrapping(rest):
                    inflate = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
                is_first = False
                if piece := inflate.decompress(rest, _CHUNK):
                    yield piece
                rest = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
        if piece := inflate.flush():
            yield piece
    except zlib.error:
        raise _malformed(answer, "a body that is not coded as it says") from None
    if not inflate.eof and not is_first:
        raise ConnectionFailedError("The coded content ended early.", code="connection_failed")


def _has_wrapping(head: bytes) -> bool:
    return head[:1] == b"\x1f" or (head[0] & 0x0F == 8 and (len(head) < 2 or int.from_bytes(head[:2], "big") % 31 == 0))


def _is_error(body: bytes) -> bool:
    document = parse_json(body)
    error = document.get("error") if isinstance(document, dict) else None
    return isinstance(error, dict) and "code" in error


def _bare(kind: str | None) -> str:
    return (kind or "").partition(";")[0].strip().lower()


def _malformed(answer: Answer, what: str) -> MalformedAnswerError:
    return MalformedAnswerError(
        f"The service answered with {what}.",
        code="malformed",
        action="Run again; if it stays, check for a proxy that answers in the service's place.",
        status=answer.status,
        request_id=header(answer.headers, "request-id"),
    )
