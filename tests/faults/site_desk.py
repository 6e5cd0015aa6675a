"""Where the copy of one site is tried out: the exporter in this process, on a folder store, at a simulated tenant.

Rules of this file: what is fake lies outside of the product: the tenant, and a clock that runs fast. After each run the bag is
verified by the product, and read by the independent reader; its libraries are compared with the tenant's truth at that moment.
"""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exporters.bag.catalogue import Catalogue
from exporters.bag.ledger import Run, open_bag
from exporters.bag.verify import verify_bag
from exporters.clock import timestamp
from exporters.copied import CopyResult, Progress
from exporters.drive.crew import Crew
from exporters.drive.settings import DriveSettings
from exporters.export import new_run_id
from exporters.sharepoint.exporter import SiteExporter
from exporters.sharepoint.settings import SiteSettings
from exporters.sources import Source, SourceKind
from exporters.store.folder import FolderStore
from tests.faults.mail_desk import TurnedClock
from tests.independent import tiny, tiny_sites
from tests.independent.differences import Differences
from tests.independent.site_bag import SiteBag, read_site_bag
from tests.independent.site_libraries import Asked, LibraryJudge
from tests.independent.site_truth import SiteTruth, TenantTruth, load
from tests.independent.tiny import Drive, write_rows
from tests.unit.graph.mailbox_tenant import Desk, desk_at

Row = dict[str, Any]
DELTA = "drives/*/root/delta"
CONTENT = "drives/*/items/*/content"
DRIVES = "sites/*/drives"


def make_site(out: Path, fill: Callable[[tiny_sites.Site], None], *, path: str = "/sites/lab") -> str:
    """A tenant with one site, whose libraries and lists `fill` makes; its id."""
    tiny.make(out, drives=1, files=1, odd=False)
    site = tiny_sites.Site(0, path, "Laboratory")
    fill(site)
    site.write(out)
    write_rows(out / "sites.jsonl", [site.row])
    return site.id


def plain(drive: Drive, files: int, *, folders: int = 1) -> Drive:
    """So many files, spread over folders below one another."""
    above, places = drive.root, [drive.root]
    for n in range(folders):
        above = drive.folder_in(f"folder {n}", above)
        places.append(above)
    for n in range(files):
        drive.file_in(f"file {n:03}.txt", places[n % len(places)])
    return drive


@dataclass
class SiteDesk:
    """A store and a tenant with a site. settings: asked of the copy."""

    desk: Desk
    tenant: Path
    folder: Path
    clock: TurnedClock
    site: str
    settings: SiteSettings = field(default_factory=lambda: SiteSettings(DriveSettings(versions="all")))
    store: FolderStore = field(init=False)
    changes: list[Row] = field(default_factory=list)
    exporter: SiteExporter | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.store = FolderStore(self.folder)

    # -- runs -------------------------------------------------------------------------------------------------------

    def run(
        self,
        *,
        stop: threading.Event | None = None,
        progress: Progress | None = None,
        accepts: Callable[[str], bool] = lambda digest: False,
        store: Any = None,
        take_over: bool = False,
    ) -> CopyResult:
        """One run of the exporter. Raises what it raises."""
        source = Source(SourceKind.SHAREPOINT, self.site, "sites!lab")
        store = store or self.store
        bag = Catalogue(store).bag_of(source, cloud="custom", at=timestamp(self.clock.now()))
        row = {"kind": "sharepoint", "id": source.id, "owner": None, "cloud": "custom", "name": source.name}
        row["settings"] = self.settings.drive.as_kept()
        run = Run(new_run_id(self.clock), self.clock, lambda: 0, take_over)
        with Crew(4, 2) as crew, open_bag(store, bag, row, run) as writer:
            self.exporter = SiteExporter(
                source,
                self.desk.graph,
                writer,
                self.settings,
                self.clock,
                crew=crew,
                progress=progress or Progress(),
                stop=stop or threading.Event(),
                accepts_removals=accepts,
            )
            return self.exporter.run()

    def asked_by(self, run: Callable[[], object]) -> Counter[str]:
        """What a run asks: number of requests by their route."""
        self.desk.client.control("POST", "reset-requests")
        run()
        return Counter(row["route"] for row in self.desk.asked())

    # -- the tenant -------------------------------------------------------------------------------------------------

    def change(self, *rows: Row) -> None:
        """Apply changes; each must do something."""
        given = [{"kind": "driveItem", "site": self.site, **row} for row in rows]
        done = self.desk.client.change(*given)
        assert sum(done.values()) == len(given) and "skipped" not in done, done
        self.changes += given

    def faults(self, *rules: Row) -> None:
        self.desk.faults(*rules)

    def fired(self) -> int:
        """How often the plan in force has struck."""
        return sum(rule["fired"] for rule in self.desk.summary()["faults"])

    def truth(self) -> TenantTruth:
        """At this moment, by the judge's own reckoning."""
        path = self.folder.parent / "changes.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in self.changes))
        return load(self.tenant, [path] if self.changes else None)

    # -- the bag ----------------------------------------------------------------------------------------------------

    @property
    def bag_name(self) -> str:
        (found,) = self.folder.glob("sharepoint/*/lastcopy/source.json")
        return found.parents[1].relative_to(self.folder).as_posix()

    def bag(self, *, whole: bool = True, settled: bool = True, leftovers: bool = False) -> SiteBag:
        """The bag as an independent reader has it. It must be sound; whole: all counts agree; settled: nothing is owed, no
        round is open."""
        report = verify_bag(self.store, self.bag_name, refold=True)
        problems = {
            name: getattr(report, name) for name in ("missing", "changed", "unexpected") if getattr(report, name)
        }
        assert not problems and not report.open and report.refolded, report
        assert report.reconciled or not whole, report.reasons
        found = Differences()
        bag = read_site_bag(self.folder, self.bag_name, found, leftovers=leftovers)
        if not settled:
            open_ends = ("are owed", "never ended")
            said_of_it = found.found.pop("bag frame", [])
            found.found["bag frame"] = [one for one in said_of_it if not any(end in one for end in open_ends)]
        if not whole:
            found.found.pop("reconciliation", None)
        said = {kind: texts for kind, texts in found.found.items() if texts}
        assert not said, said
        return bag

    def checked(self, *, names: dict[str, str] | None = None, leftovers: bool = False) -> SiteBag:
        """The bag, whose libraries are as the truth has them. names: {drive id: today's name} of those that were renamed."""
        bag, truth, found = self.bag(leftovers=leftovers), self.truth(), Differences()
        site: SiteTruth = truth.sites[self.site]
        for drive, name in (names or {}).items():
            site.libraries[drive].names.append(name)
        drive_settings = self.settings.drive
        asked = Asked(drive_settings.versions, drive_settings.permissions, leftovers=leftovers)
        for library in site.libraries.values():
            LibraryJudge(bag, library, truth, asked, found).judge()
        said = {kind: texts for kind, texts in found.found.items() if texts}
        assert not said, said
        return bag


@contextmanager
def site_desk(tenant: Path, folder: Path, site: str, **options: Any) -> Iterator[SiteDesk]:
    """A running tenant with a store beside it. options: of the rehearsal."""
    clock = TurnedClock()
    with desk_at(tenant, clock, **options) as desk:  # type: ignore[arg-type]
        found = SiteDesk(desk, tenant, folder, clock, site)
        try:
            yield found
        finally:
            found.store.close()
