"""A fresh listing of a directory beside the rows of its bag: is what the tenant has now what we hold?

Rules of this file: as in `against_tenant`: all is listed anew, and the bag is not written to. What is compared is which
things there are, in which folder, and digests of what was served. A folder that the bag has as an exception, or not at all,
and that is refused now is not compared, and the result says how many such folders there are. Source: design §6 (`verify
--against-tenant`).
"""

import threading
from collections.abc import Iterator, Mapping
from typing import Any

from exporters.bag.formats import DIRECTORY_KINDS, JsonObject
from exporters.directory.asking import REFUSALS
from exporters.directory.folders import FOLDERS, Folder
from exporters.directory.items import Item
from exporters.directory.listing import Listing
from exporters.graph.session import GraphSession
from exporters.store.protocol import Store
from retention.against_tenant import Sides, is_live, rows_of


def compare_directory(graph: GraphSession, store: Store, bag: str) -> JsonObject:
    """Compare; return what `compare_drive` does, and `not_compared`: how many folders could not be listed, as in the last run.
    Raises: RunError."""
    with Sides(bag) as sides:
        listed = _hold(sides, rows_of(store, bag))

        def take(folder: Folder, item: Item) -> None:
            sides.keep("now", _who(item.identity), _told(item.parent, item.digests()), item.path)

        listing = Listing(graph, threading.Event(), take)
        not_compared = 0
        for folder in FOLDERS:
            try:
                listing.run(folder)
            except REFUSALS as error:
                if folder.id in listed:
                    return {**sides.unlisted(error), "not_compared": not_compared}
                not_compared += 1
        return {**sides.result(), "not_compared": not_compared}


def _hold(sides: Sides, rows: Iterator[Mapping[str, Any]]) -> set[str]:
    """Take in the rows of the bag; the ids of the folders that were listed to their end."""
    listed: set[str] = set()
    for row in rows:
        if row["kind"] == "folder":
            (listed.add if row["outcome"] == "copied" else listed.discard)(row["id"])
        elif row["kind"] in DIRECTORY_KINDS:
            who = _who((row["kind"], row["scope"], row["id"]))
            if is_live(row):
                told = _told(row["parent"], (row.get("service") or {}).get("digests") or {})
                sides.keep("held", who, told, str(row["path"]))
            else:
                sides.drop("held", who)
    return listed


def _who(identity: tuple[str, str, str]) -> str:
    return "\0".join(identity)


def _told(parent: str, digests: Mapping[str, str]) -> list[Any]:
    return [parent, sorted(digests.items())]
