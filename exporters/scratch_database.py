"""A database for what does not fit into memory, in a file that is gone when the work is.

Rules of this file: nothing in it is worth keeping, so nothing is synced and there is no journal; its cache is small and stated.
Source: docs/decisions/0002.
"""

import sqlite3
import tempfile
from pathlib import Path


class ScratchDatabase:
    """One file in a folder of its own below the temporary folder. `db`: in one long transaction, for one thread. To be closed."""

    def __init__(self, name: str, schema: str, *, cache_kib: int) -> None:
        """name: a word, which people see in the temporary folder. Raises: what `scratch.scratch_error` knows."""
        self._folder = tempfile.TemporaryDirectory(prefix=f"lastcopy-{name}-")
        self.db = sqlite3.connect(Path(self._folder.name) / f"{name}.db", isolation_level=None)
        self.db.executescript(
            f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-{cache_kib};{schema}"
        )
        self.db.execute("BEGIN")

    def close(self) -> None:
        """Let go of it."""
        self.db.close()
        self._folder.cleanup()
