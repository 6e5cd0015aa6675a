"""The front door: copies sources into a store.

Rules of this file: a source that fails does not stop the others; what a source came to is a value, never a log line; nothing here
knows of subscriptions or windows. Source: design §2.5, §4, §6.
"""

import secrets
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Protocol

import structlog

from exporters.bag.catalogue import Catalogue
from exporters.bag.fence import AnotherWriterError
from exporters.bag.formats import JsonObject
from exporters.bag.ledger import BagDamagedError, BagWriter, Run, open_bag
from exporters.clock import Clock, stamp, timestamp
from exporters.copied import CopyResult, Progress
from exporters.directory.exporter import CURSOR as DIRECTORY_CURSOR
from exporters.directory.exporter import DirectoryExporter
from exporters.discovery import successor_of
from exporters.drive.crew import Crew
from exporters.drive.exporter import DriveExporter
from exporters.drive.settings import DriveSettings
from exporters.errors import LastcopyError, RunError, SourceError
from exporters.graph.errors import (
    AccessDeniedError,
    LockedError,
    NoDriveError,
    NoMailboxError,
    NotFoundError,
    PermissionMissingError,
    SiteLockedError,
    StoppedError,
)
from exporters.graph.session import GraphSession
from exporters.mail.capture.exporter import MailExporter
from exporters.mail.originals import PST_CURSOR
from exporters.mail.settings import MailSettings
from exporters.metering import UnitMeter
from exporters.results import SourceResult, coverage_of
from exporters.scratch import scratch_error
from exporters.sharepoint.described import CURSOR as SITE_CURSOR
from exporters.sharepoint.exporter import SiteExporter
from exporters.sharepoint.settings import SiteSettings
from exporters.side_by_side import Places
from exporters.sources import Source, SourceKind
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import Store
from exporters.store.segments import ReplacedError

DRIVES_AT_ONCE = 4
SITES_AT_ONCE = 4
MAILBOXES_AT_ONCE = 8
"""Each with up to four requests in flight: as many as Exchange lets one application have of one mailbox."""
WAIT_FOR_OTHER_SECONDS = 200.0
LOOK_AGAIN_SECONDS = 2.0
NOT_FOUND = (NotFoundError, NoDriveError)
REFUSALS = (
    NotFoundError,
    NoDriveError,
    NoMailboxError,
    AccessDeniedError,
    PermissionMissingError,
    LockedError,
    SiteLockedError,
)


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """What is asked of a run. cloud: its name, kept in the bag. accepts_removals: whether a person accepted that this mass of
    a source (its digest) is gone. gives_way: whether, after this error of one source, the whole run ends for another run's sake.
    waits_for: whether the run with this id gives way to ours. has_certificate: whether the sign-in is by one."""

    cloud: str
    drive: DriveSettings = field(default_factory=DriveSettings)
    mail: MailSettings = field(default_factory=MailSettings)
    has_certificate: bool = False
    take_over: bool = False
    accepts_removals: Callable[[Source, str], bool] = lambda source, digest: False
    gives_way: Callable[[LastcopyError], bool] = lambda error: False
    waits_for: Callable[[str], bool] = lambda run: False
    drives_at_once: int = DRIVES_AT_ONCE
    sites_at_once: int = SITES_AT_ONCE
    mailboxes_at_once: int = MAILBOXES_AT_ONCE

    def at_once(self, kind: SourceKind) -> int:
        """How many sources of a kind are copied side by side: mail does not share its limits with the others, so neither waits
        for the other."""
        if kind is SourceKind.DIRECTORY:
            return 1
        if kind is SourceKind.SHAREPOINT:
            return self.sites_at_once
        return self.mailboxes_at_once if kind is SourceKind.MAIL else self.drives_at_once


def new_run_id(clock: Clock) -> str:
    """20261123T154017Z-0a1b2c."""
    return f"{stamp(clock.now())}-{secrets.token_hex(3)}"


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
    with meter, Crew() as crew:
        copying = Copying(graph, store, catalogue, settings, run, meter, crew, progress, stop)
        with Places(copying.copy_unless_stopped, settings.at_once, stop) as places:
            try:
                for source in sources:
                    if stop.is_set():
                        break
                    places.give(source)
                    yield from places.done(wait_for_one=False)
                    while places.is_full(source.kind):
                        yield from places.done(wait_for_one=True)
                while places.under_way:
                    yield from places.done(wait_for_one=True)
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

    def copy_unless_stopped(self, source: Source) -> SourceResult | None:
        """`copy`; None if the run was asked to stop before this source had its turn."""
        return None if self.stop.is_set() else self.copy(source)

    def copy(self, source: Source) -> SourceResult:
        """Copy one source. What stops only this one is in the result. Raises: RunError otherwise."""
        result = SourceResult(source)
        at = timestamp(self.run.clock.now())
        try:
            result.bag = self.catalogue.bag_of(source, cloud=self.settings.cloud, at=at)
            self._copy_when_free(source, result.bag, result)
        except LastcopyError as error:
            damage = self._damage(error, result)
            if isinstance(error, RunError) and (
                self.settings.gives_way(error) or not (damage or only_this_source(error))
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
        result.coverage = coverage_of(result, self.settings.drive, self.settings.mail)
        return result

    def _damage(self, error: LastcopyError, result: SourceResult) -> BagDamagedError | None:
        """The damage of this one bag that an error tells of: an object of it is missing, and the store itself is there."""
        return None if result.bag is None else damage_of(error, self.store, result.bag, result.source.key)

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
            result.was_listed = _was_listed(source, writer.heads.cursors)
            composing = _Composing(self)
            exporter = self._exporter(source, writer, composing)
            try:
                exporter.run()
            finally:
                result.take(exporter.result)
                result.composing_seconds = composing.seconds
                if source.kind is SourceKind.MAIL:
                    result.take_pst(writer.heads.cursors.get(PST_CURSOR), composing.error)
                result.segment, result.segment_sha256 = writer.position.number, writer.position.sha256

    def _exporter(self, source: Source, writer: BagWriter, compose: Callable[[BagWriter], None]) -> "Exporter":
        def accepts_removals(digest: str) -> bool:
            return self.settings.accepts_removals(source, digest)

        if source.kind is SourceKind.MAIL:
            return MailExporter(
                source,
                self.graph,
                writer,
                self.settings.mail,
                self.run.clock,
                progress=self.progress,
                stop=self.stop,
                accepts_removals=accepts_removals,
                is_group=source.is_group,
                compose=compose,
            )
        if source.kind is SourceKind.DIRECTORY:
            return DirectoryExporter(
                source,
                self.graph,
                writer,
                self.run.clock,
                progress=self.progress,
                stop=self.stop,
                accepts_removals=accepts_removals,
            )
        if source.kind is SourceKind.SHAREPOINT:
            return SiteExporter(
                source,
                self.graph,
                writer,
                SiteSettings(self.settings.drive, has_certificate=self.settings.has_certificate),
                self.run.clock,
                crew=self.crew,
                progress=self.progress,
                stop=self.stop,
                accepts_removals=accepts_removals,
            )
        return DriveExporter(
            source,
            self.graph,
            writer,
            self.settings.drive,
            self.run.clock,
            crew=self.crew,
            progress=self.progress,
            stop=self.stop,
            accepts_removals=accepts_removals,
        )


class Exporter(Protocol):
    """Copies one source into its bag. result: what came of it so far."""

    result: CopyResult

    def run(self) -> CopyResult:
        """Copy, and close the bag. Raises: SourceError, RunError, errors of the store."""
        ...


class _Composing:
    """Makes the PST of a mailbox that was just captured. error: why that could not be: no reason to lose what was captured.
    seconds: that it took."""

    def __init__(self, copying: Copying) -> None:
        self._copying = copying
        self.error: SourceError | None = None
        self.seconds = 0.0

    def __call__(self, writer: BagWriter) -> None:
        """Raises: RunError, errors of the store."""
        from exporters.mail.compose.composer import compose_bag, needs_composing  # a third of a second

        if not needs_composing(writer):
            return
        copying = self._copying
        settings, clock = copying.settings.mail, copying.run.clock
        began = clock.monotonic()
        try:
            compose_bag(writer, copying.store, settings, clock, progress=copying.progress, stop=copying.stop)
        except SourceError as error:
            self.error = error
        finally:
            self.seconds += clock.monotonic() - began


def _was_listed(source: Source, cursors: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether an earlier run listed a source to the end, by the cursors of its bag (docs/formats.md)."""
    if source.kind is SourceKind.MAIL:
        return ("threads" if source.is_group else "folders") in cursors
    if source.kind is SourceKind.DIRECTORY:
        return DIRECTORY_CURSOR in cursors
    if source.kind is SourceKind.SHAREPOINT:
        return SITE_CURSOR in cursors
    return cursors.get(source.id, {}).get("kind") == "delta"


def damage_of(error: LastcopyError, store: Store, bag: str, entry: str | None = None) -> BagDamagedError | None:
    """The damage of one bag that an error of its store tells of; None for another error, or if the whole store is gone."""
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


def only_this_source(error: LastcopyError) -> bool:
    """Whether a RunError concerns one bag alone."""
    return isinstance(error, ReplacedError) or error.code in {"another_writer", "segment_damaged"}


def _source_row(source: Source, settings: ExportSettings) -> JsonObject:
    kept: Mapping[str, Any] = settings.drive.as_kept()
    if source.kind is SourceKind.MAIL:
        kept = settings.mail.as_kept()
    elif source.kind is SourceKind.DIRECTORY:
        kept = {}
    if source.is_group:
        kept = {**kept, "group": True}  # by this a later run knows it that no longer finds it in the directory
    return {
        "kind": source.kind.value,
        "id": source.id,
        "owner": source.owner,
        "cloud": settings.cloud,
        "name": source.name,
        "settings": dict(kept),
    }
