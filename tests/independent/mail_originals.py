"""Compares the originals of a mailbox's bag with the truth: every item once, with its bytes, in its place, and nothing else.

Rules of this file: standard library only, nothing of ours but the judge's own modules. Items are matched by the number that both
ids of an item name; what the product says is compared, never believed. Acceptance lines a, d and h of the issue.
"""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from tests.independent.differences import Differences
from tests.independent.mail_truth import FolderTruth, MailboxTruth, Row, TenantTruth, instant, tail
from tests.independent.mailbox_bag import MailboxBag

STATE = (
    "subject", "from", "sender", "toRecipients", "ccRecipients", "bccRecipients", "replyTo", "receivedDateTime", "sentDateTime",
    "createdDateTime", "importance", "isRead", "isDraft", "categories", "flag", "internetMessageId", "conversationId",
    "hasAttachments",
)  # fmt: skip
CLASSES = {"folder": "mail", "contactFolder": "contacts", "calendar": "calendar", "list": "tasks"}
TRANSLATED = {
    "id",
    "parentFolderId",
    "seriesMasterId",
    "occurrenceId",
    "cancelledOccurrences",
    "start",
    "end",
    "lastModifiedDateTime",
}
KNOWN = ("inbox", "sentitems", "drafts", "deleteditems", "junkemail", "archive", "outbox", "recoverableitemsroot")
Numbers = dict[int, list[Row]]


@dataclass
class Expectation:
    """What was asked: items of Recoverable Items too? `refused`: numbers of messages that a fault keeps from being read."""

    recoverable: bool = False
    archive: bool = False
    refused: set[tuple[str, int]] = field(default_factory=set)


def plain(value: Any) -> Any:
    """Lone surrogates as a server may show them."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\ufffd\ufffd", "\ufffd")
    if isinstance(value, list):
        return [plain(one) for one in value]
    return {key: plain(one) for key, one in value.items()} if isinstance(value, dict) else value


def is_readable(row: Row) -> bool:
    """Whether the service gives its MIME."""
    return not (row.get("_goneAfterListing") or "smime-opaque" in row.get("_traits", ()))


def unreadable_bytes(row: Row) -> list[str]:
    """SHA-256 of the attachments that stay readable where the MIME is not."""
    return [one["_c"]["sha256"] for one in row.get("_attachments", ()) if "_c" in one]


class OriginalsJudge:
    """One bag beside one mailbox."""

    def __init__(
        self, bag: MailboxBag, box: MailboxTruth, truth: TenantTruth, asked: Expectation, found: Differences
    ) -> None:
        self.bag, self.box, self.truth, self.asked, self.found = bag, box, truth, asked, found
        self.where = bag.name
        self.folders: dict[tuple[str, int], FolderTruth] = {(one.kind, one.n): one for one in box.folders()}
        self.attached: dict[str, list[Row]] = defaultdict(list)
        for row in bag.of("attachment"):
            self.attached[row["scope"]].append(row)

    def judge(self) -> None:
        """All comparisons."""
        self._folders()
        self._messages()
        for kind in ("contact", "event", "task"):
            self._lines(kind)
        if self.box.archive is not None and self.asked.archive:
            self._archive(self.box.archive)

    def _by_number(self, kind: str, number: int, *, gone: bool = False) -> Numbers:
        """Rows of this mailbox's own items, by the number of their id; others are said."""
        rows: Numbers = defaultdict(list)
        for spot, row in self.bag.rows.items():
            if spot[0] == kind and not spot[1] and (row["outcome"] == "gone") == gone:
                named = tail(row["id"])
                if named is None or named[:2] != (number, self.box.user["_n"]):
                    self.found.say("nothing else", f"{self.where}: {kind} {row['id']} is of nothing in the truth")
                else:
                    rows[named[2]].append(row)
        return rows

    # -- folders ----------------------------------------------------------------------------------------------------

    def _wanted(self, folder: FolderTruth) -> bool:
        return folder.place != "recoverable" or self.asked.recoverable

    def _folders(self) -> None:
        rows: dict[str, list[Row]] = defaultdict(list)
        for row in self.bag.of("folder"):
            if not row.get("scope"):
                rows[row["id"]].append(row)
        for folder in self.folders.values():
            held = rows.pop(folder.id, []) if not self._is_made(folder) else self._made(rows, folder)
            if not self._wanted(folder) or folder.well_known == "flaggedEmails":
                continue
            where = f"{self.where}: {folder.kind} {'/'.join(folder.names)!r}"
            if not self.found.check("folders", f"{where}: {len(held)} rows", len(held) == 1):
                continue
            row, service = held[0], held[0].get("service", {})
            self.found.same("folders", f"{where}: name", plain(row.get("name")), plain(folder.names[-1]))
            self.found.same(
                "folders", f"{where}: class", service.get("class"), "search" if folder.search else CLASSES[folder.kind]
            )
            if folder.hidden:
                self.found.same("folders", f"{where}: isHidden", service.get("isHidden"), True)
            if folder.kind == "folder" and folder.well_known in KNOWN:
                self.found.same("folders", f"{where}: wellKnownName", service.get("wellKnownName"), folder.well_known)
        for left in rows.values():
            for row in left:
                is_root = row.get("path") == "/" or row.get("service", {}).get("wellKnownName") == "msgfolderroot"
                named = tail(row["id"])
                is_of_box = named is not None and named[1] == self.box.user["_n"]
                is_group = row.get("service", {}).get("class") in ("threads", "export")
                self.found.check(
                    "nothing else", f"{self.where}: folder {row.get('path')!r}", is_root or is_group or not is_of_box
                )

    def _is_made(self, folder: FolderTruth) -> bool:
        return bool(self.box.rows[folder.kind].row(folder.n).get("_made"))

    def _made(self, rows: dict[str, list[Row]], folder: FolderTruth) -> list[Row]:
        wanted = tail(folder.id)
        known = [item_id for item_id in rows if tail(item_id) == wanted]
        return [row for item_id in known for row in rows.pop(item_id)]

    def _in_folder(self, where: str, row: Row, kind: str, place: int | None) -> None:
        folder = self.folders.get((kind, place)) if place is not None else None
        above = self.box.rows[kind].row(place)["id"] if place is not None else None
        is_there = row.get("parent") == above or (
            folder is not None and tail(str(row.get("parent"))) == tail(folder.id)
        )
        self.found.check("in its folder", f"{where}: parent {row.get('parent')}, due is {above}", is_there)

    # -- messages ---------------------------------------------------------------------------------------------------

    def _messages(self) -> None:
        rows, gone = self._by_number("message", 0), self._by_number("message", 0, gone=True)
        for n, truth, place in self.box.items("message"):
            held = rows.pop(n, [])
            folder = self.folders.get(("folder", place)) if place is not None else None
            if folder is not None and not self._wanted(folder):
                self.found.check("not asked for", f"{self.where}: message {n} of Recoverable Items", not held)
                continue
            where = f"{self.where}: message {n}"
            if self.found.check("messages once", f"{where} has {len(held)} rows", len(held) == 1):
                self._message(where, n, held[0], truth)
                self._in_folder(where, held[0], "folder", place)
        for n, held in rows.items():
            is_told = n in self.box.rows["message"].gone and all(row.get("code") == "vanished" for row in held)
            self.found.check("nothing else", f"{self.where}: message {n} is not (or no longer) there", is_told)
        for n in gone:
            self.found.check("gone", f"{self.where}: message {n} is not gone", n in self.box.rows["message"].gone)

    def _message(self, where: str, n: int, row: Row, truth: Row) -> None:
        if not truth.get("_made"):
            self.found.same("ids", where, row["id"], truth.get("_immutableId", row["id"]))
        if (self.bag.name, n) in self.asked.refused or not is_readable(truth):
            if not self.found.check(
                "excepted", f"{where}: is {row['outcome']}, and cannot be read", row["outcome"] == "excepted"
            ):
                return
            self.found.notes[f"message excepted as {row.get('code')}"] += 1
            if "smime-opaque" in truth.get("_traits", ()) and not truth.get("_goneAfterListing"):
                held = Counter(one.get("sha256") for one in self.attached[row["id"]])
                self.found.same("excepted", f"{where}: its attachments", held, Counter(unreadable_bytes(truth)))
                self.found.check("excepted", f"{where}: no record", bool(self.bag.record(row)))
                self._record(where, row, truth)
            return
        if not self.found.check(
            "messages copied", f"{where}: {row['outcome']} {row.get('code')}", row["outcome"] == "copied"
        ):
            return
        due = (truth["_mime"]["sha256"], truth["_mime"]["len"])
        self.found.same("MIME", where, (row.get("sha256"), row.get("size")), due)
        held = self.bag.entries.get(str(row.get("key")))
        self.found.same("MIME of the entry", where, held and (held[1], held[0]), due)
        self._record(where, row, truth)

    def _record(self, where: str, row: Row, truth: Row) -> None:
        record = self.bag.record(row)
        if not self.found.check("records", f"{where}: none in {row.get('record')}", bool(record)):
            return
        graph = record.get("graph", {})
        for key in STATE:
            is_firm = not (truth.get("_corpus") and key == "hasAttachments") and not (
                truth.get("_made") and key == "createdDateTime"
            )
            if key in truth and is_firm:
                self.found.same(f"record.{key}", where, plain(graph.get(key)), plain(truth[key]))
        self.found.same("records", f"{where}: parent", record.get("parent"), row.get("parent"))
        place = self.box.place("message", truth)
        folder = self.folders.get(("folder", place)) if place is not None else None
        if folder is not None:
            self.found.same("records", f"{where}: folder", plain(record.get("folder")), plain([*folder.names]))
        if row["outcome"] == "copied" and record.get("entry") is not None:
            self.found.same("records", f"{where}: sha256", record.get("sha256"), row.get("sha256"))

    # -- contacts, events, tasks ------------------------------------------------------------------------------------

    def _lines(self, kind: str) -> None:
        number, above = {"contact": (4, "contactFolder"), "event": (2, "calendar"), "task": (6, "list")}[kind]
        rows, gone = self._by_number(kind, number), self._by_number(kind, number, gone=True)
        others = self.box.exceptions() if kind == "event" else {}
        for n, truth, place in self.box.items(kind):
            folder = self.folders.get((above, place)) if place is not None else None
            if truth.get("seriesMasterId"):
                continue
            held, where = rows.pop(n, []), f"{self.where}: {kind} {n}"
            if folder is not None and folder.well_known == "flaggedEmails":
                continue  # the list repeats mail
            if not self.found.check(f"{kind}s once", f"{where} has {len(held)} rows", len(held) == 1):
                continue
            row = held[0]
            self._in_folder(where, row, above, place)
            if not self.found.check(
                f"{kind}s copied", f"{where}: {row['outcome']} {row.get('code')}", row["outcome"] == "copied"
            ):
                continue
            line = self.bag.lines.get(str(row.get("key")), {})
            self.found.check(f"{kind} line", f"{where}: is of another item", line.get("id") == row["id"])
            self._graph(kind, where, line.get("graph", {}), truth)
            self._bytes(kind, where, row, line, truth)
            if kind == "event":
                self._exceptions(where, line.get("graph", {}), truth, others.get(n, []))
        for n in rows:
            self.found.say("nothing else", f"{self.where}: {kind} {n} is not (or no longer) there")
        for n in gone:
            self.found.check("gone", f"{self.where}: {kind} {n} is not gone", n in self.box.rows[kind].gone)

    def _graph(self, kind: str, where: str, graph: Row, truth: Row) -> None:
        for key, value in truth.items():
            if not key.startswith(("_", "@")) and key not in TRANSLATED:
                self.found.same(f"{kind}.{key}", where, plain(graph.get(key)), plain(value))
        for key in ("start", "end"):
            if kind == "event" and key in truth:
                held = graph.get(key) or {"dateTime": "0001-01-01T00:00:00"}
                zones = self.truth.zones
                self.found.same(f"event.{key}", where, instant(held, zones), instant(truth[key], zones))

    def _bytes(self, kind: str, where: str, row: Row, line: Row, truth: Row) -> None:
        due = Counter(unreadable_bytes(truth))
        held = Counter(one.get("sha256") for one in line.get("attachments", ()))
        self.found.same(f"{kind} attachments", where, held, due)
        if "_photo" in truth:
            self.found.same("contact photos", where, (line.get("photo") or {}).get("sha256"), truth["_photo"]["sha256"])
            due[truth["_photo"]["sha256"]] += 1
        else:
            self.found.check("contact photos", f"{where}: a photo that is none", not line.get("photo"))
        rows = Counter(one.get("sha256") for one in self.attached[row["id"]])
        self.found.check(
            f"{kind} attachments", f"{where}: rows of kind attachment {short_counter(rows)}", not due - rows
        )

    def _exceptions(self, where: str, graph: Row, truth: Row, others: list[Row]) -> None:
        days = sorted(str(one).rpartition(".")[2] for one in truth.get("cancelledOccurrences") or ())
        held = sorted(str(one).rpartition(".")[2] for one in graph.get("cancelledOccurrences") or ())
        self.found.same("cancelled occurrences", where, held, days)
        zones = self.truth.zones

        def shape(row: Row, original: Any) -> str:
            times = (original, instant(row["start"], zones), instant(row["end"], zones))
            return json.dumps([str(plain(row.get("subject"))), *map(str, times), row.get("showAs")])

        due = []
        for one in others:
            local = {"dateTime": one["_originalStartLocal"], "timeZone": one["start"]["timeZone"]}
            due.append(shape(one, instant(local, zones)))
        got = [
            shape(one, instant({"dateTime": str(one.get("originalStart", "0001-01-01T00:00:00"))[:19]}, zones))
            for one in graph.get("exceptionOccurrences") or ()
        ]
        self.found.same("changed occurrences", where, sorted(got), sorted(due))

    # -- archive ----------------------------------------------------------------------------------------------------

    def _archive(self, archive: MailboxTruth) -> None:
        """Messages of the archive have rows whose scope is the mailbox of the export API."""
        rows: Numbers = defaultdict(list)
        for row in self.bag.of("message"):
            named = tail(row["id"])
            if row.get("scope") and named is not None and named[0] == 0:  # contacts and others have such rows too
                rows[named[2]].append(row)
        outside = {
            one.n for one in archive.folders() if one.place == "recoverable"
        }  # the export API does not show them
        for n, _, place in archive.items("message"):
            if place in outside:
                continue
            held, where = rows.pop(n, []), f"{self.where}: archive message {n}"
            if self.found.check("archive once", f"{where} has {len(held)} rows", len(held) == 1):
                self.found.check(
                    "archive once", f"{where}: {held[0]['outcome']} {held[0].get('code')}", bool(held[0].get("key"))
                )


def short_counter(counts: Counter[Any]) -> str:
    """For a line of text."""
    return ", ".join(f"{count} of {str(key)[:8]}" for key, count in counts.items()) or "none"
