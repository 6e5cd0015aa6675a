"""What an evidence package is filled with: the seam between collecting and rendering, and packing and signing.

Rules of this file: no I/O, no decisions. `collecting` makes `Contents` (by a `Collect`); `package` writes them, adds the
integrity of the package itself, signs. Files are written by functions, so that no table is ever held. Source: design §8.

    with collect(store, config, clock, seal, veil) as contents:
        contents.document                      # goes into evidence.json; "integrity" and "package" are completed by `package`
        for name, write in contents.files: ...  # "report.html", "report.pdf", "items.csv", "exceptions.csv"
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

from exporters.bag.formats import JsonObject
from exporters.clock import Clock
from exporters.store.protocol import Store
from retention.config import Config

Write = Callable[[BinaryIO], None]
"""Writes one file of the package, from its first byte to its last, in pieces."""


@dataclass(frozen=True, slots=True)
class BagFact:
    """A bag as the report describes it. tagmanifest_sha256: None where it has no fold; segment, segment_sha256: its newest one
    (0 and None where it has none); is_open: captured items stand after the fold."""

    bag: str
    tagmanifest_sha256: str | None
    segment: int
    segment_sha256: str | None
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Seal:
    """How the package will be sealed, for the pages that say so. package: `evidence/20261123T154017Z`; fingerprint: of the key
    (64 hex digits); previous: the package before, `{"package", "evidence"}`; full: the one that a redacted package stands for,
    likewise; by: who says that they made it."""

    package: str
    algorithm: str
    fingerprint: str
    timestamp_url: str | None = None
    previous: JsonObject | None = None
    full: JsonObject | None = None
    by: str | None = None


class Veil(Protocol):
    """What names become in a package that leaves the house; whoever collects applies it to the document and to each cell."""

    @property
    def keeps_hashes(self) -> bool:
        """Whether hashes of items were asked for."""
        ...

    def document(self, document: JsonObject) -> JsonObject:
        """The same document, with every string (and every key) that is not on the allow-list replaced."""
        ...

    def cell(self, column: str, value: Any) -> str:
        """What stands in a cell of this column."""
        ...


class Contents(Protocol):
    """What was collected. With a veil, all of it is veiled already."""

    @property
    def document(self) -> JsonObject:
        """What goes into evidence.json."""
        ...

    @property
    def bags(self) -> Sequence[BagFact]:
        """All bags, by their true names."""
        ...

    @property
    def files(self) -> Sequence[tuple[str, Write]]:
        """Names of further files of the package, and what writes them."""
        ...


class Collect(Protocol):
    """How `package` gets its contents; `retention.evidence.collecting.collected` is one."""

    def __call__(
        self, store: Store, config: Config, clock: Clock, seal: Seal, veil: Veil | None = None
    ) -> AbstractContextManager[Contents]: ...
