"""Names of what lies in `data/originals/` of a mailbox's bag: the one thing that capture and compose share.

Rules of this file: names and forms only, no I/O. Source: docs/formats.md (bag of a mailbox), design §4 (payload), §5.
"""

import re
from typing import NamedTuple

from exporters.bag.keys import changed, stands

ORIGINALS = "data/originals"
RECORDS = "records.jsonl"
MAIL, STREAMS = "mail", "streams"
JSONL = {"contact": "contacts", "event": "events", "task": "tasks", "post": "posts", "rule": "settings",
         "category": "settings", "setting": "settings"}  # fmt: skip
"""The first part of the name of the object that holds the lines of a kind."""
PST_CURSOR = "pst"
"""Scope of the cursor that says how far composing has come: {"kind": one of the three below, "parts": [names of the files that
make up the PST], "not_composed"?: {code: n}, "superseded"?: {why: n}}."""
COMPOSED, COMPOSING, RECOMPOSING = "composed", "composing", "recomposing"
ENTRIES = 1_000
FOLDER_BYTES, SUBJECT_BYTES, NAME_BYTES = 100, 80, 80
_NUMBERED = re.compile(rf"{ORIGINALS}/([a-z]+)-([0-9]{{5,}})(\.zip|\.jsonl|/.+)")


class Entry(NamedTuple):
    """Where the bytes of an item lie: in the object `key`, under `name` (of a line: its number, from 1 on)."""

    key: str
    name: str


def object_key(kind: str, number: int, suffix: str) -> str:
    """Key of object `number` (from 1 on). kind: mail, streams, contacts, …; suffix: zip or jsonl."""
    return f"{ORIGINALS}/{kind}-{number:05d}.{suffix}"


def number_of(key: str) -> tuple[str, int] | None:
    """(kind, number) of a key below `data/originals/`, None if it is of another form."""
    found = _NUMBERED.fullmatch(key)
    return None if found is None else (found[1], int(found[2]))


def entry_key(entry: Entry) -> str:
    """The `key` of a row whose bytes are an entry."""
    return f"{entry.key}!{entry.name}"


def entry_of(key: str) -> Entry:
    """What `entry_key` put together. Raises: ValueError."""
    holder, mark, name = key.partition("!")
    if not mark or number_of(holder) is None:
        raise ValueError("a key of an entry was expected")
    return Entry(holder, name)


def mail_entry(zip_number: int, place: int, folder: str, subject: str, item_id: str, suffix: str = "eml") -> str:
    """Name of entry `place` (from 1 on) of a mail zip. folder: path of the folder, without its first `/`."""
    number = (zip_number - 1) * ENTRIES + place
    parent = _safe(folder.replace("/", "!"), item_id, FOLDER_BYTES) or "_"
    name = _safe(subject, item_id, SUBJECT_BYTES)
    return f"{parent}/{number:08d} {name}".rstrip(" ") + f".{suffix}"


def stream_entry(zip_number: int, place: int) -> str:
    """Name of entry `place` (from 1 on) of a streams zip."""
    return f"{(zip_number - 1) * ENTRIES + place:08d}.fts"


def bytes_key(kind: str, number: int, place: int, name: str, item_id: str) -> str:
    """Key of bytes that an item of object `number` needs: its `place`-th, from 1 on."""
    return f"{ORIGINALS}/{kind}-{number:05d}/{place:08d} {_safe(name, item_id, NAME_BYTES)}".rstrip(" ")


def _safe(text: str, item_id: str, most: int) -> str:
    """`text` as (part of) a component of a key: as it stands where it can, cut to so many bytes, else changed."""
    text = " ".join(text.split())
    encoded = text.encode("utf-8", "replace")
    if len(encoded) > most:
        text = encoded[:most].decode("utf-8", "ignore").rstrip(" .")
    if not text or stands(text):
        return text
    name = changed(text, item_id)
    return name if len(name.encode()) <= most else changed("", item_id)
