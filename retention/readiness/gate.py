"""May the subscription be cancelled? Asks everything that could make it unsafe, and says yes only if nothing does.

Rules of this file: reads the store, the journal and the configuration, and no tenant; one reason never hides the next; what
cannot be read is a reason, never passed over; the answer goes on record in the journal. Source: design §6 (`ready`),
retention-domain §3 (PF-01), §4; docs/decisions/0089, 0090.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime

from exporters.bag.fence import Process
from exporters.bag.formats import LEDGER, JsonObject, segment_key
from exporters.bag.verify import list_bags, verify_root
from exporters.clock import Clock
from exporters.errors import LastcopyError
from exporters.export import new_run_id
from exporters.ordered import in_order as in_turn
from exporters.store.protocol import Store
from retention.classes import title_of
from retention.config import Config
from retention.covering import Covered, coverage_by
from retention.history import History
from retention.journal import Journal
from retention.journal_places import move
from retention.opening import lock_of, read_root
from retention.preflight.items import ITEMS, would_block
from retention.preflight.recorded import latest
from retention.readiness.bags import Terms, judge
from retention.readiness.clocks import doubts, is_too_old
from retention.readiness.looking import look_at
from retention.readiness.reasons import CHECK, EXPORT, VERIFY, Reason, accept, block, in_order, notice
from retention.readiness.runs import run_reasons, whole_reasons
from retention.recorded import check_recorded
from retention.rehearsed import is_rehearsal_folder
from retention.runs import ExportRequest
from retention.selection import records_of
from retention.state.engines import sqlite_file
from retention.state.index import open_index
from retention.verdicts import Exit

OWN_ITEM = "PF-01"
"""The item of the preflight that is this very question: it is answered here, and does not count there."""
READERS_OF_A_BUCKET, READERS_OF_A_FOLDER = 32, 2
_CHANGES = frozenset(
    {"run_started", "run_ended", "folded", "composed", "verified", "preflight", "attested", "disposed"}
)
"""Types of rows that may make another answer of it."""
_ROOT_SORTS = ("missing", "changed", "unexpected")


@dataclass(slots=True)
class Readiness:
    """The answer. coverage: every row, for those who show it; notes: sentences for people that are no reasons."""

    run: str
    reasons: list[Reason] = field(default_factory=list)
    coverage: list[Covered] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ready(self) -> bool:
        """Whether nothing stands in the way."""
        return not any(reason.severity == "block" for reason in self.reasons)

    @property
    def exit(self) -> Exit:
        return Exit.COMPLETE if self.ready else Exit.PARTIAL

    def as_json(self) -> JsonObject:
        """The document of `ready --json` (design §6)."""
        return {"ready": self.ready, "reasons": [reason.as_json() for reason in self.reasons]}

    def as_row(self) -> JsonObject:
        """The row of the journal."""
        codes = list(dict.fromkeys(reason.code for reason in self.reasons if reason.severity == "block"))
        return {"type": "ready", "ready": self.ready, "reasons": codes}


def ask(
    config: Config, store: Store, clock: Clock, *, progress: Callable[[int], None] = lambda bags: None
) -> Readiness:
    """Ask, and put the answer on record. progress: told how many bags were looked at. Raises: errors of a store that cannot be
    reached."""
    move(config, store, clock)
    journal = Journal(store, clock)
    found = Readiness(new_run_id(clock))
    gate = _Gate(config, store, clock, History.of(journal.news()))
    found.reasons = in_order([*gate.reasons(progress), *_meanwhile(journal, gate)])
    found.coverage = gate.coverage
    try:
        journal.append([found.as_row()], run=found.run)
    except LastcopyError as error:
        found.notes.append(f"The answer could not be written into the journal: {error}.")
    return found


def _meanwhile(journal: Journal, gate: "_Gate") -> Iterator[Reason]:
    """What was put on record while the bags were looked at: then nobody knows which of the two was first."""
    if gate.is_readable:
        kinds = {str(row.get("type")) for segment in journal.news() for row in segment.rows()}
        if told := sorted(kinds & _CHANGES):
            message = f"while this was asked, something else went on record ({', '.join(told)}): ask again"
            yield block("changed_meanwhile", message, "lastcopy ready")


class _Gate:
    """One asking."""

    @property
    def is_readable(self) -> bool:
        """Whether the journal could be read to its end."""
        return self._history.problem is None

    def __init__(self, config: Config, store: Store, clock: Clock, history: History) -> None:
        self._config, self._store, self._clock, self._history = config, store, clock, history
        self._own, self._is_folder = Process.of_this_machine(), bool(store.features.local)
        self._bags: list[str] = []
        self.coverage: list[Covered] = []

    def reasons(self, progress: Callable[[int], None]) -> Iterator[Reason]:
        """All of them, in no order."""
        history, now = self._history, self._clock.now()
        store_now = self._store.now()
        if history.problem is not None:
            message = f"the journal cannot be read to its end, so nobody knows what holds: {history.problem}"
            yield block("journal_damaged", message, VERIFY)
        yield from self._journal_cut()
        yield from self._whose()
        yield from doubts(history, now, store_now)
        asked = ExportRequest().as_asked(self._config)
        yield from run_reasons(history, asked, now, self._own, self._config.settings.ready.max_age)
        yield from whole_reasons(history)
        self._bags = self._every_bag()
        yield from self._of_bags(now, store_now, progress)
        yield from self._root()
        yield from self._coverage()
        yield from self._preflight(now)
        if history.is_rehearsal or is_rehearsal_folder(self._config.base):
            yield notice("rehearsal", "REHEARSAL: this tenant is invented", "")

    # -- the ground ---------------------------------------------------------------------------------------------------

    def _journal_cut(self) -> Iterator[Reason]:
        """Whether the journal ends before what the local index of it has seen."""
        state, base = self._config.settings.state, self._config.base
        file = sqlite_file(state, base)
        if file is not None and not file.is_file():
            return
        try:
            with closing(open_index(state, base)) as index:
                head = index.head(self._config.store.url) if index.is_made() else None
            if head is None or not head.number:
                return
            journal = Journal(self._store, self._clock)
            is_there = journal.holds(head.number)
            is_same = is_there and journal.segment(head.number).position == head.position
        except LastcopyError as error:
            if error.code != "segment_damaged":  # else the journal says so itself
                message = f"whether the journal is whole could not be compared with the local state: {error}"
                yield notice("journal_cut", message, "lastcopy recover")
            return
        if not is_same:
            what = "another one" if is_there else "gone"
            message = f"segment {head.number} of the journal, which this machine has read, is {what}: an older journal lies there"
            yield block("journal_cut", f"{message}; put it back from a second copy", VERIFY)

    def _whose(self) -> Iterator[Reason]:
        """Whether the store is of the tenant that is configured."""
        tenant = _tenant_in(self._store)
        wanted = self._config.tenant.id
        names = {str(tenant.get(name)).casefold() for name in ("id", "domain")}
        scopes = [run.asked.get("scope") or {} for run in self._history.runs.values()]
        is_known = not _is_guid(wanted) and any(scope.get("tenant") == wanted for scope in scopes)
        if wanted.casefold() in names or is_known:  # a tenant has many domains: a run has asked it whose this one is
            return
        told = tenant.get("domain") or tenant.get("id") or "nobody knows whose"
        message = f"the store holds the copy of another tenant ({told}), and {wanted} is configured"
        yield block("store_of_another_tenant", message, "lastcopy check")

    def _root(self) -> Iterator[Reason]:
        """What lies beside the bags; what the journal says of it, and of where the runs left each bag."""
        report = verify_root(self._store, self._bags, strays=self._is_folder)
        if self._history.problem is None:
            check_recorded(self._store, self._history.recorded, report, has_bags=bool(self._bags))
        for sort in _ROOT_SORTS:
            findings = getattr(report, sort)
            for finding in findings.first:
                message = f"{sort}: {finding.name}: {finding.why}"
                yield block("store_damaged", message, VERIFY)

    # -- the bags -----------------------------------------------------------------------------------------------------

    def _every_bag(self) -> list[str]:
        """Those that `sources/` names and that the journal knows; of a folder also those that lie there all the same. In a bucket
        a look for these takes a request for each, one after the other: that is left to `verify`."""
        held = list_bags(self._store) if self._is_folder else (str(row["bag"]) for row in records_of(self._store))
        return sorted({*held, *self._history.recorded.bags})

    def _of_bags(self, now: datetime, store_now: datetime, progress: Callable[[int], None]) -> Iterator[Reason]:
        terms = Terms(
            self._history,
            now,
            store_now,
            self._own,
            self._store.url,
            self._config.settings.ready.verify_age,
            lock_of(self._config),
        )

        def look(bag: str) -> list[Reason]:
            found = look_at(self._store, bag)
            written = None
            if found.last_segment is not None and not found.heads.closed:
                info = self._store.stat(segment_key(f"{bag}/{LEDGER}", found.last_segment.position.number))
                written = None if info is None else info.modified
            return list(judge(found, terms, written))

        readers = READERS_OF_A_FOLDER if self._is_folder else READERS_OF_A_BUCKET
        with ThreadPoolExecutor(readers, thread_name_prefix="lastcopy-ready") as pool:
            for reasons in in_turn(pool, look, self._bags, ahead=2 * readers):
                yield from reasons
                progress(1)
        if not self._bags:
            yield block("no_complete_run", "the store holds no copy of anything", EXPORT)

    # -- what it does not hold ------------------------------------------------------------------------------------------

    def _coverage(self) -> Iterator[Reason]:
        try:
            self.coverage = list(coverage_by(self._store, self._config, self._history))
        except LastcopyError as error:
            if error.code != "run_record_changed":
                raise
            yield block("run_record_changed", str(error), EXPORT)
        open_rows: dict[str, list[Covered]] = {}
        for row in self.coverage:
            if row.is_open:
                open_rows.setdefault(row.name, []).append(row)
        for name, rows in open_rows.items():
            yield block("class_not_accepted", _uncovered(name, rows), accept(name), name)

    def _preflight(self, now: datetime) -> Iterator[Reason]:
        found = latest(self._history.preflight)
        if found is None:
            yield block("preflight_missing", "nobody has looked yet at what stands in the way of cancelling", CHECK)
            return
        if is_too_old(found.at, now, self._config.settings.ready.max_age):
            message = f"what stands in the way of cancelling was last looked at on {found.at:%Y-%m-%d %H:%M} UTC"
            yield block("preflight_too_old", message, CHECK)
        if lacking := [item for item in ITEMS if would_block(item) and found.of(item) is None]:
            message = f"the last look at what stands in the way of cancelling tells nothing of {', '.join(lacking)}"
            yield block("preflight_too_old", message, CHECK)  # of a version that did not know them
        for finding in found.open:
            if finding.id != OWN_ITEM:
                yield block("preflight_open", f"{finding.id}: {finding.message}", finding.action or CHECK, finding.id)


def _tenant_in(store: Store) -> JsonObject:
    """Whose `lastcopy.json` says that the store is; empty where it does not say."""
    try:
        root = read_root(store) or {}
    except LastcopyError:
        return {}
    return dict(root.get("tenant") or {})


def _is_guid(text: str) -> bool:
    parts = text.split("-")
    return [len(part) for part in parts] == [8, 4, 4, 4, 12]


def _uncovered(name: str, rows: list[Covered]) -> str:
    first = rows[0]
    sources = [row.source for row in rows if row.source is not None]
    where = "" if not sources else f" at {sources[0]}" if len(sources) == 1 else f" at {len(sources):,} sources"
    states = ", ".join(sorted({row.state for row in rows}))
    reason = f": {first.reason}" if first.reason else "."
    alternative = f" Instead: {first.alternative}." if first.alternative else ""
    return f"{title_of(name)} ({name}){where}, {states}{reason}{alternative}"
