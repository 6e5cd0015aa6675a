"""What a report is made of, whatever it is printed as: chapters of text, facts, tables, charts.

Rules of this file: values only; no markup, no colours but by name. HTML and PDF both render these, so that they cannot say
different things. Source: retention-domain §6 (pages).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

ROWS = 500
"""Rows of a table that are kept; renderers may show fewer. All of them stand in the file that `rest` names."""
Style = Literal["plain", "weak", "good", "doubtful", "bad", "mono"]


@dataclass(frozen=True, slots=True)
class Words:
    """A text with a style: of a paragraph, or of a cell."""

    text: str
    style: Style = "plain"


@dataclass(frozen=True, slots=True)
class Banner:
    """The verdict, as nobody can overlook it."""

    result: str
    sentence: str
    style: Style


@dataclass(frozen=True, slots=True)
class Facts:
    """Questions and answers, or names and values; several answers stand one below the other."""

    rows: Sequence[tuple[str, Sequence[Words]]]


@dataclass(frozen=True, slots=True)
class Lines:
    """Short sentences, one below the other."""

    items: Sequence[Words]


@dataclass(frozen=True, slots=True)
class Table:
    """caption: what it is; widths: shares of the width; total: rows that there are; rest: where all of them stand."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Words]]
    widths: Sequence[float]
    total: int
    rest: str

    def more(self, shown: int) -> str:
        """The line below a table that is cut."""
        left = self.total - min(shown, len(self.rows))
        return f"and {left:,} more: {self.rest}" if left > 0 else ""


@dataclass(frozen=True, slots=True)
class Code:
    """Commands, line by line."""

    text: str


@dataclass(frozen=True, slots=True)
class Shape:
    """Part of a chart, in units from its upper left corner. kind: box (x, y, w, h), line (x, y to w, h), words (at x, y; its
    baseline). role: a colour by its name; anchor: of words."""

    kind: Literal["box", "line", "words"]
    x: float
    y: float
    w: float = 0
    h: float = 0
    role: str = "ink"
    text: str = ""
    anchor: Literal["start", "middle", "end"] = "start"


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing, and what it says in words. is_told: paper shows the words too (where no table beside it says the same)."""

    title: str
    width: float
    height: float
    shapes: Sequence[Shape]
    words: Sequence[str]
    is_told: bool = False


Block = Words | Banner | Facts | Lines | Table | Code | Chart


@dataclass(slots=True)
class Section:
    """A part of a chapter with a heading of its own."""

    title: str
    blocks: list[Block] = field(default_factory=list)


@dataclass(slots=True)
class Chapter:
    """A page of the report."""

    number: int
    title: str
    sections: list[Section] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        return f"chapter-{self.number}"


def table(
    caption: str,
    columns: Sequence[tuple[str, float]],
    rows: Iterable[Sequence[Words | str | None]],
    total: int,
    rest: str,
) -> Table:
    """A table of at most ROWS rows. columns: (name, share of the width)."""
    kept = [[as_words(cell) for cell in row] for row in islice(rows, ROWS)]
    return Table(caption, [name for name, _ in columns], kept, [share for _, share in columns], total, rest)


def as_words(cell: Words | str | None) -> Words:
    """A cell; a dash where there is nothing."""
    return cell if isinstance(cell, Words) else Words(cell if cell else "–")
