"""Compares the bag of a directory with the truth of a tenant, by id and property by property.

Rules of this file: standard library only; imports nothing of ours. It reads the rows, the lines that they name, and the
tables; all that it finds wrong is a sentence.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Row = dict[str, Any]
NOT_IN_LISTINGS = frozenset({"mailboxSettings"})


@dataclass
class Expected:
    """A directory as it is now. Rows as in users.jsonl and groups.jsonl; ids of what was there and is not any more."""

    users: list[Row]
    groups: list[Row]
    deleted_users: list[Row] = field(default_factory=list)
    deleted_groups: list[Row] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)  # ids of groups whose members could not be read


def read(data: Path) -> Expected:
    """The truth of a tenant's folder."""
    rows = {
        name: [json.loads(line) for line in (data / f"{name}.jsonl").read_text().splitlines()]
        for name in ("users", "groups")
    }
    more = json.loads((data / "directory.json").read_text()) if (data / "directory.json").exists() else {}
    return Expected(rows["users"], rows["groups"], more.get("deletedUsers", []), more.get("deletedGroups", []))


def rows_of(bag: Path) -> list[Row]:
    """The rows of a bag."""
    return [json.loads(line) for line in (bag / "lastcopy/items.jsonl").read_bytes().splitlines()]


def line_of(bag: Path, row: Mapping[str, Any]) -> Row:
    """The line that a row names; it must have the bytes that the row says."""
    key, _, number = str(row["key"]).partition("!")
    data = (bag / key).read_bytes().split(b"\n")[int(number) - 1]
    assert hashlib.sha256(data).hexdigest() == row["sha256"] and len(data) == row["size"], row
    found: Row = json.loads(data)
    return found


def judge(store: Path, expected: Expected) -> list[str]:
    """What is wrong."""
    bag = store / "directory"
    rows = rows_of(bag)
    wrong = _things(bag, rows, "user", "users", expected.users, "deleted_users", expected.deleted_users)
    wrong += _things(bag, rows, "group", "groups", expected.groups, "deleted_groups", expected.deleted_groups)
    wrong += _members(bag, rows, expected)
    gone = {row["id"] for row in rows if row["outcome"] == "gone" and row["kind"] in ("user", "group")}
    if gone != expected.gone:
        wrong.append(f"gone are {sorted(gone)}, not {sorted(expected.gone)}")
    wrong += _lines_of_all(bag, rows)
    wrong += _tables(bag, expected, gone)
    return wrong


def _things(
    bag: Path, rows: list[Row], kind: str, folder: str, live: list[Row], deleted_folder: str, deleted: list[Row]
) -> list[str]:
    wrong = []
    held = {row["id"]: row for row in rows if row["kind"] == kind and row["outcome"] == "copied"}
    for place, things in ((folder, live), (deleted_folder, deleted)):
        there = {row_id for row_id, row in held.items() if row["parent"] == place}
        wanted = {thing["id"] for thing in things}
        wrong += [f"{kind} {one} is not in {place}" for one in sorted(wanted - there)]
        wrong += [f"{kind} {one} is in {place}, and ought not to be" for one in sorted(there - wanted)]
        for thing in things:
            if thing["id"] in there:
                graph = line_of(bag, held[thing["id"]])["graph"]
                wrong += [f"{kind} {thing['id']}: {text}" for text in _differences(thing, graph)]
    return wrong


def _differences(truth: Row, served: Row) -> Iterable[str]:
    for name, value in truth.items():
        if not name.startswith("_") and name not in NOT_IN_LISTINGS and served.get(name) != value:
            yield f"{name} is {served.get(name)!r}, not {value!r}"


def _members(bag: Path, rows: list[Row], expected: Expected) -> list[str]:
    wrong, names = [], {row["id"]: row for row in (*expected.users, *expected.groups)}
    held = {row["id"]: row for row in rows if row["kind"] == "group" and row["outcome"] == "copied"}
    for group in expected.groups:
        if group["id"] in expected.hidden or group["id"] not in held:
            continue
        line = line_of(bag, held[group["id"]])
        for part, key in (("members", "_members"), ("owners", "_owners")):
            ids = [one["id"] for one in line[part]]
            if ids != sorted(set(group.get(key, ()))):
                wrong.append(f"{part} of {group['id']} are {ids[:5]}…, not {sorted(group.get(key, ()))[:5]}…")
            wrong += [
                f"member {one['id']} is named {one.get('displayName')!r}"
                for one in line[part]
                if one["id"] in names and one.get("displayName") != names[one["id"]]["displayName"]
            ]
    return wrong


def _lines_of_all(bag: Path, rows: list[Row]) -> list[str]:
    """Every entry is there, as its row says, and no line is nobody's."""
    named: dict[str, set[int]] = {}
    for row in rows:
        if "!" in row.get("key", ""):
            line_of(bag, row)
            key, _, number = row["key"].partition("!")
            named.setdefault(key, set()).add(int(number))
    wrong = []
    for path in sorted((bag / "data/originals").iterdir()):
        key, lines = f"data/originals/{path.name}", path.read_bytes().count(b"\n")
        if key not in named and any(row["kind"] == "leftover" and row["key"] == key for row in rows):
            continue
        if named.get(key, set()) != set(range(1, lines + 1)):
            wrong.append(f"{key} has {lines} lines, the rows name {sorted(named.get(key, set()))[:10]}")
    return wrong


def table(bag: Path, name: str) -> list[Row]:
    """A table as a spreadsheet has it."""
    data = (bag / "data/directory" / name).read_bytes()
    assert data.startswith(b"\xef\xbb\xbf"), name
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def _tables(bag: Path, expected: Expected, gone: set[str]) -> list[str]:
    wrong = []
    for name, live, deleted in (
        ("users.csv", expected.users, expected.deleted_users),
        ("groups.csv", expected.groups, expected.deleted_groups),
    ):
        found = {row["id"]: row["state"] for row in table(bag, name)}
        wanted = {row["id"]: "active" for row in live} | {row["id"]: "deleted" for row in deleted}
        if {one: state for one, state in found.items() if state != "gone"} != wanted:
            wrong.append(f"{name} does not hold what there is")
        if not {one for one, state in found.items() if state == "gone"} <= gone:
            wrong.append(f"{name} holds as gone what is not")
    people = {(row["groupId"], row["role"], row["id"]) for row in table(bag, "members.csv")}
    parts = (("member", "_members"), ("owner", "_owners"))
    groups = [group for group in expected.groups if group["id"] not in expected.hidden]
    wanted_people = {(g["id"], role, one) for g in groups for role, key in parts for one in g.get(key, ())}
    if people != wanted_people:
        wrong.append(f"members.csv: {len(people)} rows, not {len(wanted_people)}")
    return wrong
