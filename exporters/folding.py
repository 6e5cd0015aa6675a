"""Closes and folds bags that a run left open. Needs no tenant.

Rules of this file: a bag that cannot be folded does not stop the others; a fold of which any tag file is not as it was
written is made again. Source: design §4 (fold), §6 (`fold`).
"""

from collections.abc import Iterable, Iterator

from exporters.bag.ledger import Run, open_bag
from exporters.clock import Clock
from exporters.errors import ConfigurationError, LastcopyError, RunError
from exporters.export import damage_of, only_this_source
from exporters.metering import UnitMeter
from exporters.store.protocol import Store
from exporters.store.segments import Position


def fold_bags(
    store: Store, bags: Iterable[str], clock: Clock, *, run_id: str, take_over: bool
) -> Iterator[tuple[str, Position | LastcopyError | None]]:
    """Close and fold the bags that are open; yield (bag, its newest segment if it was folded now, or why this one cannot be).

    Needs no tenant. Raises: RunError of the store itself, which concerns every bag.
    """
    run = Run(run_id, clock, UnitMeter(None).take, take_over)
    for bag in bags:
        try:
            folded = _fold_bag(store, bag, run)
        except LastcopyError as error:
            damage = damage_of(error, store, bag)
            if isinstance(error, (RunError, ConfigurationError)) and not (damage or only_this_source(error)):
                raise
            yield bag, damage or error
        else:
            yield bag, folded


def _fold_bag(store: Store, bag: str, run: Run) -> Position | None:
    with open_bag(store, bag, {"bag": bag}, run) as writer:
        writer.prove_fold()
        if not writer.needs_fold:
            return None
        writer.load()
        writer.close("folded")
        return writer.position
