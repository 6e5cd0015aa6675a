"""How numbers, instants and names are written in a report.

Rules of this file: pure; instants are shown in UTC to the minute and say so; what is not known is a dash, never a zero.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from exporters.results import COVERED, IN_PART, NEVER, NOT_ASKED, NOT_REACHABLE
from retention.evidence.blocks import Style, Words

STATUS_STYLES: Final[Mapping[str, Style]] = {
    COVERED: "good", IN_PART: "doubtful", NOT_REACHABLE: "bad", NOT_ASKED: "weak", NEVER: "weak",
}  # fmt: skip
KINDS: Final = {"mail": "mailbox", "onedrive": "OneDrive", "sharepoint": "site", "directory": "directory"}
_PLURALS: Final = {"mailbox": "mailboxes", "OneDrive": "OneDrives", "site": "sites", "directory": "directories"}
_UNITS: Final = ("bytes", "kB", "MB", "GB", "TB", "PB")
DASH: Final = "–"
SOURCE: Final = "the clock of this machine, compared with the Date of the service's answers"
"""Which clock dates a report."""


def number(value: Any) -> str:
    """A count; a dash where it is not known."""
    return f"{value:,}" if isinstance(value, int) else DASH


def size(octets: Any) -> str:
    """Bytes for people."""
    if not isinstance(octets, int):
        return DASH
    value, unit = float(octets), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{octets:,} bytes" if unit == 0 else f"{value:,.1f} {_UNITS[unit]}"


def instant(text: Any) -> str:
    """`2026-11-29 12:51 UTC`."""
    if not isinstance(text, str) or not text:
        return DASH
    try:
        return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return text


def day(text: str) -> str:
    """`2026-11-29`."""
    return text[:10]


def plural(count: int, name: str, names: str | None = None) -> str:
    """`1 bag`, `2 bags`."""
    return f"{count:,} {name if count == 1 else names or _PLURALS.get(name, name + 's')}"


def people(names: Iterable[str] | None) -> Words:
    """Who accepted something."""
    told = ", ".join(map(str, names or ()))
    return Words(f"accepted by {told}" if told else "nobody", "plain" if told else "bad")


def yes(value: Any) -> str:
    """Yes, no, or not known."""
    return DASH if value is None else "yes" if value else "no"


def class_name(name: str) -> str:
    """A class of content, for people."""
    return name.replace("_", " ")


def status(text: str) -> Words:
    """A state of coverage."""
    return Words(text, STATUS_STYLES.get(text, "bad"))
