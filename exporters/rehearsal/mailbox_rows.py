"""Rows of one kind in a mailbox: a file with its index, under an overlay of what has changed since.

Rules of this file: rows stay on disk, memory holds 8 bytes a row; an item is known by its number, which the last 20 characters
of its ids name; a number is never given twice, and an id of another mailbox, kind or state is not found.
Source: reference/tenant-data.md, "Users and mailboxes".
"""

import base64
import binascii
import hashlib
import struct
from array import array
from pathlib import Path
from typing import Literal

from exporters.rehearsal.content import FilePool
from exporters.rehearsal.documents import Row, parse

Kind = Literal["message", "folder", "event", "calendar", "contact", "contactFolder", "task", "list", "occurrence"]
NUMBERS: dict[Kind, int] = {
    "message": 0,
    "folder": 1,
    "event": 2,
    "calendar": 3,
    "contact": 4,
    "contactFolder": 5,
    "task": 6,
    "list": 7,
    "occurrence": 8,  # our own: of a series, made from its number and the day
}
IMMUTABLE: frozenset[Kind] = frozenset({"message", "event", "contact", "task", "occurrence"})
_TAIL = struct.Struct(">BIQ")
_TAIL_LENGTH = 20


class IdError(ValueError):
    """An id that no Exchange ever made."""


def made_id(kind: Kind, user: int, n: int, salt: str, *, immutable: bool = False) -> str:
    """An id of the form of the data's own, that follows from its parts."""
    digest = hashlib.sha256(f"{salt}|{kind}|{user}|{n}|{immutable}".encode()).digest()
    body = digest + digest[: 13 if immutable else 28] + _TAIL.pack(NUMBERS[kind], user, n)
    return ("AAkALg" if immutable else "AAMkAG") + base64.urlsafe_b64encode(body).decode()


def read_id(item_id: str) -> tuple[int, int, int]:
    """Number of the kind, number of the user, number of the row. Raises IdError."""
    try:
        tail = base64.b64decode(item_id[-_TAIL_LENGTH:], altchars=b"-_", validate=True)
        kind, user, n = _TAIL.unpack(tail)
    except (binascii.Error, struct.error, ValueError) as error:
        raise IdError("Id is malformed.") from error
    return kind, user, n


class MailRows:
    """The rows of one file. The mailbox's lock is held by whoever changes them."""

    def __init__(self, tenant: Path, folder: str, name: str, kind: Kind, user: int, files: FilePool) -> None:
        """folder: of the mailbox, as `users/u00000`. A file that is not there has no rows."""
        self.kind, self.user, self.folder = kind, user, folder
        self._files, self._name = files, f"{folder}/{name}.jsonl"
        self._offsets = _offsets(tenant / self._name)
        self.base_count = max(0, len(self._offsets) - 1)
        self.count = self.base_count
        self.overlay: dict[int, Row] = {}
        self.gone: set[int] = set()

    def row(self, n: int) -> Row:
        """The row as the truth has it, `_` keys included. Not to be changed: copy it first."""
        changed = self.overlay.get(n)
        if changed is not None:
            return changed
        start = self._offsets[n]
        row: Row = parse(self._files.read(self._name, self._offsets[n + 1] - start, start))
        return row

    def add(self, row: Row) -> int:
        """A new row behind all others; returns its number. Its ids are made here."""
        n, self.count = self.count, self.count + 1
        made = {**row, "id": made_id(self.kind, self.user, n, f"{self.folder}|created")}
        if self.kind in IMMUTABLE:
            made["_immutableId"] = made_id(self.kind, self.user, n, f"{self.folder}|created", immutable=True)
        self.overlay[n] = made
        return n

    def immutable_id(self, n: int, row: Row) -> str:
        """The id that stays through moves; kinds without one keep the ordinary id."""
        if self.kind not in IMMUTABLE:
            return str(row["id"])
        return str(row.get("_immutableId") or made_id(self.kind, self.user, n, self.folder, immutable=True))

    def find(self, item_id: str) -> int | None:
        """The number of the live row with this id, of either form; ids are compared byte for byte. Raises IdError."""
        kind, user, n = read_id(item_id)
        if kind != NUMBERS[self.kind] or user != self.user or n >= self.count or n in self.gone:
            return None
        row = self.row(n)
        return n if item_id in (row["id"], self.immutable_id(n, row)) else None


def _offsets(path: Path) -> "array[int]":
    """Where each row begins, and where the last one ends; from the index beside the file if there is one."""
    found = array("Q")
    if not path.exists():
        return found
    index = path.with_suffix(".idx")
    if index.exists():
        found.frombytes(index.read_bytes())
        found.append(path.stat().st_size)
        return found
    offset = 0
    with path.open("rb") as lines:
        for line in lines:
            found.append(offset)
            offset += len(line)
    found.append(offset)
    return found
