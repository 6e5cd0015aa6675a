"""A bag of a mailbox for the tests, written with `BagWriter`: folders, two zips, lines, attachments, an exception, a removal, an
earlier state, streams, a PST. What lies in it is small, and of every kind that docs/formats.md names."""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from exporters.bag.ledger import BagWriter, Run, claim_source, open_bag
from exporters.clock import ManualClock
from exporters.store.protocol import Store

BAG = "mail/anna@contoso.com"
SOURCE = {"kind": "mail", "id": "user-1", "owner": None, "cloud": "custom", "first_copied": "2026-11-23T10:00:00Z"}
RUN_1, RUN_2 = "20261123T100000Z-aaaaaa", "20261124T100000Z-bbbbbb"
AT = "2026-11-23T10:01:00Z"
MBX = "MBX:primary"

ZIP_1, ZIP_2 = "data/originals/mail-00001.zip", "data/originals/mail-00002.zip"
STREAMS = "data/originals/streams-00001.zip"
CONTACTS, SETTINGS = "data/originals/contacts-00001.jsonl", "data/originals/settings-00001.jsonl"
PHOTO = "data/originals/contacts-00001/00000001 photo!.jpg"
PHOTO_BYTES = b"\xff\xd8 a photo"
PST = "data/pst/anna@contoso.com.pst"
HELLO, PLAN, OLD_PLAN = "Inbox/00000001 Hello.eml", "Inbox/00001001 Plan.eml", "Inbox/00000002 Plan ☃.eml"
MIME = {
    "m1": (HELLO, b"From: a\r\n\r\nHello" * 400),
    "m2": (OLD_PLAN, b"From: b\r\n\r\nPlan"),
    "m3": ("Sent!2024/00000003 Bye.eml", b"From: c\r\n\r\nBye"),
}


ENTRIES: dict[str, dict[str, bytes]] = {
    ZIP_1: dict(MIME.values()),
    ZIP_2: {PLAN: b"From: b\r\n\r\nAnother plan"},
    STREAMS: {f"{n:08d}.fts": b"stream %d" % n for n in (1, 2, 3)},
}
LINES = {
    CONTACTS: [b'{"graph":{"displayName":"C %d"},"id":"c%d","kind":"contact"}' % (n, n) for n in (1, 2)],
    SETTINGS: [b'{"id":"%b"}' % kind for kind in (b"rule", b"category", b"setting")],
}


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def zipped(entries: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**entries, "records.jsonl": b"{}\n"}.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 11, 23, 10, 0, 0)), data)
    return file.getvalue()


def opened(store: Store, run: str = RUN_1, **more: Any) -> BagWriter:
    claim_source(store, BAG, SOURCE)
    clock = ManualClock(datetime(2026, 11, 23, 10, tzinfo=UTC))
    return open_bag(store, BAG, SOURCE, Run(run, clock, lambda: 0, take_over=True, **more))


def folder(item: str, parent: str | None, path: str, **service: Any) -> dict[str, Any]:
    name = path.rpartition("/")[2]
    row = {"kind": "folder", "scope": "", "id": item, "parent": parent, "name": name, "path": path, "outcome": "copied"}
    return {**row, "service": {"class": "mail", **service}, "captured": AT, "run": RUN_1}


def held(kind: str, item: str, key: str, data: bytes, **more: Any) -> dict[str, Any]:
    """A row with bytes."""
    row = {"kind": kind, "scope": "", "id": item, "key": key, "outcome": "copied", "captured": AT, "run": RUN_1}
    return {**row, "size": len(data), "sha256": sha(data), **more}


def message(item: str, parent: str, path: str, key: str, data: bytes, **more: Any) -> dict[str, Any]:
    name = path.rpartition("/")[2]
    facts = {"parent": parent, "name": name, "path": path, "folder": path.rpartition("/")[0], "record": ZIP_1}
    return held("message", item, key, data, **facts, **more)


def put_whole(
    writer: BagWriter, key: str, data: bytes, rows: list[dict[str, Any]], others: Mapping[str, bytes] | None = None
) -> None:
    """An object, its row and those of its entries. others: what is put in place of some objects, as if it had been captured."""
    data = (others or {}).get(key, data)
    writer.put_payload(key, [data], size=len(data))
    writer.emit_together(("item", row) for row in [held("original", key, key, data), *rows])


def first_run(store: Store, *, close: bool = True, others: Mapping[str, bytes] | None = None) -> None:
    """Messages m1 to m3, one refused, contacts with a photo, settings, streams."""
    with opened(store) as writer:
        writer.load()
        writer.emit("round", {"scope": "", "state": "begun", "full": True})
        for row in _folders():
            writer.emit("item", row)
        for item in ("m1", "m2", "m4"):
            writer.emit(
                "listed", {"scope": "", "id": item, "kind": "message", "name": item, "parent": "inbox", "graph": {}}
            )
        writer.emit("cursor", {"scope": "messages/inbox", "kind": "delta", "link": "L1", "settings": {}, "full": True})
        for key, rows in ((ZIP_1, _messages()), (STREAMS, _streams())):
            put_whole(writer, key, zipped(ENTRIES[key]), rows, others)
        writer.put_payload(PHOTO, [PHOTO_BYTES])
        for key, rows in ((CONTACTS, _contacts()), (SETTINGS, _settings())):
            put_whole(writer, key, b"".join(text + b"\n" for text in LINES[key]), rows, others)
        writer.emit("round", {"scope": "", "state": "ended", "full": True, "link": None})
        writer.emit("cursor", {"scope": "messages/inbox", "kind": "delta", "link": "L1", "settings": {}})
        about = b"kind: mail\nid: user-1\n"
        writer.put_payload("data/about.txt", [about])
        writer.emit("item", held("derived", "data/about.txt", "data/about.txt", about))
        if close:
            writer.close("complete")
        else:
            writer.flush()


def _folders() -> list[dict[str, Any]]:
    export = {**folder("x1", None, "/Inbox", totalItemCount=3), "scope": MBX}
    export["service"]["class"] = "export"
    return [
        folder("root", None, "/"),
        folder("inbox", "root", "/Inbox", totalItemCount=3),
        folder("sent", "root", "/Sent/2024", totalItemCount=1),
        folder("deep", "inbox", "/Inbox/Deep", totalItemCount=0),
        {**folder("people", "", "/Contacts"), "service": {"class": "contacts"}},
        export,
    ]


def _messages() -> list[dict[str, Any]]:
    rows = [
        message("m1", "inbox", "/Inbox/Hello", f"{ZIP_1}!{HELLO}", MIME["m1"][1]),
        message("m2", "inbox", "/Inbox/Plan ☃", f"{ZIP_1}!{OLD_PLAN}", MIME["m2"][1]),
        message("m3", "sent", "/Sent/2024/Bye", f"{ZIP_1}!{MIME['m3'][0]}", MIME["m3"][1]),
    ]
    facts = {
        "parent": "inbox",
        "name": "Secret",
        "path": "/Inbox/Secret",
        "record": ZIP_1,
        "captured": AT,
        "run": RUN_1,
    }
    code = {"outcome": "excepted", "code": "mime_refused", "reason": "r"}
    refused = {"kind": "message", "scope": "", "id": "m4", **facts, **code}
    return [*rows, refused]


def _contacts() -> list[dict[str, Any]]:
    rows = [
        held("contact", f"c{n}", f"{CONTACTS}!{n}", text, parent="people", name=f"C {n}", path=f"/Contacts/C {n}")
        for n, text in enumerate(LINES[CONTACTS], 1)
    ]
    return [*rows, held("attachment", "photo", PHOTO, PHOTO_BYTES, scope="c1", parent="c1")]


def _settings() -> list[dict[str, Any]]:
    kinds = ("rule", "category", "setting")
    return [held(kind, kind, f"{SETTINGS}!{n}", LINES[SETTINGS][n - 1]) for n, kind in enumerate(kinds, 1)]


def _streams() -> list[dict[str, Any]]:
    facts = {"scope": MBX, "parent": "x1"}
    names = [f"{n:08d}.fts" for n in (1, 2, 3)]
    keys, bytes_of = [f"{STREAMS}!{name}" for name in names], ENTRIES[STREAMS]
    rows = [held("stream", f"s{n}", keys[n - 1], bytes_of[names[n - 1]], **facts, of=f"m{n}") for n in (1, 2)]
    note = {"name": "Note", "path": "/Inbox/Note", "folder": "/Inbox", "record": STREAMS}
    return [*rows, held("message", "n1", keys[2], bytes_of[names[2]], **facts, **note)]


def second_run(store: Store, *, others: Mapping[str, bytes] | None = None) -> None:
    """m2 has other bytes, m3 is gone, a PST was made."""
    with opened(store, RUN_2) as writer:
        old = {item: writer.state.item_row("", item) or {} for item in ("m2", "m3")}
        writer.emit(
            "listed", {"scope": "", "id": "m2", "kind": "message", "name": "Plan", "parent": "inbox", "graph": {}}
        )
        writer.emit("listed", {"scope": "", "id": "m3", "deleted": True})
        version = {**old["m2"], "kind": "version", "scope": "m2", "id": old["m2"]["captured"], "parent": "m2"}
        new = {
            **message("m2", "inbox", "/Inbox/Plan", f"{ZIP_2}!{PLAN}", ENTRIES[ZIP_2][PLAN]),
            "record": ZIP_2,
            "run": RUN_2,
        }
        put_whole(writer, ZIP_2, zipped(ENTRIES[ZIP_2]), [version, new], others)
        writer.emit("item", {**old["m3"], "outcome": "gone", "since": "2026-11-24T10:00:00Z", "run": RUN_2})
        sent = {**folder("sent", "root", "/Sent/2024", totalItemCount=0), "run": RUN_2}
        writer.emit("item", sent)
        put_pst(writer, b"!BDN first")
        writer.close("complete")


def put_pst(writer: BagWriter, data: bytes) -> None:
    writer.put_derived(PST, [data])
    writer.emit("item", held("derived", PST, PST, data, run=RUN_2))


def whole_mailbox(store: Store, others: Mapping[str, bytes] | None = None) -> None:
    """Both runs. others: see `put_whole`."""
    first_run(store, others=others)
    second_run(store, others=others)
