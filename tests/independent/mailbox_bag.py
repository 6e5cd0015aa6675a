"""Reads the bag of a mailbox in a folder store (docs/formats.md, "Bag of a mailbox"): its rows, its originals, its parts.

Rules of this file: standard library only, nothing of ours but `reader` (segments); what is wrong with the frame is said here:
the rows are those of the segments, each object is what the manifest says, each row that has an entry finds its bytes there.
"""

import hashlib
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.independent.differences import Differences
from tests.independent.reader import read_segments

Row = dict[str, Any]
Identity = tuple[str, str, str]
ENTRY_KINDS = {"message", "contact", "event", "task", "post", "rule", "category", "setting", "stream"}
ITEM_KINDS = {"message", "contact", "event", "task", "post"}
MAIL_ENTRY = re.compile(r"(?P<folder>[^/]+)/(?P<number>\d{8,})( (?P<subject>[^/]+))?\.eml", re.DOTALL)
STREAM_ENTRY = re.compile(r"\d{8,}\.fts")
MOST_ENTRIES, MOST_BYTES, MOST_MESSAGE = 1_000, 256 << 20, 150 << 20


@dataclass
class MailboxBag:
    """One bag. `rows`: newest row of each identity, as the fold says; `lines`: (key of a jsonl, number) → line, as parsed."""

    name: str
    folder: Path
    source: Row
    rows: dict[Identity, Row] = field(default_factory=dict)
    entries: dict[str, tuple[int, str]] = field(default_factory=dict)
    records: dict[str, dict[str, Row]] = field(default_factory=dict)
    lines: dict[str, Row] = field(default_factory=dict)
    numbers: set[int] = field(default_factory=set)
    parts: Row = field(default_factory=dict)

    def of(self, kind: str) -> Iterator[Row]:
        """Rows of a kind that are not gone."""
        return (row for spot, row in self.rows.items() if spot[0] == kind and row["outcome"] != "gone")

    def record(self, row: Row) -> Row:
        """The newest record of a message; empty if there is none where its row says."""
        return self.records.get(str(row.get("record")), {}).get(str(row["id"]), {})

    def read(self, key: str) -> bytes:
        """Bytes of an object, or of an entry of a zip."""
        holder, mark, name = key.partition("!")
        if mark and holder.endswith(".zip"):
            with zipfile.ZipFile(self.folder / holder) as archive:
                return archive.read(name)
        return (self.folder / holder).read_bytes()


def find_bags(store: Path) -> dict[str, Path]:
    """Folder of the bag of each source of kind mail, by the id of its user or group."""
    found = {}
    for path in sorted((store / "sources").glob("*.json")):
        row = json.loads(path.read_bytes())
        if row["kind"] == "mail":
            found[str(row["id"])] = store / row["bag"]
    return found


def read_bag(folder: Path, found: Differences) -> MailboxBag:
    """All of a bag; what is wrong with its frame goes to `found`."""
    name = f"{folder.parent.name}/{folder.name}"
    source = folder / "lastcopy/source.json"
    bag = MailboxBag(name, folder, json.loads(source.read_bytes()) if source.exists() else {})
    _read_rows(bag, found)
    _check_manifest(bag, found)
    for row in bag.rows.values():
        if row["kind"] == "original" and row.get("key"):
            _read_object(bag, str(row["key"]), found)
    _check_entries(bag, found)
    parts = folder / "data/pst/parts.json"
    if parts.exists():
        bag.parts = json.loads(parts.read_bytes())
    return bag


def _read_rows(bag: MailboxBag, found: Differences) -> None:
    path = bag.folder / "lastcopy/items.jsonl"
    if not path.exists():
        found.say("bag frame", f"{bag.name}: there is no fold")
        return
    with path.open("rb") as lines:
        for line in lines:
            row = json.loads(line)
            bag.rows[row["kind"], row.get("scope", ""), row["id"]] = row
    owed = bag.folder / "lastcopy/owed.jsonl"
    if owed.exists() and owed.stat().st_size:
        found.say("bag frame", f"{bag.name}: {len(owed.read_bytes().splitlines())} rows are owed")
    head = json.loads((bag.folder / "lastcopy/head.json").read_bytes())
    found.check("bag frame", f"{bag.name}: is not closed", head["closed"] is True)
    wrong: list[str] = []
    newest: dict[Identity, Row] = {}
    for segment in read_segments(bag.folder / "lastcopy/ledger", bag.name, wrong):
        for line in segment.rows:
            if "item" in line:
                row = line["item"]
                newest[row["kind"], row.get("scope", ""), row["id"]] = row
    for text in wrong:
        found.say("bag frame", text)
    for spot in {*newest, *bag.rows}:
        if newest.get(spot) != bag.rows.get(spot) and spot[0] != "leftover":
            found.say("bag frame", f"{bag.name}: the fold's row of {spot} is not the newest of the segments")
    told = json.loads((bag.folder / "lastcopy/reconciliation.json").read_bytes())
    for entry in told["independent"]:
        found.check(
            "counts of the service", f"{bag.name}: {entry}"[:400], not entry["unexplained"] and not entry["moving"]
        )


def _check_manifest(bag: MailboxBag, found: Differences) -> None:
    """Manifest, rows and objects name the same keys with the same bytes."""
    path = bag.folder / "manifest-sha256.txt"
    text = path.read_text() if path.exists() else ""
    said = {key: digest for digest, key in (line.split("  ", 1) for line in text.splitlines())}
    named: dict[str, Row] = {}
    for row in bag.rows.values():
        key = row.get("key")
        if key is None or "!" in key:
            continue
        if key in named and (named[key]["sha256"], named[key]["size"]) != (row["sha256"], row["size"]):
            found.say("payload", f"{bag.name}: two rows of other bytes name {key}")
        named[key] = row
    held = {p.relative_to(bag.folder).as_posix() for p in (bag.folder / "data").rglob("*") if p.is_file()}
    for key in sorted({*said, *named, *held}):
        if not (key in said and key in named and key in held):
            where = [n for n, keys in (("manifest", said), ("rows", named), ("payload", held)) if key in keys]
            found.say("payload", f"{bag.name}: {key} is only in {', '.join(where)}")
            continue
        digest = hashlib.sha256()
        with (bag.folder / key).open("rb") as stream:
            while piece := stream.read(1 << 20):
                digest.update(piece)
        size = (bag.folder / key).stat().st_size
        sums = (said[key], named[key]["sha256"], named[key]["size"])
        found.same("payload", f"{bag.name}: {key}", sums, (digest.hexdigest(),) * 2 + (size,))


def _read_object(bag: MailboxBag, key: str, found: Differences) -> None:
    """Entries of a zip, or lines of a jsonl."""
    path = bag.folder / key
    if not path.is_file():
        return  # said already
    if key.endswith(".jsonl"):
        data = path.read_bytes()
        found.check("originals", f"{bag.name}: {key} does not end with a line's end", data.endswith(b"\n") or not data)
        for number, line in enumerate(data.split(b"\n")[:-1], 1):
            bag.lines[f"{key}!{number}"] = json.loads(line)
            bag.entries[f"{key}!{number}"] = (len(line), hashlib.sha256(line).hexdigest())
        return
    try:
        with zipfile.ZipFile(path) as archive:
            _read_zip(bag, key, archive, found)
    except zipfile.BadZipFile as error:
        found.say("originals", f"{bag.name}: {key} is no zip: {error}")


def _read_zip(bag: MailboxBag, key: str, archive: zipfile.ZipFile, found: Differences) -> None:
    names = [info.filename for info in archive.infolist()]
    records = bag.records.setdefault(key, {})
    total, form = 0, MAIL_ENTRY if "/mail-" in key else STREAM_ENTRY
    found.check("zip limits", f"{bag.name}: {key} has {len(names) - 1} entries", len(names) - 1 <= MOST_ENTRIES)
    found.check("originals", f"{bag.name}: {key}: records.jsonl is not its last entry", names[-1:] == ["records.jsonl"])
    found.check("originals", f"{bag.name}: {key}: an entry twice", len(set(names)) == len(names))
    for info in archive.infolist():
        data = archive.read(info)  # checks the CRC
        total += len(data)
        if info.filename == "records.jsonl":
            for line in data.splitlines():
                record = json.loads(line)
                records[str(record["id"])] = record
            continue
        bag.entries[f"{key}!{info.filename}"] = (len(data), hashlib.sha256(data).hexdigest())
        match = form.fullmatch(info.filename)
        if not found.check("entry names", f"{bag.name}: {key}!{info.filename}", match is not None) or match is None:
            continue
        if form is MAIL_ENTRY:
            _check_name(bag, key, match, names.index(info.filename), found)
    size = archive.fp.seek(0, 2) if archive.fp is not None else 0
    found.check("zip limits", f"{bag.name}: {key} has {size} bytes", size <= MOST_BYTES + MOST_MESSAGE)


def _check_name(bag: MailboxBag, key: str, match: re.Match[str], place: int, found: Differences) -> None:
    where = f"{bag.name}: {key}!{match[0]}"
    number, zip_number = int(match["number"]), int(re.findall(r"mail-(\d+)\.zip", key)[0])
    first = (zip_number - 1) * MOST_ENTRIES + place + 1  # what was refused may have taken a number
    found.check("entry names", f"{where}: its number", first <= number <= zip_number * MOST_ENTRIES)
    found.check("entry names", f"{where}: its number is not its own", number not in bag.numbers)
    bag.numbers.add(number)
    found.check("entry names", f"{where}: folder over 100 bytes", len(match["folder"].encode()) <= 100)
    found.check("entry names", f"{where}: subject over 80 bytes", len((match["subject"] or "").encode()) <= 80)
    bad = any(ord(c) < 32 or ord(c) == 127 or c in "\\\u2028\u2029" or 0xD800 <= ord(c) < 0xE000 for c in match[0])
    found.check("entry names", f"{where}: holds what no name may", not bad and ".." not in match[0].split("/"))


def _check_entries(bag: MailboxBag, found: Differences) -> None:
    """Rows and entries name each other, once."""
    named: Counter[str] = Counter()
    for spot, row in bag.rows.items():
        key = str(row.get("key") or "")
        is_entry = spot[0] in ENTRY_KINDS or (spot[0] == "version" and "!" in key)
        if not is_entry:
            continue
        if row["outcome"] == "excepted":
            found.check("rows", f"{bag.name}: excepted {spot} has a key", not key)
            found.check("rows", f"{bag.name}: excepted {spot} says no code", bool(row.get("code")))
            continue
        named[key] += 1
        held = bag.entries.get(key)
        if held is None:
            found.say("rows", f"{bag.name}: {spot}: there is no entry {key!r}")
        else:
            found.same("rows", f"{bag.name}: {spot}: {key}", (row.get("size"), row.get("sha256")), held)
    for key, count in named.items():
        found.check("rows", f"{bag.name}: {count} rows name {key!r}", count == 1)
    for key in bag.entries:
        found.check("rows", f"{bag.name}: no row names {key!r}", key in named)
