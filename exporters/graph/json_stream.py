"""JSON that is too large to be held: read from beginning to end, value by value.

Rules of this file: one document, each byte once; what is not JSON is an error, also behind the end; small values are bounded,
long texts come in pieces. Only what `exported` needs of RFC 8259 is here: texts in pieces are ASCII.

Source: RFC 8259; reference graph.md 4.3 (size).
"""

import re
from collections.abc import Iterator
from typing import Any

from exporters.graph.answers import parse_json
from exporters.graph.errors import MalformedAnswerError

_SPACE = b" \t\r\n"
_STRUCTURE = re.compile(rb'["{}\[\]]')
_TEXT = re.compile(rb'["\\]')
_SCALAR_END = re.compile(rb"[,\]}\s]")
_ESCAPES = {0x22: b'"', 0x5C: b"\\", 0x2F: b"/", 0x62: b"\b", 0x66: b"\f", 0x6E: b"\n", 0x72: b"\r", 0x74: b"\t"}
MOST_BYTES = 1 << 20


class JsonStream:
    """The document in `chunks`. Methods raise MalformedAnswerError, and what the chunks raise."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._data, self._at = b"", 0

    def peek(self) -> bytes:
        """The next byte that is no space, which stays; empty at the end."""
        while True:
            while self._at < len(self._data):
                byte = self._data[self._at : self._at + 1]
                if byte not in _SPACE:
                    return byte
                self._at += 1
            if not self._more():
                return b""

    def members(self) -> Iterator[str]:
        """The names of an object's members, in order; each value MUST be read before the next name."""
        self._expect(b"{")
        if self.peek() == b"}":
            self._at += 1
            return
        while True:
            if self.peek() != b'"':
                raise _no_json()
            name = self.value()
            self._expect(b":")
            yield str(name)
            if self._expect(b",}") == b"}":
                return

    def elements(self) -> Iterator[None]:
        """Once for each element of an array, which MUST be read before the next."""
        self._expect(b"[")
        if self.peek() == b"]":
            self._at += 1
            return
        while True:
            yield None
            if self._expect(b",]") == b"]":
                return

    def value(self, most: int = MOST_BYTES) -> Any:
        """A whole value of at most so many bytes."""
        first = self.peek()
        if first == b'"':
            raw = self._raw_text(most)
        elif first in (b"{", b"["):
            raw = self._raw_structure(most)
        else:
            raw = self._until(_SCALAR_END, most)
        value = parse_json(raw)
        if value is None and raw != b"null":
            raise _no_json()
        return value

    def pieces(self) -> Iterator[bytes]:
        """A text in pieces, escapes undone."""
        self._expect(b'"')
        while True:
            found = _TEXT.search(self._data, self._at)
            end = len(self._data) if found is None else found.start()
            if end > self._at:
                piece, self._at = self._data[self._at : end], end
                yield piece
            if found is None:
                if not self._more():
                    raise _no_json()
                continue
            self._at += 1
            if found[0] == b'"':
                return
            yield self._escape()

    def finish(self) -> None:
        """Nothing may follow."""
        if self.peek():
            raise _no_json()

    def _escape(self) -> bytes:
        self._need(1)
        letter = self._data[self._at]
        self._at += 1
        if letter != 0x75:
            if letter not in _ESCAPES:
                raise _no_json()
            return _ESCAPES[letter]
        self._need(4)
        digits, self._at = self._data[self._at : self._at + 4], self._at + 4
        if re.fullmatch(rb"[0-9A-Fa-f]{4}", digits) is None:
            raise _no_json()
        return chr(int(digits, 16)).encode("utf-8", "surrogatepass")

    def _raw_text(self, most: int) -> bytes:
        """With its quotes and escapes."""
        parts, size = [b'"'], 0
        self._at += 1
        while True:
            found = _TEXT.search(self._data, self._at)
            end = len(self._data) if found is None else found.end()
            if found is not None and found[0] == b"\\":
                length = end - self._at + 1
                self._need(length)
                end = self._at + length
            parts.append(self._data[self._at : end])
            size, self._at = size + end - self._at, end
            if size > most:
                raise _too_long()
            if found is not None and found[0] == b'"':
                return b"".join(parts)
            if found is None and not self._more():
                raise _no_json()

    def _raw_structure(self, most: int) -> bytes:
        parts: list[bytes] = []
        depth = size = 0
        while True:
            found = _STRUCTURE.search(self._data, self._at)
            end = len(self._data) if found is None else found.start()
            parts.append(self._data[self._at : end])
            self._at = end
            if found is not None and found[0] == b'"':
                parts.append(self._raw_text(most))
            elif found is not None:
                parts.append(found[0])
                self._at += 1
                depth += 1 if found[0] in (b"{", b"[") else -1
            size += sum(map(len, parts[-2:]))
            if size > most:
                raise _too_long()
            if found is not None and not depth:
                return b"".join(parts)
            if found is None and not self._more():
                raise _no_json()

    def _until(self, pattern: re.Pattern[bytes], most: int) -> bytes:
        parts: list[bytes] = []
        while True:
            found = pattern.search(self._data, self._at)
            end = len(self._data) if found is None else found.start()
            parts.append(self._data[self._at : end])
            self._at = end
            if sum(map(len, parts)) > most:
                raise _too_long()
            if found is not None or not self._more():
                return b"".join(parts)

    def _expect(self, any_of: bytes) -> bytes:
        byte = self.peek()
        if not byte or byte not in any_of:
            raise _no_json()
        self._at += 1
        return byte

    def _need(self, count: int) -> None:
        while len(self._data) - self._at < count:
            rest = self._data[self._at :]
            if not self._more():
                raise _no_json()
            self._data, self._at = rest + self._data, 0

    def _more(self) -> bool:
        """The next chunk in place of the one that is used up."""
        self._data, self._at = next((chunk for chunk in self._chunks if chunk), b""), 0
        return bool(self._data)


def _no_json() -> MalformedAnswerError:
    return MalformedAnswerError(
        "The service answered with something that is not the JSON it should be.",
        code="malformed",
        action="Run again; if it stays, check for a proxy that answers in the service's place.",
    )


def _too_long() -> MalformedAnswerError:
    return MalformedAnswerError("The service answered with a value that is too long.", code="malformed")
