"""Whether MIME that came is that of the message it was asked for: what can be told from its first bytes.

Rules of this file: no requests. A page or an error in the place of a message is never kept, whatever type it is said to be. A
message is known by its Message-ID, where both the listing and the header tell one; who finds another asks again, and keeps what
comes twice alike: the service may have made another header. Source: graph.md §3.3; docs/decisions/0018 (drives), 0047.
"""

import re
from typing import IO

HEAD = 1 << 18
_PAGES = (b"<!doctype html", b"<html", b"<?xml", b'{"error"')
_END = re.compile(rb"\r?\n\r?\n")
_FOLD = re.compile(rb"\r?\n[ \t]+")
_ID = re.compile(rb"^message-id[ \t]*:(.*?)\r?$", re.IGNORECASE | re.MULTILINE)
_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:|From |>From ")
_MARKS = re.compile(rb"[\s<>]+")


def is_page(file: IO[bytes]) -> bool:
    """Whether a body begins as none of a message does."""
    file.seek(0)
    return file.read(64).lstrip().lower().startswith(_PAGES)


def is_of(file: IO[bytes], message_id: object) -> bool:
    """Whether a body begins with a field of a header, and is of the message with this `internetMessageId`; true where nothing
    tells that."""
    file.seek(0)
    head = file.read(HEAD)
    if not _FIELD.match(head.lstrip()):
        return False
    if not isinstance(message_id, str) or not (wanted := _bare(message_id.encode("utf-8", "replace"))):
        return True
    if end := _END.search(head):
        head = head[: end.start()]
    told = [bare for value in _ID.findall(_FOLD.sub(b" ", head)) if (bare := _bare(value))]
    return not told or wanted in told


def _bare(value: bytes) -> bytes:
    return _MARKS.sub(b"", value).lower()
