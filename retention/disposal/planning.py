"""What could be disposed of now, bag by bag, and what keeps the rest. A dry run writes this into the journal and gives it a code.

Rules of this file: nothing is removed; every version of every object is looked at, and one that is kept keeps its bag; what
cannot be read keeps it too. The code names exactly what was seen: other objects, other holds, another date make another code.
Source: issue 10 (7), design §4 (S3), docs/decisions/0098.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from exporters.bag.fence import AnotherWriterError, Process, refuse_if_alive
from exporters.bag.formats import LEDGER, SOURCE, JsonObject, dump_json
from exporters.clock import Clock, timestamp
from exporters.errors import LastcopyError, RunError
from exporters.store.protocol import Store
from exporters.store.removing import Remover, Version
from exporters.store.segments import SegmentLog
from retention.disposal.keeping import Keeping
from retention.disposal.rows import PLANNED
from retention.journal import Journal
from retention.selection import Names, records_of

CLOCKS_APART = timedelta(minutes=10)
REASONS_SHOWN = 5


@dataclass(slots=True)
class Candidate:
    """A bag that was looked at. objects, bytes: of every version, markers apart; digest: SHA-256 of what was seen;
    reasons: why it is kept, none if it may go."""

    bag: str
    objects: int = 0
    bytes: int = 0
    digest: str = ""
    until: datetime | None = None
    reasons: list[str] = field(default_factory=list)

    @property
    def may_go(self) -> bool:
        return not self.reasons

    def as_json(self) -> JsonObject:
        """For `dispose --json`."""
        return {
            "bag": self.bag,
            "objects": self.objects,
            "bytes": self.bytes,
            "keep_until": timestamp(self.until) if self.until is not None else None,
            "kept_by": self.reasons,
        }


def whole(bag: str, remover: Remover) -> Iterator[Version]:
    """Every version in a bag that goes with it. Its `source.json` stays, so that its name is never given to another source."""
    return (version for version in remover.versions(f"{bag}/") if version.key != f"{bag}/{SOURCE}")


def safe_now(store: Store, clock: Clock) -> datetime:
    """The earlier of our clock and the store's. Raises: RunError where they are over ten minutes apart."""
    ours, theirs = clock.now(), store.now()
    if abs(ours - theirs) > CLOCKS_APART:
        raise RunError(
            f"the clocks differ: here it is {timestamp(ours)}, at the store {timestamp(theirs)}",
            code="clock_in_doubt",
            action="Set this machine's clock (NTP): nothing is disposed of by a clock that is in doubt.",
        )
    return min(ours, theirs)


def candidates(
    store: Store, remover: Remover, keeping: Keeping, now: datetime, wanted: Sequence[str]
) -> Iterator[Candidate]:
    """Look at the bags that `wanted` means (at all, if empty); those that are disposed of are left out.

    Raises: ConfigurationError for a name nobody has; errors of the store.
    """
    for bag in Names(records_of(store)).bags(wanted):
        if bag not in keeping.disposed:
            yield examine(store, remover, keeping, now, bag)


def examine(store: Store, remover: Remover, keeping: Keeping, now: datetime, bag: str) -> Candidate:
    """Look at one bag. Objects are looked at only where nothing that people said keeps it already."""
    found = Candidate(bag)
    until = keeping.until(bag)
    found.until = until.instant if until is not None else None
    if until is None:
        found.reasons.append("nobody said until when it is kept (lastcopy keep --until)")
    elif until.instant > now:
        found.reasons.append(f"kept until {timestamp(until.instant)} ({until.by}: {until.reason})")
    found.reasons += [f"held: {hold.name} ({hold.by}: {hold.reason})" for hold in keeping.holds(bag)]
    at_work = writer_at_work(store, bag)
    found.reasons += [at_work] if at_work else []
    if found.may_go:
        _look_at_objects(remover, now, found)
    return found


def writer_at_work(store: Store, bag: str) -> str | None:
    """Who may be writing to a bag, for people."""
    log = SegmentLog(store, f"{bag}/{LEDGER}")
    newest = _newest(log)
    if newest == 0:
        return None
    try:
        segment = log.read(newest)
        if not any("closed" in row for row in segment.rows()):
            refuse_if_alive(segment.first, log.modified(newest), store.now(), Process.of_this_machine(), bag)
    except AnotherWriterError as error:
        return str(error)
    except LastcopyError as error:
        return f"its ledger cannot be read: {error}"
    return None


def _newest(log: SegmentLog) -> int:
    """The number of the newest segment, by doubling and halving; 0 if there is none."""
    low, high = 0, 1
    while log.exists(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if log.exists(middle) else (low, middle)
    return low


def _look_at_objects(remover: Remover, now: datetime, found: Candidate) -> None:
    digest = hashlib.sha256()
    kept = 0
    for version in whole(found.bag, remover):
        digest.update(
            dump_json({"key": version.key, "id": version.version_id, "size": version.size, "marker": version.marker})
        )
        found.objects += not version.marker
        found.bytes += version.size
        reason = remover.kept_by(version, now)
        if reason is not None:
            kept += 1
            if kept <= REASONS_SHOWN:
                found.reasons.append(f"{version.key}: {reason}")
    if kept > REASONS_SHOWN:
        found.reasons.append(f"… {kept - REASONS_SHOWN:,} more objects are kept")
    found.digest = digest.hexdigest()


def code_of(tenant: str, found: Sequence[Candidate]) -> str:
    """The code of a plan: 16 hex digits that follow from all that would go."""
    seen = {one.bag: [one.digest, one.until and timestamp(one.until)] for one in found}
    return hashlib.sha256(dump_json({"tenant": tenant, "bags": seen})).hexdigest()[:16]


def note_plan(journal: Journal, code: str, found: Sequence[Candidate]) -> None:
    """Write down what a dry run saw. Raises: errors of the store."""
    bags = {one.bag: {"objects": one.objects, "bytes": one.bytes, "digest": one.digest} for one in found}
    journal.append([{"type": PLANNED, "plan": code, "bags": bags}])
