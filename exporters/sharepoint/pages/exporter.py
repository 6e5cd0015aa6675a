"""Copies the pages of one site.

Rules of this file: the story, in order: list, decide removals, read what is owed, list again until nothing comes; then the HTML
of what is new. Pages are listed only where there may be news: the library of pages tells it, and a run that could not go on
leaves word for the next. Source: design §4 (Whole), docs/formats.md (bag of a site); graph.md §5.4.

    pages = Pages(run, may_have_news=library_had_news, lists=lists)
    pages.copy()
    pages.derive()  # after the lists have made their tables, which pages link to
"""

from collections.abc import Iterator, Mapping, Sequence

from exporters.bag.digests import Hashed
from exporters.bag.formats import JsonObject, load_json
from exporters.bag.ledger import BagWriter
from exporters.bag.objects import earlier_entry
from exporters.clock import timestamp
from exporters.drive.crew import Shift
from exporters.drive.exceptions import make_exception, stays
from exporters.drive.planning import may_succeed
from exporters.errors import ItemError, LastcopyError, SourceError
from exporters.graph.errors import SiteLockedError, StoppedError
from exporters.outcomes import Outcome
from exporters.sharepoint.pages.capture import Capturer, Done, Task
from exporters.sharepoint.pages.deriving import Deriving
from exporters.sharepoint.pages.facts import KIND, SCOPE, facts_of_row, is_alive, path_of, same_facts
from exporters.sharepoint.pages.links import PAGES_LIBRARY
from exporters.sharepoint.pages.listing import Listing, owed_pages
from exporters.sharepoint.pages.names import Names
from exporters.sharepoint.pages.unlisted import look_for_unlisted
from exporters.sharepoint.run import SiteList, SiteRun

CLOSING_ROUNDS = 3
CURSOR = "pages"
DUE, LISTED, DERIVED = "due", "listed", "derived"
"""Kinds of the cursor: pages are to be listed; they are copied, and not yet made into HTML; all is done."""
NOT_LISTED = "pages_not_listed"


def note_pages_due(writer: BagWriter) -> None:
    """Leave word that the library of pages had news: to be called where that is known and the pages may not be reached in this
    run. Twice is as once."""
    cursor = writer.heads.cursors.get(CURSOR)
    if cursor is not None and cursor["kind"] != DUE:
        writer.emit("cursor", {"scope": CURSOR, **cursor, "kind": DUE})


class Pages:
    """A part of the copy of a site. may_have_news: whether the library of pages had news in this run, or nobody knows. lists: all
    lists and libraries of the site, whose files and tables pages link to. roots: {drive id: address of a library}."""

    def __init__(
        self,
        run: SiteRun,
        *,
        may_have_news: bool = True,
        lists: Sequence[SiteList] = (),
        roots: Mapping[str, str] | None = None,
    ) -> None:
        self._run, self._writer = run, run.writer
        self._lists, self._roots = lists, roots or {}
        self._may_have_news = may_have_news
        self._drives = [one.drive_id for one in lists if one.template == PAGES_LIBRARY and one.drive_id is not None]
        self._refused: LastcopyError | None = None

    # -- copying ----------------------------------------------------------------------------------------------------

    def copy(self) -> bool:
        """See `Part`. Raises: SiteLockedError, StoppedError, RunError, errors of the store."""
        self._refused = None
        if not self._is_due():
            return False
        note_pages_due(self._writer)
        listing = Listing(self._run.graph, self._writer, self._run.source.id, self._run.stop.is_set)
        had_work = False
        for number in range(1 + CLOSING_ROUNDS):
            news = self._list(listing)
            if news is None:
                return had_work
            did = self._work(extra=number == 0) if not self._run.stop.is_set() else 0
            had_work = had_work or bool(news or did)
            if self._run.stop.is_set() or not (news or did):
                break
        if not (self._run.stop.is_set() or listing.missing) and self._is_whole():
            self._keep_cursor(LISTED, listing.digest)
        return had_work

    def _is_whole(self) -> bool:
        """Whether no page is left out by the listing, as far as the files of pages tell."""
        try:
            look_for_unlisted(self._run.graph, self._writer, self._run.source.id, self._drives)
        except (SiteLockedError, StoppedError):
            raise
        except (ItemError, SourceError) as error:
            self._refuse(error)
            return False
        return True

    def _is_due(self) -> bool:
        cursor = self._writer.heads.cursors.get(CURSOR)
        if cursor is None or cursor["kind"] == DUE or self._may_have_news:
            return True
        now = self._run.clock.now()
        if any(row["kind"] == KIND and may_succeed(row, now) for row in self._writer.exceptions()):
            return True
        return self._writer.has_unfinished_work_of(SCOPE)

    def _keep_cursor(self, kind: str, digest: str) -> None:
        value = {"scope": CURSOR, "kind": kind, "link": "", "digest": digest}
        if {"scope": CURSOR, **self._writer.heads.cursors.get(CURSOR, {})} != value:
            self._writer.emit("cursor", value)

    def _list(self, listing: Listing) -> int | None:
        """List, and decide removals; how much was new. None if that could not be done: then all waits for the next run."""
        try:
            news = listing.run()
        except (SiteLockedError, StoppedError):
            raise
        except (ItemError, SourceError) as error:
            self._refuse(error)
            return None
        rows = listing.removals(lambda mass: self._run.may_remove(KIND, mass))
        if rows is None:
            return None
        at = timestamp(self._run.clock.now())
        for row in rows:
            is_gone = row["outcome"] == Outcome.GONE
            self._writer.emit("item", {**row, "run": self._writer.run.id, ("since" if is_gone else "captured"): at})
            self._run.result.gone_now += is_gone
            news += 1
        return news + listing.missing

    def _refuse(self, error: LastcopyError) -> None:
        self._refused, result = error, self._run.result
        if NOT_LISTED not in result.problems:
            result.problems.append(NOT_LISTED)
        result.digests[NOT_LISTED] = Hashed.of(error.code.encode())

    # -- work -------------------------------------------------------------------------------------------------------

    def _work(self, *, extra: bool) -> int:
        """Read what is owed; the number of pages worked on. extra: what failed once as well."""
        capturer, names = Capturer(self._run.graph, self._writer, self._run.source.id), Names(self._writer)
        before = self._run.result.worked_on

        def work(task: Task) -> Done | None:
            try:
                return capturer.work(task)
            except StoppedError:
                if not self._run.stop.is_set():
                    raise
                return None

        self._run.progress.listed(self._count_owed())
        try:
            for handful in Shift(self._run.crew, work, self._run.stop.is_set).through(self._tasks(names, extra=extra)):
                for done in handful:
                    if done is not None:
                        self._keep(self._placed(done, capturer, names))
        except BaseException:
            self._writer.orphans_possible = True  # what others put meanwhile has no row: named before the bag closes
            raise
        return self._run.result.worked_on - before

    def _count_owed(self) -> int:
        query = "SELECT count(*) FROM owed WHERE scope = '' AND kind = ? AND deleted = 0"
        return self._writer.state.count(query, (KIND,))

    def _tasks(self, names: Names, *, extra: bool) -> Iterator[Task]:
        if extra:
            now = self._run.clock.now()
            query = "outcome = 'excepted' AND kind = ? AND id NOT IN (SELECT id FROM owed WHERE scope = '')"
            failed = [row for row in map(load_json, self._writer.state.rows(query, (KIND,))) if may_succeed(row, now)]
            yield from (self._task(names, facts_of_row(row), row) for row in failed)
        for facts, row in owed_pages(self._writer):
            if row is not None and row["outcome"] == Outcome.GONE and same_facts(facts, row):
                self._revive(row)
            else:
                yield self._task(names, facts, row)

    def _task(self, names: Names, facts: JsonObject, row: JsonObject | None) -> Task:
        is_first = row is None or (row.get("key") is None and not self._has_versions(facts["id"]))
        place = names.first if is_first else names.later
        return Task(facts, row, place(facts["name"], facts["id"]))

    def _has_versions(self, page_id: str) -> bool:
        query = "SELECT count(*) FROM rows WHERE kind = 'version' AND scope = ?"
        return bool(self._writer.state.count(query, (page_id,)))

    def _revive(self, row: JsonObject) -> None:
        """It is listed again as it was: its bytes are here."""
        kept = {name: value for name, value in row.items() if name != "since"}
        self._writer.emit("item", {**kept, "outcome": Outcome.COPIED.value, "run": self._writer.run.id})
        self._run.result.worked_on += 1

    def _placed(self, done: Done, capturer: Capturer, names: Names) -> Done:
        """The same, with its bytes in a place of their own."""
        while done.data is not None:
            self._writer.orphans_possible = True
            done = capturer.put(done.task, done.data, names.later(done.task.facts["name"], done.task.facts["id"]))
        return done

    def _keep(self, done: Done) -> None:
        """Write down what came of a page."""
        facts, held, result = done.task.facts, done.task.row, self._run.result
        row: JsonObject = {**facts, "path": path_of(facts), "outcome": Outcome.COPIED.value}
        row.update(run=self._writer.run.id, captured=timestamp(self._run.clock.now()))
        if done.code is not None:
            make_exception(row, done.code, done.reason)
            stays(row, held)
        else:
            row.update(key=done.key, size=done.received, sha256=done.sha256)
            if done.version_id is not None:
                row["versionId"] = done.version_id
        if held is not None and held.get("key") is not None and held["key"] != row.get("key"):
            self._writer.emit("item", earlier_entry(held))
        if row != held or self._writer.state.listed(SCOPE, row["id"]) is not None:
            self._writer.emit("item", row)
        result.worked_on += 1
        result.bytes_received += done.received
        result.downloaded += done.is_new
        if done.is_new and (held is None or held["run"] != self._writer.run.id or not is_alive(held)):
            result.copied += 1
        self._run.progress.received(done.received)
        self._run.progress.finished(1)

    # -- HTML -------------------------------------------------------------------------------------------------------

    def derive(self) -> None:
        """See `Part`. Nothing where nothing is new, and nothing was left to do."""
        cursor = self._writer.heads.cursors.get(CURSOR)
        if cursor is None or (cursor["kind"] == DERIVED and not self._writer.is_loaded):
            return
        Deriving(self._run, self._lists, self._roots).run()
        if cursor["kind"] == LISTED and not self._run.stop.is_set():
            self._keep_cursor(DERIVED, cursor["digest"])

    def coverage(self) -> JsonObject:
        """The row of coverage of the class `pages`."""
        if self._refused is not None:
            error = self._refused
            told = {"code": NOT_LISTED, "reason": str(error), "alternative": error.action}
            return {"class": "pages", "state": "not reachable", **told}
        cursor = self._writer.heads.cursors.get(CURSOR)
        failed = self._run.result.excepted_kinds.get(KIND, 0)
        if cursor is None or cursor["kind"] == DUE:
            return {"class": "pages", "state": "in part", "reason": "Not all pages could be listed to the end."}
        if failed:
            return {"class": "pages", "state": "in part", "reason": f"{failed:,} pages could not be copied."}
        return {"class": "pages", "state": "covered"}
