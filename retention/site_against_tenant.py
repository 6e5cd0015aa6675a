"""A fresh listing of a site beside the rows of its bag: is what the tenant has now what we hold?

Rules of this file: as in `against_tenant`: from scratch, with no cursor of the bag, which is not written to. Libraries are
listed by delta from the start; lists and pages by plain listings, and not by the deltas that the bag was made with. What is not
copied (docs/decisions/0048) is not compared. Source: design §6 (`verify --against-tenant`).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from exporters.bag.formats import SOURCE, JsonObject, load_json
from exporters.drive.facts import SELECT, facts_of
from exporters.errors import LastcopyError, RunError
from exporters.graph.answers import identifier_of, text_of
from exporters.graph.calls import segment
from exporters.graph.errors import ResyncRequiredError
from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession
from exporters.sharepoint.inventory import Inventory, read_inventory
from exporters.store.protocol import Store
from retention.against_tenant import Sides, is_live, rows_of

_ITEM, _PAGE, _LIST = "list_item", "page", "list"
_OF_DRIVES = frozenset({"file", "folder", "package", "shortcut", "other"})


def compare_site(graph: GraphSession, store: Store, bag: str) -> JsonObject:
    """Compare; return what `compare_drive` does. changed: of a list or page: with another name or eTag than the row says; of an
    item of a list: with another eTag. Raises: RunError."""
    site = str(load_json(store.read(f"{bag}/{SOURCE}"))["id"])
    with Sides(bag) as sides:
        for row in rows_of(store, bag):
            _hold(sides, row)
        try:
            for facts in _listed(graph, sides, site):
                sides.keep("now", _who(facts), _told(facts), str(facts.get("path") or facts.get("name") or facts["id"]))
        except LastcopyError as error:
            if isinstance(error, RunError):
                raise
            return sides.unlisted(error)
        return sides.result()


def _hold(sides: Sides, row: Mapping[str, Any]) -> None:
    if row["kind"] not in _OF_DRIVES | {_ITEM, _PAGE}:
        return
    if is_live(row):
        sides.keep("held", _who(row), _told(row), str(row.get("path") or row.get("name") or row["id"]))
    else:
        sides.drop("held", _who(row))


def _who(facts: Mapping[str, Any]) -> str:
    return f"{facts['scope']}\0{facts['id']}"


def _told(facts: Mapping[str, Any]) -> tuple[Any, ...]:
    """What has to be the same on both sides."""
    kind, service = facts["kind"], facts.get("service") or {}
    if kind == _ITEM:
        return kind, service.get("eTag")
    if kind == _PAGE:
        return kind, facts.get("name"), service.get("eTag")
    if service.get("class") == _LIST:
        return kind, facts.get("name")
    return kind, facts.get("name"), facts.get("parent"), service.get("size"), service.get("quickXorHash")


def _listed(graph: GraphSession, sides: Sides, site: str) -> Iterator[JsonObject]:
    """All that the site has now. Raises: SourceError, ItemError, RunError."""
    inventory = read_inventory(graph, site)
    for library in inventory.libraries:
        yield from _of_library(graph, sides, library.drive_id)
    yield from _of_lists(graph, inventory, site)
    for page in graph.pages(f"/sites/{segment(site)}/pages", cost=Cost.LISTING):
        for served in page:
            if (page_id := identifier_of(served.get("id"))) is not None:
                told = {"eTag": text_of(served.get("eTag"))}
                yield {
                    "kind": _PAGE,
                    "scope": "",
                    "id": page_id,
                    "name": text_of(served.get("name")) or "",
                    "service": told,
                }


def _of_library(graph: GraphSession, sides: Sides, drive: str) -> Iterator[JsonObject]:
    """The last row of an id counts; once more from the start if the service asks for it."""
    for attempt in range(2):
        try:
            for page in graph.delta(f"/drives/{segment(drive)}/root/delta", params={"$select": SELECT}):
                for served in page.rows:
                    if identifier_of(served.get("id")) is None:
                        continue
                    facts = facts_of(served, drive)
                    if facts.get("deleted"):
                        sides.drop("now", _who(facts))
                    else:
                        yield facts
        except ResyncRequiredError:
            if attempt:
                raise
        else:
            return


def _of_lists(graph: GraphSession, inventory: Inventory, site: str) -> Iterator[JsonObject]:
    for one in inventory.lists:
        if one.drive_id is not None:
            continue
        yield {"kind": "folder", "scope": one.id, "id": one.id, "name": one.name, "service": {"class": _LIST}}
        path = f"/sites/{segment(site)}/lists/{segment(one.id)}/items"
        for page in graph.pages(path, params={"$select": "id,eTag"}, cost=Cost.LISTING):
            for served in page:
                if (item_id := identifier_of(served.get("id"))) is not None:
                    etag = text_of(served.get("eTag")) or text_of(served.get("@odata.etag"))
                    yield {"kind": _ITEM, "scope": one.id, "id": item_id, "name": item_id, "service": {"eTag": etag}}
