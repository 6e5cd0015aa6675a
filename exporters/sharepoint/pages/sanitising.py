"""HTML of a tenant → HTML that can do nothing: a short list of tags and attributes, and all else is text or gone.

Rules of this file: nothing of the input is copied through: tags are written anew from the list, values are escaped, every tag
that is opened is closed, and what was not opened is not closed, so that a piece of HTML stays where it is put. No style, no
class, no id, no script, no form; an address is a link only if its scheme is on the list, and an image only if its bytes lie
beside the page.
Source: design §10.
"""

import re
from html import escape
from typing import Protocol

from exporters.sharepoint.pages.markup import RAW, Tag, tokens

_BLOCKS = (
    "p div h2 h3 h4 h5 h6 ul ol li dl dt dd blockquote pre table caption thead tbody tfoot tr th td figure"
    " figcaption address"
)
_INLINE = "a b strong i em u s del ins sub sup small mark code kbd samp q cite abbr span time bdi"
_VOID = frozenset({"br", "hr", "img", "wbr"})
_KEPT = frozenset(_BLOCKS.split()) | frozenset(_INLINE.split()) | _VOID
_RENAMED = {
    "h1": "h2",
    "strike": "s",
    "tt": "code",
    "center": "div",
    "font": "span",
    "section": "div",
    "article": "div",
}
_HIDDEN = frozenset({"template", "datalist"})
"""Elements of which nothing is shown, as of most of those that hold no markup. All other unknown tags leave their content."""
_DEPTH = 100
_NUMBER = re.compile(r"[0-9]{1,3}")
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,4}")
_PLAIN: dict[str, dict[str, re.Pattern[str] | None]] = {
    "a": {"title": None},
    "th": {"colspan": _NUMBER, "rowspan": _NUMBER, "scope": re.compile("row|col|rowgroup|colgroup")},
    "td": {"colspan": _NUMBER, "rowspan": _NUMBER},
    "ol": {"start": re.compile("-?[0-9]{1,6}"), "reversed": re.compile("")},
    "abbr": {"title": None},
    "time": {"datetime": re.compile(r"[0-9TZ:.+ -]{1,40}")},
}
_ANYWHERE: dict[str, re.Pattern[str] | None] = {"dir": re.compile("ltr|rtl|auto"), "lang": _LANGUAGE}
_SCHEME = re.compile(r"(https?://|mailto:|tel:)[^\s]", re.IGNORECASE)
_RASTER = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+", re.IGNORECASE)
_IGNORED = re.compile(r"[\x00-\x20]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
SHOWN_BYTES = 8 << 20
"""What is longer is not shown: a page of the service has far less."""


class Addresses(Protocol):
    """Where what an address names lies in the bag."""

    def held(self, address: str) -> str | None:
        """A relative link to it; None if it is not held."""
        ...

    def original(self, address: str) -> str:
        """The whole address, as it was in the tenant."""
        ...


def text(value: str) -> str:
    """Text as HTML."""
    return escape(_CONTROLS.sub("\ufffd", value), quote=False)


def attribute(value: str) -> str:
    """The value of an attribute, with its quotes."""
    return f'"{escape(_CONTROLS.sub(chr(0xFFFD), value))}"'


def link(address: str, addresses: Addresses) -> str | None:
    """The attributes of an `<a>` that leads there; None for an address that nobody should follow."""
    held = addresses.held(address)
    if held is not None:
        return f"href={attribute(held)}"
    whole = _IGNORED.sub("", addresses.original(address))  # as browsers take it: `java\nscript:` is a scheme
    if not _SCHEME.match(whole):
        return None
    return f'href={attribute(whole)} rel="noopener noreferrer nofollow"'


def image(address: str, description: str, addresses: Addresses) -> str:
    """An image that is held, else a note that says where it was."""
    if _RASTER.fullmatch(address):
        return f"<img src={attribute(_IGNORED.sub('', address))} alt={attribute(description)}>"
    held = addresses.held(address)
    if held is not None:
        return f"<img src={attribute(held)} alt={attribute(description)}>"
    where = _IGNORED.sub("", addresses.original(address))
    told = f"{description} – " if description else ""
    return f'<span class="absent">[Image not in this copy: {text(told)}{text(where[:2_000])}]</span>'


def sanitised(html: str, addresses: Addresses) -> str:
    """A piece of HTML that can stand in any element. Never raises."""
    if len(html) > SHOWN_BYTES:
        return f"<p>{text(f'[{len(html):,} characters of HTML: see the JSON of this page.]')}</p>"
    writer = _Writer(addresses)
    for token in tokens(html):
        writer.take(token)
    return writer.end()


class _Writer:
    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses
        self._out: list[str] = []
        self._open: list[str] = []
        self._hidden: list[str] = []
        """Elements of `_HIDDEN` that are open."""

    def take(self, token: Tag | str) -> None:
        """The next piece."""
        if isinstance(token, str):
            if not self._hidden:
                self._out.append(text(token))
        elif token.of_end:
            self._close(token.name)
        elif token.name in _HIDDEN:
            if not token.closes_itself and len(self._hidden) < _DEPTH:
                self._hidden.append(token.name)
        elif not self._hidden and token.name not in RAW:
            self._start(token)

    def end(self) -> str:
        """All of it."""
        while self._open:
            self._out.append(f"</{self._open.pop()}>")
        return "".join(self._out)

    def _close(self, name: str) -> None:
        if self._hidden:
            if name in self._hidden:
                while self._hidden.pop() != name:
                    pass
            return
        name = _RENAMED.get(name, name)
        if name in self._open:
            while (last := self._open.pop()) != name:
                self._out.append(f"</{last}>")
            self._out.append(f"</{name}>")

    def _start(self, tag: Tag) -> None:
        name = _RENAMED.get(tag.name, tag.name)
        if name not in _KEPT or (len(self._open) >= _DEPTH and name not in _VOID):
            return
        given = dict(tag.attributes)
        if name == "img":
            self._out.append(image(given.get("src", ""), given.get("alt", ""), self._addresses))
            return
        parts = [name, *_attributes(name, given)]
        if name == "a":
            href = link(given["href"], self._addresses) if "href" in given else None
            parts += [href] if href is not None else []
        self._out.append(f"<{' '.join(parts)}>")
        if name not in _VOID:
            self._open.append(name)


def _attributes(name: str, given: dict[str, str]) -> list[str]:
    allowed = {**_PLAIN.get(name, {}), **_ANYWHERE}
    return [
        f"{key}={attribute(given[key])}"
        for key, pattern in allowed.items()
        if key in given and (pattern is None or pattern.fullmatch(given[key]))
    ]
