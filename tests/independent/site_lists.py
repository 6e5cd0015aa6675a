"""Compares the lists in the bag of a site with their truth: items with all fields, attachments, versions, who sees them.

Rules of this file: standard library only; imports nothing of ours. `fields` of the newest line of an item must be those of the
truth, one by one, with nothing lost and nothing added but annotations and what the service adds of itself.
"""

import re
from collections import Counter
from typing import Any

from tests.independent import keys
from tests.independent.differences import Differences, short
from tests.independent.reader import TIME, sha256_file
from tests.independent.site_bag import SiteBag, is_there
from tests.independent.site_libraries import Asked
from tests.independent.site_truth import ListTruth, SiteTruth, TenantTruth, attachments_of

Row = dict[str, Any]
ADDED = {"Attachments", "Edit", "LinkTitle", "LinkTitleNoMenu", "ItemChildCount", "FolderChildCount", "AppAuthorLookupId",
         "AppEditorLookupId", "DocIcon", "_ComplianceFlags", "_ComplianceTag", "_ComplianceTagUserId",
         "_ComplianceTagWrittenTime", "_UIVersionString"}  # fmt: skip
"""Fields that the service gives to every item of its own accord."""
ADDED_TO_ITEM = {
    "webUrl",
    "createdBy",
    "lastModifiedBy",
    "parentReference",
    "sharepointIds",
    "contentType",
    "eTag",
    "fields",
}
MOVED = {"Modified", "_UIVersionString", "EditorLookupId"}
"""Fields that a change moves by the server's own clock."""
MADE = MOVED | {"ContentType", "Created", "AuthorLookupId"}
"""Fields that the server gives to an item that a change made."""


def missing_of(got: Any, wanted: Any, path: str = "") -> list[str]:
    """Where a served value is not what is wanted: `path: got, due is wanted`. Keys of the truth that begin with `_` are not
    served but inside `fields`; annotations (`@`) may come on top."""
    if isinstance(wanted, dict):
        if not isinstance(got, dict):
            return [f"{path}: {short(got)}, due is {short(wanted)}"]
        is_fields = path.endswith("fields")
        due = {key for key in wanted if is_fields or not key.startswith("_")}
        wrong = [text for key in sorted(due & set(got)) for text in missing_of(got[key], wanted[key], f"{path}.{key}")]
        wrong += [f"{path}.{key} is lost" for key in sorted(due - set(got))]
        allowed = ADDED if is_fields else ADDED_TO_ITEM if not path else set()
        extra = {key for key in set(got) - set(wanted) if "@" not in key and key not in allowed}
        return wrong + [f"{path}.{key} is of nothing" for key in sorted(extra)]
    if isinstance(wanted, list):
        if not isinstance(got, list) or len(got) != len(wanted):
            return [f"{path}: {short(got)}, due is {short(wanted)}"]
        return [
            text
            for at, (a, b) in enumerate(zip(got, wanted, strict=True))
            for text in missing_of(a, b, f"{path}[{at}]")
        ]
    if got != wanted or isinstance(got, bool) != isinstance(wanted, bool):
        return [f"{path}: {short(got)}, due is {short(wanted)}"]
    return []


class ListsJudge:
    """All lists of one site that are no libraries."""

    def __init__(self, bag: SiteBag, site: SiteTruth, truth: TenantTruth, asked: Asked, found: Differences) -> None:
        self.bag, self.site, self.truth, self.asked, self.found = bag, site, truth, asked, found

    def judge(self) -> dict[str, str]:
        """All comparisons; answers the folder below data/lists of each list by its id."""
        places: dict[str, str] = {}
        taken: dict[str, str] = {}
        for row in self.bag.of("columns", gone=True):
            if row.get("key"):
                taken[keys.fold(row["key"].split("/")[2])] = row["scope"]
        for one in self.site.lists.values():
            judge = ListJudge(self, one)
            judge.judge()
            if judge.place is not None:
                places[one.id] = judge.place
                other = taken.setdefault(keys.fold(judge.place), one.id)
                self.found.check("list folders", f"{judge.where}: shares its folder with {other}", other == one.id)
        for one in self.site.gone_lists.values():
            for row in self.bag.of("list_item", one.id):
                self.found.say("gone", f"{self.bag.name}: {row.get('path')!r} of a deleted list is there")
        self._nothing_else()
        return places

    def _nothing_else(self) -> None:
        known = {**self.site.lists, **self.site.gone_lists}
        libraries = {one.list_row.get("id") for one in self.site.libraries.values()}
        for row in self.bag.of("folder", gone=True):
            if row.get("service", {}).get("class") == "list":
                is_known = row["id"] in known or row["id"] in libraries
                self.found.check("nothing else", f"{self.bag.name}: list {row.get('path')!r}", is_known)
        for row in self.bag.of("list_item", gone=True):
            self.found.check(
                "nothing else", f"{self.bag.name}: item {row['id']} of {row['scope']}", row["scope"] in known
            )
        for row in self.bag.of("attachment", gone=True):
            list_id = row["scope"].partition("/")[0]
            self.found.check(
                "nothing else", f"{self.bag.name}: attachment {row['id']!r} of {row['scope']}", list_id in known
            )
        for row in self.bag.of("columns", gone=True):
            self.found.check("nothing else", f"{self.bag.name}: columns of {row['scope']}", row["scope"] in libraries)


class ListJudge:
    """One list. place: its folder below data/lists, once a key has told it."""

    def __init__(self, above: ListsJudge, one: ListTruth) -> None:
        self.bag, self.truth, self.asked, self.found = above.bag, above.truth, above.asked, above.found
        self.list, self.where = one, f"{above.bag.name}: list {one.name!r}"
        names = {*one.names, str(one.row.get("name"))}
        self.allowed = {place for name in names for place in keys.allowed_components(name, one.id)}
        self.place: str | None = None
        self.attached: dict[str, dict[str, Row]] = {}
        for row in self.bag.of("attachment"):
            list_id, _, item_id = row["scope"].partition("/")
            if list_id == one.id:
                self.attached.setdefault(item_id, {})[row["id"]] = row

    def judge(self) -> None:
        """All comparisons but those of derived files."""
        self._folder()
        rows = {row["id"]: row for row in self.bag.of("list_item", self.list.id)}
        for item_id, truth in self.list.items.rows.items():
            where, row = f"{self.where}: item {item_id}", rows.pop(item_id, None)
            if self.found.check("list items", f"{where} has no row", row is not None) and row is not None:
                self._item(where, item_id, truth, row)
        for item_id in rows:
            self.found.say("nothing else", f"{self.where}: item {item_id} is not (or no longer) there")
        for row in self.bag.of("list_item", self.list.id, gone=True):
            if not is_there(row):
                self.found.check(
                    "gone", f"{self.where}: item {row['id']} is not gone", row["id"] in self.list.items.gone
                )
        for item_id, held in self.attached.items():
            if item_id in self.list.items.gone:
                continue  # what hangs on an item that is gone stays as it was
            due = {one["fileName"] for one in attachments_of(self.list.items.rows.get(item_id, {}))}
            for name in set(held) - due:
                is_refusal = not self.asked.certificate and held[name]["outcome"] == "excepted" and bool(due)
                self.found.check("nothing else", f"{self.where}: attachment {name!r} of item {item_id}", is_refusal)
        self._places()
        self._counts()

    def _folder(self) -> None:
        row = self.bag.rows.get(("folder", self.list.id, self.list.id))
        if not self.found.check("list rows", f"{self.where} has no row", row is not None) or row is None:
            return
        self.found.same("list rows", f"{self.where}: outcome", row["outcome"], "copied")
        self.found.same("list rows", f"{self.where}: name", row.get("name"), self.list.name)
        self.found.same("list rows", f"{self.where}: path", row.get("path"), "/" + self.list.name)
        service, served = row.get("service", {}), self.list.row["list"]
        told = (service.get("class"), service.get("template"), service.get("hidden", False))
        self.found.same(
            "list rows", f"{self.where}: facts", told, ("list", served["template"], served.get("hidden", False))
        )

    # -- items ------------------------------------------------------------------------------------------------------

    def _item(self, where: str, item_id: str, truth: Row, row: Row) -> None:
        if not self.found.check(
            "list item outcomes", f"{where}: {row['outcome']} {row.get('code')}", row["outcome"] == "copied"
        ):
            return
        self.found.same("list item paths", where, row.get("path"), f"/{self.list.name}/{item_id}")
        self.found.same("list item paths", f"{where}: parent", row.get("parent"), self.list.id)
        self.found.same("list item names", where, row.get("name") or "", truth["fields"].get("Title") or "")
        line = self.bag.line(row)
        self.found.same("list item lines", f"{where}: list", line.get("list"), self.list.id)
        self._fields(where, line.get("graph", {}), truth)
        self._attachments(where, item_id, truth, row, line)
        self._versions(where, truth, line)
        self._permissions(where, item_id, truth)

    def _fields(self, where: str, graph: Row, truth: Row) -> None:
        is_moved = truth.get("_moved") or truth.get("_made")
        due = {key: value for key, value in truth.items() if key != "fields" and not key.startswith("_")}
        if is_moved:
            due = {
                key: value
                for key, value in due.items()
                if key not in ("eTag", "lastModifiedDateTime", "lastModifiedBy")
            }
        rest = {key: value for key, value in graph.items() if key != "fields" and (key in due or not is_moved)}
        self._none("list item facts", where, missing_of(rest, due))
        own = own_fields(truth)
        fields = {k: v for k, v in truth["fields"].items() if k not in own}
        got = {k: v for k, v in graph.get("fields", {}).items() if k not in own}
        self._none("fields", where, missing_of(got, fields, "fields"), len(fields))

    def _none(self, kind: str, where: str, wrong: list[str], count: int = 1) -> None:
        for text in wrong:
            self.found.say(kind, f"{where}: {text}")
        self.found.agreed[kind] += max(0, count - len(wrong))

    def _attachments(self, where: str, item_id: str, truth: Row, row: Row, line: Row) -> None:
        due = {one["fileName"]: one["_c"]["sha256"] for one in attachments_of(truth)}
        held = self.attached.get(item_id, {})
        if due and not self.asked.certificate:
            codes = {one.get("code") for one in held.values() if one["outcome"] == "excepted"}
            is_said = bool(codes) and all(one["outcome"] == "excepted" for one in held.values())
            self.found.check(
                "attachments excepted", f"{where}: {len(due)} attachments, and no exception says so", is_said
            )
            return
        self.found.same(
            "attachments", f"{where}: service.attachments", bool(row.get("service", {}).get("attachments")), bool(due)
        )
        for name, digest in due.items():
            one = held.get(name)
            here = f"{where}: attachment {name!r}"
            if not self.found.check("attachments", f"{here} has no row", one is not None) or one is None:
                continue
            if not self.found.check("attachments", f"{here}: {one.get('code')}", one["outcome"] == "copied"):
                continue
            path = self.bag.folder / one["key"]
            is_right = one["sha256"] == digest and path.is_file() and sha256_file(path) == digest
            self.found.check("attachments", f"{here}: other bytes", is_right)
            place = re.match(r"data/(?:changed/[^/]+/)?lists/([^/]+)/attachments/([^/]+)/[^/]+$", one["key"])
            is_placed = place is not None and place[1] in self.allowed and place[2] == item_id
            self.found.check(
                "keys", f"{here}: key {one['key']!r}", is_placed or keys.is_too_long_for([(name, name)], one["key"])
            )
        told = {one["name"]: one.get("sha256") for one in line.get("attachments", ())}
        self.found.same("attachments", f"{where}: its line", told, due)

    def _versions(self, where: str, truth: Row, line: Row) -> None:
        due, got = truth.get("_versions", []), line.get("versions")
        if self.asked.versions == "current":
            self.found.check("list item versions", f"{where}: versions that nobody asked for", not got)
            return
        if truth.get("_moved") or truth.get("_made"):
            self.found.check("list item versions", f"{where}: {len(got or ())}", len(got or ()) >= len(due))
            return
        if self.asked.versions != "all":
            due = due[: int(self.asked.versions)]
            got = (got or [])[: len(due)]
        if due:
            self._none("list item versions", where, versions_missing(got, due), len(due))

    def _permissions(self, where: str, item_id: str, truth: Row) -> None:
        value = self.bag.state.permissions.get((self.list.id, item_id))
        due = truth.get("_uniquePermissions")
        if self.asked.permissions == "shared" and not self.asked.certificate:
            due = None  # which items have some of their own is told by SharePoint's own API alone
        if self.asked.permissions == "none" or (due is None and self.asked.permissions == "shared"):
            is_extra = value is not None and not self.truth.is_changed
            self.found.check("item permissions", f"{where}: nobody asked for them", not is_extra)
            return
        if not self.found.check("item permissions", f"{where}: none", value is not None) or value is None:
            return
        got = [{k: v for k, v in one.items() if not k.startswith("@")} for one in value["permissions"]]
        if due is not None:
            wrong = [] if len(got) == len(due) else [f"{len(got)} of {len(due)}"]
            wrong += [
                text for a, b in zip(got, due, strict=False) for text in missing_of({k: a.get(k) for k in b}, b, ".")
            ]
            self._none("item permissions", where, wrong)
        self.found.check("item permissions", f"{where}: captured", bool(TIME.fullmatch(str(value.get("captured")))))

    # -- the whole --------------------------------------------------------------------------------------------------

    def _places(self) -> None:
        """All objects of the list lie in one folder, whose name is that of the list."""
        held: Counter[str] = Counter()
        for row in (
            *self.bag.of("list_item", self.list.id, gone=True),
            *(r for d in self.attached.values() for r in d.values()),
        ):
            place = re.match(r"data/(?:changed/[^/]+/)?lists/([^/]+)/", str(row.get("key") or ""))
            if place is not None:
                held[place[1]] += 1
            elif row.get("key"):
                self.found.say("list folders", f"{self.where}: key {row['key']!r}")
        self.found.check(
            "list folders", f"{self.where}: lies in {sorted(held)}", len(held) <= 1 and set(held) <= self.allowed
        )
        self.place = next(iter(held), None)
        if self.place is None:  # an empty list has its schema alone
            folders = {re.sub(r"^data/lists/([^/]+)/schema\.json$", r"\1", r["id"]) for r in self.bag.of("derived")}
            self.place = next(iter(sorted(folders & self.allowed)), None)

    def _counts(self) -> None:
        entries = [e for e in self.bag.reconciliation.get("independent", ()) if e.get("scope") == self.list.id]
        if not self.found.check("counts", f"{self.where}: {len(entries)} counts by the service", len(entries) == 1):
            return
        told = (entries[0]["verdict"], entries[0]["expected"], entries[0]["found"])
        count = len(self.list.items.rows)
        self.found.same("counts", self.where, told, ("equal", count, count))


def own_fields(item: Row) -> set[str]:
    """Fields of an item of which the truth does not know what the server makes of them at a change."""
    if item.get("_made"):
        return MADE - {name for name in item["fields"] if name not in MOVED}
    return MOVED if item.get("_moved") else set()


def versions_missing(got: Any, due: list[Row]) -> list[str]:
    """What is lost of the versions of an item, newest first."""
    if not isinstance(got, list) or len(got) != len(due):
        return [f"{len(got) if isinstance(got, list) else 0} versions of {len(due)}"]
    wrong = []
    for one, wanted in zip(got, due, strict=True):
        facts = {key: one.get(key) for key in wanted if key != "fields" and not key.startswith("_")}
        wrong += missing_of(
            facts, {k: v for k, v in wanted.items() if k != "fields" and not k.startswith("_")}, wanted["id"]
        )
        wrong += missing_of(one.get("fields"), wanted["fields"], f"{wanted['id']}.fields")
    return wrong
