"""What is asked of the copy of a mailbox.

Rules of this file: values only. Source: design §7 (sources, mail).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PART_SIZE = 10 << 30


@dataclass(frozen=True, slots=True)
class MailSettings:
    """archive: auto or none. recoverable: none or all. fasttransfer (the second capture): auto, on or off. part_size: bytes at
    which a PST is split."""

    archive: str = "auto"
    recoverable: str = "none"
    fasttransfer: str = "auto"
    part_size: int = PART_SIZE

    def as_kept(self) -> dict[str, Any]:
        """What stands in the bag's `source` row."""
        return {"archive": self.archive, "recoverable": self.recoverable, "fasttransfer": self.fasttransfer}

    def wider_than(self, kept: Mapping[str, Any]) -> bool:
        """Whether more is asked for than these settings brought."""
        return any(
            getattr(self, name) != none and kept.get(name, none) == none
            for name, none in (("archive", "none"), ("recoverable", "none"), ("fasttransfer", "off"))
        )
