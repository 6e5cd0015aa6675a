"""Which bags there are to work on: all but those that were disposed of.

Rules of this file: the journal decides; where it cannot be read to its end, what it says until then. Source: decision 0098.
"""

from collections.abc import Sequence

from exporters.bag.verify import list_bags
from exporters.clock import Clock
from exporters.errors import ConfigurationError
from exporters.store.protocol import Store
from retention.journal import Journal
from retention.recorded import recorded
from retention.selection import Names, records_of


def bags_there(store: Store, clock: Clock, names: Sequence[str]) -> list[str]:
    """The bags that names mean (all, if there are none), sorted. Raises: ConfigurationError for a name that nobody has, or whose
    bag was disposed of."""
    gone = recorded(Journal(store, clock).rows()).disposed
    if not names:
        return [bag for bag in list_bags(store) if bag not in gone]
    bags = Names(records_of(store)).bags(names)
    for row in (gone[bag] for bag in bags if bag in gone):
        raise ConfigurationError(
            f"{row['bag']} was disposed of on {row['at']} by {row.get('by')}",
            code="disposed",
            action=f"Nothing of it is left but the certificate: {row.get('certificate')}.",
        )
    return bags
