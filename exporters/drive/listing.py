"""One round of a drive's delta, written into the ledger as it comes.

Rules of this file: a cursor is written when every row of its page is listed; names and paths are nobody's business here; a
round that brings nothing new reads nothing but the head; a row that is odd is asked for by itself, and never stops the others; a
drive without delta is walked. Source: design §4 (the ledger), graph.md §5.2, quirks Q-001 to Q-011.
"""

import threading
from collections.abc import Mapping
from typing import Any

from exporters.bag.formats import JsonObject
from exporters.bag.ledger import BagWriter
from exporters.drive.facts import SELECT, facts_of, has_wrong_type, is_incomplete, same_facts
from exporters.drive.walk import WALKED, walk
from exporters.errors import ItemError, SourceError, TransientError
from exporters.graph.answers import identifier_of
from exporters.graph.calls import segment
from exporters.graph.delta import with_params
from exporters.graph.errors import (
    GaveUpError,
    GraphError,
    RefusedError,
    ResyncRequiredError,
    StoppedError,
    UnsupportedError,
)
from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession

RESTARTS = 1
DROPPED = "dropped"
"""Kind of the cursor of a round that was given up: the next one begins at its start."""
PARAMS = {"$select": SELECT}
LISTING_SETTINGS = {"select": SELECT}
PARTS = 500
READ_AGAIN = 200
"""Odd rows of a round that are asked for once more by themselves (1 unit each)."""


class Listing:
    """Listing rounds of one drive. `settings`: those that the copy fulfils, kept with each cursor (Q-009)."""

    def __init__(
        self,
        graph: GraphSession,
        writer: BagWriter,
        drive_id: str,
        settings: Mapping[str, Any],
        *,
        stop: threading.Event,
        anew: bool = False,
    ) -> None:
        """anew: list everything, whatever link we have (our rows and the service's counts do not agree)."""
        self._stop, self._anew = stop, anew
        self._graph, self._writer, self._drive = graph, writer, drive_id
        self._settings = {**LISTING_SETTINGS, **settings}
        self._begun = False
        self._full = False
        self._read_again = 0
        self.problems: set[str] = set()
        """Codes of what was listed and leaves no trace in rows, so that it must be said of the whole."""

    def run(self) -> bool:
        """List to the end of a round; whether it brought any news. The round is not ended yet: removals come first.

        Raises: SourceError if the service asks for a new start again and again; GraphError; StoppedError: a million items have
        thousands of pages, and the next run goes on after the one that was the last.
        """
        for restart in range(RESTARTS + 1):
            link, params, self._full, resuming = self._where_to_begin()
            self._begun = resuming
            if self._full and not resuming:
                self._begin_round()
            try:
                return self._list(link, params) | self._whole()
            except ResyncRequiredError as error:
                self._restart(error.location if restart < RESTARTS else None)
            except (UnsupportedError, RefusedError, GaveUpError) as error:
                if not _says_no_delta(error):
                    raise
                if params is not None or isinstance(error, UnsupportedError):
                    return self._walk() | self._whole()
                self._restart(None)  # the link is dead, though nobody says so: a round from the start will tell
        raise SourceError(
            "the service asks again and again to list this drive from the start",
            code="resync_loop",
            action="Run the export again later; if it recurs, open a support case with Microsoft.",
        )

    @property
    def was_full(self) -> bool:
        """Whether the round listed everything."""
        return self._full

    def _where_to_begin(self) -> tuple[str, dict[str, str] | None, bool, bool]:
        """(path or link, parameters, full round, goes on with an unfinished round)."""
        start = f"/drives/{segment(self._drive)}/root/delta"
        heads = self._writer.heads
        cursor = heads.cursors.get(self._drive)
        settings = {} if cursor is None else cursor.get("settings", {})
        anew, self._anew = (self._anew or bool(settings.get("odd"))) and heads.round is None, False
        if anew or cursor is None or settings.get("select") != SELECT or cursor["kind"] == WALKED:
            return start, PARAMS, True, False
        unfinished = heads.round is not None
        return cursor["link"], None, unfinished, unfinished or cursor["kind"] == "next"

    def _begin_round(self) -> None:
        self._writer.emit("round", {"scope": self._drive, "state": "begun", "full": self._full})
        self._begun = True

    def _restart(self, location: str | None) -> None:
        """After 410: full, from `Location` with our `$select`; no cursor before it counts."""
        self._full = True
        self._begin_round()
        if location:
            self._cursor("next", with_params(location, PARAMS))

    def _walk(self) -> bool:
        """The drive has no delta (Q-007): folder by folder, and in full each time."""
        if not self._full:
            self._full = True
            self._begin_round()
        news = False
        for rows in walk(self._graph, self._writer.state.db, self._drive, self._keep_parts):
            news = self._take(rows) or news
            self._look_for_a_stop()
        self._cursor(WALKED, "")
        return news

    def _keep_parts(self, package: str) -> None:
        """The parts of a notebook are not listed: those that we know are not gone for that; if we know none, its row says so."""
        query = (
            "WITH RECURSIVE below(id) AS (SELECT id FROM tree WHERE scope = ?1 AND parent = ?2 AND alive = 1 UNION SELECT tree.id"
            " FROM below JOIN tree ON tree.scope = ?1 AND tree.parent = below.id AND tree.alive = 1) SELECT id FROM below"
        )
        found = self._writer.state.db.execute(query, (self._drive, package))
        while ids := [item_id for (item_id,) in found.fetchmany(PARTS)]:
            self._writer.emit("seen", {"scope": self._drive, "ids": ids})
            self.problems.add("parts_not_listed")

    def _whole(self) -> bool:
        """What a full listing must hold, before anything is decided by it; whether that brought news. Raises: SourceError."""
        if not self._full:
            return False
        self._make_sure_of_the_root()
        return self._fetch_folders_left_out()

    def _fetch_folders_left_out(self) -> bool:
        """Folders that items name as their parent, and that were not listed, are asked for by themselves (1 unit each)."""
        query = (
            "SELECT DISTINCT child.parent FROM tree AS child JOIN seen ON seen.scope = child.scope AND seen.id = child.id"
            " LEFT JOIN tree AS folder ON folder.scope = child.scope AND folder.id = child.parent AND folder.alive = 1"
            " WHERE child.scope = ? AND child.alive = 1 AND child.parent IS NOT NULL AND child.parent != ''"
            " AND folder.id IS NULL LIMIT ?"
        )
        news, asked = False, set[str]()
        while (
            found := {row[0] for row in self._writer.state.db.execute(query, (self._drive, READ_AGAIN + len(asked)))}
            - asked
        ):
            for folder_id in found:
                served = self._by_itself(folder_id)
                if served is not None:
                    news = self._take([served]) or news
            asked |= found
            self._settings["odd"] = True
        return news

    def _make_sure_of_the_root(self) -> None:
        """A drive has a root, and a full listing names it: one that does not lists nothing, and removes nothing.

        Raises: SourceError; the next run begins anew.
        """
        query = (
            "SELECT count(*) FROM tree JOIN seen ON seen.scope = tree.scope AND seen.id = tree.id"
            " WHERE tree.scope = ? AND tree.parent IS NULL AND tree.kind = 'folder' AND tree.alive = 1"
        )
        if not self._writer.state.count(query, (self._drive,)):
            self._restart(None)
            raise SourceError(
                "The listing of this drive does not even name its root.",
                code="listing_incomplete",
                action="Run the export again; if it stays, check for a proxy that answers in the service's place.",
            )

    def keep(self, settings: Mapping[str, Any]) -> None:
        """Write down that the copy fulfils these settings now."""
        odd = {name: value for name, value in self._settings.items() if name == "odd"}
        self._settings = {**LISTING_SETTINGS, **settings, **odd}
        cursor = self._writer.heads.cursors.get(self._drive)
        if cursor is not None and cursor["settings"] != self._settings:
            self._cursor(cursor["kind"], cursor["link"])

    def _cursor(self, kind: str, link: str) -> None:
        self._writer.emit("cursor", {"scope": self._drive, "kind": kind, "link": link, "settings": self._settings})

    def _list(self, link: str, params: dict[str, str] | None) -> bool:
        news = False
        for page in self._graph.delta(link, params=params):
            if page.rows:
                news = self._take(page.rows) or news
            if page.next_link is not None:
                self._cursor("next", page.next_link)
                self._look_for_a_stop()
            elif page.delta_link is not None:
                self._cursor("delta", page.delta_link)
        return news

    def _look_for_a_stop(self) -> None:
        if self._stop.is_set():
            raise StoppedError(
                "The run was asked to stop while a drive was listed.", code="stopped", action="Run again to go on."
            )

    def _take(self, rows: list[dict[str, Any]]) -> bool:
        """A page of rows; whether it brought news. The last row of an id counts (Q-003)."""
        items = [item for served in rows if (item := self._made_sure(served)) is not None]
        known = self._writer.state.known(self._drive, [item["id"] for item in items]) if items else {}
        news, unchanged = [], []
        for item in items:
            owed, row = known[item["id"]]
            facts = _with_last_name(facts_of(item, self._drive), owed or row or {})
            if _is_news(facts, owed, row):
                news.append(facts)
                known[item["id"]] = facts, row
            elif self._full and not facts.get("deleted"):
                unchanged.append(facts["id"])
        if news:
            if not self._begun:
                self._begin_round()
            self._writer.emit_all([("listed", facts) for facts in news])
        if unchanged:
            self._writer.emit("seen", {"scope": self._drive, "ids": unchanged})
        return bool(news)

    def _made_sure(self, item: dict[str, Any]) -> dict[str, Any] | None:
        """The item; asked for by itself if its row is odd. What cannot be relied on then either has the next run list anew."""
        item_id = identifier_of(item.get("id"))
        if item_id is None:
            self._settings["odd"] = True
            self.problems.add("item_without_id")
            return None
        if not (has_wrong_type(item) or is_incomplete(item)):
            return item
        again = self._by_itself(item_id)
        if again is None or has_wrong_type(again):
            self._settings["odd"] = True
        return again or item

    def _by_itself(self, item_id: str) -> dict[str, Any] | None:
        self._read_again += 1
        if self._read_again > READ_AGAIN:
            return None
        path = f"/drives/{segment(self._drive)}/items/{segment(item_id)}"
        try:
            found = self._graph.get(path, params=PARAMS, cost=Cost.SINGLE)
        except (ItemError, SourceError, TransientError):
            return None
        return found if found.get("id") == item_id else None


def _with_last_name(facts: JsonObject, known: Mapping[str, Any]) -> JsonObject:
    """A deleted item comes without its name: it gets the one that we know, for the row that will say what became of it."""
    if not facts.get("deleted"):
        return facts
    return {**{name: known[name] for name in ("kind", "name", "parent") if name in known}, **facts}


def _is_news(facts: Mapping[str, Any], owed: Mapping[str, Any] | None, row: Mapping[str, Any] | None) -> bool:
    """owed, row: what we know of the item already."""
    if facts.get("deleted"):
        if owed is not None:
            return not owed.get("deleted")
        return row is not None and row["outcome"] != "gone" and row.get("code") != "vanished"
    if owed is not None:
        return owed != facts
    return row is None or row["outcome"] == "gone" or row.get("code") == "vanished" or not same_facts(facts, row)


def _says_no_delta(error: GraphError) -> bool:
    """Whether the service says that it does not do this here, or calls the request wrong each time that it is asked."""
    return isinstance(error, UnsupportedError) or error.status in (400, 405)
