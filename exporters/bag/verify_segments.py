"""One segment taken apart: is it as it was written, and what do its rows say?

Rules of this file: bytes in, plain values out, no store; runs in a process of its own where there are many segments, so it
imports little. What is wrong is told in words, never raised. A row becomes one line of text, its parts divided by NUL, in an
order that sorts as the fold does. Source: design §4 (the ledger), docs/formats.md.
"""

import hashlib
import re
from typing import Any, NamedTuple

from exporters.bag.formats import ENTRY_KINDS, OBJECT, JsonObject, dump_row, load_json

ITEM, LISTED, PERMISSIONS = b"I", b"L", b"P"
SCOPE, ID, SEQUENCE, SORT = range(4)
"""The parts that each line has. Sequence: segment and row as one number, of as many digits for all."""
KIND, OUTCOME, CODE, DIGEST, KEY, SIZE, SHA256, VERSION, CAPTURED, PARENT, CHILDREN = range(4, 15)
"""The further parts of an item row. Children: what the service counts in it; `T` and a number if folders are not counted."""
LISTED_DIGEST, DELETED, LISTED_KIND, LISTED_PARENT, LISTED_CHILDREN = range(4, 9)
"""Deleted: `N` if the value has the name last known, and with it kind and parent; `1` if the row has to tell them."""
PERMISSIONS_DIGEST = 4

_ITEM, _LISTED, _PERMISSIONS = b'{"item":', b'{"listed":', b'{"permissions":'
_BYTES = frozenset({"file", "version", "derived", "leftover", "attachment", "original", "page"}) | ENTRY_KINDS
_NO_BYTES = frozenset({"folder", "package", "shortcut", "other"})
_HEADS = frozenset({"cursor", "round", "closed", "source"})
_IS_OBJECT = re.compile(OBJECT)
_IS_ENTRY = re.compile(rf"{OBJECT}(?:(?<=zip)!.+|(?<=jsonl)![1-9][0-9]*)", re.DOTALL)
_LARGEST = 1 << 62
_END = ord("}")


class Examined(NamedTuple):
    """A segment in itself. `first`: its first line; `lines`: between first and last, without newlines; `problems`: why it
    is not as it was written."""

    sha256: str
    first: JsonObject
    lines: list[bytes]
    problems: list[str]


class Facts(NamedTuple):
    """What a segment says of the whole. `heads`: its rows of kinds that are few, in order; `items`: number of `item` rows;
    `rows`: of lines that were made of it; `unreadable`: rows that cannot be understood; `odd`: `item` rows that can be, and say
    what no row of their kind says."""

    number: int
    sha256: str
    first: JsonObject
    problems: list[str]
    heads: list[tuple[str, Any]]
    items: int
    rows: int
    unreadable: int
    odd: int


def examine(number: int, data: bytes) -> Examined:
    """Check a segment in itself: its last line fits its bytes, its first line has the number of its name."""
    problems = []
    start_of_last = data.rfind(b"\n", 0, max(len(data) - 1, 0)) + 1
    last = data[start_of_last:]
    lines = data.split(b"\n")
    del lines[-2 if data.endswith(b"\n") else -1 :]
    whole = hashlib.sha256(memoryview(data)[:start_of_last])
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


def facts_of(number: int, data: bytes) -> tuple[Facts, list[bytes]]:
    """Take a segment apart: facts, and the lines of its rows."""
    found = examine(number, data)
    rows = _Rows(number)
    rows.take(found.lines)
    text = "\n".join(rows.lines)
    if text.count("\n") != max(len(rows.lines) - 1, 0) or text.count("\0") != rows.parts:
        rows = _Rows(number, check=True)
        rows.take(found.lines)
        text = "\n".join(rows.lines)
    lines = text.encode("utf-8", "surrogatepass").split(b"\n") if rows.lines else []
    facts = Facts(
        number, found.sha256, found.first, found.problems, rows.heads, rows.items, len(lines), rows.unreadable, rows.odd
    )
    return facts, lines


def sequence_of(segment: int) -> int:
    """What the sequence of a segment's first row is at least; all have as many digits, and sort as text."""
    return 10**18 + segment * 10**9


def digest_of(line: bytes) -> bytes:
    """What stands for a line (without its newline) where lines are compared: 16 bytes."""
    return hashlib.sha256(line).digest()[:16]


class _Rows:
    """What the rows of a segment come to. `parts`: number of NULs that its lines hold if they hold none of their own."""

    def __init__(self, number: int, *, check: bool = False) -> None:
        """check: look at each line whether a text in it holds what ends a part or a line."""
        self.lines: list[str] = []
        self.heads: list[tuple[str, Any]] = []
        self.items = self.parts = self.unreadable = self.odd = 0
        self._first, self._check = sequence_of(number), check

    def take(self, rows: list[bytes]) -> None:
        """Take in all rows of the segment."""
        for sequence, row in enumerate(rows, self._first):
            try:
                if row[-1] != _END:
                    raise ValueError("a row is a JSON object")
                if row.startswith(_ITEM):
                    line, is_sound = _item(row[8:-1], sequence)
                    parts = CHILDREN
                    self.odd += not is_sound
                elif row.startswith(_LISTED):
                    line, parts = _listed(row[10:-1], sequence), LISTED_CHILDREN
                elif row.startswith(_PERMISSIONS):
                    line, parts = _permissions(row[15:-1], sequence), PERMISSIONS_DIGEST
                else:
                    self.heads += _other(row)
                    continue
                if self._check and ("\n" in line or line.count("\0") != parts):
                    raise ValueError("a text holds control characters")
            except (KeyError, TypeError, AttributeError, ValueError, IndexError):
                self.unreadable += 1
                continue
            self.lines.append(line)
            self.parts += parts
            self.items += parts == CHILDREN


def _other(line: bytes) -> list[tuple[str, Any]]:
    """A row of another kind, if it is one that the heads need."""
    row = load_json(line)
    if len(row) != 1:
        raise ValueError("a row has one key")
    ((kind, value),) = row.items()
    if kind in {"item", "listed", "permissions"}:  # would be compared byte for byte with a file of the fold
        raise ValueError("a row is written without spaces")
    return [(kind, value)] if kind in _HEADS else []


# Each of these raises TypeError (by join) if a part is no text.


def _item(value: bytes, sequence: int) -> tuple[str, bool]:
    row = load_json(value)
    get, kind, size, key = row.get, row["kind"], row.get("size"), row.get("key")
    if size is not None and (type(size) is not int or not 0 <= size < _LARGEST):
        raise ValueError("a size was expected")
    if key == "" or (kind == "leftover" and (row["scope"] or row["id"] != key)):
        raise ValueError("the id of a leftover is its key")
    line = "\0".join(
        (
            row["scope"],
            row["id"],
            str(sequence),
            "I",
            kind,
            row["outcome"],
            get("code") or "",
            hashlib.sha256(value).hexdigest()[:32],
            "" if key is None else key,
            "" if size is None else str(size),
            get("sha256") or "",
            get("versionId") or "",
            get("captured") or "",
            get("parent") or "",
            _told_count(row) if kind in {"folder", "package"} else "",
        )
    )
    return line, _is_sound(row, kind, key, size)


def _is_sound(row: JsonObject, kind: str, key: str | None, size: int | None) -> bool:
    """Whether a row says what one of its kind and outcome has to: where its bytes lie and what they are, or that it has none."""
    outcome = row["outcome"]
    if outcome == "excepted":
        return key is None and bool(row.get("code"))
    if outcome not in {"copied", "gone"} or (kind in _NO_BYTES and key is not None):
        return False
    if key is None:
        return kind not in _BYTES
    if kind in ENTRY_KINDS:
        in_payload = _IS_ENTRY.fullmatch(key) is not None
    elif kind == "original":
        in_payload = _IS_OBJECT.fullmatch(key) is not None and row["id"] == key and row["scope"] == ""
    else:
        in_payload = key.startswith("data/") and "/../" not in key
    return in_payload and size is not None and len(row.get("sha256") or "") == 64


def is_entry(kind: str, key: str) -> bool:
    """Whether a row names an entry of an object, not an object: an earlier state is of the form that its item had."""
    return kind in ENTRY_KINDS or (kind == "version" and _IS_ENTRY.fullmatch(key) is not None)


def _listed(value: bytes, sequence: int) -> str:
    row = load_json(value)
    digest, deleted, kind = hashlib.sha256(value).hexdigest()[:32], "", row.get("kind") or "file"
    if row.get("deleted"):
        deleted = "N" if "name" in row else "1"
    count = "" if kind == "file" else _told_count(row)
    parent = row.get("parent") or ""
    return "\0".join((row["scope"], row["id"], str(sequence), "L", digest, deleted, kind, parent, count))


def _permissions(value: bytes, sequence: int) -> str:
    row = load_json(value)
    return "\0".join((row["scope"], row["id"], str(sequence), "P", hashlib.sha256(value).hexdigest()[:32]))


def _told_count(facts: JsonObject) -> str:
    service = facts.get("service") or {}
    for name, mark in (("totalItemCount", "T"), ("childCount", "")):
        count = service.get(name)
        if type(count) is int and 0 <= count < _LARGEST:
            return f"{mark}{count}"
    return ""
