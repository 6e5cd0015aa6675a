"""One item to work on, and what came of it.

Rules of this file: vocabulary. What was received lies in temporary files, which whoever takes a `Fetched` closes.
Source: docs/formats.md (bag of a mailbox).
"""

from dataclasses import dataclass, field
from typing import IO

from exporters.bag.formats import JsonObject
from exporters.outcomes import ExceptionCode

SPOOLED = 1 << 20
"""Bytes of one content that may lie in memory."""


@dataclass(frozen=True, slots=True)
class Task:
    """facts: as listed. row: what we hold of it, or None. names: of its folders, from the mailbox's root on."""

    facts: JsonObject
    row: JsonObject | None
    names: tuple[str, ...]

    @property
    def folder(self) -> str:
        """Path of its folder, without the first `/`."""
        return "/".join(self.names)

    @property
    def kind(self) -> str:
        return str(self.facts["kind"])

    @property
    def item_id(self) -> str:
        return str(self.facts["id"])


@dataclass(slots=True)
class Piece:
    """Bytes that an item needs: an attachment, a photo. record: as Graph describes it. file: None where refused (then code)."""

    item_id: str
    name: str
    record: JsonObject
    file: IO[bytes] | None = None
    size: int = 0
    sha256: str = ""
    code: ExceptionCode | None = None
    reason: str | None = None


@dataclass(slots=True)
class Fetched:
    """What came of a task.

    facts: with `graph`, the whole record. file, size, sha256: MIME of a message, None if it was not asked for, or refused.
    is_odd: it does not seem to be of this one.
    pieces: what else it needs; are_pieces_known: that is all of it, and nothing else of its earlier pieces is there any more.
    code, reason: why it, or its MIME, could not be had.
    """

    task: Task
    facts: JsonObject
    file: IO[bytes] | None = None
    size: int = 0
    sha256: str = ""
    is_odd: bool = False
    pieces: list[Piece] = field(default_factory=list)
    are_pieces_known: bool = False
    code: ExceptionCode | None = None
    reason: str | None = None

    @property
    def received(self) -> int:
        """Bytes."""
        return self.size + sum(piece.size for piece in self.pieces)

    def close(self) -> None:
        """Let go of the temporary files."""
        for file in (self.file, *(piece.file for piece in self.pieces)):
            if file is not None:
                file.close()
