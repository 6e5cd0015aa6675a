"""iCalendar as it stands: components, content lines and their parameters, without any meaning.

Rules of this file: pure and forgiving, as calendars in mails are often broken; it never raises. Lines that are none are counted.
Folds are undone on bytes, since some writers fold inside a character. What no PST can hold becomes U+FFFD.
Source: RFC 5545 3.1, 3.2, 3.3.11; RFC 6868 (carets in parameters).
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

_FOLD = re.compile(rb"\n[ \t]")
_NAME = re.compile(r"[A-Za-z0-9-]+")
_PARAMETER = re.compile(r';\s*([A-Za-z0-9-]+)\s*=\s*((?:"[^"]*"|[^";:,])*(?:,(?:"[^"]*"|[^";:,])*)*)')
_VALUES = re.compile(r'"([^"]*)"|([^",]+)')
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_CARET = re.compile(r"\^([n^'])")
_CARETS = {"n": "\n", "^": "^", "'": '"'}
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True)
class Line:
    """One content line; `name` and the names of parameters are in capitals, `value` is as written."""

    name: str
    parameters: dict[str, tuple[str, ...]]
    value: str

    def parameter(self, name: str) -> str:
        """The first value of a parameter, "" without one."""
        values = self.parameters.get(name)
        return values[0] if values else ""

    @property
    def text(self) -> str:
        """The value as TEXT: escapes undone."""
        return _ESCAPE.sub(lambda match: "\n" if match[1] in "nN" else match[1], self.value)


@dataclass
class Component:
    """VCALENDAR, VEVENT, ...; `name` in capitals."""

    name: str
    lines: list[Line] = field(default_factory=list)
    children: list["Component"] = field(default_factory=list)

    def all(self, name: str) -> list[Line]:
        return [line for line in self.lines if line.name == name]

    def first(self, name: str) -> Line | None:
        return next((line for line in self.lines if line.name == name), None)

    def text(self, name: str) -> str:
        """The text of the first line of that name, without blanks around it; "" if there is none."""
        line = self.first(name)
        return line.text.strip() if line else ""

    def components(self, name: str) -> list["Component"]:
        return [child for child in self.children if child.name == name]


@dataclass(frozen=True)
class Calendar:
    """What a text holds: its top components, lines that are none, and whether characters had to be replaced."""

    components: list[Component]
    broken_lines: int
    replaced: bool


def parse(data: bytes) -> Calendar:
    """Read a text/calendar body. Components that are not closed end with the text; an END without its BEGIN is broken."""
    text, replaced = _decoded(data)
    top = Component("")
    stack = [top]
    opened: Counter[str] = Counter()
    broken = 0
    for raw in text.split("\n"):
        if not raw.strip():
            continue
        line = _line(raw)
        if line is None:
            broken += 1
        elif line.name == "BEGIN":
            component = Component(line.value.strip().upper())
            stack[-1].children.append(component)
            stack.append(component)
            opened[component.name] += 1
        elif line.name == "END":
            name = line.value.strip().upper()
            if not opened[name]:
                broken += 1
                continue
            before = opened[name]
            while opened[name] == before:
                opened[stack.pop().name] -= 1
        else:
            stack[-1].lines.append(line)
    return Calendar(top.children, broken + len(top.lines), replaced)


def _decoded(data: bytes) -> tuple[str, bool]:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        data = data.decode("utf-16", "replace").encode("utf-8")
    data = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    data = _FOLD.sub(b"", data)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    kept = _UNSTORABLE.sub("\ufffd", text)
    return kept, "\ufffd" in kept


def _line(raw: str) -> Line | None:
    name = _NAME.match(raw.lstrip())
    if name is None:
        return None
    raw = raw.lstrip()
    at = name.end()
    parameters: dict[str, tuple[str, ...]] = {}
    while (found := _PARAMETER.match(raw, at)) is not None:
        parameters.setdefault(found[1].upper(), tuple(_parameter_values(found[2])))
        at = found.end()
    if not raw.startswith(":", at):
        at = raw.find(":", at)  # a parameter that is none; the value is still worth something
        if at < 0:
            return None
    return Line(name[0].upper(), parameters, raw[at + 1 :])


def _parameter_values(text: str) -> Iterator[str]:
    for match in _VALUES.finditer(text):
        value = match[1] if match[1] is not None else match[2].strip()
        yield _CARET.sub(lambda caret: _CARETS[caret[1]], value)
