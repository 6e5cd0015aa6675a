"""What can become of an item: a closed vocabulary.

Rules of this file: no I/O. Every item that the service ever listed has exactly one `Outcome`; an `excepted` one has an
`ExceptionCode`. Source: design §4.
"""

from enum import StrEnum
from typing import NamedTuple


class Outcome(StrEnum):
    COPIED = "copied"  # the bytes are in the store under `key` with this SHA-256
    GONE = "gone"  # we hold the bytes; a later listing says that the source deleted it
    EXCEPTED = "excepted"  # never captured, with a code and a reason


class Agreement(StrEnum):
    """How the bytes received compare with what the service says of them (size and quickXorHash)."""

    MATCH = "match"
    UNHASHED = "unhashed"  # the service gave no hash; the size fits
    REWRITTEN = "rewritten"  # a type that SharePoint is known to rewrite, re-read once, transfer complete
    DIFFERS = "differs"  # any other disagreement, kept and reported


class Cause(NamedTuple):
    """reason: one sentence for a person. permanent: asking again tomorrow will not help."""

    reason: str
    permanent: bool


class ExceptionCode(StrEnum):
    VANISHED = "vanished"
    NOT_FOUND_WHILE_LISTED = "not_found_while_listed"
    MALWARE = "malware"
    IRM = "irm_protected"
    ACCESS_DENIED = "access_denied"
    LOCKED = "locked"
    ONENOTE_UNAVAILABLE = "onenote_unavailable"
    ONENOTE_PARTS_NOT_LISTED = "onenote_parts_not_listed"
    VERSION_UNAVAILABLE = "version_unavailable"
    PERMISSIONS_UNAVAILABLE = "permissions_unavailable"
    CONTENT_UNSTABLE = "content_unstable"
    DOWNLOAD_FAILED = "download_failed"
    REFUSED = "refused"
    STORE_REFUSED = "store_refused"
    UNKNOWN_KIND = "unknown_kind"
    MIME_REFUSED = "mime_refused"
    ITEM_UNREADABLE = "item_unreadable"
    ATTACHMENT_UNREADABLE = "attachment_unreadable"
    TOO_LARGE = "too_large"
    NOT_EXPORTED = "not_exported"
    STREAM_UNAVAILABLE = "stream_unavailable"
    ATTACHMENTS_NEED_CERTIFICATE = "attachments_need_certificate"


CAUSES: dict[ExceptionCode, Cause] = {
    ExceptionCode.VANISHED: Cause(
        "It was listed, was deleted before it could be read, and a later listing confirms it.", True
    ),
    ExceptionCode.NOT_FOUND_WHILE_LISTED: Cause(
        "The service lists it but answers 'not found' when asked for it.", False
    ),
    ExceptionCode.MALWARE: Cause("The service found malware in it and refuses the download.", True),
    ExceptionCode.IRM: Cause("It is protected by rights management and cannot be read by an application.", True),
    ExceptionCode.ACCESS_DENIED: Cause("The service refuses access to this item.", False),
    ExceptionCode.LOCKED: Cause("It is locked or its site is archived.", False),
    ExceptionCode.ONENOTE_UNAVAILABLE: Cause("This part of a OneNote notebook is not served (Q-028).", False),
    ExceptionCode.ONENOTE_PARTS_NOT_LISTED: Cause(
        "The parts of this OneNote notebook are not listed by the service; export it from OneNote itself.", True
    ),
    ExceptionCode.VERSION_UNAVAILABLE: Cause("The service does not serve this earlier version.", False),
    ExceptionCode.PERMISSIONS_UNAVAILABLE: Cause("The service refused to list who can see this item.", False),
    ExceptionCode.CONTENT_UNSTABLE: Cause("It changed each time that it was read.", False),
    ExceptionCode.DOWNLOAD_FAILED: Cause("The download failed each time that it was tried.", False),
    ExceptionCode.REFUSED: Cause("The service refused the request for a reason that Lastcopy does not know.", False),
    ExceptionCode.STORE_REFUSED: Cause(
        "The store, not the service, cannot take it: what lies in its way there, or is wrong with its name, stands in its row.",
        False,
    ),
    ExceptionCode.UNKNOWN_KIND: Cause(
        "The service lists it as something that is neither file, folder, package nor link.", False
    ),
    ExceptionCode.MIME_REFUSED: Cause(
        "The service cannot make MIME of this message; its properties and attachments are kept where they could be had.",
        True,
    ),
    ExceptionCode.ITEM_UNREADABLE: Cause(
        "The service lists it but cannot read it: its data are damaged (Q-074).", False
    ),
    ExceptionCode.ATTACHMENT_UNREADABLE: Cause("The service cannot open this attachment.", False),
    ExceptionCode.TOO_LARGE: Cause("It is larger than the service gives or Lastcopy takes.", True),
    ExceptionCode.NOT_EXPORTED: Cause("The service leaves it out of its answers, asked for alone as well.", False),
    ExceptionCode.STREAM_UNAVAILABLE: Cause("The export API does not give its stream.", False),
    ExceptionCode.ATTACHMENTS_NEED_CERTIFICATE: Cause(
        "Files are attached to this item, which SharePoint gives only to an app that signs in with a certificate: set"
        " tenant.credential to {certificate: file:…}, grant Sites.Read.All of SharePoint, and run again (Q-062).",
        False,
    ),
}
