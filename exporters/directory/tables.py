"""The tables that a person opens: `users.csv`, `groups.csv`, `members.csv`.

Rules of this file: derived, and made anew from what was listed and from the rows of what is gone; the same directory gives
the same bytes; UTF-8 with a BOM, so that a spreadsheet takes it right; a cell that a spreadsheet could take for a formula
gets a `'`. A table whose folder could not be listed stays as it was. Source: design §4 (payload), §10 (CSV); docs/formats.md
(bag of the directory).
"""

import csv
import io
import sqlite3
import tempfile
from collections.abc import Collection, Iterable, Iterator
from typing import IO, Any

from exporters.bag.digests import Hashed
from exporters.bag.formats import JsonObject, load_json
from exporters.bag.ledger import BagWriter
from exporters.clock import Clock, timestamp
from exporters.directory.folders import DELETED_GROUPS, DELETED_USERS, GROUPS, USERS
from exporters.directory.items import Item
from exporters.graph.answers import identifier_of, objects_of
from exporters.outcomes import Outcome

CURSOR = "tables"
"""Scope of the cursor that says whether the tables are as the rows are: {"kind": "derived" or "deriving"}."""
_FOLDER = "data/directory/"
_PIECE = 1 << 18
_BOM = b"\xef\xbb\xbf"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_USER = (
    *("userPrincipalName", "displayName", "mail", "userType", "accountEnabled", "givenName", "surname", "jobTitle", "department"),
    *("companyName", "officeLocation", "mobilePhone", "createdDateTime", "deletedDateTime", "onPremisesSyncEnabled"),
)  # fmt: skip
_GROUP = (
    *("displayName", "mail", "description", "visibility", "mailEnabled", "securityEnabled", "createdDateTime"),
    "deletedDateTime",
)
USER_COLUMNS = ("id", "state", *_USER, "proxyAddresses", "licences")
GROUP_COLUMNS = ("id", "state", *_GROUP, "groupTypes", "proxyAddresses", "members", "owners")
MEMBER_COLUMNS = ("groupId", "group", "role", "id", "type", "displayName", "userPrincipalName", "mail")


class Tables:
    """Of one run: gathers lines in a temporary file, and puts the tables. MUST be closed. One thread only."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(
            "PRAGMA journal_mode=OFF; CREATE TABLE lines (name TEXT, id BLOB, folder TEXT, sort BLOB, line BLOB,"
            " PRIMARY KEY (name, id)) WITHOUT ROWID; BEGIN"
        )
        self._licences: dict[str, str] = {}

    def forget(self, folder: str) -> None:
        """A folder is listed from its start."""
        self._db.execute("DELETE FROM lines WHERE folder = ?", (folder,))

    def add(self, folder: str, item: Item) -> None:
        """Take in an item of a folder. The last one of an id counts."""
        if folder in {USERS.id, DELETED_USERS.id}:
            self._add_user(folder, item)
        elif folder in {GROUPS.id, DELETED_GROUPS.id}:
            self._add_group(folder, item)
        elif item.kind == "licence":
            self._licences[str(item.graph.get("skuId"))] = str(item.graph.get("skuPartNumber"))

    def put(self, writer: BagWriter, clock: Clock, listed: Collection[str]) -> None:
        """Make those tables whose folders were listed (`listed`: their ids), and put what is not there yet. Raises: errors of
        the store."""
        is_sure = writer.heads.cursors.get(CURSOR, {}).get("kind") != "deriving"
        for name, columns, kind, folder in (
            ("users.csv", USER_COLUMNS, "user", USERS.id),
            ("groups.csv", GROUP_COLUMNS, "group", GROUPS.id),
            ("members.csv", MEMBER_COLUMNS, "", GROUPS.id),
        ):
            if folder not in listed:
                continue
            if kind:
                self._add_unlisted(writer, kind, name, columns)
            with tempfile.TemporaryFile() as file:
                hashed = Hashed(self._content(name, columns))
                for piece in hashed:
                    file.write(piece)
                held = writer.state.row(("derived", "", f"{_FOLDER}{name}"))
                if not is_sure or held is None or held["sha256"] != hashed.sha256:
                    _put(writer, clock, name, file, hashed)
        if is_sure or {USERS.id, GROUPS.id} <= {*listed}:
            _note(writer, "derived")

    def close(self) -> None:
        """Let go of the lines."""
        self._db.close()

    # -- lines ------------------------------------------------------------------------------------------------------

    def _add_user(self, folder: str, item: Item) -> None:
        graph, state = item.graph, _state_in(folder)
        skus = (str(one.get("skuId")) for one in objects_of(graph.get("assignedLicenses")))
        licences = [self._licences.get(sku, sku) for sku in skus]
        cells: list[Any] = [item.id, state, *(graph.get(name) for name in _USER)]
        cells += [_joined(graph.get("proxyAddresses")), _joined(licences)]
        self._add_line("users.csv", item.id, folder, item.name, cells)

    def _add_group(self, folder: str, item: Item) -> None:
        graph, state = item.graph, _state_in(folder)
        numbers = {part.name: len(part.rows) for part in item.parts if part.rows is not None}
        cells: list[Any] = [item.id, state, *(graph.get(name) for name in _GROUP), _joined(graph.get("groupTypes"))]
        cells += [_joined(graph.get("proxyAddresses")), numbers.get("members"), numbers.get("owners")]
        self._add_line("groups.csv", item.id, folder, item.name, cells)
        for part in item.parts:
            for data in part.rows or ():
                self._add_member(folder, item, part.name.removesuffix("s"), load_json(data))

    def _add_member(self, folder: str, group: Item, role: str, row: JsonObject) -> None:
        member_id = identifier_of(row.get("id")) or ""
        kind = str(row.get("@odata.type") or "").rpartition(".")[2]
        cells: list[Any] = [group.id, group.name, role, member_id, kind]
        cells += [row.get(name) for name in ("displayName", "userPrincipalName", "mail")]
        self._add_line("members.csv", f"{group.id} {role} {member_id}", folder, group.name, cells)

    def _add_unlisted(self, writer: BagWriter, kind: str, table: str, columns: Iterable[str]) -> None:
        """What is held and was not listed now, by what its row says: what is gone, and what could not be asked for."""
        for row in map(load_json, writer.state.rows("kind = ?", (kind,))):
            state = "gone" if row["outcome"] == Outcome.GONE else _state_in(str(row["parent"]))
            told = {**row["service"], "id": row["id"], "state": state, "createdDateTime": row.get("created")}
            cells = [told.get(name) for name in columns]
            self._add_line(table, str(row["id"]), "", str(row["name"]), cells, conflict="IGNORE")

    def _add_line(
        self, table: str, line_id: str, folder: str, order: str, cells: Iterable[object], conflict: str = "REPLACE"
    ) -> None:
        out = io.StringIO()
        csv.writer(out, lineterminator="\r\n").writerow([_cell(cell) for cell in cells])
        line = out.getvalue().encode("utf-8", "replace")
        keys = [text.encode("utf-8", "surrogatepass") for text in (line_id, order)]
        query = f"INSERT OR {conflict} INTO lines VALUES (?, ?, ?, ?, ?)"  # noqa: S608 - one of two words
        self._db.execute(query, (table, keys[0], folder, keys[1], line))

    def _content(self, table: str, columns: Iterable[str]) -> Iterator[bytes]:
        yield _BOM + ",".join(columns).encode() + b"\r\n"
        query = "SELECT line FROM lines WHERE name = ? ORDER BY sort, id"
        yield from (line for (line,) in self._db.execute(query, (table,)))


def _state_in(folder: str) -> str:
    return "deleted" if folder in {DELETED_USERS.id, DELETED_GROUPS.id} else "active"


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _joined(values: object) -> str:
    return "; ".join(sorted(map(str, values))) if isinstance(values, list) else ""


def _put(writer: BagWriter, clock: Clock, name: str, file: IO[bytes], hashed: Hashed) -> None:
    """Put a table, and its row."""
    key = f"{_FOLDER}{name}"
    _note(
        writer, "deriving"
    )  # a run that is cut off between the object and its row is followed by one that puts it again
    writer.flush()
    file.seek(0)
    stored = writer.put_derived(key, iter(lambda: file.read(_PIECE), b""), size=hashed.size)
    row: JsonObject = {"kind": "derived", "scope": "", "id": key, "key": key, "outcome": "copied"}
    row |= {"name": name, "path": f"/{name}", "size": hashed.size, "sha256": hashed.sha256}
    row |= {"captured": timestamp(clock.now()), "run": writer.run.id}
    if stored.version_id is not None:
        row["versionId"] = stored.version_id
    writer.emit("item", row)


def _note(writer: BagWriter, kind: str) -> None:
    if writer.heads.cursors.get(CURSOR, {}).get("kind") != kind:
        writer.emit("cursor", {"scope": CURSOR, "kind": kind, "link": "", "settings": {}})
