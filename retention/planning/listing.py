"""How much one source has, by asking for it: the folders of a mailbox, the quota of a drive, the libraries and lists of a site.

Rules of this file: a few requests a source, and no item is listed; what the service does not tell is estimated by a mean that is
named, or unknown. Source: graph.md §3.2, §5.1, §9.2 (cross-checks inside Graph).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from exporters.graph.answers import identifier_of, number_of, object_of
from exporters.graph.calls import segment
from exporters.graph.limits import Cost
from exporters.graph.mailbox import Mailbox
from exporters.graph.session import GraphSession
from exporters.sources import Source, SourceKind
from retention.planning.quantities import Quantity

FOLDERS = "counts of its folders"
QUOTA = "quota of the drive"
_FOLDER = {"$select": "id,totalItemCount,childFolderCount", "includeHiddenFolders": "true", "$top": "250"}
_SEARCH = "#microsoft.graph.mailSearchFolder"
_DEEPEST = 100
THREAD_POSTS = 3
"""Posts of a conversation of a group: nobody counts them."""


@dataclass(frozen=True, slots=True)
class Means:
    """Bytes of an item where nobody tells: measured by earlier runs, else assumed. source: which of the two."""

    message: float = 75_000.0
    file: float = 1_600_000.0
    message_source: str = "assumed 75 kB a message"
    file_source: str = "assumed 1.6 MB a file"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a source has. parts: folders, drives or lists that a run asks for one by one; is_counted: whether somebody counted the
    items; else their number follows from bytes, or from a mean."""

    items: Quantity
    bytes: Quantity
    parts: int = 1
    lists: int = 0
    is_counted: bool = True


def ask(graph: GraphSession, source: Source, means: Means) -> Asked:
    """Raises: GraphError, RunError."""
    ways: dict[SourceKind, Callable[[GraphSession, Source, Means], Asked]] = {
        SourceKind.MAIL: _group if source.is_group else _mailbox,
        SourceKind.ONEDRIVE: _drive,
        SourceKind.SHAREPOINT: _site,
    }
    return ways[source.kind](graph, source, means)


def _mailbox(graph: GraphSession, source: Source, means: Means) -> Asked:
    mailbox = Mailbox(graph, source.id)
    items, folders, seen = 0, 0, set[str]()
    level = ["msgfolderroot"]
    for _ in range(_DEEPEST):
        below: list[str] = []
        for place in level:
            for page in mailbox.pages(f"/mailFolders/{segment(place)}/childFolders", params=_FOLDER):
                for row in page:
                    folder = identifier_of(row.get("id"))
                    if folder is None or folder in seen:
                        continue
                    seen.add(folder)
                    if row.get("@odata.type") == _SEARCH:
                        continue  # a view of what lies elsewhere
                    folders += 1
                    items += number_of(row.get("totalItemCount")) or 0
                    if number_of(row.get("childFolderCount")):
                        below.append(folder)
        level = below
        if not level:
            break
    found = Quantity.exact(items, FOLDERS)
    return Asked(found, Quantity.estimated(items * means.message, means.message_source), folders)


def _group(graph: GraphSession, source: Source, means: Means) -> Asked:
    mailbox = Mailbox(graph, source.id, route="groups")
    threads = sum(len(page) for page in mailbox.pages("/threads", params={"$select": "id", "$top": "100"}))
    posts = Quantity.estimated(threads * THREAD_POSTS, f"conversations of the group, {THREAD_POSTS} posts each")
    return Asked(
        posts,
        Quantity.estimated(threads * THREAD_POSTS * means.message, means.message_source),
        threads,
        is_counted=False,
    )


def _drive(graph: GraphSession, source: Source, means: Means) -> Asked:
    row = graph.get(f"/drives/{segment(source.id)}", params={"$select": "id,quota"}, cost=Cost.SINGLE)
    return _by_quota([number_of(object_of(row.get("quota")).get("used"))], means)


def _site(graph: GraphSession, source: Source, means: Means) -> Asked:
    path = f"/sites/{segment(source.id)}"
    drives = [
        number_of(object_of(row.get("quota")).get("used"))
        for page in graph.pages(f"{path}/drives", params={"$select": "id,quota"}, cost=Cost.LISTING)
        for row in page
    ]
    lists = sum(len(p) for p in graph.pages(f"{path}/lists", params={"$select": "id"}, cost=Cost.LISTING))
    found = _by_quota(drives, means)
    return replace(found, parts=max(1, len(drives)), lists=lists)


def _by_quota(used: list[int | None], means: Means) -> Asked:
    """used: bytes of each drive. Libraries of a site may all tell what the whole site uses: the same number counts once."""
    if None in used:
        why = "the service tells no quota"
        return Asked(Quantity.unknown(why), Quantity.unknown(why))
    size = sum({one for one in used if one is not None})
    return Asked(
        Quantity.estimated(math.ceil(size / means.file), f"{QUOTA}, {means.file_source}"),
        Quantity.estimated(size, QUOTA),
        is_counted=False,
    )
