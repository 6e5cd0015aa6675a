"""Address headers to names and addresses: what RFC 5322 allows, and what mails hold instead.

Rules of this file: linear, never raises, drops no address. Structure is found before encoded words are decoded: a comma inside
one separates nothing. What is no address at all is kept as a name. Groups give their members; an empty group gives nobody.
Source: RFC 5322 sections 3.4, 4.4; reference/mapi-mapping.md §1.2, §1.3; checked against email.utils.getaddresses.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from exporters.mail.compose.charsets import storable, unescaped
from exporters.mail.compose.losses import Losses
from exporters.mail.compose.words import text_of, unfolded

_CACHED = 1000  # characters of a header worth keeping
_SIMPLE = re.compile(
    r"[ \t]*(?:([^\s<>@()\[\]=.](?:[^<>@()\[\]=]*[^ \t<>@()\[\]=])?)[ \t]*)?<([^\s<>@()\[\]]+@[^\s<>@()\[\]]+)>[ \t]*\Z"
)
_BARE = re.compile(r"[ \t]*([^\s<>@()\[\]]+@[^\s<>@()\[\]]+)[ \t]*\Z")
_FORMS = r"""(?P<blank>\s+)
    | (?P<word>=\?[^?\s]+\?[bBqQ]\?[^?]*\?=)
    {quoted}
    | <(?P<route>[^<>]*)>
    | <(?P<open>[^<>,;]*)
    | (?P<mark>[,;:()>"])
    | (?P<atom>(?:\[[^\]\[\s,;]*\]|\[|=(?!\?[^?\s]+\?[bBqQ]\?)|[^\s"(),:;<>=\[])+|.)"""
_TOKEN = re.compile(_FORMS.format(quoted=r'| "(?P<quoted>[^"\\]*(?:\\.[^"\\]*)*)"'), re.VERBOSE | re.DOTALL)
_TOKEN_UNQUOTED = re.compile(_FORMS.format(quoted=""), re.VERBOSE | re.DOTALL)  # after a quote without end
_COMMENT = re.compile(r"\([^()]*\)")
_COMMENT_MARK = re.compile(r"\\.|[()]", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_AROUND_AT, _BEFORE_DOT = re.compile(r"(?<!\s)\s*@\s*"), re.compile(r"(?<=\S)\s+\.\s*(?=\S)")
_X500 = re.compile(r"/o=", re.IGNORECASE)


class Address(NamedTuple):
    """Somebody: the display name ("" if none), the address ("" if none), its type (SMTP or EX)."""

    name: str
    address: str
    kind: str = "SMTP"


class _Raw(NamedTuple):
    name: str
    address: str


def addresses(value: str, losses: Losses, where: str) -> list[Address]:
    """All persons of an address header, in order, storable. Several headers: joined with a comma.

    Who has neither name nor address, once blanks are gone and encoded words decoded, is nobody.
    """
    found = _cached(value) if len(value) <= _CACHED else _found(value)
    persons = [_decoded(raw, losses, where) for raw in found]
    return [person for person in persons if person.name.strip() or person.address.strip()]


def _decoded(raw: _Raw, losses: Losses, where: str) -> Address:
    name, address = raw
    if not name.isascii() or "=?" in name or "\0" in name:
        name = text_of(name, losses, where).strip()
    if not address.isascii() or "\0" in address:
        address = storable(unescaped(address), losses, where)
    if "=?" in address:
        address = text_of(address, losses, where)
    if _X500.match(address):
        return Address(name, address, "EX")
    return Address(name, address)


@lru_cache(maxsize=4096)
def _cached(value: str) -> tuple[_Raw, ...]:
    return _found(value)


def _found(value: str) -> tuple[_Raw, ...]:
    value = unfolded(value)
    if not ('"' in value or ":" in value or ";" in value or "(" in value or "\\" in value):
        simple = _simple(value)
        if simple is not None:
            return simple
    return tuple(_Scanner(value).found)


def _simple(value: str) -> tuple[_Raw, ...] | None:
    """The usual forms, separated by commas; None if there is any other."""
    found = []
    for piece in value.split(","):
        match = _BARE.match(piece)
        if match is not None:
            found.append(_Raw("", match[1]))
            continue
        match = _SIMPLE.match(piece)
        if match is None:
            return None
        found.append(_Raw(match[1] or "", match[2]))
    return tuple(found)


class _Scanner:
    """Goes over a header once. One person at a time: words, comments, and what stood in angle brackets."""

    def __init__(self, value: str) -> None:
        self.found: list[_Raw] = []
        self._value = value
        self._begin()
        at = 0
        token = _TOKEN
        comments = True  # a quote or parenthesis without end stands for itself, and so do those after it
        while at < len(value):
            match = token.match(value, at)
            if match is None:  # cannot be: the last alternative takes any character
                break
            at = match.end()
            kind = match.lastgroup or "atom"
            if kind != "mark":
                self._take(kind, match[kind])
            elif match[0] == "(" and comments:
                end = self._comment_end(at)
                comments = end >= 0
                if comments:
                    self._comments.append(_ESCAPED.sub(r"\1", value[at : end - 1]))
                    at = end
            elif match[0] == '"':
                token = _TOKEN_UNQUOTED
            else:
                self._mark(match[0])
        self._flush()

    def _begin(self) -> None:
        self._words: list[list[str]] = []  # each in the pieces that it was found in
        self._comments: list[str] = []
        self._route: str | None = None
        self._glued = False  # nothing between the last word and the next
        self._quoted = False  # the last word was quoted

    def _comment_end(self, at: int) -> int:
        depth = 1
        for match in _COMMENT_MARK.finditer(self._value, at):
            if match[0] == "(":
                depth += 1
            elif match[0] == ")":
                depth -= 1
                if not depth:
                    return match.end()
        return -1

    def _mark(self, mark: str) -> None:
        if mark in ",;":
            self._flush()
        elif mark == ":":  # the name of a group, or mailto:
            if self._route is None and not any("@" in piece for word in self._words for piece in word):
                self._begin()
            else:
                self._flush()

    def _take(self, kind: str, text: str) -> None:
        if kind == "blank":
            self._glued = False
            return
        if kind in ("route", "open"):
            if self._route is not None:
                self._flush()
            self._route = text
            return
        if self._route is not None and kind == "atom" and "@" in text:
            self._flush()
        quoted = kind == "quoted"
        if quoted and "\\" in text:
            text = _ESCAPED.sub(r"\1", text)
        glued = self._glued and kind == "atom"
        if glued and self._quoted and text[:1] == "@":
            self._words[-1] = ['"', *self._words[-1], '"', text]
        elif glued and not self._quoted:
            self._words[-1].append(text)
        else:
            self._words.append([text])
        self._glued, self._quoted = True, quoted

    def _flush(self) -> None:
        words, comments, route = ["".join(word) for word in self._words], self._comments, self._route
        self._begin()
        if route is not None:
            route = _COMMENT.sub("", route) if "(" in route else route
            address = route.strip() if _X500.match(route.strip()) else _without_blanks(route)
            if address[:1] == "@" and ":" in address:
                address = address.rpartition(":")[2]
            name = " ".join(words)
            if comments:
                name = f"{name} ({' '.join(comments)})" if name else " ".join(comments)
            if name or address:
                self.found.append(_named(name, address))
            return
        if not any(words):
            return
        comment = " ".join(comments)
        text = " ".join(words)
        if "@" in text:
            parts = _BEFORE_DOT.sub(".", _AROUND_AT.sub("@", text)).split(" ") if '"' not in text else words
            at = next((number for number, part in enumerate(parts) if "@" in part), 0)
            name = " ".join(parts[:at] + parts[at + 1 :]) or comment
            self.found.append(_named(name, parts[at]))
        elif _X500.match(text) or len(words) == 1:
            self.found.append(_Raw(comment, text))
        else:
            self.found.append(_Raw(f"{text} ({comment})" if comment else text, ""))


def _without_blanks(route: str) -> str:
    """What stands in angle brackets without its blanks, but for those of a quoted local part."""
    if '"' not in route:
        return "".join(route.split())
    local, at, domain = route.strip().rpartition("@")
    return f"{local.strip()}{at}{''.join(domain.split())}" if local.strip()[:1] == '"' else "".join(route.split())


def _named(name: str, address: str) -> _Raw:
    return _Raw(name.strip(), address.removeprefix("mailto:"))
