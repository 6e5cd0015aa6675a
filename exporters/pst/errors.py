"""What can go wrong while a PST is written or read, by name.

Rules of this file: each error says in one sentence what cannot be stored and where it stood (`places`, outermost
first); none is raised for a state that the writer could have repaired without losing something. No I/O.
Source: [MS-PST] 2.2.2 and 2.3 for the limits; reference/pst-format.md §10.
"""

from typing import Self


class PstError(Exception):
    """Base of all errors of this package: `code` for programs, `reason` for people, `places` for finding the item."""

    code = "pst"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.places: list[str] = []

    def inside(self, place: str) -> Self:
        """The same error, known to have happened inside `place` (a message, an attachment, a property)."""
        self.places.insert(0, place)
        return self

    def __str__(self) -> str:
        return f"{', '.join(self.places)}: {self.reason}" if self.places else self.reason


class ValueRefused(PstError):
    """A property's value is not of its type, or outside what the type can hold ([MS-PST] 2.3.3.3, [MS-OXCDATA] 2.11.1)."""

    code = "pst_value"


class LimitReached(PstError):
    """A limit of the format: length of a value, number of subnodes, of names, of heap blocks (reference/pst-format.md §10)."""

    code = "pst_limit"


class MessageRefused(PstError):
    """A message lacks something that [MS-PST] 2.4.5.1.1 demands and that cannot be derived from what was given."""

    code = "pst_message"


class FolderRefused(PstError):
    """A folder without a name, with one that is too long, or with one that its parent holds already ([MS-PST] 2.4.4)."""

    code = "pst_folder"


class SinkFailed(PstError):
    """The sink did not take what was written; the file has no header and cannot be mistaken for a whole one."""

    code = "pst_sink"


class SpillFailed(PstError):
    """The temporary folder did not take (or give back) entries that were put aside there."""

    code = "pst_temporary"


class WriterUnusable(PstError):
    """The writer was closed, or failed before in a way that leaves the file unfinished."""

    code = "pst_closed"


class Unreadable(PstError):
    """What is read is no whole Unicode PST: another kind of file, cut off, or damaged at the place that is named."""

    code = "pst_unreadable"
