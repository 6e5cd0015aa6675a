"""Heads of answers, read without the standard library's parser for mail, which takes a tenth of the CPU of small files.

Rules of this file: it says what the standard library would say, and whatever is not a plain line of a name and a value goes
to that; the limits of a head are the standard library's too.
Source: RFC 9112 §5; `email.parser`, `http.client`; docs/decisions/0036.
"""

import email.parser
import http.client
import re
from types import FunctionType
from typing import Any

_PLAIN = re.compile(rb"([!-9;-~]+):[ \t]*([!-~](?:[\t -~]*))?\r?\n")
_NESTED = ("multipart/", "message/")
"""Types of content that the parser for mail looks into, and finds fault with."""
_read_lines = http.client._read_headers  # type: ignore[attr-defined]


def parse_headers(file: Any, **limits: Any) -> http.client.HTTPMessage:
    """As `http.client.parse_headers`. limits: what later versions of Python pass on. Raises: HTTPException."""
    lines: list[bytes] = _read_lines(file, **limits)
    message = http.client.HTTPMessage()
    for line in lines[:-1]:
        plain = _PLAIN.fullmatch(line)
        if plain is None:
            return _as_mail(lines)
        name, value = plain[1].decode("ascii"), (plain[2] or b"").decode("ascii")
        if name.lower() == "content-type" and value.lower().startswith(_NESTED):
            return _as_mail(lines)
        message.set_raw(name, value)
    if lines[-1] not in (b"\r\n", b"\n"):  # the peer closed in the middle of the head
        return _as_mail(lines)
    message.set_payload("")
    return message


def _as_mail(lines: list[bytes]) -> http.client.HTTPMessage:
    text = b"".join(lines).decode("iso-8859-1")
    return email.parser.Parser(_class=http.client.HTTPMessage).parsestr(text)


begin = FunctionType(
    http.client.HTTPResponse.begin.__code__, {**vars(http.client), "parse_headers": parse_headers}, "begin"
)
"""`HTTPResponse.begin` of this version of Python, but for the function by which it reads headers: it has no other way in."""
