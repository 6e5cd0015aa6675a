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
