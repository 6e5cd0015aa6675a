"""What a PST of a tree of `.eml` files must hold, said by Python's `email` alone: the expectation file of `pst_judge.py`.

Rules of this file: no code of ours, no code of the writer or of the converter. Headers are decoded by `email.header`,
addresses by `email.utils`, bodies and attachments by `get_payload(decode=True)`. The rules of the mapping about which
part becomes what (reference/mapi-mapping.md §1) are written here a second time. Subjects, dates and texts that only a
lenient reader can make something of are left out of the expectation and counted in `loose`. As a script:
`mail_expectation.py FOLDER > expect.json`.
"""

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import Header, decode_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from pathlib import Path
from typing import Any

BAD_IN_NAMES = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f]')


def words(value: Any) -> str | None:
    """A decoded header; None where it holds raw 8-bit bytes or encoded words that `email` cannot decode."""
    if value is None:
        return ""
    if isinstance(value, Header):
        return None
    text = re.sub(r"\r?\n(?=[ \t])|\r(?=[ \t])", "", str(value)).strip()
    if "\r" in text or "\n" in text or "\0" in text or any(ord(c) < 32 and c != "\t" for c in text):
        return None
    try:
        pieces = decode_header(text)
        out = "".join(
            piece if isinstance(piece, str) else piece.decode(charset or "ascii") for piece, charset in pieces
        )
    except (HeaderParseError, LookupError, UnicodeDecodeError, ValueError):
        return None
    return None if "=?" in out or any(0xD800 <= ord(c) < 0xE000 for c in out) else out


def people(message: Message) -> list[list[str]] | None:
    """[kind, name, address] of all recipients; None where a header is not one of plain addresses."""
    found = []
    for kind, name in (("to", "to"), ("cc", "cc"), ("bcc", "bcc")):
        for value in message.get_all(name, []):
            text = words(value)
            if text is None:
                return None
            raw = re.sub(r"\s+", " ", str(value))
            if re.search(r"@[^,<]*<", raw):
                return None  # an address for a name: `email` takes it for one more address
            if re.search(r"[;:()\\<>]{2,}|[:;]|\(|\"", re.sub(r"\"[^\"\\<>@,;:]*\"", "", raw)):
                return None
            for real_name, address in getaddresses([raw]):
                shown = words(real_name)
                if (
                    shown is None
                    or "@" in shown
                    or not re.fullmatch(r"[\w.+%=~/'&#!$*^`{|}-]+@[\w.-]+", address, re.ASCII)
                ):
                    return None
                found.append([kind, shown or address, address])
    return found


def date_of(message: Message) -> str | None:
    """The header `Date` in UTC, where it is one; the delivery time where nothing but it tells."""
    dates = message.get_all("date", [])
    if len(dates) != 1 or message.get("received") or message.get("resent-date"):
        return None
    try:
        moment = parsedate_to_datetime(str(dates[0]))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None or not 1980 < moment.year < 2038:
        return None
    return moment.astimezone(UTC).replace(microsecond=0).strftime("%Y-%m-%dT%H:%M:%SZ")


class Contents:
    """Bodies and attachments of one message, in order."""

    def __init__(self, message: Message) -> None:
        self.texts: list[Message] = []
        self.htmls: list[Message] = []
        self.attached: list[tuple[Message, str]] = []
        self.embedded = 0
        self.is_certain = True
        self._take(message, top=True)

    def _take(self, part: Message, *, top: bool = False, alternative: bool = False) -> None:
        kind = part.get_content_type()
        if part.is_multipart() and kind.startswith("multipart/"):
            if kind in ("multipart/signed", "multipart/encrypted", "multipart/report"):
                self.is_certain = False
            kinds = [inner.get_content_type() for inner in part.get_payload()]  # type: ignore[union-attr]
            if kind == "multipart/alternative" and len(set(kinds)) < len(kinds):
                self.is_certain = False  # one of two alike is shown
            for inner in part.get_payload():  # type: ignore[union-attr]
                self._take(inner, alternative=kind == "multipart/alternative")  # type: ignore[arg-type]
            return
        if kind.startswith("message/") or part.is_multipart():
            if part.is_multipart() and kind in ("message/rfc822", "message/global"):
                self.embedded += 1
            else:
                self.is_certain = False
            return
        if kind.startswith("multipart/"):
            self.is_certain = False  # it says that it has parts, and `email` finds none
        name = part.get_filename()
        is_attachment = part.get_content_disposition() == "attachment" or (name is not None and not top)
        if kind in ("text/plain", "text/html") and not is_attachment:
            (self.texts if kind == "text/plain" else self.htmls).append(part)
            return
        if kind in ("text/calendar", "application/ms-tnef", "application/pkcs7-mime", "application/x-pkcs7-mime"):
            self.is_certain = False
        if alternative or top:
            self.is_certain = False
        self.attached.append((part, kind))


def payload(part: Message) -> bytes:
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def text_of(part: Message) -> str | None:
    charset = str(part.get_content_charset("us-ascii"))
    try:
        text = payload(part).decode(charset)
    except (LookupError, UnicodeDecodeError, ValueError):
        return None
    return None if re.search("[\0\ufffd\x80-\x9f]", text) else text


def expected(path: Path, folder: str, loose: dict[str, int]) -> dict[str, Any]:
    """One item of the expectation."""
    message = message_from_bytes(path.read_bytes())
    item: dict[str, Any] = {"folder": folder, "file": path.name}

    def put(key: str, value: Any) -> None:
        if value is None:
            loose[key] = loose.get(key, 0) + 1
        else:
            item[key] = value

    subjects = message.get_all("subject", [])
    put("subject", words(subjects[0]) if len(subjects) == 1 else None if subjects else "")
    put("date", date_of(message))
    contents = Contents(message)
    found = people(message)
    put("recipients", found if contents.is_certain else None)
    shown_once = len(contents.texts) == 1 and (
        not contents.htmls or message.get_content_type() == "multipart/alternative"
    )
    body = text_of(contents.texts[0]) if shown_once and contents.is_certain else None
    put("body", body)
    if not contents.is_certain:
        loose["attachments"] = loose.get("attachments", 0) + 1
        return item
    item["embedded"] = contents.embedded
    item["attachments"] = [
        {"size": len(payload(part)), "sha256": hashlib.sha256(payload(part)).hexdigest()}
        for part, _ in contents.attached
    ]
    for given, (part, _) in zip(item["attachments"], contents.attached, strict=True):
        name = part.get_filename()
        plain = words(name) if name else None
        if (
            plain
            and not BAD_IN_NAMES.search(plain)
            and plain.isascii()
            and not re.search(r"\s{2}|^\s|\s$|\.$|%", plain)
        ):
            given["name"] = plain
        else:
            loose["name"] = loose.get("name", 0) + 1
    return item


def walk(folder: Path, path: str) -> Iterator[tuple[Path, str]]:
    entries = sorted(folder.iterdir(), key=lambda entry: entry.name.encode())
    yield from ((entry, path) for entry in entries if entry.is_file() and entry.name.lower().endswith(".eml"))
    for entry in entries:
        if entry.is_dir():
            yield from walk(entry, f"{path}/{entry.name}")


def expectation(folder: Path) -> dict[str, Any]:
    """The expectation for `from-eml FOLDER`, and how many facts of each kind are left out of it."""
    loose: dict[str, int] = {}
    items = [expected(path, place, loose) for path, place in walk(folder, folder.name)]
    folders: dict[str, int] = {}
    for item in items:
        folders[item["folder"]] = folders.get(item["folder"], 0) + 1
    return {"folders": folders, "folders_exact": True, "items": items, "loose": loose}


if __name__ == "__main__":
    json.dump(expectation(Path(sys.argv[1])), sys.stdout, indent=0)
