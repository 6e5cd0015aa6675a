"""The true state of one drive: rows of a file, under an overlay of what has changed since.

Rules of this file: an item is known by its number (its row in items.jsonl; created ones follow); rows stay on disk, memory
holds 40 bytes an item, so that a drive of a million files is served from 40 MB; every change goes through `DriveTruth`'s
own verbs, is written to its log, and moves sizes and child counts with it. A number is never given twice.
Source: reference/tenant-data.md, "Drives".
"""

import hashlib
import threading
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from exporters.rehearsal.content import FilePool
from exporters.rehearsal.documents import Row, parse

_NUMBER_BITS = 24  # 16 million items a drive
_NO_PARENT = -1
Event = tuple[int, Literal["changed", "deleted", "deleted-below"]]


def _id_key(item_id: str) -> int:
    digest = hashlib.blake2b(item_id.encode("utf-8", "surrogatepass"), digest_size=5).digest()
    return int.from_bytes(digest, "big") << _NUMBER_BITS


def is_container(row: Row) -> bool:
    """Whether other items can lie in it: a folder or a package."""
    return "folder" in row or "package" in row


class DriveTruth:
    """One drive. Reads need no lock but `lock` where several must agree; changes take it themselves."""

    def __init__(self, tenant_folder: Path, folder: str, files: FilePool) -> None:
        """folder: relative to the tenant, as `drives/u00000`. Raises FileNotFoundError."""
        self._files, self._name = files, f"{folder}/items.jsonl"
        self.folder = folder
        self.info: Row = parse((tenant_folder / folder / "drive.json").read_bytes())
        self.id: str = self.info["id"]
        self.lock = threading.RLock()
        self.log: list[Event] = []
        self.chain: list[bytes] = [hashlib.sha256(self.id.encode()).digest()]
        self._path = tenant_folder / folder / "items.jsonl"
        self._loaded = False

    # ------------------------------------------------------------------------------------------------ loading

    def load(self) -> None:
        """Read the rows once: offsets, ids, parents, sizes. Called by all that needs them."""
        if self._loaded:
            return
        with self.lock:
            if not self._loaded:
                self._read_rows()
                self._loaded = True

    def _read_rows(self) -> None:
        self.overlay: dict[int, Row] = {}
        self.gone: set[int] = set()
        self.vanished: set[int] = set()  # listed by delta, but 404 since (`_goneAfterListing`)
        self.names: dict[int, str] = {}  # of containers only: enough for any path
        self.sizes: dict[int, int] = {}  # of containers: bytes below
        self.counts: dict[int, int] = {}  # of containers: direct children
        self.root = 0
        self._offsets = array("Q")
        self._new_ids: dict[str, int] = {}
        self.parents = array("l")
        self._children: dict[int, array[int]] | None = None
        keys, parent_ids, own_sizes, containers = array("Q"), [], array("q"), {}
        offset = 0
        with self._path.open("rb") as lines:
            for n, line in enumerate(lines):
                self._offsets.append(offset)
                offset += len(line)
                row = parse(line)
                keys.append(_id_key(row["id"]) | n)
                parent_ids.append(row["parentReference"].get("id"))
                holds = is_container(row)
                own_sizes.append(0 if holds else row.get("size", 0))
                if holds:
                    containers[row["id"]] = n
                    self.names[n] = row["name"]
                if "root" in row:
                    self.root = n
                if row.get("_goneAfterListing"):
                    self.vanished.add(n)
        self._offsets.append(offset)
        self._keys = array("Q", sorted(keys))
        self.base_count = len(parent_ids)
        self._link(parent_ids, containers, own_sizes)

    def _link(self, parent_ids: list[str | None], containers: dict[str, int], own_sizes: "array[int]") -> None:
        self.sizes = dict.fromkeys(self.names, 0)
        self.counts = dict.fromkeys(self.names, 0)
        for n, parent_id in enumerate(parent_ids):
            parent = containers.get(parent_id, _NO_PARENT) if parent_id else _NO_PARENT
            self.parents.append(parent)
            if parent != _NO_PARENT:
                self.counts[parent] += 1
                self.sizes[parent] += own_sizes[n]
        direct = dict(self.sizes)
        for folder, size in direct.items():
            above = self.parents[folder]
            while size and above != _NO_PARENT:
                self.sizes[above] += size
                above = self.parents[above]

    # ------------------------------------------------------------------------------------------------ reading

    @property
    def count(self) -> int:
        """How many numbers have been given, deleted ones included."""
        self.load()
        return len(self.parents)

    @property
    def live_count(self) -> int:
        """Items there are now, the root included."""
        return self.count - len(self.gone)

    def find(self, item_id: str) -> int | None:
        """The number of a live item."""
        self.load()
        if item_id == "root":
            return self.root
        n = self._new_ids.get(item_id)
        if n is not None:
            return None if n in self.gone else n
        key = _id_key(item_id)
        at = bisect_left(self._keys, key)
        while at < len(self._keys) and self._keys[at] >> _NUMBER_BITS == key >> _NUMBER_BITS:
            n = self._keys[at] & ((1 << _NUMBER_BITS) - 1)
            if self.row(n)["id"] == item_id:
                return None if n in self.gone else n
            at += 1
        return None

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
        """Numbers of the items there are, from `start` on, in the order of the rows."""
        self.load()
        return (n for n in range(start, len(self.parents)) if n not in self.gone)

    def children(self, n: int) -> list[int]:
        """Live direct children, in the order of the rows."""
        self.load()
        with self.lock:
            if self._children is None:
                self._children = {}
                for child, parent in enumerate(self.parents):
                    if parent != _NO_PARENT and child not in self.gone:
                        self._children.setdefault(parent, array("l")).append(child)
            return list(self._children.get(n, ()))

    def ancestors(self, n: int) -> list[int]:
        """Numbers of the parent, its parent and so on, up to the root."""
        found = []
        above = self.parents[n]
        while above != _NO_PARENT:
            found.append(above)
            above = self.parents[above]
        return found

    def below(self, n: int) -> list[int]:
        """Every live item under `n`, parents before children."""
        found: list[int] = []
        waiting = self.children(n)
        while waiting:
            child = waiting.pop()
            found.append(child)
            if child in self.names:
                waiting.extend(self.children(child))
        return found

    def path(self, n: int) -> str:
        """The path from the root as it is now; `/` for the root."""
        if n == self.root:
            return "/"
        last = self.names[n] if n in self.names else self.row(n)["name"]
        parts = [self.names[above] for above in self.ancestors(n) if above != self.root]
        return "/" + "/".join([*reversed(parts), last])

    def size(self, n: int, row: Row) -> int:
        """What the service says of its size: of containers the sum of what is below."""
        return self.sizes[n] if n in self.sizes else int(row.get("size", 0))

    # ------------------------------------------------------------------------------------------------ changing

    def put(self, n: int, row: Row) -> None:
        """Replace the row of a live item; its place stays. Moves sizes along, writes no log."""
        with self.lock:
            grown = 0 if n in self.sizes else int(row.get("size", 0)) - int(self.row(n).get("size", 0))
            self.overlay[n] = row
            if n in self.names:
                self.names[n] = row["name"]
            self._grow(self.parents[n], grown)

    def add(self, row: Row, parent: int) -> int:
        """A new item in the container `parent`; returns its number. Writes no log."""
        with self.lock:
            self.load()
            n = len(self.parents)
            self.parents.append(parent)
            self.overlay[n] = row
            self._new_ids[row["id"]] = n
            if is_container(row):
                self.names[n], self.sizes[n], self.counts[n] = row["name"], 0, 0
            self._attach(n, parent, 0 if n in self.sizes else int(row.get("size", 0)))
            return n

    def move(self, n: int, parent: int) -> None:
        """Hang a live item under another container. Raises ValueError for a place inside of itself."""
        with self.lock:
            if parent == n or n in self.ancestors(parent):
                raise ValueError("a folder cannot move into itself")
            size = self.size(n, self.row(n))
            self._detach(n, size)
            self.parents[n] = parent
            self._attach(n, parent, size)

    def remove(self, n: int) -> list[int]:
        """Delete a live item with all below it; returns the numbers below. Writes no log."""
        with self.lock:
            below = self.below(n)
            self._detach(n, self.size(n, self.row(n)))
            self.gone.add(n)
            self.gone.update(below)
            return below

    def record(self, change: bytes, events: list[Event]) -> None:
        """Write what a change did to the log, and bind it into the chain that tokens refer to."""
        with self.lock:
            for event in events:
                self.log.append(event)
                self.chain.append(hashlib.sha256(self.chain[-1] + change + repr(event).encode()).digest())

    def _attach(self, n: int, parent: int, size: int) -> None:
        self.counts[parent] += 1
        self._grow(parent, size)
        if self._children is not None:
            self._children.setdefault(parent, array("l")).append(n)

    def _detach(self, n: int, size: int) -> None:
        parent = self.parents[n]
        self.counts[parent] -= 1
        self._grow(parent, -size)
        if self._children is not None:
            self._children[parent].remove(n)

    def _grow(self, folder: int, size: int) -> None:
        while size and folder != _NO_PARENT:
            self.sizes[folder] += size
            folder = self.parents[folder]


def content_of(row: Row, version: str | None = None) -> dict[str, Any] | None:
    """The content reference of an item, or of one of its earlier versions; None if there is none."""
    if version is None:
        return row.get("_c")
    for entry in row.get("_versions", ()):
        if entry["id"] == version:
            reference: dict[str, Any] | None = entry.get("_c")
            return reference
    return None
