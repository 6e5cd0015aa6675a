"""HTML bodies: their text, their bytes as a PST holds them (UTF-8), what they refer to, and a plain rendering.

Rules of this file: linear, never raises, no parser of HTML: what cannot be understood stays as it is. Bytes change only where the
character set does: they are recoded, and a <meta> that names another one is corrected. The rendering is for search and for
readers without HTML; it follows no link and runs nothing.
Source: reference/mapi-mapping.md §1.6, §1.7 (flags of inline attachments).
"""

import re
from html import unescape
from urllib.parse import unquote

from exporters.mail.compose.charsets import codec, decode
from exporters.mail.compose.losses import Losses

_META = re.compile(r"(<meta\b[^<>]{0,1000}?\bcharset\s*=\s*[\"']?\s*)([\w.:-]+)", re.IGNORECASE)
_META_BYTES = re.compile(rb"<meta\b[^<>]{0,1000}?\bcharset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_SEEN = 1 << 16  # where a <meta> is looked for
_CID = re.compile(r"\bcid:([^\"'<>\s)]+)", re.IGNORECASE)
_HIDDEN = re.compile(r"<!--|<(script|style|title|noscript)\b[^<>]*>", re.IGNORECASE)
_BREAK = re.compile(
    r"<(?:br|hr|/?p|/?div|/?tr|/?table|/?li|/?ul|/?ol|/?h[1-6]|/?blockquote|/?pre|/?d[dt]|/?center|/?body)\b[^<>]*>",
    re.IGNORECASE,
)
_CELL = re.compile(r"</t[dh]\s*>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z!?][^<>]*>")
_BLANKS, _LINES = re.compile(r"[ \t\xa0]+"), re.compile(r" ?\n ?(?:\n ?)+")
_LONG_NUMBER = re.compile(r"&#[0-9]{8,}")
_BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)


def text_of(data: bytes, label: str, losses: Losses, where: str) -> str:
    """The text of an HTML body. Without a label, the <meta> is asked, and then the bytes."""
    if not label or codec(label) is None:
        match = _META_BYTES.search(data[:_SEEN])
        named = match[1].decode("ascii") if match is not None else ""
        label = named if codec(named) is not None and not named.lower().startswith("utf-16") else label
        if not label and not data.isascii():
            label = _guess(data)
    return decode(data, label, losses, where)


def _guess(data: bytes) -> str:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return "utf-8"


def stored(text: str) -> bytes:
    """The bytes of PidTagHtml for code page 65001: UTF-8, and no <meta> that says otherwise."""
    head = text[:_SEEN]
    if "charset" in head or "CHARSET" in head.upper():
        mended = _META.sub(lambda match: match[0] if codec(match[2]) == "utf-8" else match[1] + "utf-8", head)
        text = mended + text[_SEEN:] if mended != head else text
    return text.encode("utf-8")


def references(text: str) -> frozenset[str]:
    """The content ids that the HTML shows (`cid:` links), without brackets, unescaped."""
    if "cid:" not in text and "CID:" not in text.upper():
        return frozenset()
    found: set[str] = set()
    for match in _CID.finditer(text):
        name = _unescaped(match[1])
        found.update((name, unquote(name)))
    return frozenset(found)


def quoted(text: str) -> frozenset[str]:
    """All that stands between two quotes of one kind, without a blank: what may be the location of a part."""
    pieces = (*text.split('"')[1:-1], *text.split("'")[1:-1])
    return frozenset(piece for piece in pieces if not any(blank in piece for blank in " \t\r\n"))


def rendered(text: str) -> str:
    """The HTML as plain text with bare LF: blocks on lines of their own, tags left out, references resolved."""
    text = _without_hidden(text)
    text = " ".join(text.split())
    text = _CELL.sub("\t", _BREAK.sub("\n", text))
    text = _TAG.sub("", text)
    if "&" in text:
        text = _unescaped(text)
    text = _BLANKS.sub(" ", text)
    text = _LINES.sub("\n\n", text).replace(" \n", "\n").replace("\n ", "\n")
    return text.strip()


def _unescaped(text: str) -> str:
    """References resolved; Python's own raises for numbers of thousands of digits."""
    return unescape(_LONG_NUMBER.sub(_shortened, text))


def _shortened(match: re.Match[str]) -> str:
    digits = match[0][2:].lstrip("0") or "0"
    return f"&#{digits}" if len(digits) <= 7 else "&#1114112"  # beyond Unicode: U+FFFD


def _without_hidden(text: str) -> str:
    """Without comments, scripts, styles and the title; one that never ends hides nothing."""
    pieces = []
    at = 0
    lower = ""
    missing: set[str] = set()
    for match in _HIDDEN.finditer(text):
        if match.start() < at:
            continue
        closing = f"</{match[1].lower()}" if match[1] else "-->"
        if closing in missing:
            continue
        lower = lower or text.translate(_LOWER)
        end = lower.find(closing, match.end() if match[1] else match.start() + 2)
        if end < 0:
            missing.add(closing)
            continue
        pieces.append(text[at : match.start()])
        after = lower.find(">", end + (0 if match[1] else 2))
        at = len(text) if after < 0 else after + 1
    pieces.append(text[at:])
    return " ".join(pieces)


_LOWER = {ord(big): big.lower() for big in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}  # keeps every place, unlike str.lower


def from_text(text: str) -> str:
    """Plain text as a piece of HTML that shows it as it is."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f'<pre style="white-space: pre-wrap">{escaped}</pre>'


def joined(pieces: list[str]) -> str:
    """Several bodies one below the other, all inside the body of the first."""
    first, rest = pieces[0], "<hr>" + "<hr>".join(pieces[1:])
    ends = list(_BODY_END.finditer(first))
    return first[: ends[-1].start()] + rest + first[ends[-1].start() :] if ends else first + rest
