"""The truth of a tenant's mailboxes, read from its folder (reference/tenant-data.md), with changes applied on top.

Rules of this file: standard library only; imports nothing of ours; changes are applied by itself, so that the server which served
them is judged as well. An item is known by its kind and its number, which the last 20 characters of each of its ids name: so
what a change makes (whose ids are the server's own) is known too. Rows stay on disk, one is in memory at a time.
"""

import base64
import binascii
import hashlib
import json
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Row = dict[str, Any]
TILE = 54_720
FILES = {
    "message": "messages", "folder": "folders", "event": "events", "calendar": "calendars", "contact": "contacts",
    "contactFolder": "contactFolders", "task": "tasks", "list": "todoLists",
}  # fmt: skip
KINDS = ("message", "folder", "event", "calendar", "contact", "contactFolder", "task", "list")
NUMBERS = {kind: n for n, kind in enumerate(KINDS)}
PARENTS = {
    "message": ("parentFolderId", "folder"), "folder": ("parentFolderId", "folder"), "event": ("_calendar", "calendar"),
    "contact": ("parentFolderId", "contactFolder"), "contactFolder": ("parentFolderId", "contactFolder"),
    "task": ("_list", "list"),
}  # fmt: skip
SEARCH = "#microsoft.graph.mailSearchFolder"


class TruthBroken(Exception):
    """The tenant's files are not what tenant-data.md says, or a change is not known to the judge."""


def tail(item_id: str) -> tuple[int, int, int] | None:
    """(kind, user, number) that an id names; None for one of another form."""
    try:
        kind, user, n = struct.unpack(">BIQ", base64.b64decode(item_id[-20:], altchars=b"-_", validate=True))
    except (binascii.Error, struct.error, ValueError):
        return None
    return kind, user, n


@dataclass
class Rows:
    """Rows of one file under an overlay. `gone`: deleted for good. `changed`: rows that are no longer those of the data."""

    path: Path
    offsets: list[int]
    count: int
    overlay: dict[int, Row] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    changed: set[int] = field(default_factory=set)

    def row(self, n: int) -> Row:
        """`_` keys included."""
        if n in self.overlay:
            return self.overlay[n]
        with self.path.open("rb") as lines:
            lines.seek(self.offsets[n])
            found: Row = json.loads(lines.readline())
        return found

    def live(self) -> Iterator[tuple[int, Row]]:
        """All that is there now."""
        for n in range(self.count):
            if n not in self.gone:
                yield n, self.row(n)


def rows_in(path: Path) -> Rows:
    """Rows of a `.jsonl`; none if it is not there."""
    offsets, at = [], 0
    if path.exists():
        with path.open("rb") as lines:
            for line in lines:
                offsets.append(at)
                at += len(line)
    return Rows(path, offsets, len(offsets))


@dataclass(frozen=True)
class FolderTruth:
    """A folder of any kind. `names`: display names from below the top down. `place`: where it hangs: `mail`, `recoverable`
    (outside of the root), `contacts`, `calendar`, `tasks`."""

    kind: str
    n: int
    id: str
    names: tuple[str, ...]
    place: str
    well_known: str | None
    hidden: bool
    search: bool


@dataclass
class MailboxTruth:
    """One mailbox as it is now. `user`: its row of users.jsonl; `archive`: its archive, which is another of these."""

    user: Row
    folder: str
    rows: dict[str, Rows]
    archive: "MailboxTruth | None" = None

    def find(self, kind: str, item_id: str) -> int | None:
        """The number of the live item that has or had this id."""
        found = tail(item_id)
        if found is None or found[0] != NUMBERS[kind] or found[1] != self.user["_n"]:
            return None
        rows, n = self.rows[kind], found[2]
        return n if n < rows.count and n not in rows.gone else None

    def place(self, kind: str, row: Row) -> int | None:
        """Number of the folder, calendar or list that a row lies in; None for what hangs in nothing."""
        key, above = PARENTS.get(kind, ("", kind))
        return self.find(above, str(row.get(key))) if key and row.get(key) else None

    def folders(self) -> list[FolderTruth]:
        """All folders, calendars and lists but the top of the mailbox."""
        found = []
        for kind, usual in (
            ("folder", "mail"),
            ("contactFolder", "contacts"),
            ("calendar", "calendar"),
            ("list", "tasks"),
        ):
            for n, row in self.rows[kind].live():
                names = tuple(self._chain(kind, n))
                if names:
                    place = "recoverable" if kind == "folder" and not self._is_below_root(n) else usual
                    hidden, search = bool(row.get("isHidden")), row.get("@odata.type") == SEARCH
                    found.append(FolderTruth(kind, n, row["id"], names, place, _meaning(kind, row), hidden, search))
        return found

    def _chain(self, kind: str, n: int) -> list[str]:
        names: list[str] = []
        at: int | None = n
        while at is not None:
            row = self.rows[kind].row(at)
            if row.get("_wellKnownName") == "msgfolderroot":
                break
            names.append(str(row.get("displayName", row.get("name"))))
            at = self.place(kind, row) if kind in ("folder", "contactFolder") else None
        return names[::-1]

    def _is_below_root(self, n: int) -> bool:
        while (above := self.place("folder", self.rows["folder"].row(n))) is not None:
            n = above
        return bool(self.rows["folder"].row(n).get("_wellKnownName") == "msgfolderroot")

    def items(self, kind: str) -> Iterator[tuple[int, Row, int | None]]:
        """(number, row, number of what it lies in) of message, event, contact or task."""
        for n, row in self.rows[kind].live():
            yield n, row, self.place(kind, row)

    def exceptions(self) -> dict[int, list[Row]]:
        """Changed occurrences by the number of their series."""
        found: dict[int, list[Row]] = {}
        for _, row in self.rows["event"].live():
            master = self.find("event", str(row["seriesMasterId"])) if row.get("seriesMasterId") else None
            if master is not None:
                found.setdefault(master, []).append(row)
        return found

    # -- changes ----------------------------------------------------------------------------------------------------

    def apply(self, change: Row) -> bool:
        """One change of this mailbox; whether it did something. Raises TruthBroken for one that is not known."""
        kind, op = str(change["kind"]), str(change["op"])
        if kind == "mailbox":
            return True  # `deactivate` is of the user, `move-server` changes nothing that is true
        if op == "create":
            return self._create(kind, change)
        n = self.find(kind, str(change["id"]))
        if n is None:
            return False
        rows = self.rows[kind]
        row = rows.row(n)
        if op in ("move", "copy"):
            key, above = PARENTS[kind]
            place = self._place_named(above, str(change["to"]))
            is_same = op == "move" and place == self.place(kind, row)
            if place is None or is_same or (kind == "folder" and self._is_below(place, n)):
                return False
            moved = {**row, key: self.rows[above].row(place)["id"]}
            if op == "move":
                self._put(kind, n, moved)
            else:
                self._add(kind, {k: v for k, v in moved.items() if k not in ("id", "_immutableId")})
        elif op == "update":
            self._put(kind, n, {**row, **change["set"]})
        elif op == "rename":
            self._put(kind, n, {**row, "displayName": change["name"]})
        elif op == "vanish":
            self._put(kind, n, {**row, "_goneAfterListing": True})
        elif op == "delete":
            self._remove(kind, n)
        elif op != "move-back":
            raise TruthBroken(f"a change {kind} {op!r} is not known to the judge")
        return True

    def _place_named(self, kind: str, item_id: str) -> int | None:
        if kind == "folder":
            for n, row in self.rows[kind].live():
                if row.get("_wellKnownName") == item_id:
                    return n
        return self.find(kind, item_id)

    def _is_below(self, place: int | None, n: int) -> bool:
        while place is not None:
            if place == n:
                return True
            place = self.place("folder", self.rows["folder"].row(place))
        return False

    def _create(self, kind: str, change: Row) -> bool:
        key, above = PARENTS[kind]
        place = self._place_named(above, str(change["to"]))
        if place is None:
            return False
        row = {"displayName": change["name"], "isHidden": False} if kind == "folder" else dict(change["row"])
        self._add(kind, {**row, key: self.rows[above].row(place)["id"]})
        return True

    def _add(self, kind: str, row: Row) -> None:
        rows = self.rows[kind]
        made = struct.pack(">BIQ", NUMBERS[kind], self.user["_n"], rows.count)
        rows.overlay[rows.count] = {**row, "id": base64.urlsafe_b64encode(made).decode(), "_made": True}
        rows.changed.add(rows.count)
        rows.count += 1

    def _put(self, kind: str, n: int, row: Row) -> None:
        self.rows[kind].overlay[n] = row
        self.rows[kind].changed.add(n)

    def _remove(self, kind: str, n: int) -> None:
        if kind == "folder":
            for below, row in [*self.rows["folder"].live()]:
                if below != n and self.place("folder", row) == n:
                    self._remove("folder", below)
            for below, row in [*self.rows["message"].live()]:
                if self.place("message", row) == n:
                    self.rows["message"].gone.add(below)
        self.rows[kind].gone.add(n)


def _meaning(kind: str, row: Row) -> str | None:
    if kind == "calendar":
        return "calendar" if row.get("isDefaultCalendar") else None
    if kind == "contactFolder":
        return "contacts" if row.get("_default") else None
    found = row.get("wellknownListName" if kind == "list" else "_wellKnownName")
    return str(found) if found and found != "none" else None


@dataclass
class TenantTruth:
    """All mailboxes that the data has, by the id of their user. `zones`: Windows names to IANA names."""

    folder: Path
    info: Row
    users: dict[str, Row]
    groups: dict[str, Row]
    mailboxes: dict[str, MailboxTruth]
    zones: dict[str, str]
    done: Counter[str] = field(default_factory=Counter)

    def active(self) -> dict[str, MailboxTruth]:
        """Mailboxes that the service lets be read."""
        return {user: box for user, box in self.mailboxes.items() if self.users[user]["_mailbox"] == "active"}

    def read(self, reference: Row) -> bytes:
        """The bytes that a content reference stands for. Raises TruthBroken."""
        if "pack" in reference:
            with (self.folder / reference["pack"]).open("rb") as pack:
                pack.seek(reference["off"])
                data = pack.read(reference["len"])
        else:
            size = min(TILE, max(reference["len"], 8))
            noise = hashlib.shake_256(("tile1:" + reference["gen"]).encode()).digest(size)
            data = b"".join(n.to_bytes(8, "big") + noise[8:] for n in range(-(-reference["len"] // size)))[
                : reference["len"]
            ]
        if reference.get("sha256", hashlib.sha256(data).hexdigest()) != hashlib.sha256(data).hexdigest():
            raise TruthBroken(f"bytes of {reference} are others")
        return data

    def mime(self, row: Row) -> bytes:
        """The MIME of a message. Raises TruthBroken."""
        reference, parts = row["_mime"], []
        for segment in reference["seg"]:
            if isinstance(segment, list):
                with (self.folder / reference["pack"]).open("rb") as pack:
                    pack.seek(segment[0])
                    parts.append(pack.read(segment[1]))
            else:
                parts.append(base64.encodebytes(self.read(segment["b64"])).replace(b"\n", b"\r\n"))
        data = b"".join(parts)
        if hashlib.sha256(data).hexdigest() != reference["sha256"]:
            raise TruthBroken(f"MIME of {row['id']} is other")
        return data

    def apply(self, change: Row) -> None:
        """One row of changes.jsonl; what is of no mailbox does nothing. Raises TruthBroken."""
        kind = change.get("kind")
        if kind in ("driveItem", None):
            return
        if kind == "user":
            user = self.users.get(str(change.get("id")))
            if change["op"] == "rename" and user is not None:
                user["userPrincipalName"] = user["mail"] = change["userPrincipalName"]
            return
        user = self.users.get(str(change.get("user"))) or next(
            (row for row in self.users.values() if row["userPrincipalName"] == change.get("user")), None
        )
        box = self.mailboxes.get(user["id"]) if user is not None and user["_mailbox"] == "active" else None
        if user is None or box is None:
            self.done["ignored"] += 1
            return
        if kind == "mailbox" and change["op"] == "deactivate":
            user["_mailbox"] = "inactive"
        self.done[f"{kind}-{change['op']}" if box.apply(change) else "skipped"] += 1


def instant(value: Row, zones: dict[str, str], zone: str | None = None) -> datetime | None:
    """Of a dateTimeTimeZone, in UTC; `zone` (a Windows or IANA name) instead of its own. None for a zone that is not known."""
    wall = datetime.fromisoformat(str(value["dateTime"])[:26])
    name = zone or str(value.get("timeZone") or "UTC")
    try:
        return wall.replace(tzinfo=ZoneInfo(zones.get(name, name))).astimezone(UTC)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def lines_of(path: Path) -> Iterator[Row]:
    """Rows of a `.jsonl`."""
    with path.open("rb") as lines:
        for line in lines:
            yield json.loads(line)


def load(folder: Path, changes: list[Path] | None = None) -> TenantTruth:
    """The mailboxes of a tenant folder; then the rows of each file of changes."""
    info = json.loads((folder / "tenant.json").read_bytes())
    users = {row["id"]: row for row in lines_of(folder / "users.jsonl")}
    path = folder / "groups.jsonl"
    groups = {row["id"]: row for row in lines_of(path)} if path.exists() else {}
    boxes = {}
    for user_id, user in users.items():
        if user.get("_dir") is not None:
            boxes[user_id] = _mailbox(folder, user, user["_dir"])
            if user.get("_archive"):
                boxes[user_id].archive = _mailbox(folder, user, user["_archive"])
    truth = TenantTruth(folder, info, users, groups, boxes, {"UTC": "Etc/UTC", **info.get("timeZones", {})})
    for name in changes or []:
        for change in lines_of(name):
            truth.apply(change)
    return truth


def _mailbox(folder: Path, user: Row, name: str) -> MailboxTruth:
    return MailboxTruth(user, name, {kind: rows_in(folder / name / f"{file}.jsonl") for kind, file in FILES.items()})
