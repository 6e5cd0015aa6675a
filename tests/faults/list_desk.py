"""Where the copy of lists is tried out: that part alone in this process, on a folder store, at a simulated tenant.

Rules of this file: what is fake lies outside of the product: the tenant, and a clock that runs fast. After each run the bag is
verified by the product, and compared with the tenant's truth at that moment by what lies in the folder.
"""

import csv
import functools
import hashlib
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exporters.bag.about import name_source
from exporters.bag.catalogue import Catalogue
from exporters.bag.formats import dump_json, entry_of
from exporters.bag.ledger import BagWriter, Run, open_bag
from exporters.bag.verify import verify_bag
from exporters.clock import timestamp
from exporters.copied import CopyResult, Progress
from exporters.drive.crew import Crew
from exporters.drive.settings import DriveSettings
from exporters.export import new_run_id
from exporters.graph.answers import object_of
from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession
from exporters.sharepoint.lists.exporter import Lists
from exporters.sharepoint.run import SiteList, SiteRun
from exporters.sharepoint.settings import SiteSettings
from exporters.sources import Source, SourceKind
from exporters.store.folder import FolderStore
from tests.faults.mail_desk import TurnedClock
from tests.unit.graph.list_tenant import session_at
from tests.unit.rehearsal import list_data as data
from tests.unit.rehearsal.client import Client, running

Row = dict[str, Any]
SELECT = "id,name,displayName,webUrl,createdDateTime,lastModifiedDateTime,eTag,list,system"


@dataclass
class ListDesk:
    """A store and a tenant with lists. versions, has_certificate: asked of the copy."""

    client: Client
    graph: GraphSession
    folder: Path
    clock: TurnedClock
    versions: str | int = "current"
    has_certificate: bool = True
    site: str = data.SITE
    path: str = "/sites/harbour"
    store: FolderStore = field(init=False)
    masses: dict[str, str] = field(default_factory=dict)
    """Of the last run: by list, digests of what vanished at once."""
    was_quiet: bool = False
    """Whether the last run read nothing but the heads of the bag."""

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
        take_over: bool = False,
        store: Any = None,
    ) -> CopyResult:
        """One run. Raises what it raises; the bag is closed unless the store is at fault."""
        stop, store = stop or threading.Event(), store or self.store
        source = Source(SourceKind.SHAREPOINT, self.site, self.path)
        bag = Catalogue(store).bag_of(source, cloud="custom", at=timestamp(self.clock.now()))
        row = {
            "kind": "sharepoint",
            "id": source.id,
            "owner": None,
            "cloud": "custom",
            "name": source.name,
            "settings": {},
        }
        with (
            open_bag(store, bag, row, Run(new_run_id(self.clock), self.clock, lambda: 0, take_over)) as writer,
            Crew() as crew,
        ):
            run = self._site_run(source, writer, crew, stop, progress or Progress(), accepts)
            part = Lists(run, list(self.lists()))
            part.copy()
            if not stop.is_set():
                part.derive()
            self.was_quiet = not writer.is_loaded
            if writer.is_loaded:
                name_source(writer, source, self.clock)
            writer.close("stopped" if stop.is_set() else "complete")
            self.masses = dict(run.masses)
        return run.result

    def _site_run(
        self,
        source: Source,
        writer: BagWriter,
        crew: Crew,
        stop: threading.Event,
        progress: Progress,
        accepts: Callable[[str], bool],
    ) -> SiteRun:
        settings = SiteSettings(DriveSettings(versions=self.versions, permissions="none"), self.has_certificate)
        return SiteRun(source, self.graph, writer, settings, self.clock, crew, progress, stop, accepts, CopyResult())

    def lists(self) -> Iterator[SiteList]:
        """As the exporter of a site finds them."""
        path = f"/sites/{self.site}/lists"
        for page in self.graph.pages(path, params={"$select": SELECT}, cost=Cost.LISTING):
            for row in page:
                facet = object_of(row.get("list"))
                yield SiteList(
                    row["id"], row["displayName"], facet["template"], row, None, facet["hidden"], "system" in row
                )

    # -- the tenant -------------------------------------------------------------------------------------------------

    def change(self, op: str, *, list: str = data.TASKS, kind: str = "listItem", **more: Any) -> None:
        """Apply a change; it must do something."""
        done = self.client.change({"kind": kind, "site": "sites/s0000", "list": list, "op": op, **more})
        assert done == {f"{kind}-{op}": 1}, done

    def faults(self, *rules: Row) -> None:
        self.client.control("POST", "faults", list(rules))

    def fired(self) -> int:
        """How often the plan in force has struck."""
        return sum(rule["fired"] for rule in self.client.control("GET", "summary")["faults"])

    def asked(self, run: Callable[[], object]) -> list[Row]:
        """The requests that a run sends."""
        self.client.control("POST", "reset-requests", {})
        run()
        return [row for row in self.client.control("GET", "requests") if row["host"] in ("graph", "sharepoint")]

    def truth(self, list_id: str = data.TASKS) -> dict[str, Row]:
        """Items of a list by id."""
        folder = "s0000" if self.site == data.SITE else "s0001"
        return {row["id"]: row for row in self.client.control("GET", f"truth/lists/{folder}/{list_id}")}

    def attachment(self, content: bytes) -> Row:
        """A content reference for a change."""
        return data.content(self.client.rehearsal.tenant.folder, content)

    # -- the bag ----------------------------------------------------------------------------------------------------

    @property
    def bag(self) -> Path:
        (found,) = [path.parents[1] for path in self.folder.glob("sharepoint/*/lastcopy/source.json")]
        return found

    def rows(self) -> list[Row]:
        return [json.loads(line) for line in (self.bag / "lastcopy/items.jsonl").read_bytes().splitlines()]

    def of(self, kind: str, list_id: str = data.TASKS) -> dict[str, Row]:
        """Rows of a kind that hang on a list, by id (of what hangs on items: by item and id)."""
        found = {}
        for row in self.rows():
            if row["kind"] == kind and row["scope"].partition("/")[0] == list_id:
                found["/".join([*row["scope"].split("/")[1:], row["id"]])] = row
        return found

    def line(self, row: Row) -> Row:
        """The line that a row names."""
        holder, number = entry_of(row["key"]) or ("", "")
        data_of = _lines_of(self.bag / holder)[int(number) - 1]
        assert (len(data_of), hashlib.sha256(data_of).hexdigest()) == (row["size"], row["sha256"])
        found: Row = json.loads(data_of)
        return found

    def verified(self, *, whole: bool = True) -> None:
        """The bag is sound; whole: all counts agree."""
        report = verify_bag(self.store, self.bag.relative_to(self.folder).as_posix(), refold=True)
        problems = {
            name: getattr(report, name) for name in ("missing", "changed", "unexpected") if getattr(report, name)
        }
        assert not problems and not report.open and report.refolded, report
        assert report.reconciled or not whole, report.reasons

    def checked(self, *list_ids: str, whole: bool = True) -> None:
        """The bag holds what the tenant has: each item once with its fields, and the bytes of each file."""
        self.verified(whole=whole)
        for list_id in list_ids or (data.TASKS, data.PEOPLE, data.BERTHS, data.EMPTY, data.SLASH):
            truth = self.truth(list_id)
            live = {
                item_id: row for item_id, row in self.of("list_item", list_id).items() if row["outcome"] == "copied"
            }
            assert live.keys() == truth.keys(), (list_id, live.keys() ^ truth.keys())
            files = {n: row for n, row in self.of("attachment", list_id).items() if row["outcome"] == "copied"}
            wanted = {}
            for item_id, row in live.items():
                line = self.line(row)
                fields = {name: value for name, value in line["graph"]["fields"].items() if name != "@odata.etag"}
                assert fields == truth[item_id]["fields"] and line["graph"]["eTag"] == truth[item_id]["eTag"], (
                    fields,
                    truth[item_id],
                )
                for entry in truth[item_id].get("_attachments", ()) if self.has_certificate else ():
                    wanted[f"{item_id}/{entry['fileName']}"] = entry["_c"]["sha256"]
            held = {name: row["sha256"] for name, row in files.items()}
            assert held == wanted, {
                name: (held.get(name), wanted.get(name))
                for name in held.keys() | wanted.keys()
                if held.get(name) != wanted.get(name)
            }
            for row in files.values():
                assert hashlib.sha256((self.bag / row["key"]).read_bytes()).hexdigest() == row["sha256"]

    def table(self, name: str = "Tasks", file: str = "items.csv") -> list[dict[str, str]]:
        """A table of a list, as a spreadsheet reads it."""
        data_of = (self.bag / "data/lists" / name / file).read_bytes().decode("utf-8-sig")
        return list(csv.DictReader(io.StringIO(data_of, newline=""), strict=True))


@functools.lru_cache(maxsize=32)  # objects never change
def _lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")


def without_times(rows: list[Row]) -> list[str]:
    """Rows, less what differs from run to run: for comparing two bags."""
    names = ("run", "captured", "since", "versionId", "key")
    return sorted(
        dump_json({k: v for k, v in row.items() if k not in names}).decode()
        for row in rows
        if row["kind"] != "leftover"
    )


@contextmanager
def list_desk(tenant: Path, folder: Path, *, has_certificate: bool = True, **options: Any) -> Iterator[ListDesk]:
    """A running tenant with a store beside it. options: of the rehearsal."""
    clock = TurnedClock(60.0)
    with (
        running(tenant, clock=clock, **options) as client,
        session_at(client, clock, has_certificate=has_certificate) as graph,
    ):
        found = ListDesk(client, graph, folder, clock, has_certificate=has_certificate)
        try:
            yield found
        finally:
            found.store.close()
