"""Makes the local state anew from the journal.

Rules of this file: only what follows from the journal is taken away before it is made again; after it `status` and `sweep`
answer as before. Source: design §4 (the journal).
"""

from exporters.bag.formats import JsonObject
from exporters.clock import Clock
from retention.books import opened_books
from retention.config import Config
from retention.sweep import Sweep


def recover(config: Config, clock: Clock) -> JsonObject:
    """Make the index anew; return what is in it. Raises: ConfigurationError, RunError, errors of the store."""
    with opened_books(config, clock, anew=True) as books:
        Sweep(config, books, clock).schedule()
        return {"segments": books.head.number, **books.index.counts()}
