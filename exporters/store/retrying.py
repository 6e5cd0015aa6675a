"""Trying again: the policy, and a store that holds a store and tries again what is safe to try.

Rules of this file: only StoreBusyError is tried again, a bounded number of times, and at one level: what a store
repeats itself (the requests of an S3 `put`, which alone holds the bytes) it turns into StoreUnreachableError at the
bound, which is not repeated here. A write whose answer was lost is settled by looking at what is there.
Source: examples-to-follow §1 (restic's `retry`), design §4 (lost answers).
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import TypeVar

import tenacity

from exporters.clock import Clock
from exporters.store.errors import (
    ObjectChangedError,
    ObjectExistsError,
    ObjectMissingError,
    StoreBusyError,
    StoreUnreachableError,
)
from exporters.store.protocol import LockState, ObjectInfo, Store, Stored, StoreDescription, StoreFeatures

T = TypeVar("T")
_LONGEST_WAIT = 30.0


class Retries:
    """How often and how patiently. attempts: in all; waits grow from half a second to 30 s, or as the store says."""

    def __init__(self, clock: Clock, attempts: int = 8) -> None:
        self._clock = clock
        self._attempts = attempts
        self._growing = tenacity.wait_exponential_jitter(multiplier=0.5, max=_LONGEST_WAIT, jitter=0.5)

    def __call__(self, work: Callable[[], T]) -> T:
        """Call `work` until it succeeds. Raises: StoreUnreachableError at the bound; its other errors at once."""
        try:
            return work()  # what nearly always is all; what follows costs more than a call of a folder
        except StoreBusyError as error:
            return self._again(work, error)

    def _again(self, work: Callable[[], T], first: StoreBusyError) -> T:
        failed: list[StoreBusyError] = [first]

        def once() -> T:
            if failed:
                raise failed.pop()
            return work()

        trying = tenacity.Retrying(
            sleep=self._clock.sleep,
            stop=tenacity.stop_after_attempt(self._attempts),
            wait=self._wait,
            retry=tenacity.retry_if_exception_type(StoreBusyError),
            reraise=True,
        )
        try:
            return trying(once)
        except StoreBusyError as error:
            raise StoreUnreachableError(
                f"the store did not answer in {self._attempts} tries: {error}",
                code="store_unreachable",
                action=error.action or "Check the network and the store's state, then run again; the copy goes on.",
            ) from error

    def _wait(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        asked = error.retry_after if isinstance(error, StoreBusyError) else None
        # A store that asks for more than five minutes is given them in several tries.
        return max(self._growing(state), min(asked or 0.0, 300.0))


def put_settled(attempt: Callable[[], Stored], settle: Callable[[], Stored | None], retries: Retries) -> Stored:
    """Repeat a write; if an answer was lost on the way, a later refusal may be our own success.

    attempt: one try. settle: what is stored now, if it is exactly what we wanted to store, else None.
    Raises: what `attempt` raises, StoreUnreachableError at the bound.
    """
    doubt = False

    def once() -> Stored:
        nonlocal doubt
        try:
            return attempt()
        except StoreBusyError:
            doubt = True
            raise
        except (ObjectExistsError, ObjectChangedError):
            ours = settle() if doubt else None
            if ours is None:
                raise
            return ours

    return retries(once)


class RetryingStore:
    """A `Store` that tries again what its inner store was too busy for."""

    def __init__(self, inner: Store, retries: Retries) -> None:
        self._inner = inner
        self._retries = retries

    @property
    def inner(self) -> Store:
        """The store that this one holds."""
        return self._inner

    @property
    def url(self) -> str:
        """See `Store.url`."""
        return self._inner.url

    @property
    def features(self) -> StoreFeatures:
        """See `Store.features`."""
        return self._retries(lambda: self._inner.features)

    def read(self, key: str) -> bytes:
        """See `Store.read`."""
        return self._retries(lambda: self._inner.read(key))

    def stat(self, key: str) -> ObjectInfo | None:
        """See `Store.stat`."""
        return self._retries(lambda: self._inner.stat(key))

    def open(self, key: str, start: int = 0, end: int | None = None) -> AbstractContextManager[Iterator[bytes]]:
        """See `Store.open`; goes on where a stream broke, if the object is still the same."""
        return self._open(key, start, end)

    @contextmanager
    def _open(self, key: str, start: int, end: int | None) -> Iterator[Iterator[bytes]]:
        with ExitStack() as stack:
            chunks = self._retries(lambda: stack.enter_context(self._inner.open(key, start, end)))
            yield self._chunks(key, start, end, chunks, stack)

    def _chunks(
        self, key: str, start: int, end: int | None, chunks: Iterator[bytes], stack: ExitStack
    ) -> Iterator[bytes]:
        etag = getattr(chunks, "etag", None)
        position, broken = start, False

        def step() -> bytes | None:
            nonlocal chunks, broken
            if broken:
                stack.close()
                chunks = stack.enter_context(self._inner.open(key, position, end))
                if getattr(chunks, "etag", None) != etag:
                    raise ObjectChangedError(key)
                broken = False
            try:
                return next(chunks, None)
            except StoreBusyError:
                broken = True
                raise

        while True:
            chunk = self._retries(step)
            if chunk is None:
                return
            position += len(chunk)
            yield chunk

    def list(self, prefix: str = "", *, after: str | None = None) -> Iterator[ObjectInfo]:
        """See `Store.list`; goes on after the last key that came."""
        entries: Iterator[ObjectInfo] | None = self._inner.list(prefix, after=after)
        return self._list(prefix, after, entries)

    def _list(self, prefix: str, after: str | None, entries: Iterator[ObjectInfo] | None) -> Iterator[ObjectInfo]:
        last = after

        def step() -> ObjectInfo | None:
            nonlocal entries
            if entries is None:
                entries = self._inner.list(prefix, after=last)
            try:
                return next(entries, None)
            except StoreBusyError:
                entries = None
                raise

        while True:
            try:
                info = step()
            except StoreBusyError:
                info = self._retries(step)
            if info is None:
                return
            last = info.key
            yield info

    def put(
        self,
        key: str,
        content: bytes | Iterable[bytes],
        *,
        size: int | None = None,
        sha256: str | None = None,
        if_absent: bool = False,
        if_match: str | None = None,
        durable: bool = False,
    ) -> Stored:
        """See `Store.put`. Chunks can be taken once, so only `bytes` are tried again here."""

        def attempt() -> Stored:
            return self._inner.put(
                key, content, size=size, sha256=sha256, if_absent=if_absent, if_match=if_match, durable=durable
            )

        if not isinstance(content, bytes):
            return attempt()
        return put_settled(attempt, lambda: self._same(key, content), self._retries)

    def _same(self, key: str, content: bytes) -> Stored | None:
        try:
            info = self._inner.stat(key)
            if info is None or info.size != len(content) or self._inner.read(key) != content:
                return None
            self._inner.confirm(key, info.version_id)
        except ObjectMissingError:
            return None
        return Stored(key, len(content), hashlib.sha256(content).hexdigest(), info.etag, info.version_id)

    def sync(self) -> None:
        """See `Store.sync`. Not repeated: what a file system lost once, a second `syncfs` calls saved."""
        self._inner.sync()

    def now(self) -> datetime:
        """See `Store.now`."""
        return self._retries(self._inner.now)

    def lock_state(self, key: str) -> LockState | None:
        """See `Store.lock_state`."""
        return self._retries(lambda: self._inner.lock_state(key))

    def confirm(self, key: str, version_id: str | None = None) -> None:
        """See `Store.confirm`."""
        self._retries(lambda: self._inner.confirm(key, version_id))

    def abort_stale_uploads(self, older_than: timedelta) -> int:
        """See `Store.abort_stale_uploads`."""
        return self._retries(lambda: self._inner.abort_stale_uploads(older_than))

    def describe(self) -> StoreDescription:
        """See `Store.describe`."""
        return self._retries(self._inner.describe)

    def parts_keep_absence(self, key: str) -> bool:
        """See `probe.CreatesInParts`; True for a store that does not create in parts."""
        prove = getattr(self._inner, "parts_keep_absence", None)
        return True if prove is None else bool(self._retries(lambda: prove(key)))

    def create_locked(self, key: str, content: bytes) -> None:
        """See `probe.CreatesInParts`; a plain create for a store that does not create in parts."""
        create = getattr(self._inner, "create_locked", None)
        if create is None:
            self.put(key, content, if_absent=True, durable=True)
        else:
            create(key, content)

    def close(self) -> None:
        """See `Store.close`."""
        self._inner.close()
