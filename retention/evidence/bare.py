"""The least that a package is made of: whose store it is, and where each bag stands.

Rules of this file: reads tag files and ledgers, decides nothing. `collecting` says much more; this stands in where nothing
else is needed. Source: design §8.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from exporters.bag.formats import HEAD, LEDGER, TAGMANIFEST, JsonObject, load_json
from exporters.bag.verify import list_bags
from exporters.clock import Clock, timestamp
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import Store
from exporters.store.segments import START, Position, SegmentLog
from retention.config import Config
from retention.evidence.contents import BagFact, Seal, Veil, Write
from retention.opening import read_root


@dataclass(frozen=True, slots=True)
class Bare:
    """See `contents.Contents`."""

    document: JsonObject
    bags: Sequence[BagFact]
    files: Sequence[tuple[str, Write]] = ()


@contextmanager
def bare(store: Store, config: Config, clock: Clock, seal: Seal, veil: Veil | None = None) -> Iterator[Bare]:
    """See `contents.Collect`. Raises: errors of a store that cannot be read."""
    document: JsonObject = {
        "generated_at": timestamp(clock.now()),
        "generator": {"name": "lastcopy"},
        "tenant": (read_root(store) or {}).get("tenant"),
    }
    yield Bare(
        document if veil is None else veil.document(document), [bag_fact(store, bag) for bag in list_bags(store)]
    )


def bag_fact(store: Store, bag: str) -> BagFact:
    """Where a bag stands. Raises: SegmentDamagedError, errors of the store."""
    try:
        tagmanifest = hashlib.sha256(store.read(f"{bag}/{TAGMANIFEST}")).hexdigest()
        head = load_json(store.read(f"{bag}/{HEAD}"))
        newest = Position(int(head["segment"]), str(head["sha256"]))
    except ObjectMissingError:
        tagmanifest, newest = None, START
    is_open = False
    for segment in SegmentLog(store, f"{bag}/{LEDGER}").follow(newest):
        newest = segment.position
        is_open = is_open or any("item" in row for row in segment.rows())
    return BagFact(bag, tagmanifest, newest.number, newest.sha256, is_open)
