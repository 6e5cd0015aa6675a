"""Copies one drive into its bag.

Rules of this file: the story, in order: list a round, decide removals, work off what is owed, list again until nothing comes (at
most three closing rounds), compare with the service's own counts, close. One listing and one ledger writer; only downloads are
shared out. Source: design §4 (the ledger, Whole).
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from exporters.bag.about import name_source
from exporters.bag.digests import Hashed
from exporters.bag.formats import JsonObject, dump_json, load_json
from exporters.bag.ledger import BagWriter
from exporters.bag.reconcile import difference_of, folder_counts, reconcile, uncounted, uncounted_folders, uncounted_of
from exporters.bag.removed import digest_of_removed, is_mass
from exporters.clock import Clock, timestamp
from exporters.copied import CopyResult, Progress
from exporters.drive.capture import Capturer, asks_again
from exporters.drive.crew import Crew, Shift
from exporters.drive.download import Downloader
from exporters.drive.facts import SELECT, facts_of, has_wrong_type, same_facts
from exporters.drive.listing import Listing
from exporters.drive.packages import settle_packages
from exporters.drive.planning import PUT_ASIDE, Planner, facts_of_row, lacks_versions, may_succeed
from exporters.drive.refusals import Refusals
from exporters.drive.removals import find_removed, removal_rows, settle_kind_changes
from exporters.drive.settings import DriveSettings
from exporters.drive.tasks import Done, Task
from exporters.errors import ItemError, RunError, SourceError, TransientError
from exporters.graph.calls import segment
from exporters.graph.errors import GraphError, StoppedError
from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession
from exporters.outcomes import ExceptionCode
from exporters.sources import Source

CLOSING_ROUNDS = 3
FOLDERS_READ_AGAIN = 500


class DriveExporter:
    """One run on one drive."""

    def __init__(
        self,
        source: Source,
        graph: GraphSession,
        writer: BagWriter,
        settings: DriveSettings,
        clock: Clock,
        *,
        crew: Crew,
        progress: Progress,
        stop: threading.Event,
        accepts_removals: Callable[[str], bool] = lambda digest: False,
    ) -> None:
        self._source, self._graph, self._writer, self._settings = source, graph, writer, settings
        self._clock, self._crew, self._progress, self._stop = clock, crew, progress, stop
        self._accepts_removals = accepts_removals
        self._lock = threading.RLock()
        self.result = CopyResult()
        self._is_fulfilled = False
        self._has_put_aside = False
        self._goes_on = False
        """Whether an earlier run left work undone, and the first round with work has not ended yet."""
        self._doubts = (downloader := Downloader(graph, writer, progress.received)).doubts
        self._refusals = Refusals()
        self._capturer = Capturer(graph, downloader, clock, source.id, writer.run.id, self._refusals)

    def run(self) -> CopyResult:
        """Copy; close the bag, also if the service refuses. Raises: SourceError, RunError, errors of the store."""
        try:
            self._copy()
        except StoppedError:  # in the listing, or where a request would have waited for longer than a stop may take
            if not self._stop.is_set():
                raise
        except Exception as error:
            if isinstance(error, GraphError) or not isinstance(error, RunError):  # else the store is gone, or another's
                self._finish(whole=False)
            raise
        self._finish(whole=True)
        return self.result

    def _copy(self) -> None:
        extra, anew = self._extra_work_waits(), self._did_not_agree()
        self._goes_on = self._writer.has_unfinished_work
        for number in range(1 + CLOSING_ROUNDS):
            listing = Listing(
                self._graph,
                self._writer,
                self._source.id,
                self._fulfilled(),
                stop=self._stop,
                anew=anew and number == 0,
            )
            news = listing.run()
            self.result.problems += sorted(listing.problems - set(self.result.problems))
            self.result.has_answered = True
            if not (news or extra or listing.was_full or self._writer.has_unfinished_work):
                break
            self._has_put_aside |= listing.was_full  # its beginning dropped the cursor that said so
            removals_decided = self._end_round(listing.was_full)
            did = self._work(extra=extra)
            if not self._stop.is_set():
                self._is_fulfilled, extra = True, False
                listing.keep({**self._settings.as_kept(), **self._to_read_again()})
            if self._stop.is_set() or not (news or did) or not removals_decided:
                break

    def _fulfilled(self) -> dict[str, object]:
        """The settings to keep with cursors: wider ones only when the work that they add is done (a run may be cut off)."""
        kept = self._writer.heads.cursors.get(self._source.id, {}).get("settings")
        again = {"again": True} if kept is not None and kept.get("again") else {}
        if kept is None or self._is_fulfilled or not self._settings.wider_than(kept):
            return {**self._settings.as_kept(), **again}
        return {**{name: kept[name] for name in self._settings.as_kept() if name in kept}, **again}

    def _note_put_aside(self) -> None:
        """Before the first such row is written: a run that is cut off now is followed by one that knows."""
        cursor = self._writer.heads.cursors.get(self._source.id)
        self._has_put_aside = True
        if cursor is not None and not cursor["settings"].get("again"):
            settings = {**cursor["settings"], "again": True}
            self._writer.emit("cursor", {"scope": self._source.id, **cursor, "settings": settings})

    def _to_read_again(self) -> dict[str, object]:
        """Stands with the cursor as long as bytes are put aside until they are read again: the next run has work then."""
        kept = self._writer.heads.cursors.get(self._source.id, {}).get("settings", {})
        if not (kept.get("again") or self._has_put_aside):
            return {}
        number = self._writer.state.count(f"SELECT count(*) FROM rows WHERE {PUT_ASIDE}")  # noqa: S608 - a constant of ours
        return {"again": True} if number else {}

    # -- one round --------------------------------------------------------------------------------------------------

    def _extra_work_waits(self) -> bool:
        """Whether there is work without news: failures worth another try, wider settings, sharing asked again."""
        kept = self._writer.heads.cursors.get(self._source.id, {}).get("settings")
        if self._settings.refresh_permissions or (kept is not None and self._settings.wider_than(kept)):
            return True
        if kept is not None and kept.get("again"):
            return True
        now = self._clock.now()
        return any(may_succeed(row, now) or lacks_versions(row, self._settings) for row in self._writer.exceptions())

    def _did_not_agree(self) -> bool:
        """Whether counts were unexplained when the bag was last folded: deltas alone will never bring what is missing."""
        told = self._writer.folded_reconciliation().get("independent", ())
        return any(
            entry["unexplained"] or entry["explained"] for entry in told
        )  # explained: by a version before ADR 0027

    def _end_round(self, full: bool) -> bool:
        """Decide removals and end the round; False if too much would vanish at once."""
        state, scope, at = self._writer.state, self._source.id, timestamp(self._clock.now())
        find_removed(state, scope, full=full)
        if is_mass(state, scope) and not self._accepts_removals(digest := digest_of_removed(state, scope)):
            self.result.problems.append("mass_disappearance")
            self.result.digests["mass_disappearance"] = digest
            return False
        for row in removal_rows(state, scope, self._writer.run.id, at):
            self.result.gone_now += row["outcome"] == "gone"
            self._writer.emit("item", row)
        cursor = self._writer.heads.cursors.get(scope, {})
        link = cursor.get("link")
        self._writer.emit("round", {"scope": scope, "state": "ended", "full": full, "link": link})
        return True

    def _work(self, *, extra: bool) -> int:
        """Work off what is owed; the number of items worked on."""
        planner = Planner(self._writer, self._source.id, self._settings, self._lock)
        planner.add_owed()
        if extra:
            planner.add_failed(self._clock.now())
            planner.add_unasked(refresh_permissions=self._settings.refresh_permissions)
        planner.plan()
        self._progress.listed(self._writer.state.count("SELECT count(*) FROM work"))
        before = self.result.worked_on
        self._take_all(self._refusals.watching(planner.tasks(moved_folders=False), planner.sample, self._ask_now))
        if not self._stop.is_set():
            self._take_all(planner.tasks(moved_folders=True))
        if not self._stop.is_set():
            self._take_all(self._announced(planner.refused()))
        self._read_suspects_again()
        if self._goes_on:
            settle_kind_changes(self._writer, self._source.id, timestamp(self._clock.now()))
            self._goes_on = False
        settle_packages(self._writer, self._source.id, timestamp(self._clock.now()))
        return self.result.worked_on - before

    def _read_suspects_again(self) -> None:
        """Bytes that were kept though not as listed, before the same came for other items too: the next run reads them again."""
        query = "agreement IN ('differs', 'rewritten') AND kind = 'file' AND outcome = 'copied' AND size = ?"
        for size in sorted(self._doubts.sizes):
            rows = [load_json(data) for data in self._writer.state.rows(query, (size,))]
            for row in rows:
                if row["run"] == self._writer.run.id and not asks_again(row):
                    self._note_put_aside()
                    self._writer.emit("item", {**row, "asked": {**(row.get("asked") or {}), "again": True}})

    def _announced(self, tasks: Iterator[Task]) -> Iterator[Task]:
        for task in tasks:
            self._progress.listed(1)
            yield task

    def _take_all(self, tasks: Iterator[Task]) -> None:
        """Do the tasks, and write down what came of them, in the order in which it comes. What needs no request is done here."""

        def asking() -> Iterator[Task]:
            for task in tasks:
                if task.asks:
                    yield task
                else:
                    self._take([self._capturer.work(task)])

        try:
            for done in Shift(self._crew, self._work_on, self._stop.is_set).through(asking()):
                self._take([one for one in done if one is not None])
        except BaseException:
            self._writer.orphans_possible = True  # what others put meanwhile has no row: named before the bag closes
            raise

    def _take(self, handful: list[Done]) -> None:
        if any(done.is_put_aside for done in handful):
            self._note_put_aside()
        self._writer.emit_all(row for done in handful for row in done.rows)
        result = self.result
        for done in handful:
            result.copied += done.is_new
            result.downloaded += done.was_downloaded
            result.bytes_received += done.bytes_received
        result.worked_on += len(handful)
        self._progress.finished(len(handful))

    def _ask_now(self, task: Task) -> None:
        """Work on a task here, before all that is queued."""
        if not self._stop.is_set():
            done = self._work_on(task)
            self._take([done] if done is not None else [])

    def _work_on(self, task: Task) -> Done | None:
        """What came of a task; None of one that was stopped while it waited for the budget."""
        try:
            return self._capturer.work(task)
        except StoppedError:
            if not self._stop.is_set():
                raise
            self._writer.orphans_possible = True
            return None

    # -- the end ----------------------------------------------------------------------------------------------------

    def _finish(self, *, whole: bool) -> None:
        """Count and close. whole: the copy went to its end (or was asked to stop); else the service refused."""
        writer = self._writer
        if not writer.is_loaded and not writer.has_unfinished_work and writer.position.number and self._count_unread():
            writer.close("complete" if whole else "stopped")
            return
        name_source(writer, self._source, self._clock)
        if whole and not self._stop.is_set():
            self._read_folders_again()
        self._count_loaded()
        writer.close("complete" if whole and not self._stop.is_set() else "stopped")

    def _read_folders_again(self) -> None:
        """Folders whose count does not fit are asked for once more (1 unit each): the listing may have been older."""
        state, scope = self._writer.state, self._source.id
        doubtful = [f.id for f in folder_counts(state) if f.scope == scope and f.verdict == "unexplained"]
        doubtful += uncounted_folders(state, scope)
        for folder_id in doubtful[:FOLDERS_READ_AGAIN]:
            path = f"/drives/{segment(scope)}/items/{segment(folder_id)}"
            try:
                served = self._graph.get(path, params={"$select": SELECT}, cost=Cost.SINGLE)
            except (ItemError, SourceError, TransientError):
                continue  # the verdict stays as it is: unexplained
            if served.get("id") != folder_id or has_wrong_type(served):
                continue
            facts, row = facts_of(served, scope), state.item_row(scope, folder_id)
            if row is None or facts.get("deleted") or facts["kind"] != row["kind"] or same_facts(facts, row):
                continue
            self._writer.emit("listed", facts)
            if facts_of_row({**row, "service": facts["service"]}) == facts:
                self._writer.emit("item", {**row, **facts})
            else:  # it was moved or renamed meanwhile: the next run will tell
                self.result.problems.append("moving")

    def _count_loaded(self) -> None:
        state, result = self._writer.state, self.result
        reconciliation = reconcile(state)
        self._take_counts(reconciliation, map(load_json, state.rows("outcome = 'excepted'")))
        result.agreements = state.agreements()
        if self._to_read_again():
            result.problems.append("content_differs")
            put_aside = [row for row in map(load_json, state.rows(PUT_ASIDE)) if asks_again(row)]
            result.digests["content_differs"] = _digest([[row["id"], row["sha256"]] for row in put_aside])
        if uncounted := uncounted_folders(state, self._source.id):
            result.problems.append("count_unavailable")
            result.digests["count_unavailable"] = _digest(uncounted)
        for entry in reconciliation["independent"]:
            row = {name: entry[name] for name in ("scope", "by", "expected", "found")}
            at = timestamp(self._clock.now())
            self._writer.emit("count", {**row, "kind": "drive", "id": self._source.id, "at": at})

    def _count_unread(self) -> bool:
        """Nothing was new: the fold's own reconciliation still holds. False if it is not as it was written."""
        reconciliation = self._writer.folded_reconciliation()
        if not reconciliation:
            return False
        self._take_counts(reconciliation, self._writer.exceptions())
        if uncounted(reconciliation["independent"], "folder"):
            self.result.problems.append("count_unavailable")
            self.result.digests["count_unavailable"] = _digest(uncounted_of(self._writer.rows(), self._source.id))
        return not self._writer.has_unfinished_work

    def _take_counts(self, reconciliation: JsonObject, excepted: Iterable[JsonObject]) -> None:
        result = self.result
        result.counts, result.kinds = dict(reconciliation["counts"]), reconciliation["kinds"]
        result.unexplained = sum(entry["unexplained"] for entry in reconciliation["independent"])
        if difference := difference_of(reconciliation["independent"]):
            result.digests["not_reconciled"] = difference
        result.uncounted_packages = uncounted(reconciliation["independent"], "package")
        result.exceptions.clear()
        result.excepted_kinds.clear()
        result.newest.clear()
        for row in excepted:
            if row["code"] != ExceptionCode.VANISHED:
                result.excepted_kinds[row["kind"]] = result.excepted_kinds.get(row["kind"], 0) + 1
            code, run, captured = row["code"], str(row.get("run")), datetime.fromisoformat(row["captured"])
            result.exceptions[code] = result.exceptions.get(code, 0) + 1
            runs = result.newest.setdefault(code, {})
            runs[run] = max(runs.get(run, captured), captured)


def _digest(content: list[Any]) -> str:
    return Hashed.of(dump_json({"content": content}))
