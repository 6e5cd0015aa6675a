"""Which bag belongs to which source: `sources/<24 hex>.json`, and the names of bags.

Rules of this file: a source is its id; the name of its bag is chosen once, when it is first copied, and never changes; names are
compared after folding; a record that is damaged stops its source alone, and is named. Source: design §4 (names of bags),
docs/formats.md.
"""

import hashlib
import re
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from exporters.bag.digests import Hashed
from exporters.bag.formats import LEDGER, SOURCE, JsonObject, dump_json, load_json
from exporters.bag.keys import component_for, folded
from exporters.bag.ledger import claim_source, source_of
from exporters.bag.verify_root import list_bags
from exporters.errors import SourceError
from exporters.sources import Source, SourceKind
from exporters.store.errors import KeyRefusedError, ObjectChangedError, ObjectExistsError, ObjectMissingError
from exporters.store.protocol import Store
from exporters.store.segments import SegmentDamagedError, SegmentLog

NAME_BYTES = 150
_FOLDER = "sources/"
_ENTRY = re.compile(r"sources/([0-9a-f]{24})\.json")


class EntryDamagedError(SourceError):
    """The record of a source in `sources/` is not as Lastcopy writes it."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"{key} in the store is damaged: it is no record of a source as Lastcopy writes it",
            code="entry_damaged",
            action="Put it back from the store's versions or a second copy. If there is none, move it out of the store: the"
            " next export makes it again from the bag.",
        )


class Catalogue:
    """The sources of one store. Safe from many threads.

    bags: those that the store is known to have had (by its journal). One that lies there without a record of its source is a
    source all the same, by its own `source.json`, and gets its record again when it is next copied.
    """

    def __init__(self, store: Store, bags: Iterable[str] = ()) -> None:
        self.store = self._store = store
        self._lock = threading.Lock()
        self._records: dict[str, JsonObject] = {}
        self._taken: set[str] = set()
        self._drives: dict[str, str] = {}  # owner → key of the record
        self._damaged: set[str] = set()
        self._lost: set[str] = set()  # keys of records that are not in the store
        for key, record in _read_all(store):
            if record is None:
                self._damaged.add(key)
            else:
                self._keep(key, record)
        held = {record["bag"] for record in self._records.values()}
        known = {*bags} if self._records else {*bags, *list_bags(store)}  # to look for all costs a request for each bag
        for bag in sorted(known - held):
            self._find(bag)

    def records(self) -> Iterator[JsonObject]:
        """Content of each `sources/….json`, sorted by key."""
        with self._lock:
            records = [self._records[key] for key in sorted(self._records)]
        return iter(records)

    def digest_of(self, key: str) -> str | None:
        """SHA-256 of the record under a key; None if there is none that can be read."""
        with self._lock:
            record = self._records.get(key)
        return None if record is None else Hashed.of(dump_json(record))

    def damaged(self) -> list[str]:
        """Keys below `sources/` that cannot be read as a record, so that nothing is known of their source."""
        return sorted(self._damaged - self._records.keys())

    def drive_of(self, owner: str) -> JsonObject | None:
        """The record of the OneDrive of a user: the one that was found last, where one has taken the place of another."""
        with self._lock:
            return self._records.get(self._drives.get(owner, ""))

    def knows(self, source: Source) -> bool:
        """Whether there is a record of a source, be it a damaged one."""
        with self._lock:
            return source.key in self._records or source.key in self._damaged

    def knows_newer(self, source: Source) -> bool:
        """Whether the owner of a drive has another one by now."""
        known = None if source.owner is None else self.drive_of(source.owner)
        return known is not None and known["id"] != source.id

    def bag_of(self, source: Source, *, cloud: str, at: str) -> str:
        """The bag of a source; claimed now if it has none. A new name of a known source is written down.

        Raises: EntryDamagedError, BagDamagedError; errors of the store.
        """
        key = source.key
        if key in self._damaged:
            raise EntryDamagedError(key)
        with self._lock:
            record = self._records.get(key)
            if record is None:
                bag = self._claim(source, cloud, at)
                record = self._register(key, source, bag, at)
            elif key in self._lost:
                record = self._put(key, record)
            if record["names"][-1]["name"] != source.name:
                record = self._rename(key, record, source, at)
            self._keep(key, record)
            return str(record["bag"])

    def _find(self, bag: str) -> None:
        """A bag without a record: its source, if it says which that is; else its name is taken, if anything lies there."""
        try:
            source = source_of(self._store.read(f"{bag}/{SOURCE}"))
        except (ObjectMissingError, KeyRefusedError):
            source = None
        if source is None:
            if next(self._store.list(f"{bag}/"), None) is not None:
                self._taken.add(folded(bag))
            return
        key = _key_of(source["kind"], source["id"])
        if key not in self._records:
            names = [{"name": _name_of(bag, source["id"]), "since": str(source.get("first_copied"))}]
            record = {
                "kind": source["kind"],
                "id": source["id"],
                "owner": source.get("owner"),
                "bag": bag,
                "names": names,
            }
            self._lost.add(key)
            self._keep(key, record)

    def _keep(self, key: str, record: JsonObject) -> None:
        self._records[key] = record
        self._taken.add(folded(record["bag"]))
        owner = record.get("owner")
        if record["kind"] == SourceKind.ONEDRIVE and owner:
            before = self._drives.get(owner, key)
            self._drives[owner] = max(before, key, key=lambda known: (self._records[known]["names"][0]["since"], known))

    def _claim(self, source: Source, cloud: str, at: str) -> str:
        content = {
            "cloud": cloud,
            "first_copied": at,
            "id": source.id,
            "kind": source.kind.value,
            "owner": source.owner,
        }
        plain = f"{source.kind}/{safe_name(source)}"
        if source.kind is SourceKind.DIRECTORY:  # a tenant has one
            plain = source.kind.value
        for bag in (plain, f"{plain}~{hashlib.sha256(source.id.encode()).hexdigest()[:12]}"):
            if bag == plain and folded(bag) in self._taken and not self._is_own(bag, source):
                continue
            if claim_source(self._store, bag, content):
                return bag
        raise ObjectExistsError(f"{plain}/lastcopy/source.json")

    def _is_own(self, bag: str, source: Source) -> bool:
        """Whether the taken name is this source's own (claimed before a crash, not yet registered)."""
        key = f"{bag}/lastcopy/source.json"
        if self._store.stat(key) is None:
            return False
        there = source_of(self._store.read(key))
        return there is not None and (there["kind"], there["id"]) == (source.kind.value, source.id)

    def _register(self, key: str, source: Source, bag: str, at: str) -> JsonObject:
        names = [{"name": source.name, "since": at}]
        record = {"kind": source.kind.value, "id": source.id, "owner": source.owner, "bag": bag, "names": names}
        return self._put(key, record)

    def _put(self, key: str, record: JsonObject) -> JsonObject:
        self._lost.discard(key)
        try:
            self._store.put(key, dump_json(record), if_absent=True, durable=True)
        except ObjectExistsError:
            self._store.confirm(key)
            return self._read(key)
        return record

    def _rename(self, key: str, record: JsonObject, source: Source, at: str) -> JsonObject:
        info = self._store.stat(key)
        renamed = {**record, "names": [*record["names"], {"name": source.name, "since": at}]}
        try:
            self._store.put(key, dump_json(renamed), if_match=info.etag if info else None, durable=True)
        except ObjectChangedError:
            return self._read(key)  # another run has seen the rename at the same time
        return renamed

    def _read(self, key: str) -> JsonObject:
        record = record_of(key, self._store.read(key))
        if record is None:
            raise EntryDamagedError(key)
        return record


def first_settings(store: Store, bag: str) -> JsonObject:
    """The `settings` with which a bag was first copied; empty if its first segment cannot be read (whoever opens the bag says
    what is wrong with it)."""
    try:
        rows = SegmentLog(store, f"{bag}/{LEDGER}").read(1).rows()
        return next((dict(row["source"].get("settings") or {}) for row in rows if "source" in row), {})
    except (ObjectMissingError, SegmentDamagedError):
        return {}


def is_group_mailbox(store: Store, bag: str) -> bool:
    """Whether a bag is that of the mailbox of a group, which has another way in."""
    return first_settings(store, bag).get("group") is True


def safe_name(source: Source) -> str:
    """The name as one component: `/` of a site's path written `!`, made safe by the rules for keys, at most 150 bytes."""
    name = source.name.strip("/").replace("/", "!") or "root"
    name = component_for(name, source.id)
    if len(name.encode()) > NAME_BYTES:
        digest = hashlib.sha256(source.id.encode()).hexdigest()[:12]
        name = name.encode()[: NAME_BYTES - 13].decode("utf-8", "ignore").rstrip(" .") + f"~{digest}"
    return name


def _name_of(bag: str, source_id: str) -> str:
    """The name that a source had when its bag got its name, as far as that can be told from it."""
    return bag.partition("/")[2].removesuffix(f"~{hashlib.sha256(source_id.encode()).hexdigest()[:12]}") or bag


def record_of(key: str, data: bytes) -> JsonObject | None:
    """The record under a key of `sources/`; None if it is not as Lastcopy writes it, or is another source's."""
    try:
        record = load_json(data)
    except ValueError:
        return None
    if not isinstance(record, dict) or not all(isinstance(record.get(name), str) for name in ("kind", "id", "bag")):
        return None
    if not isinstance(record.get("owner"), str | None) or not _are_names(record.get("names")):
        return None
    return record if key == _key_of(record["kind"], record["id"]) else None


def _are_names(names: object) -> bool:
    """Whether it is [{"name", "since"}, …], and not empty."""
    if not isinstance(names, list):
        return False
    return bool(names) and all(
        isinstance(entry, dict) and all(isinstance(entry.get(part), str) for part in ("name", "since"))
        for entry in names
    )


def entries(store: Store) -> Iterator[str]:
    """Keys of the records in `sources/`; what else lies there is not ours (`verify` tells of it)."""
    return (info.key for info in store.list(_FOLDER) if _ENTRY.fullmatch(info.key))


def _key_of(kind: str, source_id: str) -> str:
    handle = hashlib.sha256(f"{kind} {source_id}".encode("utf-8", "surrogatepass")).hexdigest()[:24]
    return f"{_FOLDER}{handle}.json"


def _read_all(store: Store) -> Iterator[tuple[str, JsonObject | None]]:
    def read(key: str) -> tuple[str, JsonObject | None]:
        return key, record_of(key, store.read(key))

    with ThreadPoolExecutor(max_workers=16) as pool:
        yield from pool.map(read, entries(store))
