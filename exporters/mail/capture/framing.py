"""The outside of a stream of `exportItems`: whether its container is whole, and the version of the server that wrote it.

Rules of this file: what the container says is all that is looked at; what is in the stream is read when a PST is made of it. A
container that breaks off is told now, while the item can be asked for again. Source: graph.md §4.6.
"""

import struct
from typing import IO

_HEAD = struct.Struct("<II")
_CONFIG, _VERSION, _TRANSFER_BUFFER = 1, 4, 2
_VERSION_BYTES = 6


class BrokenContainerError(ValueError):
    """The bytes are no container, or one that breaks off."""


def version_of(file: IO[bytes]) -> list[int] | None:
    """Three numbers as they stand in the container, None if it does not say. Raises: BrokenContainerError."""
    end = file.seek(0, 2)
    at, is_first, has_stream = 0, True, False
    version: list[int] | None = None
    while at < end:
        file.seek(at)
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            raise BrokenContainerError("it ends in the head of a record")
        opcode, length = _HEAD.unpack(head)
        at += _HEAD.size + length
        if at > end:
            raise BrokenContainerError("it ends in a record")
        if is_first and opcode != _CONFIG:
            raise BrokenContainerError("it does not begin as a container does")
        if opcode == _VERSION and length == _VERSION_BYTES:
            version = list(struct.unpack("<3H", file.read(length)))
        has_stream = has_stream or (opcode == _TRANSFER_BUFFER and length > 0)
        is_first = False
    if not has_stream:
        raise BrokenContainerError("there is no stream in it")
    return version
