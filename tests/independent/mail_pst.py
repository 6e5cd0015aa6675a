"""Compares the PSTs of a mailbox's bag with the truth: each item once, in its folder, as the mapping says; and nothing else.

Rules of this file: the judge's own modules, and pypff as a second reader where it is installed. Which message is which is taken
from the rows (`pst`), and then proven: by its place, by its content, and by each message of the files being named by one row.
Acceptance lines a, b and d of the issue; reference/mapi-mapping.md §5 for the folders.
"""

import importlib.util
import json
import re
import unicodedata
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.independent.differences import Differences, short
from tests.independent.mail_originals import Expectation, is_readable
from tests.independent.mail_pst_items import ItemJudge
from tests.independent.mail_pst_messages import MessageJudge
from tests.independent.mail_truth import FolderTruth, MailboxTruth, Row, TenantTruth, tail
from tests.independent.mailbox_bag import ITEM_KINDS, MailboxBag
from tests.independent.pst_reader import Folder, Item, Pst, PstBroken

CONTAINER = {"folder": "IPF.Note", "contactFolder": "IPF.Contact", "calendar": "IPF.Appointment", "list": "IPF.Task"}
TOPS = {"contacts": "Contacts", "calendar": "Calendar", "tasks": "Tasks"}
ABOVE = {"message": "folder", "contact": "contactFolder", "event": "calendar", "task": "list"}
HIDDEN, RECOVERABLE, DELETED, ARCHIVE = "Hidden folders", "Recoverable Items", "Deleted Items", "In-Place Archive"
Names = tuple[str, ...]


class PstJudge:
    """The PSTs of one bag beside one mailbox."""

    def __init__(
        self, bag: MailboxBag, box: MailboxTruth, truth: TenantTruth, asked: Expectation, found: Differences
    ) -> None:
        self.bag, self.box, self.truth, self.asked, self.found = bag, box, truth, asked, found
        self.where = bag.name
        self.files: dict[str, Pst] = {}
        self.folders: dict[tuple[str, int], Folder] = {}
        self.places: dict[tuple[str, int], tuple[str, Folder]] = {}  # message of a file → its folder there
        self.truths = {(one.kind, one.n): one for one in box.folders()}
        self.superseded = {
            (one["file"], int(one["node"])): str(one.get("why")) for one in bag.parts.get("superseded", ())
        }
        own = {str(address).partition(":")[2].lower() for address in box.user.get("proxyAddresses", ())}
        zone = str(box.user.get("mailboxSettings", {}).get("timeZone") or "UTC")
        self.messages = MessageJudge(truth, found, own | {str(box.user.get("mail")).lower()}, zone)
        self.items = ItemJudge(truth, found, zone)

    def judge(self) -> None:
        """All comparisons."""
        if not self.found.check("parts", f"{self.where}: there is no parts.json", bool(self.bag.parts)):
            return
        try:
            self._open()
            self._named_once()
            self._folders()
            for kind in ABOVE:
                self._kind(kind)
            if self.box.archive is not None and self.asked.archive:
                self._archive(self.box.archive)
        finally:
            for file in self.files.values():
                file.close()

    # -- files ------------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        for part in self.bag.parts.get("parts", ()):
            name, path = str(part["file"]), self.bag.folder / "data/pst" / str(part["file"])
            row = self.bag.rows.get(("derived", "", f"data/pst/{name}"), {})
            told = (part.get("sha256"), part.get("size"))
            self.found.same("parts", f"{self.where}: {name}", told, (row.get("sha256"), row.get("size")))
            if part.get("used") is False:
                continue
            try:
                file = self.files[name] = Pst(path)
                for folder in file.folders():
                    self.folders[name, folder.nid] = folder
                    for nid in folder.messages:
                        if (name, nid) in self.places:
                            self.found.say(
                                "PST structure", f"{self.where}: {name}: message {nid:#x} lies in two folders"
                            )
                        self.places[name, nid] = name, folder
                    self._counts(name, folder)
            except (PstBroken, OSError) as error:
                self.found.say("PST structure", f"{self.where}: {name}: {type(error).__name__}: {error}")
                continue
            self._second_reader(name, path)

    def _counts(self, name: str, folder: Folder) -> None:
        told = (folder.properties.get(0x3602, 0), folder.associated)
        self.found.same("folder counts", f"{self.where}: {name}: {folder.path}", told, (len(folder.messages), 0))

    def _second_reader(self, name: str, path: Path) -> None:
        """pypff sees the same messages in the same folders."""
        if importlib.util.find_spec("pypff") is None:
            self.found.notes["files that pypff did not read (it is not installed)"] += 1
            return
        import pypff  # type: ignore[import-untyped]

        file, seen = pypff.file(), defaultdict(list)
        file.open(str(path))
        waiting = [file.get_root_folder()]
        while waiting:
            folder = waiting.pop()
            for n in range(folder.number_of_sub_messages):
                message = folder.get_sub_message(n)
                seen[folder.identifier].append((message.identifier, message.subject, message.number_of_attachments))
            waiting += [one for n in range(folder.number_of_sub_folders)
                        if (one := folder.get_sub_folder(n)).identifier & 0x1F == 2]  # fmt: skip
        file.close()
        for (of, nid), folder in self.folders.items():
            if of == name:
                items = [(number, self.files[name].item(number)) for number in folder.messages]
                ours = sorted((number, _plain(item.subject), len(item.attachments)) for number, item in items)
                theirs = sorted((number, _plain(subject), count) for number, subject, count in seen.get(nid, ()))
                self.found.same("pypff reads the same", f"{self.where}: {name}: {folder.path}", theirs, ours)

    def _named_once(self) -> None:
        """Each message of the files is named by one row, and each `pst` of a row names a message."""
        named: dict[tuple[str, int], list[Row]] = defaultdict(list)
        for row in self.bag.rows.values():
            pst = row.get("pst")
            if pst and row["kind"] in ITEM_KINDS:
                named[str(pst["file"]), int(pst["node"])].append(row)
        for place, rows in named.items():
            where = f"{self.where}: {place[0]} {place[1]:#x}"
            self.found.check("named once", f"{where}: {len(rows)} rows name it", len(rows) == 1)
            if self.found.check("named once", f"{where}: there is no such message", place in self.places):
                held = list(self.places[place][1].path)
                told = rows[0]["pst"].get("folder")
                is_same = _as_path(told) == _as_path(held)
                self.found.check("named once", f"{where}: row says {short(told)}, it lies in {short(held)}", is_same)
        for place in self.places:
            if place not in named and place not in self.superseded:
                self.found.say("nothing else", f"{self.where}: no row names message {place[1]:#x} of {place[0]}")

    # -- folders ----------------------------------------------------------------------------------------------------

    def _wanted(self, folder: FolderTruth) -> bool:
        is_asked = folder.place != "recoverable" or self.asked.recoverable
        return is_asked and not folder.search and folder.well_known != "flaggedEmails"

    def _paths(self, folder: FolderTruth) -> list[Names]:
        """Where a folder may lie: true names, without what keeps twins apart."""
        names = folder.names
        if folder.kind == "folder":
            return self._mail_paths(folder)
        top = TOPS[folder.place]
        if folder.well_known in ("contacts", "calendar", "defaultList"):
            return [(top,), names]
        default = [one.names[0] for one in self.truths.values() if one.place == folder.place and one.well_known]
        inside = names[1:] if names[0] in default and len(names) > 1 else names
        return [(top, *inside), (default[0] if default else top, *inside), (names[0], *names[1:])]

    def _mail_paths(self, folder: FolderTruth) -> list[Names]:
        names, found = folder.names, []
        if folder.place == "recoverable":
            return [(RECOVERABLE, *names[1:]), names]
        chain = [self._named(names[: n + 1], folder) for n in range(len(names))]
        for n, one in enumerate(chain):
            if one is not None and one.hidden:
                found += [(HIDDEN, *names[n:]), (HIDDEN, *names)]
        if chain[0] is not None and chain[0].well_known == "deleteditems":
            found.append((DELETED, *names[1:]))
        return [*found, names]

    def _named(self, names: Names, below: FolderTruth) -> FolderTruth | None:
        """The folder above (or itself) with these names; twins are one here."""
        fits = [
            one
            for one in self.truths.values()
            if one.kind == "folder" and one.names == names and one.place == below.place
        ]
        return below if below in fits else next(iter(fits), None)

    def _folders(self) -> None:
        """Every folder of the truth has one in the files, empty ones too, and there are no others."""
        paths: dict[Names, list[str]] = defaultdict(list)
        for (name, _), folder in self.folders.items():
            if folder.path:
                paths[folder.path].append(name)
        known = {folder.path for folder in self.folders.values()}
        for truth in self.truths.values():
            if self._wanted(truth):
                fits = [path for path in known if any(fits_path(path, wanted) for wanted in self._paths(truth))]
                self.found.check("PST folders", f"{self.where}: {truth.kind} {truth.names} has none", bool(fits))
        wanted = [path for truth in self.truths.values() if self._wanted(truth) for path in self._paths(truth)]
        for path in sorted(known - {()}):
            self._class(path)
            is_due = any(fits_path(path, one[: len(path)]) for one in wanted if len(one) >= len(path))
            is_own = path in {
                (DELETED,),
                ("Hidden folders",),
                ("In-Place Archive",),
                *((top,) for top in TOPS.values()),
            }
            is_archive = path[0] == ARCHIVE and self.box.archive is not None
            self.found.check("no other PST folders", f"{self.where}: {path}", is_due or is_own or is_archive)
        for names in [path for path, files in paths.items() if len(files) != len(set(files))]:
            self.found.say("PST folders", f"{self.where}: two folders {names} in one file")

    def _class(self, path: Names) -> None:
        """Its container class is that of what lies in it; Deleted Items are the file's own."""
        fits = [one for one in self.truths.values() if any(fits_path(path, wanted) for wanted in self._paths(one))]
        due = {CONTAINER[one.kind] for one in fits}
        if due and not any(one.well_known == "deleteditems" for one in fits):
            held = {str(one.properties.get(0x3613)) for one in self.folders.values() if one.path == path}
            self.found.check("container classes", f"{self.where}: {path}: {held}, due is {due}", held <= due)

    def _in_place(self, where: str, kind: str, place: int | None, path: Names, seen: dict[Any, Any], file: str) -> None:
        folder = self.truths.get((ABOVE[kind], place)) if place is not None else None
        if folder is None:
            self.found.say("in its PST folder", f"{where}: the truth does not say where it lies")
            return
        wanted = self._paths(folder)
        is_fit = any(fits_path(path, one) for one in wanted)
        self.found.check("in its PST folder", f"{where}: in {path}, due is {wanted[0]}", is_fit)
        held = seen.setdefault((file, path), folder.n)
        self.found.check("folders kept apart", f"{where}: {path} holds items of two folders", held == folder.n)
        other = seen.setdefault((file, "of", folder.kind, folder.n), path)
        self.found.check("folders kept apart", f"{where}: its folder is {other} and {path}", other == path)

    # -- items ------------------------------------------------------------------------------------------------------

    def _kind(self, kind: str) -> None:
        rows: dict[int, Row] = {}
        for row in self.bag.of(kind):
            named = tail(row["id"])
            if not row.get("scope") and named is not None:
                rows[named[2]] = row
        refused = {str(one.get("id")): str(one.get("code")) for one in self.bag.parts.get("not_composed", ())}
        others = self.box.exceptions() if kind == "event" else {}
        seen: dict[Any, Any] = {}
        for n, truth, place in self.box.items(kind):
            folder = self.truths.get((ABOVE[kind], place)) if place is not None else None
            if truth.get("seriesMasterId") or (folder is not None and not self._wanted(folder)):
                continue
            where, row = f"{self.where}: {kind} {n} {_traits(truth)}", rows.get(n)
            if row is None:
                self.found.say(f"{kind}s in the PST", f"{where} has no row")
                continue
            if not row.get("pst"):
                self._without(kind, where, row, truth, refused)
                continue
            file, node = str(row["pst"]["file"]), int(row["pst"]["node"])
            if not self.found.check(
                f"{kind}s in the PST", f"{where}: not at {file} {node:#x}", (file, node) in self.places
            ):
                continue
            why = self.superseded.get((file, node))
            if why is not None:
                self.found.notes[f"{kind}s of the PST that parts.json calls {why}"] += 1
            if why != "moved":
                self._in_place(where, kind, place, self.places[file, node][1].path, seen, file)
            if kind == "message" and truth.get("_goneAfterListing"):
                self.found.notes["messages that nobody can read any more, in the PST with what was listed of them"] += 1
                continue
            self._compare(kind, where, self.files[file].item(node), n, truth, others, why, row)

    def _archive(self, archive: MailboxTruth) -> None:
        """Messages of the archive lie in folders of its own, under In-Place Archive."""
        scoped = [(tail(row["id"]), row) for row in self.bag.of("message") if row.get("scope")]
        rows = {
            named[2]: row for named, row in scoped if named is not None and named[0] == 0
        }  # contacts and others are rows too
        folders = {one.n: one for one in archive.folders() if one.kind == "folder"}
        for n, truth, place in archive.items("message"):
            folder = folders.get(place) if place is not None else None
            if folder is None or folder.place == "recoverable":
                continue
            where, pst = f"{self.where}: archive message {n} {_traits(truth)}", rows.get(n, {}).get("pst")
            if not self.found.check("archive in the PST", f"{where} is not there", bool(pst)):
                continue
            spot = str(pst["file"]), int(pst["node"])
            if self.found.check("archive in the PST", f"{where}: not at {spot}", spot in self.places):
                path = self.places[spot][1].path
                is_fit = fits_path(path, (ARCHIVE, *folder.names))
                self.found.check("in its PST folder", f"{where}: in {path}, due is {(ARCHIVE, *folder.names)}", is_fit)
                try:
                    self.messages.judge_stream(where, self.files[spot[0]].item(spot[1]), truth)
                except PstBroken as error:
                    self.found.say("PST structure", f"{where}: {error}")

    def _without(self, kind: str, where: str, row: Row, truth: Row, refused: dict[str, str]) -> None:
        """Not in the PST: only with a code."""
        if row["outcome"] == "excepted" and ((kind == "message" and not is_readable(truth)) or row.get("code")):
            self.found.notes[f"{kind} not in the PST: excepted {row.get('code')}"] += 1
            return
        code = refused.get(str(row["id"]))
        self.found.check(f"{kind}s in the PST", f"{where}: neither there nor named as not composed", code is not None)
        if code is not None:
            self.found.say("not composed", f"{where}: {code}")

    def _compare(
        self,
        kind: str,
        where: str,
        item: Item,
        n: int,
        truth: Row,
        others: dict[int, list[Row]],
        why: str | None,
        row: Row,
    ) -> None:
        try:
            if kind == "message":
                folder = self.truths.get(("folder", self.box.place("message", truth) or -1))
                is_sent = (
                    folder is not None and folder.well_known == "sentitems" and why != "moved" and is_readable(truth)
                )
                is_same = n not in self.box.rows["message"].changed or why is None
                self.messages.judge(
                    where,
                    item,
                    self._as_of(kind, n, truth),
                    is_sent=is_sent,
                    state=is_same,
                    kept=json.dumps(self.bag.record(row), ensure_ascii=False),
                )
            elif kind == "contact":
                self.items.contact(where, item, self._as_of(kind, n, truth))
            elif kind == "task":
                self.items.task(where, item, self._as_of(kind, n, truth))
            else:
                self.items.event(where, item, self._as_of(kind, n, truth), others.get(n, []))
        except (PstBroken, ValueError, KeyError, IndexError) as error:
            self.found.say("PST structure", f"{where}: {type(error).__name__}: {error}")

    def _as_of(self, kind: str, n: int, truth: Row) -> Row:
        """A change sets the date of modification by the server's clock, which the truth does not know."""
        if n not in self.box.rows[kind].changed:
            return truth
        return {**truth, "lastModifiedDateTime": None, "_changed": True} | (
            {"createdDateTime": None} if truth.get("_made") else {}
        )


def _as_path(told: Any) -> list[str]:
    if isinstance(told, str):
        return [part for part in told.split("/") if part]
    return [part for name in told or () for part in str(name).split("/") if part]


def _plain(text: str | None) -> str:
    """A subject as both readers give it: without the mark of its prefix, and what stands for nothing."""
    found = text or ""
    found = found[2:] if found[:1] == "\x01" else found
    return found.encode("utf-8", "replace").decode().rstrip("\0")


def _traits(row: Row) -> str:
    traits = [*(row.get("_traits") or ()), *([row["_corpus"]] if row.get("_corpus") else [])]
    return f"[{', '.join(traits)}]" if traits else ""


def fits_path(path: Names, wanted: Names) -> bool:
    """Whether each component can be that of the true name: controls replaced, cut, or kept apart from a twin."""
    return len(path) == len(wanted) and all(fits_name(one, name) for one, name in zip(path, wanted, strict=True))


def fits_name(held: str, name: str) -> bool:
    """One component."""
    if held == name:
        return True
    base = re.sub(r" \(\d+\)$", "", held)
    if not name.strip():
        return base == "Folder"
    pattern = "".join("." if unicodedata.category(c) in ("Cc", "Cs") else re.escape(c) for c in name)
    return any(
        re.fullmatch(pattern, one, re.DOTALL) is not None or (len(one) >= 240 and name.startswith(one))
        for one in (held, base)
    )
