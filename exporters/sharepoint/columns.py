"""The list side of a document library: for each file and folder the values of its columns, as lines of `columns-…`.

Rules of this file: asked for when the drive had news, and until that is done (the cursor says so); a line whose bytes are as
before is not written again; the link of a round is kept when every line of it is on record, so that a run that was cut off lists
them again; a file that no listing brought is asked for by itself. Source: graph.md §5.4, docs/formats.md (bag of a site), quirks
Q-001, Q-003, Q-007.
"""

from collections.abc import Iterator

from exporters.bag.digests import Hashed
from exporters.bag.formats import JsonObject, dump_json, load_json
from exporters.bag.ledger import BagWriter
from exporters.bag.objects import LineObjects
from exporters.clock import timestamp
from exporters.drive.facts import is_facet
from exporters.errors import SourceError
from exporters.graph.answers import identifier_of, object_of, text_of
from exporters.graph.asking import was_too_much
from exporters.graph.calls import segment
from exporters.graph.errors import (
    ForeignLinkError,
    GaveUpError,
    GraphError,
    NotFoundError,
    RefusedError,
    ResyncRequiredError,
    StoppedError,
    UnsupportedError,
)
from exporters.graph.limits import Cost
from exporters.outcomes import Outcome
from exporters.sharepoint.drive_items import DriveItems
from exporters.sharepoint.inventory import Library
from exporters.sharepoint.lists.facts import lacks_fields
from exporters.sharepoint.lists.listing import PAGE_SIZES
from exporters.sharepoint.lists.places import Places
from exporters.sharepoint.run import SiteRun

EXPAND = {"$expand": "fields"}
RESTARTS = 1
_BY_THE_WAY = frozenset({"@odata.type", "@odata.context", "fields@odata.context"})
"""What tells of the answer, and not of the item."""
_BATCH = 500
MOST_WAITING = 5_000
"""Ids that are remembered at once."""
MOST_LEFT_OUT = 1_000
"""Files that are asked for their list side one by one, at one unit each."""


def cursor_scope(list_id: str) -> str:
    """Of the cursor that says how far the list side of a library is."""
    return f"columns/{list_id}"


def columns_are_due(writer: BagWriter, list_id: str) -> bool:
    """Whether they were never listed, or the library has changed since."""
    cursor = writer.heads.cursors.get(cursor_scope(list_id))
    return cursor is None or bool(cursor.get("due"))


def note_columns_due(writer: BagWriter, list_id: str) -> None:
    """The library has changed. Before anything of that is settled: a run that is cut off is followed by one that knows."""
    cursor = writer.heads.cursors.get(cursor_scope(list_id))
    if cursor is not None and not cursor.get("due"):
        writer.emit("cursor", {**cursor, "scope": cursor_scope(list_id), "due": True})


def columns_gone(run: SiteRun, list_id: str) -> None:
    """The library is gone, and its list side with it."""
    if list_id:
        rows = run.writer.state.rows("kind = 'columns' AND scope = ? AND outcome = 'copied'", (list_id,))
        run.writer.emit_all([("item", _gone(run, load_json(data))) for data in list(rows)])
        run.writer.emit("cursor", {"scope": cursor_scope(list_id), "kind": "dropped", "link": ""})


class _FieldsLeftOutError(Exception):
    """The delta of a list tells of its items, and not of their columns."""


class Columns:
    """The list side of one library in one run. library: one whose list is known."""

    def __init__(self, run: SiteRun, library: Library) -> None:
        self._run, self._writer = run, run.writer
        self._library, self._list = library, str(library.list_id)
        self._path = f"/sites/{segment(run.source.id)}/lists/{segment(self._list)}/items"
        self._objects = LineObjects(run.writer, run.clock)
        self._waiting: set[str] = set()
        self._size = 0
        self._stem = f"{Places(run.writer).folder(self._list, library.title or library.name)}/columns"
        self._of = DriveItems(run.writer, library.drive_id)

    def copy(self) -> None:
        """List what is new since the last time, or all. Raises: SourceError, ItemError, RunError, StoppedError."""
        cursor = self._writer.heads.cursors.get(cursor_scope(self._list), {})
        link = cursor["link"] if cursor.get("kind") == "delta" else None
        try:
            new = self._round(link)
            self._objects.finish()
            self._ask_for_left_out()
            self._objects.finish()
        except BaseException as error:
            self._writer.orphans_possible = True  # what was put has no row yet: named before the bag closes
            if isinstance(error, (StoppedError, GraphError, SourceError)):
                self._objects.finish()  # the store is well: what came is kept
            else:
                self._objects.abandon()
            raise
        kind = "delta" if new else "listed"
        self._writer.emit("cursor", {"scope": cursor_scope(self._list), "kind": kind, "link": new})

    def _round(self, link: str | None) -> str:
        """One round; the link that the next one begins with, empty where there is none."""
        restarts = 0
        while True:
            try:
                return self._whole(self._from_the_start()) if link is None else self._delta(link)
            except ResyncRequiredError:
                restarts += 1
                if restarts > RESTARTS:
                    raise
                link = None
            except ForeignLinkError:
                if link is None:
                    raise
                link = None  # it was made at another address, which the configuration named then
            except _FieldsLeftOutError:
                return self._whole((rows, None) for rows in self._plain())
            except (UnsupportedError, RefusedError, GaveUpError) as error:
                says_no_delta = isinstance(error, UnsupportedError) or error.status in (400, 405)
                if says_no_delta and link is None:
                    return self._whole((rows, None) for rows in self._plain())
                if link is None and not self._may_ask_for_less(error):
                    raise
                if link is not None and not says_no_delta:
                    raise
                link = None

    def _may_ask_for_less(self, error: GraphError) -> bool:
        """Whether a page was too much for the service; then the next are smaller."""
        if not (isinstance(error, GaveUpError) and was_too_much(error)) or self._size + 1 >= len(PAGE_SIZES):
            return False
        self._size += 1
        return True

    @property
    def _params(self) -> dict[str, str]:
        return {**EXPAND, "$top": str(PAGE_SIZES[self._size])}

    def _from_the_start(self) -> Iterator[tuple[list[JsonObject], str | None]]:
        for page in self._run.graph.delta(f"{self._path}/delta", params=self._params):
            if any(lacks_fields(row) for row in page.rows):
                raise _FieldsLeftOutError
            yield page.rows, page.delta_link

    def _plain(self) -> Iterator[list[JsonObject]]:
        """All items as they are, of a list that tells no changes (Q-007), or leaves out what was asked for."""
        while True:
            try:
                yield from self._run.graph.pages(self._path, params=self._params, cost=Cost.LISTING)
            except GaveUpError as error:
                if not self._may_ask_for_less(error):
                    raise
            else:
                return

    def _delta(self, link: str) -> str:
        following = ""
        for page in self._run.graph.delta(link):
            self._take(page.rows)
            following = page.delta_link or following
        return following

    def _whole(self, pages: Iterator[tuple[list[JsonObject], str | None]]) -> str:
        """A listing of all: what it does not bring is not there any more."""
        db, following = self._writer.state.db, ""
        db.execute("CREATE TEMP TABLE IF NOT EXISTS columns_seen (id TEXT PRIMARY KEY) WITHOUT ROWID")
        db.execute("DELETE FROM columns_seen")
        for rows, link in pages:
            ids = [(found,) for row in rows if (found := identifier_of(row.get("id"))) and not is_facet(row, "deleted")]
            db.executemany("INSERT OR IGNORE INTO columns_seen VALUES (?)", ids)
            self._take(rows)
            following = link or following
        self._leave_out()
        return following

    def _leave_out(self) -> None:
        """Lines that a listing of all did not bring are gone, unless the drive has their files. Raises: SourceError then."""
        if any(self._is_there(row) for rows in self._lost() for row in rows):
            raise _left_out()
        for rows in self._lost():
            self._writer.emit_all([("item", _gone(self._run, row)) for row in rows])

    def _ask_for_left_out(self) -> None:
        """Files and folders whose list side no listing brought are asked for it one by one. Raises: SourceError if they are too
        many to have been left out by accident; what an answer raises."""
        drive = f"/drives/{segment(self._library.drive_id)}/items"
        lacking = self._of.without_columns(self._list, MOST_LEFT_OUT)
        if len(lacking) > MOST_LEFT_OUT:
            raise _left_out()
        for item_id in lacking:
            self._look_for_a_stop()
            path = f"{drive}/{segment(item_id)}/listItem"
            try:
                served = self._run.graph.get(path, params=EXPAND, cost=Cost.SINGLE)
            except NotFoundError:
                continue  # it is gone meanwhile: the next round tells
            if identifier_of(served.get("id")) is None or lacks_fields(served):
                raise _left_out()
            self._take([served])

    def _lost(self) -> Iterator[list[JsonObject]]:
        """Rows that are not among those seen, some at a time; they may be written anew meanwhile."""
        query = (
            "SELECT id, row FROM rows WHERE kind = 'columns' AND scope = ? AND outcome = 'copied' AND id > ?"
            " AND id NOT IN (SELECT id FROM columns_seen) ORDER BY id LIMIT ?"
        )
        after = ""
        while found := self._writer.state.db.execute(query, (self._list, after, _BATCH)).fetchall():
            yield [load_json(data) for _, data in found]
            after = found[-1][0]

    def _is_there(self, row: JsonObject) -> bool:
        node = self._writer.state.node(self._library.drive_id, str(row.get("of")))
        return node is not None and node[3]

    def _take(self, rows: list[JsonObject]) -> None:
        """A page. The last row of an id counts (Q-003)."""
        self._look_for_a_stop()
        last = {item_id: row for row in rows if (item_id := identifier_of(row.get("id"))) is not None}
        for item_id, served in last.items():
            if item_id in self._waiting or len(self._waiting) >= MOST_WAITING:  # its row so far is not on record yet
                self._objects.finish()
                self._waiting.clear()
            held = self._writer.state.row(("columns", self._list, item_id))
            if is_facet(served, "deleted"):
                if held is not None and held["outcome"] == Outcome.COPIED:
                    self._writer.emit("item", _gone(self._run, held))
                continue
            self._keep(item_id, served, held)

    def _look_for_a_stop(self) -> None:
        if self._run.stop.is_set():
            raise StoppedError(
                "The run was asked to stop while a library was listed.", code="stopped", action="Run again to go on."
            )

    def _keep(self, item_id: str, served: JsonObject, held: JsonObject | None) -> None:
        if lacks_fields(served):
            try:
                served = self._run.graph.get(f"{self._path}/{segment(item_id)}", params=EXPAND, cost=Cost.SINGLE)
            except NotFoundError:
                return  # the next round tells what became of it
        graph = {name: value for name, value in served.items() if name not in _BY_THE_WAY}
        line: JsonObject = {"id": item_id, "list": self._list, "graph": graph}
        of = self._of.find(served)
        if held is not None and held["outcome"] == Outcome.COPIED and held["sha256"] == Hashed.of(dump_json(line)):
            if of is not None and held.get("of") != of:  # its file was not known when it came
                self._writer.emit("item", {**held, "of": of})
            return
        row: JsonObject = {"kind": "columns", "scope": self._list, "id": item_id, "outcome": Outcome.COPIED.value}
        row["name"] = text_of(object_of(served.get("fields")).get("FileLeafRef")) or ""
        row.update(run=self._writer.run.id, captured=timestamp(self._run.clock.now()))
        if of is not None:
            row["of"] = of
        self._objects.lines(self._stem).add_row(line, row, held)
        self._waiting.add(item_id)
        self._objects.close_due()


def _left_out() -> SourceError:
    return SourceError(
        "The list side of this library leaves out files that its drive has.",
        code="listing_incomplete",
        action="Run the export again; nothing of it was called gone.",
    )


def _gone(run: SiteRun, row: JsonObject) -> JsonObject:
    return {**row, "outcome": Outcome.GONE.value, "since": timestamp(run.clock.now()), "run": run.writer.run.id}
