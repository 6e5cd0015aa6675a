"""How much of a drive is copied. Rules of this file: vocabulary; no I/O. Source: design §7 (`drive`)."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class DriveSettings:
    """versions: "current", "all", or how many earlier ones. permissions: "none", "shared" or "all"."""

    versions: str | int = "current"
    permissions: str = "shared"
    refresh_permissions: bool = False

    def as_kept(self) -> dict[str, Any]:
        """As kept with each cursor."""
        return {"versions": self.versions, "permissions": self.permissions}

    def versions_widen(self, asked: str | int) -> bool:
        """Whether more earlier versions are asked for than `asked`."""
        return _rank(self.versions) > _rank(asked)

    def wider_than(self, kept: dict[str, Any]) -> bool:
        """Whether these settings ask for more than those of an earlier run."""
        order = ("none", "shared", "all")
        before = kept.get("permissions", "none")
        return self.versions_widen(kept.get("versions", "current")) or order.index(self.permissions) > order.index(
            before
        )


def _rank(versions: str | int) -> float:
    if isinstance(versions, int):
        return versions
    return {"current": 0, "all": float("inf")}[versions]
