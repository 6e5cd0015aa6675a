"""What a mailbox is beside its items: whose it is, its settings, inbox rules and categories.

Rules of this file: nothing tells when one of these changes, so they are read again once a day; a part that is refused does not
stop the copy: it is an exception with its code, what is held of it stays, and it is asked for in every run. Only what is new
becomes a line. Source: design §4 (payload: settings), graph.md §3.1, §3.6.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from exporters.bag.digests import Hashed
from exporters.bag.formats import JsonObject, dump_json, load_json
from exporters.bag.ledger import BagWriter
from exporters.clock import Clock, timestamp
from exporters.errors import ItemError, LastcopyError, SourceError
from exporters.graph.answers import identifier_of, text_of
from exporters.graph.errors import StoppedError
from exporters.graph.mailbox import Mailbox
from exporters.mail.capture.exceptions import NO_MAILBOX, code_of, reason_of
from exporters.mail.capture.facts import digest, record_of
from exporters.mail.capture.foreseen import Foreseen
from exporters.mail.capture.keeping import earlier
from exporters.mail.capture.objects import Objects
from exporters.outcomes import ExceptionCode, Outcome

SCOPE = "settings"
AFTER = timedelta(days=1)
_OWNER = "id,displayName,mail,userPrincipalName,proxyAddresses,userType"
_GROUP = "id,displayName,mail,proxyAddresses,description"
_SETTINGS, _CATEGORIES, _RULES = "/mailboxSettings", "/outlook/masterCategories", "/mailFolders/inbox/messageRules"
_KIND_OF_PART = {"masterCategories": "category", "messageRules": "rule"}
"""Parts that have rows of a kind of their own; the others are one row of kind `setting`."""
_REFUSED = "refused/"
"""What the id of a row begins with that stands for a part that could not be read."""


@dataclass(slots=True)
class _Profile:
    """lines: {"kind", "id", "graph"} of each thing that was read. refused: parts that could not be, and why."""

    lines: list[JsonObject] = field(default_factory=list)
    refused: dict[str, LastcopyError] = field(default_factory=dict)


def refresh_profile(mailbox: Mailbox, writer: BagWriter, clock: Clock, *, is_group: bool) -> None:
    """Read it if that was not done for a day, and write down what is new.

    Raises: NoMailboxError, UserNotFoundError, RunError, errors of the store.
    """
    cursor = writer.heads.cursors.get(SCOPE, {})
    now = clock.now()
    if cursor and not cursor.get("refused") and now - datetime.fromisoformat(cursor["at"]) < AFTER:
        return
    profile = _read(mailbox, is_group=is_group)
    refused = {name: code_of(error).value for name, error in sorted(profile.refused.items())}
    told = digest({"lines": profile.lines, "refused": refused})
    if told != cursor.get("digest"):
        _keep(writer, clock, profile)
    value: JsonObject = {"scope": SCOPE, "kind": "listed", "link": "", "digest": told, "at": timestamp(now)}
    if refused:
        value["refused"] = refused
    writer.emit("cursor", value)


def _read(mailbox: Mailbox, *, is_group: bool) -> _Profile:
    with Foreseen(mailbox) as asked:
        return _taken(_parts(mailbox, asked, is_group=is_group))


def _parts(mailbox: Mailbox, asked: Foreseen, *, is_group: bool) -> dict[str, Callable[[], list[JsonObject]]]:
    """How each part is read. The owner is asked for alone: a token may have to be renewed, or there is no mailbox."""

    def owner() -> list[JsonObject]:
        found = mailbox.get("", params={"$select": _GROUP if is_group else _OWNER})
        if not is_group:
            asked.expect(_SETTINGS)
            asked.expect_pages(_CATEGORIES)
            asked.expect_pages(_RULES)
        return [found]

    if is_group:
        return {"owner": owner}
    return {
        "owner": owner,
        "mailboxSettings": lambda: [asked.get(_SETTINGS)],
        "masterCategories": lambda: list(asked.rows(_CATEGORIES)),
        "messageRules": lambda: list(asked.rows(_RULES)),
    }


def _taken(parts: Mapping[str, Callable[[], list[JsonObject]]]) -> _Profile:
    profile = _Profile()
    for name, read in parts.items():
        try:
            found = [record_of(served) for served in read()]
        except (*NO_MAILBOX, StoppedError):
            raise
        except (ItemError, SourceError) as error:
            profile.refused[name] = error
            continue
        kind = _KIND_OF_PART.get(name, "setting")
        for one in found:
            item_id = name if kind == "setting" else identifier_of(one.get("id"))
            if item_id is not None:
                profile.lines.append({"kind": kind, "id": item_id, "graph": one})
    return profile


def _keep(writer: BagWriter, clock: Clock, profile: _Profile) -> None:
    """What is new as lines of one file, with their rows; what is there no more is gone."""
    objects = Objects(writer, clock)
    try:
        at = {"run": writer.run.id, "captured": timestamp(clock.now())}
        for line in profile.lines:
            held = writer.state.row((line["kind"], "", line["id"]))
            if held is not None and held["outcome"] == Outcome.COPIED and held["sha256"] == Hashed.of(dump_json(line)):
                continue
            name = text_of(line["graph"].get("displayName")) or ""
            row: JsonObject = {"kind": line["kind"], "scope": "", "id": line["id"], "name": name, "outcome": "copied"}
            row.update(at)
            file = objects.lines("settings")
            if held is not None and held.get("key") is not None:
                file.rows.append(("item", earlier(held)))
            row["key"], row["size"], row["sha256"] = file.add(line)
            file.rows.append(("item", row))
        objects.finish()
    except BaseException:
        objects.abandon()
        raise
    writer.emit_all([("item", row) for row in [*_gone(writer, profile, at), *_refused(writer, profile, at)]])


def _gone(writer: BagWriter, profile: _Profile, at: JsonObject) -> list[JsonObject]:
    there = {(line["kind"], line["id"]) for line in profile.lines}
    unread = {_KIND_OF_PART[name] for name in profile.refused if name in _KIND_OF_PART}
    query = "kind IN ('category', 'rule') AND outcome = 'copied'"
    return [
        {**held, "outcome": Outcome.GONE.value, "since": at["captured"], "run": at["run"]}
        for held in map(load_json, writer.state.rows(query))
        if (held["kind"], held["id"]) not in there and held["kind"] not in unread
    ]


def _refused(writer: BagWriter, profile: _Profile, at: JsonObject) -> list[JsonObject]:
    """A row for each part that could not be read, and for each that can be again."""
    rows: list[JsonObject] = []
    for name, error in profile.refused.items():
        held = writer.state.row(("setting", "", f"{_REFUSED}{name}"))
        code = code_of(error)
        if held is not None and held.get("code") == code:
            continue
        row = {"kind": "setting", "scope": "", "id": f"{_REFUSED}{name}", "name": name, **at}
        rows.append({**row, "outcome": Outcome.EXCEPTED.value, "code": code.value, "reason": reason_of(code, error)})
    for held in map(load_json, writer.state.rows("kind = 'setting' AND outcome = 'excepted' AND code != 'vanished'")):
        if held["name"] not in profile.refused:
            rows.append(
                {**held, **at, "code": ExceptionCode.VANISHED.value, "reason": "It was refused, and can be read again."}
            )
    return rows
