"""Digests of bytes on their way to the store.

Rules of this file: the SHA-256 of the bytes received is the record; hashing happens on the fly, nothing is read twice.
"""

import hashlib
from collections.abc import Iterable, Iterator

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


class Hashed:
    """Chunks as they pass by: `sha256` and `size` are right once the iteration has ended."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self._digest = hashlib.sha256()
        self.size = 0

    @staticmethod
    def of(data: bytes) -> str:
        """SHA-256 of bytes at hand: 64 hex digits."""
        return hashlib.sha256(data).hexdigest()

    def update(self, chunk: bytes) -> None:
        """Take in a chunk that somebody else iterates."""
        self._digest.update(chunk)
        self.size += len(chunk)

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.update(chunk)
            yield chunk

    def drain(self) -> "Hashed":
        """Read to the end, keeping nothing."""
        for _ in self:
            pass
        return self

    @property
    def sha256(self) -> str:
        """64 hex digits of what has passed by so far."""
        return self._digest.hexdigest()
