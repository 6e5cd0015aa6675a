"""What lies in a bag, from its own tag files: its counts, what of it is excepted, how it is proven.

Rules of this file: rows are streamed, and counted anew: what `reconciliation.json` says is compared, never believed; every tag
file that is read is hashed and compared with the tagmanifest. Damage is a fault of the bag, which the verdict counts; only a
store that cannot be read raises. Source: design §4, §8; docs/formats.md (Bag).
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime

from exporters.bag.digests import Hashed
from exporters.bag.formats import (
    BAG_INFO,
    HEAD,
    ITEMS,
    LEDGER,
    LISTED_KINDS,
    OWED,
    RECONCILIATION,
    SOURCE,
    TAGMANIFEST,
    JsonObject,
    load_json,
)
from exporters.bag.lines import read_lines
from exporters.errors import RunError
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import Store
from exporters.store.segments import Position, SegmentLog
from retention.evidence.contents import BagFact

VANISHED = "vanished"
NO_FOLD, DAMAGED, OPEN, OTHER_COUNTS = "no_fold", "fold_damaged", "bag_open", "counts_differ_from_rows"
"""Faults of a bag: it has no tag files; one of them is not as the tagmanifest says; captured items stand after the fold; its
reconciliation says other counts than its rows."""
LEDGER_DAMAGED = "ledger_damaged"


@dataclass(slots=True)
class Excepted:
    """The rows of a bag that are excepted with one code. runs: who found them, and when each found the newest; reason: of the
    first of them."""

    count: int = 0
    reason: str = ""
    runs: dict[str, datetime] = field(default_factory=dict)

    def take(self, row: JsonObject) -> None:
        self.count += 1
        self.reason = self.reason or str(row.get("reason") or "")
        run, at = str(row.get("run")), _instant(row.get("captured"))
        self.runs[run] = max(at, self.runs.get(run, at))


@dataclass(slots=True)
class Bag:
    """What a bag holds. counts: listed, copied, gone, excepted, pending, as `reconciliation.json` counts them, worked out from
    the rows; kinds: rows by (kind, outcome); files, octets: of the payload, as `bag-info.txt` says; digests: of the tag files by
    the tagmanifest."""

    place: str
    fact: BagFact
    source: JsonObject = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    agreements: Counter[str] = field(default_factory=Counter)
    excepted: dict[str, Excepted] = field(default_factory=dict)
    independent: list[JsonObject] = field(default_factory=list)
    domains: list[str] = field(default_factory=list)
    files: int = 0
    octets: int = 0
    fold_at: str | None = None
    fold_segment: int = 0

    def fault(self, code: str) -> None:
        if code not in self.faults:
            self.faults.append(code)


def read_bag(store: Store, place: str) -> Bag:
    """Read a bag's tag files. Raises: errors of a store that cannot be read."""
    tagmanifest = _read(store, f"{place}/{TAGMANIFEST}")
    if tagmanifest is None:
        bag = Bag(place, BagFact(place, None, 0, None))
        bag.fault(NO_FOLD)
        bag.source = _json(_read(store, f"{place}/{SOURCE}"))
        return bag
    bag = Bag(place, BagFact(place, hashlib.sha256(tagmanifest).hexdigest(), 0, None))
    for line in tagmanifest.decode(errors="replace").splitlines():
        digest, _, name = line.partition("  ")
        bag.digests[name] = digest
    bag.source = _proven_json(store, bag, SOURCE)
    _place_in_ledger(store, bag, _proven_json(store, bag, HEAD))
    _take_info(store, bag)
    owed = _owed(store, bag)
    for row in proven_rows(store, bag):
        _count(bag, row, owed)
    _settle_counts(bag, owed)
    _compare(bag, _proven_json(store, bag, RECONCILIATION))
    return bag


def proven_rows(store: Store, bag: Bag, name: str = ITEMS) -> Iterator[JsonObject]:
    """The rows of a tag file as they come; that they are not as the tagmanifest says is a fault of the bag, noted at the end."""
    hashed = Hashed(())
    try:
        for line in read_lines(store, f"{bag.place}/{name}", hashed):
            yield load_json(line)
    except (ObjectMissingError, ValueError):
        bag.fault(DAMAGED)
        return
    if hashed.sha256 != bag.digests.get(name):
        bag.fault(DAMAGED)


def rows_again(store: Store, bag: Bag, name: str = ITEMS) -> Iterator[JsonObject]:
    """The same rows a second time. Raises: RunError if they are not those that were counted (somebody wrote meanwhile)."""
    if bag.fact.tagmanifest_sha256 is None or DAMAGED in bag.faults:
        return
    yield from proven_rows(store, bag, name)
    if DAMAGED in bag.faults:
        raise RunError(
            f"the bag {bag.place!r} was written to while its report was made",
            code="store_changed",
            action="Let the other run end, then run `lastcopy report` again.",
        )


def _count(bag: Bag, row: JsonObject, owed: Set[int]) -> None:
    kind, outcome = str(row.get("kind")), str(row.get("outcome"))
    bag.kinds[kind, outcome] += 1
    if outcome == "excepted":
        bag.excepted.setdefault(str(row.get("code")), Excepted()).take(row)
        if row.get("code") == VANISHED:
            outcome = VANISHED
    elif "agreement" in row:
        bag.agreements[str(row["agreement"])] += 1
    if kind == "domain" and outcome == "copied":
        bag.domains.append(str(row.get("name")))
    if kind in LISTED_KINDS and (outcome == "gone" or not owed or hash((row.get("scope"), row.get("id"))) not in owed):
        bag.counts[outcome] = bag.counts.get(outcome, 0) + 1


def _settle_counts(bag: Bag, owed: Set[int]) -> None:
    """The counts of `reconciliation.json`: an item that is owed counts as pending alone."""
    found = {name: bag.counts.get(name, 0) for name in ("copied", "excepted", "gone")}
    bag.counts = {"listed": found["copied"] + found["excepted"] + len(owed), **found, "pending": len(owed)}


def _owed(store: Store, bag: Bag) -> set[int]:
    """What is owed, as hashes of (scope, id): it may be very many."""
    return {hash((row.get("scope"), row.get("id"))) for row in proven_rows(store, bag, OWED)}


def _compare(bag: Bag, told: JsonObject) -> None:
    """What the bag's own reconciliation says beside what its rows say."""
    kinds = {(kind, outcome): n for kind, of in (told.get("kinds") or {}).items() for outcome, n in of.items()}
    if told.get("counts") != bag.counts or kinds != dict(bag.kinds):
        bag.fault(OTHER_COUNTS)
    bag.independent = list(told.get("independent") or [])


def _place_in_ledger(store: Store, bag: Bag, head: JsonObject) -> None:
    """Where the fold stands in the ledger, and whether captured items stand after it."""
    number, digest = head.get("segment"), head.get("sha256")
    if not isinstance(number, int) or not isinstance(digest, str):
        bag.fault(DAMAGED)
        return
    newest, is_open = Position(number, digest), False
    log = SegmentLog(store, f"{bag.place}/{LEDGER}")
    try:
        if log.read(number).position != newest:
            bag.fault(LEDGER_DAMAGED)
        for segment in log.follow(newest):
            newest = segment.position
            is_open = is_open or any("item" in row for row in segment.rows())
    except (ObjectMissingError, RunError):
        bag.fault(LEDGER_DAMAGED)
    bag.fold_at, bag.fold_segment = head.get("at"), number
    bag.fact = BagFact(bag.place, bag.fact.tagmanifest_sha256, newest.number, newest.sha256, is_open)
    if is_open:
        bag.fault(OPEN)


def _take_info(store: Store, bag: Bag) -> None:
    data = _proven(store, bag, BAG_INFO) or b""
    fields = dict(line.split(": ", 1) for line in data.decode(errors="replace").splitlines() if ": " in line)
    octets, _, files = fields.get("Payload-Oxum", "").partition(".")
    if octets.isdigit() and files.isdigit():
        bag.octets, bag.files = int(octets), int(files)
    else:
        bag.fault(DAMAGED)


def _proven(store: Store, bag: Bag, name: str) -> bytes | None:
    data = _read(store, f"{bag.place}/{name}")
    if data is None or hashlib.sha256(data).hexdigest() != bag.digests.get(name):
        bag.fault(DAMAGED)
        return None
    return data


def _proven_json(store: Store, bag: Bag, name: str) -> JsonObject:
    return _json(_proven(store, bag, name))


def _json(data: bytes | None) -> JsonObject:
    try:
        return {} if data is None else load_json(data)
    except ValueError:  # a damaged file has its fault from its digest
        return {}


def _read(store: Store, key: str) -> bytes | None:
    try:
        return store.read(key)
    except ObjectMissingError:
        return None


def _instant(text: object) -> datetime:
    """The time of a row; of one that does not say it, the latest there is: no acceptance covers it."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
