"""Where the copy of the pages of one site is tried out: the part in this process, on a folder store, at a simulated tenant.

Rules of this file: what is fake lies outside of the product: the tenant, and a clock that runs fast. After each run the bag is
verified by the product and compared with the tenant's truth at that moment.
"""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exporters.bag.about import name_source
from exporters.bag.catalogue import Catalogue
from exporters.bag.ledger import BagWriter, Run, open_bag
from exporters.bag.verify import verify_bag
from exporters.clock import timestamp
from exporters.copied import CopyResult, Progress
from exporters.drive.crew import Crew
from exporters.export import new_run_id
from exporters.sharepoint.pages.exporter import Pages
from exporters.sharepoint.run import SiteList, SiteRun
from exporters.sharepoint.settings import SiteSettings
from exporters.sources import Source, SourceKind
from exporters.store.folder import FolderStore
from tests.faults.mail_desk import TurnedClock
from tests.unit.graph.mailbox_tenant import Desk, desk_at
from tests.unit.sharepoint import page_data as data

Row = dict[str, Any]
PAGE = "sites/*/pages/*/microsoft.graph.sitePage"


@dataclass
class PageDesk:
    """A store and a tenant with one site. lists: of the site, as the exporter of sites would tell them."""

    desk: Desk
    folder: Path
    clock: TurnedClock
    lists: tuple[SiteList, ...] = ()
    store: FolderStore = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.store = FolderStore(self.folder)

    # -- runs -------------------------------------------------------------------------------------------------------

    def run(
        self,
        *,
        may_have_news: bool = True,
        stop: threading.Event | None = None,
        progress: Progress | None = None,
        accepts: Callable[[str], bool] = lambda digest: False,
        store: Any = None,
        before: Callable[[BagWriter], None] = lambda writer: None,
        derives: bool = True,
        take_over: bool = True,
    ) -> CopyResult:
        """One run of the part. before: what other parts do first. Raises what it raises."""
        stop, store = stop or threading.Event(), store or self.store
        source = Source(SourceKind.SHAREPOINT, data.SITE, "/sites/wall")
        bag = Catalogue(store).bag_of(source, cloud="custom", at=timestamp(self.clock.now()))
        row = {"kind": source.kind.value, "id": source.id, "owner": None, "cloud": "custom", "name": source.name}
        result, bag_run = CopyResult(), Run(new_run_id(self.clock), self.clock, lambda: 0, take_over)
        with (
            open_bag(store, bag, {**row, "settings": {}}, bag_run) as writer,
            Crew(small=2, big=1) as crew,
        ):
            before(writer)
            run = SiteRun(
                source=source,
                graph=self.desk.graph,
                writer=writer,
                settings=SiteSettings(),
                clock=self.clock,
                crew=crew,
                progress=progress or Progress(),
                stop=stop,
                accepts_removals=accepts,
                result=result,
            )
            pages = Pages(run, may_have_news=may_have_news, lists=self.lists)
            pages.copy()
            run.note_masses()
            if writer.is_loaded or writer.has_unfinished_work:
                name_source(writer, source, self.clock)
            if derives:
                pages.derive()
            result.coverage.append(pages.coverage())
            writer.close("stopped" if stop.is_set() else "complete")
        return result

    def asked_by(self, run: Callable[[], object]) -> Counter[str]:
        """What a run asks: number of requests by their route."""
        self.desk.client.control("POST", "reset-requests")
        run()
        return Counter(row["route"] for row in self.desk.asked())

    # -- the tenant -------------------------------------------------------------------------------------------------

    def change(self, *rows: Row) -> None:
        """Apply changes to pages; each must do something."""
        given = [{"kind": "page", "site": "s0000", **row} for row in rows]
        done = self.desk.client.change(*given)
        assert sum(done.values()) == len(given) and "skipped" not in done, done

    def truth(self) -> dict[str, Row]:
        """Live pages by id."""
        return {row["id"]: row for row in self.desk.client.control("GET", "truth/pages/s0000")}

    # -- the bag ----------------------------------------------------------------------------------------------------

    @property
    def bag_folder(self) -> Path:
        (found,) = [path.parents[1] for path in self.folder.glob("sharepoint/*/lastcopy/source.json")]
        return found

    def rows(self, kind: str) -> list[Row]:
        lines = (self.bag_folder / "lastcopy/items.jsonl").read_bytes().splitlines()
        return [row for row in map(json.loads, lines) if row["kind"] == kind]

    def html(self, row: Row) -> str:
        """The HTML of a page."""
        (derived,) = [one for one in self.rows("derived") if one.get("of") == row["id"]]
        return (self.bag_folder / derived["key"]).read_text()

    def verified(self) -> None:
        """The bag must be sound, by the product itself."""
        report = verify_bag(self.store, self.bag_folder.relative_to(self.folder).as_posix(), refold=True)
        wrong = {name: found for name in ("missing", "changed", "unexpected") if (found := getattr(report, name))}
        assert not wrong and not report.open and report.refolded, report
        assert set(report.reasons) <= {"the source was never listed to the end"}, report  # no library, and no list, is

    def checked(self, *, excepted: Iterable[str] = ()) -> dict[str, Row]:
        """Each page of the tenant is in the bag, with its canvas and as HTML, and no other lives. excepted: ids that could not be
        had. Returns rows by id."""
        self.verified()
        rows = {row["id"]: row for row in self.rows("page")}
        alive = {i: row for i, row in rows.items() if row["outcome"] != "gone" and row.get("code") != "vanished"}
        truth, refused = self.truth(), set(excepted)
        assert alive.keys() == truth.keys(), alive.keys() ^ truth.keys()
        for page_id, row in alive.items():
            assert row["path"] == f"/Site Pages/{truth[page_id]['name']}", row
            if page_id in refused:
                assert row["outcome"] == "excepted" and row["code"], row
                continue
            assert row["outcome"] == "copied", row
            kept = (self.bag_folder / row["key"]).read_bytes()
            assert (len(kept), hashlib.sha256(kept).hexdigest()) == (row["size"], row["sha256"])
            for name in ("title", "name", "canvasLayout", "eTag"):
                assert json.loads(kept)[name] == truth[page_id][name], name
            assert row["sha256"] in self.html(row)
        return rows


@contextmanager
def page_desk(tenant: Path, folder: Path, **options: Any) -> Iterator[PageDesk]:
    """A running tenant with a store beside it. options: of the rehearsal."""
    clock = TurnedClock()
    with desk_at(tenant, clock, **options) as desk:
        found = PageDesk(desk, folder, clock)
        try:
            yield found
        finally:
            found.store.close()
