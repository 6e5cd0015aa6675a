"""What the verb `keep` writes: until when bags are kept, holds, and that a hold is lifted.

Rules of this file: a hold is lifted by its name, where it was laid; a date counts to its last moment. Source: design §4
(the journal), retention-domain §6.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from exporters.bag.formats import JsonObject
from exporters.clock import Clock, timestamp
from exporters.errors import ConfigurationError
from exporters.store.protocol import Store
from retention.disposal.keeping import ALL, Keeping
from retention.journal import Journal
from retention.selection import Names, records_of


@dataclass(frozen=True, slots=True)
class Statement:
    """What is said of some bags. until: exclusive; hold, lift: name of a hold."""

    by: str
    reason: str
    until: datetime | None = None
    hold: str | None = None
    lift: str | None = None


def bags_meant(store: Store, names: Sequence[str]) -> list[str]:
    """The bags that names mean; ALL if there are none. Raises: ConfigurationError for a name nobody has."""
    return Names(records_of(store)).bags(names) if names else [ALL]


def state(store: Store, clock: Clock, bags: Iterable[str], said: Statement) -> list[JsonObject]:
    """Write it into the journal; return the rows. Raises: ConfigurationError; errors of the store."""
    journal, bags = Journal(store, clock), list(bags)
    if said.lift is not None:
        _require_hold(Keeping.of(journal.rows()), bags, said.lift)
    rows = [row for bag in bags for row in _rows(bag, said)]
    journal.append(rows)
    return rows


def _rows(bag: str, said: Statement) -> Iterable[JsonObject]:
    about: JsonObject = {"by": said.by, "reason": said.reason, **({} if bag == ALL else {"bag": bag})}
    if said.until is not None:
        yield {"type": "keep_until", **about, "until": timestamp(said.until)}
    if said.hold is not None:
        yield {"type": "held", **about, "name": said.hold}
    if said.lift is not None:
        yield {"type": "hold_lifted", **about, "name": said.lift}


def _require_hold(keeping: Keeping, bags: list[str], name: str) -> None:
    there = {(hold.bag, hold.name) for hold in keeping.all_holds()}
    lacking = [bag for bag in bags if (bag, name) not in there]
    if lacking:
        known = sorted({f"{hold.name!r} ({hold.bag or 'all bags'})" for hold in keeping.all_holds()})
        raise ConfigurationError(
            f"there is no hold {name!r} on {', '.join(bag or 'all bags' for bag in lacking)}",
            code="hold_unknown",
            action=f"Lift it where it was laid. Holds: {'; '.join(known) or 'none'}.",
        )


def end_of(text: str, zone: str) -> datetime:
    """The instant that ends a keep-until: of a date its last moment, in this zone or in UTC, whichever is later; else as it is
    written, with its offset. Raises: ValueError."""
    if len(text) == 10:
        day = date.fromisoformat(text) + timedelta(days=1)
        ends = (datetime(day.year, day.month, day.day, tzinfo=tz) for tz in (UTC, ZoneInfo(zone)))
        return max(end.astimezone(UTC) for end in ends)
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("an instant needs its offset")
    return found.astimezone(UTC)
