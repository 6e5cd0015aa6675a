"""Lists the folders of a directory from their start, page by page, and hands each item on.

Rules of this file: each run lists all anew: the directory's delta does not tell of members and costs as much; what concerns one
folder does not stop the others; a row without an id is a finding, never passed over. Source: graph.md §3.1, §7.4, §8.1.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from exporters.bag.formats import JsonObject
from exporters.directory.asking import Asker
from exporters.directory.folders import DOMAINS, GROUPS, ROLES, TERMS, Folder
from exporters.directory.items import Item, Part, id_of
from exporters.directory.refusals import wants_less
from exporters.directory.terms import walk_terms
from exporters.graph.answers import identifier_of
from exporters.graph.errors import GraphError, StoppedError
from exporters.graph.session import GraphSession
from exporters.ordered import in_order

AT_ONCE = 8
"""Items whose parts are asked for side by side."""
Take = Callable[[Folder, Item], None]
_NAMES = {
    "user": ("userPrincipalName", "displayName", "mail"),
    "group": ("displayName", "mail", "mailNickname"),
    "licence": ("skuPartNumber", "skuId"),
    "subscription": ("skuPartNumber", "skuId"),
    "domain": ("id",),
    "organization": ("displayName",),
    "role": ("displayName",),
}
"""By kind, the properties that can name an item: the first that is there."""
_TOLD = {
    "user": ("displayName", "userPrincipalName", "mail", "userType", "accountEnabled"),
    "group": ("displayName", "mail", "visibility", "mailEnabled", "securityEnabled"),
    "licence": ("skuId",),
    "subscription": ("skuId", "status"),
    "role": ("roleTemplateId",),
}
"""By kind, what the row of an item says of it, for whoever has no line at hand."""


class Listing:
    """Of one run. narrowed: ids of folders of which the service took only the narrow selection; nameless: those in which
    something came without an id."""

    def __init__(self, graph: GraphSession, stop: threading.Event, take: Take) -> None:
        """take: is given each item; it MUST be let go of (`Item.close`) after that, which is done here."""
        self._graph, self._stop, self._take = graph, stop, take
        asker = Asker(graph, stop)
        self._parts: dict[str, Callable[[JsonObject], tuple[Part, ...]]] = {
            GROUPS.id: asker.people_of_group,
            ROLES.id: asker.people_of_role,
            DOMAINS.id: asker.records_of_domain,
        }
        self.narrowed: set[str] = set()
        self.nameless: set[str] = set()

    def run(self, folder: Folder) -> None:
        """List a folder to its end. Raises: GraphError of the folder; StoppedError; RunError; errors of the store."""
        if folder is TERMS:
            for item in walk_terms(self._graph, folder, self._look_for_a_stop):
                self._hand_on(folder, item)
            return
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="lastcopy-directory") as pool:
            for page in self._pages(folder):
                self._look_for_a_stop()
                self._take_page(folder, page, pool)

    def _pages(self, folder: Folder) -> Iterator[list[JsonObject]]:
        """Pages of a folder; with fewer properties if the first is refused for what was selected."""
        params = {**folder.params, "$select": folder.narrow} if folder.id in self.narrowed else folder.params
        is_first = True
        try:
            for page in self._graph.pages(folder.path, params=params, cost=folder.cost):
                is_first = False
                yield page
        except GraphError as error:
            if not (is_first and folder.narrow and folder.id not in self.narrowed and wants_less(error)):
                raise
            self.narrowed.add(folder.id)
            yield from self._pages(folder)

    def _take_page(self, folder: Folder, page: list[JsonObject], pool: ThreadPoolExecutor) -> None:
        rows = [row for row in page if id_of(row) is not None]
        if len(rows) < len(page):
            self.nameless.add(folder.id)
        parts = self._parts.get(folder.id)
        if parts is None:
            for row in rows:
                self._hand_on(folder, _item(folder, row, ()))
            return
        asked = in_order(pool, lambda row: (row, parts(row)), rows, ahead=AT_ONCE)
        for row, found in asked:
            self._look_for_a_stop()
            self._hand_on(folder, _item(folder, row, found))

    def _hand_on(self, folder: Folder, item: Item) -> None:
        try:
            self._take(folder, item)
        finally:
            item.close()

    def _look_for_a_stop(self) -> None:
        if self._stop.is_set():
            raise StoppedError(
                "The run was asked to stop while the directory was listed.",
                code="stopped",
                action="Run again to go on.",
            )


def _item(folder: Folder, row: JsonObject, parts: tuple[Part, ...]) -> Item:
    kind, item_id = folder.kind, str(row["id"])
    name = next((text for key in _NAMES[kind] if (text := identifier_of(row.get(key)))), item_id)
    service = {key: row[key] for key in _TOLD.get(kind, ()) if row.get(key) is not None}
    return Item(kind, item_id, folder.id, name, f"/{folder.id}/{name}", row, service=service, parts=parts)
