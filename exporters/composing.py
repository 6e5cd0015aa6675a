"""The front door of composing: mailboxes in a store, from their originals to PSTs, without a tenant.

Rules of this file: a bag that cannot be composed stops no other; what a bag came to is a value, never a log line; nothing here
knows of a configuration or a journal. Source: design §2.1 (everything else is derived), §5 (compose), §6.
"""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from exporters.bag.ledger import BagDamagedError, BagWriter, Run, open_bag
from exporters.clock import Clock
from exporters.copied import Progress
from exporters.errors import ConfigurationError, LastcopyError, RunError
from exporters.mail.compose.composer import Composed, compose_bag
from exporters.mail.settings import MailSettings
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import Store
from exporters.store.segments import Position, ReplacedError

MAILBOXES = "mail/"
"""Bags below this are mailboxes."""
_ONE_BAG = frozenset({"another_writer", "segment_damaged"})


@dataclass(frozen=True, slots=True)
class ComposedBag:
    """What came of one bag. position: its newest segment now."""

    composed: Composed
    position: Position


def compose_bags(
    store: Store,
    bags: Iterable[str],
    settings: MailSettings,
    clock: Clock,
    *,
    run_id: str,
    take_over: bool,
    recompose: bool,
    progress: Progress,
    stop: threading.Event,
) -> Iterator[tuple[str, ComposedBag | LastcopyError]]:
    """Compose the PSTs of these bags, and fold each; yield (bag, what came of it, or why it cannot be).

    Ends between bags, and between items, once `stop` is set. Raises: RunError of the store or the temporary folder, which concern
    every bag.
    """
    run = Run(run_id, clock, lambda: 0, take_over)
    for bag in bags:
        if stop.is_set():
            return
        try:
            with open_bag(store, bag, {"bag": bag}, run) as writer:
                composed = _compose(writer, store, settings, clock, recompose, progress, stop)
                done = ComposedBag(composed, writer.position)
        except LastcopyError as error:
            damage = _damage_of(error, store, bag)
            if isinstance(error, RunError | ConfigurationError) and damage is None and not _is_of_one_bag(error):
                raise
            yield bag, damage or error
        else:
            yield bag, done


def _compose(
    writer: BagWriter,
    store: Store,
    settings: MailSettings,
    clock: Clock,
    recompose: bool,
    progress: Progress,
    stop: threading.Event,
) -> Composed:
    """Compose and close; where it cannot be, the bag is closed all the same: what was captured is whole."""
    try:
        composed = compose_bag(writer, store, settings, clock, recompose=recompose, progress=progress, stop=stop)
    except LastcopyError as error:
        if not isinstance(error, RunError):
            writer.close("stopped")
        raise
    writer.close("stopped" if composed.stopped else "complete")
    return composed


def _is_of_one_bag(error: LastcopyError) -> bool:
    return isinstance(error, ReplacedError) or error.code in _ONE_BAG


def _damage_of(error: LastcopyError, store: Store, bag: str) -> BagDamagedError | None:
    """The damage of this one bag that an error tells of: an object of it is missing, and the store itself is there."""
    if not isinstance(error, ObjectMissingError) or not error.key.startswith(f"{bag}/"):
        return None
    if next(store.list("sources/"), None) is None:
        return None
    return BagDamagedError(bag, f"{error.key.removeprefix(bag + '/')} is missing")
