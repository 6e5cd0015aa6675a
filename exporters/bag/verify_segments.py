"""One segment taken apart: is it as it was written, and what do its rows say?

Rules of this file: bytes in, plain values out, no store; runs in a process of its own where there are many segments, so it imports
little. What is wrong is told in words, never raised. A row becomes one line of text with its parts ended by NUL, in an order
that sorts as the fold does. Source: design §4 (the ledger), docs/formats.md.
"""

import hashlib
from typing import Any, NamedTuple

from exporters.bag.formats import JsonObject, dump_row, load_json

ITEM, LISTED, PERMISSIONS = b"I", b"L", b"P"
SCOPE, ID, SEQUENCE, SORT = range(4)
"""The parts that each line has. Sequence: segment and row, as digits of fixed width."""
KIND, OUTCOME, CODE, DIGEST, KEY, SIZE, SHA256, VERSION, CAPTURED, PARENT, CHILDREN = range(4, 15)
"""The further parts of an item row."""
LISTED_DIGEST, DELETED, LISTED_PARENT, LISTED_CHILDREN = range(4, 8)
PERMISSIONS_DIGEST = 4

_ITEM, _LISTED, _PERMISSIONS = b'{"item":', b'{"listed":', b'{"permissions":'
_HEADS = frozenset({"cursor", "round", "closed", "source"})
_LARGEST = 1 << 62


class Examined(NamedTuple):
    """A segment in itself. `first`: its first line; `lines`: between first and last, without newlines; `problems`: why it
    is not as it was written."""

    sha256: str
    first: JsonObject
    lines: list[bytes]
    problems: list[str]


class Facts(NamedTuple):
    """What a segment says of the whole. `heads`: its rows of kinds that are few, in order; `items`: number of `item` rows;
    `rows`: of lines that were made of it; `unreadable`: rows that cannot be understood."""

    number: int
    sha256: str
    first: JsonObject
    problems: list[str]
    heads: list[tuple[str, Any]]
    items: int
    rows: int
    unreadable: int


def examine(number: int, data: bytes) -> Examined:
    """Check a segment in itself: its last line fits its bytes, its first line has the number of its name."""
    problems = []
    start_of_last = data.rfind(b"\n", 0, max(len(data) - 1, 0)) + 1
    body, last = data[:start_of_last], data[start_of_last:]
    lines = body.split(b"\n")[:-1]
    whole = hashlib.sha256(body)
    if last != dump_row({"end": len(lines) - 1, "sha256": whole.hexdigest()}):
        problems.append("its last line does not fit its bytes")
        if last and not last.startswith(b'{"end":'):
            lines.append(last.rstrip(b"\n"))  # cut off: what is left is still read, so that the rest can be judged
    first = (loaded(lines[0]) or {}) if lines else {}
    if first.get("segment") != number:
        problems.append(f"its first line says segment {first.get('segment')!r}")
    whole.update(last)
    return Examined(whole.hexdigest(), first, lines[1:], problems)


def loaded(data: bytes) -> JsonObject | None:
    """The JSON object that `data` holds, None if it holds none."""
    try:
        return load_json(data)
    except ValueError:
        return None


def facts_of(number: int, data: bytes, out: list[str]) -> Facts:
    """Take a segment apart; the lines of its rows are appended to `out`."""
    found, heads = examine(number, data), []
    items = unreadable = 0
    before = len(out)
    for row, line in enumerate(found.lines):
        sequence = f"{number:09d}{row:09d}"
        try:
            if line.startswith(_ITEM):
                out.append(_item(_value(line, _ITEM), sequence))
                items += 1
            elif line.startswith(_LISTED):
                out.append(_listed(_value(line, _LISTED), sequence))
            elif line.startswith(_PERMISSIONS):
                out.append(_permissions(_value(line, _PERMISSIONS), sequence))
            else:
                heads += _other(line)
        except (KeyError, TypeError, AttributeError, ValueError):
            unreadable += 1
    return Facts(number, found.sha256, found.first, found.problems, heads, items, len(out) - before, unreadable)


def digest_of(line: bytes) -> bytes:
    """What stands for a line (with its newline) where lines are compared: 16 bytes."""
    return hashlib.sha256(line).digest()[:16]


def _value(line: bytes, start: bytes) -> bytes:
    """The value of a ledger row as its own line: `{"item":{…}}` → `{…}` and a newline, byte for byte."""
    if not line.endswith(b"}"):
        raise ValueError("a row is a JSON object")
    return line[len(start) : -1] + b"\n"


def _other(line: bytes) -> list[tuple[str, Any]]:
    """A row of another kind, if it is one that the heads need."""
    row = load_json(line)
    if len(row) != 1:
        raise ValueError("a row has one key")
    ((kind, value),) = row.items()
    if kind in {"item", "listed", "permissions"}:  # would be compared byte for byte with a file of the fold
        raise ValueError("a row is written without spaces")
    return [(kind, value)] if kind in _HEADS else []


def _item(value: bytes, sequence: str) -> str:
    row = load_json(value)
    get = row.get
    if get("key") == "" or (row["kind"] == "leftover" and (row["scope"] or row["id"] != get("key"))):
        raise ValueError("the id of a leftover is its key")
    parts = (
        row["scope"],
        row["id"],
        sequence,
        "I",
        row["kind"],
        row["outcome"],
        _text(get("code")),
        hashlib.sha256(value).hexdigest()[:32],
        _text(get("key")),
        _number(get("size")),
        _text(get("sha256")),
        _text(get("versionId")),
        _text(get("captured")),
        _text(get("parent")),
        _child_count(row) if row["kind"] == "folder" else "",
    )
    return _joined(parts)


def _listed(value: bytes, sequence: str) -> str:
    row = load_json(value)
    digest, deleted = hashlib.sha256(value).hexdigest()[:32], "1" if row.get("deleted") else ""
    parts = (row["scope"], row["id"], sequence, "L", digest, deleted, _text(row.get("parent")), _child_count(row))
    return _joined(parts)


def _permissions(value: bytes, sequence: str) -> str:
    row = load_json(value)
    return _joined((row["scope"], row["id"], sequence, "P", hashlib.sha256(value).hexdigest()[:32]))


def _joined(parts: tuple[str, ...]) -> str:
    """Raises: TypeError if one is no text; ValueError if one holds what ends a part or a line."""
    line = "\0".join(parts)
    if "\n" in line or line.count("\0") != len(parts) - 1:
        raise ValueError("a text holds control characters")
    return line


def _text(value: Any) -> Any:
    return "" if value is None else value


def _number(value: Any) -> str:
    if value is None:
        return ""
    if type(value) is not int or not 0 <= value < _LARGEST:
        raise ValueError("a size was expected")
    return str(value)


def _child_count(facts: JsonObject) -> str:
    count = (facts.get("service") or {}).get("childCount")
    return str(count) if type(count) is int and 0 <= count < _LARGEST else ""
