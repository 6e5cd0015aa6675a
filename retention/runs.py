"""One run of `export`: opens what it needs, copies, and says what it came to.

Rules of this file: nothing is written before the configuration, the tenant and the store are known to be right; whatever happens
after the journal says that a run started, it also says how it ended; exit 0 only if all that was asked is done. Source: design
§4 (root), §6.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import timedelta

from exporters.bag.catalogue import Catalogue
from exporters.bag.digests import Hashed
from exporters.bag.fence import Process
from exporters.bag.formats import JsonObject, dump_json
from exporters.clock import Clock, timestamp
from exporters.copied import Progress
from exporters.discovery import discover
from exporters.drive.settings import DriveSettings
from exporters.errors import LastcopyError, RunError
from exporters.export import ExportSettings, export_sources, new_run_id
from exporters.graph.calls import Observer
from exporters.graph.errors import StoppedError
from exporters.graph.session import GraphSession
from exporters.mail.settings import MailSettings
from exporters.results import SourceResult
from exporters.sources import Source, SourceKind
from exporters.store.errors import ObjectExistsError
from exporters.store.probe import probe
from exporters.store.protocol import Store
from exporters.undiscovered import Undiscovered, Without
from retention.acceptance import MASS, NOT_FOUND, Acceptances
from retention.config import Config
from retention.coverage import listed_names, never_reached, nothing_of
from retention.findings import COUNTS, OTHER_WRITERS, Found, for_journal, found_of, unreached
from retention.journal import Journal
from retention.journal_places import move
from retention.opening import ROOT, claim_root, configured_store, opened_state, read_root, refuse_foreign
from retention.recorded import noting_bags
from retention.resolving import is_of_names, labels_of, resolve
from retention.rivals import Rivals
from retention.selection import Names, is_asked, kinds_asked, means
from retention.software import software
from retention.state.database import State
from retention.tenants import opened_tenant
from retention.verdicts import Exit


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is asked on the command line. sources: names, empty for all that the configuration asks for."""

    sources: Sequence[str] = ()
    take_over: bool = False
    refresh_permissions: bool = False

    def as_asked(self, config: Config) -> JsonObject:
        """For the journal."""
        drive = config.settings.drive
        return {
            "sources": list(self.sources),
            "take_over": self.take_over,
            "refresh_permissions": self.refresh_permissions,
            "versions": drive.versions,
            "permissions": drive.permissions,
            **mail_settings(config).as_kept(),
            "scope": scope_of(config),
        }


@dataclass(slots=True)
class Outcome:
    """What a run came to. `error`: what ended it early; `not_asked`: labels of sources that the configuration leaves out;
    `without_mailbox`: those of users and groups of whom the service says that they have none."""

    run: str
    started: str
    ended: str = ""
    exit: Exit = Exit.COMPLETE
    found: list[Found] = field(default_factory=list)
    requests: JsonObject = field(default_factory=dict)
    coverage: list[JsonObject] = field(default_factory=list)
    not_asked: list[str] = field(default_factory=list)
    without_mailbox: list[str] = field(default_factory=list)
    composing_seconds: float = 0.0
    stopped: bool = False
    error: LastcopyError | None = None

    @property
    def exceptions(self) -> dict[str, int]:
        """Items excepted by code, over all sources."""
        total: dict[str, int] = {}
        for source in self.found:
            for code, number in source.exceptions.items():
                total[code] = total.get(code, 0) + number
        return dict(sorted(total.items()))

    def accepted_items(self, code: str) -> list[str]:
        """Who accepted the items excepted with this code, over all sources."""
        return list(dict.fromkeys(name for source in self.found for name in source.accepted_items.get(code, [])))

    @property
    def totals(self) -> dict[str, int]:
        """The counts over all sources."""
        return {name: sum(source.row[name] for source in self.found) for name in COUNTS}

    def as_json(self) -> JsonObject:
        """The document of `export --json` (design §6)."""
        return {
            "run": self.run,
            "started": self.started,
            "ended": self.ended,
            "exit": int(self.exit),
            "sources": [source.row for source in self.found],
            "totals": self.totals,
            "requests": self.requests,
            "exceptions": self.exceptions,
        }


STALE_UPLOADS = timedelta(days=2)
"""Uploads begun that long ago belong to no run that lives (Q-021)."""


def run_export(
    config: Config,
    request: ExportRequest,
    clock: Clock,
    *,
    progress: Progress,
    observer: Observer | None,
    stop: threading.Event,
    watch: Callable[[GraphSession], None] = lambda graph: None,
    on_source: Callable[[JsonObject], None] = lambda row: None,
) -> Outcome:
    """Copy what the configuration asks for. watch: is given the session; on_source: each source's row as it ends.

    Raises: ConfigurationError, RunError before anything was written; later errors stand in the outcome.
    """
    store = configured_store(config, clock)
    try:
        root = read_root(store)
        with opened_state(config) as state, opened_tenant(config, state, store, clock, observer, stop) as tenant:
            watch(tenant.graph)
            refuse_foreign(root, tenant.identity)
            journal, bags = Journal(store, clock), set[str]()
            acceptances = Acceptances.of(noting_bags(journal.rows(), bags))
            catalogue = Catalogue(store, bags)
            wanted = resolve(request.sources, config, tenant.graph, catalogue, state, clock)
            probe(store)
            claim_root(store, tenant.identity, clock)
            move(config, store, clock)
            store.abort_stale_uploads(STALE_UPLOADS)
            run = _Run(config, request, clock, store, journal, catalogue, tenant.graph, state, acceptances)
            return run.go(wanted, progress, stop, on_source)
    finally:
        store.close()


def scope_of(config: Config) -> JsonObject:
    """Whose sources the configuration asks for, and which: what `ready` compares with the configuration of its own time."""
    return {"tenant": config.tenant.id, **config.settings.sources.model_dump(exclude={"archive", "recoverable"})}


def mail_settings(config: Config) -> MailSettings:
    """What the configuration asks of the copy of a mailbox."""
    sources, mail = config.settings.sources, config.settings.mail
    return MailSettings(sources.archive, sources.recoverable, mail.fasttransfer, mail.pst.part_size)


class _Run:
    """A run under way."""

    def __init__(
        self,
        config: Config,
        request: ExportRequest,
        clock: Clock,
        store: Store,
        journal: Journal,
        catalogue: Catalogue,
        graph: GraphSession,
        state: State,
        acceptances: Acceptances,
    ) -> None:
        self._config, self._request, self._clock = config, request, clock
        self._store, self._journal, self._catalogue = store, journal, catalogue
        self._graph, self._state = graph, state
        self._acceptances = acceptances
        self._names = Names(catalogue.records())
        self._outcome = Outcome(new_run_id(clock), timestamp(clock.now()))
        self._rivals = Rivals(journal, self._outcome.run)
        self._undiscovered: list[Undiscovered] = []
        self._hiding: list[Undiscovered] = []
        self._unseen = set(listed_names(config))
        self._left: dict[str, JsonObject] = {}
        self._entries: dict[str, str] = {}
        self._saw_all = False

    def go(
        self,
        wanted: list[Source | Undiscovered] | None,
        progress: Progress,
        stop: threading.Event,
        on_source: Callable[[JsonObject], None],
    ) -> Outcome:
        """Copy, and write down how it went."""
        outcome = self._outcome
        self._journal.append(
            [
                {
                    "type": "run_started",
                    "verb": "export",
                    "asked": self._request.as_asked(self._config),
                    "software": software(),
                }
            ],
            run=outcome.run,
        )
        try:
            if not self._request.sources and not self._request.take_over:
                self._rivals.refuse_if_at_work(Process.of_this_machine())
            results = export_sources(
                self._graph,
                self._store,
                self._catalogue,
                self._sources(wanted, stop),
                self._settings(),
                self._clock,
                run_id=outcome.run,
                progress=progress,
                stop=stop,
            )
            for result in results:
                outcome.found.append(self._found(result))
                on_source(outcome.found[-1].row)
            self._add_uncovered(wanted, stop)
        except LastcopyError as error:
            outcome.error = error
        except BaseException as error:
            outcome.error = RunError(
                f"the run was cut off ({type(error).__name__})", code="cut_off", action="Run it again."
            )
            with suppress(LastcopyError):
                self._end(stop)
            raise
        self._end(stop)
        return outcome

    def _settings(self) -> ExportSettings:
        drive = self._config.settings.drive
        return ExportSettings(
            cloud=self._config.tenant.cloud,
            drive=DriveSettings(drive.versions, drive.permissions, self._request.refresh_permissions),
            mail=mail_settings(self._config),
            has_certificate=self._config.tenant.credential.certificate is not None,
            take_over=self._request.take_over,
            accepts_removals=self._accepts_mass,
            gives_way=self._rivals.outrank,
            waits_for=self._rivals.yields,
        )

    def _sources(self, wanted: list[Source | Undiscovered] | None, stop: threading.Event) -> Iterator[Source]:
        """What is copied; who could not be asked for a drive is kept for the end."""
        try:
            yield from self._asked_sources(wanted, stop)
        except StoppedError:
            if not stop.is_set():
                raise

    def _asked_sources(self, wanted: list[Source | Undiscovered] | None, stop: threading.Event) -> Iterator[Source]:
        settings = self._config.settings.sources
        kinds = kinds_asked(settings)
        if wanted is None and not kinds:
            return
        every = discover(self._graph, self._catalogue, self._clock, self._state, kinds)
        for source in every if wanted is None else wanted:
            if stop.is_set():
                return
            if isinstance(source, Without):
                self._outcome.without_mailbox.append(source.label)
                continue
            labels = labels_of(self._names, source)
            met = {name for name in self._unseen if name[0] == source.kind and means(name[1], labels)}
            self._unseen -= met
            if isinstance(source, Undiscovered) and wanted is None and is_of_names(labels, settings, source):
                self._hiding.append(source)
            elif wanted is None and not is_asked(labels, settings, source.kind):
                self._outcome.not_asked.append(source.label)
            elif isinstance(source, Undiscovered):
                self._undiscovered.append(source)
            else:
                yield source

    def _found(self, result: SourceResult) -> Found:
        self._outcome.composing_seconds += result.composing_seconds
        if result.bag is not None and result.segment:
            self._left[result.bag] = {"segment": result.segment, "sha256": result.segment_sha256}
            if (entry := self._catalogue.digest_of(result.source.key)) is not None:
                self._entries[result.source.key] = entry
        return found_of(result, self._acceptances)

    def _accepts_mass(self, source: Source, digest: str) -> bool:
        bag = self._names.bag_of(source.id)
        return bag is not None and bool(self._acceptances.of_whole(bag, MASS, digest))

    def _add_uncovered(self, wanted: list[Source | Undiscovered] | None, stop: threading.Event) -> None:
        """Sources that could not be asked for, names of the configuration that nobody has, classes that were asked for."""
        unmet = {kind for kind, _ in self._unseen}
        for missing in [*self._undiscovered, *(hiding for hiding in self._hiding if hiding.kind in unmet)]:
            self._uncovered(missing.name, missing.code, str(missing), missing, missing.kind)
        if wanted is None and not stop.is_set():
            for kind, name in sorted(self._unseen):
                what = {SourceKind.MAIL: "mailbox", SourceKind.SHAREPOINT: "site"}.get(kind, "OneDrive")
                reason = f"No {what} has, or has had, this name."
                self._uncovered(name.removeprefix(f"{kind}/"), NOT_FOUND, reason, None, kind)
            for kind in kinds_asked(self._config.settings.sources):
                if not self._has_any(kind):
                    nothing = nothing_of(kind)
                    self._uncovered(kind.value, nothing.code, str(nothing), nothing, kind)
            rows = never_reached()
            self._outcome.coverage = [self._with_names(row) for row in rows]
            self._saw_all = True

    def _has_any(self, kind: SourceKind) -> bool:
        """Whether anything was found, or left out by the configuration, of a kind of source."""
        found = any(source.row["kind"] == kind for source in self._outcome.found)
        return found or any(label.startswith(f"{kind}/") for label in self._outcome.not_asked)

    def _uncovered(self, name: str, code: str, reason: str, problem: LastcopyError | None, kind: SourceKind) -> None:
        self._outcome.found.append(unreached(name, code, reason, problem, self._acceptances, kind))

    def _with_names(self, row: JsonObject) -> JsonObject:
        names = self._acceptances.of_class(row["class"])
        return {**row, "accepted": names} if names else row

    def _end(self, stop: threading.Event) -> None:
        """Judge the run; write its record and its end."""
        outcome = self._outcome
        outcome.found.sort(key=lambda source: (source.row["kind"], source.row["name"]))
        outcome.stopped = stop.is_set() and outcome.error is None
        outcome.ended = timestamp(self._clock.now())
        outcome.requests = asdict(self._graph.counts)
        asked_in_vain = [row for row in outcome.coverage if row["asked"] and "accepted" not in row]
        if outcome.error is None:
            others = [found.problem for found in outcome.found if found.problem and found.problem.code in OTHER_WRITERS]
            outcome.error = others[0] if others else None
        if outcome.error is not None:
            outcome.exit = Exit.FAILED
        elif outcome.stopped or asked_in_vain or any(source.is_open for source in outcome.found):
            outcome.exit = Exit.PARTIAL
        record = {**outcome.as_json(), "coverage": outcome.coverage, "asked": self._request.as_asked(self._config)}
        record["not_asked"] = sorted(outcome.not_asked)
        record["measured"] = self._measured()
        if outcome.without_mailbox:
            record["without_mailbox"] = sorted(outcome.without_mailbox)
        if outcome.error is not None:
            record["error"] = {"code": outcome.error.code, "message": str(outcome.error)}
        try:
            kept = self._store.put(f"runs/{outcome.run}.json", dump_json(record), if_absent=True, durable=True)
            ended = {"type": "run_ended", "exit": int(outcome.exit), "totals": outcome.totals, "bags": self._left}
            ended |= {"record": kept.sha256, "entries": self._entries, **for_journal(outcome.found)}
            ended["root"] = Hashed.of(self._store.read(ROOT))
            if (dates := self._graph.service_date()) is not None:
                skew = round((dates[1] - dates[0]).total_seconds())
                ended |= {"service_date": timestamp(dates[0]), "skew_seconds": skew}
            if self._saw_all and outcome.error is None and not outcome.stopped:
                ended["all_sources"] = True
            self._journal.append([ended], run=outcome.run)
        except ObjectExistsError:
            raise RunError(f"there is a run {outcome.run} already", code="run_exists", action="Run it again.") from None
        except LastcopyError as error:
            outcome.error, outcome.exit = outcome.error or error, Exit.FAILED

    def _measured(self) -> JsonObject:
        """What requests took, by whose limits counted them, and what composing did: `plan` reckons with it."""
        times = {scope.value: asdict(took) for scope, took in sorted(self._graph.times.items())}
        return {"requests": times, "composing_seconds": round(self._outcome.composing_seconds, 3)}
