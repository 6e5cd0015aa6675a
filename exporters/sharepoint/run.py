"""What the parts of one run on one site share, and what a part is.

Rules of this file: values and the protocol only, no I/O. Source: design §4; docs/formats.md (bag of a site).
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from exporters.bag.digests import Hashed
from exporters.bag.formats import dump_json
from exporters.bag.ledger import BagWriter
from exporters.clock import Clock
from exporters.copied import CopyResult, Progress
from exporters.drive.crew import Crew
from exporters.graph.calls import JsonObject
from exporters.graph.session import GraphSession
from exporters.sharepoint.settings import SiteSettings
from exporters.sources import Source


@dataclass(frozen=True, slots=True)
class SiteRun:
    """One run on one site. result: what parts count into. One ledger writer, used from one thread. masses: {scope: digest of
    what would vanish at once in it}, as long as nobody accepts that: one finding of the site (see `may_remove`)."""

    source: Source
    graph: GraphSession
    writer: BagWriter
    settings: SiteSettings
    clock: Clock
    crew: Crew
    progress: Progress
    stop: threading.Event
    accepts_removals: Callable[[str], bool]
    result: CopyResult
    masses: dict[str, str] = field(default_factory=dict)

    def may_remove(self, scope: str, mass: str | None) -> bool:
        """Whether what a listing of `scope` lacks may be called gone. mass: its digest if it is more than happens every day, else
        None. What may not is one finding with that of other scopes; the exporter of the site says so, and no part."""
        self.masses.pop(scope, None)
        if mass is None or self.accepts_removals(mass):
            return True
        self.masses[scope] = mass
        return False

    @property
    def mass(self) -> str | None:
        """One name for all that waits for a person; of a single mass its own."""
        masses = sorted(self.masses.values())
        if len(masses) > 1:
            return Hashed.of(dump_json({"masses": masses}))
        return masses[0] if masses else None

    def note_masses(self) -> None:
        """At the end of a run: what waits for a person is a problem."""
        if (mass := self.mass) is not None:
            self.result.problems.append("mass_disappearance")
            self.result.digests["mass_disappearance"] = mass


@dataclass(frozen=True, slots=True)
class SiteList:
    """A list of a site, as `/lists` serves it. drive_id: of a document library, else None."""

    id: str
    name: str
    template: str
    served: JsonObject
    drive_id: str | None = None
    is_hidden: bool = False
    is_system: bool = False


class Part(Protocol):
    """Libraries, lists, pages, permissions: each copies its share of a site. A StoppedError, a GraphError of the whole site and
    errors of the store go through; what concerns one list or item is a row, or a code in `result.problems`."""

    def copy(self) -> bool:
        """List, decide removals, work off what is owed, list again until nothing comes (at most three closing rounds); whether
        there was news or work."""
        ...

    def derive(self) -> None:
        """Make the derived files of what is new. Asks the service nothing."""
        ...
