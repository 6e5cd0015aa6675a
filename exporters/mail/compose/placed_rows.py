"""Rows of a bag, written again with where their items are in the PST.

Rules of this file: a row says nothing new of its item but `pst`; what is owed of an item stays owed, though an `item` row settles
it: it is listed again in the same segment. Many rows at a time, none held for long. Source: docs/formats.md (state, PST).
"""

from collections.abc import Iterator, Mapping
from itertools import islice

from exporters.bag.formats import JsonObject, load_json
from exporters.bag.ledger import BagWriter
from exporters.mail.compose.order import Order
from exporters.mail.compose.placed import KINDS, new_place, placed

_BATCH = 400
_Changes = list[tuple[str, JsonObject]]


class PlacedRows:
    """Writes `pst` into rows of one bag."""

    def __init__(self, writer: BagWriter) -> None:
        self._writer = writer

    def may_write(self, row: JsonObject) -> bool:
        """Whether writing the row again, and what is owed of it after it, leaves all else as it is: in an unfinished full round
        that would say of an item that the round has listed it."""
        state = self._writer.state
        owed = None if state.heads.round is None else state.listed(row["scope"], row["id"])
        if owed is None:
            return True
        query = "SELECT count(*) FROM seen WHERE scope = ? AND id = ?"
        return bool(state.count(query, (owed["scope"], owed["id"]))) != bool(owed.get("deleted"))

    def write(self, order: Order, files: Mapping[str, str], before: Mapping[str, str] | None) -> None:
        """The rows of what was composed. files: name → SHA-256 of those that make up the PST now. before: of those so far, None
        if all was composed anew. Raises: as `emit_together`."""
        found = order.composed()
        while batch := list(islice(found, _BATCH)):
            changes: _Changes = []
            for of, file, folder, node in batch:
                row = self._writer.state.row(of)
                if row is not None:
                    earlier = None if before is None else placed(row, before)
                    changes += self._changed(row, new_place(row, file, files[file], folder, node, earlier))
            self._emit(changes)

    def forget(self, order: Order) -> None:
        """Rows of what is not in a series that was composed anew keep no place in the old one. Raises: as `emit_together`."""
        for kind in (*KINDS, "version"):
            for page in self._pages(kind):
                stale = [row for row in page if "pst" in row and not order.is_composed(kind, row["scope"], row["id"])]
                self._emit([change for row in stale if self.may_write(row) for change in self._changed(row, None)])

    def _pages(self, kind: str) -> Iterator[list[JsonObject]]:
        """Rows of a kind, so many at a time that between them rows may be written."""
        last = ("", "")
        while True:
            found = self._writer.state.rows("kind = ? AND (scope, id) > (?, ?)", (kind, *last))
            page = [load_json(data) for data in islice(found, _BATCH)]
            if not page:
                return
            last = page[-1]["scope"], page[-1]["id"]
            yield page

    def _changed(self, row: JsonObject, pst: JsonObject | None) -> _Changes:
        """The row with another place, and what is owed of it."""
        if row.get("pst") == pst:
            return []
        new = {name: value for name, value in row.items() if name != "pst"} | ({} if pst is None else {"pst": pst})
        owed = None if row["kind"] == "version" else self._writer.state.listed(row["scope"], row["id"])
        return [("item", new)] if owed is None else [("item", new), ("listed", owed)]

    def _emit(self, changes: _Changes) -> None:
        if changes:
            self._writer.emit_together(changes)
