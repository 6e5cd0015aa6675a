"""Signed and encrypted mails as Outlook stores them: one attachment that holds everything.

Rules of this file: signed bytes are cut from the mail, never made again: one changed line end and the signature is void. Only the
mail itself is treated so; a signed part inside another is taken apart like any multipart (with a loss, in bodies.py).
Source: reference/mapi-mapping.md §1.8, rows 1 to 3; MS-OXSMIME 2.1.
"""

import re
from typing import NamedTuple

from exporters.mail.compose import names, payloads
from exporters.mail.compose.attachments import named
from exporters.mail.compose.charsets import storable, unescaped
from exporters.mail.compose.headers import INET
from exporters.mail.compose.losses import Losses
from exporters.mail.compose.parsing import Entity, Source
from exporters.mail.compose.words import unfolded
from exporters.pst import Attachment, NamedProperty

CONTENT_TYPE = NamedProperty(INET, "content-type", 0x001F)
_NAME = "smime.p7m"
_OPAQUE = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_SIGNATURES = frozenset({"application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature"})
_FIELD = re.compile(rb"[^\r\n]*(?:\r\n|\n|\r|\Z)(?:[ \t][^\r\n]*(?:\r\n|\n|\r|\Z))*")
_MIME_FIELD = re.compile(rb"(?:MIME-Version|Content-[!-9;-~]+)[ \t]*:", re.IGNORECASE)


class Secured(NamedTuple):
    """How a signed or encrypted mail is stored. `readable`: the part whose text may be shown as well."""

    message_class: str
    attachment: Attachment
    content_type: str
    readable: Entity | None


def secured(source: Source, entity: Entity, losses: Losses) -> Secured | None:
    """The mail as S/MIME or signed PGP; None if it is neither."""
    kind = entity.get_content_type()
    if kind in _OPAQUE and not entity.parts:
        data = payloads.decoded(entity, losses)
        given = names.given(entity, losses)
        if given and given.lower() != _NAME:
            losses.add("attachment-renamed", f"{given!r} is {_NAME!r}")
        attachment = Attachment(named(_NAME, "application/pkcs7-mime"), data)
        return Secured("IPM.Note.SMIME", attachment, _full(entity, losses), None)
    if kind == "multipart/signed" and _protocol(entity) in _SIGNATURES:
        attachment = Attachment(named(_NAME, "multipart/signed"), _entity_bytes(source, entity))
        readable = entity.parts[0] if entity.parts else None
        return Secured("IPM.Note.SMIME.MultipartSigned", attachment, _full(entity, losses), readable)
    return None


def _protocol(entity: Entity) -> str:
    named_protocol = entity.content_type.plain("protocol").lower()
    if named_protocol or len(entity.parts) < 2:
        return named_protocol
    return entity.parts[1].get_content_type()


def _full(entity: Entity, losses: Losses) -> str:
    value = unescaped(unfolded(entity.fields.get("content-type", ""))).strip()
    return storable(value, losses, "content type")


def _entity_bytes(source: Source, entity: Entity) -> bytes:
    """The MIME headers as they stand, a blank line, and the untouched body."""
    whole, body = source.entity(entity), source.body(entity)
    block = whole[: len(whole) - len(body)]
    fields = [field for field in _FIELD.findall(block) if _MIME_FIELD.match(field)]
    end = b"\r\n" if b"\r\n" in block[:1000] else b"\n"
    return b"".join(fields) + end + body
