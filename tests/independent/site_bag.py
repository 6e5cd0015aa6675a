"""Reads the bag of a site, or of the directory, in a folder store: its rows, the lines of its objects, and whether it is sound.

Rules of this file: standard library only; imports nothing of ours but `reader` (segments, tag files, payload). What is wrong with
the frame is said here: tag files are those that the segments give, each key is there with its bytes and nothing else is, each row
of an entry finds its line, and no line is without a row. Source: docs/formats.md ("Bag of a site", "Bag of the directory").
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.independent.differences import Differences
from tests.independent.reader import (
    DIRECTORY_KINDS,
    Bag,
    Identity,
    as_folded,
    check_payload,
    check_tags,
    counts_of,
    is_entry,
    is_open,
    read_bag,
    sha256,
)

Row = dict[str, Any]
ENTRY_KINDS = {"list_item", "columns", "site"} | DIRECTORY_KINDS
OBJECT = re.compile(
    r"data/(lists/[^/]+/(items|columns)|site/site|originals/(users|groups|licences|subscriptions|domains|organization|roles|terms))"
    r"-\d{5,}\.jsonl"
)
MOST_LINES, MOST_BYTES, MOST_LINE = 1_000, 256 << 20, 64 << 20


@dataclass
class SiteBag:
    """One bag. state: what its segments say; lines: key of an object, `!`, number → line, as parsed; sums: → (size, SHA-256)."""

    state: Bag
    lines: dict[str, Row] = field(default_factory=dict)
    sums: dict[str, tuple[int, str]] = field(default_factory=dict)
    reconciliation: Row = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.state.name

    @property
    def folder(self) -> Path:
        return self.state.folder

    @property
    def rows(self) -> dict[Identity, Row]:
        """Newest row of each identity."""
        return self.state.rows

    def of(self, kind: str, scope: str | None = None, *, gone: bool = False) -> Iterator[Row]:
        """Rows of a kind; without `gone` not those that are gone or vanished."""
        for spot, row in self.rows.items():
            if spot[0] == kind and scope in (None, spot[1]) and (gone or is_there(row)):
                yield row

    def line(self, row: Row) -> Row:
        """The line of a row that is an entry; empty if there is none."""
        return self.lines.get(str(row.get("key")), {})

    def read(self, key: str) -> bytes | None:
        """Bytes of an object of the payload; None if it is not there."""
        path = self.folder / key
        return path.read_bytes() if path.is_file() else None


def is_there(row: Row) -> bool:
    """Whether the service listed it last: neither gone nor vanished."""
    return row["outcome"] != "gone" and row.get("code") != "vanished"


def read_site_bag(store: Path, name: str, found: Differences, *, leftovers: bool = False) -> SiteBag:
    """All of a bag; what is wrong with its frame goes to `found`. leftovers: a writer was killed, so there may be some."""
    wrong: list[str] = []
    bag = SiteBag(read_bag(store, name, wrong))
    if not bag.state.segments:
        found.say("bag frame", f"{name}: no segments")
        return bag
    check_tags(bag.state, wrong)
    for text in wrong:
        found.say("bag frame", text)
    if not wrong:
        found.agreed["bag frame"] += 1
    payload: list[str] = []
    check_payload(bag.state, payload)
    for text in payload:
        found.say("payload", text)
    found.agreed["payload"] += len(bag.state.keys()) - min(len(payload), len(bag.state.keys()))
    found.check("bag frame", f"{name}: is open", not is_open(bag.state))
    found.check("bag frame", f"{name}: is not closed", bag.state.closed is not None)
    found.check("bag frame", f"{name}: {len(bag.state.listed)} rows are owed", not bag.state.listed)
    found.check("bag frame", f"{name}: a full round never ended", bag.state.round is None)
    _read_objects(bag, found)
    _check_entries(bag, found)
    _check_leftovers(bag, found, leftovers)
    _read_reconciliation(bag, found)
    return bag


def _read_objects(bag: SiteBag, found: Differences) -> None:
    for key, (_, size) in bag.state.keys().items():
        row = bag.rows.get(("original", "", key))
        if OBJECT.fullmatch(key) is None:
            found.check("originals", f"{bag.name}: {key} has a row of kind original", row is None)
            continue
        data = bag.read(key)
        if row is None or data is None:
            continue  # a leftover: nobody asks what is in it; or said already
        lines = data.split(b"\n")
        found.check("originals", f"{bag.name}: {key} does not end with a line's end", lines.pop() == b"")
        found.check("originals", f"{bag.name}: {key} has {len(lines)} lines", 0 < len(lines) <= MOST_LINES)
        found.check("originals", f"{bag.name}: {key} has {size} bytes", size <= MOST_BYTES + MOST_LINE)
        for number, line in enumerate(lines, 1):
            try:
                bag.lines[f"{key}!{number}"] = json.loads(line)
            except ValueError:
                found.say("originals", f"{bag.name}: {key}:{number} is no JSON")
                continue
            bag.sums[f"{key}!{number}"] = (len(line), sha256(line))


def _check_entries(bag: SiteBag, found: Differences) -> None:
    """Rows and lines name each other, once."""
    named: Counter[str] = Counter()
    for spot, row in bag.rows.items():
        key = str(row.get("key") or "")
        if spot[0] not in ENTRY_KINDS and not (spot[0] == "version" and is_entry(key)):
            continue
        if row["outcome"] == "excepted":
            found.check("rows", f"{bag.name}: excepted {spot} has a key", not key)
            continue
        named[key] += 1
        held = bag.sums.get(key)
        if held is None:
            found.say("rows", f"{bag.name}: {spot}: there is no line {key!r}")
            continue
        found.same("rows", f"{bag.name}: {spot}: {key}", (row.get("size"), row.get("sha256")), held)
        if spot[0] != "version":
            found.same("rows", f"{bag.name}: {spot}: the line is of", bag.lines[key].get("id"), row["id"])
    for key, count in named.items():
        found.check("rows", f"{bag.name}: {count} rows name {key!r}", count == 1)
    for key in bag.lines:
        found.check("rows", f"{bag.name}: no row names {key!r}", key in named)


def _check_leftovers(bag: SiteBag, found: Differences, allowed: bool) -> None:
    for spot in bag.rows:
        if spot[0] == "leftover":
            found.check("nothing else", f"{bag.name}: leftover {spot[2]}", allowed)


def _read_reconciliation(bag: SiteBag, found: Differences) -> None:
    """Counts, kinds and outcomes are those of the rows; what the service counted is found."""
    path = bag.folder / "lastcopy/reconciliation.json"
    if not path.is_file():
        found.say("reconciliation", f"{bag.name}: there is none")
        return
    bag.reconciliation = json.loads(path.read_bytes())
    folded = as_folded(bag.state)
    kinds: dict[str, Counter[str]] = {}
    for row in folded.rows.values():
        kinds.setdefault(row["kind"], Counter())[row["outcome"]] += 1
    said = bag.reconciliation
    found.same("reconciliation", f"{bag.name}: kinds", said.get("kinds"), {k: dict(v) for k, v in kinds.items()})
    found.same("reconciliation", f"{bag.name}: counts", said.get("counts"), counts_of(folded))
    for entry in said.get("independent", ()):
        where = f"{bag.name}: {entry}"[:400]
        found.check("reconciliation", where, not entry.get("unexplained") and not entry.get("moving"))
        found.check("reconciliation", where, entry.get("verdict") in ("equal", "explained", "unavailable"))
