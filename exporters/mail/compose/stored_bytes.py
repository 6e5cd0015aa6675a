"""Bytes of the bag that a message needs, read when the writer asks for them.

Rules of this file: no I/O of its own. Source: docs/formats.md (bag of a mailbox: attachments, photos).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

OpenBytes: TypeAlias = Callable[[str], Iterable[bytes]]
"""Gives the bytes of the object with this key, in pieces."""


class Stored:
    """The bytes of a key, opened anew each time that they are asked for."""

    def __init__(self, open_bytes: OpenBytes, key: str) -> None:
        self._open_bytes, self._key = open_bytes, key

    def __iter__(self) -> Iterator[bytes]:
        yield from self._open_bytes(self._key)
