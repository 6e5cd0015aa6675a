"""Which entries of which objects the rows of a bag name: messages in a zip, contacts in lines of a file.

Rules of this file: a pure function of the lines that `verify_derive` made, one range of sorted lines at a time; says what is
wrong with what the rows say, and opens nothing; no code of the writers. Source: docs/formats.md (bag of a mailbox).
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

from exporters.bag.verify_derive import HOLDER, NEWEST
from exporters.bag.verify_spool import Place, Range, Spool

_HOLDER, _NAME, _SEQUENCE, _MARK, _SIZE, _SHA256, _VERSION, _CAPTURED = range(8)
"""The parts of a line; the last two of the row of an object alone."""

Fields = list[bytes]


class Entries(NamedTuple):
    """What a range of lines comes to. `holders`: [fields of Holder.of]; `octets`: bytes of those that have a row."""

    holders: Place
    octets: int


class Entry(NamedTuple):
    """An entry as the rows name it. size: -1 and sha256: empty if no row tells them; fault: what is wrong with the rows."""

    name: str
    size: int
    sha256: str
    fault: str | None


class Holder(NamedTuple):
    """An object that holds entries. has_row: whether a row of kind `original` says so; size, sha256, captured: as it says;
    dropped: names of entries that only older rows name."""

    key: str
    has_row: bool
    size: int
    sha256: str
    captured: str
    entries: list[Entry]
    dropped: list[str]

    @classmethod
    def of(
        cls, key: bytes, row: list[bytes], entries: list[tuple[bytes, int, bytes, str]], dropped: list[bytes]
    ) -> "Holder":
        """From what `named_entries` says. row: size, SHA-256, captured; empty if there is none."""
        size, sha256, captured = (_text(part) for part in row) if row else ("", "", "")
        named = [Entry(_text(name), length, _text(digest), fault or None) for name, length, digest, fault in entries]
        return cls(
            _text(key), bool(row), int(size) if size else -1, sha256, captured, named, [_text(name) for name in dropped]
        )

    @property
    def is_zip(self) -> bool:
        """Whether its entries are those of a zip, not lines."""
        return self.key.endswith(".zip")


def named_entries(spool: Spool, wanted: Range) -> tuple[Any, ...]:
    """Reduce a range of lines to the objects that they name, each with its entries: fields of Entries."""
    holders: list[Any] = []
    octets = 0
    lines = (line.split(b"\0") for line in spool.lines(wanted))
    for key, group in groupby(lines, key=lambda fields: fields[_HOLDER]):
        row: list[bytes] = []
        entries: list[tuple[bytes, int, bytes, str]] = []
        dropped: list[bytes] = []
        for name, of_name in groupby(group, key=lambda fields: fields[_NAME]):
            named = list(of_name)
            for fields in named:
                if fields[_MARK] == HOLDER:
                    row = [fields[_SIZE], fields[_SHA256], fields[_CAPTURED]]
            named = [fields for fields in named if fields[_MARK] != HOLDER]
            newest = [fields for fields in named if fields[_MARK] == NEWEST]
            if newest:
                entries.append(_entry(name, newest, named))
            elif named:
                dropped.append(name)
        octets += int(row[0] or 0) if row else 0
        holders.append((key, row, entries, dropped))
    return spool.write_values(holders), octets


def _entry(name: bytes, newest: list[Fields], named: list[Fields]) -> tuple[bytes, int, bytes, str]:
    size, sha256 = newest[0][_SIZE], newest[0][_SHA256]
    return name, int(size) if size else -1, sha256, "; ".join(_faults(newest, named))


def _faults(newest: list[Fields], named: list[Fields]) -> Iterator[str]:
    if len(newest) > 1:
        yield f"{len(newest)} rows name it, and each has an entry of its own"
    if not all(fields[_SIZE] and fields[_SHA256] for fields in newest):
        yield "a row names it without size and SHA-256"
    if any(fields[_SIZE : _SHA256 + 1] != newest[0][_SIZE : _SHA256 + 1] for fields in named):
        yield "rows name it with different bytes"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


ENTRY_STEPS: dict[str, Any] = {"named_entries": named_entries}
"""What a process can be asked for by name."""
