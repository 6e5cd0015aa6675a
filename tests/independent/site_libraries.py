"""Compares the document libraries in the bag of a site with the truth of their drives.

Rules of this file: standard library only; imports nothing of ours. Every file, folder, package and shortcut of the truth has its
row with path, bytes or a code that fits, its versions and its line of list columns; nothing else is there. After changes it takes
what they made of the truth, and allows what they leave behind: rows that are gone, earlier bytes as versions.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from tests.independent import keys
from tests.independent.differences import Differences
from tests.independent.judge import GONE, STAMP, TIME, agreement_of, code_of, kind_of
from tests.independent.reader import sha256_file
from tests.independent.site_bag import SiteBag, is_there
from tests.independent.site_truth import LibraryTruth, TenantTruth

Row = dict[str, Any]


@dataclass
class Asked:
    """What was asked of the export. unreachable: {id of a drive item: code} that a fault kept back; leftovers: of a kill; grants:
    the application has full control of sites, so that it is told what was granted to applications."""

    versions: str | int = "current"
    permissions: str = "shared"
    certificate: bool = True
    leftovers: bool = False
    unreachable: dict[str, str] = field(default_factory=dict)
    grants: bool = False


class LibraryJudge:
    """One library beside the rows of its drive."""

    def __init__(
        self, bag: SiteBag, library: LibraryTruth, truth: TenantTruth, asked: Asked, found: Differences
    ) -> None:
        self.bag, self.library, self.truth, self.asked, self.found = bag, library, truth, asked, found
        self.where = f"{bag.name}: {library.name!r}"
        self.places = {one for name in library.names for one in keys.allowed_components(name, library.id)}

    def judge(self) -> None:
        """All comparisons."""
        for item_id, row in self.library.items.items():
            self._item(item_id, row)
        self._nothing_else()
        self._permissions()
        self._columns()
        self._counts()

    # -- items ------------------------------------------------------------------------------------------------------

    def _item(self, item_id: str, truth: Row) -> None:
        kind, path = kind_of(truth), self.library.path_in_site(item_id)
        where = f"{self.where}: {kind} {path!r}"
        row = self.bag.rows.get((kind, self.library.id, item_id))
        if not self.found.check(f"{kind} rows", f"{where} has no row", row is not None) or row is None:
            return
        self.found.same("paths", where, row.get("path"), path)
        name = truth["name"] if "root" not in truth else row.get("name")
        self.found.same("names", where, row.get("name"), name)
        above = None if "root" in truth else truth["parentReference"]["id"]
        self.found.same("parents", where, row.get("parent"), above)
        if not self.truth.is_changed:
            dates = (truth["fileSystemInfo"]["createdDateTime"], truth["fileSystemInfo"]["lastModifiedDateTime"])
            self.found.same("dates", where, (row.get("created"), row.get("modified")), dates)
            self.found.same("service facts", f"{where}: eTag", row.get("service", {}).get("eTag"), truth["eTag"])
        if kind == "file":
            self._file(where, item_id, path, truth, row)
            return
        due = "excepted" if kind == "package" and not self._has_parts(item_id) else "copied"
        self.found.same("outcomes", where, row["outcome"], due)

    def _has_parts(self, item_id: str) -> bool:
        return any(row["parentReference"].get("id") == item_id for row in self.library.items.values())

    def _file(self, where: str, item_id: str, path: str, truth: Row, row: Row) -> None:
        code = self.asked.unreachable.get(item_id) or code_of(truth)
        if code is not None:
            self.found.same("excepted files", where, (row["outcome"], row.get("code")), ("excepted", code))
        elif self.found.check(
            "file outcomes", f"{where} is {row['outcome']} {row.get('code')}", row["outcome"] == "copied"
        ):
            content = truth["_c"]
            self.found.same("file bytes", where, (row["sha256"], row["size"]), (content["sha256"], content["len"]))
            held = self.bag.folder / row["key"]
            is_held = held.is_file() and sha256_file(held) == content["sha256"]
            self.found.check("file bytes", f"{where}: {row['key']!r} holds other bytes", is_held)
            if not truth.get("_made"):
                self.found.same("agreement", where, row.get("agreement"), agreement_of(truth))
            is_right = any(self._fits(row["key"], prefix, item_id) for prefix in ("libraries", f"changed/{STAMP}"))
            self.found.check("keys", f"{where}: key {row['key']!r}", is_right)
        self._versions(where, item_id, path, truth)

    def _fits(self, key: str, prefix: str, item_id: str) -> bool:
        """Whether it can be the key of that item: its own name and those of the folders above it, as they may be spelt. After
        changes only the place of the library is looked at: a key tells of the names that there were."""
        match = re.match(rf"data/{prefix}/(?:(?P<library>[^/]+)/)?", key)
        if match is None:
            return False
        parts, lineage = key[match.end() :].split("/"), self.library.lineage(item_id)
        if match["library"] in self.places:
            if self.truth.is_changed:
                return True
            wanted = [keys.allowed_components(*one) for one in lineage]
            if len(parts) == len(wanted) and all(p in w for p, w in zip(parts, wanted, strict=True)):
                return not keys.too_long(key)
        start = match[0] if match["library"] in self.places else f"data/{prefix}/{max(self.places, key=len)}"
        return parts[-1] == keys.changed(*lineage[-1]) and len(parts) == 1 and keys.is_too_long_for(lineage, start)

    def _versions(self, where: str, item_id: str, path: str, truth: Row) -> None:
        """Earlier ones as asked; what the truth withholds is withheld of its versions too; what is gone has no list."""
        withheld = self.asked.unreachable.get(item_id) or code_of(truth)
        earlier = [one for one in truth.get("_versions", ()) if not one.get("_current")]
        asked = {"current": [], "all": earlier}.get(str(self.asked.versions))
        asked = earlier[: int(self.asked.versions)] if asked is None else asked
        known = {one["id"]: one for one in earlier}
        rows = {row["id"]: row for row in self.bag.of("version", item_id, gone=True)}
        for one in asked:
            row = rows.pop(one["id"], None)
            here = f"{where}: version {one['id']}"
            if row is None:
                is_held = any(
                    r.get("sha256") == one["_c"]["sha256"] for r in rows.values()
                )  # its bytes were ours before
                self.found.check("versions", f"{here} has no row", withheld == GONE or is_held)
            elif withheld is not None and row["outcome"] != "copied":
                self.found.check("versions", f"{here} is {row.get('code')}", row.get("code") in (withheld, "vanished"))
            else:
                self.found.same("versions", here, (row["outcome"], row.get("sha256")), ("copied", one["_c"]["sha256"]))
                self.found.check("versions", f"{here}: parent {row.get('parent')}", row.get("parent") == item_id)
                place = re.match(r"data/versions/([^/]+)/", str(row.get("key")))
                is_ours = place is not None and (place[1] in self.places or keys.is_too_long_for(
                    [*self.library.lineage(item_id), (one["id"], item_id)], f"data/versions/{max(self.places, key=len)}"
                ))  # fmt: skip
                self.found.check("keys", f"{here}: key {row.get('key')!r}", is_ours)
        for version_id, row in rows.items():
            is_earlier_bytes = TIME.fullmatch(version_id) is not None and self.truth.is_changed
            is_known = version_id in known and (self.truth.is_changed or one_of(row, known[version_id]))
            self.found.check("nothing else", f"{where}: version {version_id}", is_earlier_bytes or is_known)
            if version_id in known and str(self.asked.versions) == "current" and not self.truth.is_changed:
                self.found.say("nothing else", f"{where}: version {version_id} was not asked for")

    # -- the whole --------------------------------------------------------------------------------------------------

    def _nothing_else(self) -> None:
        for kind in ("file", "folder", "package", "shortcut", "other"):
            for row in self.bag.of(kind, self.library.id, gone=True):
                item = self.library.items.get(row["id"])
                if item is not None and kind_of(item) == kind:
                    self.found.check(
                        "nothing else", f"{self.where}: {row['path']!r} is {row['outcome']}", is_there(row)
                    )
                elif row["id"] in self.library.deleted:
                    self.found.check(
                        "gone", f"{self.where}: deleted {row.get('path')!r} is {row['outcome']}", not is_there(row)
                    )
                    if row["outcome"] == "gone" and kind == "file":
                        held = str(row.get("sha256"))
                        self.found.check(
                            "gone", f"{self.where}: bytes of {row.get('path')!r}", held in self._bytes_of(row["id"])
                        )
                else:
                    is_made = (
                        self.truth.is_changed and kind == "folder"
                    )  # `delete-recreate`: its id is the server's own
                    self.found.check("nothing else", f"{self.where}: {kind} {row.get('path')!r} of nothing", is_made)

    def _bytes_of(self, item_id: str) -> set[str]:
        row = self.library.deleted[item_id]
        return {one["_c"]["sha256"] for one in (row, *row.get("_versions", ())) if "_c" in one}

    def _permissions(self) -> None:
        held = {spot[1]: value for spot, value in self.bag.state.permissions.items() if spot[0] == self.library.id}
        for item_id, row in self.library.items.items():
            where = f"{self.where}: {self.library.path_in_site(item_id)!r}"
            is_asked = (self.asked.permissions == "all" and "remoteItem" not in row) or (
                self.asked.permissions == "shared" and "shared" in row
            )
            value = held.pop(item_id, None)
            if "root" in row:
                continue  # what is granted on the library itself is asked in any case
            if not is_asked:
                self.found.check(
                    "permissions", f"{where}: nobody asked for them", value is None or self.truth.is_changed
                )
            elif value is None:
                is_withheld = code_of(row) is not None or item_id in self.asked.unreachable
                self.found.check("permissions", f"{where}: none", is_withheld)
            else:
                got = [{k: v for k, v in one.items() if not k.startswith("@")} for one in value["permissions"]]
                due = [{k: v for k, v in one.items() if not k.startswith("_")} for one in row.get("_permissions", ())]
                if self.asked.permissions == "shared" or due:
                    self.found.same("permissions", where, got, due)
                self.found.check("permissions", f"{where}: captured", bool(TIME.fullmatch(str(value.get("captured")))))
        for item_id in set(held) - set(self.library.deleted):
            self.found.check("permissions", f"{self.where}: of {item_id}, which is not there", self._is_made(item_id))

    def _columns(self) -> None:
        """The list side: one line for each file and folder, whose `fields` came along."""
        list_id = self.library.list_row.get("id")
        if list_id is None:
            return
        of = {}
        for row in self.bag.of("columns", list_id):
            line = self.bag.line(row)
            fields = line.get("graph", {}).get("fields")
            here = f"{self.where}: columns {row['id']}"
            self.found.check("columns", f"{here}: no fields", isinstance(fields, dict) and bool(fields))
            self.found.same("columns", f"{here}: list", line.get("list"), list_id)
            if row.get("of") is not None:
                self.found.check("columns", f"{here}: a second one of {row['of']}", row["of"] not in of)
                of[row["of"]] = row
                self._line_of(here, self.library.items.get(row["of"], {}), fields or {})
        for item_id, truth in self.library.items.items():
            if "root" not in truth and not truth.get("_goneAfterListing"):
                path = self.library.path_in_site(item_id)
                self.found.check("columns", f"{self.where}: {path!r} has no line of columns", item_id in of)
        for item_id in of:
            is_known = item_id in self.library.items or self._is_made(item_id)
            self.found.check("nothing else", f"{self.where}: columns of {item_id}", is_known)

    def _is_made(self, item_id: str) -> bool:
        """Whether it can be a folder that a change made (`delete-recreate`), whose id is the server's own."""
        is_folder = ("folder", self.library.id, item_id) in self.bag.rows
        return self.truth.is_changed and is_folder and item_id not in self.library.deleted

    def _line_of(self, where: str, truth: Row, fields: Row) -> None:
        """What is known of the list side of an item: its name, and columns that the data give it."""
        if truth:
            self.found.same("columns", f"{where}: FileLeafRef", fields.get("FileLeafRef"), truth["name"])
        for name, value in truth.get("_fields", {}).items():
            self.found.same("columns", f"{where}: {name}", fields.get(name), value)

    def _counts(self) -> None:
        books = sum(kind_of(row) == "package" and "folder" not in row for row in self.library.items.values())
        entries = [e for e in self.bag.reconciliation.get("independent", ()) if e.get("scope") == self.library.id]
        if not self.found.check("counts", f"{self.where}: {len(entries)} counts by the service", len(entries) == 1):
            return
        due = ("unavailable", {"package": books}) if books else ("equal", {})
        self.found.same("counts", self.where, (entries[0]["verdict"], entries[0].get("unavailable", {})), due)


def one_of(row: Row, version: Row) -> bool:
    """Whether a row has the bytes of a version, or says why not."""
    return row["outcome"] == "excepted" or row.get("sha256") == version["_c"]["sha256"]
