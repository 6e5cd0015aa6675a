"""Compares a store with the truth of a tenant, item by item: what issue acceptance (b) and (d) ask for.

Rules of this file: standard library only; imports nothing of ours. It answers a list of differences, each a sentence; an empty
list is the only good answer. It never asks the product what is right.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.independent import keys
from tests.independent.reader import Bag, Identity, Reading, Row, is_open, read_store, sha256_file
from tests.independent.truth import DriveTruth, Truth

REWRITTEN = re.compile(r"\.(doc|xls|ppt|vsd)[a-z]?$|\.(pdf|html?|one|onetoc2|aspx)$", re.IGNORECASE)
STAMP = r"\d{8}T\d{6}Z(-\d+)?"
GONE = "not_found_while_listed"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z(-\d+)?")
FACTS = {
    "eTag": lambda row: row.get("eTag"),
    "mimeType": lambda row: row.get("file", {}).get("mimeType"),
    "quickXorHash": lambda row: row.get("file", {}).get("hashes", {}).get("quickXorHash"),
    "childCount": lambda row: row.get("folder", {}).get("childCount"),
    "shared": lambda row: row.get("shared", {}).get("scope"),
    "publication": lambda row: row.get("publication", {}).get("level"),
}


@dataclass
class Settings:
    """What was asked of the export, and what the judge may expect. `before`: the reading of the run before. `unreachable`:
    {item id: code} of items that a fault plan kept from being read. `leftovers`: a writer was killed, so there
    may be some, and temporary files of the folder store that are not a day old."""

    versions: str | int = "current"
    permissions: str = "shared"
    before: Reading | None = None
    unreachable: dict[str, str] = field(default_factory=dict)
    leftovers: bool = False
    payload: bool = True


def judge(store: Path, truth: Truth, settings: Settings | None = None) -> list[str]:
    """All differences between a folder store and the truth."""
    settings = settings or Settings()
    reading = read_store(store, payload=settings.payload)
    wrong = [text for text in reading.differences if not (settings.leftovers and text.startswith(".lastcopy-tmp/"))]
    by_drive = {bag.source.get("id"): bag for bag in reading.bags.values()}
    if len(by_drive) != len(reading.bags):
        wrong.append("two bags of one source")
    for drive_id, drive in truth.drives.items():
        bag = by_drive.pop(drive_id, None)
        if bag is None:
            wrong.append(f"{drive.folder}: no bag")
            continue
        wrong += [f"{bag.name}: {text}" for text in BagJudge(bag, drive, settings).differences()]
    wrong += [f"{bag.name}: a bag of a drive that nobody has" for bag in by_drive.values()]
    return wrong


class BagJudge:
    """One bag beside one drive."""

    def __init__(self, bag: Bag, drive: DriveTruth, settings: Settings) -> None:
        self.bag, self.drive, self.settings = bag, drive, settings
        self.wrong: list[str] = []
        self.expected: set[Identity] = {("derived", "", "data/about.txt")}
        before = settings.before
        self.before = next((b for b in before.bags.values() if b.source["id"] == drive.id), None) if before else None

    def differences(self) -> list[str]:
        """Every check; the answer is the list of what is wrong."""
        self._frame()
        for item_id, row in self.drive.items.items():
            self._item(item_id, row)
        for item_id, row in self.drive.deleted.items():
            self._deleted(item_id, row)
        self._nothing_else()
        self._permissions()
        self._counts()
        return self.wrong

    def say(self, text: str) -> None:
        """Note a difference."""
        self.wrong.append(text)

    def _frame(self) -> None:
        source, owner = self.bag.source, self.drive.owner
        if (source.get("kind"), source.get("owner")) != ("onedrive", owner["id"]):
            self.say(f"source.json says {source}")
        if self.before is not None and self.before.name != self.bag.name:
            self.say(f"was {self.before.name} before")
        if self.before is None and not _names_bag(self.bag.name, owner["userPrincipalName"], self.drive.id):
            self.say(f"a bag of {owner['userPrincipalName']}")
        if is_open(self.bag):
            self.say("is open")
        if self.bag.listed:
            self.say(f"{len(self.bag.listed)} rows are owed")
        if self.bag.round is not None:
            self.say(f"a full round that began in segment {self.bag.round} never ended")
        cursor = self.bag.cursors.get(self.drive.id, {})
        if cursor.get("kind") != "delta" or not cursor.get("link"):
            self.say(f"cursor {cursor}")

    # -- items ------------------------------------------------------------------------------------------------------

    def _item(self, item_id: str, truth: Row) -> None:
        kind = kind_of(truth)
        path = self.drive.path(item_id)
        self.expected.add((kind, self.drive.id, item_id))
        row = self.bag.rows.get((kind, self.drive.id, item_id))
        if row is None:
            self.say(f"{kind} {path!r} has no row")
            return
        for field_name, wanted in (
            ("path", path),
            ("name", truth["name"]),
            ("parent", None if "root" in truth else truth["parentReference"]["id"]),
            ("created", truth["fileSystemInfo"]["createdDateTime"]),
            ("modified", truth["fileSystemInfo"]["lastModifiedDateTime"]),
        ):
            if field_name in ("modified", "created") and (self.before is not None or truth.get("_made")):
                continue  # a change moves the date, by the server's own clock
            if row.get(field_name) != wanted:
                self.say(f"{kind} {path!r}: {field_name} is {row.get(field_name)!r}, not {wanted!r}")
        self._facts(kind, path, truth, row)
        if kind != "file":
            wanted_outcome = "excepted" if kind == "package" and not self._has_parts(item_id) else "copied"
            if row["outcome"] != wanted_outcome:
                self.say(f"{kind} {path!r} is {row['outcome']} {row.get('code', '')}")
            return
        self._file(item_id, path, truth, row)

    def _has_parts(self, item_id: str) -> bool:
        return any(row["parentReference"].get("id") == item_id for row in self.drive.items.values())

    def _facts(self, kind: str, path: str, truth: Row, row: Row) -> None:
        service = row.get("service", {})
        if truth.get("_made"):
            return
        for name, get in FACTS.items():
            wanted = get(truth) or None if name == "quickXorHash" else get(truth)
            if name in ("eTag", "childCount") and self.before is not None:
                continue  # moved by changes
            if service.get(name) != wanted:
                self.say(f"{kind} {path!r}: service.{name} is {service.get(name)!r}, not {wanted!r}")
        if kind == "file" and service.get("size") != truth["size"]:
            self.say(f"{kind} {path!r}: service.size is {service.get('size')!r}, not {truth['size']}")

    def _file(self, item_id: str, path: str, truth: Row, row: Row) -> None:
        code = self.settings.unreachable.get(item_id) or code_of(truth)
        if code is not None:
            if (row["outcome"], row.get("code")) != ("excepted", code):
                self.say(f"file {path!r} is {row['outcome']} {row.get('code')}, not excepted {code}")
            self._versions(item_id, path, truth, row)
            return
        content = truth["_c"]
        if row["outcome"] != "copied":
            self.say(f"file {path!r} is {row['outcome']} {row.get('code')}, not copied")
            return
        if (row["sha256"], row["size"]) != (content["sha256"], content["len"]):
            said = f"{row['size']} bytes, SHA-256 {row['sha256'][:8]}…"
            self.say(f"file {path!r} has {said}, not {content['len']}, {content['sha256'][:8]}…")
        elif (found := self.bag.folder / row["key"]).is_file() and sha256_file(found) != content["sha256"]:
            self.say(f"file {path!r}: the object under {row['key']!r} holds other bytes")
        agreement = agreement_of(truth)
        if not truth.get("_made") and row.get("agreement") != agreement:
            self.say(f"file {path!r}: agreement {row.get('agreement')}, not {agreement}")
        self._key(item_id, path, row)
        self._versions(item_id, path, truth, row)

    def _key(self, item_id: str, path: str, row: Row) -> None:
        held = self.before.rows.get(("file", self.drive.id, item_id)) if self.before else None
        if held is not None and held["outcome"] != "excepted":
            if held["sha256"] == row["sha256"]:
                if held["key"] != row["key"]:
                    self.say(f"file {path!r}: same bytes, yet its key moved from {held['key']!r} to {row['key']!r}")
                return
            if held["key"] == row["key"]:
                self.say(f"file {path!r}: other bytes under the same key")
            prefixes = [rf"data/changed/{STAMP}"]
        else:
            prefixes = (
                ["data/files", rf"data/changed/{STAMP}"] if self.before or self.settings.leftovers else ["data/files"]
            )
        lineage = self.drive.lineage(item_id)
        if not any(fits(row["key"], prefix, lineage) for prefix in prefixes):
            self.say(f"file {path!r}: key {row['key']!r}")

    def _versions(self, item_id: str, path: str, truth: Row, row: Row) -> None:
        """What the truth itself withholds is withheld of its versions too, each with its code; of an item that is gone not even
        the list is served."""
        withheld = code_of(truth)
        earlier = [v for v in truth.get("_versions", []) if not v.get("_current")]
        wanted = {"current": [], "all": earlier}.get(str(self.settings.versions))
        wanted = earlier[: int(self.settings.versions)] if wanted is None else wanted
        asked = {v["id"] for v in wanted}
        for version in earlier:
            self.expected.add(("version", item_id, version["id"]))
            found = self.bag.rows.get(("version", item_id, version["id"]))
            if found is None:
                if version["id"] in asked and withheld != GONE:
                    self.say(f"version {version['id']} of {path!r} has no row")
                continue
            if version["id"] not in asked and self.before is None:
                self.say(f"version {version['id']} of {path!r} was not asked for")
            if withheld is not None and found["outcome"] != "copied":
                if found.get("code") not in (withheld, "vanished"):
                    self.say(f"version {version['id']} of {path!r} is excepted {found.get('code')}, not {withheld}")
            elif found["outcome"] != "copied" or found["sha256"] != version["_c"]["sha256"]:
                self.say(f"version {version['id']} of {path!r} is {found['outcome']}, {str(found.get('sha256'))[:8]}…")
            else:
                self._version_key(path, version["id"], found, row, item_id)
        self._replaced(item_id, path)

    def _version_key(self, path: str, version_id: str, found: Row, row: Row, item_id: str) -> None:
        if self.before is not None or self.settings.leftovers:
            return  # it hangs on the key that its item had then
        last = keys.component(version_id, item_id)
        if "key" not in row:  # its bytes were refused: the place that they would have had
            above = found["key"].removesuffix(f"/{last}").replace("data/versions/", "data/files/", 1)
            if len(found["key"].encode()) < 700 and not fits(above, "data/files", self.drive.lineage(item_id)):
                self.say(f"version {version_id} of {path!r}: key {found['key']!r}")
            return
        part = re.sub(rf"^data/(files|changed/{STAMP})/", "", row["key"])
        wanted = f"data/versions/{part}/{last}"
        if found["key"] != wanted and len(wanted.encode()) <= 700:
            self.say(f"version {version_id} of {path!r}: key {found['key']!r}, not {wanted!r}")
        if found.get("parent") != item_id or found.get("path") != path:
            self.say(f"version {version_id} of {path!r}: parent {found.get('parent')}, path {found.get('path')!r}")

    def _replaced(self, item_id: str, path: str) -> None:
        """Earlier bytes of a changed item have become a row of kind `version`, with the bytes where they were."""
        if self.before is None:
            return
        for (kind, scope, version_id), held in self.before.rows.items():
            if kind == "version" and scope == item_id:
                self.expected.add((kind, scope, version_id))
                now_held = self.bag.rows.get((kind, scope, version_id), {})
                if held.get("key") and now_held.get("key") != held["key"]:
                    self.say(f"version {version_id} of {path!r} is not what it was")
        held = self.before.rows.get(("file", self.drive.id, item_id))
        now = self.bag.rows.get(("file", self.drive.id, item_id))
        if held is None or now is None or held["outcome"] == "excepted" or held["sha256"] == now.get("sha256"):
            return
        spot = ("version", item_id, held["captured"])
        earlier = self.bag.rows.get(spot)
        self.expected.add(spot)
        if earlier is None or (earlier["key"], earlier["sha256"]) != (held["key"], held["sha256"]):
            self.say(f"file {path!r}: its earlier bytes have no row of kind version")

    def _deleted(self, item_id: str, truth: Row) -> None:
        spot = (kind_of(truth), self.drive.id, item_id)
        held = self.before.rows.get(spot) if self.before else None
        row = self.bag.rows.get(spot)
        self.expected.add(spot)
        if held is None and row is None:
            return
        self.expected |= {i for i in self.bag.rows if i[0] == "version" and i[1] == item_id}
        if held is not None and held["outcome"] != "excepted":
            if row is None or row["outcome"] != "gone" or row.get("key") != held.get("key"):
                self.say(f"deleted {held['path']!r} is {row and row['outcome']}, not gone with its bytes kept")
        elif row is None or (row["outcome"], row.get("code")) not in (("excepted", "vanished"), ("gone", None)):
            self.say(f"deleted {truth['name']!r} is {row and (row['outcome'], row.get('code'))}, not vanished")

    # -- the whole --------------------------------------------------------------------------------------------------

    def _nothing_else(self) -> None:
        for spot, row in self.bag.rows.items():
            if spot in self.expected or (row["kind"] == "leftover" and self.settings.leftovers):
                continue
            if row["kind"] in ("permission", "versions") and (
                row["outcome"] == "copied" or row.get("code") == "vanished"
            ):
                continue  # it was refused once, and told later, or its item went before that
            if row["kind"] in ("file", "folder") and self.before and row["outcome"] == "gone":
                before = self.before.rows.get(spot)
                if before is not None and before["outcome"] == "gone":
                    continue
            self.say(f"row {spot} of {row.get('path')!r} belongs to nothing")

    def _permissions(self) -> None:
        wanted: dict[str, list[Row]] = {}
        for item_id, row in self.drive.items.items():
            served = [{k: v for k, v in p.items() if not k.startswith("_")} for p in row.get("_permissions", [])]
            if self.settings.permissions == "all" or (self.settings.permissions == "shared" and "shared" in row):
                wanted[item_id] = served
        found = {spot[1]: value for spot, value in self.bag.permissions.items()}
        for item_id, served in wanted.items():
            path = self.drive.path(item_id)
            if item_id not in found:
                if code_of(self.drive.items[item_id]) is None and item_id not in self.settings.unreachable:
                    self.say(f"shared {path!r} has no permissions")
                continue
            value = found.pop(item_id)
            held = [{k: v for k, v in p.items() if not k.startswith("@")} for p in value["permissions"]]
            if self.settings.permissions == "shared" and held != served:
                self.say(f"permissions of {path!r} differ: {held} held, {served} served")
            if not TIME.fullmatch(value.get("captured", "")):
                self.say(f"permissions of {path!r}: captured {value.get('captured')!r}")
        for item_id in set(found) - set(self.drive.deleted):
            self.say(f"permissions of {item_id}, which nobody asked for")

    def _counts(self) -> None:
        import json

        path = self.bag.folder / "lastcopy/reconciliation.json"
        said: dict[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {}
        for entry in said.get("independent", []):
            books = sum(kind_of(row) == "package" and "folder" not in row for row in self.drive.items.values())
            verdict, uncounted = ("unavailable", {"package": books}) if books else ("equal", {})
            said_of = (entry["verdict"], entry.get("unavailable", {}))
            if said_of != (verdict, uncounted) or entry["unexplained"] or entry["moving"]:
                self.say(f"reconciliation: {entry}")
        if not said.get("independent"):
            self.say("reconciliation: no independent counts")
        if said.get("counts", {}).get("pending") != 0 or said.get("counts", {}).get("listed") != len(self.drive.items):
            self.say(f"reconciliation: {said.get('counts')}, the truth has {len(self.drive.items)} items")


def kind_of(truth: Row) -> str:
    if "remoteItem" in truth:
        return "shortcut"
    if "package" in truth:
        return "package"
    return "file" if "file" in truth else "folder"


def code_of(truth: Row) -> str | None:
    if "malware" in truth:
        return "malware"
    if truth.get("_irm"):
        return "irm_protected"
    return GONE if truth.get("_goneAfterListing") else None


def agreement_of(truth: Row) -> str:
    content, served = truth["_c"], truth.get("file", {}).get("hashes", {}).get("quickXorHash")
    if truth["size"] == content["len"] and served in (content["qx"], None, ""):
        return "match" if served else "unhashed"
    return "rewritten" if REWRITTEN.search(truth["name"]) else "differs"


def fits(key: str, prefix: str, lineage: list[tuple[str, str]]) -> bool:
    """Whether a key can be that of names and ids from below the root."""
    match = re.match(rf"{prefix}/", key)
    if match is None:
        return False
    parts = key[match.end() :].split("/")
    wanted = [keys.allowed_components(name, item_id) for name, item_id in lineage]
    if len(parts) == len(wanted):
        return all(part in allowed for part, allowed in zip(parts, wanted, strict=True)) and not keys.too_long(key)
    return parts == [keys.changed(*lineage[-1])] and keys.is_too_long_for(lineage, match[0].rstrip("/"))


def _names_bag(bag: str, name: str, drive_id: str) -> bool:
    kind, _, last = bag.partition("/")
    return kind == "onedrive" and (last == keys.component(name, drive_id) or "~" in last)
