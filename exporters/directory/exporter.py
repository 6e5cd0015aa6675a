"""Copies the directory of a tenant into its bag.

Rules of this file: the story, in order: list all folders, compare them with the service's own counts and list again what does
not agree (at most twice), decide removals, make the tables, close. One listing and one ledger writer; only what hangs on
items is asked for side by side. Source: design §4 (the ledger, Whole); docs/formats.md (bag of the directory).
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from exporters.bag.about import name_source
from exporters.bag.digests import Hashed
from exporters.bag.formats import JsonObject, dump_json, load_json
from exporters.bag.ledger import BagWriter
from exporters.bag.reconcile import difference_of, reconcile
from exporters.clock import Clock, timestamp
from exporters.copied import CopyResult, Progress
from exporters.directory.asking import REFUSALS
from exporters.directory.coverage import coverage_rows
from exporters.directory.folders import FOLDERS, TERMS, Folder
from exporters.directory.items import Item
from exporters.directory.keeping import Keeper
from exporters.directory.listing import Listing
from exporters.directory.refusals import ABSENT, DENIED, TERMS_BY_HAND, refusal_of
from exporters.directory.removals import digest_of_removed, find_removed, is_mass, removal_rows
from exporters.directory.tables import Tables
from exporters.ending import to_its_end
from exporters.errors import LastcopyError
from exporters.graph.counting import count_of
from exporters.graph.errors import GraphError, NotFoundError, StoppedError
from exporters.graph.session import GraphSession
from exporters.outcomes import CAUSES, ExceptionCode, Outcome
from exporters.sources import Source

CLOSING_ROUNDS = 2
_ROUND = {"scope": "", "full": True}
CURSOR = "directory"
"""Scope of the cursor that says that the directory was once listed to its end."""


class DirectoryExporter:
    """One run on the directory. source: of kind directory; its id is the tenant's."""

    def __init__(
        self,
        source: Source,
        graph: GraphSession,
        writer: BagWriter,
        clock: Clock,
        *,
        progress: Progress,
        stop: threading.Event,
        accepts_removals: Callable[[str], bool] = lambda digest: False,
    ) -> None:
        self._source, self._graph, self._writer, self._clock = source, graph, writer, clock
        self._progress, self._stop, self._accepts_removals = progress, stop, accepts_removals
        self.result = CopyResult()
        self._keeper = Keeper(writer, clock, self.result, progress)
        self._tables = Tables()
        self._listing = Listing(graph, stop, self._take)
        self._listed: set[str] = set()
        self._refused: dict[str, LastcopyError] = {}
        self._absent: set[str] = set()
        self._unsettled: set[str] = set()

    def run(self) -> CopyResult:
        """Copy; close the bag, also if the service refuses. Raises: SourceError, RunError, errors of the store."""
        try:
            to_its_end(self._copy, self._finish, self._stop)
        finally:
            self._tables.close()
        return self.result

    def _copy(self) -> None:
        self._writer.emit("round", {**_ROUND, "state": "begun"})
        try:
            waiting: Sequence[Folder] = FOLDERS
            for _ in range(1 + CLOSING_ROUNDS):
                waiting = [folder for folder in waiting if not self._list(folder)]
                if not waiting:
                    break
            self._unsettled = {folder.id for folder in waiting}
        except BaseException as error:
            self._writer.orphans_possible = True
            if isinstance(error, GraphError | StoppedError):  # the store is well: what was listed is kept
                self._keeper.settle()
            else:
                self._keeper.give_up()
            raise
        if not self._listed and self._refused:
            raise next(iter(self._refused.values()))
        self.result.has_answered = True
        if self._decide_removals():
            self._writer.emit("round", {**_ROUND, "state": "ended", "link": None})
            self._tables.put(self._writer, self._clock, self._listed - self._unsettled)
        if CURSOR not in self._writer.heads.cursors:
            self._writer.emit("cursor", {"scope": CURSOR, "kind": "listed", "link": "", "settings": {}})

    # -- listing ----------------------------------------------------------------------------------------------------

    def _take(self, folder: Folder, item: Item) -> None:
        self._progress.listed(1)
        self._tables.add(folder.id, item)
        self._keeper.keep(folder, item)

    def _list(self, folder: Folder) -> bool:
        """List a folder; whether there is nothing to list again: the service counts as much as it listed, or does not count."""
        self._keeper.forget(folder)
        self._tables.forget(folder.id)
        self._listed.discard(folder.id)
        try:
            self._listing.run(folder)
        except REFUSALS as error:
            self._keeper.settle()
            self._refuse(folder, error)
            return True
        self._keeper.settle()
        self._listed.add(folder.id)
        expected = self._count(folder)
        self._keeper.put_folder(folder, expected)
        return expected is None or expected == self._keeper.seen_in(folder)

    def _refuse(self, folder: Folder, error: LastcopyError) -> None:
        held = self._keeper.held_folder(folder.id)
        is_absent = isinstance(error, ABSENT) or (folder is TERMS and isinstance(error, NotFoundError))
        if is_absent and (held is None or held["outcome"] == Outcome.EXCEPTED):
            self._absent.add(folder.id)
            if held is not None:
                self._keeper.except_folder(folder, ExceptionCode.VANISHED, CAUSES[ExceptionCode.VANISHED].reason)
            return
        self._refused[folder.id] = error
        if not folder.wanted and held is None and isinstance(error, DENIED):
            return  # taken where it can be had: the coverage says that it could not
        code, reason = refusal_of(error, TERMS_BY_HAND if folder is TERMS and isinstance(error, DENIED) else "")
        self._keeper.except_folder(folder, code, reason)

    def _count(self, folder: Folder) -> int | None:
        if not folder.counted:
            return None
        try:
            return count_of(self._graph, folder.path)
        except REFUSALS:
            return None  # said in the reconciliation: unavailable

    # -- removals ---------------------------------------------------------------------------------------------------

    def _decide_removals(self) -> bool:
        """Mark as gone what is listed no more. False, and nothing is marked, if too much would vanish at once."""
        state = self._writer.state
        find_removed(state, self._listed - self._listing.nameless - self._unsettled)
        if is_mass(state) and not self._accepts_removals(digest := digest_of_removed(state)):
            self.result.problems.append("mass_disappearance")
            self.result.digests["mass_disappearance"] = digest
            return False
        for row in removal_rows(state, self._writer.run.id, timestamp(self._clock.now())):
            self.result.gone_now += row["outcome"] == "gone"
            self._writer.emit("item", row)
        return True

    # -- the end ----------------------------------------------------------------------------------------------------

    def _finish(self, *, whole: bool) -> None:
        """Count and close. whole: the copy went to its end (or was asked to stop); else the service refused."""
        writer = self._writer
        name_source(writer, self._source, self._clock)
        if self._listing.nameless:
            self.result.problems.append("item_without_id")
        if (
            self._unsettled
        ):  # the service counts others than it lists: what it left out may have changed, and is not gone
            self.result.problems.append("folders_not_listed")
            self.result.digests["folders_not_listed"] = Hashed.of(dump_json({"folders": sorted(self._unsettled)}))
        reconciliation = reconcile(writer.state)
        self._take_counts(reconciliation, map(load_json, writer.state.rows("outcome = 'excepted'")))
        at = timestamp(self._clock.now())
        for entry in reconciliation["independent"]:
            row = {name: entry[name] for name in ("scope", "by", "expected", "found")}
            writer.emit("count", {**row, "kind": "directory", "id": self._source.id, "at": at})
        writer.close("complete" if whole and not self._stop.is_set() else "stopped")

    def _take_counts(self, reconciliation: JsonObject, excepted: Iterable[JsonObject]) -> None:
        result = self.result
        result.counts, result.kinds = dict(reconciliation["counts"]), reconciliation["kinds"]
        result.unexplained = sum(entry["unexplained"] for entry in reconciliation["independent"])
        if difference := difference_of(reconciliation["independent"]):
            result.digests["not_reconciled"] = difference
        rows = [row for row in excepted if row["code"] != ExceptionCode.VANISHED]
        for row in rows:
            code, run, captured = row["code"], str(row.get("run")), datetime.fromisoformat(row["captured"])
            result.excepted_kinds[row["kind"]] = result.excepted_kinds.get(row["kind"], 0) + 1
            result.exceptions[code] = result.exceptions.get(code, 0) + 1
            runs = result.newest.setdefault(code, {})
            runs[run] = max(runs.get(run, captured), captured)
        result.coverage = coverage_rows(result, rows, self._refused, self._absent, self._listing.narrowed)
