"""What came of an item → entries of the objects in work, and rows.

Rules of this file: a row is written when the object that it names is whole; bytes that are held already are not stored again;
earlier bytes become a row of kind `version`. One thread only. Source: docs/formats.md (bag of a mailbox), design §4 (rows).
"""

from datetime import datetime
from typing import Any

from exporters.bag.formats import JsonObject, load_json
from exporters.bag.ledger import BagWriter
from exporters.clock import Clock, timestamp
from exporters.copied import CopyResult
from exporters.errors import ItemError
from exporters.mail.capture.contents import PHOTO
from exporters.mail.capture.exceptions import code_of, reason_of
from exporters.mail.capture.facts import same_facts
from exporters.mail.capture.fetched import Fetched, Piece, Task
from exporters.mail.capture.objects import MailLines, MailZip, Objects
from exporters.mail.originals import JSONL, MAIL
from exporters.outcomes import CAUSES, ExceptionCode, Outcome

_HELD = ("key", "size", "sha256", "captured", "run", "pst", "record")
_OF_VERSION = (*_HELD, "name", "path", "folder", "service", "modified", "versionId")


class Keeper:
    """Keeps what was fetched of one mailbox. result: is told what was copied."""

    def __init__(self, writer: BagWriter, objects: Objects, clock: Clock, result: CopyResult) -> None:
        self._writer, self._objects, self._clock, self._result = writer, objects, clock, result

    def keep(self, fetched: Fetched) -> None:
        """Take an item in; its files are closed. Raises: errors of the store, ReplacedError."""
        try:
            if fetched.task.kind == "message":
                self._message(fetched)
            else:
                self._line(fetched)
        finally:
            fetched.close()
        self._result.worked_on += 1
        self._result.bytes_received += fetched.received
        self._objects.close_due()

    def move(self, facts: JsonObject, row: JsonObject, path: str, folder: str) -> None:
        """Nothing of an item is new but its place, or what the row alone tells."""
        names: tuple[str, ...] = ("outcome", "code", "reason", *_HELD)
        if facts["kind"] in {"event", "post"}:  # the listing tells next to nothing of these
            names = (*names, "name", "created", "modified", "service")
            path = f"{folder.rstrip('/')}/{row.get('name', '')}"
        held = {name: row[name] for name in names if name in row}
        self._writer.emit("item", {**self._row(facts, path, folder), **held, "outcome": _alive(row)})
        self._result.worked_on += 1

    def _row(self, facts: JsonObject, path: str, folder: str) -> JsonObject:
        row = {name: value for name, value in facts.items() if name not in ("deleted", "graph")}
        row.update(path=path, folder=folder, outcome=Outcome.COPIED.value)
        row.update(run=self._writer.run.id, captured=timestamp(self._clock.now()))
        return row

    # -- messages ---------------------------------------------------------------------------------------------------

    def _message(self, fetched: Fetched) -> None:
        task, held = fetched.task, fetched.task.row
        row = self._row(fetched.facts, _path(task.folder, fetched.facts), f"/{task.folder}")
        if fetched.is_odd and self._is_anothers(fetched):
            fetched.code = ExceptionCode.DOWNLOAD_FAILED
        if fetched.code is not None and _is_second_look(task):
            return
        zip_file = self._objects.mail()
        if fetched.code is not None:
            self._refused(fetched, row, zip_file)
            return
        is_same = held is not None and held.get("key") is not None and fetched.sha256 in ("", held["sha256"])
        record: JsonObject = {"entry": None}
        if is_same and held is not None:
            row.update({name: held[name] for name in _HELD if name in held})
        elif fetched.file is not None:
            if held is not None and held.get("key") is not None:
                zip_file.rows.append(("item", earlier(held)))
            name = zip_file.name(task.folder, str(row["name"]), task.item_id)
            file, fetched.file = fetched.file, None  # the zip closes it
            row["key"] = zip_file.add(name, file, fetched.size, _date(fetched.facts), keeps_file=False)
            row.update(size=fetched.size, sha256=fetched.sha256)
            record["entry"] = name
            self._result.downloaded += 1
            self._count_copied(held)
        if fetched.pieces:
            record["attachments"] = [self._piece(piece, MAIL, row, zip_file.rows) for piece in fetched.pieces]
        zip_file.rows += self._settled(fetched, "outcome = 'excepted'")  # the bytes of all are in the MIME
        row["record"] = zip_file.key
        zip_file.record({**record, **self._described(fetched, row)})
        zip_file.rows.append(("item", row))

    def _is_anothers(self, fetched: Fetched) -> bool:
        """Whether a body that does not seem to be of its message came for another one, which is no copy of it, in an earlier
        run."""
        query = "kind = 'message' AND scope = '' AND sha256 = ? AND id != ?"
        others = map(load_json, self._writer.state.rows(query, (fetched.sha256, fetched.task.item_id)))
        own = fetched.facts.get("internetMessageId")
        return any(own is None or other.get("internetMessageId") != own for other in others)

    def _described(self, fetched: Fetched, row: JsonObject) -> JsonObject:
        return {
            "id": row["id"],
            "parent": row["parent"],
            "folder": list(fetched.task.names),
            "sha256": row.get("sha256"),
            "size": row.get("size"),
            "graph": fetched.facts["graph"],
        }

    def _refused(self, fetched: Fetched, row: JsonObject, zip_file: MailZip) -> None:
        """An exception: what could be had in place of MIME is kept, and the row says where."""
        held = fetched.task.row
        if (
            held is not None and held.get("key") is not None
        ):  # its newer state could not be had; what we hold stays held
            zip_file.rows.append(("item", earlier(held)))
        self._except(row, fetched.code or ExceptionCode.REFUSED, fetched.reason, held)
        if "graph" in fetched.facts:
            attachments = [self._piece(piece, MAIL, row, zip_file.rows) for piece in fetched.pieces]
            if fetched.are_pieces_known:
                zip_file.rows += self._settled(fetched)
            row["record"] = zip_file.key
            told = {"entry": None, "code": row["code"], "attachments": attachments}
            zip_file.record({**told, **self._described(fetched, row)})
        zip_file.rows.append(("item", row))

    # -- the others -------------------------------------------------------------------------------------------------

    def _line(self, fetched: Fetched) -> None:
        task, held = fetched.task, fetched.task.row
        row = self._row(fetched.facts, _path(task.folder, fetched.facts), f"/{task.folder}")
        if fetched.code is not None:
            if _is_second_look(task):
                return
            self._except(row, fetched.code, fetched.reason, held)
            before: list[tuple[str, JsonObject]] = []
            if held is not None and held.get("key") is not None:
                before.append(("item", earlier(held)))
            self._writer.emit_all([*before, ("item", row)])
            return
        kind = JSONL[task.kind]
        lines = self._objects.lines(kind)
        line = {name: row[name] for name in ("id", "kind", "parent")} | {"folder": list(task.names)}
        line["graph"] = fetched.facts["graph"]
        photo = next((piece for piece in fetched.pieces if piece.item_id == PHOTO), None)
        if photo is not None:
            line["photo"] = self._piece(photo, kind, row, lines.rows)
        others = [piece for piece in fetched.pieces if piece is not photo]
        if others:
            line["attachments"] = [self._piece(piece, kind, row, lines.rows) for piece in others]
        if fetched.are_pieces_known:
            lines.rows += self._settled(fetched)
        if held is not None and held.get("key") is not None:
            lines.rows.append(("item", earlier(held)))
        self._add(lines, line, row)
        self._result.downloaded += 1
        self._count_copied(held)

    @staticmethod
    def _add(lines: MailLines, line: JsonObject, row: JsonObject) -> None:
        row["key"], row["size"], row["sha256"] = lines.add(line)
        lines.rows.append(("item", row))

    # -- pieces -----------------------------------------------------------------------------------------------------

    def _piece(self, piece: Piece, kind: str, item: JsonObject, rows: list[tuple[str, JsonObject]]) -> JsonObject:
        """Put the bytes of an attachment, and its row; return what the item's record says of it."""
        row: JsonObject = {"kind": "attachment", "scope": item["id"], "id": piece.item_id, "parent": item["id"]}
        row.update(name=piece.name, outcome=Outcome.COPIED.value)
        row.update(run=self._writer.run.id, captured=timestamp(self._clock.now()))
        told = dict(piece.record)
        if piece.code is not None:
            held = self._writer.state.row(("attachment", str(item["id"]), piece.item_id))
            if held is not None and held.get("key") is not None:
                rows.append(("item", earlier(held)))
            self._except(row, piece.code, piece.reason, held)
            told["code"] = piece.code.value
        elif piece.file is not None:
            try:
                rows += self._put(piece, kind, row)
            except ItemError as error:  # the store cannot take it, for a reason that concerns this one alone
                code = code_of(error)
                self._except(row, code, reason_of(code, error), None)
                told["code"] = code.value
            else:
                told.update({name: row[name] for name in ("size", "sha256")})  # their key stands in their row
        else:
            return told  # a link: it has no bytes, and stands in the record
        rows.append(("item", row))
        return told

    def _put(self, piece: Piece, kind: str, row: JsonObject) -> list[tuple[str, JsonObject]]:
        """Put the bytes of a piece where they are not held already, and complete its row; return a row for those before."""
        held = self._writer.state.row(("attachment", str(row["scope"]), piece.item_id))
        if held is not None and held.get("sha256") == piece.sha256:
            row.update({name: held[name] for name in ("key", "size", "sha256", "versionId") if name in held})
            return []
        if piece.file is None:
            raise ValueError("bytes were expected")
        row["key"], version = self._objects.put_piece(kind, piece.name, piece.item_id, piece.file, piece.size)
        row.update(size=piece.size, sha256=piece.sha256)
        if version is not None:
            row["versionId"] = version
        return [("item", earlier(held))] if held is not None and held.get("key") is not None else []

    def _settled(self, fetched: Fetched, where: str = "1") -> list[tuple[str, JsonObject]]:
        """Rows of earlier pieces that the item does not have any more: gone if we hold them, else vanished."""
        there = {piece.item_id for piece in fetched.pieces}
        at = timestamp(self._clock.now())
        rows: list[tuple[str, JsonObject]] = []
        query = f"kind = 'attachment' AND scope = ? AND {where}"
        for held in map(load_json, list(self._writer.state.rows(query, (fetched.task.item_id,)))):
            if held["id"] not in there and (settled := settled_piece(held, self._writer.run.id, at)) is not None:
                rows.append(("item", settled))
        return rows

    # -- rows -------------------------------------------------------------------------------------------------------

    def _except(self, row: JsonObject, code: ExceptionCode, reason: str | None, held: JsonObject | None) -> None:
        row.update(outcome=Outcome.EXCEPTED.value, code=code.value, reason=reason or CAUSES[code].reason)
        if held is not None and held["outcome"] == Outcome.EXCEPTED and held.get("code") == row["code"]:
            row.update({name: held[name] for name in ("captured", "run", "reason", "pst") if name in held})

    def _count_copied(self, held: JsonObject | None) -> None:
        if held is None or held["run"] != self._writer.run.id or held["outcome"] == Outcome.EXCEPTED:
            self._result.copied += 1


def earlier(held: JsonObject) -> JsonObject:
    """The bytes of a row so far as a row of kind `version`, where they lie.

    An attachment is known by its item too: every contact's photo has the same id.
    """
    row: JsonObject = {name: held[name] for name in _OF_VERSION if name in held}
    scope = f"{held['scope']}/{held['id']}" if held["kind"] == "attachment" else held["id"]
    row.update(kind="version", scope=scope, id=held["captured"], parent=held["id"], outcome=Outcome.COPIED.value)
    return row


def settled_piece(row: JsonObject, run_id: str, at: str) -> JsonObject | None:
    """What becomes of the row of a piece that is not there any more; None if that is known."""
    if row["outcome"] == Outcome.COPIED:
        return {**row, "outcome": Outcome.GONE.value, "since": at, "run": run_id}
    if row["outcome"] == Outcome.GONE or row.get("code") == ExceptionCode.VANISHED:
        return None
    code = ExceptionCode.VANISHED
    return {**row, "code": code.value, "reason": CAUSES[code].reason, "captured": at, "run": run_id}


def _is_second_look(task: Task) -> bool:
    """Whether nothing is new of an item that is held whole, and only a piece of it was tried once more."""
    held = task.row
    return held is not None and held["outcome"] == Outcome.COPIED and same_facts(task.facts, held)


def _alive(row: JsonObject) -> str:
    """The outcome of an item that is listed (again)."""
    return Outcome.COPIED.value if row["outcome"] == Outcome.GONE else str(row["outcome"])


def _path(folder: str, facts: JsonObject) -> str:
    return f"/{folder}/{facts.get('name', '')}" if folder else f"/{facts.get('name', '')}"


def _date(facts: dict[str, Any]) -> datetime | None:
    """When a message came, for the date of its entry."""
    for text in (facts["service"].get("received"), facts.get("created")):
        if isinstance(text, str):
            try:
                return datetime.fromisoformat(text.replace("Z", "+00:00"))
            except ValueError:
                continue
    return None
