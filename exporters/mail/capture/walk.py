"""The walk of a mailbox's folders: mail folders, contact folders, calendars, task lists; threads of a group.

Rules of this file: hidden folders are asked for on each level (Q-066); the walk begins at the root's children and not at
`/mailFolders` (Q-068); a folder is its id, whatever it is called (Q-069); a class of folders that is refused does not stop
the others. Source: graph.md §3.2, §3.6; quirks Q-066 to Q-069, Q-078.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from exporters.bag.formats import JsonObject
from exporters.errors import ItemError, LastcopyError, SourceError
from exporters.graph.answers import identifier_of, number_of, text_of
from exporters.graph.calls import segment
from exporters.graph.errors import NotFoundError, RefusedError, StoppedError, UserNotFoundError
from exporters.graph.mailbox import Mailbox
from exporters.mail.capture.asked import FOLDER, FOLDER_EXPANDS
from exporters.mail.capture.exceptions import NO_MAILBOX
from exporters.mail.capture.facts import folder_facts, id_of, owner_of

ROOT = "msgfolderroot"
RECOVERABLE = "recoverableitemsroot"
WELL_KNOWN = (
    "inbox", "drafts", "sentitems", "deleteditems", "outbox", "junkemail", "archive", "clutter", "conversationhistory",
    "syncissues", "conflicts", "localfailures", "serverfailures", "scheduled", "searchfolders",
)  # fmt: skip
WELL_KNOWN_RECOVERABLE = ("recoverableitemsdeletions", "recoverableitemspurges", "recoverableitemsversions")
CONTACTS = "contacts"
"""The default folder of contacts, by a name that the service takes for an id."""
_SEARCH = "#microsoft.graph.mailSearchFolder"
_HIDDEN = {"includeHiddenFolders": "true", "$top": "250"}
_DEEPEST = 300


@dataclass(slots=True)
class Walk:
    """What a walk found. folders: facts by id. well_known: name → id. refused: classes that could not be walked, and why."""

    folders: dict[str, JsonObject] = field(default_factory=dict)
    well_known: dict[str, str] = field(default_factory=dict)
    refused: dict[str, LastcopyError] = field(default_factory=dict)


class Walker:
    """Walks one mailbox. recoverable: whether Recoverable Items are asked for; well_known: what an earlier walk found."""

    def __init__(self, mailbox: Mailbox, *, recoverable: bool, well_known: Mapping[str, str]) -> None:
        self._mailbox, self._recoverable = mailbox, recoverable
        self._walk = Walk(well_known=dict(well_known))

    def mailbox(self) -> Walk:
        """The folders of a user's mailbox. Raises: SourceError, RunError if its mail folders cannot be walked."""
        self._mail()
        if self._recoverable:
            self._guarded("recoverable", self._recoverable_items)
        for of, walk in (("contacts", self._contacts), ("calendar", self._calendars), ("tasks", self._tasks)):
            self._guarded(of, walk)
        return self._walk

    def group(self) -> Walk:
        """The threads of a group's mailbox. Raises: SourceError, RunError."""
        params = {"$select": "id,topic,lastDeliveredDateTime,hasAttachments,uniqueSenders,isLocked", "$top": "100"}
        for page in self._mailbox.pages("/threads", params=params):
            for served in page:
                if id_of(served) is not None:
                    named = {**served, "displayName": served.get("topic")}
                    self._keep(folder_facts(named, "threads", None, {"changed": served.get("lastDeliveredDateTime")}))
        return self._walk

    def _guarded(self, of: str, walk: Callable[[], None]) -> None:
        try:
            walk()
        except (*NO_MAILBOX, StoppedError):
            raise
        except (ItemError, SourceError) as error:
            self._walk.refused[of] = error

    def _keep(self, facts: JsonObject) -> None:
        self._walk.folders.setdefault(facts["id"], facts)

    # -- mail -------------------------------------------------------------------------------------------------------

    def _mail(self) -> None:
        params = {"$select": FOLDER}
        root = self._mailbox.get(f"/mailFolders/{ROOT}", params=params)
        root_id = id_of(root)
        if root_id is None:
            raise SourceError(
                "The root of this mailbox has no id.",
                code="listing_incomplete",
                action="Run the export again; if it stays, check for a proxy that answers in the service's place.",
            )
        if not self._walk.well_known:
            self._resolve_names(WELL_KNOWN)
        names = {item_id: name for name, item_id in self._walk.well_known.items()}
        self._keep(folder_facts(root, "mail", None, {"wellKnownName": ROOT}))
        self._below(root_id, root_id, names, 0)

    def _resolve_names(self, wanted: Iterable[str]) -> None:
        for name in wanted:
            try:
                found = self._mailbox.get(f"/mailFolders/{name}", params={"$select": "id"})
            except UserNotFoundError:
                raise
            except (NotFoundError, RefusedError):
                continue
            if (item_id := id_of(found)) is not None:
                self._walk.well_known[name] = item_id

    def _below(
        self, place: str, parent: str, names: Mapping[str, str], depth: int, *, recoverable: bool = False
    ) -> None:
        """Take in what is below a folder. place: its id, or its well-known name."""
        for served in self._children(place):
            item_id = id_of(served)
            if item_id is None or item_id in self._walk.folders:
                continue
            is_search = served.get("@odata.type") == _SEARCH
            extra = {"wellKnownName": names.get(item_id), "recoverable": recoverable or None}
            self._keep(folder_facts(served, "search" if is_search else "mail", parent, extra))
            children = number_of(served.get("childFolderCount"))
            if children != 0 and not is_search and depth < _DEEPEST:
                self._below(item_id, item_id, names, depth + 1, recoverable=recoverable)

    def _children(self, place: str) -> Iterator[JsonObject]:
        path = f"/mailFolders/{segment(place)}/childFolders"
        for expand in FOLDER_EXPANDS:
            try:
                for page in self._mailbox.pages(path, params=_with({**_HIDDEN, "$select": FOLDER}, expand)):
                    yield from page
            except RefusedError:
                if expand is None:
                    raise
            else:
                return

    def _recoverable_items(self) -> None:
        """Below a folder of ours: what the service calls its root is not below the mailbox's."""
        root = self._mailbox.get(f"/mailFolders/{RECOVERABLE}", params={"$select": FOLDER})
        root_id = id_of(root)
        if root_id is None:
            return
        self._keep(folder_facts(root, "mail", "", {"wellKnownName": RECOVERABLE, "recoverable": True}))
        if WELL_KNOWN_RECOVERABLE[0] not in self._walk.well_known:
            self._resolve_names(WELL_KNOWN_RECOVERABLE)
        names = {item_id: name for name, item_id in self._walk.well_known.items()}
        self._below(root_id, root_id, names, 0, recoverable=True)

    # -- contacts, calendars, tasks ---------------------------------------------------------------------------------

    def _contacts(self) -> None:
        try:
            default = self._mailbox.get(f"/contactFolders/{CONTACTS}")
        except UserNotFoundError:
            raise
        except (NotFoundError, RefusedError):
            default = {"id": CONTACTS, "displayName": "Contacts"}
        default_id = id_of(default) or CONTACTS
        self._keep(folder_facts({**default, "id": default_id}, "contacts", None, {"wellKnownName": CONTACTS}))
        self._contact_folders("/contactFolders", default_id, 0)

    def _contact_folders(self, path: str, parent: str, depth: int) -> None:
        for page in self._mailbox.pages(path, params={"$top": "250"}):
            for served in page:
                item_id = id_of(served)
                if item_id is None or item_id in self._walk.folders:
                    continue
                above = identifier_of(served.get("parentFolderId"))
                known = above if above in self._walk.folders else parent
                self._keep(folder_facts(served, "contacts", known, {}))
                if depth < _DEEPEST:
                    self._contact_folders(f"/contactFolders/{segment(item_id)}/childFolders", item_id, depth + 1)

    def _calendars(self) -> None:
        """Calendars by id, whatever they are called (Q-078); those of others are named and not copied."""
        found = [
            served
            for page in self._mailbox.pages("/calendars", params={"$top": "250"})
            for served in page
            if id_of(served) is not None
        ]
        own = next((owner_of(served) for served in found if served.get("isDefaultCalendar") is True), None)
        for served in found:
            owner = owner_of(served)
            is_own = own is None or owner is None or owner == own
            extra = {
                "wellKnownName": "calendar" if served.get("isDefaultCalendar") is True else None,
                "color": text_of(served.get("hexColor")) or text_of(served.get("color")) or None,
                "owner": None if is_own else owner,
            }
            self._keep(folder_facts(served, "calendar" if is_own else "shared_calendar", None, extra))

    def _tasks(self) -> None:
        for page in self._mailbox.pages("/todo/lists", params={"$top": "100"}):
            for served in page:
                if id_of(served) is None:
                    continue
                name = text_of(served.get("wellknownListName"))
                repeats = name == "flaggedEmails"  # mail once more (graph.md §3.6)
                extra = {"wellKnownName": None if name == "none" else name}
                self._keep(folder_facts(served, "flagged" if repeats else "tasks", None, extra))


def _with(params: Mapping[str, str], expand: str | None) -> dict[str, str]:
    return {**params} if expand is None else {**params, "$expand": expand}


WALKED_AS = {"search": "mail", "shared_calendar": "calendar", "flagged": "tasks"}


def walked_as(facts: Mapping[str, Any]) -> str:
    """The part of the walk that finds a folder: mail, recoverable, contacts, calendar, tasks, threads."""
    service = facts.get("service", {})
    of = str(service.get("class"))
    return "recoverable" if service.get("recoverable") else WALKED_AS.get(of, of)
