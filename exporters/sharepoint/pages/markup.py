"""HTML → tags and text, in one pass.

Rules of this file: linear in time and never an error, whatever is thrown at it (the standard library's parser takes a minute for
60 kB of `<a <a <a`, and raises for `<![`). What it makes of broken markup may differ from what a browser makes of it: nothing
leans on that, since whoever writes HTML from these tokens writes tags of its own and escapes all text.
Source: design §10; HTML Living Standard, 13.2.5 (tokenization).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape

_NAME = re.compile(r"[a-zA-Z][^\s/>]*")
_ATTRIBUTE = re.compile(r"""[\s/]*([^\s"'<>/=][^\s<>/=]*)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s"'>][^\s>]*))?""")
_LONG_NUMBER = re.compile(r"&#[0-9]{8,}|&#[xX][0-9a-fA-F]{7,}")
RAW = frozenset(
    {"script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "noscript", "plaintext"}
)
"""Elements whose content is no markup: it ends at their end tag, or nowhere."""
_SHOWN = frozenset({"textarea", "xmp", "plaintext"})
"""Those of them whose content is text that people see."""


@dataclass(frozen=True, slots=True)
class Tag:
    """name: in lower case. attributes: in lower case, unescaped; the first of a name counts. of_end: `</name>`."""

    name: str
    attributes: tuple[tuple[str, str], ...] = ()
    of_end: bool = False
    closes_itself: bool = False


def tokens(html: str) -> Iterator[Tag | str]:
    """Tags, and text between them (unescaped). Comments, declarations and content that nobody sees are left out."""
    at, missing = 0, set[str]()

    def skip_to(mark: str, start: int) -> int:
        """Behind the next `mark`, or the end of all."""
        found = -1 if mark in missing else html.find(mark, start)
        if found < 0:
            missing.add(mark)
            return len(html)
        return found + len(mark)

    while at < len(html):
        opening = html.find("<", at)
        if opening < 0:
            yield unescaped(html[at:])
            return
        if opening > at:
            yield unescaped(html[at:opening])
        after = html[opening + 1 : opening + 2]
        if html.startswith("<!--", opening):
            at = skip_to("-->", opening + 2)
        elif after in {"!", "?"}:
            at = skip_to(">", opening + 2)
        elif after == "/":
            name = _NAME.match(html, opening + 2)
            at = skip_to(">", opening + 2)
            if name is not None:
                yield Tag(name[0].lower(), of_end=True)
        elif (name := _NAME.match(html, opening + 1)) is not None:
            tag, at = _start_tag(html, name[0].lower(), name.end())
            yield tag
            if tag.name in RAW:
                end, behind = _end_of(html, tag.name, at)
                if tag.name in _SHOWN and end > at:
                    yield unescaped(html[at:end]) if tag.name == "textarea" else html[at:end]
                at = behind
        else:
            yield "<"
            at = opening + 1


def _start_tag(html: str, name: str, at: int) -> tuple[Tag, int]:
    """The tag whose name ends at `at`, and where it ends; a quote that never ends is an attribute without a value."""
    attributes: dict[str, str] = {}
    closes = False
    while at < len(html) and html[at] != ">":
        found = _ATTRIBUTE.match(html, at)
        if found is None:
            if html[at] == "<":  # a new tag begins inside this one
                break
            closes = html[at] == "/"
            at += 1
            continue
        closes = False
        value = found[2] or ""
        quoted = len(value) > 1 and value[0] in "\"'"
        attributes.setdefault(found[1].lower(), unescaped(value[1:-1] if quoted else value))
        at = found.end()
    if at < len(html) and html[at] == ">":
        at += 1
    return Tag(name, tuple(attributes.items()), closes_itself=closes), at


def _end_of(html: str, name: str, at: int) -> tuple[int, int]:
    """Where the content of an element that holds no markup ends, and its end tag; the end of all if it has none."""
    found = None if name == "plaintext" else re.compile(rf"</{name}[^>]*>?", re.IGNORECASE).search(html, at)
    return (len(html), len(html)) if found is None else found.span()


def unescaped(text: str) -> str:
    """References resolved; Python's own raises for numbers of thousands of digits."""
    return unescape(_LONG_NUMBER.sub("\ufffd", text)) if "&" in text else text
