"""Bytes of content references: a slice of a pack file, or a recipe for endless pseudo-random tiles.

Rules of this file: any range can be read at once and from many threads; nothing holds a whole content.
Source: reference/tenant-data.md, "Contents".
"""

import hashlib
import os
import struct
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TILE = 54_720
PIECE = 128 * 1024
_SEEDS_KEPT = 256
_FILES_KEPT = 128


class ContentError(Exception):
    """A content reference that this tenant cannot serve: unknown kind, or a pack that is missing or too short."""


class Tile:
    """The tile of one recipe; tile i is the number i in 8 bytes, big-endian, then `tail`."""

    def __init__(self, recipe: str, length: int) -> None:
        size = min(TILE, max(length, 8))
        self.tail = hashlib.shake_256(b"tile1:" + recipe.encode("utf-8", "surrogatepass")).digest(size)[8:]

    def read(self, start: int, count: int) -> bytes:
        """`count` bytes from `start`, as if the content never ended."""
        parts = []
        while count > 0:
            index, at = divmod(start, TILE)
            part = (struct.pack(">Q", index) + self.tail)[at : at + count]
            parts.append(part)
            start += len(part)
            count -= len(part)
        return b"".join(parts)


class FilePool:
    """Reads ranges of files of one folder; keeps the latest 128 open. Safe from many threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._open: OrderedDict[str, int] = OrderedDict()
        self._closed = False

    def read(self, name: str, count: int, offset: int) -> bytes:
        """At most `count` bytes. Raises ContentError for a name outside of the folder, OSError."""
        # Held while reading: another thread could close the oldest file between the look-up and the read.
        with self._lock:
            handle = self._open.get(name)
            if handle is None:
                handle = self._add(name)
            else:
                self._open.move_to_end(name)
            return os.pread(handle, count, offset)

    def _add(self, name: str) -> int:
        if self._closed:
            raise OSError("the tenant has been closed")
        path = (self._folder / name).resolve()
        if not path.is_relative_to(self._folder.resolve()):
            raise ContentError(f"the file {name} lies outside of the tenant")
        handle = self._open[name] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        if len(self._open) > _FILES_KEPT:
            os.close(self._open.popitem(last=False)[1])
        return handle

    def close(self) -> None:
        """Close them all; nothing is read from then on. Twice is as once."""
        with self._lock:
            self._closed = True
            while self._open:
                os.close(self._open.popitem()[1])


class ContentReader:
    """Reads content references of one tenant folder. Safe from many threads."""

    def __init__(self, folder: Path) -> None:
        self.files = FilePool(folder)
        self._lock = threading.Lock()
        self._tiles: OrderedDict[tuple[str, int], Tile] = OrderedDict()

    def read(self, reference: dict[str, Any], start: int, count: int) -> bytes:
        """Up to `count` bytes from `start`; less only at the end of the content. Raises ContentError."""
        length = int(reference["len"])
        count = max(0, min(count, length - start))
        if "gen" in reference:
            return self._tile(str(reference["gen"]), length).read(start, count)
        if "pack" not in reference:
            raise ContentError(f"a content reference of an unknown kind: {sorted(reference)}")
        data = self.files.read(str(reference["pack"]), count, int(reference["off"]) + start)
        if len(data) != count:
            raise ContentError(f"{reference['pack']} is shorter than its rows say")
        return data

    def pieces(self, reference: dict[str, Any], start: int, end: int) -> Iterator[bytes]:
        """The bytes [start, end) in pieces of at most 128 KiB."""
        while start < end:
            piece = self.read(reference, start, min(PIECE, end - start))
            if not piece:
                return
            start += len(piece)
            yield piece

    def close(self) -> None:
        """Close the pack files. Twice is as once."""
        self.files.close()

    def _tile(self, recipe: str, length: int) -> Tile:
        key = (recipe, min(length, TILE))
        with self._lock:
            found = self._tiles.get(key)
            if found is not None:
                self._tiles.move_to_end(key)
                return found
        made = Tile(recipe, length)
        with self._lock:
            self._tiles[key] = made
            if len(self._tiles) > _SEEDS_KEPT:
                self._tiles.popitem(last=False)
        return made
