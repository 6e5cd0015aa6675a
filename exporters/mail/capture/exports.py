"""Items of a folder asked for by `exportItems`, some batches at a time: each comes as a file, or with the code of its refusal.

Rules of this file: runs in worker threads and touches neither state nor ledger. What an answer leaves out is asked for alone,
once, and then refused with a code; so is what came broken. A batch is as large as what came so far lets expect: the listing's
sizes say too little. What concerns the whole API stops everything. Source: graph.md §4.3, §4.4; quirk list of §4.3 [F].
"""

import hashlib
import tempfile
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Self, cast

from exporters.bag.formats import JsonObject
from exporters.errors import ItemError, LastcopyError, TransientError
from exporters.graph.errors import (
    GaveUpError,
    GraphError,
    ItemGaveUpError,
    MalformedAnswerError,
    StoppedError,
)
from exporters.graph.exported import ExportedItem
from exporters.graph.mailbox import Mailbox
from exporters.mail.capture.exceptions import code_of
from exporters.mail.capture.exchange import ExportFolder
from exporters.mail.capture.fetched import SPOOLED
from exporters.mail.capture.framing import BrokenContainerError, version_of
from exporters.outcomes import CAUSES, ExceptionCode

MOST_IDS = 20
BATCH_BYTES = 32 << 20
THREADS = 3
_UNDER_WAY = 4
_FIRST_GUESS = 8.0  # bytes that come for one that is listed
_FAILURES = 3
_PIECE = 1 << 18
_TELLING = frozenset({
    ExceptionCode.NOT_FOUND_WHILE_LISTED, ExceptionCode.MALWARE, ExceptionCode.IRM, ExceptionCode.ACCESS_DENIED,
    ExceptionCode.LOCKED, ExceptionCode.TOO_LARGE,
})  # fmt: skip
"""What an error about one item may say of it; all else is that its stream could not be had."""


@dataclass(slots=True)
class Exported:
    """What came of an item: a file with its stream, or the code of its refusal. A context manager, which closes the file."""

    item_id: str
    change_key: str | None = None
    file: IO[bytes] | None = None
    size: int = 0
    sha256: str = ""
    version: list[int] | None = None
    code: ExceptionCode | None = None
    reason: str | None = None

    def close(self) -> None:
        """Let go of the file."""
        if self.file is not None:
            self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Exporting:
    """Asks for items of one mailbox, from some threads; a context manager."""

    def __init__(self, box: Mailbox, stop: threading.Event) -> None:
        """box: of the export API."""
        self._box, self._stop = box, stop
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="lastcopy-export")
        self._lock = threading.Lock()
        self._listed, self._received, self._failures = 0, 0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True)

    def all(self, folder: ExportFolder, wanted: Sequence[JsonObject]) -> Iterator[Exported]:
        """All of these items of one folder, in their order. wanted: facts, with what the listing says of their size.

        Raises: what concerns the whole API; StoppedError where not all was asked for.
        """
        under_way: deque[Future[list[Exported]]] = deque()
        items: list[Exported] = []
        at = 0
        try:
            while at < len(wanted) or under_way:
                while at < len(wanted) and len(under_way) < _UNDER_WAY:
                    self._look_for_a_stop()
                    batch = self._next_batch(wanted, at)
                    under_way.append(self._pool.submit(self._batch, folder, batch))
                    at += len(batch)
                items = under_way.popleft().result()
                while items:
                    yield items.pop(0)
        finally:
            _close(items)
            _give_up(under_way)

    def _look_for_a_stop(self) -> None:
        if self._stop.is_set():
            raise StoppedError("The run was asked to stop.", code="stopped", action="Run again to go on.")

    # -- batches ----------------------------------------------------------------------------------------------------

    def _next_batch(self, wanted: Sequence[JsonObject], at: int) -> list[JsonObject]:
        with self._lock:
            ratio = max(1.0, self._received / self._listed) if self._listed else _FIRST_GUESS
        batch, expected = [wanted[at]], _size(wanted[at]) * ratio
        for facts in wanted[at + 1 : at + MOST_IDS]:
            expected += _size(facts) * ratio
            if expected > BATCH_BYTES:
                break
            batch.append(facts)
        return batch

    def _note(self, facts: JsonObject, received: int) -> None:
        with self._lock:
            self._listed += max(1, _size(facts))
            self._received += received

    def _batch(self, folder: ExportFolder, wanted: list[JsonObject]) -> list[Exported]:
        """Each item of a batch; those that an answer to many left out, or that came broken, are asked for alone."""
        found = self._asked(folder, wanted)
        done: list[Exported] = []
        try:
            for facts in wanted:
                item = found.pop(str(facts["id"]), None)
                if item is None:
                    item = self._alone(folder, facts)
                done.append(item)
                self._note(facts, item.size)
        except BaseException:
            _close(done)
            _close(found.values())
            raise
        return done

    def _alone(self, folder: ExportFolder, facts: JsonObject) -> Exported:
        item = self._asked(folder, [facts]).get(str(facts["id"]))
        return item if item is not None else _excepted(str(facts["id"]), ExceptionCode.NOT_EXPORTED)

    def _asked(self, folder: ExportFolder, wanted: list[JsonObject]) -> dict[str, Exported]:
        """What one request brings. What is not in it was left out, or came broken in company of others.

        Raises: what concerns the whole API.
        """
        ids = [str(facts["id"]) for facts in wanted]
        found: dict[str, Exported] = {}
        try:
            for one in self._box.export_items(self._box.mailbox_of(folder.id), ids):
                item = _taken(one, alone=len(ids) == 1)
                if item is not None:
                    found[one.item_id] = item
        except (GaveUpError, ItemGaveUpError, MalformedAnswerError) as error:
            if len(ids) > 1:
                return found  # each is asked for alone
            self._failed(error)
            return {ids[0]: _excepted(ids[0], ExceptionCode.STREAM_UNAVAILABLE, error)}
        except (ItemError, TransientError) as error:
            if len(ids) > 1:
                return found
            return {ids[0]: _excepted(ids[0], _code_of(error), error)}
        except BaseException:
            _close(found.values())
            raise
        with self._lock:
            self._failures = 0
        return found

    def _failed(self, error: GraphError) -> None:
        """Several that fail one after the other are not to blame themselves. Raises: `error` then."""
        with self._lock:
            self._failures += 1
            if self._failures >= _FAILURES:
                raise error


def _taken(one: ExportedItem, *, alone: bool) -> Exported | None:
    """An item as it came, in a file of its own; None where it is worth being asked for alone."""
    if one.data is None:
        if one.error is None or (not alone and isinstance(one.error, TransientError)):
            return None
        return _excepted(one.item_id, _code_of(one.error), one.error)
    file = cast(IO[bytes], tempfile.SpooledTemporaryFile(SPOOLED))  # noqa: SIM115 - closed with the item
    item = Exported(one.item_id, one.change_key, file)
    try:
        hashed = hashlib.sha256()
        while piece := one.data.read(_PIECE):
            hashed.update(piece)
            file.write(piece)
        item.size, item.sha256 = file.tell(), hashed.hexdigest()
        item.version = version_of(file)
    except BrokenContainerError as broken:
        item.close()
        if not alone:
            return None
        reason = f"{CAUSES[ExceptionCode.STREAM_UNAVAILABLE].reason} What came is no whole container: {broken}."
        return Exported(one.item_id, code=ExceptionCode.STREAM_UNAVAILABLE, reason=reason)
    except BaseException:
        item.close()
        raise
    return item


def _excepted(item_id: str, code: ExceptionCode, error: LastcopyError | None = None) -> Exported:
    reason = None if error is None or code is ExceptionCode.NOT_FOUND_WHILE_LISTED else f"{CAUSES[code].reason} {error}"
    return Exported(item_id, code=code, reason=reason)


def _code_of(error: LastcopyError) -> ExceptionCode:
    code = code_of(error)
    return code if code in _TELLING else ExceptionCode.STREAM_UNAVAILABLE


def _size(facts: JsonObject) -> int:
    size = facts["service"].get("size")
    return size if isinstance(size, int) and size > 0 else 0


def _close(items: Iterable[Exported]) -> None:
    for item in items:
        item.close()


def _give_up(under_way: Iterable[Future[list[Exported]]]) -> None:
    """Let go of what nobody takes any more."""
    for future in under_way:
        if not future.cancel() and future.exception() is None:
            _close(future.result())
