"""`$expand`, and the extended properties that it can ask for.

Rules of this file: properties are asked by name and answered if they are there, ids normalised as the service does (leading
zeros dropped, letters small); an id that fits no grammar is 400. Values follow from the row; what a row holds under `_extended`
(id: value) goes before.
Source: reference/graph.md 3.5; reference/mapi-mapping.md 1.10.
"""

import base64
import hashlib
import re
from collections.abc import Callable
from typing import Any

from exporters.rehearsal.content import ContentReader
from exporters.rehearsal.documents import Row
from exporters.rehearsal.mailbox_rows import Kind
from exporters.rehearsal.mailboxes import Mailbox
from exporters.rehearsal.mime_streams import header_lines
from exporters.rehearsal.routes.answers import bad_request

_TYPES = "Boolean|Binary|Double|Integer|Long|Short|String|SystemTime|CLSID|Float|Currency|ApplicationTime"
_ID = re.compile(
    rf"^({_TYPES})(Array)?\s+(?:(0x[0-9A-Fa-f]+)|(\{{[0-9A-Fa-f-]{{36}}\}})\s+(Id|Name)\s+(\S.*))$", re.IGNORECASE
)
_EQUAL = re.compile(r"id eq '((?:[^']|'')*)'")
SINGLE, MULTI = "singleValueExtendedProperties", "multiValueExtendedProperties"


def expansions(text: str | None) -> dict[str, dict[str, str]]:
    """What is expanded, each with its own options. Raises ApiError 400."""
    found: dict[str, dict[str, str]] = {}
    for part in _cut(text or "", ","):
        name, _, options = part.partition("(")
        if options and not options.endswith(")"):
            raise bad_request(f"$expand={text} is not closed.")
        pairs = [option.partition("=") for option in _cut(options[:-1], ";")]
        found[name.strip()] = {key.strip(): value for key, _, value in pairs}
    return found


def _cut(text: str, at: str) -> list[str]:
    """Cut at a sign that stands in no brackets and no quotes."""
    parts, depth, quoted, last = [], 0, False, 0
    for place, sign in enumerate(text):
        quoted ^= sign == "'"
        depth += 0 if quoted else (sign == "(") - (sign == ")")
        if sign == at and not depth and not quoted:
            parts.append(text[last:place])
            last = place + 1
    parts.append(text[last:])
    return [part.strip() for part in parts if part.strip()]


def normal_id(text: str) -> str:
    """The id as the service writes it: `String 0x37`. Raises ApiError 400."""
    found = _ID.match(text.strip())
    if found is None:
        raise bad_request(f"The id '{text}' of an extended property is malformed.", "ErrorInvalidRequest")
    kind, array, tag, guid, form, name = found.groups()
    kind = next(known for known in _TYPES.split("|") if known.lower() == kind.lower()) + ("Array" if array else "")
    if tag:
        return f"{kind} 0x{int(tag, 16):x}"
    if form.lower() == "id":
        try:
            return f"{kind} {guid.lower()} Id 0x{int(name, 16):x}"
        except ValueError as error:
            raise bad_request(
                f"The id '{text}' of an extended property is malformed.", "ErrorInvalidRequest"
            ) from error
    return f"{kind} {guid.lower()} Name {name}"


def wanted_ids(options: dict[str, str]) -> list[str]:
    """The ids of an expansion's `$filter`, normalised. Raises ApiError 400."""
    text = options.get("$filter", "")
    if set(options) - {"$filter"} or re.sub(r"\bor\b", "", _EQUAL.sub("", text)).strip():
        raise bad_request("Extended properties are served with $filter=id eq '…' or id eq '…' only.")
    ids = [normal_id(one.replace("''", "'")) for one in _EQUAL.findall(text)]
    if not ids:
        raise bad_request("Expanding extended properties needs a $filter by id.")
    return ids


def with_extended(
    found: Row, asked: dict[str, dict[str, str]], reader: ContentReader, box: Mailbox, kind: Kind, n: int
) -> Row:
    """A row with the extended properties that were asked for; an array without values is missing. Raises ApiError 400."""
    for name in (SINGLE, MULTI):
        if name not in asked:
            continue
        rows = []
        for one in wanted_ids(asked[name]):
            value = _value(one, reader, box, kind, n)
            if value is not None and isinstance(value, list) == (name == MULTI):
                rows.append({"id": one, "value": value})
        if rows:
            found[name] = rows
    return found


def _value(wanted: str, reader: ContentReader, box: Mailbox, kind: Kind, n: int) -> Any:
    row = box.row(kind, n)
    own = {normal_id(name): value for name, value in row.get("_extended", {}).items()}
    if wanted in own:
        return own[wanted]
    if wanted == "String 0x7d":
        return _headers(reader, row) if kind == "message" else None
    if wanted == "Binary 0x300b":
        return search_key(box, kind, n)
    if wanted == "Binary 0xfff":
        return _binary(f"{box.folder}|{row['id']}|entry", 35)
    rule = _RULES.get(kind, {}).get(wanted)
    return rule(row) if rule is not None else None


def search_key(box: Mailbox, kind: Kind, n: int) -> str:
    """16 bytes that stay with an item through all moves, and are the same on every route to it."""
    return _binary(f"{box.folder}|{kind}|{n}|search", 16)


def _binary(seed: str, length: int) -> str:
    return base64.b64encode(hashlib.sha512(seed.encode()).digest()[:length]).decode()


def _headers(reader: ContentReader, row: Row) -> str | None:
    if row.get("isDraft") or "_mime" not in row:
        return None
    return header_lines(reader, row["_mime"]).decode("utf-8", "replace") + "\r\n"


def _flags(row: Row) -> str:
    read, draft, attached = row.get("isRead"), row.get("isDraft"), row.get("_attachments")
    return str((1 if read else 0) | (8 if draft else 0) | (16 if attached else 0))


def _flag_status(row: Row) -> str | None:
    return {"complete": "1", "flagged": "2"}.get(str(row.get("flag", {}).get("flagStatus")))


def _sender(key: str, part: str) -> Callable[[Row], Any]:
    def value(row: Row) -> Any:
        found = (row.get(key) or {}).get("emailAddress", {}).get(part)
        return found or None

    return value


_IMPORTANCE = {"low": "0", "normal": "1", "high": "2"}
_RULES: dict[Kind, dict[str, Callable[[Row], Any]]] = {
    "message": {
        "String 0x1a": lambda row: row.get("_class", "IPM.Note"),
        "Integer 0xe07": _flags,
        "Integer 0xe08": lambda row: str(row.get("_size", 0)),
        "Boolean 0xe1b": lambda row: "true" if row.get("_attachments") else "false",
        "Integer 0x17": lambda row: _IMPORTANCE.get(str(row.get("importance"))),
        "Integer 0x36": lambda row: "0",
        "Integer 0x1090": _flag_status,
        "SystemTime 0xe06": lambda row: row.get("receivedDateTime"),
        "SystemTime 0x39": lambda row: row.get("sentDateTime"),
        "SystemTime 0x3007": lambda row: row.get("createdDateTime"),
        "SystemTime 0x3008": lambda row: row.get("lastModifiedDateTime"),
        "String 0x37": lambda row: row.get("subject"),
        "String 0x1035": lambda row: row.get("internetMessageId"),
        "String 0xc1f": _sender("sender", "address"),
        "String 0xc1a": _sender("sender", "name"),
        "String 0x65": _sender("from", "address"),
        "String 0x42": _sender("from", "name"),
    },
    "folder": {
        "Long 0xe08": lambda row: str(row.get("sizeInBytes", 0)),
        "String 0x3613": lambda row: "IPF.Note",
        "Integer 0x3601": lambda row: (
            "2" if "searchFolder" in str(row.get("@odata.type", "")).replace("S", "s") else "1"
        ),
        "String 0x3001": lambda row: row.get("displayName"),
    },
    "event": {"String 0x1a": lambda row: "IPM.Appointment", "String 0x37": lambda row: row.get("subject")},
    "contact": {"String 0x1a": lambda row: "IPM.Contact", "String 0x3001": lambda row: row.get("displayName")},
    "contactFolder": {"String 0x3613": lambda row: "IPF.Contact"},
    "calendar": {"String 0x3613": lambda row: "IPF.Appointment"},
}
