"""A session bound to one mailbox: whose limits count, which ids are wanted, and paths that begin at the mailbox.

Rules of this file: nothing here knows what mail is. Every request, links too, asks for immutable ids (Q-077) and counts with its
mailbox: four at once until their bodies are read, 10,000 in ten minutes (Q-043). The only POST is `exportItems`, which reads.

    mailbox = Mailbox(graph, user_id)
    for page in mailbox.delta(f"/mailFolders/{segment(folder)}/messages/delta", page_size=100): ...
    size = mailbox.content(f"/messages/{segment(message)}/$value", spool)

Source: reference graph.md 3, 4, 7.2; quirks Q-002, Q-043 to Q-045, Q-070, Q-077.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import BinaryIO, cast

import orjson

from exporters.graph.answers import json_object
from exporters.graph.asking import LEAST_ROWS, MailboxAsker, was_too_much
from exporters.graph.calls import Call, JsonObject, segment
from exporters.graph.contents import Receiver
from exporters.graph.delta import DeltaPage, ask_delta
from exporters.graph.errors import ForeignLinkError, GaveUpError, GraphError, is_retryable
from exporters.graph.exported import ITEM_PATH, MOST_ITEMS, ExportAnswer, ExportedItem, Found, omitted, slice_of
from exporters.graph.limits import Cost
from exporters.graph.meanings import gave_up
from exporters.graph.pages import ask_pages
from exporters.graph.session import GraphSession
from exporters.graph.transport import Answer

IMMUTABLE_IDS = 'IdType="ImmutableId"'
EXPORT_API = "admin/exchange/mailboxes"
_SPOOLED_BYTES = 8 << 20
_MOST_MOVES = 50  # an item lies in one auxiliary archive; twenty items in as many


class Mailbox:
    """The mailbox of a user or, with the route `groups`, of a group. owner: the id, not a name. Safe from many threads.

    limits: what the service's limits of this mailbox are kept under; by default the owner's id.
    """

    def __init__(self, graph: GraphSession, owner: str, *, route: str = "users", limits: str | None = None) -> None:
        self.owner, self.route, self._graph = owner, route, graph
        self.limits = limits or (f"group/{owner.lower()}" if route == "groups" else owner.lower())
        self._base = f"/{route}/{segment(owner)}"
        self._moved: dict[str, str] = {}

    def get(
        self, path: str, *, params: Mapping[str, str] | None = None, prefer: Sequence[str] = (), beta: bool = False
    ) -> JsonObject:
        """One JSON object. path: from the mailbox on, as `/mailFolders/inbox` (ids by `calls.segment`), or a link of the
        service. prefer: further preferences. beta: of that version. Raises: GraphError, RunError."""
        asker = self._asker()
        return asker.exchange(self._call(asker, path, params, prefer, beta=beta), json_object)

    def pages(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        prefer: Sequence[str] = (),
        page_size: int | None = None,
    ) -> Iterator[list[JsonObject]]:
        """The rows of a listing, page by page; pages may be empty (Q-005), rows come twice or not at all where something
        moves meanwhile (Q-010). page_size: `$top`; if a page is too much for the service, the listing begins again, rows
        that came before included, with smaller ones. Raises as `get`; PagingLoopError."""
        size = page_size
        while True:
            asker = self._asker()
            given = params if size is None else {**(params or {}), "$top": str(size)}
            try:
                yield from ask_pages(asker, self._call(asker, path, given, prefer))
                return
            except GaveUpError as error:
                if size is None or size <= LEAST_ROWS or not was_too_much(error):
                    raise
                size = max(LEAST_ROWS, size // 4)

    def delta(
        self,
        path_or_link: str,
        *,
        params: Mapping[str, str] | None = None,
        prefer: Sequence[str] = (),
        page_size: int | None = None,
    ) -> Iterator[DeltaPage]:
        """The pages of a round, from a path or a saved link. page_size: rows wanted of a page; of one that is too much for the
        service fewer are asked for. Raises as `get`; ResyncRequiredError (Q-002)."""
        asker = self._asker()
        wanted = (*prefer, f"odata.maxpagesize={page_size}") if page_size is not None else prefer
        return ask_delta(asker, self._call(asker, path_or_link, params, wanted))

    def content(self, path: str, sink: BinaryIO, *, kind: str | None = None, most: int | None = None) -> int:
        """The body of `…/$value` into `sink` (which can seek) from its present position on; its size in bytes.

        After an error the file is as it was. A message has it on the short path only, `/messages/{id}/$value` (Q-070).
        kind: content type as it was listed, of an attachment. most: bytes beyond which it is given up.
        Raises: GraphError (MimeRefusedError, ItemGaveUpError, NotFoundError, ContentTooLargeError …), RunError.
        """
        asker = self._asker()
        call = self._call(asker, path, None, (), headers={"Accept": "*/*"})
        receiver = Receiver(sink, call.path, kind=kind, most=most)
        try:
            size = asker.exchange(call, receiver.take)
        except BaseException:
            receiver.rewind()
            raise
        self._graph.observer.received(size)
        return size

    # -- the export API ---------------------------------------------------------------------------------------------

    def exports(self, mailbox_id: str, *, is_archive: bool = False) -> "Mailbox":
        """The same mailbox, or its archive, as the export API has it: paths begin with `/folders`. mailbox_id: `MBX:…`.

        Redirects to an auxiliary archive are followed (`mailbox_of` tells). The primary mailbox has one limit for both ways.
        """
        limits = mailbox_id.lower() if is_archive else self.limits
        return Mailbox(self._graph, mailbox_id, route=EXPORT_API, limits=limits)

    def mailbox_of(self, folder_id: str) -> str:
        """Of the export API: id of the mailbox in which a folder was found to lie; the own one where nothing else is known."""
        return self._moved.get(segment(folder_id), self.owner)

    def export_items(self, mailbox_id: str, ids: Sequence[str], *, is_archive: bool = False) -> Iterator[ExportedItem]:
        """Up to 20 items of one mailbox of the export API, each id once, in no order; those left out without a word at the end.

        An item asked for alone is tried again where that may help. Raises: GraphError for the request as a whole, RunError.
        """
        if not 1 <= len(ids) <= MOST_ITEMS or len(set(ids)) != len(ids):
            raise ValueError(f"1 to {MOST_ITEMS} different ids were expected")
        if self.route != EXPORT_API:
            yield from self.exports(mailbox_id, is_archive=is_archive).export_items(mailbox_id, ids)
            return
        there: dict[str, list[str]] = {f"/{EXPORT_API}/{segment(mailbox_id)}/exportItems": list(ids)}
        asked: set[str] = set()
        with tempfile.SpooledTemporaryFile(_SPOOLED_BYTES) as spool:
            while there:
                address, wanted = there.popitem()
                asked.add(address)
                found = self._ask_export(address, wanted, cast(BinaryIO, spool))
                for one in found.values():
                    further = one.moved_to
                    if (
                        further is not None
                        and further not in asked
                        and len(asked) < _MOST_MOVES
                        and self._may_ask(further)
                    ):
                        there.setdefault(further, []).append(one.item_id)
                    elif one.error is not None:
                        yield ExportedItem(one.item_id, one.change_key, error=one.error)
                    else:
                        yield ExportedItem(one.item_id, one.change_key, slice_of(cast(BinaryIO, spool), one), one.size)
                    self._graph.observer.received(one.size)
                yield from omitted(wanted, found)

    def _ask_export(self, address: str, ids: list[str], spool: BinaryIO) -> dict[str, Found]:
        asker = self._asker()
        call = self._call(asker, address, None, (), headers={"Content-Type": "application/json"}, is_whole=True)
        call = replace(call, method="POST", body=orjson.dumps({"itemIds": ids}))
        receiver = ExportAnswer(ids, spool)
        alone: list[GraphError] = []

        def take(answer: Answer) -> dict[str, Found]:
            del alone[:]
            found = receiver.take(answer)
            if len(ids) == 1 and ids[0] in found and (error := found[ids[0]].error) is not None and is_retryable(error):
                alone.append(error)
                raise error
            return found

        try:
            return asker.exchange(call, take)
        except GaveUpError:
            if not alone:
                raise
            return {ids[0]: Found(ids[0], error=gave_up(alone[0], ITEM_PATH))}

    def _may_ask(self, address: str) -> bool:
        """Whether an address that an item is said to lie at is one of Graph's for this purpose."""
        if not address.startswith("https://") or not address.partition("?")[0].lower().endswith("/exportitems"):
            return False
        try:
            self._graph.call(address, cost=Cost.MAILBOX, mailbox=self.limits)
        except ForeignLinkError:
            return False
        return True

    # -- inside -----------------------------------------------------------------------------------------------------

    def _asker(self) -> MailboxAsker:
        home = self.owner if self.route == EXPORT_API else None
        return MailboxAsker(self._graph, self.limits, home, self._moved)

    def _call(
        self,
        asker: MailboxAsker,
        path: str,
        params: Mapping[str, str] | None,
        prefer: Sequence[str],
        *,
        beta: bool = False,
        headers: Mapping[str, str] | None = None,
        is_whole: bool = False,
    ) -> Call:
        """is_whole: the path stands on its own."""
        wanted = {**(headers or {}), "Prefer": ", ".join((IMMUTABLE_IDS, *prefer))}
        where = path
        if not is_whole and (path.startswith("/") or not path):
            where = f"{'/beta' if beta else ''}{self._base_of(path)}{path}"
        return asker.call(where, params=params, headers=wanted, cost=Cost.MAILBOX)

    def _base_of(self, path: str) -> str:
        """Where a path begins: at the mailbox in which its folder is known to lie."""
        parts = path.split("/", 3)
        moved = self._moved.get(parts[2]) if len(parts) > 2 and parts[1] == "folders" else None
        return self._base if moved is None else f"/{self.route}/{segment(moved)}"
