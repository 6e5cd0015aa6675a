"""What a site has: itself, its lists, its libraries, and which list each library is.

Rules of this file: libraries are lists too, and come once (Q-064); system lists and hidden libraries are asked for, what is not
copied is known by name; an answer that is not whole is an error, never a short list. No state, no ledger. Source: graph.md §5.1,
§5.4; docs/decisions/0048.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from exporters.drive.facts import is_facet
from exporters.errors import ItemError, SourceError
from exporters.graph.answers import identifier_of, object_of, text_of
from exporters.graph.calls import JsonObject, segment
from exporters.graph.errors import LockedError, NotFoundError, SiteLockedError, UnsupportedError
from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession
from exporters.sharepoint.refusals import explained
from exporters.sharepoint.run import SiteList

LIST_SELECT = "id,name,displayName,description,webUrl,createdDateTime,lastModifiedDateTime,eTag,list,system"
DRIVE_SELECT = "id,name,description,driveType,webUrl,createdDateTime,lastModifiedDateTime,owner,sharePointIds,system"
CATALOGUES = frozenset(
    {
        "webTemplateCatalog",
        "webPartCatalog",
        "listTemplateCatalog",
        "masterPageCatalog",
        "solutionCatalog",
        "themeCatalog",
        "designCatalog",
        "appDataCatalog",
        "maintenanceLogs",
    }
)
"""Templates of libraries that hold what makes pages look as they do, and nothing of people's."""
LIBRARY_TEMPLATES = frozenset(
    {
        "documentLibrary",
        "webPageLibrary",
        "pictureLibrary",
        "assetLibrary",
        "xmlForm",
        "formLibrary",
        "recordLibrary",
        "homePageLibrary",
        "dataConnectionLibrary",
        "dataSources",
        "translationManagementLibrary",
        "preservationHoldLibrary",
        "mySiteDocumentLibrary",
        "myDocuments",
    }
)
"""Templates of lists that are libraries, so that one without a drive in the listing is asked for it."""
PEOPLE = "userInformation"
"""Template of the hidden list that says who the numbers in columns of people are (Q-063)."""


_IF_DELETED = (
    "A deleted site can be restored for 93 days (SharePoint admin centre, Deleted sites). If it is to stay so, accept that by"
    " name: lastcopy accept not_found --source sharepoint/NAME --by NAME --reason TEXT"
)


@dataclass(frozen=True, slots=True)
class Library:
    """A library of a site. list_id: None if no list could be found that it is; then it has no template either. title: of that
    list."""

    drive_id: str
    name: str
    list_id: str | None
    served: JsonObject
    template: str = ""
    title: str = ""


@dataclass(slots=True)
class Inventory:
    """site: as served. lists: all that are copied, those that libraries are among them. left_out: system lists, and catalogues:
    named, and not copied. unreadable: {list id: code} of libraries whose drive could not be asked for; unasked: {drive id: code}
    of those that could not be asked which list they are."""

    site: JsonObject
    libraries: list[Library] = field(default_factory=list)
    lists: list[SiteList] = field(default_factory=list)
    left_out: list[SiteList] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    unasked: dict[str, str] = field(default_factory=dict)

    def add(self, one: SiteList, drive: JsonObject | None) -> None:
        """Take in a list. drive: as served, if it is a library."""
        if _is_left_out(one):
            self.left_out.append(one)
            return
        self.lists.append(one)
        if drive is not None:
            self.libraries.append(_library(drive, one))

    def addresses(self) -> dict[str, str]:
        """{drive id: address of the library}, as far as it is told."""
        return {one.drive_id: url for one in self.libraries if (url := text_of(one.served.get("webUrl")))}

    def served(self) -> Iterator[tuple[str, str, JsonObject]]:
        """All that was served, as (what it is, id, JSON)."""
        yield "site", str(self.site["id"]), self.site
        for one in sorted((*self.lists, *self.left_out), key=lambda one: one.id):
            yield "list", one.id, one.served
        for library in sorted(self.libraries, key=lambda library: library.drive_id):
            yield "drive", library.drive_id, library.served


def read_inventory(graph: GraphSession, site_id: str) -> Inventory:
    """Ask for all. Raises: SourceError, ItemError if the site refuses; GraphError; RunError."""
    path = f"/sites/{segment(site_id)}"
    try:
        found = Inventory(graph.get(path, cost=Cost.SINGLE))
        lists = list(_rows(graph, f"{path}/lists", LIST_SELECT))
        drives = {row["id"]: row for row in _rows(graph, f"{path}/drives", DRIVE_SELECT)}
    except (LockedError, SiteLockedError) as error:  # what is said of one thing in it is said of the site
        raise explained(graph, site_id, _of_the_site(error)) from error
    except NotFoundError as error:
        error.action = _IF_DELETED
        raise
    by_list = _by_list(lists, list(drives.values()))
    for row in lists:
        drive = drives.pop(by_list[row["id"]]) if row["id"] in by_list else None
        one = site_list(row, drive)
        if drive is None and one.template in LIBRARY_TEMPLATES:
            drive = _drive_of(graph, path, one, found)
            if drive is None:
                continue
            drives.pop(drive["id"], None)
            one = site_list(row, drive)
        found.add(one, drive)
    for drive in drives.values():  # of which no list is known
        named = _list_of(graph, drive["id"], found)
        if named is None or any(one.id == named["id"] for one in found.lists):
            found.libraries.append(_library(drive, None))
        else:
            found.add(site_list(named, drive), drive)
    return found


def _of_the_site(error: LockedError | SiteLockedError) -> SiteLockedError:
    if isinstance(error, SiteLockedError):
        return error
    return SiteLockedError(
        str(error),
        code=error.code,
        action=error.action,
        status=error.status,
        service_code=error.service_code,
        inner_codes=error.inner_codes,
        request_id=error.request_id,
    )


def _rows(graph: GraphSession, path: str, select: str) -> Iterator[JsonObject]:
    """Rows, each id once. Raises: SourceError if one has none: what it is cannot be asked for."""
    seen: set[str] = set()
    for page in graph.pages(path, params={"$select": select}, cost=Cost.LISTING):
        for row in page:
            row_id = identifier_of(row.get("id"))
            if row_id is None:
                raise SourceError(
                    "The service lists a list or library of this site without an id.",
                    code="malformed",
                    action="Run the export again; if it stays, report it.",
                )
            if row_id not in seen:
                seen.add(row_id)
                yield row


def _by_list(lists: list[JsonObject], drives: list[JsonObject]) -> dict[str, str]:
    """{list id: drive id}: by the list that a drive names; else by the address that both have, else by the title, of which a
    site has no two: where one list alone has it."""
    found: dict[str, str] = {}
    for mark_of_list, mark_of_drive in ((_own_id, _named_id), (_address, _address), (_title, _title)):
        open_lists = _marked([row for row in lists if row["id"] not in found], mark_of_list)
        open_drives = _marked([row for row in drives if row["id"] not in found.values()], mark_of_drive)
        for mark, ids in open_lists.items():
            if len(ids) == 1 and len(open_drives.get(mark, ())) == 1:
                found[ids[0]] = open_drives[mark][0]
    return found


def _marked(rows: list[JsonObject], mark_of: Callable[[JsonObject], str | None]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in rows:
        if mark := mark_of(row):
            found.setdefault(mark, []).append(row["id"])
    return found


def _own_id(row: JsonObject) -> str:
    return str(row["id"]).lower()


def _named_id(drive: JsonObject) -> str | None:
    return (text_of(object_of(drive.get("sharePointIds")).get("listId")) or "").lower()


def _title(row: JsonObject) -> str | None:
    return text_of(row.get("displayName")) or text_of(row.get("name"))


def _address(row: JsonObject) -> str | None:
    url = text_of(row.get("webUrl"))
    try:
        return None if not url else unquote(urlsplit(url).path).rstrip("/").casefold()
    except ValueError:
        return None


def site_list(row: JsonObject, drive: JsonObject | None) -> SiteList:
    """A list as it was served. drive: that of a library."""
    facet = object_of(row.get("list"))
    return SiteList(
        id=row["id"],
        name=text_of(row.get("displayName")) or text_of(row.get("name")) or row["id"],
        template=text_of(facet.get("template")) or "",
        served=row,
        drive_id=None if drive is None else drive["id"],
        is_hidden=facet.get("hidden") is True,
        is_system=is_facet(row, "system"),
    )


def _library(drive: JsonObject, one: SiteList | None) -> Library:
    name = text_of(drive.get("name")) or (one.name if one is not None else drive["id"])
    if one is None:
        return Library(drive["id"], name, None, drive)
    return Library(drive["id"], name, one.id, drive, one.template, one.name)


def _is_left_out(one: SiteList) -> bool:
    """Whether a list is named and not copied: catalogues; of those that are no libraries what the service calls system, but the
    list of people."""
    if one.drive_id is not None:
        return one.template in CATALOGUES
    return one.is_system and one.template != PEOPLE


def _drive_of(graph: GraphSession, path: str, one: SiteList, found: Inventory) -> JsonObject | None:
    """The drive of a library that the listing of drives leaves out (1 unit); None if there is none to be had."""
    try:
        drive = graph.get(f"{path}/lists/{segment(one.id)}/drive", params={"$select": DRIVE_SELECT}, cost=Cost.SINGLE)
    except (ItemError, SourceError) as error:
        found.unreadable[one.id] = error.code
    else:
        if identifier_of(drive.get("id")) is not None:
            return drive
        found.unreadable[one.id] = "malformed"
    found.left_out.append(one)
    return None


def _list_of(graph: GraphSession, drive: str, found: Inventory) -> JsonObject | None:
    """The list that a drive says it is (1 unit); None if it does not say. That it could not be asked is noted."""
    try:
        row = graph.get(f"/drives/{segment(drive)}/list", params={"$select": LIST_SELECT}, cost=Cost.SINGLE)
    except (NotFoundError, UnsupportedError):
        return None
    except (ItemError, SourceError) as error:
        found.unasked[drive] = error.code
        return None
    return row if identifier_of(row.get("id")) is not None else None
