"""The writer of a bag: opens it, appends to its ledger, puts payload, closes and folds it.

Rules of this file: one writer per source; whoever finds another's segment stops at once; no `item` row before its object is
complete and on disk; no payload before the writer's first segment, and none once a newer segment exists. Source: design §4.

    with open_bag(store, bag, source, run) as writer:
        writer.emit("item", row)
        writer.close("complete")
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import structlog

from exporters.bag.appender import Appender
from exporters.bag.digests import Hashed
from exporters.bag.fence import Process, Writer, refuse_if_alive
from exporters.bag.fold import apply_segment, state_from_segments, write_fold
from exporters.bag.formats import (
    EXCEPTIONS,
    ITEMS,
    LEDGER,
    OWED,
    RECONCILIATION,
    SOURCE,
    JsonObject,
    dump_json,
    dump_typed,
    kind_and_value,
    load_json,
)
from exporters.bag.last_fold import LastFold
from exporters.bag.state import Heads, State
from exporters.clock import Clock, timestamp
from exporters.errors import SourceError
from exporters.store.errors import ObjectExistsError, ObjectMissingError
from exporters.store.protocol import Store, Stored
from exporters.store.segments import Position, ReplacedError, SegmentLog

FOLD_AFTER_SEGMENTS = 50


class BagDamagedError(SourceError):
    """Something is missing in a bag, or is not as Lastcopy wrote it, without which it cannot be written on: this source alone
    stops. entry: the key of its record in `sources/`."""

    def __init__(self, bag: str, what: str, entry: str | None = None) -> None:
        super().__init__(
            f"the bag {bag!r} in the store is damaged: {what}",
            code="bag_damaged",
            action=f"Put back what is missing from the store's versions or a second copy. If there is none, move {bag}/ and"
            f" {entry or 'its entry in sources/'} out of the store: the next export then copies this source anew.",
        )


@dataclass(frozen=True, slots=True)
class Run:
    """What a writer needs to know of its run. `id`: 20261123T154017Z-0a1b2c; `units`: takes the resource units spent since
    it was last called; `take_over`: go on although another writer seems to be at work."""

    id: str
    clock: Clock
    units: Callable[[], int]
    take_over: bool = False
    process: Process = field(default_factory=Process.of_this_machine)

    @property
    def stamp(self) -> str:
        """The start of the id: names what lies below `data/changed/`."""
        return self.id.partition("-")[0]


class BagWriter:
    """The one writer of a bag. `put_payload` and `assert_current` may be called from many threads; all else, and the state,
    belong to one."""

    def __init__(self, store: Store, bag: str, run: Run) -> None:
        self.store, self.bag, self.run = store, bag, run
        self.heads = Heads()
        self.source_bytes = b""
        self.orphans_possible = False
        """Whether there may be payload that no row names: left by a writer that was cut off, or by this run itself."""
        self._log = SegmentLog(store, f"{bag}/{LEDGER}")
        self._fold = LastFold(store, bag, self._log)
        self._described = Writer.new(run.process).described
        self._appender = Appender(store, bag, self._log, run.clock, self._first_line)
        self._state: State | None = None
        self._tail_touched = False
        self._predecessor_unclosed = False

    def _first_line(self) -> Mapping[str, Any]:
        return {"run": self.run.id, "writer": self._described, "units": self.run.units()}

    @property
    def position(self) -> Position:
        """The newest segment that this writer knows."""
        return self._appender.position

    # -- opening ----------------------------------------------------------------------------------------------------

    def open(self, source: Mapping[str, Any]) -> None:
        """Read the head and the segments after it; refuse if another writer is alive. `source`: the `source` row.

        Raises: AnotherWriterError; SegmentDamagedError; BagDamagedError.
        """
        self.source_bytes = self.store.read(f"{self.bag}/{SOURCE}")
        if not _is_source(source_of(self.source_bytes), source):
            raise BagDamagedError(self.bag, f"{SOURCE} is not as Lastcopy wrote it for this source")
        self._fold.read_head(self.heads)
        position, newest = self._fold.position, self._fold.first
        for segment in self._log.follow(position):
            self.heads.begin_segment()
            self.heads.touched = False
            for line in segment.lines:
                kind, data = kind_and_value(line)
                self.heads.apply(kind, load_json(data), segment.position.number)
            self._tail_touched = self._tail_touched or self.heads.touched
            position, newest = segment.position, segment.first
        self.heads.touched = False
        if position.number and not self.heads.closed:
            self._predecessor_unclosed = self.orphans_possible = True
            if not self.run.take_over:
                first = newest or self._log.read(position.number).first
                modified = self._log.modified(position.number)
                refuse_if_alive(first, modified, self.store.now(), self.run.process, self.bag)
        self._appender.begin(position)
        self.emit("source", {**load_json(self.source_bytes), **source})

    @property
    def has_unfinished_work(self) -> bool:
        """Whether there is work without any news: rows after the fold, a damaged fold, owed rows, a round under way."""
        if self.needs_fold or self.heads.round is not None:
            return True
        return any(True for _ in self._fold.lines(OWED)) or self._fold.is_damaged

    def has_unfinished_work_of(self, scope: str) -> bool:
        """The same of one scope of several. An open bag, or one whose fold is damaged, may owe work of any."""
        if self.needs_fold or scope in self.heads.scopes:
            return True
        if self._state is not None:
            return bool(self._state.count("SELECT EXISTS (SELECT 1 FROM owed WHERE scope = ?)", (scope,)))
        return any(facts["scope"] == scope for facts in self._fold.lines(OWED)) or self._fold.is_damaged

    def exceptions(self) -> Iterable[JsonObject]:
        """Rows of the last fold that are *excepted* (nothing if there is no whole fold)."""
        return self._fold.lines(EXCEPTIONS)

    def rows(self) -> Iterable[JsonObject]:
        """All rows of the last fold, read and not kept (nothing if there is no whole fold)."""
        return self._fold.lines(ITEMS)

    def folded_reconciliation(self) -> JsonObject:
        """`reconciliation.json` of the last fold; empty if it is not as the tagmanifest says (the fold is damaged then)."""
        return next(self._fold.lines(RECONCILIATION), {})

    @property
    def needs_fold(self) -> bool:
        """Whether the bag is open: rows after the fold, no whole fold, or a writer that did not close it."""
        return not self._fold.exists or self._tail_touched or self._predecessor_unclosed

    def prove_fold(self) -> None:
        """Read every tag file of the last fold: if one is not as it was written, the fold is made again from segment 1."""
        self._fold.prove()

    def load(self) -> None:
        """Read the rows now."""
        _ = self.state

    @property
    def is_loaded(self) -> bool:
        """Whether the rows had to be read."""
        return self._state is not None

    @property
    def state(self) -> State:
        """Rows, owed and tree; read from the store when first asked for."""
        if self._state is None:
            self._state = self._load()
            self.heads = self._state.heads
        return self._state

    def _load(self) -> State:
        state, position = self._fold.load(), self._fold.position
        if state is None:
            state, position, _ = state_from_segments(self.store, self.bag)
        try:
            while True:  # segments without news may come from our own appender meanwhile
                for segment in self._log.follow(position):
                    apply_segment(state, segment)
                    position = segment.position
                with self._appender.at_rest() as waiting:
                    if position.number >= self.position.number:
                        if position != self.position:
                            raise self._appender.lost_to(self._log.read(self.position.number + 1).first)
                        state.apply_lines(waiting, position.number + 1)
                        return state
        except BaseException:
            state.close()
            raise

    # -- writing ----------------------------------------------------------------------------------------------------

    def emit(self, kind: str, value: Mapping[str, Any]) -> None:
        """Append one row; a segment is written when enough have come together. Raises: ReplacedError, errors of the store."""
        data = dump_json(value)
        number = self._appender.add(dump_typed(kind, data), is_item=kind == "item", is_last=kind == "closed")
        if self._state is not None:
            self._state.apply(kind, value, data, number)
        else:
            self.heads.apply(kind, value, number)

    def emit_all(self, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Append rows (type, value) in their order; as `emit`, at less cost."""
        for kind, group in groupby(rows, key=lambda row: row[0]):
            batch, number = [], 0
            for _, value in group:
                data = dump_json(value)
                number = self._appender.add(dump_typed(kind, data), is_item=kind == "item")
                batch.append((value, data))
            self.state.apply_all(kind, batch, number)

    def emit_together(self, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> int:
        """Append rows (type, value) that stand in one segment: whatever cuts us off, all of them are written, or none. For the
        rows of an object that holds many entries. Return the number of that segment."""
        state, dumped = self.state, [(kind, value, dump_json(value)) for kind, value in rows]
        number = self._appender.add_together(
            [dump_typed(kind, data) for kind, _, data in dumped], items=sum(kind == "item" for kind, _, _ in dumped)
        )
        for kind, group in groupby(dumped, key=lambda row: row[0]):
            state.apply_all(kind, [(value, data) for _, value, data in group], number)
        return number

    def flush(self) -> None:
        """Write what has been emitted as a segment, after all objects put so far are on disk."""
        self._appender.flush()

    def write_down(self) -> None:
        """Have a segment written soon, so that the units spent are on record; nothing once the bag is being closed."""
        self._appender.ask()

    def assert_current(self) -> None:
        """Make sure that no newer segment exists, after one of our own. Raises: ReplacedError."""
        self._appender.assert_current()

    def put_payload(self, key: str, content: Iterable[bytes], *, size: int | None = None) -> Stored:
        """Create the object `key` (inside the bag). Raises: ObjectExistsError if there is one already; ReplacedError."""
        self._appender.assert_current()
        return self.store.put(f"{self.bag}/{key}", content, size=size, if_absent=True)

    def put_derived(self, key: str, content: Iterable[bytes], *, size: int | None = None) -> Stored:
        """Put an object that is made from others, in place of what was there: a file below `data/pst/`, to be named by a row of
        kind `derived`. Raises: ReplacedError; ObjectChangedError, ObjectExistsError if somebody else replaces it meanwhile."""
        self._appender.assert_current()
        there = self.store.stat(f"{self.bag}/{key}")
        etag = there.etag if there is not None else None
        return self.store.put(f"{self.bag}/{key}", content, size=size, if_absent=etag is None, if_match=etag)

    def adopt(self, key: str) -> str | None:
        """Take over an object that is there already, with the wanted bytes: it gets what our own put would have given it (its
        lock). Return its version id. Raises: LockNotAppliedError, ObjectMissingError."""
        info = self.store.stat(f"{self.bag}/{key}")
        if info is None:
            raise ObjectMissingError(f"{self.bag}/{key}")
        self.store.confirm(info.key, info.version_id)
        return info.version_id

    # -- closing ----------------------------------------------------------------------------------------------------

    def close(self, reason: str) -> None:
        """Name leftovers, write the closing segment, and fold if rows changed, the fold is damaged, or 50 segments wait."""
        if self.orphans_possible:
            self._name_leftovers()
        self.emit("closed", {"reason": reason})
        self.flush()
        behind = self.position.number - self._fold.position.number
        if self.heads.touched or self.needs_fold or behind >= FOLD_AFTER_SEGMENTS:
            self._write_fold()

    def _write_fold(self) -> None:
        """Write the fold to the newest segment. The writer has closed: whoever comes next may begin, and then folds for both."""
        try:
            write_fold(
                self.store,
                self.bag,
                self.state,
                self.position,
                self._appender.at,
                self.source_bytes,
                check=self._appender.assert_current,
            )
        except ReplacedError:
            structlog.get_logger().info("fold left to the next writer", run=self.run.id)

    def _name_leftovers(self) -> None:
        """After a writer that was cut off: payload that no row names becomes a row of kind `leftover`."""
        for info in self.store.list(f"{self.bag}/data/"):
            key = info.key[len(self.bag) + 1 :]
            if self.state.holds_key(key):
                continue
            with self.store.open(info.key) as chunks:
                hashed = Hashed(chunks)
                hashed.drain()
            self.store.confirm(info.key)
            row = {"kind": "leftover", "scope": "", "id": key, "key": key, "outcome": "copied", "run": self.run.id}
            facts = {"size": hashed.size, "sha256": hashed.sha256, "captured": timestamp(self.run.clock.now())}
            self.emit("item", {**row, **facts})

    def release(self) -> None:
        """Append nothing more and drop the temporary state; the bag stays as it is."""
        self._appender.end()
        if self._state is not None:
            self._state.close()
            self._state = None

    def __enter__(self) -> "BagWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def claim_source(store: Store, bag: str, source: Mapping[str, Any]) -> bool:
    """Create `lastcopy/source.json` if absent; whether the bag is this source's (now, or already)."""
    key = f"{bag}/{SOURCE}"
    try:
        store.put(key, dump_json(source), if_absent=True, durable=True)
    except ObjectExistsError:
        there = source_of(store.read(key))
        if there is None:
            raise BagDamagedError(bag, f"{SOURCE} is not as Lastcopy writes it") from None
        if is_own := _is_source(there, source):
            store.confirm(key)
        return is_own
    return True


def source_of(data: bytes) -> JsonObject | None:
    """The content of a `lastcopy/source.json`, None if it is not as Lastcopy writes it."""
    try:
        source = load_json(data)
    except ValueError:
        return None
    if not isinstance(source, dict) or not all(isinstance(source.get(name), str) for name in ("kind", "id")):
        return None
    return source


def _is_source(there: JsonObject | None, wanted: Mapping[str, Any]) -> bool:
    """Whether it is the source that is wanted; any will do for who does not say (`fold`)."""
    return there is not None and all(there[name] == wanted.get(name, there[name]) for name in ("kind", "id"))


def open_bag(store: Store, bag: str, source: Mapping[str, Any], run: Run) -> BagWriter:
    """Open the bag for writing, on after its last segment. `source`: value of the `source` row."""
    writer = BagWriter(store, bag, run)
    try:
        writer.open(source)
    except BaseException:
        writer.release()
        raise
    structlog.get_logger().debug("bag opened", segment=writer.position.number, run=run.id)
    return writer
