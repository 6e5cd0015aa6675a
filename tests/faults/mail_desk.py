"""Where the capture of one mailbox is tried out: the exporter in this process, on a folder store, at a simulated tenant.

Rules of this file: what is fake lies outside of the product: the tenant, and a clock that runs fast. After each run the bag is
verified by the product, read by the independent reader, and compared with the tenant's truth at that moment.
"""

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from exporters.bag.catalogue import Catalogue
from exporters.bag.ledger import Run, open_bag
from exporters.bag.verify import verify_bag
from exporters.clock import timestamp
from exporters.copied import CopyResult, Progress
from exporters.export import new_run_id
from exporters.mail.capture.exporter import MailExporter
from exporters.mail.settings import MailSettings
from exporters.sources import Source, SourceKind
from exporters.store.folder import FolderStore
from tests.faults.desk import HurriedClock
from tests.independent.differences import Differences
from tests.independent.mailbox_bag import MailboxBag, read_bag
from tests.unit.graph.mailbox_tenant import Desk, desk_at
from tests.unit.rehearsal import mailbox_data as data

Row = dict[str, Any]
Rule = dict[str, Any]
VALUE = "users/*/messages/*/$value"
"""Where MIME is asked for."""


class TurnedClock(HurriedClock):
    """The fast clock, which can be moved on."""

    def __init__(self, speed: float = 60.0) -> None:
        super().__init__(speed)
        self._turned = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self._turned

    def advance(self, seconds: float) -> None:
        self._turned += seconds

    def hurry(self, speed: float) -> None:
        """Go so many times as fast from now on."""
        now = self.monotonic()
        self._speed = speed
        self.advance(now - self.monotonic())

    def turn(self, time: timedelta) -> None:
        """Move it on."""
        self.advance(time.total_seconds())


class Stopping(Progress):
    """Asks a run to stop after so many items."""

    def __init__(self, stop: threading.Event, after: int) -> None:
        self._stop, self._left = stop, after

    def finished(self, items: int) -> None:
        self._left -= items
        if self._left <= 0:
            self._stop.set()


@dataclass
class MailDesk:
    """A store and a tenant with mailboxes. owner: whose is copied. settings: asked of the copy."""

    desk: Desk
    folder: Path
    clock: TurnedClock
    owner: str = data.ADA
    is_group: bool = False
    settings: MailSettings = field(default_factory=lambda: MailSettings(fasttransfer="off", archive="none"))
    store: FolderStore = field(init=False)

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
        exporter = None
        source = Source(SourceKind.MAIL, self.owner, f"{self.owner[:8]}@rehearsal.example")
        store = store or self.store
        bag = Catalogue(store).bag_of(source, cloud="custom", at=timestamp(self.clock.now()))
        row = {"kind": "mail", "id": source.id, "owner": None, "cloud": "custom", "name": source.name}
        row["settings"] = self.settings.as_kept()
        run = Run(new_run_id(self.clock), self.clock, lambda: 0, take_over)
        with open_bag(store, bag, row, run) as writer:
            exporter = MailExporter(
                source,
                self.desk.graph,
                writer,
                self.settings,
                self.clock,
                progress=progress or Progress(),
                stop=stop or threading.Event(),
                accepts_removals=accepts,
                is_group=self.is_group,
            )
            exporter.run()
        return exporter.result

    def asked_by(self, run: Callable[[], object]) -> Counter[str]:
        """What a run asks: number of requests by their route."""
        self.desk.client.control("POST", "reset-requests")
        run()
        return Counter(row["route"] for row in self.desk.asked())

    # -- the tenant -------------------------------------------------------------------------------------------------

    def change(self, *rows: Row, owner: str | None = None) -> None:
        """Apply changes to the mailbox; each must do something."""
        given = [{"kind": "message", "user": owner or self.owner, **row} for row in rows]
        done = self.desk.client.change(*given)
        assert sum(done.values()) == len(given) and not {"skipped", "ignored"} & done.keys(), done

    def faults(self, *rules: Rule) -> None:
        self.desk.faults(*rules)

    def fired(self) -> int:
        """How often the plan in force has struck."""
        return sum(rule["fired"] for rule in self.desk.summary()["faults"])

    def truth(self) -> list[Row]:
        """Of the mailbox, at this moment."""
        found: list[Row] = self.desk.client.control("GET", f"truth/mailboxes/{self.owner}")
        return found

    # -- the bag ----------------------------------------------------------------------------------------------------

    @property
    def bag_folder(self) -> Path:
        (found,) = [
            path.parents[1]
            for path in self.folder.glob("mail/*/lastcopy/source.json")
            if self.owner.encode() in path.read_bytes()
        ]
        return found

    def bag(self, *, whole: bool = True, settled: bool = True) -> MailboxBag:
        """The bag as an independent reader has it. It must be sound; whole: all counts agree; settled: nothing is owed."""
        report = verify_bag(self.store, self.bag_folder.relative_to(self.folder).as_posix(), refold=True)
        problems = {
            name: getattr(report, name) for name in ("missing", "changed", "unexpected") if getattr(report, name)
        }
        assert not problems and not report.open and report.refolded, report
        assert report.reconciled or not whole, report.reasons
        found = Differences()
        bag = read_bag(self.bag_folder, found)
        if not settled:
            found.found["bag frame"] = [one for one in found.found.pop("bag frame", []) if "are owed" not in one]
        if not whole:
            found.found.pop("counts of the service", None)
        said = {kind: texts for kind, texts in found.found.items() if texts}
        assert not said, said
        return bag

    def checked(self, *refused: str) -> MailboxBag:
        """The bag, compared with the truth. refused: ids of messages whose MIME a fault kept back."""
        bag = self.bag()
        assert_true(bag, self.truth(), recoverable=self.settings.recoverable == "all", refused=set(refused))
        return bag


def assert_true(bag: MailboxBag, truth: Iterable[Row], *, recoverable: bool, refused: set[str]) -> None:
    """Each item of the mailbox is in the bag once, with its bytes and in its folder, and nothing else is there."""
    rows = list(truth)
    outside = {tuple(one["folder"]) for one in rows if one["kind"] == "folder" and _is_outside(one)}
    wanted = [one for one in rows if recoverable or one["kind"] != "message" or tuple(one["folder"]) not in outside]
    for kind in ("message", "contact", "task"):
        due = {one["immutableId"]: one for one in wanted if one["kind"] == kind and _is_copied(one, rows)}
        got = {row["id"]: row for row in bag.of(kind) if row.get("code") != "vanished" and not row["scope"]}
        assert got.keys() == due.keys(), (kind, got.keys() ^ due.keys())
        if kind == "message":
            _compare_messages(bag, got, due, refused)
    masters = {one["immutableId"] for one in wanted if one["kind"] == "event" and not one["row"].get("seriesMasterId")}
    assert {row["id"] for row in bag.of("event") if row.get("code") != "vanished"} == masters


def _compare_messages(bag: MailboxBag, got: dict[str, Row], due: dict[str, Row], refused: set[str]) -> None:
    for item_id, one in due.items():
        row = got[item_id]
        assert row["folder"] == "/" + "/".join(one["folder"]), (row["folder"], one["folder"])
        if one["readable"] and item_id not in refused:
            assert (row["outcome"], row["sha256"], row["size"]) == ("copied", one["sha256"], one["size"]), row
            assert hashlib.sha256(bag.read(row["key"])).hexdigest() == one["sha256"]
            record = bag.record(row)
            assert record["sha256"] == row["sha256"], (row, record)
            for name in ("isRead", "categories"):
                assert record["graph"].get(name, one["row"].get(name)) == one["row"].get(name), (row, record, one)
        else:
            assert row["outcome"] == "excepted" and row["code"], row


def _is_outside(folder: Row) -> bool:
    return str(folder["folder"][0] if folder["folder"] else "").startswith("Recoverable Items")


def _is_copied(one: Row, rows: list[Row]) -> bool:
    """Flagged mail stands among the tasks too, and is mail once more."""
    flagged = {r["id"] for r in rows if r["kind"] == "list" and r["row"].get("wellknownListName") == "flaggedEmails"}
    return one["kind"] != "task" or one["row"]["_list"] not in flagged


@contextmanager
def mail_desk(tenant: Path, folder: Path, **options: Any) -> Iterator[MailDesk]:
    """A running tenant with a store beside it. options: of the rehearsal."""
    clock = TurnedClock()
    with desk_at(tenant, clock, **options) as desk:  # type: ignore[arg-type]
        found = MailDesk(desk, folder, clock)
        try:
            yield found
        finally:
            found.store.close()
