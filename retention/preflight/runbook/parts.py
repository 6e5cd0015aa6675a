"""What a runbook is made of. Rules of this file: values only, no I/O, no words of its own."""

from dataclasses import dataclass
from typing import NamedTuple


class Text(NamedTuple):
    """A paragraph."""

    text: str


class Warn(NamedTuple):
    """A paragraph that must not be passed over."""

    text: str


class Command(NamedTuple):
    """A command line to type as it stands."""

    line: str


class Tick(NamedTuple):
    """Something to do by hand, with a box to tick."""

    text: str


class Portal(NamedTuple):
    """A path through a portal, in English and in Dutch; dutch: None where nothing of it is on record; note: on its words."""

    english: str
    dutch: str | None
    note: str = ""


class Table(NamedTuple):
    """A table. Empty cells are to be filled in by hand."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Letter(NamedTuple):
    """A text to send, line by line."""

    lines: tuple[str, ...]


Part = Text | Warn | Command | Tick | Portal | Table | Letter


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it. number: of a step, None for what is no step; anchor: its name in links and tests."""

    anchor: str
    title: str
    parts: tuple[Part, ...]
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Runbook:
    """The whole document."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]
