"""Cutting a stream into the parts of a multipart upload.

Rules of this file: no network; memory is one part that is being filled. Source: design §4 (part size), S3 limits:
10,000 parts of 5 MiB to 5 GiB, the last may be smaller; 5 TiB in all.
"""

import base64
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from exporters.store.errors import DigestMismatchError, ObjectTooLargeError, SourceLengthError

MIB = 1 << 20
SMALLEST_PART = 8 * MIB
LARGEST_OBJECT = 5 << 40
_PARTS_WANTED = 9_000
_PARTS_PER_SIZE = 1_000


def part_bytes(size: int | None, number: int) -> int:
    """Length of part `number` (from 1) of an object of `size` bytes (None: unknown).

    Known: max(8 MiB, size / 9,000), rounded up to whole MiB, alike for all parts. Unknown: 8 MiB, doubled after each
    1,000 parts, so that 10,000 parts hold 8 TB.
    """
    if size is None:
        return SMALLEST_PART << ((number - 1) // _PARTS_PER_SIZE)
    per_part = -(-size // _PARTS_WANTED)
    return max(SMALLEST_PART, -(-per_part // MIB) * MIB)


class Measured:
    """Chunks as they pass, with their length and SHA-256.

    Raises SourceLengthError as soon as too much came, ObjectTooLargeError as soon as more is announced or came than S3 takes.
    """

    def __init__(self, key: str, content: bytes | Iterable[bytes], size: int | None) -> None:
        self._key = key
        self._content = content
        self._size = size
        self._digest = hashlib.sha256()
        self.length = 0
        self._refuse_too_large(size or 0)

    def __iter__(self) -> Iterator[bytes | memoryview]:
        if isinstance(self._content, bytes):
            self._take(self._content)
            yield self._content
            return
        for chunk in self._content:
            self._take(chunk)
            yield chunk

    def _take(self, chunk: bytes) -> None:
        self.length += len(chunk)
        if self._size is not None and self.length > self._size:
            raise SourceLengthError(self._key, self._size, self.length)
        self._refuse_too_large(self.length)
        self._digest.update(chunk)

    def _refuse_too_large(self, length: int) -> None:
        if length > LARGEST_OBJECT:
            raise ObjectTooLargeError(self._key, length, LARGEST_OBJECT, "an object in S3")

    def check(self, sha256: str | None) -> str:
        """Return the SHA-256 of all. Raises: SourceLengthError, DigestMismatchError."""
        if self._size is not None and self.length != self._size:
            raise SourceLengthError(self._key, self._size, self.length)
        found = self._digest.hexdigest()
        if sha256 is not None and found != sha256:
            raise DigestMismatchError(self._key, sha256, found)
        return found


def blocks(chunks: Iterable[bytes | memoryview], size: int | None) -> Iterator[bytes]:
    """Yield blocks of `part_bytes` each, the last shorter; one empty block if there is nothing.

    A block is the receiver's own: nothing here holds or changes it afterwards.
    """
    number = 1
    held = io.BytesIO()  # gives up its own buffer, where joining chunks would hold a part twice
    length, wanted = 0, part_bytes(size, number)
    for chunk in chunks:
        rest = memoryview(chunk)
        while len(rest) > 0:
            if length == wanted:
                full = held.getvalue()
                held, length = io.BytesIO(), 0
                yield full
                del full
                number += 1
                wanted = part_bytes(size, number)
            taken = rest[: wanted - length]
            held.write(taken)
            length += len(taken)
            rest = rest[len(taken) :]
    yield held.getvalue()


def checksum(digest: bytes) -> str:
    """A digest as S3 writes it: base64."""
    return base64.b64encode(digest).decode()


def checksum_of_parts(digests: Iterable[bytes]) -> str:
    """What S3 gives as SHA-256 of an object in parts: the digest of the parts' digests, and their number."""
    all_digests = list(digests)
    return f"{checksum(hashlib.sha256(b''.join(all_digests)).digest())}-{len(all_digests)}"


def version_of(answer: Mapping[str, Any]) -> str | None:
    """The version id of an answer; `null`, which is what a bucket without versions may say, is none."""
    version = answer.get("VersionId")
    return None if version in {None, "null"} else str(version)


def sha256_of(answer: Mapping[str, Any]) -> str | None:
    """The SHA-256 of a whole object as the store keeps it, in hex; None for objects in parts (digest of digests)."""
    told = str(answer.get("ChecksumSHA256") or "")
    if not told or "-" in told or "-" in str(answer.get("ETag", "")):
        return None
    return base64.b64decode(told).hex()
