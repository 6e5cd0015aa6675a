"""Content as one continuous stream of bytes, or an exception: never a short one that looks whole.

Rules of this file: a transfer that broke off goes on at a new address (Q-015), a few times without much progress; where the
parts come from is the business of `parts`. Bodies are taken as they come; `decoded` is for hosts that compress although nobody
asked.

    with session.download(f"/drives/{drive}/items/{item}/content", size=size) as download:
        for chunk in download.chunks(): ...

Source: reference graph.md 5.2; quirks Q-015, Q-020, Q-021, Q-033.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from exporters.clock import Clock
from exporters.graph.calls import Observer
from exporters.graph.errors import ConnectionFailedError, DownloadFailedError, GraphError, MalformedAnswerError
from exporters.graph.headers import header
from exporters.graph.limits import Cost
from exporters.graph.parts import DownloadAsker, Part, Parts, RangeFailedError, read_part

BIG_BYTES = 64 << 20  # from here on a file is read in ranges, several at once
SPAN_BYTES = 1 << 30  # for each so many bytes a new address is asked for, however well the old one works
_DROPS = 8  # breaks in a row, each without much progress
_PROGRESS_BYTES = 1 << 20


class Download:
    """An open download. status: of the first answer. total: length of the whole content, None if not told.
    start: where the stream begins. etag: as the download host told it, or None. content_type, coding: of the first
    answer, empty if not told. is_delimited: whether it says where its body ends."""

    def __init__(self, parts: Parts, first: Part, clock: Clock, observer: Observer) -> None:
        self._parts, self._part, self._clock, self._observer = parts, first, clock, observer
        self.status, self.start = first.answer.status, parts.start
        self.total, self.etag = first.total, first.marks[0]
        self.is_delimited = first.answer.is_delimited
        self.content_type = header(first.answer.headers, "Content-Type") or ""
        coding = (header(first.answer.headers, "Content-Encoding") or "").strip().lower()
        self.coding = "" if coding == "identity" else coding

    def chunks(self, size: int = 1 << 20) -> Iterator[bytes]:
        """The bytes from `start` on, in order, each once. To be called once.

        Raises: ContentChangedError, DownloadFailedError and what `GraphSession.download` raises.
        """
        position, drops, sound = self.start, 0, self.start
        while True:
            try:
                for chunk in read_part(self._part, position, self._parts.end, size):
                    position += len(chunk)
                    self._observer.received(len(chunk))
                    yield chunk
                for chunk in self._parts.run_ahead(self._part, position):
                    position += len(chunk)
                    self._observer.received(len(chunk))
                    yield chunk
                if self._complete(position):
                    return
            except (ConnectionFailedError, RangeFailedError) as error:  # also a short body
                drops = 1 if position - sound >= _PROGRESS_BYTES else drops + 1
                if drops >= _DROPS:
                    raise _failed(error) from error
                self._clock.sleep(min(2.0 ** (drops - 1), 60.0))
            finally:
                self._part.answer.close()
            sound = position if position - sound >= _PROGRESS_BYTES else sound
            self._part = self._parts.go_on(position, self._part)

    def decoded(self, size: int = 1 << 20) -> Iterator[bytes]:
        """As `chunks`, with a content coding undone that nobody asked for. Raises further: MalformedAnswerError."""
        if self.coding not in ("gzip", "x-gzip", "deflate"):
            yield from self.chunks(size)
            return
        inflate = _inflate()
        try:
            for chunk in self.chunks(size):
                rest = chunk
                while rest:
                    if inflate.eof:  # of one member; more may follow
                        inflate = _inflate()
                    yield inflate.decompress(rest, size)
                    rest = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
            yield inflate.flush()
        except zlib.error:
            raise MalformedAnswerError("The content is not coded as its answer says.", code="malformed") from None
        if not inflate.eof:
            raise MalformedAnswerError("The coded content ends early.", code="malformed")

    def ends_at(self, position: int) -> bool | None:
        """Whether the content ends there, as a request for its last byte tells (no units where the address is at hand);
        None if that cannot be told. An answer may end too early by its own length (Q-020)."""
        return self._parts.ends_at(position)

    def close(self) -> None:
        self._part.answer.close()

    def _complete(self, position: int) -> bool:
        """The part has ended as it said: was it the last? (Spans of big files are not.)"""
        ends = [end for end in (self.total, self._parts.end) if end is not None]
        return not ends or position >= min(ends)


@contextmanager
def open_download(
    session: DownloadAsker,
    path: str,
    *,
    clock: Clock,
    observer: Observer,
    start: int = 0,
    end: int | None = None,
    etag: str | None = None,
    size: int | None = None,
    cost: Cost = Cost.DOWNLOAD,
    patience: float | None = None,
) -> Iterator[Download]:
    """See `GraphSession.download`."""
    span = SPAN_BYTES if size is not None and size >= BIG_BYTES else None
    parts = Parts(session, path, start, end, etag, span, cost, patience, size)
    first = parts.ask(start)
    try:
        if start:
            parts.check_same(first, None)
        parts.expected = first.total if first.total is not None else size
        download = Download(parts, first, clock, observer)
    except BaseException:
        first.answer.close()
        raise
    try:
        yield download
    finally:
        download.close()


def _inflate() -> "zlib._Decompress":
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # gzip or zlib, as its head says


def _failed(error: GraphError) -> DownloadFailedError:
    return DownloadFailedError(
        f"The download broke off {_DROPS} times in a row: {error}",
        code="download_failed",
        action="Run again later; what was done is kept.",
    )
