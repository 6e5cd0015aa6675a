"""Which drive is copied, and where it lies in its bag: alone in it, or as one of the libraries of a site.

Rules of this file: values only, no I/O. A drive that is alone has `data/files`, and its root is `/`; a library has a component of
its own, and its root is `/<its name>`. Source: design §4 (payload, keys), docs/formats.md (bag of a site).
"""

from collections.abc import Callable
from dataclasses import dataclass

from exporters.bag.formats import CHANGED, FILES, LIBRARIES, VERSIONS
from exporters.bag.state import State


@dataclass(frozen=True, slots=True)
class Roots:
    """The folders of a bag that hold the bytes of one drive. component: of a library, which is never empty; else empty."""

    component: str = ""

    @property
    def files(self) -> str:
        """Above the keys that follow from paths."""
        return f"{LIBRARIES}/{self.component}" if self.component else FILES

    @property
    def versions(self) -> str:
        """Above the keys of earlier versions."""
        return f"{VERSIONS}/{self.component}" if self.component else VERSIONS

    def changed(self, stamp: str) -> str:
        """Above the keys of later bytes. stamp: of the run."""
        return f"{CHANGED}/{stamp}/{self.component}" if self.component else f"{CHANGED}/{stamp}"

    def part_of(self, key: str) -> str:
        """The path part of a file's key: what stands below `files`, or below `changed` of any run."""
        if key.startswith(f"{self.files}/"):
            return key[len(self.files) + 1 :]
        below = key[len(CHANGED) + 1 :].partition("/")[2]
        return below.partition("/")[2] if self.component else below


def _alone(state: State) -> Roots:
    return Roots()


@dataclass(frozen=True, slots=True)
class Scope:
    """drive: its id, the scope of its rows. path: that of its root, empty for a drive that is alone in its bag. roots: made from
    the rows, when a place is first needed."""

    drive: str
    path: str = ""
    roots: Callable[[State], Roots] = _alone

    @property
    def is_alone(self) -> bool:
        """Whether nothing else is copied into its bag."""
        return not self.path
