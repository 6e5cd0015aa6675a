"""Which item of the first capture an item of the export API is: the two listings have different ids.

Rules of this file: by the entry id, which is an item's own; else by the search key, which stays with it through moves and which
its copies have too, so that it counts only where one item alone has it. The index lies in a temporary file. Both keys are
compared as bytes, whether they are served as base64 or as hex. Source: issue 6 (part 3), docs/formats.md (bag of a mailbox).
"""

import base64
import binascii
from collections.abc import Iterator
from typing import Any

from exporters.bag.formats import JsonObject, load_json
from exporters.bag.ledger import BagWriter
from exporters.bag.state import State
from exporters.scratch_database import ScratchDatabase

_KINDS = ("message", "contact", "event", "task")
_BATCH = 500
_TASK = "ipm.task"
# What the first capture has of a folder: by its container class, the message classes (by their start; all where there is none)
_REACHED: dict[str, tuple[str, ...]] = {
    "ipf.note": (),
    "ipf.contact": ("ipm.contact",),
    "ipf.appointment": ("ipm.appointment",),
    "ipf.task": (_TASK,),
}
_HEX = frozenset("0123456789abcdefABCDEF")
_LEAST_HEX = 32  # digits of a search key; base64 of that many hex digits alone is no key that occurs


class Join:
    """An index of the rows that a mailbox has now. To be closed."""

    def __init__(self, state: State) -> None:
        schema = "CREATE TABLE keys (key BLOB, id TEXT, PRIMARY KEY (key, id)) WITHOUT ROWID"
        self._scratch = ScratchDatabase("joins", schema, cache_kib=2000)
        self._db = self._scratch.db
        batch: list[tuple[bytes, str]] = []
        for key in _keys(state):
            batch.append(key)
            if len(batch) >= _BATCH:
                self._put(batch)
                batch = []
        self._put(batch)

    def _put(self, batch: list[tuple[bytes, str]]) -> None:
        self._db.executemany("INSERT OR IGNORE INTO keys VALUES (?, ?)", batch)

    def find(self, entry_id: str | None, search_key: str | None) -> str | None:
        """The id of the item that has one of these keys, None if there is none, or more than one."""
        for mark, value in (b"e", entry_id), (b"s", search_key):
            if value is None:
                continue
            found = self._db.execute("SELECT id FROM keys WHERE key = ? LIMIT 2", (mark + key_bytes(value),)).fetchall()
            if len(found) == 1:
                return str(found[0][0])
        return None

    def close(self) -> None:
        """Remove the temporary file."""
        self._scratch.close()


def _keys(state: State) -> Iterator[tuple[bytes, str]]:
    marks = ", ".join(f"'{kind}'" for kind in _KINDS)
    for data in state.rows(f"kind IN ({marks}) AND scope = '' AND outcome != 'gone' AND code IS NOT 'vanished'"):
        row = load_json(data)
        service: JsonObject = row.get("service") or {}
        for mark, name in (b"e", "entryId"), (b"s", "searchKey"):
            value: Any = service.get(name)
            if isinstance(value, str) and value:
                yield mark + key_bytes(value), str(row["id"])


def key_bytes(value: str) -> bytes:
    """The bytes of a key as served: base64, or hex."""
    text = value.strip()
    if len(text) % 2 == 0 and not set(text) - _HEX and len(text) >= _LEAST_HEX:
        return bytes.fromhex(text)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return text.encode("utf-8", "surrogatepass")


def is_reached(folder_type: str) -> bool:
    """Whether the first capture lists what lies in a folder of this container class."""
    return folder_type.lower() in _REACHED


def should_be_held(folder_type: str, facts: JsonObject) -> bool:
    """Whether the first capture should have an item."""
    classes = _REACHED.get(folder_type.lower())
    return classes is not None and (not classes or any(_is_of(facts, one) for one in classes))


def is_keyless(facts: JsonObject) -> bool:
    """Whether an item has nothing that it could be joined by: To Do gives no keys of tasks."""
    return _is_of(facts, _TASK)


def _is_of(facts: JsonObject, message_class: str) -> bool:
    """Whether an item is of a class, or of one below it."""
    own = str(facts["service"].get("class") or "").lower()
    return own == message_class or own.startswith(f"{message_class}.")


class Joins:
    """Says what an item of the export API is in the first capture; reads that when it is first asked. To be closed."""

    def __init__(self, writer: BagWriter) -> None:
        self._writer = writer
        self._index: Join | None = None

    def find(self, facts: JsonObject) -> str | None:
        """The id of the item of the first capture that this one is."""
        if self._index is None:
            self._index = Join(self._writer.state)
        service = facts["service"]
        return self._index.find(service.get("entryId"), service.get("searchKey"))

    def kind_of(self, folder_type: str, facts: JsonObject) -> tuple[str, str | None]:
        """The kind of an item's row, and which item of the first capture it is."""
        of = self.find(facts)
        return ("stream" if of is not None or should_be_held(folder_type, facts) else "message"), of

    def close(self) -> None:
        """Remove the index."""
        if self._index is not None:
            self._index.close()
