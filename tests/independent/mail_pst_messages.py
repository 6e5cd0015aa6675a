"""Compares a message of a PST with the truth: what the acceptance line a names, all the way down into attached items.

Rules of this file: standard library and the judge's own modules; the rules of the mapping (reference/mapi-mapping.md §1) are
written here a second time. Of messages of the corpus only their MIME is firm: what Python's `email` is sure about
(`mail_expectation`); state (read, flag, categories, class, dates) comes from the truth in any case.
"""

import hashlib
import html
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from typing import Any

from tests.independent import mail_expectation as mime_says
from tests.independent.differences import Differences, short
from tests.independent.mail_truth import Row, TenantTruth, instant
from tests.independent.pst_reader import Item

EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
KINDS = {1: "to", 2: "cc", 3: "bcc"}
IMPORTANCE = {"low": 0, "normal": 1, "high": 2}
FLAGS = {"notFlagged": 0, "complete": 1, "flagged": 2}
BAD = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f]')
IGNORED = re.compile(r"[\s\x00-\x1f\x7f\ufffd\ufeff\u200b]+")
TAGS = re.compile(r"<!--.*?-->|<(style|script|title)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)


def squashed(text: Any) -> str:
    """Without white space, controls and what stands for characters that cannot be had."""
    plain = str(text or "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return IGNORED.sub("", plain)


def text_of_html(text: str) -> str:
    """The words of an HTML document."""
    return squashed(html.unescape(TAGS.sub("", text)))


def date_of(filetime: Any) -> datetime | None:
    """A FILETIME to the second."""
    if not isinstance(filetime, int) or not 0 < filetime < 1 << 63:
        return None
    try:
        return EPOCH + timedelta(seconds=filetime // 10_000_000)
    except OverflowError:
        return None


def set_date(value: Any) -> datetime | None:
    """A date of Graph; None for what means not set (Q-076), and for what a PST cannot hold."""
    if not value:
        return None
    found = datetime.fromisoformat(str(value)[:19]).replace(tzinfo=UTC)
    return found if datetime(1601, 1, 2, tzinfo=UTC) < found < datetime(4500, 1, 1, tzinfo=UTC) else None


def person(recipient: Row | None) -> tuple[str, str]:
    """(name, address) of a recipient of Graph, each empty if it is not told."""
    address = (recipient or {}).get("emailAddress") or {}
    return str(address.get("name") or ""), str(address.get("address") or "")


class MessageJudge:
    """Messages of one mailbox. `own`: its addresses, in lower case."""

    def __init__(self, truth: TenantTruth, found: Differences, own: set[str], zone: str) -> None:
        self.truth, self.found, self.own, self.zone = truth, found, own, zone
        self.kept = ""

    def judge(self, where: str, item: Item, row: Row, *, is_sent: bool, state: bool = True, kept: str = "") -> None:
        """All of a message. state: False if newer state stands in parts.json only. kept: its record in the originals."""
        self.kept = kept
        self.found.same("class", where, item[0x001A], row["_class"])
        raw = self.truth.mime(row)
        self._dates(where, item, row, raw, is_sent=is_sent)
        if state:
            self._state(where, item, row)
        if row.get("_corpus"):
            self._by_mime(where, item, raw, row)
        else:
            self._content(where, item, row, raw)
            self._attachments(where, item, row, raw)
        self._flags(where, item, row, is_sent=is_sent, state=state)

    def judge_stream(self, where: str, item: Item, row: Row) -> None:
        """A message that came as a stream of exportItems: what the row says, without a MIME beside it."""
        self.kept = ""
        self.found.same("class", where, item[0x001A], row["_class"])
        for tag, key in ((0x0039, "sentDateTime"), (0x0E06, "receivedDateTime")):
            if set_date(row.get(key)):
                self.found.same("dates (stream)", where, date_of(item[tag]), set_date(row[key]))
        self.found.same("categories", where, item["PUBLIC", "Keywords"] or [], row.get("categories") or [])
        self.found.same(
            "flag status", where, item[0x1090] or 0, FLAGS[(row.get("flag") or {}).get("flagStatus", "notFlagged")]
        )
        self._content(where, item, row, b"")
        self._attachments(where, item, {**row, "_class": "IPM.Note"}, b"")
        self._flags(where, item, row, is_sent=False, state=True)

    # -- state ------------------------------------------------------------------------------------------------------

    def _state(self, where: str, item: Item, row: Row) -> None:
        """What without MIME comes from a stream has its own dates of a flag, which the truth does not tell."""
        self.found.same("categories", where, item["PUBLIC", "Keywords"] or [], row.get("categories") or [])
        self.found.same("importance", where, item[0x0017], IMPORTANCE[row.get("importance") or "normal"])
        flag = row.get("flag") or {}
        self.found.same("flag status", where, item[0x1090] or 0, FLAGS[flag.get("flagStatus", "notFlagged")])
        for key, name in (("startDateTime", ("TASK", 0x8104)), ("dueDateTime", ("TASK", 0x8105))):
            if (
                flag.get("flagStatus") == "flagged"
                and flag.get(key)
                and "smime-opaque" not in (row.get("_traits") or ())
            ):
                held = date_of(item[name])
                days = {at.date() for zone in (self.zone, None) if (at := self._local(flag[key], zone))}
                is_day = held is not None and held.time().hour == 0 and held.date() in days
                self.found.check("flag dates", f"{where}: {key} {held}, due is one of {sorted(map(str, days))}", is_day)

    def _local(self, value: Row, zone: str | None) -> datetime | None:
        at = instant(value, self.truth.zones)
        if at is None:
            return None
        offset = instant({"dateTime": at.isoformat()[:19], "timeZone": zone or "UTC"}, self.truth.zones)
        return at + (at - offset) if offset is not None else None

    def _flags(self, where: str, item: Item, row: Row, *, is_sent: bool, state: bool) -> None:
        flags = item[0x0E07] or 0
        if state:
            self.found.same("read", where, bool(flags & 0x01), bool(row.get("isRead")))
            self.found.same("draft", where, bool(flags & 0x08), bool(row.get("isDraft")))
        self.found.same("flag of attachments", where, bool(flags & 0x10), bool(item.attachments))
        self.found.check("flags", f"{where}: {flags:#x} would be sent or is hidden", not flags & 0x44)
        if is_sent:
            self.found.check("from me", f"{where}: {flags:#x}", bool(flags & 0x20))

    def _dates(self, where: str, item: Item, row: Row, raw: bytes, *, is_sent: bool) -> None:
        sent, received = set_date(row.get("sentDateTime")), set_date(row.get("receivedDateTime"))
        header = mime_says.date_of(_headers_alone(raw))
        told = set_date(header) if header else None
        submit, delivery = date_of(item[0x0039]), date_of(item[0x0E06])
        if not row.get("isDraft"):
            due = {sent or told} if not row.get("_corpus") else {sent, told} - {None}
            self.found.check(
                "sent date", f"{where}: {submit}, due is {sorted(map(str, due))}", submit in due or not due - {None}
            )
            dues = {received} if received else {sent} if sent else {told, *_others(row, raw)} - {None}
            if is_sent:
                dues |= {sent, submit}
            self.found.check("received date", f"{where}: {delivery}, due is {sorted(map(str, dues))}", delivery in dues)
        for tag, key in ((0x3007, "createdDateTime"), (0x3008, "lastModifiedDateTime")):
            if not (key == "lastModifiedDateTime" and "_made" not in row and not row.get(key)):
                held, wanted = date_of(item[tag]), set_date(row.get(key))
                self.found.check(f"date {key}", f"{where}: {held}, due is {wanted}", held == wanted or wanted is None)

    # -- content ----------------------------------------------------------------------------------------------------

    def _content(self, where: str, item: Item, row: Row, raw: bytes) -> None:
        self.found.same("subject", where, squashed(item.subject), squashed(row.get("subject")))
        self._senders(where, item, row, raw)
        self._recipients(where, item, row)
        self._body(where, item, row, raw)

    def _senders(self, where: str, item: Item, row: Row, raw: bytes) -> None:
        for what, key, tags in (
            ("from", "from", (0x0042, 0x5D02, 0x0065)),
            ("sender", "sender", (0x0C1A, 0x5D01, 0x0C1F)),
        ):
            if key not in row:
                continue
            name, address = person(row[key])
            held = str(item[tags[1]] or item[tags[2]] or "")
            if not address and "@" not in held and name:
                held = ""  # a name stands where an address is due
            if address.lower().startswith("/o=") and "@" in held and held.lower() in raw.decode("latin-1").lower():
                self.found.notes["senders by the address of their MIME, where the mailbox has a directory name"] += 1
            else:
                self.found.same(f"address of {what}", where, held.lower(), address.lower())
            if name:
                self.found.same(f"name of {what}", where, squashed(item[tags[0]]), squashed(name))

    def _recipients(self, where: str, item: Item, row: Row) -> None:
        due = Counter(
            (kind, person(one)[1].lower(), squashed(person(one)[0] or person(one)[1]))
            for kind, key in (("to", "toRecipients"), ("cc", "ccRecipients"), ("bcc", "bccRecipients"))
            for one in row.get(key) or ()
        )
        self.found.same("recipients", where, sorted(_recipients(item).elements()), sorted(due.elements()))

    def _body(self, where: str, item: Item, row: Row, raw: bytes) -> None:
        body = row.get("body") or {}
        wanted = str(body.get("content") or "")
        if str(row.get("_class", "")).endswith(".SMIME"):
            return
        if str(body.get("contentType")).lower() == "html":
            data = item[0x1013] or b""
            held = text_of_html(data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data))
            self.found.same("body (HTML)", where, held, text_of_html(wanted))
            is_there = bool(squashed(item[0x1000])) or not text_of_html(wanted) or not raw  # a stream stays as it came
            self.found.check("body (text beside HTML)", f"{where}: there is none", is_there)
        else:
            self.found.same("body (text)", where, squashed(item[0x1000]), squashed(wanted))

    # -- attachments ------------------------------------------------------------------------------------------------

    def _attachments(self, where: str, item: Item, row: Row, raw: bytes) -> None:
        held = item.attachments
        kind = str(row.get("_class", ""))
        if kind == "IPM.Note.SMIME.MultipartSigned":
            self._signed(where, item, raw)
            return
        if kind.startswith("REPORT."):
            names = [one.name for one in held]
            self.found.check(
                "report", f"{where}: {names}", not row["_attachments"] or len(names) >= len(row["_attachments"])
            )
            return
        due = row.get("_attachments") or []
        files = [one for one in due if "_c" in one]
        items = [one for one in due if "item" in one]
        links = [one for one in due if str(one.get("@odata.type")).endswith("referenceAttachment")]
        nested = [one for one in held if one.item is not None]
        values = [one for one in held if one.method == 1]
        if kind.startswith("IPM.Schedule."):  # the calendar part stays beside what was made of it (docs/decisions/0042)
            kept = [one for one in values if one.properties.get(0x370E) != "text/calendar"]
            self.found.notes["invitations that keep their calendar part as a file"] += len(kept) < len(values)
            values = kept
        digests = Counter(hashlib.sha256(one.data or b"").hexdigest() for one in values)
        wanted = Counter(one["_c"]["sha256"] for one in files)
        missing = wanted - digests
        self.found.check("attachments", f"{where}: {_names(files, missing)} not there; {len(held)} held", not missing)
        spare = sum((digests - wanted).values())
        by_value = max(0, len(items) - len(nested))
        self.found.check("attachments", f"{where}: {spare} by value that are none of the truth's", spare <= by_value)
        self._names(where, values, files)
        shown = [one.name for one in held if one.method == 7]
        for link in links:
            name = str(link.get("name"))
            is_shown = any(_is_name(one, BAD.sub("_", name)) for one in shown)
            self.found.notes["links that are in the originals alone"] += not is_shown and name in self.kept
            self.found.check(
                "links", f"{where}: {name} is neither in the PST nor in the originals", is_shown or name in self.kept
            )
        self._nested(where, item, items)

    def _names(self, where: str, values: list[Any], files: list[Row]) -> None:
        held: dict[str, list[str]] = {}
        for one in values:
            held.setdefault(hashlib.sha256(one.data or b"").hexdigest(), []).append(one.name)
        for one in files:
            names = held.get(one["_c"]["sha256"], [])
            wanted = BAD.sub("_", str(one.get("name") or ""))
            fits = [n for n in names if _is_name(n, wanted) or _is_name(n, str(one.get("name") or ""))]
            if (
                self.found.check(
                    "attachment names", f"{where}: {short(names)}, due is {short(wanted)}", bool(fits) or not names
                )
                and fits
            ):
                names.remove(fits[0])

    def _nested(self, where: str, item: Item, items: list[Row]) -> None:
        left = [one for one in item.attachments if one.item is not None]
        values = [one for one in item.attachments if one.item is None]
        for wanted in items:
            row = wanted["item"]
            kind = str(row.get("@odata.type", "")).rpartition(".")[2]
            title = row.get("displayName") if kind == "contact" else row.get("subject")
            match = next(
                (one for one in left if one.item is not None and squashed(one.item.subject) == squashed(title)), None
            )
            if match is None and kind in ("event", "contact"):
                sign = str(title).encode()
                is_kept = any(sign in (one.data or b"").replace(b"\r\n ", b"") for one in values)
                self.found.check("nested items", f"{where}: attached {kind} {short(title)} is not there", is_kept)
                self.found.notes[f"attached {kind}s that stay files in the PST"] += is_kept
                continue
            if not self.found.check(
                "nested items", f"{where}: attached {kind} {short(title)} is not there", match is not None
            ):
                continue
            assert match is not None and match.item is not None
            left.remove(match)
            self._inner(f"{where} > {short(title, 30)}", kind, match.item, row)
        self.found.check("nested items", f"{where}: {len(left)} attached items that are none of the truth's", not left)

    def _inner(self, where: str, kind: str, item: Item, row: Row) -> None:
        if kind == "event":
            self.found.check(
                "nested class", f"{where}: {item[0x001A]}", str(item[0x001A]).startswith("IPM.Appointment")
            )
            for name, key in ((("APPT", 0x820D), "start"), (("APPT", 0x820E), "end")):
                self.found.same("nested times", where, date_of(item[name]), instant(row[key], self.truth.zones))
            return
        if kind == "contact":
            self.found.check("nested class", f"{where}: {item[0x001A]}", str(item[0x001A]).startswith("IPM.Contact"))
            self.found.same("nested contact", where, squashed(item[0x3001]), squashed(row.get("displayName")))
            return
        self.found.same("nested class", where, item[0x001A], row.get("_class", "IPM.Note"))
        self._content(where, item, row, b"")
        held, wanted = date_of(item[0x0039]), set_date(row.get("sentDateTime"))
        is_near = wanted is None or (held is not None and abs(held - wanted) <= timedelta(seconds=5))
        self.found.check("nested dates", f"{where}: {held}, due is {wanted}", is_near)
        self._attachments(where, item, row, b"")

    def _signed(self, where: str, item: Item, raw: bytes) -> None:
        """One attachment: the whole signed entity, not a byte of it changed."""
        held = item.attachments
        if not self.found.check("signed", f"{where}: {len(held)} attachments", len(held) == 1):
            return
        data, body = held[0].data or b"", re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[-1] if raw else b""
        self.found.check("signed", f"{where}: other bytes than those that are signed", not raw or data.endswith(body))
        self.found.same("signed", f"{where}: name", held[0].name, "smime.p7m")

    # -- messages of the corpus -------------------------------------------------------------------------------------

    def _by_mime(self, where: str, item: Item, raw: bytes, row: Row) -> None:
        message = message_from_bytes(raw)
        subjects = message.get_all("subject", [])
        subject = mime_says.words(subjects[0]) if len(subjects) == 1 else None if subjects else ""
        if subject is not None:
            self.found.same("subject (corpus)", where, squashed(item.subject), squashed(subject))
        contents = mime_says.Contents(message)
        if not contents.is_certain:
            self.found.notes["messages of the corpus whose parts no parser is sure of"] += 1
            return
        people = mime_says.people(message)
        if people is not None:
            due = Counter((kind, address.lower(), squashed(name)) for kind, name, address in people)
            held = Counter({key: n for key, n in _recipients(item).items() if key[0] != "bcc" or key in due})
            self.found.same("recipients (corpus)", where, sorted(held.elements()), sorted(due.elements()))
        is_one = len(contents.texts) == 1 and (
            not contents.htmls or message.get_content_type() == "multipart/alternative"
        )
        body = mime_says.text_of(contents.texts[0]) if is_one else None
        if body is not None:
            self.found.same("body (corpus)", where, squashed(item[0x1000]), squashed(body))
        digests = Counter(hashlib.sha256(one.data or b"").hexdigest() for one in item.attachments if one.method == 1)
        due_files = Counter(hashlib.sha256(mime_says.payload(part)).hexdigest() for part, _ in contents.attached)
        self.found.check(
            "attachments (corpus)", f"{where}: {sum((due_files - digests).values())} not there", digests == due_files
        )
        inner = sum(one.item is not None for one in item.attachments)
        self.found.same("nested items (corpus)", where, inner, contents.embedded)


def _headers_alone(raw: bytes) -> Any:
    message = message_from_bytes(re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0] + b"\r\n\r\n")
    for name in ("received", "resent-date"):
        del message[name]
    return message


def _others(row: Row, raw: bytes) -> set[datetime | None]:
    """Fallbacks of a date that is not told: topmost `Received`, created, last modified."""
    received = message_from_bytes(re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0] + b"\r\n\r\n").get_all("received", [])
    found: set[datetime | None] = {set_date(row.get("createdDateTime")), set_date(row.get("lastModifiedDateTime"))}
    if received:
        alone = message_from_bytes(b"Date: " + str(received[0]).rpartition(";")[2].strip().encode() + b"\r\n\r\n")
        told = mime_says.date_of(alone)
        found.add(set_date(told) if told else None)
    return found


def _recipients(item: Item) -> Counter[tuple[str, str, str]]:
    held: Counter[tuple[str, str, str]] = Counter()
    for one in item.recipients:
        kind = KINDS.get(int(one.get(0x0C15, 0)) & 0x0F, "other")
        address = str(one.get(0x39FE) or one.get(0x3003) or "")
        held[kind, address.lower(), squashed(one.get(0x3001) or address)] += 1
    return held


def _names(files: list[Row], missing: Counter[str]) -> str:
    return short([one.get("name") for one in files if one["_c"]["sha256"] in missing])


def _is_name(held: str, wanted: str) -> bool:
    if not wanted:
        return re.fullmatch(r"attachment-\d+(\.\w+)?", held) is not None
    return squashed(held) == squashed(wanted) or held.strip(" ._") == wanted.strip(" ._")
