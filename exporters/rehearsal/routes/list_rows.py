"""How lists and their items look in an answer: what is selected, what is expanded, what a column that looks up resolves to.

Rules of this file: without `$expand=fields` an item has no fields; fields are those of the data, as they are; a column that looks
up is served as `…LookupId` alone, unless it is named in `fields($select=…)`; system lists show only to who selects `system`.
Source: reference/graph.md 5.4; quirks Q-063, Q-064.
"""

import re
from dataclasses import dataclass

from exporters.rehearsal.documents import Row
from exporters.rehearsal.library_items import LibraryItems
from exporters.rehearsal.list_truth import ListTruth, SiteLists
from exporters.rehearsal.routes.answers import bad_request, item_not_found, public
from exporters.rehearsal.routes.query import project, selection
from exporters.rehearsal.routes.router import Call

Items = ListTruth | LibraryItems
_EXPANSION = re.compile(r"\s*([A-Za-z]+)\s*(?:\(\s*\$select\s*=\s*([^()]*)\)\s*)?(?:,|$)")


def find_site(call: Call) -> Row:
    """The site of the path. Raises ApiError 404."""
    found = call.service.tenant.site(call.names["site"])
    if found is None:
        raise item_not_found()
    return found


def find_list(call: Call) -> tuple[Row, SiteLists, ListTruth]:
    """Site, its lists, and the list of the path. Raises ApiError 404."""
    site = find_site(call)
    lists = call.service.tenant.lists_of(site)
    found = lists.find(call.names["list"])
    if found is None:
        raise item_not_found()
    return site, lists, found


def items_of(call: Call, one: ListTruth) -> Items:
    """The items of a list: of a library those of its drive."""
    if one.is_library:
        return LibraryItems(one.id, call.service.tenant.drive_in(str(one.info["_drive"])))
    one.load()
    return one


def served_list(site: Row, one: ListTruth, names: tuple[str, ...] | None) -> Row:
    """A list; `system` only where it is selected."""
    row = {"name": one.info.get("displayName"), **public(one.info), "parentReference": {"siteId": site["id"]}}
    if names is None:
        row.pop("system", None)
    return project(row, names)


def expansion(text: str, known: tuple[str, ...]) -> dict[str, tuple[str, ...] | None]:
    """`fields($select=A,B),driveItem` → {"fields": ("A", "B"), "driveItem": None}. Raises ApiError 400."""
    found: dict[str, tuple[str, ...] | None] = {}
    place = 0
    while place < len(text):
        part = _EXPANSION.match(text, place)
        if part is None or part[1] not in known:
            raise bad_request(f"$expand={text} is not served here. Known: {', '.join(known)}.")
        found[part[1]] = None if part[2] is None else tuple(name.strip() for name in part[2].split(",") if name.strip())
        place = part.end()
    return found


@dataclass(frozen=True)
class Form:
    """How items are to be served. select: properties; fields, drive_item: whether these are expanded."""

    select: str | None
    expand: str

    def check(self) -> None:
        """Raises ApiError 400."""
        selection({} if self.select is None else {"$select": self.select}, "listItem")
        expansion(self.expand, ("fields", "driveItem"))

    def serve(self, call: Call, site: Row, lists: SiteLists, items: Items, n: int) -> Row:
        """A live item."""
        names = selection({} if self.select is None else {"$select": self.select}, "listItem")
        wanted = expansion(self.expand, ("fields", "driveItem"))
        row = items.row(n)
        whole = {**public(row), "parentReference": {"siteId": site["id"]}}
        whole.pop("fields", None)
        served: Row = {"@odata.etag": row.get("eTag")} | project(whole, names)
        if "fields" in wanted:
            served["fields"] = self._fields(call, lists, items, row, wanted["fields"])
        if "driveItem" in wanted and "_driveItem" in row:
            served["driveItem"] = {"id": row["_driveItem"]}
        return served

    def _fields(self, call: Call, lists: SiteLists, items: Items, row: Row, names: tuple[str, ...] | None) -> Row:
        fields: Row = row["fields"]
        if names is None:
            return {"@odata.etag": row.get("eTag"), **fields}
        found: Row = {"@odata.etag": row.get("eTag")}
        for name in names:
            if name in fields:
                found[name] = fields[name]
            elif f"{name}LookupId" in fields:
                found[name] = _looked_up(call, lists, items, name, str(fields[f"{name}LookupId"]))
        return found


def _looked_up(call: Call, lists: SiteLists, items: Items, name: str, wanted: str) -> object:
    """What the column `name` shows of the item `wanted` of the list that it looks up; null for one that is gone."""
    own = lists.find(items.id)
    columns: list[Row] = [] if own is None else own.info.get("_columns", [])
    column = next((column for column in columns if column["name"] == name), {})
    if "personOrGroup" in column or name in ("Author", "Editor"):
        one = next((one for one in lists.all() if one.info["list"]["template"] == "userInformation"), None)
        shown = "Title"
    else:
        lookup = column.get("lookup", {})
        one, shown = lists.find(str(lookup.get("listId") or items.id)), str(lookup.get("columnName") or "Title")
    there = None if one is None else items_of(call, one)
    n = None if there is None else there.find(wanted)
    return None if there is None or n is None else there.row(n)["fields"].get(shown)


def served_versions(row: Row) -> list[Row]:
    """The states of an item, newest first; the present one alone where nothing else is known."""
    known = row.get("_versions")
    if known:
        return [public(entry) for entry in known]
    fields = row["fields"]
    version = {"id": str(fields.get("_UIVersionString", "1.0")), "lastModifiedDateTime": row["lastModifiedDateTime"]}
    return [{**version, "fields": fields}]
