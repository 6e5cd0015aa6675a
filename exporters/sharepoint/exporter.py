"""Copies one site into its bag.

Rules of this file: the story, in order: ask what the site has, copy libraries, lists, pages and permissions, decide together what
vanished in masses, make the derived files, compare with the service's own counts, close. One ledger writer. What one library or
list refuses is a finding; what the site refuses is an error. Source: design §4 (the ledger, Whole), docs/decisions/0048.
"""

import threading
from collections.abc import Callable, Iterator, Sequence

from exporters.bag.about import name_source
from exporters.bag.formats import JsonObject
from exporters.bag.ledger import BagWriter
from exporters.clock import Clock, timestamp
from exporters.copied import CopyResult, Progress
from exporters.drive.counting import count_loaded, count_unread, digest_of
from exporters.drive.crew import Crew
from exporters.ending import to_its_end
from exporters.graph.answers import text_of
from exporters.graph.errors import StoppedError
from exporters.graph.session import GraphSession
from exporters.sharepoint.coverage import site_coverage, unfinished
from exporters.sharepoint.described import describe, known_libraries
from exporters.sharepoint.inventory import Inventory, read_inventory
from exporters.sharepoint.libraries import Libraries
from exporters.sharepoint.lists.exporter import Lists
from exporters.sharepoint.pages.exporter import Pages
from exporters.sharepoint.permissions import Permissions
from exporters.sharepoint.run import Part, SiteRun
from exporters.sharepoint.settings import SiteSettings
from exporters.sources import Source


class SiteExporter:
    """One run on one site. source: of kind sharepoint; its id is that of the site."""

    def __init__(
        self,
        source: Source,
        graph: GraphSession,
        writer: BagWriter,
        settings: SiteSettings,
        clock: Clock,
        *,
        crew: Crew,
        progress: Progress,
        stop: threading.Event,
        accepts_removals: Callable[[str], bool] = lambda digest: False,
    ) -> None:
        self._source, self._writer, self._clock, self._stop = source, writer, clock, stop
        self._accepted: set[str] = set()
        self._accepts = accepts_removals
        self.result = CopyResult()
        self._run = SiteRun(
            source, graph, writer, settings, clock, crew, progress, stop, self._accepts_removals, self.result
        )
        self._inventory: Inventory | None = None
        self._libraries: Libraries | None = None
        self._pages: Pages | None = None
        self._permissions: Permissions | None = None
        self._is_done = False

    def run(self) -> CopyResult:
        """Copy; close the bag, also if the service refuses. Raises: SourceError, RunError, errors of the store."""
        to_its_end(self._copy, self._finish, self._stop)
        return self.result

    def _accepts_removals(self, digest: str) -> bool:
        return digest in self._accepted or self._accepts(digest)

    # -- the copy ---------------------------------------------------------------------------------------------------

    def _copy(self) -> None:
        inventory = self._inventory = read_inventory(self._run.graph, self._source.id)
        describe(self._run, inventory)
        parts: list[Part] = []
        for part in self._parts(inventory):
            self._look_for_a_stop()
            parts.append(part)
            part.copy()
        self._decide_masses(parts)
        self.result.has_answered = True
        self._look_for_a_stop()
        for part in parts:
            part.derive()
        self._is_done = not self._stop.is_set()

    def _parts(self, inventory: Inventory) -> Iterator[Part]:
        """What is copied, in this order; each is made when those before it are done."""
        self._libraries = Libraries(self._run, inventory)
        yield self._libraries
        yield Lists(self._run, inventory.lists)
        may_have_news = self._libraries.may_have_new_pages
        self._pages = Pages(self._run, may_have_news=may_have_news, lists=inventory.lists, roots=inventory.addresses())
        yield self._pages
        self._permissions = Permissions(self._run, inventory.lists, text_of(inventory.site.get("webUrl")) or "")
        yield self._permissions

    def _look_for_a_stop(self) -> None:
        if self._stop.is_set():
            raise StoppedError(
                "The run was asked to stop while a site was copied.", code="stopped", action="Run again to go on."
            )

    def _decide_masses(self, parts: Sequence[Part]) -> None:
        """Several masses are one finding: who accepts it accepts all of them, and then they are decided in this very run."""
        mass = self._run.mass
        if len(self._run.masses) > 1 and mass is not None and self._accepts(mass):
            self._accepted.update(self._run.masses.values())
            for part in parts:
                self._look_for_a_stop()
                part.copy()

    # -- the end ----------------------------------------------------------------------------------------------------

    def _finish(self, *, whole: bool) -> None:
        """Count and close. whole: the copy went to its end (or was asked to stop); else the service refused."""
        writer, result = self._writer, self.result
        done = whole and not self._stop.is_set()
        self._note_refusals()
        self._run.note_masses()
        is_quiet = not writer.is_loaded and not writer.has_unfinished_work and writer.position.number
        if is_quiet and count_unread(writer, sorted(known_libraries(writer)), result):
            self._cover()
            writer.close("complete" if whole else "stopped")
            return
        name_source(writer, self._source, self._clock)
        copies = self._libraries.copies if self._libraries is not None else []
        if done:
            for copy in copies:
                copy.read_folders_again()
        at = timestamp(self._clock.now())
        for entry in count_loaded(writer, copies, result)["independent"]:
            row = {name: entry[name] for name in ("scope", "by", "expected", "found")}
            kind = "drive" if entry["by"] == "folder.childCount" else "list"
            writer.emit("count", {**row, "kind": kind, "id": entry["scope"], "at": at})
        self._cover()
        writer.close("complete" if done else "stopped")

    def _note_refusals(self) -> None:
        """Libraries that could not be copied to their end, or not asked for: one finding."""
        refused = {} if self._libraries is None else {d: e.code for d, e in self._libraries.refused.items()}
        refused |= {} if self._inventory is None else self._inventory.unreadable | self._inventory.unasked
        if refused:
            self.result.problems.append("libraries_refused")
            self.result.digests["libraries_refused"] = digest_of(sorted(refused.items()))

    def _cover(self) -> None:
        rows: list[JsonObject] = []
        if self._inventory is not None:
            refused = self._libraries.refused if self._libraries is not None else {}
            rows = site_coverage(self._inventory, refused, self.result)
        rows += [] if self._pages is None else [self._pages.coverage()]
        rows += [] if self._permissions is None else self._permissions.coverage()
        self.result.coverage += rows if self._is_done else unfinished(rows)
