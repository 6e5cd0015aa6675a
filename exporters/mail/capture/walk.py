"""The walk of a mailbox's folders: mail folders, contact folders, calendars, task lists; threads of a group.

Rules of this file: hidden folders are asked for on each level (Q-066); the walk begins at the root's children and not at
`/mailFolders` (Q-068); a folder is its id, whatever it is called (Q-069); a class of folders that is refused does not stop
the others. A listing may leave folders out: what has a well-known name, what an earlier walk found, and what the flat listing
names where a count is not reached, is asked for by its id and taken in where it is there. `childFolderCount` alone proves
nothing: it may speak of folders that are not of mail. What will be asked is asked for at once, and taken in one order.
Source: graph.md §3.2, §3.6; quirks Q-066 to Q-069, Q-078.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from exporters.bag.formats import JsonObject
from exporters.errors import ItemError, LastcopyError, SourceError
from exporters.graph.answers import identifier_of, number_of, text_of
from exporters.graph.calls import segment
from exporters.graph.errors import NotFoundError, RefusedError, StoppedError, UnsupportedError, UserNotFoundError
from exporters.graph.mailbox import Mailbox
from exporters.mail.capture.asked import FOLDER, FOLDER_EXPANDS
from exporters.mail.capture.exceptions import NO_MAILBOX, incomplete
from exporters.mail.capture.facts import addresses_of, folder_facts, id_of, owner_of
from exporters.mail.capture.foreseen import Foreseen

ROOT = "msgfolderroot"
RECOVERABLE = "recoverableitemsroot"
WELL_KNOWN = (
    "inbox", "drafts", "sentitems", "deleteditems", "outbox", "junkemail", "archive", "clutter", "conversationhistory",
    "syncissues", "conflicts", "localfailures", "serverfailures", "scheduled", "searchfolders",
)  # fmt: skip
WELL_KNOWN_RECOVERABLE = ("recoverableitemsdeletions", "recoverableitemspurges", "recoverableitemsversions")
CONTACTS = "contacts"
"""The default folder of contacts, by a name that the service takes for an id."""
_PLACES = {"contacts": "/contactFolders", "calendar": "/calendars", "tasks": "/todo/lists", "threads": "/threads"}
_SEARCH = "#microsoft.graph.mailSearchFolder"
_HIDDEN = {"includeHiddenFolders": "true", "$top": "250"}
_ID, _MANY, _LISTS = {"$select": "id"}, {"$top": "250"}, {"$top": "100"}
_DEEPEST = 300


@dataclass(slots=True)
class Walk:
    """What a walk found. folders: facts by id. well_known: name → id. refused: classes that could not be walked, and why."""

    folders: dict[str, JsonObject] = field(default_factory=dict)
    well_known: dict[str, str] = field(default_factory=dict)
    refused: dict[str, LastcopyError] = field(default_factory=dict)

    def uncounted(self) -> list[str]:
        """Ids of mail folders of which the service does not tell how much they hold: nothing proves their listing."""
        found = ((item_id, facts["service"]) for item_id, facts in self.folders.items())
        return sorted(
            item_id for item_id, service in found if service["class"] == "mail" and "totalItemCount" not in service
        )

    def shared_calendars(self) -> int:
        """How many calendars of others are shown in the mailbox."""
        return sum(facts["service"]["class"] == "shared_calendar" for facts in self.folders.values())


class Walker:
    """Walks one mailbox. recoverable: whether Recoverable Items are asked for; well_known: what an earlier walk found."""

    def __init__(self, mailbox: Mailbox, *, recoverable: bool, well_known: Mapping[str, str]) -> None:
        self._mailbox, self._recoverable = mailbox, recoverable
        self._asked = Foreseen(mailbox)
        self._walk = Walk(well_known=dict(well_known))
        self._is_first = not well_known
        self._is_short = False

    def mailbox(self) -> Walk:
        """The folders of a user's mailbox. Raises: SourceError, RunError if its mail folders cannot be walked."""
        with self._asked:
            self._mail()
            if self._recoverable:
                self._guarded("recoverable", self._recoverable_items)
            for of, walk in (("contacts", self._contacts), ("calendar", self._calendars), ("tasks", self._tasks)):
                self._guarded(of, walk)
        return self._walk

    def _foresee(self, root_id: str) -> None:
        """What the walk will ask."""
        asked = self._asked
        if not self._walk.well_known:
            for name in WELL_KNOWN:
                asked.expect(f"/mailFolders/{name}", _ID)
        self._foresee_below(root_id)
        if self._recoverable:
            asked.expect(f"/mailFolders/{RECOVERABLE}", {"$select": FOLDER}, then=self._foresee_recoverable)
        asked.expect(f"/contactFolders/{CONTACTS}")
        asked.expect_pages("/contactFolders", _MANY, then=self._foresee_contacts)
        asked.expect_pages("/calendars", _MANY)
        asked.expect_pages("/todo/lists", _LISTS)

    def _foresee_recoverable(self, root: JsonObject) -> None:
        root_id = id_of(root)
        if root_id is None:
            return
        if WELL_KNOWN_RECOVERABLE[0] not in self._walk.well_known:
            for name in WELL_KNOWN_RECOVERABLE:
                self._asked.expect(f"/mailFolders/{name}", _ID)
        self._foresee_below(root_id)

    def _foresee_below(self, place: str, depth: int = 0) -> None:
        def then(found: list[JsonObject]) -> None:
            for served in found:
                item_id = id_of(served)
                if item_id is not None and not self._is_leaf(served, depth) and depth < _DEEPEST:
                    self._foresee_below(item_id, depth + 1)

        self._asked.expect_pages(_below(place), _children_params(FOLDER_EXPANDS[0]), then=then)

    def _foresee_contacts(self, found: list[JsonObject]) -> None:
        for served in found:
            if (item_id := id_of(served)) is not None:
                self._asked.expect_pages(_contacts_below(item_id), _MANY)

    def group(self) -> Walk:
        """The threads of a group's mailbox. Raises: SourceError, RunError."""
        params = {"$select": "id,topic,lastDeliveredDateTime,hasAttachments,uniqueSenders,isLocked", "$top": "100"}
        for page in self._mailbox.pages("/threads", params=params):
            for served in page:
                if self._has_id(served, "threads"):
                    named = {**served, "displayName": served.get("topic")}
                    self._keep(folder_facts(named, "threads", None, {"changed": served.get("lastDeliveredDateTime")}))
        if not self._walk.folders and any(self._mailbox.pages("/conversations", params={"$top": "1"})):
            self._walk.refused["threads"] = incomplete("The service lists no threads, and there are conversations.")
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
        root = self._mailbox.get(f"/mailFolders/{ROOT}", params={"$select": FOLDER})
        root_id = id_of(root)
        if root_id is None:
            raise SourceError(
                "The root of this mailbox has no id.",
                code="listing_incomplete",
                action="Run the export again; if it stays, check for a proxy that answers in the service's place.",
            )
        self._foresee(root_id)
        if not self._walk.well_known:
            self._resolve_names(WELL_KNOWN)
        names = {item_id: name for name, item_id in self._walk.well_known.items()}
        self._keep(folder_facts(root, "mail", None, {"wellKnownName": ROOT}))
        self._below(root_id, root_id, names, 0, told=number_of(root.get("childFolderCount")))
        self._look_for_well_known()
        if self._is_short:
            self._look_in_flat_listing(names)
        if self._walk.folders.keys() == {root_id}:
            self._walk.refused["mail"] = incomplete("The service lists no folders in this mailbox.")

    def _resolve_names(self, wanted: Iterable[str]) -> None:
        for name in wanted:
            try:
                found = self._asked.get(f"/mailFolders/{name}", _ID)
            except UserNotFoundError:
                raise
            except (NotFoundError, RefusedError):
                continue
            if (item_id := id_of(found)) is not None:
                self._walk.well_known[name] = item_id

    def _below(
        self,
        place: str,
        parent: str,
        names: Mapping[str, str],
        depth: int,
        *,
        told: int | None = None,
        recoverable: bool = False,
    ) -> None:
        """Take in what is below a folder. place: its id, or its well-known name; told: how many folders it is said to hold."""
        part = "recoverable" if recoverable else "mail"
        for served in self._listed_below(place, told):
            if self._has_id(served, part):
                self._take(served, parent, names, depth, recoverable=recoverable)

    def _listed_below(self, place: str, told: int | None) -> list[JsonObject]:
        """Twice where it is less than told."""
        found = list(self._children(place))
        if told is not None and len(found) < told:
            ids = {id_of(served) for served in found}
            found += [served for served in self._children(place) if id_of(served) not in ids]
            self._is_short = self._is_short or len(found) < told
        return found

    def _take(
        self, served: JsonObject, parent: str, names: Mapping[str, str], depth: int, *, recoverable: bool = False
    ) -> None:
        """Take in a mail folder and what is below it."""
        item_id = str(served["id"])
        if item_id in self._walk.folders:
            return
        of = "search" if served.get("@odata.type") == _SEARCH else "mail"
        extra = {"wellKnownName": names.get(item_id), "recoverable": recoverable or None}
        self._keep(folder_facts(self._counted(served) if of == "mail" else served, of, parent, extra))
        if self._is_leaf(served, depth):
            return
        if depth >= _DEEPEST:
            part = "recoverable" if recoverable else "mail"
            self._walk.refused[part] = incomplete("Folders lie deeper than can be followed.")
            return
        self._below(
            item_id, item_id, names, depth + 1, told=number_of(served.get("childFolderCount")), recoverable=recoverable
        )

    def _is_leaf(self, served: Mapping[str, Any], depth: int) -> bool:
        """Whether nothing has to be asked for below a mail folder. A first walk does not take the service's word for it: it may
        leave out hidden folders; later ones know what the first has found."""
        if served.get("@odata.type") == _SEARCH:
            return True
        is_said_so = number_of(served.get("childFolderCount")) == 0
        return is_said_so and not (self._is_first and depth < _DEEPEST)

    def _counted(self, served: JsonObject) -> JsonObject:
        """A mail folder with the number of its items, which proves its listing; asked for by itself where it is left out."""
        if number_of(served.get("totalItemCount")) is not None:
            return served
        try:
            alone = self._mailbox.get(f"/mailFolders/{segment(str(served['id']))}", params={"$select": FOLDER})
        except (*NO_MAILBOX, StoppedError):
            raise
        except ItemError:
            return served
        return {**served, "totalItemCount": alone.get("totalItemCount")}

    def _has_id(self, served: Mapping[str, Any], part: str) -> bool:
        """One without an id cannot be asked for, and so the walk is not whole."""
        if id_of(served) is None:
            self._walk.refused[part] = incomplete("A listing names folders without an id.")
            return False
        return True

    def _children(self, place: str) -> Iterator[JsonObject]:
        for expand in FOLDER_EXPANDS:
            try:
                yield from self._asked.rows(_below(place), _children_params(expand))
            except RefusedError:
                if expand is None:
                    raise
            else:
                return

    def _recoverable_items(self) -> None:
        """Below a folder of ours: what the service calls its root is not below the mailbox's."""
        root = self._asked.get(f"/mailFolders/{RECOVERABLE}", {"$select": FOLDER})
        root_id = id_of(root)
        if root_id is None:
            return
        self._keep(folder_facts(root, "mail", "", {"wellKnownName": RECOVERABLE, "recoverable": True}))
        if WELL_KNOWN_RECOVERABLE[0] not in self._walk.well_known:
            self._resolve_names(WELL_KNOWN_RECOVERABLE)
        names = {item_id: name for name, item_id in self._walk.well_known.items()}
        self._below(root_id, root_id, names, 0, told=number_of(root.get("childFolderCount")), recoverable=True)

    # -- what a listing left out ------------------------------------------------------------------------------------

    def look_for(self, rows: Iterable[JsonObject]) -> Iterator[JsonObject]:
        """Of folders that an earlier walk found and this one did not: those that are not there any more. The others are taken
        in. rows: as in the bag. Raises: SourceError, RunError."""
        names = {item_id: name for name, item_id in self._walk.well_known.items()}
        for row in sorted(rows, key=lambda row: str(row.get("path")).count("/")):
            part = walked_as(row)
            if row["id"] in self._walk.folders or part in self._walk.refused:
                continue
            try:
                is_gone = self._is_gone(row, names)
            except (*NO_MAILBOX, StoppedError):
                raise
            except (ItemError, SourceError) as error:
                self._walk.refused[part] = error
                continue
            if is_gone:
                yield row

    def _is_gone(self, row: JsonObject, names: Mapping[str, str]) -> bool:
        """Whether a folder is not there any more; else it is taken in."""
        served = self._found_by_id(row)
        if served is None:
            return True
        part = walked_as(row)
        if part in _PLACES:
            self._keep({name: row[name] for name in ("scope", "id", "kind", "name", "parent", "service")})
        else:
            self._take(served, str(served["parentFolderId"]), names, 0, recoverable=part == "recoverable")
        return False

    def _found_by_id(self, row: JsonObject) -> JsonObject | None:
        """The folder, if it is there, and where the walk should have found it."""
        part, at = walked_as(row), segment(str(row["id"]))
        is_mail = part not in _PLACES
        try:
            place = _PLACES.get(part, "/mailFolders")
            served = self._mailbox.get(f"{place}/{at}", params={"$select": FOLDER} if is_mail else None)
        except UserNotFoundError:
            raise
        except NotFoundError:
            return None
        is_outside = is_mail and identifier_of(served.get("parentFolderId")) not in self._walk.folders
        return None if is_outside or id_of(served) != row["id"] else served

    def _look_for_well_known(self) -> None:
        """Those that lie outside of the tree are not looked for again."""
        for name, item_id in sorted(self._walk.well_known.items()):
            if item_id in self._walk.folders or name in WELL_KNOWN_RECOVERABLE:
                continue
            row: JsonObject = {"id": item_id, "service": {"class": "mail"}}
            names = {known: called for called, known in self._walk.well_known.items()}
            if (served := self._found_by_id(row)) is not None:
                self._take(served, str(served["parentFolderId"]), names, 0)
            if item_id not in self._walk.folders:
                del self._walk.well_known[name]

    def _look_in_flat_listing(self, names: Mapping[str, str]) -> None:
        """Where a folder is said to hold more than it lists: the delta of folders, which names them all, may know of more."""
        try:
            for page in self._mailbox.delta("/mailFolders/delta", params={"$select": FOLDER}):
                for served in page.rows:
                    above = identifier_of(served.get("parentFolderId"))
                    if id_of(served) is not None and above in self._walk.folders and "@removed" not in served:
                        self._take(served, str(above), names, 0)
        except (NotFoundError, RefusedError, UnsupportedError) as error:
            if isinstance(error, UserNotFoundError):
                raise

    # -- contacts, calendars, tasks ---------------------------------------------------------------------------------

    def _contacts(self) -> None:
        try:
            default = self._asked.get(f"/contactFolders/{CONTACTS}")
        except UserNotFoundError:
            raise
        except (NotFoundError, RefusedError):
            default = {"id": CONTACTS, "displayName": "Contacts"}
        default_id = id_of(default) or CONTACTS
        self._keep(folder_facts({**default, "id": default_id}, "contacts", None, {"wellKnownName": CONTACTS}))
        self._contact_folders("/contactFolders", default_id, 0)

    def _contact_folders(self, path: str, parent: str, depth: int) -> None:
        for served in self._asked.rows(path, _MANY):
            if not self._has_id(served, "contacts") or served["id"] in self._walk.folders:
                continue
            item_id = str(served["id"])
            above = identifier_of(served.get("parentFolderId"))
            known = above if above in self._walk.folders else parent
            self._keep(folder_facts(served, "contacts", known, {}))
            if depth >= _DEEPEST:
                self._walk.refused["contacts"] = incomplete("Folders lie deeper than can be followed.")
                continue
            self._contact_folders(_contacts_below(item_id), item_id, depth + 1)

    def _calendars(self) -> None:
        """Calendars by id, whatever they are called (Q-078); those of others are named and not copied."""
        found = [served for served in self._asked.rows("/calendars", _MANY) if self._has_id(served, "calendar")]
        if not any(served.get("isDefaultCalendar") is True for served in found):
            found += self._default_calendar({id_of(served) for served in found})
        owned = [(owner, served) for served in found if (owner := owner_of(served)) is not None]
        owners = {owner for owner, _ in owned}
        own = {owner for owner, served in owned if served.get("isDefaultCalendar") is True}
        if own and owners - own:
            own = self._with_addresses(own) or owners
        for served in found:
            owner = owner_of(served)
            is_own = not own or owner is None or owner in own
            extra = {
                "wellKnownName": "calendar" if served.get("isDefaultCalendar") is True else None,
                "color": text_of(served.get("hexColor")) or text_of(served.get("color")) or None,
                "owner": None if is_own else owner,
            }
            self._keep(folder_facts(served, "calendar" if is_own else "shared_calendar", None, extra))

    def _with_addresses(self, own: set[str]) -> set[str]:
        """These and all other addresses of the mailbox: a calendar may be owned by one that it had before. Empty where they are
        not told: then what may be of others is copied, too."""
        try:
            served = self._mailbox.get("", params={"$select": "mail,userPrincipalName,proxyAddresses"})
        except (*NO_MAILBOX, StoppedError):
            raise
        except (ItemError, SourceError):
            return set()
        return own | addresses_of(served)

    def _default_calendar(self, known: Collection[str | None]) -> list[JsonObject]:
        """Every mailbox has one, whether it is listed or not."""
        try:
            served = self._mailbox.get("/calendar")
        except UserNotFoundError:
            raise
        except (NotFoundError, RefusedError):
            return []
        return [served] if id_of(served) is not None and id_of(served) not in known else []

    def _tasks(self) -> None:
        for served in self._asked.rows("/todo/lists", _LISTS):
            if not self._has_id(served, "tasks"):
                continue
            name = text_of(served.get("wellknownListName"))
            repeats = name == "flaggedEmails"  # mail once more (graph.md §3.6)
            extra = {"wellKnownName": None if name == "none" else name}
            self._keep(folder_facts(served, "flagged" if repeats else "tasks", None, extra))


def _below(place: str) -> str:
    return f"/mailFolders/{segment(place)}/childFolders"


def _contacts_below(item_id: str) -> str:
    return f"/contactFolders/{segment(item_id)}/childFolders"


def _children_params(expand: str | None) -> dict[str, str]:
    params = {**_HIDDEN, "$select": FOLDER}
    return params if expand is None else {**params, "$expand": expand}


WALKED_AS = {"search": "mail", "shared_calendar": "calendar", "flagged": "tasks"}


def walked_as(facts: Mapping[str, Any]) -> str:
    """The part of the walk that finds a folder: mail, recoverable, contacts, calendar, tasks, threads."""
    service = facts.get("service", {})
    of = str(service.get("class"))
    return "recoverable" if service.get("recoverable") else WALKED_AS.get(of, of)
