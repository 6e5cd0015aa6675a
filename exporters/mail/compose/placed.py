"""What a row says of the copy of its item in a PST: `pst`, and whether that copy still is what the row says.

Rules of this file: decisions without I/O. A copy counts only while its file is one of those that the last finished composition
left (`files`: name → SHA-256), and still has the bytes that it had then: rows that a composition wrote before it was cut off
count for nothing. Source: docs/formats.md (PST), design §5.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from exporters.bag.formats import JsonObject

KINDS = ("message", "contact", "event", "task", "post")
CHANGED, MOVED, DELETED, STATE = "changed", "moved", "deleted", "state"


class Superseded(NamedTuple):
    """A copy in a PST that is not as the mailbox has the item now, and why."""

    file: str
    node: int
    scope: str
    id: str
    why: str


def placed(row: Mapping[str, Any], files: Mapping[str, str]) -> JsonObject | None:
    """The `pst` of a row, if it counts."""
    pst = row.get("pst")
    if not isinstance(pst, dict) or not isinstance(pst.get("node"), int):
        return None
    sha256 = files.get(str(pst.get("file")))
    return pst if sha256 is not None and pst.get("sha256") == sha256 else None


def content_of(row: Mapping[str, Any]) -> str | None:
    """What tells whether the bytes of an item are others: their SHA-256; of a message without MIME, that of its record."""
    if row.get("outcome") != "excepted":
        sha256 = row.get("sha256")
        return sha256 if isinstance(sha256, str) else None
    return state_of(row)


def state_of(row: Mapping[str, Any]) -> str | None:
    """What tells whether the state of a message (read, flags, categories, …) is another."""
    state = (row.get("service") or {}).get("state")
    return state if isinstance(state, str) else None


def is_live(row: Mapping[str, Any]) -> bool:
    """Whether the service has the item, as far as we know."""
    return row.get("outcome") != "gone" and row.get("code") != "vanished"


def is_changed(row: Mapping[str, Any], pst: Mapping[str, Any]) -> bool:
    """Whether a copy in a PST was made of other bytes."""
    return "content" in pst and pst["content"] != content_of(row)


def new_place(
    row: Mapping[str, Any], file: str, sha256: str, folder: str, node: int, before: Mapping[str, Any] | None
) -> JsonObject:
    """The `pst` of a row that was composed. sha256: of the file. before: of an earlier copy, if there is one."""
    pst: JsonObject = {"file": file, "folder": folder, "node": node, "sha256": sha256}
    facts = {"content": content_of(row), "state": state_of(row), "parent": row.get("parent")}
    pst.update({name: value for name, value in facts.items() if value is not None})
    if before is not None:
        earlier = [*before.get("superseded", ()), {"file": before["file"], "node": before["node"]}]
        pst["superseded"] = earlier
    return pst


def superseded(row: Mapping[str, Any], folder: str, files: Mapping[str, str]) -> Iterator[Superseded]:
    """Copies of an item that are not as the mailbox has it now. row: of the item, or of kind `version`. folder: where it goes."""
    pst = placed(row, files)
    if pst is None:
        return
    of = ("", str(row["scope"])) if row["kind"] == "version" else (str(row["scope"]), str(row["id"]))
    for earlier in pst.get("superseded", ()):
        if earlier.get("file") in files:
            yield Superseded(str(earlier["file"]), int(earlier["node"]), *of, CHANGED)
    why = None
    if row["kind"] == "version":
        why = CHANGED
    elif not is_live(row):
        why = DELETED
    elif is_changed(row, pst):
        why = CHANGED
    elif pst.get("folder") != folder or pst.get("parent", row.get("parent")) != row.get("parent"):
        why = MOVED
    elif pst.get("state") != state_of(row) and row["kind"] == "message":
        why = STATE
    if why is not None:
        yield Superseded(str(pst["file"]), int(pst["node"]), *of, why)
