"""A session bound to one mailbox: whose limits count, which ids are wanted, and paths that begin at the mailbox.

Rules of this file: nothing here knows what mail is. Every request, links too, asks for immutable ids (Q-077) and counts with its
mailbox: four at once until their bodies are read, 10,000 in ten minutes (Q-043). The only POST is `exportItems`, which reads.

    mailbox = Mailbox(graph, user_id)
    for page in mailbox.delta(f"/mailFolders/{segment(folder)}/messages/delta", page_size=100): ...
    size = mailbox.content(f"/messages/{segment(message)}/$value", spool)

Source: reference graph.md 3, 4, 7.2; quirks Q-002, Q-043 to Q-045, Q-070, Q-077.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

from exporters.graph.answers import json_object
from exporters.graph.calls import Call, JsonObject, segment
from exporters.graph.contents import Receiver
from exporters.graph.delta import DeltaPage, ask_delta
from exporters.graph.limits import Cost
from exporters.graph.pages import ask_pages
from exporters.graph.session import GraphSession

IMMUTABLE_IDS = 'IdType="ImmutableId"'


class Mailbox:
    """The mailbox of a user or, with the route `groups`, of a group. owner: the id, not a name. Safe from many threads.

    limits: what the service's limits of this mailbox are kept under; by default the owner's id.
    """

    def __init__(self, graph: GraphSession, owner: str, *, route: str = "users", limits: str | None = None) -> None:
        self.owner, self.route, self._graph = owner, route, graph
        self.limits = limits or (f"group/{owner.lower()}" if route == "groups" else owner.lower())
        self._base = f"/{route}/{segment(owner)}"

    def get(
        self, path: str, *, params: Mapping[str, str] | None = None, prefer: Sequence[str] = (), beta: bool = False
    ) -> JsonObject:
        """One JSON object. path: from the mailbox on, as `/mailFolders/inbox` (ids by `calls.segment`), or a link of the
        service. prefer: further preferences. beta: of that version. Raises: GraphError, RunError."""
        return self._graph.exchange(self._call(path, params, prefer, beta=beta), json_object)

    def pages(
        self, path: str, *, params: Mapping[str, str] | None = None, prefer: Sequence[str] = ()
    ) -> Iterator[list[JsonObject]]:
        """The rows of a listing, page by page; pages may be empty (Q-005), rows come twice or not at all where something
        moves meanwhile (Q-010). Raises as `get`; PagingLoopError."""
        return ask_pages(self._graph, self._call(path, params, prefer))

    def delta(
        self,
        path_or_link: str,
        *,
        params: Mapping[str, str] | None = None,
        prefer: Sequence[str] = (),
        page_size: int | None = None,
    ) -> Iterator[DeltaPage]:
        """The pages of a round, from a path or a saved link; page_size: rows wanted of a page. Raises as `get`;
        ResyncRequiredError (Q-002)."""
        wanted = (*prefer, f"odata.maxpagesize={page_size}") if page_size is not None else prefer
        return ask_delta(self._graph, self._call(path_or_link, params, wanted))

    def content(self, path: str, sink: BinaryIO, *, kind: str | None = None, most: int | None = None) -> int:
        """The body of `…/$value` into `sink` (which can seek) from its present position on; its size in bytes.

        After an error the file is as it was. A message has it on the short path only, `/messages/{id}/$value` (Q-070).
        kind: content type as it was listed, of an attachment. most: bytes beyond which it is given up.
        Raises: GraphError (ItemGaveUpError, NotFoundError, ContentTooLargeError …), RunError.
        """
        call = self._call(path, None, (), headers={"Accept": "*/*"})
        receiver = Receiver(sink, call.path, kind=kind, most=most)
        try:
            size = self._graph.exchange(call, receiver.take)
        except BaseException:
            receiver.rewind()
            raise
        self._graph.observer.received(size)
        return size

    def _call(
        self,
        path: str,
        params: Mapping[str, str] | None,
        prefer: Sequence[str],
        *,
        beta: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Call:
        wanted = {**(headers or {}), "Prefer": ", ".join((IMMUTABLE_IDS, *prefer))}
        where = f"{'/beta' if beta else ''}{self._base}{path}" if path.startswith("/") or not path else path
        return self._graph.call(where, params=params, headers=wanted, cost=Cost.MAILBOX, mailbox=self.limits)
