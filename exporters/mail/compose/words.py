"""Encoded words of headers (RFC 2047) to text, well-formed or not, and folded lines to one.

Rules of this file: linear, never raises, cheap for the header that has neither encoded words nor 8-bit bytes (nearly all).
Bytes of neighbouring words of one character set are joined before they are decoded: senders cut in the middle of letters.
A word that cannot be decoded stays as it is written. Values are headers as `email` gives them (surrogate escapes).
Source: RFC 2047 section 6.2; RFC 2231 section 5 (language); reference/mapi-mapping.md §1.1.
"""

import binascii
import re

from exporters.mail.compose.charsets import codec, decode, storable, unescaped
from exporters.mail.compose.losses import Losses

# The text may hold any "?" and "=" but for the beginning of another word: so an unfinished word costs no second look
WORD = re.compile(r"=\?([^?\s]{1,80})\?([bBqQ])\?([^?=]*(?:(?:=(?!\?(?!=))|\?(?!=))[^?=]*)*)\?=")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")


def unfolded(value: str) -> str:
    """The value on one line; the blank that a folded line begins with stays."""
    if "\n" in value or "\r" in value:
        return value.replace("\r", "").replace("\n", "")
    return value


def text_of(value: str, losses: Losses, where: str) -> str:
    """An unstructured header (or a display name, or a comment) as people read it; storable."""
    value = unfolded(value)
    if "=?" in value:
        value = _decoded(value, losses, where)
    elif value.isascii():
        return value if "\0" not in value else storable(value, losses, where)
    else:
        value = unescaped(value)
    return storable(value, losses, where)


def _decoded(value: str, losses: Losses, where: str) -> str:
    out: list[str] = []
    pending: list[bytes] = []  # bytes of words of one character set
    label = ""
    end = 0
    for match in WORD.finditer(value):
        between = value[end : match.start()]
        data = _bytes(match)
        if data is None:
            continue
        adjacent = bool(pending) and not between.strip()
        if pending and not (adjacent and match[1].lower() == label):
            out.append(decode(b"".join(pending), label, losses, where))
            pending = []
        if not adjacent:
            out.append(unescaped(between))
        label = match[1].lower()
        pending.append(data)
        end = match.end()
    if pending:
        out.append(decode(b"".join(pending), label, losses, where))
    out.append(unescaped(value[end:]))
    return "".join(out)


def _bytes(match: re.Match[str]) -> bytes | None:
    if codec(match[1]) is None and match[1].lower() not in ("unknown-8bit", "x-unknown", "unknown", "default"):
        return None  # not even a name: more likely text that looks like a word
    data = match[3].encode("utf-8", "surrogateescape")
    if match[2] in "qQ":
        return binascii.a2b_qp(data, header=True)
    data = _NOT_BASE64.sub(b"", data)
    if len(data) % 4 == 1:
        data = data[:-1]
    return binascii.a2b_base64(data + b"=" * (-len(data) % 4))
