"""What a sweep says of bags: those whose time is over, and those whose lock ends before they may go.

Rules of this file: no I/O, nothing is disposed of. A lock ends when the newest verification that read all locks of a bag back
says that they do; of a bag that none says it of nothing is told. Source: issue 10 (7), design §4 (S3).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from exporters.bag.formats import JsonObject
from retention.disposal.keeping import Keeping

AHEAD = timedelta(days=30)
KEEP_UNTIL, LOCK_ENDS = "keep_until", "lock_ends"


@dataclass(frozen=True, slots=True)
class Notice:
    """boundary: KEEP_UNTIL (it is past: the bag may be disposed of) or LOCK_ENDS (within 30 days, and something keeps the bag
    longer); because: that something."""

    bag: str
    boundary: str
    at: datetime
    because: str


@dataclass(slots=True)
class Bags:
    """The journal, read for bags: what keeps each, and until when its objects were found locked."""

    keeping: Keeping = field(default_factory=Keeping)
    _locked: dict[str, datetime] = field(default_factory=dict)
    _bags: set[str] = field(default_factory=set)

    def read(self, rows: Iterable[JsonObject]) -> None:
        """Take in rows, oldest first."""
        for row in rows:
            self.keeping.read([row])
            if isinstance(row.get("bags"), dict) and row.get("type") in {"run_ended", "folded", "composed"}:
                self._bags.update(row["bags"])
            elif row.get("type") == "verified" and row.get("result") == "whole" and isinstance(row.get("lock"), dict):
                self._bags.add(row["bag"])
                self._locked[row["bag"]] = datetime.fromisoformat(row["lock"]["until"])

    def notices(self, now: datetime) -> Iterator[Notice]:
        """What is to be said now, bag by bag."""
        for bag in sorted(self._bags - self.keeping.disposed.keys()):
            until, holds = self.keeping.until(bag), self.keeping.holds(bag)
            if until is not None and until.instant <= now and not holds:
                yield Notice(bag, KEEP_UNTIL, until.instant, "its time is over: lastcopy dispose --dry-run")
            ends = self._locked.get(bag)
            if ends is None or ends - AHEAD > now:
                continue
            if holds:
                yield Notice(bag, LOCK_ENDS, ends, f"it is held: {', '.join(hold.name for hold in holds)}")
            elif until is not None and until.instant > ends:
                yield Notice(bag, LOCK_ENDS, ends, f"it is to be kept until {until.instant:%Y-%m-%d}")
