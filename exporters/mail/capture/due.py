"""What a capture leaves to be done after it, noted before its first row: composing, and the second capture.

Rules of this file: the note stands in the ledger before the rows that it speaks of, so that whatever cuts the run off, and
whoever closes the bag after it (`fold`, say), the next run does not take a mailbox without news for one that is done with.
Source: docs/formats.md (cursors), issue 6 (acceptance c).
"""

from typing import Final

from exporters.bag.ledger import BagWriter
from exporters.mail.originals import COMPOSED, COMPOSING, PST_CURSOR

STREAMS_CURSOR: Final = "streams"
"""Scope of the cursor that says whether the second capture has seen all that the first one has: {"kind": one of these}."""
DUE, DONE = "due", "done"


def note_composing(writer: BagWriter) -> None:
    """There will be rows that no PST has taken in."""
    cursor = writer.heads.cursors.get(PST_CURSOR, {})
    if cursor.get("kind") == COMPOSED:
        writer.emit("cursor", {**cursor, "scope": PST_CURSOR, "kind": COMPOSING})


def note_streams(writer: BagWriter) -> None:
    """The first capture has news."""
    if not are_streams_due(writer):
        writer.emit("cursor", {"scope": STREAMS_CURSOR, "kind": DUE, "link": ""})


def are_streams_due(writer: BagWriter) -> bool:
    """Whether there may be something in the mailbox that the second capture was not asked for."""
    return bool(writer.heads.cursors.get(STREAMS_CURSOR, {}).get("kind") != DONE)


def streams_done(writer: BagWriter) -> None:
    """Each folder has been listed since the first capture found its news."""
    if are_streams_due(writer):
        writer.emit("cursor", {"scope": STREAMS_CURSOR, "kind": DONE, "link": ""})
