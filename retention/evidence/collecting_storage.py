"""What the store says of itself: versions, encryption, and the lock of its objects, read back from it.

Rules of this file: nothing is claimed that was not read back just now; of each bag all tag files and its newest segment are asked
for, and of the payload a sample that anybody can draw again (its seed is the tagmanifest): the report says how many of how many.
`verify` is what reads the lock of every object. Source: design §4 (S3), §8; docs/decisions/0096.
"""

import hashlib
import heapq
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

from exporters.bag.formats import LEDGER, MANIFEST, TAGMANIFEST, JsonObject, segment_key
from exporters.bag.lines import read_lines
from exporters.clock import Clock, timestamp
from exporters.ordered import in_order
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import LockState, Store
from retention.evidence.collecting_bags import Bag
from retention.evidence.collecting_journal import Told

SAMPLE_OF_BAG, SAMPLE = 20, 1_000
"""Payload objects whose lock is read back: of each bag, and in all."""
_READERS = 16


@dataclass(slots=True)
class _Back:
    """What was read back. modes: how many objects by mode; least: the earliest end of a lock."""

    objects: int = 0
    missing: int = 0
    modes: dict[str, int] = field(default_factory=dict)
    least: datetime | None = None

    def take(self, state: LockState | None) -> None:
        self.objects += 1
        mode = (state.mode if state is not None and state.until is not None else None) or "none"
        self.modes[mode] = self.modes.get(mode, 0) + 1
        if state is not None and state.until is not None:
            self.least = state.until if self.least is None else min(self.least, state.until)

    def as_json(self) -> JsonObject:
        return {
            "objects": self.objects,
            "missing": self.missing,
            "modes": dict(sorted(self.modes.items())),
            "earliest_end": timestamp(self.least) if self.least else None,
        }


def storage_of(store: Store, bags: Iterable[Bag], told: Told, clock: Clock) -> list[JsonObject]:
    """`storage` of the document. Raises: errors of a store that cannot be read."""
    about, held = store.describe(), list(bags)
    wanted = about.wanted_lock
    row: JsonObject = {
        "bucket": about.url,
        "kind": about.kind,
        "versioning": about.versioning,
        "encryption": about.encryption,
        "default_lock": about.default_lock,
        "object_lock_enabled": about.object_lock,
        "asked_for": {"mode": wanted.mode, "until": timestamp(wanted.until)} if wanted else None,
        "notes": list(about.notes),
        "readback_at": timestamp(clock.now()),
        "object_lock": {"mode": None, "retain_until": None},
        "read_back": None,
        "payload_objects": sum(bag.files for bag in held),
    }
    if store.features.local:
        return [row]
    frame, payload = _Back(), _Back()
    _read_back(store, _frame(held, told), frame)
    _read_back(store, _sample(store, held), payload)
    modes = {*frame.modes, *payload.modes}
    ends = [one.least for one in (frame, payload) if one.least is not None]
    if modes and "none" not in modes and ends and not frame.missing + payload.missing:
        weakest = "governance" if "governance" in modes else "compliance"
        row["object_lock"] = {"mode": weakest, "retain_until": timestamp(min(ends))}
    row["read_back"] = {"frame": frame.as_json(), "payload_sample": payload.as_json()}
    return [row]


def _frame(bags: list[Bag], told: Told) -> Iterator[str]:
    """What holds the copy together: the root, the journal's newest segment, records of runs, tag files and newest segments."""
    yield "lastcopy.json"
    if told.segment:
        yield segment_key("journal/", told.segment)
    yield from (f"runs/{run.id}.json" for run in told.runs.values() if run.record is not None)
    for bag in bags:
        if bag.fact.tagmanifest_sha256 is not None:
            yield f"{bag.place}/{TAGMANIFEST}"
        yield from (f"{bag.place}/{name}" for name in sorted(bag.digests))
        if bag.fact.segment:
            yield segment_key(f"{bag.place}/{LEDGER}", bag.fact.segment)


def _sample(store: Store, bags: list[Bag]) -> Iterator[str]:
    """Of each bag the payload whose key, hashed with the tagmanifest before it, comes first."""
    left = SAMPLE
    for bag in bags:
        if bag.fact.tagmanifest_sha256 is None or left <= 0:
            continue
        keys = (line.partition(b"  ")[2] for line in read_lines(store, f"{bag.place}/{MANIFEST}"))
        chosen = heapq.nsmallest(min(SAMPLE_OF_BAG, left), _drawn(bag.fact.tagmanifest_sha256, keys))
        left -= len(chosen)
        yield from (f"{bag.place}/{key.decode()}" for _, key in chosen)


def _drawn(seed: str, keys: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Each key behind its place in the draw."""
    return ((hashlib.sha256(seed.encode() + key).digest(), key) for key in keys)


def _read_back(store: Store, keys: Iterable[str], into: _Back) -> None:
    def read(key: str) -> tuple[bool, LockState | None]:
        try:
            return True, store.lock_state(key)
        except ObjectMissingError:
            return False, None

    with ThreadPoolExecutor(_READERS, thread_name_prefix="lastcopy-lock") as pool:
        for is_there, state in in_order(pool, read, iter(keys), ahead=2 * _READERS):
            if is_there:
                into.take(state)
            else:
                into.missing += 1
