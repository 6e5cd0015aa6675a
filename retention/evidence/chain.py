"""The chain of packages, as journal and store tell it: which came before, which is the newest, which were cut off.

Rules of this file: a package without `evidence.sig` is none. Rows of type `reported` name the packages, oldest first; redacted
ones hang on a full one and are no links. Source: design §8 (chain), docs/formats.md (Evidence).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from exporters.bag.formats import JsonObject
from exporters.store.protocol import Store
from retention.disposal.rows import DISPOSED
from retention.journal import Head, Journal

FOLDER = "evidence/"
DOCUMENT = "evidence.json"
SIGNATURE = "evidence.sig"
REPORTED = "reported"
STAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z")
PACKAGE = re.compile(rf"{FOLDER}{STAMP.pattern}")


@dataclass(frozen=True, slots=True)
class Link:
    """A package that the journal names. row: number of its segment of the journal."""

    package: str
    evidence: str
    key: str
    segment: int
    is_redacted: bool

    def as_previous(self) -> JsonObject:
        """As the next package names it."""
        return {"package": self.package, "evidence": self.evidence}


@dataclass(frozen=True, slots=True)
class Disposed:
    """A bag that was disposed of. segment: number of the journal's segment that says so; certificate: its key; sha256: of it."""

    segment: int
    certificate: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Told:
    """What the journal says. head: how far it was read; disposed: by bag, the newest row of each."""

    links: tuple[Link, ...]
    head: Head
    disposed: dict[str, Disposed]

    @property
    def newest(self) -> Link | None:
        """The last full package."""
        return next((link for link in reversed(self.links) if not link.is_redacted), None)


def told(journal: Journal) -> Told:
    """Read the journal to its end. Raises: SegmentDamagedError, errors of the store."""
    links: list[Link] = []
    disposed: dict[str, Disposed] = {}
    for segment in journal.news():
        for row in segment.rows():
            if row.get("type") == REPORTED:
                links.append(_link(row, segment.position.number))
            elif row.get("type") == DISPOSED:
                sha256 = row.get("sha256")
                disposed[str(row.get("bag"))] = Disposed(segment.position.number, str(row.get("certificate")), sha256)
    return Told(tuple(links), journal.head, disposed)


def _link(row: JsonObject, segment: int) -> Link:
    package, evidence, key = (str(row.get(name)) for name in ("package", "evidence", "signature_key"))
    return Link(package, evidence, key, segment, is_redacted=bool(row.get("redacted")))


def folders(store: Store) -> Iterator[str]:
    """Every folder below `evidence/` that could be a package, sorted; what is in it is skipped, not listed."""
    after: str | None = None
    while (info := next(store.list(FOLDER, after=after), None)) is not None:
        name = info.key.split("/", 2)[1]
        if STAMP.fullmatch(name) and info.key.startswith(f"{FOLDER}{name}/"):
            yield f"{FOLDER}{name}"
            after = f"{FOLDER}{name}0"  # `0` follows `/`: beyond everything in this folder
        else:
            after = info.key


def is_signed(store: Store, package: str) -> bool:
    """Whether the report that made it came to its end."""
    return store.stat(f"{package}/{SIGNATURE}") is not None


def unsigned(store: Store, packages: Iterable[str]) -> list[str]:
    """Those that were cut off."""
    return [package for package in packages if not is_signed(store, package)]
