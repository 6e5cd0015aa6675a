"""Is every byte there, and is everything there? A bag, or what lies beside the bags, judged from the store alone.

Rules of this file: shares only `formats` with the code that writes bags, so that a mistake of the writers cannot hide itself;
what follows from the ledger is worked out again from its segments. What is wrong is a finding; only a store that cannot be read
raises. Source: design §4, §6 (verify), docs/formats.md.

    found = verify_bag(store, "onedrive/anna@contoso.com")
    found.whole, found.missing.count, [f.name for f in found.changed.first]
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from exporters.bag.formats import LEDGER, SOURCE, TAG_FILES, TAGMANIFEST
from exporters.bag.verify_counts import reconcile_now
from exporters.bag.verify_fold import FoldCheck, source_fault
from exporters.bag.verify_payload import PayloadCheck, Progress
from exporters.bag.verify_reading import SEGMENT_NAME, read_chain
from exporters.bag.verify_refold import compare_refold
from exporters.bag.verify_report import BagVerification, Finding, Findings, RootVerification
from exporters.bag.verify_root import list_bags, verify_root
from exporters.bag.verify_state import State
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import LockPolicy, ObjectInfo, Store

__all__ = [
    "BagVerification",
    "Finding",
    "Findings",
    "Level",
    "Progress",
    "RootVerification",
    "list_bags",
    "verify_bag",
    "verify_root",
]

Level = Literal["full", "stored"]
WORKERS = 4

_ROOT_TAG_FILES = tuple(name for name in (*TAG_FILES, TAGMANIFEST) if "/" not in name)


def verify_bag(
    store: Store,
    bag: str,
    *,
    level: Level = "full",
    refold: bool = False,
    workers: int = WORKERS,
    progress: Progress | None = None,
    lock: LockPolicy | None = None,
) -> BagVerification:
    """Verify one bag; write nothing.

    level: `full` reads every byte of the payload; `stored` takes sizes, versions and locks as the store tells them. Ledger and
    tag files are read whole in both. refold: build the fold again from segment 1 with the writers' code too, and compare it
    byte for byte. workers: threads that read. progress: told (files, bytes) now and then, from this thread. lock: what every
    payload object must be locked with (None: not looked at).
    Raises: RunError, TransientError of a store that cannot be read. Source: design §6.
    """
    report = BagVerification(bag, level)
    with ThreadPoolExecutor(workers, thread_name_prefix="lastcopy-verify") as pool:
        verification = _Verification(store, report, pool)
        numbers, names = verification.inventory()
        fold_segment = verification.fold.read_heads(names)
        with State(fold_segment) as state:
            verification.read_ledger(state, numbers)
            verification.check_source(state)
            if fold_segment is not None or verification.fold.exists:
                verification.check_fold(state)
            verification.set_open(state)
            view = state.at(report.newest_segment)
            reconcile_now(view, report)
            if not state.heads.listed_whole:
                report.doubt("the source was never listed to the end")
            payload = PayloadCheck(store, report, pool, workers, progress=progress, lock=lock)
            strays_in_flight = report.open or not report.closed
            payload.run(view.payload(), verification.payload_objects(), strays_in_flight)
        if refold:
            compare_refold(store, report)
    return report


class _Verification:
    """The steps of `verify_bag`, in the order in which it takes them."""

    def __init__(self, store: Store, report: BagVerification, pool: ThreadPoolExecutor) -> None:
        self._store, self._report, self._pool = store, report, pool
        self.fold = FoldCheck(store, report)
        self._source_fault: str | None = None

    def inventory(self) -> tuple[list[int], list[str]]:
        """Numbers of the segments that are there (ascending), and names of the other objects that may be tag files."""
        start = len(self._report.bag) + 1
        numbers: list[int] = []
        names: list[str] = []
        for info in self._store.list(f"{self._report.bag}/lastcopy/"):
            name = info.key[start:]
            match = SEGMENT_NAME.fullmatch(name, len(LEDGER)) if name.startswith(LEDGER) else None
            if match is not None and int(match[1]) > 0:
                numbers.append(int(match[1]))
            elif name in TAG_FILES:
                names.append(name)
            else:
                self._report.unexpected.add(name, "nothing of this name belongs into a bag")
        names += [name for name in _ROOT_TAG_FILES if self._store.stat(f"{self._report.bag}/{name}") is not None]
        if SOURCE not in names:
            self._report.missing.add(SOURCE, "every bag begins with it")
        return numbers, names

    def read_ledger(self, state: State, numbers: list[int]) -> None:
        """Read every segment, check it and its place in the chain, and take its rows into `state`."""
        report, expected = self._report, 1
        folder = f"{report.bag}/{LEDGER}"
        for segment in read_chain(self._store, folder, numbers, self._pool):
            number = segment if isinstance(segment, int) else segment.number
            self._note_gap(expected, number)
            expected = number + 1
            report.newest_segment = number
            if isinstance(segment, int):
                report.missing.add(f"{LEDGER}{number:09d}.jsonl", "it was listed, and is gone")
                continue
            before = state.unreadable_rows
            state.take(segment)
            problems = [*segment.problems]
            if state.unreadable_rows > before:
                problems.append(f"{state.unreadable_rows - before:,} of its rows cannot be understood")
            if problems:
                report.changed.add(segment.key[len(report.bag) + 1 :], "; ".join(problems))
        fold_segment = (self.fold.head or {}).get("segment")
        if isinstance(fold_segment, int) and report.newest_segment < fold_segment <= report.newest_segment + 10**6:
            self._note_gap(expected, fold_segment + 1)
        if not numbers:
            self._report.missing.add(f"{LEDGER}000000001.jsonl", "the bag has no ledger")
        report.closed = state.heads.closed

    def _note_gap(self, expected: int, found: int) -> None:
        if found > expected:
            name = f"{LEDGER}{expected:09d}.jsonl"
            last = f" (to {found - 1:09d})" if found - expected > 1 else ""
            self._report.missing.add(name, f"the ledger has a gap here{last}", count=found - expected)

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

    def payload_objects(self) -> Iterator[ObjectInfo]:
        """The objects below `data/`; what stands at the root of the bag and does not belong there is unexpected."""
        report, start = self._report, len(self._report.bag) + 1
        for info in self._store.list(f"{report.bag}/"):
            name = info.key[start:]
            if name.startswith("data/"):
                yield info
            elif not name.startswith("lastcopy/") and name not in _ROOT_TAG_FILES:
                report.unexpected.add(name, "nothing of this name belongs into a bag")
