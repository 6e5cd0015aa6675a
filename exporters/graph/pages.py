"""Listings: follow the links of the service, as they are, to their end.

Rules of this file: links are never rebuilt (Q-011) and take the headers of the first request; an empty page is not the
end (Q-005); a page without its rows is an error and never an empty page; a link that comes twice is a loop.
Source: reference graph.md 11.3; quirks Q-005, Q-010, Q-011.
"""

import hashlib
from collections.abc import Iterator

from exporters.graph.answers import rows_of
from exporters.graph.calls import Asker, Call, JsonObject
from exporters.graph.errors import PagingLoopError

_MOST_PAGES = 10_000_000
_MOST_EMPTY_PAGES = 2_000  # one after the other; the service sends some where much was deleted


class LinkTrail:
    """Remembers the links of one listing (16 bytes each) so that a loop is noticed."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._empty = 0

    def took(self, rows: int) -> None:
        """A page with so many rows came. Raises: PagingLoopError if nothing has come for too many pages."""
        self._empty = 0 if rows else self._empty + 1
        if self._empty > _MOST_EMPTY_PAGES:
            raise PagingLoopError(
                "The service's listing goes on and on with empty pages.",
                code="paging_loop",
                action="Run again; if it stays, report it: the listing cannot be shown to be whole.",
            )

    def step(self, link: str) -> None:
        """Raises: PagingLoopError."""
        mark = hashlib.blake2b(link.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if mark in self._seen or len(self._seen) >= _MOST_PAGES:
            raise PagingLoopError(
                "The service's listing leads back to a page that was read already.",
                code="paging_loop",
                action="Run again; if it stays, report it: the listing cannot be shown to be whole.",
            )
        self._seen.add(mark)


def ask_pages(session: Asker, first: Call) -> Iterator[list[JsonObject]]:
    """The rows of each page. Raises: GraphError."""
    trail = LinkTrail()
    call = first
    while True:
        trail.step(call.url)
        page = session.exchange(call, rows_of)
        trail.took(len(page.rows))
        yield page.rows
        if page.next_link is None:
            return
        call = session.call(page.next_link, headers=first.headers, cost=first.cost, mailbox=first.mailbox)
