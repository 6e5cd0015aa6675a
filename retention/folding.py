"""`fold`: closes and folds what is open, and puts on record where it left each bag.

Rules of this file: needs no tenant; a bag that cannot be folded stops no other; whatever ends it early, the bags that were
folded are in the journal: else their newest segments could be dropped unseen. Source: design §4 (the fold), docs/formats.md.
"""

from collections.abc import Iterable, Iterator

from exporters.bag.formats import JsonObject
from exporters.clock import Clock
from exporters.errors import LastcopyError
from exporters.folding import fold_bags
from exporters.store.protocol import Store
from retention.journal import Journal


def fold_store(
    store: Store, bags: Iterable[str], clock: Clock, *, run_id: str, take_over: bool
) -> Iterator[tuple[str, bool | LastcopyError]]:
    """Fold the bags that are open; yield (bag, whether it was folded now, or why it cannot be). Raises: RunError of the store."""
    left: dict[str, JsonObject] = {}
    try:
        for bag, position in fold_bags(store, bags, clock, run_id=run_id, take_over=take_over):
            if isinstance(position, LastcopyError):
                yield bag, position
                continue
            if position is not None:
                left[bag] = {"segment": position.number, "sha256": position.sha256}
            yield bag, position is not None
    finally:
        if left:
            Journal(store, clock).append([{"type": "folded", "bags": left}], run=run_id)
