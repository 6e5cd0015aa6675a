"""One list in one run: its row, removals, what is owed, and the service's own count.

Rules of this file: a list that is called otherwise takes its items along, and its own row comes last; removals are decided
after the round; what failed is tried again with what is owed; the count is a listing of ids, compared with our rows by whoever
folds. Source: design §4 (the ledger, Whole), docs/formats.md (bag of a site).
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from exporters.bag.formats import JsonObject, load_json
from exporters.bag.objects import LineObjects
from exporters.bag.removed import digest_of_removed, is_mass
from exporters.bag.state import State
from exporters.clock import timestamp
from exporters.drive.crew import Shift
from exporters.drive.settings import DriveSettings
from exporters.errors import SourceError
from exporters.graph.errors import GraphError, StoppedError
from exporters.outcomes import Outcome
from exporters.sharepoint.lists.exceptions import settled, worth_another_try
from exporters.sharepoint.lists.facts import FOLDER, KIND, cursor_scope, facts_of_list, tables_scope
from exporters.sharepoint.lists.fetching import Fetched, Fetcher, Task
from exporters.sharepoint.lists.keeping import Keeper
from exporters.sharepoint.lists.listing import GONE, Listing
from exporters.sharepoint.lists.places import Places
from exporters.sharepoint.lists.removals import find_all, find_removed, removal_rows
from exporters.sharepoint.run import SiteList, SiteRun

DUE, DONE = "due", "done"
"""Kinds of the cursor of the tables of a list."""
OPEN = "open"
"""Stands in the cursor of a list while its rows change."""
COUNT = "totalItemCount"
_BATCH = 200
_OF_ROW = ("kind", "scope", "id", "parent", "name", "created", "modified", "service")


class ListCopy:
    """One list in one run. listing: of the same list."""

    def __init__(self, run: SiteRun, one: SiteList, listing: Listing, places: Places, fetcher: Fetcher) -> None:
        self._run, self._writer, self._list, self._listing = run, run.writer, one, listing
        self._places, self._fetcher = places, fetcher
        self.is_odd = False
        """Whether the service counts as many items as we have, and others."""

    @property
    def _state(self) -> State:
        return self._writer.state

    def round(self, *, extra: bool, is_changed: bool) -> int:
        """Settle what a round of listing brought; how many items were worked on. extra: also what failed, or lacks what the
        settings ask for. is_changed: the list itself is new, or not as it was."""
        self._note_open()
        note_tables_due(self._run, self._list.id)
        if is_changed:
            self._settle_list()
        return self._decide_removals() + self._work(extra=extra)

    def _note_open(self) -> None:
        """From the first row on that changes what we count, until the service's count is read: a run that is cut off is followed
        by one that knows."""
        scope = cursor_scope(self._list.id)
        cursor = self._writer.heads.cursors.get(scope)
        if cursor is not None and not cursor.get(OPEN):
            self._writer.emit("cursor", {**cursor, "scope": scope, OPEN: True})

    # -- the list itself --------------------------------------------------------------------------------------------

    def _settle_list(self) -> None:
        row, path = self._state.row((FOLDER, self._list.id, self._list.id)), f"/{self._list.name}"
        if row is not None and row.get("path") != path:
            self._take_along(path)
        facts = facts_of_list(self._list)
        if row is not None and COUNT in row.get("service", {}):
            facts["service"][COUNT] = row["service"][COUNT]
        self._emit_list(facts, row)

    def _emit_list(self, facts: JsonObject, row: JsonObject | None) -> None:
        at = {"run": self._writer.run.id, "captured": timestamp(self._run.clock.now())}
        new = {**facts, "path": f"/{self._list.name}", "outcome": Outcome.COPIED.value, **at}
        steady = {name: value for name, value in (row or {}).items() if name not in at}
        if steady != {name: value for name, value in new.items() if name not in at}:
            self._run.result.copied += row is None
            self._writer.emit("item", new)

    def _take_along(self, path: str) -> None:
        """The items and files of a list that is called otherwise; those that are owed get their row by their own work."""
        low, high = f"{self._list.id}/", f"{self._list.id}0"
        for where, values in (("kind = ? AND scope = ?", (KIND, self._list.id)),
                              ("kind = 'attachment' AND scope > ? AND scope < ?", (low, high))):  # fmt: skip
            after = ("", "")
            while found := self._state.db.execute(
                f"SELECT scope, id, row FROM rows WHERE {where} AND outcome != 'gone' AND (scope, id) > (?, ?)"  # noqa: S608
                " ORDER BY scope, id LIMIT ?",
                (*values, *after, _BATCH),
            ).fetchall():
                after = found[-1][:2]
                rows = [load_json(data) for _, _, data in found]
                self._writer.emit_all(
                    ("item", {**row, "path": _moved(row["path"], path)})
                    for row in rows
                    if self._state.listed(row["scope"], row["id"]) is None
                )

    def settle_deleted(self) -> bool:
        """The list was deleted; whether that is settled. Nothing is marked gone if that would be too much at once."""
        note_tables_due(self._run, self._list.id)
        find_all(self._state, self._list.id)
        if not self._may_remove():
            return False
        self._settle_removed()
        at, run_id = timestamp(self._run.clock.now()), self._writer.run.id
        for row in map(load_json, list(self._state.rows("kind = 'derived' AND outcome = 'copied'"))):
            if row.get("of") == self._list.id and (gone := settled(row, run_id, at)) is not None:
                self._writer.emit("item", gone)
        self._writer.emit("cursor", {"scope": tables_scope(self._list.id), "kind": DONE, "link": ""})
        self._writer.emit("cursor", {"scope": cursor_scope(self._list.id), "kind": GONE, "link": "", "settings": {}})
        return True

    # -- removals ---------------------------------------------------------------------------------------------------

    def _decide_removals(self) -> int:
        find_removed(self._state, self._list.id)
        return self._settle_removed() if self._may_remove() else 0

    def _may_remove(self) -> bool:
        """Whether what is in `removed` is little enough, or a person has accepted it."""
        scope = self._list.id
        mass = digest_of_removed(self._state, scope) if is_mass(self._state, scope) else None
        return self._run.may_remove(scope, mass)

    def _settle_removed(self) -> int:
        gone, at = 0, timestamp(self._run.clock.now())
        for row in removal_rows(self._state, self._list.id, self._list.name, self._writer.run.id, at):
            gone += row["kind"] == KIND
            self._run.result.gone_now += row["kind"] == KIND and row["outcome"] == Outcome.GONE
            self._writer.emit("item", row)
        return gone

    # -- work -------------------------------------------------------------------------------------------------------

    def _work(self, *, extra: bool) -> int:
        """Fetch and keep what is owed; the number of items worked on."""
        run, before = self._run, self._run.result.worked_on
        objects = LineObjects(self._writer, run.clock)
        keeper = Keeper(self._list, self._writer, objects, self._places, run.clock, run.result)
        run.progress.listed(
            self._state.count("SELECT count(*) FROM owed WHERE scope = ? AND deleted = 0", (self._list.id,))
        )
        try:
            for handful in Shift(run.crew, self._fetch, run.stop.is_set).through(self._asking(extra, keeper)):
                for fetched in handful:
                    if fetched is not None:
                        self._keep(keeper, fetched)
            objects.finish()
        except BaseException as error:
            self._writer.orphans_possible = True  # what was put has no row yet: named before the bag closes
            if isinstance(
                error, GraphError | StoppedError | SourceError
            ):  # the store is well: what was fetched is kept
                objects.finish()
            else:
                objects.abandon()
            raise
        return run.result.worked_on - before

    def _keep(self, keeper: Keeper, fetched: Fetched) -> None:
        keeper.keep(fetched)
        self._run.progress.finished(1)

    def _fetch(self, task: Task) -> Fetched | None:
        """What came of a task; None of one that was stopped while it waited for the budget."""
        try:
            return self._fetcher.fetch(task)
        except StoppedError:
            if not self._run.stop.is_set():
                raise
            return None

    def _asking(self, extra: bool, keeper: Keeper) -> Iterator[Task]:
        """The tasks that need requests; what needs none is kept at once."""
        for task in self._tasks(extra):
            if self._run.stop.is_set():
                return
            if task.asks:
                yield task
            else:
                self._keep(keeper, self._fetcher.fetch(task))

    def _tasks(self, extra: bool) -> Iterator[Task]:
        query = "SELECT id, listed FROM owed WHERE scope = ? AND deleted = 0 AND id > ? ORDER BY id LIMIT ?"
        after = ""
        while found := self._state.db.execute(query, (self._list.id, after, _BATCH)).fetchall():
            after = found[-1][0]
            known = self._state.known(self._list.id, [item_id for item_id, _ in found])
            for item_id, listed in found:
                yield self._task(load_json(listed), known[item_id][1])
        if extra:
            yield from self._tasks_again()

    def _task(self, facts: JsonObject, row: JsonObject | None) -> Task:
        settings = self._run.settings
        return Task(facts, row, settings.drive.versions, settings.has_certificate)

    def _tasks_again(self) -> Iterator[Task]:
        """Items that failed, or of which something did, and those that lack what the settings ask for."""
        db = self._state.db
        db.execute("CREATE TEMP TABLE IF NOT EXISTS again (id TEXT PRIMARY KEY) WITHOUT ROWID")
        db.execute("DELETE FROM again")
        db.executemany("INSERT OR IGNORE INTO again VALUES (?)", [(one,) for one in self._failed()])
        db.executemany("INSERT OR IGNORE INTO again VALUES (?)", self._unasked())
        after = ""
        while found := db.execute("SELECT id FROM again WHERE id > ? ORDER BY id LIMIT ?", (after, _BATCH)).fetchall():
            after = found[-1][0]
            for (item_id,) in found:
                row = self._state.row((KIND, self._list.id, item_id))
                if (
                    row is None
                    or row["outcome"] == Outcome.GONE
                    or self._state.listed(self._list.id, item_id) is not None
                ):
                    continue
                yield self._task({name: row[name] for name in _OF_ROW if name in row}, row)

    def _failed(self) -> Iterator[str]:
        now: datetime = self._run.clock.now()
        has_certificate = self._run.settings.has_certificate
        low, high = f"{self._list.id}/", f"{self._list.id}0"
        where = (
            "outcome = 'excepted' AND code != 'vanished' AND (kind = 'list_item' AND scope = ?"
            " OR kind IN ('attachment', 'versions') AND scope > ? AND scope < ?)"
        )
        for row in map(load_json, self._state.rows(where, (self._list.id, low, high))):
            if worth_another_try(row, now, has_certificate=has_certificate):
                yield row["id"] if row["kind"] == KIND else str(row["parent"])

    def _unasked(self) -> Iterator[tuple[Any, ...]]:
        """Items of which fewer earlier states were asked for than are now."""
        settings: DriveSettings = self._run.settings.drive
        if settings.versions == "current":
            return
        after = ""
        query = "SELECT id, row FROM rows WHERE kind = ? AND scope = ? AND outcome = 'copied' AND id > ? ORDER BY id LIMIT ?"
        while found := self._state.db.execute(query, (KIND, self._list.id, after, _BATCH)).fetchall():
            after = found[-1][0]
            for item_id, data in found:
                asked = (load_json(data).get("asked") or {}).get("versions", "current")
                if settings.versions_widen(asked):
                    yield (item_id,)

    # -- the count --------------------------------------------------------------------------------------------------

    def lacks_count(self) -> bool:
        """Whether no count of the service stands in the row of the list, of one that had to be read anyway."""
        if not self._writer.is_loaded:
            return False
        row = self._state.row((FOLDER, self._list.id, self._list.id))
        return row is not None and COUNT not in row.get("service", {})

    def count(self) -> None:
        """Read the service's own count; where its items are not ours, list what may have come meanwhile, and count once more.
        As many items as ours, and others: that no number tells, so the list is listed from its start, and what stays so is
        said of the whole.

        Raises: GraphError; RunError.
        """
        expected = self._listing.count()
        for anew in (False, True):
            if not self._differs() or (anew and expected != self._held()):
                break
            self._listing.run(anew=anew)
            self.round(extra=False, is_changed=False)
            expected = self._listing.count()
        self.is_odd = expected == self._held() and self._differs()
        if self.is_odd:
            self._listing.problems.add("listing_incomplete")
        row = self._state.row((FOLDER, self._list.id, self._list.id))
        if row is not None and row["outcome"] == Outcome.COPIED:
            facts = {name: value for name, value in row.items() if name not in ("run", "captured", "path", "outcome")}
            self._emit_list({**facts, "service": {**row["service"], COUNT: expected}}, row)

    def _held(self) -> int:
        query = "SELECT count(*) FROM tree WHERE scope = ? AND kind = ? AND alive = 1"
        return self._state.count(query, (self._list.id, KIND))

    def _differs(self) -> bool:
        """Whether the service's items, in the table `counted`, are others than ours."""
        ours = "SELECT id FROM tree WHERE scope = ? AND kind = ? AND alive = 1"
        query = f"SELECT EXISTS (SELECT id FROM counted EXCEPT {ours}) OR EXISTS ({ours} EXCEPT SELECT id FROM counted)"  # noqa: S608
        return bool(self._state.count(query, (self._list.id, KIND, self._list.id, KIND)))


def note_tables_due(run: SiteRun, list_id: str) -> None:
    """There will be rows that the tables of a list do not tell of: noted before the first of them."""
    cursor = run.writer.heads.cursors.get(tables_scope(list_id), {})
    if cursor.get("kind") != DUE:
        run.writer.emit("cursor", {**cursor, "scope": tables_scope(list_id), "kind": DUE, "link": ""})


def _moved(path: str, to: str) -> str:
    """The path of an item or of a file below a list, under another name of that list: what stands behind it has no name that
    could hold a `/`, but the file's own."""
    parts = path.rsplit("/attachments/", 1)
    return f"{to}/attachments/{parts[1]}" if len(parts) == 2 else f"{to}/{path.rpartition('/')[2]}"
