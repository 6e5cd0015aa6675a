"""The front door: copies sources into a store.

Rules of this file: a source that fails does not stop the others; what a source came to is a value, never a log line; nothing here
knows of subscriptions or windows. Source: design §2.5, §4, §6.
"""

import secrets
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import PurePath

import structlog

from exporters.bag.catalogue import Catalogue
from exporters.bag.formats import JsonObject
from exporters.bag.ledger import Run, open_bag
from exporters.clock import Clock, stamp, timestamp
from exporters.drive.exporter import DriveExporter, DriveResult, Progress
from exporters.drive.settings import DriveSettings
from exporters.errors import LastcopyError, RunError, SourceError
from exporters.graph.session import GraphSession
from exporters.outcomes import ExceptionCode
from exporters.scratch import scratch_error
from exporters.sources import Source
from exporters.store.protocol import Store
from exporters.store.segments import ReplacedError

SOURCES_AT_ONCE = 4
DOWNLOADS_AT_ONCE = 12


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """What is asked of a run. cloud: its name, kept in the bag. accepts_removals: whether a person accepted that much of
    this source is gone."""

    cloud: str
    drive: DriveSettings = field(default_factory=DriveSettings)
    take_over: bool = False
    accepts_removals: Callable[[Source], bool] = lambda source: False
    sources_at_once: int = SOURCES_AT_ONCE
    downloads_at_once: int = DOWNLOADS_AT_ONCE


@dataclass(slots=True)
class SourceResult:
    """What a run came to on one source; counts as in design §6. `problem`: why it could not be copied (further)."""

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
    problems: list[str] = field(default_factory=list)
    reconciled: bool = False
    problem: LastcopyError | None = None
    coverage: list[JsonObject] = field(default_factory=list)
    agreements: dict[str, int] = field(default_factory=dict)
    segment: int = 0
    segment_sha256: str | None = None
    """The newest segment of the bag when the run left it."""


def new_run_id(clock: Clock) -> str:
    """20261123T154017Z-0a1b2c."""
    return f"{stamp(clock.now())}-{secrets.token_hex(3)}"


class UnitMeter:
    """Resource units spent since the last segment of whichever bag. Safe from many threads."""

    def __init__(self, graph: GraphSession | None) -> None:
        self._graph, self._taken, self._lock = graph, 0, threading.Lock()

    def take(self) -> int:
        """Units since the last call."""
        if self._graph is None:
            return 0
        with self._lock:
            total = self._graph.counts.resource_units
            units, self._taken = total - self._taken, total
            return units


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
    run = Run(run_id, clock, UnitMeter(graph).take, settings.take_over)
    with (
        ThreadPoolExecutor(settings.downloads_at_once, thread_name_prefix="lastcopy-download") as downloads,
        ThreadPoolExecutor(settings.sources_at_once, thread_name_prefix="lastcopy-source") as pool,
    ):

        def start(source: Source) -> SourceResult:
            return export_source(
                source, graph, store, catalogue, settings, run, pool=downloads, progress=progress, stop=stop
            )

        under_way: set[Future[SourceResult]] = set()
        try:
            for source in sources:
                if stop.is_set():
                    break
                under_way.add(pool.submit(start, source))
                while len(under_way) >= settings.sources_at_once * 2:
                    done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            while under_way:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        except BaseException:
            stop.set()
            raise


def export_source(
    source: Source,
    graph: GraphSession,
    store: Store,
    catalogue: Catalogue,
    settings: ExportSettings,
    run: Run,
    *,
    pool: ThreadPoolExecutor,
    progress: Progress,
    stop: threading.Event,
) -> SourceResult:
    """Copy one drive. What stops only this source is in the result. Raises: RunError otherwise."""
    result = SourceResult(source)
    at = timestamp(run.clock.now())
    try:
        result.bag = catalogue.bag_of(source, cloud=settings.cloud, at=at)
        with open_bag(store, result.bag, _source_row(source, settings), run) as writer:
            exporter = DriveExporter(
                source,
                graph,
                writer,
                settings.drive,
                run.clock,
                pool=pool,
                progress=progress,
                stop=stop,
                accepts_removals=settings.accepts_removals(source),
            )
            try:
                exporter.run()
            finally:
                _take(result, exporter.result)
                result.segment, result.segment_sha256 = writer.position.number, writer.position.sha256
    except LastcopyError as error:
        if isinstance(error, RunError) and not _only_this_source(error):
            raise
        result.problem = error
    except Exception as error:
        known = scratch_error(error)  # the same for every source
        if known is not None:
            raise known from error
        # the edge of a unit of work: the other sources go on
        structlog.get_logger().warning("defect", run=run.id, at=_place(error), error=type(error).__name__)
        result.problem = SourceError(
            f"an unexpected error stopped this source ({type(error).__name__})",
            code="internal",
            action="Run the export again; if it recurs, run it with -v and report what it says.",
        )
    result.coverage = coverage_of(result, settings.drive)
    return result


def _place(error: BaseException) -> str:
    """Where an unexpected error arose, without any value: `planning.py:120 < exporter.py:60`."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return " < ".join(f"{PurePath(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))


def _only_this_source(error: RunError) -> bool:
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


def _take(result: SourceResult, drive: DriveResult) -> None:
    counts = {"listed": 0, "excepted": 0, "pending": 0, "copied": 0, **drive.counts}
    result.listed, result.excepted, result.pending = counts["listed"], counts["excepted"], counts["pending"]
    result.copied, result.gone, result.bytes = drive.copied, drive.gone_now, drive.bytes_received
    result.unchanged = max(0, counts["copied"] - drive.copied)
    result.downloaded, result.exceptions, result.problems = drive.downloaded, drive.exceptions, drive.problems
    result.agreements = drive.agreements
    result.reconciled = bool(drive.counts) and drive.unexplained == 0


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
    if settings.versions == "all":
        failed = result.exceptions.get(ExceptionCode.VERSION_UNAVAILABLE, 0)
        rows.append({"class": "earlier_versions", "state": "in part" if failed or partial else "covered"})
    elif settings.versions == "current":
        rows.append({"class": "earlier_versions", "state": "not asked", "alternative": "drive.versions: all"})
    else:
        rows.append({"class": "earlier_versions", "state": "in part", "reason": f"the last {settings.versions}"})
    failed = result.exceptions.get(ExceptionCode.PERMISSIONS_UNAVAILABLE, 0)
    asked = "in part" if failed or partial else "covered"
    rows.append({"class": "permissions", "state": "not asked" if settings.permissions == "none" else asked})
    rows.append({"class": "recycle_bin", "state": "never possible", "reason": "Graph does not list deleted files."})
    return rows


def fold_bags(
    store: Store, bags: Iterable[str], clock: Clock, *, run_id: str, take_over: bool
) -> Iterator[tuple[str, bool]]:
    """Close and fold the bags that are open; yield (bag, whether it was folded now). Needs no tenant."""
    run = Run(run_id, clock, UnitMeter(None).take, take_over)
    for bag in bags:
        with open_bag(store, bag, {"bag": bag}, run) as writer:
            needed = writer.needs_fold
            if needed:
                writer.load()
                writer.close("folded")
            yield bag, needed
