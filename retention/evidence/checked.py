"""What checking a package came to.

Rules of this file: vocabulary, no I/O; a difference is of one of the three sorts of `verify`. Source: design §6 (verify), §8.
"""

from dataclasses import dataclass, field
from typing import Literal

from exporters.bag.formats import JsonObject
from exporters.clock import timestamp
from exporters.store.protocol import LockPolicy
from retention.evidence.stamping import StampFacts
from retention.verdicts import Exit

Sort = Literal["missing", "changed", "unexpected"]
Head = Literal["newest", "older", "not checked"]
SORTS: tuple[Sort, ...] = ("missing", "changed", "unexpected")


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not as it must be. name: of a file of the package; of an object of the store, with `store:` before it."""

    sort: Sort
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What somebody knows from elsewhere. fingerprint, latest: as given on the command line; trusted: {fingerprint: where}; lock:
    what every file must be locked with (None: not looked at)."""

    fingerprint: str | None = None
    latest: str | None = None
    trusted: dict[str, str] = field(default_factory=dict)
    lock: LockPolicy | None = None


@dataclass(slots=True)
class Checked:
    """One package. trusted_by: where its key's fingerprint is written down, None if nowhere; head: whether it is the newest;
    newer: how many came after it; bags: {state: how many}, of the store of today; verify: the document of `verify` of it."""

    package: str | None = None
    evidence: str | None = None
    fingerprint: str | None = None
    trusted_by: str | None = None
    is_signed: bool = False
    is_redacted: bool = False
    files: int = 0
    stamp: StampFacts | None = None
    head: Head = "not checked"
    newer: int = 0
    previous: JsonObject | None = None
    bags: dict[str, int] | None = None
    verify: JsonObject | None = None
    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, sort: Sort, name: str, why: str) -> None:
        """Note a difference, once."""
        found = Difference(sort, name, why)
        if found not in self.differences:
            self.differences.append(found)

    def count(self, sort: Sort) -> int:
        """How many of one sort."""
        return sum(one.sort == sort for one in self.differences)

    @property
    def exit(self) -> Exit:
        """3 for any difference, and for a key that nobody named."""
        good = self.is_signed and not self.differences and self.trusted_by is not None
        return Exit.COMPLETE if good else Exit.PARTIAL

    def as_json(self) -> JsonObject:
        """The document of `verify --evidence --json`."""
        stamp = self.stamp
        return {
            "package": self.package,
            "evidence": self.evidence,
            "redacted": self.is_redacted,
            "files": self.files,
            "signature": "good" if self.is_signed else "bad",
            "key": {"fingerprint": self.fingerprint, "trusted_by": self.trusted_by},
            "stamp": {"at": timestamp(stamp.at), "authority": stamp.authority, "root": stamp.root} if stamp else None,
            "chain": {"head": self.head, "newer": self.newer, "previous": self.previous},
            "store": {"bags": self.bags, "verify": self.verify} if self.bags is not None else None,
            **{sort: self.count(sort) for sort in SORTS},
            "findings": [{"sort": one.sort, "name": one.name, "why": one.why} for one in self.differences],
            "notes": self.notes,
            "exit": int(self.exit),
        }
