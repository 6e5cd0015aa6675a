"""One thing of the directory as it was listed, the line that it becomes, and what tells whether it is new.

Rules of this file: no I/O; a line holds what was served and nothing else, so that the same answers give the same bytes; an
answer in which a list has another order, as the directory gives now and then, is no news. Source: docs/formats.md (bag of the
directory).
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from exporters.bag.formats import JsonObject, dump_json
from exporters.directory.sorted_rows import SortedRows
from exporters.graph.answers import identifier_of
from exporters.outcomes import ExceptionCode

IGNORED = frozenset({"onPremisesLastSyncDateTime"})
"""What changes with every synchronisation: alone it makes no news."""


@dataclass(frozen=True, slots=True)
class Part:
    """Something of an item that is asked for by itself: members, owners, records. rows: None where there is nothing to show.
    code, reason: why it is not whole, or not there at all."""

    name: str
    rows: SortedRows | None
    code: ExceptionCode | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """A user, group, licence, … as listed. parent: id of its folder, or of the set or term above it. service: what its row
    says of it besides the digests."""

    kind: str
    id: str
    parent: str
    name: str
    path: str
    graph: JsonObject
    scope: str = ""
    service: JsonObject = field(default_factory=dict)
    parts: tuple[Part, ...] = ()

    @property
    def identity(self) -> tuple[str, str, str]:
        """Of its row."""
        return self.kind, self.scope, self.id

    def digests(self) -> dict[str, str]:
        """{"graph": …, and the name of each part that is there: SHA-256}."""
        found = {"graph": hashlib.sha256(dump_json({"graph": _unordered(self.graph)})).hexdigest()}
        for part in self.parts:
            if part.rows is not None:
                digest = hashlib.sha256()
                for row in part.rows:
                    digest.update(row + b"\n")
                found[part.name] = digest.hexdigest()
        return found

    def line(self) -> Iterator[bytes]:
        """Its line in pieces, without the newline: an object with sorted keys, as `dump_json` writes one."""
        parts = {part.name: part.rows for part in self.parts if part.rows is not None}
        head = dump_json({"graph": self.graph, "id": self.id, "kind": self.kind})
        if not parts:
            yield head
            return
        yield head[:-1]
        for name in sorted(parts):  # all of them come after `kind`
            yield b',"%b":[' % name.encode()
            yield from _joined(parts[name])
            yield b"]"
        yield b"}"

    def close(self) -> None:
        """Let go of the parts."""
        for part in self.parts:
            if part.rows is not None:
                part.rows.close()


def id_of(row: Mapping[str, Any]) -> str | None:
    """The id of what was listed; None if it has none that a row can have (control characters divide what `verify` sorts)."""
    found = identifier_of(row.get("id"))
    return None if found is None or any(c < " " for c in found) else found


def _joined(rows: Iterable[bytes]) -> Iterator[bytes]:
    between = b""
    for row in rows:
        yield between + row
        between = b","


def _unordered(value: Any) -> Any:
    """The value with its lists in an order of their own, and without what is no news."""
    if isinstance(value, Mapping):
        return {name: _unordered(inner) for name, inner in value.items() if name not in IGNORED}
    if isinstance(value, list):
        return sorted(map(_unordered, value), key=lambda inner: dump_json({"": inner}))
    return value
