"""Copies one mailbox into its bag.

Rules of this file: the story, in order: ask what is new of each folder, walk the tree of folders, decide removals, work off what
is owed, ask again until nothing comes (at most three closing rounds), compare with the service's own counts, close. One listing
and one ledger writer; only contents are fetched side by side. Source: design §4 (the ledger, Whole), §5.
"""

import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from exporters.bag.about import name_source
from exporters.bag.digests import Hashed
from exporters.bag.formats import JsonObject, dump_json, load_json
from exporters.bag.ledger import BagWriter
from exporters.bag.reconcile import difference_of, reconcile
from exporters.bag.removed import digest_of_removed, is_mass
from exporters.clock import Clock, timestamp
from exporters.copied import CopyResult, Progress
from exporters.ending import to_its_end
from exporters.errors import SourceError
from exporters.graph.errors import GraphError, StoppedError
from exporters.graph.mailbox import Mailbox
from exporters.graph.session import GraphSession
from exporters.mail.capture.contents import Fetcher
from exporters.mail.capture.coverage import COUNT_UNAVAILABLE, coverage_rows, not_counted
from exporters.mail.capture.due import are_streams_due, note_composing, note_streams
from exporters.mail.capture.exceptions import worth_another_try
from exporters.mail.capture.folders import Paths, settle_folders
from exporters.mail.capture.keeping import Keeper
from exporters.mail.capture.listing import Listing
from exporters.mail.capture.objects import Objects
from exporters.mail.capture.planning import Planner
from exporters.mail.capture.profile import refresh_profile
from exporters.mail.capture.removals import find_removed, kinds_held_back, removal_rows
from exporters.mail.capture.second import SecondCapture, Told
from exporters.mail.capture.team import Team
from exporters.mail.originals import COMPOSED, PST_CURSOR
from exporters.mail.settings import MailSettings
from exporters.outcomes import ExceptionCode
from exporters.sources import Source

CLOSING_ROUNDS = 3


class MailExporter:
    """One run on one mailbox. source: of kind mail; its id is that of the user, or of the group whose mailbox it is.

    compose: makes the PSTs, once the originals are there and before the bag is closed.
    """

    def __init__(
        self,
        source: Source,
        graph: GraphSession,
        writer: BagWriter,
        settings: MailSettings,
        clock: Clock,
        *,
        progress: Progress,
        stop: threading.Event,
        accepts_removals: Callable[[str], bool] = lambda digest: False,
        is_group: bool = False,
        compose: Callable[[BagWriter], None] | None = None,
    ) -> None:
        self._source, self._graph, self._writer, self._settings = source, graph, writer, settings
        self._clock, self._progress, self._stop = clock, progress, stop
        self._accepts_removals, self._is_group = accepts_removals, is_group
        self._compose = compose
        self._mailbox = Mailbox(graph, source.id, route="groups" if is_group else "users")
        self._listing = Listing(self._mailbox, writer, settings, stop=stop, is_group=is_group)
        self._cloud = graph.cloud.name
        self._told = Told()
        self.result = CopyResult()

    def run(self) -> CopyResult:
        """Copy; close the bag, also if the service refuses. Raises: SourceError, RunError, errors of the store."""
        to_its_end(self._copy, self._finish, self._stop)
        return self.result

    # -- rounds -----------------------------------------------------------------------------------------------------

    def _copy(self) -> None:
        extra, anew = self._extra_work_waits(), self._did_not_agree()
        relisted, doubted = set(anew), set[str]()
        is_quiet = not extra
        refresh_profile(self._mailbox, self._writer, self._clock, is_group=self._is_group)
        for _ in range(1 + CLOSING_ROUNDS):
            news = self._listing.run(anew)
            self.result.has_answered = True
            is_quiet = is_quiet and not news
            if not (news or anew or extra or doubted or self._writer.has_unfinished_work):
                break
            did, extra = self._round(extra=extra), False
            found = self._doubtful_folders() - relisted
            anew, doubted = found & doubted, found  # by two rounds: a count may be read just after something came
            relisted |= anew
            if self._stop.is_set() or not (news or did or found):
                break
        self._note_refusals()
        if not (self._is_group or self._stop.is_set()):
            self._second(is_quiet=is_quiet and not are_streams_due(self._writer))

    def _second(self, *, is_quiet: bool) -> None:
        """The second capture, and the archive, where they can be had."""
        second = SecondCapture(
            self._mailbox,
            self._writer,
            self._settings,
            self._clock,
            cloud=self._cloud,
            stop=self._stop,
            progress=self._progress,
            result=self.result,
            is_quiet=is_quiet,
            accepts_removals=self._accepts_removals,
        )
        self._told = second.run()

    def _round(self, *, extra: bool) -> int:
        """Decide removals and work off what is owed; the number of items worked on."""
        name_source(self._writer, self._source, self._clock)
        note_composing(self._writer)
        note_streams(self._writer)
        removed = self._decide_removals()
        paths = Paths(self._writer.state)
        settled, new = settle_folders(self._writer, paths, self._clock)
        self.result.copied += new
        return removed + settled + self._work(paths, extra=extra)

    def _decide_removals(self) -> int:
        """Mark as gone what no folder lists any more; nothing if a folder could not be asked, or too much would vanish."""
        state, writer = self._writer.state, self._writer
        find_removed(state, kinds_held_back(self._listing.refused))
        if is_mass(state, "") and not self._accepts_removals(digest := digest_of_removed(state, "")):
            self._add_problem("mass_disappearance")
            self.result.digests["mass_disappearance"] = digest
            return 0
        gone = 0
        for row in removal_rows(state, writer.run.id, timestamp(self._clock.now())):
            gone += 1
            self.result.gone_now += row["outcome"] == "gone"
            writer.emit("item", row)
        return gone

    def _work(self, paths: Paths, *, extra: bool) -> int:
        """Fetch and keep what is owed; the number of items worked on."""
        objects = Objects(self._writer, self._clock)
        keeper = Keeper(self._writer, objects, self._clock, self.result)
        planner = Planner(self._writer.state, paths, keeper.move)
        before = self.result.worked_on
        self._progress.listed(planner.count_owed())
        fetcher = Fetcher(self._mailbox)
        try:
            with Team(fetcher.fetch, self._stop, self._clock) as team:
                for fetched in team.through(planner.tasks(extra=extra, now=self._clock.now()), idle=objects.close_due):
                    keeper.keep(fetched)
                    self._progress.finished(1)
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
        return self.result.worked_on - before

    # -- what waits without news ------------------------------------------------------------------------------------

    def _extra_work_waits(self) -> bool:
        """Whether failures are worth another try."""
        now = self._clock.now()
        return any(worth_another_try(row, now) for row in self._writer.exceptions())

    def _did_not_agree(self) -> set[str]:
        """Folders whose counts were unexplained when the bag was last folded: deltas alone will never bring what is missing."""
        told = self._writer.folded_reconciliation().get("independent", ())
        return {
            detail["id"]
            for entry in told
            if entry.get("by") == "totalItemCount"
            for detail in entry["detail"]
            if detail["verdict"] == "unexplained"
        }

    def _doubtful_folders(self) -> set[str]:
        """Folders whose count does not fit now, and that were not listed from the start in this round."""
        independent = reconcile(self._writer.state)["independent"]
        found = {
            detail["id"]
            for entry in independent
            for detail in entry["detail"]
            if detail["verdict"] == "unexplained" and entry["scope"] == ""
        }
        return found - self._listing.relisted

    def _note_refusals(self) -> None:
        """Folders, and parts of the mailbox, that could not be listed, or that nothing proves to be whole."""
        refused = self._listing.refused
        if refused:
            self._add_problem("folders_not_listed")
            self.result.digests["folders_not_listed"] = _digest(sorted((s, e.code) for s, e in refused.items()))
        if uncounted := self._listing.walk.uncounted():
            self._add_problem(COUNT_UNAVAILABLE)
            self.result.digests[COUNT_UNAVAILABLE] = _digest(uncounted)

    def _add_problem(self, code: str) -> None:
        if code not in self.result.problems:
            self.result.problems.append(code)

    # -- the end ----------------------------------------------------------------------------------------------------

    def _finish(self, *, whole: bool) -> None:
        """Count and close. whole: the copy went to its end (or was asked to stop); else the service refused."""
        writer = self._writer
        done = whole and not self._stop.is_set()
        is_quiet = not writer.is_loaded and not writer.has_unfinished_work and writer.position.number
        if is_quiet and self._is_composed() and self._count_unread():
            writer.close("complete" if whole else "stopped")
            return
        name_source(writer, self._source, self._clock)
        if done and self._compose is not None:
            self._compose(writer)
        elif writer.is_loaded:  # what is new waits for the next run
            note_composing(writer)
        self._count_loaded()
        writer.close("complete" if done else "stopped")

    def _is_composed(self) -> bool:
        """Whether nothing waits for being composed, as far as nobody finds news."""
        return self._compose is None or self._pst.get("kind") == COMPOSED

    @property
    def _pst(self) -> JsonObject:
        """How far composing has come."""
        return self._writer.heads.cursors.get(PST_CURSOR, {})

    def _count_loaded(self) -> None:
        state = self._writer.state
        reconciliation = reconcile(state)
        self._take_counts(reconciliation, map(load_json, state.rows("outcome = 'excepted'")))
        at = timestamp(self._clock.now())
        for entry in reconciliation["independent"]:
            row = {name: entry[name] for name in ("scope", "by", "expected", "found")}
            self._writer.emit("count", {**row, "kind": "mail", "id": self._source.id, "at": at})

    def _count_unread(self) -> bool:
        """Nothing was new: the fold's own reconciliation still holds. False if it is not as it was written."""
        reconciliation = self._writer.folded_reconciliation()
        if not reconciliation:
            return False
        self._take_counts(reconciliation, self._writer.exceptions())
        return not self._writer.has_unfinished_work

    def _take_counts(self, reconciliation: JsonObject, excepted: Iterable[JsonObject]) -> None:
        result = self.result
        result.counts, result.kinds = dict(reconciliation["counts"]), reconciliation["kinds"]
        result.unexplained = sum(entry["unexplained"] for entry in reconciliation["independent"])
        if difference := difference_of(reconciliation["independent"]):
            result.digests["not_reconciled"] = difference
        settings: list[str] = []
        for row in excepted:
            if row["code"] != ExceptionCode.VANISHED:
                result.excepted_kinds[row["kind"]] = result.excepted_kinds.get(row["kind"], 0) + 1
                settings += [row["reason"]] if row["kind"] == "setting" else []
            code, run, captured = row["code"], str(row.get("run")), datetime.fromisoformat(row["captured"])
            result.exceptions[code] = result.exceptions.get(code, 0) + 1
            runs = result.newest.setdefault(code, {})
            runs[run] = max(runs.get(run, captured), captured)
        refused = self._listing.refused
        result.coverage = coverage_rows(
            result,
            refused,
            self._settings,
            is_group=self._is_group,
            recoverable=self._listing.recoverable_of(refused),
            unread_settings=settings,
            uncounted=len(self._listing.walk.uncounted()),
            shared_calendars=self._listing.walk.shared_calendars(),
        )
        odd = {entry["scope"] for entry in reconciliation["independent"] if entry["unexplained"]}
        result.coverage += [
            not_counted(row) if self._told.scopes.get(row["class"]) in odd else row for row in self._told.coverage
        ]


def _digest(content: Any) -> str:
    return Hashed.of(dump_json({"content": content}))
