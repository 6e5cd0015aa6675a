"""A second reader of a store, written from docs/formats.md and design §4 alone.

Rules of this file: standard library only; imports nothing of ours. It reads a folder store, works every derived thing out of the
segments again, and says each difference in a sentence. It keeps a bag in memory: it is for tests, not for a million files.

    python tests/independent/reader.py STORE
"""

import hashlib
import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Identity = tuple[str, str, str]

DIRECTORY_KINDS = {"user", "group", "licence", "subscription", "domain", "organization", "role", "term"}
ITEM_KINDS = {"file", "folder", "package", "shortcut", "other", "list_item", "page"} | DIRECTORY_KINDS
PLACED_KINDS = {"file", "version", "derived", "leftover", "page", "attachment", "original"}
ROW_TYPES = {"source", "round", "cursor", "listed", "seen", "item", "count", "permissions", "closed"}
ROW_FIELDS = {
    "kind",
    "scope",
    "id",
    "parent",
    "name",
    "path",
    "key",
    "outcome",
    "size",
    "sha256",
    "service",
    "agreement",
    "created",
    "modified",
    "captured",
    "run",
    "versionId",
    "code",
    "reason",
    "since",
    "asked",
    "of",
    "made",
}
CODES = {
    "vanished",
    "not_found_while_listed",
    "malware",
    "irm_protected",
    "access_denied",
    "locked",
    "onenote_unavailable",
    "onenote_parts_not_listed",
    "version_unavailable",
    "permissions_unavailable",
    "content_unstable",
    "download_failed",
    "refused",
    "store_refused",
    "attachments_need_certificate",
    "unknown_kind",
    "mime_refused",
    "item_unreadable",
    "attachment_unreadable",
    "too_large",
    "not_exported",
    "stream_unavailable",
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
SEGMENT = re.compile(r"(\d{9})\.jsonl")
RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")
PLAIN_TAGS = {
    "bagit.txt",
    "bag-info.txt",
    "manifest-sha256.txt",
    "lastcopy/source.json",
    "lastcopy/items.jsonl",
    "lastcopy/exceptions.jsonl",
    "lastcopy/reconciliation.json",
    "lastcopy/head.json",
    "lastcopy/owed.jsonl",
}


def sha256(data: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def canonical(value: Row) -> bytes:
    """A JSON object as the documents say that it is written."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def as_bytes(text: str) -> bytes:
    """For sorting; lone surrogates too."""
    return text.encode("utf-8", "surrogatepass")


def is_entry(key: str) -> bool:
    """Whether a key names a line of an object, or the entry of a zip (a name of a file may hold a `!` too)."""
    return (
        re.match(r"data/(originals/[^/]+|lists/[^/]+/(items|columns)-\d+\.jsonl|site/site-\d+\.jsonl)!", key)
        is not None
    )


def identity(row: Row) -> Identity:
    """(kind, scope, id)"""
    return row["kind"], row["scope"], row["id"]


@dataclass
class Segment:
    """A whole segment: its first line, the rows between, SHA-256 of all its bytes."""

    number: int
    first: Row
    rows: list[Row]
    sha256: str


@dataclass
class Bag:
    """What the segments of a bag say, and where the bag lies."""

    name: str
    folder: Path
    source: Row
    segments: list[Segment] = field(default_factory=list)
    rows: dict[Identity, Row] = field(default_factory=dict)
    listed: dict[tuple[str, str], Row] = field(default_factory=dict)  # owed
    nodes: dict[tuple[str, str], tuple[str | None, str, bool]] = field(
        default_factory=dict
    )  # newest parent, kind, alive
    cursors: dict[str, Row] = field(default_factory=dict)
    permissions: dict[tuple[str, str], Row] = field(default_factory=dict)
    counts: list[Row] = field(default_factory=list)
    round: int | None = None
    since: int | None = None
    scopes: set[str] = field(default_factory=set)  # of the full rounds that are unfinished
    closed: str | None = None

    def items(self) -> list[Row]:
        """Rows in the order of items.jsonl."""
        return [self.rows[i] for i in sorted(self.rows, key=lambda i: tuple(as_bytes(part) for part in i))]

    def keys(self) -> dict[str, tuple[str, int]]:
        """{key: (SHA-256, size)} of all rows that have one; entries of objects lie in the object, whose own row has its key."""
        named = (row for row in self.rows.values() if row.get("key") and not is_entry(row["key"]))
        return {row["key"]: (row["sha256"], row["size"]) for row in named}


@dataclass
class Reading:
    """A whole store: its bags by name, and what is wrong with it."""

    root: Path
    bags: dict[str, Bag] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)


def read_lines(data: bytes, where: str, wrong: list[str]) -> list[Row]:
    """Rows of a `.jsonl`; each has to be written as the documents say."""
    rows = []
    if data and not data.endswith(b"\n"):
        wrong.append(f"{where}: does not end with a newline")
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        try:
            row = json.loads(line)
        except ValueError:
            wrong.append(f"{where}:{number}: no JSON")
            continue
        if canonical(row) != line:
            wrong.append(f"{where}:{number}: keys not sorted, or spaces, or other escapes")
        rows.append(row)
    return rows


def read_segments(folder: Path, where: str, wrong: list[str]) -> list[Segment]:
    """The chain of segments in a folder, from 1 on without a gap."""
    chain: list[Segment] = []
    names = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    for name in names:
        match = SEGMENT.fullmatch(name)
        if not match:
            wrong.append(f"{where}/{name}: no name of a segment")
            continue
        segment = read_segment((folder / name).read_bytes(), f"{where}/{name}", wrong)
        if segment is None:
            continue
        if int(match[1]) != len(chain) + 1 or segment.number != len(chain) + 1:
            wrong.append(f"{where}/{name}: number {segment.number} where {len(chain) + 1} was due")
        before = chain[-1].sha256 if chain else None
        if segment.first.get("previous") != before:
            wrong.append(f"{where}/{name}: `previous` is not the SHA-256 of the segment before")
        chain.append(segment)
    return chain


def read_segment(data: bytes, where: str, wrong: list[str]) -> Segment | None:
    """One segment, if it is whole."""
    if not data.endswith(b"\n") or data.count(b"\n") < 2:
        wrong.append(f"{where}: not whole")
        return None
    at = data.rindex(b"\n", 0, len(data) - 1) + 1
    rows = read_lines(data, where, wrong)
    if len(rows) != data.count(b"\n"):
        return None
    first, between, last = rows[0], rows[1:-1], rows[-1]
    if last != {"end": len(between), "sha256": sha256(data[:at])}:
        wrong.append(f"{where}: last line is not right")
        return None
    return Segment(first.get("segment", -1), first, between, sha256(data))


def apply(bag: Bag, kind: str, value: Row, number: int) -> None:
    """Take one row of a segment into the state."""
    if kind == "item":
        bag.rows[identity(value)] = value
        if value.get("key") and value["kind"] != "leftover":
            bag.rows.pop(("leftover", "", value["key"]), None)
        if value["kind"] in ITEM_KINDS:
            spot = (value["scope"], value["id"])
            bag.listed.pop(spot, None)
            alive = value["outcome"] != "gone" and value.get("code") != "vanished"
            other = bag.nodes.get(spot)
            if alive or other is None or other[1] == value["kind"] or not other[2]:
                bag.nodes[spot] = (value.get("parent"), value["kind"], alive)
    elif kind == "listed":
        spot = (value["scope"], value["id"])
        bag.listed[spot] = value
        if not value.get("deleted"):
            bag.nodes[spot] = (value.get("parent"), value["kind"], True)
        elif spot in bag.nodes:
            bag.nodes[spot] = (*bag.nodes[spot][:2], False)
    elif kind == "cursor":
        bag.cursors[value["scope"]] = {k: v for k, v in value.items() if k != "scope"}
    elif kind == "round":
        if value["state"] == "ended":
            bag.round, bag.since, bag.scopes = None, None, set()
        elif value["full"]:
            if bag.since is None and bag.scopes <= {value["scope"]}:
                bag.since = None
            elif bag.since is None:
                bag.since = bag.round
            bag.round = number
            bag.scopes.add(value["scope"])
            bag.cursors.pop(value["scope"], None)
    elif kind == "permissions":
        bag.permissions[(value["scope"], value["id"])] = value
    elif kind == "count":
        bag.counts.append(value)
    elif kind == "closed":
        bag.closed = value["reason"]


def read_bag(root: Path, name: str, wrong: list[str]) -> Bag:
    """State of a bag from segments 1…n."""
    folder = root / name
    source_file = folder / "lastcopy/source.json"
    source = json.loads(source_file.read_bytes()) if source_file.is_file() else {}
    if set(source) != {"cloud", "first_copied", "id", "kind", "owner"}:
        wrong.append(f"{name}/lastcopy/source.json: fields {sorted(source)}")
    bag = Bag(name, folder, source)
    chain = read_segments(folder / "lastcopy/ledger", f"{name}/lastcopy/ledger", wrong)
    for segment in chain:
        where = f"{name} segment {segment.number}"
        if set(segment.first) != {"at", "previous", "run", "segment", "units", "writer"}:
            wrong.append(f"{where}: first line has {sorted(segment.first)}")
        elif set(segment.first["writer"]) != {"boot", "host", "id", "pid", "started"}:
            wrong.append(f"{where}: writer has {sorted(segment.first['writer'])}")
        elif not TIME.fullmatch(segment.first["at"]) or not RUN.fullmatch(segment.first["run"]):
            wrong.append(f"{where}: at {segment.first['at']!r}, run {segment.first['run']!r}")
        for row in segment.rows:
            if len(row) != 1 or not set(row) <= ROW_TYPES:
                wrong.append(f"{where}: a row of type {sorted(row)}")
            elif "item" in row:
                check_row(row["item"], where, wrong)
        take_segment(bag, segment)
    return bag


def take_segment(bag: Bag, segment: Segment) -> None:
    """Take a whole segment into the state."""
    bag.segments.append(segment)
    bag.closed = None
    for row in segment.rows:
        ((kind, value),) = row.items()
        apply(bag, kind, value, segment.number)


def check_row(row: Row, where: str, wrong: list[str]) -> None:
    """Whether a row of items.jsonl can be one."""
    here = f"{where}: row {row.get('kind')} {row.get('id')}"
    if extra := set(row) - ROW_FIELDS:
        wrong.append(f"{here}: unknown fields {sorted(extra)}")
    if row["outcome"] == "excepted":
        if row.get("code") not in CODES or not row.get("reason"):
            wrong.append(f"{here}: excepted with code {row.get('code')!r}, reason {row.get('reason')!r}")
        if row.get("key") or row.get("sha256"):
            wrong.append(f"{here}: excepted, yet it has a key")
    elif row["outcome"] in ("copied", "gone"):
        if row["kind"] in PLACED_KINDS and not (
            row.get("key") and re.fullmatch("[0-9a-f]{64}", row.get("sha256", "")) and isinstance(row.get("size"), int)
        ):
            wrong.append(f"{here}: {row['outcome']} without key, size and SHA-256")
        if row["kind"] in ("folder", "package", "shortcut") and row.get("key"):
            wrong.append(f"{here}: has a key")
        if row["outcome"] == "gone" and not TIME.fullmatch(str(row.get("since"))):
            wrong.append(f"{here}: gone since {row.get('since')!r}")
    else:
        wrong.append(f"{here}: outcome {row['outcome']!r}")
    is_graded = row["kind"] == "file" or (
        row["kind"] == "version"
        and not re.match("data/(changed/[^/]+/)?(pages|lists)/", str(row.get("key")))
        and not is_entry(str(row.get("key")))
    )
    if is_graded and row["outcome"] == "copied" and row.get("agreement") not in (
        "match", "unhashed", "rewritten", "differs"
    ):  # fmt: skip
        wrong.append(f"{here}: agreement {row.get('agreement')!r}")
    if row["kind"] in ITEM_KINDS and not str(row.get("path", "")).startswith("/"):
        wrong.append(f"{here}: path {row.get('path')!r}")


def folded_files(bag: Bag) -> dict[str, bytes]:
    """Every tag file but the tagmanifest, as the segments say that it has to be."""
    newest, rows, keys = bag.segments[-1], bag.items(), bag.keys()
    excepted = [row for row in rows if row["outcome"] == "excepted"]
    owed = [bag.listed[spot] for spot in sorted(bag.listed, key=lambda s: tuple(map(as_bytes, s)))]
    head = {
        "at": newest.first["at"], "closed": bag.closed is not None, "cursors": bag.cursors, "round": bag.round,
        "segment": newest.number, "sha256": newest.sha256,
    } | ({"since": bag.since} if bag.since is not None else {})  # fmt: skip
    info = (
        f"Bag-Software-Agent: Lastcopy (store layout 1)\nBagging-Date: {newest.first['at'][:10]}\n"
        f"External-Identifier: {bag.source['kind']} {bag.source['id']}\nLastcopy-Segment: {newest.number}\n"
        f"Payload-Oxum: {sum(size for _, size in keys.values())}.{len(keys)}\n"
    )
    files = {
        "bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
        "bag-info.txt": info.encode(),
        "manifest-sha256.txt": b"".join(f"{keys[key][0]}  {key}\n".encode() for key in sorted(keys, key=as_bytes)),
        "lastcopy/source.json": (bag.folder / "lastcopy/source.json").read_bytes(),
        "lastcopy/items.jsonl": b"".join(canonical(row) + b"\n" for row in rows),
        "lastcopy/exceptions.jsonl": b"".join(canonical(row) + b"\n" for row in excepted),
        "lastcopy/owed.jsonl": b"".join(canonical(row) + b"\n" for row in owed),
        "lastcopy/head.json": canonical(head),
    }
    if bag.permissions:
        spots = sorted(bag.permissions, key=lambda s: tuple(map(as_bytes, s)))
        files["lastcopy/permissions.jsonl"] = b"".join(canonical(bag.permissions[spot]) + b"\n" for spot in spots)
    return files


def counts_of(bag: Bag) -> dict[str, int]:
    """`counts` of reconciliation.json."""
    settled = [r for r in bag.rows.values() if r["kind"] in ITEM_KINDS and (r["scope"], r["id"]) not in bag.listed]
    copied = sum(r["outcome"] == "copied" for r in settled)
    excepted = sum(r["outcome"] == "excepted" and r.get("code") != "vanished" for r in settled)
    pending = len(bag.listed)
    gone = sum(r["outcome"] == "gone" for r in bag.rows.values() if r["kind"] in ITEM_KINDS)
    return {
        "copied": copied, "excepted": excepted, "gone": gone, "listed": copied + excepted + pending, "pending": pending,
    }  # fmt: skip


def check_reconciliation(bag: Bag, wrong: list[str]) -> None:
    """Counts, kinds and each folder's count beside the rows, worked out again."""
    where = f"{bag.name}/lastcopy/reconciliation.json"
    data = (bag.folder / "lastcopy/reconciliation.json").read_bytes()
    said = json.loads(data)
    if data not in (canonical(said), canonical(said) + b"\n"):
        wrong.append(f"{where}: keys not sorted, or spaces")
    if said["counts"] != counts_of(bag):
        wrong.append(f"{where}: counts {said['counts']}, the segments say {counts_of(bag)}")
    kinds: dict[str, dict[str, int]] = {}
    for row in bag.rows.values():
        table = kinds.setdefault(row["kind"], {})
        table[row["outcome"]] = table.get(row["outcome"], 0) + 1
    if said["kinds"] != kinds:
        wrong.append(f"{where}: kinds {said['kinds']}, the segments say {kinds}")
    children: dict[tuple[str, str | None], set[str]] = {}
    for (scope, item_id), (parent, _, alive) in bag.nodes.items():
        if alive and parent != item_id:
            children.setdefault((scope, parent), set()).add(item_id)
    owing = {(spot[0], (bag.nodes.get(spot) or (None,))[0]) for spot in bag.listed}
    told = {(entry["scope"], d["id"]): d for entry in said["independent"] for d in entry["detail"]}
    tally: dict[str, dict[str, int]] = {}
    uncounted: dict[str, dict[str, int]] = {}
    for row in bag.rows.values():
        spot = (row["scope"], row["id"])
        if row["kind"] not in ("folder", "package") or row["outcome"] == "gone" or row.get("code") == "vanished":
            continue
        facts = bag.listed.get(spot, row)
        service = facts.get("service", {})
        expected = service.get("totalItemCount", service.get("childCount"))  # of a list, which holds no folders
        if facts.get("deleted"):
            continue
        if not isinstance(expected, int):
            kinds_of = uncounted.setdefault(row["scope"], {})
            kinds_of[row["kind"]] = kinds_of.get(row["kind"], 0) + 1
            continue
        found = len(children.get(spot, ()))
        sums = tally.setdefault(row["scope"], {"expected": 0, "found": 0, "folders": 0, "equal": 0})
        sums["expected"] += expected
        sums["found"] += found
        sums["folders"] += 1
        sums["equal"] += expected == found
        due = (expected, found, "moving" if spot in owing else "unexplained")
        if (
            expected != found
            and tuple(told.get(spot, {}).get(name) for name in ("expected", "found", "verdict")) != due
        ):
            wrong.append(
                f"{where}: folder {row['path']!r} has {found} rows, the service counts {expected}; said is {told.get(spot)}"
            )
    for entry in said["independent"]:
        sums = tally.pop(entry["scope"], {"expected": 0, "found": 0, "folders": 0, "equal": 0})
        folders = sum(entry[verdict] for verdict in ("equal", "moving", "unexplained"))
        if entry.get("unavailable", {}) != uncounted.pop(entry["scope"], {}):
            wrong.append(f"{where}: {entry['scope']}: unavailable {entry.get('unavailable')}")
        if entry["explained"]:
            wrong.append(
                f"{where}: {entry['scope']}: {entry['explained']} counts are explained, and no row can do that"
            )
        if (entry["expected"], entry["found"], folders, entry["equal"]) != tuple(sums.values()):
            wrong.append(f"{where}: {entry['scope']}: says {entry}, the segments say {sums}")
    if tally or uncounted:
        wrong.append(f"{where}: says nothing of {sorted({*tally, *uncounted})}")


def check_fold(bag: Bag, wrong: list[str]) -> None:
    """Tag files against the segments, the tagmanifest against the tag files, counts against the rows."""
    if check_tags(bag, wrong):
        check_reconciliation(as_folded(bag), wrong)


def check_tags(bag: Bag, wrong: list[str]) -> bool:
    """Tag files against the segments, the tagmanifest against the tag files; whether there is a fold at all."""
    manifest = bag.folder / "tagmanifest-sha256.txt"
    if not manifest.is_file():
        wrong.append(f"{bag.name}: no fold")
        return False
    text = manifest.read_text()
    lines = [line.split("  ", 1) for line in text.splitlines()]
    names = [name for _, name in lines]
    if names != sorted(names, key=as_bytes):
        wrong.append(f"{bag.name}: tagmanifest is not sorted")
    if not 0 < folded_segment(bag) <= len(bag.segments):
        wrong.append(f"{bag.name}: folded at segment {folded_segment(bag)} of {len(bag.segments)}")
        return False
    folded = as_folded(bag)
    wanted = folded_files(folded)
    if set(names) != PLAIN_TAGS | set(wanted):
        wrong.append(
            f"{bag.name}: tagmanifest names {sorted(set(names) ^ (PLAIN_TAGS | set(wanted)))} too little or too much"
        )
    for digest, name in lines:
        path = bag.folder / name
        if not path.is_file() or sha256_file(path) != digest:
            wrong.append(f"{bag.name}/{name}: not the file that the tagmanifest names")
    for name, data in wanted.items():
        path = bag.folder / name
        held = path.read_bytes() if path.is_file() else b""
        if held != data and not (name.endswith(".json") and held == data + b"\n"):
            wrong.append(f"{bag.name}/{name}: not what the segments give{_first_difference(held, data)}")
    return True


def _first_difference(held: bytes, wanted: bytes) -> str:
    for number, (ours, theirs) in enumerate(zip(held.split(b"\n"), wanted.split(b"\n"), strict=False), 1):
        if ours != theirs:
            return f", first in line {number}: {ours[:300]!r} held, {theirs[:300]!r} due"
    return f": {len(held)} bytes held, {len(wanted)} due"


def folded_segment(bag: Bag) -> int:
    """The segment that the fold was made at; 0 if there is none."""
    info = bag.folder / "bag-info.txt"
    match = re.search(r"^Lastcopy-Segment: (\d+)$", info.read_text(), re.MULTILINE) if info.is_file() else None
    return int(match[1]) if match else 0


def is_open(bag: Bag) -> bool:
    """Whether rows of items stand after the fold (a segment with a cursor alone leaves the fold as it is)."""
    later = bag.segments[folded_segment(bag) :]
    return not folded_segment(bag) or any("item" in row for segment in later for row in segment.rows)


def as_folded(bag: Bag) -> Bag:
    """The state at the segment that the fold was made at."""
    at = Bag(bag.name, bag.folder, bag.source)
    for segment in bag.segments[: folded_segment(bag)]:
        take_segment(at, segment)
    return at


def check_payload(bag: Bag, wrong: list[str]) -> None:
    """Every key is there with its bytes, and nothing else is there."""
    keys = bag.keys()
    by_key: dict[str, set[str]] = {}
    for row in bag.rows.values():
        if row.get("key"):
            by_key.setdefault(row["key"], set()).add(row["sha256"])
    wrong += [f"{bag.name}/{key}: two rows, two SHA-256" for key, digests in by_key.items() if len(digests) > 1]
    held = {p.relative_to(bag.folder).as_posix() for p in bag.folder.rglob("*") if p.is_file() or p.is_symlink()}
    tags = {n for n in held if not n.startswith("data/")}
    known = PLAIN_TAGS | {"tagmanifest-sha256.txt", "lastcopy/permissions.jsonl"}
    for name in sorted(tags - known):
        if not re.fullmatch(r"lastcopy/ledger/\d{9}\.jsonl", name):
            wrong.append(f"{bag.name}/{name}: does not belong there")
    for key in sorted(held - tags - set(keys)):
        wrong.append(f"{bag.name}/{key}: no row names it")
    for key, (digest, size) in keys.items():
        path = bag.folder / key
        if key not in held:
            wrong.append(f"{bag.name}/{key}: missing")
        elif path.stat().st_size != size or sha256_file(path) != digest:
            wrong.append(f"{bag.name}/{key}: other bytes than the row says")
        if not key.startswith("data/") or ".." in key.split("/") or len(key.encode()) > 700:
            wrong.append(f"{bag.name}/{key}: no key for a payload")


def check_root(reading: Reading) -> None:
    """lastcopy.json, sources/, runs/, journal/ and the names at the root."""
    root, wrong = reading.root, reading.differences
    frame = json.loads((root / "lastcopy.json").read_bytes())
    if frame.get("layout") != 1 or frame.get("product") != "lastcopy" or set(frame["tenant"]) != {"domain", "id"}:
        wrong.append(f"lastcopy.json: {frame}")
    known = {
        "lastcopy.json",
        "lastcopy-probe",
        "sources",
        "journal",
        "runs",
        "evidence",
        "mail",
        "onedrive",
        "sharepoint",
        "directory",
    }
    wrong += [
        f"{p.name}: does not belong into a store"
        for p in root.iterdir()
        if p.name not in known | {".lastcopy-tmp"} and not p.name.startswith("lastcopy-probe-")
    ]
    temporary = root / ".lastcopy-tmp"
    if temporary.is_dir():
        wrong += [
            f".lastcopy-tmp/{p.name}: left behind" for p in temporary.iterdir() if p.is_file() and p.name != "lock"
        ]
    found = {}
    for path in sorted((root / "sources").glob("*")):
        row = json.loads(path.read_bytes())
        if path.name != hashlib.sha256(f"{row['kind']} {row['id']}".encode()).hexdigest()[:24] + ".json":
            wrong.append(f"sources/{path.name}: does not fit its id")
        if set(row) != {"bag", "id", "kind", "names", "owner"} or not row["names"]:
            wrong.append(f"sources/{path.name}: fields {sorted(row)}")
        bag = reading.bags.get(row["bag"])
        if bag is None or bag.source.get("id") != row["id"]:
            wrong.append(f"sources/{path.name}: its bag {row['bag']} is not of this source")
        found[row["bag"]] = row
    wrong += [f"{name}: no object in sources/ names it" for name in reading.bags if name not in found]
    for path in sorted((root / "runs").glob("*")):
        json.loads(path.read_bytes())
        if not RUN.fullmatch(path.stem):
            wrong.append(f"runs/{path.name}: no run id")
    check_journal(root / "journal", reading, wrong)


def check_journal(folder: Path, reading: Reading, wrong: list[str]) -> None:
    """Segments whole and chained; each row carries the SHA-256 of the line of the row before."""
    before = None
    for segment in read_segments(folder, "journal", wrong):
        for row in segment.rows:
            if row.get("previous") != before:
                wrong.append(f"journal segment {segment.number}: `previous` of a {row.get('type')} row is not right")
            if row.get("type") not in (
                "run_started",
                "run_ended",
                "folded",
                "verified",
                "accepted",
                "observation",
                "composed",
                # rows of the clock (docs/formats.md, journal)
                *("stated", "inferred", "warning_claimed", "warning_superseded", "warning_withdrawn", "warning_sent"),
                *("warning_failed", "acknowledged", "rehearsal", "moved", "object"),
                # what is asked before cancelling
                *("planned", "preflight", "attested", "ready"),
                # evidence, and what is kept
                *("reported", "drilled", "keep_until", "held", "hold_lifted"),
                *("disposal_planned", "disposal_begun", "disposed"),
            ):
                wrong.append(f"journal segment {segment.number}: a row of type {row.get('type')!r}")
            before = sha256(canonical(row) + b"\n")
            for name, left in row.get("bags", {}).items():
                chain = reading.bags[name].segments if name in reading.bags else []
                held = chain[left["segment"] - 1].sha256 if len(chain) >= left["segment"] else None
                if held != left["sha256"]:
                    wrong.append(
                        f"{name}: run {row.get('run')} left it at segment {left['segment']}, which is not there"
                    )


def read_store(root: Path, *, payload: bool = True) -> Reading:
    """All of a folder store; `differences` is empty when it is what the documents ask for."""
    reading = Reading(root)
    for kind in ("mail", "onedrive", "sharepoint"):
        for folder in sorted((root / kind).glob("*")):
            name = f"{kind}/{folder.name}"
            reading.bags[name] = read_bag(root, name, reading.differences)
    if (root / "directory").is_dir():
        reading.bags["directory"] = read_bag(root, "directory", reading.differences)
    check_root(reading)
    for bag in reading.bags.values():
        if not bag.segments:
            reading.differences.append(f"{bag.name}: no segments")
            continue
        check_fold(bag, reading.differences)
        if payload:
            check_payload(bag, reading.differences)
    return reading


if __name__ == "__main__":
    result = read_store(Path(sys.argv[1]))
    for bag_name, found_bag in result.bags.items():
        print(f"{bag_name}: {len(found_bag.segments)} segments, {len(found_bag.rows)} rows, open={is_open(found_bag)}")
    print("\n".join(result.differences) or "no differences")
    sys.exit(3 if result.differences else 0)
