"""Streams of items → entries of the zip in work, and rows.

Rules of this file: rows wait for the object that they name, and everything that is written after them waits with them; bytes that
are held are not stored again; earlier bytes become a row of kind `version`. What the first capture has too is a row of kind
`stream`; what only the export API reaches, a `message` with the mailbox as its scope. Source: docs/formats.md (bag of a mailbox).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import IO, Any

from exporters.bag.formats import JsonObject, load_json
from exporters.bag.ledger import BagWriter
from exporters.bag.removed import add_what_lies_below, begin_removed, digest_of_removed, is_mass
from exporters.clock import Clock, timestamp
from exporters.copied import CopyResult
from exporters.graph.answers import number_of, text_of
from exporters.mail.capture.due import note_composing
from exporters.mail.capture.exceptions import worth_another_try
from exporters.mail.capture.exchange import ExportFolder
from exporters.mail.capture.exports import Exported
from exporters.mail.capture.facts import date_of, extended
from exporters.mail.capture.joins import Joins, is_keyless, is_reached
from exporters.mail.capture.objects import MailZip, Numbers
from exporters.mail.originals import ENTRIES, STREAMS, stream_entry
from exporters.outcomes import CAUSES, ExceptionCode, Outcome

_HELD = ("key", "size", "sha256", "captured", "run", "pst", "record", "version")
_OF_VERSION = (*_HELD, "name", "path", "folder", "service", "modified")
_WAITING = 2_000
_BATCH = 500
_KINDS = ("stream", "message")
_BELOW = (
    "SELECT tree.id, rows.row FROM tree JOIN rows ON rows.kind = tree.kind AND rows.scope = tree.scope AND rows.id = tree.id"
    " WHERE tree.scope = ? AND tree.parent = ? AND tree.alive = 1 AND tree.kind != 'folder'"
)


def stream_facts(mailbox_id: str, folder: ExportFolder, served: Mapping[str, Any]) -> JsonObject:
    """What a row says of an item as listed. served: with an id."""
    service: JsonObject = {}
    for ours, value in (
        ("changeKey", text_of(served.get("changeKey"))),
        ("class", text_of(served.get("type")) or extended(served, "0x1A")),
        ("size", number_of(served.get("size"))),
        ("entryId", extended(served, "0xFFF")),
        ("searchKey", extended(served, "0x300B")),
        ("received", extended(served, "0xE06")),
    ):
        if value is not None:
            service[ours] = value
    facts: JsonObject = {"scope": mailbox_id, "id": served["id"], "parent": folder.id, "service": service}
    facts["name"] = extended(served, "0x37") or ""
    for ours, theirs in (("created", "createdDateTime"), ("modified", "lastModifiedDateTime")):
        if (at := date_of(served, theirs)) is not None:
            facts[ours] = at
    return facts


def is_copied(row: Mapping[str, Any]) -> bool:
    """Whether we hold the bytes of an item that is there."""
    return bool(row["outcome"] == Outcome.COPIED)


class StreamKeeper:
    """Keeps what comes of one mailbox of the export API. joins: finds items of the first capture; None for an archive."""

    def __init__(
        self,
        mailbox_id: str,
        writer: BagWriter,
        clock: Clock,
        numbers: Numbers,
        result: CopyResult,
        joins: Joins | None,
    ) -> None:
        self._id, self._writer, self._clock, self._numbers = mailbox_id, writer, clock, numbers
        self._result, self._joins = result, joins
        self._zip: MailZip | None = None
        self._waiting: list[tuple[str, JsonObject]] = []
        self._fresh: dict[str, JsonObject] = {}
        self._removed: set[str] = set()  # of the ids that were asked for: listed as removed, and nothing decided yet
        self.has_work = False
        """Whether anything was written that changes the rows."""

    # -- what waits -------------------------------------------------------------------------------------------------

    def then(self, kind: str, value: JsonObject) -> None:
        """Write a row of the ledger after all that was kept before it."""
        if self._zip is None and not self._waiting:
            self._writer.emit(kind, value)
        else:
            self._waiting.append((kind, value))

    def close_due(self) -> None:
        """Close the zip in work if it has lasted long enough, or holds enough."""
        if (self._zip is not None and self._zip.is_due) or len(self._waiting) > _WAITING:
            self.finish()

    def finish(self) -> None:
        """Nothing waits any more."""
        held, self._zip = self._zip, None
        waiting, self._waiting = self._waiting, []
        self._fresh.clear()
        self._removed.clear()
        if held is not None:
            held.rows += waiting
            held.finish()
        elif waiting:
            self._writer.emit_all(waiting)

    def abandon(self) -> None:
        """What is in work does not become whole; what it stands for is listed again."""
        if self._zip is not None:
            self._writer.orphans_possible = True
            self._zip.abandon()
            self._zip = None

    def _begin(self) -> None:
        if not self.has_work:
            note_composing(self._writer)
            self.has_work = True

    def _put(self, row: JsonObject) -> None:
        self._begin()
        self._waiting.append(("item", row))
        if row["kind"] in _KINDS:
            self._fresh[str(row["id"])] = row

    # -- asking -----------------------------------------------------------------------------------------------------

    def known(self, ids: list[str]) -> dict[str, JsonObject]:
        """The rows that we have of items."""
        known = self._writer.state.known(self._id, ids)
        self._removed |= {item_id for item_id, (owed, _) in known.items() if owed is not None}
        rows = {item_id: row for item_id, (_, row) in known.items() if row is not None}
        return rows | {item_id: self._fresh[item_id] for item_id in ids if item_id in self._fresh}

    def holds(self, folder_id: str) -> bool:
        """Whether there is a row of anything in a folder."""
        return self._count(folder_id) > 0

    def count(self, folder_id: str) -> int:
        """How many items a folder has by our rows. All of them are written."""
        return self._count(folder_id)

    def _count(self, folder_id: str) -> int:
        query = "SELECT count(*) FROM tree WHERE scope = ? AND parent = ? AND alive = 1 AND kind != 'folder'"
        return self._writer.state.count(query, (self._id, folder_id))

    def failed(self) -> Iterator[JsonObject]:
        """Rows of items that may be had now."""
        now = self._clock.now()
        for row in list(self._excepted()):
            if row["run"] != self._writer.run.id and worth_another_try(row, now):
                yield row

    def count_failed(self) -> int:
        """How many items could not be had."""
        return sum(row.get("code") != ExceptionCode.VANISHED for row in self._excepted())

    def _excepted(self) -> Iterator[JsonObject]:
        if self._writer.is_loaded:
            query = "outcome = 'excepted' AND scope = ?"
            rows: Iterable[JsonObject] = map(load_json, self._writer.state.rows(query, (self._id,)))
        else:
            rows = self._writer.exceptions()
        return (row for row in rows if row["scope"] == self._id and row["kind"] in _KINDS)

    def is_reached_elsewhere(self, folder: ExportFolder) -> bool:
        """Whether the first capture lists what lies in a folder."""
        return self._joins is not None and is_reached(folder.type)

    # -- folders ----------------------------------------------------------------------------------------------------

    def folder(self, folder: ExportFolder, *, counted: bool = True) -> None:
        """Write the row of a folder, if it is not as we have it, after those of what lies in it. counted: with the service's
        number of its items, which means nothing beside our rows before the folder is listed to its end."""
        self.finish()
        held = self._writer.state.row(("folder", self._id, folder.id))
        row = self._folder_row(folder, counted=counted)
        if held is not None and {k: v for k, v in held.items() if k not in ("run", "captured")} == row:
            return
        self._result.copied += held is None
        if held is not None and held.get("path") != folder.path:
            self._take_along(folder)
        self._put({**row, "run": self._writer.run.id, "captured": self._now()})
        self.finish()

    def listed_to_the_end(self, folder: ExportFolder) -> None:
        """Let the row of a folder say how many items the service counts, once all that was listed of it is written."""
        row = self._folder_row(folder, counted=True)
        self._put({**row, "run": self._writer.run.id, "captured": self._now()})

    def _folder_row(self, folder: ExportFolder, *, counted: bool) -> JsonObject:
        service = dict(folder.facts["service"])
        if not counted:
            service.pop("totalItemCount", None)
        if self._joins is None:
            service["isArchive"] = True
        return {**folder.facts, "service": service, "path": folder.path, "outcome": Outcome.COPIED.value}

    def _take_along(self, folder: ExportFolder) -> None:
        for rows in self._below(folder.id):
            for row in rows:
                self._put({**row, "folder": folder.path, "path": _path(folder, str(row.get("name") or ""))})
            self.finish()

    def _below(self, folder_id: str, besides: str = "", values: tuple[Any, ...] = ()) -> Iterator[list[JsonObject]]:
        """The items of a folder that are there, some at a time, each once whatever is written meanwhile."""
        query = f"{_BELOW} AND tree.id > ?{besides} ORDER BY tree.id LIMIT {_BATCH}"
        after = ""
        while found := self._writer.state.db.execute(query, (self._id, folder_id, after, *values)).fetchall():
            after = found[-1][0]
            yield [load_json(data) for _, data in found]

    # -- items ------------------------------------------------------------------------------------------------------

    def missed(self, folder: ExportFolder, scope: str) -> None:
        """A listing from the start has ended: what it did not bring is not there any more. All that was seen is written."""
        besides = " AND NOT EXISTS (SELECT 1 FROM seen WHERE seen.scope = ? AND seen.id = tree.id)"
        for rows in self._below(folder.id, besides, (scope,)):
            for row in rows:
                self.removed(row)
            self.finish()

    def removed(self, row: JsonObject) -> None:
        """Write that something is not there any more; what becomes of it is decided in the end."""
        if row["outcome"] == Outcome.GONE or row.get("code") == ExceptionCode.VANISHED:
            return
        named: JsonObject = {name: row[name] for name in ("kind", "name", "parent") if name in row}
        self._begin()
        self._waiting.append(("listed", {"scope": self._id, "id": row["id"], "deleted": True, **named}))
        self._removed.add(str(row["id"]))

    def folder_removed(self, folder_id: str) -> None:
        """The same of a folder, and so of what lies in it."""
        row = self._writer.state.row(("folder", self._id, folder_id))
        if row is not None:
            self.removed(row)

    def decide_removals(self, accepts: Callable[[str], bool]) -> tuple[int, str | None]:
        """Mark as gone what is not there any more: (how many items, None). If too much would vanish at once, nothing is marked:
        (0, a digest of the mass), unless a person has accepted that digest."""
        self.finish()
        state = self._writer.state
        begin_removed(state)
        state.db.execute("INSERT INTO removed SELECT id FROM owed WHERE scope = ? AND deleted = 1", (self._id,))
        add_what_lies_below(state, self._id)
        if is_mass(state, self._id) and not accepts(digest := digest_of_removed(state, self._id)):
            return 0, digest
        gone, after = 0, ""
        query = "SELECT id FROM removed WHERE id > ? ORDER BY id LIMIT ?"
        while found := [row[0] for row in state.db.execute(query, (after, _BATCH))]:
            after = found[-1]
            for row in (state.item_row(self._id, item_id) for item_id in found):
                gone += self._gone(row) if row is not None else 0
            self.finish()
        return gone, None

    def _gone(self, row: JsonObject) -> int:
        """Whether an item, not a folder, is marked."""
        if is_copied(row):
            self._result.gone_now += row["kind"] == "message"
            self._put({**row, "outcome": Outcome.GONE.value, "since": self._now(), "run": self._writer.run.id})
        elif row["outcome"] == Outcome.GONE:
            self._put(row)  # which settles it
        else:
            code = ExceptionCode.VANISHED
            told = {"code": code.value, "reason": CAUSES[code].reason}
            self._put({**row, **told, "captured": self._now(), "run": self._writer.run.id})
        return int(row["kind"] != "folder")

    def moved(self, folder: ExportFolder, facts: JsonObject, row: JsonObject) -> None:
        """The bytes of an item are as we hold them; its row says the rest."""
        told = {**facts, "kind": row["kind"], "folder": folder.path, "path": _path(folder, facts["name"])}
        if row["id"] in self._removed or any(told[name] != row.get(name) for name in told):
            held = {name: row[name] for name in (*_HELD, "of", "outcome") if name in row}
            self._put({**told, **held})

    def keep(self, folder: ExportFolder, facts: JsonObject, held: JsonObject | None, item: Exported) -> None:
        """Take in what came of an item. Raises: errors of the store, ReplacedError."""
        kind, of = ("message", None) if self._joins is None else self._joins.kind_of(folder.type, facts)
        row: JsonObject = {k: v for k, v in facts.items() if k != "of"}
        row.update(kind=kind, folder=folder.path, path=_path(folder, facts["name"]), outcome=Outcome.COPIED.value)
        row.update(run=self._writer.run.id, captured=self._now())
        if of is not None:
            row["of"] = of
        self._result.worked_on += 1
        self._result.bytes_received += item.size
        file = item.file
        if file is None:
            self._refused(row, held, item)
        elif held is not None and held.get("key") and held.get("sha256") == item.sha256:
            kept = {name: held[name] for name in (*_HELD, "of") if name in held}
            self._put({**row, **kept, "kind": held["kind"]})
        else:
            self._store(folder, row, held, item, file)

    def _refused(self, row: JsonObject, held: JsonObject | None, item: Exported) -> None:
        code = item.code or ExceptionCode.STREAM_UNAVAILABLE
        self._replace(row, held)
        for name in _HELD:
            if name not in ("captured", "run"):
                row.pop(name, None)
        row.update(outcome=Outcome.EXCEPTED.value, code=code.value, reason=item.reason or CAUSES[code].reason)
        if held is not None and held["outcome"] == Outcome.EXCEPTED and held.get("code") == row["code"]:
            row.update({name: held[name] for name in ("captured", "run", "reason") if name in held})
        self._put(row)

    def _store(
        self, folder: ExportFolder, row: JsonObject, held: JsonObject | None, item: Exported, file: IO[bytes]
    ) -> None:
        if self._zip is not None and self._zip.items >= ENTRIES:
            self.finish()
        if self._zip is None:
            self._zip = MailZip(self._writer, self._clock, self._numbers.take(STREAMS), STREAMS)
        self._replace(row, held)
        name = stream_entry(self._zip.number, self._zip.items + 1)
        row["key"] = self._zip.add(name, file, item.size, _date(row))
        row.update(size=item.size, sha256=item.sha256, record=self._zip.key)
        if item.version is not None:
            row["version"] = item.version
        self._zip.record(
            {
                "changeKey": item.change_key or row["service"].get("changeKey"),
                "entry": name,
                "folder": list(folder.names),
                "id": row["id"],
                "mailbox": self._id,
                "parent": row["parent"],
                "properties": _properties(row),
                "sha256": item.sha256,
                "size": item.size,
                "type": row["service"].get("class"),
                "version": item.version,
            }
        )
        if row["kind"] == "message" and (held is None or held["run"] != self._writer.run.id):
            self._result.copied += 1
        self._result.downloaded += row["kind"] == "message"
        self._put(row)

    def _replace(self, row: JsonObject, held: JsonObject | None) -> None:
        """What becomes of the row so far, and of the bytes that it names."""
        if held is None:
            return
        if held["kind"] != row["kind"]:
            self._gone(held)
        elif held.get("key"):
            earlier: JsonObject = {name: held[name] for name in _OF_VERSION if name in held}
            earlier.update(kind="version", scope=held["id"], id=held["captured"], parent=held["id"])
            self._put({**earlier, "outcome": Outcome.COPIED.value})

    def settle_joins(self, folders: Mapping[str, ExportFolder], *, anew: bool) -> tuple[dict[str, int], int] | None:
        """Join what was listed before the first capture had it. By path, how many that it should have it has not; and how many
        have no keys. None: as before, since there was no news. anew: look all the same. All that was kept is written."""
        if self._joins is None:
            return {}, 0
        if not (self._writer.is_loaded or self.has_work or anew):
            return None
        self.finish()
        unjoined: dict[str, int] = {}
        keyless = 0
        rows = (load_json(data) for data in self._writer.state.rows("kind = 'stream' AND scope = ?", (self._id,)))
        for row in [row for row in rows if "of" not in row and row["outcome"] != Outcome.GONE]:
            if (of := self._joins.find(row)) is not None:
                self._put({**row, "of": of})
            elif is_keyless(row):
                keyless += 1
            else:
                folder = folders.get(str(row["parent"]))
                path = str(row.get("folder")) if folder is None else folder.path
                unjoined[path] = unjoined.get(path, 0) + 1
        self.finish()
        return unjoined, keyless

    def _now(self) -> str:
        return timestamp(self._clock.now())


def _path(folder: ExportFolder, name: str) -> str:
    return f"{'' if folder.path == '/' else folder.path}/{name}"


def _properties(row: JsonObject) -> JsonObject:
    service = row["service"]
    found = {
        "Binary 0xfff": service.get("entryId"),
        "Binary 0x300b": service.get("searchKey"),
        "String 0x37": row["name"] or None,
        "SystemTime 0xe06": service.get("received"),
    }
    return {name: value for name, value in found.items() if value is not None}


def _date(row: JsonObject) -> datetime | None:
    for text in (row["service"].get("received"), row.get("created")):
        if isinstance(text, str):
            try:
                found = datetime.fromisoformat(text.replace("Z", "+00:00"))
            except ValueError:
                continue
            if found.tzinfo is not None:
                return found
    return None
