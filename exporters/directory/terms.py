"""The term store of a tenant: groups, sets, and terms level by level, as the root site shows them.

Rules of this file: one request for each level, for the service lists no whole set; a term that stands in several sets
(reused, pinned) is an item in each; terms that go round in a circle are passed over. Source: graph.md §5.4; the v1.0 schema
(termStore).
"""

from collections.abc import Callable, Iterator, Sequence

from exporters.bag.formats import JsonObject
from exporters.directory.asking import REFUSALS
from exporters.directory.folders import Folder
from exporters.directory.items import Item, id_of
from exporters.errors import LastcopyError, SourceError
from exporters.graph.answers import identifier_of, objects_of
from exporters.graph.calls import segment
from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession

MOST_REFUSED = 3
"""Sets that may be refused before the others are left alone."""


def walk_terms(graph: GraphSession, folder: Folder, look: Callable[[], None]) -> Iterator[Item]:
    """The store, its groups, sets and terms. look: is called before each request. Raises: GraphError, RunError, what `look`
    raises."""
    look()
    store = graph.get(folder.path, cost=Cost.SINGLE)
    walk = _Walk(graph, folder, id_of(store) or "store", look)
    yield walk.item(_served(store), folder.id, f"/{folder.id}", ("id",), "store", "")
    yield from walk.groups()


def _served(store: JsonObject) -> JsonObject:
    return {name: value for name, value in store.items() if name != "@odata.context"}


class _Walk:
    def __init__(self, graph: GraphSession, folder: Folder, store: str, look: Callable[[], None]) -> None:
        self._graph, self._folder, self._store, self._look = graph, folder, store, look

    def groups(self) -> Iterator[Item]:
        failed: list[LastcopyError] = []
        for group in self._rows("groups"):
            item = self.item(group, self._store, f"/{self._folder.id}", ("displayName",), "group", self._store)
            yield item
            for one in self._rows(f"groups/{segment(item.id)}/sets"):
                of_set = self.item(one, item.id, item.path, ("localizedNames",), "set", self._store)
                yield of_set
                try:
                    yield from self._terms(of_set)
                except REFUSALS as error:
                    failed.append(error)
                    if len(failed) >= MOST_REFUSED:
                        raise
        if failed:  # the other sets are listed; this folder is not whole
            raise failed[0]

    def _terms(self, of_set: Item) -> Iterator[Item]:
        """Breadth first: the terms whose children are still to be asked for are all that is held."""
        path = f"sets/{segment(of_set.id)}"
        waiting, seen = [(of_set, f"{path}/children")], set[str]()
        while waiting:
            parent, link = waiting.pop(0)
            for term in self._rows(link):
                item = self.item(term, parent.id, parent.path, ("labels",), "term", of_set.id)
                if item.id in seen:
                    continue
                seen.add(item.id)
                yield item
                waiting.append((item, f"{path}/terms/{segment(item.id)}/children"))

    def _rows(self, link: str) -> Iterator[JsonObject]:
        self._look()
        for page in self._graph.pages(f"{self._folder.path}/{link}", cost=Cost.LISTING):
            self._look()
            if any(id_of(row) is None for row in page):
                raise SourceError(
                    "The term store lists something without an id.",
                    code="malformed",
                    action="Run the export again; if it stays, report it.",
                )
            yield from page

    def item(self, row: JsonObject, parent: str, above: str, names: Sequence[str], what: str, scope: str) -> Item:
        """scope: of its row; the set of a term, the store of a set or group."""
        item_id = id_of(row) or "store"
        name = next((text for key in names if (text := _name_in(row.get(key)))), item_id)
        kind = self._folder.kind
        return Item(kind, item_id, parent, name, f"{above}/{name}", row, scope=scope, service={"class": what})


def _name_in(value: object) -> str | None:
    """A name, or the default one of several in different languages."""
    rows = objects_of(value)
    rows.sort(key=lambda row: row.get("isDefault") is not True)
    return identifier_of(rows[0].get("name")) if rows else identifier_of(value)
