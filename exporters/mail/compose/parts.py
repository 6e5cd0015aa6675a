"""The files of a PST in the store: each is made beside it, read back, and put when it is whole.

Rules of this file: a part lies in the temporary folder until it is whole, since a store takes the bytes of an object in their
order and a PST's beginning is known last: so there must be room for one part there. No part is put whose folders and messages,
counted by reading it, are not those that were written (Q-085). Bytes that are in the store already are not put again.
Source: design §5; reference/pst-format.md §8.4; quirk Q-085.
"""

import contextlib
import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from exporters.bag.formats import JsonObject
from exporters.bag.keys import component_for
from exporters.bag.ledger import BagWriter
from exporters.clock import Clock, timestamp
from exporters.errors import SourceError
from exporters.pst import FileSink, Unreadable
from exporters.pst.inventory import Inventory

PST = "data/pst"
PARTS_JSON = f"{PST}/parts.json"
_PIECE = 1 << 20


class ReadBackError(SourceError):
    """A finished PST does not hold what was written into it."""

    def __init__(self, file: str, what: str) -> None:
        super().__init__(
            f"the PST {file} was read back and is not as it was written: {what}",
            code="pst_read_back",
            action="Run `lastcopy compose` again; if it recurs, test this machine's memory and disk. The originals are whole.",
        )


def part_file(bag: str, number: int) -> str:
    """Name of part `number` (from 1 on) below `data/pst/`."""
    name = bag.rpartition("/")[2]
    tail = "" if number == 1 else f"-{number:03d}"
    return component_for(f"{name}{tail}.pst", f"{bag} {number}")


@dataclass(slots=True)
class PartFacts:
    """What goes into one part: messages by folder, hidden ones (associated with it) apart, and losses by code."""

    items: Counter[tuple[str, ...]] = field(default_factory=Counter)
    hidden: Counter[tuple[str, ...]] = field(default_factory=Counter)
    losses: Counter[str] = field(default_factory=Counter)


class Parts:
    """The parts in work. settings: what they were made with, as their rows keep it. first: number of the first."""

    def __init__(self, writer: BagWriter, clock: Clock, folder: Path, settings: Mapping[str, int]) -> None:
        self._writer, self._clock, self._folder, self._settings = writer, clock, folder, settings
        self._files: dict[int, BinaryIO] = {}
        self.facts: dict[int, PartFacts] = {}
        self.put_bytes = 0

    def open(self, number: int) -> FileSink:
        """A sink for a new part. Raises: OSError."""
        file = self._files[number] = cast(BinaryIO, tempfile.TemporaryFile(dir=self._folder))  # noqa: SIM115 - see close
        self.facts[number] = PartFacts()
        return FileSink(file)

    def close(self) -> None:
        """Drop what did not become whole."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    @contextlib.contextmanager
    def finished(self, number: int, folders: frozenset[tuple[str, ...]]) -> Iterator["Finished"]:
        """A part that is whole now, read back. folders: paths of those it must have. Raises: ReadBackError, OSError."""
        file = self._files[number]
        name = part_file(self._writer.bag, number)
        _read_back(name, file, self.facts[number], folders)
        try:
            yield Finished(name, number, file, *_measured(file), self.facts[number], len(folders))
        finally:
            del self._files[number]
            file.close()

    def put(self, part: "Finished") -> JsonObject:
        """Put a part, unless the same bytes are there; its row of kind `derived`. Raises: ReplacedError, errors of the store."""
        key = f"{PST}/{part.name}"
        known = self._writer.state.row(("derived", "", key))
        made: JsonObject = {
            "losses": dict(sorted(part.facts.losses.items())),
            "folders": part.folders,
            "messages": part.facts.items.total() + part.facts.hidden.total(),
            "number": part.number,
            "settings": dict(self._settings),
        }
        if known is not None and is_same(self._writer, known, part.size, part.sha256):
            return {**known, "pst": made}
        row = put_derived(self._writer, self._clock, key, _pieces(part.file), part.size)
        self.put_bytes += part.size
        return {**row, "pst": made}


@dataclass(frozen=True, slots=True)
class Finished:
    """A whole part in the temporary folder."""

    name: str
    number: int
    file: BinaryIO
    size: int
    sha256: str
    facts: PartFacts
    folders: int


def is_same(writer: BagWriter, row: Mapping[str, object], size: int, sha256: str) -> bool:
    """Whether the object of a `derived` row has these bytes, and is there."""
    if row.get("sha256") != sha256 or row.get("outcome") != "copied":
        return False
    info = writer.store.stat(f"{writer.bag}/{row['key']}")
    return info is not None and info.size == size


def put_derived(writer: BagWriter, clock: Clock, key: str, content: Iterator[bytes], size: int) -> JsonObject:
    """Put a derived object in the place of what is there; its row. Raises: ReplacedError, errors of the store."""
    writer.orphans_possible = True  # until its row is written
    stored = writer.put_derived(key, content, size=size)
    row: JsonObject = {"kind": "derived", "scope": "", "id": key, "key": key, "outcome": "copied"}
    row.update(size=stored.size, sha256=stored.sha256, run=writer.run.id, captured=timestamp(clock.now()))
    if stored.version_id is not None:
        row["versionId"] = stored.version_id
    return row


def _measured(file: BinaryIO) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    for piece in _pieces(file):
        digest.update(piece)
        size += len(piece)
    return size, digest.hexdigest()


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(_PIECE):
        yield piece


def _read_back(name: str, file: BinaryIO, facts: PartFacts, folders: frozenset[tuple[str, ...]]) -> None:
    """Count folders and messages as a reader finds them (Q-085)."""
    items: dict[tuple[str, ...], int] = {}
    hidden: dict[tuple[str, ...], int] = {}
    try:
        for contents in Inventory(file).folders():
            if contents.is_internal:
                continue
            if contents.items != contents.told:
                raise ReadBackError(name, f"a folder tells of {contents.told:,} messages and lists {contents.items:,}")
            items[contents.path], hidden[contents.path] = contents.items, contents.hidden
    except Unreadable as error:
        raise ReadBackError(name, error.reason) from error
    missing = [path for path in folders if path and path not in items]
    if missing:
        raise ReadBackError(name, f"{len(missing):,} folders are missing")
    for found, written in ((items, facts.items), (hidden, facts.hidden)):
        wrong = [path for path in {*found, *written} if found.get(path, 0) != written.get(path, 0)]
        if wrong:
            raise ReadBackError(name, f"{len(wrong):,} folders have other numbers of messages")
