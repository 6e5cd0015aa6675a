"""Rows of a listing by id, however many there are: the members of a group, who may be a hundred thousand.

Rules of this file: each id once, the row that came last; sorted by the bytes of the id, so that the same people give the same
line in whatever order they were served; beyond `HELD` rows they lie in a temporary file. Source: docs/formats.md (bag of the
directory).
"""

import sqlite3
from collections.abc import Iterator

HELD = 2_000


class SortedRows:
    """Filled by one thread, and then read by one, as often as it likes. MUST be closed."""

    def __init__(self) -> None:
        self._rows: dict[bytes, bytes] = {}
        self._db: sqlite3.Connection | None = None

    def add(self, row_id: str, data: bytes) -> None:
        """Take a row in. data: its JSON."""
        self._rows[row_id.encode("utf-8", "surrogatepass")] = data
        if len(self._rows) > HELD:
            self._spill()

    def _spill(self) -> None:
        if self._db is None:
            # an empty name is a file of SQLite's own in the temporary folder, which goes with the connection
            self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=OFF")
            self._db.execute("CREATE TABLE rows (id BLOB PRIMARY KEY, data BLOB) WITHOUT ROWID")
        self._db.execute("BEGIN")
        self._db.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?)", self._rows.items())
        self._db.execute("COMMIT")
        self._rows.clear()

    def __len__(self) -> int:
        if self._db is None:
            return len(self._rows)
        self._spill()
        return int(self._db.execute("SELECT count(*) FROM rows").fetchone()[0])

    def __iter__(self) -> Iterator[bytes]:
        if self._db is None:
            yield from (self._rows[row_id] for row_id in sorted(self._rows))
            return
        self._spill()
        for (data,) in self._db.execute("SELECT data FROM rows ORDER BY id"):
            yield data

    def close(self) -> None:
        """Let go of the rows."""
        self._rows.clear()
        if self._db is not None:
            self._db.close()
            self._db = None
