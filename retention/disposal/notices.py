"""What a sweep says of copies: that the time of one is over, and that its lock ends before it may go. Marks for the digest.

Rules of this file: no I/O, no clock, and nothing is disposed of. A lock ends when the newest verification that read all locks of
a bag back says that they do; of a bag that none says it of nothing is told. Source: issue 10 (7), retention-domain §5 (digest).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from exporters.bag.formats import JsonObject
from retention.disposal.keeping import ALL, Keeping
from retention.personal import Mark
from retention.tracked import Personal

KEEP_UNTIL, LOCK_ENDS = "keep_until", "lock_ends"


def marks_of_bags(
    rows: Sequence[JsonObject], locks: Mapping[str, Sequence[str | int]], bags: Iterable[str]
) -> Iterator[Mark]:
    """rows: what people stated, each with its `number` in the journal, oldest first; locks: {bag: (until, number)}; bags: all."""
    if not rows:
        return
    keeping, newest = Keeping.of(rows), _newest(rows)
    for bag in sorted(set(bags) - keeping.disposed.keys()):
        until, holds = keeping.until(bag), keeping.holds(bag)
        said = max(newest.get(ALL, 0), newest.get(bag, 0))
        if until is not None and not holds:
            yield _mark(bag, KEEP_UNTIL, until.instant, said)
        if bag in locks:
            ends, number = datetime.fromisoformat(str(locks[bag][0])), int(locks[bag][1])
            if holds or (until is not None and until.instant > ends):
                yield _mark(bag, LOCK_ENDS, ends, max(said, number))


def _newest(rows: Iterable[JsonObject]) -> dict[str, int]:
    """{bag or ALL: the number of the newest row that speaks of it}."""
    return {str(row.get("bag", ALL)): int(row["number"]) for row in rows}


def _mark(bag: str, kind: str, at: datetime, number: int) -> Mark:
    return Mark(Personal(f"{kind} {bag}", bag, {"type": "copy"}, number), kind, at)
