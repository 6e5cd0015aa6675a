"""Names of attachments: where a part's name comes from, and what a file name may hold.

Rules of this file: pure. Equal names stay equal (Q-073): attachments are told apart by number, not by name. A name that had to
change is a loss with the original. Extensions for unnamed parts come from the table below, so that every machine gives the same.
Source: reference/mapi-mapping.md §1.7 (LongFilename, Names); quirks.md Q-073.
"""

import re

from exporters.mail.compose.losses import Losses
from exporters.mail.compose.parsing import Entity

_FORBIDDEN = re.compile('[/\\\\:*?"<>|\x00-\x1f\x7f]')
_EXTENSION = re.compile(r"\.[^.\s]{1,16}\Z")
MAX_NAME = 255
_EXTENSIONS = {
    "application/gzip": ".gz", "application/json": ".json", "application/msword": ".doc", "application/octet-stream": ".bin",
    "application/pdf": ".pdf", "application/pgp-encrypted": ".pgp", "application/pgp-keys": ".asc",
    "application/pgp-signature": ".asc", "application/pkcs7-mime": ".p7m", "application/pkcs7-signature": ".p7s",
    "application/postscript": ".ps", "application/rtf": ".rtf", "application/vnd.ms-excel": ".xls",
    "application/vnd.ms-powerpoint": ".ppt", "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx", "application/x-pkcs7-mime": ".p7m",
    "application/x-pkcs7-signature": ".p7s", "application/xml": ".xml", "application/zip": ".zip", "audio/basic": ".au",
    "audio/mpeg": ".mp3", "audio/ogg": ".ogg", "audio/wav": ".wav", "audio/x-wav": ".wav",
    "image/bmp": ".bmp", "image/gif": ".gif",
    "image/heic": ".heic", "image/jpeg": ".jpg", "image/jpg": ".jpg", "image/pjpeg": ".jpg", "image/png": ".png",
    "image/svg+xml": ".svg", "image/tiff": ".tif", "image/webp": ".webp", "image/x-icon": ".ico", "message/global": ".eml",
    "message/rfc822": ".eml", "text/calendar": ".ics", "text/css": ".css", "text/csv": ".csv", "text/directory": ".vcf",
    "text/enriched": ".txt", "text/html": ".html", "text/markdown": ".md", "text/plain": ".txt", "text/richtext": ".rtx",
    "text/rtf": ".rtf", "text/vcard": ".vcf", "text/x-vcard": ".vcf", "text/xml": ".xml",
    "video/mp4": ".mp4", "video/mpeg": ".mpg",
    "video/quicktime": ".mov", "application/ics": ".ics", "application/ms-tnef": ".dat", "application/vnd.ms-tnef": ".dat",
}  # fmt: skip


def given(part: Entity, losses: Losses) -> str:
    """The name that the part brings: of Content-Disposition, else of Content-Type; "" if none."""
    fields = part.fields
    if "content-disposition" in fields and (name := part.disposition.text("filename", losses, "file name").strip()):
        return name
    if "content-type" in fields and (name := part.content_type.text("name", losses, "file name").strip()):
        return name
    return ""


def file_name(name: str, number: int, kind: str, losses: Losses) -> str:
    """The name to store for attachment `number` (from 1) of the type `kind`; `name` is the given one or ""."""
    if not name:
        made = f"attachment-{number}{extension_for(kind)}"
        losses.add("attachment-renamed", f"no name: {made}")
        return made
    clean = _FORBIDDEN.sub("_", name)
    if len(clean) > MAX_NAME:
        ending = extension(clean)
        clean = clean[: MAX_NAME - len(ending)] + ending
    if clean != name:
        losses.add("attachment-renamed", f"{name!r} is {clean!r}")
    return clean


def extension(name: str) -> str:
    """The extension with its dot, or ""."""
    match = _EXTENSION.search(name)
    return match[0] if match is not None else ""


def extension_for(kind: str) -> str:
    """The extension for an unnamed part of this type."""
    found = _EXTENSIONS.get(kind)
    if found is None:
        return ".txt" if kind.startswith(("text/", "message/")) else ".bin"
    return found
