"""What a command says: plain text for people, or one JSON document.

Rules of this file: with --json, standard output gets one document and nothing else; colour only on a terminal, and never with
NO_COLOR; control characters that came from outside are shown as `?`. Source: design §6.
"""

import json
import os
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from exporters.errors import LastcopyError

_COLOURS = {"good": "\x1b[32m", "bad": "\x1b[31m", "doubtful": "\x1b[33m", "strong": "\x1b[1m", "weak": "\x1b[2m"}
_PLAIN = "\x1b[0m"
MARKS = {"good": "✓", "bad": "✗", "doubtful": "!"}


class Output:
    """Where a command writes. `as_json`: one document on standard output instead of text; `quiet`: errors alone."""

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json, self.quiet = as_json, quiet
        self._documented = False

    def say(self, text: str = "", style: str = "") -> None:
        """A line for people, on standard output."""
        if not self.as_json and not self.quiet:
            _write(sys.stdout, self._styled(safe(text), style, sys.stdout))

    def mark(self, style: str, text: str) -> None:
        """A line that begins with ✓, ✗ or !."""
        if not self.as_json and not self.quiet:
            _write(sys.stdout, f"{self._styled(MARKS[style], style, sys.stdout)} {safe(text)}")

    def note(self, text: str) -> None:
        """A line for people that belongs beside the result: on standard error."""
        if not self.quiet:
            _write(sys.stderr, safe(text))

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """A table with numbers to the right; nothing if there are no rows."""
        if not rows or self.as_json or self.quiet:
            return
        cells = [[safe(_shown(value)) for value in row] for row in rows]
        widths = [max(_width(text) for text in column) for column in zip(headings, *cells, strict=True)]
        numeric = [all(isinstance(row[i], int) for row in rows) for i in range(len(headings))]
        for line, style in [(list(headings), "strong"), *((line, "") for line in cells)]:
            padded = [_padded(text, widths[i], right=numeric[i]) for i, text in enumerate(line)]
            self.say("  ".join(padded).rstrip(), style)

    def document(self, document: Mapping[str, Any]) -> None:
        """The one JSON document; nothing without --json."""
        if self.as_json and not self._documented:
            self._documented = True
            _write(sys.stdout, json.dumps(document, ensure_ascii=True))

    def error(self, error: LastcopyError, extra: Mapping[str, Any] | None = None) -> None:
        """What happened and what to do. extra: further keys of the document."""
        message, action = str(error), error.action
        if self.as_json:
            self.document({**(extra or {}), "error": {"code": error.code, "message": message, "action": action}})
            return
        _write(sys.stderr, f"{self._styled('lastcopy:', 'bad', sys.stderr)} {safe(_sentence(message))}")
        if action:
            _write(sys.stderr, safe(_sentence(action)))

    def _styled(self, text: str, style: str, stream: TextIO) -> str:
        if not style or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb" or not stream.isatty():
            return text
        return f"{_COLOURS[style]}{text}{_PLAIN}"


def safe(text: str) -> str:
    """`text` without what could move a terminal's cursor; lone surrogates too become `?`."""
    return "".join("?" if unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} and c != "\n" else c for c in text)


def size_text(size_bytes: float) -> str:
    """12.3 MB."""
    units = ("B", "kB", "MB", "GB", "TB")
    index = 0
    while size_bytes >= 1000 and index < len(units) - 1:
        size_bytes /= 1000
        index += 1
    return f"{size_bytes:.0f} {units[index]}" if index == 0 else f"{size_bytes:.1f} {units[index]}"


def _sentence(text: str) -> str:
    first = text.partition(" ")[0].rstrip(".,:;")
    if not {*first} & {".", "/", "@"}:  # the name of a file or a source stands as it is
        text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "–" if value is None else str(value)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text)


def _padded(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - _width(text))
    return space + text if right else text + space


def _write(stream: TextIO, text: str) -> None:
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
    stream.flush()
