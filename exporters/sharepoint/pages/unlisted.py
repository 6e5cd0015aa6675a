"""Whether the list of pages leaves out pages whose files lie in the library of pages.

Rules of this file: a page has the unique id of its file; of files that no listed page is, some are asked for as pages: what is
none (a classic page is a file alone) is not found. Source: graph.md §5.4; docs/decisions/0058.
"""

from collections.abc import Iterator, Sequence
from heapq import nlargest

from exporters.bag.formats import load_json
from exporters.bag.ledger import BagWriter
from exporters.errors import ItemError, SourceError
from exporters.graph.answers import identifier_of
from exporters.graph.calls import segment
from exporters.graph.errors import SiteLockedError
from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession
from exporters.sharepoint.drive_items import unique_of
from exporters.sharepoint.pages.facts import KIND, SCOPE
from exporters.sharepoint.pages.links import folded_name

MOST_ASKED = 20
"""Files that are asked for as pages, the newest first, at one unit each: a sample tells a listing that came short."""
_PAGE_FILE = ".aspx"


def look_for_unlisted(graph: GraphSession, writer: BagWriter, site_id: str, drives: Sequence[str]) -> None:
    """After a whole listing, whose ids are in the table `pages_listed`. drives: libraries of pages.

    Raises: SourceError if there is a page that it leaves out; RunError, SiteLockedError.
    """
    for _, page_id in nlargest(MOST_ASKED, _candidates(writer, drives)):
        try:
            page = graph.get(f"/sites/{segment(site_id)}/pages/{segment(page_id)}", cost=Cost.SINGLE)
        except SiteLockedError:
            raise
        except (ItemError, SourceError):
            continue  # no page
        if (identifier_of(page.get("id")) or "").lower() == page_id:
            raise SourceError(
                "The list of pages leaves out pages that are there.",
                code="listing_incomplete",
                action="Run the export again; if it stays, report it.",
            )


def _candidates(writer: BagWriter, drives: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(last changed, unique id) of files that could be pages, and are none that is listed."""
    state = writer.state
    names = "SELECT EXISTS (SELECT 1 FROM tree WHERE scope = ? AND kind = ? AND alive = 1 AND CAST(name AS BLOB) = ?)"
    listed = "SELECT EXISTS (SELECT 1 FROM pages_listed WHERE lower(id) = ?)"
    for drive in drives:
        for row in map(load_json, state.rows("kind = 'file' AND scope = ? AND outcome != 'gone'", (drive,))):
            service, name = row.get("service") or {}, str(row.get("name") or "")
            unique = unique_of(service.get("listItemUniqueId"), service.get("eTag"))
            if unique is None or not name.lower().endswith(_PAGE_FILE) or state.count(listed, (unique,)):
                continue
            if not any(
                state.count(names, (SCOPE, KIND, one))
                for one in (name.encode("utf-8", "surrogatepass"), folded_name(name))
            ):
                yield str(row.get("modified") or ""), unique
