"""What a mailbox is beside its items: whose it is, its settings, inbox rules and categories.

Rules of this file: nothing tells when one of these changes, so they are read again once a day; a part that is refused does not
stop the copy, and is named in the line of the settings. Source: design §4 (payload: settings), graph.md §3.1, §3.6.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from exporters.bag.formats import JsonObject, load_json
from exporters.bag.ledger import BagWriter
from exporters.clock import Clock, timestamp
from exporters.errors import ItemError, LastcopyError, SourceError
from exporters.graph.answers import identifier_of, text_of
from exporters.graph.errors import NoMailboxError
from exporters.graph.mailbox import Mailbox
from exporters.mail.capture.facts import digest, record_of
from exporters.mail.capture.objects import Objects

SCOPE = "settings"
AFTER = timedelta(days=1)
_OWNER = "id,displayName,mail,userPrincipalName,proxyAddresses,userType"
_GROUP = "id,displayName,mail,proxyAddresses,description"


def refresh_profile(mailbox: Mailbox, writer: BagWriter, clock: Clock, *, is_group: bool) -> None:
    """Read it if that was not done for a day, and write down what is new.

    Raises: NoMailboxError, RunError, errors of the store.
    """
    cursor = writer.heads.cursors.get(SCOPE, {})
    now = clock.now()
    if cursor and now - datetime.fromisoformat(cursor["at"]) < AFTER:
        return
    lines = list(_lines(mailbox, is_group=is_group))
    told = digest({"lines": lines})
    if told != cursor.get("digest"):
        _keep(writer, clock, lines)
    value = {"scope": SCOPE, "kind": "listed", "link": "", "digest": told, "at": timestamp(now)}
    writer.emit("cursor", value)


def _lines(mailbox: Mailbox, *, is_group: bool) -> list[JsonObject]:
    """{"kind", "id", "graph"} of each; of a part that is refused `{"kind": "setting", "id", "code", "reason"}`."""
    owner = {"$select": _GROUP if is_group else _OWNER}
    parts: list[tuple[str, str, Callable[[], list[JsonObject]]]] = [
        ("setting", "owner", lambda: [mailbox.get("", params=owner)]),
    ]
    if not is_group:
        parts += [
            ("setting", "mailboxSettings", lambda: [mailbox.get("/mailboxSettings")]),
            ("category", "masterCategories", lambda: _all(mailbox, "/outlook/masterCategories")),
            ("rule", "messageRules", lambda: _all(mailbox, "/mailFolders/inbox/messageRules")),
        ]
    lines: list[JsonObject] = []
    for kind, name, read in parts:
        try:
            found = [record_of(served) for served in read()]
        except NoMailboxError:
            raise
        except (ItemError, SourceError) as error:
            lines.append(_refused(name, error))
            continue
        for one in found:
            item_id = name if kind == "setting" else identifier_of(one.get("id"))
            if item_id is not None:
                lines.append({"kind": kind, "id": item_id, "graph": one})
    return lines


def _all(mailbox: Mailbox, path: str) -> list[JsonObject]:
    return [row for page in mailbox.pages(path) for row in page]


def _refused(name: str, error: LastcopyError) -> JsonObject:
    return {"kind": "setting", "id": name, "graph": {}, "code": error.code, "reason": str(error)}


def _keep(writer: BagWriter, clock: Clock, lines: list[JsonObject]) -> None:
    """All of them as lines of one file, with their rows; what is there no more is gone."""
    objects = Objects(writer, clock)
    try:
        file = objects.lines("settings")
        at = {"run": writer.run.id, "captured": timestamp(clock.now())}
        there: set[tuple[str, str]] = set()
        for line in lines:
            there.add((line["kind"], line["id"]))
            name = text_of(line["graph"].get("displayName")) or ""
            row: JsonObject = {
                "kind": line["kind"],
                "scope": "",
                "id": line["id"],
                "name": name,
                "outcome": "copied",
                **at,
            }
            held = writer.state.row((line["kind"], "", line["id"]))
            if held is not None and held.get("key") is not None:
                file.rows.append(("item", _earlier(held)))
            row["key"], row["size"], row["sha256"] = file.add(line)
            file.rows.append(("item", row))
        query = "kind IN ('setting', 'category', 'rule') AND outcome = 'copied'"
        for held in map(load_json, list(writer.state.rows(query))):
            if (held["kind"], held["id"]) not in there:
                file.rows.append(("item", {**held, "outcome": "gone", "since": at["captured"], "run": at["run"]}))
        objects.finish()
    except BaseException:
        objects.abandon()
        raise


def _earlier(held: JsonObject) -> JsonObject:
    """What stood there before, where it lies."""
    names = ("key", "size", "sha256", "captured", "run", "name")
    row = {name: held[name] for name in names if name in held}
    return {
        **row,
        "kind": "version",
        "scope": held["id"],
        "id": held["captured"],
        "parent": held["id"],
        "outcome": "copied",
    }
