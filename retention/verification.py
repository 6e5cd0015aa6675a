"""Verifies a whole store: what lies beside the bags, each bag, and (where asked) the listing of the tenant beside the rows.

Rules of this file: damage is a finding, never an end; results go into the journal, and a store that cannot be written to is
verified all the same. Source: design §6 (verify), docs/formats.md (journal).
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from exporters.bag.formats import HEAD, LEDGER, TAGMANIFEST, JsonObject, load_json, segment_key
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
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import LockPolicy, Store
from exporters.store.segments import Position, SegmentLog
from retention.journal import Journal
from retention.verdicts import Exit

ROWS_AT_ONCE = 100
SORTS = ("missing", "changed", "unexpected")
Verified = tuple[str, int, str]
"""(bag, segment, SHA-256 of the tagmanifest) of a fold."""


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
    """What was found. `known`: bags that had been read in full before (with --new); `notes`: sentences for people."""

    root: RootVerification | None = None
    bags: list[BagVerification] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
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
        """0 if all is whole."""
        whole = all(part.whole for _, part in self.parts()) and not any(_differs(row) for row in self.tenant)
        return Exit.COMPLETE if whole else Exit.PARTIAL

    def as_json(self) -> JsonObject:
        """The document of `verify --json` (design §6), and the names behind its numbers."""
        document: JsonObject = {
            "bags": len(self.bags),
            "files": sum(found.files for found in self.bags),
            "bytes": sum(found.bytes for found in self.bags),
            "open": sum(found.open for found in self.bags),
            **{sort: self.count(sort) for sort in SORTS},
            "reconciled": all(found.reconciled for found in self.bags),
            "exit": int(self.exit),
            "findings": list(self.findings()),
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
    with Processes() as processes:
        return _verify_all(store, request, clock, processes, progress, expected, on_bag)


def _verify_all(
    store: Store,
    request: VerifyRequest,
    clock: Clock,
    processes: Processes,
    progress: Progress | None,
    expected: Progress | None,
    on_bag: Callable[[BagVerification], None],
) -> StoreVerification:
    result = StoreVerification()
    journal = Journal(store, clock)
    before = _verified_before(journal, result) if request.new else frozenset()
    pending: list[JsonObject] = []
    for bag in list_bags(store) if request.bags is None else request.bags:
        level = request.level
        if request.new and level == "full" and _current_fold(store, bag) in before:
            level = "stored"
            result.known.append(bag)
        found = verify_bag(
            store, bag, level=level, choice=request.choice, refold=request.refold, processes=processes,
            progress=progress, expected=expected, lock=request.lock,
        )  # fmt: skip
        result.bags.append(found)
        on_bag(found)
        pending.append(_journal_row(found, request.choice))
        if len(pending) >= ROWS_AT_ONCE:
            pending = _write(journal, pending, result)
    if request.bags is None:
        result.root = verify_root(store)
        _check_recorded(store, journal, result)
    if pending:
        _write(journal, pending, result)
    return result


def _check_recorded(store: Store, journal: Journal, result: StoreVerification) -> None:
    """Each bag is where the last run left it, or further: a bag that is gone, or was rolled back, is whole in itself."""
    recorded: dict[str, JsonObject] = {}
    try:
        for row in journal.rows():
            if row.get("type") == "run_ended" and isinstance(row.get("bags"), dict):
                recorded.update(row["bags"])
    except LastcopyError as error:
        result.notes.append(f"What the last runs left is not known: {error}.")
    root = result.root
    if root is None:
        return
    for bag, left in sorted(recorded.items()):
        key = segment_key(f"{bag}/{LEDGER}", int(left["segment"]))
        try:
            found = hashlib.sha256(store.read(key)).hexdigest()
        except ObjectMissingError:
            root.missing.add(key, "the journal says that the last run wrote it")
            continue
        if found != left["sha256"]:
            root.changed.add(key, "it is not the one that the last run wrote, by the journal")
    if not recorded and result.bags and not any(True for _ in store.list("journal/")):
        root.missing.add("journal/", "a store with bags has a journal")


def _journal_row(found: BagVerification, choice: Choice | None) -> JsonObject:
    result = "whole" if found.whole else "different"
    part: JsonObject = {}
    if choice is not None and choice.share is not None:
        part["sample"] = choice.share
    if choice is not None and choice.since is not None:
        part["since"] = timestamp(choice.since)
    return {
        **part,
        "type": "verified",
        "bag": found.bag,
        "level": found.level,
        "segment": found.segment,
        "tagmanifest": found.tagmanifest_sha256,
        "result": result,
    }


def _write(journal: Journal, rows: list[JsonObject], result: StoreVerification) -> list[JsonObject]:
    try:
        journal.append(rows)
    except LastcopyError as error:
        note = f"The results could not be written into the journal: {error}."
        if note not in result.notes:
            result.notes.append(note)
    return []


def _verified_before(journal: Journal, result: StoreVerification) -> frozenset[Verified]:
    """Folds that the journal says were read in full and found whole."""
    found: set[Verified] = set()
    try:
        for row in journal.rows():
            if row.get("type") == "verified" and row.get("level") == "full":
                fold = (str(row.get("bag")), int(row.get("segment") or 0), str(row.get("tagmanifest")))
                found.add(fold) if row.get("result") == "whole" else found.discard(fold)
    except LastcopyError as error:
        result.notes.append(f"What was verified before is not known: {error}.")
        return frozenset()
    return frozenset(found)


def _current_fold(store: Store, bag: str) -> Verified | None:
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
