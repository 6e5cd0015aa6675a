"""Puts the certificates of a time stamp into the order that DER asks of a SET.

Rules of this file: pure. openssl, and so many an authority, writes them in the order of its configuration; the parser of
rfc3161-client refuses that. No signature covers the set, and no length changes. Source: RFC 5652 §5.1, X.690 §11.6.
"""

from typing import NamedTuple

_CERTIFICATES = 0xA0


class _Element(NamedTuple):
    """A value of DER. start: of its tag; content: of what is in it; end: behind it."""

    tag: int
    start: int
    content: int
    end: int


def in_set_order(answer: bytes) -> bytes:
    """The same answer of an authority with its certificates sorted; unchanged where there are none.

    Raises: ValueError if it is no such answer.
    """
    try:
        _, token = _children(answer, _element(answer, 0))
        _, wrapped = _children(answer, token)
        (content,) = _children(answer, wrapped)
    except ValueError:
        raise ValueError("it is no answer of a time stamp authority, or one that refuses") from None
    for part in _children(answer, content):
        if part.tag == _CERTIFICATES:
            encoded = sorted(answer[one.start : one.end] for one in _children(answer, part))
            return answer[: part.content] + b"".join(encoded) + answer[part.end :]
    return answer


def _children(data: bytes, parent: _Element) -> list[_Element]:
    found, at = [], parent.content
    while at < parent.end:
        found.append(_element(data, at))
        at = found[-1].end
    if at != parent.end or len(found) < 1:
        raise ValueError("it is no answer of a time stamp authority")
    return found


def _element(data: bytes, at: int) -> _Element:
    try:
        tag, length, content = data[at], data[at + 1], at + 2
        if length > 0x80:
            octets = length & 0x7F
            length, content = int.from_bytes(data[content : content + octets], "big"), content + octets
    except IndexError:
        raise ValueError("it is cut off") from None
    if content + length > len(data) or data[at + 1] == 0x80:
        raise ValueError("it is cut off")
    return _Element(tag, at, content, content + length)
