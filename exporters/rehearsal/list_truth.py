"""The true state of the lists of a site: rows of files, under an overlay of what has changed since.

Rules of this file: an item is known by its number (its row in the file; created ones follow), ids are never given twice; rows
stay on disk, memory holds some dozen bytes an item; every change is written to the list's log, so that a delta can tell of it.
A library is a list too, whose items are those of its drive: that one has no rows here. Source: reference/tenant-data.md,
"Sites".
"""

import hashlib
import threading
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from exporters.rehearsal.content import FilePool
from exporters.rehearsal.documents import Row, parse

Event = tuple[int, Literal["changed", "deleted"]]


class ListTruth:
    """One list. Changes take `lock`; so does whoever must see several things agree."""

    def __init__(self, tenant_folder: Path, info: Row, files: FilePool) -> None:
        """info: a row of lists.jsonl."""
        self.info, self.id = info, str(info["id"])
        self.lock = threading.RLock()
        self.log: list[Event] = []
        self.chain: list[bytes] = [hashlib.sha256(self.id.encode()).digest()]
        self.overlay: dict[int, Row] = {}
        self.gone: set[int] = set()
        self._files, self._name = files, str(info.get("_items") or "")
        self._path = tenant_folder / self._name
        self._offsets = array("Q")
        self._numbers: dict[str, int] = {}
        self._loaded = False

    @property
    def is_library(self) -> bool:
        """Whether its items are those of a drive."""
        return self.info.get("_drive") is not None

    def load(self) -> None:
        """Read the rows once: where they begin, and their ids."""
        with self.lock:
            if self._loaded:
                return
            offset = 0
            if self._name and not self.is_library:
                with self._path.open("rb") as lines:
                    for n, line in enumerate(lines):
                        self._offsets.append(offset)
                        offset += len(line)
                        self._numbers[str(parse(line)["id"])] = n
            self._offsets.append(offset)
            self.count = len(self._offsets) - 1
            self._base = self.count
            self._loaded = True

    # ------------------------------------------------------------------------------------------------ reading

    def find(self, item_id: str) -> int | None:
        """The number of a live item."""
        self.load()
        n = self._numbers.get(item_id)
        return None if n is None or n in self.gone else n

    def row(self, n: int) -> Row:
        """The row as the truth has it, `_` keys included. Not to be changed: copy it first."""
        self.load()
        changed = self.overlay.get(n)
        if changed is not None:
            return changed
        start = self._offsets[n]
        row: Row = parse(self._files.read(self._name, self._offsets[n + 1] - start, start))
        return row

    def live(self, start: int = 0) -> Iterator[int]:
        """Numbers of the items there are, from `start` on."""
        self.load()
        return (n for n in range(start, self.count) if n not in self.gone)

    @property
    def live_count(self) -> int:
        """Items there are now."""
        self.load()
        return self.count - len(self.gone)

    # ------------------------------------------------------------------------------------------------ changing

    def put(self, n: int, row: Row) -> None:
        """Replace the row of a live item."""
        self.overlay[n] = row

    def add(self, row: Row) -> int:
        """A new item, which gets the next id; returns its number."""
        self.load()
        n, self.count = self.count, self.count + 1
        item_id = str(row.get("id") or max((int(i) for i in self._numbers if i.isdecimal()), default=0) + 1)
        self._numbers[item_id] = n
        self.overlay[n] = {**row, "id": item_id, "fields": {**row["fields"], "id": item_id}}
        return n

    def bring_back(self, item_id: str) -> int | None:
        """A deleted item is there again, as from the recycle bin; its number."""
        self.load()
        n = self._numbers.get(item_id)
        if n is None or n not in self.gone:
            return None
        self.gone.discard(n)
        return n

    def record(self, change: bytes, events: list[Event]) -> None:
        """Write what a change did to the log, and bind it into the chain that tokens refer to."""
        for event in events:
            self.log.append(event)
            self.chain.append(hashlib.sha256(self.chain[-1] + change + repr(event).encode()).digest())


class SiteLists:
    """The lists of one site, libraries among them, in the order of lists.jsonl."""

    def __init__(self, tenant_folder: Path, folder: str, files: FilePool) -> None:
        """folder: of the site, relative to the tenant, as `sites/s0000`."""
        self._tenant_folder, self._files, self.folder = tenant_folder, files, folder
        self.lock = threading.RLock()
        self._lists: dict[str, ListTruth] = {}
        path = tenant_folder / folder / "lists.jsonl"
        if path.exists():
            with path.open("rb") as lines:
                for line in lines:
                    self.add(parse(line))

    def all(self) -> list[ListTruth]:
        """The lists there are now."""
        with self.lock:
            return list(self._lists.values())

    def find(self, name: str) -> ListTruth | None:
        """By id or by display name, without regard to case."""
        wanted = name.strip("{}").lower()
        for one in self.all():
            if wanted in (one.id.lower(), str(one.info.get("displayName")).lower()):
                return one
        return None

    def add(self, info: Row) -> ListTruth:
        """A list."""
        with self.lock:
            found = self._lists[str(info["id"])] = ListTruth(self._tenant_folder, info, self._files)
            return found

    def remove(self, one: ListTruth) -> None:
        """It is deleted, with all in it."""
        with self.lock:
            self._lists.pop(one.id, None)


def attachments_of(row: Row) -> list[Row]:
    """What is attached to an item: {"fileName", "_c"}; a name is there once, the first of it counts."""
    found: dict[str, Row] = {}
    for entry in row.get("_attachments", ()):
        found.setdefault(str(entry["fileName"]).lower(), entry)
    return list(found.values())
