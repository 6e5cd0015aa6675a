"""MIME to a tree of parts, by the standard library's parser, and where each part stands in the bytes.

Rules of this file: the structure is what `email` (policy compat32) says, on broken mails too: others will compare with it. Added
are only speed (the first field of each name and the content type are looked up once; the lines of a body are taken together;
boundaries are compared and not compiled), a bound on depth (the parser recurses, and asks every enclosing multipart about every
line), and the places of parts, found by a second parse when somebody asks. An Entity is read, never changed. Source: CPython
Lib/email/feedparser.py 3.11 to 3.14 (`_new_message`, `_parse_headers`, `_parsegen`, `_pop_message`, `_input`, `_msgstack` and
those of its lines are its inner names); reference/dependencies.md §3.
"""

import re
from email.errors import MissingHeaderBodySeparatorDefect
from email.feedparser import BufferedSubFile, FeedParser  # type: ignore[attr-defined]
from email.message import Message
from email.policy import Compat32, compat32
from itertools import islice
from mmap import MADV_DONTNEED, mmap
from typing import TYPE_CHECKING, Any

from exporters.mail.compose.boundaries import Boundary, quick
from exporters.mail.compose.parameters import Parsed, parse

Raw = bytes | mmap
"""The bytes of a mail: in memory, or (a long one) in a file that is mapped: what was parsed of that need not stay in memory."""
MAX_NESTING = 160  # parts inside each other: far below the interpreter's limit of recursion
_SLICE = 1 << 22
_LONG = 2000  # characters of a Content-Type that `email` may split (quadratic on quoted semicolons)
_BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r(?!\n))")
_HEADER_LINE = re.compile(rb"(?:From |[\x21-\x39\x3b-\x7e]*:|[\t ])")
_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\n|\r|\Z)")
_POLICY: Any = compat32  # the stubs know it only for plain messages


class TooDeep(Exception):
    """Parts inside each other beyond MAX_NESTING; caught in this module and by those who parse again."""


class Entity(Message):
    """A message or part. `fields`: the first header of each lower-case name, raw; `repeated`: names that occur twice;
    `number`: its place in order of parsing."""

    def __init__(self, policy: Compat32 = compat32) -> None:
        super().__init__(policy)
        self.fields: dict[str, str] = {}
        self.repeated: set[str] = set()
        self.number = 0
        self._kind: str | None = None

    def set_raw(self, name: str, value: str) -> None:
        self._headers.append((name, value))  # type: ignore[attr-defined]
        lower = name.lower()
        if lower in self.fields:
            self.repeated.add(lower)
        else:
            self.fields[lower] = value

    def get(self, name: str, failobj: Any = None) -> Any:
        """Like Message.get, without going through all headers."""
        value = self.fields.get(name.lower())
        if value is None:
            return failobj
        return value if value.isascii() else self.policy.header_fetch_parse(name, value)

    def get_content_type(self) -> str:
        """Like Message.get_content_type; asked for by the parser six times per part."""
        if self._kind is None:
            value = self.fields.get("content-type")
            if value is None:
                return self.get_default_type()
            kind = value.partition(";")[0].strip().lower()
            self._kind = kind if kind.count("/") == 1 else "text/plain"
        return self._kind

    def get_boundary(self, failobj: Any = None) -> Any:
        """Like Message.get_boundary, but linear."""
        if len(self.fields.get("content-type", "")) <= _LONG:
            return super().get_boundary(failobj)
        return self.content_type.plain("boundary") or failobj

    @property
    def content_type(self) -> Parsed:
        """Content-Type with its parameters."""
        return parse(self.fields.get("content-type", ""))

    @property
    def disposition(self) -> Parsed:
        """Content-Disposition with its parameters."""
        return parse(self.fields.get("content-disposition", ""))

    @property
    def parts(self) -> "list[Entity]":
        """The parts inside; none if `email` found none."""
        return self._payload if isinstance(self._payload, list) else []  # type: ignore[attr-defined]

    @property
    def text(self) -> str:
        """The body as `email` holds it, with surrogate escapes; "" if there are parts inside."""
        return self._payload if isinstance(self._payload, str) else ""  # type: ignore[attr-defined]


if TYPE_CHECKING:
    _Base = FeedParser[Entity]
else:
    _Base = FeedParser


class _Lines(BufferedSubFile):  # type: ignore[misc]
    """The parser's lines. is_body: those of a body that has no parts are taken together, up to the next that may end it: a text
    which grows in its place, so that a long one is not held twice."""

    def __init__(self) -> None:
        super().__init__()
        self.is_body = False
        self._held = ""

    def __next__(self) -> Any:
        if not self.is_body:
            return super().__next__()
        state: Any = self
        held, self._held = self._held, ""
        held += self._body()
        if state._lines or state._closed:  # what follows ends it
            return held or super().__next__()
        self._held = held
        return super().__next__()  # more data is needed

    def _body(self) -> str:
        """As many lines as are there; "" if the first may be the end."""
        state: Any = self
        ends = state._eofstack
        if not all(isinstance(getattr(end, "__self__", None), Boundary) for end in ends):
            return ""
        lines = state._lines
        count = len(lines)
        if ends:
            count = next(
                (n for n, line in enumerate(lines) if line.startswith("--") and any(end(line) for end in ends)), count
            )
        found = "".join(islice(lines, count))
        if count == len(lines):
            lines.clear()
        else:
            for _ in range(count):
                lines.popleft()
        return found


class _Parser(_Base):
    """The library's parser, which counts parts and stops at MAX_NESTING."""

    _parsegen = quick(FeedParser._parsegen)  # type: ignore[attr-defined]

    def __init__(self) -> None:
        super().__init__(Entity, policy=_POLICY)
        self._input: BufferedSubFile = _Lines()
        self.count = 0

    def _new_message(self) -> None:
        super()._new_message()  # type: ignore[misc]
        state: Any = self
        state._input.is_body = False
        state._cur.number = self.count
        self.count += 1
        if len(state._msgstack) > MAX_NESTING:
            raise TooDeep

    def _parse_headers(self, lines: list[str]) -> None:
        super()._parse_headers(lines)  # type: ignore[misc]
        state: Any = self
        state._input.is_body = state._cur.get_content_maintype() not in ("multipart", "message")

    def _pop_message(self) -> Any:
        state: Any = self
        state._input.is_body = False
        return super()._pop_message()  # type: ignore[misc]


class _Counting(_Lines):
    """The parser's lines, with how many characters (bytes) were taken."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 0

    def readline(self) -> Any:
        line = super().readline()
        if isinstance(line, str):
            self.at += len(line)
        return line

    def _body(self) -> str:
        found = super()._body()
        self.at += len(found)
        return found

    def unreadline(self, line: str) -> None:
        super().unreadline(line)
        self.at -= len(line)


class _Locating(_Parser):
    """Parses for the places alone: start of the header block, start of the body, end, by number of the part."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = _Counting()
        self._input = self.lines
        self.starts: list[int] = []
        self.bodies: dict[int, int] = {}
        self.ends: dict[int, int] = {}
        self.bounded: set[int] = set()  # parts that a boundary may end

    def _new_message(self) -> None:
        self.starts.append(self.lines.at)
        super()._new_message()

    def _parse_headers(self, lines: list[str]) -> None:
        state: Any = self
        self.bodies[state._cur.number] = self.lines.at
        super()._parse_headers(lines)

    def _pop_message(self) -> Any:
        popped = super()._pop_message()
        self.ends[popped.number] = self.lines.at
        state: Any = self
        if any(outer.get_content_maintype() == "multipart" for outer in state._msgstack):
            self.bounded.add(popped.number)
        return popped


def _feed(parser: _Parser, raw: Raw) -> Entity:
    for at in range(0, len(raw), _SLICE):
        parser.feed(raw[at : at + _SLICE].decode("ascii", "surrogateescape"))
        if isinstance(raw, mmap):
            raw.madvise(MADV_DONTNEED)
    root: Entity = parser.close()
    return root


class Source:
    """A mail: its bytes, the tree of its parts, and the bytes of each part.

    `whole` is False if parts are nested too deeply: then there is one part, the headers with all the rest as text.
    """

    def __init__(self, raw: Raw) -> None:
        self.raw = raw
        self.whole = True
        self._places: _Locating | None = None
        try:
            self.root = _feed(_Parser(), raw)
        except (TooDeep, RecursionError):
            self.whole = False
            parser = _Parser()
            parser._set_headersonly()  # type: ignore[attr-defined]
            self.root = _feed(parser, raw)

    def header_block(self) -> bytes:
        """The bytes of the top-level headers, without the blank line and without an mbox "From " line."""
        raw = self.raw
        if any(isinstance(defect, MissingHeaderBodySeparatorDefect) for defect in self.root.defects):
            end = _header_end(raw)
        elif raw[:1] in (b"\n", b"\r"):
            end = 0
        else:
            match = _BLANK_LINE.search(raw)
            end = len(raw)
            if match is not None:
                at = match.start()
                end = at + (2 if raw[at : at + 2] == b"\r\n" else 1)
        start = 0
        if raw[:5] == b"From ":
            line = _LINE.match(raw)
            start = line.end() if line is not None else 0
        return raw[start:end]

    def body(self, part: Entity) -> bytes:
        """The raw, undecoded bytes of a part's body (of a part of this source)."""
        places = self._located()
        return self._cut(places.bodies[part.number], places, part.number)

    def entity(self, part: Entity) -> bytes:
        """The raw bytes of a part, headers and body."""
        places = self._located()
        return self._cut(places.starts[part.number], places, part.number)

    def _cut(self, start: int, places: _Locating, number: int) -> bytes:
        data = self.raw[start : places.ends[number]]
        if number not in places.bounded:
            return data
        # The line end before a boundary belongs to the boundary (RFC 2046 section 5.1.1)
        return data[:-2] if data[-2:] == b"\r\n" else data[:-1] if data[-1:] in (b"\n", b"\r") else data

    def _located(self) -> _Locating:
        if self._places is None:
            self._places = _Locating()
            _feed(self._places, self.raw)
        return self._places


def _header_end(raw: Raw) -> int:
    """Where the header block of a mail without blank line ends: at the first line that is no header line."""
    at = 0
    while at < len(raw) and _HEADER_LINE.match(raw, at):
        line = _LINE.match(raw, at)
        at = line.end() if line is not None else len(raw)
    return at
