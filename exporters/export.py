"""The front door: copies sources into a store.

Rules of this file: a source that fails does not stop the others; what a source came to is a value, never a log line; nothing here
knows of subscriptions or windows. Source: design §2.5, §4, §6.
"""

import secrets
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePath

import structlog

from exporters.bag.catalogue import Catalogue
from exporters.bag.fence import AnotherWriterError
from exporters.bag.formats import JsonObject
from exporters.bag.ledger import BagDamagedError, BagWriter, Run, open_bag
from exporters.clock import Clock, stamp, timestamp
from exporters.copied import CopyResult, Progress
from exporters.discovery import successor_of
from exporters.drive.crew import Crew
from exporters.drive.exporter import DriveExporter
from exporters.drive.settings import DriveSettings
from exporters.errors import ConfigurationError, LastcopyError, RunError, SourceError
from exporters.graph.errors import (
    AccessDeniedError,
    LockedError,
    NoDriveError,
    NotFoundError,
    PermissionMissingError,
    SiteLockedError,
    StoppedError,
)
from exporters.graph.session import GraphSession
from exporters.scratch import scratch_error
from exporters.sources import Source
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import Store
from exporters.store.segments import Position, ReplacedError

SOURCES_AT_ONCE = 4
WAIT_FOR_OTHER_SECONDS = 200.0
LOOK_AGAIN_SECONDS = 2.0
NOT_FOUND = (NotFoundError, NoDriveError)
REFUSALS = (NotFoundError, NoDriveError, AccessDeniedError, PermissionMissingError, LockedError, SiteLockedError)


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """What is asked of a run. cloud: its name, kept in the bag. accepts_removals: whether a person accepted that this mass of
    a source (its digest) is gone. gives_way: whether, after this error of one source, the whole run ends for another run's sake.
    waits_for: whether the run with this id gives way to ours."""

    cloud: str
    drive: DriveSettings = field(default_factory=DriveSettings)
    take_over: bool = False
    accepts_removals: Callable[[Source, str], bool] = lambda source, digest: False
    gives_way: Callable[[LastcopyError], bool] = lambda error: False
    waits_for: Callable[[str], bool] = lambda run: False
    sources_at_once: int = SOURCES_AT_ONCE


@dataclass(slots=True)
class SourceResult:
    """What a run came to on one source; counts as in design §6. newest: by code, the runs that found exceptions, and when the
    newest of each. digests: by code of a problem that has content, a digest of it. has_answered: whether the service listed it
    to the end. uncounted_packages: of whose parts it told no count. problem: why it could not be copied (further)."""

    source: Source
    bag: str | None = None
    listed: int = 0
    copied: int = 0
    unchanged: int = 0
    gone: int = 0
    excepted: int = 0
    pending: int = 0
    bytes: int = 0
    downloaded: int = 0
    exceptions: dict[str, int] = field(default_factory=dict)
    excepted_kinds: dict[str, int] = field(default_factory=dict)
    newest: dict[str, dict[str, datetime]] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    has_answered: bool = False
    uncounted_packages: int = 0
    problems: list[str] = field(default_factory=list)
    reconciled: bool = False
    problem: LastcopyError | None = None
    coverage: list[JsonObject] = field(default_factory=list)
    agreements: dict[str, int] = field(default_factory=dict)
    was_listed: bool = False
    """Whether an earlier run listed it to the end."""
    has_refused: bool = False
    """Whether the service refuses a source that it once listed."""
    successor: Source | None = None
    """What its owner has in its place, found just now: it is copied next."""
    is_replaced: bool = False
    """Whether the service does not find it, and its owner has another, found now or by an earlier run."""
    segment: int = 0
    segment_sha256: str | None = None
    """The newest segment of the bag when the run left it."""


def new_run_id(clock: Clock) -> str:
    """20261123T154017Z-0a1b2c."""
    return f"{stamp(clock.now())}-{secrets.token_hex(3)}"


class UnitMeter:
    """Resource units spent since the last segment of whichever bag. Safe from many threads.

    While it is open, a segment is also written when requests have to wait for long: then all that was spent is on record, and
    a run that goes on without the state (after a kill, say) knows it to the second (docs/decisions/0010).
    """

    def __init__(self, graph: GraphSession | None) -> None:
        self._graph, self._taken, self._lock = graph, 0, threading.Lock()
        self._writers: list[BagWriter] = []

    def take(self) -> int:
        """Units since the last call."""
        with self._lock:
            units = self._pending()
            self._taken += units
            return units

    @contextmanager
    def writing(self, writer: BagWriter) -> Iterator[None]:
        """While it lasts, this writer can be asked for a segment."""
        with self._lock:
            self._writers.append(writer)
        try:
            yield
        finally:
            with self._lock:
                self._writers.remove(writer)

    def __enter__(self) -> "UnitMeter":
        if self._graph is not None:
            self._graph.on_long_wait(self._write_down)
        return self

    def __exit__(self, *_: object) -> None:
        if self._graph is not None:
            self._graph.on_long_wait(lambda: None)

    def _pending(self) -> int:
        return 0 if self._graph is None else self._graph.counts.resource_units - self._taken

    def _write_down(self) -> None:
        with self._lock:
            writer = self._writers[0] if self._writers and self._pending() else None
        if writer is not None:
            writer.write_down()


def export_sources(
    graph: GraphSession,
    store: Store,
    catalogue: Catalogue,
    sources: Iterable[Source],
    settings: ExportSettings,
    clock: Clock,
    *,
    run_id: str,
    progress: Progress,
    stop: threading.Event,
) -> Iterator[SourceResult]:
    """Copy sources, several at once; yield each result as it comes. Raises: RunError that ends the whole run."""
    meter = UnitMeter(graph)
    run = Run(run_id, clock, meter.take, settings.take_over)
    with (
        meter,
        Crew() as crew,
        ThreadPoolExecutor(settings.sources_at_once, thread_name_prefix="lastcopy-source") as pool,
    ):
        copying = Copying(graph, store, catalogue, settings, run, meter, crew, progress, stop)
        under_way: set[Future[SourceResult]] = set()

        def next_done() -> Iterator[SourceResult]:
            nonlocal under_way
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for result in (future.result() for future in done):
                yield result
                if result.successor is not None and not stop.is_set():
                    under_way.add(pool.submit(copying.copy, result.successor))

        try:
            for source in sources:
                if stop.is_set():
                    break
                under_way.add(pool.submit(copying.copy, source))
                while len(under_way) >= settings.sources_at_once * 2:
                    yield from next_done()
            while under_way:
                yield from next_done()
        except BaseException:
            stop.set()
            raise


@dataclass(frozen=True, slots=True)
class Copying:
    """What the sources of one run share. Safe from many threads."""

    graph: GraphSession
    store: Store
    catalogue: Catalogue
    settings: ExportSettings
    run: Run
    meter: UnitMeter
    crew: Crew
    progress: Progress
    stop: threading.Event

    def copy(self, source: Source) -> SourceResult:
        """Copy one drive. What stops only this source is in the result. Raises: RunError otherwise."""
        result = SourceResult(source)
        at = timestamp(self.run.clock.now())
        try:
            result.bag = self.catalogue.bag_of(source, cloud=self.settings.cloud, at=at)
            self._copy_when_free(source, result.bag, result)
        except LastcopyError as error:
            damage = self._damage(error, result)
            if isinstance(error, RunError) and (
                self.settings.gives_way(error) or not (damage or _only_this_source(error))
            ):
                raise
            result.problem = damage or error
            result.has_refused = result.was_listed and isinstance(error, REFUSALS)
            if isinstance(error, NOT_FOUND):
                result.successor = self._successor(source)
                result.is_replaced = result.successor is not None or self.catalogue.knows_newer(source)
        except Exception as error:
            known = scratch_error(error)  # the same for every source
            if known is not None:
                raise known from error
            # the edge of a unit of work: the other sources go on
            structlog.get_logger().warning("defect", run=self.run.id, at=_place(error), error=type(error).__name__)
            result.problem = SourceError(
                f"an unexpected error stopped this source ({type(error).__name__})",
                code="internal",
                action="Run the export again; if it recurs, run it with -v and report what it says.",
            )
        result.coverage = coverage_of(result, self.settings.drive)
        return result

    def _damage(self, error: LastcopyError, result: SourceResult) -> BagDamagedError | None:
        """The damage of this one bag that an error tells of: an object of it is missing, and the store itself is there."""
        return None if result.bag is None else _damage_of(error, self.store, result.bag, result.source.key)

    def _successor(self, lost: Source) -> Source | None:
        try:
            return successor_of(self.graph, self.catalogue, lost)
        except StoppedError:
            if not self.stop.is_set():
                raise
            return None

    def _copy_when_free(self, source: Source, bag: str, result: SourceResult) -> None:
        """Copy; another run that has the bag, and gives way to ours when it meets us, is waited for.

        A run that takes over, and was overtaken just when it opened the bag, opens it again. Raises: AnotherWriterError by any
        other run, or after the time in which one that died is known.
        """
        waited = 0.0
        while True:
            try:
                self._copy_now(source, bag, result)
            except AnotherWriterError as error:
                if self.stop.is_set() or waited >= WAIT_FOR_OTHER_SECONDS:
                    raise
                if not self.settings.take_over and not self.settings.waits_for(error.other_run):
                    raise
            else:
                return
            self.progress.waiting(LOOK_AGAIN_SECONDS, "another run")
            self.run.clock.sleep(LOOK_AGAIN_SECONDS)
            waited += LOOK_AGAIN_SECONDS

    def _copy_now(self, source: Source, bag: str, result: SourceResult) -> None:
        row = _source_row(source, self.settings)
        with open_bag(self.store, bag, row, self.run) as writer, self.meter.writing(writer):
            result.was_listed = writer.heads.cursors.get(source.id, {}).get("kind") == "delta"
            exporter = DriveExporter(
                source,
                self.graph,
                writer,
                self.settings.drive,
                self.run.clock,
                crew=self.crew,
                progress=self.progress,
                stop=self.stop,
                accepts_removals=lambda digest: self.settings.accepts_removals(source, digest),
            )
            try:
                exporter.run()
            finally:
                _take(result, exporter.result)
                result.segment, result.segment_sha256 = writer.position.number, writer.position.sha256


def _damage_of(error: LastcopyError, store: Store, bag: str, entry: str | None = None) -> BagDamagedError | None:
    if not isinstance(error, ObjectMissingError):
        return None
    inside = error.key.removeprefix(f"{bag}/")
    if inside == error.key or next(store.list("sources/"), None) is None:
        return None
    return BagDamagedError(bag, f"{inside} is missing", entry)


def _place(error: BaseException) -> str:
    """Where an unexpected error arose, without any value: `planning.py:120 < exporter.py:60`."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return " < ".join(f"{PurePath(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))


def _only_this_source(error: LastcopyError) -> bool:
    return isinstance(error, ReplacedError) or error.code in {"another_writer", "segment_damaged"}


def _source_row(source: Source, settings: ExportSettings) -> JsonObject:
    return {
        "kind": source.kind.value,
        "id": source.id,
        "owner": source.owner,
        "cloud": settings.cloud,
        "name": source.name,
        "settings": settings.drive.as_kept(),
    }


def _take(result: SourceResult, drive: CopyResult) -> None:
    counts = {"listed": 0, "excepted": 0, "pending": 0, "copied": 0, **drive.counts}
    result.listed, result.excepted, result.pending = counts["listed"], counts["excepted"], counts["pending"]
    result.gone, result.bytes = drive.gone_now, drive.bytes_received
    result.copied = min(
        drive.copied, counts["copied"]
    )  # what is new and then deleted within the run is held, and not listed
    result.unchanged = counts["copied"] - result.copied
    result.downloaded, result.exceptions, result.problems = drive.downloaded, drive.exceptions, drive.problems
    result.excepted_kinds = drive.excepted_kinds
    result.agreements, result.newest, result.digests = drive.agreements, drive.newest, drive.digests
    result.has_answered = drive.has_answered
    result.reconciled = bool(drive.counts) and drive.unexplained == 0
    result.uncounted_packages = drive.uncounted_packages


def coverage_of(result: SourceResult, settings: DriveSettings) -> list[JsonObject]:
    """Per class of content: covered, in part, not reachable, not asked or never possible, with the reason."""
    rows: list[JsonObject] = []
    if result.problem is not None:
        rows.append(
            {"class": "files", "state": "not reachable", "reason": str(result.problem), "code": result.problem.code}
        )
        return rows
    partial = result.excepted or result.pending or result.problems or not result.reconciled
    files: JsonObject = {"class": "files", "state": "in part" if partial else "covered"}
    if result.agreements:
        files["agreement"] = result.agreements
    rows.append(files)
    if result.uncounted_packages:
        reason = (
            "the service does not say how many parts a notebook has: that it listed them all is not proven by a count"
        )
        counted = {"count": "unavailable", "packages": result.uncounted_packages}
        rows.append({"class": "notebooks", "state": "in part" if partial else "covered", "reason": reason, **counted})
    if settings.versions == "all":
        failed = result.excepted_kinds.get("version") or result.excepted_kinds.get("versions")
        rows.append({"class": "earlier_versions", "state": "in part" if failed or partial else "covered"})
    elif settings.versions == "current":
        rows.append({"class": "earlier_versions", "state": "not asked", "alternative": "drive.versions: all"})
    else:
        rows.append({"class": "earlier_versions", "state": "in part", "reason": f"the last {settings.versions}"})
    failed = result.excepted_kinds.get("permission")
    asked = "in part" if failed or partial else "covered"
    rows.append({"class": "permissions", "state": "not asked" if settings.permissions == "none" else asked})
    rows.append({"class": "recycle_bin", "state": "never possible", "reason": "Graph does not list deleted files."})
    return rows


def fold_bags(
    store: Store, bags: Iterable[str], clock: Clock, *, run_id: str, take_over: bool
) -> Iterator[tuple[str, Position | LastcopyError | None]]:
    """Close and fold the bags that are open; yield (bag, its newest segment if it was folded now, or why this one cannot be).

    Needs no tenant. Raises: RunError of the store itself, which concerns every bag.
    """
    run = Run(run_id, clock, UnitMeter(None).take, take_over)
    for bag in bags:
        try:
            folded = _fold_bag(store, bag, run)
        except LastcopyError as error:
            damage = _damage_of(error, store, bag)
            if isinstance(error, (RunError, ConfigurationError)) and not (damage or _only_this_source(error)):
                raise
            yield bag, damage or error
        else:
            yield bag, folded


def _fold_bag(store: Store, bag: str, run: Run) -> Position | None:
    with open_bag(store, bag, {"bag": bag}, run) as writer:
        if not writer.needs_fold:
            return None
        writer.load()
        writer.close("folded")
        return writer.position
