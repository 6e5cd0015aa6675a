"""Is every byte there, and is everything there? A bag, or what lies beside the bags, judged from the store alone.

Rules of this file: shares only `formats` with the code that writes bags, so that a mistake of the writers cannot hide itself;
what follows from the ledger is worked out again from its segments. What is wrong is a finding; only a store that cannot be read
raises. Source: design §4, §6 (verify), docs/formats.md.

    found = verify_bag(store, "onedrive/anna@contoso.com")
    found.whole, found.missing.count, [f.name for f in found.changed.first]
"""

import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Literal

from exporters.bag.formats import LEDGER, SOURCE, TAG_FILES, TAGMANIFEST, segment_key
from exporters.bag.verify_counts import reconcile_now
from exporters.bag.verify_fold import FoldCheck, source_fault
from exporters.bag.verify_matching import Piece
from exporters.bag.verify_originals import EntryCheck
from exporters.bag.verify_payload import Choice, PayloadCheck, Progress, StoppedError, lock_fault
from exporters.bag.verify_processes import Processes
from exporters.bag.verify_reading import SEGMENT_NAME, fault_in_chain
from exporters.bag.verify_refold import compare_refold
from exporters.bag.verify_report import BagVerification, Finding, Findings, RootVerification
from exporters.bag.verify_root import list_bags, verify_root
from exporters.bag.verify_state import Group, State, View
from exporters.errors import ItemError
from exporters.ordered import in_order
from exporters.store.errors import ObjectMissingError
from exporters.store.local import LocalFiles, Strange, local_files
from exporters.store.protocol import LockPolicy, ObjectInfo, Store

__all__ = [
    "BagVerification",
    "Choice",
    "Finding",
    "Findings",
    "Level",
    "Processes",
    "Progress",
    "RootVerification",
    "StoppedError",
    "list_bags",
    "verify_bag",
    "verify_root",
]

Level = Literal["full", "stored"]
READERS_OF_A_BUCKET = 16

GROUP_BYTES = 2 << 20
GROUP_SEGMENTS = 256
GROUP_OBJECTS = 512
LEDGER_FOR_PROCESSES = 2 << 20
PAYLOAD_FOR_PROCESSES = 64 << 20
"""Bytes of ledger, or of payload, from which on starting processes costs less than they bring."""

_ROOT_TAG_FILES = tuple(name for name in (*TAG_FILES, TAGMANIFEST) if "/" not in name)
_STRAY = "nothing of this name belongs into a bag"
_CLAIMED = "it was claimed for this source, and nothing of it has been copied yet: run `lastcopy export`"


def verify_bag(
    store: Store,
    bag: str,
    *,
    level: Level = "full",
    choice: Choice | None = None,
    refold: bool = False,
    processes: Processes | None = None,
    progress: Progress | None = None,
    expected: Progress | None = None,
    lock: LockPolicy | None = None,
    stop: threading.Event | None = None,
) -> BagVerification:
    """Verify one bag; write nothing.

    level: `full` reads every byte of the payload; `stored` takes sizes, versions, checksums and locks as the store tells them.
    Ledger and tag files are read whole in both. choice: what is read in full at level `stored` (a sample, what is new).
    refold: build the fold again from segment 1 with the writers' code too, and compare it byte for byte. processes: to work
    with, for callers with many bags (None: own ones). progress: told (files, bytes) now and then; expected: told once how
    many there are. lock: what every object of the bag must be locked with (None: not looked at). stop: set by another thread.
    Raises: RunError, TransientError of a store that cannot be read; ProcessLostError; StoppedError. Source: design §6.
    """
    if processes is None:
        with Processes() as own:
            return verify_bag(
                store, bag, level=level, choice=choice, refold=refold, processes=own,
                progress=progress, expected=expected, lock=lock, stop=stop,
            )  # fmt: skip
    level = level if choice is None or choice.everything else "stored"
    report, stop = BagVerification(bag, level), stop or threading.Event()
    with ThreadPoolExecutor(_readers(store), thread_name_prefix="lastcopy-verify") as pool:
        verification = _Verification(store, report, pool, processes, stop)
        names = verification.inventory()
        if lock is not None:
            verification.check_locks(names, lock)
        fold_segment = verification.fold.read_heads(names)
        state = State(processes, fold_segment)
        verification.read_ledger(state)
        verification.check_source(state)
        if fold_segment is not None or verification.fold.exists:
            verification.check_fold(state)
        verification.set_open(state)
        view = state.at(report.newest_segment)
        reconcile_now(view, report)
        if not state.heads.listed_whole:
            report.doubt(_CLAIMED if verification.is_claimed() else "the source was never listed to the end")
        choice = choice or Choice(everything=level == "full")
        if expected is not None:
            expected(view.files, view.octets + (view.held_octets if choice.everything else 0))
        if view.octets >= PAYLOAD_FOR_PROCESSES:
            processes.start()
        payload = PayloadCheck(
            store, report, pool, processes, local=verification.local, choice=choice, stop=stop, progress=progress, lock=lock,
        )  # fmt: skip
        verification.check_dropped(view)
        payload.run(view.payload(), verification.payload_objects(), strays_in_flight=not report.closed)
        entries = EntryCheck(
            store, report, pool, local=verification.local, choice=choice, stop=stop, progress=progress
        )  # fmt: skip
        entries.run(view.holders(), strays_in_flight=report.open or not report.closed)
        if refold:
            compare_refold(store, report)
    processes.clear()
    return report


def _readers(store: Store) -> int:
    """Threads: as many as there are cores for a folder, where they hash; more for a bucket, where they wait."""
    return max(2, min(os.cpu_count() or 2, 16)) if store.features.local else READERS_OF_A_BUCKET


class _Verification:
    """The steps of `verify_bag`, in the order in which it takes them."""

    def __init__(
        self,
        store: Store,
        report: BagVerification,
        pool: ThreadPoolExecutor,
        processes: Processes,
        stop: threading.Event,
    ) -> None:
        self._store, self._report, self._pool, self._processes, self._stop = store, report, pool, processes, stop
        self.fold = FoldCheck(store, report, processes)
        self.local = _plain_files(store)
        self._source_fault: str | None = None
        self._segments: list[tuple[int, int]] = []

    def inventory(self) -> list[str]:
        """Note the segments that are there; return the names of the other objects that may be tag files."""
        start = len(self._report.bag) + 1
        names: list[str] = []
        for info in self._store.list(f"{self._report.bag}/lastcopy/"):
            name = info.key[start:]
            match = SEGMENT_NAME.fullmatch(name, len(LEDGER)) if name.startswith(LEDGER) else None
            if match is not None and int(match[1]) > 0:
                self._segments.append((int(match[1]), info.size))
            elif name in TAG_FILES:
                names.append(name)
            else:
                self._report.unexpected.add(name, _STRAY)
        names += [name for name in _ROOT_TAG_FILES if self._store.stat(f"{self._report.bag}/{name}") is not None]
        if SOURCE not in names:
            self._report.missing.add(SOURCE, "every bag begins with it")
        return names

    def check_locks(self, names: list[str], wanted: LockPolicy) -> None:
        """Read the lock of every segment and tag file."""

        def fault_of(name: str) -> tuple[str, str | None]:
            try:
                return name, lock_fault(self._store, f"{self._report.bag}/{name}", wanted)
            except ObjectMissingError:
                return name, None  # told where it is read

        keys = chain(names, (segment_key(LEDGER, number) for number, _ in self._segments))
        for name, fault in in_order(self._pool, fault_of, keys, ahead=2 * READERS_OF_A_BUCKET):
            if fault is not None:
                self._report.changed.add(name, fault)

    # -- the ledger

    def read_ledger(self, state: State) -> None:
        """Read every segment, check it and its place in the chain, and take its rows into `state`."""
        report, expected = self._report, 1
        folder = f"{report.bag}/{LEDGER}"
        if sum(size for _, size in self._segments) >= LEDGER_FOR_PROCESSES:
            self._processes.start()
        before: tuple[int, str] | None = None
        root = None if self.local is None else self.local.root
        for facts, unreadable in state.take(
            self._groups(folder), root, folder, lambda number: self._read(folder, number)
        ):
            if self._stop.is_set():
                raise StoppedError
            number = facts if isinstance(facts, int) else facts.number
            self._note_gap(expected, number)
            expected = number + 1
            report.newest_segment = number
            if isinstance(facts, int):
                report.missing.add(f"{LEDGER}{number:09d}.jsonl", "it was listed, and is gone")
                continue
            fault = fault_in_chain(before, number, facts.first)
            problems = [*facts.problems, *([fault] if fault else [])]
            if unreadable:
                problems.append(f"{unreadable:,} of its rows cannot be understood")
            if facts.odd:
                problems.append(f"{facts.odd:,} of its rows say of their bytes what no row of their kind says")
            if problems:
                report.changed.add(segment_key(LEDGER, number), "; ".join(problems))
            before = number, facts.sha256
        fold_segment = (self.fold.head or {}).get("segment")
        if isinstance(fold_segment, int) and report.newest_segment < fold_segment <= report.newest_segment + 10**6:
            self._note_gap(expected, fold_segment + 1)
        if not self._segments and not self.is_claimed():
            self._report.missing.add(segment_key(LEDGER, 1), "the bag has no ledger")
        report.closed = state.heads.closed

    def _groups(self, folder: str) -> Iterator[Group]:
        """The segments, some at a time; of a bucket with their bytes, read by threads."""
        sized: Iterable[tuple[int, int, bytes | None]] = ((number, size, None) for number, size in self._segments)
        if self.local is None:
            read = in_order(
                self._pool, lambda number: (number, self._read(folder, number)), (n for n, _ in self._segments), ahead=8
            )
            sized = ((number, len(data or b""), data) for number, data in read)
        group: Group = []
        held = 0
        for number, size, data in sized:
            group.append((number, data))
            held += size
            if held >= GROUP_BYTES or len(group) >= GROUP_SEGMENTS:
                yield group
                group, held = [], 0
        if group:
            yield group

    def _read(self, folder: str, number: int) -> bytes | None:
        try:
            return self._store.read(segment_key(folder, number))
        except ObjectMissingError:
            return None

    def _note_gap(self, expected: int, found: int) -> None:
        if found > expected:
            name = segment_key(LEDGER, expected)
            last = f" (to {found - 1:09d})" if found - expected > 1 else ""
            self._report.missing.add(name, f"the ledger has a gap here{last}", count=found - expected)

    def is_claimed(self) -> bool:
        """Whether the bag holds what is made before its first segment, and nothing else: a writer puts no payload earlier."""
        if self._segments or self.fold.exists or self._report.missing or self._report.unexpected:
            return False
        return next(self._store.list(f"{self._report.bag}/data/"), None) is None

    # -- the fold

    def check_source(self, state: State) -> None:
        """`source.json` as created, and as the ledger knows it."""
        try:
            self._source_fault = source_fault(self._store.read(f"{self._report.bag}/{SOURCE}"), state.heads)
        except ObjectMissingError:
            return
        if self._source_fault is not None and not self.fold.exists:
            self._report.changed.add(SOURCE, self._source_fault)

    def check_fold(self, state: State) -> None:
        """The tag files beside the state at the segment of the fold."""
        heads = state.fold_heads
        changed = self._report.changed.count
        if heads is None:
            self.fold.check(None, None)
            if self._report.changed.count == changed and not self._report.missing:
                self._report.changed.add("lastcopy/head.json", "the ledger has no segment as it says")
            return
        self._report.segment = heads.number
        self.fold.check(state.at(heads.number), heads)
        named = {finding.name for finding in self._report.changed.first}
        if self._source_fault is not None and SOURCE not in named:
            self._report.changed.add(SOURCE, self._source_fault)

    def set_open(self, state: State) -> None:
        """Open: `item` rows stand after the fold, or there is no fold yet."""
        heads = state.fold_heads
        self._report.open = heads is None or state.heads.items > heads.items

    # -- the payload

    def check_dropped(self, view: View) -> None:
        """What no row names any more is there all the same (and unexpected, or in flight): payload is append-only."""
        for name in view.dropped():
            if not self._is_there(f"{self._report.bag}/{name}"):
                self._report.missing.add(name, "a row named it once, and what was captured is never removed")

    def _is_there(self, key: str) -> bool:
        try:
            return self._store.stat(key) is not None
        except ItemError:  # no name of an object: nothing can lie there
            return False

    def payload_objects(self) -> Iterator[Piece]:
        """The objects below `data/`, many at a time; what stands at the root of the bag and does not belong there, and what is
        no object at all, is unexpected."""
        return self._listed_objects() if self.local is None else self._files(self.local)

    def _listed_objects(self) -> Iterator[Piece]:
        start = len(self._report.bag) + 1
        infos: list[ObjectInfo] = []
        for info in self._store.list(f"{self._report.bag}/"):
            name = info.key[start:]
            if name.startswith("data/"):
                infos.append(info)
                if len(infos) >= GROUP_OBJECTS:
                    yield [one.key[start:].encode() for one in infos], [[one.size for one in infos]]
                    infos = []
            else:
                self._judge_stray(name)
        yield [one.key[start:].encode() for one in infos], [[one.size for one in infos]]

    def _files(self, local: LocalFiles) -> Iterator[Piece]:
        start = len(self._report.bag.encode()) + 1
        keys: list[bytes] = []
        for folder, names in local.names(f"{self._report.bag}/", self._note_strange):
            below = folder[start:]
            if below.startswith(b"data/"):
                keys += [below + name for name in names]
                if len(keys) >= GROUP_OBJECTS:
                    yield keys, []
                    keys = []
            else:
                for name in names:
                    self._judge_stray((below + name).decode())
        yield keys, []

    def _judge_stray(self, name: str) -> None:
        if not name.startswith("lastcopy/") and name not in _ROOT_TAG_FILES:
            self._report.unexpected.add(name, _STRAY)

    def _note_strange(self, found: Strange) -> None:
        name = found.key[len(self._report.bag) + 1 :]
        self._report.unexpected.add(name, found.why)


def _plain_files(store: Store) -> LocalFiles | None:
    """The folder of a store whose objects are its files and nothing more; None if it has versions or locks, or is no folder."""
    features = store.features
    return None if features.versioning or features.object_lock or not features.local else local_files(store)
