"""One round of listing a list, written into the ledger as it comes.

Rules of this file: no filter and no sort (Q-061); the cursor is written when every row of the round is listed, and with it
what a listing from the start does not have any more; a full listing that was cut off begins again, at the price of its pages;
what it lacks is held against a listing of ids before it counts as deleted; a list without delta is listed whole each time
(Q-007). Source: design §4 (the ledger, Whole), graph.md §5.4, quirks Q-001, Q-003, Q-005, Q-007, Q-061.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from exporters.bag.formats import JsonObject
from exporters.bag.ledger import BagWriter
from exporters.errors import SourceError
from exporters.graph.answers import identifier_of
from exporters.graph.asking import was_too_much
from exporters.graph.calls import segment
from exporters.graph.delta import with_params
from exporters.graph.errors import (
    ForeignLinkError,
    GaveUpError,
    GraphError,
    RefusedError,
    ResyncRequiredError,
    StoppedError,
    UnsupportedError,
)
from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession
from exporters.sharepoint.lists.facts import KIND, cursor_scope, facts_of_item, is_deleted, is_news

PAGE_SIZES = (5_000, 1_000, 200)
"""Rows of a page: the most that the service gives, and fewer where that is too much for it."""
RESTARTS = 1
DELTA, WALKED, GONE = "delta", "walk", "gone"
"""Kinds of the cursor of a list: it has a link; it has no delta; the list was deleted."""
_EXPAND = {"$expand": "fields"}
_BATCH = 500


class Listing:
    """Listing rounds of one list. problems: codes of what leaves no trace in rows, so that it must be said of the whole."""

    def __init__(
        self, graph: GraphSession, writer: BagWriter, site_id: str, list_id: str, stop: threading.Event
    ) -> None:
        self._graph, self._writer, self._stop = graph, writer, stop
        self._list = list_id
        self._base = f"/sites/{segment(site_id)}/lists/{segment(list_id)}/items"
        self._size = 0
        self._full = False
        self.problems: set[str] = set()

    def run(self, *, anew: bool = False) -> bool:
        """List to the end of a round; whether it brought any news. anew: from the start, whatever link we have.

        Raises: SourceError if the service asks for a new start again and again; GraphError; StoppedError.
        """
        link, start, restarts = None if anew else self._link(), f"{self._base}/delta", 0
        if link is None and self._cursor.get("kind") == WALKED:
            return self._walk()
        while True:
            try:
                return self._round(link, start)
            except ResyncRequiredError as error:
                restarts += 1
                if restarts > RESTARTS:
                    raise _resync_loop() from error
                link, start = None, error.location or f"{self._base}/delta"
            except ForeignLinkError:
                if link is None:
                    raise
                link = None  # it was made at another address, which the configuration named then
            except (UnsupportedError, RefusedError, GaveUpError) as error:
                if link is not None and _says_no_delta(error):
                    link = None  # it may be the link alone: a round from the start will tell
                elif _says_no_delta(error):
                    return self._walk()
                elif link is None and self._may_ask_for_less(error):
                    self._size += 1
                else:
                    raise

    def count(self) -> int:
        """How many items the service has, by a listing of their ids alone, which stay in the temporary table `counted`."""
        self._empty("counted")
        for page in self._pages({"$select": "id"}):
            ids = [(item_id,) for row in page if (item_id := identifier_of(row.get("id"))) is not None]
            self._writer.state.db.executemany("INSERT OR IGNORE INTO counted VALUES (?)", ids)
            self._look_for_a_stop()
        return self._writer.state.count("SELECT count(*) FROM counted")

    # -- rounds -----------------------------------------------------------------------------------------------------

    @property
    def _cursor(self) -> JsonObject:
        return self._writer.heads.cursors.get(cursor_scope(self._list), {})

    def _link(self) -> str | None:
        link = self._cursor.get("link") if self._cursor.get("kind") == DELTA else None
        return str(link) if link else None

    def _round(self, link: str | None, start: str) -> bool:
        """link: to go on from; None: from `start`, a path or an address of the service."""
        self._begin(full=link is None)
        if link is not None:
            pages = self._graph.delta(link)
        elif start.startswith("https://"):
            pages = self._graph.delta(with_params(start, self._params), cost=Cost.DELTA_FROM_SCRATCH)
        else:
            pages = self._graph.delta(start, params=self._params, cost=Cost.DELTA_FROM_SCRATCH)
        news, delta_link = False, ""
        for page in pages:
            news = self._take(page.rows) or news
            self._look_for_a_stop()
            delta_link = page.delta_link or ""
        news = self._leave_out() or news
        self._keep(DELTA, delta_link)
        return news

    def _walk(self) -> bool:
        """All items, since the service tells no changes of this list."""
        self._begin(full=True)
        news = False
        for page in self._pages(_EXPAND):
            news = self._take(page) or news
            self._look_for_a_stop()
        news = self._leave_out() or news
        self._keep(WALKED, "")
        return news

    @property
    def _params(self) -> dict[str, str]:
        return {**_EXPAND, "$top": str(PAGE_SIZES[self._size])}

    def _pages(self, params: Mapping[str, str]) -> Iterator[list[JsonObject]]:
        """All items, page by page; from the start again, with smaller pages, where one was too much for the service."""
        while True:
            try:
                yield from self._graph.pages(
                    self._base, params={**params, "$top": str(PAGE_SIZES[self._size])}, cost=Cost.LISTING
                )
            except GaveUpError as error:
                if not self._may_ask_for_less(error):
                    raise
                self._size += 1
            else:
                return

    def _may_ask_for_less(self, error: GraphError) -> bool:
        return isinstance(error, GaveUpError) and was_too_much(error) and self._size + 1 < len(PAGE_SIZES)

    def _begin(self, *, full: bool) -> None:
        self._full = full
        if full:
            self._empty("listed_now")

    def _empty(self, table: str) -> None:
        self._writer.state.db.execute(f"CREATE TEMP TABLE IF NOT EXISTS {table} (id TEXT PRIMARY KEY) WITHOUT ROWID")
        self._writer.state.db.execute(f"DELETE FROM {table}")  # noqa: S608 - a name of ours

    def _take(self, served: Iterable[Mapping[str, Any]]) -> bool:
        """A page of rows; whether it brought news. The last row of an id counts (Q-003)."""
        rows: dict[str, Mapping[str, Any]] = {}
        for row in served:
            item_id = identifier_of(row.get("id"))
            if item_id is None:
                self.problems.add("item_without_id")
            else:
                rows[item_id] = row
        if not rows:
            return False
        state = self._writer.state
        known = state.known(self._list, list(rows))
        news = []
        for item_id, row in rows.items():
            owed, held = known[item_id]
            facts = _with_last_name(facts_of_item(row, item_id, self._list), owed or held or {})
            if is_news(facts, owed, held):
                news.append(facts)
        if self._full:
            there = [(item_id,) for item_id, row in rows.items() if not is_deleted(row)]
            state.db.executemany("INSERT OR IGNORE INTO listed_now VALUES (?)", there)
            gone = [(item_id,) for item_id, row in rows.items() if is_deleted(row)]
            state.db.executemany("DELETE FROM listed_now WHERE id = ?", gone)
        self._writer.emit_all(("listed", facts) for facts in news)
        return bool(news)

    def _leave_out(self) -> bool:
        """What a full listing does not have any more is listed as deleted; whether there was any."""
        if not self._full:
            return False
        state = self._writer.state
        lacking = "tree.scope = ? AND tree.alive = 1 AND tree.kind = ? AND tree.id NOT IN (SELECT id FROM listed_now)"
        if not state.count(f"SELECT EXISTS (SELECT 1 FROM tree WHERE {lacking})", (self._list, KIND)):  # noqa: S608
            return False
        self.count()  # a listing from the start may be less than whole, and nobody says so
        query = f"SELECT tree.id, tree.parent, tree.name, tree.id IN (SELECT id FROM counted) FROM tree WHERE {lacking}"  # noqa: S608
        news, after = False, ""
        while found := state.db.execute(
            f"{query} AND tree.id > ? ORDER BY tree.id LIMIT ?", (self._list, KIND, after, _BATCH)
        ).fetchall():
            after = found[-1][0]
            gone = []
            for item_id, parent, name, is_there in found:
                if is_there:
                    self.problems.add("listing_incomplete")
                    continue
                text = name.decode("utf-8", "surrogatepass")
                gone.append(
                    {"deleted": True, "kind": KIND, "scope": self._list, "id": item_id, "parent": parent, "name": text}
                )
            self._writer.emit_all(("listed", facts) for facts in gone)
            news = news or bool(gone)
        return news

    def _keep(self, kind: str, link: str) -> None:
        """Write down where the next round begins; what else stands in the cursor stays."""
        scope, cursor = cursor_scope(self._list), {**self._cursor, "kind": kind, "link": link}
        cursor.setdefault("settings", {})
        row = ("cursor", {**cursor, "scope": scope})
        if self._full and self._writer.heads.round is None:  # so that whoever verifies knows that it was listed whole
            begun = {"scope": scope, "state": "begun", "full": True}
            ended = {"scope": scope, "state": "ended", "full": True, "link": link}
            self._writer.emit_together([("round", begun), ("round", ended), row])
        elif cursor != self._cursor:
            self._writer.emit(*row)

    def _look_for_a_stop(self) -> None:
        if self._stop.is_set():
            raise StoppedError(
                "The run was asked to stop while a list was listed.", code="stopped", action="Run again to go on."
            )


def _with_last_name(facts: JsonObject, known: Mapping[str, Any]) -> JsonObject:
    """A deleted item comes without its name: it gets the one that we know, for the row that will say what became of it."""
    if not facts.get("deleted"):
        return facts
    return {**{name: known[name] for name in ("kind", "name", "parent") if name in known}, **facts}


def _says_no_delta(error: GraphError) -> bool:
    """Whether the service says that it does not do this here, or calls the request wrong each time that it is asked."""
    return isinstance(error, UnsupportedError) or error.status in (400, 405)


def _resync_loop() -> SourceError:
    return SourceError(
        "the service asks again and again to list this list from the start",
        code="resync_loop",
        action="Run the export again later; if it recurs, open a support case with Microsoft.",
    )
