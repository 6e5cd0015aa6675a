"""`compose`: makes PSTs of what was captured, and puts on record where it left each bag.

Rules of this file: needs no tenant and no local state; whatever ends it early, the bags that were written to are in the journal:
else their newest segments could be dropped unseen. Source: design §5 (compose), docs/formats.md (journal).
"""

import threading
from collections.abc import Iterable, Iterator

from exporters.bag.formats import JsonObject
from exporters.clock import Clock
from exporters.composing import ComposedBag, compose_bags
from exporters.copied import Progress
from exporters.errors import LastcopyError
from exporters.mail.settings import MailSettings
from exporters.store.protocol import Store
from retention.journal import Journal


def compose_store(
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
    """Compose these bags; yield (bag, what came of it, or why it cannot be). Raises: RunError."""
    left: dict[str, JsonObject] = {}
    found = compose_bags(
        store,
        bags,
        settings,
        clock,
        run_id=run_id,
        take_over=take_over,
        recompose=recompose,
        progress=progress,
        stop=stop,
    )
    try:
        for bag, done in found:
            if isinstance(done, ComposedBag):
                left[bag] = {"segment": done.position.number, "sha256": done.position.sha256}
            yield bag, done
    finally:
        if left:
            Journal(store, clock).append([{"type": "composed", "bags": left}], run=run_id)
