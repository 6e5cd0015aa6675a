"""Writes a right copy of a tiny tenant with sites, by hand, as docs/formats.md has it: for tests of the judge.

Rules of this file: standard library only, no help of the product; the tag files are made by `reader`, which derives them from
segments. A copy is rows, payload and permissions of each bag in memory until it is written; tests alter one thing of it.
"""

import csv
import hashlib
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.independent import keys
from tests.independent.judge import agreement_of, code_of, kind_of
from tests.independent.reader import as_bytes, canonical, counts_of, folded_files, read_bag, sha256
from tests.independent.site_pages import texts_of
from tests.independent.site_truth import LibraryTruth, ListTruth, SiteTruth, TenantTruth, attachments_of, load

Row = dict[str, Any]
AT = "2026-11-24T00:00:00Z"
RUN = "20261124T000000Z-000000"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def served(row: Row) -> Row:
    """A row of the truth as the service gives it."""
    return {key: value for key, value in row.items() if not key.startswith("_")}


@dataclass
class HandBag:
    """One bag. lines: key of an object → its lines; rows of lines have `key` = object, `!`, number."""

    name: str
    kind: str
    id: str
    rows: list[Row] = field(default_factory=list)
    payload: dict[str, bytes] = field(default_factory=dict)
    lines: dict[str, list[Row]] = field(default_factory=dict)
    permissions: list[Row] = field(default_factory=list)
    independent: list[Row] = field(default_factory=list)

    def row(self, kind: str, **facts: Any) -> Row:
        """The one row of a kind with these facts."""
        (found,) = [r for r in self.rows if r["kind"] == kind and all(r.get(k) == v for k, v in facts.items())]
        return found

    def add(self, kind: str, scope: str, item_id: str, **more: Any) -> Row:
        """A row."""
        row = {"kind": kind, "scope": scope, "id": item_id, "outcome": "copied", "captured": AT, "run": RUN, **more}
        self.rows.append(row)
        return row

    def put(self, key: str, data: bytes) -> Row:
        """Bytes of the payload; what the row of them says."""
        self.payload[key] = data
        return {"key": key, "size": len(data), "sha256": sha256(data)}

    def derived(self, key: str, data: bytes, **more: Any) -> None:
        """A derived file."""
        self.add("derived", "", key, **self.put(key, data), **more)

    def line(self, key: str, line: Row) -> Row:
        """One more line of an object; where it is. What the row says of its bytes is filled in when the bag is written."""
        lines = self.lines.setdefault(key, [])
        lines.append(line)
        return {"key": f"{key}!{len(lines)}"}

    def line_of(self, row: Row) -> Row:
        """The line of a row."""
        key, _, number = row["key"].rpartition("!")
        return self.lines[key][int(number) - 1]

    # -- what tests do to it ----------------------------------------------------------------------------------------

    def item(self, list_name: str, item_id: str) -> Row:
        """The row of a list item."""
        return self.row("list_item", scope=self.row("folder", name=list_name)["id"], id=item_id)

    def take(self, row: Row) -> None:
        """A row goes, with its bytes."""
        self.rows.remove(row)
        self.payload.pop(str(row.get("key")), None)

    def change_bytes(self, row: Row) -> None:
        """It has other bytes, and says so."""
        row.update(self.put(row["key"], self.payload[row["key"]] + b"more"))

    def move(self, row: Row, key: str) -> None:
        """Its bytes lie elsewhere, and it says so."""
        row.update(self.put(key, self.payload.pop(row["key"])))

    def replace(self, key: str, old: bytes, new: bytes) -> None:
        """Other text in an object, whose row knows."""
        data = self.payload[key].replace(old, new, 1)
        assert data != self.payload[key]
        (row,) = [row for row in self.rows if row.get("key") == key]
        row.update(self.put(key, data))

    def withhold(self, row: Row) -> None:
        """It becomes an exception."""
        self.payload.pop(row["key"], None)
        for name in ("key", "size", "sha256", "agreement"):
            row.pop(name, None)
        row.update(outcome="excepted", code="locked", reason="locked")

    def permit(self, scope: str, item_id: str, permissions: list[Row]) -> None:
        """A `permissions` row."""
        self.permissions.append({"captured": AT, "id": item_id, "permissions": permissions, "scope": scope})

    def write(self, root: Path) -> None:
        """Payload, one segment, the fold."""
        bag = root / self.name
        for key, lines in self.lines.items():
            self.add("original", "", key, **self.put(key, b"".join(canonical(line) + b"\n" for line in lines)))
        for row in self.rows:
            if "!" in str(row.get("key")) and "sha256" not in row:
                data = canonical(self.line_of(row))
                row |= {"size": len(data), "sha256": sha256(data)}
        for key, data in self.payload.items():
            _write(bag / key, data)
        source = {"cloud": "custom", "first_copied": AT, "id": self.id, "kind": self.kind, "owner": None}
        _write(bag / "lastcopy/source.json", canonical(source))
        rows = [
            {"source": source},
            *({"item": row} for row in self.rows),
            *({"permissions": p} for p in self.permissions),
        ]
        _segment(bag, [*rows, {"closed": {"reason": "complete"}}])
        self._fold(root, bag)
        handle = hashlib.sha256(f"{self.kind} {self.id}".encode()).hexdigest()[:24]
        names = [{"name": self.name, "since": AT}]
        entry = {"bag": self.name, "id": self.id, "kind": self.kind, "names": names, "owner": None}
        _write(root / f"sources/{handle}.json", canonical(entry))

    def _fold(self, root: Path, bag: Path) -> None:
        state = read_bag(root, self.name, [])
        files = folded_files(state)
        kinds: dict[str, dict[str, int]] = {}
        for row in self.rows:
            table = kinds.setdefault(row["kind"], {})
            table[row["outcome"]] = table.get(row["outcome"], 0) + 1
        told = {"counts": counts_of(state), "independent": self.independent, "kinds": kinds}
        files["lastcopy/reconciliation.json"] = canonical(told)
        for name, data in files.items():
            _write(bag / name, data)
        lines = [f"{sha256(files[name])}  {name}\n" for name in sorted(files, key=as_bytes)]
        _write(bag / "tagmanifest-sha256.txt", "".join(lines).encode())


@dataclass
class HandCopy:
    """All bags of a copy, sites by the end of their path (`root`, `sites!team`, `sites!team!sub`), and `directory`."""

    truth: TenantTruth
    bags: dict[str, HandBag] = field(default_factory=dict)

    def write(self, root: Path) -> Path:
        """The store."""
        info = {"domain": self.truth.info["domain"], "id": self.truth.info["tenantId"]}
        _write(root / "lastcopy.json", canonical({"created": AT, "layout": 1, "product": "lastcopy", "tenant": info}))
        for bag in self.bags.values():
            bag.write(root)
        return root


def make_copy(tenant: Path, *, versions: bool = False, certificate: bool = True) -> HandCopy:
    """A right copy. versions: all of them; certificate: whether attachments could be read."""
    truth = load(tenant)
    copy = HandCopy(truth)
    for site in truth.sites.values():
        name = site.path.replace("/", "!") or "root"
        bag = copy.bags[name] = HandBag(f"sharepoint/{name}", "sharepoint", site.id)
        bag.derived("data/about.txt", b"about\n")
        _site(bag, site)
        for library in site.libraries.values():
            _library(bag, library, truth, versions)
        for one in site.lists.values():
            _list(bag, one, truth, versions, certificate)
        for page in site.pages.rows.values():
            _page(bag, page)
    copy.bags["directory"] = _directory(truth)
    return copy


def _site(bag: HandBag, site: SiteTruth) -> None:
    key = "data/site/site-00001.jsonl"
    told = [("site", site.id, site.row)]
    for library in site.libraries.values():
        told.append(("drive", library.id, {"id": library.id, "name": library.name}))
        told.append(("list", library.list_row["id"], library.list_row))
    told += [("list", one.id, one.row) for one in site.lists.values()]
    for scope, item_id, row in told:
        place = bag.line(key, {"kind": scope, "id": item_id, "graph": served(row)})
        bag.add("site", scope, item_id, **place)
    bag.permit("site", site.id, site.row["_permissions"])


def _library(bag: HandBag, library: LibraryTruth, truth: TenantTruth, versions: bool) -> None:
    place, columns = keys.component(library.name, library.id), f"data/lists/{library.name}/columns-00001.jsonl"
    books = 0
    for item_id, item in library.items.items():
        kind, code = kind_of(item), code_of(item)
        file = item.get("file", {})
        service = {"eTag": item["eTag"], "quickXorHash": file.get("hashes", {}).get("quickXorHash")}
        parent = None if "root" in item else item["parentReference"]["id"]
        row = bag.add(kind, library.id, item_id, parent=parent, name=item["name"], path=library.path_in_site(item_id),
                      created=dates_of(item)[0], modified=dates_of(item)[1], service=service)  # fmt: skip
        books += kind == "package"
        below = "/".join(keys.component(*one) for one in library.lineage(item_id))
        if kind == "file" and code is not None:
            row |= {"outcome": "excepted", "code": code, "reason": code}
        elif kind == "file":
            row |= bag.put(f"data/libraries/{place}/{below}", truth.drives.read(item["_c"]))
            row["agreement"] = agreement_of(item)
        for one in item.get("_versions", ()) if versions else ():
            if not one.get("_current"):
                more = bag.put(f"data/versions/{place}/{below}/{one['id']}", truth.drives.read(one["_c"]))
                bag.add("version", item_id, one["id"], parent=item_id, path=row["path"], agreement="unhashed", **more)
        if "root" not in item and not item.get("_goneAfterListing"):
            number = str(item["_n"] + 1)
            graph = {"id": number, "fields": {"id": number, "FileLeafRef": item["name"]}}
            line = bag.line(columns, {"graph": graph, "id": number, "list": library.list_row["id"]})
            bag.add("columns", library.list_row["id"], number, of=item_id, **line)
        if "shared" in item:
            bag.permit(library.id, item_id, item["_permissions"])
    if columns in bag.lines:
        folder = columns.rpartition("/")[0]
        names = [library.items[row["of"]]["name"] for row in bag.rows if row.get("of") in library.items]
        bag.derived(f"{folder}/columns.csv", _csv([["Name"], *([guarded(name)] for name in names)]))
        bag.derived(f"{folder}/schema.json", canonical({"columns": library.list_row["_columns"], "contentTypes": []}))
    verdict = {"verdict": "unavailable", "unavailable": {"package": books}} if books else {"verdict": "equal"}
    bag.independent.append({"by": "folder.childCount", "scope": library.id, "moving": 0, "unexplained": 0, **verdict})


def dates_of(item: Row) -> tuple[str, str]:
    """(created, modified) of a drive item."""
    return item["fileSystemInfo"]["createdDateTime"], item["fileSystemInfo"]["lastModifiedDateTime"]


def _list(bag: HandBag, one: ListTruth, truth: TenantTruth, versions: bool, certificate: bool) -> None:
    taken = {key.split("/")[2] for key in (*bag.lines, *bag.payload) if key.startswith("data/lists/")}
    place = keys.component(one.name, one.id)
    if place in taken:
        place = keys.changed(one.name, one.id)
    folder, shape = f"data/lists/{place}", one.row["list"]
    service = {"class": "list", "template": shape["template"], "totalItemCount": len(one.items.rows)}
    service |= {"hidden": True} if shape["hidden"] else {}
    bag.add("folder", one.id, one.id, parent=None, name=one.name, path=f"/{one.name}", service=service)
    for item_id, item in one.items.rows.items():
        line: Row = {"graph": served(item), "id": item_id, "list": one.id}
        if versions and item.get("_versions"):
            line["versions"] = item["_versions"]
        facts: Row = {"eTag": item["eTag"], "contentType": "Item"}
        for entry in attachments_of(item):
            name, scope = entry["fileName"], f"{one.id}/{item_id}"
            facts["attachments"] = True
            if certificate:
                key = f"{folder}/attachments/{item_id}/{keys.component(name, name)}"
                more = bag.put(key, truth.drives.read(entry["_c"]))
                line.setdefault("attachments", []).append(
                    {"name": name, "size": more["size"], "sha256": more["sha256"]}
                )
                bag.add(
                    "attachment", scope, name, parent=item_id, name=name, path=f"/{one.name}/{item_id}/{name}", **more
                )
            elif "attachments" not in line:
                line["attachments"] = [{"name": "", "code": "attachments_need_certificate"}]
                bag.add(
                    "attachment",
                    scope,
                    "unknown",
                    outcome="excepted",
                    code="attachments_need_certificate",
                    reason="no certificate",
                )
        where = bag.line(f"{folder}/items-00001.jsonl", line)
        bag.add("list_item", one.id, item_id, parent=one.id, name=item["fields"].get("Title") or "",
                path=f"/{one.name}/{item_id}", service=facts, **where)  # fmt: skip
        if "_uniquePermissions" in item and certificate:
            bag.permit(one.id, item_id, item["_uniquePermissions"])
    entry = {"by": "totalItemCount", "scope": one.id, "verdict": "equal", "moving": 0, "unexplained": 0}
    bag.independent.append(entry | {"expected": len(one.items.rows), "found": len(one.items.rows)})
    _derived(bag, one, folder)


def _derived(bag: HandBag, one: ListTruth, folder: str) -> None:
    items = sorted(one.items.rows.values(), key=lambda item: int(item["id"]))
    bag.derived(f"{folder}/schema.json", canonical({"columns": one.row["_columns"], "contentTypes": []}))
    bag.derived(f"{folder}/items.jsonl", b"".join(canonical(served(item)) + b"\n" for item in items))
    names = {column["name"]: column["displayName"] for column in one.row["_columns"]}
    fields = [*names, *sorted({name for item in items for name in item["fields"]} - set(names))]
    table = [[guarded(names.get(name, name)) for name in fields]]
    table += [[guarded(cell(item["fields"].get(name))) for name in fields] for item in items]
    bag.derived(f"{folder}/items.csv", _csv(table))


def _csv(rows: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "surrogatepass")


def cell(value: Any) -> str:
    """A value in a table."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def guarded(text: str) -> str:
    """What could be taken for a formula has an apostrophe before it."""
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _page(bag: HandBag, page: Row) -> None:
    name = keys.component(page["name"], page["id"])
    more = bag.put(f"data/pages/{name}.json", canonical(served(page)))
    service = {"eTag": page["eTag"], "title": page["title"]}
    bag.add("page", "", page["id"], name=page["name"], path=f"/Site Pages/{page['name']}", service=service, **more)
    bag.derived(f"data/pages/{name}.html", html_of(page), of=page["id"])


def html_of(page: Row) -> bytes:
    """A page that shows its texts and does nothing."""
    shown = [page["title"], *texts_of(page)]
    paragraphs = "".join(f"<p>{text.replace('&', '&amp;').replace('<', '&lt;')}</p>" for text in shown)
    head = f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    return f"<!DOCTYPE html><html><head>{head}</head><body>{paragraphs}</body></html>".encode()


def _directory(truth: TenantTruth) -> HandBag:
    bag = HandBag("directory", "directory", truth.info["tenantId"])
    bag.derived("data/about.txt", b"about\n")
    names = {row["id"]: row["displayName"] for row in truth.users.values()}
    for kind, rows in (("user", truth.users), ("group", truth.groups)):
        for item_id, row in rows.items():
            graph = {k: v for k, v in served(row).items() if k != "mailboxSettings"}
            line = {"kind": kind, "id": item_id, "graph": graph}
            if kind == "group":
                line["members"] = [{"id": one, "displayName": names[one]} for one in sorted(row["_members"])]
                line["owners"] = []
            _thing(bag, kind, f"{kind}s", item_id, row["displayName"], line)
    for kind, plural, item_id in (
        ("domain", "domains", truth.info["domain"]),
        ("organization", "organization", truth.info["tenantId"]),
    ):
        _thing(bag, kind, plural, item_id, item_id, {"kind": kind, "id": item_id, "graph": {"id": item_id}})
    for name, rows in (("users", truth.users), ("groups", truth.groups)):
        _table(bag, name, [["id", "state"], *([one, "active"] for one in rows)])
    members = [[row["id"], "member", one] for row in truth.groups.values() for one in row["_members"]]
    _table(bag, "members", [["groupId", "role", "id"], *members])
    return bag


def _thing(bag: HandBag, kind: str, folder: str, item_id: str, name: str, line: Row) -> None:
    where = bag.line(f"data/originals/{folder}-00001.jsonl", line)
    bag.add(kind, "", item_id, parent=folder, name=name, path=f"/{folder}/{name}", **where)


def _table(bag: HandBag, name: str, rows: list[list[str]]) -> None:
    bag.derived(f"data/directory/{name}.csv", b"\xef\xbb\xbf" + _csv(rows))


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _segment(bag: Path, rows: list[Row]) -> None:
    writer = {"boot": "b", "host": "h", "id": "i", "pid": 1, "started": AT}
    first = {"at": AT, "previous": None, "run": RUN, "segment": 1, "units": 1, "writer": writer}
    body = b"".join(canonical(row) + b"\n" for row in [first, *rows])
    end = {"end": len(rows), "sha256": sha256(body)}
    _write(bag / "lastcopy/ledger/000000001.jsonl", body + canonical(end) + b"\n")
