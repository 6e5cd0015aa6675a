"""Many small files of a folder store, and many lines, looked at in one step.

Rules of this file: says what is not proven, never why: whoever gets an index looks at that object again, by the way that knows
all errors. Runs in a process of its own, so it imports little. Source: design §6 (levels), §9.
"""

import hashlib
import os
import stat
from collections.abc import Callable
from typing import Any

from exporters.bag.verify_derive import CONFLICT
from exporters.bag.verify_segments import digest_of
from exporters.store.local import LocalReader

CHUNK_BYTES = 1 << 20
_EMPTY = hashlib.sha256().hexdigest().encode()


def prove_files(_: object, root: str, bag: bytes, keys: list[bytes], sizes: list[int], facts: list[bytes]) -> list[int]:
    """Read each file; return the indices of those that are not proven to have the size and the SHA-256 of their facts."""
    doubtful = []
    with LocalReader(root) as reader:
        for n, (key, size, fact) in enumerate(zip(keys, sizes, facts, strict=True)):
            sha256, _, _, conflict = fact.split(b"\0")
            if conflict == CONFLICT or not _has(reader, bag + key, size, sha256):
                doubtful.append(n)
    return doubtful


def _has(reader: LocalReader, key: bytes, size: int, sha256: bytes) -> bool:
    try:
        file = reader.open(key)
    except OSError:
        return False
    try:
        # One byte more than it should have: so a longer file is seen, and a short one takes a single read.
        data = os.read(file, min(size, CHUNK_BYTES) + 1)
        digest, length = hashlib.sha256(data), len(data)
        while data and length <= size and length > CHUNK_BYTES:
            data = os.read(file, CHUNK_BYTES)
            digest.update(data)
            length += len(data)
        if length == 0 and not stat.S_ISREG(os.fstat(file).st_mode):
            return False
    except OSError:
        return False
    finally:
        os.close(file)
    return length == size and digest.hexdigest().encode() == sha256


def look_at_files(
    _: object, root: str, bag: bytes, keys: list[bytes], sizes: list[int], facts: list[bytes]
) -> list[int]:
    """Look at the size of each file; return the indices of those that have not the size of their row."""
    doubtful = []
    with LocalReader(root) as reader:
        for n, (key, size, fact) in enumerate(zip(keys, sizes, facts, strict=True)):
            sha256, _, _, conflict = fact.split(b"\0")
            try:
                found = reader.facts(bag + key)
            except OSError:
                doubtful.append(n)
                continue
            right = stat.S_ISREG(found.st_mode) and found.st_size == size and (size > 0 or sha256 == _EMPTY)
            if conflict == CONFLICT or not right:
                doubtful.append(n)
    return doubtful


def digest_lines(_: object, lines: bytes) -> bytes:
    """The digests of lines, one after the other, 16 bytes each; one without its newline has another than with it."""
    *whole, rest = lines.split(b"\n")
    return b"".join([*map(digest_of, whole), *([digest_of(rest + b" without its newline")] if rest else [])])


FILE_STEPS: dict[str, Callable[..., Any]] = {step.__name__: step for step in (prove_files, look_at_files, digest_lines)}
"""What a process can be asked for by name."""
