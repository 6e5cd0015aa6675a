"""Verifies a whole store: what lies beside the bags, each bag, and (where asked) the listing of the tenant beside the rows.

Rules of this file: damage is a finding, never an end; results go into the journal, and a store that cannot be written to is
verified all the same. Source: design §6 (verify), docs/formats.md (journal).
"""

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from exporters.bag.formats import HEAD, LEDGER, TAGMANIFEST, JsonObject, load_json
from exporters.bag.verify import (
    BagVerification,
    Choice,
    Findings,
    Level,
    Processes,
    Progress,
    RootVerification,
    list_bags,
    verify_bag,
    verify_root,
)
from exporters.clock import Clock, timestamp
from exporters.errors import LastcopyError
from exporters.ordered import in_order
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import LockPolicy, Store
from exporters.store.segments import Position, SegmentLog
from retention.journal import Journal
from retention.read_back import ReadBack, newest_put
from retention.recorded import Recorded, check_recorded, is_emptied, recorded
from retention.verdicts import Exit

ROWS_AT_ONCE = 100
SORTS = ("missing", "changed", "unexpected")
BAGS_AT_ONCE = 4
Fold = tuple[str, int, str]
"""(bag, segment, SHA-256 of the tagmanifest)."""


class _Verified(NamedTuple):
    """What was found; whether the bag had been read in full before; when looking at it began, by the store's clock (None: it
    takes nothing, and so tells no time)."""

    found: BagVerification
    known: bool
    began: datetime | None


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """What is asked. bags: None for all; new: read in full only what has not been since it was written; choice: what is read in
    full at level `stored`, which never counts as verified."""

    level: Level = "full"
    refold: bool = False
    new: bool = False
    bags: Sequence[str] | None = None
    lock: LockPolicy | None = None
    choice: Choice | None = None


@dataclass(slots=True)
class StoreVerification:
    """What was found. `known`: bags that had been read in full before (with --new); `disposed`: the
    journal's rows of bags that were disposed of; `notes`: sentences for people."""

    root: RootVerification | None = None
    bags: list[BagVerification] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    disposed: list[JsonObject] = field(default_factory=list)
    tenant: list[JsonObject] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def parts(self) -> Iterator[tuple[str, BagVerification | RootVerification]]:
        """(bag, what was found there); the store's root has the empty name."""
        if self.root is not None:
            yield "", self.root
        yield from ((found.bag, found) for found in self.bags)

    def count(self, sort: str) -> int:
        """Number of findings of one sort."""
        return sum(_findings(part, sort).count for _, part in self.parts())

    @property
    def exit(self) -> Exit:
        """0 if all is whole; a store that never held a bag proves nothing."""
        whole = (
            bool(self.bags or self.disposed)
            and all(part.whole for _, part in self.parts())
            and not any(_differs(row) for row in self.tenant)
        )
        return Exit.COMPLETE if whole else Exit.PARTIAL

    def as_json(self) -> JsonObject:
        """The document of `verify --json` (design §6), and the names behind its numbers."""
        document: JsonObject = {
            "bags": len(self.bags),
            "files": sum(found.files for found in self.bags),
            "bytes": sum(found.bytes for found in self.bags),
            "open": sum(found.open for found in self.bags),
            **{sort: self.count(sort) for sort in SORTS},
            "reconciled": bool(self.bags or self.disposed) and all(found.reconciled for found in self.bags),
            "exit": int(self.exit),
            "findings": list(self.findings()),
            "disposed": [{name: row.get(name) for name in ("bag", "at", "by", "certificate")} for row in self.disposed],
            "open_bags": [found.bag for found in self.bags if found.open],
            "reasons": {found.bag: found.reasons for found in self.bags if found.reasons},
        }
        if self.tenant:
            document["against_tenant"] = self.tenant
        return document

    def findings(self) -> Iterator[JsonObject]:
        """Each finding that is kept by name: `{"bag", "sort", "name", "why"}`."""
        for bag, part in self.parts():
            for sort in SORTS:
                for finding in _findings(part, sort).first:
                    yield {"bag": bag, "sort": sort, "name": finding.name, "why": finding.why}


def verify_store(
    store: Store,
    request: VerifyRequest,
    clock: Clock,
    *,
    progress: Progress | None = None,
    expected: Progress | None = None,
    on_bag: Callable[[BagVerification], None] = lambda found: None,
) -> StoreVerification:
    """Verify what is asked for, and write the results into the journal.

    progress: told (files, bytes) since the last call; expected: how many each bag has. on_bag: each result as it comes.
    Raises: RunError, TransientError of a store that cannot be read; ProcessLostError.
    """
    result = StoreVerification()
    journal = Journal(store, clock)
    before = _read_before(journal, result) if request.new and request.level == "full" else ReadBack()
    stop = threading.Event()

    def verify(bag: str, processes: Processes) -> _Verified:
        began = _store_now(store)
        known = _is_read(store, bag, before)
        found = verify_bag(
            store, bag, level="stored" if known else request.level, choice=request.choice, refold=request.refold,
            processes=processes, progress=progress, expected=expected, lock=request.lock, stop=stop,
        )  # fmt: skip
        return _Verified(found, known, began)

    pending: list[JsonObject] = []
    bags = list_bags(store) if request.bags is None else iter(request.bags)
    bags = _without_disposed(store, bags, recorded(journal.rows()), result)
    for one in _each(bags, verify, stop, at_once=1 if store.features.local else BAGS_AT_ONCE):
        result.bags.append(one.found)
        if one.known:
            result.known.append(one.found.bag)
        on_bag(one.found)
        pending.append({**_journal_row(one, request), "store": store.url})
        if len(pending) >= ROWS_AT_ONCE:
            pending = _write(journal, pending, result)
    if request.bags is None:
        gone = [str(row["bag"]) for row in result.disposed]
        result.root = verify_root(store, [*(found.bag for found in result.bags), *gone])
        told = recorded(journal.rows())  # runs may have ended since
        if told.problem is not None:
            result.notes.append(told.problem)
        check_recorded(store, told, result.root, has_bags=bool(result.bags or gone))
    if pending:
        _write(journal, pending, result)
    return result


def _without_disposed(store: Store, bags: Iterator[str], told: Recorded, result: StoreVerification) -> Iterator[str]:
    """The bags but for those that were disposed of, of which nothing may be left but their `source.json`."""
    for bag in bags:
        if is_emptied(store, told, bag):
            result.disposed.append(told.disposed[bag])
        else:
            yield bag


def _each(
    bags: Iterator[str], verify: Callable[[str, Processes], _Verified], stop: threading.Event, *, at_once: int
) -> Iterator[_Verified]:
    """Verify one bag after the other, with processes; of a bucket, where most of the time is waiting, several at a time."""
    if at_once == 1:
        with Processes() as processes:
            yield from (verify(bag, processes) for bag in bags)
        return

    def alone(bag: str) -> _Verified:
        with Processes(0) as processes:
            return verify(bag, processes)

    with ThreadPoolExecutor(at_once, thread_name_prefix="lastcopy-bag") as pool:
        try:
            yield from in_order(pool, alone, bags, ahead=at_once)
        except BaseException:
            stop.set()
            raise


def _journal_row(one: _Verified, request: VerifyRequest) -> JsonObject:
    found, choice, lock = one.found, request.choice, request.lock
    findings = sum(_findings(found, sort).count for sort in SORTS)
    part: JsonObject = {}
    if choice is not None and choice.share is not None:
        part["sample"] = choice.share
    if choice is not None and choice.since is not None:
        part["since"] = timestamp(choice.since)
    if lock is not None and not findings:  # it was read back on every object
        part["lock"] = {"mode": lock.mode, "until": timestamp(lock.until)}
    return {
        **part,
        "type": "verified",
        "bag": found.bag,
        "level": found.level,
        "segment": found.segment,
        "tagmanifest": found.tagmanifest_sha256,
        "result": "whole" if found.whole else "different",
        "findings": findings,
        "reconciled": found.reconciled,
        **({} if one.began is None else {"began": timestamp(one.began)}),
    }


def _write(journal: Journal, rows: list[JsonObject], result: StoreVerification) -> list[JsonObject]:
    try:
        journal.append(rows)
    except LastcopyError as error:
        note = f"The results could not be written into the journal: {error}."
        if note not in result.notes:
            result.notes.append(note)
    return []


def _read_before(journal: Journal, result: StoreVerification) -> ReadBack:
    """What the journal says was read in full."""
    found = ReadBack()
    try:
        for row in journal.rows():
            found.take(row)
    except LastcopyError as error:
        result.notes.append(f"What was verified before is not known: {error}.")
        return ReadBack()
    return found


def _store_now(store: Store) -> datetime | None:
    """The store's own clock; None if it cannot be told, as in a folder that is read-only: nothing goes on record there either."""
    try:
        return store.now()
    except LastcopyError:
        return None


def _is_read(store: Store, bag: str, before: ReadBack) -> bool:
    """Whether a bag was read in full, as it lies there now, since each of its objects was put."""
    if bag not in before.proofs:
        return False
    fold = _current_fold(store, bag)
    proof = None if fold is None else before.of(*fold, store.url)
    if proof is None or proof.began is None:
        return False
    newest = newest_put(store, bag)
    return newest is not None and newest <= proof.began


def _current_fold(store: Store, bag: str) -> Fold | None:
    """The fold of a bag, None if there is none or captured items stand after it."""
    try:
        tagmanifest = store.read(f"{bag}/{TAGMANIFEST}")
        head = load_json(store.read(f"{bag}/{HEAD}"))
        position = Position(int(head["segment"]), str(head["sha256"]))
        for segment in SegmentLog(store, f"{bag}/{LEDGER}").follow(position):
            if any("item" in row for row in segment.rows()):
                return None
    except (ObjectMissingError, LastcopyError, ValueError, KeyError, TypeError):
        return None
    return bag, position.number, hashlib.sha256(tagmanifest).hexdigest()


def _findings(part: BagVerification | RootVerification, sort: str) -> Findings:
    found: Findings = getattr(part, sort)
    return found


def _differs(row: Mapping[str, Any]) -> bool:
    return bool(row["missing"] or row["changed"] or row["unexpected"] or row.get("problem"))


def bags_of(store: Store, wanted: Iterable[str]) -> list[str] | None:
    """The bags that names mean, None for all. Raises: ConfigurationError for a name nobody has."""
    from retention.selection import Names, records_of

    names = list(wanted)
    return Names(records_of(store)).bags(names) if names else None
