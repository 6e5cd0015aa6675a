"""What a run did on one source, and who is told meanwhile: what all exporters have in common.

Rules of this file: values only, no I/O. Source: design §6.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


class Progress:
    """What a caller may want to hear of; does nothing by itself. Called from many threads."""

    def listed(self, items: int) -> None:
        """So many items are owed now."""

    def received(self, size: int) -> None:
        """So many bytes came."""

    def finished(self, items: int) -> None:
        """So many items are done."""

    def waiting(self, seconds: float, reason: str) -> None:
        """The work waits that long."""


@dataclass(slots=True)
class CopyResult:
    """What a run did on a source. Counts as in design §6; `problems`: codes of what is wrong with the whole."""

    counts: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, dict[str, int]] = field(default_factory=dict)
    exceptions: dict[str, int] = field(default_factory=dict)
    excepted_kinds: dict[str, int] = field(default_factory=dict)
    """Exceptions by kind of row, less what vanished."""
    newest: dict[str, dict[str, datetime]] = field(default_factory=dict)
    """By code: the runs that found exceptions which stand now, and when each found the newest."""
    worked_on: int = 0
    copied: int = 0
    downloaded: int = 0
    bytes_received: int = 0
    gone_now: int = 0
    problems: list[str] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    """By code of a problem that has content: a digest of that content; another finding has another."""
    has_answered: bool = False
    """Whether the service listed it to the end of a round."""
    unexplained: int = 0
    coverage: list[dict[str, Any]] = field(default_factory=list)
    """Rows of coverage (class, state, reason, code, alternative) that the exporter can tell; empty: `export` works them out."""
    uncounted_packages: int = 0
    """Notebooks and other packages of whose parts the service told no count."""
    agreements: dict[str, int] = field(default_factory=dict)
    """Files whose bytes are not as listed (differs, rewritten); empty where nothing was new, and nothing was read."""
