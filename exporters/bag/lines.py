"""Lines of an object, streamed.

Rules of this file: no more than a chunk and a line are held; a digest can be taken on the way.
"""

from collections.abc import Iterator

from exporters.bag.digests import Hashed
from exporters.store.protocol import Store


def read_lines(store: Store, key: str, hashed: Hashed | None = None) -> Iterator[bytes]:
    """Yield the lines of `key` without their newlines; `hashed` takes the digest of the whole in passing.

    Raises: ObjectMissingError.
    """
    rest = b""
    with store.open(key) as chunks:
        for chunk in chunks:
            if hashed is not None:
                hashed.update(chunk)
            lines = (rest + chunk).split(b"\n")
            rest = lines.pop()
            yield from lines
    if rest:
        yield rest
