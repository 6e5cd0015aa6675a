"""What stands between a mailbox and the session: redirects are followed, pages that are too much are asked for smaller.

Rules of this file: every request counts with the mailbox that it reaches; a redirect is followed with the token on the Graph host
alone, and a few times; a link stays byte for byte (Q-011), only the size that `Prefer` wants of its page changes.

Source: reference graph.md 3.3 (damaged answer), 4.4, 11.1 (504); quirks Q-011, Q-043.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar
from urllib.parse import unquote

from exporters.graph.calls import Call
from exporters.graph.errors import GaveUpError, MalformedAnswerError, NoAnswerError, ThrottledError
from exporters.graph.headers import header
from exporters.graph.limits import Cost, Scope
from exporters.graph.meanings import gave_up
from exporters.graph.retrying import API_TRIES
from exporters.graph.session import GraphSession
from exporters.graph.transport import Answer

T = TypeVar("T")
LEAST_ROWS = 10
_FEW_TRIES = replace(API_TRIES, trouble=2, malformed=2, silence=1)
_REDIRECTS = frozenset({307, 308})
_MOST_REDIRECTS = 5
_MAILBOX = re.compile(r"/mailboxes/([^/?#]+)(?:/folders/([^/?#]+))?", re.IGNORECASE)
_PAGE_SIZE = re.compile(r"\bodata\.maxpagesize=(\d+)", re.IGNORECASE)


class MailboxAsker:
    """One listing, or one request, of a mailbox: an `Asker`. limits: of the mailbox that `home` names (None: of any).

    moved: where folders of the export API are found to lie (folder id as it stands in paths → mailbox id), to be shared.
    """

    def __init__(self, graph: GraphSession, limits: str, home: str | None, moved: dict[str, str]) -> None:
        self._graph, self._limits, self._home, self._moved = graph, limits, home, moved
        self._rows: int | None = None

    def call(
        self,
        path_or_link: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        cost: Cost,
        mailbox: str | None = None,
    ) -> Call:
        """See `Asker.call`; whose limits count is told by the address."""
        call = self._graph.call(path_or_link, params=params, headers=headers, cost=cost, mailbox=self._limits)
        return replace(call, mailbox=self._limits_of(call.path))

    def exchange(self, call: Call, read: Callable[[Answer], T], *, patience: float | None = None) -> T:
        """See `Asker.exchange`."""
        while True:
            sized = self._sized(call)
            try:
                return self._follow(sized, read, patience)
            except GaveUpError as error:
                rows = _rows_of(sized)
                if rows is None or rows <= LEAST_ROWS or not was_too_much(error):
                    raise
                self._rows = max(LEAST_ROWS, rows // 4)

    def refused(self, scope: Scope, errors: Sequence[ThrottledError], mailbox: str | None) -> None:
        """See `Asker.refused`."""
        self._graph.refused(scope, errors, mailbox)

    def _follow(self, call: Call, read: Callable[[Answer], T], patience: float | None) -> T:
        moved: list[str] = []

        def look(answer: Answer) -> T | None:
            del moved[:]
            if answer.status not in _REDIRECTS:
                return read(answer)
            answer.body()
            moved.append(header(answer.headers, "Location") or "")
            return None

        for _ in range(_MOST_REDIRECTS):
            found = self._graph.exchange(replace(call, accept=call.accept | _REDIRECTS), look, patience=patience)
            if not moved:
                return found  # type: ignore[return-value]
            call = self._redirected(call, moved[0])
        endless = MalformedAnswerError(
            "The service sends a request from mailbox to mailbox without end.", code="malformed"
        )
        raise gave_up(endless, call.path)

    def _redirected(self, call: Call, location: str) -> Call:
        link = f"{self._graph.cloud.graph}{location}" if location.startswith("/") else location
        there = self._graph.call(link, cost=call.cost)  # raises ForeignLinkError
        before, after = _MAILBOX.search(call.path), _MAILBOX.search(there.path)
        if before is not None and before[2] is not None and after is not None and before[2] not in (None, "delta"):
            self._moved[before[2]] = unquote(after[1])
        return replace(call, url=there.url, path=there.path, mailbox=self._limits_of(there.path))

    def _limits_of(self, path: str) -> str:
        found = _MAILBOX.search(path) if self._home is not None else None
        if found is None or self._home is None or unquote(found[1]).lower() == self._home.lower():
            return self._limits
        return unquote(found[1]).lower()

    def _sized(self, call: Call) -> Call:
        rows = _rows_of(call)
        if rows is None:
            return call
        if self._rows is not None and self._rows < rows:
            rows = self._rows
            wanted = _PAGE_SIZE.sub(f"odata.maxpagesize={rows}", call.headers["Prefer"])
            call = replace(call, headers={**call.headers, "Prefer": wanted})
        return call if rows <= LEAST_ROWS else replace(call, tries=_FEW_TRIES)


def was_too_much(error: GaveUpError) -> bool:
    """Whether a smaller page may succeed where this one did not: it took too long, or came cut."""
    return error.status == 504 or isinstance(error.__cause__, MalformedAnswerError | NoAnswerError)


def _rows_of(call: Call) -> int | None:
    """The size of a page that a request asks for by `Prefer`."""
    found = _PAGE_SIZE.search(call.headers.get("Prefer", ""))
    return int(found[1]) if found is not None else None
