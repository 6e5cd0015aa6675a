"""A drive without delta, listed folder by folder (Q-007).

Rules of this file: only where delta is refused, since `children` is not complete while things move, and breaks at about 100,000
(Q-012): the closing rounds and the folders' own counts prove it. Streams: the folders that are still to be read wait in the
temporary state, not in memory. A folder that cannot be read fails the round: what lies in it must not count as removed.
Source: graph.md §5.1, §5.2; quirks Q-007, Q-012.
"""

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

from exporters.drive.facts import SELECT, is_facet
from exporters.errors import SourceError
from exporters.graph.answers import identifier_of
from exporters.graph.calls import segment
from exporters.graph.errors import NotFoundError, RefusedError
from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession

WALKED = "walk"
"""Kind of the cursor of a drive that was walked: there is no link to go on from."""
PAGE = "200"

Row = dict[str, Any]


def walk(
    graph: GraphSession, db: sqlite3.Connection, drive: str, refused: Callable[[str], None]
) -> Iterator[list[Row]]:
    """Rows as `children` serves them, page by page, the root first. db: of the bag's state, for the folders that wait. refused:
    is told the id of each package whose parts the service does not list.

    Raises: SourceError if a folder that is there cannot be read; GraphError.
    """
    db.execute("CREATE TEMP TABLE IF NOT EXISTS unread (n INTEGER PRIMARY KEY, id TEXT UNIQUE, package INT)")
    db.execute("DELETE FROM unread")
    params = {"$select": SELECT}
    root = graph.get(f"/drives/{segment(drive)}/root", params=params, cost=Cost.SINGLE)
    yield [root]
    _note(db, [root])
    last = 0
    while found := db.execute("SELECT n, id, package FROM unread WHERE n > ? ORDER BY n LIMIT 1", (last,)).fetchone():
        last, folder, is_package = found
        path = f"/drives/{segment(drive)}/items/{segment(folder)}"
        try:
            for page in graph.pages(f"{path}/children", params={**params, "$top": PAGE}, cost=Cost.LISTING):
                yield page
                _note(db, page)
        except NotFoundError:
            _make_sure_that_it_is_gone(graph, path)
        except RefusedError:
            if not is_package:
                raise
            refused(folder)


def _note(db: sqlite3.Connection, rows: list[Row]) -> None:
    """Keep the folders among these for later; shortcuts are never followed (Q-029)."""
    for row in rows:
        item_id = identifier_of(row.get("id"))
        if item_id is None or is_facet(row, "remoteItem"):
            continue
        if is_facet(row, "folder") or is_facet(row, "root") or is_facet(row, "package"):
            package = int(is_facet(row, "package"))
            db.execute("INSERT OR IGNORE INTO unread (id, package) VALUES (?, ?)", (item_id, package))


def _make_sure_that_it_is_gone(graph: GraphSession, path: str) -> None:
    """A folder whose content is not found was deleted meanwhile, or its content must not be taken for removed."""
    try:
        graph.get(path, params={"$select": "id"}, cost=Cost.SINGLE)
    except NotFoundError:
        return
    raise SourceError(
        "the service does not find the content of a folder that it does find",
        code="folder_unreadable",
        action="Run the export again: nothing was marked as removed.",
    )
