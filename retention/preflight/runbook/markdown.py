"""A runbook as Markdown. Rules of this file: names from the tenant cannot become markup; commands stand in code blocks."""

import re
from collections.abc import Iterator

from retention.preflight.runbook.parts import Command, Letter, Part, Portal, Runbook, Section, Table, Text, Tick, Warn

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~])")


def markdown_of(runbook: Runbook) -> str:
    """The whole text."""
    lines = [f"# {plain(runbook.title)}", "", plain(runbook.subtitle), "", *_contents(runbook), ""]
    for section in runbook.sections:
        lines += [f"## {heading(section)}", ""]
        for part in section.parts:
            lines += [*_lines(part), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def heading(section: Section) -> str:
    """The title of a section, with its number."""
    return plain(section.title if section.number is None else f"Step {section.number}. {section.title}")


def plain(text: str) -> str:
    """Text on one line in which nothing is markup."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _contents(runbook: Runbook) -> Iterator[str]:
    steps = [section for section in runbook.sections if section.number is not None]
    yield "Steps: " + " · ".join(f"{section.number} {plain(section.title)}" for section in steps)


def _lines(part: Part) -> Iterator[str]:
    match part:
        case Text(text):
            yield plain(text)
        case Warn(text):
            yield f"> **{plain(text)}**"
        case Command(line):
            yield from ("```sh", line.replace("\n", " "), "```")
        case Tick(text):
            yield f"- [ ] {plain(text)}"
        case Portal(english, dutch, note):
            yield f"- {plain(english)}"
            tail = f" ({plain(note)})" if note else ""
            yield (
                f"- {plain(dutch)}{tail}"
                if dutch is not None
                else "- No Dutch words are on record: the page is named in English."
            )
        case Letter(lines):
            yield from (f"> {plain(line)}".rstrip() if line else ">" for line in _spaced(lines))
        case Table(headings, rows):
            yield f"| {' | '.join(map(plain, headings))} |"
            yield "|" + "---|" * len(headings)
            yield from (f"| {' | '.join(plain(cell) for cell in row)} |" for row in rows)


def _spaced(lines: tuple[str, ...]) -> Iterator[str]:
    """Each line of a letter a paragraph of its own."""
    for line in filter(None, lines):
        yield line
        if not line.startswith("- "):
            yield ""
