"""A mailbox's bag for the tests of composing: written with the real writer, its zips with `zipfile`, nothing of the capture."""

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from exporters.bag.formats import dump_json
from exporters.bag.ledger import BagWriter, Run, claim_source, open_bag
from exporters.clock import ManualClock
from exporters.copied import Progress
from exporters.mail.compose.composer import Composed, compose_bag
from exporters.mail.settings import MailSettings
from exporters.store.folder import FolderStore
from exporters.store.protocol import Store

BAG = "mail/anna@contoso.com"
SOURCE = {"kind": "mail", "id": "11111111-2222-3333-4444-555555555555", "owner": None}
Row = dict[str, Any]


def digest(value: Any) -> str:
    return sha256(dump_json(value)).hexdigest()


def mime(subject: str, body: str = "Hello", *, to: str = "bo@example.com") -> bytes:
    return (
        f"From: Anna <anna@contoso.com>\r\nTo: Bo <{to}>\r\nSubject: {subject}\r\nMessage-ID: <{subject}@contoso.com>\r\n"
        f"Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n"
    ).encode()


@dataclass
class MailboxBag:
    """A bag in a store. `run` opens it as a writer; within, objects are put and rows written."""

    store: Store
    clock: ManualClock = field(default_factory=lambda: ManualClock(datetime(2026, 11, 23, 10, tzinfo=UTC)))
    bag: str = BAG
    runs: int = 0
    writer: BagWriter = field(init=False)

    def __post_init__(self) -> None:
        source = {**SOURCE, "cloud": "worldwide", "first_copied": "2026-11-23T10:00:00Z"}
        claim_source(self.store, self.bag, source)

    @contextmanager
    def run(self, *, close: str | None = "complete", take_over: bool = False) -> Iterator["MailboxBag"]:
        self.runs += 1
        run = Run(f"20261123T10{self.runs:02d}00Z-aaaaaa", self.clock, lambda: 0, take_over)
        with open_bag(self.store, self.bag, {**SOURCE, "name": self.bag.partition("/")[2]}, run) as writer:
            self.writer = writer
            writer.load()
            yield self
            if close is not None:
                writer.close(close)

    def compose(
        self, *, recompose: bool = False, part_size: int = 10 << 30, stop: threading.Event | None = None
    ) -> Composed:
        settings = MailSettings(part_size=part_size)
        stop = stop or threading.Event()
        return compose_bag(
            self.writer, self.store, settings, self.clock, recompose=recompose, progress=Progress(), stop=stop
        )

    # -- rows

    def item(self, kind: str, item_id: str, **facts: Any) -> None:
        row = {"kind": kind, "scope": "", "id": item_id, "outcome": "copied", "run": self.writer.run.id}
        self.writer.emit("item", {**row, "captured": "2026-11-23T10:00:00Z", **facts})

    def change(self, kind: str, item_id: str, **facts: Any) -> Row:
        """The row with other facts, as capture writes it: what it says besides stays."""
        row = self.writer.state.row((kind, "", item_id))
        assert row is not None
        changed = {**row, **facts, "service": {**row.get("service", {}), **facts.get("service", {})}}
        self.writer.emit("item", changed)
        return changed

    def folder(
        self, folder_id: str, name: str, parent: str | None = "root", of: str = "mail", scope: str = "", **service: Any
    ) -> None:
        path = "/" if service.get("wellKnownName") == "msgfolderroot" else f"/{name}"
        service = {"class": of, **service}
        self.item("folder", folder_id, scope=scope, parent=parent, name=name, path=path, service=service)

    def tree(self) -> None:
        """The folders that most tests need."""
        self.folder("root", "Top of Information Store", None, wellKnownName="msgfolderroot")
        self.folder("inbox", "Inbox", wellKnownName="inbox")
        self.folder("sent", "Sent Items", wellKnownName="sentitems")
        self.folder("deleted", "Deleted Items", wellKnownName="deleteditems")

    def original(self, key: str, content: bytes) -> None:
        stored = self.writer.put_payload(key, [content], size=len(content))
        self.item("original", key, key=key, size=stored.size, sha256=stored.sha256)

    def mails(self, number: int, mails: list["Mail"], *, compress: int = zipfile.ZIP_DEFLATED) -> None:
        """A zip of messages, and their rows."""
        key, file, records, rows = f"data/originals/mail-{number:05d}.zip", io.BytesIO(), b"", []
        with zipfile.ZipFile(file, "w", compress) as container:
            for place, mail in enumerate(mails, 1):
                entry = None
                if mail.raw is not None:
                    entry = f"x/{(number - 1) * 1000 + place:08d} {place}.eml"
                    container.writestr(zipfile.ZipInfo(entry, (2026, 1, 1, 0, 0, 0)), mail.raw, compress)
                records += dump_json(mail.record(entry)) + b"\n"
                rows.append(mail.row(key, entry))
            container.writestr(zipfile.ZipInfo("records.jsonl", (2026, 1, 1, 0, 0, 0)), records, compress)
        self.original(key, file.getvalue())
        for row in rows:
            self.keep_earlier("message", row["item_id"])
            self.item(**row)

    def keep_earlier(self, kind: str, item_id: str) -> None:
        """The bytes so far as a row of kind `version`, as capture writes it."""
        held = self.writer.state.row((kind, "", item_id))
        if held is not None and "key" in held:
            facts = {name: held[name] for name in ("key", "size", "sha256", "pst", "record") if name in held}
            self.item("version", f"{held['captured']} {self.runs}", scope=item_id, parent=item_id, **facts)

    def lines(self, kind: str, objects: str, number: int, records: list[Row], parent: str) -> None:
        """A file of lines, and their rows."""
        key = f"data/originals/{objects}-{number:05d}.jsonl"
        lines = [dump_json({"kind": kind, "parent": parent, "folder": ["x"], **record}) for record in records]
        self.original(key, b"".join(line + b"\n" for line in lines))
        for place, (record, line) in enumerate(zip(records, lines, strict=True), 1):
            facts = {"key": f"{key}!{place}", "size": len(line), "sha256": sha256(line).hexdigest()}
            self.item(kind, record["id"], parent=parent, name="x", created="2026-11-01T00:00:00Z", **facts)

    # -- what came of it

    def row(self, kind: str, item_id: str) -> Row:
        row = self.writer.state.row((kind, "", item_id))
        assert row is not None
        return row

    def pst(self, name: str = "anna@contoso.com.pst") -> bytes:
        return self.store.read(f"{self.bag}/data/pst/{name}")

    def parts_json(self) -> Row:
        return dict(json.loads(self.store.read(f"{self.bag}/data/pst/parts.json")))


@dataclass
class Mail:
    """A message: its bytes (None: its MIME was refused) and its state."""

    id: str
    raw: bytes | None
    parent: str = "inbox"
    received: str = "2026-11-23T10:00:00Z"
    graph: Row = field(default_factory=dict)
    more: Row = field(default_factory=dict)
    """Further fields of the record."""

    def state(self) -> Row:
        return {"id": self.id, "receivedDateTime": self.received, "isRead": True, "subject": "x", **self.graph}

    def record(self, entry: str | None) -> Row:
        facts: Row = {
            "entry": entry,
            "folder": ["x"],
            "graph": self.state(),
            "id": self.id,
            "parent": self.parent,
            **self.more,
        }
        if self.raw is not None:
            facts.update(size=len(self.raw), sha256=sha256(self.raw).hexdigest())
        return facts

    def row(self, key: str, entry: str | None) -> Row:
        service = {"received": self.received, "state": digest(self.state()), "content": digest({"id": self.id})}
        row = {
            "kind": "message",
            "item_id": self.id,
            "parent": self.parent,
            "name": "x",
            "record": key,
            "service": service,
        }
        if self.raw is None:
            return {**row, "outcome": "excepted", "code": "mime_refused", "reason": "refused"}
        content = {"size": len(self.raw), "sha256": sha256(self.raw).hexdigest()}
        return {**row, "key": f"{key}!{entry}", **content}


def folder_bag(path: Path, bag: str = BAG) -> MailboxBag:
    """A bag in a folder."""
    return MailboxBag(FolderStore(path), bag=bag)
