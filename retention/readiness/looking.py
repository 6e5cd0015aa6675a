"""What lies in a bag now: its fold, read back and hashed; its ledger after that; its payload, as the store lists it.

Rules of this file: reads, never writes; one listing and one reading of each tag file; nothing is held but counts, names of the
first objects that are wrong, and what excepted items add up to. No byte of the payload is read: that is `verify`'s work, and what
was put since then is known by its time. Source: design §4 (the fold, the ledger), docs/decisions/0089.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from exporters.bag.formats import (
    BAG_INFO,
    EXCEPTIONS,
    HEAD,
    ITEMS,
    LEDGER,
    MANIFEST,
    OWED,
    RECONCILIATION,
    TAG_FILES,
    TAGMANIFEST,
    JsonObject,
    load_json,
)
from exporters.bag.state import Heads
from exporters.bag.verify_reading import SEGMENT_NAME, Lines
from exporters.errors import LastcopyError
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import ObjectInfo, Store
from exporters.store.segments import Position, Segment, SegmentLog
from retention.readiness.composed import Composed

PARTS = "data/pst/parts.json"
SHOWN = 3
_KEEPS_WHOLE = frozenset({HEAD, RECONCILIATION, BAG_INFO})
"""Tag files that are small, and kept to be judged."""


@dataclass(slots=True)
class Some:
    """How many, and the first three by name."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        """One more."""
        self.count += 1
        if self.count <= SHOWN:
            self.first.append(name)

    def __str__(self) -> str:
        more = f" and {self.count - SHOWN:,} more" if self.count > SHOWN else ""
        return ", ".join(self.first) + more


@dataclass(slots=True)
class Excepted:
    """Items excepted with one code: how many, and by run that found them when the newest was."""

    count: int = 0
    runs: dict[str, datetime] = field(default_factory=dict)

    def add(self, run: str, captured: datetime) -> None:
        """One more."""
        self.count += 1
        self.runs[run] = max(captured, self.runs.get(run, captured))


@dataclass(slots=True)
class Look:
    """What was found. fold: (segment, SHA-256 of the tagmanifest), None if there is no fold; damage: why tag files or ledger are
    not as they were written; newest: when the newest object beside the ledger was put; tail: kinds of rows after the fold."""

    bag: str
    is_there: bool = False
    fold: tuple[int, str] | None = None
    damage: list[str] = field(default_factory=list)
    missing: Some = field(default_factory=Some)
    unexpected: Some = field(default_factory=Some)
    files: int = 0
    octets: int = 0
    newest: datetime | None = None
    segments: int = 0
    last_segment: Segment | None = None
    heads: Heads = field(default_factory=Heads)
    has_tail: bool = False
    owed: int = 0
    reconciliation: JsonObject = field(default_factory=dict)
    oxum: tuple[int, int] | None = None
    exceptions: dict[str, Excepted] = field(default_factory=dict)
    composed: Composed | None = None


def look_at(store: Store, bag: str) -> Look:
    """Look at one bag. Raises: RunError, TransientError of a store that cannot be read."""
    looking = _Looking(store, bag)
    try:
        looking.list_objects()
        looking.read_fold()
        looking.read_tail()
    except (
        ObjectMissingError,
        ValueError,
        KeyError,
        TypeError,
    ) as error:  # what cannot be read is not as it was written
        looking.found.damage.append(f"it cannot be read ({error or type(error).__name__})")
    return looking.found


class _Looking:
    """The three steps, in their order."""

    def __init__(self, store: Store, bag: str) -> None:
        self._store, self._bag = store, bag
        self.found = Look(bag)
        self._names: set[str] = set()
        self._small: dict[str, bytes] = {}
        self._manifest = Lines(store, self._key(MANIFEST))
        self._sha_of_parts: str | None = None

    def _key(self, name: str) -> str:
        return f"{self._bag}/{name}"

    # -- what the store lists

    def list_objects(self) -> None:
        """One listing of the bag, beside its manifest: both are in the order of keys as bytes."""
        found, start, named = self.found, len(self._bag) + 1, self._named()
        line = next(named, None)
        numbers = 0
        for info in self._store.list(f"{self._bag}/"):
            found.is_there = True
            name = info.key[start:]
            if name.startswith("data/"):
                key = name.encode()
                while line is not None and line < key:
                    found.missing.add(line.decode("utf-8", "replace"))
                    line = next(named, None)
                if line == key:
                    line = next(named, None)
                else:
                    found.unexpected.add(name)
                found.files += 1
                found.octets += info.size
            elif name.startswith(LEDGER):
                match = SEGMENT_NAME.fullmatch(name, len(LEDGER))
                numbers += match is not None
                found.segments = max(found.segments, int(match[1]) if match is not None else 0)
                continue
            elif name in TAG_FILES or name == TAGMANIFEST:
                self._names.add(name)
            else:
                found.unexpected.add(name)
            self._note_time(info)
        while line is not None:
            found.missing.add(line.decode("utf-8", "replace"))
            line = next(named, None)
        if numbers != found.segments:
            found.damage.append("its ledger has a gap")

    def _named(self) -> Iterator[bytes]:
        """The keys that the manifest names."""
        try:
            for line in self._manifest:
                sha256, _, key = line.rstrip(b"\n").partition(b"  ")
                if key == PARTS.encode():
                    self._sha_of_parts = sha256.decode("ascii", "replace")
                yield key
        except ObjectMissingError:
            return  # told where the fold is read

    def _note_time(self, info: ObjectInfo) -> None:
        newest = self.found.newest
        self.found.newest = info.modified if newest is None else max(newest, info.modified)

    # -- the fold

    def read_fold(self) -> None:
        """Every tag file, with its digest by the tagmanifest."""
        found = self.found
        if TAGMANIFEST not in self._names:
            return
        lines = Lines(self._store, self._key(TAGMANIFEST))
        wanted = {}
        for line in lines:
            sha256, _, name = line.decode("utf-8", "replace").rstrip("\n").partition("  ")
            wanted[name] = sha256
        if {*wanted} != self._names - {TAGMANIFEST}:
            found.damage.append("its tag files are not those that its tagmanifest names")
        for name in sorted(wanted.keys() & self._names):  # the head comes before the items, which are judged by it
            if self._read(name) != wanted[name]:
                found.damage.append(f"{name} is not as its tagmanifest says")
        if found.damage or not {HEAD, RECONCILIATION, BAG_INFO, MANIFEST, ITEMS, OWED, EXCEPTIONS} <= self._names:
            found.damage = found.damage or ["its fold is not whole"]
            return
        head = load_json(self._small[HEAD])
        found.fold = int(head["segment"]), lines.sha256
        found.reconciliation = load_json(self._small[RECONCILIATION])
        found.oxum = _oxum(self._small[BAG_INFO])
        found.heads.cursors, found.heads.round, found.heads.closed = head["cursors"], head["round"], head["closed"]
        if found.composed is not None:
            found.composed.close(self._store, self._key(PARTS), self._sha_of_parts)

    def _read(self, name: str) -> str:
        """Take in a tag file; its SHA-256."""
        if name == MANIFEST:
            for _ in self._manifest.pieces() if not self._manifest.size else ():
                pass
            return self._manifest.sha256
        lines = Lines(self._store, self._key(name))
        if name in _KEEPS_WHOLE:
            self._small[name] = b"".join(lines)
        elif name == EXCEPTIONS:
            for line in lines:
                row = load_json(line)
                of_code = self.found.exceptions.setdefault(str(row["code"]), Excepted())
                of_code.add(str(row.get("run")), datetime.fromisoformat(row["captured"]))
        elif name == OWED:
            self.found.owed = sum(1 for _ in lines)
        elif name == ITEMS and self._bag.startswith("mail/"):
            self.found.composed = Composed.of(load_json(self._small[HEAD]).get("cursors") or {})
            for line in lines:
                self.found.composed.take(line)
        else:
            for _ in lines.pieces():
                pass
        return lines.sha256

    # -- the ledger after it

    def read_tail(self) -> None:
        """The segment of the fold, and those after it."""
        found = self.found
        if found.fold is None:
            return
        log, head = SegmentLog(self._store, self._key(LEDGER)), load_json(self._small[HEAD])
        try:
            found.last_segment = log.read(found.fold[0])
            if found.last_segment.position.sha256 != head["sha256"]:
                found.damage.append("the segment of its fold is not the one that the fold was made of")
                return
            for segment in log.follow(Position(found.fold[0], head["sha256"])):
                self._apply(segment)
        except (ObjectMissingError, LastcopyError) as error:
            if isinstance(error, ObjectMissingError) or error.code == "segment_damaged":
                found.damage.append(f"its ledger is damaged: {error}")
            else:
                raise
        if found.last_segment is not None and found.last_segment.position.number != found.segments:
            found.damage.append("its ledger ends elsewhere than the store lists")

    def _apply(self, segment: Segment) -> None:
        heads = self.found.heads
        heads.begin_segment()
        for row in segment.rows():
            ((kind, value),) = row.items()
            heads.apply(kind, value, segment.position.number)
        self.found.has_tail = self.found.has_tail or heads.touched
        self.found.last_segment = segment


def _oxum(data: bytes) -> tuple[int, int] | None:
    """(bytes, files) of the payload, as `bag-info.txt` has it."""
    lines: dict[str, str] = dict(_field(line) for line in data.decode("utf-8", "replace").splitlines())
    octets, _, files = lines.get("Payload-Oxum", "").partition(".")
    return (int(octets), int(files)) if octets.isdigit() and files.isdigit() else None


def _field(line: str) -> tuple[str, Any]:
    name, _, value = line.partition(": ")
    return name, value
