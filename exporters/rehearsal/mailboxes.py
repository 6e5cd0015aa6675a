"""The true state of mailboxes: folders and calendars with what lies in them, and a log of all that has happened.

Rules of this file: rows stay on disk (`mailbox_rows`); where an item lies is known from the data's order or by one reading of
its file, and from the log for what has moved; every change goes through `Mailbox`'s own verbs and is logged. One log a
mailbox, so that a delta token is a place in it.
Source: reference/tenant-data.md, "Users and mailboxes"; reference/graph.md 3.3.
"""

import hashlib
import threading
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from exporters.rehearsal.content import FilePool
from exporters.rehearsal.documents import Row, render
from exporters.rehearsal.mailbox_rows import Kind, MailRows, made_id, read_id

_FILES: dict[Kind, str] = {
    "message": "messages",
    "folder": "folders",
    "event": "events",
    "calendar": "calendars",
    "contact": "contacts",
    "contactFolder": "contactFolders",
    "task": "tasks",
    "list": "todoLists",
}
PARENTS: dict[Kind, tuple[str, Kind]] = {  # the key that names where an item lies, and of what kind that is
    "message": ("parentFolderId", "folder"),
    "folder": ("parentFolderId", "folder"),
    "event": ("_calendar", "calendar"),
    "contact": ("parentFolderId", "contactFolder"),
    "contactFolder": ("parentFolderId", "contactFolder"),
    "task": ("_list", "list"),
}
NOWHERE = -1  # the place of what hangs in nothing that the data has: roots, calendars, lists
_KEPT = 64  # unchanged mailboxes kept open
Op = Literal["created", "updated", "removed"]


@dataclass(frozen=True, slots=True)
class Happening:
    """One entry of the log. `id` and `immutable` are those by which the item was known there."""

    kind: Kind
    place: int
    n: int
    op: Op
    id: str
    immutable: str


class Mailbox:
    """One mailbox. Reads need `lock` only where several must agree; changes take it themselves."""

    def __init__(self, tenant: Path, folder: str, user: int, files: FilePool) -> None:
        """folder: relative to the tenant, as `users/u00000`; user: its number in the ids."""
        self.folder, self.user = folder, user
        self.lock = threading.RLock()
        self.rows = {kind: MailRows(tenant, folder, name, kind, user, files) for kind, name in _FILES.items()}
        self.log: list[Happening] = []
        self.chain: list[bytes] = [hashlib.sha256(folder.encode()).digest()]
        self.generation = 149  # of the delta states; another one after a move to another server
        self.kept = False  # opened to be changed, so that it is never opened anew
        self._places: dict[tuple[Kind, int], int] = {}
        self._arrivals: dict[tuple[Kind, int], list[tuple[int, int]]] = {}
        self._touched: set[tuple[Kind, int]] = set()
        self._listed: dict[tuple[Kind, int], tuple[int, list[int]]] = {}
        self._base: dict[Kind, dict[int, array[int]]] = {}
        self._base_of: dict[Kind, array[int]] = {}
        self._unread: dict[int, int] = {}
        self._everything: tuple[int, list[int]] = (-1, [])
        self._exceptions: tuple[int, dict[int, list[int]]] = (-1, {})
        self._load_folders()

    def _load_folders(self) -> None:
        folders = self.rows["folder"]
        self._firsts, self._owners = array("q"), array("l")
        self.named: dict[str, int] = {}
        for n in range(folders.base_count):
            row = folders.row(n)
            if row.get("_wellKnownName"):
                self.named[row["_wellKnownName"]] = n
            if row.get("_count"):
                self._firsts.append(row["_first"])
                self._owners.append(n)

    # ------------------------------------------------------------------------------------------------ reading

    def find(self, kind: Kind, item_id: str) -> int | None:
        """The number of a live item by either of its ids. Raises IdError."""
        return self.rows[kind].find(item_id)

    def row(self, kind: Kind, n: int) -> Row:
        """The row as the truth has it. Not to be changed: copy it first."""
        return self.rows[kind].row(n)

    def place(self, kind: Kind, n: int) -> int:
        """The number of the folder, calendar or list that an item lies in; NOWHERE for roots."""
        known = self._places.get((kind, n))
        if known is not None:
            return known
        if kind == "message":
            return self._owners[bisect_right(self._firsts, n) - 1]
        return self._base_places(kind)[n]

    def base(self, kind: Kind, place: int) -> Sequence[int]:
        """What lay in a place when the data was made, deleted and moved items too."""
        if kind != "message":
            self._base_places(kind)
            return self._base[kind].get(place, array("l"))
        if place >= self.rows["folder"].base_count:
            return range(0)
        row = self.rows["folder"].row(place)
        return range(row["_first"], row["_first"] + row["_count"])

    def arrivals(self, kind: Kind, place: int) -> list[tuple[int, int]]:
        """What has come to a place since: (place in the log, number)."""
        return self._arrivals.get((kind, place), [])

    def members(self, kind: Kind, place: int) -> Sequence[int]:
        """Live items of a place: the latest arrivals first, then those of the data in their order."""
        with self.lock:
            key = (kind, place)
            if key not in self._touched:
                return self.base(kind, place)
            at, found = self._listed.get(key, (-1, []))
            if at != len(self.log):
                come = [n for _, n in reversed(self.arrivals(kind, place))]
                found = [n for n in dict.fromkeys([*come, *self.base(kind, place)]) if self.lies_in(kind, n, place)]
                self._listed[key] = (len(self.log), found)
            return found

    def lies_in(self, kind: Kind, n: int, place: int) -> bool:
        """Whether a live item is in a place now."""
        return n not in self.rows[kind].gone and self.place(kind, n) == place

    def live(self, kind: Kind) -> Iterator[int]:
        """Numbers of all live items of a kind."""
        rows = self.rows[kind]
        return (n for n in range(rows.count) if n not in rows.gone)

    def unread(self, folder: int) -> int:
        """How many messages in a folder are not read."""
        return int(self.row("folder", folder).get("unreadItemCount", 0)) + self._unread.get(folder, 0)

    def below_root(self) -> list[int]:
        """Live folders under the top of the mailbox, without it; search folders too; parents before children."""
        waiting, found = list(self.members("folder", self.named["msgfolderroot"])), []
        while waiting:
            n = waiting.pop(0)
            found.append(n)
            waiting.extend(self.members("folder", n))
        return found

    def messages_below_root(self) -> list[int]:
        """All messages but those outside of the root, in the order of their folders."""
        with self.lock:
            if self._everything[0] != len(self.log):
                found = [m for n in self.below_root() for m in self.members("message", n)]
                self._everything = (len(self.log), found)
            return self._everything[1]

    def exceptions(self) -> dict[int, list[int]]:
        """Live events that stand in place of an occurrence, by the number of their series."""
        with self.lock:
            at, found = self._exceptions
            if at != len(self.log):
                found = {}
                for n in self.live("event"):
                    if (above := self.row("event", n).get("seriesMasterId")) is not None:
                        found.setdefault(read_id(above)[2], []).append(n)
                self._exceptions = (len(self.log), found)
            return found

    def _base_places(self, kind: Kind) -> "array[int]":
        """Places of the data's own items of a kind, read once."""
        with self.lock:
            if kind in self._base_of:
                return self._base_of[kind]
            places, known, rows = array("l"), dict[int, "array[int]"](), self.rows[kind]
            key, above = PARENTS.get(kind, ("", kind))
            numbers = {self.rows[above].row(n)["id"]: n for n in range(self.rows[above].base_count)} if key else {}
            for n in range(rows.base_count):
                place = numbers.get(rows.row(n).get(key), NOWHERE)
                places.append(place)
                known.setdefault(place, array("l")).append(n)
            self._base[kind], self._base_of[kind] = known, places
            return places

    # ----------------------------------------------------------------------------------------------- changing

    def update(self, kind: Kind, n: int, row: Row, change: Row) -> None:
        """Replace the row of a live item; ids and place stay."""
        with self.lock:
            place, old = self.place(kind, n), self.row(kind, n)
            if kind == "message":
                self._unread_by(place, _unread(row) - _unread(old))
            self.rows[kind].overlay[n] = row
            self._note(change, self._happening(kind, n, place, "updated", row))

    def add(self, kind: Kind, row: Row, place: int, change: Row) -> int:
        """A new item in a place; returns its number."""
        with self.lock:
            key, above = PARENTS.get(kind, ("", kind))
            if key and place != NOWHERE:
                row = {**row, key: self.rows[above].row(place)["id"]}
            n = self.rows[kind].add(row)
            self._arrive(kind, n, place)
            self._note(change, self._happening(kind, n, place, "created", self.row(kind, n)))
            return n

    def move(self, kind: Kind, n: int, place: int, change: Row) -> None:
        """Into another place: the ordinary id becomes another, the immutable one stays. Folders keep theirs."""
        with self.lock:
            old, before = self.row(kind, n), self.place(kind, n)
            key, above = PARENTS[kind]
            row = {**old, key: self.rows[above].row(place)["id"]}
            left = self._happening(kind, n, before, "removed", old)
            self._touched.add((kind, before))
            if kind != "folder":
                row["_immutableId"] = self.rows[kind].immutable_id(n, old)
                row["id"] = made_id(kind, self.user, n, f"{self.folder}|moved|{len(self.log)}")
            if kind == "message":
                self._unread_by(before, -_unread(old))
            self.rows[kind].overlay[n] = row
            self._arrive(kind, n, place)
            came = self._happening(kind, n, place, "updated" if kind == "folder" else "created", row)
            self._note(change, *((came,) if kind == "folder" else (left, came)))

    def remove(self, kind: Kind, n: int, change: Row) -> None:
        """Delete for good. A folder, calendar or list takes what lies in it along."""
        with self.lock:
            for held in [one for one, (_, above) in PARENTS.items() if above == kind]:
                for below in [*self.members(held, n)]:
                    self.remove(held, below, change)
            place, row = self.place(kind, n), self.row(kind, n)
            if kind == "message":
                self._unread_by(place, -_unread(row))
            self._touched.add((kind, place))
            self.rows[kind].gone.add(n)
            self._note(change, self._happening(kind, n, place, "removed", row))

    def _arrive(self, kind: Kind, n: int, place: int) -> None:
        self._places[kind, n] = place
        self._touched.add((kind, place))
        self._arrivals.setdefault((kind, place), []).append((len(self.log), n))
        if kind == "message":
            self._unread_by(place, _unread(self.row(kind, n)))

    def _unread_by(self, folder: int, more: int) -> None:
        self._unread[folder] = self._unread.get(folder, 0) + more

    def _happening(self, kind: Kind, n: int, place: int, op: Op, row: Row) -> Happening:
        return Happening(kind, place, n, op, row["id"], self.rows[kind].immutable_id(n, row))

    def _note(self, change: Row, *happenings: Happening) -> None:
        said = render({key: value for key, value in change.items() if key != "n"})
        for one in happenings:
            self.log.append(one)
            self.chain.append(hashlib.sha256(self.chain[-1] + said + repr(one).encode()).digest())


def _unread(row: Row) -> int:
    return int(not row.get("isRead", True))


class Mailboxes:
    """The mailboxes of a tenant, opened when they are first asked for. Safe from many threads."""

    def __init__(self, tenant: Path, files: FilePool) -> None:
        self._tenant, self._files = tenant, files
        self._lock = threading.Lock()
        self._open: OrderedDict[str, Mailbox] = OrderedDict()
        self.folders_by_id: dict[str, tuple[str, str]] = {}  # of `export_truth`: user and folder by the id of a mailbox

    def of(self, user: Row, *, to_change: bool = False) -> Mailbox | None:
        """The mailbox of a row of users.jsonl; None if it has none that is active. to_change: it is kept."""
        folder = user.get("_dir")
        if folder is None or user.get("_mailbox") != "active":
            return None
        with self._lock:
            found = self._open.pop(folder, None) or Mailbox(self._tenant, folder, int(user["_n"]), self._files)
            self._open[folder] = found
            found.kept = found.kept or to_change
            unchanged = [name for name, box in self._open.items() if not box.kept]
            for name in unchanged[: max(0, len(unchanged) - _KEPT)]:
                del self._open[name]
            return found
