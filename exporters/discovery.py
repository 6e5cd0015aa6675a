"""Which sources there are: asks the directory, and the store for what it knows already.

Rules of this file: one pass over the users, whatever is asked for; a user is asked for a drive or a mailbox once, not in every
run (Q-046); "there is none" is a normal result where the service says so (Q-056, Q-057), a plain 404 is not: it would leave a
source out for a week; nobody is passed over for being disabled, unlicensed or a guest: the service says who has what. What we
hold stays a source when its owner is gone, and a drive when its owner has another: then both are sources.
Source: design §4 (names of bags), graph.md §3.1, §5.1.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Protocol

from exporters.bag.catalogue import Catalogue, EntryDamagedError, is_group_mailbox
from exporters.clock import Clock
from exporters.errors import ItemError, LastcopyError, SourceError
from exporters.graph.answers import identifier_of, objects_of, text_of
from exporters.graph.calls import JsonObject, segment
from exporters.graph.errors import GraphError, NoDriveError, NoLicenceError, NotFoundError
from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession
from exporters.mail.capture.presence import has_mailbox
from exporters.sources import FINDABLE, Source, SourceKind

USER_SELECT = "id,userPrincipalName,userType,accountEnabled,assignedLicenses"
GROUP_SELECT = "id,mail,mailNickname,groupTypes"
UNIFIED = "groupTypes/any(c:c eq 'Unified')"
PAGE = "999"
OF_USERS = frozenset({SourceKind.ONEDRIVE, SourceKind.MAIL})
GROUPS = "groups"
"""What stands for all group mailboxes where the groups cannot be listed."""


class Absences(Protocol):
    """Remembers who has no drive, or no mailbox."""

    def known(self, owner: str, licences: str, now: datetime, kind: SourceKind = SourceKind.ONEDRIVE) -> bool:
        """Whether this user or group, with these licences, was found without one within the last week."""
        ...

    def remember(self, owner: str, licences: str, now: datetime, kind: SourceKind = SourceKind.ONEDRIVE) -> None:
        """This user or group has none."""
        ...


@dataclass(frozen=True, slots=True)
class Without:
    """A user or group that has no mailbox here, by the service's own word. `name`: as that of a source."""

    kind: SourceKind
    name: str

    @property
    def label(self) -> str:
        """kind/NAME."""
        return f"{self.kind}/{self.name}"


class Undiscovered(SourceError):
    """A user whose drive or mailbox could not be asked for. `name`: the user principal name."""

    name = ""
    kind = SourceKind.ONEDRIVE

    @property
    def label(self) -> str:
        """kind/NAME."""
        return f"{self.kind}/{self.name}"


class _Unlicensed(Undiscovered):
    """A user of whom nothing was said but that the tenant has no licence: no news where others have drives."""


Discovered = Source | Undiscovered | Without


def discover(
    graph: GraphSession,
    catalogue: Catalogue,
    clock: Clock,
    absences: Absences,
    kinds: Collection[SourceKind] = (SourceKind.ONEDRIVE,),
) -> Iterator[Discovered]:
    """Yield every source of these kinds once: the directory; OneDrives and mailboxes of each user, in one pass; the mailboxes of
    groups; then those in the store whose owner is listed no more, or has another by now; then users of whom the service only
    said that the tenant has no licence, unless it says so of all; last what stands in `sources/` and cannot be read. Users and
    groups without a mailbox are named as well.

    Raises: RunError, SourceError if the users cannot be listed.
    """
    return _Discovery(graph, catalogue, clock, absences, frozenset(kinds)).all()


class _Discovery:
    """One go through the directory. found: keys of the sources that were yielded."""

    def __init__(
        self,
        graph: GraphSession,
        catalogue: Catalogue,
        clock: Clock,
        absences: Absences,
        kinds: frozenset[SourceKind],
    ) -> None:
        self._graph, self._catalogue, self._clock, self._absences = graph, catalogue, clock, absences
        self._kinds = kinds
        self._found: set[str] = set()
        self._has_drives = False
        self._unlicensed: list[Undiscovered] = []

    def all(self) -> Iterator[Discovered]:
        """See `discover`."""
        if SourceKind.DIRECTORY in self._kinds:
            yield from self._first(self._directory())
        if OF_USERS & self._kinds:
            yield from self._of_users()
        if SourceKind.MAIL in self._kinds:
            yield from self._of_groups()
        yield from self._of_the_store()
        if self._has_drives:
            yield from self._unlicensed
        untold = SourceKind.ONEDRIVE if SourceKind.ONEDRIVE in self._kinds else next(iter(OF_USERS & self._kinds), None)
        if untold is None:
            return
        for key in self._catalogue.damaged():
            if key not in self._found:  # those say it themselves
                yield _undiscovered(key, EntryDamagedError(key), untold)

    def _directory(self) -> Discovered:
        """The one of the tenant; a store holds no more than one."""
        kind = SourceKind.DIRECTORY
        held = (record["id"] for record in self._catalogue.records() if record["kind"] == kind)
        tenant = next(held, None)
        try:
            if tenant is None:
                pages = self._graph.pages("/organization", params={"$select": "id"}, cost=Cost.DIRECTORY)
                tenant = next((identifier_of(row.get("id")) for page in pages for row in page), None)
        except (ItemError, SourceError) as error:
            return _undiscovered(kind.value, error, kind)
        if tenant is None:
            return _undiscovered(kind.value, _odd("The service does not say whose directory it is."), kind)
        return Source(kind, tenant, kind.value)

    def _of_users(self) -> Iterator[Discovered]:
        users = 0
        for page in self._graph.pages("/users", params={"$select": USER_SELECT, "$top": PAGE}, cost=Cost.USERS):
            for user in page:
                users += 1
                for kind in FINDABLE:
                    if kind in self._kinds & OF_USERS:
                        yield from self._first(self._of_user(kind, user))
        if not users:
            raise SourceError(
                "The directory lists no users at all, which no tenant is without.",
                code="no_users",
                action="Run again; if it stays, check for a proxy that answers in the service's place.",
            )

    def _first(self, found: Discovered | None) -> Iterator[Discovered]:
        """What was found, unless it is a source that was found before: pages may overlap."""
        if isinstance(found, _Unlicensed):
            self._unlicensed.append(found)
        elif isinstance(found, Source):
            self._has_drives = self._has_drives or found.kind is SourceKind.ONEDRIVE
            if found.key not in self._found:
                self._found.add(found.key)
                yield found
        elif found is not None:
            yield found

    def _of_user(self, kind: SourceKind, user: Mapping[str, Any]) -> Discovered | None:
        user_id = identifier_of(user.get("id"))
        name = identifier_of(user.get("userPrincipalName")) or user_id or "(a user without id)"
        if user_id is None:
            return _undiscovered(name, _odd("The directory lists a user without an id."), kind)
        if kind is SourceKind.ONEDRIVE:
            return self._drive_of(user_id, name, _licences(user))
        return self._mailbox_of(Source(kind, user_id, name), _licences(user))

    def _drive_of(self, user_id: str, name: str, licences: str) -> Discovered | None:
        known = self._catalogue.drive_of(user_id)
        if known is not None:
            return Source(SourceKind.ONEDRIVE, known["id"], name, user_id)
        if self._absences.known(user_id, licences, self._clock.now()):
            return None
        try:
            drive = _ask(self._graph, user_id)
        except (ItemError, SourceError) as error:
            if isinstance(error, NoLicenceError) or not isinstance(error, NoDriveError):
                return _undiscovered(name, error)
            if error.status == HTTPStatus.NOT_FOUND:
                self._absences.remember(user_id, licences, self._clock.now())
            return None
        return Source(SourceKind.ONEDRIVE, drive["id"], name, user_id, text_of(drive.get("webUrl")))

    def _mailbox_of(self, source: Source, licences: str) -> Discovered:
        if self._catalogue.knows(source):
            return source
        now, without = self._clock.now(), Without(source.kind, source.name)
        if self._absences.known(source.id, licences, now, source.kind):
            return without
        try:
            if has_mailbox(self._graph, source.id, is_group=source.is_group):
                return source
        except (ItemError, SourceError) as error:
            return _undiscovered(source.name, error, source.kind)
        self._absences.remember(source.id, licences, now, source.kind)
        return without

    def _of_groups(self) -> Iterator[Discovered]:
        params = {"$filter": UNIFIED, "$select": GROUP_SELECT, "$top": PAGE}
        try:
            for page in self._graph.pages("/groups", params=params, cost=Cost.DIRECTORY):
                for group in page:
                    yield from self._first(self._of_group(group))
        except (ItemError, SourceError) as error:  # those that we know are asked for themselves
            yield _undiscovered(GROUPS, error, SourceKind.MAIL)

    def _of_group(self, group: Mapping[str, Any]) -> Discovered | None:
        group_id = identifier_of(group.get("id"))
        name = identifier_of(group.get("mail")) or identifier_of(group.get("mailNickname")) or group_id
        if group_id is None or name is None:
            return _undiscovered(
                name or "(a group without id)", _odd("The directory lists a group without an id."), SourceKind.MAIL
            )
        kinds = group.get("groupTypes")
        if isinstance(kinds, list) and "Unified" not in kinds:  # a service that does not filter
            return None
        return self._mailbox_of(Source(SourceKind.MAIL, group_id, name, is_group=True), GROUPS)

    def _of_the_store(self) -> Iterator[Discovered]:
        for record in self._catalogue.records():
            kind = record["kind"]
            if kind not in self._kinds:
                continue
            name, owner = record["names"][-1]["name"], record.get("owner")
            source = Source(SourceKind(kind), record["id"], name, owner)
            if source.key in self._found:
                continue
            if source.kind is SourceKind.MAIL:
                is_group = is_group_mailbox(self._catalogue.store, record["bag"])
                source = Source(source.kind, source.id, name, owner, is_group=is_group)
            yield from self._first(source)


def successor_of(graph: GraphSession, catalogue: Catalogue, lost: Source) -> Source | None:
    """The drive that its user has in place of one that we hold and the service does not find: a source of its own. None if there
    is none, or it is known already (1 request otherwise). Raises: RunError."""
    if lost.owner is None or catalogue.knows_newer(lost):
        return None
    params = {"$select": "id,webUrl"}
    try:
        drive = graph.get(f"/users/{segment(lost.owner)}/drive", params=params, cost=Cost.SINGLE)
    except (ItemError, SourceError):
        return None  # the user is gone as well, or cannot be asked today: the lost drive is said in any case
    if identifier_of(drive.get("id")) in {None, lost.id}:
        return None
    return Source(SourceKind.ONEDRIVE, drive["id"], lost.name, lost.owner, text_of(drive.get("webUrl")))


def _undiscovered(name: str, error: LastcopyError, kind: SourceKind = SourceKind.ONEDRIVE) -> Undiscovered:
    which = _Unlicensed if isinstance(error, NoLicenceError) else Undiscovered
    problem = which(str(error), code=error.code, action=error.action or "Run the export again.")
    problem.name, problem.kind = name, kind
    return problem


def _ask(graph: GraphSession, user_id: str) -> JsonObject:
    """A user's drive. Only the answer that names the missing site means "no drive"; a plain 404 is asked once more, and then
    the user is asked for: one who is there has no drive, unless it was the drive that the service did not find.

    Raises: NoDriveError; UserNotFoundError; other GraphErrors.
    """
    path, params = f"/users/{segment(user_id)}", {"$select": "id,webUrl"}
    for again in (True, False):
        try:
            drive = graph.get(f"{path}/drive", params=params, cost=Cost.SINGLE)
        except NoDriveError as error:
            if error.code == "no_drive":
                raise
            if not again:
                raise _not_found(graph, path, error) from error
        except NotFoundError as error:
            if not again:
                raise _not_found(graph, path, error) from error
        else:
            if identifier_of(drive.get("id")) is not None:
                return drive
            if not again:
                raise _odd("The service names a drive without an id.")
    raise AssertionError("the second answer counts")


def _not_found(graph: GraphSession, path: str, error: GraphError) -> GraphError:
    """What two plain 404s mean: no such user, whatever the code (Q-058); no drive; or nothing that can be relied on."""
    try:
        graph.get(path, params={"$select": "id"}, cost=Cost.DIRECTORY)
    except NotFoundError as missing:
        return missing
    except GraphError:
        return error
    if error.service_code.lower() == "resourcenotfound":  # of a user who is there: it is the site that is not
        return NoDriveError(str(error), code="no_drive", status=error.status)
    return NotFoundError(str(error), code="not_found", action="Run the export again.", status=error.status)


def _odd(text: str) -> SourceError:
    return SourceError(text, code="malformed", action="Run the export again; if it stays, report it.")


def _licences(user: Mapping[str, Any]) -> str:
    """A short name for the set of licences that a user has."""
    skus = sorted(str(licence.get("skuId")) for licence in objects_of(user.get("assignedLicenses")))
    return hashlib.sha256(",".join(skus).encode("utf-8", "surrogatepass")).hexdigest()[:16]
