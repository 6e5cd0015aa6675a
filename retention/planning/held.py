"""What the store holds already of a source: its own counts, as they were when its bag was last folded.

Rules of this file: three small reads a bag, no ledger; a bag that was never folded, or whose files cannot be read, holds nothing
that a plan may take off. Source: design §4 (fold); docs/formats.md.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exporters.bag.formats import BAG_INFO, HEAD, RECONCILIATION, load_json
from exporters.sharepoint.described import CURSOR as SITE_CURSOR
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import Store

_ITEMS = frozenset({"file", "message", "contact", "event", "task", "post", "list_item", "page"})
"""Kinds of rows that are work; folders cost none."""
_WALKED = frozenset({"folders", "threads", SITE_CURSOR})
"""Cursors of a whole mailbox, or site, that was walked."""


@dataclass(frozen=True, slots=True)
class Held:
    """Of one bag. settled: items that are copied, or excepted, so that nothing is owed of them; messages, files: those of them
    that are; pending: items that are owed; is_listed: whether the source was listed to its end, so that `pending` is all that was
    owed `at` that time; bytes: of its payload."""

    settled: int = 0
    messages: int = 0
    files: int = 0
    pending: int = 0
    is_listed: bool = False
    at: str = ""
    bytes: int = 0


NOTHING = Held()


def held_of(store: Store, bag: str) -> Held:
    """What a bag holds. Raises: errors of the store."""
    try:
        head, counted = load_json(store.read(f"{bag}/{HEAD}")), load_json(store.read(f"{bag}/{RECONCILIATION}"))
        kinds: Mapping[str, Mapping[str, int]] = counted["kinds"]
        settled = {kind: _settled(kinds.get(kind, {})) for kind in _ITEMS}
        return Held(
            sum(settled.values()),
            settled["message"] + settled["post"],
            settled["file"],
            int(counted["counts"]["pending"]),
            is_listed=_is_listed(head),
            at=str(head.get("at") or ""),
            bytes=_payload(store.read(f"{bag}/{BAG_INFO}")),
        )
    except (ObjectMissingError, ValueError, KeyError, TypeError, AttributeError):
        return NOTHING


def _payload(info: bytes) -> int:
    """Bytes of the payload, as `bag-info.txt` says it: `Payload-Oxum: BYTES.FILES`."""
    found = re.search(rb"^Payload-Oxum: (\d+)\.\d+", info, re.MULTILINE)
    return int(found[1]) if found is not None else 0


def _settled(outcomes: Mapping[str, int]) -> int:
    return int(outcomes.get("copied", 0)) + int(outcomes.get("excepted", 0))


def _is_listed(head: Mapping[str, Any]) -> bool:
    """Whether no listing is under way, and one was made: its cursors say so (docs/formats.md)."""
    cursors: Mapping[str, Mapping[str, Any]] = head["cursors"]
    was_made = any(name in _WALKED or one.get("kind") == "delta" for name, one in cursors.items())
    return bool(head["closed"]) and head["round"] is None and was_made
