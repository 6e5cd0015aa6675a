"""Writes one mailbox of the rehearsal tenant, in the tenant-data format.

Rules of this file: the same seed gives the same bytes: boundaries and message ids follow from the place of a message, nothing is
drawn; MIME is made by the standard library, and rows say what it holds. Source: reference/tenant-data.md.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape
from pathlib import Path
from typing import Any

from exporters.clock import timestamp
from exporters.rehearsal.documents import Row
from exporters.rehearsal.lively_mail import (
    FOLDERS,
    LOCAL_NAMES,
    Correspondent,
    FolderRow,
    Letter,
)
from exporters.rehearsal.mailbox_rows import Kind, made_id
from exporters.rehearsal.quickxor import quick_xor

PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAABv0lEQVR42hXQIZNAUACF0f0lm+WXZflFIwmCZMQTjSQIkhFfNJIgiKKftfb2E+738+vNvMGb"
    "ewtv9Fbextt5eUfv7F29yXt4L+/PryfzBE/uKTzRU3kaT+fhGT2zZ/Ukz+G5PB+4M3dw5+7CHd2Vu3F3bu7RPbtXd3If7sv9gTNzBmfuLJzRWTkbZ+fkHJ2z"
    "c3Um5+G8nB/YM3uw5/bCHu2VvbF3dvbRPttXe7If9sv+gZRJQcqlQopSJTVSJ5FGaZZWKUmHdEkf2DJbsOW2whZtla2xdTa20TbbVluyHbbL9oElswRLbiks"
    "0VJZGktnYRkts2W1JMthuSwfmDJTMOWmwhRNlakxdSam0TSbVlMyHabL9IEhMwRDbigM0VAZGkNnYBgNs2E1JMNhuAwfkBHIKYhUNHT+NzKz+i9wcPGBPtMH"
    "fa4v9FFf6Rt9p6cf9bN+1Sf9ob/0H2gzbdDm2kIbtZW20XZa2lE7a1dt0h7aS/uBOlMHda4u1FFdqRt1p6Ye1bN6VSf1ob7UHygzZVDmykIZlZWyUXZKylE5"
    "K1dlUh7KS/mBmIlBzMVCjGIlNmL3/z+O4iyuYhIP8RL/APcEbRBUDMFEAAAAAElFTkSuQmCC"
)
FILE, ITEM = "#microsoft.graph.fileAttachment", "#microsoft.graph.itemAttachment"
_ATTACHED_BYTES = 24_000


class MailboxMaker:
    """One mailbox. owner: its row of users.jsonl; people: (name, address) of everybody, the owner first; content: a reference to
    made-up bytes, for a name and a length; read: the bytes of a reference; write: takes the name of a `.jsonl` and its rows, and
    says where each began, and where the last ended."""

    def __init__(
        self,
        tenant: Path,
        owner: Row,
        people: list[tuple[str, str]],
        now: datetime,
        *,
        seed: str,
        content: Callable[[str, int], Row],
        read: Callable[[Row], bytes],
        write: Callable[[str, Iterable[Row]], list[int]],
    ) -> None:
        self.folder, self.number = str(owner["_dir"]), int(owner["_n"])
        self.people, self.now, self.seed = people, now, seed
        self._tenant, self._owner, self._write = tenant, owner, write
        self._content, self._read = content, read
        self._mime, self._packed = bytearray(), bytearray()
        self.messages: list[Row] = []

    def id_of(self, kind: Kind, n: int, *, immutable: bool = False) -> str:
        """The id of row `n` of a kind."""
        return made_id(kind, self.number, n, f"{self.seed}|mail", immutable=immutable)

    def person(self, who: Correspondent) -> tuple[str, str]:
        """Name and address."""
        return who if isinstance(who, tuple) else self.people[who % len(self.people)]

    # --------------------------------------------------------------------------------------------------- mail

    def mail(self, letters: Iterable[Letter]) -> None:
        """Folders and messages."""
        by_folder: dict[str, list[Letter]] = {}
        for letter in letters:
            by_folder.setdefault(letter.folder, []).append(letter)
        numbers = {folder.key: n for n, folder in enumerate(FOLDERS)}
        firsts: list[int] = []
        for folder in FOLDERS:
            firsts.append(len(self.messages))
            for letter in by_folder.get(folder.key, ()):
                self.messages.append(self._message(letter, self.id_of("folder", numbers[folder.key])))
        offsets = self._write(f"{self.folder}/messages.jsonl", self.messages)
        rows = [self._folder(n, numbers, firsts, offsets) for n in range(len(FOLDERS))]
        self._write(f"{self.folder}/folders.jsonl", rows)

    def _folder(self, n: int, numbers: dict[str, int], firsts: list[int], offsets: list[int]) -> Row:
        folder, first = FOLDERS[n], firsts[n]
        last = firsts[n + 1] if n + 1 < len(firsts) else len(self.messages)
        held = self.messages[first:last]
        parent = None if folder.above is None else numbers[folder.above]
        row: Row = {
            "id": self.id_of("folder", n),
            "displayName": self._name(folder),
            "parentFolderId": self.id_of("folder", 9_999 if parent is None else parent),
            "isHidden": folder.hidden,
            "childFolderCount": sum(one.above == folder.key for one in FOLDERS),
            "totalItemCount": len(held),
            "unreadItemCount": sum(not message["isRead"] for message in held),
            "sizeInBytes": sum(message["_size"] for message in held),
            "_wellKnownName": folder.known,
            "_n": n,
            "_parent": parent,
            "_depth": self._depth(folder),
            "_first": first,
            "_count": len(held),
            "_off": offsets[first],
            "_len": offsets[last] - offsets[first],
        }
        return {**row, "@odata.type": "#microsoft.graph.mailSearchFolder"} if folder.search else row

    def _name(self, folder: FolderRow) -> str:
        language = self._owner["mailboxSettings"].get("language", {}).get("locale", "en-US")
        return LOCAL_NAMES.get(language, {}).get(folder.key, folder.name)

    def _depth(self, folder: FolderRow) -> int:
        depth, above = 0, folder.above
        while above is not None:
            depth, above = depth + 1, next(one.above for one in FOLDERS if one.key == above)
        return depth

    def _message(self, letter: Letter, folder_id: str) -> Row:
        n, marks = len(self.messages), letter.marks
        at = self.now - timedelta(days=letter.days, hours=24 - letter.hour, minutes=7 * n % 60)
        sender = self.person(letter.sender)
        row: Row = {
            "id": self.id_of("message", n),
            "_immutableId": self.id_of("message", n, immutable=True),
            "parentFolderId": folder_id,
            "subject": letter.subject,
            "internetMessageId": f"<{self.number}.{n}.{self.seed}@willowmere.example>",
            "conversationId": hashlib.sha256(str(letter.subject).removeprefix("Re: ").encode()).hexdigest()[:32],
            "createdDateTime": timestamp(at),
            "lastModifiedDateTime": timestamp(at + timedelta(minutes=3)),
            "receivedDateTime": timestamp(at + timedelta(seconds=2)),
            "sentDateTime": timestamp(at),
            "importance": "high" if "high" in marks else "normal",
            "isRead": "unread" not in marks,
            "isDraft": "draft" in marks,
            "from": _mailbox(sender),
            "sender": _mailbox(sender),
            "toRecipients": [_mailbox(self.person(who)) for who in letter.to],
            "ccRecipients": [_mailbox(self.person(who)) for who in letter.cc],
            "bccRecipients": [],
            "replyTo": [],
            "categories": ["Red category", "Project Ä"] if "categories" in marks else [],
            "flag": self._flag(marks, at),
            "bodyPreview": " ".join(letter.text.split())[:255],
            "body": _body(letter),
            "_class": "IPM.Schedule.Meeting.Request" if "invite" in marks else "IPM.Note",
            "_traits": [],
            "_attachments": self._attachments(letter, n, at),
        }
        row["hasAttachments"] = any(not one["isInline"] for one in row["_attachments"])
        if "invite" in marks:
            row |= {"@odata.type": "#microsoft.graph.eventMessageRequest", "meetingMessageType": "meetingRequest"}
        mime = _finished(self._mime_of(letter, row, at), f"{self.folder}/{n}")
        row["_mime"], row["_size"] = self._segment(mime), len(mime)
        return row

    def _flag(self, marks: tuple[str, ...], at: datetime) -> Row:
        zone = {"timeZone": "UTC"}
        if "complete" in marks:
            done = {"dateTime": (at + timedelta(days=1)).strftime("%Y-%m-%dT00:00:00.0000000"), **zone}
            return {"flagStatus": "complete", "completedDateTime": done}
        if "flagged" in marks:
            due = {"dateTime": (self.now + timedelta(days=7)).strftime("%Y-%m-%dT00:00:00.0000000"), **zone}
            return {"flagStatus": "flagged", "startDateTime": due, "dueDateTime": due}
        return {"flagStatus": "notFlagged"}

    def _attachments(self, letter: Letter, n: int, at: datetime) -> list[Row]:
        found: list[Row] = []
        common = {"lastModifiedDateTime": timestamp(at), "contentId": None, "isInline": False}
        if "attachment" in letter.marks:
            content = self._content(f"{self.folder}.mail.{n}", _ATTACHED_BYTES + 17 * n)
            found.append(_file(f"Beilage {n} – offer.pdf", "application/pdf", content) | common)
        if "inline" in letter.marks:
            file = _file("sign.png", "image/png", self._kept(PICTURE))
            found.append(file | common | {"contentId": "sign@willowmere", "isInline": True})
        if "attached-mail" in letter.marks:
            item = self._inner(at)
            size = {"size": 2_000, "contentType": None}
            found.append({"@odata.type": ITEM, "name": item["subject"], **size, "item": item} | common)
        owner = self.id_of("message", n)
        return [{"id": f"{owner[:-1]}YXR0{place:04}=", **one} for place, one in enumerate(found)]

    def _inner(self, at: datetime) -> Row:
        """The mail that is attached to another."""
        sent = timestamp(at - timedelta(days=3))
        return {
            "@odata.type": "#microsoft.graph.message",
            "subject": "Kündigung",
            "from": _mailbox(("Hausverwaltung", "post@hausverwaltung.example")),
            "sender": _mailbox(("Hausverwaltung", "post@hausverwaltung.example")),
            "toRecipients": [_mailbox(self.person(3))],
            "sentDateTime": sent,
            "receivedDateTime": sent,
            "internetMessageId": f"<inner.{self.number}.{self.seed}@hausverwaltung.example>",
            "body": {"contentType": "text", "content": "Wir kündigen zum 31. März.\n"},
            "_attachments": [],
        }

    # --------------------------------------------------------------------------------------------------- MIME

    def _mime_of(self, letter: Letter, row: Row, at: datetime) -> EmailMessage:
        mail = EmailMessage(policy=SMTP)
        _head(mail, row, at)
        charset = "iso-8859-1" if "latin" in letter.marks else "utf-8"
        mail.set_content(letter.text, charset=charset)
        if "html" in letter.marks:
            mail.add_alternative(row["body"]["content"], subtype="html")
        if "invite" in letter.marks:
            mail.add_alternative(_invitation(row, at), subtype="calendar", params={"method": "REQUEST"})
        for attached in row["_attachments"]:
            if "item" in attached:
                mail.add_attachment(_inner_mime(attached["item"], at))
            elif attached["isInline"]:
                part = mail.get_payload()[-1]  # type: ignore[index]
                part.add_related(PICTURE, "image", "png", cid=f"<{attached['contentId']}>", filename=attached["name"])  # type: ignore[union-attr]
            else:
                mail.add_attachment(self._read(attached["_c"]), "application", "pdf", filename=attached["name"])
        return mail

    def _segment(self, data: bytes) -> Row:
        at = len(self._mime)
        self._mime += data
        digest = hashlib.sha256(data).hexdigest()
        return {"pack": f"{self.folder}/mime.bin", "len": len(data), "sha256": digest, "seg": [[at, len(data)]]}

    def _kept(self, data: bytes) -> Row:
        """A content with bytes of its own."""
        at = len(self._packed)
        self._packed += data
        digest, name = hashlib.sha256(data).hexdigest(), f"{self.folder}/content.bin"
        return {"pack": name, "off": at, "len": len(data), "sha256": digest, "qx": quick_xor([data])}

    def photo(self) -> Row:
        """A picture of somebody."""
        return self._kept(PICTURE)

    def rows(self, name: str, rows: Iterable[Row]) -> None:
        """Another file of the mailbox."""
        self._write(f"{self.folder}/{name}.jsonl", rows)

    def close(self) -> None:
        """Write the bytes that rows refer to."""
        (self._tenant / self.folder / "mime.bin").write_bytes(bytes(self._mime))
        (self._tenant / self.folder / "content.bin").write_bytes(bytes(self._packed))


def _mailbox(person: tuple[str, str]) -> Row:
    return {"emailAddress": {"name": person[0], "address": person[1]}}


def _body(letter: Letter) -> Row:
    if "html" not in letter.marks:
        return {"contentType": "text", "content": letter.text}
    picture = '<p><img src="cid:sign@willowmere" alt="The sign"></p>' if "inline" in letter.marks else ""
    text = f"<html><body><p>{escape(letter.text)}</p>{picture}</body></html>\n"
    return {"contentType": "html", "content": text}


def _file(name: str, kind: str, content: Row) -> Row:
    return {"@odata.type": FILE, "name": name, "contentType": kind, "size": int(content["len"]) + 140, "_c": content}


def _head(mail: EmailMessage, row: Row, at: datetime) -> None:
    def line(people: list[dict[str, Any]]) -> str:
        found = (person["emailAddress"] for person in people)
        return ", ".join(f'"{one["name"]}" <{one["address"]}>' for one in found)

    mail["From"] = line([row["from"]])
    for name, people in (("To", row["toRecipients"]), ("Cc", row.get("ccRecipients", []))):
        if people:
            mail[name] = line(people)
    if row["subject"] is not None:
        mail["Subject"] = row["subject"]
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = row["internetMessageId"]
    if row.get("importance") == "high":
        mail["Importance"] = "high"


def _inner_mime(item: Row, at: datetime) -> EmailMessage:
    mail = EmailMessage(policy=SMTP)
    _head(mail, item, at - timedelta(days=3))
    mail.set_content(item["body"]["content"])
    return mail


def _invitation(row: Row, at: datetime) -> str:
    """An iCalendar request for the next day."""
    start = at + timedelta(days=1)
    organizer = row["from"]["emailAddress"]["address"]
    attendees = [f"ATTENDEE;RSVP=TRUE:mailto:{who['emailAddress']['address']}" for who in row["toRecipients"]]
    lines = [
        *("BEGIN:VCALENDAR", "PRODID:-//Willowmere//Rehearsal//EN", "VERSION:2.0", "METHOD:REQUEST", "BEGIN:VEVENT"),
        f"UID:{row['internetMessageId'].strip('<>')}",
        f"DTSTAMP:{at:%Y%m%dT%H%M%SZ}",
        f"DTSTART:{start:%Y%m%dT%H%M%SZ}",
        f"DTEND:{start + timedelta(hours=1):%Y%m%dT%H%M%SZ}",
        f"SUMMARY:{row['subject']}",
        "LOCATION:The gate",
        f"ORGANIZER:mailto:{organizer}",
        *attendees,
        *("END:VEVENT", "END:VCALENDAR", ""),
    ]
    return "\r\n".join(lines)


def _finished(mail: EmailMessage, salt: str) -> bytes:
    """Its bytes, with boundaries that follow from its place."""
    for n, part in enumerate(mail.walk()):
        if part.get_content_maintype() == "multipart":
            digest = hashlib.sha256(f"{salt}|{n}".encode()).hexdigest()[:24]
            part.set_boundary(f"=_{digest}")
    return mail.as_bytes()
