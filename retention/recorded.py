"""What the journal says of runs, beside what lies in the store: bags that are where the last run left them, records of runs.

Rules of this file: adds findings to those of the store's root; a journal that cannot be read to its end makes nothing unexpected.
Source: design §4 (root), docs/formats.md (Journal).
"""

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from exporters.bag.formats import LEDGER, SOURCE, JsonObject, dump_json, segment_key
from exporters.bag.verify import RootVerification
from exporters.bag.verify_reading import loaded
from exporters.bag.verify_root import ROOT
from exporters.errors import LastcopyError
from exporters.ordered import in_order
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import Store
from retention.disposal.rows import DISPOSED

READERS = 16
RUNS = "runs/"
_PROBLEM = "What the last runs left is not known"


@dataclass(slots=True)
class Recorded:
    """What the journal says. bags: where the last run (or fold) that touched each left it; runs: all that began; records: {run:
    SHA-256 of its record}; entries, root: SHA-256 of what stood below `sources/`, and in `lastcopy.json`, when a run last ended;
    disposed: {bag: its row}, of bags that nobody wrote to since; problem: why not all of the journal could be read."""

    bags: dict[str, JsonObject] = field(default_factory=dict)
    runs: set[str] = field(default_factory=set)
    records: dict[str, str] = field(default_factory=dict)
    entries: dict[str, str] = field(default_factory=dict)
    root: str | None = None
    disposed: dict[str, JsonObject] = field(default_factory=dict)
    problem: str | None = None

    def take(self, row: JsonObject) -> None:
        """The next row of the journal."""
        if row.get("type") == DISPOSED:
            self.bags.pop(str(row.get("bag")), None)
            self.disposed[str(row.get("bag"))] = row
        if row.get("type") not in {"run_started", "run_ended", "folded", "composed"}:
            return
        self.runs.add(str(row.get("run")))
        if isinstance(row.get("bags"), dict):
            self.bags.update(row["bags"])
            self.disposed = {bag: gone for bag, gone in self.disposed.items() if bag not in row["bags"]}
        if isinstance(row.get("entries"), dict):
            self.entries.update(row["entries"])
        self.root = row["root"] if isinstance(row.get("root"), str) else self.root
        if isinstance(row.get("record"), str):
            self.records[str(row.get("run"))] = row["record"]


def recorded(rows: Iterable[JsonObject]) -> Recorded:
    """Read the journal. rows: oldest first."""
    found = Recorded()
    try:
        for row in rows:
            found.take(row)
    except LastcopyError as error:
        found.problem = f"{_PROBLEM}: {error}."
    return found


def is_emptied(store: Store, found: Recorded, bag: str) -> bool:
    """Whether a bag was disposed of, and nothing but its `source.json` is left."""
    return bag in found.disposed and all(info.key == f"{bag}/{SOURCE}" for info in store.list(f"{bag}/"))


def noting_bags(rows: Iterable[JsonObject], bags: set[str]) -> Iterator[JsonObject]:
    """The rows as they come; the bags that runs wrote to are added to `bags`, so that the journal is read once."""
    for row in rows:
        if isinstance(row.get("bags"), dict):
            bags.update(row["bags"])
        yield row


def check_recorded(store: Store, found: Recorded, root: RootVerification, *, has_bags: bool) -> None:
    """Each bag is where the last run left it, or further (one that is gone, or was rolled back, is whole in itself); each run has
    the record that it wrote, and each record its run; `lastcopy.json` and the entries are as the last run found them."""
    named = {finding.name for finding in (*root.missing.first, *root.changed.first)}
    wanted = {
        segment_key(f"{bag}/{LEDGER}", int(left["segment"])): (str(left["sha256"]), "the last run wrote")
        for bag, left in found.bags.items()
    }
    wanted |= {f"{RUNS}{run}.json": (sha256, "the run wrote") for run, sha256 in found.records.items()}

    wanted |= {
        str(row.get("certificate")): (str(row.get("sha256")), "`dispose` wrote") for row in found.disposed.values()
    }
    wanted |= {key: (sha256, "the last run left") for key, sha256 in found.entries.items()}
    wanted |= {ROOT: (found.root, "the last run found")} if found.root is not None else {}

    def digest(key: str) -> tuple[str, str | None]:
        try:
            data = store.read(key)
            if key in found.entries and _grew_from(data, found.entries[key]):
                return key, found.entries[key]
            return key, hashlib.sha256(data).hexdigest()
        except ObjectMissingError:
            return key, None

    with ThreadPoolExecutor(READERS) as pool:
        for key, sha256 in in_order(pool, digest, sorted(wanted), ahead=2 * READERS):
            if sha256 is None:
                root.missing.add(key, f"the journal says that {wanted[key][1]} it")
            elif sha256 != wanted[key][0] and key not in named:
                root.changed.add(key, f"it is not the one that {wanted[key][1]}, by the journal")
    if found.problem is None:
        for info in store.list(RUNS):
            run = info.key[len(RUNS) :].removesuffix(".json")
            if run not in found.runs and info.key not in {finding.name for finding in root.unexpected.first}:
                root.unexpected.add(info.key, "the journal knows no such run")
    if not found.runs and has_bags and next(store.list("journal/"), None) is None:
        root.missing.add("journal/", "a store with bags has a journal")


def _grew_from(data: bytes, sha256: str) -> bool:
    """Whether an entry of `sources/` is the one with this digest, but for names that a run without an end has added."""
    record = loaded(data)
    names = (record or {}).get("names")
    if record is None or not isinstance(names, list):
        return False
    shorter = (dump_json({**record, "names": names[:kept]}) for kept in range(1, len(names)))
    return any(hashlib.sha256(content).hexdigest() == sha256 for content in shorter)
