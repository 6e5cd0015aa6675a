"""Whether the mail of a bag stands in its PST: item by item, by the rows of the fold and by `parts.json`.

Rules of this file: decisions by rows, and one small object read back; an item is in the PST if its copy counts by the rules of
composing, is left out if `parts.json` names it, and is *lacking* else. Source: design §5 (compose), docs/formats.md (PST).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from exporters.bag.digests import Hashed
from exporters.bag.formats import load_json
from exporters.mail.compose.placed import KINDS, is_changed, is_live, placed
from exporters.mail.originals import COMPOSED, PST_CURSOR
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import Store

_KINDS = tuple(f'"kind":"{kind}"'.encode() for kind in KINDS)
_DERIVED = b'"kind":"derived"'


@dataclass(slots=True)
class Composed:
    """The rows of a mailbox, taken one by one; then `close`. cursor: how composing stands; in_pst: how many items name a copy by
    (file, SHA-256); lacking: items that name none; left_out: {code: n} of what could not be put in; superseded: {why: n} of
    copies that are not as the mailbox was last; problem: why the PST is not what the rows say."""

    cursor: Mapping[str, Any]
    items: int = 0
    in_pst: Counter[tuple[str, str]] = field(default_factory=Counter)
    lacking: set[tuple[str, str, str]] = field(default_factory=set)
    files: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    superseded: dict[str, int] = field(default_factory=dict)
    problem: str | None = None

    def take(self, line: bytes) -> None:
        """A row of `items.jsonl`."""
        if _DERIVED in line:
            row = load_json(line)
            if row["kind"] == "derived" and isinstance(row.get("key"), str):
                self.files[row["key"].rpartition("/")[2]] = str(row.get("sha256"))
        elif any(kind in line for kind in _KINDS):
            self._take_item(load_json(line))

    def _take_item(self, row: Mapping[str, Any]) -> None:
        if row["kind"] not in KINDS or not is_live(row):
            return
        if row["outcome"] == "excepted" and (row["kind"] != "message" or not row.get("record")):
            return  # nothing of it was captured: an exception of the bag
        self.items += 1
        if self.cursor.get("kind") != COMPOSED:  # nothing counts then, and nothing need be held
            return
        pst = row.get("pst")
        is_placed = isinstance(pst, dict) and placed(row, {str(pst.get("file")): str(pst.get("sha256"))}) is not None
        if is_placed and not is_changed(row, row["pst"]):
            self.in_pst[str(row["pst"]["file"]), str(row["pst"]["sha256"])] += 1
            return
        self.lacking.add((str(row["kind"]), str(row["scope"]), str(row["id"])))

    @classmethod
    def of(cls, cursors: Mapping[str, Any]) -> "Composed":
        """cursors: of the head of the fold."""
        cursor = cursors.get(PST_CURSOR) or {}
        left_out, superseded = (dict(cursor.get(name) or {}) for name in ("not_composed", "superseded"))
        return cls(cursor, left_out=left_out, superseded=superseded)

    def close(self, store: Store, key: str, sha256: str | None) -> None:
        """All rows were taken; read what `parts.json` names. sha256: of that, by the manifest."""
        if not self.items:
            return
        if self.cursor.get("kind") != COMPOSED:
            self.problem = "no composing came to its end"
            return
        used = {name: self.files.get(name) for name in self.cursor.get("parts") or ()}
        strange = [file for file, sha in self.in_pst if used.get(file) != sha]
        if strange:
            self.problem = f"rows name copies in {min(strange)}, which is no part of the PST as it is now"
            return
        self._leave_out(store, key, sha256)

    def _leave_out(self, store: Store, key: str, sha256: str | None) -> None:
        try:
            data = store.read(key)
        except ObjectMissingError:
            data = b""
        if sha256 is None or Hashed.of(data) != sha256:
            self.problem = "parts.json is not there, or not as the manifest says"
            return
        for one in load_json(data).get("not_composed") or ():
            self.lacking.discard((str(one.get("kind")), str(one.get("scope") or ""), str(one.get("id"))))
        if self.lacking:
            self.problem = f"{len(self.lacking):,} items stand in no PST, and parts.json names none of them"
