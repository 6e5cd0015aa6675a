"""What a verification found: counts, and the first names with what is wrong and why.

Rules of this file: data only, no I/O; memory does not grow with the number of findings. Source: design §6 (verify).
"""

from dataclasses import asdict, dataclass, field
from typing import Any

NAMES_KEPT = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """One object that is not as it must be. `name`: its key (below the bag, or of the store); `why`: one sentence."""

    name: str
    why: str


@dataclass(slots=True)
class Findings:
    """Findings of one sort: how many in all, and the first 100 of them."""

    count: int = 0
    first: list[Finding] = field(default_factory=list)

    def add(self, name: str, why: str, *, count: int = 1) -> None:
        """Note one finding (or `count` that are told in one sentence)."""
        self.count += count
        if len(self.first) < NAMES_KEPT:
            self.first.append(Finding(name, why))

    def __bool__(self) -> bool:
        return self.count > 0


@dataclass(slots=True)
class BagVerification:
    """What `verify_bag` found.

    files, bytes: payload files that rows name and that were read (level `full`) or looked at (`stored`); files_read: how
    many of them were read whole, at `stored` those of a sample or since a time.
    open: rows stand after the fold (or there is none yet), so that BagIt does not speak for the whole bag.
    closed: the newest segment ends its writer. in_flight: objects that no row names (yet) in a bag whose writer has
    not closed it. reconciled: nothing is pending and every independent count that there is is equal; `reasons` say why not.
    segment, tagmanifest_sha256: the fold that was judged (0 and None: none).
    """

    bag: str
    level: str
    files: int = 0
    bytes: int = 0
    files_read: int = 0
    open: bool = False
    closed: bool = False
    missing: Findings = field(default_factory=Findings)
    changed: Findings = field(default_factory=Findings)
    unexpected: Findings = field(default_factory=Findings)
    in_flight: Findings = field(default_factory=Findings)
    reconciled: bool = True
    reasons: list[str] = field(default_factory=list)
    segment: int = 0
    newest_segment: int = 0
    tagmanifest_sha256: str | None = None
    refolded: bool = False

    @property
    def whole(self) -> bool:
        """Nothing is missing, changed or unexpected, and all counts agree (exit 0 of `verify`)."""
        return self.reconciled and not (self.missing or self.changed or self.unexpected)

    def doubt(self, reason: str) -> None:
        """Note why the bag is not reconciled (the first 100 reasons are kept)."""
        self.reconciled = False
        if len(self.reasons) < NAMES_KEPT:
            self.reasons.append(reason)

    def as_json(self) -> dict[str, Any]:
        """All of it as plain JSON values."""
        return asdict(self)


@dataclass(slots=True)
class RootVerification:
    """What `verify_root` found beside the bags. `layout`: as `lastcopy.json` says, None if it cannot be read.

    bags: how many there are; journal_segments: how many were read; names are keys of the store.
    """

    layout: int | None = None
    tenant: str | None = None
    bags: int = 0
    journal_segments: int = 0
    missing: Findings = field(default_factory=Findings)
    changed: Findings = field(default_factory=Findings)
    unexpected: Findings = field(default_factory=Findings)

    @property
    def whole(self) -> bool:
        """Nothing is missing, changed or unexpected."""
        return not (self.missing or self.changed or self.unexpected)

    def as_json(self) -> dict[str, Any]:
        """All of it as plain JSON values."""
        return asdict(self)
