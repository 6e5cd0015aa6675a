"""Lines that separate the parts of a multipart, without a pattern compiled for each mail.

Rules of this file: the same answers as the pattern of the standard library's parser, which costs more to compile than the rest of
a small mail to parse; a pattern of any other form is compiled as the library would. Source: CPython Lib/email/feedparser.py 3.11
to 3.14 (`_parsegen`).
"""

import re
from collections.abc import Callable
from types import FunctionType
from typing import Any

_HEAD, _TAIL = "(?P<sep>", r")(?P<end>--)?(?P<ws>[ \t]*)(?P<linesep>\r\n|\r|\n)?$"
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_LINE_ENDS = ("", "\n", "\r\n", "\r")


class Found:
    """What a line that matches says, by the names of the pattern's groups."""

    def __init__(self, **groups: str | None) -> None:
        self._groups = groups

    def group(self, name: str) -> str | None:
        """As of `re.Match`."""
        return self._groups[name]


class Boundary:
    """Stands for the compiled pattern. separator: `--` and the boundary."""

    def __init__(self, separator: str) -> None:
        self._separator = separator

    def match(self, line: str) -> Found | None:
        """As of `re.Pattern`, for one line."""
        if not line.startswith(self._separator):
            return None
        rest = line[len(self._separator) :]
        is_end = rest.startswith("--")
        if is_end:
            rest = rest[2:]
        left = rest.lstrip(" \t")
        if left not in _LINE_ENDS:
            return None
        return Found(
            sep=self._separator,
            end="--" if is_end else None,
            ws=rest[: len(rest) - len(left)],
            linesep=left or None,
        )


class _Patterns:
    """What the library's parser needs of `re`."""

    escape = staticmethod(re.escape)

    @staticmethod
    def compile(pattern: str) -> Any:
        """A `Boundary` for the pattern of one."""
        if pattern.startswith(_HEAD) and pattern.endswith(_TAIL):
            return Boundary(_ESCAPED.sub(r"\1", pattern[len(_HEAD) : -len(_TAIL)]))
        return re.compile(pattern)


def quick(parse: Any) -> Callable[..., Any]:
    """The library's `_parsegen`, with `re` replaced."""
    return FunctionType(
        parse.__code__, {**parse.__globals__, "re": _Patterns}, parse.__name__, parse.__defaults__, parse.__closure__
    )
