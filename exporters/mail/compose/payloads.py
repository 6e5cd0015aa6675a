"""Transfer encodings: the bytes of a part's body.

Rules of this file: the result is what `email` (get_payload(decode=True)) gives, faster for what is well-formed; where `email`
raises, and for encodings nobody knows, the bytes stay as they came and the loss is noted; so is what `email` leaves out.
Large bodies are decoded when the writer asks for them, one at a time.
Source: RFC 2045 section 6; CPython Lib/email/message.py (get_payload).
"""

import binascii
import re
from collections.abc import Iterator

from exporters.mail.compose.losses import Losses
from exporters.mail.compose.parsing import Entity

LAZY = 1 << 16  # characters of an encoded body that is not decoded at once
_SLICE = 1 << 20
_AS_IS = frozenset({"", "7bit", "8bit", "binary"})
_UUENCODE = frozenset({"x-uuencode", "uuencode", "uue", "x-uue"})
_KNOWN = frozenset({*_AS_IS, "base64", "quoted-printable", *_UUENCODE})
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]*")
_UU_BEGIN, _UU_END = re.compile(r"^begin [0-7]{3,} ", re.MULTILINE), re.compile(r"^end[ \t\r]*$", re.MULTILINE)


def encoding(part: Entity) -> str:
    """The name of the transfer encoding, as `email` compares it."""
    return part.fields.get("content-transfer-encoding", "").lower()


def decoded(part: Entity, losses: Losses | None) -> bytes:
    """The body of a part without parts inside. Never raises; notes what is not decoded (None: was noted before)."""
    name = encoding(part)
    data = part.text.encode("ascii", "surrogateescape")
    if name.strip() in _AS_IS:
        return data
    if name == "base64":
        bare = data.translate(None, b"\r\n")
        if len(bare) % 4 == 0:
            try:
                return binascii.a2b_base64(bare, strict_mode=True)
            except binascii.Error:
                pass  # not well-formed: `email` knows what to make of it
    elif name == "quoted-printable":
        return binascii.a2b_qp(data)
    if losses is not None:
        if name == "base64":
            _note_base64(part.text, losses)
        elif name in _UUENCODE:
            _note_uuencode(part.text, losses)
        elif name not in _KNOWN:
            losses.add("encoding-unknown", f"Content-Transfer-Encoding: {name}")
    try:
        found = part.get_payload(decode=True)
    except (ValueError, IndexError, LookupError) as error:  # binascii.Error of broken uuencoded lines, too
        if losses is not None:
            losses.add("encoding-unknown", f"{name}: {error}")
        return data
    return found if isinstance(found, bytes) else data


def _note_base64(text: str, losses: Losses) -> None:
    """What `email` makes of base64 that is not well-formed: it stops at the padding, and skips what is no base64."""
    match = _BASE64.match(text)
    end = match.end() if match is not None else 0
    rest = text[end:].strip("= \t\r\n")
    if rest:
        losses.add("encoding-damaged", f"base64: from character {end} on, {len(rest)} may be left out: {rest[:40]!a}")
    elif len("".join(text[:end].split())) % 4 == 1:
        losses.add("encoding-unknown", "base64: one character too many; it was not decoded")


def _note_uuencode(text: str, losses: Losses) -> None:
    begin, end = _UU_BEGIN.search(text), None
    if begin is not None:
        end = _UU_END.search(text, begin.end())
    outside = text[: begin.start()] + (text[end.end() :] if end is not None else "") if begin is not None else ""
    if outside.strip():
        losses.add("encoding-damaged", f"uuencode: outside of the file: {outside.strip()[:40]!a}")


def apply(data: bytes, name: str) -> bytes:
    """Undo a transfer encoding that a part of type message/* should not have, but has."""
    if name.strip() == "base64":
        return binascii.a2b_base64(data + b"===") if _padded(data) else data
    if name.strip() == "quoted-printable":
        return binascii.a2b_qp(data)
    return data


def _padded(data: bytes) -> bool:
    try:
        binascii.a2b_base64(data + b"===")
    except binascii.Error:
        return False
    return True


def _base64_pieces(text: str) -> Iterator[bytes]:
    """Base64 decoded piece by piece. Raises binascii.Error if it is not well-formed."""
    rest = b""
    ended = False
    for at in range(0, len(text), _SLICE):
        data = rest + text[at : at + _SLICE].encode("ascii", "surrogateescape").translate(None, b"\r\n")
        if ended and data:
            raise binascii.Error("data behind the padding")
        whole = len(data) & ~3
        rest = data[whole:]
        ended = ended or data[max(whole - 1, 0) : whole] == b"="
        yield binascii.a2b_base64(data[:whole], strict_mode=True)
    if rest:
        raise binascii.Error("not a multiple of four characters")


def _is_well_formed(text: str) -> bool:
    """Looked at beforehand: what `email` makes of other base64 is known only from the whole."""
    try:
        for _ in _base64_pieces(text):
            pass
    except binascii.Error:
        return False
    return True


class Deferred:
    """The bytes of a large part, decoded anew each time that they are asked for. `well_formed`: base64 without a fault."""

    def __init__(self, part: Entity, *, well_formed: bool) -> None:
        self._part = part
        self._well_formed = well_formed

    def __iter__(self) -> Iterator[bytes]:
        if self._well_formed:
            yield from _base64_pieces(self._part.text)
            return
        data = decoded(self._part, None)
        for at in range(0, len(data), _SLICE):
            yield data[at : at + _SLICE]


def data_of(part: Entity, losses: Losses) -> bytes | Deferred:
    """What an attachment holds: its bytes, or, if they are many and of a usual encoding, what gives them later."""
    if len(part.text) > LAZY and encoding(part) in (*_AS_IS, "base64", "quoted-printable"):
        well_formed = encoding(part) == "base64" and _is_well_formed(part.text)
        if encoding(part) == "base64" and not well_formed:
            _note_base64(part.text, losses)
        return Deferred(part, well_formed=well_formed)
    return decoded(part, losses)
