"""Where the parts of one content come from: asked of Graph, followed to the download host, and begun again after a break.

Rules of this file: `/content` leads to a pre-authenticated address, which gets no token (Q-016), is used at once, never
kept, and asked for anew when it has expired (Q-014). Only https, only hosts the cloud owns. A part counts only if it begins
where it was asked to, and is joined to an earlier one only if the content is known to be the same.

Source: reference graph.md 5.2; quirks Q-014 to Q-019, Q-025, Q-033; design §10.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from exporters.errors import TransientError
from exporters.graph.answers import json_object
from exporters.graph.calls import Asker, Call, charged
from exporters.graph.clouds import Cloud
from exporters.graph.errors import (
    AccessDeniedError,
    ConnectionFailedError,
    ContentChangedError,
    ForeignHostError,
    GaveUpError,
    GraphError,
    ItemGaveUpError,
    MalformedAnswerError,
    NotFoundError,
    PermissionMissingError,
    ResyncRequiredError,
    UnauthorizedError,
)
from exporters.graph.headers import header
from exporters.graph.limits import Cost
from exporters.graph.ranges import RANGE_BYTES, read_ahead
from exporters.graph.retrying import HOST_TRIES
from exporters.graph.transport import Answer

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_FRESH_ADDRESSES = 3
_EXPIRED = (
    UnauthorizedError, AccessDeniedError, PermissionMissingError, NotFoundError, ResyncRequiredError,
    GaveUpError, ItemGaveUpError,
)  # fmt: skip


class RangeFailedError(GraphError, TransientError):
    """One of several ranges could not be had; what was given before it counts, and a new address is asked for."""


class DownloadAsker(Asker, Protocol):
    """A session, as downloads need it."""

    @property
    def cloud(self) -> Cloud: ...


@dataclass(frozen=True, slots=True)
class Part:
    """One answer: its body begins at byte `begin` of the content, and `length` bytes are told (None: not told)."""

    answer: Answer
    begin: int
    length: int | None
    total: int | None
    marks: tuple[str | None, str | None]  # ETag, Last-Modified


@dataclass(slots=True)
class Parts:
    """The parts of one content, one after another. address: where the newest came from, if not from Graph itself."""

    session: DownloadAsker
    path: str
    start: int
    end: int | None
    etag: str | None
    span: int | None
    cost: Cost
    patience: float | None
    expected: int | None  # length, as listed or as an earlier part told
    address: str | None = None

    def run_ahead(self, part: Part, position: int) -> Iterator[bytes]:
        """What follows `part` in its span, by several requests at once to its address; nothing where that cannot be done.

        Raises: RangeFailedError, after which `go_on` asks for a new address; ContentChangedError.
        """
        if self.span is None or self.address is None or part.answer.status != 206 or part.total is None:
            return
        if not any(part.marks):  # nothing would tell whether it is still the same content
            return
        end = min(e for e in (part.begin + self.span, part.total, self.end) if e is not None)
        address = self.address
        yield from read_ahead(lambda begin, to: self._range(address, begin, to, part), position, end)

    def _range(self, address: str, begin: int, end: int, like: Part) -> list[bytes]:
        try:
            call = self._call_to(address, begin, end)
            answer = self.session.exchange(call, _as_is, patience=self.patience)
            try:
                part = self._part(answer, begin)
                self.check_same(part, like)
                if answer.status == 206 and part.length == end - begin:
                    pieces = list(read_part(part, begin, end, 1 << 20))
                    if sum(map(len, pieces)) == end - begin:
                        return pieces
            finally:
                answer.close()
        except ContentChangedError:
            raise
        except (*_EXPIRED, MalformedAnswerError, ConnectionFailedError) as error:
            raise RangeFailedError(str(error), code=error.code, action=error.action) from error
        raise RangeFailedError("A range of the content is not the one asked for.", code="malformed")

    def ends_at(self, position: int) -> bool | None:
        """See `Download.ends_at`."""
        if position == 0:
            return None
        try:
            if self.address is None:  # served by Graph itself, which has no ranges
                answer = self._ask_graph(position - 1)
            else:
                call = self._call_to(self.address, position - 1)
                answer = self.session.exchange(call, _as_is, patience=self.patience)
        except GraphError:
            return None
        answer.close()
        told = re.fullmatch(r"bytes \d+-\d+/(\d+)", (header(answer.headers, "Content-Range") or "").strip())
        total = int(told[1]) if told is not None else _number(answer.headers, "Content-Length")
        if answer.status not in (200, 206) or (answer.status == 206 and told is None):
            return None
        return None if total is None else total == position

    def ask(self, position: int) -> Part:
        """A part that begins at or before `position`. Asks for a new address when one has expired."""
        for fresh in range(1, _FRESH_ADDRESSES + 1):
            answer = self._ask_graph(position)
            if answer.status not in _REDIRECTS:
                return self._part(answer, position)
            try:
                return self._part(self._follow(answer, position), position)
            except (*_EXPIRED, MalformedAnswerError) as error:
                if isinstance(error, UnauthorizedError) and fresh == _FRESH_ADDRESSES:
                    raise _denied(error) from error  # the host's word about one file, not about our sign-in
                if fresh == _FRESH_ADDRESSES or error.code == "throttled":
                    raise
        raise AssertionError("unreachable")

    def go_on(self, position: int, before: Part) -> Part:
        """The part after a break, of the same content. Raises: ContentChangedError."""
        part = self.ask(position)
        try:
            if position > self.start:
                self.check_same(part, before)
        except BaseException:
            part.answer.close()
            raise
        return part

    def check_same(self, part: Part, before: Part | None) -> None:
        """before: an earlier part, or None if the caller has earlier bytes of the item with `etag`."""
        if before is not None:
            if None not in (part.total, before.total) and part.total != before.total:
                raise _changed()
            told = [(new, old) for new, old in zip(part.marks, before.marks, strict=True) if new and old]
            if told:
                if any(new != old for new, old in told[:1]):
                    raise _changed()
                return
        elif self.etag is not None and _plain(part.marks[0]) == _plain(self.etag):
            return
        if self.etag is not None and self.path.endswith("/content") and "/versions/" not in self.path:
            call = self.session.call(
                self.path.removesuffix("/content"), params={"$select": "id,eTag"}, cost=Cost.SINGLE
            )
            if _plain(self.session.exchange(call, json_object).get("eTag")) != _plain(self.etag):
                raise _changed()
            return
        if "/versions/" not in self.path:  # an earlier version never changes
            raise _changed("nothing tells whether the content is still the same")

    def _headers(self, position: int, end: int | None = None) -> dict[str, str]:
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        piece = None if self.span is None else position + min(self.span, RANGE_BYTES)
        ends = [e for e in (self.end, piece, end) if e is not None]
        if position or ends:
            headers["Range"] = f"bytes={position}-{min(ends) - 1 if ends else ''}"
        return headers

    def _ask_graph(self, position: int) -> Answer:
        call = self.session.call(self.path, headers=self._headers(position), cost=self.cost)
        call = replace(call, accept=_REDIRECTS | {416})
        return self.session.exchange(call, _as_is, patience=self.patience)

    def _follow(self, answer: Answer, position: int) -> Answer:
        for _ in range(_MOST_REDIRECTS):
            if answer.status not in _REDIRECTS:
                return answer
            url = _location(answer)
            answer.body()  # read to its end, so that the connection is kept
            if not self.session.cloud.owns_download(url):
                raise ForeignHostError(
                    "The service sent a download to a host that the cloud does not own, or not by https.",
                    code="foreign_link",
                    action="Nothing was sent there. If the host is right, add it to tenant.download_hosts.",
                )
            self.address = url
            answer = self.session.exchange(self._call_to(url, position), _as_is, patience=self.patience)
        answer.close()
        raise MalformedAnswerError("A download was redirected too often.", code="malformed")

    def _call_to(self, url: str, position: int, end: int | None = None) -> Call:
        return Call(
            url,
            self.path,
            Cost.PREAUTHENTICATED,
            charged(Cost.PREAUTHENTICATED, None),
            headers=self._headers(position, end),
            bearer=self.session.cloud.owns_graph(url),
            accept=_REDIRECTS | {416},
            tries=HOST_TRIES,
        )

    def _part(self, answer: Answer, position: int) -> Part:
        """Raises: MalformedAnswerError for a part that does not begin where it was asked to (Q-018)."""
        marks = (header(answer.headers, "ETag"), header(answer.headers, "Last-Modified"))
        length = _number(answer.headers, "Content-Length")
        if answer.status == 416:  # at the end already, or nothing there at all
            told = re.fullmatch(r"bytes \*/(\d+)", (header(answer.headers, "Content-Range") or "").strip())
            answer.close()
            total = int(told[1]) if told is not None else self.expected
            if total is not None and position > total:
                raise _changed("it is shorter than what was received of it")
            if total is None or position < total:
                raise MalformedAnswerError("The service refused a range of the content.", code="malformed", status=416)
            return Part(answer, position, 0, position, marks)
        if answer.status == 206:
            told = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", (header(answer.headers, "Content-Range") or "").strip())
            if told is None or int(told[1]) != position or int(told[2]) < position:
                answer.close()
                raise MalformedAnswerError(
                    "A part of the content is not the one asked for.", code="malformed", status=206
                )
            total = None if told[3] == "*" else int(told[3])
            return Part(answer, position, int(told[2]) - position + 1, total, marks)
        total = 0 if answer.status == 204 else length
        if total is not None and total < position:
            answer.close()
            raise _changed("it is shorter than what was received of it")
        return Part(answer, 0, total, total, marks)


def _as_is(answer: Answer) -> Answer:
    return answer


def read_part(part: Part, position: int, end: int | None, size: int) -> Iterator[bytes]:
    """The bytes of a part from `position` on, not beyond `end`. Raises: ConnectionFailedError for a short body."""
    if part.length == 0:
        return
    at = part.begin
    for chunk in part.answer.chunks(size):
        fresh = chunk[max(0, position - at) :] if at < position else chunk
        at += len(chunk)
        if end is not None and at > end:
            fresh = fresh[: max(0, len(fresh) - (at - end))]
        if fresh:
            yield fresh
        if end is not None and at >= end:
            return
    if part.length is not None and at - part.begin < part.length:
        raise ConnectionFailedError("The content ended early (Q-020).", code="connection_failed")


def _location(answer: Answer) -> str:
    value = header(answer.headers, "Location") or ""
    if value.startswith("/"):
        origin = re.match(r"https://[^/?#]+", answer.url)
        return (origin[0] if origin else "") + value
    return value.encode("latin-1", "replace").decode("utf-8", "replace")


def _number(headers: Mapping[str, str], name: str) -> int | None:
    value = (header(headers, name) or "").strip()
    return int(value) if value.isdecimal() else None


def _plain(etag: object) -> str | None:
    return re.sub(r'^W/|["{}]', "", etag).lower() if isinstance(etag, str) else None


def _changed(why: str = "") -> ContentChangedError:
    return ContentChangedError(
        "The content changed while it was read" + (f": {why}." if why else "."),
        code="content_changed",
        action="It is read again from its beginning.",
    )


def _denied(error: GraphError) -> AccessDeniedError:
    return AccessDeniedError(
        "The download host refuses the content, also at a new address.",
        code="access_denied",
        action="Check who may read this item; items with a retention label may need more permission.",
        status=error.status,
        request_id=error.request_id,
    )
