"""Copies one drive into a bag, be it alone there or one of several.

Rules of this file: the story, in order: list a round, decide removals, work off what is owed, list again until nothing comes (at
most three closing rounds). One listing and one ledger writer; only downloads are shared out. Of a bag that holds several drives
everything is asked by scope, and no full round of one stays unfinished while another is listed. Source: design §4 (the ledger,
Whole), docs/formats.md (bag of a site).
"""

import threading
from collections.abc import Callable, Iterator
from typing import Any

from exporters.bag.formats import load_json
from exporters.bag.ledger import BagWriter
from exporters.bag.reconcile import folder_counts, uncounted_folders
from exporters.bag.removed import begin_removed, digest_of_removed, is_mass
from exporters.clock import Clock, timestamp
from exporters.copied import CopyResult, Progress
from exporters.drive.capture import Capturer, asks_again
from exporters.drive.crew import Crew, Shift
from exporters.drive.download import Downloader
from exporters.drive.facts import SELECT, facts_of, has_wrong_type, same_facts
from exporters.drive.listing import DROPPED, Listing
from exporters.drive.packages import settle_packages
from exporters.drive.planning import PUT_ASIDE, Planner, facts_of_row, is_of, lacks_versions, may_succeed
from exporters.drive.refusals import Refusals
from exporters.drive.removals import find_removed, removal_rows, settle_kind_changes, write_down_removed
from exporters.drive.scope import Scope
from exporters.drive.settings import DriveSettings
from exporters.drive.tasks import Done, Task
from exporters.errors import ItemError, SourceError, TransientError
from exporters.graph.calls import segment
from exporters.graph.errors import StoppedError
from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession

CLOSING_ROUNDS = 3
FOLDERS_READ_AGAIN = 500


class DriveCopy:
    """One run on one drive. result: is told what was copied, and of problems with the whole."""

    def __init__(
        self,
        scope: Scope,
        graph: GraphSession,
        writer: BagWriter,
        settings: DriveSettings,
        clock: Clock,
        *,
        crew: Crew,
        progress: Progress,
        stop: threading.Event,
        may_remove: Callable[[str | None], bool],
        result: CopyResult,
    ) -> None:
        """may_remove: is given the digest of what would vanish at once, None if that is no mass; whether that may be."""
        self.scope, self.result = scope, result
        self._drive = scope.drive
        self._graph, self._writer, self._settings = graph, writer, settings
        self._clock, self._crew, self._progress, self._stop = clock, crew, progress, stop
        self._may_remove = may_remove
        self._lock = threading.RLock()
        self._had_rows: bool | None = None
        self._is_fulfilled = False
        self._has_put_aside = False
        self._goes_on = False
        """Whether an earlier run left work undone, and the first round with work has not ended yet."""
        self._doubts = (downloader := Downloader(graph, writer, progress.received)).doubts
        self._refusals = Refusals()
        self._capturer = Capturer(graph, downloader, clock, scope.drive, writer.run.id, self._refusals)

    def copy(self, noticed: Callable[[], None] = lambda: None) -> bool:
        """Rounds until nothing comes; whether there was news or work. noticed: is told of that before anything is settled.

        Raises: SourceError, RunError, errors of the store; StoppedError.
        """
        extra, anew = self._extra_work_waits(), self._did_not_agree()
        self._goes_on, has_worked = self._has_unfinished_work(), False
        for number in range(1 + CLOSING_ROUNDS):
            listing = Listing(
                self._graph,
                self._writer,
                self._drive,
                self._fulfilled(),
                stop=self._stop,
                anew=anew and number == 0,
            )
            news = listing.run()
            self.result.problems += sorted(listing.problems - set(self.result.problems))
            self.result.has_answered = True
            if not (news or extra or listing.was_full or self._has_unfinished_work()):
                break
            noticed()
            has_worked = True
            self._has_put_aside |= listing.was_full  # its beginning dropped the cursor that said so
            removals_decided = self._end_round(listing.was_full)
            did = self._work(extra=extra)
            if not self._stop.is_set():
                self._is_fulfilled, extra = True, False
                listing.keep({**self._asked(), **self.to_read_again()})
            if self._stop.is_set() or not (news or did) or not removals_decided:
                break
        return has_worked

    def give_up_round(self) -> None:
        """A full round that cannot go on now is forgotten, so that others may begin: the next one begins at its start."""
        if self._drive in self._writer.heads.scopes:
            self._drop_cursor()
            self._writer.emit("round", {"scope": self._drive, "state": "ended", "full": False, "link": None})

    def _drop_cursor(self) -> None:
        """The next listing begins at its start."""
        value = {"kind": DROPPED, "link": "", "settings": self._fulfilled()}
        if self._writer.heads.cursors.get(self._drive) != value:
            self._writer.emit("cursor", {"scope": self._drive, **value})

    def vanish(self) -> bool:
        """The service has no such drive any more: all of it is removed; False if that is more than anybody has accepted. One that
        comes back is listed from its start."""
        self.give_up_round()
        self._drop_cursor()
        state, at = self._writer.state, timestamp(self._clock.now())
        begin_removed(state)
        state.db.execute("INSERT INTO removed SELECT id FROM tree WHERE scope = ? AND alive = 1", (self._drive,))
        state.db.execute("INSERT OR IGNORE INTO removed SELECT id FROM owed WHERE scope = ?", (self._drive,))
        if self._holds_back():
            write_down_removed(self._writer, self._drive)
            return False
        self._settle_removed(at)
        return True

    @property
    def _kept(self) -> dict[str, Any] | None:
        """The settings that stand with the cursor; empty if that is lost and there are rows, which may lack what is asked now."""
        cursor = self._writer.heads.cursors.get(self._drive)
        if cursor is not None:
            kept: dict[str, Any] = cursor.get("settings", {})
            return kept
        if self._had_rows is None:
            self._had_rows = bool(self._writer.position.number) and self._writer.state.has_items(self._drive)
        return {} if self._had_rows else None

    def _asked(self) -> dict[str, object]:
        """What is asked of this run, as kept with each cursor."""
        return {**self._settings.as_kept(), **({} if self.scope.is_alone else {"path": self.scope.path})}

    def _asks_more(self, kept: dict[str, Any]) -> bool:
        """Whether more is asked than rows say, though nothing is new: wider settings, another name of the library."""
        return self._settings.wider_than(kept) or kept.get("path", "") != self.scope.path

    def _fulfilled(self) -> dict[str, object]:
        """The settings to keep with cursors: wider ones only when the work that they add is done (a run may be cut off)."""
        kept = self._kept
        again = {"again": True} if kept is not None and kept.get("again") else {}
        if kept is None or self._is_fulfilled or not self._asks_more(kept):
            return {**self._asked(), **again}
        return {**{name: kept[name] for name in self._asked() if name in kept}, **again}

    def _note_put_aside(self) -> None:
        """Before the first such row is written: a run that is cut off now is followed by one that knows."""
        cursor = self._writer.heads.cursors.get(self._drive)
        self._has_put_aside = True
        if cursor is not None and not cursor["settings"].get("again"):
            settings = {**cursor["settings"], "again": True}
            self._writer.emit("cursor", {"scope": self._drive, **cursor, "settings": settings})

    def to_read_again(self) -> dict[str, object]:
        """Stands with the cursor as long as bytes are put aside until they are read again: the next run has work then."""
        if not ((self._kept or {}).get("again") or self._has_put_aside):
            return {}
        query = f"SELECT count(*) FROM rows WHERE {PUT_ASIDE} AND scope = ?"  # noqa: S608 - a constant of ours
        return {"again": True} if self._writer.state.count(query, (self._drive,)) else {}

    # -- what waits without news ------------------------------------------------------------------------------------

    def _has_unfinished_work(self) -> bool:
        """Whether something is left undone, by this run or one before."""
        if self.scope.is_alone:
            return self._writer.has_unfinished_work
        return self._writer.has_unfinished_work_of(self._drive)

    def _extra_work_waits(self) -> bool:
        """Whether there is work without news: failures worth another try, wider settings, sharing asked again."""
        kept = self._kept
        if self._settings.refresh_permissions or (kept is not None and self._asks_more(kept)):
            return True
        if kept is not None and kept.get("again"):
            return True
        now = self._clock.now()
        return any(
            may_succeed(row, now) or lacks_versions(row, self._settings)
            for row in self._writer.exceptions()
            if is_of(row, self._drive)
        )

    def _did_not_agree(self) -> bool:
        """Whether counts were unexplained when the bag was last folded: deltas alone will never bring what is missing."""
        told = self._writer.folded_reconciliation().get("independent", ())
        return any(
            entry["unexplained"] or entry["explained"] for entry in told if entry["scope"] == self._drive
        )  # explained: by a version before ADR 0027

    # -- one round --------------------------------------------------------------------------------------------------

    def _end_round(self, full: bool) -> bool:
        """Decide removals and end the round; False if too much would vanish at once."""
        state, at = self._writer.state, timestamp(self._clock.now())
        find_removed(state, self._drive, full=full)
        is_held_back = self._holds_back()
        if is_held_back:
            if self.scope.is_alone:
                return False
            write_down_removed(self._writer, self._drive)
        else:
            self._settle_removed(at)
        link = self._writer.heads.cursors.get(self._drive, {}).get("link")
        self._writer.emit("round", {"scope": self._drive, "state": "ended", "full": full, "link": link})
        return not is_held_back

    def _settle_removed(self, at: str) -> None:
        for row in removal_rows(self._writer.state, self.scope, self._writer.run.id, at):
            self.result.gone_now += row["outcome"] == "gone"
            self._writer.emit("item", row)

    def _holds_back(self) -> bool:
        """Whether more would vanish than anybody has accepted."""
        state = self._writer.state
        return not self._may_remove(digest_of_removed(state, self._drive) if is_mass(state, self._drive) else None)

    def _work(self, *, extra: bool) -> int:
        """Work off what is owed; the number of items worked on."""
        planner = Planner(self._writer, self.scope, self._settings, self._lock)
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
            settle_kind_changes(self._writer, self._drive, timestamp(self._clock.now()))
            self._goes_on = False
        settle_packages(self._writer, self._drive, timestamp(self._clock.now()))
        return self.result.worked_on - before

    def _read_suspects_again(self) -> None:
        """Bytes that were kept though not as listed, before the same came for other items too: the next run reads them again."""
        query = (
            "agreement IN ('differs', 'rewritten') AND kind = 'file' AND outcome = 'copied' AND size = ? AND scope = ?"
        )
        for size in sorted(self._doubts.sizes):
            rows = [load_json(data) for data in self._writer.state.rows(query, (size, self._drive))]
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

    def read_folders_again(self) -> None:
        """Folders whose count does not fit are asked for once more (1 unit each): the listing may have been older."""
        state, drive = self._writer.state, self._drive
        doubtful = [f.id for f in folder_counts(state, drive) if f.verdict == "unexplained"]
        doubtful += uncounted_folders(state, drive)
        for folder_id in doubtful[:FOLDERS_READ_AGAIN]:
            path = f"/drives/{segment(drive)}/items/{segment(folder_id)}"
            try:
                served = self._graph.get(path, params={"$select": SELECT}, cost=Cost.SINGLE)
            except (ItemError, SourceError, TransientError):
                continue  # the verdict stays as it is: unexplained
            if served.get("id") != folder_id or has_wrong_type(served):
                continue
            facts, row = facts_of(served, drive), state.item_row(drive, folder_id)
            if row is None or facts.get("deleted") or facts["kind"] != row["kind"] or same_facts(facts, row):
                continue
            self._writer.emit("listed", facts)
            if facts_of_row({**row, "service": facts["service"]}) == facts:
                self._writer.emit("item", {**row, **facts})
            else:  # it was moved or renamed meanwhile: the next run will tell
                self.result.problems.append("moving")
