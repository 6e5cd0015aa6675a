"""Which bags a store has, and whether what lies beside them is as it must be.

Rules of this file: bags are found by what lies in the store, never by the list of sources alone; only small objects are read.
Source: design §4, docs/formats.md (Root, Journal).
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from exporters.bag.formats import LAYOUT, LEDGER, SOURCE, JsonObject, dump_json
from exporters.bag.verify_reading import SEGMENT_NAME, loaded, read_chain
from exporters.bag.verify_report import RootVerification
from exporters.ordered import in_order
from exporters.sources import SourceKind
from exporters.store.errors import KeyRefusedError, ObjectMissingError
from exporters.store.local import Strange, local_files
from exporters.store.protocol import Store, check_key

ROOT = "lastcopy.json"
SOURCES = "sources/"
JOURNAL = "journal/"
RUNS = "runs/"
EVIDENCE = "evidence/"
PROBE = "lastcopy-probe"

_SOURCE_NAME = re.compile(r"sources/([0-9a-f]{24})\.json")
_RUN_NAME = re.compile(r"runs/[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}\.json")
_SINGLE = SourceKind.DIRECTORY
"""The kind whose bag has no name of its own."""


def list_bags(store: Store) -> Iterator[str]:
    """Yield the place of every bag, sorted by kind and place; payload is skipped, not listed.

    A place is a bag if it holds anything below `lastcopy/`, or if `sources/` names it (then a bag that has lost all is found).
    """
    named = {place for _, record in _sources(store) if (place := _place_of(record)) is not None}
    for kind in sorted(SourceKind):
        for place in sorted({*_places(store, kind), *(bag for bag in named if bag.split("/")[0] == kind)}):
            if place in named or next(store.list(f"{place}/lastcopy/"), None) is not None:
                yield place


def _place_of(record: JsonObject | None) -> str | None:
    """The bag that an entry of `sources/` names; None if that is no place where a bag can be."""
    place = (record or {}).get("bag")
    if not isinstance(place, str) or (place.count("/") != 1 and place != _SINGLE):
        return None
    if place.split("/")[0] not in {*SourceKind}:
        return None
    try:
        check_key(place)
    except KeyRefusedError:
        return None
    return place


def _places(store: Store, kind: str) -> Iterator[str]:
    """What stands right below `kind/` (or `kind` itself), found by hopping from one folder to the next."""
    if kind == _SINGLE:
        if next(store.list(f"{kind}/"), None) is not None:
            yield kind
        return
    if (local := local_files(store)) is not None:
        places = (f"{kind}/{name}" for name in local.right_below(f"{kind}/"))
        yield from (place for place in places if _is_something(store, place))
        return
    after: str | None = None
    while (info := next(store.list(f"{kind}/", after=after), None)) is not None:
        parts = info.key.split("/", 2)
        if len(parts) == 3:
            place = f"{parts[0]}/{parts[1]}"
            yield place
            if store.stat(f"{place}0") is not None:
                yield f"{place}0"
            after = f"{place}0"  # `0` follows `/`: beyond everything in this folder
        else:
            yield info.key
            after = info.key


def _is_something(store: Store, place: str) -> bool:
    """Whether an object lies at a place, or below it: empty folders mean nothing."""
    return next(store.list(f"{place}/"), None) is not None or store.stat(place) is not None


def _sources(store: Store) -> Iterator[tuple[str, JsonObject | None]]:
    """(key, content or None) of each object below `sources/`."""
    with ThreadPoolExecutor(8) as pool:
        yield from in_order(pool, lambda key: (key, _read(store, key)), _keys(store, SOURCES), ahead=16)


def _keys(store: Store, prefix: str) -> Iterator[str]:
    return (info.key for info in store.list(prefix))


def _read(store: Store, key: str) -> JsonObject | None:
    """The JSON object under `key` if it is one and as Lastcopy writes it, else None."""
    try:
        data = store.read(key)
    except ObjectMissingError:
        return None
    content = loaded(data)
    return content if content is not None and data.rstrip(b"\n") == dump_json(content) else None


def verify_root(store: Store, known: Iterable[str] | None = None, *, strays: bool = True) -> RootVerification:
    """Verify all that lies beside the bags: `lastcopy.json`, `sources/`, the journal, run records, and stray objects.

    known: all bags, for who has just listed them. strays: look for what belongs to no known place; in a bucket that takes two
    requests for each bag, one after the other. Raises: RunError, TransientError of a store that cannot be read.
    """
    report = RootVerification()
    _check_layout(store, report)
    bags = set(list_bags(store) if known is None else known)
    report.bags = len(bags)
    _check_sources(store, report, bags)
    _check_journal(store, report)
    for key in _keys(store, RUNS):
        if _RUN_NAME.fullmatch(key) is None:
            report.unexpected.add(key, "it is no record of a run")
        elif _read(store, key) is None:
            report.changed.add(key, "it is not JSON as Lastcopy writes it")
    if strays:
        _check_strays(store, report, bags)
    _check_strange(store, report)
    return report


def _check_layout(store: Store, report: RootVerification) -> None:
    if store.stat(ROOT) is None:
        report.missing.add(ROOT, "every store begins with it")
        return
    content = _read(store, ROOT)
    if content is None or {*content} != {"created", "layout", "product", "tenant"}:
        report.changed.add(ROOT, "it is not as Lastcopy writes it")
        return
    report.layout = content["layout"] if isinstance(content["layout"], int) else None
    tenant = content["tenant"]
    report.tenant = str(tenant["id"]) if isinstance(tenant, dict) and "id" in tenant else None
    if content["layout"] != LAYOUT or content["product"] != "lastcopy" or report.tenant is None:
        report.changed.add(ROOT, f"it is of layout {content['layout']!r}, product {content['product']!r}")


def _check_sources(store: Store, report: RootVerification, bags: set[str]) -> None:
    """Each entry has its bag, with the same source in it; each bag that has a ledger has its entry."""
    entered: set[str] = set()

    def judge(entry: tuple[str, JsonObject | None]) -> tuple[str, JsonObject | None, bool, str | None]:
        key, record = entry
        match = _SOURCE_NAME.fullmatch(key)
        return key, record, match is not None, _source_fault(store, match[1], record) if match is not None else None

    with ThreadPoolExecutor(8) as pool:
        for key, record, is_entry, fault in in_order(pool, judge, _sources(store), ahead=16):
            if not is_entry:
                report.unexpected.add(key, "it is no entry of a source")
                continue
            if fault is not None:
                report.changed.add(key, fault)
            if record is not None:
                entered.add(str(record.get("bag")))
    for bag in sorted(bags - entered):
        handle = _handle(_read(store, f"{bag}/{SOURCE}") or {})
        if next(store.list(f"{bag}/{LEDGER}"), None) is not None:
            report.missing.add(f"{SOURCES}{handle}.json", f"the bag {bag!r} has no entry")


def _handle(source: JsonObject) -> str:
    name = f"{source.get('kind')} {source.get('id')}"
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _source_fault(store: Store, handle: str, record: JsonObject | None) -> str | None:
    if record is None or {*record} != {"bag", "id", "kind", "names", "owner"}:
        return "it is not as Lastcopy writes it"
    if _handle(record) != handle:
        return "its name does not follow from its kind and id"
    if not _are_names(record["names"]):
        return "its names are not as Lastcopy writes them"
    if _place_of(record) is None:
        return f"it names {record['bag']!r}, which is no place of a bag"
    return _bag_fault(store, record)


def _are_names(names: object) -> bool:
    return (
        isinstance(names, list)
        and bool(names)
        and all(isinstance(n, dict) and {*n} == {"name", "since"} for n in names)
    )


def _bag_fault(store: Store, record: JsonObject) -> str | None:
    source = _read(store, f"{record['bag']}/{SOURCE}")
    if source is None:
        return f"its bag {record['bag']!r} has no {SOURCE}"
    if any(source.get(name) != record[name] for name in ("id", "kind", "owner")):
        return f"its bag {record['bag']!r} is of another source"
    return None


def _check_journal(store: Store, report: RootVerification) -> None:
    """Segments from 1 on without a gap, each chained to the one before; and each row to the row before."""
    numbers: list[int] = []
    for key in _keys(store, JOURNAL):
        match = SEGMENT_NAME.fullmatch(key, len(JOURNAL))
        if match is None or int(match[1]) == 0:
            report.unexpected.add(key, "it is no segment of the journal")
        else:
            numbers.append(int(match[1]))
    expected = 1
    row_before: str | None = None
    with ThreadPoolExecutor(4) as pool:
        for segment in read_chain(store, JOURNAL, numbers, pool):
            number = segment if isinstance(segment, int) else segment.number
            if number > expected:
                missing = f"{JOURNAL}{expected:09d}.jsonl"
                report.missing.add(missing, "the journal has a gap here", count=number - expected)
            expected = number + 1
            if isinstance(segment, int):
                report.missing.add(f"{JOURNAL}{number:09d}.jsonl", "it was listed, and is gone")
                continue
            report.journal_segments += 1
            problems = [*segment.problems]
            for line in segment.lines:
                row = loaded(line)
                if row is None or row.get("previous") != row_before:
                    problems.append("a row does not name the SHA-256 of the row before")
                row_before = hashlib.sha256(line).hexdigest()
            if problems:
                report.changed.add(segment.key, "; ".join(problems[:3]))


def _check_strays(store: Store, report: RootVerification, bags: set[str]) -> None:
    """Objects outside of every known place. Bags and known folders are skipped, not listed."""
    folders = {kind.value for kind in SourceKind} | {name[:-1] for name in (SOURCES, JOURNAL, RUNS, EVIDENCE)}
    after: str | None = None
    while (info := next(store.list(after=after), None)) is not None:
        first = info.key.split("/", 1)[0]
        if first in folders and "/" in info.key:
            beyond = f"{first}0"
            if store.stat(beyond) is not None:
                report.unexpected.add(beyond, "nothing of this name belongs into a store")
            after = beyond
            continue
        if info.key != ROOT and not info.key.startswith(PROBE):
            report.unexpected.add(info.key, "nothing of this name belongs into a store")
        after = info.key
    for kind in sorted({*SourceKind} - {_SINGLE}):
        for place in _places(store, kind):
            if place not in bags:
                report.unexpected.add(place, "it lies where bags lie, and is none")


def _check_strange(store: Store, report: RootVerification) -> None:
    """What lies beside the bags and is no object: links, special files, names that are not UTF-8. Bags look for their own."""
    local = local_files(store)
    if local is None:
        return

    def note(found: Strange) -> None:
        report.unexpected.add(found.key, found.why)

    for folder in ("", *(f"{kind}/" for kind in sorted({*SourceKind} - {_SINGLE}))):
        for found in local.strange_in(folder):
            note(found)
    for folder in (SOURCES, JOURNAL, RUNS, EVIDENCE):
        for _ in local.names(folder, note):
            pass
