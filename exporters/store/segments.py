"""A chained log of create-if-absent objects: the ledger of a bag, and the journal of a store.

Rules of this file: a segment comes into being whole and only if absent; its first line names the SHA-256 of the segment
before it, its last line the SHA-256 of its own bytes; without a right last line it does not exist. It knows nothing of what
the rows mean. Source: design §4 (the ledger, the journal).

    log = SegmentLog(store, "onedrive/anna/lastcopy/ledger/")
    head = log.append(head, rows, {"run": …, "at": …, "writer": …})
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from exporters.errors import RunError
from exporters.store.errors import ObjectExistsError, ObjectMissingError, StoreBusyError, StoreUnreachableError
from exporters.store.protocol import Store

DIGITS = 9


class SegmentDamagedError(RunError):
    """A segment is not whole, or does not follow from the one before it."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(
            f"the segment {key!r} is damaged: {why}",
            code="segment_damaged",
            action="Run `lastcopy verify`; restore the object from the store's versions or a second copy.",
        )


class ReplacedError(RunError):
    """Another writer wrote this number: whoever gets this has been replaced and must stop at once.

    `first`: the first line of the segment that is there.
    """

    def __init__(self, key: str, first: Mapping[str, Any]) -> None:
        writer = first.get("writer") or {}
        super().__init__(
            f"another writer ({writer.get('host')}, process {writer.get('pid')}) has taken over at {key!r}",
            code="replaced",
            action="Let the other run end; then run this one again if something is left to do.",
        )
        self.first = dict(first)

    @property
    def other_run(self) -> str:
        """The id of the other writer's run, empty if it does not say."""
        return str(self.first.get("run") or "")


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the log: number of the newest segment known (0: none) and the SHA-256 of its bytes."""

    number: int
    sha256: str | None


START = Position(0, None)


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment read back. `lines`: the raw lines between first and last; `sha256`: of all its bytes."""

    position: Position
    first: Mapping[str, Any]
    lines: Sequence[bytes]

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows between first and last line, parsed."""
        for line in self.lines:
            yield _loads(line)


class SegmentLog:
    """Reads and appends below one folder of the store (`folder` ends in `/`). Safe from many threads as the store is."""

    def __init__(self, store: Store, folder: str) -> None:
        self._store = store
        self._folder = folder

    def key(self, number: int) -> str:
        """Key of segment `number`."""
        return f"{self._folder}{number:0{DIGITS}d}.jsonl"

    def exists(self, number: int) -> bool:
        """Whether there is an object for segment `number` (one stat)."""
        return self._store.stat(self.key(number)) is not None

    def modified(self, number: int) -> datetime | None:
        """When segment `number` was written, by the store's clock."""
        info = self._store.stat(self.key(number))
        return info.modified if info else None

    def read(self, number: int, *, previous: str | None = None, check_previous: bool = False) -> Segment:
        """Read segment `number` whole.

        previous: SHA-256 that its first line must name, looked at if `check_previous`.
        Raises: ObjectMissingError; SegmentDamagedError.
        """
        key = self.key(number)
        return parse(key, number, self._store.read(key), previous=previous, check_previous=check_previous)

    def follow(self, after: Position) -> Iterator[Segment]:
        """Yield the segments after `after`, in order, each checked against the one before, to the newest there is."""
        position = after
        while True:
            try:
                segment = self.read(position.number + 1, previous=position.sha256, check_previous=True)
            except ObjectMissingError:
                return
            yield segment
            position = segment.position

    def append(self, after: Position, lines: Iterable[bytes], first: Mapping[str, Any]) -> Position:
        """Create the segment after `after`; return where the log ends now.

        lines: rows, each with its newline. first: `run`, `at`, `writer` (with `id`) and more; `segment` and `previous` are
        set here. If somebody's segment is there already (or an answer was lost), it is read: with our own writer id and our
        bytes it is ours. Raises: ReplacedError if it is another's.
        """
        number = after.number + 1
        key = self.key(number)
        head = _dumps({**first, "segment": number, "previous": after.sha256})
        body, count = bytearray(head + b"\n"), 0
        for line in lines:
            body += line
            count += 1
        digest = hashlib.sha256(body).hexdigest()
        body += _dumps({"end": count, "sha256": digest}) + b"\n"
        data = bytes(body)
        try:
            self._store.put(key, data, size=len(data), if_absent=True, durable=True)
        except (ObjectExistsError, StoreBusyError, StoreUnreachableError) as error:
            self._settle(key, number, data, first, error)
        return Position(number, hashlib.sha256(data).hexdigest())

    def _settle(self, key: str, number: int, data: bytes, first: Mapping[str, Any], error: Exception) -> None:
        """After a lost race or a lost answer: ours if the bytes are ours, else somebody else's, else the error stands."""
        try:
            there = self._store.read(key)
        except ObjectMissingError:
            raise error from None
        if there == data:
            self._store.confirm(key)
            return
        found = parse(key, number, there)
        raise ReplacedError(key, found.first) from error


def parse(key: str, number: int, data: bytes, *, previous: str | None = None, check_previous: bool = False) -> Segment:
    """Take a segment apart and check it whole. Raises: SegmentDamagedError."""
    if not data.endswith(b"\n"):
        raise SegmentDamagedError(key, "its last line is cut off")
    last_start = data.rfind(b"\n", 0, len(data) - 1) + 1
    lines = [line + b"\n" for line in data[:last_start].split(b"\n")[:-1]]
    try:
        last = _loads(data[last_start:])
        first = _loads(lines[0]) if lines else {}
    except ValueError as error:
        raise SegmentDamagedError(key, "a line is no JSON") from error
    if last.get("sha256") != hashlib.sha256(data[:last_start]).hexdigest() or last.get("end") != len(lines) - 1:
        raise SegmentDamagedError(key, "its last line does not fit its bytes")
    if data[last_start:] != _dumps({"end": last["end"], "sha256": last["sha256"]}) + b"\n":
        raise SegmentDamagedError(key, "its last line is not as it was written")
    if first.get("segment") != number:
        raise SegmentDamagedError(key, f"it says that it is segment {first.get('segment')}")
    if check_previous and first.get("previous") != previous:
        raise SegmentDamagedError(key, "it does not name the segment before it")
    return Segment(Position(number, hashlib.sha256(data).hexdigest()), first, lines[1:])


def _dumps(value: Mapping[str, Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _loads(line: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        value = json.loads(line)
    if not isinstance(value, dict):
        raise ValueError("a row is a JSON object")  # noqa: TRY004
    return value
