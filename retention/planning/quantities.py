"""Numbers of an inventory: each with where it comes from, and how far it can be trusted.

Rules of this file: values only, no I/O. What is not known is not 0: it stays unknown in every sum, and is counted.
Source: retention-domain §7 (inventory); graph.md §9.2.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from exporters.bag.formats import JsonObject


class Certainty(StrEnum):
    """How far a number can be trusted, the best first."""

    EXACT = "exact"
    ESTIMATED = "estimated"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number. value: None where it is unknown; source: where it comes from, or why it is not known."""

    value: int | None
    certainty: Certainty
    source: str

    @classmethod
    def exact(cls, value: int, source: str) -> Self:
        return cls(value, Certainty.EXACT, source)

    @classmethod
    def estimated(cls, value: float, source: str) -> Self:
        return cls(round(value), Certainty.ESTIMATED, source)

    @classmethod
    def unknown(cls, why: str) -> Self:
        return cls(None, Certainty.UNKNOWN, why)

    def as_json(self) -> JsonObject:
        return {"value": self.value, "certainty": self.certainty.value, "source": self.source}


@dataclass(slots=True)
class Sum:
    """Of many numbers. unknown: how many of them are; sources: where they come from."""

    value: int = 0
    known: int = 0
    estimated: int = 0
    unknown: int = 0
    sources: dict[str, int] = field(default_factory=dict)

    def add(self, one: Quantity) -> None:
        """One more."""
        self.sources[one.source] = self.sources.get(one.source, 0) + 1
        if one.value is None:
            self.unknown += 1
            return
        self.value += one.value
        self.known += 1
        self.estimated += one.certainty is Certainty.ESTIMATED

    @property
    def certainty(self) -> Certainty:
        """Unknown only where nothing is known; else what the worst of the numbers is."""
        if self.unknown and not self.known:
            return Certainty.UNKNOWN
        return Certainty.ESTIMATED if self.estimated or self.unknown else Certainty.EXACT

    @property
    def shown(self) -> int | None:
        """The number, None where nothing is known."""
        return None if self.certainty is Certainty.UNKNOWN else self.value

    def as_json(self) -> JsonObject:
        """`value` is at least what there is if some are unknown."""
        return {
            "value": self.shown,
            "certainty": self.certainty.value,
            "source": ", ".join(sorted(self.sources)),
            "unknown": self.unknown,
        }
