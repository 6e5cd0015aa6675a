"""Which bags were read back and hashed, whole, since they were written: by the journal, and by when their objects were put.

Rules of this file: one rule for `ready`, which asks, and for `verify --new`, which reads again what this does not vouch for. Only
a row of level `full` counts, of the very fold that lies there, in which nothing was missing, changed or unexpected; any later
look that found a difference ends it. An object that was put after the reading began was not read. Source: design §6 (verify),
docs/formats.md (`verified`), docs/decisions/0089.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from exporters.bag.formats import LEDGER, JsonObject
from exporters.store.protocol import LockPolicy, Store


class Proof(NamedTuple):
    """A reading in full. began: by the store's clock, None where an earlier version did not say; at: when it was put on record;
    reconciled: whether all counts agreed, None if that was not told; store: where it was read, as the operator wrote it."""

    bag: str
    segment: int
    tagmanifest: str
    at: datetime
    began: datetime | None
    reconciled: bool | None
    store: str | None


@dataclass(slots=True)
class ReadBack:
    """The rows `verified` of a journal, taken in their order. proofs: of each bag, the newest; different: bags in which a later
    look found a difference; locks: of each bag, the newest lock that was read back on every object of it."""

    proofs: dict[str, Proof] = field(default_factory=dict)
    different: set[str] = field(default_factory=set)
    locks: dict[str, tuple[datetime, LockPolicy]] = field(default_factory=dict)

    def take(self, row: JsonObject) -> None:
        """The next row of the journal."""
        if row.get("type") != "verified":
            return
        bag = str(row.get("bag"))
        if not _is_intact(row):
            self.proofs.pop(bag, None)
            self.different.add(bag)
            self.locks.pop(bag, None)
            return
        at = datetime.fromisoformat(str(row["at"]))
        is_partial = "sample" in row or "since" in row
        if isinstance(row.get("lock"), dict):
            lock = row["lock"]
            self.locks[bag] = at, LockPolicy(lock["mode"], datetime.fromisoformat(lock["until"]))
        if row.get("level") == "full" and not is_partial and isinstance(row.get("tagmanifest"), str):
            began = datetime.fromisoformat(row["began"]) if isinstance(row.get("began"), str) else None
            reconciled = row["reconciled"] if isinstance(row.get("reconciled"), bool) else None
            self.proofs[bag] = Proof(
                bag, int(row.get("segment") or 0), row["tagmanifest"], at, began, reconciled, row.get("store")
            )
            self.different.discard(bag)

    def of(self, bag: str, segment: int, tagmanifest: str, store: str) -> Proof | None:
        """The reading that vouches for this fold of a bag, as long as nothing was put since (`newest_put`). store: where it lies:
        what was read in one place says nothing of its copy in another, whatever times that has taken over."""
        proof = self.proofs.get(bag)
        if proof is None or not proof.segment or proof[1:3] != (segment, tagmanifest):
            return None
        return proof if proof.store in {None, store} else None


def newest_put(store: Store, bag: str) -> datetime | None:
    """When the newest object of a bag was put, by the store's clock; of the ledger, which grows without a new fold, none
    counts."""
    ledger = f"{bag}/{LEDGER}"
    return max((info.modified for info in store.list(f"{bag}/") if not info.key.startswith(ledger)), default=None)


def _is_intact(row: JsonObject) -> bool:
    """Whether every object was there, as its row says; counts that do not agree are another matter."""
    if isinstance(row.get("findings"), int):
        return bool(row["findings"] == 0)
    return row.get("result") == "whole"
