"""A bag made by hand for the tests: nothing of the writers' code, only `json`, `hashlib` and docs/formats.md."""

import hashlib
import json
from pathlib import Path
from typing import Any

DRIVE = "b!drive-1"
RUN_1, RUN_2 = "20261123T100000Z-aaaaaa", "20261124T100000Z-bbbbbb"
PERMANENT_KINDS = ("file", "folder", "package", "shortcut", "other")


def dump(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=_escaped(value)).encode()


def _escaped(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def identity(row: dict[str, Any]) -> tuple[bytes, ...]:
    return tuple(row[name].encode("utf-8", "surrogatepass") for name in ("kind", "scope", "id"))


class HandmadeBag:
    """Objects of one bag in a dictionary; `write` puts them below a folder."""

    def __init__(self, bag: str = "onedrive/anna@contoso.com", source_id: str = DRIVE) -> None:
        self.bag = bag
        self.source = {"cloud": "worldwide", "first_copied": "2026-11-23T10:00:00Z", "id": source_id,
                       "kind": "onedrive", "owner": "user-1"}  # fmt: skip
        self.objects: dict[str, bytes] = {"lastcopy/source.json": dump(self.source)}
        self.segments: list[tuple[str, str]] = []  # (sha256, at)
        self.all_rows: list[list[dict[str, Any]]] = []

    # -- rows

    def payload(self, key: str, content: bytes) -> dict[str, Any]:
        self.objects[key] = content
        return {"key": key, "size": len(content), "sha256": sha(content)}

    def file(
        self, item: str, parent: str, path: str, content: bytes, key: str | None = None, **more: Any
    ) -> dict[str, Any]:
        row = {"kind": "file", "scope": DRIVE, "id": item, "parent": parent, "name": path.rpartition("/")[2], "path": path,
               "outcome": "copied", "agreement": "match", "captured": "2026-11-23T10:01:00Z", "run": RUN_1,
               "modified": "2026-01-02T03:04:05Z", "created": "2025-01-02T03:04:05Z"}  # fmt: skip
        return {"item": {**row, **self.payload(key or "data/files" + path, content), **more}}

    def folder(self, item: str, parent: str | None, path: str, children: int, **more: Any) -> dict[str, Any]:
        row = {"kind": "folder", "scope": DRIVE, "id": item, "name": path.rpartition("/")[2] or "root", "path": path,
               "outcome": "copied", "service": {"childCount": children}, "run": RUN_1, "captured": "2026-11-23T10:01:00Z",
               "modified": "2026-02-02T03:04:05Z"}  # fmt: skip
        return {"item": {**row, **({"parent": parent} if parent else {}), **more}}

    def about(self) -> dict[str, Any]:
        facts = self.payload("data/about.txt", b"onedrive b!drive-1\n")
        return {
            "item": {"kind": "derived", "scope": "", "id": "data/about.txt", "outcome": "copied", "run": RUN_1, **facts}
        }

    def excepted(self, item: str, parent: str, path: str, code: str) -> dict[str, Any]:
        row = {"kind": "file", "scope": DRIVE, "id": item, "parent": parent, "name": path.rpartition("/")[2], "path": path,
               "outcome": "excepted", "code": code, "reason": "so it is", "run": RUN_1}  # fmt: skip
        return {"item": row}

    @staticmethod
    def listed(item: str, parent: str, name: str, kind: str = "file", **more: Any) -> dict[str, Any]:
        facts = {"scope": DRIVE, "id": item, "parent": parent, "name": name, "kind": kind, "service": {"size": 1}}
        return {"listed": {**facts, **more}}

    # -- segments

    def segment(self, rows: list[dict[str, Any]], *, run: str = RUN_1, at: str = "2026-11-23T10:02:00Z") -> int:
        """Append a segment; return its number."""
        number = len(self.segments) + 1
        writer = {"id": "w1", "boot": "boot", "host": "h", "pid": 7, "started": "2026-11-23T10:00:00Z"}
        previous = self.segments[-1][0] if self.segments else None
        first = {"segment": number, "previous": previous, "run": run, "at": at, "writer": writer, "units": 3}
        body = b"".join(dump(row) + b"\n" for row in (first, *rows))
        data = body + dump({"end": len(rows), "sha256": sha(body)}) + b"\n"
        self.objects[f"lastcopy/ledger/{number:09d}.jsonl"] = data
        self.segments.append((sha(data), at))
        self.all_rows.append(rows)
        return number

    # -- the fold, by a second reading of docs/formats.md

    def fold(self) -> None:
        rows: dict[Any, dict[str, Any]] = {}
        owed: dict[Any, dict[str, Any]] = {}
        permissions: dict[Any, dict[str, Any]] = {}
        cursors: dict[str, Any] = {}
        unfinished, closed = None, False
        for number, segment in enumerate(self.all_rows, 1):
            closed = False
            for row in segment:
                ((kind, value),) = row.items()
                if kind == "item":
                    if value["kind"] != "leftover" and "key" in value:
                        rows.pop(identity({"kind": "leftover", "scope": "", "id": value["key"]}), None)
                    rows[identity(value)] = value
                    if value["kind"] in PERMANENT_KINDS:
                        owed.pop((value["scope"], value["id"]), None)
                elif kind == "listed":
                    owed[value["scope"], value["id"]] = value
                elif kind == "permissions":
                    permissions[value["scope"], value["id"]] = value
                elif kind == "cursor":
                    cursors[value["scope"]] = {k: v for k, v in value.items() if k != "scope"}
                elif kind == "round":
                    if value["state"] == "ended":
                        unfinished = None
                    elif value["full"]:
                        unfinished = number
                        cursors.pop(value["scope"], None)
                elif kind == "closed":
                    closed = True
        number, (digest, at) = len(self.segments), self.segments[-1]
        ordered = [rows[key] for key in sorted(rows)]
        head = {
            "segment": number,
            "sha256": digest,
            "at": at,
            "closed": closed,
            "cursors": cursors,
            "round": unfinished,
        }
        keyed = {row["key"]: row for row in ordered if "key" in row}
        manifest = [f"{keyed[key]['sha256']}  {key}\n" for key in sorted(keyed, key=str.encode)]
        octets = sum(row["size"] for row in keyed.values())
        info = (
            "Bag-Software-Agent: Lastcopy (store layout 1)\n"
            f"Bagging-Date: {at[:10]}\nExternal-Identifier: onedrive {self.source['id']}\n"
            f"Lastcopy-Segment: {number}\nPayload-Oxum: {octets}.{len(keyed)}\n"
        )
        tags = {
            "bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
            "bag-info.txt": info.encode(),
            "manifest-sha256.txt": "".join(manifest).encode(),
            "lastcopy/items.jsonl": _lines(ordered),
            "lastcopy/exceptions.jsonl": _lines([row for row in ordered if row["outcome"] == "excepted"]),
            "lastcopy/owed.jsonl": _lines([owed[key] for key in sorted(owed)]),
            "lastcopy/reconciliation.json": dump(reconciliation(ordered, owed)),
            "lastcopy/head.json": dump(head),
            "lastcopy/source.json": self.objects["lastcopy/source.json"],
        }
        if permissions:
            tags["lastcopy/permissions.jsonl"] = _lines([permissions[key] for key in sorted(permissions)])
        self.objects.update(tags)
        self.seal()

    def seal(self) -> None:
        """Write the tagmanifest over the tag files as they are now."""
        names = [n for n in self.objects if not n.startswith(("data/", "lastcopy/ledger/", "tagmanifest"))]
        lines = [f"{sha(self.objects[name])}  {name}\n" for name in sorted(names, key=str.encode)]
        self.objects["tagmanifest-sha256.txt"] = "".join(lines).encode()

    def write(self, root: Path) -> None:
        for name, data in self.objects.items():
            path = root / self.bag / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def _lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(dump(row) + b"\n" for row in rows)


def reconciliation(rows: list[dict[str, Any]], owed: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    items = [row for row in rows if row["kind"] in PERMANENT_KINDS]
    live = [row for row in items if row["outcome"] != "gone" and row.get("code") != "vanished"]
    settled = [row for row in live if (row["scope"], row["id"]) not in owed]
    number = {o: sum(row["outcome"] == o for row in settled) for o in ("copied", "excepted")}
    kinds: dict[str, dict[str, int]] = {}
    for row in rows:
        of_kind = kinds.setdefault(row["kind"], {})
        of_kind[row["outcome"]] = of_kind.get(row["outcome"], 0) + 1
    nodes = {row["id"]: (row.get("parent"), True, False) for row in live}  # parent, lives, owed
    held = {row["id"]: row.get("parent") for row in items}
    for (_, item), facts in owed.items():
        parent = held.get(item) if facts.get("deleted") else facts.get("parent")
        nodes[item] = (parent, not facts.get("deleted"), True)
    entry: dict[str, Any] = {"by": "folder.childCount", "scope": DRIVE, "detail": [], "expected": 0, "found": 0,
                             "equal": 0, "explained": 0, "moving": 0, "unexplained": 0}  # fmt: skip
    deleted = {item for (_, item), facts in owed.items() if facts.get("deleted")}
    folders = [row for row in live if row["kind"] in ("folder", "package") and row["id"] not in deleted]
    for folder in sorted(folders, key=lambda row: row["id"]):
        expected = owed.get((folder["scope"], folder["id"]), folder).get("service", {}).get("childCount")
        if expected is None:
            uncounted = entry.setdefault("unavailable", {})
            uncounted[folder["kind"]] = uncounted.get(folder["kind"], 0) + 1
            continue
        below = [(live, owes) for item, (parent, live, owes) in nodes.items() if parent == folder["id"] != item]
        found = sum(live for live, _ in below)
        otherwise = "moving" if any(owes for _, owes in below) else "unexplained"
        verdict = "equal" if expected == found else otherwise
        entry[verdict] += 1
        entry["expected"] += expected
        entry["found"] += found
        if verdict != "equal":
            facts = {"id": folder["id"], "path": folder["path"], "expected": expected, "found": found}
            entry["detail"].append({**facts, "verdict": verdict, "by_rows": []})
    worst = [verdict for verdict in ("unexplained", "moving", "unavailable") if entry.get(verdict)]
    gone = sum(row["outcome"] == "gone" for row in items)
    counts = {**number, "pending": len(owed), "gone": gone, "listed": sum(number.values()) + len(owed)}
    independent = [{**entry, "verdict": worst[0] if worst else "equal"}] if folders else []
    return {"counts": counts, "kinds": kinds, "independent": independent}


def usual_bag(bag: str = "onedrive/anna@contoso.com", *, folded: bool = True, source_id: str = DRIVE) -> HandmadeBag:
    """A bag with one of each: files, folders (one empty), a changed file, a gone one, exceptions, permissions, odd names."""
    made = HandmadeBag(bag, source_id)
    settings = {"permissions": "shared", "versions": "current"}
    names = {"kind": "onedrive", "id": source_id, "owner": "user-1", "cloud": "worldwide", "name": "anna@contoso.com"}
    made.segment(
        [
            {"source": {**names, "settings": settings}},
            {"round": {"scope": DRIVE, "state": "begun", "full": True}},
            made.listed("R", "", "root", "folder", service={"childCount": 3}),
            made.listed("F1", "R", "Docs", "folder", service={"childCount": 4}),
            {"cursor": {"scope": DRIVE, "kind": "next", "link": "https://graph/next", "settings": settings}},
        ]
    )
    made.segment(
        [
            made.folder("R", None, "/", 3),
            made.folder("F1", "R", "/Docs", 4),
            made.folder("F2", "R", "/Empty", 0),
            made.file("A", "F1", "/Docs/a.txt", b"alpha" * 900),
            made.file("B", "F1", "/Docs/b.txt", b"beta"),
            made.file("C", "R", "/snowman \u2603.bin", bytes(range(256)) * 40),
            made.file("Z", "F1", "/Docs/zero.txt", b""),
            made.excepted("M", "F1", "/Docs/virus.exe", "malware"),
            made.excepted("V", "R", "/fleeting.txt", "vanished"),
            made.about(),
            {
                "permissions": {
                    "scope": DRIVE,
                    "id": "A",
                    "captured": "2026-11-23T10:01:00Z",
                    "permissions": [{"roles": ["read"]}],
                }
            },
            {"round": {"scope": DRIVE, "state": "ended", "full": True, "link": "https://graph/delta1"}},
            {"cursor": {"scope": DRIVE, "kind": "delta", "link": "https://graph/delta1", "settings": settings}},
            {"closed": {"reason": "complete"}},
        ]
    )
    made.segment(second_run(made), run=RUN_2, at="2026-11-24T10:02:00Z")
    if folded:
        made.fold()
    return made


def second_run(made: HandmadeBag) -> list[dict[str, Any]]:
    """a.txt renamed, b.txt edited, the snowman deleted, one new file (fleeting.txt, which vanished, counts no more)."""
    old = {row["item"]["id"]: row["item"] for segment in made.all_rows for row in segment if "item" in row}
    version = {**old["B"], "kind": "version", "scope": "B", "id": "2026-11-23T10:01:00Z", "parent": "B"}
    return [
        made.listed("A", "F1", "renamed.txt"),
        made.listed("B", "F1", "b.txt"),
        {"listed": {"deleted": True, "id": "C", "scope": DRIVE}},
        {"item": {**old["A"], "name": "renamed.txt", "path": "/Docs/renamed.txt", "run": RUN_2}},
        {"item": version},
        made.file("B", "F1", "/Docs/b.txt", b"beta 2", key="data/changed/20261124T100000Z/Docs/b.txt", run=RUN_2),
        {"item": {**old["C"], "outcome": "gone", "since": "2026-11-24T10:02:00Z", "run": RUN_2}},
        made.file("N", "R", "/lone \udc41.txt", b"surrogate", key="data/files/lone~0123456789ab.txt", run=RUN_2),
        {"cursor": {"scope": DRIVE, "kind": "delta", "link": "https://graph/delta2", "settings": {}}},
        {"closed": {"reason": "complete"}},
    ]
