"""A store that is busy now and then, loses answers, and breaks streams keeps the contract behind `RetryingStore`."""

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from exporters.clock import ManualClock
from exporters.store.errors import StoreBusyError, StoreUnreachableError
from exporters.store.folder import FolderStore
from exporters.store.protocol import Content, ObjectInfo, Store, Stored
from exporters.store.retrying import Retries, RetryingStore
from tests.contracts.store_contract import StoreContract


class BusyFolder(FolderStore):
    """A folder behind a bad line. What it says is decided by a seeded dice; a write's answer may be lost."""

    def __init__(self, root: Path, seed: int) -> None:
        super().__init__(root)
        self._dice = random.Random(seed)

    def _maybe(self, chance: float = 0.25) -> None:
        if self._dice.random() < chance:
            raise StoreBusyError("busy", code="store_busy", retry_after=self._dice.choice([None, 3.0]))

    def read(self, key: str) -> bytes:
        self._maybe()
        return super().read(key)

    def stat(self, key: str) -> ObjectInfo | None:
        self._maybe()
        return super().stat(key)

    @contextmanager
    def _open(self, key: str, start: int, end: int | None) -> Iterator[Content]:
        self._maybe()
        with super()._open(key, start, end) as content:
            yield Content(self._breaking(content), content.etag)

    def _breaking(self, entries: Iterator[Any]) -> Iterator[Any]:
        for entry in entries:
            self._maybe(0.1)
            yield entry

    def _list(self, prefix: str, after: str | None) -> Iterator[ObjectInfo]:
        return self._breaking(super()._list(prefix, after))

    def put(self, key: str, content: bytes | Iterable[bytes], **conditions: Any) -> Stored:
        # As an S3 put does, chunks are repeated by whoever holds them: here nobody.
        if not isinstance(content, bytes):
            return super().put(key, content, **conditions)
        self._maybe()
        stored = super().put(key, content, **conditions)
        self._maybe()
        return stored

    def now(self) -> datetime:
        self._maybe()
        return super().now()


class TestRetryingStore(StoreContract):
    @pytest.fixture(params=[1, 2], ids=["seed 1", "seed 2"])
    def store(self, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
        clock = ManualClock(datetime(2026, 11, 23, tzinfo=UTC))
        store = RetryingStore(BusyFolder(tmp_path / "copy", request.param), Retries(clock, attempts=40))
        yield store
        store.close()

    def leave_unfinished(self, store: Store, key: str) -> None:
        assert isinstance(store, RetryingStore)
        assert isinstance(store.inner, BusyFolder)
        (Path(store.inner._temporary) / f"put-dead-{key}").write_bytes(b"half")

    def test_bound(self, tmp_path: Path) -> None:
        """Tries are bounded, wait as told, and end in StoreUnreachableError."""
        clock = ManualClock(datetime(2026, 11, 23, tzinfo=UTC))
        calls: list[float] = []

        def busy() -> None:
            calls.append(clock.monotonic())
            raise StoreBusyError("busy", code="store_busy", retry_after=60.0)

        with pytest.raises(StoreUnreachableError, match="busy"):
            Retries(clock, attempts=5)(busy)
        assert len(calls) == 5
        assert all(later - earlier >= 60 for earlier, later in pairwise(calls))
        assert timedelta(seconds=clock.monotonic()) < timedelta(minutes=6)
