"""The walk of a mailbox's folders: mail folders, contact folders, calendars, task lists; threads of a group.

Rules of this file: hidden folders are asked for on each level (Q-066); the walk begins at the root's children and not at
`/mailFolders` (Q-068); a folder is its id, whatever it is called (Q-069); a class of folders that is refused does not stop
the others. Several things are asked at once, and what is found stands in one order. Source: graph.md §3.2, §3.6; quirks Q-066
to Q-069, Q-078.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from exporters.bag.formats import JsonObject
from exporters.errors import ItemError, LastcopyError, SourceError
from exporters.graph.answers import identifier_of, number_of, text_of
from exporters.graph.calls import segment
from exporters.graph.errors import NotFoundError, RefusedError, StoppedError, UserNotFoundError
from exporters.graph.mailbox import Mailbox
from exporters.mail.capture.ahead import side_by_side
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


@dataclass(slots=True)
class _Part:
    """What one part of the walk found, and why it went no further. well_known: what is known before it begins, too."""

    well_known: dict[str, str]
    folders: dict[str, JsonObject] = field(default_factory=dict)
    error: LastcopyError | None = None

    def keep(self, facts: JsonObject) -> None:
        """The first of an id counts."""
        self.folders.setdefault(facts["id"], facts)


def _walked(walk: Callable[[_Part], None], well_known: Mapping[str, str]) -> _Part:
    part = _Part(dict(well_known))
    try:
        walk(part)
    except (StoppedError, ItemError, SourceError) as error:
        part.error = error
    return part


class Walker:
    """Walks one mailbox. recoverable: whether Recoverable Items are asked for; well_known: what an earlier walk found."""

    def __init__(self, mailbox: Mailbox, *, recoverable: bool, well_known: Mapping[str, str]) -> None:
        self._mailbox, self._recoverable = mailbox, recoverable
        self._walk = Walk(well_known=dict(well_known))

    def mailbox(self) -> Walk:
        """The folders of a user's mailbox. Raises: SourceError, RunError if its mail folders cannot be walked."""
        root = self._mailbox.get(f"/mailFolders/{ROOT}", params={"$select": FOLDER})  # alone: there may be no mailbox
        parts: dict[str, Callable[[_Part], None]] = {"mail": lambda part: self._mail(part, root)}
        if not self._walk.well_known:
            parts["names"] = lambda part: self._resolve_names(part, WELL_KNOWN)
        if self._recoverable:
            parts["recoverable"] = self._recoverable_items
        parts |= {"contacts": self._contacts, "calendar": self._calendars, "tasks": self._tasks}
        known = dict(self._walk.well_known)
        for of, part in zip(parts, side_by_side(lambda walk: _walked(walk, known), list(parts.values())), strict=True):
            self._take(of, part)
        self._name()
        return self._walk

    def _name(self) -> None:
        """Have the facts of folders with a well-known name say so."""
        for name, item_id in reversed(self._walk.well_known.items()):
            if (facts := self._walk.folders.get(item_id)) is not None:
                facts["service"].setdefault("wellKnownName", name)

    def _take(self, of: str, part: _Part) -> None:
        """What a part of the walk found becomes part of the whole. Raises: what concerns more than that part."""
        error = part.error
        if error is not None and (of in ("mail", "names") or isinstance(error, (*NO_MAILBOX, StoppedError))):
            raise error
        if error is not None:
            self._walk.refused[of] = error
        self._walk.well_known |= part.well_known
        for facts in part.folders.values():
            self._keep(facts)

    def group(self) -> Walk:
        """The threads of a group's mailbox. Raises: SourceError, RunError."""
        params = {"$select": "id,topic,lastDeliveredDateTime,hasAttachments,uniqueSenders,isLocked", "$top": "100"}
        for page in self._mailbox.pages("/threads", params=params):
            for served in page:
                if id_of(served) is not None:
                    named = {**served, "displayName": served.get("topic")}
                    self._keep(folder_facts(named, "threads", None, {"changed": served.get("lastDeliveredDateTime")}))
        return self._walk

    def _keep(self, facts: JsonObject) -> None:
        self._walk.folders.setdefault(facts["id"], facts)

    # -- mail -------------------------------------------------------------------------------------------------------

    def _mail(self, part: _Part, root: JsonObject) -> None:
        root_id = id_of(root)
        if root_id is None:
            raise SourceError(
                "The root of this mailbox has no id.",
                code="listing_incomplete",
                action="Run the export again; if it stays, check for a proxy that answers in the service's place.",
            )
        part.keep(folder_facts(root, "mail", None, {"wellKnownName": ROOT}))
        self._below(part, root_id)

    def _resolve_names(self, part: _Part, wanted: Sequence[str]) -> None:
        found = zip(wanted, side_by_side(self._id_of_name, wanted), strict=True)
        part.well_known |= {name: item_id for name, item_id in found if item_id is not None}

    def _id_of_name(self, name: str) -> str | None:
        try:
            return id_of(self._mailbox.get(f"/mailFolders/{name}", params={"$select": "id"}))
        except UserNotFoundError:
            raise
        except (NotFoundError, RefusedError):
            return None

    def _below(self, part: _Part, root_id: str, *, recoverable: bool = False) -> None:
        """Take in what is below a folder, level by level."""
        level = [root_id]
        for _ in range(_DEEPEST + 1):
            above, level = level, []
            for parent, children in zip(above, side_by_side(self._children, above), strict=True):
                for served in children:
                    item_id = id_of(served)
                    if item_id is None or item_id in part.folders:
                        continue
                    is_search = served.get("@odata.type") == _SEARCH
                    of = "search" if is_search else "mail"
                    part.keep(folder_facts(served, of, parent, {"recoverable": recoverable or None}))
                    if number_of(served.get("childFolderCount")) != 0 and not is_search:
                        level.append(item_id)
            if not level:
                return

    def _children(self, place: str) -> list[JsonObject]:
        """The folders in a folder."""
        path = f"/mailFolders/{segment(place)}/childFolders"
        for expand in FOLDER_EXPANDS:
            found: list[JsonObject] = []
            try:
                for page in self._mailbox.pages(path, params=_with({**_HIDDEN, "$select": FOLDER}, expand)):
                    found += page
            except RefusedError:
                if expand is None:
                    raise
            else:
                return found
        raise AssertionError("unreachable")

    def _recoverable_items(self, part: _Part) -> None:
        """Below a folder of ours: what the service calls its root is not below the mailbox's."""
        root = self._mailbox.get(f"/mailFolders/{RECOVERABLE}", params={"$select": FOLDER})
        root_id = id_of(root)
        if root_id is None:
            return
        part.keep(folder_facts(root, "mail", "", {"wellKnownName": RECOVERABLE, "recoverable": True}))
        if WELL_KNOWN_RECOVERABLE[0] not in part.well_known:
            self._resolve_names(part, WELL_KNOWN_RECOVERABLE)
        self._below(part, root_id, recoverable=True)

    # -- contacts, calendars, tasks ---------------------------------------------------------------------------------

    def _contacts(self, part: _Part) -> None:
        try:
            default = self._mailbox.get(f"/contactFolders/{CONTACTS}")
        except UserNotFoundError:
            raise
        except (NotFoundError, RefusedError):
            default = {"id": CONTACTS, "displayName": "Contacts"}
        default_id = id_of(default) or CONTACTS
        part.keep(folder_facts({**default, "id": default_id}, "contacts", None, {"wellKnownName": CONTACTS}))
        self._contact_folders(part, "/contactFolders", default_id, 0)

    def _contact_folders(self, part: _Part, path: str, parent: str, depth: int) -> None:
        for page in self._mailbox.pages(path, params={"$top": "250"}):
            for served in page:
                item_id = id_of(served)
                if item_id is None or item_id in part.folders:
                    continue
                above = identifier_of(served.get("parentFolderId"))
                known = above if above in part.folders else parent
                part.keep(folder_facts(served, "contacts", known, {}))
                if depth < _DEEPEST:
                    self._contact_folders(part, f"/contactFolders/{segment(item_id)}/childFolders", item_id, depth + 1)

    def _calendars(self, part: _Part) -> None:
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
            part.keep(folder_facts(served, "calendar" if is_own else "shared_calendar", None, extra))

    def _tasks(self, part: _Part) -> None:
        for page in self._mailbox.pages("/todo/lists", params={"$top": "100"}):
            for served in page:
                if id_of(served) is None:
                    continue
                name = text_of(served.get("wellknownListName"))
                repeats = name == "flaggedEmails"  # mail once more (graph.md §3.6)
                extra = {"wellKnownName": None if name == "none" else name}
                part.keep(folder_facts(served, "flagged" if repeats else "tasks", None, extra))


def _with(params: Mapping[str, str], expand: str | None) -> dict[str, str]:
    return {**params} if expand is None else {**params, "$expand": expand}


WALKED_AS = {"search": "mail", "shared_calendar": "calendar", "flagged": "tasks"}


def walked_as(facts: Mapping[str, Any]) -> str:
    """The part of the walk that finds a folder: mail, recoverable, contacts, calendar, tasks, threads."""
    service = facts.get("service", {})
    of = str(service.get("class"))
    return "recoverable" if service.get("recoverable") else WALKED_AS.get(of, of)
