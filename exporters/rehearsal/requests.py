"""The ledger of every request that reached the rehearsal.

Rules of this file: rows go to a file at once, so memory does not grow with a run; no token, secret or pre-authenticated
query is ever written; a row is there before the client has the last byte of its answer.
Source: reference/graph.md 12.5.
"""

import re
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from exporters.rehearsal.documents import Row, parse, render

_NAMES = r"token|(?:\$|%24)?(?:skip|delta)token|tempauth|client_secret|client_assertion|access_token"
_SECRETS = re.compile(rf"(?i)(^|[&(])({_NAMES})=[^&)]*")


def masked(text: str) -> str:
    """A query, or a path with function calls, with the values of tokens and secrets left out."""
    return _SECRETS.sub(r"\1\2=…", text)


class RequestLedger:
    """Counts and writes down requests. Safe from many threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._file = path.open("wb")
        self._clear()

    def _clear(self) -> None:
        self.count = self.cost = self.avoidable = self.throttled = self.bytes = 0
        self.by_route: Counter[str] = Counter()
        self.by_status: Counter[str] = Counter()
        self.by_mark: Counter[str] = Counter()
        self.writes = 0

    def add(self, row: Row) -> None:
        """Number a row (keys as in `GET /requests`) and write it."""
        with self._lock:
            self.count += 1
            self.cost += row["cost"]
            self.bytes += row["bytes"]
            self.avoidable += bool(row["avoidable"])
            self.throttled += row["status"] == 429 or (row["status"] == 503 and "throttled" in row["marks"])
            self.writes += "write" in row["marks"]
            self.by_route[f"{row['host']} {row['route']}"] += 1
            self.by_status[str(row["status"])] += 1
            self.by_mark.update(row["marks"])
            self._file.write(render({"n": self.count, **row}) + b"\n")

    def lines(self) -> Iterator[bytes]:
        """Every row so far as a line of JSON."""
        with self._lock:
            self._file.flush()
            end = self._file.tell()
        with self._path.open("rb") as rows:
            for line in rows:
                if (end := end - len(line)) < 0:
                    return
                yield line

    def rows(self) -> list[Row]:
        """Every row so far."""
        return [parse(line) for line in self.lines()]

    def summary(self) -> dict[str, Any]:
        """Totals since the start or the last reset."""
        with self._lock:
            return {
                "requests": self.count,
                "cost": self.cost,
                "throttled": self.throttled,
                "avoidable": self.avoidable,
                "writes": self.writes,
                "bytes": self.bytes,
                "routes": dict(sorted(self.by_route.items())),
                "statuses": dict(sorted(self.by_status.items())),
                "marks": dict(sorted(self.by_mark.items())),
            }

    def reset(self) -> None:
        """Forget all rows."""
        with self._lock:
            self._file.seek(0)
            self._file.truncate()
            self._clear()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()
