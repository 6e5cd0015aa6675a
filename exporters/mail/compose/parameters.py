"""Content-Type, Content-Disposition and their parameters (RFC 2045, RFC 2231), as mails write them.

Rules of this file: linear in the length of the header (`email` is not, on quoted semicolons), never raises. What is plain is
read as `email` reads it; of a name given plainly and by RFC 2231 the latter counts. Encoded words in values are decoded though
RFC 2047 forbids them: most mail programs write them. Source: RFC 2231 sections 3 to 5; reference/mapi-mapping.md §1.7 (names).
"""

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from exporters.mail.compose.charsets import decode
from exporters.mail.compose.losses import Losses
from exporters.mail.compose.words import text_of, unfolded

_PARAMETER = re.compile(
    r""";\s*([^\s=;"]+)\s*=\s*
    ("(?:[^"\\]|\\.)*" | "[^"]*\Z | (?:=\?[^?\s;]+\?[bBqQ]\?[^?]*\?=\s*)+ | [^;]*)""",
    re.VERBOSE | re.DOTALL,
)
_SECTION = re.compile(r"([^*]+)\*(\d{1,6})?(\*)?\Z")
_CACHED = 400  # characters of a header worth keeping


class Extended(NamedTuple):
    """A value by RFC 2231: its bytes and the character set that it names ("" if none)."""

    data: bytes
    charset: str


class Parsed(NamedTuple):
    """A header with parameters: what stands before them, lower case; the parameters by lower-case name, as written."""

    head: str
    parameters: dict[str, str | Extended]

    def text(self, name: str, losses: Losses, where: str) -> str:
        """A parameter as people read it; "" if it is not there."""
        value = self.parameters.get(name, "")
        if isinstance(value, Extended):
            return decode(value.data, value.charset, losses, where)
        return text_of(value, losses, where)

    def plain(self, name: str) -> str:
        """A parameter that is a token (charset, boundary, method), or "" if it is not there."""
        value = self.parameters.get(name, "")
        return (value.data.decode("ascii", "replace") if isinstance(value, Extended) else value).strip()


def parse(value: str) -> Parsed:
    """The header's value and parameters. The result is shared: do not change it."""
    return _cached(value) if len(value) <= _CACHED else _parsed(value)


@lru_cache(maxsize=1024)
def _cached(value: str) -> Parsed:
    return _parsed(value)


def _parsed(value: str) -> Parsed:
    value = unfolded(value)
    head, semicolon, rest = value.partition(";")
    found: dict[str, str | Extended] = {}
    sections: dict[str, list[tuple[int, bool, str]]] = {}
    if semicolon:
        for match in _PARAMETER.finditer(";" + rest):
            name, text = match[1].lower(), _unquoted(match[2].strip())
            section = _SECTION.match(name) if "*" in name else None
            if section is None:
                found.setdefault(name, text)
            else:
                extended = section[3] is not None or section[2] is None
                sections.setdefault(section[1], []).append((int(section[2] or 0), extended, text))
    for name, parts in sections.items():
        found[name] = _joined(parts)
    return Parsed(head.strip().lower(), found)


def _unquoted(text: str) -> str:
    if text[:1] != '"':
        return text
    text = text[1:-1] if len(text) > 1 and text[-1] == '"' else text[1:]
    return text.replace('\\"', '"').replace("\\\\", "\\") if "\\" in text else text


def _joined(parts: list[tuple[int, bool, str]]) -> str | Extended:
    parts.sort(key=lambda part: part[0])
    if not any(extended for _, extended, _ in parts):
        return "".join(text for _, _, text in parts)
    charset = ""
    first = parts[0][2]
    if parts[0][1] and first.count("'") >= 2:
        charset, _, first = first.split("'", 2)
        parts[0] = 0, True, first
    pieces = []
    for _, extended, text in parts:
        data = text.encode("utf-8", "surrogateescape")
        pieces.append(unquote_to_bytes(data) if extended else data)
    return Extended(b"".join(pieces), charset)
