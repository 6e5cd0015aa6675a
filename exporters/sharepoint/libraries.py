"""The document libraries of a site: each drive is copied as a OneDrive is, and its list side after it.

Rules of this file: a library that refuses does not stop the others, and is said by name; one whose full round was cut off goes
first, and a round that cannot go on is given up, so that no two are open at once; a library that the site has no more is asked
for by itself before its files are called gone. Source: design §4, graph.md §5.1, quirks Q-001, Q-060; docs/decisions/0048.
"""

from collections.abc import Callable

from exporters.bag.ledger import BagDamagedError
from exporters.drive.copying import DriveCopy
from exporters.drive.scope import Roots, Scope
from exporters.errors import ItemError, LastcopyError, SourceError, TransientError
from exporters.graph.calls import JsonObject, segment
from exporters.graph.errors import GaveUpError, NoDriveError, NotFoundError
from exporters.graph.limits import Cost
from exporters.sharepoint.columns import Columns, columns_are_due, columns_gone, note_columns_due
from exporters.sharepoint.components import library_component
from exporters.sharepoint.described import forget_library, known_libraries
from exporters.sharepoint.inventory import Inventory, Library
from exporters.sharepoint.pages.exporter import note_pages_due
from exporters.sharepoint.run import SiteRun

OF_PAGES = "webPageLibrary"
"""Template of the library whose files are pages."""
MOST_UNANSWERED = 3
"""Libraries, one after another, that gave no sensible answer for as long as is sensible: then the site is left alone."""


class Libraries:
    """All libraries of one site in one run. refused: {drive id: why} of those that could not be copied to the end."""

    def __init__(self, run: SiteRun, inventory: Inventory) -> None:
        self._run, self._inventory = run, inventory
        self._unanswered = 0
        self.copies: list[DriveCopy] = []
        """Of those that were listed in this run."""
        self.refused: dict[str, LastcopyError] = {}

    def copy(self) -> bool:
        """Copy them all. Raises: RunError, StoppedError, errors of the store; SourceError where none answers any more."""
        run, did = self._run, False
        self.refused, self.copies, self._unanswered = {}, [], 0
        open_scopes = run.writer.heads.scopes
        libraries = sorted(self._inventory.libraries, key=lambda one: (one.drive_id not in open_scopes, one.drive_id))
        there = {one.drive_id for one in libraries}
        for drive in open_scopes - there:  # before another round ends it
            self._drive_copy(drive, "").give_up_round()
        for library in libraries:
            if run.stop.is_set():
                return did
            did = self._guarded(library.drive_id, lambda library=library: self._copy(library)) or did  # type: ignore[misc]
        for drive, list_id in sorted(known_libraries(run.writer).items()):
            if drive not in there and not run.stop.is_set():
                did = self._guarded(drive, lambda drive=drive, of=list_id: self._settle_missing(drive, of)) or did  # type: ignore[misc]
        return did

    @property
    def may_have_new_pages(self) -> bool:
        """Whether the library of pages refused, is not known, or there are several: else its news leave word for the pages."""
        of_pages = [one.drive_id for one in self._inventory.libraries if one.template == OF_PAGES]
        return len(of_pages) != 1 or of_pages[0] in self.refused

    def derive(self) -> None:
        """The tables of the list side are made with those of lists."""

    def _guarded(self, drive: str, work: Callable[[], bool]) -> bool:
        """Work on one library; what the service refuses of it is kept."""
        try:
            did = work()
        except BagDamagedError:
            raise
        except (SourceError, ItemError, TransientError) as error:
            self.refused[drive] = error
            self._drive_copy(drive, "").give_up_round()
            self._unanswered = self._unanswered + 1 if isinstance(error, (GaveUpError, TransientError)) else 0
            if self._unanswered >= MOST_UNANSWERED:
                raise
            return True
        self._unanswered = 0
        return did

    def _copy(self, library: Library) -> bool:
        run = self._run
        copy = self._drive_copy(library.drive_id, library.name)
        self.copies.append(copy)

        def noticed() -> None:
            if library.list_id is not None:
                note_columns_due(run.writer, library.list_id)
            if library.template == OF_PAGES:
                note_pages_due(run.writer)

        did = copy.copy(noticed)
        if run.stop.is_set() or library.drive_id in run.masses:  # then nothing of its list side is gone either
            return did
        if library.list_id is not None and columns_are_due(run.writer, library.list_id):
            Columns(run, library).copy()
            did = True
        return did

    def _settle_missing(self, drive: str, list_id: str) -> bool:
        """A library that the inventory does not name: gone if the service does not find it either, else copied all the same."""
        run = self._run
        served = self._asked_for(drive)
        if served is None:
            copy = self._drive_copy(drive, self._last_name(drive))
            if copy.vanish():
                columns_gone(run, list_id)
                forget_library(run.writer, drive)
            return True
        return self._copy(Library(drive, str(served.get("name") or drive), list_id or None, served))

    def _asked_for(self, drive: str) -> JsonObject | None:
        """The drive as the service has it; None if it says twice that there is none: a fresh replica may lag (Q-013)."""
        for _ in range(2):
            try:
                params = {"$select": "id,name"}
                return self._run.graph.get(f"/drives/{segment(drive)}", params=params, cost=Cost.SINGLE)
            except (NotFoundError, NoDriveError):
                continue
        return None

    def _last_name(self, drive: str) -> str:
        row = self._run.writer.state.row(("site", "drive", drive))
        return str((row or {}).get("name") or drive)

    def _drive_copy(self, drive: str, name: str) -> DriveCopy:
        run, called = self._run, name or drive
        scope = Scope(drive, f"/{called}", lambda state: Roots(library_component(state, drive, called)))
        return DriveCopy(
            scope,
            run.graph,
            run.writer,
            run.settings.drive,
            run.clock,
            crew=run.crew,
            progress=run.progress,
            stop=run.stop,
            may_remove=lambda mass: run.may_remove(drive, mass),
            result=run.result,
        )
