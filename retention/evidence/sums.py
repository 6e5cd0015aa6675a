"""Lines of `sha256sum`: of SHA256SUMS, and of the manifests of bags.

Rules of this file: pure. Source: design §8; RFC 8493 §2.1.3.
"""

import re
from collections.abc import Iterable, Iterator

_LINE = re.compile(rb"([0-9a-f]{64})  ([^\n]+)\n")


def sums_of(data: bytes) -> dict[str, str]:
    """{name: SHA-256} of a small list. Raises: ValueError if it is none, or names a file twice."""
    found: dict[str, str] = {}
    for name, sha256 in lines_of([data]):
        if name in found:
            raise ValueError(f"it names {name} twice")
        found[name] = sha256
    return found


def lines_of(chunks: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """(name, SHA-256) of each line of a long list, as it is read. Raises: ValueError if a line is none."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (_parsed(line) for line in whole)
    if rest:
        raise ValueError("its last line is cut off")


def _parsed(line: bytes) -> tuple[str, str]:
    match = _LINE.fullmatch(line + b"\n")
    if match is None:
        raise ValueError("a line of it is no `<SHA-256>  <name>`")
    return match[2].decode(), match[1].decode()
