"""A store of very many files, written by hand: as an export leaves it, without one.

Rules of this file: nothing of the writers' code, only docs/formats.md; rows have the fields and lengths of real ones.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

TENANT = "00000000-0000-0000-0000-000000000001"
DRIVE = "b!4EhLuQAh7VY-pUh2wyMWGM3eNwb1IWeSyNUZ_ECCCoLxmuXTSVFhfzhqzcLtaPGx"
BAG = "onedrive/anna@contoso.com"
RUN = "20261125T015556Z-f41904"
AT = "2026-11-25T01:56:14.994107Z"
FILES_PER_FOLDER = 500
LISTED_PER_SEGMENT, ITEMS_PER_SEGMENT = 5_000, 1_000


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def dump(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def item_id(number: int) -> str:
    """In no order, as the service's ids are."""
    return "01" + hashlib.sha256(b"%d" % number).hexdigest()[:32].upper()


class Item:
    """One file or folder: what the service lists of it, and the row that it became."""

    def __init__(
        self, number: int, parent: str | None, path: str, children: int | None = None, data: bytes = b""
    ) -> None:
        self.id, self.path, self.data = item_id(number), path, data
        self.kind = "file" if children is None else "folder"
        self._parent, self._children = parent, children

    def _facts(self) -> dict[str, Any]:
        service: dict[str, Any] = {"createdBy": "somebody@contoso.com", "eTag": f'"{{{self.id[2:10]}-0000}},1"'}
        if self._children is None:
            hashed = {"mimeType": "text/plain", "quickXorHash": "c2hDGNjABgAAAAAABQAAAAAAAAA="}
            service |= {**hashed, "size": len(self.data)}
        else:
            service |= {"childCount": self._children}
        facts = {"created": "2025-06-01T10:00:00Z", "id": self.id, "kind": self.kind, "modified": "2025-06-01T10:00:00Z",
                 "name": self.path.rpartition("/")[2] or "root", "scope": DRIVE, "service": service}  # fmt: skip
        return {**facts, "parent": self._parent} if self._parent else facts

    @property
    def listed(self) -> bytes:
        return dump({"listed": self._facts()})

    @property
    def row(self) -> bytes:
        row = {**self._facts(), "captured": AT, "outcome": "copied", "path": self.path, "run": RUN}
        if self._children is None:
            row |= {"agreement": "match", "key": self.key, "sha256": sha(self.data), "size": len(self.data)}
        return dump(row)

    @property
    def key(self) -> str:
        return f"data/files{self.path}"


def items_of(files: int, content: bytes) -> Iterator[Item]:
    """The root, folders of 500 files, and the files, each folder before what is in it."""
    folders = -(-files // FILES_PER_FOLDER)
    root = Item(0, None, "/", children=folders)
    yield root
    for n in range(folders):
        inside = min(FILES_PER_FOLDER, files - n * FILES_PER_FOLDER)
        folder = Item(-n - 1, root.id, f"/folder {n:06}", children=inside)
        yield folder
        for m in range(inside):
            number = n * FILES_PER_FOLDER + m
            yield Item(number + 1, folder.id, f"{folder.path}/file {number:07}.txt", data=content)


class Ledger:
    """Writes segments, as many rows in each as an export does."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.number, self.sha256 = folder, 0, None
        folder.mkdir(parents=True)

    def write(self, rows: list[bytes]) -> None:
        self.number += 1
        writer = {
            "boot": "887a2ed8-a489-4804",
            "host": "vm",
            "id": "fdcbd5599d1716b6",
            "pid": 27501,
            "started": "184836",
        }
        first = {"at": AT, "previous": self.sha256, "run": RUN, "segment": self.number, "units": 1010, "writer": writer}
        body = b"".join(line + b"\n" for line in (dump(first), *rows))
        data = body + dump({"end": len(rows), "sha256": sha(body)}) + b"\n"
        (self.folder / f"{self.number:09}.jsonl").write_bytes(data)
        self.sha256 = sha(data)  # type: ignore[assignment]

    def write_all(self, rows: Iterator[bytes], each: int) -> None:
        held: list[bytes] = []
        for row in rows:
            held.append(row)
            if len(held) >= each:
                self.write(held)
                held = []
        if held:
            self.write(held)


def make_store(root: Path, files: int, content: bytes = b"small") -> Path:
    """Write a store of one bag with that many files of this content; return the folder of the bag."""
    bag = root / BAG
    ledger = Ledger(bag / "lastcopy/ledger")
    about = b"onedrive " + DRIVE.encode() + b"\n"
    (bag / "data/files").mkdir(parents=True)
    (bag / "data/about.txt").write_bytes(about)
    source = {"cloud": "worldwide", "first_copied": AT, "id": DRIVE, "kind": "onedrive", "owner": "user-1"}
    derived = dump({"captured": AT, "id": "data/about.txt", "key": "data/about.txt", "kind": "derived", "outcome": "copied",
                    "run": RUN, "scope": "", "sha256": sha(about), "size": len(about)})  # fmt: skip

    def listed() -> Iterator[bytes]:
        yield dump({"source": {**source, "name": BAG, "settings": {}}})
        yield dump({"round": {"full": True, "scope": DRIVE, "state": "begun"}})
        yield from (item.listed for item in items_of(files, content))

    ledger.write_all(listed(), LISTED_PER_SEGMENT)
    rows: list[tuple[bytes, bytes, bytes]] = [(b"derived", b"", derived)]
    manifest: list[tuple[str, str]] = [("data/about.txt", sha(about))]

    def captured() -> Iterator[bytes]:
        for item in items_of(files, content):
            row = item.row
            rows.append((item.kind.encode(), item.id.encode(), row))
            if item.kind == "file":
                (bag / item.key).write_bytes(item.data)
                manifest.append((item.key, sha(item.data)))
            else:
                (bag / item.key).mkdir(exist_ok=True)
            yield b'{"item":' + row + b"}"

    ledger.write_all(captured(), ITEMS_PER_SEGMENT)
    link = {"kind": "delta", "link": "https://graph/delta", "settings": {}}
    ledger.write([b'{"item":' + derived + b"}",
                  dump({"round": {"full": True, "link": link["link"], "scope": DRIVE, "state": "ended"}}),
                  dump({"cursor": {**link, "scope": DRIVE}}), dump({"closed": {"reason": "complete"}})])  # fmt: skip
    _fold(bag, ledger, source, rows, manifest, files, files * len(content) + len(about))
    _frame(root, ledger, source)
    return bag


def _fold(
    bag: Path, ledger: Ledger, source: dict[str, str], rows: list[tuple[bytes, bytes, bytes]],
    manifest: list[tuple[str, str]], files: int, octets: int,
) -> None:  # fmt: skip
    folders = -(-files // FILES_PER_FOLDER)
    listed = files + folders + 1
    independent = {"by": "folder.childCount", "detail": [], "equal": folders + 1, "expected": listed - 1, "explained": 0,
                   "found": listed - 1, "moving": 0, "scope": DRIVE, "unexplained": 0, "verdict": "equal"}  # fmt: skip
    kinds = {"derived": {"copied": 1}, "file": {"copied": files}, "folder": {"copied": folders + 1}}
    counts = {"copied": listed, "excepted": 0, "gone": 0, "listed": listed, "pending": 0}
    info = (
        f"Bag-Software-Agent: Lastcopy (store layout 1)\nBagging-Date: {AT[:10]}\nExternal-Identifier: onedrive {DRIVE}\n"
        f"Lastcopy-Segment: {ledger.number}\nPayload-Oxum: {octets}.{files + 1}\n"
    )
    tags = {
        "bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
        "bag-info.txt": info.encode(),
        "manifest-sha256.txt": "".join(f"{digest}  {key}\n" for key, digest in sorted(manifest)).encode(),
        "lastcopy/items.jsonl": b"".join(row + b"\n" for _, _, row in sorted(rows)),
        "lastcopy/exceptions.jsonl": b"",
        "lastcopy/owed.jsonl": b"",
        "lastcopy/reconciliation.json": dump({"counts": counts, "independent": [independent], "kinds": kinds}),
        "lastcopy/head.json": dump({"at": AT, "closed": True, "round": None, "segment": ledger.number, "sha256": ledger.sha256,
                                    "cursors": {DRIVE: {"kind": "delta", "link": "https://graph/delta", "settings": {}}}}),
        "lastcopy/source.json": dump(source),
    }  # fmt: skip
    for name, data in tags.items():
        (bag / name).write_bytes(data)
    lines = (f"{sha(tags[name])}  {name}\n" for name in sorted(tags))
    (bag / "tagmanifest-sha256.txt").write_bytes("".join(lines).encode())


def _frame(root: Path, ledger: Ledger, source: dict[str, str]) -> None:
    """What lies beside the bag: the root, the entry of the source, the journal."""
    tenant = {"domain": "contoso.com", "id": TENANT}
    (root / "lastcopy.json").write_bytes(dump({"created": AT, "layout": 1, "product": "lastcopy", "tenant": tenant}))
    entry = {"bag": BAG, "id": DRIVE, "kind": "onedrive", "owner": "user-1", "names": [{"name": BAG, "since": AT}]}
    (root / "sources").mkdir()
    (root / f"sources/{sha(b'onedrive ' + DRIVE.encode())[:24]}.json").write_bytes(dump(entry))
    journal = Ledger(root / "journal")
    left = {BAG: {"segment": ledger.number, "sha256": ledger.sha256}}
    row = {
        "actor": {"host": "vm", "user": "root"},
        "at": AT,
        "bags": left,
        "exit": 0,
        "previous": None,
        "type": "run_ended",
    }
    journal.write([dump(row)])


CONFIGURATION = {
    "tenant": {"id": TENANT, "client_id": TENANT, "credential": {"secret": "env:NOBODY_ASKS"}},
    "store": {"url": "file:./store"},
}
"""Enough for `verify`, which asks no tenant."""


def make_rows(root: Path, items: int, bags: int = 20, *, excepted: int = 100) -> None:
    """Write a store that has rows and no payload, for what reads rows alone: so many files in all, of which every `excepted`th
    could not be copied; a run, and a verification of each bag. Rows are written as they are made."""
    left: dict[str, dict[str, Any]] = {}
    sources, verified = [], []
    (root / "sources").mkdir(parents=True)
    (root / "runs").mkdir()
    for number in range(bags):
        name = f"user{number:04}@contoso.com"
        place, each = f"onedrive/{name}", items // bags
        ledger, counts, tagmanifest = _bag_of_rows(root / place, number, each, excepted)
        left[place] = {"segment": ledger.number, "sha256": ledger.sha256}
        entry = {"bag": place, "id": _drive(number), "kind": "onedrive", "owner": f"user-{number}",
                 "names": [{"name": name, "since": AT}]}  # fmt: skip
        (root / f"sources/{sha(b'onedrive ' + _drive(number).encode())[:24]}.json").write_bytes(dump(entry))
        coverage = [{"class": "files", "state": "in part"}, {"class": "recycle_bin", "state": "never possible"}]
        sources.append({"bag": place, "bytes": 5 * each, "coverage": coverage, "kind": "onedrive", "name": name,
                        "unchanged": 0, **counts})  # fmt: skip
        verified.append({"bag": place, "level": "full", "result": "whole", "segment": ledger.number, "tagmanifest": tagmanifest,
                         "type": "verified"})  # fmt: skip
    tenant = {"domain": "contoso.com", "id": TENANT}
    whole = dump({"created": AT, "layout": 1, "product": "lastcopy", "tenant": tenant})
    (root / "lastcopy.json").write_bytes(whole)
    record = dump({"run": RUN, "started": AT, "ended": AT, "exit": 3, "sources": sources, "coverage": [], "asked": {},
                   "not_asked": [], "totals": {}, "requests": {}, "exceptions": {}})  # fmt: skip
    (root / f"runs/{RUN}.json").write_bytes(record)
    ended = {"bags": left, "exit": 3, "record": sha(record), "root": sha(whole), "run": RUN, "type": "run_ended"}
    started = {"asked": {"sources": []}, "run": RUN, "type": "run_started", "verb": "export"}
    _journal(root / "journal", [started, {**ended, "all_sources": True}, *verified])


def _drive(number: int) -> str:
    return f"{DRIVE[:-4]}{number:04}"


def _bag_of_rows(bag: Path, number: int, items: int, excepted: int) -> tuple[Ledger, dict[str, int], str]:
    """(its ledger, its counts, SHA-256 of its tagmanifest)."""
    ledger = Ledger(bag / "lastcopy/ledger")
    ledger.write([dump({"closed": {"reason": "complete"}})])
    row = {"created": "2025-06-01T10:00:00Z", "modified": "2025-06-01T10:00:00Z", "kind": "file", "scope": _drive(number),
           "service": {"createdBy": "somebody@contoso.com", "mimeType": "text/plain", "size": 5,
                       "quickXorHash": "c2hDGNjABgAAAAAABQAAAAAAAAA="}, "captured": AT, "run": RUN}  # fmt: skip
    names = ("lastcopy/items.jsonl", "lastcopy/exceptions.jsonl", "manifest-sha256.txt")
    with (
        (bag / names[0]).open("wb") as rows,
        (bag / names[1]).open("wb") as left,
        (bag / names[2]).open("wb") as manifest,
    ):
        for one in range(items):
            path = f"/folder {one // 500:06}/file {one:08} of a length as people give.txt"
            made = {
                **row,
                "id": f"01{one:032}",
                "path": path,
                "name": path.rpartition("/")[2],
                "parent": f"01F{one // 500:031}",
            }
            if one % excepted == 0:
                line = (
                    dump({**made, "outcome": "excepted", "code": "malware", "reason": "The service found malware."})
                    + b"\n"
                )
                left.write(line)
            else:
                digest = f"{one:064x}"
                line = dump({**made, "outcome": "copied", "agreement": "match", "key": f"data/files{path}", "sha256": digest,
                             "size": 5}) + b"\n"  # fmt: skip
                manifest.write(f"{digest}  data/files{path}\n".encode())
            rows.write(line)
    lost = len(range(0, items, excepted))
    counts = {"copied": items - lost, "excepted": lost, "gone": 0, "listed": items, "pending": 0}
    kinds = {"file": {"copied": items - lost, "excepted": lost}}
    source = {
        "cloud": "worldwide",
        "first_copied": AT,
        "id": _drive(number),
        "kind": "onedrive",
        "owner": f"user-{number}",
    }
    tags = {
        "bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
        "bag-info.txt": f"Lastcopy-Segment: 1\nPayload-Oxum: {5 * counts['copied']}.{counts['copied']}\n".encode(),
        "lastcopy/owed.jsonl": b"",
        "lastcopy/reconciliation.json": dump({"counts": counts, "independent": [], "kinds": kinds}),
        "lastcopy/head.json": dump({"at": AT, "closed": True, "cursors": {}, "round": None, "segment": 1,
                                    "sha256": ledger.sha256}),
        "lastcopy/source.json": dump(source),
    }  # fmt: skip
    for name, data in tags.items():
        (bag / name).write_bytes(data)
    lines = (f"{sha((bag / name).read_bytes())}  {name}\n" for name in sorted({*tags, *names}))
    (bag / "tagmanifest-sha256.txt").write_bytes("".join(lines).encode())
    return ledger, counts, sha((bag / "tagmanifest-sha256.txt").read_bytes())


def _journal(folder: Path, rows: list[dict[str, Any]]) -> None:
    previous, lines = None, []
    for row in rows:
        lines.append(dump({"actor": {"host": "vm", "user": "root"}, "at": AT, "previous": previous, **row}))
        previous = sha(lines[-1] + b"\n")
    Ledger(folder).write(lines)
