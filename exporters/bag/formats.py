"""Names and forms of what lies in a bag: the one thing that writers and `verify` share.

Rules of this file: no I/O, no decisions; constants, and JSON to bytes and back. Source: design §4, docs/formats.md.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import orjson

JsonObject = dict[str, Any]
Identity = tuple[str, str, str]
"""(kind, scope, id) of a row."""

LAYOUT = 1
SEGMENT_DIGITS = 9

BAGIT = "bagit.txt"
BAG_INFO = "bag-info.txt"
MANIFEST = "manifest-sha256.txt"
TAGMANIFEST = "tagmanifest-sha256.txt"
SOURCE = "lastcopy/source.json"
ITEMS = "lastcopy/items.jsonl"
EXCEPTIONS = "lastcopy/exceptions.jsonl"
PERMISSIONS = "lastcopy/permissions.jsonl"
RECONCILIATION = "lastcopy/reconciliation.json"
HEAD = "lastcopy/head.json"
OWED = "lastcopy/owed.jsonl"
LEDGER = "lastcopy/ledger/"

TAG_FILES = (BAGIT, BAG_INFO, MANIFEST, SOURCE, ITEMS, EXCEPTIONS, PERMISSIONS, RECONCILIATION, HEAD, OWED)
"""All that the tagmanifest may name; PERMISSIONS is there only where permissions were asked for."""

BAGIT_TEXT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
SOFTWARE_AGENT = "Lastcopy (store layout 1)"

ABOUT = "data/about.txt"
FILES = "data/files"
CHANGED = "data/changed"
VERSIONS = "data/versions"
ORIGINALS = "data/originals/"
LIBRARIES = "data/libraries"
LISTS = "data/lists"
PAGES = "data/pages"
OBJECT = rf"(?:{ORIGINALS}[a-z]+|{LISTS}/[^/]+/(?:items|columns)|data/site/site)-[0-9]{{5,}}\.(?:zip|jsonl)"
"""Pattern of the keys of objects that hold entries."""
_OBJECT = re.compile(OBJECT)

DIRECTORY_KINDS = frozenset({"user", "group", "licence", "subscription", "domain", "organization", "role", "term"})
"""Kinds of rows of the bag of the directory; all are entries of objects."""

LISTED_KINDS = frozenset(
    {
        "file",
        "folder",
        "package",
        "shortcut",
        "other",
        "message",
        "contact",
        "event",
        "task",
        "post",
        "list_item",
        "page",
    }
    | DIRECTORY_KINDS
)
"""Kinds of rows that are items of a source as the service lists them; the others are made by us or hang on these."""

PLACED_KINDS = LISTED_KINDS | {"stream"}
"""Kinds of rows that stand in a folder and are counted there. A stream is a second capture: no item of its own in `counts`."""

ENTRY_KINDS = (
    frozenset({"message", "contact", "event", "task", "post", "rule", "category", "setting", "stream"})
    | {"list_item", "columns", "site"}
    | DIRECTORY_KINDS
)
"""Kinds of rows whose bytes are an entry of an object: their `key` is the object's key, `!`, and the entry's name or line. The
object has a row of kind `original`. Versions of such items have keys of the same form."""


def _has_surrogate(value: object) -> bool:
    if isinstance(value, str):
        return any("\ud800" <= c <= "\udfff" for c in value)
    if isinstance(value, Mapping):
        return any(_has_surrogate(k) or _has_surrogate(v) for k, v in value.items())
    if isinstance(value, list | tuple):
        return any(_has_surrogate(v) for v in value)
    return False


def dump_json(value: Mapping[str, Any]) -> bytes:
    """`value` as the house writes JSON: sorted keys, no spaces, UTF-8; all escaped if it holds a lone surrogate."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        # orjson refuses lone surrogates and integers beyond 64 bits; the standard library takes both
        escaped = _has_surrogate(value)
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=escaped).encode()


def dump_row(value: Mapping[str, Any]) -> bytes:
    """One line of a `.jsonl`: `dump_json` and a newline."""
    return dump_json(value) + b"\n"


def dump_typed(kind: str, value: bytes) -> bytes:
    """A line of the ledger: an object with one key, the type of the row. value: as `dump_json` gave it."""
    return b'{"%b":%b}\n' % (kind.encode(), value)


def kind_and_value(line: bytes) -> tuple[str, bytes]:
    """What `dump_typed` put together. Raises: ValueError if it is no such line."""
    end = line.find(b'":{', 2)
    if not line.startswith(b'{"') or end < 0 or not line.endswith(b"}}\n") or not line[2:end].isalpha():
        raise ValueError("a line of a ledger was expected")
    return line[2:end].decode(), line[end + 2 : -2]


def load_json(data: bytes) -> JsonObject:
    """The object that `data` holds. Raises: ValueError if it is no JSON object."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            value = json.loads(data)
        except RecursionError:
            raise ValueError("it is nested too deep to be our JSON") from None
    if not isinstance(value, dict):
        raise ValueError("a JSON object was expected")  # noqa: TRY004 - one class for all that is not our JSON
    return value


def segment_key(folder: str, number: int) -> str:
    """Key of segment `number` below `folder` (which ends in `/`)."""
    return f"{folder}{number:0{SEGMENT_DIGITS}d}.jsonl"


def identity(row: Mapping[str, Any]) -> Identity:
    """Identity of a row of `items.jsonl`."""
    return str(row["kind"]), str(row["scope"]), str(row["id"])


def entry_of(key: str) -> tuple[str, str] | None:
    """(key of the object, name or line) of a key that names an entry; None if it names none. A list may be called anything, so
    that its part of the key holds a `!` of its own."""
    found = _OBJECT.match(key)
    if found is None or key[found.end() : found.end() + 1] != "!":
        return None
    return found[0], key[found.end() + 1 :]


def manifest_line(sha256: str, path: str) -> bytes:
    """A line of a BagIt manifest. CR, LF and % are escaped as RFC 8493 §2.1.3 asks; our keys hold none of them."""
    escaped = path.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return f"{sha256}  {escaped}\n".encode()
