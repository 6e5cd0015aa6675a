"""Every key that a row names, beside every object that lies below `data/`: present, as long, and with these bytes.

Rules of this file: two sorted streams are merged, nothing is held but what is under way. Small files of a folder are proven by
the processes, many at a time; the rest, and whatever they could not prove, is looked at one by one by the way that knows all
errors. Source: design §6 (levels), §9.
"""

import hashlib
import random
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from exporters.bag.verify_derive import HOLDS_ENTRIES
from exporters.bag.verify_matching import Matched, Piece, matched
from exporters.bag.verify_processes import Processes
from exporters.bag.verify_report import BagVerification
from exporters.bag.verify_state import PayloadRow
from exporters.errors import ItemError, RunError, TransientError
from exporters.store.errors import ObjectMissingError, StoreUnwritableError
from exporters.store.local import LocalFiles
from exporters.store.protocol import LockPolicy, Store

Progress = Callable[[int, int], None]
"""Told (files, bytes) that were dealt with since the last call, from several threads."""

LARGE_BYTES = 1 << 20
"""A file of a folder from this size on is read by a thread: hashing it does not hold Python's lock."""
BATCH_BYTES = 8 << 20
OBJECTS_TOGETHER = 8
UNDER_WAY = 256

_Row = tuple[PayloadRow, int | None]
"""A row, and the size of its object if it was listed with it."""
_EMPTY = hashlib.sha256().hexdigest()
_HOLDER = b"\0" + HOLDS_ENTRIES


class StoppedError(RunError):
    """Somebody asked for the end."""

    def __init__(self) -> None:
        super().__init__("the verification was stopped", code="stopped", action="Run it again: it begins anew.")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which objects are read in full. share: this part of them, by chance; since: those captured then or later."""

    everything: bool = True
    share: float | None = None
    since: datetime | None = None

    def split(self, facts: list[bytes]) -> tuple[list[int], list[int]]:
        """(indices of the keys that are read, of those that are not)."""
        if self.share is None and self.since is None:
            both: tuple[list[int], list[int]] = ([*range(len(facts))], [])
            return both if self.everything else both[::-1]
        if self.share is not None:
            read = [n for n in range(len(facts)) if random.random() < self.share]  # noqa: S311 - a sample, no secret
        else:
            read = [n for n, fact in enumerate(facts) if self._is_new(fact.split(b"\0")[2])]
        return read, sorted({*range(len(facts))} - {*read})

    def takes(self, captured: str) -> bool:
        """Whether an object that was captured then is read."""
        return bool(self.split([b"\0\0%b\0" % captured.encode("utf-8", "surrogatepass")])[0])

    def _is_new(self, captured: bytes) -> bool:
        """Rows that do not say when they were captured are read."""
        try:
            at = datetime.fromisoformat(captured.decode())
        except ValueError:
            return True
        return self.since is None or at.replace(tzinfo=at.tzinfo or UTC) >= self.since


class _Found(NamedTuple):
    """What looking at one object gave. `why`: None if all is well."""

    key: str
    size: int
    why: str | None = None
    missing: bool = False
    counted: bool = True


class PayloadCheck:
    """One pass over the payload of a bag. `lock`: what every object must be locked with, if the caller wants that read."""

    def __init__(
        self,
        store: Store,
        report: BagVerification,
        pool: ThreadPoolExecutor,
        processes: Processes,
        *,
        local: LocalFiles | None,
        choice: Choice,
        stop: threading.Event,
        progress: Progress | None = None,
        lock: LockPolicy | None = None,
    ) -> None:
        """local: the folder that the store is, if its files may be read as files. stop: set from outside, it ends `run` with
        StoppedError; set by `run` itself when it fails, so that readers of large files end."""
        self._store, self._report, self._pool, self._processes = store, report, pool, processes
        self._local, self._choice, self._lock = local, choice, lock
        self._progress = progress or (lambda files, size: None)
        self._remote = not store.features.local
        self._versions = bool(store.features.versioning)
        self._stop = stop

    def run(self, rows: Iterator[Piece], objects: Iterator[Piece], *, strays_in_flight: bool) -> None:
        """Compare rows with objects, both sorted by key; what no row names is unexpected, or `in_flight` if a writer may just
        be putting it there."""
        report = self._report
        strays = report.in_flight if strays_in_flight else report.unexpected
        sorts = (report.missing, report.changed, report.unexpected, report.in_flight)
        before = [len(findings.first) for findings in sorts]
        small, single = _InOrder(2 * self._processes.ahead), _InOrder(UNDER_WAY)
        pieces = matched(
            rows,
            objects,
            lambda key: report.missing.add(_text(key), "a row names it, and the store does not have it"),
            lambda key: strays.add(_text(key), "no row names it"),
        )
        try:
            for piece in pieces:
                self._begin(piece, small, single)
                if self._stop.is_set():
                    raise StoppedError
            for queue in (small, single):
                queue.drain()
        except BaseException:
            self._stop.set()
            single.cancel()
            raise
        for findings, start in zip(sorts, before, strict=True):  # those of big files came when they were read
            findings.first[start:] = sorted(findings.first[start:], key=lambda finding: finding.name)

    # -- handing out

    def _begin(self, piece: Matched, small: "_InOrder", single: "_InOrder") -> None:
        """Have the objects of a piece looked at: many together, or one by one."""
        sizes, _ = piece.named
        for chosen, read in zip(self._split(piece.named[1]), (True, False), strict=True):
            alone = chosen
            if self._local is not None and self._lock is None:
                alone = [n for n in chosen if sizes[n] >= LARGE_BYTES] if read else []
                together = [n for n in chosen if sizes[n] < LARGE_BYTES] if alone else chosen
                for batch in _batches(piece, together, read):
                    self._begin_batch(batch, small)
            for group in _groups(alone, sizes):
                rows = [_row_of(piece, n) for n in group]
                single.add(self._pool.submit(self._look_at_all, rows, read), self._note)

    def _split(self, facts: list[bytes]) -> tuple[list[int], list[int]]:
        """(indices of the keys that are read here, of those that are not); what holds entries is read by `EntryCheck`."""
        read, others = self._choice.split(facts)
        holders = {n for n in read if facts[n].endswith(_HOLDER)}
        return ([n for n in read if n not in holders], sorted([*others, *holders])) if holders else (read, others)

    def _begin_batch(self, batch: "_Batch", small: "_InOrder") -> None:
        step = "prove_files" if batch.read else "look_at_files"
        root, bag = self._local.root if self._local else "", f"{self._report.bag}/".encode()
        future = self._processes.submit(step, root, bag, batch.keys, batch.sizes, batch.facts)
        small.add(future, lambda doubtful: self._settle(batch, doubtful))

    def _settle(self, batch: "_Batch", doubtful: list[int]) -> None:
        """Count what was proven; look again at what was not."""
        proven = len(batch.keys) - len(doubtful)
        size = sum(batch.sizes) - sum(batch.sizes[n] for n in doubtful)
        self._count(proven, size, batch.read)
        self._progress(proven, size)
        rows: list[_Row] = [(PayloadRow.of(batch.keys[n], batch.sizes[n], batch.facts[n]), None) for n in doubtful]
        self._note(self._look_at_all(rows, batch.read))

    def _note(self, found: "list[tuple[_Found, bool]]") -> None:
        for one, read in found:
            if one.missing:
                self._report.missing.add(one.key, one.why or "it is gone")
                continue
            if one.counted:
                self._count(1, one.size, read)
            if one.why is not None:
                self._report.changed.add(one.key, one.why)

    def _count(self, files: int, size: int, read: bool) -> None:
        self._report.files += files
        self._report.bytes += size
        if read:
            self._report.files_read += files

    # -- one by one

    def _look_at_all(self, rows: list[_Row], read: bool) -> "list[tuple[_Found, bool]]":
        return [(self._look_at(row, found, read), read) for row, found in rows]

    def _look_at(self, row: PayloadRow, found: int | None, read: bool) -> _Found:
        """What one object is like. found: its size, if it was listed with it."""
        key = f"{self._report.bag}/{row.key}"
        try:
            fault = self._size_fault(row, key, found)
            if fault is not None:
                return _Found(row.key, 0, fault, counted=False)
            one = self._hash(row, key) if read else self._look(row, key)
            if one.why is None and self._lock is not None:
                one = one._replace(why=lock_fault(self._store, key, self._lock))
        except ObjectMissingError:
            return _Found(row.key, 0, "a row names it, and the store does not have it", missing=True)
        except (ItemError, TransientError, StoreUnwritableError) as error:
            # One object that cannot be read is a finding; a store that cannot be reached ends the verification.
            return _Found(row.key, 0, f"it cannot be read: {error}")
        self._progress(1, 0 if read else one.size)
        return one

    def _size_fault(self, row: PayloadRow, key: str, found: int | None) -> str | None:
        if not row.agrees or row.sha256 is None or row.size is None:
            return "rows name it with different bytes, or without size and SHA-256"
        if found is None:
            info = self._store.stat(key)
            if info is None:
                raise ObjectMissingError(key)
            found = info.size
        return None if found == row.size else f"it has {found:,} bytes where its row says {row.size:,}"

    def _hash(self, row: PayloadRow, key: str) -> _Found:
        digest, size = hashlib.sha256(), 0
        with self._store.open(key) as chunks:
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                self._progress(0, len(chunk))
                if self._stop.is_set():
                    raise StoppedError
        if digest.hexdigest() != row.sha256:
            return _Found(row.key, size, "its bytes have another SHA-256 than its row says")
        return _Found(row.key, size)

    def _look(self, row: PayloadRow, key: str) -> _Found:
        """Level `stored`: the size (seen before), and what the store itself says of version and checksum."""
        size = row.size or 0
        if row.holds and self._choice.everything:
            return _Found(row.key, size)  # `EntryCheck` reads it
        if size == 0 and row.sha256 != _EMPTY:
            return _Found(row.key, size, "it is empty, and its row has the SHA-256 of something else")
        if self._remote or (row.version is not None and self._versions):
            info = self._store.stat(key)
            if info is None:
                raise ObjectMissingError(key)
            if row.version is not None and self._versions and info.version_id != row.version:
                return _Found(row.key, size, f"its newest version is {info.version_id}, its row says {row.version}")
            if info.sha256 is not None and info.sha256 != row.sha256:
                return _Found(row.key, size, "the store's own checksum is another SHA-256 than its row says")
        return _Found(row.key, size)


def lock_fault(store: Store, key: str, wanted: LockPolicy) -> str | None:
    """What is wrong with the lock of an object, None if it is at least the wanted one. Raises: ObjectMissingError."""
    state = store.lock_state(key)
    if state is None or state.mode is None or state.until is None:
        return "it is not locked"
    if not wanted.satisfied_by(state):
        return f"it is locked ({state.mode}) until {state.until:%Y-%m-%d} only"
    return None


class _Batch(NamedTuple):
    """Files that one process looks at in one step."""

    read: bool
    keys: list[bytes]
    sizes: list[int]
    facts: list[bytes]


def _batches(piece: Matched, chosen: list[int], read: bool) -> Iterator[_Batch]:
    """The chosen keys of a piece, in batches of at most 8 MiB where they are read."""
    sizes, facts = piece.named
    if len(chosen) == len(piece.keys) and (not read or sum(sizes) <= BATCH_BYTES):
        yield _Batch(read, piece.keys, sizes, facts)
        return
    for group in _groups(chosen, sizes, BATCH_BYTES, len(chosen)):
        yield _Batch(read, [piece.keys[n] for n in group], [sizes[n] for n in group], [facts[n] for n in group])


def _groups(
    chosen: list[int], sizes: list[int], most_bytes: int = LARGE_BYTES, most: int = OBJECTS_TOGETHER
) -> Iterator[list[int]]:
    """Indices in groups of so many, or of so many bytes."""
    group: list[int] = []
    held = 0
    for n in chosen:
        group.append(n)
        held += sizes[n]
        if held >= most_bytes or len(group) >= most:
            yield group
            group, held = [], 0
    if group:
        yield group


def _row_of(piece: Matched, n: int) -> _Row:
    """A row of a piece, and the size of its object if it was listed with it."""
    sizes, facts = piece.named
    return PayloadRow.of(piece.keys[n], sizes[n], facts[n]), piece.there[0][n] if piece.there else None


class _InOrder:
    """Answers that are under way, dealt with in the order in which they were asked for."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: deque[tuple[Future[Any], Callable[[Any], None]]] = deque()

    def add(self, future: "Future[Any]", settle: Callable[[Any], None]) -> None:
        """Wait for `future`; those before it are dealt with if they are there, or are too many."""
        self._waiting.append((future, settle))
        while self._waiting and (len(self._waiting) > self._most or self._waiting[0][0].done()):
            self._settle_first()

    def drain(self) -> None:
        """Deal with all that is left."""
        while self._waiting:
            self._settle_first()

    def cancel(self) -> None:
        """Give up on what has not begun."""
        for future, _ in self._waiting:
            future.cancel()

    def _settle_first(self) -> None:
        future, settle = self._waiting.popleft()
        settle(future.result())


def _text(key: bytes) -> str:
    return key.decode("utf-8", "surrogatepass")
