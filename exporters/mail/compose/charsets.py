"""Bytes of mails to text: names of character sets as mails write them, and what to do when they are wrong.

Rules of this file: never raises for any bytes or label. A label is taken at its word when the bytes fit it; bytes that are said
to be UTF-8 and hold not one character of it are windows-1252; what fits in part is read in part; without a label that is known
it is UTF-8 if the bytes fit that, else windows-1252. The loss is noted. What web browsers read as a superset (gb2312, iso-8859-1,
ks_c_5601) is read as that here, too: those are the mails that exist. What no PST can hold (NUL, lone surrogates) becomes U+FFFD.
Source: reference/mapi-mapping.md §0 (empty against absent), §1.6; WHATWG Encoding, section 4.2 (labels).
"""

import codecs
import re
from functools import lru_cache

from exporters.mail.compose.losses import Losses

_ALIASES = {
    "ansi-x3.110-1983": "latin-1", "ansi-x3.4": "ascii", "ansi-x3.4-1968": "ascii", "ansi-x3.4-1986": "ascii",
    "big5": "cp950", "big5-eten": "cp950", "x-big5": "cp950", "cp-850": "cp850", "cp-1252": "cp1252", "x-cp1250": "cp1250",
    "x-cp1251": "cp1251", "x-cp1252": "cp1252", "win-1251": "cp1251", "win-1252": "cp1252", "ansi": "cp1252",
    "iso-8859-8-i": "iso8859-8", "iso-8859-8-e": "iso8859-8", "iso-8859-6-i": "iso8859-6", "iso-8859-11": "cp874",
    "tis-620": "cp874", "windows-874": "cp874", "dos-874": "cp874", "x-euc-jp": "euc-jp", "cp51932": "euc-jp",
    "x-euc": "euc-jp", "shift-jis": "cp932", "shift_jis": "cp932", "sjis": "cp932", "x-sjis": "cp932", "ms-kanji": "cp932",
    "windows-31j": "cp932", "csshiftjis": "cp932", "euc-kr": "cp949", "ks-c-5601-1987": "cp949", "ks-c-5601-1989": "cp949",
    "ks-c-5601": "cp949", "ksc5601": "cp949", "korean": "cp949", "x-windows-949": "cp949", "gb2312": "gb18030",
    "gb-2312": "gb18030", "gb2312-80": "gb18030", "gb-2312-80": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030",
    "cp936": "gb18030", "ms936": "gb18030", "x-mac-cyrillic": "mac-cyrillic", "macintosh": "mac-roman",
    "x-mac-roman": "mac-roman", "mac": "mac-roman", "unicode-1-1-utf-7": "utf-7", "unicode-1-1-utf-8": "utf-8",
    "unicode-2-0-utf-8": "utf-8", "x-unicode-2-0-utf-7": "utf-7", "x-unicode-2-0-utf-8": "utf-8", "utf8mb4": "utf-8",
    "unicode": "utf-16", "iso-10646-ucs-2": "utf-16", "ucs-2": "utf-16", "ucs2": "utf-16", "iso-10646-ucs-4": "utf-32",
    "latin": "latin-1", "iso-8859": "latin-1", "iso8859": "latin-1", "us-ascii": "ascii", "x-ascii": "ascii",
    "7bit": "ascii", "iso-ir-6": "ascii", "iso-2022-jp": "iso2022-jp-ext", "iso-2022-cn": "gb18030", "visual": "iso8859-8",
    "hebrew": "iso8859-8", "logical": "iso8859-8", "koi": "koi8-r", "koi8": "koi8-r", "koi8-ru": "koi8-u",
    "windows-1252http-equivcontent-type": "cp1252", "x-viet-vps": "cp1258", "viscii": "cp1258", "utf-8-sig": "utf-8",
}  # fmt: skip
# Codecs of Python that a mail could name, but which are no character sets
_NO_CHARSET = frozenset(
    {"unicode-escape", "raw-unicode-escape", "undefined", "idna", "punycode", "mbcs", "oem", "palmos"}
)
_JUNK = re.compile(r"[^a-z0-9._:+-]+")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_NOT_EXACT = frozenset({"latin-1", "iso8859-1", "cp1252"})
# windows-1252 as browsers read it: the five bytes without a meaning stay control characters
_WINDOWS = {
    byte: text for byte in range(0x80, 0xA0) if (text := bytes((byte,)).decode("cp1252", "ignore") or None) is not None
}
_C1 = re.compile("[\x80-\x9f]")
_ONE_OF_UTF_8 = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


@lru_cache(maxsize=512)
def codec(label: str) -> str | None:
    """The Python codec for a character set's name, or None if there is none. Decoding with it gives text."""
    name = _JUNK.sub("-", label.lower().strip(" \t\r\n\"'").partition(";")[0].partition("*")[0]).strip("-")
    name = name.replace("_", "-")
    name = _ALIASES.get(name, name)
    if not name or len(name) > 60 or name in _NO_CHARSET:
        return None
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    if not getattr(found, "_is_text_encoding", True) or found.name.replace("_", "-") in _NO_CHARSET:
        return None
    return _ALIASES.get(found.name.replace("_", "-"), found.name)


def windows_1252(data: bytes) -> str:
    """Text of bytes in windows-1252; every byte has a meaning."""
    text = data.decode("latin-1")
    return text.translate(_WINDOWS) if _C1.search(text) else text


def decode(data: bytes, label: str, losses: Losses, where: str) -> str:
    """Text of `data` in the character set `label` ("" if none is named); storable. `where` names the place in losses."""
    if data.isascii() and (not label or codec(label) in (None, "utf-8", "ascii") or codec(label) in _NOT_EXACT):
        text = data.decode("ascii")
    else:
        text = _decoded(data, label, losses, where)
    return storable(text, losses, where)


def _decoded(data: bytes, label: str, losses: Losses, where: str) -> str:
    name = codec(label)
    if name in _NOT_EXACT:
        return windows_1252(data)
    if name is not None and name != "ascii":
        try:
            return data.decode(name)
        except (UnicodeError, ValueError):
            pass
        if name == "utf-8" and not _ONE_OF_UTF_8.search(data):
            losses.add("charset-fallback", f"{where}: not {label}")
            return windows_1252(data)
        losses.add("text-replaced", f"{where}: not all bytes are {label}")
        return _replaced(data, name)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = windows_1252(data)
    losses.add("charset-fallback", f"{where}: {label or 'no character set'}")
    return text


def _replaced(data: bytes, name: str) -> str:
    try:
        return data.decode(name, "replace")
    except (UnicodeError, ValueError):  # some stateful decoders give up all the same (utf-16 that is cut, hz)
        return windows_1252(data)


def header_bytes(data: bytes) -> str:
    """Raw 8-bit bytes of a header: UTF-8, else windows-1252."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return windows_1252(data)


def unescaped(value: str) -> str:
    """A header as `email` gives it, with 8-bit bytes as surrogate escapes, as text."""
    if value.isascii():
        return value
    return header_bytes(value.encode("utf-8", "surrogateescape"))


def storable(text: str, losses: Losses, where: str) -> str:
    """The text without what no PST can hold: NUL and lone surrogates become U+FFFD."""
    if text.isascii():
        if "\0" not in text:
            return text
    elif "\0" not in text:
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            pass
        else:
            return text
    losses.add("text-replaced", where)
    return _UNSTORABLE.sub("\ufffd", text)
