"""Which sites there are: every site collection of every geography, and the subsites below each.

Rules of this file: getAllSites lists the collections (those of teams and of their channels are collections like any other, and
v1.0 does not tell them apart), and no subsites to rely on: each site is asked for those below it, one request each. A site comes
once, however often it is listed. What could not be listed is yielded, with its error: never silence. Nothing is selected in
getAllSites, whose page documents no options. Source: graph.md §5.1, §5.5; quirks Q-005, Q-011, Q-060.
"""

import base64
import binascii
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from exporters.errors import ItemError, LastcopyError, SourceError
from exporters.graph.answers import identifier_of, text_of
from exporters.graph.calls import JsonObject, segment
from exporters.graph.errors import NotFoundError, SiteLockedError
from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession
from exporters.ordered import in_order

ASKED_AT_ONCE = 4
"""Sites whose subsites are asked for side by side."""
TOGETHER = 50
"""Sites whose subsites are asked for before those of the next are."""
DEEPEST = 100
"""Levels of subsites that are followed; an address has at most 400 characters."""
_GUIDS = 32
"""Bytes at the start of a drive's id that are the ids of its site collection and its web."""
_DRIVE_ID_BYTES = 48


@dataclass(frozen=True, slots=True)
class FoundSite:
    """A site that the service lists. name: its path without the first `/`, each further one written `!`; `root` for `/`
    (design §4). is_personal: it is the site around a OneDrive."""

    id: str
    name: str
    web_url: str | None
    is_personal: bool = False


@dataclass(frozen=True, slots=True)
class Unlisted:
    """What could not be listed. name: of a site, or of the subsites of one: `<its name>!*`."""

    name: str
    error: LastcopyError


def find_sites(
    graph: GraphSession,
    *,
    with_subsites: bool,
    skip: Callable[[FoundSite], bool] = lambda site: False,
    held: Iterable[FoundSite] = (),
) -> Iterator[FoundSite | Unlisted]:
    """Yield each site once. with_subsites: whether the subsites of those that are not personal are wanted, too. skip: says of a
    collection that nobody wants it. held: sites of the store: of one that is not listed the subsites are asked for all the same.

    Raises: SourceError, ItemError if the collections cannot be listed to their end, after what was listed; RunError.
    """
    finder, listed, failure = _Finder(graph), list[FoundSite | Unlisted](), None
    try:  # all pages first: the copies of what the first one lists may take days, and links do not last
        for page in graph.pages("/sites/getAllSites", cost=Cost.LISTING):
            listed += [one for one in finder.new(page) if isinstance(one, Unlisted) or not skip(one)]
    except (ItemError, SourceError) as error:
        failure = error
    with ThreadPoolExecutor(ASKED_AT_ONCE, thread_name_prefix="lastcopy-sites") as pool:
        for first in range(0, len(listed), TOGETHER):
            some = listed[first : first + TOGETHER]
            yield from some
            if with_subsites:
                yield from finder.below(pool, [one for one in some if isinstance(one, FoundSite)])
        if with_subsites:
            yield from finder.below(pool, [one for one in held if not finder.knows(one)])
    if failure is not None:
        raise failure


def site_of_drive(drive_id: str) -> str | None:
    """`<collection>,<web>`: ids of the site around a drive, which the service keeps at the start of the drive's id; None for one
    that is of another form. Good for telling that two are the same, and for nothing else: no page documents it."""
    try:
        known = base64.b64decode(drive_id.removeprefix("b!"), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if not drive_id.startswith("b!") or len(known) != _DRIVE_ID_BYTES:
        return None
    return ",".join(str(uuid.UUID(bytes_le=known[at : at + 16])) for at in range(0, _GUIDS, 16))


def site_guids(site_id: str) -> str:
    """`<collection>,<web>` of a site's id, as `site_of_drive` gives it."""
    return site_id.partition(",")[2].lower()


class _Finder:
    """seen: ids of sites that were yielded."""

    def __init__(self, graph: GraphSession) -> None:
        self._graph = graph
        self._seen: set[str] = set()

    def new(self, rows: list[JsonObject], above: FoundSite | None = None) -> list[FoundSite | Unlisted]:
        """The sites among these rows that have not been met."""
        found: list[FoundSite | Unlisted] = []
        for row in rows:
            site = _site(row)
            if site is None:
                text = f"The service lists a site without an id{f' below {above.name}' if above else ''}."
                error = SourceError(text, code="malformed", action="Run the export again; if it stays, report it.")
                found.append(Unlisted("(a site without id)", error))
            elif site.id.lower() not in self._seen:
                self._seen.add(site.id.lower())
                found.append(site)
        return found

    def knows(self, site: FoundSite) -> bool:
        """Whether a site was met."""
        return site.id.lower() in self._seen

    def below(self, pool: ThreadPoolExecutor, sites: list[FoundSite]) -> Iterator[FoundSite | Unlisted]:
        """All subsites of these sites, level by level."""
        level = [site for site in sites if not site.is_personal]
        for _ in range(DEEPEST):
            if not level:
                return
            deeper: list[FoundSite] = []
            for site, answer in in_order(pool, self._ask, level, ahead=2 * ASKED_AT_ONCE):
                found = [answer] if isinstance(answer, Unlisted) else self.new(answer, site)
                deeper += [one for one in found if isinstance(one, FoundSite)]
                yield from found
            level = deeper
        error = SourceError(
            f"The service lists more than {DEEPEST} levels of subsites.",
            code="malformed",
            action="Run the export again; if it stays, report it.",
        )
        yield from (Unlisted(f"{site.name}!*", error) for site in level)

    def _ask(self, site: FoundSite) -> tuple[FoundSite, list[JsonObject] | Unlisted]:
        """The rows of the subsites of a site. One that is closed or gone says so itself when it is copied, for all below it: then
        there are none here."""
        try:
            pages = self._graph.pages(f"/sites/{segment(site.id)}/sites", cost=Cost.LISTING)
            return site, [row for page in pages for row in page]
        except SiteLockedError:
            return site, []
        except NotFoundError as error:
            return site, Unlisted(f"{site.name}!*", error) if self._is_open(site) else []
        except (ItemError, SourceError) as error:
            return site, Unlisted(f"{site.name}!*", error)

    def _is_open(self, site: FoundSite) -> bool:
        """Whether a site answers, whose subsites do not (1 request)."""
        try:
            self._graph.get(
                f"/sites/{segment(site.id)}/lists", params={"$select": "id", "$top": "1"}, cost=Cost.LISTING
            )
        except (ItemError, SourceError):
            return False
        return True


def _site(row: Mapping[str, Any]) -> FoundSite | None:
    site_id = identifier_of(row.get("id"))
    if site_id is None:
        return None
    url = text_of(row.get("webUrl"))
    name = name_at(url) or identifier_of(row.get("name")) or site_id
    return FoundSite(site_id, name, url, _is_personal(row.get("isPersonalSite"), url))


def name_at(url: str | None) -> str | None:
    """The name that the address gives a site; None without one that can be read."""
    try:
        path = unquote(urlsplit(url or "").path, errors="strict")
        if not url or not urlsplit(url).hostname:
            return None
    except ValueError:
        return None
    return identifier_of(path.strip("/").replace("/", "!") or "root")


def _is_personal(told: object, url: str | None) -> bool:
    """As the service says; by the address where it does not."""
    if isinstance(told, bool):
        return told
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return False
    return (parts.hostname or "").partition(".")[0].endswith("-my") and parts.path.startswith("/personal/")
