"""The truth of a tenant, read from its folder (reference/tenant-data.md) or from the rehearsal server's control endpoint.

Rules of this file: standard library only; imports nothing of ours. It applies changes by itself, so that the server which
served them is judged as well.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Row = dict[str, Any]
TILE = 54_720


@dataclass
class DriveTruth:
    """One OneDrive: its items by id, and those that once were. `owner`: the user's row."""

    id: str
    folder: str
    owner: Row
    items: dict[str, Row]
    deleted: dict[str, Row] = field(default_factory=dict)

    def path(self, item_id: str) -> str:
        """Path from the root by ids and names, code point by code point."""
        row, names = self.items[item_id], []
        while "root" not in row:
            names.append(row["name"])
            row = self.items[row["parentReference"]["id"]]
        return "/" + "/".join(reversed(names))

    def lineage(self, item_id: str) -> list[tuple[str, str]]:
        """[(name, id), …] from below the root to the item."""
        row, found = self.items[item_id], []
        while "root" not in row:
            found.append((row["name"], row["id"]))
            row = self.items[row["parentReference"]["id"]]
        return found[::-1]

    def below(self, item_id: str) -> list[str]:
        """Ids of all that lies in an item."""
        found, waiting = [], [item_id]
        children: dict[str, list[str]] = {}
        for row in self.items.values():
            children.setdefault(row["parentReference"].get("id", ""), []).append(row["id"])
        while waiting:
            more = children.get(waiting.pop(), [])
            found += more
            waiting += more
        return found


@dataclass
class Truth:
    """All OneDrives of a tenant by drive id, and where contents are read from."""

    folder: Path
    info: Row
    drives: dict[str, DriveTruth]
    _packs: dict[str, bytes] = field(default_factory=dict)

    def read(self, reference: Row) -> bytes:
        """The bytes that a content reference stands for."""
        if "pack" in reference:
            with (self.folder / reference["pack"]).open("rb") as pack:
                pack.seek(reference["off"])
                data = pack.read(reference["len"])
        else:
            size = min(TILE, max(reference["len"], 8))
            noise = hashlib.shake_256(("tile1:" + reference["gen"]).encode()).digest(size)
            tiles = range(-(-reference["len"] // size))
            data = b"".join(n.to_bytes(8, "big") + noise[8:] for n in tiles)[: reference["len"]]
        if hashlib.sha256(data).hexdigest() != reference["sha256"]:
            raise AssertionError(f"the truth itself is broken: {reference}")
        return data

    def apply(self, change: Row) -> None:
        """One row of changes.jsonl; what is no change of a drive, or of an item that is gone, does nothing."""
        if change.get("kind") != "driveItem":
            return
        drive = next((d for d in self.drives.values() if d.folder == change["drive"]), None)
        row = drive.items.get(change.get("id", "")) if drive else None
        if drive is None or row is None:
            return
        op = change["op"]
        if op == "rename":
            drive.items[row["id"]] = {**row, "name": change["name"]}
        elif op == "modify":
            content = change["_c"]
            file = {**row["file"], "hashes": {"quickXorHash": content["qx"]} if content["len"] else {}}
            versions = _versions_after(row)
            drive.items[row["id"]] = {**row, "_c": content, "size": content["len"], "file": file, "_versions": versions}
        elif op in ("delete", "delete-recreate"):
            for item_id in [*drive.below(row["id"]), row["id"]]:
                drive.deleted[item_id] = drive.items.pop(item_id)
        elif op == "move":
            drive.items[row["id"]] = {**row, "parentReference": {**row["parentReference"], "id": change["to"]}}
        elif op == "permissions":
            drive.items[row["id"]] = {**row, "_permissions": change["set"], "shared": {"scope": "users"}}
        elif op != "touch":
            raise AssertionError(f"a change of kind {op!r} is not known to the judge")

    def adopt(self, drive: DriveTruth, served: list[Row]) -> list[str]:
        """Compare with what the server says is true now; items that it made (their ids are its own) are taken over.

        served: rows of `GET /truth/drives/NAME`. Returns the differences.
        """
        now = {row["id"]: row for row in served if not row["deleted"]}
        for row in now.values():
            if row["id"] not in drive.items:
                drive.items[row["id"]] = _row_of(row)
        wrong = [f"{item_id} is not served" for item_id in drive.items if item_id not in now]
        for item_id, row in drive.items.items():
            told = now.get(item_id, {})
            if told and told["path"] != drive.path(item_id):
                wrong.append(f"{told['path']!r} served, {drive.path(item_id)!r} due")
            if "_c" in row and told and told["sha256"] != row["_c"]["sha256"]:
                wrong.append(f"{told['path']!r}: other content served")
        return wrong


def _versions_after(row: Row) -> list[Row]:
    """Versions of a file that gets new content: what was current is an earlier one now."""
    known = row.get("_versions") or [{"id": "1.0", "_current": True}]
    former = {**known[0], "_c": row["_c"]}
    del former["_current"]
    major = int(known[0]["id"].partition(".")[0])
    return [{"id": f"{major + 1}.0", "_current": True}, former, *known[1:]]


def _row_of(told: Row) -> Row:
    """A row of the truth for an item that a change made on the server."""
    times = {"createdDateTime": told["lastModifiedDateTime"], "lastModifiedDateTime": told["lastModifiedDateTime"]}
    row = {"id": told["id"], "name": told["name"], "fileSystemInfo": times, "parentReference": {"id": told["parent"]}}
    if told["kind"] == "folder":
        return {**row, "folder": {}, "size": 0, "_made": True}
    content = {"len": told["size"], "sha256": told["sha256"], "qx": None}
    return {**row, "size": told["size"], "file": {"hashes": {}}, "_c": content, "_made": True}


def rows_of(path: Path) -> Iterator[Row]:
    """Rows of a `.jsonl`."""
    with path.open("rb") as lines:
        for line in lines:
            yield json.loads(line)


def load(folder: Path) -> Truth:
    """The OneDrives of a tenant folder."""
    drives = {}
    for user in rows_of(folder / "users.jsonl"):
        if user.get("_drive"):
            info = json.loads((folder / user["_drive"] / "drive.json").read_bytes())
            items = {row["id"]: row for row in rows_of(folder / user["_drive"] / "items.jsonl")}
            drives[info["id"]] = DriveTruth(info["id"], user["_drive"], user, items)
    return Truth(folder, json.loads((folder / "tenant.json").read_bytes()), drives)
