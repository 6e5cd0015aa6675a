"""What of a listing is new: decisions without I/O.

Rules of this file: what is known already is not written down again, so that a round without news leaves nothing behind. That a
folder does not have an item any more is news only if we think that it has. Source: docs/formats.md (state, cursors).
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from exporters.bag.formats import JsonObject
from exporters.mail.capture.facts import same_facts


def uncounted(row: Mapping[str, Any]) -> list[JsonObject]:
    """The facts of a folder that is not asked for any more, if it has counts: they would speak of another time than its items."""
    counts = {name for name in row["service"] if name.endswith("ItemCount")}
    if not counts:
        return []
    facts = {name: row[name] for name in ("scope", "id", "kind", "name", "parent") if name in row}
    return [{**facts, "service": {name: value for name, value in row["service"].items() if name not in counts}}]


class ListingDigest:
    """Stands for ids and change keys, in whatever order they come."""

    def __init__(self) -> None:
        self._sum, self._number = 0, 0

    def take(self, page: Iterable[Mapping[str, Any]]) -> None:
        """Take in rows."""
        for row in page:
            text = f"{row.get('id')}\0{row.get('changeKey') or row.get('@odata.etag')}"
            self._sum += int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest(), "big")
            self._number += 1

    @property
    def value(self) -> str:
        return f"{self._number}-{self._sum % (1 << 256):064x}"


def is_news(facts: Mapping[str, Any], owed: Mapping[str, Any] | None, row: Mapping[str, Any] | None) -> bool:
    """owed, row: what we know of the item already. That a folder does not have it any more is news only if we think it has."""
    held = row is not None and row["outcome"] != "gone" and row.get("code") != "vanished"
    if facts.get("deleted"):
        newest = owed if owed is not None else row
        if newest is None or newest.get("parent") != facts["parent"]:
            return False
        return not owed.get("deleted") if owed is not None else held
    if owed is not None:
        return owed != facts
    return row is None or not held or not same_facts(facts, row)
