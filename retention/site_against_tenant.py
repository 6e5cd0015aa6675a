"""A fresh listing of a site beside the rows of its bag: is what the tenant lists now what we hold?

Rules of this file: as in `against_tenant`: from scratch, with no cursor of the bag. Compared are the files of libraries as in a
drive, which lists there are and what they are called, the items of lists and the pages by their eTags. The columns of files,
attachments and who may see what are not listed again. Source: design §6 (`verify --against-tenant`); graph.md §5.
"""

from collections.abc import Mapping
from typing import Any

from exporters.bag.formats import LISTED_KINDS, SOURCE, JsonObject, load_json
from exporters.drive.facts import SELECT, facts_of
from exporters.errors import LastcopyError, RunError
from exporters.graph.answers import identifier_of, text_of
from exporters.graph.calls import segment
from exporters.graph.errors import ResyncRequiredError
from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession
from exporters.sharepoint.inventory import read_inventory
from exporters.store.protocol import Store
from retention.against_tenant import Side, Sides, is_live, rows_of

_BY_ETAG = frozenset({"list_item", "page"})


def compare_site(graph: GraphSession, store: Store, bag: str) -> JsonObject:
    """Compare; return what `compare_drive` does. Raises: RunError."""
    site = str(load_json(store.read(f"{bag}/{SOURCE}"))["id"])
    with Sides(bag) as sides:
        for row in rows_of(store, bag):
            _keep(sides, "held", row, live=is_live(row))
        try:
            _list(graph, sides, site)
        except LastcopyError as error:
            if isinstance(error, RunError):
                raise
            return sides.unlisted(error)
        return sides.result()


def _list(graph: GraphSession, sides: Sides, site: str) -> None:
    """The whole site, from scratch; once more from the start if the service asks for it."""
    for attempt in range(2):
        try:
            inventory = read_inventory(graph, site)
            for library in inventory.libraries:
                _list_library(graph, sides, library.drive_id)
            for one in inventory.lists:
                if one.drive_id is None:
                    facts = {"kind": "folder", "scope": one.id, "id": one.id, "parent": None, "name": one.name}
                    _keep(sides, "now", {**facts, "service": {"class": "list"}}, live=True)
                    _list_rows(
                        graph, sides, f"/sites/{segment(site)}/lists/{segment(one.id)}/items", "list_item", one.id
                    )
            _list_rows(graph, sides, f"/sites/{segment(site)}/pages", "page", "")
        except ResyncRequiredError:
            if attempt:
                raise
            sides.empty("now")
        else:
            return


def _list_library(graph: GraphSession, sides: Sides, drive: str) -> None:
    for page in graph.delta(f"/drives/{segment(drive)}/root/delta", params={"$select": SELECT}):
        for item in page.rows:
            if identifier_of(item.get("id")) is not None:
                facts = facts_of(item, drive)
                _keep(sides, "now", facts, live=not facts.get("deleted"))


def _list_rows(graph: GraphSession, sides: Sides, path: str, kind: str, scope: str) -> None:
    for page in graph.pages(path, cost=Cost.LISTING):
        for served in page:
            item_id = identifier_of(served.get("id"))
            if item_id is not None:
                etag = text_of(served.get("eTag")) or text_of(served.get("@odata.etag"))
                _keep(sides, "now", {"kind": kind, "scope": scope, "id": item_id, "service": {"eTag": etag}}, live=True)


def _keep(sides: Sides, side: Side, row: Mapping[str, Any], *, live: bool) -> None:
    """An item of a side, or that it is not there any more. Ids of list items repeat from list to list."""
    kind, service = row.get("kind"), row.get("service") or {}
    who = repr((kind if kind in _BY_ETAG else "", row.get("scope"), row["id"]))
    if not live:
        if kind is None or kind in LISTED_KINDS:
            sides.drop(side, who)
        return
    path = row.get("path") or row.get("name") or f"{kind} {row['id']}"
    if kind in _BY_ETAG:
        sides.keep(side, who, (kind, service.get("eTag")), path)
        return
    is_root = not row.get("parent") and service.get("class") != "list"  # that of a library is called after the library
    named = None if is_root else (row.get("name"), row.get("parent"))
    sides.keep(side, who, (kind, named, service.get("size"), service.get("quickXorHash")), path)
