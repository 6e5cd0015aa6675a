"""Which file or folder of a library a list item is, and which of them no list item is known of.

Rules of this file: both sides tell a unique id, in `sharepointIds` or at the start of their eTags; who tells none is not known,
and nothing is concluded of it. Asks the state alone, in temporary tables. Source: graph.md §5.2, docs/decisions/0048.
"""

import re
from collections.abc import Mapping
from typing import Any

from exporters.bag.formats import JsonObject, load_json
from exporters.bag.ledger import BagWriter
from exporters.graph.answers import object_of, text_of

_UNIQUE = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_BATCH = 500
_LISTED_KINDS = frozenset({"file", "folder", "package"})


class DriveItems:
    """The items of one drive that live, as they stand when this is first asked."""

    def __init__(self, writer: BagWriter, drive: str) -> None:
        self._writer, self._drive = writer, drive
        self._is_read = False

    def find(self, served: JsonObject) -> str | None:
        """The id of the drive item that a list item is; None if it is not known."""
        unique = unique_of(object_of(served.get("sharepointIds")).get("listItemUniqueId"), served.get("eTag"))
        if unique is None:
            return None
        self._read()
        found = self._writer.state.db.execute("SELECT id FROM uniques WHERE mark = ?", (unique,)).fetchone()
        return None if found is None else str(found[0])

    def without_columns(self, list_id: str, most: int) -> list[str]:
        """Ids of files and folders that tell who they are, and of which no line of columns is held; no more than most + 1."""
        db = self._writer.state.db
        self._read()
        db.execute("CREATE TEMP TABLE IF NOT EXISTS with_columns (id TEXT PRIMARY KEY) WITHOUT ROWID")
        db.execute("DELETE FROM with_columns")
        batch: list[tuple[str]] = []
        for row in map(
            load_json, self._writer.state.rows("kind = 'columns' AND scope = ? AND outcome = 'copied'", (list_id,))
        ):
            batch.append((str(row.get("of")),))
            if len(batch) >= _BATCH:
                db.executemany("INSERT OR IGNORE INTO with_columns VALUES (?)", batch)
                batch = []
        db.executemany("INSERT OR IGNORE INTO with_columns VALUES (?)", batch)
        query = "SELECT id FROM uniques WHERE is_listed AND id NOT IN (SELECT id FROM with_columns) ORDER BY id LIMIT ?"
        return [str(item_id) for (item_id,) in db.execute(query, (most + 1,))]

    def _read(self) -> None:
        if self._is_read:
            return
        state, self._is_read = self._writer.state, True
        state.db.execute("CREATE TEMP TABLE IF NOT EXISTS uniques (mark TEXT PRIMARY KEY, id, is_listed) WITHOUT ROWID")
        state.db.execute("DELETE FROM uniques")
        batch: list[tuple[str, str, bool]] = []
        live = (
            "kind IN ('file', 'folder', 'package', 'shortcut', 'other') AND scope = ?"
            " AND outcome != 'gone' AND code IS NOT 'vanished'"
        )
        for row in map(load_json, state.rows(live, (self._drive,))):
            service: Mapping[str, Any] = row.get("service") or {}
            if (unique := unique_of(service.get("listItemUniqueId"), service.get("eTag"))) is not None:
                is_listed = (
                    row["kind"] in _LISTED_KINDS and row.get("parent") is not None
                )  # the root is no item of the list
                batch.append((unique, row["id"], is_listed))
            if len(batch) >= _BATCH:
                state.db.executemany("INSERT OR IGNORE INTO uniques VALUES (?, ?, ?)", batch)
                batch = []
        state.db.executemany("INSERT OR IGNORE INTO uniques VALUES (?, ?, ?)", batch)


def unique_of(named: object, etag: object) -> str | None:
    """The unique id that `sharepointIds` names, or an eTag begins with, in lower case."""
    found = _UNIQUE.search(text_of(named) or "") or _UNIQUE.search(text_of(etag) or "")
    return None if found is None else found[0].lower()
