"""What came of an item of a list → a line of the object in work, files beside it, and rows.

Rules of this file: a row is written when the object that it names is whole; bytes that are held already are not stored again;
earlier bytes become a row of kind `version`. One thread only. Source: docs/formats.md (bag of a site), design §4 (rows).
"""

from collections.abc import Iterator
from typing import IO

from exporters.bag.digests import Hashed
from exporters.bag.formats import JsonObject, dump_json, load_json
from exporters.bag.ledger import BagWriter
from exporters.bag.objects import LineObjects, Lines, Rows, earlier_entry
from exporters.clock import Clock, timestamp
from exporters.copied import CopyResult
from exporters.errors import ItemError
from exporters.outcomes import CAUSES, ExceptionCode, Outcome
from exporters.sharepoint.lists.exceptions import code_of, reason_of, settled, vanished
from exporters.sharepoint.lists.facts import ALL, ATTACHMENT, VERSIONS, VERSIONS_ID, file_id, item_scope
from exporters.sharepoint.lists.fetching import Fetched, Piece
from exporters.sharepoint.lists.places import Places
from exporters.sharepoint.run import SiteList

_HELD = ("key", "size", "sha256", "versionId")
_CHUNK = 1 << 18


class Keeper:
    """Keeps what was fetched of one list. result: is told what was copied."""

    def __init__(
        self, one: SiteList, writer: BagWriter, objects: LineObjects, places: Places, clock: Clock, result: CopyResult
    ) -> None:
        self._list, self._writer, self._objects, self._places = one, writer, objects, places
        self._clock, self._result = clock, result

    def keep(self, fetched: Fetched) -> None:
        """Take an item in; its files are closed. Raises: errors of the store, ReplacedError."""
        try:
            if fetched.code is not None:
                self._refused(fetched)
            else:
                self._keep(fetched)
        finally:
            fetched.close()
        self._result.worked_on += 1
        self._result.bytes_received += fetched.received
        self._objects.close_due()

    # -- items ------------------------------------------------------------------------------------------------------

    def _row(self, facts: JsonObject) -> JsonObject:
        row = {name: value for name, value in facts.items() if name not in ("deleted", "graph")}
        row.update(path=f"/{self._list.name}/{facts['id']}", outcome=Outcome.COPIED.value)
        row.update(run=self._writer.run.id, captured=timestamp(self._clock.now()))
        return row

    def _keep(self, fetched: Fetched) -> None:
        task, held = fetched.task, fetched.task.row
        row, folder = self._row(fetched.facts), self._places.folder(self._list.id, self._list.name)
        lines = self._objects.lines(f"{folder}/items")
        line: JsonObject = {"graph": fetched.facts["graph"], "id": row["id"], "list": self._list.id}
        hanging: Rows = []
        if fetched.pieces is not None:
            line["attachments"] = [self._piece(piece, row, folder, hanging) for piece in fetched.pieces]
        elif fetched.pieces_code is not None:
            self._hang(ATTACHMENT, ALL, row, fetched.pieces_code, fetched.pieces_reason, hanging)
            line["attachments"] = self._known_pieces(row)
        if fetched.versions is not None:
            line["versions"] = fetched.versions
            row["asked"] = {"versions": task.versions}
            self._told(row, hanging)
        elif fetched.versions_code is not None:
            self._hang(VERSIONS, VERSIONS_ID, row, fetched.versions_code, fetched.versions_reason, hanging)
        else:
            self._unasked(row, hanging)
        if fetched.pieces_code is None:  # else nobody knows which of them are there
            hanging += self._left_behind(row, {file_id(piece.name) for piece in fetched.pieces or ()})
        if not line.get("attachments", True):
            del line["attachments"]
        self._add(lines, line, row, held)
        lines.rows += hanging

    def _add(self, lines: Lines, line: JsonObject, row: JsonObject, held: JsonObject | None) -> None:
        """The item's line, unless the very same is held."""
        is_held = held is not None and held.get("key") is not None
        if held is not None and is_held and held["sha256"] == Hashed.of(dump_json(line)):
            row.update({name: held[name] for name in _HELD if name in held})
            lines.rows.append(("item", row))
        else:
            lines.add_row(line, row, held)
            self._result.downloaded += 1
        if held is None or held["run"] != self._writer.run.id or held["outcome"] == Outcome.EXCEPTED:
            self._result.copied += 1

    def _refused(self, fetched: Fetched) -> None:
        """An item whose record could not be had."""
        held = fetched.task.row
        if held is not None and held["outcome"] == Outcome.COPIED and fetched.facts.get("graph") is None:
            return  # a second look alone: what we hold stands
        row = self._row(fetched.facts)
        rows: Rows = []
        if held is not None and held.get("key") is not None:
            rows.append(("item", earlier_entry(held)))
        self._except(row, fetched.code or ExceptionCode.REFUSED, fetched.reason, held)
        if row != held:
            self._writer.emit_all([*rows, ("item", row)])

    def _except(self, row: JsonObject, code: ExceptionCode, reason: str | None, held: JsonObject | None) -> None:
        row.update(outcome=Outcome.EXCEPTED.value, code=code.value, reason=reason or CAUSES[code].reason)
        if held is not None and held["outcome"] == Outcome.EXCEPTED and held.get("code") == row["code"]:
            row.update({name: held[name] for name in ("captured", "run", "reason") if name in held})

    # -- what hangs on an item --------------------------------------------------------------------------------------

    def _hanging_row(self, kind: str, own_id: str, item: JsonObject) -> JsonObject:
        scope = item_scope(item["scope"], item["id"])
        row: JsonObject = {"kind": kind, "scope": scope, "id": own_id, "parent": item["id"], "outcome": "copied"}
        row["path"] = f"/{self._list.name}/attachments/{item['id']}" + (f"/{own_id}" if kind == ATTACHMENT else "")
        return {**row, "name": own_id, "run": self._writer.run.id, "captured": timestamp(self._clock.now())}

    def _hang(
        self, kind: str, own_id: str, item: JsonObject, code: ExceptionCode, reason: str | None, rows: Rows
    ) -> None:
        """A row for what could not be had of an item."""
        row = self._hanging_row(kind, own_id, item)
        held = self._writer.state.row((kind, row["scope"], own_id))
        self._except(row, code, reason, held)
        if row != held:
            rows.append(("item", row))

    def _told(self, item: JsonObject, rows: Rows) -> None:
        """The earlier states came: they are refused no more."""
        held = self._writer.state.row((VERSIONS, item_scope(item["scope"], item["id"]), VERSIONS_ID))
        if held is not None and held["outcome"] != Outcome.COPIED:
            rows.append(("item", self._hanging_row(VERSIONS, VERSIONS_ID, item)))

    def _unasked(self, item: JsonObject, rows: Rows) -> None:
        """Nobody asks for earlier states any more: that they were refused once is no exception then."""
        held = self._writer.state.row((VERSIONS, item_scope(item["scope"], item["id"]), VERSIONS_ID))
        if held is not None and held["outcome"] == Outcome.EXCEPTED and held["code"] != ExceptionCode.VANISHED:
            rows.append(("item", vanished(held, self._writer.run.id, timestamp(self._clock.now()))))

    def _piece(self, piece: Piece, item: JsonObject, folder: str, rows: Rows) -> JsonObject:
        """Put the bytes of a file, and its row; return what the line says of it."""
        row = self._hanging_row(ATTACHMENT, file_id(piece.name), item)
        row["name"] = piece.name or "?"
        held = self._writer.state.row((ATTACHMENT, row["scope"], row["id"]))
        code, reason = piece.code, piece.reason
        if piece.file is not None:
            try:
                self._put(piece, piece.file, row, folder, held)
            except ItemError as error:  # the store cannot take it, for a reason that concerns this one alone
                code = code_of(error)
                reason = reason_of(code, error)
        if held is not None and held.get("key") not in (None, row.get("key")):
            rows.append(("item", earlier_entry(held)))
        if code is not None:
            self._except(row, code, reason, held)
        rows.append(("item", row))
        told: JsonObject = {"name": piece.name}
        return (
            {**told, "code": code.value} if code is not None else {**told, "size": row["size"], "sha256": row["sha256"]}
        )

    def _put(self, piece: Piece, file: IO[bytes], row: JsonObject, folder: str, held: JsonObject | None) -> None:
        row.update(size=piece.size, sha256=piece.sha256)
        if held is not None and held.get("sha256") == piece.sha256:
            row.update({name: held[name] for name in _HELD if name in held})
            return
        row["key"], is_there = self._places.attachment(folder, row["parent"], piece.name, piece.sha256)
        if is_there:
            version = self._writer.adopt(row["key"])
        else:
            file.seek(0)
            version = self._writer.put_payload(row["key"], _chunks(file), size=piece.size).version_id
        if version is not None:
            row["versionId"] = version

    def _rows_of(self, item: JsonObject) -> list[JsonObject]:
        query, scope = "kind = 'attachment' AND scope = ?", item_scope(item["scope"], item["id"])
        return [load_json(data) for data in list(self._writer.state.rows(query, (scope,)))]

    def _known_pieces(self, item: JsonObject) -> list[JsonObject]:
        """What is held of the files of an item of which nothing newer could be had."""
        return [
            {name: row[name] for name in ("name", "size", "sha256")}
            for row in self._rows_of(item)
            if row["outcome"] == Outcome.COPIED
        ]

    def _left_behind(self, item: JsonObject, there: set[str]) -> Rows:
        """Rows of files that the item does not have any more, and of the one that stood for all."""
        at, run_id = timestamp(self._clock.now()), self._writer.run.id
        found = (settled(row, run_id, at) for row in self._rows_of(item) if row["id"] not in there)
        return [("item", row) for row in found if row is not None]


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk
