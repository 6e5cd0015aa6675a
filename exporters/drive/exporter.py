"""Copies one OneDrive into its bag.

Rules of this file: the drive is copied; what its folders are said to hold is compared with our rows, those that do not fit are
asked for once more, and the bag is closed, whatever came. Source: design §4 (the ledger, Whole).
"""

import threading
from collections.abc import Callable

from exporters.bag.about import name_source
from exporters.bag.ledger import BagWriter
from exporters.clock import Clock, timestamp
from exporters.copied import CopyResult, Progress
from exporters.drive.copying import DriveCopy
from exporters.drive.counting import count_loaded, count_unread
from exporters.drive.crew import Crew
from exporters.drive.scope import Scope
from exporters.drive.settings import DriveSettings
from exporters.ending import to_its_end
from exporters.graph.session import GraphSession
from exporters.sources import Source


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
        self._source, self._writer, self._clock, self._stop = source, writer, clock, stop
        self._accepts_removals = accepts_removals
        self._mass: str | None = None
        self.result = CopyResult()
        self._drive = DriveCopy(
            Scope(source.id),
            graph,
            writer,
            settings,
            clock,
            crew=crew,
            progress=progress,
            stop=stop,
            may_remove=self._may_remove,
            result=self.result,
        )

    def _may_remove(self, mass: str | None) -> bool:
        self._mass = None if mass is None or self._accepts_removals(mass) else mass
        return self._mass is None

    def run(self) -> CopyResult:
        """Copy; close the bag, also if the service refuses. Raises: SourceError, RunError, errors of the store."""
        to_its_end(self._drive.copy, self._finish, self._stop)
        return self.result

    def _finish(self, *, whole: bool) -> None:
        """Count and close. whole: the copy went to its end (or was asked to stop); else the service refused."""
        writer, result = self._writer, self.result
        if self._mass is not None:
            result.problems.append("mass_disappearance")
            result.digests["mass_disappearance"] = self._mass
        is_quiet = not writer.is_loaded and not writer.has_unfinished_work and writer.position.number
        if is_quiet and count_unread(writer, [self._source.id], result):
            writer.close("complete" if whole else "stopped")
            return
        name_source(writer, self._source, self._clock)
        if whole and not self._stop.is_set():
            self._drive.read_folders_again()
        at = timestamp(self._clock.now())
        for entry in count_loaded(writer, [self._drive], result)["independent"]:
            row = {name: entry[name] for name in ("scope", "by", "expected", "found")}
            writer.emit("count", {**row, "kind": "drive", "id": self._source.id, "at": at})
        writer.close("complete" if whole and not self._stop.is_set() else "stopped")
