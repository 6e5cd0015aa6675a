"""Every key that a row names, beside every object that lies below `data/`: present, as long, and with these bytes.

Rules of this file: two sorted streams are merged, nothing is held but the files under way; bytes are read in parallel, many
small files to a task, so that the cost per file stays near that of reading it. Source: design §6 (levels), §9.
"""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from exporters.bag.verify_reading import in_order
from exporters.bag.verify_report import BagVerification
from exporters.bag.verify_state import PayloadRow
from exporters.errors import ItemError, TransientError
from exporters.store.errors import ObjectMissingError, StoreUnwritableError
from exporters.store.protocol import LockPolicy, ObjectInfo, Store

Progress = Callable[[int, int], None]
"""Told (files, bytes) that were dealt with since the last call."""

TASK_FILES = 64
TASK_BYTES = 4 << 20

_EMPTY = hashlib.sha256().hexdigest()


class _Found(NamedTuple):
    """What reading one object gave. `why`: None if all is well."""

    key: str
    size: int
    why: str | None
    missing: bool = False


class PayloadCheck:
    """One pass over the payload of a bag. `lock`: what every object must be locked with, if the caller wants that read."""

    def __init__(
        self,
        store: Store,
        report: BagVerification,
        pool: ThreadPoolExecutor,
        workers: int,
        *,
        progress: Progress | None = None,
        lock: LockPolicy | None = None,
    ) -> None:
        self._store, self._report, self._pool, self._workers = store, report, pool, workers
        self._progress = progress
        self._lock = lock
        self._versions = bool(store.features.versioning)

    def run(self, rows: Iterator[PayloadRow], objects: Iterator[ObjectInfo], strays_in_flight: bool) -> None:
        """Compare rows (sorted by key) with objects (sorted alike, whole keys); what no row names is unexpected, or
        `in_flight` if a writer may just be putting it there."""
        tasks = self._tasks(self._matched(rows, objects, strays_in_flight))
        for found in in_order(self._pool, self._read_all, tasks, ahead=self._workers * 3):
            for one in found:
                if one.missing:
                    self._report.missing.add(one.key, one.why or "it is gone")
                    continue
                self._report.files += 1
                self._report.bytes += one.size
                if one.why is not None:
                    self._report.changed.add(one.key, one.why)
            if self._progress is not None:
                self._progress(len(found), sum(one.size for one in found))

    def _matched(
        self, rows: Iterator[PayloadRow], objects: Iterator[ObjectInfo], strays_in_flight: bool
    ) -> Iterator[PayloadRow]:
        """Rows that have an object of their size; all else goes into the report."""
        report, start = self._report, len(self._report.bag) + 1
        strays = report.in_flight if strays_in_flight else report.unexpected
        there = next(objects, None)
        for row in rows:
            wanted = row.key.encode("utf-8", "surrogatepass")
            while there is not None and there.key[start:].encode() < wanted:
                strays.add(there.key[start:], "no row names it")
                there = next(objects, None)
            if there is None or there.key[start:] != row.key:
                report.missing.add(row.key, "a row names it, and the store does not have it")
                continue
            if not row.agrees or row.sha256 is None or row.size is None:
                report.changed.add(row.key, "rows name it with different bytes, or without size and SHA-256")
            elif there.size != row.size:
                report.changed.add(row.key, f"it has {there.size:,} bytes where its row says {row.size:,}")
            else:
                yield row
            there = next(objects, None)
        while there is not None:
            strays.add(there.key[start:], "no row names it")
            there = next(objects, None)

    def _tasks(self, rows: Iterator[PayloadRow]) -> Iterator[list[PayloadRow]]:
        task: list[PayloadRow] = []
        held = 0
        for row in rows:
            task.append(row)
            held += row.size or 0
            if len(task) >= TASK_FILES or held >= TASK_BYTES:
                yield task
                task, held = [], 0
        if task:
            yield task

    def _read_all(self, rows: list[PayloadRow]) -> list[_Found]:
        check = self._hash if self._report.level == "full" else self._look
        return [self._guarded(check, row) for row in rows]

    def _guarded(self, check: Callable[[PayloadRow, str], _Found], row: PayloadRow) -> _Found:
        try:
            found = check(row, f"{self._report.bag}/{row.key}")
            if found.why is None and self._lock is not None:
                return found._replace(why=self._lock_fault(f"{self._report.bag}/{row.key}", self._lock))
        except ObjectMissingError:
            return _Found(row.key, 0, "a row names it, and the store does not have it", missing=True)
        except (ItemError, TransientError, StoreUnwritableError) as error:
            # One object that cannot be read is a finding; a store that cannot be reached ends the verification.
            return _Found(row.key, 0, f"it cannot be read: {error}")
        return found

    def _hash(self, row: PayloadRow, key: str) -> _Found:
        digest, size = hashlib.sha256(), 0
        with self._store.open(key) as chunks:
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
        if digest.hexdigest() != row.sha256:
            return _Found(row.key, size, "its bytes have another SHA-256 than its row says")
        return _Found(row.key, size, None)

    def _look(self, row: PayloadRow, key: str) -> _Found:
        """Level `stored`: size (seen in the list), and the version where row and store have one."""
        size = row.size or 0
        if size == 0 and row.sha256 != _EMPTY:
            return _Found(row.key, size, "it is empty, and its row has the SHA-256 of something else")
        if row.version is not None and self._versions:
            info = self._store.stat(key)
            if info is None:
                raise ObjectMissingError(key)
            if info.version_id != row.version:
                return _Found(row.key, size, f"its newest version is {info.version_id}, its row says {row.version}")
        return _Found(row.key, size, None)

    def _lock_fault(self, key: str, wanted: LockPolicy) -> str | None:
        state = self._store.lock_state(key)
        if state is None or state.mode is None or state.until is None:
            return "it is not locked"
        if state.until < wanted.until or (wanted.mode == "compliance" and state.mode != "compliance"):
            return f"it is locked ({state.mode}) until {state.until:%Y-%m-%d} only"
        return None
