"""The writer of a bag: opens it, appends to its ledger, puts payload, closes and folds it.

Rules of this file: one writer per source; whoever finds another's segment stops at once; no `item` row before its object is
complete and on disk; no payload before the writer's first segment, and none once a newer segment exists. Source: design §4.

    with open_bag(store, bag, source, run) as writer:
        writer.emit("item", row)
        writer.close("complete")
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from exporters.bag.digests import Hashed
from exporters.bag.fence import Process, Writer, refuse_if_alive
from exporters.bag.fold import apply_segment, read_tagmanifest, state_from_segments, write_fold
from exporters.bag.formats import (
    EXCEPTIONS,
    HEAD,
    ITEMS,
    LEDGER,
    OWED,
    PERMISSIONS,
    RECONCILIATION,
    SOURCE,
    JsonObject,
    dump_json,
    dump_row,
    load_json,
)
from exporters.bag.lines import read_lines
from exporters.bag.state import Heads, State
from exporters.clock import Clock, timestamp
from exporters.store.errors import ObjectExistsError, ObjectMissingError
from exporters.store.protocol import Store, Stored
from exporters.store.segments import START, Position, ReplacedError, SegmentLog

ROWS_PER_SEGMENT = 1_000
LISTED_PER_SEGMENT = 5_000
HEARTBEAT_SECONDS = 45.0
FOLD_AFTER_SEGMENTS = 50
TRUST_SECONDS = 10.0


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
    """The one writer of a bag. `emit` and `flush` may be called from many threads; the state belongs to one."""

    def __init__(self, store: Store, bag: str, run: Run) -> None:
        self.store, self.bag, self.run = store, bag, run
        self.heads = Heads()
        self.position = START
        self.source_bytes = b""
        self._folded = START
        self._tail_touched = False
        self._damaged = False
        self._predecessor_unclosed = False
        self._log = SegmentLog(store, f"{bag}/{LEDGER}")
        self._writer = Writer.new(run.process)
        self._state: State | None = None
        self._buffer: list[bytes] = []
        self._items_in_buffer = 0
        self._lock = threading.RLock()
        self._last_segment = self._last_known = run.clock.monotonic()
        self._wrote = False
        self._failed: Exception | None = None
        self._ended = threading.Event()
        self._is_closing = False
        self._at = ""
        self._digests: dict[str, str] = {}
        self._proven: set[str] = set()
        self.orphans_possible = False
        """Set where this run itself may have left payload that no row names."""

    # -- opening ----------------------------------------------------------------------------------------------------

    def open(self, source: Mapping[str, Any]) -> None:
        """Read the head and the segments after it; refuse if another writer is alive. `source`: the `source` row.

        Raises: RunError (another writer at work); SegmentDamagedError.
        """
        self.source_bytes = self.store.read(f"{self.bag}/{SOURCE}")
        self._read_head()
        newest: Mapping[str, Any] | None = None
        for segment in self._log.follow(self._folded):
            self.heads.begin_segment()
            self.heads.touched = False
            for row in segment.rows():
                ((kind, value),) = row.items()
                self.heads.apply(kind, value, segment.position.number)
            self._tail_touched = self._tail_touched or self.heads.touched
            self.position, newest = segment.position, segment.first
        if self.position.number and not self.heads.closed:
            self._predecessor_unclosed = True
            first = newest or self._log.read(self.position.number).first
            if not self.run.take_over:
                modified = self._log.modified(self.position.number)
                refuse_if_alive(first.get("writer") or {}, modified, self.store.now(), self.run.process, self.bag)
        self._buffer.append(dump_row({"source": {**load_json(self.source_bytes), **source}}))
        self._heartbeat = threading.Thread(target=self._beat, name="lastcopy-heartbeat", daemon=True)
        self._heartbeat.start()

    def _read_head(self) -> None:
        """Take over the last fold's head, if the fold is whole as far as its smallest file tells."""
        self._digests = read_tagmanifest(self.store, self.bag) or {}
        try:
            data = self.store.read(f"{self.bag}/{HEAD}")
        except ObjectMissingError:
            self._damaged = self._log.exists(1)
            return
        if self._digests.get(HEAD) != Hashed.of(data):
            self._damaged = True
            return
        head = load_json(data)
        self._folded = self.position = Position(head["segment"], head["sha256"])
        self.heads.cursors, self.heads.round, self.heads.closed = head["cursors"], head["round"], head["closed"]

    @property
    def has_unfinished_work(self) -> bool:
        """Whether there is work without any news: rows after the fold, a damaged fold, owed rows, a round under way."""
        if self._damaged or self._tail_touched or self._predecessor_unclosed or self.heads.round is not None:
            return True
        return any(True for _ in self._small(OWED)) or self._damaged

    def exceptions(self) -> Iterable[JsonObject]:
        """Rows of the last fold that are *excepted* (nothing if there is no whole fold)."""
        return self._small(EXCEPTIONS)

    def _small(self, name: str) -> Iterable[JsonObject]:
        """Lines of a small file of the last fold, if it is as the tagmanifest says; else the fold counts as damaged."""
        if not self._folded.number or self._damaged:
            return
        if name not in self._proven and not self._prove(name):
            return
        for line in read_lines(self.store, f"{self.bag}/{name}"):
            yield load_json(line)

    def _prove(self, name: str) -> bool:
        """Whether a file of the last fold is as the tagmanifest says; if not, the fold is damaged."""
        hashed = Hashed(())
        try:
            for _ in read_lines(self.store, f"{self.bag}/{name}", hashed):
                pass
        except ObjectMissingError:
            self._damaged = True
            return False
        if hashed.sha256 != self._digests.get(name):
            self._damaged = True
            return False
        self._proven.add(name)
        return True

    @property
    def needs_fold(self) -> bool:
        """Whether the bag is open: rows after the fold, no whole fold, or a writer that did not close it."""
        return self._damaged or self._tail_touched or self._predecessor_unclosed or not self._folded.number

    def load(self) -> None:
        """Read the rows now."""
        _ = self.state

    @property
    def is_loaded(self) -> bool:
        """Whether the rows had to be read."""
        return self._state is not None

    def folded_reconciliation(self) -> JsonObject:
        """`reconciliation.json` of the last fold; empty if it is not as the tagmanifest says (the fold is damaged then)."""
        for value in self._small(RECONCILIATION):
            return value
        return {}

    @property
    def state(self) -> State:
        """Rows, owed and tree; read from the store when first asked for."""
        if self._state is None:
            with self._lock:
                self._state = self._load()
        return self._state

    def _load(self) -> State:
        state = None if self._damaged or not self._folded.number else self._load_fold()
        if state is None:
            self._damaged = self._damaged or bool(self._folded.number)
            state, position, _ = state_from_segments(self.store, self.bag)
        else:
            position = self._folded
            for segment in self._log.follow(self._folded):
                apply_segment(state, segment.rows(), segment.position.number)
                position = segment.position
        if position != self.position:
            state.close()
            raise ReplacedError(
                self._log.key(self.position.number + 1), self._log.read(position.number).first["writer"]
            )
        for line in self._buffer:
            state.apply(load_json(line), self.position.number + 1)
        self.heads = state.heads
        return state

    def _load_fold(self) -> State | None:
        """State of the fold; None if a file of it does not match the tagmanifest (it is made again from segment 1)."""
        state = State()
        takers: dict[str, Callable[[JsonObject, bytes], None]] = {
            ITEMS: state.put_row,
            OWED: state.put_listed,
            PERMISSIONS: state.put_permissions,
        }
        for name, take in takers.items():
            if name == PERMISSIONS and name not in self._digests:
                continue
            hashed = Hashed(())
            try:
                for line in read_lines(self.store, f"{self.bag}/{name}", hashed):
                    take(load_json(line), line)
            except (ObjectMissingError, ValueError):
                hashed = Hashed(())
            if hashed.sha256 != self._digests.get(name):
                state.close()
                return None
        head = load_json(self.store.read(f"{self.bag}/{HEAD}"))
        state.heads.cursors, state.heads.round, state.heads.closed = head["cursors"], head["round"], head["closed"]
        if head["round"] is not None:
            self._mark_seen(state, head["round"])
        return state

    def _mark_seen(self, state: State, begun: int) -> None:
        """What the unfinished full round has listed stands in its segments alone."""
        for number in range(begun, self._folded.number + 1):
            for row in self._log.read(number).rows():
                ((kind, value),) = row.items()
                if kind == "round" and value["full"]:
                    state.db.execute("DELETE FROM seen")
                elif kind == "seen":
                    state.mark_seen(value["scope"], value["ids"])
                elif kind == "listed" and value.get("deleted"):
                    state.db.execute("DELETE FROM seen WHERE scope = ? AND id = ?", (value["scope"], value["id"]))
                elif kind == "listed":
                    state.mark_seen(value["scope"], (value["id"],))

    # -- writing ----------------------------------------------------------------------------------------------------

    def emit(self, kind: str, value: Mapping[str, Any]) -> None:
        """Append one row; a segment is written when enough have come together."""
        row = {kind: dict(value)}
        with self._lock:
            self._check()
            if self._state is not None:
                self._state.apply(row, self.position.number + 1)
            else:
                self.heads.apply(kind, value, self.position.number + 1)
            self._buffer.append(dump_row(row))
            self._items_in_buffer += kind == "item"
            if self._items_in_buffer >= ROWS_PER_SEGMENT or len(self._buffer) >= LISTED_PER_SEGMENT:
                self.flush()

    def flush(self) -> None:
        """Write what has been emitted as one segment, after all objects put so far are on disk."""
        with self._lock:
            self._check()
            lines, self._buffer, self._items_in_buffer = self._buffer, [], 0
            first = {
                "run": self.run.id,
                "at": timestamp(self.run.clock.now()),
                "writer": self._writer.described,
                "units": self.run.units(),
            }
            try:
                self.store.sync()
                self.position = self._log.append(self.position, lines, first)
            except Exception as error:
                self._failed = error
                raise
            self._at = str(first["at"])
            self._wrote = True
            self._last_segment = self._last_known = self.run.clock.monotonic()

    def write_down(self) -> None:
        """Write a segment now, so that the units spent are on record; nothing once the bag is being closed."""
        with self._lock:
            if not self._is_closing:
                self.flush()

    def tick(self) -> None:
        """Write a segment if the last one is getting old; with or without news, so that others see us alive."""
        if self.run.clock.monotonic() - self._last_segment >= HEARTBEAT_SECONDS:
            self.flush()

    def _beat(self) -> None:
        while not self._ended.wait(5.0):
            try:
                self.tick()
            except Exception as error:  # noqa: BLE001 - a thread's edge: kept, and raised to whoever emits next
                self._failed = error
                return

    def _check(self) -> None:
        if self._failed is not None:
            raise self._failed

    def put_payload(self, key: str, content: Iterable[bytes], *, size: int | None = None) -> Stored:
        """Create the object `key` (inside the bag). Raises: ObjectExistsError if there is one already; ReplacedError."""
        self.assert_current()
        return self.store.put(f"{self.bag}/{key}", content, size=size, if_absent=True)

    def assert_current(self) -> None:
        """Make sure that no newer segment exists, after one of our own. Raises: ReplacedError."""
        with self._lock:
            self._check()
            if not self._wrote:
                self.flush()
            now = self.run.clock.monotonic()
            if not self.store.features.local and now - self._last_known <= TRUST_SECONDS:
                return
            if self._log.exists(self.position.number + 1):
                there = self._log.read(self.position.number + 1).first.get("writer") or {}
                self._failed = ReplacedError(self._log.key(self.position.number + 1), there)
                raise self._failed
            self._last_known = now

    # -- closing ----------------------------------------------------------------------------------------------------

    def close(self, reason: str) -> None:
        """Name leftovers, write the closing segment, and fold if rows changed, the fold is damaged, or 50 segments wait."""
        if self._predecessor_unclosed or self.orphans_possible:
            self._name_leftovers()
        with self._lock:
            self._is_closing = True
        self.emit("closed", {"reason": reason})
        self.flush()
        touched = self.heads.touched or self._tail_touched or self._damaged
        behind = self.position.number - self._folded.number
        if touched or not self._folded.number or behind >= FOLD_AFTER_SEGMENTS:
            self.fold()

    def fold(self) -> str:
        """Write the fold to the newest segment; return the SHA-256 of the tagmanifest."""
        self.assert_current()
        return write_fold(self.store, self.bag, self.state, self.position, self._at, self.source_bytes)

    def _name_leftovers(self) -> None:
        """After an unclosed writer: payload that no row names becomes a row of kind `leftover`."""
        for info in self.store.list(f"{self.bag}/data/"):
            key = info.key[len(self.bag) + 1 :]
            if self.state.holds_key(key):
                continue
            with self.store.open(info.key) as chunks:
                hashed = Hashed(chunks)
                hashed.drain()
            row = {"kind": "leftover", "scope": "", "id": key, "key": key, "outcome": "copied", "run": self.run.id}
            facts = {"size": hashed.size, "sha256": hashed.sha256, "captured": timestamp(self.run.clock.now())}
            self.emit("item", {**row, **facts})

    def release(self) -> None:
        """Stop the heartbeat and drop the temporary state; the bag stays as it is."""
        self._ended.set()
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
        there = load_json(store.read(key))
        return (there["kind"], there["id"]) == (source["kind"], source["id"])
    return True


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
