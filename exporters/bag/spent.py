"""What the last day's segments say of the service's budget: for a run that has no other memory of it.

Rules of this file: reads the first line of each segment that is younger than a day, and of the last ones their end, no more; in
parallel; decides nothing. A writer writes a segment at least once a minute, so one that was cut off leaves at most a minute
unrecorded: how much that may be is estimated here, on the high side, and named apart from what is known. Source: design §9
("without state, from the segments' `units` of the last 24 h"), §4 (the ledger); docs/formats.md; docs/decisions/0010.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from exporters.bag.formats import LEDGER, load_json
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import ObjectInfo, Store

DAY = timedelta(hours=24)
_SKEW = timedelta(minutes=5)  # between the store's clock, which dates objects, and the writer's, which dates segments
_SILENCE_SECONDS = 60.0  # a segment at least once a minute (design §4)
_READERS = 16
_HEAD_BYTES, _TAIL_BYTES = 4096, 512
_UNITS_A_SECOND = 400  # more than a process of ours has ever been seen to spend
_ITEMS = 1064  # that can be done without a segment: a segment's worth, and what is in flight
_PRICE = 4  # units an item where more than its content is asked for
_KNOWN_AFTER, _LOOK_BACK, _CAUTION = 60.0, 120.0, 1.5


@dataclass(frozen=True, slots=True)
class Spent:
    """Instants are seconds since 1970. spends: (when it was written down, units), oldest first; unrecorded: (latest when, units
    at most) of writers that were cut off."""

    spends: Sequence[tuple[float, int]] = ()
    unrecorded: Sequence[tuple[float, int]] = ()


@dataclass(slots=True)
class _Segment:
    """What is read of one segment. settings: of the copy, if its first row tells; None: not told."""

    info: ObjectInfo
    at: float
    units: int
    run: str
    writer: str
    settings: Mapping[str, Any] | None


@dataclass(slots=True)
class _Run:
    segments: list[_Segment] = field(default_factory=list)
    was_cut_off: bool = False


def spent_units(store: Store, before: datetime, now: datetime) -> Spent:
    """Units spent in the 24 hours before `before`, by every run that writes into this store.

    Raises: errors of the store.
    """
    oldest = store.now() - DAY - _SKEW
    with ThreadPoolExecutor(_READERS, thread_name_prefix="lastcopy-spent") as pool:
        records = pool.map(lambda info: load_json(store.read(info.key)), store.list("sources/"))
        ledgers = list(pool.map(lambda record: _young(store, f"{record['bag']}/{LEDGER}", oldest), records))
        read = list(pool.map(lambda info: _read_head(store, info), [info for ledger in ledgers for info in ledger]))
        runs, lasts = _sorted_out(ledgers, read, before.timestamp())
        for run, is_closed in zip(lasts, pool.map(lambda last: _is_closed(store, last[1]), lasts), strict=True):
            run[0].was_cut_off |= not is_closed
    since = before.timestamp() - DAY.total_seconds()
    spends = [(s.at, s.units) for run in runs.values() for s in run.segments if s.units > 0 and s.at > since]
    unrecorded = [found for run in runs.values() if (found := _unrecorded(run, now.timestamp())) is not None]
    return Spent(sorted(spends), sorted(unrecorded))


def _young(store: Store, folder: str, oldest: datetime) -> list[ObjectInfo]:
    return [info for info in store.list(folder) if info.modified >= oldest]


def _sorted_out(
    ledgers: list[list[ObjectInfo]], read: list[_Segment | None], before: float
) -> tuple[dict[str, _Run], list[tuple[_Run, _Segment]]]:
    """The runs by id, and the last segment that each of their writers wrote in each bag."""
    runs: dict[str, _Run] = {}
    lasts: list[tuple[_Run, _Segment]] = []
    rest: Iterator[_Segment | None] = iter(read)
    for ledger in ledgers:
        segments = [segment for _, segment in zip(ledger, rest, strict=False) if segment is not None]
        for segment, following in pairwise([*segments, None]):
            if segment is None or segment.at >= before:
                continue
            run = runs.setdefault(segment.run, _Run())
            run.segments.append(segment)
            if following is None or following.writer != segment.writer:
                lasts.append((run, segment))
    return runs, lasts


def _read_head(store: Store, info: ObjectInfo) -> _Segment | None:
    """The first line, and what the row after it says of settings; None if it cannot be read (`verify` will say so)."""
    try:
        with store.open(info.key, 0, _HEAD_BYTES) as chunks:
            lines = b"".join(chunks).split(b"\n")
        first = load_json(lines[0])
        at = datetime.fromisoformat(str(first["at"])).astimezone(UTC).timestamp()
        writer = first.get("writer") or {}
        settings = None
        if len(lines) > 2 and lines[1].startswith(b'{"source"'):
            settings = load_json(lines[1])["source"].get("settings")
        return _Segment(info, at, int(first.get("units") or 0), str(first.get("run")), str(writer.get("id")), settings)
    except (ObjectMissingError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _is_closed(store: Store, segment: _Segment) -> bool:
    """Whether the writer said, at the end of its last segment, that it was done."""
    try:
        with store.open(segment.info.key, max(0, segment.info.size - _TAIL_BYTES)) as chunks:
            return b'\n{"closed":' in b"".join(chunks)
    except ObjectMissingError:
        return False


def _unrecorded(run: _Run, now: float) -> tuple[float, int] | None:
    """What a run that was cut off may have spent after its newest segment: (latest when, units).

    Not more than a process can in that time; not more than would have filled another segment; and of a run that was at work
    for a while, not much more than it spent on average.
    """
    if not run.was_cut_off or not run.segments:
        return None
    newest = max(segment.at for segment in run.segments)
    seconds = min(max(now - newest, 0.0), _SILENCE_SECONDS)
    settings = [segment.settings for segment in run.segments if segment.settings is not None]
    is_plain = bool(settings) and all(
        s.get("versions") == "current" and s.get("permissions") == "none" for s in settings
    )
    units = min(_UNITS_A_SECOND * seconds, _ITEMS * (1 if is_plain else _PRICE))
    age = newest - _began(run)
    if age >= _KNOWN_AFTER:
        recent = sum(s.units for s in run.segments if s.at > newest - _LOOK_BACK)
        units = min(units, _CAUTION * recent / min(age, _LOOK_BACK) * seconds + (_ITEMS - 1000))
    return newest + seconds, int(units) + 1


def _began(run: _Run) -> float:
    """When the run began, by its id (20261123T154017Z-0a1b2c), else by its first segment."""
    try:
        began = datetime.strptime(run.segments[0].run.partition("-")[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        return began.timestamp()
    except ValueError:
        return min(segment.at for segment in run.segments)
