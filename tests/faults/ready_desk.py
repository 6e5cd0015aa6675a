"""A proven copy for `ready`: made once by the real commands against the rehearsal tenant, then copied and spoilt.

Rules of this file: what is forged is forged whole (tag files, their digests, the row of a verification), so that one thing alone
is wrong; nothing of the product is replaced.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from exporters.bag.formats import JsonObject, dump_json, dump_row, load_json
from exporters.clock import SystemClock, timestamp
from exporters.rehearsal.generate import generate
from exporters.store.folder import FolderStore
from exporters.store.segments import Position, SegmentLog
from retention.journal import Journal
from retention.preflight.finding import Finding
from retention.preflight.items import ITEMS
from retention.preflight.recorded import Preflight
from tests.end_to_end.driving import Tenant
from tests.faults.desk import InProcess

BY = ("--by", "Anna Berg", "--reason", "looked at")
DRIVES = ("onedrive/ottilie.brandvold@willowmere.example", "onedrive/p.zimina@willowmere.example")
MAILBOX = "mail/corwin.ashdale@willowmere.example"
SOURCES = {
    "mail": [MAILBOX.partition("/")[2]],
    "onedrive": [drive.partition("/")[2] for drive in DRIVES],
    "sharepoint": "none",
    "directory": True,
}
OTHER_HOST = {"id": "0" * 32, "boot": "another", "host": "elsewhere", "pid": 1, "started": "1"}


@dataclass
class Desk(InProcess):
    """A folder with a configuration, a store and a state, as `Product` has it; `copied` makes another one."""

    folder: Path
    tenant: Tenant
    settings: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = self.folder / "store"

    @classmethod
    def of(cls, product: InProcess) -> "Desk":
        return cls(product.folder, product.tenant, json.loads(json.dumps(product.settings)), product.environment)

    def copied(self, folder: Path) -> "Desk":
        """The same again, byte by byte and minute by minute, elsewhere."""
        shutil.copytree(self.folder, folder)
        return Desk(folder, self.tenant, json.loads(json.dumps(self.settings)), self.environment)

    # -- asking -------------------------------------------------------------------------------------------------------

    def ready(self) -> JsonObject:
        """`ready --json`; exit status and document must agree, and the answer must be on record."""
        result = self.run("ready", "--json")
        document = result.document
        assert set(document) == {"ready", "reasons"}, document
        assert result.code == (0 if document["ready"] else 3), result
        for reason in document["reasons"]:
            assert set(reason) == {"code", "severity", "message", "action"}
            assert reason["severity"] == "notice" or reason["action"].startswith("lastcopy "), reason
        return document

    def blocks(self) -> set[str]:
        """Codes of what stands in the way."""
        document = self.ready()
        codes = {reason["code"] for reason in document["reasons"] if reason["severity"] == "block"}
        assert document["ready"] == (not codes)
        return codes

    # -- the store ----------------------------------------------------------------------------------------------------

    def bag(self, name: str = DRIVES[0]) -> Path:
        return self.store / name

    def payload(self, name: str = DRIVES[0]) -> Path:
        """The largest file of a bag."""
        files = [path for path in (self.bag(name) / "data/files").rglob("*") if path.is_file()]
        return max(files, key=lambda path: (path.stat().st_size, path.name))

    def journal(self) -> Journal:
        return Journal(FolderStore(self.store), SystemClock())

    def say(self, *rows: Mapping[str, Any], run: str | None = None) -> None:
        """Rows into the journal."""
        self.journal().append([dict(row) for row in rows], run=run)

    def newest(self, kind: str, **more: Any) -> JsonObject:
        """The newest row of a type."""
        rows = [row for row in self.journal().rows() if row["type"] == kind]
        return next(row for row in reversed(rows) if all(row.get(name) == value for name, value in more.items()))

    def append_segment(self, bag: str, rows: Sequence[JsonObject], writer: Mapping[str, Any] = OTHER_HOST) -> Path:
        """A segment after the newest of a ledger."""
        log = SegmentLog(FolderStore(self.store), f"{bag}/lastcopy/ledger/")
        position = Position(0, None)
        for segment in log.follow(position):
            position = segment.position
        first = {"run": "20260101T000000Z-000000", "at": timestamp(now()), "writer": writer, "units": 0}
        made = log.append(position, [dump_row(row) for row in rows], first)
        return self.store / log.key(made.number)

    def forge(self, bag: str, **edits: Callable[[bytes], bytes]) -> None:
        """Change tag files as if a run had written them so, and a verification had found all of it well. edits: {name without
        its ending: what becomes of its bytes}."""
        folder = self.store / bag
        names = {path.name.partition(".")[0].replace("-", "_"): path for path in (folder / "lastcopy").glob("*.json*")}
        for name, edit in edits.items():
            rewrite(names[name], edit(names[name].read_bytes()))
        lines = []
        for line in (folder / "tagmanifest-sha256.txt").read_text().splitlines():
            name = line.partition("  ")[2]
            lines.append(f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n")
        rewrite(folder / "tagmanifest-sha256.txt", "".join(lines).encode())
        row = self.newest("verified", bag=bag, level="full")
        tagmanifest = hashlib.sha256((folder / "tagmanifest-sha256.txt").read_bytes()).hexdigest()
        self.say({k: v for k, v in row.items() if k not in {"at", "actor", "previous"}} | {"tagmanifest": tagmanifest})


def now() -> datetime:
    return datetime.now(UTC)


def rewrite(path: Path, data: bytes) -> None:
    """Other bytes, at the same time as before: what nobody notices by looking at dates."""
    stat = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def edited(**changes: Any) -> Callable[[bytes], bytes]:
    """What makes a JSON object another one."""
    return lambda data: dump_json(load_json(data) | changes)


def preflight(*open_items: str, at: datetime | None = None, result: str = "block") -> JsonObject:
    """The row of a check: all well but for these items."""
    findings = tuple(
        Finding(item, result if item in open_items else "pass", f"{item} is so", "lastcopy check --cancel", {}, item)  # type: ignore[arg-type]
        for item in ITEMS
    )
    return Preflight("20260101T000000Z-00000f", at or now(), findings).as_row()


@dataclass
class Stages:
    """The same copy at several moments. exported: nothing verified, nothing accepted; verified; proven: `ready` says yes."""

    exported: Desk
    verified: Desk
    proven: Desk
    codes: list[str]


@contextmanager
def prepare(folder: Path) -> Iterator[Stages]:
    """A tenant, up as long as this lasts, and a copy of it, proven by the real commands."""
    with Tenant(generate(folder / "tenant")) as tenant:
        product = InProcess(folder / "exported", tenant, sources=SOURCES)
        document = product.export(code=3)
        exported = Desk.of(product)
        verified = exported.copied(folder / "verified")
        verified.run("verify", code=0)
        proven = verified.copied(folder / "proven")
        codes = sorted(code for code in document["exceptions"] if code != "vanished")
        assert codes, "the copy has exceptions"
        proven.run("accept", *codes, *BY, code=0)
        proven.say(preflight())
        missing = [reason for reason in proven.ready()["reasons"] if reason["code"] == "class_not_accepted"]
        proven.run("accept", *(reason["action"].split()[2] for reason in missing), *BY, code=0)
        yield Stages(exported, verified, proven, codes)
