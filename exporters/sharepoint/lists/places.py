"""Where the objects of a list lie: `data/lists/<list>/…`.

Rules of this file: a list keeps the place of its first key, whatever it is called later; rows that have such a key say it; no
list has the place of another, and a place counts as held after folding. Source: docs/formats.md (bag of a site).
"""

import re

from exporters.bag.digests import Hashed
from exporters.bag.formats import CHANGED, LISTS, load_json
from exporters.bag.keys import changed, component_for, fitted, folded
from exporters.bag.ledger import BagWriter

_PLACE = re.compile(rf"{LISTS}/([^/]+)/")


class Places:
    """The places of the lists of one bag. One thread only."""

    def __init__(self, writer: BagWriter) -> None:
        self._writer = writer
        self._known: dict[str, str] = {}
        self._taken: set[str] | None = None

    def of(self, list_id: str, name: str) -> str:
        """The component of a list, chosen now if it has none. name: what it is called today."""
        if list_id not in self._known:
            found = self._held(list_id)
            if found is None:
                found = component_for(name, list_id)
                if folded(found) in self._all():
                    found = changed(name, list_id)
                self._all().add(folded(found))
            self._known[list_id] = found
        return self._known[list_id]

    def folder(self, list_id: str, name: str) -> str:
        """Key of its folder, without a slash at the end."""
        return f"{LISTS}/{self.of(list_id, name)}"

    def attachment(self, folder: str, item_id: str, name: str, sha256: str) -> tuple[str, bool]:
        """A key for the bytes of an attachment, and whether these bytes lie there already, named by nobody: a run that was cut
        off had put them. folder: as `folder` gives it."""
        handle = f"{item_id}/{name}"
        above = f"{folder}/attachments/{component_for(item_id, item_id)}"
        component = component_for(name, handle)
        if self._has_twin(f"{above}/{component}"):
            component = changed(name, handle)
        below = f"{component_for(item_id, item_id)}/{component}"
        key = fitted(f"{folder}/attachments", below, name, handle)
        number, stamp = 1, self._writer.run.stamp
        while not self._is_free(key):
            if self._is_left_over(key, sha256):
                return key, True
            start = f"{CHANGED}/{stamp}" if number == 1 else f"{CHANGED}/{stamp}-{number}"
            key = fitted(f"{start}/{folder.removeprefix('data/')}/attachments", below, name, handle)
            number += 1
        return key, False

    def _has_twin(self, key: str) -> bool:
        """Whether the same place is held in another spelling."""
        above = key.rpartition("/")[0]
        held = self._writer.state.db.execute(
            "SELECT key FROM rows WHERE key > ? AND key < ?", (f"{above}/", f"{above}0")
        )
        return any(folded(other) == folded(key) and other != key for (other,) in held)

    def _is_free(self, key: str) -> bool:
        """Whether no row names it, and nothing lies there that a run left which was cut off."""
        return not self._writer.state.holds_key(key) and self._writer.store.stat(f"{self._writer.bag}/{key}") is None

    def _is_left_over(self, key: str, sha256: str) -> bool:
        row = next(self._writer.state.rows("key = ?", (key,)), None)
        if row is not None:
            found = load_json(row)
            return bool(found["kind"] == "leftover" and found["sha256"] == sha256)
        with self._writer.store.open(f"{self._writer.bag}/{key}") as chunks:
            return Hashed(chunks).drain().sha256 == sha256

    def _held(self, list_id: str) -> str | None:
        """The place that a row of the list names."""
        where = (
            ("kind = 'list_item' AND scope = ? AND outcome != 'excepted'", (list_id,)),
            ("kind = 'columns' AND scope = ? AND outcome != 'excepted'", (list_id,)),
            ("kind = 'version' AND scope > ? AND scope < ?", (f"{list_id}/", f"{list_id}0")),
        )
        for query, values in where:
            found = next(self._writer.state.rows(query, values), None)
            place = None if found is None else _PLACE.match(str(load_json(found).get("key")))
            if place is not None:
                return place[1]
        return next((place for of, place in self._derived() if of == list_id), None)

    def _derived(self) -> list[tuple[str, str]]:
        """(list id, place) of each derived file of a list."""
        found = []
        query = "kind = 'derived' AND key > ? AND key < ?"
        for row in map(load_json, self._writer.state.rows(query, (f"{LISTS}/", f"{LISTS}0"))):
            place = _PLACE.match(row["key"])
            if place is not None:
                found.append((str(row.get("of")), place[1]))
        return found

    def _all(self) -> set[str]:
        """The places that are held, folded."""
        if self._taken is None:
            query = "SELECT DISTINCT key FROM rows WHERE kind IN ('original', 'derived') AND key > ? AND key < ?"
            keys = self._writer.state.db.execute(query, (f"{LISTS}/", f"{LISTS}0"))
            self._taken = {folded(place[1]) for (key,) in keys if (place := _PLACE.match(key))}
        return self._taken
