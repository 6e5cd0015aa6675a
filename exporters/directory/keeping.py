"""What was listed → lines and rows of the bag, where it is news.

Rules of this file: an item whose JSON is as it was held is only noted as seen; one that changed gets a new line, and its
earlier one stays as a version; a part that may not be read now takes nothing away from a line that holds it. Rows stand in
the ledger when their object is whole. One thread only. Source: design §4 (payload, outcomes); docs/formats.md (bag of the
directory).
"""

from collections.abc import Mapping

from exporters.bag.formats import ORIGINALS, JsonObject, load_json
from exporters.bag.ledger import BagWriter
from exporters.bag.objects import LineObjects, earlier_entry
from exporters.clock import Clock, timestamp
from exporters.copied import CopyResult, Progress
from exporters.directory.folders import Folder
from exporters.directory.items import Item, Part
from exporters.directory.refusals import excepted
from exporters.outcomes import ExceptionCode, Outcome

_SEEN = "CREATE TEMP TABLE IF NOT EXISTS listed_now (kind TEXT, scope TEXT, id TEXT, folder TEXT, PRIMARY KEY (kind, scope, id))"
_PLACE = ("parent", "name", "path")


class Keeper:
    """Of one bag, in one run."""

    def __init__(self, writer: BagWriter, clock: Clock, result: CopyResult, progress: Progress) -> None:
        self._writer, self._clock, self._result, self._progress = writer, clock, result, progress
        self._objects = LineObjects(writer, clock)
        self._state = writer.state
        self._state.db.execute(_SEEN)
        lacking = "kind = 'part' AND outcome = 'excepted' AND code != 'vanished'"
        rows = map(load_json, list(self._state.rows(lacking)))
        self._lacking: dict[tuple[str, str], JsonObject] = {(row["scope"], row["id"]): row for row in rows}

    # -- items ------------------------------------------------------------------------------------------------------

    def forget(self, folder: Folder) -> None:
        """A folder is listed from its start: what was seen in it before does not count."""
        self._state.db.execute("DELETE FROM listed_now WHERE folder = ?", (folder.id,))

    def seen_in(self, folder: Folder) -> int:
        """How many different items were seen in it."""
        return self._state.count("SELECT count(*) FROM listed_now WHERE folder = ?", (folder.id,))

    def keep(self, folder: Folder, item: Item) -> None:
        """Take in an item of a folder. Pages may overlap: what comes again from one folder is passed over."""
        query = "SELECT folder FROM listed_now WHERE kind = ? AND scope = ? AND id = ?"
        found = self._state.db.execute(query, item.identity).fetchone()
        if found is not None and found[0] == folder.id:
            return
        self._state.db.execute("INSERT OR REPLACE INTO listed_now VALUES (?, ?, ?, ?)", (*item.identity, folder.id))
        held = self._state.row(item.identity)
        self._keep_line(folder, item, held)
        for part in item.parts:
            self._keep_part(item, part)
        self._result.worked_on += 1
        self._progress.finished(1)
        self._objects.close_due()

    def _keep_line(self, folder: Folder, item: Item, held: JsonObject | None) -> None:
        digests = item.digests()
        row: JsonObject = {"kind": item.kind, "scope": item.scope, "id": item.id, "parent": item.parent}
        row |= {"name": item.name, "path": item.path, "outcome": Outcome.COPIED.value}
        row |= {"service": {**item.service, "digests": digests}, **self._now()}
        if isinstance(created := item.graph.get("createdDateTime"), str):
            row["created"] = created
        if held is not None and held.get("key") is not None and _is_same(digests, held):
            alive = {name: value for name, value in held.items() if name != "since"}
            alive |= {"outcome": Outcome.COPIED.value, **{name: row[name] for name in _PLACE}}
            if alive != held:
                self._writer.emit("item", {**alive, "run": self._writer.run.id})
                self._result.copied += held["outcome"] != Outcome.COPIED
            return
        lines = self._objects.lines(f"{ORIGINALS}{folder.stem}")
        if held is not None and held.get("key") is not None:
            lines.rows.append(("item", earlier_entry(held)))
        row["key"], row["size"], row["sha256"] = lines.add_pieces(item.line())
        lines.rows.append(("item", row))
        self._result.copied += 1
        self._result.downloaded += 1
        self._result.bytes_received += row["size"]

    def _keep_part(self, item: Item, part: Part) -> None:
        """A row for a part that is not whole; and for one that was not, and is now."""
        scope = f"{item.scope}/{item.id}" if item.scope else item.id
        held = self._lacking.get((scope, part.name))
        if part.code is None and held is None:
            return
        row: JsonObject = {"kind": "part", "scope": scope, "id": part.name, "parent": item.id, "name": part.name}
        row |= {"path": f"{item.path}/{part.name}", "outcome": Outcome.COPIED.value, **self._now()}
        if part.code is None:
            del self._lacking[scope, part.name]
        else:
            row = self._lacking[scope, part.name] = excepted(row, part.code, part.reason, held)
        if row != held:
            self._writer.emit("item", row)

    # -- folders ----------------------------------------------------------------------------------------------------

    def put_folder(self, folder: Folder, expected: int | None) -> None:
        """A folder that was listed to its end. expected: how much the service counts in it, if it does."""
        service: JsonObject = {"class": folder.id}
        if expected is not None:
            service["totalItemCount"] = expected
        self._put_folder({**self._folder_row(folder), "outcome": Outcome.COPIED.value, "service": service})

    def except_folder(self, folder: Folder, code: ExceptionCode, reason: str) -> None:
        """A folder that could not be listed (to its end)."""
        row = {**self._folder_row(folder), "service": {"class": folder.id}}
        self._put_folder(excepted(row, code, reason, self.held_folder(folder.id)))

    def held_folder(self, folder_id: str) -> JsonObject | None:
        """The row of a folder so far."""
        return self._state.row(("folder", "", folder_id))

    def _folder_row(self, folder: Folder) -> JsonObject:
        row: JsonObject = {"kind": "folder", "scope": "", "id": folder.id, "parent": None, "name": folder.id}
        return {**row, "path": f"/{folder.id}", **self._now()}

    def _put_folder(self, row: JsonObject) -> None:
        held = self.held_folder(row["id"])
        if held is None or _without_time(held) != _without_time(row):
            self._result.copied += held is None or held["outcome"] != Outcome.COPIED
            self._writer.emit("item", row)

    # -- the end ----------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Have everything so far in the store and in the ledger, so that what comes next knows it."""
        self._objects.finish()

    def give_up(self) -> None:
        """None of what is in work becomes whole."""
        self._objects.abandon()

    def _now(self) -> Mapping[str, str]:
        return {"captured": timestamp(self._clock.now()), "run": self._writer.run.id}


def _is_same(digests: Mapping[str, str], held: JsonObject) -> bool:
    """Whether all that was served is as in the line that is held; what was not served this time does not count."""
    before = held["service"].get("digests") or {}
    return all(before.get(name) == digest for name, digest in digests.items())


def _without_time(row: JsonObject) -> JsonObject:
    return {name: value for name, value in row.items() if name not in {"captured", "run"}}
